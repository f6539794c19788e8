/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as one JSON text that does not depend on how it was written, and its digest. Walks the
 * key table; what has no value is left out, and headings are. docs/policy.md specifies the form.
 */
#include "canonical.h"

#include "field.h"

#include <jansson.h>
#include <sodium.h>

static json_t *group_to_json(const struct key *rows, enum manifest_kind manifest, const void *from);

static json_t *number_to_json(uint64_t value)
{
	return value == VALUE_MAX ? json_string("none") : json_integer((json_int_t)(int64_t)value);
}

static json_t *texts_to_json(const struct key *k, const void *from)
{
	unsigned int n;
	const char *const *all = field_items(k, from, &n);
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(all[i])) < 0)
			return json_decref(list), NULL;
	return list;
}

/* In the order of the words' values, whatever order they were given in. */
static json_t *words_to_json(const struct key *k, uint64_t mask)
{
	json_t *list = json_array();

	for (uint64_t value = 0; value < 32; value++)
		if ((mask & 1ULL << value) &&
		    json_array_append_new(list, json_string(word_text(k, value))) < 0)
			return json_decref(list), NULL;
	return list;
}

static json_t *labels_to_json(const struct key *k, const void *from)
{
	unsigned int n;
	const struct label *all = field_items(k, from, &n);
	json_t *labels = json_object();

	for (unsigned int i = 0; i < n; i++)
		if (json_object_set_new(labels, all[i].key, json_string(all[i].value)) < 0)
			return json_decref(labels), NULL;
	return labels;
}

/* "[1, 3, any]" */
static json_t *shape_to_json(const char *text)
{
	json_t *list = json_array();

	for (const char *at = text; (at += strspn(at, "[], "), *at); at += strcspn(at, "], ")) {
		uint64_t size = strtoull(at, NULL, 10);
		json_t *item = size ? number_to_json(size) : json_string("any");

		if (json_array_append_new(list, item) < 0)
			return json_decref(list), NULL;
	}
	return list;
}

static json_t *groups_to_json(const struct key *k, enum manifest_kind manifest, const void *from)
{
	unsigned int n;
	const char *items = field_items(k, from, &n);
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		if (json_array_append_new(list, group_to_json(k->keys, manifest,
							      items + i * k->list.item_bytes)) < 0)
			return json_decref(list), NULL;
	return list;
}

static json_t *value_to_json(const struct key *k, enum manifest_kind manifest, const void *from)
{
	switch (k->type) {
	case TYPE_GROUP:
		return group_to_json(k->keys, manifest, from);
	case TYPE_GROUPS:
		return groups_to_json(k, manifest, from);
	case TYPE_LABELS:
		return labels_to_json(k, from);
	case TYPE_TEXTS:
		return texts_to_json(k, from);
	case TYPE_SHAPE:
		return shape_to_json(field_text(k, from));
	case TYPE_TEXT:
	case TYPE_CPUSET:
		return json_string(field_text(k, from));
	case TYPE_WORD:
		return json_string(word_text(k, field_number(k, from)));
	case TYPE_WORDS:
		return words_to_json(k, field_number(k, from));
	case TYPE_BOOL:
		return json_boolean(field_number(k, from));
	default:
		return number_to_json(field_number(k, from));
	}
}

static json_t *group_to_json(const struct key *rows, enum manifest_kind manifest, const void *from)
{
	json_t *group = json_object();

	for (const struct key *k = NULL; group && (k = key_next(rows, manifest, k));) {
		if (k->is_heading || field_is_absent(k, from))
			continue;
		json_t *value = value_to_json(k, manifest, from);

		if (k->type == TYPE_GROUP && value && json_object_size(value) == 0)
			json_decref(value);
		else if (json_object_set_new(group, k->name, value) < 0)
			return json_decref(group), NULL;
	}
	return group;
}

char *policy_canonical(const struct policy *p)
{
	json_t *models = json_object();
	json_t *host = group_to_json(key_rows(MANIFEST_HOST), MANIFEST_HOST, &p->host);
	json_t *whole = json_pack("{s:s, s:o, s:o}", "apiVersion", API_VERSION, "host", host,
				  "models", models);
	char *text = NULL;
	bool is_whole = whole != NULL;

	for (unsigned int i = 0; i < p->n_models && is_whole; i++) {
		const struct model *m = &p->models[i];
		json_t *model = group_to_json(key_rows(MANIFEST_MODEL), MANIFEST_MODEL, m);

		is_whole = json_object_set_new(models, m->name, model) == 0;
	}
	if (is_whole)
		text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(whole); /* NULL is fine; a failed json_pack() has dropped what it was given */
	return text;
}

int canonical_digest(const char *text, char ret_hex[65])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	_Static_assert(65 == crypto_hash_sha256_BYTES * 2 + 1, "room for the hex");
	if (sodium_init() < 0)
		return -EIO;
	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(ret_hex, 65, hash, sizeof(hash));
	return 0;
}

int policy_digest(struct policy *p)
{
	_cleanup_free_ char *text = policy_canonical(p);

	return text ? canonical_digest(text, p->digest) : -ENOMEM;
}
