/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as one JSON text that does not depend on how it was written, and its digest. Walks the
 * key table; what has no value is left out, and headings are. docs/policy.md specifies the form.
 */
#include "canonical.h"

#include "field.h"

#include <assert.h>
#include <sodium.h>

/* chosen: no group of the key table has half as many keys */
#define MAX_KEYS 64

/* ---- JSON as text -------------------------------------------------------------------------- */

struct writing {
	char *text;
	size_t length, max;
	bool is_short; /* of memory: what follows is dropped */
};

static void bytes_put(struct writing *w, const char *bytes, size_t n)
{
	if (w->length + n + 1 > w->max && !w->is_short) {
		size_t max = MAX(w->max * 2, w->length + n + 4096);
		char *text = realloc(w->text, max);

		w->is_short = !text;
		w->text = text ? text : w->text;
		w->max = text ? max : w->max;
	}
	if (w->is_short)
		return;
	memcpy(w->text + w->length, bytes, n);
	w->length += n;
}

static void put(struct writing *w, const char *text)
{
	bytes_put(w, text, strlen(text));
}

/* Between two members or items, but not before the first. */
static void comma_put(struct writing *w)
{
	char last = w->length > 0 && !w->is_short ? w->text[w->length - 1] : '{';

	if (last != '{' && last != '[')
		bytes_put(w, ",", 1);
}

static void character_put(struct writing *w, char c)
{
	char escaped[8];

	snprintf(escaped, sizeof(escaped), c == '"' || c == '\\' ? "\\%c" : "\\u%04X", c);
	put(w, escaped);
}

static void string_put(struct writing *w, const char *text)
{
	bytes_put(w, "\"", 1);
	while (*text) {
		const char *at = text;

		while (*at && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
			at++;
		bytes_put(w, text, (size_t)(at - text));
		if (*at)
			character_put(w, *at++);
		text = at;
	}
	bytes_put(w, "\"", 1);
}

/* With sign: -1 and -2 are no VALUE_MAX and MISSING, and there is no limit to be none. */
static void number_put(struct writing *w, uint64_t value, bool has_sign)
{
	char digits[24], *at = digits + sizeof(digits);
	bool is_negative = has_sign && (int64_t)value < 0;
	uint64_t left = is_negative ? -value : value;

	if (value == VALUE_MAX && !has_sign) {
		string_put(w, "none");
		return;
	}
	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (is_negative)
		*--at = '-';
	bytes_put(w, at, (size_t)(digits + sizeof(digits) - at));
}

static void member_put(struct writing *w, const char *name)
{
	comma_put(w);
	string_put(w, name);
	bytes_put(w, ":", 1);
}

/* ---- values of the key table --------------------------------------------------------------- */

static void group_put(struct writing *w, const struct key *rows, enum manifest_kind manifest,
		      const void *from);

static void texts_put(struct writing *w, const struct key *k, const void *from)
{
	unsigned int n;
	const char *const *all = field_items(k, from, &n);

	put(w, "[");
	for (unsigned int i = 0; i < n; i++) {
		comma_put(w);
		string_put(w, all[i]);
	}
	put(w, "]");
}

/* In the order of the words' values, whatever order they were given in. */
static void words_put(struct writing *w, const struct key *k, uint64_t mask)
{
	put(w, "[");
	for (uint64_t value = 0; value < 32; value++) {
		if (!(mask & 1ULL << value))
			continue;
		comma_put(w);
		string_put(w, word_text(k, value));
	}
	put(w, "]");
}

/* They are kept in the order of their names. */
static void labels_put(struct writing *w, const struct key *k, const void *from)
{
	unsigned int n;
	const struct label *all = field_items(k, from, &n);

	put(w, "{");
	for (unsigned int i = 0; i < n; i++) {
		member_put(w, all[i].key);
		string_put(w, all[i].value);
	}
	put(w, "}");
}

/* "[1, 3, any]" */
static void shape_put(struct writing *w, const char *text)
{
	put(w, "[");
	for (const char *at = text; (at += strspn(at, "[], "), *at); at += strcspn(at, "], ")) {
		uint64_t size = strtoull(at, NULL, 10);

		comma_put(w);
		if (size)
			number_put(w, size, false);
		else
			string_put(w, "any");
	}
	put(w, "]");
}

static void groups_put(struct writing *w, const struct key *k, enum manifest_kind manifest,
		       const void *from)
{
	unsigned int n;
	const char *items = field_items(k, from, &n);

	put(w, "[");
	for (unsigned int i = 0; i < n; i++) {
		comma_put(w);
		group_put(w, k->keys, manifest, items + i * k->list.item_bytes);
	}
	put(w, "]");
}

static void value_put(struct writing *w, const struct key *k, enum manifest_kind manifest,
		      const void *from)
{
	switch (k->type) {
	case TYPE_GROUP:
		group_put(w, k->keys, manifest, from);
		return;
	case TYPE_GROUPS:
		groups_put(w, k, manifest, from);
		return;
	case TYPE_LABELS:
		labels_put(w, k, from);
		return;
	case TYPE_TEXTS:
		texts_put(w, k, from);
		return;
	case TYPE_SHAPE:
		shape_put(w, field_text(k, from));
		return;
	case TYPE_TEXT:
	case TYPE_CPUSET:
		string_put(w, field_text(k, from));
		return;
	case TYPE_WORD:
		string_put(w, word_text(k, field_number(k, from)));
		return;
	case TYPE_WORDS:
		words_put(w, k, field_number(k, from));
		return;
	case TYPE_BOOL:
		put(w, field_number(k, from) ? "true" : "false");
		return;
	default:
		number_put(w, field_number(k, from), k->type == TYPE_INTEGER);
	}
}

/* The rows that say something, by name. */
static unsigned int rows_sort(const struct key *rows, enum manifest_kind manifest, const void *from,
			      const struct key *sorted[MAX_KEYS])
{
	unsigned int n = 0;

	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));) {
		unsigned int at = n;

		assert(n < MAX_KEYS);
		if (k->is_heading || (k->type != TYPE_GROUP && field_is_absent(k, from)))
			continue;
		for (; at > 0 && strcmp(sorted[at - 1]->name, k->name) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = k;
		n++;
	}
	return n;
}

/* Groups in it that say nothing are left out. */
static void group_put(struct writing *w, const struct key *rows, enum manifest_kind manifest,
		      const void *from)
{
	const struct key *sorted[MAX_KEYS];
	unsigned int n = rows_sort(rows, manifest, from, sorted);

	put(w, "{");
	for (unsigned int i = 0; i < n; i++) {
		size_t before = w->length;

		member_put(w, sorted[i]->name);
		size_t start = w->length;

		value_put(w, sorted[i], manifest, from);
		if (sorted[i]->type == TYPE_GROUP && w->length == start + strlen("{}"))
			w->length = before;
	}
	put(w, "}");
}

char *policy_canonical(const struct policy *p)
{
	struct writing w = { 0 };

	put(&w, "{\"apiVersion\":\"" API_VERSION "\",\"host\":");
	group_put(&w, key_rows(MANIFEST_HOST), MANIFEST_HOST, &p->host);
	put(&w, ",\"models\":{");
	for (unsigned int i = 0; i < p->n_models; i++) {
		member_put(&w, p->models[i].name);
		group_put(&w, key_rows(MANIFEST_MODEL), MANIFEST_MODEL, &p->models[i]);
	}
	put(&w, "}}");
	if (w.is_short) {
		free(w.text);
		return NULL;
	}
	w.text[w.length] = '\0';
	return w.text;
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
