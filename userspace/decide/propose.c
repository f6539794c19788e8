/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares what is wanted with what the kernel shows, and turns differences into actions, in order
 * of model, cgroup and knob. A wish that stays without effect is repeated ever more rarely, so that
 * a refused value does not fill the journal.
 */
#include "desk.h"

#define PAGE_BYTES 4096ULL /* memory.* keep whole pages (mm/page_counter.c) */

/* ---- what differs ------------------------------------------------------------------------ */

/* A cap that is not there (VALUE_MAX) leaves the manifest's word, also when that is none (MISSING).
 */
uint64_t wanted_of(const struct turn *t, uint32_t model, unsigned int knob)
{
	const struct desk *d = &t->desks[model];
	uint64_t value = t->policy->models[model].values[knob];

	if (knob == KNOB_CPU_WEIGHT)
		return d->weight;
	if (d->caps[knob] == VALUE_MAX)
		return value;
	return value == MISSING ? d->caps[knob] : MIN(value, d->caps[knob]);
}

uint64_t wanted_value(const struct turn *t, const struct target *target, unsigned int knob)
{
	return wanted_of(t, target->model, knob);
}

/* As the kernel will show the value once it is written. */
static uint64_t as_shown(unsigned int knob, uint64_t value)
{
	if (value >= MISSING || knob < KNOB_MEMORY_MIN || knob > KNOB_MEMORY_MAX)
		return value;
	/* page counters end at LONG_MAX bytes and read "max" there */
	return value / PAGE_BYTES >= INT64_MAX / PAGE_BYTES ? VALUE_MAX
							    : value / PAGE_BYTES * PAGE_BYTES;
}

static bool is_wanted(const struct turn *t, const struct target *target, unsigned int knob)
{
	uint64_t wanted = wanted_value(t, target, knob);

	return wanted != MISSING && as_shown(knob, wanted) != as_shown(knob, target->values[knob]);
}

bool key_is_in_force(const struct policy *policy, const struct state *state,
		     const struct target *target, enum knob knob)
{
	uint64_t wanted = MISSING;

	if (target->model >= policy->n_models || target->driver == DRIVER_OBSERVE ||
	    !(target->knobs & 1u << knob) || target->values[knob] == MISSING ||
	    state->models[target->model].weight == 0)
		return false;
	wanted = state->models[target->model].wanted[knob];
	return wanted != MISSING && as_shown(knob, wanted) == as_shown(knob, target->values[knob]);
}

/* Not a difference of ours: drift.c says what follows. */
static bool is_taken(const struct turn *t, const struct target *target, unsigned int knob)
{
	const struct drift_key *key = drift_find(t, target, knob);

	return is_drifted(t, target, knob) || (key && key->left_ns);
}

/* Knobs of a target that are ours to set. */
uint32_t knobs_of(const struct turn *t, const struct target *target)
{
	if (target->driver == DRIVER_OBSERVE || target->model >= t->n)
		return 0;
	return target->knobs & ((1u << N_KNOBS) - 1);
}

/* Sums up, so that the order of targets does not matter. */
static uint64_t difference_digest(const struct turn *t, const struct target *target,
				  unsigned int knob)
{
	return mix(mix(mix(target->cgroup_id) + wanted_value(t, target, knob)) +
		   target->values[knob]) |
	       1;
}

/* Is it time to plan this difference? Counts the ticks until it is. */
static bool retry_is_due(struct retry *r, uint64_t difference)
{
	if (difference == 0 || difference != r->planned) {
		memset(r, 0, sizeof(*r));
		return difference != 0;
	}
	if (r->wait_ticks == 0)
		return true;
	r->wait_ticks--;
	return false;
}

void turn_compare(struct turn *t)
{
	for (uint32_t i = 0; i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		for (uint32_t left = knobs_of(t, target); left; left &= left - 1) {
			unsigned int knob = (unsigned int)__builtin_ctz(left);

			if (is_wanted(t, target, knob) && !is_taken(t, target, knob))
				t->desks[target->model].differences[knob] +=
					difference_digest(t, target, knob);
		}
	}
	for (uint32_t i = 0; i < t->n; i++)
		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (retry_is_due(&t->state->models[i].retries[k],
					 t->desks[i].differences[k]))
				t->desks[i].due |= 1u << k;
}

/* ---- actions ----------------------------------------------------------------------------- */

static bool comes_before(const struct action *a, const struct action *b)
{
	if (a->model != b->model)
		return a->model < b->model;
	if (a->cgroup_id != b->cgroup_id)
		return a->cgroup_id < b->cgroup_id;
	return a->knob < b->knob;
}

static void action_swap(struct action *a, struct action *b)
{
	struct action c = *a;

	*a = *b;
	*b = c;
}

/* Restores the heap below i: the action that comes last is on top. */
static void heap_sink(struct action *heap, uint32_t n, uint32_t i)
{
	for (;;) {
		uint32_t last = i;

		for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
			if (comes_before(&heap[last], &heap[child]))
				last = child;
		if (last == i)
			return;
		action_swap(&heap[i], &heap[last]);
		i = last;
	}
}

