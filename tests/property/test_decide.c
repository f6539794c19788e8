/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of decide() over thousands of random worlds: promises, classes, calm, and the same bytes for
 * the same input. A failure names its seed; the seed alone makes the world again.
 */
#include "decide.h"

#include <criterion/criterion.h>

#include <inttypes.h>

#define WORLDS      1500
#define TICKS       40
#define MAX_MODELS  20
#define MAX_TARGETS (MAX_MODELS * 3)
#define SEC(n)      ((uint64_t)(n)*NSEC_PER_SEC)

/* A policy, what is observed, and the kernel that takes what is planned. */
struct world {
	uint64_t seed, random;
	struct policy policy;
	struct model models[MAX_MODELS];
	struct observation now;
	struct model_reading readings[MAX_MODELS];
	struct target targets[MAX_TARGETS];
	struct state state;
	struct plan plan;
};

/* ---- random worlds ----------------------------------------------------------------------- */

/* xorshift64*, Marsaglia 2003, Vigna 2016 */
static uint64_t random_next(struct world *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(struct world *w, uint64_t limit)
{
	return (random_next(w) >> 16) % limit;
}

static bool chance(struct world *w, unsigned int percent)
{
	return below(w, 100) < percent;
}

/* Where it stands: an experiment below production, whatever class it names. */
static enum model_class class_of(const struct model *m)
{
	return m->stage == STAGE_EXPERIMENT ? CLASS_EXPERIMENT : m->class;
}

static void objective_make(struct world *w, struct objective *o)
{
	*o = (struct objective){ .indicator = chance(w, 80) ? INDICATOR_RUNQUEUE_WAIT
							    : INDICATOR_MEMORY_STALL,
				 .quantile_permyriad = chance(w, 80) ? 9900 : 5000,
				 .budget = 1 + below(w, 20 * NSEC_PER_MSEC),
				 .window_ns = SEC(60) };
}

/* Floors and reserved shares of all together: at most 90 % of the host, as policy demands. */
static void model_make(struct world *w, uint32_t index)
{
	struct model *m = &w->models[index];
	static const char *const names[MAX_MODELS] = { "a", "b", "c", "d", "e", "f", "g",
						       "h", "i", "j", "k", "l", "m", "n",
						       "o", "p", "q", "r", "s", "t" };

	*m = (struct model){ .name = names[index],
			     .class = (enum model_class)below(w, N_CLASSES),
			     .stage = chance(w, 10) ? STAGE_EXPERIMENT : STAGE_PRODUCTION,
			     .n_units = chance(w, 50),
			     .priority = (int32_t)below(w, 21) - 10,
			     .n_objectives = chance(w, 60) ? (unsigned int)below(w, 3) : 0,
			     .cpu_floor_permyriad = chance(w, 70) ? below(w, 220) : 0,
			     .cpu_reserved_millicpu =
				     chance(w, 20) ? below(w, w->now.host.cpus * 1000 / 9) : 0 };
	m->preemption = (struct preemption){ .may = (uint32_t)below(w, 1 << N_CLASSES),
					     .by = (uint32_t)below(w, 1 << N_CLASSES),
					     .how = (uint32_t)below(w, 1 << N_WAYS) };
	for (unsigned int k = 0; k < m->n_objectives; k++)
		objective_make(w, &m->objectives[k]);
	for (unsigned int k = 0; k < N_KNOBS; k++)
		m->values[k] = k != KNOB_CPU_WEIGHT && chance(w, 10) ? below(w, 1 << 20) : MISSING;
}

static void target_add(struct world *w, uint32_t model, enum driver driver)
{
	struct target *t = &w->targets[w->now.n_targets];

	*t = (struct target){ .cgroup_id = 1000 + w->now.n_targets++,
			      .model = model,
			      .knobs = chance(w, 80) ? (1u << N_KNOBS) - 1
						     : (uint32_t)below(w, 1u << N_KNOBS),
			      .driver = driver,
			      .path = "/x",
			      .unit = "" };
	for (unsigned int k = 0; k < N_KNOBS; k++)
		t->values[k] = chance(w, 5) ? MISSING : chance(w, 10) ? VALUE_MAX : 100;
	if (chance(w, 90)) /* what a cgroup has that nobody limited */
		t->values[KNOB_CPU_MAX] = VALUE_MAX;
	for (unsigned int k = 0; k < N_KNOBS; k++)
		t->written[k] = MISSING;
}

static struct world *world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	uint32_t n;

	w->seed = seed;
	w->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	n = (uint32_t)below(w, MAX_MODELS + 1);
	w->policy = (struct policy){ .host = { .mode = MODE_ENFORCE,
					       .tick_ns = NSEC_PER_SEC,
					       .experiment_cpu_permyriad = below(w, 10000),
					       .experiment_memory_bytes = 1ULL << 32 },
				     .n_models = n,
				     .models = w->models };
	w->now = (struct observation){
		.taken_ns = SEC(3600), .n_models = n, .models = w->readings, .targets = w->targets
	};
	w->now.host.cpus = 1 + below(w, 64);
	for (uint32_t i = 0; i < n; i++) {
		model_make(w, i);
		for (uint64_t left = below(w, 10) == 0 ? 0 : 1 + below(w, 3) / 2; left; left--)
			target_add(w, i, chance(w, 90) ? DRIVER_SYSTEMD : DRIVER_OBSERVE);
	}
	cr_assert_eq(state_init(&w->state, n), 0);
	cr_assert_eq(plan_init(&w->plan, n, MAX_TARGETS * N_KNOBS), 0);
	return w;
}

