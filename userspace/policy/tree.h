/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest's text as a tree of values, lists and groups. Enforces the YAML subset (no aliases,
 * anchors, tags, merge keys, block scalars, second documents, duplicate keys); gives no value a
 * meaning. The only file that knows the YAML library is tree.c.
 */
#ifndef MODELGOV_POLICY_TREE_H
#define MODELGOV_POLICY_TREE_H

#include "source.h"

/* chosen: the fullest manifest that the key table admits has about 2000 */
#define MAX_NODES 4000

/* chosen: the key table is 5 levels deep, and reading recurses */
#define MAX_DEPTH 16

enum node_kind { NODE_VALUE, NODE_LIST, NODE_GROUP };

struct node {
	enum node_kind kind;
	bool is_empty;      /* a key with nothing behind it; kind is NODE_VALUE */
	bool is_refused;    /* outside of the subset, which is a finding already: pass over it */
	const char *text;   /* of a value, never NULL there */
	struct node *key;   /* in a group: the value's key, itself a NODE_VALUE */
	struct node *first; /* of a list or group */
	struct node *next;  /* in the same list or group */
	int line, column, width; /* of its text, from 1; line 0: it stands in no file */
	const struct tree
		*home; /* whose text it stands in; NULL: that of the tree it is found in */
};

struct tree {
	struct source *source;
	struct node *root; /* always a group */
	struct arena *arena;
	char *buffer; /* where values are decoded, buffer_bytes long */
	size_t buffer_bytes;
	unsigned int n_nodes;
	bool has_alias, has_tag, has_anchor; /* each is said once: one comes with many */
	void *diagnosis, *parser;            /* tree.c's own */
	const char
		*via; /* ends what is said of inherited nodes: "; ocr inherits it (ocr.yaml:6)" */
};

/*
 * 0 and a tree; -EINVAL when findings were made and there is nothing to judge;
 * -ENOMEM. A tree may also come with findings, such as a duplicate key. Nodes live in the arena
 * and point to ret_tree: it must stay where it is as long.
 */
int tree_open(struct source *s, struct arena *arena, struct tree *ret_tree);

/*
 * Gives t what base has and t has not: group by group, lists as a whole, and nothing of the names
 * in except (ended by NULL) at the top. Base must live as long as t. place: where t names base,
 * said in what is found in its inherited nodes. -ENOMEM.
 */
int tree_inherit(struct tree *t, const struct tree *base, const char *const *except,
		 const struct node *place);

/* The node at a path of keys and items ("resources.cpu.max", "objectives[1].budget"), or NULL. */
const struct node *tree_find(const struct tree *t, const char *path);

/* Its line, quickly; 0: it stands in no file. n has a key. */
int tree_line(const struct node *n);

bool tree_is_inherited(const struct tree *t, const struct node *n);

/*
 * source_error(), source_warning() and source_place() at a node: of a key or a value at its text,
 * of a list or group at its key or first item.
 */
void tree_error(const struct tree *t, const struct node *n, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void tree_warning(const struct tree *t, const struct node *n, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
struct place tree_place(const struct tree *t, const struct node *n, struct arena *arena);

#endif
