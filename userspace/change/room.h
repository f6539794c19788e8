/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room: what the files of this room share. One step is done at a time: it is computed on a copy of
 * the change, kept by the record, and only then true here. So memory never says more than the disk.
 */
#ifndef MODELGOV_CHANGE_ROOM_H
#define MODELGOV_CHANGE_ROOM_H

#include "gate.h"
#include "life.h"
#include "probation.h"

#define MAX_OPEN 16 /* changes; chosen: more are not being looked at by anybody */

struct step;
struct gating;

struct changes {
	struct changes_options options;
	char *gates_dirs[2], *etc;
	char *problem; /* why the record could not be read; NULL: it was */
	char *unread;  /* why the generation in force could not be entered; NULL: it was */

	/* in force */
	uint64_t generation, parent, equals; /* parent: the one before */
	struct policy *policy; /* our own copy: its settings are the rules. NULL: none */
	char *canonical;

	char *considered; /* digest of the last policy in /etc that was proposed; "" for none */
	struct change *open[MAX_OPEN];
	unsigned int n_open;

	struct watch watch;
	uint64_t retry_ns; /* not before: something failed; CLOCK_MONOTONIC */

	struct step *steps; /* to be done, in order; the first is the one under way */
	bool is_busy;       /* and waits for the record */
	bool is_running;    /* steps_run() is on the stack */
	bool is_asking;     /* the record is tried again */
	bool is_closing;
	struct gating *gating;
};

/* ---- changes.c
 * ----------------------------------------------------------------------------------- */

struct change *open_find(const struct changes *c, uint64_t id);
struct change *open_on_probation(const struct changes *c);
/* Puts the new state of a change in place of the old; closed ones leave the list. */
void open_replace(struct changes *c, struct change *take_change);
void changes_free_when_quiet(struct changes *c);
/* After anything: what the new situation sets off by itself. */
void changes_proceed(struct changes *c);

/* ---- steps.c: what is done, one at a time
 * ---------------------------------------------------------- */

enum step_kind {
	STEP_PROPOSE,
	STEP_RETURN, /* a rollback: find the generation, then as STEP_PROPOSE */
	STEP_GATED,
	STEP_APPROVE,
	STEP_APPLY,
	STEP_JUDGED,
	STEP_UNDO, /* leaves probation by going back */
	STEP_WITHDRAW,
	STEP_SUPERSEDE,
};

struct step {
	struct changes *changes;
	struct step *next;
	enum step_kind kind;
	uint64_t number;    /* of the change; of the generation for STEP_RETURN */
	struct person *who; /* NULL: modelgovd itself */
	const char *why, *ticket;

	const char *canonical, *source; /* STEP_PROPOSE */
	uint64_t equals;
	bool applies;
	struct gate_result *gates; /* STEP_GATED */
	unsigned int n_gates;
	bool is_worse; /* STEP_JUDGED */

	struct change *after;     /* as it will be when the record has it */
	struct policy *candidate; /* ready to enter, twice: ours and the daemon's */
	struct policy *candidate_own;
	change_reply *reply;
	void *userdata;
	struct arena arena; /* of what it was asked with */
};

/* At the end of the queue; NULL without memory, and then reply has been told. */
struct step *step_new(struct changes *c, enum step_kind kind, change_reply *reply, void *userdata);
void step_add(struct step *take_step); /* begins when it is its turn */
void step_free(struct step *s);
void step_abandon(struct step *s); /* the daemon stops: tells whoever asked */
int step_copy_person(struct step *s, const struct person *who);
void steps_run(struct changes *c);
bool steps_have(const struct changes *c, enum step_kind kind, uint64_t number);

/* ---- proposal.c: a candidate becomes a change
 * ------------------------------------------------------- */

/* All but its id; the rules and the owners in force are written into it. */
int proposal_make(struct changes *c, const struct step *s, const struct policy *candidate,
		  struct change **ret_change, struct err *e);

/* ---- gating.c: gates of one change at a time
 * -------------------------------------------------------- */

/* Begins with the next change that is in CHANGE_GATING, when none is under way. */
void gating_proceed(struct changes *c);
void gating_cancel(struct changes *c, uint64_t id); /* 0: whichever */

#endif