static void world_free(struct world *w)
{
	plan_fini(&w->plan);
	state_fini(&w->state);
	free(w);
}

/* Everybody uses that part of every budget, in hundredths, and runs. */
static void readings_level(struct world *w, uint64_t percent)
{
	for (uint32_t i = 0; i < w->now.n_models; i++) {
		struct model_reading *r = &w->readings[i];

		memset(r, 0xff, sizeof(*r));
		for (unsigned int k = 0; k < MAX_OBJECTIVES; k++)
			r->objectives[k] =
				(struct reading){ w->models[i].objectives[k].budget * percent / 100,
						  1000 };
		r->waits = r->wait_ns = r->own_quota_ns = MISSING;
		r->wait_p50_ns = r->wait_p99_ns = r->culprit_permyriad = MISSING;
		r->run_ns = w->now.span_ns;
	}
}

static void reading_disturb(struct world *w, uint32_t i)
{
	struct model_reading *r = &w->readings[i];

	for (unsigned int k = 0; k < w->models[i].n_objectives; k++) {
		uint64_t budget = w->models[i].objectives[k].budget;

		r->objectives[k].observed = chance(w, 5) ? MISSING : budget * below(w, 260) / 100;
		r->objectives[k].samples = chance(w, 5) ? below(w, 20) : 1000;
	}
	if (chance(w, 40)) {
		r->culprit = (uint32_t)below(w, w->now.n_models + 1);
		r->culprit_permyriad = below(w, 10001);
	}
	r->run_ns = chance(w, 20) ? 0 : chance(w, 10) ? MISSING : below(w, SEC(2));
	if (chance(w, 10)) {
		r->wait_ns = below(w, 1000);
		r->own_quota_ns = below(w, 1000);
	}
	if (chance(w, 30)) {
		r->waits = below(w, 3);
		r->wait_p50_ns = r->wait_p99_ns = below(w, 40 * NSEC_PER_MSEC);
	}
}

/* Readings wander: most models stay where they were for some ticks. */
static void readings_disturb(struct world *w)
{
	for (uint32_t i = 0; i < w->now.n_models; i++)
		if (chance(w, 30))
			reading_disturb(w, i);
}

/* ---- time -------------------------------------------------------------------------------- */

static void world_decide(struct world *w)
{
	w->now.tick++;
	w->now.span_ns = w->now.tick == 1 ? 0 : NSEC_PER_SEC;
	w->now.taken_ns += w->now.span_ns;
	decide(&w->policy, &w->now, &w->state, &w->plan);
}

static void plan_apply(struct world *w)
{
	for (uint32_t i = 0; i < w->plan.n_actions; i++) {
		const struct action *a = &w->plan.actions[i];

		cr_assert_lt(a->target, w->now.n_targets);
		cr_assert_eq(w->targets[a->target].cgroup_id, a->cgroup_id);
		w->targets[a->target].values[a->knob] = a->value;
		w->targets[a->target].written[a->knob] = a->value;
	}
}

/* Calls check after each of some disturbed ticks; most plans are carried out. */
typedef void tick_check(struct world *w, const struct model_state *before);

static void worlds_run(tick_check *check)
{
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);
		struct model_state before[MAX_MODELS] = { 0 };

		readings_level(w, 50);
		for (int tick = 0; tick < TICKS; tick++) {
			if (chance(w, 50))
				readings_disturb(w);
			w->now.is_busy = chance(w, 5);
			memcpy(before, w->state.models, sizeof(before[0]) * w->policy.n_models);
			world_decide(w);
			check(w, before);
			if (chance(w, 95))
				plan_apply(w);
		}
		world_free(w);
	}
}

static unsigned int cgroups_of(const struct world *w, uint32_t model)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < w->now.n_targets; i++) {
		const struct target *t = &w->targets[i];

		n += t->model == model && t->driver != DRIVER_OBSERVE &&
		     (t->knobs & 1u << KNOB_CPU_WEIGHT);
	}
	return MAX(n, 1u);
}

static bool has_cpu_objective(const struct world *w, uint32_t model)
{
	for (unsigned int k = 0; k < w->models[model].n_objectives; k++)
		if (w->models[model].objectives[k].indicator == INDICATOR_RUNQUEUE_WAIT)
			return true;
	return false;
}

/* ---- same input, same bytes -------------------------------------------------------------- */

