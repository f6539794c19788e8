/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows to fields. The only place that knows offsets.
 */
#include "field.h"

#include <inttypes.h>

/* ---- numbers and words --------------------------------------------------------------------- */

static void *field_at(const struct key *k, const void *base)
{
	return (char *)base + k->offset;
}

uint64_t field_number(const struct key *k, const void *from)
{
	const void *field = field_at(k, from);
	uint64_t value = MISSING;

	if (k->size == sizeof(uint64_t))
		value = *(const uint64_t *)field;
	else if (k->size == sizeof(uint32_t) && k->type == TYPE_INTEGER)
		value = (uint64_t)(int64_t) * (const int32_t *)field;
	else if (k->size == sizeof(uint32_t))
		value = *(const uint32_t *)field;
	else if (k->size == sizeof(bool))
		value = *(const bool *)field;
	return k->scale > 1 && value < MISSING ? value / k->scale : value;
}

void field_set_number(const struct key *k, uint64_t value, void *into)
{
	void *field = field_at(k, into);

	if (value == VALUE_MAX && k->none_is_zero)
		value = 0;
	if (value < MISSING && k->scale > 1)
		value *= k->scale;
	if (k->size == sizeof(uint64_t))
		*(uint64_t *)field = value;
	else if (k->size == sizeof(uint32_t)) /* enums, bit masks and TYPE_INTEGER */
		*(uint32_t *)field = (uint32_t)value;
	else if (k->size == sizeof(bool))
		*(bool *)field = value != 0;
}

const char *word_text(const struct key *k, uint64_t value)
{
	for (const struct word *w = k->words; w->text; w++)
		if (w->value == value)
			return w->text;
	return NULL;
}

int word_value(const struct key *k, const char *text, uint64_t *ret_value)
{
	for (const struct word *w = k->words; w->text; w++) {
		if (strcmp(w->text, text) == 0) {
			*ret_value = w->value;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- texts --------------------------------------------------------------------------------- */

const char *field_text(const struct key *k, const void *from)
{
	const char *text = *(const char *const *)field_at(k, from);

	return text ? text : "";
}

void field_set_text(const struct key *k, const char *text, void *into)
{
	*(const char **)field_at(k, into) = text;
}

/* ---- lists --------------------------------------------------------------------------------- */

static unsigned int *count_at(const struct key *k, const void *base)
{
	return (unsigned int *)((char *)base + k->list.count_offset);
}

void *field_items(const struct key *k, const void *from, unsigned int *ret_n)
{
	void *field = field_at(k, from);

	*ret_n = *count_at(k, from);
	return k->list.is_inline ? field : *(void **)field;
}

int field_list_start(const struct key *k, unsigned int n, struct arena *arena, void *into)
{
	*count_at(k, into) = 0;
	if (k->list.is_inline) {
		memset(field_at(k, into), 0, k->list.item_bytes * k->list.max);
		return 0;
	}
	void *items = arena_alloc(arena, k->list.item_bytes * MIN(n, k->list.max) + 1);

	if (!items)
		return -ENOMEM;
	*(void **)field_at(k, into) = items;
	return 0;
}

void *field_append(const struct key *k, void *into)
{
	unsigned int n;
	char *items = field_items(k, into, &n);

	*count_at(k, into) = n + 1;
	return items + n * k->list.item_bytes;
}

/* ---- defaults ------------------------------------------------------------------------------ */

/* "[weight, cap]" */
static uint64_t words_parse(const struct key *k, const char *text)
{
	uint64_t mask = 0, value;

	for (const char *at = text; (at += strspn(at, "[], "), *at);) {
		size_t length = strcspn(at, "], ");
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)length, at);
		if (word_value(k, word, &value) == 0)
			mask |= 1ULL << value;
		at += length;
	}
	return mask;
}

/* A default that does not parse is found by the unit tests. */
static uint64_t fallback_value(const struct key *k)
{
	uint64_t value = 0;

	if (k->type == TYPE_WORDS)
		return words_parse(k, k->fallback);
	if (k->allows_none && strcmp(k->fallback, "none") == 0)
		return VALUE_MAX;
	if (k->words)
		(void)word_value(k, k->fallback, &value);
	else
		(void)type_table[k->type].parse(k->fallback, &value);
	return value;
}

static void field_default(const struct key *k, enum manifest_kind manifest, void *into)
{
	switch (k->type) {
	case TYPE_GROUP:
		fields_default(k->keys, manifest, into);
		break;
	case TYPE_GROUPS:
	case TYPE_TEXTS:
	case TYPE_LABELS:
		*count_at(k, into) = 0;
		break;
	case TYPE_TEXT:
	case TYPE_SHAPE:
	case TYPE_CPUSET:
		field_set_text(k, "", into);
		break;
	default:
		if (k->size == 0)
			break;
		field_set_number(k,
				 k->fallback                  ? fallback_value(k)
				 : key_is_number(k)           ? MISSING
				 : k->words && k->is_required ? UINT32_MAX
							      : 0,
				 into);
	}
}

void fields_default(const struct key *rows, enum manifest_kind manifest, void *into)
{
	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));)
		field_default(k, manifest, into);
}

