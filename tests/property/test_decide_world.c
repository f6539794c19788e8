/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of decide() in a closed loop: what is taken changes what is measured
 * (tests/support/world.c). Thousands of random worlds; a failure names its seed, and the seed alone
 * makes the world again.
 */
#include "knob.h"
#include "world.h"

#include <criterion/criterion.h>

#include <inttypes.h>

#define WORLDS 1200
#define TICKS  90

static enum model_class class_of(const struct model *m)
{
	return m->stage == STAGE_EXPERIMENT ? CLASS_EXPERIMENT : m->class;
}

/* Loads change, models restart; the same for the same seed. */
static void life_go_on(struct world *w)
{
	uint32_t model = (uint32_t)world_random(w, w->policy.n_models);

	if (world_chance(w, 3))
		world_load(w, model);
	if (world_chance(w, 1))
		world_restart(w, model);
}

/* ---- same input, same bytes --------------------------------------------------------------- */

static uint64_t digest_add(uint64_t digest, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		digest = (digest ^ ((const unsigned char *)bytes)[i]) *
			 0x100000001b3ULL; /* FNV-1a */
	return digest;
}

/* All that was decided, except where in the list a target was. */
static uint64_t world_digest(struct world *w, uint64_t digest)
{
	for (uint32_t i = 0; i < w->plan.n_actions; i++) {
		struct action a;

		memcpy(&a, &w->plan.actions[i], sizeof(a));
		a.target = 0;
		digest = digest_add(digest, &a, sizeof(a));
	}
	digest = digest_add(digest, w->plan.verdicts, sizeof(struct verdict) * w->policy.n_models);
	return digest_add(digest, w->state.models, sizeof(struct model_state) * w->policy.n_models);
}

static uint64_t world_play(uint64_t seed, bool is_shuffled)
{
	struct world *w = world_new(seed), *order = world_new(seed);
	uint64_t digest = 0xcbf29ce484222325ULL;

	for (int tick = 0; tick < TICKS; tick++) {
		life_go_on(w);
		if (is_shuffled) { /* by chances of its own: those of the world stay the same */
			memcpy(order->targets, w->targets, sizeof(w->targets));
			world_shuffle(order);
			memcpy(w->targets, order->targets, sizeof(w->targets));
		}
		world_run(w);
		world_decide(w);
		digest = world_digest(w, digest);
		world_apply(w);
	}
	world_free(order);
	world_free(w);
	return digest;
}

Test(decide_world, the_same_seed_gives_the_same_bytes_in_any_order_of_targets)
{
	for (uint64_t seed = 1; seed <= WORLDS / 4; seed++) {
		uint64_t digest = world_play(seed, false);

		cr_assert_eq(digest, world_play(seed, false), "seed %" PRIu64, seed);
		cr_assert_eq(digest, world_play(seed, true), "shuffled, seed %" PRIu64, seed);
	}
}

/* ---- floors and turns -------------------------------------------------------------------- */

/* Of one knob: when it turned lately, oldest first. */
struct turns {
	uint64_t value, ns[5];
	int direction;
};

static unsigned int turn_count(struct turns *s, uint64_t value, uint64_t now_ns)
{
	int direction = value > s->value ? 1 : -1;
	bool has_moved = value != s->value && s->value != 0;
	bool has_turned = has_moved && s->direction == -direction;
	unsigned int n = 0;

	s->direction = has_moved ? direction : s->direction;
	s->value = value;
	if (!has_turned)
		return 0;
	memmove(s->ns, s->ns + 1, sizeof(s->ns) - sizeof(*s->ns));
	s->ns[4] = now_ns;
	for (unsigned int i = 0; i < 5; i++)
		n += s->ns[i] != 0 && now_ns - s->ns[i] < 300 * NSEC_PER_SEC;
	return n;
}

struct worst {
	unsigned int below, turns; /* ticks in a row; within five minutes */
};

static void tick_judge(struct world *w, struct turns (*turns)[2], struct worst *worst)
{
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct model_state *s = &w->state.models[i];
		unsigned int n = turn_count(&turns[i][0], s->weight, w->now.taken_ns);

		n = MAX(n, turn_count(&turns[i][1], s->wanted[KNOB_CPU_MAX], w->now.taken_ns));
		worst->below = MAX(worst->below, w->loads[i].below_ticks);
		cr_assert_leq(w->loads[i].below_ticks, 5,
			      "%s is below its floor, seed %" PRIu64 ", tick %" PRIu64,
			      w->models[i].name, w->seed, w->now.tick);
		/* experiments follow production, and what a promise demands comes first */
		if (class_of(&w->models[i]) == CLASS_EXPERIMENT ||
		    (s->is_promised && turns[i][0].direction > 0))
			continue;
		worst->turns = MAX(worst->turns, n);
		cr_assert_leq(n, 4, "%s turned %u times, seed %" PRIu64 ", tick %" PRIu64,
			      w->models[i].name, n, w->seed, w->now.tick);
	}
}

