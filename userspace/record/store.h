/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: the database file as the journal's thread sees it: what is written together, what can be
 * asked, what leaves. One thread, one connection; blocking. Knows nothing of threads or of the
 * loop.
 */
#ifndef MODELGOV_RECORD_STORE_H
#define MODELGOV_RECORD_STORE_H

#include "record.h"

struct store;

/*
 * One entry to chain. Kinds with a body of their own: "tick" {"digest", "observation", "plan"},
 * "outcomes" {"outcomes": [...]} in the order of the plan's actions, "policy" {"digest",
 * "canonical"}; every other kind is an event and its body is what it has to tell.
 */
struct entry {
	const char *kind;
	uint64_t run;  /* start of the daemon, CLOCK_REALTIME ns: ticks count from 1 in each */
	uint64_t tick; /* 0 for what belongs to no tick */
	uint64_t wall_ns;
	json_t *body;
};

/* A change's new document, and the generation that comes with it or NULL. See journal_keep_*(). */
struct keeping {
	const char *step;
	uint64_t run, wall_ns;
	json_t *change, *generation, *details;
};

/* Read only: the file is not touched, and may be of an older schema (then only actions are read).
 */
int store_open(const char *directory, bool is_read_only, struct store **ret_store, struct err *e);
void store_close(struct store *s);

/* All or nothing; how many rows it took, or a negative errno. */
int store_write(struct store *s, const struct entry *entry, struct err *e);

/* All or nothing, and on disk: {"id", "number"}. */
int store_keep(struct store *s, const struct keeping *k, json_t **ret_answer, struct err *e);

/* See journal_ask_actions(). */
int store_actions(struct store *s, const char *model, unsigned int limit, json_t **ret_actions,
		  struct err *e);

/* See QUESTIONS; all but QUESTION_CHAIN, which takes long: see audit.h. */
int store_ask(struct store *s, enum question question, const json_t *parameters,
	      json_t **ret_answer, struct err *e);

/*
 * Removes entries written before before_ns, then the oldest while the file is too large; a few
 * thousand at a time. run and wall_ns are of the entry that tells of it.
 */
struct trimming {
	uint64_t run, wall_ns, before_ns, limit_bytes;
};

int store_trim(struct store *s, const struct trimming *t, struct err *e);

/* An entry of kind "checkpoint": the head before it, signed. */
struct seal;

int store_seal(struct store *s, const struct seal *seal, uint64_t run, uint64_t wall_ns,
	       struct err *e);

#endif