static void plans_compare(const struct world *a, const struct world *b, bool has_order)
{
	cr_assert_eq(a->plan.n_actions, b->plan.n_actions, "seed %" PRIu64, a->seed);
	cr_assert_eq(a->plan.is_cut, b->plan.is_cut, "seed %" PRIu64, a->seed);
	cr_assert_eq(memcmp(a->plan.verdicts, b->plan.verdicts,
			    sizeof(struct verdict) * a->policy.n_models),
		     0, "verdicts differ, seed %" PRIu64 ", tick %" PRIu64, a->seed, a->now.tick);
	cr_assert_eq(a->plan.n_drifts, b->plan.n_drifts, "seed %" PRIu64, a->seed);
	cr_assert_eq(memcmp(a->plan.drifts, b->plan.drifts,
			    sizeof(struct drift) * a->plan.n_drifts),
		     0, "drifts differ, seed %" PRIu64 ", tick %" PRIu64, a->seed, a->now.tick);
	cr_assert_eq(a->state.n_drifts, b->state.n_drifts, "seed %" PRIu64, a->seed);
	cr_assert_eq(memcmp(a->state.drifts, b->state.drifts,
			    sizeof(struct drift_key) * a->state.n_drifts),
		     0, "keys differ, seed %" PRIu64 ", tick %" PRIu64, a->seed, a->now.tick);
	cr_assert_eq(memcmp(a->state.models, b->state.models,
			    sizeof(struct model_state) * a->policy.n_models),
		     0, "states differ, seed %" PRIu64 ", tick %" PRIu64, a->seed, a->now.tick);
	for (uint32_t i = 0; i < a->plan.n_actions; i++) {
		struct action one = a->plan.actions[i], other = b->plan.actions[i];

		if (!has_order) {
			cr_assert_eq(b->targets[other.target].cgroup_id, other.cgroup_id);
			other.target = one.target;
		}
		cr_assert_eq(memcmp(&one, &other, sizeof(one)), 0,
			     "action %u differs, seed %" PRIu64 ", tick %" PRIu64, i, a->seed,
			     a->now.tick);
	}
}

static void targets_shuffle(struct world *w)
{
	for (uint32_t i = w->now.n_targets; i > 1; i--) {
		uint32_t j = (uint32_t)below(w, i);
		struct target t = w->targets[j];

		w->targets[j] = w->targets[i - 1];
		w->targets[i - 1] = t;
	}
}

/* Others write what they like into some cgroups. */
static void strangers_write(struct world *w, unsigned int percent)
{
	for (uint32_t i = 0; i < w->now.n_targets; i++)
		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (chance(w, percent))
				w->targets[i].values[k] = chance(w, 10) ? MISSING : below(w, 1000);
}

/* The same strangers in both worlds, whatever the order of their targets. */
static void strangers_copy(const struct world *from, struct world *to)
{
	for (uint32_t i = 0; i < to->now.n_targets; i++)
		for (uint32_t j = 0; j < from->now.n_targets; j++)
			if (to->targets[i].cgroup_id == from->targets[j].cgroup_id)
				memcpy(to->targets[i].values, from->targets[j].values,
				       sizeof(to->targets[i].values));
}

static void twins_run(uint64_t seed, bool is_shuffled, uint32_t max_actions)
{
	struct world *a = world_new(seed), *b = world_new(seed);

	a->plan.max_actions = b->plan.max_actions = max_actions;
	readings_level(a, 50);
	for (int tick = 0; tick < TICKS; tick++) {
		if (chance(a, 50))
			readings_disturb(a);
		memcpy(b->readings, a->readings, sizeof(a->readings));
		if (is_shuffled)
			targets_shuffle(b);
		if (chance(a, 30))
			strangers_write(a, 3);
		strangers_copy(a, b);
		world_decide(a);
		world_decide(b);
		plans_compare(a, b, !is_shuffled);
		plan_apply(a);
		plan_apply(b);
	}
	world_free(a);
	world_free(b);
}

Test(decide_laws, the_same_input_gives_the_same_bytes)
{
	for (uint64_t seed = 1; seed <= WORLDS / 3; seed++)
		twins_run(seed, false, MAX_TARGETS * N_KNOBS);
}

Test(decide_laws, the_order_of_targets_changes_nothing)
{
	for (uint64_t seed = 1; seed <= WORLDS / 3; seed++)
		twins_run(seed, true, MAX_TARGETS * N_KNOBS);
}

Test(decide_laws, the_order_of_targets_changes_nothing_when_the_plan_is_cut)
{
	for (uint64_t seed = 1; seed <= WORLDS / 3; seed++)
		twins_run(seed, true, (uint32_t)(seed % 6));
}

/* ---- promises ---------------------------------------------------------------------------- */

