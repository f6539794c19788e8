/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back from the canonical form: JSON as a tree, read by the key table as a manifest is, and
 * then the test that settles it: its canonical form must be the bytes that came.
 */
#include "canonical.h"
#include "check.h"
#include "keys.h"
#include "names.h"
#include "read.h"
#include "text.h"

#include <inttypes.h>
#include <jansson.h>

/* Everything of one way back. */
struct way_back {
	const struct host_facts *facts;
	struct policy *policy;
	struct origins *origins; /* one for each model */
	struct findings findings;
	struct arena scratch;
};

/* ---- JSON to nodes ------------------------------------------------------------------------- */

static int node_build(struct arena *arena, const json_t *json, struct node *key, unsigned int depth,
		      struct node **ret_node);

static const char *scalar_text(struct arena *arena, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_STRING:
		return arena_strdup(arena, json_string_value(json));
	case JSON_INTEGER:
		return arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default: /* nothing in the form is null or has a fraction */
		return "null";
	}
}

/* JSON's escapes can spell what a manifest may not hold. */
static bool is_hidden(const json_t *json)
{
	return json_is_string(json) &&
	       text_is_hidden(json_string_value(json), json_string_length(json));
}

static int list_build(struct arena *arena, const json_t *json, unsigned int depth,
		      struct node **end)
{
	for (size_t i = 0; i < json_array_size(json); i++) {
		int r = node_build(arena, json_array_get(json, i), NULL, depth + 1, end);

		if (r < 0)
			return r;
		end = &(*end)->next;
	}
	return 0;
}

static int group_build(struct arena *arena, const json_t *json, unsigned int depth,
		       struct node **end)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)json, name, value) {
		struct node *key = arena_new(arena, struct node, 1);

		if (text_is_hidden(name, strlen(name)))
			return -EILSEQ;
		if (!key)
			return -ENOMEM;
		key->text = arena_strdup(arena, name);
		int r = key->text ? node_build(arena, value, key, depth + 1, end) : -ENOMEM;

		if (r < 0)
			return r;
		end = &(*end)->next;
	}
	return 0;
}

static int node_build(struct arena *arena, const json_t *json, struct node *key, unsigned int depth,
		      struct node **ret_node)
{
	struct node *n = arena_new(arena, struct node, 1);

	if (!n || depth > MAX_DEPTH)
		return n ? -EINVAL : -ENOMEM;
	n->key = key;
	*ret_node = n;
	if (json_is_object(json)) {
		n->kind = NODE_GROUP;
		return group_build(arena, json, depth, &n->first);
	}
	if (json_is_array(json)) {
		n->kind = NODE_LIST;
		return list_build(arena, json, depth, &n->first);
	}
	if (is_hidden(json))
		return -EILSEQ;
	n->text = scalar_text(arena, json);
	return n->text ? 0 : -ENOMEM;
}

/* ---- one part ------------------------------------------------------------------------------ */

/* A source without text, whose findings are about that part. */
static int part_open(struct way_back *w, const char *part, const json_t *json, struct source *s,
		     struct tree *ret_tree)
{
	arena_reset(&w->scratch);
	*s = (struct source){ .file = part, .text = "", .findings = &w->findings };
	*ret_tree = (struct tree){ .source = s, .arena = &w->scratch };
	if (!json_is_object(json)) {
		source_error(s, 0, 0, 0, "is not a group of keys");
		return -EINVAL;
	}
	int r = node_build(&w->scratch, json, NULL, 0, &ret_tree->root);

	if (r == -EINVAL)
		source_error(s, 0, 0, 0, "is nested more than %d levels deep", MAX_DEPTH);
	if (r == -EILSEQ)
		source_error(s, 0, 0, 0, "holds control or invisible characters");
	return r;
}

static struct reading_room room_for(struct way_back *w)
{
	return (struct reading_room){ .keep = &w->policy->arena,
				      .scratch = &w->scratch,
				      .facts = w->facts,
				      .host = &w->policy->host,
				      .is_canonical = true };
}

static int host_take(struct way_back *w, const json_t *json)
{
	struct reading_room room = room_for(w);
	struct source s;
	struct tree t;
	int r = part_open(w, "host", json, &s, &t);

	host_defaults(&w->policy->host);
	if (r == 0)
		r = host_tree_read(&room, &t, &w->policy->host);
	return r == -ENOMEM ? r : 0;
}

/* "model ocr", as findings show it. */
static const char *part_name(struct way_back *w, const char *name)
{
	return arena_printf(&w->findings.arena, "model %s",
			    name_is_model(name) ? name : text_quote(&w->scratch, name));
}

