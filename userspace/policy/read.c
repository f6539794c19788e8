/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies the key table to a tree: which keys may and must be where, and into which field they go.
 * A new key of an old type needs no line here. Single values are value.c's.
 */
#include "read.h"

#include "check.h"
#include "names.h"
#include "text.h"
#include "value.h"

/* ---- unknown and missing keys -------------------------------------------------------------- */

static const char *names_list(struct reader *r, const char *group)
{
	const char *list = "";

	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];

		if (!(k->manifest & r->manifest) || strcmp(k->group, group) != 0)
			continue;
		list = arena_printf(r->room->scratch, "%s%s%s", list, *list ? ", " : "", k->name);
		if (!list)
			return "(memory is short)";
	}
	return list;
}

static void unknown_report(struct reader *r, const struct scope *in, const struct node *n)
{
	const struct key *near = key_nearest(r->manifest, in->group, n->key->text);
	const struct key *far = key_elsewhere(r->manifest, n->key->text);
	const char *dot = *in->shown ? ": " : "", *key = value_quote(r, n->key);

	if (near)
		tree_error(&r->tree, n->key, "%s%sunknown key %s; did you mean '%s'?", in->shown,
			   dot, key, near->name);
	else if (far)
		tree_error(&r->tree, n->key, "%s%sunknown key %s; it belongs %s%s", in->shown, dot,
			   key, *far->group ? "to " : "at the top", *far->group ? far->group : "");
	else
		tree_error(&r->tree, n->key, "%s%sunknown key %s; known here: %s", in->shown, dot,
			   key, names_list(r, in->group));
}

static void missing_report(struct reader *r, const struct scope *in, const struct key *k,
			   const struct node *group)
{
	const char *example = k->example;

	if (strcmp(k->name, "kind") == 0)
		example = r->manifest == MANIFEST_HOST ? "Host" : "Model";
	if (*in->shown == '\0')
		source_error(r->tree.source, 0, 0, 0,
			     "key '%s' is missing; write for example %s: %s", k->name, k->name,
			     example);
	else
		tree_error(&r->tree, group, "%s: key '%s' is missing; write for example %s: %s",
			   in->shown, k->name, k->name, k->example);
}

/* ---- labels -------------------------------------------------------------------------------- */

