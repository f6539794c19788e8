/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of a change's life under every order of events: random people do random things to several
 * changes at once, and a second, independent bookkeeping says what may never happen. A failure
 * names its seed.
 */
#include "approval.h"
#include "life.h"

#include <criterion/criterion.h>

#define SEEDS   2000
#define EVENTS  200
#define CHANGES 5
#define PEOPLE  6

/* xorshift64*: the same on every machine */
struct dice {
	uint64_t state;
};

static unsigned int roll(struct dice *d, unsigned int sides)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (unsigned int)((d->state * 0x2545f4914f6cdd1dULL >> 32) % sides);
}

static const char *const vision[] = { "vision" };
static const struct person people[PEOPLE] = {
	{ .uid = 0, .name = "root", .is_operator = true, .is_approver = true },
	{ .uid = 1, .name = "ada", .is_operator = true },
	{ .uid = 2, .name = "ben", .is_approver = true },
	{ .uid = 3, .name = "cyd", .is_approver = true, .is_operator = true },
	{ .uid = 4, .name = "eve", .groups = vision, .n_groups = 1 },
	{ .uid = 5, .name = "nil" },
};
static const char *owners[] = { "@vision" };

/* What the test knows of a change, kept apart from the change. */
struct shadow {
	bool has_failed_gate, has_unsure_gate, was_gated;
	bool has_signed[PEOPLE];
	unsigned int n_entered;
	bool is_over; /* it was in a closed state once */
};

struct world {
	struct dice dice;
	struct change *changes[CHANGES];
	struct shadow shadows[CHANGES];
	uint64_t in_force, next_id, entered;
	struct change *on_probation;
};

static void change_draw(struct world *w, unsigned int i)
{
	struct dice *d = &w->dice;
	struct change *c = change_new();

	if (w->on_probation && w->on_probation == w->changes[i])
		return change_free(c); /* it is still watched */
	change_free(w->changes[i]);
	*c = (struct change){ .id = ++w->next_id,
			      .source = "proposal",
			      .author = people[roll(d, PEOPLE)].name,
			      .reason = "",
			      .ticket = "",
			      .digest = "",
			      .canonical = "",
			      .considered = "",
			      .ending = "",
			      .base = w->in_force,
			      .rules = { .approvals = roll(d, 4),
					 .probation_ns = roll(d, 2) ? NSEC_PER_SEC : 0 } };
	for (unsigned int k = 0; k < PEOPLE; k++)
		if (strcmp(people[k].name, c->author) == 0)
			c->author_uid = people[k].uid;
	c->touches = arena_new(&c->arena, struct touch, 1);
	c->touches[0] = (struct touch){ .model = "ocr",
					.is_new = roll(d, 2),
					.has_author = strcmp(c->author, "eve") == 0,
					.owners = { owners, roll(d, 2) } };
	c->n_touches = 1;
	c->touches_host = roll(d, 2);
	if (w->on_probation && roll(d, 2))
		c->undoes = w->on_probation->id;
	w->changes[i] = c;
	w->shadows[i] = (struct shadow){ 0 };
}

/* Independent of approval.c: counts heads by the words of the documentation. */
static void entering_is_lawful(const struct world *w, unsigned int i)
{
	const struct change *c = w->changes[i];
	const struct shadow *s = &w->shadows[i];
	unsigned int heads = 0;
	bool is_owner_heard = c->touches[0].owners.n == 0 || c->author_uid == 4 || s->has_signed[4];

	for (unsigned int k = 0; k < PEOPLE; k++) {
		bool is_owner_alone = k == 4 && c->touches[0].owners.n && !c->touches[0].is_new &&
				      !c->touches_host;

		heads += s->has_signed[k] && (k == 0 || people[k].is_approver || is_owner_alone);
		cr_assert(!s->has_signed[k] || people[k].uid != c->author_uid ||
			  c->rules.approvals == 0);
	}
	is_owner_heard |= s->has_signed[0];
	cr_assert(s->was_gated && !s->has_failed_gate, "not gated");
	cr_assert_geq(heads, c->rules.approvals, "%u of %u", heads, (unsigned)c->rules.approvals);
	cr_assert(!s->has_unsure_gate || heads > 0, "nobody accepted an inconclusive gate");
	cr_assert(c->rules.approvals == 0 || is_owner_heard, "no owner was heard");
	cr_assert_eq(c->base, w->in_force, "made for another generation");
	cr_assert_eq(s->n_entered, 0, "in force twice");
	cr_assert(!s->is_over, "it was over already");
}

