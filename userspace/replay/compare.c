/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two policies over the same observations: what the second takes from promises of the first, and
 * whether what was recorded says that this can be borne. docs/verification.md states the rules for
 * people.
 */
#include "replay.h"

#include "knob.h"

#include <errno.h>
#include <inttypes.h>

/* One level of the ladder is a factor of 1.25: less than that is rounding, more is a step down. */
#define KEPT_PERCENT 80
#define KEPT_TICKS_PERCENT                                                                         \
	99 /* chosen: a promise that is broken more often does not hold today                      \
	    */
#define TIGHT_TICKS_PERCENT                                                                        \
	5 /* chosen: more than what a burst of a minute an hour (1.7 %) leaves */

/* ---- feeding ----------------------------------------------------------------------------- */

int comparison_init(struct comparison *c, const struct policy *before, const struct policy *after,
		    const struct host_facts *facts)
{
	*c = (struct comparison){ .facts = *facts };
	arena_init(&c->arena);
	arena_init(&c->last_arena);
	c->over_cap = calloc((size_t)before->n_models + 1, sizeof(*c->over_cap));
	c->ticks_used = calloc((size_t)before->n_models + 1, sizeof(*c->ticks_used));
	if (c->over_cap && c->ticks_used && replay_init(&c->before, before) == 0 &&
	    replay_init(&c->after, after) == 0)
		return 0;
	comparison_fini(c);
	return -ENOMEM;
}

void comparison_fini(struct comparison *c)
{
	if (!c)
		return;
	replay_fini(&c->before);
	replay_fini(&c->after);
	free(c->over_cap);
	free(c->ticks_used);
	arena_fini(&c->arena);
	arena_fini(&c->last_arena);
	*c = (struct comparison){ 0 };
}

static uint64_t places_of(const struct observation *now, uint32_t model, enum knob knob)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < now->n_targets; i++)
		n += now->targets[i].model == model && now->targets[i].driver != DRIVER_OBSERVE &&
		     now->targets[i].knobs & 1u << knob;
	return MAX(n, 1ULL);
}

/* A limit of each cgroup as one of the whole model; MISSING and VALUE_MAX are no limit. */
static uint64_t limit_of(const struct replay *r, const struct observation *now, uint32_t model,
			 enum knob knob)
{
	uint64_t value = r->models[model].wanted[knob], n = places_of(now, model, knob);

	return value >= MISSING || value > MISSING / n ? VALUE_MAX : value * n;
}

/* CPU time a period of cpu.max, in us, or MISSING. */
static uint64_t used_of(const struct model_reading *r, uint64_t span_ns)
{
	if (r->cpu_usage_ns >= MISSING || span_ns == 0)
		return MISSING;
	return (uint64_t)((unsigned __int128)r->cpu_usage_ns * CPU_PERIOD_USEC / span_ns);
}

static void uses_count(struct comparison *c, const struct observation *now,
		       const struct observation *translated)
{
	const struct policy *before = c->before.policy;

	for (uint32_t i = 0; i < before->n_models; i++) {
		uint64_t used = used_of(&now->models[i], now->span_ns);
		uint32_t j;

		if (used == MISSING || policy_find(c->after.policy, before->models[i].name, &j) < 0)
			continue;
		c->ticks_used[i]++;
		c->over_cap[i] += used > limit_of(&c->after, translated, j, KNOB_CPU_MAX);
	}
}

/* Only what shares and limits are counted by. */
static int last_keep(struct comparison *c, const struct observation *now)
{
	arena_reset(&c->last_arena);
	c->last = *now;
	c->last.models = NULL;
	c->last.targets = arena_new(&c->last_arena, struct target, now->n_targets + 1);
	if (!c->last.targets)
		return -ENOMEM;
	memcpy(c->last.targets, now->targets, sizeof(*now->targets) * now->n_targets);
	for (uint32_t i = 0; i < now->n_targets; i++)
		c->last.targets[i].path = c->last.targets[i].unit = ""; /* the caller's */
	return 0;
}

