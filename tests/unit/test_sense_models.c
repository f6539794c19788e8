/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of the sampler's totals: differences, quantiles, windows, the culprit. The sampler
 * itself is played by the functions below, which take the place of probes.c in this program; the
 * real one is tested against a kernel in tests/bpf.
 */
#include "sense/models.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <inttypes.h>

#define SEC(n)  ((uint64_t)(n)*NSEC_PER_SEC)
#define MSEC(n) ((uint64_t)(n)*NSEC_PER_MSEC)

/* ---- a sampler to play with ------------------------------------------------------------------ */

#define PLAY_SLOTS 8
#define SLOT(n)    (SLOT_FIRST_MODEL + (n)) /* of the nth model that was named */

struct probes {
	char names[PLAY_SLOTS][64];
	uint64_t limit_ns[PLAY_SLOTS];
	struct probe_totals totals[PLAY_SLOTS];
	uint64_t culprits_ns[PLAY_SLOTS][PLAY_SLOTS];
	unsigned int n_forgotten;
};

static struct probes play;

int probes_open(const char *pin_path, unsigned int max_models, struct probes **ret_probes,
		struct err *e)
{
	return err_say(e, -ENOSYS, "no sampler in this program");
}

void probes_close(struct probes *p, bool removes_pins)
{
}

const char *probes_unpinned(const struct probes *p)
{
	return NULL;
}

static unsigned int play_slot(const struct probes *p, const char *name)
{
	unsigned int slot = SLOT_FIRST_MODEL;

	while (slot < PLAY_SLOTS && strcmp(p->names[slot], name) != 0)
		slot++;
	return slot;
}

int probes_model(struct probes *p, const char *name, uint64_t limit_ns, unsigned int *ret_slot,
		 struct err *e)
{
	unsigned int slot = play_slot(p, name);

	if (slot == PLAY_SLOTS)
		slot = play_slot(p, "");
	if (slot == PLAY_SLOTS)
		return err_say(e, -ENOSPC, "no slot for %s", name);
	snprintf(p->names[slot], sizeof(p->names[slot]), "%s", name);
	p->limit_ns[slot] = limit_ns;
	*ret_slot = slot;
	return 0;
}

void probes_forget(struct probes *p, unsigned int slot)
{
	p->n_forgotten++;
	p->names[slot][0] = '\0';
}

int probes_assign(struct probes *p, int cgroup_fd, unsigned int slot, struct err *e)
{
	return 0;
}

void probes_read(const struct probes *p, unsigned int slot, struct probe_totals *ret_totals)
{
	*ret_totals = p->totals[slot];
}

int probes_culprits(struct probes *p, unsigned int slot, uint64_t *ret_wait_ns, unsigned int n,
		    struct err *e)
{
	for (unsigned int i = 0; i < n; i++)
		ret_wait_ns[i] = p->culprits_ns[slot][i];
	return 0;
}

void probes_settle(struct probes *p)
{
}

unsigned int probes_slots(const struct probes *p)
{
	return PLAY_SLOTS;
}

int probes_breach_fd(const struct probes *p)
{
	return -1;
}

unsigned int probes_breaches(struct probes *p, struct probe_breach *ret_breaches, unsigned int max)
{
	return 0;
}

unsigned int probes_drops(const struct probes *p, const char **ret_names, uint64_t *ret_counts,
			  unsigned int max)
{
	return 0;
}

/* ---- a small vocabulary ---------------------------------------------------------------------- */

static struct model manifests[2][4];
static struct policy policies[2];
static unsigned int current;
static struct models models;

static struct model *manifest_add(const char *name)
{
	struct policy *p = &policies[current];
	struct model *m = &p->models[p->n_models++];

	*m = (struct model){ .name = name };
	return m;
}

static void promise(struct model *m, uint64_t quantile_permyriad, uint64_t budget_ns,
		    uint64_t window_ns)
{
	m->objectives[m->n_objectives++] =
		(struct objective){ .indicator = INDICATOR_RUNQUEUE_WAIT,
				    .quantile_permyriad = quantile_permyriad,
				    .budget = budget_ns,
				    .window_ns = window_ns };
}

