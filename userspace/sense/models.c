/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences, windows and the culprit of each model. Totals come from the sampler (probes.h) and
 * from the model's places; nothing is judged here.
 */
#include "models.h"

#include <errno.h>

/* ---- following ------------------------------------------------------------------------------- */

static void window_fini(struct objective_window *w)
{
	wait_window_fini(&w->wait);
	*w = (struct objective_window){ 0 };
}

static int window_init(struct objective_window *w, const struct objective *o)
{
	*w = (struct objective_window){ .indicator = o->indicator, .window_ns = o->window_ns };
	stall_window_init(&w->stall, o->window_ns);
	return o->indicator == INDICATOR_RUNQUEUE_WAIT ? wait_window_init(&w->wait, o->window_ns)
						       : 0;
}

static void followed_fini(struct followed *f)
{
	for (unsigned int i = 0; i < f->n_windows; i++)
		window_fini(&f->windows[i]);
	free(f->culprit_ns);
	free(f->name);
	*f = (struct followed){ 0 };
}

void followed_free(struct followed *all, unsigned int n)
{
	for (unsigned int i = 0; all && i < n; i++)
		followed_fini(&all[i]);
	free(all);
}

static int followed_init(struct followed *f, const struct model *model)
{
	*f = (struct followed){ .name = strdup(model->name) };
	if (!f->name)
		return -ENOMEM;
	for (unsigned int i = 0; i < model->n_objectives; i++) {
		if (window_init(&f->windows[i], &model->objectives[i]) < 0)
			return -ENOMEM;
		f->n_windows++;
	}
	return 0;
}

/* A window of the same length over the same indicator goes on, whatever its quantile and budget. */
static void window_inherit(struct objective_window *w, struct followed *old)
{
	for (unsigned int i = 0; i < old->n_windows; i++) {
		struct objective_window *o = &old->windows[i], swap = *w;

		if (o->indicator != w->indicator || o->window_ns != w->window_ns)
			continue;
		*w = *o;
		*o = swap;
		o->window_ns = 0; /* given away: two objectives may share their form */
		return;
	}
}

static void followed_inherit(struct followed *f, struct followed *old)
{
	for (unsigned int i = 0; i < f->n_windows; i++)
		window_inherit(&f->windows[i], old);
	f->has_slot = old->has_slot;
	f->slot = old->slot;
	f->has_last = old->has_last;
	f->last = old->last;
	f->culprit_ns = TAKE_PTR(old->culprit_ns);
	f->n_culprits = old->n_culprits;
}

void models_init(struct models *m, struct probes *probes)
{
	*m = (struct models){ .probes = probes };
}

static void followed_unslot(struct followed *f)
{
	f->has_slot = f->has_last = false;
	f->last = (struct probe_totals){ 0 };
	f->n_culprits = 0;
}

void models_switch(struct models *m, struct probes *probes)
{
	for (unsigned int i = 0; i < m->n_models; i++)
		followed_unslot(&m->all[i]);
	m->probes = probes;
}

void models_fini(struct models *m)
{
	followed_free(m->all, m->n_models);
	models_init(m, NULL);
}

/* The longest wait that is no breach, 0 when the model promises nothing about waits. */
static uint64_t model_wait_limit_ns(const struct model *model)
{
	uint64_t smallest = 0;

	for (unsigned int i = 0; i < model->n_objectives; i++) {
		const struct objective *o = &model->objectives[i];

		if (o->indicator == INDICATOR_RUNQUEUE_WAIT && o->budget > 0)
			smallest = smallest ? MIN(smallest, o->budget) : o->budget;
	}
	return smallest > UINT64_MAX / BREACH_FACTOR ? 0 : smallest * BREACH_FACTOR;
}

/* Gives each model its slot, and each slot its model. */
static void slots_take(struct models *m, struct err *problem)
{
	for (unsigned int slot = 0; slot < MAX_SLOTS; slot++)
		m->model_of_slot[slot] = MODEL_NONE;
	m->n_slots = SLOT_FIRST_MODEL;
	for (uint32_t i = 0; m->probes && i < m->n_models; i++) {
		struct followed *f = &m->all[i];
		unsigned int slot = SLOT_OTHER;
		int r = probes_model(m->probes, f->name, model_wait_limit_ns(&m->policy->models[i]),
				     &slot, problem);

		if (r == 0 && slot >= MAX_SLOTS)
			r = err_say(problem, -ENOSPC, "no slot of the sampler for model %s",
				    f->name);
		if (!f->has_slot || f->slot != slot)
			followed_unslot(f);
		f->has_slot = r == 0;
		f->slot = slot;
		if (!f->has_slot)
			continue;
		m->model_of_slot[slot] = i;
		m->n_slots = MAX(m->n_slots, slot + 1);
	}
}

