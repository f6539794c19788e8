/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to a tree, with libfyaml. The library parses, and hands out one event after the other;
 * the subset is ours, because the library would accept everything that YAML has. Its own documents
 * are not built: they cost as much again as the parsing.
 */
#include "tree.h"

#include "text.h"

#include <libfyaml.h>

/* ---- positions ----------------------------------------------------------------------------- */

static int characters(const char *text, size_t length)
{
	int n = 0;

	for (size_t i = 0; i < length; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

/* Where a node is, in the text of which tree. */
struct spot {
	const struct tree *home;
	int line, column, width;
};

static struct spot spot_find(const struct tree *t, const struct node *n)
{
	/* a key says more than the first line below it, and an empty value has no place */
	if (n->key && (n->kind != NODE_VALUE || n->is_empty))
		n = n->key;
	/* the library gives no place for a block list; its first item stands in */
	while (n->kind != NODE_VALUE && n->first)
		n = n->first->key ? n->first->key : n->first;
	return (struct spot){ n->home ? n->home : t, n->line, n->column, MAX(n->width, 1) };
}

bool tree_is_inherited(const struct tree *t, const struct node *n)
{
	return n->home && n->home->source != t->source;
}

int tree_line(const struct node *n)
{
	return n->key->line;
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

/* ---- events -------------------------------------------------------------------------------- */

/* The next event, to be given to event_done(); NULL at an error in the text. */
static struct fy_event *event_next(struct tree *t)
{
	return fy_parser_parse(t->parser);
}

static void event_done(struct tree *t, struct fy_event *e)
{
	fy_parser_event_free(t->parser, e); /* NULL is fine */
}

/* Passes over what began with this event, which stays the caller's. */
static int event_skip(struct tree *t, const struct fy_event *begin)
{
	unsigned int depth =
		begin->type == FYET_MAPPING_START || begin->type == FYET_SEQUENCE_START;

	while (depth > 0) {
		struct fy_event *e = event_next(t);

		if (!e)
			return -EBADMSG;
		if (e->type == FYET_MAPPING_START || e->type == FYET_SEQUENCE_START)
			depth++;
		else if (e->type == FYET_MAPPING_END || e->type == FYET_SEQUENCE_END)
			depth--;
		event_done(t, e);
	}
	return 0;
}

/* ---- the subset ---------------------------------------------------------------------------- */

/* Said where the & stands, of which the library's mark is one behind. */
static void anchor_check(struct tree *t, struct fy_event *e)
{
	struct fy_token *anchor = e->type == FYET_ALIAS ? NULL : fy_event_get_anchor_token(e);
	const struct fy_mark *mark = anchor ? fy_token_start_mark(anchor) : NULL;
	size_t length = 0;

	if (!mark || t->has_anchor)
		return;
	const char *name = fy_token_get_text(anchor, &length);

	t->has_anchor = true;
	source_error(
		t->source, mark->line + 1, mark->column, 1 + characters(name, length),
		"YAML anchors (&name) are not allowed; write the value out where it is needed");
}

/* False, with a finding, when the node uses a part of YAML that a manifest may not. */
static bool is_in_subset(struct tree *t, const struct node *n, struct fy_event *e)
{
	enum fy_node_style style = fy_event_get_node_style(e);

	anchor_check(t, e);
	if (e->type == FYET_ALIAS) {
		if (!t->has_alias)
			tree_error(t, n,
				   "YAML aliases (*name) are not allowed; write the value out, "
				   "or put it in quotes when the * belongs to it");
		t->has_alias = true;
		return false;
	}
	if (fy_event_get_tag_token(e)) {
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

/* ---- building ------------------------------------------------------------------------------ */

static bool is_quoted(struct fy_event *e)
{
	enum fy_node_style style = fy_event_get_node_style(e);

	return style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED;
}

/* The library marks where the text begins: behind the quote, and behind the * of an alias. */
static void node_place(struct fy_event *e, struct node *n)
{
	const struct fy_mark *mark = fy_event_start_mark(e);
	bool is_alias = e->type == FYET_ALIAS;
	size_t length = 0;

	if (!mark)
		return;
	n->line = mark->line + 1;
	n->column = mark->column + !(is_alias || is_quoted(e));
	if (is_alias) {
		const char *name = fy_token_get_text(fy_event_get_token(e), &length);

		n->width = 1 + characters(name, length);
	}
}

/* -E2BIG with a finding when there are too many. */
static int node_new(struct tree *t, struct fy_event *e, struct node **ret_node)
{
	struct node *n = arena_new(t->arena, struct node, 1);

	if (!n)
		return -ENOMEM;
	if (t->n_nodes++ == MAX_NODES) {
		source_error(t->source, 0, 0, 0,
			     "the file holds more than %d keys and values; a manifest has a few "
			     "dozen",
			     MAX_NODES);
		return -E2BIG;
	}
	n->kind = e->type == FYET_MAPPING_START    ? NODE_GROUP
		  : e->type == FYET_SEQUENCE_START ? NODE_LIST
						   : NODE_VALUE;
	n->home = t;
	node_place(e, n);
	*ret_node = n;
	return 0;
}

static int node_build(struct tree *t, struct fy_event *e, struct node *key, unsigned int depth,
		      struct node **ret_node);

/* Plain text stands in the file as it is, when it is on one line. */
static bool scalar_copy(struct tree *t, struct fy_event *e, size_t *ret_length)
{
	const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);

	if (fy_event_get_node_style(e) != FYNS_PLAIN || !from || !to || from->line != to->line)
		return false;
	*ret_length = to->input_pos - from->input_pos;
	memcpy(t->buffer, t->source->text + from->input_pos, *ret_length);
	return true;
}

/*
 * The value as the library decodes it, in chunks. Not fy_token_get_text(), which in 0.7.12 loses
 * 4 KiB for each text with more than a few escapes or folded lines.
 */
static int scalar_decode(struct tree *t, struct fy_event *e, size_t *ret_length)
{
	struct fy_token *token = fy_event_get_token(e);

	if (scalar_copy(t, e, ret_length))
		return 0;
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

static int value_build(struct tree *t, struct node *n, struct fy_event *e)
{
	size_t length;
	int r = scalar_decode(t, e, &length);
	char *kept = r == 0 ? arena_alloc(t->arena, length + 1) : NULL;

	if (!kept)
		return -ENOMEM;
	memcpy(kept, t->buffer, length);
	n->text = kept;
	n->width = characters(kept, strlen(kept)) + (is_quoted(e) ? 2 : 0);
	n->is_empty = length == 0 && !is_quoted(e);
	if (text_is_hidden(kept, length)) {
		tree_error(t, n, "%s holds control or invisible characters; leave them out",
			   text_quote(t->arena, kept));
		n->is_refused = true;
	}
	return 0;
}

static int list_build(struct tree *t, struct node *list, unsigned int depth)
{
	struct node **end = &list->first;
	int r = 0;

	for (;;) {
		struct fy_event *e = event_next(t);

		if (!e || e->type == FYET_SEQUENCE_END) {
			r = e ? 0 : -EBADMSG;
			event_done(t, e);
			return r;
		}
		r = node_build(t, e, NULL, depth + 1, end);
		event_done(t, e);
		if (r < 0)
			return r;
		end = &(*end)->next;
	}
}

/* Whether it can be a key of that group; if not, it is a finding. */
static bool key_check(struct tree *t, struct node *key, struct fy_event *e,
		      const struct node *group)
{
	if (strcmp(key->text, "<<") == 0) {
		tree_error(t, key, "YAML merge keys (<<) are not allowed; write the keys out");
		return false;
	}
	/* a walk per key is fine: MAX_NODES bounds it */
	for (const struct node *n = group->first; n; n = n->next) {
		if (strcmp(n->key->text, key->text) != 0)
			continue;
		tree_error(t, key, "key %s is given twice, first on line %d; keep one",
			   text_quote(t->arena, key->text), n->key->line);
		return false;
	}
	return true;
}

/* NULL in ret_key when there can be no such key: said already, and its value is passed over. */
static int key_build(struct tree *t, struct fy_event *e, const struct node *group,
		     struct node **ret_key)
{
	struct node *key;
	int r = node_new(t, e, &key);

	if (r < 0)
		return r;
	if (key->kind != NODE_VALUE) {
		tree_error(t, key, "a list or group cannot be a key; write key: value");
		return event_skip(t, e);
	}
	key->text = "";
	if (!is_in_subset(t, key, e))
		return 0;
	r = value_build(t, key, e);
	if (r == 0 && !key->is_refused && key_check(t, key, e, group))
		*ret_key = key;
	return r;
}

static int pair_build(struct tree *t, struct fy_event *key_event, struct node *group,
		      unsigned int depth, struct node **ret_node)
{
	struct node *key = NULL;
	int r = key_build(t, key_event, group, &key);
	struct fy_event *e = r == 0 ? event_next(t) : NULL;

	if (r == 0 && !e)
		r = -EBADMSG;
	if (r == 0)
		r = key ? node_build(t, e, key, depth + 1, ret_node) : event_skip(t, e);
	event_done(t, e);
	return r;
}

static int group_build(struct tree *t, struct node *group, unsigned int depth)
{
	struct node **end = &group->first;
	int r = 0;

	for (;;) {
		struct fy_event *e = event_next(t);

		if (!e || e->type == FYET_MAPPING_END) {
			r = e ? 0 : -EBADMSG;
			event_done(t, e);
			return r;
		}
		r = pair_build(t, e, group, depth, end);
		event_done(t, e);
		if (r < 0)
			return r;
		if (*end)
			end = &(*end)->next;
	}
}

static int node_build(struct tree *t, struct fy_event *e, struct node *key, unsigned int depth,
		      struct node **ret_node)
{
	struct node *n;
	int r = node_new(t, e, &n);

	if (r < 0)
		return r;
	n->key = key;
	n->text = n->kind == NODE_VALUE ? "" : NULL; /* a refused value keeps it */
	*ret_node = n;
	n->is_refused = !is_in_subset(t, n, e);
	if (depth > MAX_DEPTH) {
		tree_error(t, n, "nested more than %d levels deep; a manifest is at most 5",
			   MAX_DEPTH);
		n->is_refused = true;
	}
	if (n->is_refused)
		return event_skip(t, e);
	return n->kind == NODE_GROUP  ? group_build(t, n, depth)
	       : n->kind == NODE_LIST ? list_build(t, n, depth)
				      : value_build(t, n, e);
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

static struct fy_diag_error *report_last(struct fy_diag *diag)
{
	struct fy_diag_error *each, *last = NULL;
	void *at = NULL;

	while ((each = fy_diag_errors_iterate(diag, &at)))
		last = each;
	return last;
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

/* Reports are collected, so this is never called; without it they would go to stderr. */
static void report_drop(struct fy_diag *diag, void *user, const char *text, size_t length)
{
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

/* What stands before the first node: nothing is there at all, or no group. */
static bool root_check(struct tree *t, struct fy_event *e)
{
	const struct fy_mark *mark = fy_event_start_mark(e);
	size_t length = 0;

	if (e->type == FYET_MAPPING_START)
		return true;
	if (e->type == FYET_STREAM_END ||
	    (e->type == FYET_SCALAR && fy_event_get_node_style(e) == FYNS_PLAIN &&
	     scalar_decode(t, e, &length) == 0 && length == 0))
		source_error(t->source, 0, 0, 0,
			     "the file holds no keys; a manifest starts with "
			     "apiVersion: modelgov/v1");
	else
		source_error(t->source, mark ? mark->line + 1 : 0, mark ? mark->column + 1 : 0, 1,
			     "a manifest is a group of keys; write key: value, with a blank "
			     "after the colon");
	return false;
}

/* Up to the first node, which is to be given to event_done(). */
static int root_find(struct tree *t, struct fy_event **ret_event)
{
	struct fy_event *e;

	while ((e = event_next(t)) &&
	       (e->type == FYET_STREAM_START || e->type == FYET_DOCUMENT_START))
		event_done(t, e);
	*ret_event = e;
	return e ? 0 : -EBADMSG;
}

static int end_check(struct tree *t)
{
	struct fy_event *e;
	bool is_over = false;

	while (!is_over && (e = event_next(t))) {
		is_over = e->type == FYET_STREAM_END || e->type == FYET_DOCUMENT_START;
		if (e->type == FYET_DOCUMENT_START)
			source_error(t->source, 0, 0, 0,
				     "the file holds more than one document (---); write one "
				     "model per file");
		event_done(t, e);
	}
	return is_over ? 0 : -EBADMSG;
}

static int tree_build(struct tree *t)
{
	struct fy_event *e = NULL;
	int r = parser_open(t);

	if (r == 0)
		r = root_find(t, &e);
	if (r == 0 && !root_check(t, e))
		r = -EINVAL;
	if (r == 0)
		r = node_build(t, e, NULL, 0, &t->root);
	event_done(t, e);
	if (r == 0)
		r = end_check(t);
	return r == -EBADMSG ? syntax_report(t) : r == -E2BIG ? -EINVAL : r;
}

int tree_open(struct source *s, struct arena *arena, struct tree *ret_tree)
{
	struct tree *t = ret_tree;

	*t = (struct tree){ .source = s, .arena = arena };
	/* an escape such as \L makes three bytes of two: twice the text is room for every value */
	t->buffer_bytes = s->length * 2;
	t->buffer = arena_alloc(arena, t->buffer_bytes + 1);
	int r = t->buffer ? tree_build(t) : -ENOMEM;

	/* nodes are copies: nothing of the library is needed any more */
	fy_parser_destroy(t->parser); /* these two accept NULL */
	fy_diag_destroy(t->diagnosis);
	t->parser = t->diagnosis = NULL;
	return r;
}
