/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probation: compares how often each model broke its promises before a change with how often it
 * does since. Pure, integers only; a tick is what it counts in, time arrives as an argument.
 *
 *   before    the last WINDOW ticks, counted all the time, frozen when a change comes into force
 *   since     ticks since then. A promise counts in both when the change kept it, and by the looser
 * of its two budgets: a change that asks for more, or for less, is not judged by that.
 *
 * Worked example: before 3 of 300 ticks broken (1 %), margin 5 %, so 6 % are borne; 60 s of
 * probation at one tick a second. After the 4th broken tick 4/60 > 6 %, whatever the remaining
 * ticks bring: rolled back at once.
 */
#ifndef MODELGOV_CHANGE_PROBATION_H
#define MODELGOV_CHANGE_PROBATION_H

#include "change.h"

#include <jansson.h>

/* X(TAG, name, unit, value, minimum, maximum, effect, source) */
#define CHANGE_LAWS(X)                                                                             \
	X(WINDOW_TICKS, "probation.window", "ticks", 300, 30, 3600,                                \
	  "ticks before a change that stand for how it was",                                       \
	  "chosen: five minutes at one tick a second; shorter, and one load peak decides")         \
	X(LEAST_TICKS, "probation.least", "ticks", 10, 3, 100,                                     \
	  "a model with fewer judged ticks before or since is not judged",                         \
	  "chosen: one broken tick of nine is no rate")                                            \
	X(SAMPLES_WAITS, "probation.samples", "waits", 20, 1, 10000,                               \
	  "fewer waits in the window of an objective: the tick does not count",                    \
	  "the same as samples.waits of the law")                                                  \
	X(FAR_TICKS, "probation.far_ticks", "ticks", 5, 2, 60,                                     \
	  "ticks in a row in which a critical model is far broken: rolled back without waiting",   \
	  "chosen: two settle times of the law; what feedback can repair, it has begun to repair") \
	X(FAR_SHARE, "probation.far_before", "permyriad", 5000, 0, 10000,                          \
	  "a model that was far broken in more of the ticks before is not saved by going back",    \
	  "chosen: half")

enum {
#define X(tag, name, unit, value, minimum, maximum, effect, source) PROBATION_##tag = value,
	CHANGE_LAWS(X)
#undef X
};

/* ---- one tick of one model ----------------------------------------------------------------------
 */

/* What was promised before the change, for comparison. */
struct promise {
	enum indicator indicator;
	uint64_t quantile_permyriad, budget;
};

struct sight {
	bool is_judged;           /* something was promised and could be measured */
	bool is_violated, is_far; /* over the budget; over twice the budget */
};

/* promises NULL: by the model's own budgets. Objectives that no promise matches do not count. */
struct sight sight_take(const struct model *m, const struct model_reading *r,
			const struct promise *promises, unsigned int n_promises);

/* ---- before -------------------------------------------------------------------------------------
 */

struct tally {
	uint64_t ticks, violated, far; /* ticks: those that could be judged */
};

/* The last ticks of every model, kept by name across policies. */
struct watch {
	unsigned int n;
	struct watched *models; /* in the order of the policy that is followed */
};

int watch_follow(struct watch *w, const struct policy *p); /* -ENOMEM: as before */
void watch_fini(struct watch *w);
void watch_note(struct watch *w, uint32_t model, struct sight sight);
struct tally watch_tally(const struct watch *w, uint32_t model);

/* ---- since
 * --------------------------------------------------------------------------------------- */

struct trial {
	const char *name;
	bool is_critical; /* by the policy before */
	struct tally before, since;
	uint64_t far_in_a_row;
	struct promise promises[MAX_OBJECTIVES];
	unsigned int n_promises;
};

struct probation {
	uint64_t began_ns, ends_ns; /* CLOCK_REALTIME: it goes on after a restart */
	uint64_t margin_permyriad;
	unsigned int n;
	struct trial *trials; /* models that are in both policies */
};

/* Of the models in both; memory of the arena. NULL without memory. */
struct probation *probation_new(struct arena *arena, const struct policy *before,
				const struct policy *since, const struct watch *watch);

void probation_note(struct probation *p, const struct policy *policy, const struct observation *now,
		    uint64_t wall_ns);

enum probation_verdict { PROBATION_GOES_ON, PROBATION_KEPT, PROBATION_UNJUDGED, PROBATION_WORSE };

/* ret_why: a sentence with the numbers, for every verdict. */
enum probation_verdict probation_judge(const struct probation *p, uint64_t wall_ns,
				       uint64_t tick_ns, char *ret_why, size_t size);

json_t *probation_to_json(const struct probation *p);
struct probation *probation_from_json(const json_t *form, struct arena *arena);

#endif
