/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated host: loads, one scheduler, what is measured of it. Judges nothing.
 */
#include "world.h"

#define TICK_NS    NSEC_PER_SEC
#define SLOT_NS    (TICK_NS / WORLD_SLOTS)
#define SLICE_NS   (3 * NSEC_PER_MSEC) /* EEVDF's base slice on small hosts */
#define WAKE_UP_NS (30 * NSEC_PER_USEC)

/* ---- chance ------------------------------------------------------------------------------ */

/* xorshift64*, Marsaglia 2003, Vigna 2016 */
uint64_t world_random(struct world *w, uint64_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * 0x2545f4914f6cdd1dULL >> 16) % below;
}

bool world_chance(struct world *w, unsigned int percent)
{
	return world_random(w, 100) < percent;
}

/* ---- models ------------------------------------------------------------------------------ */

void world_load(struct world *w, uint32_t model)
{
	struct load *l = &w->loads[model];

	l->threads = 1 + world_random(w, 2 * w->now.host.cpus);
	l->service_ns = NSEC_PER_MSEC + world_random(w, 40 * NSEC_PER_MSEC);
	l->rate = world_chance(w, 30) ? 0 : 1 + world_random(w, 60 * w->now.host.cpus);
	l->backlog_ns = 0;
}

void world_restart(struct world *w, uint32_t model)
{
	for (uint32_t i = 0; i < w->now.n_targets; i++) {
		struct target *t = &w->targets[i];

		if (t->model != model)
			continue;
		t->cgroup_id = w->next_id++;
		for (unsigned int k = 0; k < N_KNOBS; k++) {
			t->values[k] =
				k == KNOB_CPU_WEIGHT || k == KNOB_IO_WEIGHT ? 100 : VALUE_MAX;
			t->written[k] = MISSING;
		}
	}
	w->loads[model].backlog_ns = 0;
}

/* Floors of all together are at most 80 % of the host. */
static void model_make(struct world *w, uint32_t model)
{
	static const char *const names[WORLD_MODELS] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct model *m = &w->models[model];

	*m = (struct model){ .name = names[model],
			     .class = (enum model_class)world_random(w, N_CLASSES),
			     .priority = (int32_t)world_random(w, 21) - 10,
			     .cpu_floor_permyriad = 100 + world_random(w, 900),
			     .n_objectives = world_chance(w, 60),
			     .stage = world_chance(w, 10) ? STAGE_EXPERIMENT : STAGE_PRODUCTION };
	m->objectives[0] = (struct objective){ .indicator = INDICATOR_RUNQUEUE_WAIT,
					       .quantile_permyriad = 9900,
					       .budget = NSEC_PER_MSEC / 2 +
							 world_random(w, 20 * NSEC_PER_MSEC),
					       .window_ns = WORLD_WINDOW * TICK_NS };
	m->preemption = (struct preemption){ .may = (uint32_t)world_random(w, 1 << N_CLASSES),
					     .by = (uint32_t)world_random(w, 1 << N_CLASSES),
					     .how = world_chance(w, 70) ? 1u << WAY_CAP : 0 };
	for (unsigned int k = 0; k < N_KNOBS; k++)
		m->values[k] = MISSING;
	w->targets[model] = (struct target){ .model = model,
					     .knobs = 1u << KNOB_CPU_WEIGHT | 1u << KNOB_CPU_MAX,
					     .driver = DRIVER_SYSTEMD,
					     .path = "/x",
					     .unit = "" };
	world_restart(w, model);
	world_load(w, model);
}

struct world *world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->seed = seed;
	w->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	w->next_id = 1000;
	w->policy.host = (struct host_policy){ .mode = MODE_ENFORCE, .tick_ns = TICK_NS };
	w->policy.models = w->models;
	w->policy.n_models = 1 + (uint32_t)world_random(w, WORLD_MODELS);
	w->now = (struct observation){ .taken_ns = 3600 * TICK_NS,
				       .n_models = w->policy.n_models,
				       .models = w->readings,
				       .n_targets = w->policy.n_models,
				       .targets = w->targets };
	w->now.host.cpus = 1 + world_random(w, 8);
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		model_make(w, i);
	if (state_init(&w->state, w->policy.n_models) == 0 &&
	    plan_init(&w->plan, w->policy.n_models, WORLD_MODELS * N_KNOBS) == 0)
		return w;
	world_free(w);
	return NULL;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	plan_fini(&w->plan);
	state_fini(&w->state);
	free(w);
}

void world_shuffle(struct world *w)
{
	for (uint32_t i = w->now.n_targets; i > 1; i--) {
		uint32_t j = (uint32_t)world_random(w, i);
		struct target t = w->targets[j];

		w->targets[j] = w->targets[i - 1];
		w->targets[i - 1] = t;
	}
}

/* ---- the scheduler ----------------------------------------------------------------------- */

/* One slot: who wants what, may have what, and gets what; the last one is nobody governed. */
struct slot {
	uint32_t n;
	uint64_t weight[WORLD_MODELS + 1], wanted[WORLD_MODELS + 1], limit[WORLD_MODELS + 1];
	uint64_t got[WORLD_MODELS + 1];
};

