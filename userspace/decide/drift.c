/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices values that others changed after modelgov set them, and counts: what was put back too
 * often is left alone, because two that write the same key in turn help nobody. Who it was is only
 * carried along; what is wanted instead is propose.c's.
 *
 *   changed ---> put back, 3 times within ten minutes ---> changed again: left alone
 *                                                            | an hour, or another manifest
 *                                                            v
 *                                                          as if nothing had been
 */
#include "desk.h"

_Static_assert(LAW_DRIFT_TIMES <= DRIFT_TIMES_MAX, "a key remembers that many put-backs");

/* ---- the list ---------------------------------------------------------------------------- */

static bool key_comes_before(const struct drift *d, uint64_t cgroup_id, unsigned int knob)
{
	return d->cgroup_id != cgroup_id ? d->cgroup_id < cgroup_id : d->knob < knob;
}

/* Where the key is, or belongs. */
static uint32_t key_index(const struct state *s, uint64_t cgroup_id, unsigned int knob)
{
	uint32_t low = 0, high = s->n_drifts;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (key_comes_before(&s->drifts[middle].drift, cgroup_id, knob))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct drift_key *drift_find(const struct turn *t, const struct target *target, unsigned int knob)
{
	struct state *s = t->state;
	uint32_t i = key_index(s, target->cgroup_id, knob);

	return i < s->n_drifts && s->drifts[i].drift.cgroup_id == target->cgroup_id &&
			       s->drifts[i].drift.knob == knob
		       ? &s->drifts[i]
		       : NULL;
}

/* NULL without room. */
static struct drift_key *key_add(struct turn *t, const struct target *target, unsigned int knob)
{
	struct state *s = t->state;
	uint32_t i = key_index(s, target->cgroup_id, knob);
	struct drift_key *key = &s->drifts[i];

	if (s->n_drifts == DRIFT_KEYS)
		return NULL;
	memmove(key + 1, key, sizeof(*key) * (s->n_drifts - i));
	memset(key, 0, sizeof(*key)); /* padding too: states are compared byte by byte */
	key->drift.cgroup_id = target->cgroup_id;
	key->drift.knob = (enum knob)knob;
	s->n_drifts++;
	return key;
}

/* ---- what is forgotten ------------------------------------------------------------------- */

/* Without caps: these are feedback's. */
static uint64_t policy_value(const struct turn *t, uint32_t model, unsigned int knob)
{
	uint64_t value = t->policy->models[model].values[knob];
	uint64_t part = t->desks[model].quota_part;

	if (knob != KNOB_CPU_MAX)
		return wanted_of(t, model, knob);
	return part == VALUE_MAX ? value : value == MISSING ? part : MIN(value, part);
}

/*
 * What the policy says of a key, not what feedback makes of it: another level of the weight must
 * not begin the fight anew.
 */
static uint64_t wish_digest(const struct turn *t, const struct target *target, unsigned int knob)
{
	const struct model *m = &t->policy->models[target->model];

	if (knob != KNOB_CPU_WEIGHT)
		return mix(policy_value(t, target->model, knob));
	return mix(mix(mix((uint64_t)m->class) + (uint32_t)m->priority) +
		   m->cpu_reserved_millicpu) +
	       mix(m->cpu_floor_permyriad);
}

static void key_forget(struct drift_key *key)
{
	key->n_backs = 0;
	key->left_ns = 0;
}

/* Whose keys they are now; what the policy says otherwise than before starts anew. */
static void keys_claim(struct turn *t)
{
	for (uint32_t i = 0; i < t->state->n_drifts; i++) {
		struct drift *d = &t->state->drifts[i].drift;

		d->model = MODEL_NONE;
		d->is_now = false;
		d->is_news = false;
	}
	for (uint32_t i = 0; t->state->n_drifts > 0 && i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		for (uint32_t left = knobs_of(t, target); left; left &= left - 1) {
			unsigned int knob = (unsigned int)__builtin_ctz(left);
			struct drift_key *key = drift_find(t, target, knob);

			if (!key)
				continue;
			key->drift.model = target->model;
			if (key->wish != wish_digest(t, target, knob))
				key_forget(key);
		}
	}
}

static void key_age(const struct turn *t, struct drift_key *key)
{
	uint32_t n_old = 0;

	while (n_old < key->n_backs &&
	       elapsed_ns(t, key->backs_ns[n_old]) >= LAW_DRIFT_WINDOW_S * NSEC_PER_SEC)
		n_old++;
	if (key->left_ns && elapsed_ns(t, key->left_ns) >= LAW_DRIFT_LEFT_S * NSEC_PER_SEC)
		key_forget(key);
	if (key->left_ns || key->n_backs == 0)
		return; /* why it was left alone is told as long as it is */
	key->n_backs -= n_old;
	memmove(key->backs_ns, key->backs_ns + n_old, sizeof(*key->backs_ns) * key->n_backs);
	memset(key->backs_ns + key->n_backs, 0,
	       sizeof(*key->backs_ns) * (DRIFT_TIMES_MAX - key->n_backs));
}

static void keys_age(struct turn *t)
{
	struct state *s = t->state;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_drifts; i++) {
		key_age(t, &s->drifts[i]);
		if (s->drifts[i].left_ns == 0 && s->drifts[i].n_backs == 0)
			continue;
		if (n != i)
			memcpy(&s->drifts[n], &s->drifts[i], sizeof(s->drifts[n]));
		n++;
	}
	s->n_drifts = n;
}