static void shares_check(struct world *w, const struct model_state *before)
{
	uint64_t sum = 0, promised = 0, cpus = w->now.host.cpus;

	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		sum += w->state.models[i].weight * cgroups_of(w, i);
		promised += MAX(w->models[i].cpu_floor_permyriad,
				w->models[i].cpu_reserved_millicpu * 10 / cpus + 1);
	}
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct model *m = &w->models[i];
		uint64_t share = w->state.models[i].weight * cgroups_of(w, i);

		cr_assert_geq(share * PERMYRIAD, m->cpu_floor_permyriad * sum,
			      "floor of %s: %" PRIu64 " of %" PRIu64 ", seed %" PRIu64, m->name,
			      share, sum, w->seed);
		if (promised > 9000 || class_of(m) == CLASS_EXPERIMENT)
			continue;
		cr_assert_geq(share * cpus * 1000, m->cpu_reserved_millicpu * sum,
			      "reserved share of %s, seed %" PRIu64, m->name, w->seed);
	}
}

Test(decide_laws, nobody_is_below_floor_or_reserved_share)
{
	worlds_run(shares_check);
}

static void ranges_check(struct world *w, const struct model_state *before)
{
	for (uint32_t i = 0; i < w->plan.n_actions; i++) {
		const struct action *a = &w->plan.actions[i];

		cr_assert_neq(w->targets[a->target].driver, DRIVER_OBSERVE);
		cr_assert(w->targets[a->target].knobs & 1u << a->knob);
		cr_assert_neq(a->value, MISSING);
		cr_assert_neq(a->value, a->expected);
		cr_assert_neq(a->reason, REASON_NONE);
		if (a->reason == REASON_POLICY_VALUE || a->reason == REASON_FEED_FORWARD)
			cr_assert(a->why.model == MODEL_NONE && a->why.culprit == MODEL_NONE &&
				  a->why.observed == MISSING && a->why.budget == MISSING &&
				  a->why.culprit_permyriad == MISSING);
		if (a->knob == KNOB_CPU_WEIGHT)
			cr_assert(a->value >= 1 && a->value <= 10000);
	}
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct verdict *v = &w->plan.verdicts[i];

		cr_assert(v->why.model == MODEL_NONE || v->why.model < w->policy.n_models);
		cr_assert(v->why.culprit == MODEL_NONE || v->why.culprit < w->policy.n_models);
		cr_assert((v->why.culprit == MODEL_NONE) == (v->why.culprit_permyriad == MISSING));
		cr_assert(v->level >= 0 && v->level < LADDER_LEVELS);
		cr_assert(v->policy_level >= 0 && v->policy_level < LADDER_LEVELS);
		cr_assert(w->state.models[i].offset <= 0 &&
			  w->state.models[i].offset > -LADDER_LEVELS);
	}
}

Test(decide_laws, only_own_knobs_are_written_and_only_within_the_kernels_range)
{
	worlds_run(ranges_check);
}

/* ---- classes ----------------------------------------------------------------------------- */

static void classes_check(struct world *w, const struct model_state *before)
{
	cr_assert_eq(w->state.lift[CLASS_BATCH], 0);
	cr_assert_eq(w->state.lift[CLASS_EXPERIMENT], 0);
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct model_state *s = &w->state.models[i];

		if (s->offset >= before[i].offset)
			continue;
		cr_assert(s->moved_by == REASON_DONOR || s->moved_by == REASON_REGRET,
			  "seed %" PRIu64, w->seed);
		cr_assert_lt(s->moved_why.model, w->policy.n_models);
		cr_assert_geq(class_of(&w->models[i]), class_of(&w->models[s->moved_why.model]),
			      "%s paid for a class below, seed %" PRIu64, w->models[i].name,
			      w->seed);
	}
}

Test(decide_laws, no_class_pays_for_a_class_below)
{
	worlds_run(classes_check);
}

/* A model that paid nothing keeps its distance to every class below, whatever these got. */
static void distance_check(struct world *w, const struct model_state *before)
{
	static const int32_t base[N_CLASSES] = { 32, 20, 8, 2 };

	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct model *above = &w->models[i];

		for (uint32_t j = 0; j < w->policy.n_models; j++) {
			const struct model *other = &w->models[j];
			int32_t lift = 0, distance = base[class_of(above)] - base[class_of(other)];

			if (class_of(other) <= class_of(above))
				continue;
			for (unsigned int c = class_of(above); c < class_of(other); c++)
				lift += w->state.lift[c];
			cr_assert_geq(distance + lift - w->state.models[j].offset, distance);
		}
	}
}

Test(decide_laws, a_lift_never_shortens_the_lead_of_a_class_above)
{
	worlds_run(distance_check);
}

static void experiments_check(struct world *w, const struct model_state *before)
{
	uint64_t sum = 0, lowest = UINT64_MAX;

	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		sum += w->state.models[i].weight * cgroups_of(w, i);
		if (class_of(&w->models[i]) != CLASS_EXPERIMENT)
			lowest = MIN(lowest, w->state.models[i].weight);
	}
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		uint64_t floor =
			w->models[i].cpu_floor_permyriad * sum / PERMYRIAD / cgroups_of(w, i) + 1;

		if (class_of(&w->models[i]) == CLASS_EXPERIMENT)
			cr_assert_leq(w->state.models[i].weight, MAX(lowest, floor),
				      "experiment %s, seed %" PRIu64 ", tick %" PRIu64,
				      w->models[i].name, w->seed, w->now.tick);
	}
}

