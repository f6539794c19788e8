/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record: what was planned can be read back with its reason and outcome; a broken disk loses rows and
 * says so; sentences hold the numbers.
 */
#include "record_world.h"

#include <sys/stat.h>

/* ---- what there is to tell -------------------------------------------------------------------- */

static const struct evidence broken = { .model = 1,
					.objective = 0,
					.observed = 9100000,
					.budget = 5000000,
					.slack_permyriad = -8200,
					.culprit = 0,
					.culprit_permyriad = 8300 };

/* A world whose plan, of tick 7, gives ocr weight for its broken budget. */
static void broken_world_open(struct world *w)
{
	world_open(w);
	w->now.tick = w->plan.tick = 7;
	w->action = (struct action){ .model = 1,
				     .knob = KNOB_CPU_WEIGHT,
				     .expected = 1455,
				     .value = 2274,
				     .reason = REASON_BUDGET_BROKEN,
				     .why = broken };
}

static const char *text_of(json_t *actions, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(actions, i), key));
}

static void reply_keep(json_t *take_actions, const char *problem, void *userdata)
{
	cr_assert_not_null(take_actions, "%s", problem);
	*(json_t **)userdata = take_actions;
}

/* ---- the journal ------------------------------------------------------------------------------ */

Test(journal, an_action_is_pending_until_its_outcome_is_there)
{
	const struct outcome applied = { .kind = OUTCOME_APPLIED, .read_back = 2274 };
	struct world w;
	json_t *actions = NULL;

	broken_world_open(&w);
	journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	journal_ask_actions(w.journal, "ocr", 10, reply_keep, &actions);
	world_settle(&w);
	cr_assert_eq(json_array_size(actions), 1);
	cr_assert_str_eq(text_of(actions, 0, "outcome"), "pending");
	json_decref(actions);

	journal_outcomes(w.journal, 7, &applied, 1);
	journal_ask_actions(w.journal, NULL, 10, reply_keep, &actions);
	world_settle(&w);
	cr_assert_str_eq(text_of(actions, 0, "outcome"), "applied");
	cr_assert_str_eq(text_of(actions, 0, "knob"), "cpu.weight");
	cr_assert_str_eq(text_of(actions, 0, "reason"), "budget_broken");
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(actions, 0), "value")), 2274);
	json_decref(actions);
	world_close(&w);
}

Test(journal, what_happened_in_a_cgroup_whose_name_is_no_text_is_recorded_all_the_same)
{
	struct world w;
	struct outcome outcome = { .kind = OUTCOME_REFUSED, .note = "open /o\xff: denied" };
	json_t *form, *target, *actions = NULL;

	broken_world_open(&w);
	w.target.path = "/o\xff";
	form = observation_to_json(&world_policy, &w.now);
	target = json_array_get(json_object_get(form, "targets"), 0);
	cr_assert_not_null(target, "a target is not left out");
	cr_expect_str_eq(json_string_value(json_object_get(target, "path")), "/o?");
	json_decref(form);
	journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	journal_outcomes(w.journal, 7, &outcome, 1);
	journal_ask_actions(w.journal, "ocr", 10, reply_keep, &actions);
	world_settle(&w);
	cr_assert_eq(json_array_size(actions), 1);
	cr_expect_str_eq(text_of(actions, 0, "outcome"), outcome_name(OUTCOME_REFUSED));
	cr_expect_str_eq(text_of(actions, 0, "note"), "open /o?: denied");
	json_decref(actions);
	world_close(&w);
}

Test(journal, the_newest_action_comes_first_and_only_of_the_model_asked_for)
{
	struct world w;
	json_t *actions = NULL;

	broken_world_open(&w);
	for (uint64_t tick = 1; tick <= 5; tick++) {
		w.now.tick = w.plan.tick = tick;
		w.action.model = tick % 2;
		journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	}
	journal_ask_actions(w.journal, "ocr", 2, reply_keep, &actions);
	world_settle(&w);
	cr_assert_eq(json_array_size(actions), 2);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(actions, 0), "tick")), 5);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(actions, 1), "tick")), 3);
	json_decref(actions);
	world_close(&w);
}

