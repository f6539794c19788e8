/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions: the index that explain looks things up in, derived from the entries of ticks and
 * outcomes.
 */
#ifndef MODELGOV_RECORD_ACTIONS_H
#define MODELGOV_RECORD_ACTIONS_H

#include "chain.h"

/*
 * The rows that an entry of kind "tick" or "outcomes" stands for; other kinds have none. Each is an
 * array: run, tick, n, wall_ns, numbers, texts. NULL without memory, or when the body is something
 * else.
 */
json_t *index_derive(const struct entry *entry);

/* Writes them for the entry with that seq; how many, or a negative errno. */
int index_write(struct store *s, const struct entry *entry, uint64_t seq, struct err *e);

/* The rows that are there for that entry, in the same form. */
int index_read(struct store *s, const char *kind, uint64_t seq, json_t **ret_rows, struct err *e);

#endif