bool field_is_absent(const struct key *k, const void *from)
{
	unsigned int n = 0;

	switch (k->type) {
	case TYPE_GROUP:
		return false;
	case TYPE_GROUPS:
	case TYPE_TEXTS:
	case TYPE_LABELS:
		(void)field_items(k, from, &n);
		return n == 0;
	case TYPE_TEXT:
	case TYPE_SHAPE:
	case TYPE_CPUSET:
		return *field_text(k, from) == '\0';
	case TYPE_WORDS:
		return !k->fallback && field_number(k, from) == 0;
	case TYPE_WORD:
		return !word_text(k, field_number(k, from));
	case TYPE_INTEGER:
		return false;
	default:
		return field_number(k, from) == MISSING;
	}
}

/* ---- printing ------------------------------------------------------------------------------ */

/* The short form of base.h where it is exact, else the base unit's. */
static const char *number_print(const struct key *k, uint64_t value, struct arena *arena)
{
	static const char *const smallest[N_TYPES] = {
		[TYPE_DURATION] = "ns",
		[TYPE_SIZE] = "B",
	};
	const struct type_info *type = &type_table[k->type];
	char buf[32];
	uint64_t back;

	if (k->type != TYPE_INTEGER && (value == VALUE_MAX || (value == 0 && k->none_is_zero)))
		return "none";
	type->format(value, buf, sizeof(buf));
	if (type->parse(buf, &back) == 0 && back == value)
		return arena_strdup(arena, buf);
	if (k->type == TYPE_CPUS) /* two decimals are not enough for a millicpu */
		return arena_printf(arena, "%" PRIu64 ".%03" PRIu64 "cpu", value / 1000,
				    value % 1000);
	if (k->type == TYPE_SHARE)
		return arena_printf(arena, "%" PRIu64 ".%02" PRIu64 "%%", value / 100, value % 100);
	return arena_printf(arena, "%" PRIu64 "%s", value,
			    smallest[k->type] ? smallest[k->type] : "");
}

const char *text_spell(const char *text, struct arena *arena)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._@+-=;() ";
	const char *quoted = "";

	if (*text && strspn(text, plain) == strlen(text) && !strchr("@-= ", *text) &&
	    text[strlen(text) - 1] != ' ')
		return text;
	for (const char *at = text; quoted; at++) {
		size_t length = strcspn(at, "'");

		quoted = arena_printf(arena, "%s%.*s%s", quoted, (int)length, at,
				      at[length] ? "''" : "");
		at += length;
		if (!*at)
			break;
	}
	return quoted ? arena_printf(arena, "'%s'", quoted) : NULL;
}

static const char *texts_print(const struct key *k, const void *from, struct arena *arena)
{
	unsigned int n;
	const char *const *all = field_items(k, from, &n);
	const char *list = "";

	for (unsigned int i = 0; i < n && list; i++) {
		const char *text = text_spell(all[i], arena);

		list = text ? arena_printf(arena, "%s%s%s", list, i ? ", " : "", text) : NULL;
	}
	return list ? arena_printf(arena, "[%s]", list) : NULL;
}

static const char *words_print(const struct key *k, uint64_t mask, struct arena *arena)
{
	const char *list = "";

	for (const struct word *w = k->words; w->text && list; w++)
		if (mask & 1ULL << w->value)
			list = arena_printf(arena, "%s%s%s", list, *list ? ", " : "", w->text);
	return list ? arena_printf(arena, "[%s]", list) : NULL;
}

const char *field_print(const struct key *k, const void *from, struct arena *arena)
{
	uint64_t value;

	switch (k->type) {
	case TYPE_TEXT:
	case TYPE_CPUSET:
		return text_spell(field_text(k, from), arena);
	case TYPE_SHAPE:
		return field_text(k, from);
	case TYPE_TEXTS:
		return texts_print(k, from, arena);
	case TYPE_WORDS:
		return words_print(k, field_number(k, from), arena);
	case TYPE_WORD:
	case TYPE_BOOL:
		return word_text(k, field_number(k, from));
	case TYPE_BUDGET:
		return number_print(&budget_table[((const struct objective *)from)->indicator],
				    field_number(k, from), arena);
	default:
		value = field_number(k, from);
		return number_print(k, value, arena);
	}
}