int comparison_feed(struct comparison *c, const struct observation *now)
{
	struct observation *translated;

	arena_reset(&c->arena);
	if (observation_translate(now, c->before.policy, c->after.policy, &c->arena, &translated) <
		    0 ||
	    replay_feed(&c->before, now) < 0 || replay_feed(&c->after, translated) < 0)
		return -ENOMEM;
	uses_count(c, now, translated);
	return last_keep(c, now);
}

/* ---- judging ----------------------------------------------------------------------------- */

/* What the rules look at. */
struct trial {
	struct comparison *c;
	struct arena *arena;
	struct observation *now_before, *now_after; /* the last, as each sees it */
	uint64_t *shares_before, *shares_after;     /* by model of its policy */
	struct risk *risks;
	unsigned int n, max;
};

static bool loses(uint64_t before, uint64_t after)
{
	return (unsigned __int128)after * 100 < (unsigned __int128)before * KEPT_PERCENT;
}

static bool is_part(uint64_t part, uint64_t whole, unsigned int percent)
{
	return part * 100 >= whole * percent;
}

/*
 * Something is taken from a promise. Few ticks: nobody knows. Room to spare: it can be borne. Kept,
 * but barely: it would break. Broken today: it would break more, and whether that is meant a person
 * must say.
 */
static enum replay_verdict tally_judge(const struct objective_tally *t)
{
	if (t->judged < RISK_TICKS)
		return REPLAY_INCONCLUSIVE;
	if (!is_part(t->tight, t->judged, TIGHT_TICKS_PERCENT))
		return REPLAY_PASS;
	return is_part(t->judged - t->violated, t->judged, KEPT_TICKS_PERCENT)
		       ? REPLAY_FAIL
		       : REPLAY_INCONCLUSIVE;
}

static void risk_add(struct trial *t, const struct risk *risk)
{
	t->risks[t->n++] = *risk; /* room: see trial_begin() */
}

/* What an objective loses by a fall from before to after. */
static void loss_add(struct trial *t, enum risk_kind kind, uint32_t model, uint32_t objective,
		     uint64_t before, uint64_t after)
{
	const struct objective_tally *tally = &t->c->before.models[model].objectives[objective];

	if (loses(before, after))
		risk_add(t, &(struct risk){ .kind = kind,
					    .verdict = tally_judge(tally),
					    .model = model,
					    .objective = objective,
					    .before = before,
					    .after = after,
					    .judged = tally->judged,
					    .violated = tally->violated,
					    .tight = tally->tight });
}

/* Bytes that memory.min or low protect. */
static uint64_t protected_of(const struct replay *r, uint32_t model)
{
	uint64_t most = 0;

	for (unsigned int k = KNOB_MEMORY_MIN; k <= KNOB_MEMORY_LOW; k++) {
		uint64_t value = r->policy->models[model].values[k];

		if (value != MISSING)
			most = MAX(most, value);
	}
	return most;
}

/* The same promise in the other policy, whatever its budget and window. */
static const struct objective *promise_find(const struct model *m, const struct objective *o,
					    uint32_t *ret_index)
{
	for (uint32_t k = 0; k < m->n_objectives; k++) {
		if (m->objectives[k].indicator != o->indicator ||
		    m->objectives[k].quantile_permyriad != o->quantile_permyriad)
			continue;
		*ret_index = k;
		return &m->objectives[k];
	}
	return NULL;
}

static void promise_withdrawn_add(struct trial *t, uint32_t model, uint32_t objective)
{
	const struct objective_tally *tally = &t->c->before.models[model].objectives[objective];

	risk_add(t, &(struct risk){ .kind = RISK_PROMISE,
				    .verdict = REPLAY_PASS,
				    .model = model,
				    .objective = objective,
				    .before = MISSING,
				    .after = MISSING,
				    .judged = tally->judged,
				    .violated = tally->violated,
				    .tight = tally->tight });
}

