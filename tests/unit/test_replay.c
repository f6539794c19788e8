/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: a policy is led through recorded observations; what a change takes from promises is found
 * and weighed by what was recorded.
 */
#include "replay.h"

#include <criterion/criterion.h>

#include <inttypes.h>

#define MS(n)  ((uint64_t)(n)*NSEC_PER_MSEC)
#define MIB(n) ((uint64_t)(n) << 20)

/* ---- a small world ----------------------------------------------------------------------- */

enum { BATCH, OCR, SPEECH, N };

/* ocr promises p99 5 ms and little memory stall, speech p99 20 ms, batch nothing. */
struct world {
	struct model models[N];
	struct policy policy;
	struct model_reading readings[N];
	struct target targets[N];
	struct observation now;
	struct arena arena;
};

static const struct objective wait_5ms = { .indicator = INDICATOR_RUNQUEUE_WAIT,
					   .quantile_permyriad = 9900,
					   .budget = MS(5),
					   .window_ns = 10 * NSEC_PER_SEC };
static const struct objective stall_2 = { .indicator = INDICATOR_MEMORY_STALL,
					  .budget = 200,
					  .window_ns = 10 * NSEC_PER_SEC };
static const struct host_facts facts = { .cpus = 2, .memory_bytes = MIB(4096) };

static void model_set(struct world *w, unsigned int i, const char *name, enum model_class class)
{
	w->models[i] = (struct model){ .name = name, .class = class, .cpu_floor_permyriad = 100 };
	for (unsigned int k = 0; k < N_KNOBS; k++)
		w->models[i].values[k] = MISSING;
	w->readings[i] = (struct model_reading){ .culprit = MODEL_NONE,
						 .culprit_permyriad = MISSING,
						 .run_ns = NSEC_PER_SEC / 10,
						 .cpu_usage_ns = NSEC_PER_SEC / 10,
						 .memory_bytes = MIB(100),
						 .waits = MISSING,
						 .wait_ns = MISSING,
						 .own_quota_ns = MISSING,
						 .wait_p50_ns = MISSING,
						 .wait_p99_ns = MISSING };
	w->targets[i] = (struct target){ .cgroup_id = 100 + i,
					 .model = i,
					 .knobs = (1u << N_KNOBS) - 1,
					 .driver = DRIVER_SYSTEMD,
					 .path = name,
					 .unit = "" };
	w->targets[i].values[KNOB_CPU_WEIGHT] = 100;
}

static void world_init(struct world *w)
{
	*w = (struct world){ 0 };
	arena_init(&w->arena);
	model_set(w, BATCH, "batch", CLASS_BATCH);
	model_set(w, OCR, "ocr", CLASS_CRITICAL);
	model_set(w, SPEECH, "speech", CLASS_STANDARD);
	w->models[OCR].objectives[0] = wait_5ms;
	w->models[OCR].objectives[1] = stall_2;
	w->models[OCR].n_objectives = 2;
	w->models[SPEECH].objectives[0] = wait_5ms;
	w->models[SPEECH].objectives[0].budget = MS(20);
	w->models[SPEECH].n_objectives = 1;
	w->readings[OCR].objectives[0] = (struct reading){ MS(1), 1000 };
	w->readings[OCR].objectives[1] = (struct reading){ 10, 10 };
	w->readings[SPEECH].objectives[0] = (struct reading){ MS(4), 1000 };
	w->policy = (struct policy){ .host = { .mode = MODE_ENFORCE, .tick_ns = NSEC_PER_SEC },
				     .n_models = N,
				     .models = w->models };
	w->now = (struct observation){ .host = { .cpus = 2, .memory_bytes = MIB(4096) },
				       .n_models = N,
				       .models = w->readings,
				       .n_targets = N,
				       .targets = w->targets };
}

static void tick(struct world *w)
{
	w->now.tick++;
	w->now.span_ns = w->now.tick == 1 ? 0 : NSEC_PER_SEC;
	w->now.taken_ns += NSEC_PER_SEC;
	w->now.wall_ns += NSEC_PER_SEC;
}

static void feed(struct comparison *c, struct world *w, unsigned int ticks)
{
	while (ticks--) {
		tick(w);
		cr_assert_eq(comparison_feed(c, &w->now), 0);
	}
}