/* Rounds of sharing by weight; who wants less than its part leaves the rest to the others. */
static void slot_share(struct slot *s, uint64_t left)
{
	for (unsigned int round = 0; round <= WORLD_MODELS && left > 0; round++) {
		uint64_t weights = 0, given = 0;

		for (uint32_t i = 0; i < s->n; i++)
			weights += s->got[i] < s->limit[i] ? s->weight[i] : 0;
		for (uint32_t i = 0; i < s->n && weights > 0; i++) {
			uint64_t part = s->got[i] < s->limit[i] ? left * s->weight[i] / weights : 0;

			part = MIN(part, s->limit[i] - s->got[i]);
			s->got[i] += part;
			given += part;
		}
		if (given == 0)
			return;
		left -= given;
	}
}

static uint64_t arrivals(struct world *w, const struct load *l)
{
	uint64_t mean = l->rate * 1000 / WORLD_SLOTS; /* in thousandths */

	return (mean + world_random(w, mean + 1) + world_random(w, 1000)) / 2000 +
	       (world_chance(w, 10) ? mean / 1000 : 0);
}

static void slot_want(struct world *w, struct slot *s)
{
	for (uint32_t i = 0; i < w->now.n_targets; i++) {
		const struct target *t = &w->targets[i];
		struct load *l = &w->loads[t->model];
		uint64_t most = MIN(l->threads, w->now.host.cpus) * SLOT_NS;
		uint64_t quota = t->values[KNOB_CPU_MAX];

		s->weight[t->model] = t->values[KNOB_CPU_WEIGHT];
		s->limit[t->model] =
			quota == VALUE_MAX ? VALUE_MAX : quota * SLOT_NS / CPU_PERIOD_USEC;
		s->wanted[t->model] = most;
	}
	for (uint32_t i = 0; i < w->policy.n_models; i++) { /* by model: the order is no input */
		struct load *l = &w->loads[i];
		uint64_t n = l->rate ? arrivals(w, l) : 0;

		l->waits += l->rate ? n : 1;
		l->backlog_ns = MIN(l->backlog_ns + n * l->service_ns, 20 * SLOT_NS);
		if (l->rate)
			s->wanted[i] = MIN(s->wanted[i], l->backlog_ns);
		s->limit[i] = MIN(s->limit[i], s->wanted[i]);
	}
	s->n = w->policy.n_models + 1;
	s->weight[s->n - 1] = MAX(w->stranger_weight, 1ULL);
	s->wanted[s->n - 1] = MIN(w->stranger_threads, w->now.host.cpus) * SLOT_NS;
	s->limit[s->n - 1] = s->wanted[s->n - 1];
}

/* Bucket b ends at 32 us * 1.25^b, roughly: four steps double. */
static uint64_t bucket_end(unsigned int b)
{
	return (32 * NSEC_PER_USEC << b / 4) * (4 + b % 4) / 4;
}

static void wait_note(struct load *l, uint64_t wait_ns)
{
	unsigned int b = 0;

	while (b < WORLD_BUCKETS - 1 && bucket_end(b) < wait_ns)
		b++;
	l->now[b]++;
}

/*
 * A thread that wakes up waits for a part of the slice of whoever runs, the longer the less its
 * weight counts; and when the model does not get what it wants, for that part of the slot.
 */
static void slot_measure(struct world *w, const struct slot *s, uint32_t i)
{
	uint64_t others = 0, weights = 0, wait_ns, unmet, host = w->now.host.cpus * SLOT_NS;
	struct load *l = &w->loads[i];

	for (uint32_t j = 0; j < s->n; j++) {
		others += j == i ? 0 : s->got[j];
		weights += j == i || s->got[j] == 0 ? 0 : s->weight[j];
	}
	l->wanted_ns += s->wanted[i];
	l->got_ns += s->got[i];
	if (l->rate)
		l->backlog_ns -= MIN(l->backlog_ns, s->got[i]);
	if (s->wanted[i] == 0)
		return;
	unmet = (s->limit[i] - s->got[i]) * 1000 / s->wanted[i];
	wait_ns = WAKE_UP_NS +
		  SLICE_NS * (others * 1000 / host) / 1000 * weights / (weights + s->weight[i]);
	wait_ns += SLOT_NS * unmet / 1000;
	wait_note(l, wait_ns);
	l->wait_ns += wait_ns + (s->limit[i] - s->got[i]);
	l->own_quota_ns += s->wanted[i] - s->limit[i];
	for (uint32_t j = 0; j < s->n; j++)
		l->ran_ns[j == s->n - 1 ? WORLD_MODELS : j] += j == i ? 0 : s->got[j];
}

/* ---- what is measured -------------------------------------------------------------------- */

static uint64_t quantile(const uint32_t *counts, uint64_t permyriad, uint64_t *ret_samples)
{
	uint64_t sum = 0, rank, seen = 0;

	for (unsigned int b = 0; b < WORLD_BUCKETS; b++)
		sum += counts[b];
	*ret_samples = sum;
	rank = (sum * permyriad + PERMYRIAD - 1) / PERMYRIAD;
	for (unsigned int b = 0; sum > 0 && b < WORLD_BUCKETS; b++)
		if ((seen += counts[b]) >= rank)
			return bucket_end(b);
	return MISSING;
}