static int label_compare(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static int labels_read(struct reader *r, const struct scope *in, const struct key *k,
		       const struct node *group)
{
	struct model *m = in->into;

	for (const struct node *n = group->first; n; n = n->next) {
		if (n->is_refused)
			continue;
		struct label *label = &m->labels[m->n_labels];

		if (m->n_labels == MAX_LABELS) {
			key_error(r, in, k, n->key, "more than %d labels; leave some out",
				  MAX_LABELS);
			break;
		}
		if (n->kind != NODE_VALUE || n->is_empty || !name_is_label(n->key->text)) {
			key_error(r, in, k, n->key,
				  "%s is not a label; write name: text, with a name of letters, "
				  "digits, '-', '_', '.', '/', at most 63",
				  value_quote(r, n->key));
			continue;
		}
		label->key = arena_strdup(r->room->keep, n->key->text);
		label->value = "";
		if (!label->key || text_keep(r, in, k, n, &label->value) < 0)
			return -ENOMEM;
		m->n_labels++;
	}
	qsort(m->labels, m->n_labels, sizeof(m->labels[0]), label_compare);
	return 0;
}

/* ---- lists of units and cgroups ------------------------------------------------------------ */

static int match_read(struct reader *r, const struct scope *in, const struct key *k,
		      const struct node *list)
{
	struct model *m = in->into;
	bool is_units = k->type == TYPE_UNITS;
	const char **names = is_units ? m->units : m->cgroups;
	unsigned int *n_names = is_units ? &m->n_units : &m->n_cgroups;

	for (const struct node *n = list->first; n; n = n->next) {
		if (n->is_refused)
			continue;
		const char *flaw = n->kind != NODE_VALUE || n->is_empty ? "is not a name"
				   : is_units ? unit_flaw(r->room->scratch, n->text)
					      : cgroup_flaw(r->room->scratch, n->text);

		for (unsigned int i = 0; !flaw && i < *n_names; i++)
			if (strcmp(names[i], n->text) == 0)
				flaw = "is given twice; keep one";
		if (flaw) {
			key_error(r, in, k, n, "%s %s", n->text ? value_quote(r, n) : "this", flaw);
			continue;
		}
		if (*n_names == MAX_MATCHES) {
			key_error(r, in, k, n, "more than %d; %s", MAX_MATCHES,
				  is_units ? "put them into one slice and match that"
					   : "use a pattern that matches several");
			break;
		}
		names[*n_names] = arena_strdup(r->room->keep, n->text);
		if (!names[(*n_names)++])
			return -ENOMEM;
	}
	return 0;
}

/* ---- groups -------------------------------------------------------------------------------- */

static int group_read(struct reader *r, const struct scope *in, const struct node *group);

/* The budget's type follows from the indicator, wherever in the group that stands. */
static void budget_read(struct reader *r, const struct scope *in, const struct node *item)
{
	struct objective *o = in->into;
	const struct node *budget = NULL, *quantile = NULL;

	for (const struct node *n = item->first; n; n = n->next) {
		if (strcmp(n->key->text, "budget") == 0)
			budget = n;
		else if (strcmp(n->key->text, "quantile") == 0)
			quantile = n;
	}
	if (o->indicator >= N_INDICATORS) /* missing or unknown, which is a finding already */
		return;
	if (budget && budget->kind == NODE_VALUE && !budget->is_empty && !budget->is_refused)
		number_read(r, in, &budget_table[o->indicator], budget);
	if (quantile && o->indicator != INDICATOR_RUNQUEUE_WAIT)
		tree_error(&r->tree, quantile->key,
			   "%s.quantile: only runqueue_wait has quantiles; leave the key out",
			   in->shown);
	if (!quantile && o->indicator == INDICATOR_RUNQUEUE_WAIT)
		tree_error(&r->tree, item,
			   "%s: key 'quantile' is missing; write for example "
			   "quantile: p99",
			   in->shown);
}

static int objectives_read(struct reader *r, const struct scope *in, const struct key *k,
			   const struct node *list)
{
	struct model *m = in->into;
	unsigned int index = 0;

	for (const struct node *n = list->first; n; n = n->next, index++) {
		char shown[32];

		if (n->is_refused)
			continue;
		snprintf(shown, sizeof(shown), "objectives[%u]", index);
		if (n->kind != NODE_GROUP) {
			tree_error(&r->tree, n, "%s: is not a group of keys; known here: %s", shown,
				   names_list(r, "objectives[]"));
			continue;
		}
		if (m->n_objectives == MAX_OBJECTIVES) {
			key_error(r, in, k, n, "more than %d; leave some out", MAX_OBJECTIVES);
			break;
		}
		struct objective *o = &m->objectives[m->n_objectives++];
		struct scope item = { .group = "objectives[]", .shown = shown, .into = o };

		*o = (struct objective){ .indicator = N_INDICATORS, .budget = MISSING };
		defaults_store(r->manifest, true, o);
		int result = group_read(r, &item, n);

		if (result < 0)
			return result;
		budget_read(r, &item, n);
	}
	return 0;
}

/* Whether the node has the shape that the key's type wants. */
static bool shape_check(struct reader *r, const struct scope *in, const struct key *k,
			const struct node *n)
{
	bool wants_list =
		k->type == TYPE_GROUPS || k->type == TYPE_UNITS || k->type == TYPE_CGROUPS;
	bool wants_group = k->type == TYPE_GROUP || k->type == TYPE_LABELS;
	enum node_kind wanted = wants_list ? NODE_LIST : wants_group ? NODE_GROUP : NODE_VALUE;
	char path[64];

	if (n->kind == wanted && !n->is_empty)
		return true;
	if (n->is_empty)
		key_error(r, in, k, n, "has no value; write one or leave the key out");
	else if (n->kind == NODE_VALUE && wants_list && k->example)
		key_error(r, in, k, n, "%s is one value, not a list; write for example %s",
			  value_quote(r, n), k->example);
	else if (k->type == TYPE_GROUP)
		key_error(r, in, k, n, "is not a group of keys; known here: %s",
			  names_list(r, key_path(k, path, sizeof(path))));
	else
		key_error(r, in, k, n, "is a %s where %s is expected%s%s",
			  n->kind == NODE_LIST    ? "list"
			  : n->kind == NODE_GROUP ? "group of keys"
						  : "value",
			  type_table[k->type].noun, k->example ? "; write for example " : "",
			  k->example ? k->example : "");
	return false;
}

static int value_read(struct reader *r, const struct scope *in, const struct key *k,
		      const struct node *n)
{
	if (n->is_refused || !shape_check(r, in, k, n))
		return 0;
	switch (k->type) {
	case TYPE_GROUP: {
		char path[64];
		struct scope below = { .into = in->into };

		below.group = below.shown = key_path(k, path, sizeof(path));
		return group_read(r, &below, n);
	}
	case TYPE_GROUPS:
		return objectives_read(r, in, k, n);
	case TYPE_TEXT:
		return text_keep(r, in, k, n, (const char **)((char *)in->into + k->offset));
	case TYPE_WORD:
		word_read(r, in, k, n);
		return 0;
	case TYPE_UNITS:
	case TYPE_CGROUPS:
		return match_read(r, in, k, n);
	case TYPE_LABELS:
		return labels_read(r, in, k, n);
	case TYPE_BUDGET: /* read when the indicator is known */
		return 0;
	default:
		number_read(r, in, k, n);
		return 0;
	}
}

static bool group_holds(const struct node *group, const char *name)
{
	for (const struct node *n = group->first; n; n = n->next)
		if (strcmp(n->key->text, name) == 0)
			return true;
	return false;
}

static int group_read(struct reader *r, const struct scope *in, const struct node *group)
{
	for (const struct node *n = group->first; n; n = n->next) {
		const struct key *k = key_find(r->manifest, in->group, n->key->text);

		if (!k) {
			unknown_report(r, in, n);
			continue;
		}
		int result = value_read(r, in, k, n);

		if (result < 0)
			return result;
	}
	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];

		if (k->is_required && (k->manifest & r->manifest) &&
		    strcmp(k->group, in->group) == 0 && !group_holds(group, k->name))
			missing_report(r, in, k, group);
	}
	return 0;
}