Test(decide_laws, experiments_stand_above_production_by_nothing_but_their_floor)
{
	worlds_run(experiments_check);
}

/* cpu.max of all cgroups of experiments that are matched, in us per period, and their number. */
static uint64_t quotas_sum(const struct world *w, uint64_t *ret_cgroups)
{
	uint64_t sum = 0;

	*ret_cgroups = 1; /* and the slice */
	for (uint32_t i = 0; i < w->now.n_targets; i++) {
		const struct target *t = &w->targets[i];
		const struct model *m = &w->models[t->model];

		if (m->stage != STAGE_EXPERIMENT || m->n_units == 0 ||
		    t->driver == DRIVER_OBSERVE || !(t->knobs & 1u << KNOB_CPU_MAX))
			continue;
		++*ret_cgroups;
		sum += t->values[KNOB_CPU_MAX];
	}
	return sum;
}

/* Whatever the manifests say; each cgroup may be rounded up to the 1 ms that the kernel takes. */
static void budget_check(struct world *w, const struct model_state *before)
{
	uint64_t share = w->policy.host.experiment_cpu_permyriad, sum, n;
	uint64_t slice = experiments_quota(&w->policy, w->now.host.cpus);
	bool has_slice = false;

	if (share == 0 || w->now.is_busy)
		return;
	plan_apply(w);
	sum = quotas_sum(w, &n);
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		if (w->state.models[i].retries[KNOB_CPU_MAX].failures > 0)
			return; /* planned again later */
	if (n == 1)
		return;
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		if (w->models[i].stage == STAGE_EXPERIMENT && w->models[i].n_units == 0)
			has_slice = true;
	sum += has_slice ? slice : 0;
	cr_assert_leq(sum, w->now.host.cpus * CPU_PERIOD_USEC * share / PERMYRIAD + n * 1000,
		      "%" PRIu64 " cgroups, seed %" PRIu64, n, w->seed);
}

Test(decide_laws, experiments_together_never_get_more_than_their_budget)
{
	worlds_run(budget_check);
}

/* ---- caps -------------------------------------------------------------------------------- */

static void cap_permission_check(const struct world *w, uint32_t donor)
{
	const struct evidence *why = &w->state.models[donor].cap.why;
	const struct model *d = &w->models[donor], *c = &w->models[why->model];

	cr_assert_lt(why->model, w->policy.n_models);
	cr_assert_geq(class_of(d), class_of(c), "%s for %s, seed %" PRIu64, d->name, c->name,
		      w->seed);
	cr_assert(d->preemption.how & 1u << WAY_CAP && d->preemption.by & 1u << class_of(c) &&
			  c->preemption.may & 1u << class_of(d),
		  "%s does not bear it from %s, seed %" PRIu64, d->name, c->name, w->seed);
	cr_assert(why->culprit == donor && why->culprit_permyriad >= 5000 &&
			  why->slack_permyriad < 0,
		  "%s is no culprit, seed %" PRIu64, d->name, w->seed);
}

static unsigned int n_caps; /* taken, in all worlds of this test's process */

static void caps_check(struct world *w, const struct model_state *before)
{
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct cap *cap = &w->state.models[i].cap, *was = &before[i].cap;
		uint64_t quota = w->state.models[i].wanted[KNOB_CPU_MAX];
		uint64_t host = w->now.host.cpus * CPU_PERIOD_USEC;

		if (cap->permyriad && (was->permyriad == 0 || cap->permyriad < was->permyriad)) {
			n_caps++;
			cap_permission_check(w, i);
			cr_assert(was->permyriad == 0 || was->permyriad - cap->permyriad <= 1000 ||
				  w->readings[i].run_ns != MISSING);
		}
		if (cap->permyriad == 0 || w->now.is_busy)
			continue;
		cr_assert(cap->permyriad <= PERMYRIAD && quota <= MAX(host, 1000ULL) + 1000);
		if (w->models[i].values[KNOB_CPU_MAX] < MISSING)
			cr_assert_leq(quota, w->models[i].values[KNOB_CPU_MAX]);
		else if (w->models[i].stage != STAGE_EXPERIMENT)
			cr_assert_geq(quota * PERMYRIAD, host * w->models[i].cpu_floor_permyriad,
				      "%s is capped below its floor, seed %" PRIu64,
				      w->models[i].name, w->seed);
		cr_assert_leq(w->now.taken_ns - cap->since_ns, SEC(300 + 9 * 5 + 1));
	}
}

