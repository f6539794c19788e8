/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs are whose: sets against the host, against what is reserved in them, and dedicated ones
 * against everybody else's. How a set may be written is the key table's.
 */
#include "checker.h"

#include <inttypes.h>

#define MAX_CPUS 8192 /* NR_CPUS of the largest kernels that distributions build */

struct cpu_set {
	uint64_t bits[MAX_CPUS / 64];
	uint64_t n, highest;
};

static bool set_has(const struct cpu_set *set, unsigned int cpu)
{
	return set->bits[cpu / 64] & 1ULL << cpu % 64;
}

/* "0-3,8"; false when it is not of that form, which reading has refused before. */
static bool set_parse(const char *text, struct cpu_set *ret_set)
{
	struct cpu_set set = { 0 };

	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first > last || last >= MAX_CPUS || end == text || (*end && *end != ','))
			return false;
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			set.n += !set_has(&set, (unsigned int)cpu);
			set.bits[cpu / 64] |= 1ULL << cpu % 64;
		}
		set.highest = MAX(set.highest, (uint64_t)last);
		text = end + (*end == ',');
	}
	*ret_set = set;
	return set.n > 0;
}

/* The CPUs are numbered from 0, as long as none is off line. */
static void host_check(const struct checker *c, uint32_t model, const struct cpu_set *set)
{
	const struct model *m = &c->policy->models[model];
	char text[32];

	if (c->facts->cpus > 0 && set->highest >= c->facts->cpus)
		check_error(c, model, "resources.cpuset.cpus",
			    "CPU %" PRIu64 " of '%s' does not exist; this host has 0 to %" PRIu64,
			    set->highest, m->cpuset, c->facts->cpus - 1);
	if (m->cpu_reserved_millicpu > set->n * 1000)
		check_error(c, model, "resources.cpu.reserved",
			    "%s is more than the %" PRIu64 " CPU%s of resources.cpuset.cpus '%s'; "
			    "reserve less, or give it more CPUs",
			    cpus_format(m->cpu_reserved_millicpu, text, sizeof(text)), set->n,
			    set->n == 1 ? "" : "s", m->cpuset);
}

/* Owner of each CPU that is dedicated; the first who says so. */
static void dedicated_claim(const struct checker *c, uint32_t model, const struct cpu_set *set,
			    uint32_t *owners)
{
	for (unsigned int cpu = 0; cpu <= set->highest; cpu++)
		if (set_has(set, cpu) && owners[cpu] == MODEL_NONE)
			owners[cpu] = model;
}

static void dedicated_check(const struct checker *c, uint32_t model, const struct cpu_set *set,
			    const uint32_t *owners)
{
	for (unsigned int cpu = 0; cpu <= set->highest; cpu++) {
		uint32_t owner = set_has(set, cpu) ? owners[cpu] : MODEL_NONE;

		if (owner == MODEL_NONE || owner == model)
			continue;
		const char *place = check_place(c, owner, "resources.cpuset.cpus");

		check_error(c, model, "resources.cpuset.cpus",
			    "CPU %u of '%s' is dedicated to model %s%s%s%s; take another one, or "
			    "leave dedicated out there",
			    cpu, c->policy->models[model].cpuset, checker_name(c, owner),
			    *place ? " (" : "", place, *place ? ")" : "");
		return;
	}
}

int cpusets_check(const struct checker *c)
{
	const struct policy *p = c->policy;
	uint32_t *owners = arena_new(c->scratch, uint32_t, MAX_CPUS);
	struct cpu_set set;

	if (!owners)
		return -ENOMEM;
	memset(owners, 0xff, sizeof(*owners) * MAX_CPUS); /* MODEL_NONE */
	for (uint32_t i = 0; i < p->n_models; i++) {
		if (!set_parse(p->models[i].cpuset, &set))
			continue;
		host_check(c, i, &set);
		if (p->models[i].is_dedicated)
			dedicated_claim(c, i, &set, owners);
	}
	for (uint32_t i = 0; i < p->n_models; i++)
		if (set_parse(p->models[i].cpuset, &set))
			dedicated_check(c, i, &set, owners);
	return 0;
}