/* ---- whole manifests ----------------------------------------------------------------------- */

/* A file of the other kind would make every line of it a finding; one says it better. */
static bool kind_check(struct reader *r)
{
	const struct node *kind = tree_find(&r->tree, "kind");
	bool is_host = r->manifest == MANIFEST_HOST;
	const char *other = is_host ? "Model" : "Host";

	if (!kind || kind->kind != NODE_VALUE || strcmp(kind->text, other) != 0)
		return true;
	tree_error(&r->tree, kind, "kind: %s belongs in %s; this file is read as kind: %s", other,
		   is_host ? "models.d" : "modelgov.yaml", is_host ? "Host" : "Model");
	return false;
}

/* 0 with an open tree, -EINVAL with findings, -ENOMEM. */
static int manifest_read(struct reader *r, struct source *s, void *into)
{
	const struct scope top = { .group = "", .shown = "", .into = into };
	int result = text_check(s);

	if (result == 0)
		result = tree_open(s, r->room->scratch, &r->tree);
	if (result != 0)
		return result;
	result = kind_check(r) ? group_read(r, &top, r->tree.root) : -EINVAL;
	if (result < 0)
		tree_close(&r->tree);
	return result;
}

void host_defaults(struct host_policy *ret_host)
{
	*ret_host = (struct host_policy){ 0 };
	defaults_store(MANIFEST_HOST, false, ret_host);
}

int host_manifest_read(struct reading_room *room, struct source *s, struct host_policy *ret_host)
{
	struct reader r = { .room = room, .manifest = MANIFEST_HOST };

	host_defaults(ret_host);
	int result = manifest_read(&r, s, ret_host);

	if (result == 0)
		tree_close(&r.tree);
	return result == -ENOMEM ? result : 0;
}

static void origin_keep(struct reader *r, const char *path, struct place *ret_place)
{
	const struct node *n = tree_find(&r->tree, path);

	if (n)
		*ret_place = tree_place(&r->tree, n, r->room->places);
}

/* Where each name that was taken stands; refused ones are not in names. */
static void origins_list(struct reader *r, const char *path, const char *const *names,
			 unsigned int n_names, struct place *ret_places)
{
	const struct node *list = tree_find(&r->tree, path);
	unsigned int at = 0;

	for (const struct node *n = list ? list->first : NULL; n && at < n_names; n = n->next)
		if (n->text && strcmp(n->text, names[at]) == 0)
			ret_places[at++] = tree_place(&r->tree, n, r->room->places);
}

static void origins_keep(struct reader *r, const struct model *m, struct origins *ret_origins)
{
	origin_keep(r, "resources.cpu.reserved", &ret_origins->reserved);
	origin_keep(r, "resources.cpu.floor", &ret_origins->floor);
	origin_keep(r, "resources.memory.min", &ret_origins->memory_min);
	origins_list(r, "match.units", m->units, m->n_units, ret_origins->units);
	origins_list(r, "match.cgroups", m->cgroups, m->n_cgroups, ret_origins->cgroups);
}

int model_manifest_read(struct reading_room *room, struct source *s, const char *name,
			struct model *ret_model, struct origins *ret_origins)
{
	struct reader r = { .room = room, .manifest = MANIFEST_MODEL };
	struct model *m = ret_model;

	*m = (struct model){ .name = name, .version = "", .owner = "", .class = N_CLASSES };
	m->file = arena_strdup(room->keep, s->file); /* outlives the findings */
	if (!m->file)
		return -ENOMEM;
	for (int i = 0; i < N_KNOBS; i++)
		m->values[i] = MISSING;
	*ret_origins = (struct origins){ 0 };
	defaults_store(MANIFEST_MODEL, false, m);

	int result = manifest_read(&r, s, m);

	if (result < 0)
		return result == -ENOMEM ? result : 0;
	model_check(&r.tree, room->host, room->facts, name, m);
	origins_keep(&r, m, ret_origins);
	tree_close(&r.tree);
	return 0;
}
