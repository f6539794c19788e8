/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probation: how often promises were broken since a change against how often before, tick by tick.
 */
#include "probation.h"

#include <criterion/criterion.h>

#define TICK NSEC_PER_SEC

/* ---- a world of one model and one promise -------------------------------------------------------
 */

struct world {
	struct model models[2];
	struct policy policy;
	struct model_reading readings[2];
	struct observation now;
	struct watch watch;
	struct arena arena;
	struct probation *probation;
	uint64_t wall_ns;
	char why[512];
};

static void world_init(struct world *w)
{
	*w = (struct world){ .models = { { .name = "batch", .class = CLASS_BATCH },
					 { .name = "ocr",
					   .class = CLASS_CRITICAL,
					   .n_objectives = 1,
					   .objectives = { { .indicator = INDICATOR_RUNQUEUE_WAIT,
							     .quantile_permyriad = 9900,
							     .budget = 1000,
							     .window_ns = 10 * TICK } } } } };
	w->policy = (struct policy){ .n_models = 2, .models = w->models };
	w->now = (struct observation){ .n_models = 2, .models = w->readings };
	w->wall_ns = 1000 * TICK;
	arena_init(&w->arena);
	cr_assert_eq(watch_follow(&w->watch, &w->policy), 0);
}

static void world_fini(struct world *w)
{
	watch_fini(&w->watch);
	arena_fini(&w->arena);
}

static void reads(struct world *w, uint64_t observed, uint64_t samples)
{
	w->readings[1].objectives[0] = (struct reading){ observed, samples };
}

static void before(struct world *w, unsigned int ticks, uint64_t observed)
{
	for (unsigned int i = 0; i < ticks; i++) {
		reads(w, observed, 100);
		watch_note(&w->watch, 1, sight_take(&w->models[1], &w->readings[1], NULL, 0));
	}
}

/* Sixty seconds, a margin of 5 %. */
static void begins(struct world *w, const struct policy *old)
{
	w->probation = probation_new(&w->arena, old, &w->policy, &w->watch);
	cr_assert_not_null(w->probation);
	w->probation->began_ns = w->wall_ns;
	w->probation->ends_ns = w->wall_ns + 60 * TICK;
	w->probation->margin_permyriad = 500;
}

/* A world with that before it, in which a change of nothing is on probation. */
static void begins_after(struct world *w, unsigned int ticks, uint64_t observed)
{
	world_init(w);
	before(w, ticks, observed);
	begins(w, &w->policy);
}

/* Until it is decided, or the ticks are over. */
static enum probation_verdict since(struct world *w, unsigned int ticks, uint64_t observed,
				    uint64_t samples)
{
	enum probation_verdict v = PROBATION_GOES_ON;

	for (unsigned int i = 0; i < ticks && v == PROBATION_GOES_ON; i++) {
		w->wall_ns += TICK;
		reads(w, observed, samples);
		probation_note(w->probation, &w->policy, &w->now, w->wall_ns);
		v = probation_judge(w->probation, w->wall_ns, TICK, w->why, sizeof(w->why));
	}
	return v;
}

Test(probation, a_change_that_breaks_no_more_than_before_is_kept)
{
	struct world w;

	world_init(&w);
	before(&w, 297, 900);
	before(&w, 3, 1100);
	begins(&w, &w.policy);
	cr_expect_eq(since(&w, 59, 900, 100), PROBATION_GOES_ON);
	cr_expect_eq(since(&w, 1, 900, 100), PROBATION_KEPT);
	cr_expect_str_eq(w.why,
			 "ocr broke its budget in 0 of 51 ticks (0%), before in 3 of 300 (1%); "
			 "5% more are borne");
	world_fini(&w);
}

Test(probation, more_broken_ticks_than_borne_end_it_as_soon_as_that_is_certain)
{
	struct world w;

	world_init(&w);
	before(&w, 297, 900);
	before(&w, 3, 1100);
	begins(&w, &w.policy);
	/* from the 10th second on readings count; 6 % of 51 ticks are 3 */
	cr_expect_eq(since(&w, 20, 900, 100), PROBATION_GOES_ON);
	cr_expect_eq(since(&w, 3, 1100, 100), PROBATION_GOES_ON);
	cr_expect_eq(since(&w, 1, 1100, 100), PROBATION_WORSE);
	cr_expect(strstr(w.why, "ocr broke its budget in 4 of 15 ticks"), "%s", w.why);
	world_fini(&w);
}