void models_map(const struct models *m, const struct policy *policy, uint32_t *ret_map)
{
	for (unsigned int i = 0; i < m->n_models; i++)
		if (policy_find(policy, m->all[i].name, &ret_map[i]) < 0)
			ret_map[i] = MODEL_NONE;
}

int models_prepare(const struct policy *policy, struct followed **ret_all, struct err *e)
{
	struct followed *all = calloc(MAX(policy->n_models, 1u), sizeof(*all));
	int r = all ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < policy->n_models && r == 0; i++)
		r = followed_init(&all[i], &policy->models[i]);
	if (r < 0) {
		followed_free(all, policy->n_models);
		return err_set(e, r, "follow %u models", policy->n_models);
	}
	*ret_all = all;
	return 0;
}

void models_follow(struct models *m, const struct policy *policy, struct followed *take_all,
		   const uint32_t *map, struct err *problem)
{
	for (unsigned int i = 0; i < m->n_models; i++) {
		struct followed *old = &m->all[i];

		if (map[i] != MODEL_NONE)
			followed_inherit(&take_all[map[i]], old);
		else if (old->has_slot)
			probes_forget(m->probes, old->slot);
	}
	followed_free(m->all, m->n_models);
	m->all = take_all;
	m->n_models = policy->n_models;
	m->policy = policy;
	slots_take(m, problem);
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static const size_t counter_fields[N_COUNTERS] = {
#define X(tag, field) [COUNTER_##tag] = offsetof(struct model_reading, field),
	COUNTERS(X)
#undef X
};
static const size_t level_fields[N_LEVELS] = {
#define X(tag, field) [LEVEL_##tag] = offsetof(struct model_reading, field),
	LEVELS(X)
#undef X
};

static uint64_t *field_at(struct model_reading *reading, size_t offset)
{
	return (uint64_t *)((char *)reading + offset);
}

/* A sum with a missing part is missing: a part of the truth would look like the whole of it. */
static uint64_t sum_add(uint64_t sum, uint64_t value)
{
	return sum == MISSING || value == MISSING ? MISSING : sum + value;
}

static uint64_t place_difference(const struct place *p, enum counter c)
{
	return p->has_last ? counter_difference(p->last.counters[c], p->now.counters[c]) : MISSING;
}

/* The one thing the kernel counts for a cgroup and not for its subtree (measured on 6.1). */
static bool counter_is_local(enum counter c)
{
	return c == COUNTER_THROTTLED || c == COUNTER_THROTTLED_PERIODS;
}

/* A nested place has numbers of its own only where the kernel does not sum up the subtree. */
static uint64_t subtree_sum(struct place *const *places, unsigned int n, enum counter c)
{
	uint64_t sum = 0;
	bool is_any = false;

	for (unsigned int i = 0; i < n; i++) {
		if (places[i]->is_nested)
			continue;
		sum = sum_add(sum, place_difference(places[i], c));
		is_any = true;
	}
	return is_any ? sum : MISSING;
}

/* Where the cpu controller is not enabled there is no quota, so nothing is missing there. */
static uint64_t local_sum(struct place *const *places, unsigned int n, enum counter c)
{
	uint64_t sum = MISSING;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t difference = place_difference(places[i], c);

		if (difference != MISSING)
			sum = sum == MISSING ? difference : sum + difference;
	}
	return sum;
}