static void window_move(struct load *l, uint64_t tick)
{
	uint16_t *oldest = l->window[tick % WORLD_WINDOW];

	for (unsigned int b = 0; b < WORLD_BUCKETS; b++) {
		l->total[b] += l->now[b];
		l->total[b] -= oldest[b];
		oldest[b] = l->now[b];
	}
}

static void culprit_read(const struct world *w, const struct load *l, struct model_reading *r)
{
	uint64_t sum = l->ran_ns[WORLD_MODELS], most = l->ran_ns[WORLD_MODELS];

	r->culprit = MODEL_NONE;
	r->culprit_permyriad = MISSING;
	for (uint32_t j = 0; j < w->policy.n_models; j++) {
		sum += l->ran_ns[j];
		if (l->ran_ns[j] <= most)
			continue;
		most = l->ran_ns[j];
		r->culprit = j;
	}
	if (r->culprit != MODEL_NONE)
		r->culprit_permyriad = most * PERMYRIAD / sum;
}

static void reading_take(struct world *w, uint32_t i)
{
	struct model_reading *r = &w->readings[i];
	struct load *l = &w->loads[i];
	uint32_t counts[WORLD_BUCKETS];
	uint64_t samples, floor_ns = TICK_NS / PERMYRIAD * w->now.host.cpus *
				     w->models[i].cpu_floor_permyriad;

	for (unsigned int b = 0; b < WORLD_BUCKETS; b++)
		counts[b] = l->now[b];
	window_move(l, w->now.tick);
	memset(r, 0, sizeof(*r));
	r->objectives[0].observed = quantile(l->total, 9900, &r->objectives[0].samples);
	r->wait_p50_ns = quantile(counts, 5000, &samples);
	r->wait_p99_ns = quantile(counts, 9900, &samples);
	r->waits = samples;
	r->wait_ns = l->wait_ns;
	r->own_quota_ns = l->own_quota_ns;
	r->run_ns = r->cpu_usage_ns = l->got_ns;
	r->cpu_some_ns = MIN(l->wanted_ns - l->got_ns, TICK_NS);
	culprit_read(w, l, r);
	l->below_ticks = l->wanted_ns >= MAX(floor_ns, TICK_NS) && l->got_ns < floor_ns
				 ? l->below_ticks + 1
				 : 0;
}

/* Counters of a tick; what is below stays. */
static void tick_begin(struct load *l)
{
	l->wanted_ns = l->got_ns = l->wait_ns = l->own_quota_ns = l->waits = 0;
	memset(l->ran_ns, 0, sizeof(l->ran_ns));
	memset(l->now, 0, sizeof(l->now));
}

void world_run(struct world *w)
{
	uint64_t host = w->now.host.cpus * SLOT_NS, busy = 0;

	w->now.tick++;
	w->now.span_ns = w->now.tick == 1 ? 0 : TICK_NS;
	w->now.taken_ns += TICK_NS;
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		tick_begin(&w->loads[i]);
	for (unsigned int k = 0; k < WORLD_SLOTS; k++) {
		struct slot s = { 0 };

		slot_want(w, &s);
		slot_share(&s, host);
		for (uint32_t i = 0; i < w->policy.n_models; i++)
			slot_measure(w, &s, i);
		for (uint32_t i = 0; i < s.n; i++)
			busy += s.got[i];
	}
	for (uint32_t i = 0; i < w->policy.n_models; i++)
		reading_take(w, i);
	w->now.host.busy_permyriad = busy / (host * WORLD_SLOTS / PERMYRIAD);
}

void world_blind(struct world *w)
{
	for (uint32_t i = 0; i < w->policy.n_models; i++) {
		uint64_t *numbers = (uint64_t *)(void *)&w->readings[i];

		for (size_t k = 0; k < sizeof(w->readings[i]) / sizeof(*numbers); k++)
			numbers[k] = MISSING;
		w->readings[i].culprit = MODEL_NONE;
	}
	if (w->seed % 2) /* or only the sampler is silent */
		w->now.host.busy_permyriad = MISSING;
}

/* ---- the law and its outcome --------------------------------------------------------------- */

void world_decide(struct world *w)
{
	decide(&w->policy, &w->now, &w->state, &w->plan);
}

void world_apply(struct world *w)
{
	for (uint32_t i = 0; i < w->plan.n_actions; i++) {
		const struct action *a = &w->plan.actions[i];

		w->targets[a->target].values[a->knob] = a->value;
		w->targets[a->target].written[a->knob] = a->value;
	}
}

unsigned int world_violations(const struct world *w)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < w->policy.n_models; i++)
		n += w->models[i].n_objectives > 0 && w->readings[i].wait_p99_ns != MISSING &&
		     w->readings[i].wait_p99_ns > w->models[i].objectives[0].budget;
	return n;
}
