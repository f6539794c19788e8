/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts broken ticks before and since a change and compares the two. What a verdict sets off is
 * changes.c's.
 */
#include "probation.h"

#include "knob.h"

const struct parameter probation_parameters[] = {
#define X(tag, name, unit, value, minimum, maximum, effect, source)                                \
	{ name, unit, value, minimum, maximum, effect, source },
	CHANGE_LAWS(X)
#undef X
};

const unsigned int n_probation_parameters = ARRAY_SIZE(probation_parameters);

/* ---- one tick of one model ----------------------------------------------------------------------
 */

static const struct promise *promise_find(const struct objective *o, const struct promise *promises,
					  unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (promises[i].indicator == o->indicator &&
		    promises[i].quantile_permyriad == o->quantile_permyriad)
			return &promises[i];
	return NULL;
}

static bool is_measured(const struct objective *o, const struct reading *r)
{
	if (r->observed == MISSING || r->samples == MISSING)
		return false;
	return r->samples >= (o->indicator == INDICATOR_MEMORY_STALL ? 1 : PROBATION_SAMPLES_WAITS);
}

struct sight sight_take(const struct model *m, const struct model_reading *r,
			const struct promise *promises, unsigned int n_promises)
{
	struct sight s = { 0 };

	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];
		const struct promise *before = promise_find(o, promises, n_promises);
		uint64_t budget = before ? MAX(o->budget, before->budget) : o->budget;

		if ((promises && !before) || !is_measured(o, &r->objectives[i]))
			continue;
		s.is_judged = true;
		s.is_violated |= r->objectives[i].observed > budget;
		s.is_far |= r->objectives[i].observed / 2 > budget;
	}
	return s;
}

/* ---- before -------------------------------------------------------------------------------------
 */

#define SEEN_JUDGED   1u
#define SEEN_VIOLATED 2u
#define SEEN_FAR      4u

struct watched {
	char *name;
	unsigned int next;                     /* where the next tick goes */
	uint8_t ticks[PROBATION_WINDOW_TICKS]; /* SEEN_ bits; 0: not judged */
	struct tally tally;                    /* of them */
};

void watch_fini(struct watch *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		free(w->models[i].name);
	free(w->models);
	*w = (struct watch){ 0 };
}

static const struct watched *watched_find(const struct watch *w, const char *name)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (strcmp(w->models[i].name, name) == 0)
			return &w->models[i];
	return NULL;
}

int watch_follow(struct watch *w, const struct policy *p)
{
	struct watch new = { .models = calloc(MAX(1u, p->n_models), sizeof(*new.models)) };

	if (!new.models)
		return -ENOMEM;
	for (; new.n < p->n_models; new.n++) {
		const struct watched *old = watched_find(w, p->models[new.n].name);
		char *name = strdup(p->models[new.n].name);

		if (!name) {
			watch_fini(&new);
			return -ENOMEM;
		}
		if (old)
			new.models[new.n] = *old;
		new.models[new.n].name = name;
	}
	watch_fini(w);
	*w = new;
	return 0;
}

static void tally_add(struct tally *t, uint8_t seen, uint64_t n)
{
	t->ticks += seen & SEEN_JUDGED ? n : 0;
	t->violated += seen & SEEN_VIOLATED ? n : 0;
	t->far += seen & SEEN_FAR ? n : 0;
}

static uint8_t sight_bits(struct sight s)
{
	if (!s.is_judged)
		return 0;
	return (uint8_t)(SEEN_JUDGED | (s.is_violated ? SEEN_VIOLATED : 0) |
			 (s.is_far ? SEEN_FAR : 0));
}

void watch_note(struct watch *w, uint32_t model, struct sight sight)
{
	struct watched *m = &w->models[model];
	uint8_t seen = sight_bits(sight);

	tally_add(&m->tally, m->ticks[m->next], UINT64_MAX); /* minus one */
	tally_add(&m->tally, seen, 1);
	m->ticks[m->next] = seen;
	m->next = (m->next + 1) % PROBATION_WINDOW_TICKS;
}

struct tally watch_tally(const struct watch *w, uint32_t model)
{
	return w->models[model].tally;
}

/* ---- since
 * --------------------------------------------------------------------------------------- */

static void trial_init(struct trial *t, const struct model *before, struct tally tally)
{
	*t = (struct trial){ .is_critical = before->class == CLASS_CRITICAL,
			     .before = tally,
			     .n_promises = before->n_objectives };
	for (unsigned int i = 0; i < before->n_objectives; i++)
		t->promises[i] = (struct promise){ .indicator = before->objectives[i].indicator,
						   .quantile_permyriad =
							   before->objectives[i].quantile_permyriad,
						   .budget = before->objectives[i].budget };
}

