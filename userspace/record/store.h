/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: the database file. One thread, one connection; blocking. Knows SQL, not threads.
 */
#ifndef MODELGOV_RECORD_STORE_H
#define MODELGOV_RECORD_STORE_H

#include "base.h"

#include <jansson.h>

struct store;

enum entry_kind { ENTRY_EVENT, ENTRY_POLICY, ENTRY_TICK, ENTRY_OUTCOMES };

/*
 * One thing to write. body by kind: EVENT {"kind", "details"}; POLICY {"digest", "canonical"};
 * TICK {"digest", "observation", "plan"}; OUTCOMES an array of {"outcome", "read_back", "note"} in
 * the order of the plan's actions.
 */
struct entry {
	enum entry_kind kind;
	uint64_t run;     /* start of the daemon, CLOCK_REALTIME ns: ticks count from 1 in each */
	uint64_t tick;    /* 0 for what belongs to no tick */
	uint64_t wall_ns;
	json_t *body;
};

int store_open(const char *directory, bool is_read_only, struct store **ret_store, struct err *e);
void store_close(struct store *s);

/* All or nothing; how many rows it took, or a negative errno. */
int store_write(struct store *s, const struct entry *entry, struct err *e);

/* See journal_ask_actions(). */
int store_actions(struct store *s, const char *model, unsigned int limit, json_t **ret_actions,
		  struct err *e);

/* Removes rows written before before_ns, then the oldest while the file is too large. */
int store_trim(struct store *s, uint64_t before_ns, uint64_t limit_bytes, struct err *e);

#endif
