/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a change of a candidate: who proposes it, against what, by which rules, and whose models it
 * touches.
 */
#include "room.h"

#include "approval.h"

static const char author_daemon[] = "modelgovd";

static bool is_listed(const struct change *c, const char *model)
{
	for (unsigned int i = 0; i < c->n_touches; i++)
		if (strcmp(c->touches[i].model, model) == 0)
			return true;
	return false;
}

static int owners_copy(struct change *c, const struct names *owners, struct names *ret_copy)
{
	struct names copy = { .all = arena_new(&c->arena, const char *, owners->n + 1) };

	for (; copy.all && copy.n < owners->n; copy.n++)
		if (!(copy.all[copy.n] = arena_strdup(&c->arena, owners->all[copy.n])))
			return -ENOMEM;
	*ret_copy = copy;
	return copy.all ? 0 : -ENOMEM;
}

/* Owners are those of the manifest in force; a model that is new brings its own. */
static int touch_add(struct change *c, const struct policy *before, const struct policy *after,
		     const char *model)
{
	struct touch *t = &c->touches[c->n_touches];
	static const struct names nobody = { 0 };
	const struct names *owners = &nobody;
	uint32_t i;

	*t = (struct touch){ .model = arena_strdup(&c->arena, model) };
	if (policy_find(before, model, &i) == 0) {
		owners = &before->models[i].owners;
	} else {
		t->is_new = true;
		if (policy_find(after, model, &i) == 0)
			owners = &after->models[i].owners;
	}
	if (!t->model || owners_copy(c, owners, &t->owners) < 0)
		return -ENOMEM;
	c->n_touches++;
	return 0;
}

static int touches_find(struct change *c, const struct policy *before, const struct policy *after)
{
	struct difference *all;
	struct arena arena;
	unsigned int n;
	int r;

	arena_init(&arena);
	r = policy_diff(before, after, &arena, &all, &n);
	if (r == 0 && !(c->touches = arena_new(&c->arena, struct touch, n + 1)))
		r = -ENOMEM;
	for (unsigned int i = 0; r == 0 && i < n; i++)
		if (!*all[i].model)
			c->touches_host = true;
		else if (!is_listed(c, all[i].model))
			r = touch_add(c, before, after, all[i].model);
	arena_fini(&arena);
	return r;
}

static struct rules rules_in_force(const struct policy *p)
{
	return (struct rules){ .approvals = p->host.approvals,
			       .probation_ns = p->host.probation_ns,
			       .margin_permyriad = p->host.probation_margin_permyriad,
			       .gate_timeout_ns = p->host.gate_timeout_ns };
}

static int strings_copy(struct change *c, const struct step *s, const char *digest,
			const char *considered)
{
	c->source = arena_strdup(&c->arena, s->source);
	c->author = arena_strdup(&c->arena, s->who ? s->who->name : author_daemon);
	c->reason = arena_strdup(&c->arena, s->why);
	c->ticket = arena_strdup(&c->arena, s->ticket);
	c->digest = arena_strdup(&c->arena, digest);
	c->canonical = arena_strdup(&c->arena, s->canonical);
	c->considered = arena_strdup(&c->arena, considered);
	return c->source && c->author && c->reason && c->ticket && c->digest && c->canonical &&
			       c->considered
		       ? 0
		       : -ENOMEM;
}

/* Where nothing is in force: every model is new, nobody is asked, gates have the default time. */
static const struct policy nothing = { .host = { .gate_timeout_ns = 30 * NSEC_PER_SEC } };

int proposal_make(struct changes *c, const struct step *s, const struct policy *candidate,
		  struct change **ret_change, struct err *e)
{
	const struct policy *before = c->policy ? c->policy : &nothing;
	struct change *new = change_new();
	int r = new ? strings_copy(new, s, candidate->digest, c->considered) : -ENOMEM;

	if (r == 0)
		r = touches_find(new, before, candidate);
	if (r < 0) {
		change_free(new);
		return err_set(e, r, "a change of %u models", candidate->n_models);
	}
	new->author_uid = s->who ? s->who->uid : (uid_t)-1;
	for (unsigned int i = 0; s->who && i < new->n_touches; i++)
		new->touches[i].has_author = person_is_listed(s->who, &new->touches[i].owners);
	new->made_ns = clock_realtime_ns();
	new->base = c->generation;
	new->equals = s->equals;
	new->applies = s->applies || c->generation == 0;
	new->rules = rules_in_force(before);
	*ret_change = new;
	return 0;
}
