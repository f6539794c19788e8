/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the key table as JSON Schema 2020-12, for editors that complete and underline. Looser than
 * the parser where a schema cannot say it: contradictions, exact ranges of values with a unit.
 */
#include "field.h"

#include <inttypes.h>
#include <jansson.h>

static json_t *group_schema(const struct key *rows, enum manifest_kind manifest, bool is_item);

/* Editors read plain 5.3 as a number; the parser keeps it as the text it is. */
static json_t *text_schema(const struct key *k)
{
	if (k->form && k->form->pattern)
		return json_pack("{s:s, s:s}", "type", "string", "pattern", k->form->pattern);
	return json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean");
}

static json_t *words_schema(const struct key *k)
{
	json_t *words = json_array();

	for (const struct word *w = k->words; w->text; w++)
		json_array_append_new(words, json_string(w->text));
	return json_pack("{s:o}", "enum", words);
}

static json_t *with_none(const struct key *k, json_t *take_schema)
{
	return k->allows_none ? json_pack("{s:[o, {s:s}]}", "anyOf", take_schema, "const", "none")
			      : take_schema;
}

static json_t *number_schema(const struct key *k)
{
	const struct type_info *type = &type_table[k->type];
	char pattern[96];

	if (!type->pattern) { /* whole numbers, that have no unit */
		json_t *schema = json_pack("{s:s}", "type", "integer");

		if (k->max != 0) {
			json_object_set_new(schema, "minimum", json_integer((json_int_t)k->min));
			json_object_set_new(schema, "maximum", json_integer((json_int_t)k->max));
		}
		return with_none(k, schema);
	}
	snprintf(pattern, sizeof(pattern), "^%s$", type->pattern);
	return with_none(k, json_pack("{s:s, s:s}", "type", "string", "pattern", pattern));
}

static json_t *budget_schema(void)
{
	json_t *all = json_array();

	for (int i = 0; i < N_INDICATORS; i++)
		if (i == 0 || budget_table[i].type != budget_table[i - 1].type)
			json_array_append_new(all, number_schema(&budget_table[i]));
	return json_pack("{s:o}", "anyOf", all);
}

static json_t *list_schema(const struct key *k, json_t *take_items)
{
	json_t *schema = json_pack("{s:s, s:o}", "type", "array", "items", take_items);

	if (k->list.max > 0)
		json_object_set_new(schema, "maxItems", json_integer(k->list.max));
	return schema;
}

static json_t *labels_schema(const struct key *k)
{
	return json_pack("{s:s, s:i, s:{s:s}, s:o}", "type", "object", "maxProperties",
			 (int)k->list.max, "propertyNames", "pattern",
			 "^[A-Za-z0-9][A-Za-z0-9_./-]*$", "additionalProperties", text_schema(k));
}

static json_t *shape_schema(void)
{
	return json_pack("{s:s, s:i, s:{s:[{s:s, s:i}, {s:s}]}}", "type", "array", "maxItems", 16,
			 "items", "anyOf", "type", "integer", "minimum", 1, "const", "any");
}

static json_t *value_schema(const struct key *k, enum manifest_kind manifest)
{
	switch (k->type) {
	case TYPE_GROUP:
		return group_schema(k->keys, manifest, false);
	case TYPE_GROUPS:
		return list_schema(k, group_schema(k->keys, manifest, true));
	case TYPE_LABELS:
		return labels_schema(k);
	case TYPE_TEXT:
		return text_schema(k);
	case TYPE_TEXTS:
		return list_schema(k, text_schema(k));
	case TYPE_SHAPE:
		return shape_schema();
	case TYPE_CPUSET: /* a lone number is one as well */
		return json_pack("{s:[{s:s, s:s}, {s:s, s:i}]}", "anyOf", "type", "string",
				 "pattern", "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$", "type",
				 "integer", "minimum", 0);
	case TYPE_WORD:
		return words_schema(k);
	case TYPE_WORDS:
		return list_schema(k, words_schema(k));
	case TYPE_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case TYPE_BUDGET:
		return budget_schema();
	default:
		return number_schema(k);
	}
}

/* The default as an editor would insert it. */
static json_t *fallback_json(const struct key *k)
{
	if (k->type == TYPE_BOOL)
		return json_boolean(strcmp(k->fallback, "true") == 0);
	if ((k->type == TYPE_COUNT || k->type == TYPE_INTEGER) && strcmp(k->fallback, "none") != 0)
		return json_integer(strtoll(k->fallback, NULL, 10));
	if (k->type == TYPE_WORDS)
		return NULL; /* the description says it */
	return json_string(k->fallback);
}

static json_t *description_json(const struct key *k)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s%s%s%s%s%s%s%s%s", k->meaning, k->kernel ? " Kernel: " : "",
		     k->kernel ? k->kernel : "", k->since ? " (since " : "",
		     k->since ? k->since : "", k->since ? ")" : "", k->fallback ? " Default: " : "",
		     k->fallback ? k->fallback : "", k->fallback ? "." : "") < 0)
		text = NULL;
	return json_string(text ? text : k->meaning);
}

static json_t *key_schema(const struct key *k, enum manifest_kind manifest)
{
	json_t *schema;

	if (strcmp(k->name, "kind") == 0 && k->is_heading)
		schema = json_pack("{s:s}", "const", word_text(k, manifest));
	else
		schema = value_schema(k, manifest);
	json_object_set_new(schema, "description", description_json(k));
	if (k->fallback)
		json_object_set_new(schema, "default", fallback_json(k));
	return schema;
}

/* A template's groups say what they like; its lists' items are whole. */
static json_t *group_schema(const struct key *rows, enum manifest_kind manifest, bool is_item)
{
	json_t *properties = json_object(), *required = json_array();

	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));) {
		bool may_come_later = manifest == MANIFEST_TEMPLATE && !is_item && !k->is_heading;

		/* what a manifest does not say its template may */
		may_come_later |= manifest == MANIFEST_MODEL && !is_item && !k->is_heading &&
				  (k->manifest & MANIFEST_TEMPLATE) &&
				  strcmp(k->name, "metadata") != 0;
		json_object_set_new(properties, k->name, key_schema(k, manifest));
		if (k->is_required && !may_come_later)
			json_array_append_new(required, json_string(k->name));
	}
	return json_pack("{s:s, s:b, s:o, s:o}", "type", "object", "additionalProperties", false,
			 "required", required, "properties", properties);
}

void policy_print_schema(FILE *out)
{
	json_t *schema =
		json_pack("{s:s, s:s, s:s, s:[{s:s}, {s:s}, {s:s}], s:{s:o, s:o, s:o}}", "$schema",
			  "https://json-schema.org/draft/2020-12/schema", "title",
			  "modelgov policy: modelgov.yaml, models.d, templates.d", "description",
			  "One file of modelgov's policy, of version " API_VERSION ".", "oneOf",
			  "$ref", "#/$defs/host", "$ref", "#/$defs/model", "$ref",
			  "#/$defs/template", "$defs", "host",
			  group_schema(key_rows(MANIFEST_HOST), MANIFEST_HOST, false), "model",
			  group_schema(key_rows(MANIFEST_MODEL), MANIFEST_MODEL, false), "template",
			  group_schema(key_rows(MANIFEST_TEMPLATE), MANIFEST_TEMPLATE, false));

	if (schema && json_dumpf(schema, out, JSON_INDENT(2)) == 0)
		fputc('\n', out);
	json_decref(schema);
}
