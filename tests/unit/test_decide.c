/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of decide that a scenario cannot show: the ladder against its formula, the table of
 * parameters, and what is remembered over a policy change. The law itself is in tests/scenario and
 * tests/property.
 */
#include "decide.h"

#include <criterion/criterion.h>

/* ---- ladder ------------------------------------------------------------------------------ */

/* round(100 * (5/4)^(level - 20)) in whole numbers: 5^20 and 4^20 fit into 64 bits, 100 * both into
 * 128. */
static uint64_t formula(int level)
{
	unsigned __int128 over = 100, under = 1;

	for (int l = 20; l < level; l++) {
		over *= 5;
		under *= 4;
	}
	for (int l = 20; l > level; l--) {
		over *= 4;
		under *= 5;
	}
	return (uint64_t)((2 * over + under) / (2 * under));
}

Test(decide, the_ladder_is_the_rounded_power_of_five_quarters)
{
	for (int level = 0; level < LADDER_LEVELS; level++)
		cr_assert_eq(ladder_weight(level), formula(level), "level %d", level);
}

Test(decide, beyond_the_ladder_are_its_ends)
{
	cr_assert_eq(ladder_weight(-1), 1);
	cr_assert_eq(ladder_weight(INT32_MIN), 1);
	cr_assert_eq(ladder_weight(LADDER_LEVELS), 8674);
	cr_assert_eq(ladder_weight(INT32_MAX), 8674);
	cr_assert_eq(ladder_level(0), 0);
	cr_assert_eq(ladder_level(UINT64_MAX), LADDER_LEVELS - 1);
}

Test(decide, the_level_of_a_weight_is_the_highest_that_is_not_above_it)
{
	for (uint64_t weight = 1; weight <= 10000; weight++) {
		int32_t level = ladder_level(weight);

		cr_assert_leq(ladder_weight(level), weight);
		cr_assert(level == LADDER_LEVELS - 1 || ladder_weight(level + 1) > weight);
	}
}

/* ---- parameters -------------------------------------------------------------------------- */

Test(decide, every_parameter_is_within_its_range_and_says_where_it_comes_from)
{
	cr_assert_gt(n_parameters, 0);
	for (unsigned int i = 0; i < n_parameters; i++) {
		const struct parameter *p = &parameter_table[i];

		cr_assert(p->minimum <= p->value && p->value <= p->maximum, "%s", p->name);
		cr_assert(*p->effect && *p->source, "%s", p->name);
		for (unsigned int j = 0; j < i; j++)
			cr_assert_str_neq(p->name, parameter_table[j].name);
	}
}

/* ---- a policy change --------------------------------------------------------------------- */

static struct policy policy_of(struct model *models, unsigned int n)
{
	return (struct policy){ .host = { .mode = MODE_ENFORCE, .tick_ns = NSEC_PER_SEC },
				.n_models = n,
				.models = models };
}

Test(decide, what_is_remembered_follows_the_name_of_a_model)
{
	struct model before[] = { { .name = "a" }, { .name = "m" }, { .name = "z" } };
	struct model after[] = {
		{ .name = "b" }, { .name = "m" }, { .name = "n" }, { .name = "z" }
	};
	struct policy old_policy = policy_of(before, 3), new_policy = policy_of(after, 4);
	struct state old, new;

	cr_assert_eq(state_init(&old, 3), 0);
	cr_assert_eq(state_init(&new, 4), 0);
	old.models[1].offset = -3;
	old.models[1].moved_why = (struct evidence){ .model = 2, .culprit = 0 };
	old.models[2].weight = 77;
	old.models[2].retries[KNOB_CPU_WEIGHT].wait_ticks = 300;
	old.lift[CLASS_CRITICAL] = 2;
	old.settle_ns = 5;
	old.cpus = 8;
	state_carry(&old, &old_policy, &new_policy, &new);

	cr_assert_eq(new.models[1].offset, -3);
	cr_assert_eq(new.models[1].moved_why.model, 3, "z has moved from 2 to 3");
	cr_assert_eq(new.models[1].moved_why.culprit, MODEL_NONE, "a is gone");
	cr_assert_eq(new.models[3].weight, 77);
	cr_assert_eq(new.models[3].retries[KNOB_CPU_WEIGHT].wait_ticks, 0, "tried anew");
	cr_assert_eq(new.models[0].weight, 0, "b is new");
	cr_assert_eq(new.models[2].offset, 0, "n is new");
	cr_assert_eq(new.lift[CLASS_CRITICAL], 2);
	cr_assert_eq(new.settle_ns, 5);
	cr_assert_eq(new.cpus, 8);
	state_fini(&old);
	state_fini(&new);
}

