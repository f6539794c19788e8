/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stages of one decide() hand to each other. Private to the room: the door is decide.h.
 */
#ifndef MODELGOV_DESK_H
#define MODELGOV_DESK_H

#include "decide.h"
#include "law.h"

/* Slack of who promises nothing, or has too little demand to break a promise: all can be taken. */
#define SLACK_ALL INT64_MAX

/* What the readings of a model's objectives allow to say. */
enum insight {
	INSIGHT_NOTHING, /* no objectives */
	INSIGHT_GAP,     /* a CPU objective, or the only objective, could not be read */
	INSIGHT_THIN,    /* too few samples */
	INSIGHT_JUDGED,
};

/* What can be taken from a model now. */
enum standing {
	STANDING_NONE,    /* has nothing to give, or need not */
	STANDING_STUCK,   /* would have, but its value cannot be set */
	STANDING_PENDING, /* would have, but its last value is not in force yet */
	STANDING_READY,
};

/* Everything about one model within one decide(). */
struct desk {
	/* from policy and targets */
	int32_t base;       /* level by class and priority */
	int32_t level;      /* base, what it paid, what its class was lifted */
	uint32_t n_cgroups; /* whose weight is ours to set */
	bool is_in_force;   /* all of them show the weight that was wanted last */
	uint64_t floor_ppm; /* of the host, promised to the model beside all others... */
	uint64_t share_ppm; /* ...and with its reserved share */
	uint64_t pin;       /* its weight does not fall below this */

	/* from the readings */
	enum insight insight;
	bool has_promise;  /* an objective that CPU can help */
	int64_t cpu_slack; /* worst of those; SLACK_ALL */
	bool is_cpu_worst; /* the worst of all objectives is one of those */

	/* from feedback */
	int32_t step;   /* levels wanted now */
	bool has_moved; /* its level changed in this tick */

	/* from caps */
	bool may_be_capped;     /* manifests allow it to somebody, and the quota is ours to set */
	bool is_quota_in_force; /* all its cgroups show the quota that was wanted last */
	bool is_needed;         /* the claimant that is looked at calls it */
	bool has_cap_moved;     /* its cap changed in this tick */
	uint64_t quota_part;    /* from the experiments' budget; VALUE_MAX: none */
	int32_t offset_before;  /* before something is given back in this tick */
	uint64_t cap_before;
	enum reason quota_reason; /* where caps[KNOB_CPU_MAX] comes from */

	/* for the plan */
	uint64_t weight;
	uint32_t n_quotas, n_limits;   /* cgroups whose cpu.max, memory.max are ours to set */
	uint64_t caps[N_KNOBS];        /* of each; VALUE_MAX: none */
	bool is_floored;               /* the weight is above the level's to keep the floor */
	uint64_t differences[N_KNOBS]; /* digest of what is wanted and not in force; 0: nothing */
	uint32_t due;                  /* bit per knob whose differences are planned in this tick */
	uint32_t drifted, left_alone;  /* bit per knob that others changed in some cgroup */
};

/* A consistent set of weights: every model has its level's weight or, where more, its share of
 * total. */
struct balance {
	uint64_t total; /* sum over all governed cgroups, at least */
	int32_t shift;  /* levels that all had to go down so that the largest weight fits */
};

/* The arguments of decide(), and what holds for all models. */
struct turn {
	const struct policy *policy;
	const struct observation *now;
	struct state *state;
	struct plan *plan;
	uint32_t n; /* models */
	struct desk *desks;
	struct balance balance; /* at the levels of now */
	bool has_moved;         /* some level changed in this tick */
	bool has_cap_moved;     /* some cap changed in this tick */
	int32_t lift_before[N_CLASSES];
};

/* Where a model stands: an experiment stands below production, whatever class it asks for. */
static inline enum model_class class_of(const struct turn *t, uint32_t model)
{
	const struct model *m = &t->policy->models[model];

	return m->stage == STAGE_EXPERIMENT ? CLASS_EXPERIMENT : m->class;
}

/* judge.c */
void evidence_clear(struct evidence *e);
void turn_assess(struct turn *t); /* readings -> insight and evidence; remembers nothing */
void turn_judge(struct turn *t);  /* -> who wants how many levels, and why not */
bool model_is_quiet(const struct turn *t, uint32_t model);

