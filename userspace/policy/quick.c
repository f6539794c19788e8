/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recursive descent by indentation. Wherever YAML has a second thought (a value that goes on in
 * the next line, an escape, a key in quotes, a tag), it gives up. Measured on 1000 full manifests
 * of 2 KiB: a tenth of the library's time.
 */
#include "quick.h"

#include "text.h"

#define MAX_KEY 128 /* chosen: no key is a quarter as long; the library stops at 1024 */

struct quick {
	struct tree *tree;
	const char *at, *end; /* the text ends with a NUL */
	char *free;           /* in the tree's buffer */
	int line;
	int indent; /* of the block that a { } or [ ] stands in: its further lines are deeper */
	unsigned int n_nodes;
};

/* ---- characters ---------------------------------------------------------------------------- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool is_flow(char c)
{
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

/* A plain value may begin so; what else YAML allows is left to the library. */
static bool is_plain_start(const char *at)
{
	return is_word(*at) || *at == '/' || *at == '.' || *at == '+' || *at == '~' ||
	       (*at == '-' && (is_word(at[1]) || at[1] == '-'));
}

static void blanks_skip(struct quick *q)
{
	while (*q->at == ' ')
		q->at++;
}

/* At the end of a line or before a comment that ends it. */
static bool is_at_end(const struct quick *q)
{
	return q->at == q->end || *q->at == '\n' ||
	       (*q->at == '#' &&
		(q->at == q->tree->source->text || q->at[-1] == ' ' || q->at[-1] == '\n'));
}

static void line_skip(struct quick *q)
{
	const char *next = memchr(q->at, '\n', (size_t)(q->end - q->at));

	q->line += next != NULL;
	q->at = next ? next + 1 : q->end;
}

/*
 * To the first line with something in it, from the start of a line; its indentation, or -1 at the
 * end. q->at stays at the start of the line.
 */
static int line_find(struct quick *q)
{
	while (q->at < q->end) {
		const char *start = q->at;

		blanks_skip(q);
		if (!is_at_end(q)) {
			int indent = (int)(q->at - start);

			q->at = start;
			return indent;
		}
		line_skip(q);
	}
	return -1;
}

static bool is_item(const char *at)
{
	return *at == '-' && at[1] == ' ';
}

/* ---- nodes --------------------------------------------------------------------------------- */

static struct node *node_new(struct quick *q, enum node_kind kind)
{
	struct node *n =
		q->n_nodes++ < MAX_NODES ? arena_new(q->tree->arena, struct node, 1) : NULL;

	if (!n)
		return NULL;
	n->kind = kind;
	n->home = q->tree;
	n->at = q->at;
	n->line = q->line;
	return n;
}

static struct node *text_new(struct quick *q, const char *at, const char *text, size_t length)
{
	struct node *n = node_new(q, NODE_VALUE);

	if (!n)
		return NULL;
	n->at = at;
	memcpy(q->free, text, length);
	q->free[length] = '\0';
	n->text = q->free;
	q->free += length + 1;
	return n;
}

static struct node *quoted_read(struct quick *q)
{
	const char *start = q->at, quote = *start, *at = start + 1;

	for (; *at != quote; at++)
		if (at == q->end || *at == '\n' || *at == '\\')
			return NULL;
	if (at[1] == quote)
		return NULL;
	q->at = at + 1;
	return text_new(q, start, start + 1, (size_t)(at - start - 1));
}

static bool is_key_end(const struct quick *q, const char *at)
{
	return *at == ':' && (at[1] == ' ' || at[1] == '\n' || at + 1 == q->end);
}

static struct node *quoted_key_read(struct quick *q)
{
	const char *start = q->at;
	struct node *key = quoted_read(q);

	if (!key || !is_key_end(q, q->at) || q->at - start > MAX_KEY || !is_word(*key->text))
		return NULL;
	q->at++;
	return key;
}

/* "units" of "units: [...]", and q->at behind the colon; NULL: no plain key stands here. */
static struct node *key_read(struct quick *q)
{
	const char *start = q->at, *at = start;

	if (*at == '\'' || *at == '"')
		return quoted_key_read(q);
	if (!is_word(*at))
		return NULL;
	while (is_word(*at) || *at == '.' || *at == '/' || *at == '-')
		at++;
	if (!is_key_end(q, at) || at - start > MAX_KEY)
		return NULL;
	q->at = at + 1;
	return text_new(q, start, start, (size_t)(at - start));
}