static void world_judge(uint64_t seed, int ticks, unsigned int period, struct worst *worst)
{
	struct world *w = world_new(seed);
	struct turns turns[WORLD_MODELS][2] = { 0 };

	for (int tick = 0; tick < ticks; tick++) {
		if (period && tick % (int)period == 0)
			for (uint32_t i = 0; i < w->policy.n_models; i++)
				w->loads[i].rate = w->loads[i].rate > 1 ? 1 : 40 * w->now.host.cpus;
		if (!period)
			life_go_on(w);
		world_run(w);
		world_decide(w);
		tick_judge(w, turns, worst);
		world_apply(w);
	}
	world_free(w);
}

Test(decide_world, nobody_is_below_its_floor_with_demand_for_long_and_no_knob_turns_too_often)
{
	struct worst worst = { 0 };

	for (uint64_t seed = 1; seed <= WORLDS; seed++)
		world_judge(seed, TICKS, 0, &worst);
	printf("%d worlds: at most %u ticks below a floor, %u turns\n", WORLDS, worst.below,
	       worst.turns);
}

/* Steady load, and load that comes and goes in rhythms around those of the law. */
Test(decide_world, an_hour_of_steady_or_oscillating_load_stays_calm)
{
	static const unsigned int periods[] = { 0, 3, 7, 20, 33, 45, 70, 150 };
	struct worst worst = { 0 };

	for (unsigned int k = 0; k < ARRAY_SIZE(periods); k++)
		for (uint64_t seed = 1; seed <= 5; seed++)
			world_judge(seed, 3600, periods[k], &worst);
	printf("40 hours: at most %u ticks below a floor, %u turns\n", worst.below, worst.turns);
}

/* ---- calm ---------------------------------------------------------------------------------- */

Test(decide_world, a_calm_world_has_an_empty_plan)
{
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);

		for (uint32_t i = 0; i < w->policy.n_models; i++)
			w->loads[i].rate = w->loads[i].threads =
				1; /* at most 41 ms a second each */
		for (uint32_t i = 0; i < w->policy.n_models; i++)
			w->models[i].objectives[0].budget = NSEC_PER_SEC;
		for (int tick = 0; tick < 30; tick++) {
			world_run(w);
			world_decide(w);
			cr_assert(tick == 0 || w->plan.n_actions == 0, "seed %" PRIu64, seed);
			world_apply(w);
		}
		world_free(w);
	}
}

/* The same observation with all that was planned in force: nothing is left to do. */
Test(decide_world, a_plan_after_its_own_outcome_is_empty)
{
	unsigned int n_plans = 0;

	for (uint64_t seed = 1; seed <= WORLDS / 4; seed++) {
		struct world *w = world_new(seed);

		for (int tick = 0; tick < TICKS; tick++) {
			struct state later;

			life_go_on(w);
			world_run(w);
			world_decide(w);
			n_plans += w->plan.n_actions > 0;
			world_apply(w);
			cr_assert_eq(state_init(&later, w->policy.n_models), 0);
			state_carry(&w->state, &w->policy, &w->policy, &later);
			w->now.span_ns = 0; /* no time has passed */
			decide(&w->policy, &w->now, &later, &w->plan);
			cr_assert_eq(w->plan.n_actions, 0, "seed %" PRIu64 ", tick %d", seed, tick);
			state_fini(&later);
		}
		world_free(w);
	}
	cr_assert_gt(n_plans, 1000);
}

/* ---- gaps ---------------------------------------------------------------------------------- */

static bool is_step(enum reason r)
{
	return r == REASON_DONOR || r == REASON_GIVE_BACK || r == REASON_CAP ||
	       r == REASON_REGRET || r == REASON_BUDGET_AT_RISK || r == REASON_BUDGET_BROKEN ||
	       r == REASON_BUDGET_FAR_BROKEN || r == REASON_OWN_QUOTA || r == REASON_GRANT;
}

