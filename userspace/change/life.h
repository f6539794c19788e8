/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life: a change as a document, and every move it may make. Pure: sees only its arguments, time
 * included; who keeps the document and what a move sets off is changes.c's.
 *
 * All that judges a change is written into it when it is proposed (rules, touched models and their
 * owners): they are those of the generation in force then, and a change can only be applied while
 * that is still so.
 */
#ifndef MODELGOV_CHANGE_LIFE_H
#define MODELGOV_CHANGE_LIFE_H

#include "change.h"

#define MAX_GATES     32 /* built-in ones and executables; chosen, a handful is usual */
#define MAX_APPROVALS 16 /* of one change; chosen: approvals: 3 at most, and owners besides */

struct gate_result {
	const char *name;
	enum gate_verdict verdict;
	const char *note; /* what it said, "" for nothing */
};

/* A model that is not the same in the candidate as in force. */
struct touch {
	const char *model;
	bool is_new;         /* not in force yet: its owners were named by the change itself */
	bool has_author;     /* the author is one of its owners */
	struct names owners; /* of the manifest in force; of the candidate when it is new */
};

struct approval {
	const char *who;
	uid_t uid;
	const char *why;
	uint64_t at_ns;
	bool is_root;
	bool counts;       /* one of the people that host.approvals asks for */
	struct names owns; /* touched models that this person owns */
};

/* Of the host settings in force when it was proposed. */
struct rules {
	uint64_t approvals;
	uint64_t probation_ns; /* 0: none */
	uint64_t margin_permyriad;
	uint64_t gate_timeout_ns;
};

struct probation; /* see probation.h */

struct change {
	uint64_t id; /* 0: not stored yet */
	enum change_state state;
	const char *source, *author, *reason, *ticket;
	uid_t author_uid;
	const char *digest, *canonical;
	uint64_t made_ns;
	uint64_t base;          /* generation it was made for; 0: none was in force */
	uint64_t equals;        /* generation it returns to, 0: none */
	uint64_t undoes;        /* change on probation that it takes back, 0: none */
	uint64_t generation;    /* it became, 0: not yet */
	bool applies;           /* as soon as the rules allow */
	const char *considered; /* digest of the last /etc that was looked at, "" for none */

	struct rules rules;
	bool touches_host;
	struct touch *touches;
	unsigned int n_touches;

	struct gate_result gates[MAX_GATES];
	unsigned int n_gates;
	struct approval approvals[MAX_APPROVALS];
	unsigned int n_approvals;

	struct probation *probation; /* while it is watched, and how it went */
	const char *ending;          /* one sentence: why it is as it is; "" while it is open */
	struct arena arena;          /* owns every string and array above */
};

/* An empty one; NULL without memory. */
struct change *change_new(void);
void change_free(struct change *c); /* NULL is fine */

/* document.c: as it is stored; new reference, NULL without memory. */
json_t *change_to_json(const struct change *c);
int change_from_json(const json_t *document, struct change **ret_change, struct err *e);

const char *state_name(enum change_state state);
const char *gate_verdict_name(enum gate_verdict verdict);

/* ---- moves ----------------------------------------------------------------------------------- */

/*
 * Each returns 0 and has moved the change, or says why not and what to do instead, and then nothing
 * has changed. -EPERM: not this person; -EINVAL: not in this state; -ENOMEM, -E2BIG.
 */

/* The gates have answered: refused, waiting or ready. gates are copied. */
int change_gated(struct change *c, const struct gate_result *gates, unsigned int n, struct err *e);

/* why is asked for; see approval.h for who may. */
int change_sign(struct change *c, const struct person *who, const char *why, uint64_t at_ns,
		struct err *e);

/*
 * The moment of coming into force, before it is stored. in_force: generation now; is_watching:
 * another change is on probation, and only one that undoes it may go on.
 */
struct situation {
	uint64_t in_force;
	uint64_t on_probation; /* id of the change that is, 0: none */
};

int change_enter(struct change *c, const struct situation *now, struct err *e);

/* The probation's end: kept, or worse and rolled back. why is a sentence. */
int change_judged(struct change *c, bool is_worse, const char *why, struct err *e);

int change_taken_back(struct change *c, const struct person *who, const char *why, struct err *e);
int change_overtaken(struct change *c, const char *why, struct err *e);

static inline bool change_is_open(const struct change *c)
{
	switch (c->state) {
#define X(tag, name, is_open, meaning)                                                             \
	case CHANGE_##tag:                                                                         \
		return is_open;
		CHANGE_STATES(X)
#undef X
	case N_CHANGE_STATES:
		break;
	}
	return false;
}

#endif
