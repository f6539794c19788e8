/* SPDX-License-Identifier: Apache-2.0 */
/*
 * models: what sense remembers of each model from tick to tick, by name, and how a tick's totals
 * become one struct model_reading. Reads the sampler; the cgroups' readings are handed in.
 */
#ifndef MODELGOV_SENSE_MODELS_H
#define MODELGOV_SENSE_MODELS_H

#include "policy.h"
#include "probes.h"
#include "targets.h"
#include "window.h"

/*
 * A single wait of so many times the model's smallest runqueue_wait budget is a breach: what the
 * law calls far broken (slack below -100 %) when it happens to the quantile. At the budget itself,
 * 1 % of the waits of a healthy p99 model would wake the daemon.
 */
#define BREACH_FACTOR 2

/* A sampler that was taken over may be larger still; what lies beyond is not used. */
#define MAX_SLOTS (SLOT_FIRST_MODEL + POLICY_MAX_MODELS)

/* The window of one objective. */
struct objective_window {
	enum indicator indicator;
	uint64_t window_ns;
	struct wait_window wait;   /* RUNQUEUE_WAIT */
	struct stall_window stall; /* MEMORY_STALL */
};

struct followed {
	char *name;
	struct objective_window windows[MAX_OBJECTIVES]; /* in the order of the manifest */
	unsigned int n_windows;
	bool has_slot; /* the sampler counts it under slot */
	unsigned int slot;
	bool has_last;
	struct probe_totals last;
	uint64_t *culprit_ns; /* totals of the last tick by slot, n_culprits of them */
	unsigned int n_culprits;
};

struct models {
	const struct policy *policy; /* borrowed; NULL before models_follow() */
	struct probes *probes;       /* borrowed; NULL: the sampler's readings are MISSING */
	struct followed *all;        /* by index of policy->models */
	unsigned int n_models;
	unsigned int n_slots;              /* in use: the largest slot of a model, and one */
	uint32_t model_of_slot[MAX_SLOTS]; /* MODEL_NONE where the slot is no model's */
	uint64_t scratch[MAX_SLOTS];
};

void models_init(struct models *m, struct probes *probes);

/* Another sampler, or none: all totals begin anew. Slots are taken at the next models_follow(). */
void models_switch(struct models *m, struct probes *probes);
void models_fini(struct models *m);

/* For each model that is followed now its index in policy, or MODEL_NONE; n_models of them. */
void models_map(const struct models *m, const struct policy *policy, uint32_t *ret_map);

/* Memory for the models of policy, to be given to models_follow() or followed_free(). */
int models_prepare(const struct policy *policy, struct followed **ret_all, struct err *e);
void followed_free(struct followed *all, unsigned int n);

/*
 * The models are those of policy (borrowed) from now on; what is remembered of those that stay is
 * kept. map: of models_map(). A model for which the sampler has no slot is not measured: problem
 * says why (code 0 when all have one).
 */
void models_follow(struct models *m, const struct policy *policy, struct followed *take_all,
		   const uint32_t *map, struct err *problem);

/*
 * The reading of model i from its places (contiguous, readings up to date in place->now). span_ns:
 * time since the last tick, 0 for none. Moves the model's windows on and remembers the sampler's
 * totals.
 */
void model_read(struct models *m, uint32_t i, struct place *const *places, unsigned int n_places,
		uint64_t now_ns, uint64_t span_ns, struct model_reading *ret_reading);

#endif
