/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage of the room: the one file of decide/ that allocates and compares names. decide() itself
 * works in what is made here.
 */
#include "desk.h"

#include <errno.h>

int state_init(struct state *s, uint32_t n_models)
{
	/* one more than asked for: an empty policy is a policy, and calloc(0) may say NULL */
	size_t n = (size_t)n_models + 1;

	*s = (struct state){ .n_models = n_models,
			     .models = calloc(n, sizeof(*s->models)),
			     .desks = calloc(n, sizeof(*s->desks)),
			     .drifts = calloc(DRIFT_KEYS, sizeof(*s->drifts)) };
	if (s->models && s->desks && s->drifts)
		return 0;
	state_fini(s);
	return -ENOMEM;
}

void state_fini(struct state *s)
{
	if (!s)
		return;
	free(s->models);
	free(s->desks);
	free(s->drifts);
	*s = (struct state){ 0 };
}

int plan_init(struct plan *p, uint32_t n_models, uint32_t max_actions)
{
	*p = (struct plan){ .n_models = n_models,
			    .verdicts = calloc((size_t)n_models + 1, sizeof(*p->verdicts)),
			    .max_actions = max_actions,
			    .actions = calloc((size_t)max_actions + 1, sizeof(*p->actions)),
			    .drifts = calloc(DRIFT_KEYS, sizeof(*p->drifts)) };
	if (p->verdicts && p->actions && p->drifts)
		return 0;
	plan_fini(p);
	return -ENOMEM;
}

void plan_fini(struct plan *p)
{
	if (!p)
		return;
	free(p->verdicts);
	free(p->actions);
	free(p->drifts);
	*p = (struct plan){ 0 };
}

/* ---- after a policy change --------------------------------------------------------------- */

/* Index of the model of that name, or MODEL_NONE; models are ordered by name. */
static uint32_t model_search(const struct policy *p, const char *name)
{
	uint32_t low = 0, high = p->n_models;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(name, p->models[middle].name);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return MODEL_NONE;
}

static uint32_t model_translate(uint32_t model, const struct policy *from, const struct policy *to)
{
	return model < from->n_models ? model_search(to, from->models[model].name) : MODEL_NONE;
}

void state_carry(const struct state *old, const struct policy *old_policy,
		 const struct policy *new_policy, struct state *ret_new)
{
	for (uint32_t i = 0; i < new_policy->n_models; i++) {
		const struct model *m = &new_policy->models[i];
		uint32_t before = model_search(old_policy, m->name);
		struct model_state *s = &ret_new->models[i];

		if (before == MODEL_NONE)
			continue;
		*s = old->models[before];
		s->moved_why.model = model_translate(s->moved_why.model, old_policy, new_policy);
		s->moved_why.culprit =
			model_translate(s->moved_why.culprit, old_policy, new_policy);
		/* what nobody carried out in observe mode is tried at once in enforce mode */
		memset(s->retries, 0, sizeof(s->retries));
		s->cap.why.model = model_translate(s->cap.why.model, old_policy, new_policy);
		s->cap.why.culprit = model_translate(s->cap.why.culprit, old_policy, new_policy);
		/* what it paid, it paid as a member of its old class */
		if (m->class != old_policy->models[before].class ||
		    m->stage != old_policy->models[before].stage) {
			s->offset = 0;
			memset(&s->cap, 0, sizeof(s->cap));
		}
	}
	memcpy(ret_new->lift, old->lift, sizeof(ret_new->lift));
	ret_new->settle_ns = old->settle_ns;
	ret_new->settle_class = old->settle_class;
	ret_new->give_pause_ns = old->give_pause_ns;
	memcpy(ret_new->exhausted_ns, old->exhausted_ns, sizeof(ret_new->exhausted_ns));
	memcpy(ret_new->holds, old->holds, sizeof(ret_new->holds));
	ret_new->unrest_ns = old->unrest_ns;
	ret_new->busy_permyriad = old->busy_permyriad;
	ret_new->has_busy = old->has_busy;
	ret_new->cpus = old->cpus;
	/* by cgroup, so whose they are is looked up anew in the next tick */
	memcpy(ret_new->drifts, old->drifts, sizeof(*old->drifts) * old->n_drifts);
	ret_new->n_drifts = old->n_drifts;
}