Test(decide, a_model_that_changed_its_class_owes_nothing)
{
	struct model before[] = { { .name = "a", .class = CLASS_BATCH } };
	struct model after[] = { { .name = "a", .class = CLASS_STANDARD } };
	struct policy old_policy = policy_of(before, 1), new_policy = policy_of(after, 1);
	struct state old, new;

	cr_assert_eq(state_init(&old, 1), 0);
	cr_assert_eq(state_init(&new, 1), 0);
	old.models[0].offset = -3;
	state_carry(&old, &old_policy, &new_policy, &new);
	cr_assert_eq(new.models[0].offset, 0);
	state_fini(&old);
	state_fini(&new);
}

Test(decide, a_lift_that_does_not_fit_the_new_policy_is_cut_to_what_does)
{
	struct model models[] = { { .name = "a", .class = CLASS_CRITICAL, .priority = 10 } };
	struct model_reading reading = { .culprit = MODEL_NONE };
	struct policy policy = policy_of(models, 1);
	struct observation now = { .tick = 1, .n_models = 1, .models = &reading };
	struct state state;
	struct plan plan;

	cr_assert_eq(state_init(&state, 1), 0);
	cr_assert_eq(plan_init(&plan, 1, 1), 0);
	state.lift[CLASS_CRITICAL] = 8; /* with priority 0 it was 32 + 8 */
	decide(&policy, &now, &state, &plan);
	cr_assert_eq(state.lift[CLASS_CRITICAL], 6);
	cr_assert_eq(plan.verdicts[0].level, 40);
	state_fini(&state);
	plan_fini(&plan);
}

Test(decide, a_debt_is_never_deeper_than_the_new_policy_level)
{
	struct model models[] = { { .name = "a", .class = CLASS_BATCH, .priority = -10 } };
	struct model_reading reading = { .culprit = MODEL_NONE };
	struct policy policy = policy_of(models, 1);
	struct observation now = { .tick = 1, .n_models = 1, .models = &reading };
	struct state state;
	struct plan plan;

	cr_assert_eq(state_init(&state, 1), 0);
	cr_assert_eq(plan_init(&plan, 1, 1), 0);
	state.models[0].offset = -9; /* with priority 10 it was 10 - 9 */
	decide(&policy, &now, &state, &plan);
	cr_assert_eq(state.models[0].offset, -6, "or giving back would begin with nothing");
	cr_assert_eq(plan.verdicts[0].level, 0);
	state_fini(&state);
	plan_fini(&plan);
}

Test(decide, an_empty_policy_has_an_empty_plan)
{
	struct policy policy = policy_of(NULL, 0);
	struct observation now = { .tick = 7 };
	struct state state;
	struct plan plan;

	cr_assert_eq(state_init(&state, 0), 0);
	cr_assert_eq(plan_init(&plan, 0, 0), 0);
	decide(&policy, &now, &state, &plan);
	cr_assert_eq(plan.tick, 7);
	cr_assert_eq(plan.n_actions, 0);
	state_fini(&state);
	state_fini(NULL);
	plan_fini(&plan);
	plan_fini(NULL);
}