static int model_take(struct way_back *w, const char *name, const json_t *json)
{
	struct reading_room room = room_for(w);
	struct model *m = &w->policy->models[w->policy->n_models];
	const char *part = part_name(w, name);
	struct source s;
	struct tree t;

	name = arena_strdup(&w->policy->arena, name);
	if (!part || !name)
		return -ENOMEM;
	int r = part_open(w, part, json, &s, &t);

	m->file = "";
	if (r == 0)
		r = model_tree_read(&room, &t, name, m, &w->origins[w->policy->n_models]);
	if (r == 0)
		w->policy->n_models++;
	return r == -ENOMEM ? r : 0;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int models_take(struct way_back *w, json_t *models, struct err *e)
{
	size_t n = json_object_size(models);
	const char *name;
	json_t *each;

	if (n > POLICY_MAX_MODELS)
		return err_say(e, -EINVAL, "it holds %zu models; at most %d are governed", n,
			       POLICY_MAX_MODELS);
	w->policy->models = arena_new(&w->policy->arena, struct model, n + 1);
	w->origins = arena_new(&w->findings.arena, struct origins, n + 1);
	if (!w->policy->models || !w->origins)
		return err_set(e, -ENOMEM, "read %zu models", n);
	json_object_foreach(models, name, each) {
		if (model_take(w, name, each) < 0)
			return err_set(e, -ENOMEM, "read the models");
	}
	return 0;
}

static int findings_tell(struct way_back *w, struct err *e)
{
	if (w->findings.n_errors == 0)
		return 0;
	findings_sort(&w->findings);
	_cleanup_free_ char *text = findings_print(&w->findings);

	if (text && *text)
		text[strlen(text) - 1] = '\0';
	return err_say(e, -EINVAL, "%s", text ? text : "it has errors");
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(((const struct model *)a)->name, ((const struct model *)b)->name);
}

/* There are no lines: the model is said, and every key is there. */
static bool part_find(void *context, uint32_t model, const char *path, struct place *ret_place)
{
	struct way_back *w = context;
	const char *part =
		model == HOST_MODEL ? "host" : part_name(w, w->policy->models[model].name);

	*ret_place = (struct place){ .file = part ? part : "a model" };
	return true;
}

static int policy_take(struct way_back *w, const json_t *whole, struct err *e)
{
	const char *version = json_string_value(json_object_get(whole, "apiVersion"));
	json_t *models = json_object_get(whole, "models");

	if (!version || strcmp(version, API_VERSION) != 0)
		return err_say(e, -EINVAL, "it is of version %s; this program reads " API_VERSION,
			       version ? text_quote(&w->scratch, version) : "none");
	if (!json_is_object(models))
		return err_say(e, -EINVAL, "it has no models");
	if (host_take(w, json_object_get(whole, "host")) < 0)
		return err_set(e, -ENOMEM, "read the host's settings");
	int r = models_take(w, models, e);

	const struct locator where = { part_find, w };

	if (r == 0 && policy_check(w->policy, w->origins, &where, w->facts, &w->findings) < 0)
		r = err_set(e, -ENOMEM, "check the policy");
	if (r == 0)
		r = findings_tell(w, e);
	if (r == 0 && w->policy->n_models > 0)
		qsort(w->policy->models, w->policy->n_models, sizeof(struct model), name_compare);
	return r;
}

static int bytes_compare(struct way_back *w, const char *text, size_t length, struct err *e)
{
	_cleanup_free_ char *again = policy_canonical(w->policy);
	size_t at = 0;

	if (!again)
		return err_set(e, -ENOMEM, "compare the canonical form");
	while (at < length && again[at] && again[at] == text[at])
		at++;
	if (at < length || again[at])
		return err_say(e, -EINVAL,
			       "byte %zu is not what this version would write; the canonical form "
			       "has sorted keys, no blanks, and every default filled in",
			       at);
	int r = canonical_digest(again, w->policy->digest);

	return r < 0 ? err_set(e, r, "digest of the policy") : 0;
}

static int text_take(struct way_back *w, const char *text, size_t length, struct err *e)
{
	json_error_t error;
	json_t *whole = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

	if (!whole)
		return err_say(e, -EINVAL, "it is not JSON: %s, at byte %d",
			       text_quote(&w->scratch, error.text), error.position);
	int r = policy_take(w, whole, e);

	json_decref(whole);
	return r == 0 ? bytes_compare(w, text, length, e) : r;
}

int policy_from_canonical(const char *text, size_t length, const struct host_facts *facts,
			  struct policy **ret_policy, struct err *e)
{
	struct way_back w = { .facts = facts, .policy = calloc(1, sizeof(*w.policy)) };

	if (!w.policy)
		return err_set(e, -ENOMEM, "read a canonical policy");
	arena_init(&w.policy->arena);
	arena_init(&w.scratch);
	findings_init(&w.findings);

	int r = text_take(&w, text, length, e);

	arena_fini(&w.scratch);
	findings_fini(&w.findings);
	if (r == 0)
		*ret_policy = TAKE_PTR(w.policy);
	else
		err_context(e, "canonical policy");
	policy_free(w.policy);
	return r;
}
