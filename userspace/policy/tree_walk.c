/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going through trees that are built: what one takes over from its template, and what stands at a
 * path. Building them from text is tree.c's.
 */
#include "tree.h"

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
