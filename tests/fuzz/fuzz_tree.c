/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a tree, by our own quick reader and by the YAML library. Aborts when the quick one
 * takes a text that the library has something to say about, or makes another tree of it.
 */
#include "policy/quick.h"
#include "policy/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		abort();
}

static void text_compare(const char *a, const char *b)
{
	promise((a == NULL) == (b == NULL));
	promise(!a || strcmp(a, b) == 0);
}

struct pair {
	struct tree quick, full;
	struct arena places;
};

static void place_compare(struct pair *p, const struct node *a, const struct node *b)
{
	struct place x = tree_place(&p->quick, a, &p->places);
	struct place y = tree_place(&p->full, b, &p->places);

	promise(x.line == y.line && x.column == y.column && x.width == y.width);
	promise(!a->key || tree_line(a) == tree_line(b));
}

static void node_compare(struct pair *p, const struct node *a, const struct node *b)
{
	promise(a->kind == b->kind && a->is_empty == b->is_empty && !b->is_refused);
	promise((a->key == NULL) == (b->key == NULL));
	text_compare(a->text, b->text);
	place_compare(p, a, b);
	if (a->key) {
		text_compare(a->key->text, b->key->text);
		place_compare(p, a->key, b->key);
	}
	a = a->first;
	b = b->first;
	for (; a && b; a = a->next, b = b->next)
		node_compare(p, a, b);
	promise(!a && !b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pair p = { 0 };
	struct findings findings;
	struct arena arena;
	char *text = malloc(size + 1);

	promise(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	findings_init(&findings);
	arena_init(&arena);
	arena_init(&p.places);

	struct source s = { .file = "t", .text = text, .length = size, .findings = &findings };

	if (text_check(&s) == 0) {
		bool is_open = tree_open(&s, &arena, &p.quick) == 0;

		if (is_open && !p.quick.document) {
			promise(findings.n == 0);
			promise(tree_parse(&s, &arena, &p.full) == 0);
			promise(findings.n == 0);
			node_compare(&p, p.quick.root, p.full.root);
			tree_close(&p.full);
		}
		if (is_open)
			tree_close(&p.quick);
	}
	arena_fini(&p.places);
	arena_fini(&arena);
	findings_fini(&findings);
	free(text);
	return 0;
}
