/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide: policy + observation + state -> plan. The law of modelgov, and nothing else.
 *
 * Pure: sees only its arguments; no clock, files, log, allocation, floating point; cannot fail, because it
 * can always answer "do nothing". Same input, same bytes out, whatever the order of targets; ties break
 * by id. `make lint` proves the purity over the symbols of the compiled room.
 */
#ifndef MODELGOV_DECIDE_H
#define MODELGOV_DECIDE_H

#include "model.h"
#include "policy.h"

#define LADDER_LEVELS 41 /* w = round(100 * 1.25^(level - 20)): 1 .. 8674 */

/* What decide remembers of one model. Only decide writes it. */
struct model_state {
	int32_t offset;          /* levels that feedback added to (or took from) the policy's level */
	uint32_t low_ticks;      /* ticks in a row with slack under the raise threshold */
	uint32_t settle_ticks;   /* ticks still to wait after a change */
	uint32_t quiet_ticks;    /* ticks in a row with slack above the give-back threshold */
	uint32_t missing_ticks;  /* ticks in a row without measurement */
};

/* What decide remembers of the host. Fixed size per model; zero is the state before the first tick. */
struct state {
	uint32_t n_models;
	struct model_state *models;
};

/* Storage the caller owns, zeroed; the only allocation of this room, done outside of decide(). */
int state_init(struct state *s, uint32_t n_models);
void state_fini(struct state *s);

/* After a policy change: what is remembered of models that exist in both, by name. ret_new is init'ed. */
void state_carry(const struct state *old, const struct policy *old_policy,
		 const struct policy *new_policy, struct state *ret_new);

/* Storage for a plan over that many models and targets; is reused tick after tick. */
int plan_init(struct plan *p, uint32_t n_models, uint32_t max_actions);
void plan_fini(struct plan *p);

/* The law. ret_plan was init'ed for at least policy->n_models. */
void decide(const struct policy *policy, const struct observation *now, struct state *state,
	    struct plan *ret_plan);

/* The parameters of the law: name, unit, value, range, source, effect; for docs and explain. */
struct parameter {
	const char *name, *unit;
	int64_t value;
	const char *effect, *source;
};

extern const struct parameter parameter_table[];
extern const unsigned int n_parameters;

/* cpu.weight of a ladder level, clamped to 0..40. */
uint64_t ladder_weight(int32_t level);

#endif