static void places_read(struct place *const *places, unsigned int n,
			struct model_reading *ret_reading)
{
	for (unsigned int c = 0; c < N_COUNTERS; c++) {
		uint64_t sum = counter_is_local((enum counter)c)
				       ? local_sum(places, n, (enum counter)c)
				       : subtree_sum(places, n, (enum counter)c);

		*field_at(ret_reading, counter_fields[c]) = sum;
	}
	for (unsigned int l = 0; l < N_LEVELS; l++) {
		uint64_t sum = 0;
		bool is_any = false;

		for (unsigned int i = 0; i < n; i++) {
			if (places[i]->is_nested)
				continue;
			sum = sum_add(sum, places[i]->now.levels[l]);
			is_any = true;
		}
		*field_at(ret_reading, level_fields[l]) = is_any ? sum : MISSING;
	}
}

/* ---- sampler --------------------------------------------------------------------------------- */

static void sampler_missing(struct model_reading *r)
{
	r->waits = r->wait_ns = r->own_quota_ns = MISSING;
	r->wait_p50_ns = r->wait_p99_ns = r->wait_max_ns = MISSING;
	r->breaches = r->run_ns = r->involuntary = MISSING;
	r->culprit = MODEL_NONE;
	r->culprit_permyriad = MISSING;
}

/* This tick's waits by length, also into the model's windows. How many there are. */
static uint64_t waits_spread(struct followed *f, const struct probe_totals *now, uint32_t *counts)
{
	uint64_t n = 0;

	memset(counts, 0, WAIT_SLOTS * sizeof(*counts));
	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++) {
		uint64_t grown = counter_difference(f->last.histogram[slot], now->histogram[slot]);

		if (grown == 0)
			continue;
		counts[slot] = (uint32_t)MIN(grown, (uint64_t)UINT32_MAX);
		n += counts[slot];
		for (unsigned int i = 0; i < f->n_windows; i++)
			if (f->windows[i].indicator == INDICATOR_RUNQUEUE_WAIT)
				wait_window_add(&f->windows[i].wait, slot, grown);
	}
	return n;
}

static void waits_read(struct followed *f, const struct probe_totals *now, struct model_reading *r)
{
	uint32_t counts[WAIT_SLOTS];
	uint64_t n = waits_spread(f, now, counts);

	r->wait_p50_ns = wait_quantile_ns(counts, n, PERMYRIAD / 2);
	r->wait_p99_ns = wait_quantile_ns(counts, n, PERMYRIAD * 99 / 100);
	r->wait_max_ns = wait_quantile_ns(counts, n, PERMYRIAD);
}

/* Room for the culprits of all slots; when it grows, the totals before are not known. */
static bool culprits_prepare(const struct models *m, struct followed *f)
{
	if (f->n_culprits >= m->n_slots)
		return true;
	uint64_t *larger = realloc(f->culprit_ns, m->n_slots * sizeof(*larger));

	if (!larger)
		return false;
	f->culprit_ns = larger;
	f->n_culprits = 0;
	return true;
}

/*
 * Who ran while the model's threads waited: the one with the largest part, itself included, because
 * its own threads crowding each other is an answer too. Ties go to the lower index.
 */
static void culprit_find(const struct models *m, const uint64_t *grown_ns, struct model_reading *r)
{
	uint64_t total_ns = 0, largest_ns = 0;

	for (unsigned int slot = 0; slot < m->n_slots; slot++) {
		uint32_t model = m->model_of_slot[slot];

		total_ns += grown_ns[slot];
		if (grown_ns[slot] < largest_ns || grown_ns[slot] == 0)
			continue;
		if (grown_ns[slot] > largest_ns || model < r->culprit)
			r->culprit = model;
		largest_ns = grown_ns[slot];
	}
	r->culprit_permyriad =
		total_ns ? (uint64_t)((unsigned __int128)largest_ns * PERMYRIAD / total_ns) : 0;
}

static void culprits_read(struct models *m, struct followed *f, struct model_reading *r)
{
	struct err ignored = { 0 }; /* MISSING says it */
	bool is_known = f->n_culprits >= m->n_slots;

	if (is_known && r->wait_ns == 0) {
		r->culprit_permyriad = 0;
		return;
	}
	if (!culprits_prepare(m, f) ||
	    probes_culprits(m->probes, f->slot, m->scratch, m->n_slots, &ignored) < 0)
		return;
	for (unsigned int slot = 0; slot < m->n_slots; slot++) {
		uint64_t now_ns = m->scratch[slot];

		m->scratch[slot] = is_known ? counter_difference(f->culprit_ns[slot], now_ns) : 0;
		f->culprit_ns[slot] = now_ns;
	}
	f->n_culprits = m->n_slots;
	if (is_known)
		culprit_find(m, m->scratch, r);
}

