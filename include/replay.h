/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: recorded observations through decide() under another policy: what it would have decided,
 * and which promises it puts at risk. Effects are not simulated: readings stay as they were
 * recorded, whatever is decided, so this says what a policy wants and what it takes away, never how
 * a model would have fared.
 *
 * Pure over its inputs: no clock, files or log; time is in the observations. Kernel values are
 * played: what the last plan wanted is what the next tick shows. docs/verification.md has the rules
 * with an example.
 */
#ifndef MODELGOV_REPLAY_H
#define MODELGOV_REPLAY_H

#include "base.h"
#include "decide.h"
#include "model.h"
#include "policy.h"

/* ---- one policy's way through ------------------------------------------------------------ */

/* Ticks in which an objective had a reading with samples enough, and how they went. */
struct objective_tally {
	uint64_t judged;
	uint64_t violated; /* over the budget */
	uint64_t
		tight; /* slack under give.slack (20 %): nothing to spare; violated ones included */
	uint64_t worst; /* the largest that was observed, in the unit of the indicator */
};

struct model_tally {
	struct objective_tally objectives[MAX_OBJECTIVES]; /* in the order of the manifest */
	uint64_t actions[N_KNOBS];                         /* planned */
	uint64_t wanted[N_KNOBS]; /* in each cgroup after the last tick; MISSING: not touched */
	int32_t level, policy_level;
	enum reason reason;         /* of the last verdict */
	uint64_t memory_peak_bytes; /* 0: never read */
};

struct replay {
	const struct policy *policy; /* borrowed */
	uint64_t ticks, first_wall_ns, last_wall_ns;
	struct model_tally *models; /* by model of the policy */
	struct plan plan;           /* of the last tick; its targets are those of the observation */
	struct state state;
	struct arena arena; /* of one tick */
};

int replay_init(struct replay *r, const struct policy *policy); /* -ENOMEM */
void replay_fini(struct replay *r);

/* The next observation, as that policy sees it. -ENOMEM, and the tick is not counted. */
int replay_feed(struct replay *r, const struct observation *now);

/*
 * The observation of one policy as another one sees it: models are found by name, objectives by
 * indicator, quantile and window. Who or what was not observed has MISSING readings; targets of
 * models that the other does not have are left out. Which cgroups a model has is as it was
 * observed, also where the other policy would match others. Memory of the arena; strings are
 * borrowed. -ENOMEM.
 */
int observation_translate(const struct observation *now, const struct policy *from,
			  const struct policy *to, struct arena *arena,
			  struct observation **ret_now);

/*
 * Each model's guaranteed part of the CPUs, in millionths, when everybody wants everything: its
 * weight by policy alone among the weights of all. now: as that policy sees it; only its targets
 * and CPUs count. ret_ppm: room for n_models. -ENOMEM.
 */
int shares_find(const struct policy *policy, const struct observation *now, uint64_t *ret_ppm);

/* cpu.weight for the slice of experiments: what all of them have by policy alone. -ENOMEM. */
int experiments_weight(const struct policy *policy, uint64_t cpus, uint64_t *ret_weight);

/* ---- two policies over the same observations --------------------------------------------- */

/* What a change can take from a model. X(tag, name, unit of before and after, meaning) */
#define RISKS(X)                                                                                   \
	X(SHARE, "share", "ppm", "its guaranteed part of the CPUs falls by more than a fifth")     \
	X(CPU_CAP, "cpu_cap", "us", "cpu.max would be under what it used")                         \
	X(MEMORY_MAX, "memory_max", "bytes",                                                       \
	  "memory.max would be under what it used: it is killed")                                  \
	X(MEMORY_HIGH, "memory_high", "bytes",                                                     \
	  "memory.high would be under what it used: it is slowed")                                 \
	X(MEMORY_KEPT, "memory_kept", "bytes", "memory.min and low protect a fifth less or worse") \
	X(BUDGET, "budget", "of the indicator",                                                    \
	  "the recorded readings would break the new budget")                                      \
	X(PROMISE, "promise", "none", "the promise, or the whole model, is not in the new policy")

enum risk_kind {
#define X(tag, name, unit, meaning) RISK_##tag,
	RISKS(X)
#undef X
		N_RISKS,
};

/* In order of badness. */
enum replay_verdict { REPLAY_PASS, REPLAY_INCONCLUSIVE, REPLAY_FAIL };

/* One thing that the change takes from one promise, and how the recorded ticks stand to it. */
struct risk {
	enum risk_kind kind;
	enum replay_verdict verdict;
	uint32_t model;                   /* of the policy before */
	uint32_t objective;               /* of that model; MAX_OBJECTIVES: none in particular */
	uint64_t before, after;           /* MISSING: not set */
	uint64_t judged, violated, tight; /* ticks; of the objective, or of the limit */
};

#define RISK_TICKS 60 /* chosen: a minute at the default tick; fewer say nothing of a p99 */

struct comparison {
	struct replay before, after;
	struct host_facts facts;
	uint64_t *over_cap; /* by model of before: ticks in which it used more CPU than after allows
			     */
	uint64_t *ticks_used;    /* by model of before: ticks with a reading of its CPU use */
	struct observation last; /* as before saw it; targets only */
	struct arena arena, last_arena;
};

/* Policies are borrowed. facts: for a host of which no tick is recorded. -ENOMEM. */
int comparison_init(struct comparison *c, const struct policy *before, const struct policy *after,
		    const struct host_facts *facts);
void comparison_fini(struct comparison *c);

/* The next observation, as the policy before sees it. -ENOMEM. */
int comparison_feed(struct comparison *c, const struct observation *now);

/* Worst first, then by model and objective; memory of the arena. -ENOMEM. */
int comparison_judge(struct comparison *c, struct arena *arena, struct risk **ret_all,
		     unsigned int *ret_n);

/* One sentence; memory of the arena. */
const char *risk_print(const struct comparison *c, const struct risk *risk, struct arena *arena);
const char *risk_name(enum risk_kind kind);

/*
 * The gate: may this change go into force, by what was recorded? note: why, for the change's
 * record; cut when long. -ENOMEM. PASS when no production model loses anything, also without a
 * recorded tick.
 */
int replay_gate(struct comparison *c, enum replay_verdict *ret_verdict, char *note, size_t size);

#endif
