/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to a tree, with libfyaml. The library parses; the subset is ours, because the library
 * would accept everything that YAML has. Positions are asked for only where a finding needs one:
 * the library gives them out by making a report, which costs more than parsing the value.
 */
#include "tree.h"

#include "quick.h"
#include "text.h"

#include <libfyaml.h>

/* ---- positions ----------------------------------------------------------------------------- */

/* Reports are collected, so this is never called; without it they would go to stderr. */
static void report_drop(struct fy_diag *diag, void *user, const char *text, size_t length)
{
}

static struct fy_diag_error *report_last(struct fy_diag *diag)
{
	struct fy_diag_error *each, *last = NULL;
	void *at = NULL;

	while ((each = fy_diag_errors_iterate(diag, &at)))
		last = each;
	return last;
}

static void origin_where(const struct tree *t, struct fy_node *origin, int *ret_line,
			 int *ret_column)
{
	fy_diag_node_report(t->diagnosis, origin, FYET_ERROR, "position");
	struct fy_diag_error *e = report_last(t->diagnosis);

	*ret_line = e && e->line > 0 ? e->line : 0;
	*ret_column = e && e->line > 0 && e->column > 0 ? e->column : 0;
}

static int characters(const char *text, size_t length)
{
	int n = 0;

	for (size_t i = 0; i < length; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

/* Of a scalar as it stands in the text, with its quotes or its *. */
static int scalar_width(const struct node *n, struct fy_node *origin, enum fy_node_style style)
{
	if (style == FYNS_ALIAS) { /* its name is not in the tree */
		size_t length = 0;
		const char *name = fy_node_get_scalar(origin, &length);

		return 1 + characters(name, length);
	}
	int width = n->text ? characters(n->text, strlen(n->text)) : 1;

	return style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED ? width + 2 : width;
}

/* Where a node is, in the text of which tree. */
struct spot {
	const struct tree *home;
	int line, column, width;
};

static void quick_where(const struct node *n, struct spot *at)
{
	const char *start = n->at;

	while (start > at->home->source->text && start[-1] != '\n')
		start--;
	at->line = n->line;
	at->column = characters(start, (size_t)(n->at - start)) + 1;
	if (n->kind == NODE_VALUE)
		at->width = characters(n->text, strlen(n->text)) +
			    (*n->at == '\'' || *n->at == '"' ? 2 : 0);
}

static struct spot spot_find(const struct tree *t, const struct node *n)
{
	struct spot at = { .home = n->home ? n->home : t, .width = 1 };

	/* a key says more than the first line below it, and an empty value has no place */
	if (n->key && (n->kind != NODE_VALUE || n->is_empty))
		n = n->key;
	/* the library gives no place for a block list; its first item stands in */
	while (n->kind != NODE_VALUE && n->first)
		n = n->first->key ? n->first->key : n->first;

	struct fy_node *origin = (struct fy_node *)n->origin;

	if (n->at)
		quick_where(n, &at);
	if (!origin) /* or from a canonical form */
		return at;
	origin_where(at.home, origin, &at.line, &at.column);
	if (!fy_node_is_scalar(origin))
		return at;
	enum fy_node_style style = fy_node_get_style(origin);

	at.width = scalar_width(n, origin, style);
	/* the library points behind the quote, and behind the * */
	if ((style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED || style == FYNS_ALIAS) &&
	    at.column > 1)
		at.column -= 1;
	return at;
}

bool tree_is_inherited(const struct tree *t, const struct node *n)
{
	return n->home && n->home->source != t->source;
}

int tree_line(const struct node *n)
{
	if (n->key->at)
		return n->key->line;
	struct fy_node *origin = (struct fy_node *)n->key->origin;
	struct fy_token *token = origin ? fy_node_get_scalar_token(origin) : NULL;
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	return mark ? mark->line + 1 : 0;
}

static void node_say(const struct tree *t, const struct node *n, enum finding_level level,
		     const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;
	struct spot at = spot_find(t, n);
	const char *via = tree_is_inherited(t, n) && t->via ? t->via : "";

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	if (level == FINDING_ERROR)
		source_error(at.home->source, at.line, at.column, at.width, "%s%s",
			     text ? text : "memory is short", via);
	else
		source_warning(at.home->source, at.line, at.column, at.width, "%s%s",
			       text ? text : "memory is short", via);
}

void tree_error(const struct tree *t, const struct node *n, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	node_say(t, n, FINDING_ERROR, format, args);
	va_end(args);
}

void tree_warning(const struct tree *t, const struct node *n, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	node_say(t, n, FINDING_WARNING, format, args);
	va_end(args);
}

struct place tree_place(const struct tree *t, const struct node *n, struct arena *arena)
{
	struct spot at = spot_find(t, n);
	struct place p = source_place(at.home->source, arena, at.line, at.column, at.width);

	if (tree_is_inherited(t, n) && t->via)
		p.via = arena_strdup(arena, t->via); /* NULL when memory is short: it is not said */
	return p;
}

/* ---- the subset ---------------------------------------------------------------------------- */

/* False, with a finding, when the node uses a part of YAML that a manifest may not. */
static bool is_in_subset(struct tree *t, const struct node *n)
{
	struct fy_node *origin = (struct fy_node *)n->origin;
	enum fy_node_style style = fy_node_get_style(origin);
	size_t length;

	if (fy_node_is_alias(origin)) {
		if (!t->has_alias)
			tree_error(t, n,
				   "YAML aliases (*name) are not allowed; write the value out, "
				   "or put it in quotes when the * belongs to it");
		t->has_alias = true;
		return false;
	}
	if (fy_node_get_tag(origin, &length)) {
		if (!t->has_tag)
			tree_error(t, n, "YAML tags (!name) are not allowed; leave the tag out");
		t->has_tag = true;
		return false;
	}
	if (style == FYNS_LITERAL || style == FYNS_FOLDED) {
		tree_error(t, n->key ? n->key : n,
			   "block text (| or >) is not allowed; write the value on one line");
		return false;
	}
	return true;
}

static void anchors_check(struct tree *t)
{
	void *at = NULL;
	struct fy_anchor *anchor = fy_document_anchor_iterate(t->document, &at);
	int line, column;

	if (!anchor)
		return;
	origin_where(t, fy_anchor_node(anchor), &line, &column);
	source_error(
		t->source, line, column, 1,
		"YAML anchors (&name) are not allowed; write the value out where it is needed");
}

/* How many nodes there are below and with this one; stops counting past MAX_NODES. */
static unsigned int nodes_count(struct fy_node *origin)
{
	unsigned int n = 1;
	struct fy_node_pair *pair;
	struct fy_node *item;
	void *at = NULL;

	if (fy_node_is_mapping(origin))
		while (n <= MAX_NODES && (pair = fy_node_mapping_iterate(origin, &at)))
			n += nodes_count(fy_node_pair_key(pair)) +
			     nodes_count(fy_node_pair_value(pair));
	else if (fy_node_is_sequence(origin))
		while (n <= MAX_NODES && (item = fy_node_sequence_iterate(origin, &at)))
			n += nodes_count(item);
	return n;
}

/* ---- building ------------------------------------------------------------------------------ */

static int node_new(struct tree *t, struct fy_node *origin, struct node **ret_node)
{
	struct node *n = arena_new(t->arena, struct node, 1);

	if (!n)
		return -ENOMEM;
	n->origin = origin;
	n->home = t;
	*ret_node = n;
	return 0;
}

static int node_build(struct tree *t, struct fy_node *origin, struct node *key, unsigned int depth,
		      struct node **ret_node);

/*
 * The value as the library decodes it, in chunks. Not fy_node_get_scalar(), which in 0.7.12 loses
 * 4 KiB for each text with more than a few escapes or folded lines.
 */
static int scalar_decode(struct tree *t, struct fy_node *origin, size_t *ret_length)
{
	struct fy_token *token = fy_node_get_scalar_token(origin);
	struct fy_token_iter *at = token ? fy_token_iter_create(token) : NULL;
	const struct fy_iter_chunk *chunk = NULL;
	size_t length = 0;
	int error = 0;

	while (at && (chunk = fy_token_iter_chunk_next(at, chunk, &error))) {
		if (chunk->len > t->buffer_bytes - length) {
			error = -1;
			break;
		}
		memcpy(t->buffer + length, chunk->str, chunk->len);
		length += chunk->len;
	}
	if (at)
		fy_token_iter_destroy(at);
	*ret_length = length;
	return error || (token && !at) ? -ENOMEM : 0;
}

static int value_build(struct tree *t, struct node *n)
{
	struct fy_node *origin = (struct fy_node *)n->origin;
	size_t length;
	int r = scalar_decode(t, origin, &length);
	char *kept = r == 0 ? arena_alloc(t->arena, length + 1) : NULL;

	if (!kept)
		return -ENOMEM;
	memcpy(kept, t->buffer, length);
	n->text = kept;
	n->is_empty = length == 0 && fy_node_get_style(origin) == FYNS_PLAIN;
	if (text_is_hidden(kept, length)) {
		tree_error(t, n, "%s holds control or invisible characters; leave them out",
			   text_quote(t->arena, kept));
		n->is_refused = true;
	}
	return 0;
}

static int list_build(struct tree *t, struct node *list, unsigned int depth)
{
	struct fy_node *each;
	struct node **end = &list->first;
	void *at = NULL;

	while ((each = fy_node_sequence_iterate((struct fy_node *)list->origin, &at))) {
		int r = node_build(t, each, NULL, depth + 1, end);

		if (r < 0)
			return r;
		end = &(*end)->next;
	}
	return 0;
}

/* 0; -EINVAL with a finding when there can be no such key; other errors. */
static int key_build(struct tree *t, struct fy_node *origin, const struct node *group,
		     struct node **ret_key)
{
	struct node *key;
	int r = node_new(t, origin, &key);

	if (r < 0)
		return r;
	if (!fy_node_is_scalar(origin)) {
		tree_error(t, key, "a list or group cannot be a key; write key: value");
		return -EINVAL;
	}
	if (!is_in_subset(t, key))
		return -EINVAL;
	r = value_build(t, key);
	if (r < 0 || key->is_refused)
		return r < 0 ? r : -EINVAL;
	if (strcmp(key->text, "<<") == 0) {
		tree_error(t, key, "YAML merge keys (<<) are not allowed; write the keys out");
		return -EINVAL;
	}
	/* a walk per key is fine: MAX_NODES bounds it */
	for (const struct node *n = group->first; n; n = n->next) {
		if (strcmp(n->key->text, key->text) != 0)
			continue;
		int line, column;

		origin_where(t, (struct fy_node *)n->key->origin, &line, &column);
		tree_error(t, key, "key %s is given twice, first on line %d; keep one",
			   text_quote(t->arena, key->text), line);
		return -EINVAL;
	}
	*ret_key = key;
	t->last_key = key;
	return 0;
}

static int group_build(struct tree *t, struct node *group, unsigned int depth)
{
	struct fy_node_pair *each;
	struct node **end = &group->first;
	void *at = NULL;

	while ((each = fy_node_mapping_iterate((struct fy_node *)group->origin, &at))) {
		struct node *key = NULL;
		int r = key_build(t, fy_node_pair_key(each), group, &key);

		if (r == -EINVAL) /* said already; the other keys are judged all the same */
			continue;
		if (r == 0)
			r = node_build(t, fy_node_pair_value(each), key, depth + 1, end);
		if (r < 0)
			return r;
		end = &(*end)->next;
	}
	return 0;
}

static int node_build(struct tree *t, struct fy_node *origin, struct node *key, unsigned int depth,
		      struct node **ret_node)
{
	struct node *n;
	int r = node_new(t, origin, &n);

	if (r < 0)
		return r;
	n->kind = fy_node_is_mapping(origin)    ? NODE_GROUP
		  : fy_node_is_sequence(origin) ? NODE_LIST
						: NODE_VALUE;
	n->key = key;
	n->text = n->kind == NODE_VALUE ? "" : NULL; /* a refused value keeps it */
	*ret_node = n;
	n->is_refused = !is_in_subset(t, n);
	if (depth > MAX_DEPTH) {
		/* an item that is not built has no place of its own */
		tree_error(t, spot_find(t, n).line > 0 || !t->last_key ? n : t->last_key,
			   "nested more than %d levels deep; a manifest is at most 5", MAX_DEPTH);
		n->is_refused = true;
	}
	if (n->is_refused)
		return 0;
	return n->kind == NODE_GROUP  ? group_build(t, n, depth)
	       : n->kind == NODE_LIST ? list_build(t, n, depth)
				      : value_build(t, n);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* What the library's words mean for somebody who indents a manifest. */
static const struct {
	const char *words, *cure;
} syntax_cures[] = {
	{ "multiline plain key", "; indent this line and the next like their neighbours" },
	{ "invalid indentation", "; indent this line like its neighbours" },
	{ "nested block mapping", "; put a value that contains ': ' in quotes" },
	{ "invalid value after mapping", "; write key: value" },
	{ "Max depth", "; a manifest is at most 5 levels deep" },
	{ "plain scalar cannot start", "; put the value in quotes" },
	{ "did not find expected key", "; indent this line like its neighbours, as key: value" },
	{ "without closing quote", "; close the quote" },
	{ "without a closing", "; close what { or [ opened" },
	{ "invalid UTF8 escape", "; write the character itself" },
	{ "missing comma", "; close what { or [ opened, put a comma between keys, and put a value "
			   "that contains ': ' in quotes" },
};

static int lines_count(const struct source *s)
{
	int n = 1;

	for (const char *at = s->text; (at = memchr(at, '\n', (size_t)(s->text + s->length - at)));
	     at++)
		n++;
	return n;
}

static int syntax_report(struct tree *t)
{
	struct fy_diag_error *e = report_last(t->diagnosis);
	const char *words = e && e->msg ? e->msg : "the YAML library gives no reason", *cure = "";
	int line = e ? MAX(e->line, 0) : 0, column = e ? MAX(e->column, 1) : 0;
	int n_lines = lines_count(t->source);

	for (size_t i = 0; i < ARRAY_SIZE(syntax_cures); i++)
		if (strstr(words, syntax_cures[i].words))
			cure = syntax_cures[i].cure;
	if (line > n_lines) { /* it counts one more when the last line does not end */
		line = n_lines;
		column = 1;
	}
	source_error(t->source, line, column, 1, "not valid YAML: %s%s", words, cure);
	return -EINVAL;
}

static int parser_open(struct tree *t)
{
	struct fy_diag_cfg reports;

	fy_diag_cfg_default(&reports);
	reports.fp = NULL;
	reports.output_fn = report_drop;
	reports.colorize = false;
	t->diagnosis = fy_diag_create(&reports);
	if (!t->diagnosis)
		return -ENOMEM;
	fy_diag_set_collect_errors(t->diagnosis, true);

	/* duplicates are found here: the library's own check is quadratic (20 000 keys take 8 s) */
	const struct fy_parse_cfg settings = {
		.search_path = "",
		.flags = FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS | FYPCF_DISABLE_ACCELERATORS |
			 FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
		.diag = t->diagnosis,
	};

	t->parser = fy_parser_create(&settings);
	if (!t->parser || fy_parser_set_string(t->parser, t->source->text, t->source->length) != 0)
		return -ENOMEM;
	return 0;
}

static int document_open(struct tree *t)
{
	t->document = fy_parse_load_document(t->parser);
	struct fy_node *root = t->document ? fy_document_root(t->document) : NULL;

	if (!root && fy_parser_get_stream_error(t->parser))
		return syntax_report(t);
	if (!root || fy_node_is_null(root)) {
		source_error(t->source, 0, 0, 0,
			     "the file holds no keys; a manifest starts with "
			     "apiVersion: modelgov/v1");
		return -EINVAL;
	}
	if (!fy_node_is_mapping(root)) {
		int line, column;

		origin_where(t, root, &line, &column);
		source_error(t->source, line, column, 1,
			     "a manifest is a group of keys; write key: value, with a blank "
			     "after the colon");
		return -EINVAL;
	}
	if (nodes_count(root) > MAX_NODES) {
		source_error(t->source, 0, 0, 0,
			     "the file holds more than %d keys and values; a "
			     "manifest has a few dozen",
			     MAX_NODES);
		return -EINVAL;
	}
	return 0;
}

static void single_check(struct tree *t)
{
	struct fy_document *second = fy_parse_load_document(t->parser);

	if (second) {
		source_error(t->source, 0, 0, 0,
			     "the file holds more than one document (---); write one model per "
			     "file");
		fy_parse_document_destroy(t->parser, second);
	} else if (fy_parser_get_stream_error(t->parser)) {
		(void)syntax_report(t);
	}
}

static int tree_init(struct source *s, struct arena *arena, struct tree *t)
{
	*t = (struct tree){ .source = s, .arena = arena };
	/* an escape such as \L makes three bytes of two: twice the text is room for every value */
	t->buffer_bytes = s->length * 2;
	t->buffer = arena_alloc(arena, t->buffer_bytes + 1);
	return t->buffer ? 0 : -ENOMEM;
}

static int tree_build(struct tree *t)
{
	int r = parser_open(t);

	if (r == 0)
		r = document_open(t);
	if (r == 0) {
		anchors_check(t);
		r = node_build(t, fy_document_root(t->document), NULL, 0, &t->root);
	}
	if (r == 0)
		single_check(t);
	if (r < 0)
		tree_close(t);
	return r;
}

int tree_open(struct source *s, struct arena *arena, struct tree *ret_tree)
{
	int r = tree_init(s, arena, ret_tree);

	return r < 0 || quick_read(ret_tree) ? r : tree_build(ret_tree);
}

int tree_parse(struct source *s, struct arena *arena, struct tree *ret_tree)
{
	int r = tree_init(s, arena, ret_tree);

	return r < 0 ? r : tree_build(ret_tree);
}

void tree_close(struct tree *t)
{
	if (t->document)
		fy_parse_document_destroy(t->parser, t->document);
	fy_parser_destroy(t->parser); /* these three accept NULL */
	fy_diag_destroy(t->diagnosis);
	t->document = t->parser = t->diagnosis = NULL;
}

/* ---- inheriting ---------------------------------------------------------------------------- */

static struct node *child_find(const struct node *group, const char *name)
{
	for (struct node *n = group->first; n; n = n->next)
		if (strcmp(n->key->text, name) == 0)
			return n;
	return NULL;
}

static bool is_among(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static int group_inherit(struct arena *arena, struct node *group, const struct node *base,
			 const char *const *except)
{
	struct node **end = &group->first;

	while (*end)
		end = &(*end)->next;
	for (const struct node *n = base->first; n; n = n->next) {
		static const char *const nothing[] = { NULL };
		struct node *own = child_find(group, n->key->text);

		if (is_among(except, n->key->text))
			continue;
		if (own && own->kind == NODE_GROUP && n->kind == NODE_GROUP) {
			if (group_inherit(arena, own, n, nothing) < 0)
				return -ENOMEM;
			continue;
		}
		if (own)
			continue;
		struct node *copy = arena_new(arena, struct node, 1);

		if (!copy)
			return -ENOMEM;
		*copy = *n;
		copy->next = NULL;
		*end = copy;
		end = &copy->next;
	}
	return 0;
}

int tree_inherit(struct tree *t, const struct tree *base, const char *const *except,
		 const struct node *place)
{
	t->via = arena_printf(t->arena, "; %s:%d inherits it", t->source->file, tree_line(place));
	return t->via ? group_inherit(t->arena, t->root, base->root, except) : -ENOMEM;
}

/* ---- looking up ---------------------------------------------------------------------------- */

static const struct node *item_find(const struct node *list, unsigned long index)
{
	const struct node *n = list->kind == NODE_LIST ? list->first : NULL;

	while (n && index-- > 0)
		n = n->next;
	return n;
}

const struct node *tree_find(const struct tree *t, const char *path)
{
	const struct node *n = t->root;

	while (n && *path) {
		size_t length = strcspn(path, ".[");

		for (n = n->kind == NODE_GROUP ? n->first : NULL; n; n = n->next)
			if (strncmp(n->key->text, path, length) == 0 &&
			    n->key->text[length] == '\0')
				break;
		path += length;
		if (n && *path == '[')
			n = item_find(n, strtoul(path + 1, (char **)&path, 10));
		path += *path == ']';
		path += *path == '.';
	}
	return n;
}
