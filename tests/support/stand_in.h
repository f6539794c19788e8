/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stand_in: a daemon on "socket" in a folder, and a terminal in that folder, in which the modelgov
 * that was built beside this runner is run and heard. What the daemon answers is the test's.
 */
#ifndef MODELGOV_TEST_STAND_IN_H
#define MODELGOV_TEST_STAND_IN_H

#include "base.h"
#include "control.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

/* How modelgov ends. */
enum { OK, FAILED, USAGE, POLICY, UNREACHABLE, DENIED, REFUSED, WAITING, INCONCLUSIVE };

/* ---- the daemon -------------------------------------------------------------------------------
 */

struct stand_in {
	pthread_t thread;
	int end[2]; /* closing [1] ends the thread */
	sd_event *event;
	struct control *control;
};

static inline void *stand_in_main(void *event)
{
	sd_event_loop(event);
	return NULL;
}

static inline int on_stand_in_end(sd_event_source *source, int fd, uint32_t events, void *event)
{
	return sd_event_exit(event, 0);
}

/* Listens when it returns. The methods are called on a thread of its own, with userdata. */
static inline void stand_in_start(struct stand_in *s, const char *folder,
				  const struct method *methods, void *userdata)
{
	char path[PATH_MAX];
	struct control_options options = {
		.path = path, .methods = methods, .userdata = userdata, .viewer_gid = (gid_t)-1
	};
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/socket", folder);
	cr_assert_geq(sd_event_new(&s->event), 0);
	cr_assert_eq(control_open(s->event, &options, &s->control, &e), 0, "%s", e.text);
	cr_assert_eq(pipe2(s->end, O_CLOEXEC), 0);
	cr_assert_geq(sd_event_add_io(s->event, NULL, s->end[0], EPOLLIN, on_stand_in_end,
				      s->event),
		      0);
	cr_assert_eq(pthread_create(&s->thread, NULL, stand_in_main, s->event), 0);
}

static inline void stand_in_stop(struct stand_in *s)
{
	close(s->end[1]);
	pthread_join(s->thread, NULL);
	close(s->end[0]);
	control_close(s->control);
	sd_event_unref(s->event);
}

/* ---- the terminal -----------------------------------------------------------------------------
 */

struct terminal {
	const char *folder;  /* the test's; where "socket" is, and "out" and "err" are written */
	const char *etc;     /* below it, or NULL: the built-in one */
	const char *options; /* before those of the run, or NULL */
	int status;          /* of the last run */
	char *out, *problem; /* what it printed on either stream */
};

static inline void terminal_fini(struct terminal *t)
{
	free(TAKE_PTR(t->out));
	free(TAKE_PTR(t->problem));
}

static inline char *terminal_read(const struct terminal *t, const char *name)
{
	char path[PATH_MAX];
	char *text = NULL;
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/%s", t->folder, name);
	cr_assert_eq(file_read_all(AT_FDCWD, path, 1 << 22, &text, NULL, &e), 0, "%s", e.text);
	return text;
}

/* Path of the modelgov beside this runner; buf of PATH_MAX. */
static inline char *program_locate(char *buf)
{
	char self[PATH_MAX] = "";

	cr_assert_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	snprintf(buf, PATH_MAX, "%.*s/modelgov", PATH_MAX - 16, dirname(dirname(self)));
	cr_assert_eq(access(buf, X_OK), 0, "no %s: build the programs first", buf);
	return buf;
}

/* Runs `modelgov ARGUMENTS` in the folder; the shell splits them and follows their pipes. */
static inline int terminal_run(struct terminal *t, const char *arguments)
{
	char program[PATH_MAX], etc[PATH_MAX] = "", command[4 * PATH_MAX];
	int status;

	terminal_fini(t);
	if (t->etc)
		snprintf(etc, sizeof(etc), "MODELGOV_ETC=%s/%s", t->folder, t->etc);
	snprintf(command, sizeof(command),
		 "cd %s && { env -u MODELGOV_ETC %s TZ=UTC MODELGOV_SOCKET=%s/socket %s %s %s; } "
		 ">out 2>err </dev/null",
		 t->folder, etc, t->folder, program_locate(program), t->options ? t->options : "",
		 arguments);
	status = system(command);
	cr_assert(WIFEXITED(status), "modelgov %s: killed by a signal", arguments);
	t->out = terminal_read(t, "out");
	t->problem = terminal_read(t, "err");
	return t->status = WEXITSTATUS(status);
}

/* It ends so, and the words are in its output, or in its problem if there is no output. */
#define terminal_says(t, arguments, expected, words)                                               \
	do {                                                                                       \
		terminal_run(t, arguments);                                                        \
		cr_assert_eq((t)->status, expected, "modelgov %s: exit %d\n%s%s", arguments,       \
			     (t)->status, (t)->out, (t)->problem);                                 \
		cr_assert_not_null(strstr(*(t)->out ? (t)->out : (t)->problem, words),             \
				   "modelgov %s: no '%s' in:\n%s%s", arguments, words, (t)->out,   \
				   (t)->problem);                                                  \
	} while (0)

#endif