static void follow(void)
{
	uint32_t map[4];
	struct followed *all;
	struct err e = { 0 }, problem = { 0 };

	models_map(&models, &policies[current], map);
	cr_assert_eq(models_prepare(&policies[current], &all, &e), 0, "%s", e.text);
	models_follow(&models, &policies[current], all, map, &problem);
	cr_assert_eq(problem.code, 0, "%s", problem.text);
}

static void policy_next(void)
{
	current = !current;
	policies[current].n_models = 0;
}

/* n more waits of that length for the model of slot. */
static void wait_for(unsigned int slot, unsigned int n, uint64_t ns)
{
	struct probe_totals *t = &play.totals[slot];

	t->histogram[wait_slot(ns)] += n;
	t->waits += n;
	t->wait_ns += n * ns;
}

static struct model_reading read_at(uint32_t model, uint64_t now_ns, uint64_t span_ns)
{
	struct model_reading reading;

	model_read(&models, model, NULL, 0, now_ns, span_ns, &reading);
	return reading;
}

static bool is_about(uint64_t observed_ns, uint64_t true_ns)
{
	return observed_ns >= true_ns && observed_ns <= true_ns + true_ns / 16 + 1;
}

static void setup(void)
{
	for (int i = 0; i < 2; i++)
		policies[i] = (struct policy){ .models = manifests[i] };
	models_init(&models, &play);
}

static void teardown(void)
{
	models_fini(&models);
}

TestSuite(sense_models, .init = setup, .fini = teardown);

/* ---- differences ----------------------------------------------------------------------------- */

Test(sense_models, totals_from_before_the_first_tick_do_not_count)
{
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	wait_for(SLOT(0), 1000, MSEC(1));
	struct model_reading first = read_at(0, SEC(1), 0);

	cr_assert_eq(first.waits, MISSING);
	cr_assert_eq(first.wait_p99_ns, MISSING);
	cr_assert_eq(first.objectives[0].observed, 0, "no gap: nothing was to be seen yet");
	cr_assert_eq(first.objectives[0].samples, 0);

	struct model_reading second = read_at(0, SEC(2), SEC(1));

	cr_assert_eq(second.waits, 0, "measured, and there were none");
	cr_assert_eq(second.wait_p99_ns, MISSING, "the quantile of nothing");
	cr_assert_eq(second.objectives[0].samples, 0);
}

Test(sense_models, a_tick_has_its_own_quantiles_and_sums)
{
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	(void)read_at(0, SEC(1), 0);
	wait_for(SLOT(0), 98, 1000);
	wait_for(SLOT(0), 2, MSEC(3));
	play.totals[SLOT(0)].own_quota_ns += 7;
	play.totals[SLOT(0)].run_ns += 8;
	play.totals[SLOT(0)].involuntary += 9;
	play.totals[SLOT(0)].breaches += 1;
	struct model_reading r = read_at(0, SEC(2), SEC(1));

	cr_assert_eq(r.waits, 100);
	cr_assert_eq(r.wait_ns, 98 * 1000 + 2 * MSEC(3));
	cr_assert_eq(r.own_quota_ns, 7);
	cr_assert_eq(r.run_ns, 8);
	cr_assert_eq(r.involuntary, 9);
	cr_assert_eq(r.breaches, 1);
	cr_assert(is_about(r.wait_p50_ns, 1000));
	cr_assert(is_about(r.wait_p99_ns, MSEC(3)));
	cr_assert(is_about(r.wait_max_ns, MSEC(3)));
	cr_assert(is_about(r.objectives[0].observed, MSEC(3)));
	cr_assert_eq(r.objectives[0].samples, 100);
}

