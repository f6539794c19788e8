/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key table: everything that a file of policy may say, one row a key, one list of rows a group.
 * What is refused, what is assumed, what an unknown key probably meant, the canonical form, the
 * JSON Schema and the reference page all come from these rows. Only a table: read.c and value.c
 * apply it, field.c finds the fields, canonical.c, diff.c, schema.c and reference.c print them.
 */
#ifndef MODELGOV_POLICY_KEYS_H
#define MODELGOV_POLICY_KEYS_H

#include "policy.h"

#define API_VERSION "modelgov/v1"

enum manifest_kind { MANIFEST_HOST = 1, MANIFEST_MODEL = 2, MANIFEST_TEMPLATE = 4 };

enum key_type {
	TYPE_GROUP,  /* keys below */
	TYPE_GROUPS, /* a list of groups with the same keys */
	TYPE_LABELS, /* group of free keys with text */
	TYPE_TEXT,
	TYPE_TEXTS,  /* a list of texts */
	TYPE_SHAPE,  /* list of numbers, or any; kept as text: "[1, 3, any]" */
	TYPE_CPUSET, /* "0-3,8"; kept in its shortest spelling */
	TYPE_WORD,   /* one of words */
	TYPE_WORDS,  /* list of words: bit per value */
	TYPE_BOOL,
	TYPE_DURATION, /* from here on numbers: stored in the base unit of base.h */
	TYPE_SIZE,
	TYPE_CPUS,
	TYPE_SHARE,
	TYPE_COUNT,
	TYPE_INTEGER, /* with sign */
	TYPE_BUDGET,  /* duration or share, as the objective's indicator wants */
	N_TYPES,
};

struct type_info {
	const char *name;  /* in the reference: "duration" */
	const char *noun;  /* in messages: "a duration" */
	const char *units; /* that may follow the number, for messages; NULL: none, or only one */
	int (*parse)(const char *text, uint64_t *ret_value); /* of numbers; NULL otherwise */
	char *(*format)(uint64_t value, char *buf, size_t size);
	const char *pattern; /* of numbers with a unit: regular expression for the JSON Schema */
};

struct word {
	const char *text; /* NULL ends the list */
	uint64_t value;
};

/* What texts of one kind look like. */
struct text_form {
	const char *list;    /* in the reference: "list of units" */
	const char *noun;    /* in messages: "a list of systemd units" */
	const char *cure;    /* of a list that is too long; NULL: leave some out */
	const char *pattern; /* regular expression for the JSON Schema, NULL: any text */
	bool may_repeat;     /* in a list */
	/* NULL when right, else what is wrong and the cure. index: in its list, 0 for the first */
	const char *(*flaw)(struct arena *arena, const char *text, unsigned int index);
};

/* Where the items of a list lie. */
struct list_place {
	size_t count_offset; /* of an unsigned int; with items > 0 */
	size_t item_bytes;
	unsigned int max;
	bool is_inline; /* an array in the struct; else a pointer to one in the policy's arena */
};

struct key {
	const char *name;            /* NULL ends a list of rows */
	enum manifest_kind manifest; /* in which files */
	enum key_type type;
	bool is_required;
	bool allows_none;  /* the word none: VALUE_MAX */
	bool none_is_zero; /* or 0, where there is no limit to be none */
	bool is_heading; /* says which file this is and whence, not what is wanted: no field, or not
			  * in the canonical form */
	uint64_t min, max; /* in the base unit; max 0: no range. TYPE_INTEGER: both are int64_t. Of
			    * texts: the most bytes, 0: 200 */
	uint64_t scale;    /* stored value = parsed value x scale; 0 means 1 */
	const struct word *words;
	const struct text_form *form; /* of texts; NULL: any */
	const struct key *keys;       /* of groups */
	const char *fallback;         /* as it would be written; NULL: absent stays absent */
	const char *example;
	size_t offset, size; /* of the field in host_policy, model or the list's item */
	struct list_place list;
	const char *meaning;
	const char *kernel; /* what it does to the kernel; NULL: nothing */
	const char *since;  /* kernel that first had it */
};

extern const struct type_info type_table[N_TYPES];

/* The rows at the top of such a file. */
const struct key *key_rows(enum manifest_kind manifest);

/* What an objective's budget is, by indicator: type, range, example. */
extern const struct key budget_table[N_INDICATORS];

/* Indicators that are quantiles of a distribution, as against shares. */
bool indicator_has_quantile(enum indicator i);

/* The row of a key in that group, or NULL. */
const struct key *key_find(const struct key *rows, enum manifest_kind manifest, const char *name);

/* What an unknown key may have meant: the nearest name in that group, or NULL. */
const struct key *key_nearest(const struct key *rows, enum manifest_kind manifest,
			      const char *name);

/* A group that has a row of that name ("resources.cpu", "" for the top), or NULL. buf: 64 bytes. */
const char *key_elsewhere(enum manifest_kind manifest, const char *name, char *buf, size_t size);

/*
 * Calls visit for every row that such a file may have, a group's row before the rows in it; path is
 * "resources.cpu.max", "objectives[].budget".
 */
void keys_walk(enum manifest_kind manifest,
	       void (*visit)(const struct key *k, const char *path, void *context), void *context);

/* Next row of the same group that such a file may have; the first one for NULL; NULL at the end. */
const struct key *key_next(const struct key *rows, enum manifest_kind manifest,
			   const struct key *last);

static inline bool key_is_number(const struct key *k)
{
	return k->type >= TYPE_DURATION;
}

/* False for what a file says of itself: apiVersion, kind. */
static inline bool key_has_field(const struct key *k)
{
	return k->size > 0 || k->list.max > 0 || k->keys;
}

static inline bool key_is_list(const struct key *k)
{
	return k->type == TYPE_GROUPS || k->type == TYPE_TEXTS || k->type == TYPE_WORDS ||
	       k->type == TYPE_SHAPE;
}

#endif