Test(journal, it_can_be_read_without_a_daemon)
{
	struct world w;
	json_t *actions = NULL;
	struct err e = { 0 };

	broken_world_open(&w);
	w.action.knob = KNOB_MEMORY_MAX;
	w.action.expected = VALUE_MAX;
	journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	world_stop(&w);
	cr_assert_eq(journal_read_actions(w.directory, "ocr", 5, &actions, &e), 0, "%s", e.text);
	cr_assert_str_eq(text_of(actions, 0, "before"), "max");
	json_decref(actions);
	world_close(&w);
}

Test(journal, a_place_that_cannot_be_written_loses_rows_and_says_so)
{
	struct world w;
	struct journal_status s;
	char path[128];

	broken_world_open(&w);
	snprintf(path, sizeof(path), "%s/journal.db", w.directory);
	cr_assert_eq(mkdir(path, 0700), 0, "a directory where the file should be");
	journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	world_settle(&w);
	journal_get_status(w.journal, &s);
	cr_assert_eq(s.rows_lost, 1);
	cr_assert_neq(s.problem[0], '\0');
	world_close(&w);
}

Test(journal, a_file_of_somebody_else_is_left_alone)
{
	struct world w;
	struct journal_status s;
	char command[256];

	broken_world_open(&w);
	snprintf(command, sizeof(command), "printf 'not a database, but long enough to be looked at' "
					   "> %s/journal.db",
		 w.directory);
	cr_assert_eq(system(command), 0);
	journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	world_settle(&w);
	journal_get_status(w.journal, &s);
	cr_assert_eq(s.rows_written, 0);
	cr_assert_neq(s.problem[0], '\0');
	world_close(&w);
}

Test(journal, old_rows_go_and_young_rows_stay)
{
	struct world w;
	json_t *actions = NULL;

	broken_world_open(&w);
	journal_limit(w.journal, 3600 * NSEC_PER_SEC, 1ULL << 30);
	w.now.wall_ns = clock_realtime_ns() - 7200 * NSEC_PER_SEC;
	journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	w.now.wall_ns = clock_realtime_ns();
	for (int i = 0; i < 600; i++) { /* removal comes with every 600th entry */
		w.now.tick = w.plan.tick = 100 + (uint64_t)i;
		journal_tick(w.journal, &world_policy, &w.now, &w.plan);
	}
	journal_ask_actions(w.journal, NULL, 1000, reply_keep, &actions);
	world_settle(&w);
	cr_assert_eq(json_array_size(actions), 600, "%zu rows", json_array_size(actions));
	json_decref(actions);
	world_close(&w);
}

/* ---- sentences -------------------------------------------------------------------------------- */

static void says(char *take_text, const char *expected)
{
	cr_assert_str_eq(take_text, expected);
	free(take_text);
}

Test(explain, an_action_names_the_numbers_and_the_culprit)
{
	struct action a = { .model = 1,
			    .knob = KNOB_CPU_WEIGHT,
			    .expected = 1455,
			    .value = 2274,
			    .reason = REASON_BUDGET_BROKEN,
			    .why = broken };

	says(explain_action(&world_policy, &a),
	     "cpu.weight of ocr raised from 1455 to 2274: its p99 run-queue wait was 9.1ms against 5ms "
	     "(slack -82%); batch ran during 83% of those waits.");
	a = (struct action){ .model = 0, .knob = KNOB_CPU_WEIGHT, .expected = 7, .value = 5,
			     .reason = REASON_DONOR, .why = broken };
	says(explain_action(&world_policy, &a),
	     "cpu.weight of batch lowered from 7 to 5: ocr needs the CPU: its p99 run-queue wait was 9.1ms "
	     "against 5ms; batch ran during 83% of those waits.");
	a = (struct action){ .model = 0, .knob = KNOB_CPU_MAX, .expected = 400000, .value = 180000,
			     .reason = REASON_CAP, .why = broken };
	says(explain_action(&world_policy, &a),
	     "cpu.max of batch lowered from 4cpu to 1.8cpu: ocr needs the CPU and weights are at their "
	     "end: its p99 run-queue wait was 9.1ms against 5ms; batch ran during 83% of those waits.");
	a = (struct action){ .model = 1, .knob = KNOB_CPU_WEIGHT, .expected = MISSING, .value = 1455,
			     .reason = REASON_FEED_FORWARD, .why = nothing };
	says(explain_action(&world_policy, &a),
	     "cpu.weight of ocr set from not set to 1455: its weight from class critical, priority 5 and "
	     "a reservation of 0.5cpu.");
}