Test(sense_models, an_objective_looks_over_its_window_and_a_tick_over_itself)
{
	promise(manifest_add("ocr"), 5000, MSEC(5), SEC(16));
	follow();
	(void)read_at(0, SEC(100), 0);
	wait_for(SLOT(0), 10, MSEC(8));
	(void)read_at(0, SEC(101), SEC(1));
	wait_for(SLOT(0), 1, 1000);
	struct model_reading r = read_at(0, SEC(102), SEC(1));

	cr_assert(is_about(r.wait_p50_ns, 1000));
	cr_assert(is_about(r.objectives[0].observed, MSEC(8)));
	cr_assert_eq(r.objectives[0].samples, 11);
	r = read_at(0, SEC(117), SEC(15));
	cr_assert_eq(r.objectives[0].samples, 1, "the ten left the window");
	r = read_at(0, SEC(118), SEC(1));
	cr_assert_eq(r.objectives[0].observed, 0);
	cr_assert_eq(r.objectives[0].samples, 0);
}

Test(sense_models, a_model_without_slot_is_missing)
{
	models.probes = NULL;
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	(void)read_at(0, SEC(1), 0);
	struct model_reading r = read_at(0, SEC(2), SEC(1));

	cr_assert_eq(r.waits, MISSING);
	cr_assert_eq(r.run_ns, MISSING);
	cr_assert_eq(r.culprit, MODEL_NONE);
	cr_assert_eq(r.culprit_permyriad, MISSING);
	cr_assert_eq(r.objectives[0].observed, MISSING);
	cr_assert_eq(r.objectives[0].samples, MISSING);
}

/* ---- the culprit ----------------------------------------------------------------------------- */

static void blame(unsigned int victim, unsigned int culprit, uint64_t ns)
{
	play.culprits_ns[victim][culprit] += ns;
	play.totals[victim].wait_ns += ns;
}

Test(sense_models, the_culprit_is_who_ran_most_during_this_ticks_waits)
{
	manifest_add("batch");
	manifest_add("ocr");
	follow();
	blame(SLOT(1), SLOT_OTHER, SEC(100)); /* long ago */
	(void)read_at(1, SEC(1), 0);
	blame(SLOT(1), SLOT(0), 700);
	blame(SLOT(1), SLOT_OTHER, 200);
	blame(SLOT(1), SLOT(1), 100);
	struct model_reading r = read_at(1, SEC(2), SEC(1));

	cr_assert_eq(r.culprit, 0);
	cr_assert_eq(r.culprit_permyriad, 7000);
}

Test(sense_models, a_model_that_crowds_itself_is_its_own_culprit)
{
	manifest_add("batch");
	manifest_add("ocr");
	follow();
	(void)read_at(1, SEC(1), 0);
	blame(SLOT(1), SLOT(1), 900);
	blame(SLOT(1), SLOT(0), 100);
	struct model_reading r = read_at(1, SEC(2), SEC(1));

	cr_assert_eq(r.culprit, 1);
	cr_assert_eq(r.culprit_permyriad, 9000);
}

Test(sense_models, somebody_who_is_no_model_is_none_with_its_part)
{
	manifest_add("ocr");
	follow();
	(void)read_at(0, SEC(1), 0);
	blame(SLOT(0), SLOT_OTHER, 600);
	blame(SLOT(0), SLOT(0), 400);
	struct model_reading r = read_at(0, SEC(2), SEC(1));

	cr_assert_eq(r.culprit, MODEL_NONE);
	cr_assert_eq(r.culprit_permyriad, 6000);
}

Test(sense_models, an_idle_cpu_is_nobody)
{
	manifest_add("ocr");
	follow();
	(void)read_at(0, SEC(1), 0);
	blame(SLOT(0), SLOT_IDLE, 600);
	blame(SLOT(0), SLOT(0), 400);
	struct model_reading r = read_at(0, SEC(2), SEC(1));

	cr_assert_eq(r.culprit, MODEL_NONE);
	cr_assert_eq(r.culprit_permyriad, 6000);
}

