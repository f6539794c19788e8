/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hierarchy: the cgroup hierarchy as directories: which of them match a pattern, and whether any
 * came or went since the last question. Opens no control file and knows no model.
 */
#ifndef MODELGOV_SENSE_HIERARCHY_H
#define MODELGOV_SENSE_HIERARCHY_H

#include "base.h"

#include <limits.h>

struct hierarchy {
	char root[PATH_MAX];
	int root_fd;
	int inotify_fd;   /* -1: no notices, the caller has to look now and then */
	bool has_watches; /* every directory that was walked is watched */
};

void hierarchy_init(struct hierarchy *t);
int hierarchy_open(struct hierarchy *t, const char *root, struct err *e);
void hierarchy_close(struct hierarchy *t);

/* Paths begin with a slash and are below the root; the root itself is never meant. */

/* A directory at path: its kernfs id. 0, -ENOENT or another negative errno. */
int hierarchy_id(const struct hierarchy *t, const char *path, uint64_t *ret_id);

/* The directory, open for reading, or a negative errno. The caller closes it. */
int hierarchy_directory(const struct hierarchy *t, const char *path);

/* Called for each match; a negative value ends the walk and is its result. */
typedef int hierarchy_visit(const char *path, uint64_t id, void *userdata);

/*
 * All directories that match the pattern, in the order of the file system. Each component is
 * matched by itself with fnmatch(3): '*' does not cross a slash; a backslash stands for itself,
 * because systemd puts "\x2d" into names. A pattern without leading slash, or with "." or "..",
 * matches nothing. From now on hierarchy_changed() sees what comes and goes on the way to the
 * pattern.
 */
int hierarchy_match(struct hierarchy *t, const char *pattern, hierarchy_visit *visit,
		    void *userdata);

/* Directories of that name in any slice, where systemd puts a unit: for hosts without D-Bus. */
int hierarchy_match_unit(struct hierarchy *t, const char *unit, hierarchy_visit *visit,
			 void *userdata);

/* Has a directory come or gone where earlier walks passed? Clears the notice. */
bool hierarchy_changed(struct hierarchy *t);

/* Forgets all watches, before other patterns are walked. */
void hierarchy_unwatch(struct hierarchy *t);

#endif