/* share.c */
void turn_promise(struct turn *t); /* floors and reserved shares that can be kept together */
struct balance balance_find(const struct turn *t, bool is_policy);
uint64_t balance_weight(const struct desk *d, int32_t level, const struct balance *b);
int32_t balance_level(const struct desk *d, int32_t level, const struct balance *b);
int32_t balance_end(const struct desk *d, const struct balance *b);
bool balance_is_floored(const struct desk *d, int32_t level, const struct balance *b);

/* feedback.c */
void turn_level(struct turn *t); /* base, offset and lift -> level */
void turn_feed_back(struct turn *t);

/* budget.c */
void turn_confine(struct turn *t); /* the experiments' budget -> caps */

/* cap.c */
void turn_cap_begin(struct turn *t);
void turn_cap(struct turn *t); /* caps -> what each cgroup may use */
void turn_cap_expire(struct turn *t);
uint32_t class_cap(struct turn *t, enum model_class class, bool *ret_is_pending);
void model_uncap(struct turn *t, uint32_t model, enum reason reason, const struct evidence *why);
void caps_forget(struct turn *t);
bool cap_restore(struct turn *t, uint32_t claimant, uint32_t donor);
void model_uncap_all(struct turn *t, uint32_t model, enum reason reason,
		     const struct evidence *why);

/* calm.c */
bool is_frozen(const struct turn *t, const struct flap *f);
bool flap_may_take(const struct turn *t, uint32_t model, enum flap_knob knob, int32_t direction);
bool flap_may_give(struct turn *t, uint32_t model, enum flap_knob knob, int32_t direction);
void turns_note(struct turn *t);
void turn_pin(struct turn *t);
void turn_rest(struct turn *t);
uint64_t hold_ns(const struct turn *t, enum model_class class);
void turn_hold(struct turn *t);
void vector_note(struct turn *t);
void vector_keep(struct turn *t);
bool is_regretted(const struct turn *t, const struct verdict *claim);
void hold_double(struct turn *t, enum model_class class);

/* starve.c */
void turn_starve(struct turn *t);
bool is_granted(const struct turn *t, uint32_t model);

/* drift.c */
void turn_watch(struct turn *t); /* what others changed, and whether that is too often */
bool is_drifted(const struct turn *t, const struct target *target, unsigned int knob);
/* NULL for a key that nobody changed lately, and for one that found no room. */
struct drift_key *drift_find(const struct turn *t, const struct target *target, unsigned int knob);
void turn_put_back(struct turn *t); /* what the plan puts back counts; the list for people */

/* propose.c */
/* In each cgroup of the model; MISSING: not touched. */
uint64_t wanted_of(const struct turn *t, uint32_t model, unsigned int knob);
uint64_t wanted_value(const struct turn *t, const struct target *target, unsigned int knob);
uint32_t knobs_of(const struct turn *t, const struct target *target);
void turn_compare(struct turn *t); /* what is wanted and not in force, per model and knob */
void turn_propose(struct turn *t); /* the actions */

/* splitmix64's finalizer: a wish is told from another one by 64 bits. */
static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static inline int32_t clamp(int32_t value, int32_t low, int32_t high)
{
	return value < low ? low : value > high ? high : value;
}

static inline uint64_t saturating_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Time that this reading speaks for: after a pause nobody watched more than one tick of it. */
static inline uint64_t watched_ns(const struct turn *t)
{
	return MIN(t->now->span_ns, t->policy->host.tick_ns);
}

static inline uint64_t elapsed_ns(const struct turn *t, uint64_t since_ns)
{
	return t->now->taken_ns > since_ns ? t->now->taken_ns - since_ns : 0;
}

/* The model that ran during most of the waits, or MODEL_NONE. */
static inline uint32_t culprit_find(const struct evidence *why)
{
	return why->culprit != MODEL_NONE && why->culprit_permyriad >= LAW_CULPRIT ? why->culprit
										   : MODEL_NONE;
}

/* Half a tick of tolerance: a tick that comes a little early still counts. */
static inline bool has_passed(const struct turn *t, uint64_t elapsed_ns, uint64_t wanted_ns)
{
	return saturating_add(elapsed_ns, t->policy->host.tick_ns / 2) >= wanted_ns;
}

#endif