/* ---- one policy's way -------------------------------------------------------------------- */

Test(replay, ticks_are_judged_by_budget_and_by_what_is_left_of_it)
{
	struct world w;
	struct replay r;

	world_init(&w);
	cr_assert_eq(replay_init(&r, &w.policy), 0);
	for (int i = 0; i < 10; i++) {
		static const uint64_t waits[10] = { MS(1), MS(4), 4000001, MS(5), 5000001,
						    MS(9), MS(1), MS(1),   MS(1), MISSING };

		tick(&w);
		w.readings[OCR].objectives[0].observed = waits[i];
		w.readings[OCR].objectives[0].samples = i == 8 ? 19 : 1000;
		cr_assert_eq(replay_feed(&r, &w.now), 0);
	}
	cr_assert_eq(r.ticks, 10);
	cr_assert_eq(r.models[OCR].objectives[0].judged, 8,
		     "19 waits are too few, MISSING is none");
	cr_assert_eq(r.models[OCR].objectives[0].violated, 2);
	cr_assert_eq(r.models[OCR].objectives[0].tight, 4, "over 4 ms, 20 %% are left");
	cr_assert_eq(r.models[OCR].objectives[0].worst, MS(9));
	cr_assert_eq(r.models[OCR].objectives[1].judged, 10);
	cr_assert_eq(r.first_wall_ns, NSEC_PER_SEC);
	cr_assert_eq(r.last_wall_ns, 10 * NSEC_PER_SEC);
	replay_fini(&r);
}

Test(replay, the_kernel_is_played_so_that_a_value_is_planned_once)
{
	struct world w;
	struct replay r;

	world_init(&w);
	w.models[BATCH].values[KNOB_MEMORY_MAX] = MIB(512);
	cr_assert_eq(replay_init(&r, &w.policy), 0);
	for (int i = 0; i < 20; i++) {
		tick(&w); /* and the observation still shows the value of before */
		cr_assert_eq(replay_feed(&r, &w.now), 0);
	}
	cr_assert_eq(r.models[BATCH].actions[KNOB_MEMORY_MAX], 1);
	cr_assert_eq(r.models[BATCH].wanted[KNOB_MEMORY_MAX], MIB(512));
	cr_assert_eq(r.models[OCR].actions[KNOB_CPU_WEIGHT], 1);
	cr_assert_eq(r.models[OCR].wanted[KNOB_CPU_WEIGHT], 1455);
	cr_assert_eq(r.models[OCR].wanted[KNOB_PIDS_MAX], MISSING, "nobody asked for it");
	cr_assert_eq(r.models[OCR].level, 32);
	replay_fini(&r);
}

Test(replay, feedback_takes_its_steps_as_it_would_have)
{
	struct world w;
	struct replay r;

	world_init(&w);
	cr_assert_eq(replay_init(&r, &w.policy), 0);
	for (int i = 0; i < 6; i++) {
		tick(&w);
		w.readings[OCR].objectives[0].observed = i < 3 ? MS(1) : MS(6);
		w.readings[BATCH].run_ns = NSEC_PER_SEC;
		cr_assert_eq(replay_feed(&r, &w.now), 0);
	}
	cr_assert_gt(r.models[SPEECH].actions[KNOB_CPU_WEIGHT] +
			     r.models[BATCH].actions[KNOB_CPU_WEIGHT],
		     1, "one step from somebody, besides the first plan");
	cr_assert_str_eq(r.policy->models[OCR].name, "ocr");
	replay_fini(&r);
}

Test(replay, the_same_observations_give_the_same_numbers)
{
	struct world w;
	struct replay a, b;

	world_init(&w);
	cr_assert_eq(replay_init(&a, &w.policy), 0);
	cr_assert_eq(replay_init(&b, &w.policy), 0);
	for (int i = 0; i < 100; i++) {
		tick(&w);
		w.readings[OCR].objectives[0].observed = MS(1 + i % 7);
		cr_assert_eq(replay_feed(&a, &w.now), 0);
		cr_assert_eq(replay_feed(&b, &w.now), 0);
	}
	cr_assert_arr_eq(a.models, b.models, sizeof(a.models[0]) * N);
	replay_fini(&a);
	replay_fini(&b);
}