struct probation *probation_new(struct arena *arena, const struct policy *before,
				const struct policy *since, const struct watch *watch)
{
	struct probation *p = arena_new(arena, struct probation, 1);

	if (!p || !(p->trials = arena_new(arena, struct trial, MAX(1u, before->n_models))))
		return NULL;
	for (uint32_t i = 0; i < before->n_models && i < watch->n; i++) {
		uint32_t same;

		if (policy_find(since, before->models[i].name, &same) < 0)
			continue;
		trial_init(&p->trials[p->n], &before->models[i], watch_tally(watch, i));
		if (!(p->trials[p->n++].name = arena_strdup(arena, before->models[i].name)))
			return NULL;
	}
	return p;
}

/*
 * A reading looks back over its objective's window: until that has passed it shows how it was
 * before, too. Half of the probation is enough of that wait, or a long window would leave nothing
 * to judge.
 */
static bool is_fresh(const struct probation *p, const struct model *m, uint64_t wall_ns)
{
	uint64_t window_ns = 0, age_ns = wall_ns > p->began_ns ? wall_ns - p->began_ns : 0;

	for (unsigned int i = 0; i < m->n_objectives; i++)
		window_ns = MAX(window_ns, m->objectives[i].window_ns);
	return age_ns >= MIN(window_ns, (p->ends_ns - p->began_ns) / 2);
}

void probation_note(struct probation *p, const struct policy *policy, const struct observation *now,
		    uint64_t wall_ns)
{
	for (unsigned int i = 0; i < p->n; i++) {
		struct trial *t = &p->trials[i];
		struct sight s;
		uint32_t model;

		if (policy_find(policy, t->name, &model) < 0 || model >= now->n_models)
			continue;
		s = sight_take(&policy->models[model], &now->models[model], t->promises,
			       t->n_promises);
		t->far_in_a_row = s.is_judged && s.is_far ? t->far_in_a_row + 1 : 0;
		if (is_fresh(p, &policy->models[model], wall_ns))
			tally_add(&t->since, sight_bits(s), 1);
	}
}

/* ---- the verdict
 * --------------------------------------------------------------------------------- */

static uint64_t share(uint64_t part, uint64_t whole)
{
	return whole ? part * PERMYRIAD / whole : 0;
}

static bool is_known_before(const struct trial *t)
{
	return t->before.ticks >= PROBATION_LEAST_TICKS;
}

static bool is_far_broken(const struct trial *t)
{
	return t->is_critical && t->far_in_a_row >= PROBATION_FAR_TICKS && is_known_before(t) &&
	       share(t->before.far, t->before.ticks) <= PROBATION_FAR_SHARE;
}

/* Worse than borne even if every tick that is left is a good one. */
static bool is_worse(const struct probation *p, const struct trial *t, uint64_t left_ticks)
{
	uint64_t borne = share(t->before.violated, t->before.ticks) + p->margin_permyriad;

	return is_known_before(t) && t->since.ticks >= PROBATION_LEAST_TICKS &&
	       t->since.violated * PERMYRIAD > borne * (t->since.ticks + left_ticks);
}

static void trial_print(const struct probation *p, const struct trial *t, char *buf, size_t size)
{
	char since[32], before[32], margin[32];

	snprintf(buf, size,
		 "%s broke its budget in %llu of %llu ticks (%s), before in %llu of %llu (%s); %s "
		 "more "
		 "are borne",
		 t->name, (unsigned long long)t->since.violated, (unsigned long long)t->since.ticks,
		 share_format(share(t->since.violated, t->since.ticks), since, sizeof(since)),
		 (unsigned long long)t->before.violated, (unsigned long long)t->before.ticks,
		 share_format(share(t->before.violated, t->before.ticks), before, sizeof(before)),
		 share_format(p->margin_permyriad, margin, sizeof(margin)));
}

/* The model that came nearest to being worse, of those that can be judged. */
static const struct trial *trial_nearest(const struct probation *p)
{
	const struct trial *nearest = NULL;
	int64_t most = INT64_MIN;

	for (unsigned int i = 0; i < p->n; i++) {
		const struct trial *t = &p->trials[i];
		int64_t more = (int64_t)share(t->since.violated, t->since.ticks) -
			       (int64_t)share(t->before.violated, t->before.ticks);

		if (!is_known_before(t) || t->since.ticks < PROBATION_LEAST_TICKS || more <= most)
			continue;
		most = more;
		nearest = t;
	}
	return nearest;
}

