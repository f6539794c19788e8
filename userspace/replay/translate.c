/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One policy's observation as another policy sees it. Judges nothing.
 */
#include "parameter.h"

#include <assert.h>
#include <errno.h>

int64_t parameter_value(const char *name)
{
	for (unsigned int i = 0; i < n_parameters; i++)
		if (strcmp(parameter_table[i].name, name) == 0)
			return parameter_table[i].value;
	assert(!"the law has no parameter of that name");
	return 0;
}

/* Every reading MISSING: never observed. */
static void reading_clear(struct model_reading *r)
{
	*r = (struct model_reading){
		.waits = MISSING,
		.wait_ns = MISSING,
		.own_quota_ns = MISSING,
		.wait_p50_ns = MISSING,
		.wait_p99_ns = MISSING,
		.wait_max_ns = MISSING,
		.breaches = MISSING,
		.run_ns = MISSING,
		.involuntary = MISSING,
		.culprit = MODEL_NONE,
		.culprit_permyriad = MISSING,
		.cpu_usage_ns = MISSING,
		.throttled_ns = MISSING,
		.throttled_periods = MISSING,
		.cpu_some_ns = MISSING,
		.memory_some_ns = MISSING,
		.memory_full_ns = MISSING,
		.io_some_ns = MISSING,
		.memory_bytes = MISSING,
		.memory_file_bytes = MISSING,
		.memory_high_events = MISSING,
		.memory_max_events = MISSING,
		.oom_kills = MISSING,
		.major_faults = MISSING,
		.refaults = MISSING,
		.processes = MISSING,
	};
	for (unsigned int k = 0; k < MAX_OBJECTIVES; k++)
		r->objectives[k] = (struct reading){ MISSING, MISSING };
}

static bool objective_equals(const struct objective *a, const struct objective *b)
{
	return a->indicator == b->indicator && a->quantile_permyriad == b->quantile_permyriad &&
	       a->window_ns == b->window_ns;
}

static void objectives_translate(const struct model_reading *read, const struct model *from,
				 const struct model *to, struct model_reading *ret_reading)
{
	for (unsigned int k = 0; k < MAX_OBJECTIVES; k++)
		ret_reading->objectives[k] = (struct reading){ MISSING, MISSING };
	for (unsigned int k = 0; k < to->n_objectives; k++)
		for (unsigned int j = 0; j < from->n_objectives; j++)
			if (objective_equals(&to->objectives[k], &from->objectives[j]))
				ret_reading->objectives[k] = read->objectives[j];
}

/* By model of from: its index in to, or MODEL_NONE. */
static uint32_t *models_map(const struct policy *from, const struct policy *to, struct arena *arena)
{
	uint32_t *map = arena_new(arena, uint32_t, from->n_models + 1);

	for (uint32_t i = 0; map && i < from->n_models; i++)
		if (policy_find(to, from->models[i].name, &map[i]) < 0)
			map[i] = MODEL_NONE;
	return map;
}

static void models_translate(const struct observation *now, const struct policy *from,
			     const struct policy *to, const uint32_t *map, struct observation *o)
{
	for (uint32_t i = 0; i < to->n_models; i++)
		reading_clear(&o->models[i]);
	for (uint32_t i = 0; i < from->n_models; i++) {
		const struct model_reading *read = &now->models[i];
		struct model_reading *r;

		if (map[i] == MODEL_NONE)
			continue;
		r = &o->models[map[i]];
		*r = *read;
		r->culprit = read->culprit < from->n_models ? map[read->culprit] : MODEL_NONE;
		if (r->culprit == MODEL_NONE)
			r->culprit_permyriad = MISSING;
		objectives_translate(read, &from->models[i], &to->models[map[i]], r);
	}
}

int observation_translate(const struct observation *now, const struct policy *from,
			  const struct policy *to, struct arena *arena,
			  struct observation **ret_now)
{
	struct observation *o = arena_new(arena, struct observation, 1);
	uint32_t *map = models_map(from, to, arena);

	assert(now->n_models == from->n_models);
	if (!o || !map)
		return -ENOMEM;
	*o = *now;
	o->n_models = to->n_models;
	o->models = arena_new(arena, struct model_reading, to->n_models + 1);
	o->targets = arena_new(arena, struct target, now->n_targets + 1);
	if (!o->models || !o->targets)
		return -ENOMEM;
	models_translate(now, from, to, map, o);
	o->n_targets = 0;
	/* both policies are ordered by name, so the order of targets stays */
	for (uint32_t i = 0; i < now->n_targets; i++) {
		const struct target *t = &now->targets[i];

		if (t->model >= from->n_models || map[t->model] == MODEL_NONE)
			continue;
		o->targets[o->n_targets] = *t;
		o->targets[o->n_targets++].model = map[t->model];
	}
	*ret_now = o;
	return 0;
}
