/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value: is it of its key's type and in its range, and if not, what would be? Knows types, not
 * keys. Groups and lists are read.c's.
 */
#include "value.h"

#include "text.h"

#define MAX_TEXT_BYTES 200 /* chosen: names, versions, addresses; not prose */

/* ---- telling ------------------------------------------------------------------------------- */

void key_error(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	       const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	tree_error(&r->tree, n, "%s%s%s: %s", in->shown, *in->shown ? "." : "", k->name,
		   text ? text : "memory is short");
}

const char *value_quote(struct reader *r, const struct node *n)
{
	return text_quote(r->room->scratch, n->text);
}

/* ---- storing ------------------------------------------------------------------------------- */

static void number_store(const struct key *k, uint64_t value, void *into)
{
	void *field = (char *)into + k->offset;

	if (value != VALUE_MAX && k->scale)
		value *= k->scale;
	if (k->size == sizeof(uint64_t))
		*(uint64_t *)field = value;
	else if (k->size == sizeof(uint32_t)) /* enums and TYPE_INTEGER */
		*(uint32_t *)field = (uint32_t)value;
}

static int word_find(const struct key *k, const char *text, uint64_t *ret_value)
{
	for (const struct word *w = k->words; w->text; w++) {
		if (strcmp(w->text, text) == 0) {
			*ret_value = w->value;
			return 0;
		}
	}
	return -EINVAL;
}

void defaults_store(enum manifest_kind manifest, bool is_objective, void *into)
{
	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];
		uint64_t value;

		if (!(k->manifest & manifest) || !k->fallback ||
		    (strcmp(k->group, "objectives[]") == 0) != is_objective)
			continue;
		int r = k->type == TYPE_WORD ? word_find(k, k->fallback, &value)
					     : type_table[k->type].parse(k->fallback, &value);

		if (r == 0) /* a default that does not parse is found by the unit tests */
			number_store(k, value, into);
	}
}

/* ---- numbers ------------------------------------------------------------------------------- */

static bool is_in_range(const struct key *k, uint64_t value)
{
	if (k->max == 0)
		return true;
	if (k->type == TYPE_INTEGER)
		return (int64_t)value >= (int64_t)k->min && (int64_t)value <= (int64_t)k->max;
	return value >= k->min && value <= k->max;
}

static bool means_no_limit(const char *text)
{
	static const char *const words[] = { "max", "infinity", "inf", "unlimited",
					     "-1",  "~",        "null" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

/* "'2GB' is not a size (B, KiB, MiB, GiB, TiB); write for example 2GiB", as helpful as can be. */
static void form_report(struct reader *r, const struct scope *in, const struct key *k,
			const struct node *n)
{
	const struct type_info *type = &type_table[k->type];
	const char *text = n->text + (*n->text == '-');
	bool is_number = *text && strspn(text, "0123456789.") == strlen(text);
	char zero[32];

	if (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
		key_error(r, in, k, n, "%s starts with a zero; numbers are decimal, leave it out",
			  value_quote(r, n));
	else if (k->allows_none && means_no_limit(n->text))
		key_error(r, in, k, n, "%s is not %s; write none for no limit", value_quote(r, n),
			  type->noun);
	else if (strcmp(n->text, "none") == 0 && k->min == 0 && k->type != TYPE_INTEGER)
		key_error(r, in, k, n, "%s is not %s; write %s for nothing, or leave the key out",
			  value_quote(r, n), type->noun, type->format(0, zero, sizeof(zero)));
	else if (*n->text == '-' && k->type != TYPE_INTEGER)
		key_error(r, in, k, n, "%s is negative; write for example %s", value_quote(r, n),
			  k->example);
	else if (is_number && k->type != TYPE_COUNT && k->type != TYPE_INTEGER)
		key_error(r, in, k, n, "%s has no unit; write for example %s", value_quote(r, n),
			  k->example);
	else
		key_error(r, in, k, n, "%s is not %s%s%s%s; write for example %s%s",
			  value_quote(r, n), type->noun, type->units ? " (" : "",
			  type->units ? type->units : "", type->units ? ")" : "", k->example,
			  k->allows_none ? ", or none" : "");
}

static void range_report(struct reader *r, const struct scope *in, const struct key *k,
			 const struct node *n)
{
	const struct type_info *type = &type_table[k->type];
	char low[32], high[32];

	key_error(r, in, k, n, "%s is out of range; it goes from %s to %s%s", value_quote(r, n),
		  type->format(k->min, low, sizeof(low)), type->format(k->max, high, sizeof(high)),
		  k->allows_none ? ", or none" : "");
}

void number_read(struct reader *r, const struct scope *in, const struct key *k,
		 const struct node *n)
{
	const char *digits = n->text + (*n->text == '-');
	uint64_t value = VALUE_MAX;
	int result = 0;

	if (!k->allows_none || strcmp(n->text, "none") != 0)
		result = type_table[k->type].parse(n->text, &value);
	if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
		result = -EINVAL; /* 010 is eight to some readers of YAML */
	if (result == -ERANGE || (result == 0 && value != VALUE_MAX && !is_in_range(k, value)))
		range_report(r, in, k, n);
	else if (result < 0)
		form_report(r, in, k, n);
	else
		number_store(k, value, in->into);
}

/* ---- words, text --------------------------------------------------------------------------- */

void word_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n)
{
	const char *list = "";
	uint64_t value;

	if (word_find(k, n->text, &value) == 0) {
		number_store(k, value, in->into);
		return;
	}
	for (const struct word *w = k->words; w->text && list; w++)
		list = arena_printf(r->room->scratch, "%s%s%s", list, *list ? ", " : "", w->text);
	key_error(r, in, k, n, "%s is not known; write %s%s", value_quote(r, n),
		  k->words[1].text ? "one of " : "", list ? list : k->example);
}

int text_keep(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	      const char **ret_text)
{
	if (strlen(n->text) > MAX_TEXT_BYTES) {
		key_error(r, in, k, n, "%s is longer than %d bytes; shorten it", value_quote(r, n),
			  MAX_TEXT_BYTES);
		return 0;
	}
	const char *kept = arena_strdup(r->room->keep, n->text);

	if (!kept)
		return -ENOMEM;
	*ret_text = kept;
	return 0;
}
