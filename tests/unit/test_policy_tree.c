/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding one's way in a tree, and places in it: marks of the library are behind a quote.
 */
#include "policy/text.h"
#include "policy/tree.h"

#include <criterion/criterion.h>

Test(policy_tree, items_are_found_by_their_number)
{
	static const char text[] = "a:\n  - b: 1\n    c: [x, y]\n  - b: 2\nd: 3\n";
	struct findings findings;
	struct arena arena;
	struct tree t;

	findings_init(&findings);
	arena_init(&arena);
	struct source s = { .text = text, .length = sizeof(text) - 1, .findings = &findings };

	cr_assert_eq(tree_open(&s, &arena, &t), 0);
	cr_expect_str_eq(tree_find(&t, "a[1].b")->text, "2");
	cr_expect_str_eq(tree_find(&t, "a[0].c[1]")->text, "y");
	cr_expect_str_eq(tree_find(&t, "d")->text, "3");
	cr_expect_null(tree_find(&t, "a[2]"));
	cr_expect_null(tree_find(&t, "a[0].c[1].x"));
	cr_expect_null(tree_find(&t, "d[0]"));
	arena_fini(&arena);
	findings_fini(&findings);
}

static struct place place_of(const char *text, const char *path)
{
	static struct arena arena, places;
	static struct findings findings;
	static struct tree t;
	struct source s = { .text = text, .length = strlen(text), .findings = &findings };

	findings_init(&findings);
	arena_init(&arena);
	arena_init(&places);
	cr_assert_eq(tree_open(&s, &arena, &t), 0);
	const struct node *n = tree_find(&t, path);

	cr_assert_not_null(n, "%s", path);
	struct place p = tree_place(&t, n, &places);

	arena_fini(&arena);
	findings_fini(&findings);
	return p;
}

static void place_is(const char *text, const char *path, int line, int column, int width)
{
	struct place p = place_of(text, path);

	cr_expect(p.line == line && p.column == column && p.width == width,
		  "%s: %d:%d+%d, not %d:%d+%d", path, p.line, p.column, p.width, line, column,
		  width);
}

Test(policy_tree, a_place_is_where_the_text_stands_with_its_quotes)
{
	place_is("a: plain # and a comment\n", "a", 1, 4, 5);
	place_is("a: 'quoted'\n", "a", 1, 4, 8);
	place_is("a:\n  \"b\": \"ä\"\n", "a.b", 2, 8, 3);
	place_is("a: [x, yy]\n", "a[1]", 1, 8, 2);
	place_is("a: plain   \n", "a", 1, 4, 5);
}

Test(policy_tree, what_has_no_text_of_its_own_is_where_its_key_is)
{
	place_is("a:\n  b:\n    c: 1\n", "a.b", 2, 3, 1);
	place_is("a:\nb: 1\n", "a", 1, 1, 1);
}