Test(decide_world, missing_samples_cause_no_action)
{
	unsigned int n_blind = 0;

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);
		int blind = 0, seen = 0; /* ticks left, and since */

		for (int tick = 0; tick < TICKS; tick++) {
			seen = blind ? 0 : seen + 1;
			if (seen > 1 && world_chance(w, 5)) /* never fifteen in a row */
				blind = 1 + (int)world_random(w, 13);
			world_run(w);
			if (blind > 0)
				world_blind(w);
			world_decide(w);
			for (uint32_t i = 0; blind > 0 && i < w->plan.n_actions; i++)
				cr_assert(!is_step(w->plan.actions[i].reason),
					  "%s, seed %" PRIu64 ", tick %d",
					  reason_name(w->plan.actions[i].reason), seed, tick);
			n_blind += blind > 0;
			blind -= blind > 0;
			world_apply(w);
		}
		world_free(w);
	}
	cr_assert_gt(n_blind, WORLDS);
}

/* ---- experiments ----------------------------------------------------------------------------- */

/* What production has beside greedy experiments is what it has beside modest ones. */
static void experiments_greed(struct world *w, bool is_greedy)
{
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		if (class_of(&w->models[i]) == CLASS_EXPERIMENT) {
			w->models[i].n_objectives = is_greedy;
			w->models[i].objectives[0].budget = NSEC_PER_MSEC / 100;
			w->models[i].preemption.may = (1u << N_CLASSES) - 1;
		}
}

Test(decide_world, what_experiments_want_never_moves_production)
{
	for (uint64_t seed = 1; seed <= WORLDS / 2; seed++) {
		struct world *greedy = world_new(seed), *modest = world_new(seed);

		experiments_greed(greedy, true);
		experiments_greed(modest, false);
		for (int tick = 0; tick < TICKS; tick++) {
			life_go_on(greedy);
			world_run(greedy);
			memcpy(modest->readings, greedy->readings, sizeof(modest->readings));
			memcpy(modest->targets, greedy->targets, sizeof(modest->targets));
			modest->now.tick = greedy->now.tick;
			modest->now.span_ns = greedy->now.span_ns;
			modest->now.taken_ns = greedy->now.taken_ns;
			modest->now.host = greedy->now.host;
			world_decide(greedy);
			world_decide(modest);
			for (uint32_t i = 0; i < greedy->policy.n_models; i++) {
				const struct model_state *a = &greedy->state.models[i];
				const struct model_state *b = &modest->state.models[i];

				if (class_of(&greedy->models[i]) == CLASS_EXPERIMENT)
					continue;
				cr_assert(a->offset >= b->offset &&
						  a->cap.permyriad == b->cap.permyriad,
					  "%s pays to an experiment, seed %" PRIu64 ", tick %d",
					  greedy->models[i].name, seed, tick);
				cr_assert(a->offset == 0 ||
					  class_of(&greedy->models[a->moved_why.model]) !=
						  CLASS_EXPERIMENT);
			}
			world_apply(greedy);
		}
		world_free(greedy);
		world_free(modest);
	}
}

/* ---- what it is for -------------------------------------------------------------------------- */

/* Ticks in which a promise was broken; without feedback decide sees no objectives. */
static unsigned int violations_count(uint64_t seed, bool has_feedback)
{
	struct world *w = world_new(seed);
	unsigned int kept[WORLD_MODELS], n = 0;

	w->stranger_threads = seed % 2 ? w->now.host.cpus : 0;
	w->stranger_weight = 100;
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		kept[i] = w->models[i].n_objectives;
	for (int tick = 0; tick < 2 * TICKS; tick++) {
		life_go_on(w);
		world_run(w);
		n += world_violations(w);
		for (uint32_t i = 0; !has_feedback && i < w->policy.n_models; i++)
			w->models[i].n_objectives = 0;
		world_decide(w);
		for (uint32_t i = 0; i < w->policy.n_models; i++)
			w->models[i].n_objectives = kept[i];
		world_apply(w);
	}
	world_free(w);
	return n;
}

Test(decide_world, with_feedback_fewer_promises_are_broken_than_by_policy_alone)
{
	unsigned int with = 0, without = 0;

	for (uint64_t seed = 1; seed <= WORLDS / 4; seed++) {
		with += violations_count(seed, true);
		without += violations_count(seed, false);
	}
	printf("promises broken in %u model ticks with feedback, %u without\n", with, without);
	cr_assert_lt(with, without);
}
