/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares each value with what modelgov wrote there and asks writers.c for the hand behind a
 * difference. Judges nothing: whether it is to be put back is decide's.
 */
#include "intrusions.h"

#include "knob.h"

#include <errno.h>

/* ---- what modelgov wrote --------------------------------------------------------------------- */

static void key_note(struct place *p, unsigned int knob, uint64_t value)
{
	p->written[knob] = value;
	p->writers[knob] = (struct writer){ 0 };
}

void written_note(struct targets *t, uint64_t cgroup_id, enum knob knob, uint64_t value)
{
	for (unsigned int i = 0; i < t->n_places; i++)
		if (t->places[i]->id == cgroup_id)
			key_note(t->places[i], knob, value);
}

void written_forget(struct targets *t)
{
	for (unsigned int i = 0; i < t->n_places; i++)
		for (unsigned int k = 0; k < N_KNOBS; k++)
			key_note(t->places[i], k, MISSING);
}

void written_follow(struct targets *t)
{
	for (unsigned int i = 0; i < t->n_places; i++) {
		struct place *p = t->places[i];

		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (p->model == MODEL_NONE ||
			    (k != KNOB_CPU_WEIGHT && /* an experiment's may be the budget's */
			     t->policy->models[p->model].stage != STAGE_EXPERIMENT &&
			     t->policy->models[p->model].values[k] == MISSING))
				key_note(p, k, MISSING);
	}
}

/* ---- who wrote since ------------------------------------------------------------------------- */

void places_watch(struct targets *t, struct writers *w)
{
	for (unsigned int i = 0; i < t->n_places; i++) {
		struct place *p = t->places[i];

		if (p->is_watched || p->driver == DRIVER_OBSERVE)
			continue;
		writers_mark(w, p->dir_fd);
		p->is_watched = true;
	}
	for (unsigned int i = 0; i < t->n_dropped; i++)
		if (t->dropped[i]->is_watched)
			writers_unmark(w, t->dropped[i]->dir_fd);
}

static const struct write_seen *write_find(const struct writers *w, const struct place *p,
					   unsigned int knob)
{
	const struct write_seen *seen = writers_find(w, p->dir_fd, knob_table[knob].file);
	const struct write_seen *idle = knob == KNOB_CPU_WEIGHT && p->now.knobs[knob] == 0
						? writers_find(w, p->dir_fd, "cpu.idle")
						: NULL;

	return idle ? idle : seen;
}

/* Keeps who it was until modelgov writes again: later ticks find no write any more. */
static bool key_examine(struct place *p, const struct writers *w, unsigned int knob)
{
	uint64_t written = p->written[knob], value = p->now.knobs[knob];

	if (written == MISSING || value == MISSING || value == written) {
		p->writers[knob] = (struct writer){ 0 };
		return false;
	}
	const struct write_seen *seen = write_find(w, p, knob);

	if (seen)
		p->writers[knob] = writers_judge(w, seen, p->unit);
	return true;
}

static int intrusion_order(const void *a, const void *b)
{
	const struct intrusion *x = a, *y = b;

	if (x->cgroup_id != y->cgroup_id)
		return x->cgroup_id < y->cgroup_id ? -1 : 1;
	return (x->knob > y->knob) - (x->knob < y->knob);
}

int intrusions_fill(struct targets *t, struct writers *w, struct arena *arena,
		    struct observation *now)
{
	uint32_t n = 0;

	writers_read(w);
	for (unsigned int i = 0; i < t->n_places; i++)
		for (unsigned int k = 0; k < N_KNOBS; k++)
			n += key_examine(t->places[i], w, k);
	writers_forget(w);
	now->intrusions = n ? arena_new(arena, struct intrusion, n) : NULL;
	if (n && !now->intrusions)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->n_places; i++) {
		const struct place *p = t->places[i];

		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (p->written[k] != MISSING && p->now.knobs[k] != MISSING &&
			    p->now.knobs[k] != p->written[k])
				now->intrusions[now->n_intrusions++] =
					(struct intrusion){ p->id, (enum knob)k, p->writers[k] };
	}
	if (n)
		qsort(now->intrusions, n, sizeof(*now->intrusions), intrusion_order);
	return 0;
}
