/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies the key table to a tree: which keys may and must be where, and into which field they go.
 * A new key of an old type needs no line here. Single values are value.c's.
 */
#include "read.h"

#include "check.h"
#include "field.h"
#include "knob.h"
#include "names.h"
#include "text.h"
#include "value.h"

/* ---- unknown and missing keys -------------------------------------------------------------- */

static const char *names_list(struct reader *r, const struct key *rows)
{
	const char *list = "";

	for (const struct key *k = NULL; (k = key_next(rows, r->manifest, k));) {
		list = arena_printf(r->room->scratch, "%s%s%s", list, *list ? ", " : "", k->name);
		if (!list)
			return "(memory is short)";
	}
	return list;
}

static void unknown_report(struct reader *r, const struct scope *in, const struct node *n)
{
	const char *name = n->key->text, *key = value_quote(r, n->key);
	const struct key *near = key_nearest(in->rows, r->manifest, name);
	char buf[64];
	const char *far = key_elsewhere(r->manifest, name, buf, sizeof(buf));
	const char *dot = *in->shown ? ": " : "";

	if (r->manifest == MANIFEST_TEMPLATE && key_find(in->rows, MANIFEST_MODEL, name))
		tree_error(&r->tree, n->key,
			   "%s%skey %s cannot be in a template, which is for many models; write it "
			   "in the model's own manifest",
			   in->shown, dot, key);
	else if (near)
		tree_error(&r->tree, n->key, "%s%sunknown key %s; did you mean '%s'?", in->shown,
			   dot, key, near->name);
	else if (far)
		tree_error(&r->tree, n->key, "%s%sunknown key %s; it belongs %s%s", in->shown, dot,
			   key, *far ? "to " : "at the top", far);
	else
		tree_error(&r->tree, n->key, "%s%sunknown key %s; known here: %s", in->shown, dot,
			   key, names_list(r, in->rows));
}

static const char *kind_of(const struct reader *r)
{
	return r->manifest == MANIFEST_HOST    ? "Host"
	       : r->manifest == MANIFEST_MODEL ? "Model"
					       : "Template";
}

static void missing_report(struct reader *r, const struct scope *in, const struct key *k,
			   const struct node *group)
{
	const char *example = strcmp(k->name, "kind") == 0 ? kind_of(r) : k->example;

	if (*in->shown == '\0')
		source_error(r->tree.source, 0, 0, 0,
			     "key '%s' is missing; write for example %s: %s", k->name, k->name,
			     example);
	else
		tree_error(&r->tree, group, "%s: key '%s' is missing; write for example %s: %s",
			   in->shown, k->name, k->name, example);
}

/* A template says what it likes, but its lists' items are whole. */
static bool is_wanted(const struct reader *r, const struct scope *in, const struct key *k)
{
	if (r->room->is_canonical && k->is_heading)
		return false;
	return k->is_required && ((r->manifest != MANIFEST_TEMPLATE && !r->is_partial) ||
				  k->is_heading || strchr(in->shown, '['));
}

/* ---- where values come from ---------------------------------------------------------------- */

static int given_keep(struct reader *r, const struct scope *in, const struct key *k,
		      const struct node *n, const char *label)
{
	int line = tree_line(n);

	if (k->type == TYPE_GROUP || k->type == TYPE_GROUPS || line == 0)
		return 0;
	struct given *g = arena_new(r->room->keep, struct given, 1);

	if (!g)
		return -ENOMEM;
	*g = (struct given){ .next = r->given,
			     .row = k,
			     .list = in->list,
			     .item = in->item,
			     .label = label,
			     .line = line };
	if (tree_is_inherited(&r->tree, n))
		g->template = r->template_file;
	r->given = g;
	return 0;
}

/* ---- labels -------------------------------------------------------------------------------- */