Test(sense_models, without_waits_there_is_no_culprit)
{
	manifest_add("ocr");
	follow();
	(void)read_at(0, SEC(1), 0);
	struct model_reading r = read_at(0, SEC(2), SEC(1));

	cr_assert_eq(r.culprit, MODEL_NONE);
	cr_assert_eq(r.culprit_permyriad, 0);
}

Test(sense_models, equal_culprits_give_the_lower_index)
{
	manifest_add("batch");
	manifest_add("ocr");
	manifest_add("speech");
	follow();
	(void)read_at(1, SEC(1), 0);
	blame(SLOT(1), SLOT(2), 500);
	blame(SLOT(1), SLOT(0), 500);
	cr_assert_eq(read_at(1, SEC(2), SEC(1)).culprit, 0);
}

/* ---- policies that change -------------------------------------------------------------------- */

Test(sense_models, windows_and_totals_stay_with_the_name)
{
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	(void)read_at(0, SEC(100), 0);
	wait_for(SLOT(0), 10, MSEC(1));
	(void)read_at(0, SEC(101), SEC(1));

	policy_next();
	manifest_add("asr");
	promise(manifest_add("ocr"), 9000, MSEC(2), SEC(60)); /* another quantile and budget */
	follow();
	wait_for(SLOT(0), 5, MSEC(1));
	struct model_reading r = read_at(1, SEC(102), SEC(1));

	cr_assert_eq(r.waits, 5);
	cr_assert_eq(r.objectives[0].samples, 15);
	cr_assert_eq(read_at(0, SEC(102), SEC(1)).waits, MISSING, "asr is new");
}

Test(sense_models, a_window_of_another_length_begins_anew)
{
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	(void)read_at(0, SEC(100), 0);
	wait_for(SLOT(0), 10, MSEC(1));
	(void)read_at(0, SEC(101), SEC(1));
	policy_next();
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(30));
	follow();
	cr_assert_eq(read_at(0, SEC(102), SEC(1)).objectives[0].samples, 0);
}

Test(sense_models, a_model_that_leaves_gives_its_slot_back)
{
	manifest_add("ocr");
	manifest_add("speech");
	follow();
	policy_next();
	manifest_add("speech");
	follow();
	cr_assert_eq(play.n_forgotten, 1);
	cr_assert_str_eq(play.names[SLOT(0)], "");
	cr_assert_str_eq(play.names[SLOT(1)], "speech");
	cr_assert_eq(models.model_of_slot[SLOT(0)], MODEL_NONE);
	cr_assert_eq(models.model_of_slot[SLOT(1)], 0);
}

Test(sense_models, another_sampler_begins_anew)
{
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	(void)read_at(0, SEC(100), 0);
	wait_for(SLOT(0), 10, MSEC(1));
	(void)read_at(0, SEC(101), SEC(1));
	models_switch(&models, &play);
	policy_next();
	promise(manifest_add("ocr"), 9900, MSEC(5), SEC(60));
	follow();
	struct model_reading r = read_at(0, SEC(102), SEC(1));

	cr_assert_eq(r.waits, MISSING, "its totals cannot be compared with the old ones");
	cr_assert_eq(r.objectives[0].samples, 10, "what was in the window is true still");
}

/* ---- breaches -------------------------------------------------------------------------------- */

Test(sense_models, a_breach_is_a_wait_of_twice_the_smallest_budget)
{
	struct model *m = manifest_add("ocr");

	promise(m, 9900, MSEC(5), SEC(60));
	promise(m, 5000, MSEC(2), SEC(60));
	follow();
	cr_assert_eq(play.limit_ns[SLOT(0)], MSEC(4));
}

Test(sense_models, a_model_that_promises_nothing_about_waits_has_no_breaches)
{
	struct model *m = manifest_add("batch");

	m->objectives[m->n_objectives++] = (struct objective){ .indicator = INDICATOR_MEMORY_STALL,
							       .budget = 200,
							       .window_ns = SEC(10) };
	follow();
	cr_assert_eq(play.limit_ns[SLOT(0)], 0);
}
