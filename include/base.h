/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: what every room stands on: errors that explain themselves, cleanup attributes, the tick's
 * arena, units, small files, the clock and one worker thread. Knows nothing of models or cgroups.
 */
#ifndef MODELGOV_BASE_H
#define MODELGOV_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- errors ---------------------------------------------------------------------------------- */

/*
 * The text of a failure, built where it happens and completed by callers. The caller owns the
 * struct (usually on the stack, zeroed); text is always NUL-terminated and cut with "..." when long.
 */
struct err {
	int code;        /* negative errno, 0 when nothing happened */
	char text[1024]; /* one sentence, or several lines for a list of findings; no final newline */
};

/* Writes the text, appends ": strerror(code)" and returns code, so that it can end a function. */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set() without the strerror: for errors that are not the kernel's, such as a bad manifest. */
int err_say(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "what: " before the text that is there and returns e->code. */
int err_context(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- cleanup --------------------------------------------------------------------------------- */

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_fd_ _cleanup_(cleanup_fd)
#define _cleanup_file_ _cleanup_(cleanup_file)

/* Hands the value over and leaves an empty place behind, for use with the attributes above. */
#define TAKE_PTR(p) ({ __typeof__(p) _taken = (p); (p) = NULL; _taken; })
#define TAKE_FD(fd) ({ int _taken = (fd); (fd) = -1; _taken; })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a < _b ? _a : _b; })
#define MAX(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a > _b ? _a : _b; })

/* ---- arena ----------------------------------------------------------------------------------- */

/*
 * Memory of one tick: allocate freely, release all at once with arena_reset(). Nothing in it
 * outlives the reset. Blocks are kept for the next tick, so a steady loop does not call malloc.
 */
struct arena {
	struct arena_block *blocks; /* newest first */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);

/* Zeroed memory aligned for any type; NULL when the system has none. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_strdup(struct arena *a, const char *text);
#define arena_new(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

/* ---- units ----------------------------------------------------------------------------------- */

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL
#define PERMYRIAD 10000ULL /* the whole, in hundredths of a percent */
#define VALUE_MAX UINT64_MAX /* "max", "none", "infinity": no limit */

/*
 * Text to number. The unit is mandatory; at most six decimals; no sign, no blanks; nothing may
 * follow. Return 0, or -EINVAL (not of that form), -ERANGE (does not fit). ret_ is written on success.
 *   duration  "250us" "20ms" "1.5s" "5min" "2h" "7d"          -> ns
 *   size      "512B" "64KiB" "1.5GiB" "2TiB" (powers of 1024)  -> bytes
 *   cpus      "1.5cpu"                                         -> millicpu (1500)
 *   share     "2%" "0.5%"                                      -> permyriad (200, 50)
 */
int duration_parse(const char *text, uint64_t *ret_ns);
int size_parse(const char *text, uint64_t *ret_bytes);
int cpus_parse(const char *text, uint64_t *ret_millicpu);
int share_parse(const char *text, uint64_t *ret_permyriad);
int number_parse(const char *text, uint64_t *ret_value); /* base 10 digits only */

/*
 * Number to text for people, written into and returned from buf: the largest unit in which the
 * value stays readable, at most two decimals ("20ms", "9.1ms", "1.5GiB", "40%", "1.5cpu").
 * size bytes of buf suffice from 32 up.
 */
char *duration_format(uint64_t ns, char *buf, size_t size);
char *size_format(uint64_t bytes, char *buf, size_t size);
char *cpus_format(uint64_t millicpu, char *buf, size_t size);
char *share_format(uint64_t permyriad, char *buf, size_t size);

/* ---- small files ----------------------------------------------------------------------------- */

/*
 * Reads a whole small file below dirfd (or AT_FDCWD) into a NUL-terminated heap string that the
 * caller frees. -EFBIG when longer than limit_bytes. ret_length may be NULL.
 */
int file_read_all(int dirfd, const char *path, size_t limit_bytes, char **ret_text,
		  size_t *ret_length, struct err *e);

/* pread from offset 0 of a kept descriptor into buf, NUL-terminated; bytes read or negative errno. */
ssize_t file_reread(int fd, char *buf, size_t size);

/* pwrite of the text at offset 0 of a kept descriptor; 0 or negative errno. */
int file_rewrite(int fd, const char *text);

/* Replaces a file so that a reader or a crash sees the old or the new text, never a part. */
int file_replace(const char *path, const char *text, size_t length, unsigned int mode,
		 struct err *e);

/* mkdir -p. Existing directories are fine. */
int directory_make(const char *path, unsigned int mode, struct err *e);

/* "key value" lines of a flat cgroup file: the value of key, or VALUE_MAX's negation -ENOENT. */
int flat_file_find(const char *text, const char *key, uint64_t *ret_value);

/* ---- clock ----------------------------------------------------------------------------------- */

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);

/* ---- worker ---------------------------------------------------------------------------------- */

/*
 * One thread that does jobs in order, for work that may block (disk, D-Bus, memory.high). A job is
 * the caller's struct with struct job as its FIRST member. The loop watches worker_fd() and calls
 * worker_reap(), which runs job->done on the loop's thread.
 */
struct job {
	void (*run)(struct job *job, void *context);  /* on the worker's thread */
	void (*done)(struct job *job, void *context); /* on the caller's thread; frees the job */
	struct job *next;                             /* worker's own */
};

struct worker;

/* The thread blocks all signals. context is borrowed and given to every job. */
int worker_new(const char *name, void *context, struct worker **ret_worker, struct err *e);

/* Lets all posted jobs run, runs their done(), joins the thread. NULL is fine. */
void worker_free(struct worker *w);

void worker_post(struct worker *w, struct job *take_job);
int worker_fd(const struct worker *w);     /* readable when worker_reap() has something to do */
void worker_reap(struct worker *w);        /* runs done() of finished jobs; never blocks */
unsigned int worker_backlog(struct worker *w); /* jobs posted and not yet reaped */

#endif