static int label_compare(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static int labels_read(struct reader *r, const struct scope *in, const struct key *k,
		       const struct node *group)
{
	unsigned int n_labels = 0;

	if (field_list_start(k, nodes_in(group), r->room->keep, in->into) < 0)
		return -ENOMEM;
	for (const struct node *n = group->first; n; n = n->next) {
		if (n->is_refused)
			continue;
		if (n_labels == k->list.max) {
			key_error(r, in, k, n->key, "more than %u labels; leave some out",
				  k->list.max);
			break;
		}
		if (n->kind != NODE_VALUE || n->is_empty || !name_is_label(n->key->text)) {
			key_error(r, in, k, n->key,
				  "%s is not a label; write name: text, with a name of letters, "
				  "digits, '-', '_', '.', '/', at most 63",
				  value_quote(r, n->key));
			continue;
		}
		struct label *label = field_append(k, in->into);

		label->key = arena_strdup(r->room->keep, n->key->text);
		label->value = "";
		if (!label->key || text_keep(r, in, k, n, &label->value) < 0 ||
		    given_keep(r, in, k, n, label->key) < 0)
			return -ENOMEM;
		n_labels++;
	}
	qsort(field_items(k, in->into, &n_labels), n_labels, sizeof(struct label), label_compare);
	return 0;
}

/* ---- groups -------------------------------------------------------------------------------- */

static int group_read(struct reader *r, const struct scope *in, const struct node *group);

static const struct node *group_find(const struct node *group, const char *name)
{
	for (const struct node *n = group->first; n; n = n->next)
		if (strcmp(n->key->text, name) == 0)
			return n;
	return NULL;
}

/* The budget's type follows from the indicator, wherever in the group that stands. */
static void budget_read(struct reader *r, const struct scope *in, const struct node *item)
{
	struct objective *o = in->into;
	const struct node *budget = group_find(item, "budget");
	const struct node *quantile = group_find(item, "quantile");

	if (o->indicator >= N_INDICATORS) /* missing or unknown, which is a finding already */
		return;
	if (o->indicator == INDICATOR_REQUEST_LATENCY)
		tree_warning(&r->tree, group_find(item, "indicator"),
			     "%s.indicator: request_latency is not measured by this version; the "
			     "objective is kept and changes nothing",
			     in->shown);
	if (budget && budget->kind == NODE_VALUE && !budget->is_empty && !budget->is_refused)
		(void)number_read(r, in, &budget_table[o->indicator], budget);
	if (quantile && !indicator_has_quantile(o->indicator))
		tree_error(&r->tree, quantile->key,
			   "%s.quantile: %s is a share and has no quantiles; leave the key out",
			   in->shown, indicator_name(o->indicator));
	if (!quantile && indicator_has_quantile(o->indicator))
		tree_error(&r->tree, item,
			   "%s: key 'quantile' is missing; write for example "
			   "quantile: p99",
			   in->shown);
}

static bool has_budget(const struct key *rows, enum manifest_kind manifest)
{
	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));)
		if (k->type == TYPE_BUDGET)
			return true;
	return false;
}

static int item_read(struct reader *r, const struct scope *in, const struct key *k,
		     const struct node *n, const char *shown)
{
	struct scope item = { .rows = k->keys, .shown = shown, .list = k };

	(void)field_items(k, in->into, &item.item);

	if (n->kind != NODE_GROUP) {
		tree_error(&r->tree, n, "%s: is not a group of keys; known here: %s", shown,
			   names_list(r, k->keys));
		return 0;
	}
	item.into = field_append(k, in->into);
	fields_default(k->keys, r->manifest, item.into);
	int result = group_read(r, &item, n);

	if (result == 0 && has_budget(k->keys, r->manifest))
		budget_read(r, &item, n);
	return result;
}

