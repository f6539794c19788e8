/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From levels to weights that keep every promise: floor and reserved share, counted as the model's
 * part of the sum of all governed weights. Decides no level; feedback.c and policy do.
 *
 * A weight is relative, so raising one model to 20 % of the sum makes the sum larger, and the next
 * model's 20 % with it. Wanted is the smallest total T with
 *
 *     sum over models of n * max(weight of the level, ceil(share * T / n))  <=  T      n: cgroups
 *
 * because then each model has its share of T, and so of the true sum, which is not above T. As all
 * shares together are at most GUARANTEE_LIMIT (95 %), (levels' weights + cgroups) / 5 % is large
 * enough, so there is a smallest one.
 *
 * Models without a cgroup count as one: weights of the others do not move when a model starts or
 * stops.
 */
#include "desk.h"

#define PPM                 1000000ULL
#define WEIGHT_MAX          10000ULL /* cgroup-v2.rst, cpu.weight */
#define CGROUPS_COUNTED     10000u   /* more are not told apart: keeps 1024 models inside 64 bits */
#define GUARANTEE_LIMIT_PPM (LAW_GUARANTEE_LIMIT * (PPM / PERMYRIAD))

/* ---- promises ---------------------------------------------------------------------------- */

static uint64_t reserved_ppm(const struct turn *t, uint32_t model)
{
	uint64_t reserved = t->policy->models[model].cpu_reserved_millicpu;
	uint64_t cpus = MIN(t->state->cpus, 1000000ULL);

	/* a share of the host, reserved, is taken from production: experiments have none */
	if (cpus == 0 || class_of(t, model) == CLASS_EXPERIMENT)
		return 0;
	return (MIN(reserved, cpus * 1000) * 1000 + cpus - 1) / cpus;
}

/* Who was starved is promised twice its floor, of what nobody else was promised. */
static void grants_promise(struct turn *t, uint64_t room)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct desk *d = &t->desks[i];
		uint64_t grant = MIN(d->floor_ppm, room);

		if (!is_granted(t, i) || class_of(t, i) == CLASS_EXPERIMENT)
			continue;
		d->share_ppm += grant;
		room -= grant;
	}
}

/*
 * Floors in full up to the limit, then reserved shares as far as there is room: a floor is a law, a
 * reserved share is a wish that policy has to keep within the host.
 */
void turn_promise(struct turn *t)
{
	uint64_t floors = 0, extras = 0, room;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct model *m = &t->policy->models[i];
		struct desk *d = &t->desks[i];

		d->floor_ppm = MIN(m->cpu_floor_permyriad, PERMYRIAD) * (PPM / PERMYRIAD);
		floors += d->floor_ppm;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		struct desk *d = &t->desks[i];
		uint64_t reserved = reserved_ppm(t, i);

		if (floors > GUARANTEE_LIMIT_PPM)
			d->floor_ppm = d->floor_ppm * GUARANTEE_LIMIT_PPM / floors;
		d->share_ppm = MAX(reserved, d->floor_ppm);
		extras += d->share_ppm - d->floor_ppm;
	}
	room = GUARANTEE_LIMIT_PPM - MIN(floors, GUARANTEE_LIMIT_PPM);
	if (extras <= room) {
		grants_promise(t, room - extras);
		return;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		struct desk *d = &t->desks[i];

		d->share_ppm = d->floor_ppm + (d->share_ppm - d->floor_ppm) * room / extras;
	}
}

/* ---- the smallest total ------------------------------------------------------------------ */

static uint64_t cgroups_counted(const struct desk *d)
{
	return d->n_cgroups == 0 ? 1 : MIN(d->n_cgroups, CGROUPS_COUNTED);
}

/* Weight of each of the model's cgroups so that together they have that share of the total. */
static uint64_t share_weight(const struct desk *d, uint64_t share_ppm, uint64_t total)
{
	uint64_t parts = cgroups_counted(d) * PPM;

	return share_ppm ? (share_ppm * total + parts - 1) / parts : 0;
}

static uint64_t weight_unclamped(const struct desk *d, int32_t level, const struct balance *b)
{
	uint64_t promised = MAX(share_weight(d, d->share_ppm, b->total), d->pin);

	return MAX(ladder_weight(level - b->shift), promised);
}

static int32_t level_of(const struct desk *d, bool is_policy)
{
	return is_policy ? d->base : d->level;
}

static uint64_t weights_sum(const struct turn *t, bool is_policy, const struct balance *b)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct desk *d = &t->desks[i];

		sum += cgroups_counted(d) * weight_unclamped(d, level_of(d, is_policy), b);
	}
	return sum;
}

/*
 * The same without rounding, from below: who is raised at this total, and the total at which these
 * have exactly their shares and the others their levels. More may be raised there, so again; a
 * handful of rounds.
 */
static uint64_t total_estimate(const struct turn *t, bool is_policy, int32_t shift)
{
	uint64_t total = 0;

	for (;;) {
		uint64_t level_weights = 0, raised_ppm = 0, next;

		for (uint32_t i = 0; i < t->n; i++) {
			const struct desk *d = &t->desks[i];
			uint64_t weight =
				cgroups_counted(d) * ladder_weight(level_of(d, is_policy) - shift);

			if (d->share_ppm * total > weight * PPM)
				raised_ppm += d->share_ppm;
			else
				level_weights += weight;
		}
		next = level_weights * PPM / (PPM - raised_ppm);
		if (next <= total)
			return total;
		total = next;
	}
}

/* Then with rounding: each round adds less than the one before, and the first that adds nothing is
 * it. */
static void total_find(const struct turn *t, bool is_policy, struct balance *b)
{
	uint64_t sum = total_estimate(t, is_policy, b->shift);

	do {
		b->total = sum;
		sum = weights_sum(t, is_policy, b);
	} while (sum > b->total);
}

static uint64_t weight_largest(const struct turn *t, bool is_policy, const struct balance *b)
{
	uint64_t largest = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct desk *d = &t->desks[i];

		largest = MAX(largest, weight_unclamped(d, level_of(d, is_policy), b));
	}
	return largest;
}

/*
 * Where a promise needs more than the largest weight, all levels go down together: ratios stay as
 * far as the bottom of the ladder allows.
 */
struct balance balance_find(const struct turn *t, bool is_policy)
{
	struct balance b = { 0 };

	total_find(t, is_policy, &b);
	while (b.shift < LADDER_LEVELS - 1 && weight_largest(t, is_policy, &b) > WEIGHT_MAX) {
		b.shift++;
		total_find(t, is_policy, &b);
	}
	return b;
}

/* ---- what it means for one model --------------------------------------------------------- */

uint64_t balance_weight(const struct desk *d, int32_t level, const struct balance *b)
{
	return MIN(weight_unclamped(d, level, b), WEIGHT_MAX);
}

/* The level that the weight amounts to. */
int32_t balance_level(const struct desk *d, int32_t level, const struct balance *b)
{
	uint64_t weight = balance_weight(d, level, b);

	if (weight > ladder_weight(level - b->shift))
		return ladder_level(weight);
	return MAX(level - b->shift, 0);
}

/* The highest level at which the promise binds: going further down changes nothing. */
int32_t balance_end(const struct desk *d, const struct balance *b)
{
	uint64_t weight = MAX(share_weight(d, d->share_ppm, b->total), 1ULL);

	return MIN(ladder_level(weight) + b->shift, LADDER_LEVELS - 1);
}

bool balance_is_floored(const struct desk *d, int32_t level, const struct balance *b)
{
	return share_weight(d, d->floor_ppm, b->total) > ladder_weight(level - b->shift);
}