/* Most budgets are broken for long, each by somebody. */
static void trouble_make(struct world *w)
{
	readings_level(w, 50);
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		struct model_reading *r = &w->readings[i];
		bool is_broken = chance(w, 50);

		for (unsigned int k = 0; is_broken && k < w->models[i].n_objectives; k++)
			r->objectives[k].observed = 1 + w->models[i].objectives[k].budget * 3 / 2;
		r->culprit = (uint32_t)below(w, w->policy.n_models);
		r->culprit_permyriad = 4000 + below(w, 6001);
		r->run_ns = below(w, SEC(1) * w->now.host.cpus);
	}
}

Test(decide_laws, caps_hit_only_culprits_by_consent_of_both_and_never_below_the_floor)
{
	worlds_run(caps_check);
	for (uint64_t seed = 1; seed <= WORLDS / 6; seed++) {
		struct world *w = world_new(seed);
		struct model_state before[MAX_MODELS] = { 0 };

		trouble_make(w);
		for (int tick = 0; tick < 12 * TICKS; tick++) {
			if (chance(w, 2))
				trouble_make(w);
			memcpy(before, w->state.models, sizeof(before[0]) * w->policy.n_models);
			world_decide(w);
			caps_check(w, before);
			plan_apply(w);
		}
		world_free(w);
	}
	cr_assert_gt(n_caps, 200, "only %u caps", n_caps);
}

/* ---- turns ------------------------------------------------------------------------------- */

#define TURNS_KEPT 5

/* Of one knob of one model: its values and when it last turned, oldest first. */
struct turns {
	uint64_t value, ns[TURNS_KEPT];
	int direction;
};

/* How many of the kept turns, this one included, are not older than five minutes. */
static unsigned int turn_count(struct turns *s, uint64_t value, uint64_t now_ns)
{
	int direction = value > s->value ? 1 : -1;
	bool has_turned = value != s->value && s->value != 0 && s->direction == -direction;
	unsigned int n = 0;

	if (value != s->value && s->value != 0)
		s->direction = direction;
	s->value = value;
	if (!has_turned)
		return 0;
	memmove(s->ns, s->ns + 1, sizeof(s->ns) - sizeof(*s->ns));
	s->ns[TURNS_KEPT - 1] = now_ns;
	for (unsigned int i = 0; i < TURNS_KEPT; i++)
		n += s->ns[i] != 0 && now_ns - s->ns[i] < SEC(300);
	return n;
}

/* Trouble that comes and goes in any rhythm. */
static void weather_change(struct world *w)
{
	if (chance(w, 50))
		trouble_make(w);
	else
		readings_level(w, chance(w, 70) ? 50 : 90);
	w->now.host.steal_permyriad = chance(w, 3) ? 900 : 0;
}

Test(decide_laws, no_knob_of_production_turns_more_than_four_times_in_five_minutes)
{
	unsigned int most = 0;

	for (uint64_t seed = 1; seed <= WORLDS / 10; seed++) {
		struct world *w = world_new(seed);
		struct turns weights[MAX_MODELS] = { 0 }, quotas[MAX_MODELS] = { 0 };
		unsigned int rhythm = 2 + (unsigned int)below(w, 60);

		weather_change(w);
		for (int tick = 0; tick < 1200; tick++) {
			if (tick % (int)rhythm == 0 || chance(w, 2))
				weather_change(w);
			world_decide(w);
			plan_apply(w);
			for (uint32_t i = 0; i < w->policy.n_models; i++) {
				const struct model_state *s = &w->state.models[i];
				unsigned int n =
					turn_count(&weights[i], s->weight, w->now.taken_ns);

				n = MAX(n, turn_count(&quotas[i], s->wanted[KNOB_CPU_MAX],
						      w->now.taken_ns));
				/* experiments follow production, and what a promise demands comes
				 * first */
				if (class_of(&w->models[i]) == CLASS_EXPERIMENT ||
				    (s->is_promised && weights[i].direction > 0))
					continue;
				most = MAX(most, n);
				cr_assert_leq(n, 4, "%s turned %u times, seed %" PRIu64 ", tick %d",
					      w->models[i].name, n, seed, tick);
			}
		}
		world_free(w);
	}
	cr_assert_eq(most, 4, "nothing ever came to the limit");
}

/* ---- calm -------------------------------------------------------------------------------- */

Test(decide_laws, a_calm_world_has_nothing_to_do_after_the_first_plan)
{
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);

		readings_level(w, 50);
		world_decide(w);
		plan_apply(w);
		for (int tick = 0; tick < TICKS; tick++) {
			world_decide(w);
			cr_assert_eq(w->plan.n_actions, 0, "seed %" PRIu64 ", tick %" PRIu64, seed,
				     w->now.tick);
		}
		world_free(w);
	}
}

