/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges one person's word on one change, and all words together. Names come resolved; what an
 * approval sets off is life.c's.
 */
#include "approval.h"

static bool names_have(const struct names *list, const char *name)
{
	for (unsigned int i = 0; i < list->n; i++)
		if (strcmp(list->all[i], name) == 0)
			return true;
	return false;
}

bool person_is_listed(const struct person *who, const struct names *list)
{
	for (unsigned int i = 0; i < list->n; i++) {
		const char *entry = list->all[i];

		if (*entry != '@' && strcmp(entry, who->name) == 0)
			return true;
		for (unsigned int g = 0; *entry == '@' && g < who->n_groups; g++)
			if (strcmp(entry + 1, who->groups[g]) == 0)
				return true;
	}
	return false;
}

static bool has_inconclusive(const struct change *c)
{
	for (unsigned int i = 0; i < c->n_gates; i++)
		if (c->gates[i].verdict == GATE_INCONCLUSIVE)
			return true;
	return false;
}

/* Touched models that the person owns. */
static int owned_list(struct change *c, const struct person *who, struct names *ret_owned)
{
	struct names owned = { .all = arena_new(&c->arena, const char *, MAX(1u, c->n_touches)) };

	if (!owned.all)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->n_touches; i++)
		if (person_is_listed(who, &c->touches[i].owners))
			owned.all[owned.n++] = c->touches[i].model;
	*ret_owned = owned;
	return 0;
}

/* By the manifests in force: who is named by the change itself does not judge it alone. */
static bool owns_everything(const struct change *c, const struct names *owned)
{
	for (unsigned int i = 0; i < c->n_touches; i++)
		if (c->touches[i].is_new || !names_have(owned, c->touches[i].model))
			return false;
	return c->n_touches > 0 && !c->touches_host;
}

static const struct approval *approval_of(const struct change *c, uid_t uid)
{
	for (unsigned int i = 0; i < c->n_approvals; i++)
		if (c->approvals[i].uid == uid)
			return &c->approvals[i];
	return NULL;
}

/* On a host without approvals only an inconclusive gate waits for somebody. */
static bool author_may_accept(const struct change *c)
{
	return c->rules.approvals == 0 && has_inconclusive(c);
}

int approval_judge(struct change *c, const struct person *who, struct approval *ret_approval,
		   struct err *e)
{
	struct approval a = { .who = who->name, .uid = who->uid, .is_root = who->uid == 0 };

	if (who->uid == c->author_uid && !author_may_accept(c))
		return err_say(
			e, -EPERM,
			"%s proposed change %llu and cannot approve it; another approver must",
			who->name, (unsigned long long)c->id);
	if (approval_of(c, who->uid))
		return err_say(e, -EPERM, "%s approved change %llu already; it waits for others",
			       who->name, (unsigned long long)c->id);
	if (owned_list(c, who, &a.owns) < 0)
		return err_set(e, -ENOMEM, "approve change %llu", (unsigned long long)c->id);
	a.counts = a.is_root || who->is_approver || owns_everything(c, &a.owns);
	if (!a.counts && a.owns.n == 0)
		return err_say(
			e, -EPERM,
			"%s is neither an approver of this host (access.approvers) nor an owner "
			"of a model that change %llu touches",
			who->name, (unsigned long long)c->id);
	*ret_approval = a;
	return 0;
}

/* ---- what is missing ---------------------------------------------------------------------------
 */

static unsigned int people_counted(const struct change *c, bool *ret_has_root)
{
	unsigned int n = 0;

	*ret_has_root = false;
	for (unsigned int i = 0; i < c->n_approvals; i++) {
		n += c->approvals[i].counts;
		*ret_has_root |= c->approvals[i].is_root;
	}
	return n;
}

/* The first touched model whose owners have not been heard, or NULL. */
static const struct touch *owner_missing(const struct change *c)
{
	for (unsigned int i = 0; i < c->n_touches; i++) {
		const struct touch *t = &c->touches[i];
		bool is_heard = t->owners.n == 0 || t->has_author;

		for (unsigned int k = 0; k < c->n_approvals && !is_heard; k++)
			is_heard = names_have(&c->approvals[k].owns, t->model);
		if (!is_heard)
			return t;
	}
	return NULL;
}

static void owners_print(const struct touch *t, char *buf, size_t size)
{
	size_t length = (size_t)snprintf(buf, size, "an owner of %s (", t->model);

	for (unsigned int i = 0; i < t->owners.n && length < size; i++)
		length += (size_t)snprintf(buf + length, size - length, "%s%s", i ? ", " : "",
					   t->owners.all[i]);
	if (length < size)
		snprintf(buf + length, size - length, ")");
}

bool approvals_suffice(const struct change *c, char *ret_missing, size_t size)
{
	bool has_root, is_unsure = has_inconclusive(c);
	uint64_t asked = c->rules.approvals, heard = people_counted(c, &has_root);
	const struct touch *owner = asked > 0 && !has_root ? owner_missing(c) : NULL;

	*ret_missing = '\0';
	if (is_unsure && asked == 0 && heard == 0)
		snprintf(ret_missing, size, "an approver who accepts what a gate could not tell");
	else if (heard < asked)
		snprintf(ret_missing, size, "%llu more approval%s%s",
			 (unsigned long long)(asked - heard), asked - heard > 1 ? "s" : "",
			 is_unsure ? ", accepting what a gate could not tell" : "");
	else if (owner)
		owners_print(owner, ret_missing, size);
	return *ret_missing == '\0';
}
