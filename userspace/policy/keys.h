/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key table: everything that a manifest may say, one row a key. What is refused, what is
 * assumed, what an unknown key probably meant and the reference page all come from these rows. Only
 * a table: read.c applies it, reference.c prints it.
 */
#ifndef MODELGOV_POLICY_KEYS_H
#define MODELGOV_POLICY_KEYS_H

#include "policy.h"

#define API_VERSION "modelgov/v1"

enum manifest_kind { MANIFEST_HOST = 1, MANIFEST_MODEL = 2, MANIFEST_ANY = 3 };

enum key_type {
	TYPE_GROUP,  /* keys below */
	TYPE_GROUPS, /* a list of groups with the same keys; their group is "NAME[]" */
	TYPE_TEXT,
	TYPE_WORD,     /* one of words */
	TYPE_DURATION, /* from here on numbers: stored in the base unit of base.h */
	TYPE_SIZE,
	TYPE_CPUS,
	TYPE_SHARE,
	TYPE_COUNT,
	TYPE_INTEGER, /* with sign */
	TYPE_BUDGET,  /* duration or share, as the objective's indicator wants */
	TYPE_UNITS,   /* list of systemd unit names */
	TYPE_CGROUPS, /* list of cgroup patterns */
	TYPE_LABELS,  /* group of free keys with text */
	N_TYPES,
};

struct type_info {
	const char *name;  /* in the reference: "duration" */
	const char *noun;  /* in messages: "a duration" */
	const char *units; /* that may follow the number, for messages; NULL: none, or only one */
	int (*parse)(const char *text, uint64_t *ret_value); /* of numbers; NULL otherwise */
	char *(*format)(uint64_t value, char *buf, size_t size);
};

struct word {
	const char *text; /* NULL ends the list */
	uint64_t value;
};

struct key {
	enum manifest_kind manifest; /* in which files */
	const char *group;           /* path of the group it stands in; "" at the top */
	const char *name;
	enum key_type type;
	bool is_required;
	bool allows_none;  /* the word none: VALUE_MAX */
	uint64_t min, max; /* in the base unit; max 0: no range. TYPE_INTEGER: both are int64_t */
	uint64_t scale;    /* stored value = parsed value x scale; 0 means 1 */
	const struct word *words;
	const char *fallback; /* as it would be written; NULL: absent stays absent */
	const char *example;
	size_t offset, size; /* of the field in host_policy, model or objective; size 0: no field */
	const char *meaning;
	const char *kernel; /* what it does to the kernel; NULL: nothing directly */
	const char *since;  /* kernel that first had it */
};

extern const struct key key_table[];
extern const unsigned int n_keys;
extern const struct type_info type_table[N_TYPES];

/* What an objective's budget is, by indicator: type, range, example. */
extern const struct key budget_table[N_INDICATORS];

/* The row of a key in that group, or NULL. */
const struct key *key_find(enum manifest_kind manifest, const char *group, const char *name);

/* "resources.cpu.max". buf: 64 bytes are enough for every row. Returns buf. */
char *key_path(const struct key *k, char *buf, size_t size);

/* What an unknown key may have meant: the nearest name in that group, or NULL. */
const struct key *key_nearest(enum manifest_kind manifest, const char *group, const char *name);

/* A row of that name in another group, or NULL. */
const struct key *key_elsewhere(enum manifest_kind manifest, const char *name);

#endif
