/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's settings or a model as a plain list of keys and values, in the order of the key table:
 * what people compare and look up. Keys without a value are not in it.
 */
#ifndef MODELGOV_POLICY_FLAT_H
#define MODELGOV_POLICY_FLAT_H

#include "keys.h"

struct flat_key {
	const char *key;   /* "resources.cpu.max", "objectives[0].budget", "metadata.labels.team" */
	const char *value; /* exactly, as somebody would write it */
	const struct key *row;
	const struct key *list; /* of groups that it is in, and which item; NULL: none */
	unsigned int item;
	const char *label; /* of a label */
};

struct flat {
	struct arena *arena;
	struct flat_key *all;
	unsigned int n, max;
};

/* from: the struct that rows of that kind are about. -ENOMEM. */
int flat_make(enum manifest_kind manifest, const void *from, struct arena *arena,
	      struct flat *ret_flat);

#endif
