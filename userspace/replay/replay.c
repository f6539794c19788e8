/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leads one policy through observations and counts what it decided and how its objectives stood.
 * Compares nothing; that is compare.c.
 */
#include "parameter.h"

#include <assert.h>
#include <errno.h>

int replay_init(struct replay *r, const struct policy *policy)
{
	uint32_t n = policy->n_models;

	*r = (struct replay){ .policy = policy,
			      .models = calloc((size_t)n + 1, sizeof(*r->models)) };
	arena_init(&r->arena);
	/* room as in the daemon: what does not fit follows in the next tick */
	for (uint32_t i = 0; r->models && i < n; i++)
		for (unsigned int k = 0; k < N_KNOBS; k++)
			r->models[i].wanted[k] = MISSING;
	if (r->models && state_init(&r->state, n) == 0 &&
	    plan_init(&r->plan, n, MAX(64u, n * 4 * N_KNOBS)) == 0)
		return 0;
	replay_fini(r);
	return -ENOMEM;
}

void replay_fini(struct replay *r)
{
	if (!r)
		return;
	free(r->models);
	state_fini(&r->state);
	plan_fini(&r->plan);
	arena_fini(&r->arena);
	*r = (struct replay){ 0 };
}

/* ---- the kernel, played ------------------------------------------------------------------ */

/*
 * Before the first plan the kernel shows what was recorded, and then what was wanted. Nobody
 * interferes: what others changed was changed from values that this policy may not have set.
 */
static void values_play(const struct replay *r, struct target *t)
{
	const struct model_state *s = &r->state.models[t->model];

	for (unsigned int k = 0; k < N_KNOBS; k++)
		t->written[k] = MISSING;
	if (t->driver == DRIVER_OBSERVE || s->weight == 0)
		return;
	for (unsigned int k = 0; k < N_KNOBS; k++)
		if (t->knobs & 1u << k && s->wanted[k] != MISSING)
			t->values[k] = s->wanted[k];
}

static int observation_play(struct replay *r, const struct observation *now,
			    struct observation *ret_now)
{
	*ret_now = *now;
	ret_now->n_intrusions = 0;
	ret_now->targets = arena_new(&r->arena, struct target, now->n_targets + 1);
	if (!ret_now->targets)
		return -ENOMEM;
	for (uint32_t i = 0; i < now->n_targets; i++) {
		ret_now->targets[i] = now->targets[i];
		values_play(r, &ret_now->targets[i]);
	}
	return 0;
}

/* ---- counting ---------------------------------------------------------------------------- */

/* decide's own thresholds. */
struct thresholds {
	uint64_t least[N_INDICATORS]; /* samples */
	uint64_t tight_permyriad;     /* of the budget */
};

static struct thresholds thresholds_find(void)
{
	return (struct thresholds){
		.least = { [INDICATOR_RUNQUEUE_WAIT] = (uint64_t)parameter_value("samples.waits"),
			   [INDICATOR_REQUEST_LATENCY] = (uint64_t)parameter_value("samples.waits"),
			   [INDICATOR_MEMORY_STALL] = (uint64_t)parameter_value("samples.ticks") },
		.tight_permyriad = PERMYRIAD - (uint64_t)parameter_value("give.slack")
	};
}

static void objective_count(struct objective_tally *t, const struct objective *o,
			    const struct reading *r, const struct thresholds *h)
{
	if (r->observed == MISSING || r->samples == MISSING || r->samples < h->least[o->indicator])
		return;
	t->judged++;
	t->violated += r->observed > o->budget;
	t->tight += (unsigned __int128)r->observed * PERMYRIAD >
		    (unsigned __int128)o->budget * h->tight_permyriad;
	t->worst = MAX(t->worst, r->observed);
}

static void model_count(struct replay *r, const struct observation *now, uint32_t i,
			const struct thresholds *h)
{
	const struct model *m = &r->policy->models[i];
	const struct model_reading *reading = &now->models[i];
	struct model_tally *t = &r->models[i];

	for (unsigned int k = 0; k < m->n_objectives; k++)
		objective_count(&t->objectives[k], &m->objectives[k], &reading->objectives[k], h);
	if (reading->memory_bytes < MISSING)
		t->memory_peak_bytes = MAX(t->memory_peak_bytes, reading->memory_bytes);
	if (r->state.models[i].weight != 0)
		memcpy(t->wanted, r->state.models[i].wanted, sizeof(t->wanted));
	t->level = r->plan.verdicts[i].level;
	t->policy_level = r->plan.verdicts[i].policy_level;
	t->reason = r->plan.verdicts[i].reason;
}

int replay_feed(struct replay *r, const struct observation *now)
{
	struct thresholds h = thresholds_find();
	struct observation played;

	assert(now->n_models == r->policy->n_models);
	arena_reset(&r->arena);
	if (observation_play(r, now, &played) < 0)
		return -ENOMEM;
	decide(r->policy, &played, &r->state, &r->plan);
	if (r->ticks++ == 0)
		r->first_wall_ns = now->wall_ns;
	r->last_wall_ns = now->wall_ns;
	for (uint32_t i = 0; i < r->policy->n_models; i++)
		model_count(r, now, i, &h);
	for (uint32_t i = 0; i < r->plan.n_actions; i++)
		r->models[r->plan.actions[i].model].actions[r->plan.actions[i].knob]++;
	return 0;
}

/* ---- what policy alone guarantees -------------------------------------------------------- */

/* Cgroups among which the model's weight is spread, as decide counts them: one at least. */
static uint64_t cgroups_of(const struct observation *now, uint32_t model)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < now->n_targets; i++)
		n += now->targets[i].model == model && now->targets[i].driver != DRIVER_OBSERVE &&
		     now->targets[i].knobs & 1u << KNOB_CPU_WEIGHT;
	return MAX(n, 1ULL);
}

/* Weights of a first tick: nothing has moved yet. */
static int weights_find(const struct policy *policy, const struct observation *now,
			struct replay *ret_replay)
{
	struct observation first = *now;
	int r = replay_init(ret_replay, policy);

	first.span_ns = 0;
	first.is_busy = false;
	if (r == 0 && (r = replay_feed(ret_replay, &first)) < 0)
		replay_fini(ret_replay);
	return r;
}

int shares_find(const struct policy *policy, const struct observation *now, uint64_t *ret_ppm)
{
	struct replay first;
	uint64_t sum = 0;
	int r = weights_find(policy, now, &first);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < policy->n_models; i++) {
		ret_ppm[i] = first.state.models[i].weight * cgroups_of(now, i);
		sum += ret_ppm[i];
	}
	for (uint32_t i = 0; i < policy->n_models; i++)
		ret_ppm[i] = ret_ppm[i] * 1000000 / MAX(sum, 1ULL);
	replay_fini(&first);
	return 0;
}

int experiments_weight(const struct policy *policy, uint64_t cpus, uint64_t *ret_weight)
{
	_cleanup_free_ struct model_reading *readings =
		calloc((size_t)policy->n_models + 1, sizeof(*readings));
	struct observation now = { .n_models = policy->n_models,
				   .models = readings,
				   .host = { .cpus = cpus } };
	struct replay first;
	uint64_t weight = 0;
	int r = readings ? weights_find(policy, &now, &first) : -ENOMEM;

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < policy->n_models; i++)
		if (policy->models[i].stage == STAGE_EXPERIMENT)
			weight += first.state.models[i].weight;
	replay_fini(&first);
	*ret_weight = weight < 1 ? 1 : MIN(weight, (uint64_t)10000); /* cgroup-v2.rst, cpu.weight */
	return 0;
}