static bool group_has(const struct node *group, const struct node *key)
{
	for (const struct node *n = group->first; n; n = n->next)
		if (strcmp(n->key->text, key->text) == 0)
			return true;
	return false;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A colon inside of a word is one of its characters. */
static bool is_plain(const char *at, bool is_in_flow)
{
	if (*at == ':')
		return is_word(at[1]) || at[1] == '/';
	if (*at == '#')
		return at[-1] != ' ';
	return *at != '\n' && !(is_in_flow && is_flow(*at));
}

static struct node *plain_read(struct quick *q, bool is_in_flow)
{
	const char *start = q->at, *at = start, *last;

	if (!is_plain_start(at))
		return NULL;
	while (at < q->end && is_plain(at, is_in_flow))
		at++;
	if (*at == ':' || (is_in_flow && *at == '#'))
		return NULL;
	q->at = at;
	for (last = at; last[-1] == ' ';)
		last--;
	return text_new(q, start, start, (size_t)(last - start));
}

/* Also over the end of a line, when the next one goes on; else what follows is not understood. */
static void flow_blanks_skip(struct quick *q)
{
	blanks_skip(q);
	while (*q->at == '\n' && q->at < q->end) {
		const char *start = q->at + 1;

		q->at = start;
		q->line++;
		blanks_skip(q);
		if (q->at - start <= q->indent)
			q->at = q->end; /* not a comma, not a bracket: given up */
	}
}

static struct node *flow_read(struct quick *q, unsigned int depth);

/* q->at is behind the bracket or a comma. */
static struct node *flow_item_read(struct quick *q, struct node *collection, unsigned int depth)
{
	struct node *key = NULL, *n;

	flow_blanks_skip(q);
	if (collection->kind == NODE_GROUP) {
		key = key_read(q);
		if (!key || *q->at != ' ' || group_has(collection, key))
			return NULL;
		blanks_skip(q);
	}
	n = flow_read(q, depth);
	if (n)
		n->key = key;
	/* an empty collection has no place but its key's */
	return n && (n->kind == NODE_VALUE || n->first || key) ? n : NULL;
}

static struct node *collection_read(struct quick *q, unsigned int depth)
{
	struct node *collection = node_new(q, *q->at == '{' ? NODE_GROUP : NODE_LIST), **end;
	char closing = *q->at++ == '{' ? '}' : ']';

	if (!collection)
		return NULL;
	end = &collection->first;
	flow_blanks_skip(q);
	while (*q->at != closing) {
		*end = flow_item_read(q, collection, depth + 1);
		if (!*end)
			return NULL;
		end = &(*end)->next;
		flow_blanks_skip(q);
		if (*q->at == closing)
			break;
		if (*q->at != ',')
			return NULL;
		q->at++;
		flow_blanks_skip(q);
		if (*q->at == closing) /* a comma at the end */
			return NULL;
	}
	q->at++;
	return collection;
}

static struct node *flow_read(struct quick *q, unsigned int depth)
{
	if (depth > MAX_DEPTH)
		return NULL;
	if (*q->at == '[' || *q->at == '{')
		return collection_read(q, depth);
	return *q->at == '\'' || *q->at == '"' ? quoted_read(q) : plain_read(q, true);
}

/* A value in a block, with all of its line. */
static struct node *inline_read(struct quick *q, unsigned int depth)
{
	struct node *n = *q->at == '[' || *q->at == '{'    ? flow_read(q, depth)
			 : *q->at == '\'' || *q->at == '"' ? quoted_read(q)
							   : plain_read(q, false);

	if (!n || depth > MAX_DEPTH)
		return NULL;
	blanks_skip(q);
	if (!is_at_end(q))
		return NULL;
	line_skip(q);
	return n;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static struct node *block_read(struct quick *q, int indent, unsigned int depth);

static struct node *list_read(struct quick *q, int indent, unsigned int depth);

/* What follows "key:", where the key stands at that indentation. */
static struct node *member_read(struct quick *q, int indent, unsigned int depth)
{
	const char *behind = q->at;

	blanks_skip(q);
	q->indent = indent;
	if (!is_at_end(q))
		return inline_read(q, depth);
	line_skip(q);
	int next = line_find(q);

	if (next > indent)
		return block_read(q, next, depth);
	if (next == indent && is_item(q->at + next))
		return list_read(q, next, depth);
	struct node *n = text_new(q, behind, "", 0);

	if (n)
		n->is_empty = true;
	return n;
}

/* q->at is at the first key; the further ones stand below it. */
static struct node *group_read(struct quick *q, int indent, unsigned int depth)
{
	struct node *group = node_new(q, NODE_GROUP), **end;
	int next;

	if (!group || depth > MAX_DEPTH)
		return NULL;
	end = &group->first;
	do {
		struct node *key = key_read(q);

		if (!key || group_has(group, key))
			return NULL;
		*end = member_read(q, indent, depth + 1);
		if (!*end)
			return NULL;
		(*end)->key = key;
		end = &(*end)->next;
		next = line_find(q);
		if (next > indent)
			return NULL;
		q->at += next == indent ? next : 0;
	} while (next == indent && !is_item(q->at));
	if (next == indent) /* an item where a key should be, or the end of a list in a list */
		return NULL;
	return group;
}

static struct node *item_read(struct quick *q, int indent, unsigned int depth)
{
	const char *start = q->at;
	struct quick before;

	q->at += 2;
	blanks_skip(q);
	if (is_at_end(q) || is_item(q->at))
		return NULL;
	before = *q;
	if (key_read(q)) {
		*q = before;
		return group_read(q, indent + (int)(q->at - start), depth);
	}
	*q = before;
	q->indent = indent;
	struct node *n = inline_read(q, depth);

	return n && (n->kind == NODE_VALUE || n->first) ? n : NULL;
}

/* q->at is at the start of the first item's line. */
static struct node *list_read(struct quick *q, int indent, unsigned int depth)
{
	struct node *list = node_new(q, NODE_LIST), **end;
	int next = indent;

	if (!list || depth > MAX_DEPTH)
		return NULL;
	end = &list->first;
	while (next == indent && is_item(q->at + next)) {
		q->at += next;
		*end = item_read(q, indent, depth + 1);
		if (!*end)
			return NULL;
		end = &(*end)->next;
		next = line_find(q);
		if (next > indent)
			return NULL;
	}
	return list;
}

static struct node *block_read(struct quick *q, int indent, unsigned int depth)
{
	if (is_item(q->at + indent))
		return list_read(q, indent, depth);
	q->at += indent;
	return group_read(q, indent, depth);
}

bool quick_read(struct tree *t)
{
	struct quick q = { .tree = t,
			   .at = t->source->text,
			   .end = t->source->text + t->source->length,
			   .free = t->buffer,
			   .line = 1 };

	if (line_find(&q) != 0)
		return false;
	t->root = group_read(&q, 0, 0);
	if (t->root && q.at != q.end)
		t->root = NULL;
	return t->root != NULL;
}
