/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quick reader makes the tree that the YAML library makes, over all manifests that are kept
 * here; the fuzzer (fuzz_tree.c) does the same over any.
 */
#include "policy/text.h"
#include "policy/tree.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>

struct pair {
	struct tree quick, full;
	struct arena places;
	const char *file;
};

static void node_compare(struct pair *p, const struct node *a, const struct node *b)
{
	struct place x = tree_place(&p->quick, a, &p->places);
	struct place y = tree_place(&p->full, b, &p->places);

	cr_assert(a->kind == b->kind && a->is_empty == b->is_empty, "%s:%d", p->file, y.line);
	cr_assert(x.line == y.line && x.column == y.column && x.width == y.width,
		  "%s: %d:%d+%d, not %d:%d+%d", p->file, x.line, x.column, x.width, y.line,
		  y.column, y.width);
	if (a->text)
		cr_assert_str_eq(a->text, b->text, "%s:%d", p->file, y.line);
	if (a->key) {
		cr_assert_str_eq(a->key->text, b->key->text, "%s:%d", p->file, y.line);
		cr_assert_eq(tree_line(a), tree_line(b), "%s:%d", p->file, y.line);
	}
	for (a = a->first, b = b->first; a && b; a = a->next, b = b->next)
		node_compare(p, a, b);
	cr_assert(!a && !b, "%s:%d", p->file, y.line);
}

/* True when the file was read quickly, and then it was read right. */
static bool file_compare(const char *file)
{
	struct pair p = { .file = file };
	struct findings findings;
	struct arena arena;
	struct err e = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t length;
	bool is_quick = false;

	cr_assert_eq(file_read_all(AT_FDCWD, file, 1 << 20, &text, &length, &e), 0, "%s", e.text);
	findings_init(&findings);
	arena_init(&arena);
	arena_init(&p.places);
	struct source s = { .file = file, .text = text, .length = length, .findings = &findings };

	if (text_check(&s) == 0 && tree_open(&s, &arena, &p.quick) == 0) {
		is_quick = !p.quick.document;
		if (is_quick) {
			cr_assert_eq(tree_parse(&s, &arena, &p.full), 0, "%s", file);
			cr_assert_eq(findings.n, 0, "%s", file);
			node_compare(&p, p.quick.root, p.full.root);
			tree_close(&p.full);
		}
		tree_close(&p.quick);
	}
	arena_fini(&p.places);
	arena_fini(&arena);
	findings_fini(&findings);
	return is_quick;
}

static unsigned int files_compare(const char *pattern, unsigned int *ret_n)
{
	unsigned int n_quick = 0;
	glob_t found;

	cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
	for (size_t i = 0; i < found.gl_pathc; i++)
		n_quick += file_compare(found.gl_pathv[i]);
	*ret_n = (unsigned int)found.gl_pathc;
	globfree(&found);
	return n_quick;
}

Test(policy_tree, read_quickly_is_read_as_the_library_does)
{
	unsigned int n;

	cr_expect_geq(files_compare("tests/unit/manifests/*.yaml", &n), 200);
	cr_expect_geq(files_compare("tests/unit/manifests/*/models.d/*.yaml", &n), 50);
}

Test(policy_tree, what_people_write_is_read_quickly)
{
	static const char *const patterns[] = { "policies/*/models.d/*.yaml",
						"policies/examples/*/models.d/*.yaml",
						"policies/templates/*.yaml" };
	unsigned int n;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		unsigned int n_quick = files_compare(patterns[i], &n);

		cr_expect_eq(n_quick, n, "%u of %u in %s", n_quick, n, patterns[i]);
	}
}

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
	tree_close(&t);
	arena_fini(&arena);
	findings_fini(&findings);
}