/* A stricter budget is its owner's wish; that it would be broken is worth knowing. */
static void budget_judge(struct trial *t, uint32_t i, uint32_t k, uint32_t j, uint32_t k_after)
{
	const struct objective *o = &t->c->before.policy->models[i].objectives[k];
	const struct objective *after = &t->c->after.policy->models[j].objectives[k_after];
	const struct objective_tally *tally = &t->c->after.models[j].objectives[k_after];

	if (after->budget >= o->budget || tally->judged == 0 ||
	    is_part(tally->judged - tally->violated, tally->judged, KEPT_TICKS_PERCENT))
		return;
	risk_add(t, &(struct risk){ .kind = RISK_BUDGET,
				    .verdict = REPLAY_PASS,
				    .model = i,
				    .objective = k,
				    .before = o->budget,
				    .after = after->budget,
				    .judged = tally->judged,
				    .violated = tally->violated,
				    .tight = tally->tight });
}

static void objective_judge(struct trial *t, uint32_t i, uint32_t k, uint32_t j)
{
	const struct objective *o = &t->c->before.policy->models[i].objectives[k];
	uint32_t k_after;

	if (!promise_find(&t->c->after.policy->models[j], o, &k_after)) {
		promise_withdrawn_add(t, i, k);
		return;
	}
	if (o->indicator != INDICATOR_MEMORY_STALL)
		loss_add(t, RISK_SHARE, i, k, t->shares_before[i], t->shares_after[j]);
	else
		loss_add(t, RISK_MEMORY_KEPT, i, k, protected_of(&t->c->before, i),
			 protected_of(&t->c->after, j));
	budget_judge(t, i, k, j, k_after);
}

static void cap_judge(struct trial *t, uint32_t i, uint32_t j)
{
	struct comparison *c = t->c;
	uint64_t before = limit_of(&c->before, t->now_before, i, KNOB_CPU_MAX);
	uint64_t after = limit_of(&c->after, t->now_after, j, KNOB_CPU_MAX);
	uint64_t ticks = c->ticks_used[i], over = c->over_cap[i];
	enum replay_verdict verdict = REPLAY_PASS;

	if (after >= before)
		return;
	if (ticks < RISK_TICKS)
		verdict = REPLAY_INCONCLUSIVE;
	else if (is_part(over, ticks, TIGHT_TICKS_PERCENT))
		verdict = REPLAY_FAIL;
	risk_add(t, &(struct risk){ .kind = RISK_CPU_CAP,
				    .verdict = verdict,
				    .model = i,
				    .objective = MAX_OBJECTIVES,
				    .before = before,
				    .after = after,
				    .judged = ticks,
				    .violated = over,
				    .tight = over });
}

static void memory_judge(struct trial *t, uint32_t i, uint32_t j, enum knob knob)
{
	struct comparison *c = t->c;
	uint64_t before = limit_of(&c->before, t->now_before, i, knob);
	uint64_t after = limit_of(&c->after, t->now_after, j, knob);
	uint64_t peak = c->before.models[i].memory_peak_bytes;
	bool is_max = knob == KNOB_MEMORY_MAX;
	enum replay_verdict verdict = REPLAY_PASS;

	if (after >= before)
		return;
	if (peak > after)
		verdict = is_max ? REPLAY_FAIL : REPLAY_INCONCLUSIVE;
	else if (c->before.ticks < RISK_TICKS)
		verdict = REPLAY_INCONCLUSIVE;
	risk_add(t, &(struct risk){ .kind = is_max ? RISK_MEMORY_MAX : RISK_MEMORY_HIGH,
				    .verdict = verdict,
				    .model = i,
				    .objective = MAX_OBJECTIVES,
				    .before = peak,
				    .after = after,
				    .judged = c->before.ticks });
}