Test(explain, a_drift_names_who_changed_what_and_how_often)
{
	struct drift d = { .model = 1, .knob = KNOB_CPU_WEIGHT, .written = 1455, .found = 200,
			   .wanted = 1455, .times = 2,
			   .writer = { WRITER_DIRECT, 4711, "bash" } };
	struct action a = { .model = 1, .knob = KNOB_CPU_WEIGHT, .expected = 200, .value = 1819,
			    .reason = REASON_DRIFT, .why = nothing, .written = 1455, .times = 1,
			    .writer = { WRITER_RUNTIME, 12, "crun" } };

	says(explain_drift(&world_policy, &d),
	     "cpu.weight of ocr was changed from 1455 to 200 by bash, process 4711, by a direct write; "
	     "put back (2nd time in ten minutes).");
	d.writer = (struct writer){ WRITER_PROPERTY, 1, "systemd" };
	says(explain_drift(&world_policy, &d),
	     "cpu.weight of ocr was changed from 1455 to 200 by systemd, because somebody set a property "
	     "of the unit (as systemctl set-property does); put back (2nd time in ten minutes).");
	d.writer.kind = WRITER_RELOAD;
	says(explain_drift(&world_policy, &d),
	     "cpu.weight of ocr was changed from 1455 to 200 by systemd at a daemon-reload; put back "
	     "(2nd time in ten minutes).");
	d.writer = (struct writer){ WRITER_UNKNOWN, 0, "" };
	says(explain_drift(&world_policy, &d),
	     "cpu.weight of ocr was changed from 1455 to 200 by somebody who was not seen; put back "
	     "(2nd time in ten minutes).");
	says(explain_action(&world_policy, &a),
	     "cpu.weight of ocr was changed from 1455 to 200 by the container runtime crun, process 12, "
	     "by a direct write; set to 1819 (1st time in ten minutes).");
}

Test(explain, what_is_left_alone_has_a_cure)
{
	for (unsigned int kind = 0; kind < N_WRITERS; kind++) {
		const struct drift d = { .model = 1, .knob = KNOB_MEMORY_MAX, .written = 1 << 20,
					 .found = VALUE_MAX, .wanted = 1 << 20, .times = 3,
					 .is_left_alone = true,
					 .writer = { (enum writer_kind)kind, 1, "" } };
		_cleanup_free_ char *text = explain_drift(&world_policy, &d);

		cr_assert_not_null(strstr(text, "memory.max of ocr was changed from 1MiB to max by "));
		cr_assert_not_null(strstr(text, "; left alone after 3 times, although 1MiB is wanted; "
						"cure: "));
	}
}

Test(explain, also_doing_nothing_has_a_reason)
{
	struct evidence kept = broken;
	struct verdict v = { .reason = REASON_DEAD_BAND, .level = 33, .policy_level = 33 };

	kept.observed = 4500000;
	kept.slack_permyriad = 1000;
	kept.culprit = MODEL_NONE;
	v.why = kept;
	says(explain_verdict(&world_policy, 1, &v),
	     "ocr stays as it is: slack is between 5 and 20 %: nothing moves; its p99 run-queue wait was "
	     "4.5ms against 5ms.");
	v.reason = REASON_NONE;
	v.level = 35;
	says(explain_verdict(&world_policy, 1, &v),
	     "ocr stays as it is (level 35, +2 from its policy): its p99 run-queue wait was 4.5ms against "
	     "5ms.");
}

Test(explain, every_reason_yields_a_sentence_with_and_without_numbers)
{
	for (int r = 0; r < N_REASONS; r++) {
		struct verdict v = { .reason = (enum reason)r, .why = nothing };
		struct action a = { .model = 1, .reason = (enum reason)r, .why = nothing };

		for (int i = 0; i < 2; i++, v.why = a.why = broken) {
			_cleanup_free_ char *one = explain_verdict(&world_policy, 1, &v);
			_cleanup_free_ char *two = explain_action(&world_policy, &a);

			cr_assert(one && two && strlen(one) > 10 && strlen(two) > 10);
			cr_assert_null(strstr(one, "(null)"));
			cr_assert_null(strstr(two, "(null)"));
		}
	}
}
