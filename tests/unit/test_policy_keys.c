/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key table is right in itself: each row has a field, a default that parses and an explanation,
 * and the reference page says what the table says.
 */
#include "policy/field.h"
#include "policy/keys.h"
#include "policy/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>

static const enum manifest_kind kinds[] = { MANIFEST_HOST, MANIFEST_MODEL, MANIFEST_TEMPLATE };

static void all_walk(void (*visit)(const struct key *k, const char *path, void *context),
		     void *context)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		keys_walk(kinds[i], visit, context);
}

static void twin_find(const struct key *k, const char *path, void *context)
{
	for (const struct key *other = k + 1; other->name; other++)
		cr_expect(!(other->manifest & k->manifest) || strcmp(other->name, k->name) != 0,
			  "%s is there twice", path);
}

Test(policy_keys, no_key_is_in_a_group_twice)
{
	all_walk(twin_find, NULL);
}

static bool words_are_right(const struct key *k, const char *text)
{
	for (const char *at = text; (at += strspn(at, "[], "), *at); at += strcspn(at, "], ")) {
		char word[32];
		uint64_t value;

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, "], "), at);
		if (word_value(k, word, &value) < 0)
			return false;
	}
	return *text == '[';
}

static bool value_is_right(const struct key *k, const char *text)
{
	uint64_t value;

	if (k->type == TYPE_WORDS)
		return words_are_right(k, text);
	if (k->words)
		return word_value(k, text, &value) == 0;
	if (k->allows_none && strcmp(text, "none") == 0)
		return true;
	if (!type_table[k->type].parse)
		return true;
	if (type_table[k->type].parse(text, &value) < 0)
		return false;
	if (k->type == TYPE_INTEGER)
		return (int64_t)value >= (int64_t)k->min && (int64_t)value <= (int64_t)k->max;
	return k->max == 0 || (value >= k->min && value <= k->max);
}

static void values_judge(const struct key *k, const char *path, void *context)
{
	if (k->fallback)
		cr_expect(value_is_right(k, k->fallback), "default %s of %s", k->fallback, path);
	if (k->example)
		cr_expect(value_is_right(k, k->example), "example %s of %s", k->example, path);
}

Test(policy_keys, defaults_and_examples_are_values_of_their_key)
{
	all_walk(values_judge, NULL);
	for (int i = 0; i < N_INDICATORS; i++)
		cr_expect(value_is_right(&budget_table[i], budget_table[i].example));
}

static void row_judge(const struct key *k, const char *path, void *context)
{
	cr_expect(k->meaning && *k->meaning, "%s", path);
	cr_expect_lt(strlen(path), 60, "%s", path);
	cr_expect(!strchr(k->meaning, '|'), "%s: a | would end the cell of the table", path);
	cr_expect(k->keys || k->example, "%s", path);
	cr_expect_eq(k->keys != NULL, k->type == TYPE_GROUP || k->type == TYPE_GROUPS, "%s", path);
	cr_expect_eq(k->words != NULL,
		     k->type == TYPE_WORD || k->type == TYPE_WORDS || k->type == TYPE_BOOL, "%s",
		     path);
	cr_expect(k->type != TYPE_TEXTS || k->form, "%s: a list of texts has a form", path);
	cr_expect(!k->since || k->kernel, "%s: since which kernel, but not what", path);
	cr_expect(!k->kernel || k->since || strcmp(path, "mode") == 0, "%s: since when?", path);
}

Test(policy_keys, each_row_is_explained)
{
	all_walk(row_judge, NULL);
}

/* Fields end inside of their struct, and a number's has a size that fields can have. */
static void field_judge(const struct key *k, const char *path, void *context)
{
	size_t limit = *(enum manifest_kind *)context == MANIFEST_HOST ? sizeof(struct host_policy)
								       : sizeof(struct model);

	cr_expect_leq(k->offset + k->size, limit, "%s", path);
	if (key_is_number(k))
		cr_expect(k->size == 8 || (k->type == TYPE_INTEGER && k->size == 4), "%s", path);
	if (k->type == TYPE_WORD && !k->is_heading)
		cr_expect(k->size == 4 || k->size == 8, "%s", path);
	if (k->type == TYPE_WORDS)
		cr_expect_eq(k->size, 4, "%s", path);
	if (k->type == TYPE_BOOL)
		cr_expect_eq(k->size, sizeof(bool), "%s", path);
	if (k->list.item_bytes > 0)
		cr_expect(k->list.max > 0 && k->list.count_offset > 0, "%s", path);
}