static void heap_rise(struct action *heap, uint32_t i)
{
	while (i > 0 && comes_before(&heap[(i - 1) / 2], &heap[i])) {
		action_swap(&heap[(i - 1) / 2], &heap[i]);
		i = (i - 1) / 2;
	}
}

/*
 * The plan keeps the first max_actions in order, whatever the order they come in: while it fills it
 * is a heap, and the last gives way when there is no room.
 */
static void plan_add(struct plan *p, const struct action *a)
{
	if (p->n_actions < p->max_actions) {
		p->actions[p->n_actions] = *a;
		heap_rise(p->actions, p->n_actions++);
		return;
	}
	p->is_cut = true;
	if (p->n_actions == 0 || !comes_before(a, &p->actions[0]))
		return;
	p->actions[0] = *a;
	heap_sink(p->actions, p->n_actions, 0);
}

static void plan_sort(struct plan *p)
{
	for (uint32_t n = p->n_actions; n > 1; n--) {
		action_swap(&p->actions[0], &p->actions[n - 1]);
		heap_sink(p->actions, n - 1, 0);
	}
}

static void weight_explain(const struct turn *t, uint32_t model, struct action *a)
{
	const struct model_state *s = &t->state->models[model];
	const struct desk *d = &t->desks[model];

	a->reason = REASON_FEED_FORWARD;
	if (d->has_moved || (d->level != d->base && !d->is_floored)) {
		a->reason = s->moved_by;
		a->why = s->moved_why;
	} else if (d->is_floored) {
		a->reason = REASON_FLOOR;
	}
}

/* A manifest's value, or what lowers it. */
static void limit_explain(const struct turn *t, uint32_t model, struct action *a)
{
	const struct cap *cap = &t->state->models[model].cap;
	const struct desk *d = &t->desks[model];

	a->reason = REASON_POLICY_VALUE;
	if (a->knob == KNOB_CPU_MAX && (d->has_cap_moved || d->quota_reason == REASON_CAP)) {
		a->reason = cap->moved_by;
		a->why = cap->why;
	} else if (d->caps[a->knob] == a->value) {
		a->reason = a->knob == KNOB_CPU_MAX ? d->quota_reason : REASON_EXPERIMENT_BUDGET;
	}
}

static void drift_explain(const struct drift_key *key, struct action *a)
{
	a->reason = REASON_DRIFT;
	evidence_clear(&a->why);
	a->written = key->drift.written;
	a->times = key->n_backs + 1;
	a->writer = key->drift.writer;
}

/* key: the drift that is put back, or NULL */
static void action_add(struct turn *t, uint32_t index, unsigned int knob,
		       const struct drift_key *key)
{
	const struct target *target = &t->now->targets[index];
	struct action a;

	memset(&a, 0, sizeof(a)); /* padding too: plans are compared byte by byte */
	a.model = target->model;
	a.target = index;
	a.cgroup_id = target->cgroup_id;
	a.knob = (enum knob)knob;
	a.value = wanted_value(t, target, knob);
	a.expected = target->values[knob];
	a.written = MISSING;
	evidence_clear(&a.why);
	if (key)
		drift_explain(key, &a);
	else if (knob == KNOB_CPU_WEIGHT)
		weight_explain(t, target->model, &a);
	else
		limit_explain(t, target->model, &a);
	plan_add(t->plan, &a);
}

/* What is in the plan has been tried; what was cut has not. */
static void retries_note(struct turn *t)
{
	for (uint32_t i = 0; i < t->plan->n_actions; i++) {
		const struct action *a = &t->plan->actions[i];
		struct retry *r = &t->state->models[a->model].retries[a->knob];
		uint64_t difference = t->desks[a->model].differences[a->knob];
		uint32_t pause = LAW_RETRY_TICKS;

		if (a->reason == REASON_DRIFT || !(t->desks[a->model].due & 1u << a->knob))
			continue; /* or another cgroup of the same model */
		t->desks[a->model].due &= ~(1u << a->knob);
		r->failures += r->planned == difference && r->failures < UINT32_MAX;
		r->planned = difference;
		for (uint32_t f = 0; f < r->failures && pause < LAW_RETRY_MAX_TICKS; f++)
			pause *= 2;
		r->wait_ticks = MIN(pause, (uint32_t)LAW_RETRY_MAX_TICKS);
	}
}

/* A drift does not wait for the retries of values that were refused. */
static void key_propose(struct turn *t, uint32_t index, unsigned int knob)
{
	const struct target *target = &t->now->targets[index];
	const struct drift_key *key = drift_find(t, target, knob);

	if (key && key->left_ns)
		return;
	if (is_drifted(t, target, knob)) {
		if (key)
			action_add(t, index, knob, key);
	} else if (t->desks[target->model].due & 1u << knob) {
		action_add(t, index, knob, NULL);
	}
}

void turn_propose(struct turn *t)
{
	for (uint32_t i = 0; i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		for (uint32_t left = knobs_of(t, target); left; left &= left - 1) {
			unsigned int knob = (unsigned int)__builtin_ctz(left);

			if (is_wanted(t, target, knob))
				key_propose(t, i, knob);
		}
	}
	plan_sort(t->plan);
	retries_note(t);
}