Test(decide_laws, after_its_own_outcome_a_plan_wants_nothing_more)
{
	unsigned int n_empty = 0;

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);
		struct model_state before[MAX_MODELS] = { 0 };
		bool has_given = false;
		int32_t lift;

		readings_level(w, 50);
		for (int tick = 0; tick < TICKS; tick++) {
			readings_disturb(w);
			world_decide(w);
			plan_apply(w);
		}
		readings_level(w, 90); /* in the dead band: nothing moves any more */
		world_decide(w);
		plan_apply(w);
		memcpy(before, w->state.models, sizeof(before[0]) * w->policy.n_models);
		lift = w->state.lift[CLASS_CRITICAL] + w->state.lift[CLASS_STANDARD];
		world_decide(w);
		lift -= w->state.lift[CLASS_CRITICAL] + w->state.lift[CLASS_STANDARD];
		for (uint32_t i = 0; i < w->policy.n_models; i++) {
			cr_assert_geq(w->state.models[i].offset, before[i].offset);
			has_given |= w->state.models[i].offset > before[i].offset;
		}
		cr_assert_geq(lift, 0);
		/* whoever promises nothing may be due to get something back at this very tick */
		cr_assert(has_given || lift > 0 || w->plan.n_actions == 0, "seed %" PRIu64, seed);
		n_empty += w->plan.n_actions == 0;
		world_free(w);
	}
	cr_assert_gt(n_empty, WORLDS * 95 / 100, "only %u of %d were empty", n_empty, WORLDS);
}

/* One claim a tick, and its class and those below wait for three. */
static void steps_check(struct world *w, const struct model_state *before)
{
	static uint64_t last_tick;
	static enum model_class last_class;
	uint32_t claimant = MODEL_NONE;

	if (w->now.tick == 1)
		last_tick = 0;
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		const struct model_state *s = &w->state.models[i];

		if (s->offset >= before[i].offset)
			continue;
		if (claimant == MODEL_NONE)
			claimant = s->moved_why.model;
		cr_assert_eq(s->moved_why.model, claimant, "two claims, seed %" PRIu64, w->seed);
	}
	if (claimant == MODEL_NONE)
		return;
	cr_assert(last_tick == 0 || w->now.tick > last_tick + 3 ||
			  class_of(&w->models[claimant]) < last_class,
		  "not settled, seed %" PRIu64 ", tick %" PRIu64, w->seed, w->now.tick);
	last_tick = w->now.tick;
	last_class = class_of(&w->models[claimant]);
}

Test(decide_laws, one_claim_is_served_at_a_time_and_then_all_wait)
{
	worlds_run(steps_check);
}

/* ---- drift ------------------------------------------------------------------------------- */

#define BACKS_KEPT 3

/* When each key was put back last, the oldest first; 0: not yet. */
struct backs {
	uint64_t ns[MAX_TARGETS][N_KNOBS][BACKS_KEPT];
};

static void backs_check(const struct world *w, struct backs *b)
{
	for (uint32_t i = 0; i < w->plan.n_actions; i++) {
		const struct action *a = &w->plan.actions[i];
		uint64_t *ns = b->ns[a->target][a->knob];

		if (a->reason != REASON_DRIFT)
			continue;
		cr_assert(ns[0] == 0 || w->now.taken_ns - ns[0] >= SEC(600),
			  "a fourth time within ten minutes, seed %" PRIu64 ", tick %" PRIu64,
			  w->seed, w->now.tick);
		cr_assert(a->times >= 1 && a->times <= BACKS_KEPT);
		cr_assert_neq(a->written, a->expected);
		memmove(ns, ns + 1, sizeof(*ns) * (BACKS_KEPT - 1));
		ns[BACKS_KEPT - 1] = w->now.taken_ns;
	}
}

/* Policy, plan and time go on as they like: a reload or a pause is no new beginning. */
static void state_reload(struct world *w)
{
	struct state new_state;

	cr_assert_eq(state_init(&new_state, w->policy.n_models), 0);
	state_carry(&w->state, &w->policy, &w->policy, &new_state);
	state_fini(&w->state);
	w->state = new_state;
}

Test(decide_laws, no_key_is_put_back_four_times_within_ten_minutes)
{
	uint64_t n_backs = 0, n_left = 0;

	for (uint64_t seed = 1; seed <= WORLDS / 5; seed++) {
		struct world *w = world_new(seed);
		struct backs backs = { 0 };
		unsigned int room = w->plan.max_actions, percent = 1 + (unsigned int)seed % 60;

		for (int tick = 0; tick < 5 * TICKS; tick++) {
			readings_level(w, 50);
			if (chance(w, 20))
				readings_disturb(w);
			strangers_write(w, percent);
			w->now.taken_ns += chance(w, 20) ? SEC(below(w, 400)) : 0;
			w->now.is_busy = chance(w, 10);
			w->plan.max_actions = chance(w, 10) ? (unsigned int)below(w, 4) : room;
			world_decide(w);
			backs_check(w, &backs);
			for (uint32_t i = 0; i < w->plan.n_drifts; i++) {
				n_backs += w->plan.drifts[i].is_news;
				n_left += w->plan.drifts[i].is_left_alone;
			}
			if (chance(w, 90))
				plan_apply(w);
			if (chance(w, 5))
				state_reload(w);
		}
		world_free(w);
	}
	cr_assert_gt(n_backs, 1000);
	cr_assert_gt(n_left, 1000);
}

