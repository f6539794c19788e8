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

/*
 * Each copies what it needs and returns at once; failures are in journal_status(). kind: at most 31 bytes,
 * none of "tick", "outcomes", "policy", "change", "generation", "trimmed", "checkpoint", which are the record's own.
 */
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

/* ---- generations and changes -------------------------------------------------------------------- */

/*
 * What is kept beside the chain: the state of each change as its document (see change.h) and every
 * generation with its canonical bytes. Each write is one transaction with the chain entry that tells of
 * it, and is on disk when the answer comes. Answers come on the loop's thread: an object or array, or
 * NULL and the problem.
 */
typedef void journal_answer(json_t *take_answer, const char *problem, void *userdata);

/*
 * Keeps a change's document; without "id" it is a new one. It has "state" and "digest"; without
 * "canonical" the bytes that are there stay. step and details ("who", "why", ...) are the chain entry of
 * kind "change": {"change", "step", "state", "digest", "document" (its SHA-256), "details"}. Answers {"id"}.
 */
void journal_keep_change(struct journal *j, json_t *take_change, const char *step,
			 json_t *take_details, journal_answer *answer, void *userdata);

/*
 * A new generation, in force from its commit on. generation: {"digest", "canonical", "author", "reason",
 * "ticket", "equals" (number it returns to, or null), "facts", "gates"}; the store adds "number", "parent",
 * "made_ns", "change". The change's document gets "generation". Its one chain entry has kind "generation",
 * step "generation" and, beside what a change's has, "generation" without canonical. Answers {"number",
 * "id"}.
 */
void journal_keep_generation(struct journal *j, json_t *take_generation, json_t *take_change,
			     json_t *take_details, journal_answer *answer, void *userdata);

/*
 * What the record can be asked; every parameter may be absent. ENTRIES and TICKS answer a page, at most 1000
 * and about 2 MiB: ask again after the last seq until the page is empty. X(tag, name, parameters and answer)
 */
#define QUESTIONS(X)                                                                               \
	X(HISTORY, "history", "{limit}: generations without canonical, newest first")              \
	X(GENERATION, "generation", "{number}: the whole one; 0: the one in force, {} when none")  \
	X(CHANGES, "changes", "{limit, is_open}: documents without canonical, newest first")       \
	X(CHANGE, "change", "{id}: {document, entries}: with canonical, and every chain entry of it") \
	X(ENTRIES, "entries", "{from_ns, to_ns, after, limit, kind}: {seq, wall_ns, run, tick, kind, "  \
			      "body, hash} by seq")                                                \
	X(TICKS, "ticks", "{from_ns, to_ns, after, limit}: {seq, run, tick, wall_ns, digest, "         \
			  "observation} by seq")                                                   \
	X(CHECKS, "checks", "{model, limit}: bodies of entries of kind \"check\" with seq and wall_ns, "  \
			    "newest first")                                                        \
	X(CHAIN, "chain", "{}: {entries, generations, head, sealed, broken}: verifies all; sealed is "   \
			  "null or {checkpoints, last, key, keys}; broken is null or "                 \
			  "{table, seq, what} of the first that is wrong")

enum question {
#define X(tag, name, meaning) QUESTION_##tag,
	QUESTIONS(X)
#undef X
	N_QUESTIONS,
};

void journal_ask(struct journal *j, enum question question, json_t *take_parameters,
		 journal_answer *answer, void *userdata);

/* The same at once: waits for the writer's thread. For the daemon's start only. */
int journal_ask_now(struct journal *j, enum question question, json_t *take_parameters,
		    json_t **ret_answer, struct err *e);

/* The same without a daemon, from the file, read only. */
int journal_read(const char *directory, enum question question, json_t *take_parameters,
		 json_t **ret_answer, struct err *e);

/* ---- explain --------------------------------------------------------------------------------- */

/* One sentence an operator can act on: what is written and why; caller frees. */
char *explain_action(const struct policy *p, const struct action *a);

/* Why the model got what it got this tick, also when nothing was done; caller frees. */
char *explain_verdict(const struct policy *p, uint32_t model, const struct verdict *v);

/* Who changed a value that modelgov had set, and what became of it; caller frees. */
char *explain_drift(const struct policy *p, const struct drift *d);

/* ---- forms ----------------------------------------------------------------------------------- */

/*
 * Text that others chose, such as the path of a cgroup or an error that names it: where it is not
 * UTF-8, each byte beyond ASCII becomes a question mark, and nothing is left out because of it.
 */
json_t *foreign_to_json(const char *text);

/* Canonical JSON of the corridor's nouns; new references. */
json_t *observation_to_json(const struct policy *p, const struct observation *now);
json_t *plan_to_json(const struct policy *p, const struct observation *now,
		     const struct plan *plan);

/*
 * The way back, for replay: the observation as that policy would have seen it. Models are found by
 * name: those that the policy does not have are left out with their targets, those that were not
 * observed have every reading MISSING. Memory of the arena. -EINVAL: not an observation.
 */
int observation_from_json(const json_t *form, const struct policy *p, struct arena *arena,
			  struct observation **ret_now, struct err *e);

#endif