static int groups_read(struct reader *r, const struct scope *in, const struct key *k,
		       const struct node *list)
{
	unsigned int index = 0, n_kept;

	if (field_list_start(k, nodes_in(list), r->room->keep, in->into) < 0)
		return -ENOMEM;
	for (const struct node *n = list->first; n; n = n->next, index++) {
		char shown[64];

		if (n->is_refused)
			continue;
		snprintf(shown, sizeof(shown), "%s%s%s[%u]", in->shown, *in->shown ? "." : "",
			 k->name, index);
		(void)field_items(k, in->into, &n_kept);
		if (n_kept == k->list.max) {
			key_error(r, in, k, n, "more than %u; leave some out", k->list.max);
			break;
		}
		int result = item_read(r, in, k, n, shown);

		if (result < 0)
			return result;
	}
	return 0;
}

/* "a list of systemd units" */
static const char *noun_of(const struct key *k)
{
	return k->type == TYPE_TEXTS ? k->form->noun : type_table[k->type].noun;
}

/* Whether the node has the shape that the key's type wants. */
static bool shape_check(struct reader *r, const struct scope *in, const struct key *k,
			const struct node *n)
{
	bool wants_group = k->type == TYPE_GROUP || k->type == TYPE_LABELS;
	enum node_kind wanted = key_is_list(k) ? NODE_LIST : wants_group ? NODE_GROUP : NODE_VALUE;

	if (n->kind == wanted && !n->is_empty)
		return true;
	if (n->is_empty)
		key_error(r, in, k, n, "has no value; write one or leave the key out");
	else if (n->kind == NODE_VALUE && wanted == NODE_LIST && k->example)
		key_error(r, in, k, n, "%s is one value, not a list; write for example %s",
			  value_quote(r, n), k->example);
	else if (k->type == TYPE_GROUPS)
		key_error(r, in, k, n,
			  "is not a list; begin each item with '- ' before its keys: %s",
			  names_list(r, k->keys));
	else if (k->type == TYPE_GROUP)
		key_error(r, in, k, n, "is not a group of keys; known here: %s",
			  names_list(r, k->keys));
	else
		key_error(r, in, k, n, "is a %s where %s is expected%s%s",
			  n->kind == NODE_LIST    ? "list"
			  : n->kind == NODE_GROUP ? "group of keys"
						  : "value",
			  noun_of(k), k->example ? "; write for example " : "",
			  k->example ? k->example : "");
	return false;
}

static int below_read(struct reader *r, const struct scope *in, const struct key *k,
		      const struct node *n)
{
	char shown[64];
	struct scope below = { .rows = k->keys,
			       .shown = shown,
			       .into = in->into,
			       .list = in->list,
			       .item = in->item };

	snprintf(shown, sizeof(shown), "%s%s%s", in->shown, *in->shown ? "." : "", k->name);
	return group_read(r, &below, n);
}

static int value_read(struct reader *r, const struct scope *in, const struct key *k,
		      const struct node *n)
{
	typedef int reading(struct reader *, const struct scope *, const struct key *,
			    const struct node *);
	static reading *const readings[N_TYPES] = {
		[TYPE_GROUP] = below_read,     [TYPE_GROUPS] = groups_read,
		[TYPE_LABELS] = labels_read,   [TYPE_TEXT] = text_read,
		[TYPE_TEXTS] = texts_read,     [TYPE_SHAPE] = shape_read,
		[TYPE_CPUSET] = cpuset_read,   [TYPE_WORD] = word_read,
		[TYPE_WORDS] = words_read,     [TYPE_BOOL] = word_read,
		[TYPE_DURATION] = number_read, [TYPE_SIZE] = number_read,
		[TYPE_CPUS] = number_read,     [TYPE_SHARE] = number_read,
		[TYPE_COUNT] = number_read,    [TYPE_INTEGER] = number_read,
		[TYPE_BUDGET] = NULL, /* read when the indicator is known */
	};

	if (n->is_refused || !shape_check(r, in, k, n) || !readings[k->type])
		return 0;
	return readings[k->type](r, in, k, n);
}

