/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole observations over a hierarchy of plain files, without the sampler: which cgroups count for
 * whom, what is a difference and what is a gap, what the health list says. The sampler's part is
 * tested in test_sense_models.c and, with a kernel, in tests/bpf.
 */
#include "cgroup.h"
#include "fake_cgroup.h"
#include "policy.h"
#include "sense.h"

#include <criterion/criterion.h>

#include <inttypes.h>

#define MAX_TEST_MODELS 8

/* ---- a small vocabulary ---------------------------------------------------------------------- */

static struct fake_cgroup fake;
static struct sense *sense;
static struct arena arena;
static struct model models[2][MAX_TEST_MODELS];
static struct policy policies[2];
static unsigned int current; /* of policies */

static void setup(void)
{
	fake_cgroup_init(&fake);
	arena_init(&arena);
	for (int i = 0; i < 2; i++)
		policies[i] = (struct policy){ .models = models[i] };
}

static void sense_start(void)
{
	struct sense_options options = { .cgroup_root = fake.root, .without_bpf = true };
	struct err e = { 0 };

	cr_assert_eq(sense_open(&options, &sense, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	sense_close(sense, true);
	arena_fini(&arena);
	fake_cgroup_fini(&fake);
}

/* Models are to be named in the order of the alphabet, as policy keeps them. */
static struct model *model_add(const char *name, const char *unit, const char *pattern)
{
	struct policy *p = &policies[current];
	struct model *m = &p->models[p->n_models++];

	*m = (struct model){ .name = name, .file = "test.yaml" };
	if (unit)
		m->units[m->n_units++] = unit;
	if (pattern)
		m->cgroups[m->n_cgroups++] = pattern;
	for (unsigned int k = 0; k < N_KNOBS; k++)
		m->values[k] = MISSING;
	return m;
}

static void follow(void)
{
	struct err e = { 0 };

	cr_assert_eq(sense_follow(sense, &policies[current], &e), 0, "%s", e.text);
}

/* The other policy, empty, is to be filled next. */
static void policy_next(void)
{
	current = !current;
	policies[current].n_models = 0;
}

static const struct observation *take(void)
{
	struct observation *now;
	struct err e = { 0 };

	arena_reset(&arena);
	cr_assert_eq(sense_take(sense, &arena, &now, &e), 0, "%s", e.text);
	return now;
}

static void usage_set(const char *path, uint64_t usage_us)
{
	fake_cgroup_write(&fake, path, "cpu.stat",
			  "usage_usec %" PRIu64 "\nnr_throttled 0\nthrottled_usec 0\n", usage_us);
}

static bool health_says(const char *words)
{
	const struct health *list;
	unsigned int n = sense_health(sense, &list);

	for (unsigned int i = 0; i < n; i++)
		if (!list[i].is_ok && strstr(list[i].detail, words))
			return true;
	return false;
}

static const char *paths(const struct observation *now, uint32_t model)
{
	static char joined[4096];

	joined[0] = '\0';
	for (uint32_t i = 0; i < now->n_targets; i++) {
		if (now->targets[i].model != model)
			continue;
		strcat(joined, *joined ? " " : "");
		strcat(joined, now->targets[i].path);
	}
	return joined;
}

TestSuite(sense_take, .init = setup, .fini = teardown);

/* ---- differences ----------------------------------------------------------------------------- */

Test(sense_take, the_first_observation_has_levels_and_no_differences)
{
	fake_cgroup_make(&fake, "/system.slice/ocr.service");
	fake_cgroup_write(&fake, "/system.slice/ocr.service", "memory.current", "4096\n");
	fake_cgroup_write(&fake, "/system.slice/ocr.service", "pids.current", "3\n");
	usage_set("/system.slice/ocr.service", 1000);
	sense_start();
	model_add("ocr", "ocr.service", NULL);
	follow();

	const struct observation *first = take();

	cr_assert_eq(first->tick, 1);
	cr_assert_eq(first->span_ns, 0);
	cr_assert_eq(first->n_models, 1);
	cr_assert_eq(first->n_targets, 1);
	cr_assert_eq(first->models[0].memory_bytes, 4096);
	cr_assert_eq(first->models[0].processes, 3);
	cr_assert_eq(first->models[0].cpu_usage_ns, MISSING);
	cr_assert_eq(first->models[0].memory_some_ns, MISSING);
	cr_assert_eq(first->models[0].oom_kills, MISSING);
}

Test(sense_take, the_second_observation_has_what_happened_in_between)
{
	const char *path = "/system.slice/ocr.service";

	fake_cgroup_make(&fake, path);
	usage_set(path, 1000);
	sense_start();
	model_add("ocr", "ocr.service", NULL);
	follow();
	(void)take();
	fake_cgroup_write(&fake, path, "cpu.stat",
			  "usage_usec 1500\nnr_throttled 2\nthrottled_usec 70\n");
	fake_cgroup_write(&fake, path, "cpu.pressure", "some total=11\nfull total=1\n");
	fake_cgroup_write(&fake, path, "memory.pressure",
			  "some avg10=0 total=12\nfull avg10=0 total=5\n");
	fake_cgroup_write(&fake, path, "io.pressure", "some avg10=0.00 total=13\n");
	fake_cgroup_write(&fake, path, "memory.events",
			  "low 0\nhigh 4\nmax 5\noom 0\noom_kill 6\n");
	fake_cgroup_write(&fake, path, "memory.stat",
			  "anon 1\nfile 8192\npgmajfault 7\nworkingset_refault_anon 3\n"
			  "workingset_refault_file 5\n");

	const struct observation *second = take();
	const struct model_reading *r = &second->models[0];

	cr_assert_eq(second->tick, 2);
	cr_assert_gt(second->span_ns, 0);
	cr_assert_eq(r->cpu_usage_ns, 500000);
	cr_assert_eq(r->throttled_periods, 2);
	cr_assert_eq(r->throttled_ns, 70000);
	cr_assert_eq(r->cpu_some_ns, 11000);
	cr_assert_eq(r->memory_some_ns, 12000);
	cr_assert_eq(r->memory_full_ns, 5000);
	cr_assert_eq(r->io_some_ns, 13000);
	cr_assert_eq(r->memory_high_events, 4);
	cr_assert_eq(r->memory_max_events, 5);
	cr_assert_eq(r->oom_kills, 6);
	cr_assert_eq(r->major_faults, 7);
	cr_assert_eq(r->refaults, 8);
	cr_assert_eq(r->memory_file_bytes, 8192);
	cr_assert_eq(r->waits, MISSING, "no sampler: no waits, and not zero waits");
	cr_assert_eq(r->culprit, MODEL_NONE);
	cr_assert_eq(r->culprit_permyriad, MISSING);
}

Test(sense_take, knobs_are_shown_as_the_kernel_has_them)
{
	const char *path = "/x";

	fake_cgroup_make(&fake, path);
	fake_cgroup_write(&fake, path, "cpu.weight", "250\n");
	fake_cgroup_write(&fake, path, "cpu.max", "50000 100000\n");
	fake_cgroup_write(&fake, path, "memory.max", "1048576\n");
	sense_start();
	model_add("ocr", NULL, "/x");
	follow();

	const struct target *t = &take()->targets[0];

	cr_assert_eq(t->values[KNOB_CPU_WEIGHT], 250);
	cr_assert_eq(t->values[KNOB_CPU_MAX], 50000);
	cr_assert_eq(t->values[KNOB_MEMORY_MAX], 1048576);
	cr_assert_eq(t->values[KNOB_MEMORY_HIGH], VALUE_MAX);
	cr_assert_eq(t->values[KNOB_IO_WEIGHT], 100);
}

/* ---- gaps ------------------------------------------------------------------------------------ */

Test(sense_take, a_controller_that_is_not_enabled_is_missing_and_told)
{
	const char *path = "/system.slice/ocr.service";

	fake_cgroup_make_without_cpu(&fake, path);
	sense_start();
	model_add("ocr", "ocr.service", NULL);
	follow();
	(void)take();

	const struct observation *now = take();

	cr_assert_eq(now->targets[0].values[KNOB_CPU_WEIGHT], MISSING);
	cr_assert_eq(now->targets[0].values[KNOB_MEMORY_MAX], VALUE_MAX);
	cr_assert_eq(now->models[0].cpu_usage_ns, 0, "cpu.stat counts without the controller");
	cr_assert_eq(now->models[0].throttled_ns, MISSING);
	if (now->targets[0].knobs & (1u << KNOB_CPU_WEIGHT))
		cr_assert(health_says(
			"the cpu controller is not enabled in /system.slice/ocr.service"));
}

Test(sense_take, a_controller_that_is_enabled_later_is_seen_at_the_next_tick)
{
	const char *path = "/system.slice/ocr.service";

	fake_cgroup_make_without_cpu(&fake, path);
	sense_start();
	model_add("ocr", "ocr.service", NULL);
	follow();
	(void)take();
	fake_cgroup_make(&fake, path); /* adds the files, the directory stays */
	const struct observation *now = take();

	cr_assert_eq(now->targets[0].values[KNOB_CPU_WEIGHT], 100);
	cr_assert_not(health_says("cpu controller is not enabled"));
}

Test(sense_take, a_file_that_goes_leaves_a_gap_and_not_a_zero)
{
	fake_cgroup_make(&fake, "/x");
	sense_start();
	model_add("ocr", NULL, "/x");
	follow();
	(void)take();
	fake_cgroup_write(&fake, "/x", "memory.pressure", "%s", "");
	cr_assert_eq(take()->models[0].memory_some_ns, MISSING);
	fake_cgroup_write(&fake, "/x", "memory.pressure", "some avg10=0.00 total=99\n");
	cr_assert_eq(take()->models[0].memory_some_ns, MISSING,
		     "nothing to take the difference to");
	cr_assert_eq(take()->models[0].memory_some_ns, 0);
}

Test(sense_take, a_part_that_is_missing_makes_the_sum_missing)
{
	fake_cgroup_make(&fake, "/x/1");
	fake_cgroup_make(&fake, "/x/2");
	fake_cgroup_write(&fake, "/x/1", "memory.current", "100\n");
	fake_cgroup_unlink(&fake, "/x/2", "memory.current");
	sense_start();
	model_add("ocr", NULL, "/x/*");
	follow();
	cr_assert_eq(take()->models[0].memory_bytes, MISSING);
}

Test(sense_take, a_model_without_cgroups_has_no_levels_and_nothing_to_judge)
{
	sense_start();
	struct model *m = model_add("ocr", "ocr.service", NULL);

	m->objectives[m->n_objectives++] = (struct objective){ .indicator = INDICATOR_MEMORY_STALL,
							       .budget = 200,
							       .window_ns = NSEC_PER_SEC };
	follow();
	const struct model_reading *r = &take()->models[0];

	cr_assert_eq(r->memory_bytes, MISSING);
	cr_assert_eq(r->processes, MISSING);
	cr_assert_eq(r->objectives[0].observed, 0,
		     "nothing to judge, as opposed to not measurable");
	cr_assert_eq(r->objectives[0].samples, 0);
	cr_assert(health_says("unit ocr.service does not exist or is not running"));
}

Test(sense_take, an_objective_that_cannot_be_measured_is_a_gap)
{
	fake_cgroup_make(&fake, "/x");
	fake_cgroup_unlink(&fake, "/x", "memory.pressure");
	sense_start();
	struct model *m = model_add("ocr", NULL, "/x");

	m->objectives[m->n_objectives++] = (struct objective){ .indicator = INDICATOR_MEMORY_STALL,
							       .budget = 200,
							       .window_ns = NSEC_PER_SEC };
	m->objectives[m->n_objectives++] = (struct objective){ .indicator = INDICATOR_RUNQUEUE_WAIT,
							       .quantile_permyriad = 9900,
							       .budget = NSEC_PER_MSEC,
							       .window_ns = NSEC_PER_SEC };
	follow();
	(void)take();
	const struct model_reading *r = &take()->models[0];

	cr_assert_eq(r->objectives[0].observed, MISSING);
	cr_assert_eq(r->objectives[0].samples, MISSING);
	cr_assert_eq(r->objectives[1].observed, MISSING);
	cr_assert_eq(r->objectives[1].samples, MISSING);
}

Test(sense_take, a_stall_objective_is_full_stall_when_pressure_outruns_time)
{
	fake_cgroup_make(&fake, "/x");
	sense_start();
	struct model *m = model_add("ocr", NULL, "/x");

	m->objectives[m->n_objectives++] = (struct objective){ .indicator = INDICATOR_MEMORY_STALL,
							       .budget = 200,
							       .window_ns = 60 * NSEC_PER_SEC };
	follow();
	cr_assert_eq(take()->models[0].objectives[0].samples, 0);
	fake_cgroup_write(&fake, "/x", "memory.pressure", "some avg10=0.00 total=4000000000\n");
	const struct model_reading *r = &take()->models[0];

	cr_assert_eq(r->objectives[0].observed, PERMYRIAD);
	cr_assert_eq(r->objectives[0].samples, 1);
}

/* ---- cgroups that come and go ---------------------------------------------------------------- */

Test(sense_take, a_cgroup_that_vanished_is_news_and_not_an_error)
{
	fake_cgroup_make(&fake, "/x");
	sense_start();
	model_add("ocr", NULL, "/x");
	follow();
	cr_assert_eq(take()->n_targets, 1);
	fake_cgroup_remove(&fake, "/x");

	const struct observation *now = take();

	cr_assert_eq(now->n_targets, 0);
	cr_assert_eq(now->models[0].cpu_usage_ns, MISSING);
	cr_assert(health_says("no cgroup matches /x"));
}

Test(sense_take, a_cgroup_made_anew_counts_from_zero)
{
	fake_cgroup_make(&fake, "/system.slice/ocr.service");
	usage_set("/system.slice/ocr.service", 5000);
	sense_start();
	model_add("ocr", "ocr.service", NULL);
	follow();
	uint64_t id = take()->targets[0].cgroup_id;

	fake_cgroup_remove(&fake, "/system.slice/ocr.service");
	fake_cgroup_make(&fake, "/system.slice/ocr.service");
	usage_set("/system.slice/ocr.service", 7000);
	const struct observation *now = take();

	cr_assert_neq(now->targets[0].cgroup_id, id, "the same path is another cgroup");
	cr_assert_eq(now->models[0].cpu_usage_ns, 7000000, "all of it since the last tick");
}

Test(sense_take, a_counter_that_runs_backwards_counts_from_zero)
{
	fake_cgroup_make(&fake, "/x");
	usage_set("/x", 5000);
	sense_start();
	model_add("ocr", NULL, "/x");
	follow();
	(void)take();
	usage_set("/x", 300);
	cr_assert_eq(take()->models[0].cpu_usage_ns, 300000);
}

Test(sense_take, a_cgroup_that_appears_is_found_at_the_next_tick_and_counts_from_zero)
{
	fake_cgroup_make(&fake, "/x/1");
	usage_set("/x/1", 100);
	sense_start();
	model_add("ocr", NULL, "/x/*");
	follow();
	(void)take();
	fake_cgroup_make(&fake, "/x/2");
	usage_set("/x/1", 150);
	usage_set("/x/2", 30);
	const struct observation *now = take();

	cr_assert_eq(now->n_targets, 2);
	cr_assert_eq(now->models[0].cpu_usage_ns, 80000);
}

Test(sense_take, a_unit_that_starts_later_is_found_within_a_few_ticks)
{
	unsigned int ticks = 0;

	sense_start();
	model_add("ocr", "ocr.service", NULL);
	follow();
	cr_assert_eq(take()->n_targets, 0);
	fake_cgroup_make(&fake, "/system.slice/ocr.service");
	while (take()->n_targets == 0)
		cr_assert_lt(++ticks, 10);
	cr_assert_not(health_says("ocr.service"));
}

/* ---- whose cgroup it is ---------------------------------------------------------------------- */

Test(sense_take, a_model_owns_its_scope_and_the_part_that_is_ours)
{
	const char *scope = "/modelgov.slice/modelgov-ocr.scope";
	const char *leaf = "/modelgov.slice/modelgov-ocr.scope/main";
	uint32_t knobs;

	fake_cgroup_make(&fake, leaf);
	fake_cgroup_make(&fake, scope);
	sense_start();
	model_add("ocr", NULL, NULL);
	follow();
	usage_set(scope, 0);
	usage_set(leaf, 0);
	const struct observation *now = take();

	cr_assert_eq(now->n_targets, 2);
	for (uint32_t i = 0; i < now->n_targets; i++) {
		const struct target *t = &now->targets[i];
		bool is_leaf = strcmp(t->path, leaf) == 0;

		cr_assert_str_eq(t->unit, is_leaf ? "" : "modelgov-ocr.scope");
		cr_assert_eq(t->driver,
			     cgroup_classify(t->path, t->unit, systemd_is_running(), &knobs));
		cr_assert_eq(t->knobs, knobs);
	}
	usage_set(scope, 100);
	usage_set(leaf, 90);
	cr_assert_eq(take()->models[0].cpu_usage_ns, 100000, "what is nested is counted once");
}

Test(sense_take, throttling_is_counted_where_it_happens)
{
	const char *scope = "/modelgov.slice/modelgov-ocr.scope";
	const char *leaf = "/modelgov.slice/modelgov-ocr.scope/main";

	fake_cgroup_make(&fake, leaf);
	fake_cgroup_make(&fake, scope);
	sense_start();
	model_add("ocr", NULL, NULL);
	follow();
	(void)take();
	fake_cgroup_write(&fake, leaf, "cpu.stat",
			  "usage_usec 0\nnr_throttled 3\nthrottled_usec 50\n");
	const struct model_reading *r = &take()->models[0];

	cr_assert_eq(r->throttled_ns, 50000, "the kernel does not add a child's throttling up");
	cr_assert_eq(r->throttled_periods, 3);
}

Test(sense_take, a_model_owns_its_place_on_hosts_without_systemd)
{
	fake_cgroup_make(&fake, "/modelgov/ocr");
	sense_start();
	model_add("ocr", NULL, NULL);
	follow();
	cr_assert_str_eq(paths(take(), 0), "/modelgov/ocr");
}

Test(sense_take, a_cgroup_of_two_models_goes_to_the_first_and_is_told)
{
	fake_cgroup_make(&fake, "/x/1");
	fake_cgroup_make(&fake, "/x/2");
	sense_start();
	model_add("ocr", NULL, "/x/1");
	model_add("speech", NULL, "/x/*");
	follow();
	const struct observation *now = take();

	cr_assert_str_eq(paths(now, 0), "/x/1");
	cr_assert_str_eq(paths(now, 1), "/x/2");
	cr_assert(health_says("models ocr and speech both match the cgroup /x/1"));
}

Test(sense_take, two_patterns_of_one_model_on_one_cgroup_are_no_dispute)
{
	fake_cgroup_make(&fake, "/system.slice/ocr.service");
	sense_start();
	model_add("ocr", "ocr.service", "/system.slice/ocr*");
	follow();
	const struct observation *now = take();

	cr_assert_eq(now->n_targets, 1);
	cr_assert_str_eq(now->targets[0].unit, "ocr.service",
			 "the unit is known from the manifest");
	cr_assert_not(health_says("both match"));
}

Test(sense_take, targets_are_ordered_by_model_and_id)
{
	fake_cgroup_make(&fake, "/z/1");
	fake_cgroup_make(&fake, "/a/1");
	fake_cgroup_make(&fake, "/z/2");
	fake_cgroup_make(&fake, "/a/2");
	sense_start();
	model_add("ocr", NULL, "/z/*");
	model_add("speech", NULL, "/a/*");
	follow();
	const struct observation *now = take();

	cr_assert_eq(now->n_targets, 4);
	for (uint32_t i = 1; i < now->n_targets; i++) {
		const struct target *a = &now->targets[i - 1], *b = &now->targets[i];

		cr_assert(a->model < b->model ||
			  (a->model == b->model && a->cgroup_id < b->cgroup_id));
	}
}

Test(sense_take, only_what_lies_below_counts_as_nested)
{
	fake_cgroup_make(&fake, "/x/a/b");
	fake_cgroup_make(&fake, "/x/a");
	fake_cgroup_make(&fake, "/x/a-b");
	fake_cgroup_write(&fake, "/x/a", "memory.current", "100\n");
	fake_cgroup_write(&fake, "/x/a/b", "memory.current", "40\n");
	fake_cgroup_write(&fake, "/x/a-b", "memory.current", "7\n");
	sense_start();
	struct model *m = model_add("ocr", NULL, "/x/*");

	m->cgroups[m->n_cgroups++] = "/x/a/b";
	follow();
	const struct observation *now = take();

	cr_assert_eq(now->n_targets, 3);
	cr_assert_eq(now->models[0].memory_bytes, 107);
}

/* ---- policies that change -------------------------------------------------------------------- */

Test(sense_take, differences_go_on_across_a_change_of_policy)
{
	fake_cgroup_make(&fake, "/x");
	fake_cgroup_make(&fake, "/y");
	usage_set("/x", 100);
	sense_start();
	model_add("ocr", NULL, "/x");
	follow();
	(void)take();

	policy_next();
	model_add("asr", NULL, "/y"); /* now index 0 */
	model_add("ocr", NULL, "/x");
	follow();
	usage_set("/x", 160);
	const struct observation *now = take();

	cr_assert_str_eq(paths(now, 0), "/y");
	cr_assert_str_eq(paths(now, 1), "/x");
	cr_assert_eq(now->models[0].cpu_usage_ns, MISSING, "new to us");
	cr_assert_eq(now->models[1].cpu_usage_ns, 60000);
}

Test(sense_take, a_model_that_left_the_policy_leaves_the_observation)
{
	fake_cgroup_make(&fake, "/x");
	fake_cgroup_make(&fake, "/y");
	sense_start();
	model_add("ocr", NULL, "/x");
	model_add("speech", NULL, "/y");
	follow();
	cr_assert_eq(take()->n_targets, 2);
	policy_next();
	model_add("speech", NULL, "/y");
	follow();
	const struct observation *now = take();

	cr_assert_eq(now->n_models, 1);
	cr_assert_eq(now->n_targets, 1);
	cr_assert_str_eq(paths(now, 0), "/y");
}

Test(sense_take, without_a_policy_the_host_is_seen_all_the_same)
{
	sense_start();
	const struct observation *now = take();

	cr_assert_eq(now->n_models, 0);
	cr_assert_eq(now->n_targets, 0);
	cr_assert_neq(now->host.cpus, MISSING);
	cr_assert_neq(now->host.memory_bytes, MISSING);
}

/* ---- health and endings ---------------------------------------------------------------------- */

Test(sense_take, health_says_that_the_sampler_is_off)
{
	sense_start();
	cr_assert(health_says("switched off"));
	cr_assert_eq(sense_breach_fd(sense), -1);
	cr_assert_eq(sense_breaches(sense, NULL, 0), 0);
	cr_assert_eq(sense_drops(sense, NULL, 0), 0);
}

Test(sense_take, a_model_that_is_only_run_by_hand_says_how)
{
	sense_start();
	model_add("batch", NULL, NULL);
	follow();
	(void)take();
	cr_assert(health_says("modelgov run batch -- COMMAND"));
}

Test(sense_take, a_root_that_is_not_there_is_refused)
{
	struct sense_options options = { .cgroup_root = "/nowhere", .without_bpf = true };
	struct err e = { 0 };

	cr_assert_lt(sense_open(&options, &sense, &e), 0);
	cr_assert(strstr(e.text, "/nowhere"), "%s", e.text);
	cr_assert_null(sense);
}

/* ---- what modelgov wrote --------------------------------------------------------------------- */

/* Of the only target. */
static uint64_t written_of(const struct observation *now, enum knob knob)
{
	cr_assert_eq(now->n_targets, 1);
	return now->targets[0].written[knob];
}

Test(sense_take, what_was_written_is_shown_until_the_policy_drops_the_key)
{
	fake_cgroup_make(&fake, "/x");
	model_add("ocr", NULL, "/x")->values[KNOB_PIDS_MAX] = 100;
	sense_start();
	follow();
	const struct observation *now = take();
	uint64_t id = now->targets[0].cgroup_id;

	cr_assert_eq(written_of(now, KNOB_PIDS_MAX), MISSING);
	sense_note_written(sense, id, KNOB_PIDS_MAX, 100);
	sense_note_written(sense, id, KNOB_CPU_WEIGHT, 100);
	sense_note_written(sense, id + 1, KNOB_CPU_WEIGHT, 999);
	now = take();
	cr_assert_eq(written_of(now, KNOB_PIDS_MAX), 100);
	cr_assert_eq(written_of(now, KNOB_CPU_WEIGHT), 100);

	policy_next();
	model_add("ocr", NULL, "/x");
	follow();
	now = take();
	cr_assert_eq(written_of(now, KNOB_PIDS_MAX), MISSING);
	cr_assert_eq(written_of(now, KNOB_CPU_WEIGHT), 100);
	sense_forget_written(sense);
	cr_assert_eq(written_of(take(), KNOB_CPU_WEIGHT), MISSING);
}

Test(sense_take, a_value_that_is_not_what_was_written_is_an_intrusion)
{
	fake_cgroup_make(&fake, "/x");
	model_add("ocr", NULL, "/x");
	sense_start();
	follow();
	const struct observation *now = take();
	uint64_t id = now->targets[0].cgroup_id;

	sense_note_written(sense, id, KNOB_CPU_WEIGHT, 100);
	sense_note_written(sense, id, KNOB_MEMORY_MAX, VALUE_MAX);
	cr_assert_eq(take()->n_intrusions, 0);
	fake_cgroup_write(&fake, "/x", "memory.max", "4096\n");
	fake_cgroup_write(&fake, "/x", "cpu.weight", "7\n");
	now = take();
	cr_assert_eq(now->n_intrusions, 2);
	cr_assert_eq(now->intrusions[0].cgroup_id, id);
	cr_assert_eq(now->intrusions[0].knob, KNOB_CPU_WEIGHT, "ordered by knob");
	cr_assert_eq(now->intrusions[1].knob, KNOB_MEMORY_MAX);
	cr_assert_eq(now->intrusions[0].writer.kind, WRITER_UNKNOWN, "this process is no stranger");
	fake_cgroup_write(&fake, "/x", "cpu.weight", "%s", "");
	cr_assert_eq(take()->n_intrusions, 1, "what cannot be read was not written");
	sense_note_written(sense, id, KNOB_MEMORY_MAX, 4096);
	cr_assert_eq(take()->n_intrusions, 0);
}