/* ---- another policy's eyes --------------------------------------------------------------- */

Test(replay, an_observation_is_seen_by_the_names_of_another_policy)
{
	struct world w, other;
	struct observation *seen;

	world_init(&w);
	world_init(&other);
	/* batch and ocr change places, speech is gone, zoo is new */
	model_set(&other, 0, "aaa", CLASS_BATCH);
	other.models[1] = w.models[OCR];
	model_set(&other, 2, "zoo", CLASS_STANDARD);
	other.models[1].objectives[0] = stall_2;
	other.models[1].objectives[1] = wait_5ms;
	other.models[1].objectives[2] = wait_5ms;
	other.models[1].objectives[2].window_ns++;
	other.models[1].n_objectives = 3;
	other.models[2].objectives[0] = wait_5ms;
	other.models[2].n_objectives = 1;
	w.readings[OCR].culprit = SPEECH;
	w.readings[OCR].culprit_permyriad = 9000;
	tick(&w);
	cr_assert_eq(observation_translate(&w.now, &w.policy, &other.policy, &w.arena, &seen), 0);
	cr_assert_eq(seen->n_models, 3);
	cr_assert_eq(seen->models[1].objectives[0].observed, 10, "the stall comes first now");
	cr_assert_eq(seen->models[1].objectives[1].observed, MS(1));
	cr_assert_eq(seen->models[1].objectives[2].observed, MISSING, "another window");
	cr_assert_eq(seen->models[1].culprit, MODEL_NONE, "speech is not in it");
	cr_assert_eq(seen->models[1].culprit_permyriad, MISSING);
	cr_assert_eq(seen->models[1].memory_bytes, MIB(100));
	cr_assert_eq(seen->models[2].objectives[0].observed, MISSING, "never observed");
	cr_assert_eq(seen->models[2].memory_bytes, MISSING);
	cr_assert_eq(seen->n_targets, 1);
	cr_assert_eq(seen->targets[0].model, 1);
	cr_assert_eq(seen->targets[0].cgroup_id, 101);
	arena_fini(&w.arena);
}

/* ---- what a change takes ----------------------------------------------------------------- */

/* A second world, the same but for what the test changes, and ticks at one wait of ocr. */
struct trial {
	struct world before, after;
	struct comparison c;
	char note[512];
	enum replay_verdict verdict;
};

static void trial_init(struct trial *t)
{
	world_init(&t->before);
	world_init(&t->after);
}

static void trial_run(struct trial *t, unsigned int ticks, uint64_t wait_ns)
{
	t->before.readings[OCR].objectives[0].observed = wait_ns;
	cr_assert_eq(comparison_init(&t->c, &t->before.policy, &t->after.policy, &facts), 0);
	feed(&t->c, &t->before, ticks);
}

static void trial_end(struct trial *t, enum replay_verdict verdict, const char *part)
{
	cr_assert_eq(replay_gate(&t->c, &t->verdict, t->note, sizeof(t->note)), 0);
	cr_assert_eq(t->verdict, verdict, "verdict %d: %s", t->verdict, t->note);
	cr_assert_not_null(strstr(t->note, part), "'%s' is not in: %s", part, t->note);
	comparison_fini(&t->c);
}

Test(replay, a_change_that_takes_nothing_passes_even_without_a_recorded_tick)
{
	struct trial t;

	trial_init(&t);
	trial_run(&t, 0, MS(1));
	trial_end(&t, REPLAY_PASS, "by 0 recorded ticks");
}

Test(replay, who_was_near_the_budget_must_not_lose_a_share)
{
	struct trial t;

	trial_init(&t);
	t.after.models[OCR].class = CLASS_STANDARD;
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_FAIL,
		  "ocr: its guaranteed part of the CPUs falls from 92.61% to 48.3%; its p99 of "
		  "runqueue_wait was kept in 100 of 100 ticks, but with slack under 20 % in 100");
}

Test(replay, who_had_room_may_lose_a_share)
{
	struct trial t;

	trial_init(&t);
	t.after.models[OCR].class = CLASS_STANDARD;
	trial_run(&t, 100, MS(2));
	trial_end(&t, REPLAY_PASS, "no promise of production");
}

