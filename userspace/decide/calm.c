/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the law from oscillating: a knob may turn four times in five minutes, what was given back
 * too early is taken again and held for longer, and nothing is given back while the host is in
 * unrest. What moves, and for whom, is feedback.c's and cap.c's.
 *
 * A knob turns when its value goes up after it went down, or down after up. Giving back asks for
 * room for two turns, its own and the one that takes again; taking asks for one. So a knob
 * that has used up its turns stands where it was taken: the safer of its two values.
 */
#include "desk.h"

_Static_assert(LAW_FLAP_TIMES <= FLAP_TIMES_MAX, "a knob remembers that many turns");

/* ---- turns ------------------------------------------------------------------------------------
 */

static uint32_t turns_count(const struct turn *t, const struct flap *f)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n; i++)
		n += elapsed_ns(t, f->turned_ns[i]) < LAW_FLAP_WINDOW_S * NSEC_PER_SEC;
	return n;
}

bool is_frozen(const struct turn *t, const struct flap *f)
{
	return f->frozen_ns && elapsed_ns(t, f->frozen_ns) < LAW_FLAP_FREEZE_S * NSEC_PER_SEC;
}

bool flap_may_take(const struct turn *t, uint32_t model, enum flap_knob knob, int32_t direction)
{
	const struct flap *f = &t->state->models[model].flaps[knob];

	return f->direction != -direction || turns_count(t, f) < LAW_FLAP_TIMES;
}

bool flap_may_give(struct turn *t, uint32_t model, enum flap_knob knob, int32_t direction)
{
	struct flap *f = &t->state->models[model].flaps[knob];

	if (is_frozen(t, f))
		return false;
	f->frozen_ns = 0;
	if (f->direction != -direction || turns_count(t, f) + 2 <= LAW_FLAP_TIMES)
		return true;
	f->frozen_ns = MAX(t->now->taken_ns, 1ULL);
	return false;
}

/* The newest turns are kept: those that the law forces come on top of the budget. */
static void turn_note(const struct turn *t, struct flap *f, uint64_t before, uint64_t value)
{
	int32_t direction = value > before ? 1 : -1;

	if (before == value || before == MISSING || value == MISSING)
		return;
	if (f->direction == -direction) {
		if (f->n == FLAP_TIMES_MAX)
			memmove(f->turned_ns, f->turned_ns + 1,
				sizeof(f->turned_ns) - sizeof(*f->turned_ns));
		f->n -= f->n == FLAP_TIMES_MAX;
		f->turned_ns[f->n++] = t->now->taken_ns;
	}
	f->direction = direction;
}

/* Before what is wanted now replaces what was. */
void turns_note(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct model_state *s = &t->state->models[i];

		if (s->weight == 0)
			continue;
		turn_note(t, &s->flaps[FLAP_WEIGHT], s->weight, t->desks[i].weight);
		turn_note(t, &s->flaps[FLAP_QUOTA], s->wanted[KNOB_CPU_MAX],
			  wanted_of(t, i, KNOB_CPU_MAX));
	}
}

/*
 * A weight that a promise raised falls when others fall. When its turns are used up it stays where
 * it is: above its promise it harms nobody's.
 */
void turn_pin(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		const struct model_state *s = &t->state->models[i];
		const struct flap *f = &s->flaps[FLAP_WEIGHT];

		if (s->is_promised && f->direction > 0 && class_of(t, i) != CLASS_EXPERIMENT &&
		    turns_count(t, f) + 2 > LAW_FLAP_TIMES)
			t->desks[i].pin = s->weight;
	}
}

/* ---- unrest -------------------------------------------------------------------------------------
 */

/* Load that jumps, a hypervisor that takes CPU away, a reading that stopped: no time to give. */
void turn_rest(struct turn *t)
{
	const struct host_reading *h = &t->now->host;
	struct state *s = t->state;
	bool has_busy = h->busy_permyriad != MISSING, is_loud = s->has_busy && !has_busy;

	if (has_busy && s->has_busy) {
		uint64_t high = MAX(h->busy_permyriad, s->busy_permyriad);

		is_loud |= high - MIN(h->busy_permyriad, s->busy_permyriad) >= LAW_UNREST_SWING;
	}
	is_loud |= h->steal_permyriad != MISSING && h->steal_permyriad >= LAW_UNREST_STEAL;
	s->has_busy = has_busy;
	s->busy_permyriad = has_busy ? h->busy_permyriad : 0;
	s->unrest_ns -= MIN(s->unrest_ns, t->now->span_ns);
	if (is_loud)
		s->unrest_ns = LAW_UNREST_S * NSEC_PER_SEC;
}

/* ---- regret -------------------------------------------------------------------------------------
 */

uint64_t hold_ns(const struct turn *t, enum model_class class)
{
	uint64_t hold_s = (uint64_t)LAW_GIVE_HOLD_S << MIN(t->state->holds[class].doublings, 16u);

	return MIN(hold_s, (uint64_t)LAW_REGRET_HOLD_S) * NSEC_PER_SEC;
}

/* Half of the hold for every ten minutes in which nobody of the class wanted anything. */
void turn_hold(struct turn *t)
{
	for (unsigned int c = 0; c < N_CLASSES; c++) {
		struct hold *h = &t->state->holds[c];

		h->calm_ns = h->doublings ? saturating_add(h->calm_ns, watched_ns(t)) : 0;
		for (uint32_t i = 0; i < t->n; i++)
			if (t->desks[i].step > 0 && class_of(t, i) == c)
				h->calm_ns = 0;
		if (!h->doublings || !has_passed(t, h->calm_ns, LAW_REGRET_CALM_S * NSEC_PER_SEC))
			continue;
		h->doublings--;
		h->calm_ns = 0;
	}
}

/* What stands before something is given back, in case that is regretted. */
void vector_note(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		t->desks[i].offset_before = t->state->models[i].offset;
		t->desks[i].cap_before = t->state->models[i].cap.permyriad;
	}
	memcpy(t->lift_before, t->state->lift, sizeof(t->lift_before));
}

void vector_keep(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		t->state->models[i].kept_offset = t->desks[i].offset_before;
		t->state->models[i].kept_cap = t->desks[i].cap_before;
	}
	memcpy(t->state->kept_lift, t->lift_before, sizeof(t->lift_before));
	t->state->given_ns = MAX(t->now->taken_ns, 1ULL);
}

/* Is what was given back last the likely reason of a breach now? */
bool is_regretted(const struct turn *t, const struct verdict *claim)
{
	return t->state->given_ns && claim->why.slack_permyriad < LAW_BROKEN_SLACK &&
	       elapsed_ns(t, t->state->given_ns) <= LAW_REGRET_S * NSEC_PER_SEC;
}

void hold_double(struct turn *t, enum model_class class)
{
	struct hold *h = &t->state->holds[class];

	if (hold_ns(t, class) < LAW_REGRET_HOLD_S * NSEC_PER_SEC)
		h->doublings++;
	h->calm_ns = 0;
	t->state->given_ns = 0;
}