static void model_judge(struct trial *t, uint32_t i)
{
	const struct model *m = &t->c->before.policy->models[i];
	uint32_t j;

	if (m->stage != STAGE_PRODUCTION || m->class == CLASS_EXPERIMENT)
		return;
	if (policy_find(t->c->after.policy, m->name, &j) < 0) {
		for (uint32_t k = 0; k < m->n_objectives; k++)
			promise_withdrawn_add(t, i, k);
		return;
	}
	for (uint32_t k = 0; k < m->n_objectives; k++)
		objective_judge(t, i, k, j);
	cap_judge(t, i, j);
	memory_judge(t, i, j, KNOB_MEMORY_MAX);
	memory_judge(t, i, j, KNOB_MEMORY_HIGH);
}

/* ---- the trial --------------------------------------------------------------------------- */

/* Without a recorded tick: no cgroups, and the host as its facts tell. */
static int last_find(struct trial *t)
{
	struct comparison *c = t->c;
	const struct policy *before = c->before.policy;
	struct observation *now = arena_new(t->arena, struct observation, 1);

	if (!now)
		return -ENOMEM;
	*now = c->last;
	now->n_models = before->n_models;
	now->models = arena_new(t->arena, struct model_reading, before->n_models + 1);
	if (now->host.cpus == 0 || now->host.cpus >= MISSING)
		now->host.cpus = c->facts.cpus;
	t->now_before = now;
	if (!now->models)
		return -ENOMEM;
	return observation_translate(now, before, c->after.policy, t->arena, &t->now_after);
}

/* Nobody sets weights: each cgroup has the kernel's own. */
static void shares_level(const struct policy *p, const struct observation *now, uint64_t *ret_ppm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < p->n_models; i++)
		sum += places_of(now, i, KNOB_CPU_WEIGHT);
	for (uint32_t i = 0; i < p->n_models; i++)
		ret_ppm[i] = places_of(now, i, KNOB_CPU_WEIGHT) * 1000000 / MAX(sum, 1ULL);
}

static int trial_shares(struct trial *t)
{
	const struct policy *before = t->c->before.policy, *after = t->c->after.policy;
	int r = shares_find(before, t->now_before, t->shares_before);

	if (r == 0 && before->host.mode == MODE_ENFORCE && after->host.mode == MODE_OBSERVE)
		shares_level(after, t->now_after, t->shares_after);
	else if (r == 0)
		r = shares_find(after, t->now_after, t->shares_after);
	return r;
}

/* What is wanted of limits is known after a first tick; it is made up here, and does not count. */
static int limits_find(struct trial *t)
{
	struct comparison *c = t->c;

	if (replay_feed(&c->before, t->now_before) < 0 || replay_feed(&c->after, t->now_after) < 0)
		return -ENOMEM;
	c->before.ticks = c->after.ticks = 0;
	return 0;
}

static int trial_begin(struct trial *t, struct comparison *c, struct arena *arena)
{
	uint32_t n = c->before.policy->n_models;

	*t = (struct trial){ .c = c, .arena = arena };
	t->max = n * (2 * MAX_OBJECTIVES + 3);
	t->risks = arena_new(arena, struct risk, t->max + 1);
	t->shares_before = arena_new(arena, uint64_t, n + 1);
	t->shares_after = arena_new(arena, uint64_t, c->after.policy->n_models + 1);
	if (!t->risks || !t->shares_before || !t->shares_after || last_find(t) < 0)
		return -ENOMEM;
	if (c->before.ticks == 0 && limits_find(t) < 0)
		return -ENOMEM;
	return trial_shares(t);
}

static int risk_order(const void *a, const void *b)
{
	const struct risk *x = a, *y = b;

	if (x->verdict != y->verdict)
		return x->verdict > y->verdict ? -1 : 1;
	if (x->model != y->model)
		return x->model < y->model ? -1 : 1;
	if (x->objective != y->objective)
		return x->objective < y->objective ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

int comparison_judge(struct comparison *c, struct arena *arena, struct risk **ret_all,
		     unsigned int *ret_n)
{
	struct trial t;

	if (trial_begin(&t, c, arena) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->before.policy->n_models; i++)
		model_judge(&t, i);
	qsort(t.risks, t.n, sizeof(*t.risks), risk_order);
	*ret_all = t.risks;
	*ret_n = t.n;
	return 0;
}