Test(probation, what_was_broken_before_is_not_the_changes_fault)
{
	struct world w;

	begins_after(&w, 300, 1500);
	cr_expect_eq(since(&w, 60, 1500, 100), PROBATION_KEPT);
	world_fini(&w);
}

Test(probation, a_critical_model_far_over_its_budget_is_not_waited_for)
{
	struct world w;

	begins_after(&w, 100, 900);
	cr_expect_eq(since(&w, 4, 2002, 100), PROBATION_GOES_ON);
	cr_expect_eq(since(&w, 1, 900, 100), PROBATION_GOES_ON, "not in a row");
	cr_expect_eq(since(&w, 4, 2002, 100), PROBATION_GOES_ON);
	cr_expect_eq(since(&w, 1, 2002, 100), PROBATION_WORSE);
	cr_expect(strstr(w.why, "over twice its budget for 5 ticks in a row"), "%s", w.why);
	world_fini(&w);
}

Test(probation, a_critical_model_that_was_far_broken_before_does_not_end_it_early)
{
	struct world w;

	begins_after(&w, 100, 5000);
	cr_expect_eq(since(&w, 60, 5000, 100), PROBATION_KEPT);
	world_fini(&w);
}

Test(probation, without_demand_it_is_kept_and_said_to_be_not_judged)
{
	struct world w;

	begins_after(&w, 100, 900);
	cr_expect_eq(since(&w, 60, 99999, 19), PROBATION_UNJUDGED);
	cr_expect(strstr(w.why, "no model had 10 ticks with demand"), "%s", w.why);
	world_fini(&w);
}

Test(probation, a_missing_reading_counts_neither_as_good_nor_as_bad)
{
	struct world w;

	begins_after(&w, 100, 900);
	cr_expect_eq(since(&w, 60, MISSING, 100), PROBATION_UNJUDGED);
	cr_expect_eq(w.probation->trials[1].since.ticks, 0);
	world_fini(&w);
}

Test(probation, a_model_without_a_before_is_not_judged)
{
	struct world w;

	begins_after(&w, 0, 0);
	cr_expect_eq(since(&w, 60, 9999, 100), PROBATION_UNJUDGED);
	world_fini(&w);
}

Test(probation, of_two_budgets_the_looser_is_judged)
{
	struct world w;
	struct model old[2];
	struct policy strict;

	world_init(&w);
	before(&w, 100, 900);
	memcpy(old, w.models, sizeof(old));
	strict = (struct policy){ .n_models = 2, .models = old };
	begins(&w, &strict);
	w.models[1].objectives[0].budget = 500; /* the change promises more */
	cr_expect_eq(since(&w, 60, 900, 100), PROBATION_KEPT, "%s", w.why);
	begins(&w, &strict);
	w.models[1].objectives[0].budget = 2000; /* it promises less */
	cr_expect_eq(since(&w, 60, 1900, 100), PROBATION_KEPT, "%s", w.why);
	world_fini(&w);
}

Test(probation, the_window_before_holds_the_last_300_ticks_and_follows_models_by_name)
{
	struct world w;
	struct model swapped[2];
	struct policy other = { .n_models = 2, .models = swapped };

	world_init(&w);
	before(&w, 50, 1500);
	before(&w, 299, 900);
	cr_expect_eq(watch_tally(&w.watch, 1).ticks, 300);
	cr_expect_eq(watch_tally(&w.watch, 1).violated, 1);
	swapped[0] = w.models[1];
	swapped[1] = w.models[0];
	cr_assert_eq(watch_follow(&w.watch, &other), 0);
	cr_expect_eq(watch_tally(&w.watch, 0).violated, 1);
	cr_expect_eq(watch_tally(&w.watch, 1).ticks, 0);
	world_fini(&w);
}

Test(probation, parameters_are_within_their_own_ranges)
{
	cr_assert_gt(n_probation_parameters, 0);
	for (unsigned int i = 0; i < n_probation_parameters; i++) {
		const struct parameter *p = &probation_parameters[i];

		cr_expect(p->value >= p->minimum && p->value <= p->maximum, "%s", p->name);
	}
}