Test(replay, whose_promise_is_broken_already_is_for_a_person_to_decide)
{
	struct trial t;

	trial_init(&t);
	t.after.models[OCR].class = CLASS_STANDARD;
	trial_run(&t, 100, MS(6));
	trial_end(&t, REPLAY_INCONCLUSIVE, "is broken already, in 100 of 100 ticks");
}

Test(replay, fifty_nine_ticks_say_nothing_and_sixty_do)
{
	struct trial t;

	trial_init(&t);
	t.after.models[OCR].class = CLASS_STANDARD;
	trial_run(&t, 59, 4500000);
	trial_end(&t, REPLAY_INCONCLUSIVE, "judged in 59 recorded ticks only");
	trial_init(&t);
	t.after.models[OCR].class = CLASS_STANDARD;
	trial_run(&t, 60, 4500000);
	trial_end(&t, REPLAY_FAIL, "60 of 60");
}

Test(replay, tight_in_less_than_a_twentieth_of_the_ticks_is_room)
{
	static const struct {
		unsigned int tight;
		enum replay_verdict verdict;
	} cases[] = { { 4, REPLAY_PASS }, { 5, REPLAY_FAIL } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trial t;

		trial_init(&t);
		t.after.models[OCR].class = CLASS_STANDARD;
		trial_run(&t, 100 - cases[i].tight, MS(2));
		t.before.readings[OCR].objectives[0].observed = 4500000;
		feed(&t.c, &t.before, cases[i].tight);
		trial_end(&t, cases[i].verdict, "");
	}
}

Test(replay, kept_in_ninety_nine_of_hundred_ticks_is_kept)
{
	static const struct {
		unsigned int broken;
		enum replay_verdict verdict;
	} cases[] = { { 1, REPLAY_FAIL }, { 2, REPLAY_INCONCLUSIVE } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trial t;

		trial_init(&t);
		t.after.models[OCR].class = CLASS_STANDARD;
		trial_run(&t, 100 - cases[i].broken, 4500000);
		t.before.readings[OCR].objectives[0].observed = MS(6);
		feed(&t.c, &t.before, cases[i].broken);
		trial_end(&t, cases[i].verdict, "");
	}
}

Test(replay, a_new_model_beside_it_takes_a_share_too)
{
	struct trial t;

	trial_init(&t);
	model_set(&t.after, BATCH, "asr", CLASS_CRITICAL);
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_FAIL, "ocr: its guaranteed part of the CPUs falls");
}

Test(replay, one_level_less_is_borne_and_two_are_not)
{
	struct trial t;

	trial_init(&t);
	t.after.models[OCR].priority = -5;
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_PASS, "");
	trial_init(&t);
	t.before.models[BATCH].class = t.after.models[BATCH].class = CLASS_CRITICAL;
	t.before.models[SPEECH].class = t.after.models[SPEECH].class = CLASS_CRITICAL;
	t.after.models[OCR].priority = -10;
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_FAIL, "ocr");
}

Test(replay, who_stops_enforcing_takes_every_share)
{
	struct trial t;

	trial_init(&t);
	t.after.policy.host.mode = MODE_OBSERVE;
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_FAIL, "falls from 92.61% to 33.33%");
	trial_init(&t);
	t.before.policy.host.mode = MODE_OBSERVE;
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_PASS, "");
}

Test(replay, a_cap_under_what_was_used_fails)
{
	struct trial t;

	trial_init(&t);
	t.after.models[SPEECH].values[KNOB_CPU_MAX] = CPU_PERIOD_USEC / 20;
	trial_run(&t, 100, MS(1));
	trial_end(&t, REPLAY_FAIL,
		  "speech: cpu.max falls from max to 0.05cpu; it used more than that in 99 of 99");
	trial_init(&t);
	t.after.models[SPEECH].values[KNOB_CPU_MAX] = CPU_PERIOD_USEC / 5;
	trial_run(&t, 100, MS(1));
	trial_end(&t, REPLAY_PASS, "");
}