static int group_read(struct reader *r, const struct scope *in, const struct node *group)
{
	for (const struct node *n = group->first; n; n = n->next) {
		const struct key *k = key_find(in->rows, r->manifest, n->key->text);

		if (!k) {
			unknown_report(r, in, n);
			continue;
		}
		int result = value_read(r, in, k, n);

		if (result == 0 && k->type != TYPE_LABELS)
			result = given_keep(r, in, k, n, NULL);
		if (result < 0)
			return result;
	}
	for (const struct key *k = NULL; (k = key_next(in->rows, r->manifest, k));)
		if (is_wanted(r, in, k) && !group_find(group, k->name))
			missing_report(r, in, k, group);
	return 0;
}

/* ---- whole manifests ----------------------------------------------------------------------- */

static const char *home_of(enum manifest_kind kind)
{
	return kind == MANIFEST_HOST    ? "modelgov.yaml"
	       : kind == MANIFEST_MODEL ? "models.d"
					: "templates.d";
}

/* A file of another kind would make every line of it a finding; one says it better. */
static bool kind_check(struct reader *r)
{
	const struct node *kind = tree_find(&r->tree, "kind");
	const struct key *k = key_find(key_rows(r->manifest), r->manifest, "kind");
	uint64_t is;

	if (!kind || kind->kind != NODE_VALUE || word_value(k, kind->text, &is) < 0 ||
	    is == r->manifest)
		return true;
	tree_error(&r->tree, kind, "kind: %s belongs in %s; this file is read as kind: %s",
		   kind->text, home_of((enum manifest_kind)is), kind_of(r));
	return false;
}

/* The tree that is open. -EINVAL: it is of another kind. */
static int tree_read(struct reader *r, void *into)
{
	const struct scope top = { .rows = key_rows(r->manifest), .shown = "", .into = into };

	fields_default(top.rows, r->manifest, into);
	return kind_check(r) ? group_read(r, &top, r->tree.root) : -EINVAL;
}

static int text_open(struct reader *r, struct source *s)
{
	int result = text_check(s);

	return result == 0 ? tree_open(s, r->room->scratch, &r->tree) : result;
}

void host_defaults(struct host_policy *ret_host)
{
	*ret_host = (struct host_policy){ 0 };
	fields_default(key_rows(MANIFEST_HOST), MANIFEST_HOST, ret_host);
}

int host_tree_read(struct reading_room *room, struct tree *t, struct host_policy *ret_host)
{
	struct reader r = { .room = room, .manifest = MANIFEST_HOST, .tree = *t };

	return tree_read(&r, ret_host) == -ENOMEM ? -ENOMEM : 0;
}

int host_manifest_read(struct reading_room *room, struct source *s, struct host_policy *ret_host)
{
	struct reader r = { .room = room, .manifest = MANIFEST_HOST };
	int result = text_open(&r, s);

	host_defaults(ret_host);
	if (result == 0)
		result = host_tree_read(room, &r.tree, ret_host);
	return result == -ENOMEM ? result : 0;
}

/* ---- templates ----------------------------------------------------------------------------- */

void template_close(struct template *t)
{
	free(TAKE_PTR(t->text));
}

int template_read(struct reading_room *room, struct template *t, struct model *ret_values)
{
	struct reader r = { .room = room, .manifest = MANIFEST_TEMPLATE };
	unsigned int before = t->source.n_errors;
	struct model *values = arena_new(room->scratch, struct model, 1);
	int result = text_check(&t->source);

	if (!values)
		return -ENOMEM;
	if (result == 0)
		result = tree_open(&t->source, room->scratch, &t->tree);
	if (result == 0) {
		r.tree = t->tree;
		result = tree_read(&r, values);
	}
	t->is_broken = result < 0 || t->source.n_errors > before;
	values->given = r.given;
	if (ret_values)
		*ret_values = *values;
	return result == -ENOMEM ? result : 0;
}