static void left_alone_check(struct world *w)
{
	for (uint32_t i = 0; i < w->plan.n_actions; i++)
		for (uint32_t j = 0; j < w->plan.n_drifts; j++)
			cr_assert(!w->plan.drifts[j].is_left_alone ||
					  w->plan.drifts[j].cgroup_id !=
						  w->plan.actions[i].cgroup_id ||
					  w->plan.drifts[j].knob != w->plan.actions[i].knob,
				  "left alone and written, seed %" PRIu64, w->seed);
}

Test(decide_laws, what_is_left_alone_is_not_written)
{
	for (uint64_t seed = 1; seed <= WORLDS / 5; seed++) {
		struct world *w = world_new(seed);

		readings_level(w, 50);
		for (int tick = 0; tick < TICKS; tick++) {
			readings_disturb(w);
			strangers_write(w, 20);
			world_decide(w);
			left_alone_check(w);
			plan_apply(w);
		}
		world_free(w);
	}
}

/* ---- missing and mad readings ------------------------------------------------------------ */

Test(decide_laws, missing_readings_never_lead_to_a_step)
{
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);

		for (int tick = 0; tick < TICKS; tick++) {
			readings_level(w, 300);
			for (uint32_t i = 0; i < w->policy.n_models; i++)
				for (unsigned int k = 0; k < MAX_OBJECTIVES; k++)
					w->readings[i].objectives[k].observed = MISSING;
			world_decide(w);
			plan_apply(w);
			for (uint32_t i = 0; i < w->policy.n_models; i++) {
				enum reason reason = w->plan.verdicts[i].reason;

				cr_assert_eq(w->state.models[i].offset, 0, "seed %" PRIu64, seed);
				cr_assert(tick == 0 || !has_cpu_objective(w, i) ||
						  reason == REASON_SENSOR_GAP ||
						  reason == REASON_SENSOR_LOST,
					  "seed %" PRIu64 ", reason %d", seed, reason);
			}
			cr_assert(w->state.lift[CLASS_CRITICAL] == 0 &&
				  w->state.lift[CLASS_STANDARD] == 0);
		}
		world_free(w);
	}
}

static uint64_t mad(struct world *w)
{
	static const uint64_t values[] = { 0,
					   1,
					   2,
					   UINT32_MAX,
					   1ULL << 62,
					   INT64_MAX,
					   1ULL << 63,
					   UINT64_MAX - 2,
					   MISSING,
					   VALUE_MAX,
					   NSEC_PER_SEC,
					   10000,
					   9999,
					   UINT64_MAX / 2,
					   UINT64_MAX / 10000 };

	return chance(w, 50) ? values[below(w, ARRAY_SIZE(values))] : random_next(w);
}

static void world_madden(struct world *w)
{
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		struct model *m = &w->models[i];
		uint64_t *numbers = (uint64_t *)(void *)&w->readings[i];

		m->priority = (int32_t)mad(w);
		m->cpu_floor_permyriad = mad(w);
		m->cpu_reserved_millicpu = mad(w);
		for (unsigned int k = 0; k < MAX_OBJECTIVES; k++)
			m->objectives[k].budget = mad(w);
		for (unsigned int k = 1; k < N_KNOBS; k++)
			m->values[k] = mad(w);
		for (size_t n = 0; n < sizeof(w->readings[i]) / sizeof(*numbers); n++)
			numbers[n] = mad(w);
	}
	for (uint32_t i = 0; i < w->now.n_targets; i++) {
		w->targets[i].model = (uint32_t)below(w, w->policy.n_models + 3);
		for (unsigned int k = 0; k < N_KNOBS; k++)
			w->targets[i].values[k] = mad(w);
		for (unsigned int k = 0; k < N_KNOBS; k++)
			w->targets[i].written[k] = chance(w, 50) ? mad(w) : MISSING;
	}
	w->policy.host.experiment_cpu_permyriad = mad(w);
	w->policy.host.experiment_memory_bytes = mad(w);
	w->now.host.cpus = mad(w);
	w->policy.host.tick_ns = mad(w);
}

Test(decide_laws, no_input_is_too_mad_to_decide_on)
{
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world *w = world_new(seed);

		for (int tick = 0; tick < TICKS / 4; tick++) {
			world_madden(w);
			w->now.tick++;
			w->now.span_ns = mad(w);
			w->now.taken_ns = mad(w);
			decide(&w->policy, &w->now, &w->state, &w->plan);
			ranges_check(w, NULL);
			for (uint32_t i = 0; i < w->policy.n_models; i++)
				cr_assert(w->state.models[i].weight >= 1 &&
						  w->state.models[i].weight <= 10000,
					  "seed %" PRIu64, seed);
			plan_apply(w);
		}
		world_free(w);
	}
}