Test(policy_keys, every_row_has_a_field_that_holds_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		keys_walk(kinds[i], field_judge, (void *)&kinds[i]);
}

Test(policy_keys, a_misspelled_key_finds_its_name_and_a_strange_one_none)
{
	static const struct {
		const char *group, *below, *wrong, *right;
	} cases[] = {
		{ "resources", NULL, "prority", "priority" },
		{ "resources", NULL, "Class", "class" },
		{ "resources", NULL, "memroy", "memory" },
		{ "resources", "cpu", "mxa", "max" },
		{ "resources", "cpu", "reserve", "reserved" },
		{ NULL, NULL, "objective", "objectives" },
		{ NULL, NULL, "metdata", "metadata" },
		{ "contract", NULL, "dependOn", "dependsOn" },
		{ "preemption", NULL, "maxpause", "maxPause" },
		{ "resources", NULL, "gpu", NULL },
		{ "resources", NULL, "nice", NULL },
		{ "resources", "io", "iops", NULL },
		{ NULL, NULL, "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct key *rows = key_rows(MANIFEST_MODEL), *k;

		if (cases[i].group)
			rows = key_find(rows, MANIFEST_MODEL, cases[i].group)->keys;
		if (cases[i].below)
			rows = key_find(rows, MANIFEST_MODEL, cases[i].below)->keys;
		k = key_nearest(rows, MANIFEST_MODEL, cases[i].wrong);

		if (!cases[i].right)
			cr_expect_null(k, "%s is not like %s", cases[i].wrong, k ? k->name : "");
		else
			cr_expect(k && strcmp(k->name, cases[i].right) == 0, "%s", cases[i].wrong);
	}
}

Test(policy_keys, the_reference_page_says_what_the_table_says)
{
	_cleanup_free_ char *page = NULL, *generated = NULL;
	struct err e = { 0 };
	size_t size = 0;
	FILE *out = open_memstream(&generated, &size);

	policy_print_reference(out);
	fclose(out);
	cr_assert_eq(file_read_all(AT_FDCWD, "docs/policy.md", 1 << 20, &page, NULL, &e), 0, "%s",
		     e.text);
	cr_assert(strstr(page, generated), "docs/policy.md is older than the key table: make docs");
}

Test(policy_keys, distance_counts_letters_and_swaps)
{
	cr_expect_eq(text_distance("weight", "weight"), 0);
	cr_expect_eq(text_distance("wieght", "weight"), 1);
	cr_expect_eq(text_distance("", "max"), 3);
	cr_expect_eq(text_distance("max", ""), 3);
	cr_expect_eq(text_distance("kitten", "sitting"), 3);
	cr_expect_eq(text_distance("ca", "abc"), 3, "a swap and an insertion do not combine");
}

Test(policy_keys, utf8_is_read_strictly)
{
	static const struct {
		const char *bytes;
		size_t size;
		uint32_t character;
	} cases[] = {
		{ "a", 1, 'a' },
		{ "\xc3\xa9", 2, 0xe9 },
		{ "\xe2\x82\xac", 3, 0x20ac },
		{ "\xf0\x9f\x98\x80", 4, 0x1f600 },
		{ "\xc0\xaf", 0, 0 },
		{ "\xe0\x80\x80", 0, 0 },
		{ "\xed\xa0\x80", 0, 0 },
		{ "\xf4\x90\x80\x80", 0, 0 },
		{ "\xf8\x88\x80\x80", 0, 0 },
		{ "\x80", 0, 0 },
		{ "\xc3", 0, 0 },
		{ "\xe2\x82", 0, 0 },
		{ "\xc3z", 0, 0 },
		{ "\xff", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t c = 0;

		cr_expect_eq(utf8_decode(cases[i].bytes, strlen(cases[i].bytes), &c), cases[i].size,
			     "case %zu", i);
		cr_expect_eq(c, cases[i].character, "case %zu", i);
	}
}

Test(policy_keys, quoted_text_is_printable_and_short)
{
	struct arena arena;
	char many[200];

	arena_init(&arena);
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	cr_expect_str_eq(text_quote(&arena, "2 cores"), "'2 cores'");
	cr_expect_str_eq(text_quote(&arena, ""), "''");
	cr_expect_str_eq(text_quote(&arena, "\033[2J\n\xff"), "'\\x1b[2J\\x0a\\xff'");
	cr_expect_str_eq(text_quote(&arena, "a\xe2\x80\xaez"), "'a\\u202ez'");
	cr_expect_eq(strlen(text_quote(&arena, many)), 60 + strlen("'...'"));
	arena_fini(&arena);
}