static void enter(struct world *w, unsigned int i)
{
	struct err e = { 0 };
	struct change *c = w->changes[i];
	struct situation now = { .in_force = w->in_force,
				 .on_probation = w->on_probation ? w->on_probation->id : 0 };

	if (change_enter(c, &now, &e) < 0)
		return;
	entering_is_lawful(w, i);
	cr_assert(!w->on_probation || c->undoes == w->on_probation->id, "two are watched");
	w->in_force = ++w->entered + 100;
	w->shadows[i].n_entered++;
	if (w->on_probation) {
		cr_assert_eq(change_judged(w->on_probation, true, "taken back", &e), 0, "%s",
			     e.text);
		w->on_probation = NULL;
	}
	if (c->state == CHANGE_PROBATION)
		w->on_probation = c;
}

static void gate(struct world *w, unsigned int i)
{
	struct gate_result gates[3];
	unsigned int n = 1 + roll(&w->dice, 3);
	struct shadow seen = { .was_gated = true };
	struct err e = { 0 };

	for (unsigned int k = 0; k < n; k++) {
		unsigned int face = roll(&w->dice, 8);

		gates[k] = (struct gate_result){ "g",
						 face == 0   ? GATE_FAIL
						 : face == 1 ? GATE_INCONCLUSIVE
							     : GATE_PASS,
						 "" };
		seen.has_failed_gate |= gates[k].verdict == GATE_FAIL;
		seen.has_unsure_gate |= gates[k].verdict == GATE_INCONCLUSIVE;
	}
	if (change_gated(w->changes[i], gates, n, &e) == 0)
		w->shadows[i] = seen;
}

static void sign(struct world *w, unsigned int i)
{
	unsigned int who = roll(&w->dice, PEOPLE);
	struct err e = { 0 };

	if (change_sign(w->changes[i], &people[who], roll(&w->dice, 8) ? "why" : "", 1, &e) == 0)
		w->shadows[i].has_signed[who] = true;
}

static void judge(struct world *w, unsigned int i)
{
	struct err e = { 0 };

	if (change_judged(w->changes[i], roll(&w->dice, 2), "so", &e) < 0)
		return;
	cr_assert_eq(w->on_probation, w->changes[i], "judged without being watched");
	w->on_probation = NULL;
}

static void event(struct world *w)
{
	unsigned int i = roll(&w->dice, CHANGES);
	struct err e = { 0 };

	switch (roll(&w->dice, 8)) {
	case 0:
		change_draw(w, i);
		break;
	case 1:
		gate(w, i);
		break;
	case 2:
	case 3:
		sign(w, i);
		break;
	case 4:
	case 5:
		enter(w, i);
		break;
	case 6:
		judge(w, i);
		break;
	case 7:
		(void)(roll(&w->dice, 2)
			       ? change_taken_back(w->changes[i], &people[roll(&w->dice, PEOPLE)],
						   "x", &e)
			       : change_overtaken(w->changes[i], "x", &e));
		break;
	}
	w->shadows[i].is_over |= !change_is_open(w->changes[i]);
}

/* A state that was left for good is not entered again, and the moves are those of the table. */
Test(change_law, no_order_of_events_brings_an_unapproved_change_into_force_or_one_twice)
{
	unsigned int entered = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world w = { .dice = { seed * 0x9e3779b97f4a7c15ULL }, .in_force = 100 };

		for (unsigned int i = 0; i < CHANGES; i++)
			change_draw(&w, i);
		for (unsigned int k = 0; k < EVENTS; k++)
			event(&w);
		entered += (unsigned int)w.entered;
		for (unsigned int i = 0; i < CHANGES; i++)
			change_free(w.changes[i]);
	}
	cr_assert_gt(entered, SEEDS / 2, "the dice hardly ever get that far: %u", entered);
}

/* Whatever was refused has changed nothing: the document is the same byte for byte. */
Test(change_law, a_refused_move_leaves_the_document_as_it_was)
{
	for (uint64_t seed = 1; seed <= SEEDS / 10; seed++) {
		struct world w = { .dice = { seed * 0x9e3779b97f4a7c15ULL }, .in_force = 100 };
		struct err e = { 0 };

		for (unsigned int i = 0; i < CHANGES; i++)
			change_draw(&w, i);
		for (unsigned int k = 0; k < EVENTS; k++) {
			struct change *c = w.changes[roll(&w.dice, CHANGES)];
			json_t *before = change_to_json(c), *after;
			struct situation other = { .in_force = 99 };
			int r = roll(&w.dice, 2) ? change_enter(c, &other, &e)
						 : change_sign(c, &people[5], "why", 1, &e);

			cr_assert_lt(r, 0);
			after = change_to_json(c);
			cr_assert(json_equal(before, after), "seed %llu", (unsigned long long)seed);
			json_decref(before);
			json_decref(after);
			event(&w);
		}
		for (unsigned int i = 0; i < CHANGES; i++)
			change_free(w.changes[i]);
	}
}
