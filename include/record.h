/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record: remembers what was loaded, seen, decided and done, with its reason, and tells it in
 * sentences. One SQLite database (WAL) with exactly one read-write connection on one worker thread;
 * the loop never waits for the disk. A full or broken disk stops recording, never governing.
 */
#ifndef MODELGOV_RECORD_H
#define MODELGOV_RECORD_H

#include "base.h"
#include "decide.h"
#include "model.h"
#include "policy.h"

#include <jansson.h>

struct journal;

/*
 * directory: "/var/lib/modelgov", where journal.db lives. Succeeds also when the database cannot be
 * opened now: that is in journal_get_status() and tried again. Fails without memory or threads.
 */
int journal_open(const char *directory, struct journal **ret_journal, struct err *e);
void journal_close(struct journal *j); /* waits for the queue to be written; NULL is fine */

/* Rows older than retention_ns are removed, and the oldest while the file is larger than limit_bytes. */
void journal_limit(struct journal *j, uint64_t retention_ns, uint64_t limit_bytes);

int journal_fd(const struct journal *j); /* readable: call journal_dispatch() */
void journal_dispatch(struct journal *j);

/* Each copies what it needs and returns at once; failures are in journal_status(). */
void journal_event(struct journal *j, uint64_t wall_ns, const char *kind, json_t *take_details);
void journal_policy(struct journal *j, uint64_t wall_ns, const struct policy *p);
void journal_tick(struct journal *j, const struct policy *p, const struct observation *now,
		  const struct plan *plan);
/* One outcome per action of the plan of that tick, in its order. */
void journal_outcomes(struct journal *j, uint64_t tick, const struct outcome *outcomes,
		      unsigned int n);

struct journal_status {
	uint64_t rows_written, rows_lost;
	unsigned int backlog;
	char problem[1024]; /* why rows are lost now; "" when all is well */
};

void journal_get_status(struct journal *j, struct journal_status *ret_status);

/*
 * The last actions of a model (NULL: of all), newest first, at most limit: asked on the writer's
 * thread, answered by calling reply on the loop's thread with an array of objects {"time_ns", "tick",
 * "model", "cgroup", "knob", "before", "value", "reason", "outcome", "note", "sentence"}.
 */
typedef void journal_reply(json_t *take_actions, const char *problem, void *userdata);
void journal_ask_actions(struct journal *j, const char *model, unsigned int limit,
			 journal_reply *reply, void *userdata);

/* The same without a daemon, from the file, read only. NULL with an error. */
int journal_read_actions(const char *directory, const char *model, unsigned int limit,
			 json_t **ret_actions, struct err *e);

/* ---- explain --------------------------------------------------------------------------------- */

/* One sentence an operator can act on: what is written and why; caller frees. */
char *explain_action(const struct policy *p, const struct action *a);

/* Why the model got what it got this tick, also when nothing was done; caller frees. */
char *explain_verdict(const struct policy *p, uint32_t model, const struct verdict *v);

/* Who changed a value that modelgov had set, and what became of it; caller frees. */
char *explain_drift(const struct policy *p, const struct drift *d);

/* ---- forms ----------------------------------------------------------------------------------- */

/* Canonical JSON of the corridor's nouns; new references. */
json_t *observation_to_json(const struct policy *p, const struct observation *now);
json_t *plan_to_json(const struct policy *p, const struct observation *now,
		     const struct plan *plan);

#endif
