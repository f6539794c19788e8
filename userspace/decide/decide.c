/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one function of the room, and the order of its stages. What each stage does is in the file
 * that is named for it.
 */
#include "desk.h"

#include <assert.h>

/* Facts that no stage owns: CPUs as last measured, cgroups and the weights they show. */
static void turn_begin(struct turn *t)
{
	const struct observation *now = t->now;
	uint64_t cpus = now->host.cpus;

	t->plan->tick = now->tick;
	t->plan->n_models = t->n;
	t->plan->n_actions = 0;
	t->plan->n_drifts = 0;
	t->plan->is_cut = false;
	memset(t->plan->verdicts, 0, sizeof(*t->plan->verdicts) * t->n);
	memset(t->desks, 0, sizeof(*t->desks) * t->n);

	if (cpus != 0 && cpus < MISSING)
		t->state->cpus = cpus;
	for (uint32_t i = 0; i < t->n; i++)
		t->desks[i].is_in_force = true;
	for (uint32_t i = 0; i < now->n_targets; i++) {
		const struct target *target = &now->targets[i];

		if (target->model >= t->n || target->driver == DRIVER_OBSERVE ||
		    !(target->knobs & 1u << KNOB_CPU_WEIGHT))
			continue;
		t->desks[target->model].n_cgroups++;
		if (target->values[KNOB_CPU_WEIGHT] != t->state->models[target->model].weight)
			t->desks[target->model].is_in_force = false;
	}
}

static void turn_balance(struct turn *t)
{
	turn_level(t);
	t->balance = balance_find(t, false);
}

/* Where policy alone would have it; most of the time that is where it is. */
static struct balance policy_balance(const struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->desks[i].level != t->desks[i].base)
			return balance_find(t, true);
	return t->balance;
}

/* Levels to weights, and both into the verdicts. */
static void turn_weigh(struct turn *t)
{
	struct balance policy = policy_balance(t);

	for (uint32_t i = 0; i < t->n; i++) {
		struct desk *d = &t->desks[i];
		struct verdict *v = &t->plan->verdicts[i];

		d->weight = balance_weight(d, d->level, &t->balance);
		d->is_floored = balance_is_floored(d, d->level, &t->balance);
		v->level = balance_level(d, d->level, &t->balance);
		v->policy_level = balance_level(d, d->base, &policy);
	}
}

/* Who has heard nothing yet is told why it stands where it stands. */
static void turn_conclude(struct turn *t)
{
	turns_note(t);
	for (uint32_t i = 0; i < t->n; i++) {
		struct model_state *s = &t->state->models[i];
		struct verdict *v = &t->plan->verdicts[i];
		const struct desk *d = &t->desks[i];

		s->weight = d->weight;
		s->is_promised = d->weight > ladder_weight(d->level - t->balance.shift);
		for (unsigned int k = 0; k < N_KNOBS; k++)
			s->wanted[k] = wanted_of(t, i, k);
		if (v->reason != REASON_NONE)
			continue;
		if (d->left_alone) {
			v->reason = REASON_LEFT_ALONE;
		} else if (d->drifted) {
			v->reason = REASON_DRIFT;
		} else if (is_frozen(t, &s->flaps[FLAP_WEIGHT]) ||
			   is_frozen(t, &s->flaps[FLAP_QUOTA])) {
			v->reason = REASON_FLAPPING;
		} else if (t->state->unrest_ns && (s->cap.permyriad || s->offset < 0)) {
			v->reason = REASON_UNREST;
		} else if (s->cap.permyriad) {
			v->reason = REASON_CAP;
			v->why = s->cap.why;
		} else if (s->offset < 0) {
			v->reason = REASON_DONOR;
			v->why = s->moved_why;
		} else if (d->is_floored) {
			v->reason = REASON_FLOOR;
		} else if (d->differences[KNOB_CPU_WEIGHT] || t->now->span_ns == 0) {
			v->reason = REASON_FEED_FORWARD;
		}
	}
}

static void turn_wait(struct turn *t)
{
	turn_weigh(t);
	for (uint32_t i = 0; i < t->n; i++)
		t->plan->verdicts[i].reason = REASON_BUSY;
}

void decide(const struct policy *policy, const struct observation *now, struct state *state,
	    struct plan *ret_plan)
{
	struct turn t = { .policy = policy,
			  .now = now,
			  .state = state,
			  .plan = ret_plan,
			  .n = policy->n_models,
			  .desks = state->desks };

	assert(state->n_models == t.n && now->n_models == t.n && ret_plan->n_models >= t.n);
	assert(t.n <= POLICY_MAX_MODELS);
	turn_begin(&t);
	turn_confine(&t);
	turn_promise(&t);
	turn_cap_begin(&t);
	turn_pin(&t);
	turn_watch(&t);
	turn_balance(&t);
	turn_assess(&t);
	if (now->is_busy) { /* no step while the last one is under way */
		turn_wait(&t);
		turn_put_back(&t);
		return;
	}
	if (now->span_ns > 0) { /* differences and windows need two readings */
		turn_judge(&t);
		turn_feed_back(&t);
		if (t.has_moved) {
			turn_promise(&t); /* a grant is a promise */
			turn_balance(&t);
		}
		if (t.has_cap_moved)
			turn_cap(&t);
	}
	turn_weigh(&t);
	turn_compare(&t);
	turn_conclude(&t);
	turn_propose(&t);
	turn_put_back(&t);
}
