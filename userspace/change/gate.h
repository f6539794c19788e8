/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate: the checks that a change must pass: which there are, and how one is run. The interface of
 * the executables is docs/governance.md.
 */
#ifndef MODELGOV_CHANGE_GATE_H
#define MODELGOV_CHANGE_GATE_H

#include "life.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define GATE_NOTE_BYTES                                                                            \
	4096 /* of what an executable prints; the rest is dropped. Chosen: a page                  \
	      */

/* Of gates.d; chosen: a handful is usual, and the built-in ones must have room beside them. */
#define MAX_EXECUTABLES 24

/* ---- gate_files.c: which executables there are
 * --------------------------------------------------- */

struct gate_file {
	const char *name, *path;
};

struct gate_files {
	struct gate_file *all; /* by name */
	unsigned int n;
};

/*
 * Of both directories; a file of the first hides one of the same name in the second, and a link to
 * /dev/null hides it altogether. Directories that are not there have none. -EPERM and the first
 * thing that is wrong: not root's, writable by others, not executable, not a file. Memory of the
 * arena.
 */
int gate_files_list(const char *const directories[2], struct arena *arena,
		    struct gate_files *ret_files, struct err *e);

/* Whoever may write there decides what comes into force: files and the directories named. -EPERM.
 */
int policy_files_trust(const char *etc, struct err *e);

/* ---- builtin.c: those of our own
 * ----------------------------------------------------------------- */

struct gate_question {
	const struct change *change;
	const struct policy *in_force; /* NULL: none */
	const struct host_facts *facts;
	const char *const *gates_dirs; /* two */
	const char *etc; /* policy directory, for changes of source "etc"; NULL: none */
};

/* Asks each built-in gate; at most MAX_GATES results, memory of the arena. */
int builtin_gates_ask(const struct gate_question *q, struct arena *arena,
		      struct gate_result *ret_results, unsigned int *ret_n);

/* ---- gate.c: running an executable
 * --------------------------------------------------------------- */

struct gate_order {
	sd_event *event;
	sd_bus *bus;
	const struct gate_file *file;
	const char *input; /* JSON, on its standard input */
	uint64_t timeout_ns;
};

struct gate_run;

/* Told once, from the loop; result's strings are borrowed. */
typedef void gate_done(const struct gate_result *result, void *userdata);

/* Never blocks. On failure nothing runs and done is not called. */
int gate_start(const struct gate_order *order, gate_done *done, void *userdata,
	       struct gate_run **ret_run, struct err *e);
/* Nobody wants to know any more; systemd ends it by its time-out. NULL is fine. */
void gate_cancel(struct gate_run *run);

/* How an executable ended, as systemd tells; pure. */
struct gate_end {
	const char *result;   /* Result of the service: "success", "exit-code", "timeout", ... */
	int32_t code, status; /* ExecMainCode (CLD_EXITED, ...), ExecMainStatus */
};

/* ret_note: what it printed, or what there is to know about its end. */
enum gate_verdict gate_judge(const struct gate_end *end, const char *printed, uint64_t timeout_ns,
			     char *ret_note, size_t size);

#endif
