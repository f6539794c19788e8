/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide: policy + observation + state -> plan. The law of modelgov, and nothing else.
 * docs/decisions.md works an example.
 *
 * Pure: sees only its arguments; no clock, files, log, allocation, floating point; cannot fail,
 * because it can always answer "do nothing". Same input, same bytes out, whatever the order of
 * targets; ties break by id. `make lint` proves the purity over the symbols of the compiled room.
 */
#ifndef MODELGOV_DECIDE_H
#define MODELGOV_DECIDE_H

#include "model.h"
#include "policy.h"

#define LADDER_LEVELS 41 /* w = round(100 * 1.25^(level - 20)): 1 .. 8674 */

/* A wish that was planned and is still not in force: repeated ever more rarely. */
struct retry {
	uint64_t planned;    /* digest of the differences that were planned last; 0: none */
	uint32_t failures;   /* times they were planned again */
	uint32_t wait_ticks; /* until they are planned the next time */
};

/* A limit on what a model may use of the host, for somebody else's sake and for a while. */
struct cap {
	uint64_t permyriad; /* of the host's CPUs; 0: not capped */
	uint64_t since_ns;  /* taken_ns of its first step */
	uint64_t pause_ns;  /* until the next part of an expired cap goes back, or its rest ends */
	bool is_expired;    /* goes back step by step, whatever the claimant says; then it rests */
	enum reason moved_by; /* what moved it last */
	struct evidence why;
};

#define FLAP_TIMES_MAX 8 /* the largest flap.times */

/* How often a knob went the other way. */
struct flap {
	int32_t direction; /* of its last change: 1 up, -1 down, 0: none yet */
	uint32_t n;
	uint64_t turned_ns[FLAP_TIMES_MAX]; /* taken_ns of its turns, oldest first */
	uint64_t frozen_ns; /* since when nothing goes back; 0: it may */
};

enum flap_knob { FLAP_WEIGHT, FLAP_QUOTA, N_FLAPS };

/* How long a class must be quiet before something goes back that it got. */
struct hold {
	uint32_t doublings; /* of give.hold, by regret */
	uint64_t calm_ns;   /* nobody of the class wanted anything for so long */
};

/* What decide remembers of one model. Only decide writes it. */
struct model_state {
	int32_t offset;         /* levels this model pays to others: 0 or negative */
	uint32_t missing_ticks; /* in a row without a reading of a CPU objective */
	uint64_t low_ns;        /* slack has been under the risk threshold for that long */
	uint64_t quiet_ns;      /* slack has been over the give-back threshold for that long */
	uint64_t weight;        /* cpu.weight wanted at the last tick; 0: none yet */
	uint64_t wanted[N_KNOBS]; /* in each of its cgroups, by the last plan; MISSING: not touched */
	enum reason moved_by;   /* what moved the level last */
	struct evidence moved_why;
	struct retry retries[N_KNOBS];
	struct cap cap;
	struct flap flaps[N_FLAPS];
	int32_t kept_offset;  /* before something was given back last... */
	uint64_t kept_cap;    /* ...the same of its cap */
	uint64_t starved_ns;  /* less than its floor, with demand, for so long */
	uint64_t grant_ns;    /* until a grant ends */
	bool is_promised;     /* weight is above its level's, to keep floor or reserved share */
};

#define DRIFT_KEYS      1024 /* chosen: every knob of 128 cgroups; more are not put back meanwhile */
#define DRIFT_TIMES_MAX 8    /* the largest drift.times */

/* A key that others changed lately. */
struct drift_key {
	struct drift drift;                /* as last seen */
	uint64_t wish;                     /* digest of what the policy says of the key */
	uint64_t left_ns;                  /* since when it is left alone; 0: it is not */
	uint64_t backs_ns[DRIFT_TIMES_MAX]; /* when it was put back, oldest first */
	uint32_t n_backs;
};

/* What decide remembers of the host, of fixed size per model; zero before the first tick. */
struct state {
	uint32_t n_models;
	struct model_state *models;
	int32_t lift[N_CLASSES];       /* levels by which a class and all above it were raised */
	uint64_t settle_ns;            /* until the last change may be judged... */
	enum model_class settle_class; /* ...by models of this class and less urgent ones */
	uint64_t give_pause_ns;        /* until the next level may be given back */
	uint64_t exhausted_ns[N_CLASSES]; /* a budget is broken and weights are at their end so long */
	uint64_t given_ns;             /* taken_ns when something was given back last; 0: not lately */
	int32_t kept_lift[N_CLASSES];  /* before that */
	struct hold holds[N_CLASSES];
	uint64_t unrest_ns;            /* until something may be given back again */
	uint64_t busy_permyriad;       /* of the host, at the last tick... */
	bool has_busy;                 /* ...if it could be read */
	uint64_t cpus;                 /* online, when last measured; 0: never */
	uint32_t n_drifts;
	struct drift_key *drifts; /* room for DRIFT_KEYS, ordered by cgroup_id, then knob */
	struct desk *desks; /* scratch of one decide(); nothing in it outlives the call */
};

/* Storage the caller owns, zeroed; the only allocation of this room, done outside of decide(). */
int state_init(struct state *s, uint32_t n_models);
void state_fini(struct state *s);

/* After a policy change: what is remembered of models in both, by name. ret_new is init'ed. */
void state_carry(const struct state *old, const struct policy *old_policy,
		 const struct policy *new_policy, struct state *ret_new);

/* Storage for a plan over that many models and targets; is reused tick after tick. */
int plan_init(struct plan *p, uint32_t n_models, uint32_t max_actions);
void plan_fini(struct plan *p);

/*
 * The law. state and ret_plan were init'ed for policy->n_models, observation and policy agree on
 * the models. In observe mode the plan holds what the policy alone wants and feedback only speaks
 * in verdicts: nobody carries steps out, so there is no next step to judge.
 */
void decide(const struct policy *policy, const struct observation *now, struct state *state,
	    struct plan *ret_plan);

/* Does the key show what the last decide() wanted of it? false for what nobody wants. */
bool key_is_in_force(const struct policy *policy, const struct state *state,
		     const struct target *target, enum knob knob);

/* The parameters of the law: name, unit, value, range, source, effect; for docs and explain. */
struct parameter {
	const char *name, *unit;
	int64_t value;
	int64_t minimum, maximum; /* outside of these the law loses its sense */
	const char *effect, *source;
};

extern const struct parameter parameter_table[];
extern const unsigned int n_parameters;

/*
 * The budget of all experiments (limits.experiments) in parts: one for each experiment that is matched
 * by unit, cgroup or container, which decide caps, and one for all others, whose slice act limits. Quota as in
 * cpu.max, in us per CPU_PERIOD_USEC, and bytes, of one part. VALUE_MAX: no budget is set.
 */
uint64_t experiments_quota(const struct policy *policy, uint64_t cpus);
uint64_t experiments_memory(const struct policy *policy);

/* cpu.weight of a ladder level, clamped to 0..40. */
uint64_t ladder_weight(int32_t level);

/* The highest level whose weight is not above this one. */
int32_t ladder_level(uint64_t weight);

#endif
