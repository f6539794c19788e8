/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers: which process wrote a control file of a governed cgroup, from fanotify. Remembers the
 * last write of each file until it is told to forget; whether a value changed is not known here.
 *
 * The cgroup's directory is marked, not the mount: a mark on a mount misses the writes that come by
 * another one (a container's, or the host's when a unit file gives modelgovd its own), and sees
 * those of everybody else. The kernel names the writer only to CAP_SYS_ADMIN. A name is asked of
 * /proc, so a process that is gone by then has none.
 */
#ifndef MODELGOV_SENSE_WRITERS_H
#define MODELGOV_SENSE_WRITERS_H

#include "health.h"
#include "model.h"

#include <sys/types.h>

struct write_seen {
	ino_t file;
	uint64_t at_ns; /* when it was read; CLOCK_MONOTONIC */
	uint32_t pid;
	char comm[16]; /* printable ASCII */
};

struct writers {
	int fd; /* -1: fanotify is not to be had */
	int problem;
	struct write_seen *seen; /* one a file; the last write is kept */
	unsigned int n_seen;
	uint64_t n_overflows, n_unread, n_without_room; /* writes that were dropped, by cause */

	bool is_reloading;    /* systemd; known on hosts with D-Bus */
	uint64_t reloaded_ns; /* when the last reload ended; 0: none was seen */
};

/* Succeeds also without fanotify: the health list tells. */
void writers_init(struct writers *w);
void writers_open(struct writers *w);
void writers_close(struct writers *w);

/* The control files in this directory are watched, or not any more. */
void writers_mark(struct writers *w, int dir_fd);
void writers_unmark(struct writers *w, int dir_fd);

/* Takes what is there to be read. */
void writers_read(struct writers *w);

/* The last write of file dir_fd/name, by others than this process; NULL: none was seen. */
const struct write_seen *writers_find(const struct writers *w, int dir_fd, const char *name);

/* What was seen until now explains nothing that changes later. */
void writers_forget(struct writers *w);

/* systemd said that it begins or ends to read its units anew. */
void writers_note_reload(struct writers *w, bool is_reloading);

/* Who that was, when it wrote into the cgroup of that unit ("": none). */
struct writer writers_judge(const struct writers *w, const struct write_seen *seen,
			    const char *unit);

void writers_examine(const struct writers *w, struct health_list *list);

#endif
