/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps experiments within the budget that all of them share (limits.experiments), as caps on
 * cpu.max and memory.max. Those that `modelgov run` and `attach` start live in a slice of their
 * own, whose limits act sets; here are those that are matched elsewhere, where no slice holds them
 * together:
 *
 *   parts  = experiments with a match + 1 for all without one (the slice), if there are any
 *   cap    = budget / parts, shared evenly by the model's cgroups
 *
 * Fixed parts, because together they never exceed the budget, whoever is idle.
 */
#include "desk.h"

#define QUOTA_LEAST_USEC 1000ULL /* a period's quota: tg_set_cfs_bandwidth() refuses less */

static bool is_elsewhere(const struct model *m)
{
	return m->n_units + m->n_cgroups + m->containers.n > 0;
}

static uint64_t experiments_parts(const struct policy *policy)
{
	uint64_t parts = 0;
	bool has_slice = false;

	for (uint32_t i = 0; i < policy->n_models; i++) {
		const struct model *m = &policy->models[i];

		if (m->stage != STAGE_EXPERIMENT)
			continue;
		parts += is_elsewhere(m);
		has_slice |= !is_elsewhere(m);
	}
	return MAX(parts + has_slice, 1ULL);
}

/* At least what the kernel takes. */
static uint64_t quota_part(uint64_t quota, uint64_t parts)
{
	return MAX(quota / parts, QUOTA_LEAST_USEC);
}

uint64_t experiments_quota(const struct policy *policy, uint64_t cpus)
{
	uint64_t share = policy->host.experiment_cpu_permyriad;

	if (share == 0 || share >= PERMYRIAD || cpus == 0)
		return VALUE_MAX;
	return quota_part(MIN(cpus, 1000000ULL) * CPU_PERIOD_USEC * share / PERMYRIAD,
			  experiments_parts(policy));
}

uint64_t experiments_memory(const struct policy *policy)
{
	uint64_t bytes = policy->host.experiment_memory_bytes;

	return bytes == 0 || bytes >= MISSING ? VALUE_MAX : bytes / experiments_parts(policy);
}

/* Cgroups of each model whose cpu.max and memory.max are ours to set. */
static void places_count(struct turn *t)
{
	for (uint32_t i = 0; i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		if (target->model >= t->n || target->driver == DRIVER_OBSERVE)
			continue;
		t->desks[target->model].n_quotas += !!(target->knobs & 1u << KNOB_CPU_MAX);
		t->desks[target->model].n_limits += !!(target->knobs & 1u << KNOB_MEMORY_MAX);
	}
}

void turn_confine(struct turn *t)
{
	uint64_t quota = experiments_quota(t->policy, t->state->cpus);
	uint64_t bytes = experiments_memory(t->policy);

	places_count(t);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct model *m = &t->policy->models[i];
		struct desk *d = &t->desks[i];

		for (unsigned int k = 0; k < N_KNOBS; k++)
			d->caps[k] = VALUE_MAX;
		if (m->stage != STAGE_EXPERIMENT || !is_elsewhere(m))
			continue;
		if (quota != VALUE_MAX)
			d->caps[KNOB_CPU_MAX] = quota_part(quota, MAX(d->n_quotas, 1u));
		if (bytes != VALUE_MAX)
			d->caps[KNOB_MEMORY_MAX] = bytes / MAX(d->n_limits, 1u);
	}
}
