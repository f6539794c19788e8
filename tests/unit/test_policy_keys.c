/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key table is right in itself: each row has a group, a place, a default that parses, and the
 * reference page says what the table says.
 */
#include "policy/keys.h"
#include "policy/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>

static bool group_exists(const struct key *k)
{
	char path[64], wanted[64];

	if (*k->group == '\0')
		return true;
	snprintf(wanted, sizeof(wanted), "%s", k->group);
	if (strcmp(wanted, "objectives[]") == 0)
		wanted[strlen("objectives")] = '\0';
	for (unsigned int i = 0; i < n_keys; i++)
		if (&key_table[i] < k && (key_table[i].manifest & k->manifest) &&
		    strcmp(key_path(&key_table[i], path, sizeof(path)), wanted) == 0)
			return true;
	return false;
}

Test(policy_keys, each_row_stands_below_the_row_of_its_group)
{
	for (unsigned int i = 0; i < n_keys; i++)
		cr_expect(group_exists(&key_table[i]), "%s.%s", key_table[i].group,
			  key_table[i].name);
}

Test(policy_keys, no_key_is_in_the_table_twice)
{
	for (unsigned int i = 0; i < n_keys; i++)
		for (unsigned int j = 0; j < i; j++)
			cr_expect(!(key_table[i].manifest & key_table[j].manifest) ||
					  strcmp(key_table[i].group, key_table[j].group) != 0 ||
					  strcmp(key_table[i].name, key_table[j].name) != 0,
				  "%s.%s", key_table[i].group, key_table[i].name);
}

static bool value_is_right(const struct key *k, const char *text)
{
	uint64_t value;

	if (k->type == TYPE_WORD) {
		for (const struct word *w = k->words; w->text; w++)
			if (strcmp(w->text, text) == 0)
				return true;
		return false;
	}
	if (!type_table[k->type].parse)
		return true;
	if (type_table[k->type].parse(text, &value) < 0)
		return false;
	if (k->type == TYPE_INTEGER)
		return (int64_t)value >= (int64_t)k->min && (int64_t)value <= (int64_t)k->max;
	return k->max == 0 || (value >= k->min && value <= k->max);
}

Test(policy_keys, defaults_and_examples_are_values_of_their_key)
{
	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];

		if (k->fallback)
			cr_expect(value_is_right(k, k->fallback), "default %s of %s", k->fallback,
				  k->name);
		if (k->example)
			cr_expect(value_is_right(k, k->example), "example %s of %s", k->example,
				  k->name);
	}
	for (int i = 0; i < N_INDICATORS; i++)
		cr_expect(value_is_right(&budget_table[i], budget_table[i].example));
}

Test(policy_keys, each_row_is_explained)
{
	char path[64];

	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];

		cr_expect(k->meaning && *k->meaning, "%s", k->name);
		cr_expect_lt(strlen(key_path(k, path, sizeof(path))), 60, "%s", path);
		cr_expect(!strchr(k->meaning, '|'), "%s: a | would end the cell of the table",
			  k->name);
		cr_expect(k->type == TYPE_GROUP || k->type == TYPE_GROUPS || k->example, "%s",
			  k->name);
	}
}

Test(policy_keys, a_misspelled_key_finds_its_name_and_a_strange_one_none)
{
	static const struct {
		const char *group, *wrong, *right;
	} cases[] = {
		{ "resources", "prority", "priority" },
		{ "resources", "Class", "class" },
		{ "resources", "memroy", "memory" },
		{ "resources.cpu", "mxa", "max" },
		{ "resources.cpu", "reserve", "reserved" },
		{ "", "objective", "objectives" },
		{ "", "metdata", "metadata" },
		{ "resources", "gpu", NULL },
		{ "resources", "nice", NULL },
		{ "resources.io", "iops", NULL },
		{ "", "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct key *k = key_nearest(MANIFEST_MODEL, cases[i].group, cases[i].wrong);

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