/* ---- what is noticed --------------------------------------------------------------------- */

/* systemd 252 keeps whole percent of a CPU and rounds a quota to that at each daemon-reload. */
static bool is_rounded(unsigned int knob, uint64_t a, uint64_t b)
{
	return knob == KNOB_CPU_MAX && a != VALUE_MAX && b != VALUE_MAX &&
	       MAX(a, b) - MIN(a, b) < CPU_PERIOD_USEC / 100;
}

/* A file that is gone was not changed, and what nobody wants is anybody's. */
bool is_drifted(const struct turn *t, const struct target *target, unsigned int knob)
{
	uint64_t value = target->values[knob], written = target->written[knob];
	bool is_ours = wanted_of(t, target->model, knob) != MISSING;

	return is_ours && !t->now->is_busy && written != MISSING && value != MISSING &&
	       value != written && !is_rounded(knob, value, written);
}

static struct writer writer_find(const struct observation *now, uint64_t cgroup_id,
				 unsigned int knob)
{
	uint32_t low = 0, high = now->n_intrusions;
	struct writer nobody;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct intrusion *one = &now->intrusions[middle];

		if (one->cgroup_id == cgroup_id && one->knob == knob)
			return one->writer;
		if (one->cgroup_id != cgroup_id ? one->cgroup_id < cgroup_id : one->knob < knob)
			low = middle + 1;
		else
			high = middle;
	}
	memset(&nobody, 0, sizeof(nobody));
	return nobody;
}

static void key_judge(struct turn *t, const struct target *target, unsigned int knob)
{
	struct drift_key *key = drift_find(t, target, knob);

	if (!key)
		key = key_add(t, target, knob);
	if (!key) { /* to put back what is not counted would be to fight */
		t->desks[target->model].left_alone |= 1u << knob;
		return;
	}
	key->wish = wish_digest(t, target, knob);
	key->drift.model = target->model;
	key->drift.written = target->written[knob];
	if (!key->left_ns || key->drift.found != target->values[knob]) {
		key->drift.found_ns = t->now->taken_ns;
		key->drift.writer = writer_find(t->now, target->cgroup_id, knob);
	}
	key->drift.found = target->values[knob];
	key->drift.is_now = true;
	if (!key->left_ns && key->n_backs >= LAW_DRIFT_TIMES) {
		key->left_ns = MAX(t->now->taken_ns, 1ULL);
		key->drift.is_news = true;
	}
	t->desks[target->model].drifted |= 1u << knob;
}

void turn_watch(struct turn *t)
{
	keys_claim(t);
	keys_age(t);
	for (uint32_t i = 0; i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		for (uint32_t left = knobs_of(t, target); left; left &= left - 1) {
			unsigned int knob = (unsigned int)__builtin_ctz(left);

			if (is_drifted(t, target, knob))
				key_judge(t, target, knob);
		}
	}
	for (uint32_t i = 0; i < t->state->n_drifts; i++) {
		const struct drift_key *key = &t->state->drifts[i];

		if (key->left_ns && key->drift.model < t->n)
			t->desks[key->drift.model].left_alone |= 1u << key->drift.knob;
	}
}

/* ---- what follows ------------------------------------------------------------------------ */

static void back_note(struct turn *t, const struct action *a)
{
	struct drift_key *key = drift_find(t, &t->now->targets[a->target], a->knob);

	key->backs_ns[key->n_backs++] = t->now->taken_ns;
	key->drift.is_news = true;
}

/* Only what is in the plan counts: an action that was cut follows with the next. */
static void backs_note(struct turn *t)
{
	for (uint32_t i = 0; i < t->plan->n_actions; i++)
		if (t->plan->actions[i].reason == REASON_DRIFT)
			back_note(t, &t->plan->actions[i]);
}

static void wishes_note(struct turn *t)
{
	for (uint32_t i = 0; t->state->n_drifts > 0 && i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		for (uint32_t left = knobs_of(t, target); left; left &= left - 1) {
			unsigned int knob = (unsigned int)__builtin_ctz(left);
			struct drift_key *key = drift_find(t, target, knob);

			if (key)
				key->drift.wanted = wanted_value(t, target, knob);
		}
	}
}

static void drifts_list(struct turn *t)
{
	for (uint32_t i = 0; i < t->state->n_drifts; i++) {
		struct drift_key *key = &t->state->drifts[i];
		struct drift *d = &key->drift;

		d->times = key->n_backs;
		d->is_left_alone = key->left_ns != 0;
		if (d->model < t->n)
			memcpy(&t->plan->drifts[t->plan->n_drifts++], d, sizeof(*d));
	}
}

void turn_put_back(struct turn *t)
{
	backs_note(t);
	wishes_note(t);
	drifts_list(t);
}