const struct template *templates_find(const struct templates *all, const char *name)
{
	for (unsigned int i = 0; all && i < all->n; i++)
		if (strcmp(all->all[i].name, name) == 0)
			return &all->all[i];
	return NULL;
}

static void template_report(struct reader *r, const struct node *n)
{
	const struct templates *all = r->room->templates;
	const char *list = "", *nearest = NULL;
	unsigned int distance = MAX((unsigned int)strnlen(n->text, 64) / 3, 1u) + 1;

	for (unsigned int i = 0; all && list && i < all->n; i++) {
		list = arena_printf(r->room->scratch, "%s%s%s", list, *list ? ", " : "",
				    all->all[i].name);
		if ((strlen(n->text) <= 3 && *n->text != *all->all[i].name) ||
		    text_distance(n->text, all->all[i].name) >= distance)
			continue;
		distance = text_distance(n->text, all->all[i].name);
		nearest = all->all[i].name;
	}
	if (nearest)
		tree_error(&r->tree, n,
			   "metadata.template: %s is not a template; did you mean '%s'?",
			   value_quote(r, n), nearest);
	else
		tree_error(&r->tree, n, "metadata.template: %s is not a template; %s%s",
			   value_quote(r, n),
			   list && *list ? "there are " : "there are none in templates.d",
			   list ? list : "");
}

int template_inherit(struct tree *t, const struct template *from)
{
	static const char *const headings[] = { "apiVersion", "kind", NULL };

	return tree_inherit(t, &from->tree, headings, tree_find(t, "metadata.template"));
}

/* What the manifest's template says where it says nothing itself. */
static int template_apply(struct reader *r)
{
	const struct node *n = tree_find(&r->tree, "metadata.template");

	if (!n || n->kind != NODE_VALUE || n->is_empty || n->is_refused || r->room->is_canonical)
		return 0;
	const struct template *t = templates_find(r->room->templates, n->text);

	if (!t)
		template_report(r, n);
	r->is_partial = !t || t->is_broken;
	if (r->is_partial)
		return 0;
	r->template_file = arena_strdup(r->room->keep, t->source.file);
	return r->template_file ? template_inherit(&r->tree, t) : -ENOMEM;
}

/* ---- models -------------------------------------------------------------------------------- */

int model_tree_read(struct reading_room *room, struct tree *t, const char *name,
		    struct model *ret_model, struct origins *ret_origins)
{
	struct reader r = { .room = room, .manifest = MANIFEST_MODEL, .tree = *t };
	struct model *m = ret_model;
	int result = template_apply(&r);

	for (int i = 0; i < N_KNOBS; i++)
		m->values[i] = MISSING; /* also those that have no key */
	if (result == 0)
		result = tree_read(&r, m);
	if (!m->name || *m->name == '\0')
		m->name = name;
	m->given = r.given;
	if (result < 0)
		return result == -ENOMEM ? result : 0;
	model_name_check(&r.tree, name);
	ret_origins->has_floor = tree_find(&r.tree, "resources.cpu.floor") != NULL;
	return 0;
}

int model_manifest_read(struct reading_room *room, struct source *s, const char *name,
			struct model *ret_model, struct origins *ret_origins)
{
	struct reader r = { .room = room, .manifest = MANIFEST_MODEL };
	int result = text_open(&r, s);

	*ret_model = (struct model){ 0 };
	fields_default(key_rows(MANIFEST_MODEL), MANIFEST_MODEL,
		       ret_model); /* also when unreadable */
	*ret_origins = (struct origins){ 0 };
	ret_model->name = name;
	ret_model->file = arena_strdup(room->keep, s->file); /* outlives the findings */
	if (!ret_model->file)
		return -ENOMEM;
	if (result == 0)
		result = model_tree_read(room, &r.tree, name, ret_model, ret_origins);
	return result == -ENOMEM ? result : 0;
}