static void sampler_read(struct models *m, struct followed *f, uint64_t span_ns,
			 struct model_reading *r)
{
	struct probe_totals now = f->last;

	sampler_missing(r);
	if (!f->has_slot)
		return;
	probes_read(m->probes, f->slot, &now);
	if (f->has_last && span_ns > 0) {
		r->waits = counter_difference(f->last.waits, now.waits);
		r->wait_ns = counter_difference(f->last.wait_ns, now.wait_ns);
		r->own_quota_ns = counter_difference(f->last.own_quota_ns, now.own_quota_ns);
		r->run_ns = counter_difference(f->last.run_ns, now.run_ns);
		r->involuntary = counter_difference(f->last.involuntary, now.involuntary);
		r->breaches = counter_difference(f->last.breaches, now.breaches);
		waits_read(f, &now, r);
	}
	f->last = now;
	f->has_last = true;
	culprits_read(m, f, r);
}

/* ---- objectives ------------------------------------------------------------------------------ */

/* Is there a place whose pressure cannot be read now? */
static bool has_unreadable_pressure(struct place *const *places, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (!places[i]->is_nested &&
		    places[i]->now.counters[COUNTER_MEMORY_SOME] == MISSING)
			return true;
	return false;
}

static void windows_advance(struct followed *f, uint64_t now_ns)
{
	for (unsigned int i = 0; i < f->n_windows; i++) {
		if (f->windows[i].indicator == INDICATOR_RUNQUEUE_WAIT)
			wait_window_advance(&f->windows[i].wait, now_ns);
		else
			stall_window_advance(&f->windows[i].stall, now_ns);
	}
}

static void stalls_spread(struct followed *f, uint64_t stall_ns, uint64_t span_ns)
{
	if (stall_ns == MISSING || span_ns == 0)
		return;
	for (unsigned int i = 0; i < f->n_windows; i++)
		if (f->windows[i].indicator == INDICATOR_MEMORY_STALL)
			stall_window_add(&f->windows[i].stall, stall_ns, span_ns);
}

/* Without samples there is nothing to judge, which is no gap: the sensor works and saw nothing. */
static struct reading objective_reading(uint64_t observed, uint64_t samples)
{
	return (struct reading){ .observed = samples ? observed : 0, .samples = samples };
}

static struct reading wait_objective(const struct followed *f, const struct wait_window *w,
				     uint64_t quantile_permyriad)
{
	if (!f->has_slot)
		return (struct reading){ MISSING, MISSING };
	return objective_reading(wait_quantile_ns(w->sum, w->n, quantile_permyriad), w->n);
}

static struct reading stall_objective(const struct stall_window *w, bool is_readable)
{
	uint64_t ticks;
	uint64_t share = stall_window_share(w, &ticks);

	if (!is_readable)
		return (struct reading){ MISSING, MISSING };
	return objective_reading(share, ticks);
}

void model_read(struct models *m, uint32_t i, struct place *const *places, unsigned int n_places,
		uint64_t now_ns, uint64_t span_ns, struct model_reading *ret_reading)
{
	struct followed *f = &m->all[i];
	const struct model *model = &m->policy->models[i];
	bool has_pressure = !has_unreadable_pressure(places, n_places);

	*ret_reading = (struct model_reading){ 0 };
	windows_advance(f, now_ns);
	places_read(places, n_places, ret_reading);
	stalls_spread(f, ret_reading->memory_some_ns, span_ns);
	sampler_read(m, f, span_ns, ret_reading);
	for (unsigned int o = 0; o < MAX_OBJECTIVES; o++) {
		struct reading *objective = &ret_reading->objectives[o];

		if (o >= f->n_windows || f->windows[o].indicator == INDICATOR_REQUEST_LATENCY)
			*objective = (struct reading){ MISSING, MISSING };
		else if (f->windows[o].indicator == INDICATOR_RUNQUEUE_WAIT)
			*objective = wait_objective(f, &f->windows[o].wait,
						    model->objectives[o].quantile_permyriad);
		else
			*objective = stall_objective(&f->windows[o].stall, has_pressure);
	}
}