Test(replay, memory_max_under_what_was_used_fails)
{
	struct trial t;

	trial_init(&t);
	t.after.models[SPEECH].values[KNOB_MEMORY_MAX] = MIB(99);
	trial_run(&t, 100, MS(1));
	trial_end(&t, REPLAY_FAIL, "speech: memory.max falls to 99MiB; it used up to 100MiB");
	trial_init(&t);
	t.after.models[SPEECH].values[KNOB_MEMORY_HIGH] = MIB(99);
	trial_run(&t, 100, MS(1));
	trial_end(&t, REPLAY_INCONCLUSIVE, "memory.high falls to 99MiB");
	trial_init(&t);
	t.after.models[SPEECH].values[KNOB_MEMORY_MAX] = MIB(100);
	trial_run(&t, 100, MS(1));
	trial_end(&t, REPLAY_PASS, "");
}

Test(replay, memory_that_was_protected_is_a_promise_to_those_who_stall)
{
	struct trial t;

	trial_init(&t);
	t.before.models[OCR].values[KNOB_MEMORY_MIN] = MIB(256);
	t.after.models[OCR].values[KNOB_MEMORY_LOW] = MIB(128);
	t.before.readings[OCR].objectives[1].observed = 190;
	trial_run(&t, 100, MS(1));
	trial_end(&t, REPLAY_FAIL,
		  "ocr: its protected memory falls from 256MiB to 128MiB; its memory_stall");
}

Test(replay, a_withdrawn_promise_and_a_stricter_budget_are_told_and_pass)
{
	struct trial t;
	struct risk *risks;
	unsigned int n;

	trial_init(&t);
	t.after.models[OCR].n_objectives = 1;
	t.after.models[OCR].objectives[0].budget = MS(3);
	trial_run(&t, 100, MS(4));
	cr_assert_eq(comparison_judge(&t.c, &t.before.arena, &risks, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_eq(risks[0].kind, RISK_BUDGET);
	cr_assert_eq(risks[1].kind, RISK_PROMISE);
	cr_assert_str_eq(
		risk_print(&t.c, &risks[0], &t.before.arena),
		"ocr: the budget of its p99 of runqueue_wait goes from 5ms to 3ms, which the "
		"recorded readings break in 100 of 100 ticks");
	cr_assert_str_eq(risk_print(&t.c, &risks[1], &t.before.arena),
			 "ocr: its memory_stall is promised no more");
	arena_fini(&t.before.arena);
	trial_end(&t, REPLAY_PASS, "no promise of production");
}

Test(replay, experiments_may_lose_everything)
{
	struct trial t;

	trial_init(&t);
	t.before.models[OCR].stage = STAGE_EXPERIMENT;
	t.after.models[OCR].stage = STAGE_EXPERIMENT;
	t.after.models[OCR].values[KNOB_MEMORY_MAX] = MIB(1);
	trial_run(&t, 100, MS(6));
	trial_end(&t, REPLAY_PASS, "");
}

Test(replay, of_several_risks_the_worst_speaks_and_the_others_are_counted)
{
	struct trial t;

	trial_init(&t);
	t.after.models[OCR].class = CLASS_STANDARD;
	t.after.models[BATCH].values[KNOB_MEMORY_MAX] = MIB(1);
	t.after.models[SPEECH].values[KNOB_MEMORY_HIGH] = MIB(1);
	trial_run(&t, 100, 4500000);
	trial_end(&t, REPLAY_FAIL, "and 1 more like it");
}

/* ---- the slice of experiments ------------------------------------------------------------ */

Test(replay, the_slice_of_experiments_weighs_what_they_weigh_together)
{
	struct world w;
	uint64_t weight;

	world_init(&w);
	w.models[BATCH].stage = w.models[SPEECH].stage = STAGE_EXPERIMENT;
	cr_assert_eq(experiments_weight(&w.policy, 2, &weight), 0);
	cr_assert_eq(weight, 30, "1 %% each beside 1455: 15 twice, not %" PRIu64, weight);
	w.models[BATCH].stage = w.models[SPEECH].stage = STAGE_PRODUCTION;
	cr_assert_eq(experiments_weight(&w.policy, 2, &weight), 0);
	cr_assert_eq(weight, 1, "nobody: the least there is");
}
