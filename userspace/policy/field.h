/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field that a row of the key table stands for, in the struct of its group: get and set, in the
 * row's base unit. Judges nothing.
 */
#ifndef MODELGOV_POLICY_FIELD_H
#define MODELGOV_POLICY_FIELD_H

#include "keys.h"

/*
 * Numbers, words, bit masks and booleans. MISSING: absent, VALUE_MAX: none; not of TYPE_INTEGER,
 * where they are -2 and -1. A word's field holds its value.
 */
uint64_t field_number(const struct key *k, const void *from);
void field_set_number(const struct key *k, uint64_t value, void *into);

/* "" when absent. */
const char *field_text(const struct key *k, const void *from);
void field_set_text(const struct key *k, const char *text, void *into);

/* The first item of a list, and how many there are. Items are list.item_bytes long. */
void *field_items(const struct key *k, const void *from, unsigned int *ret_n);

/*
 * An empty list with room for n items, at most list.max. Not inline: memory of the arena. -ENOMEM.
 * field_append() takes the next of that room.
 */
int field_list_start(const struct key *k, unsigned int n, struct arena *arena, void *into);
void *field_append(const struct key *k, void *into);

/* The word of that value, or NULL. */
const char *word_text(const struct key *k, uint64_t value);
int word_value(const struct key *k, const char *text, uint64_t *ret_value); /* -EINVAL: no such */

/*
 * Every field of the group and of the groups in it as if no key were given: the default, or absent.
 * A required word starts at a value that no word has.
 */
void fields_default(const struct key *rows, enum manifest_kind manifest, void *into);

/* True when nothing was said and there is no default, or what is said is nothing. */
bool field_is_absent(const struct key *k, const void *from);

/*
 * The value as somebody would write it, exactly: "20ms", "none", "[batch, experiment]". For a
 * TYPE_BUDGET from is an objective. NULL: memory is short.
 */
const char *field_print(const struct key *k, const void *from, struct arena *arena);

/* Text as somebody would write it: in quotes where YAML would take it for something else. */
const char *text_spell(const char *text, struct arena *arena);

#endif