enum probation_verdict probation_judge(const struct probation *p, uint64_t wall_ns,
				       uint64_t tick_ns, char *ret_why, size_t size)
{
	uint64_t left_ns = wall_ns < p->ends_ns ? p->ends_ns - wall_ns : 0;
	const struct trial *nearest = trial_nearest(p);

	for (unsigned int i = 0; i < p->n; i++) {
		const struct trial *t = &p->trials[i];

		if (is_far_broken(t)) {
			snprintf(ret_why, size,
				 "%s, a critical model, was over twice its budget for %llu ticks "
				 "in a row",
				 t->name, (unsigned long long)t->far_in_a_row);
			return PROBATION_WORSE;
		}
		if (is_worse(p, t, left_ns / tick_ns)) {
			trial_print(p, t, ret_why, size);
			return PROBATION_WORSE;
		}
	}
	if (nearest)
		trial_print(p, nearest, ret_why, size);
	else
		snprintf(ret_why, size,
			 "no model had %d ticks with demand and a promise, both before and since",
			 PROBATION_LEAST_TICKS);
	if (left_ns > 0)
		return PROBATION_GOES_ON;
	return nearest ? PROBATION_KEPT : PROBATION_UNJUDGED;
}

/* ---- forms
 * --------------------------------------------------------------------------------------- */

static json_t *tally_to_json(const struct tally *t)
{
	return json_pack("{s:I, s:I, s:I}", "ticks", (json_int_t)t->ticks, "violated",
			 (json_int_t)t->violated, "far", (json_int_t)t->far);
}

static json_t *promises_to_json(const struct trial *t)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < t->n_promises; i++)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "indicator",
						      indicator_name(t->promises[i].indicator),
						      "quantile_permyriad",
						      (json_int_t)t->promises[i].quantile_permyriad,
						      "budget", (json_int_t)t->promises[i].budget));
	return list;
}

json_t *probation_to_json(const struct probation *p)
{
	json_t *trials = json_array();

	for (unsigned int i = 0; i < p->n; i++) {
		const struct trial *t = &p->trials[i];

		json_array_append_new(trials, json_pack("{s:s, s:b, s:o, s:o, s:o}", "model",
							t->name, "is_critical", t->is_critical,
							"before", tally_to_json(&t->before),
							"since", tally_to_json(&t->since),
							"promises", promises_to_json(t)));
	}
	return json_pack("{s:I, s:I, s:I, s:o}", "began_ns", (json_int_t)p->began_ns, "ends_ns",
			 (json_int_t)p->ends_ns, "margin_permyriad",
			 (json_int_t)p->margin_permyriad, "models", trials);
}

static uint64_t integer_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static struct tally tally_from_json(const json_t *form)
{
	return (struct tally){ .ticks = integer_of(form, "ticks"),
			       .violated = integer_of(form, "violated"),
			       .far = integer_of(form, "far") };
}

static void promises_from_json(struct trial *t, const json_t *list)
{
	json_t *form;
	size_t i;

	json_array_foreach(list, i, form) {
		const char *name = json_string_value(json_object_get(form, "indicator"));

		for (int k = 0; name && k < N_INDICATORS && t->n_promises < MAX_OBJECTIVES; k++)
			if (strcmp(indicator_name((enum indicator)k), name) == 0)
				t->promises[t->n_promises++] =
					(struct promise){ .indicator = (enum indicator)k,
							  .quantile_permyriad =
								  integer_of(form,
									     "quantile_permyriad"),
							  .budget = integer_of(form, "budget") };
	}
}

struct probation *probation_from_json(const json_t *form, struct arena *arena)
{
	const json_t *models = json_object_get(form, "models");
	struct probation *p = arena_new(arena, struct probation, 1);
	json_t *one;
	size_t i;

	if (!p || !(p->trials = arena_new(arena, struct trial, json_array_size(models) + 1)))
		return NULL;
	p->began_ns = integer_of(form, "began_ns");
	p->ends_ns = integer_of(form, "ends_ns");
	p->margin_permyriad = integer_of(form, "margin_permyriad");
	json_array_foreach(models, i, one) {
		struct trial *t = &p->trials[p->n];
		const char *name = json_string_value(json_object_get(one, "model"));

		if (!name || !(t->name = arena_strdup(arena, name)))
			continue;
		t->is_critical = json_is_true(json_object_get(one, "is_critical"));
		t->before = tally_from_json(json_object_get(one, "before"));
		t->since = tally_from_json(json_object_get(one, "since"));
		promises_from_json(t, json_object_get(one, "promises"));
		p->n++;
	}
	return p;
}
