/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit: recomputes every hash of the record and holds what is kept beside the chain against it, in
 * slices, so that the writer can write between them. Finds the first thing that is wrong; repairs
 * nothing.
 */
#ifndef MODELGOV_RECORD_AUDIT_H
#define MODELGOV_RECORD_AUDIT_H

#include "chain.h"

struct audit {
	unsigned int step;              /* of steps[] in audit.c */
	uint64_t next;                  /* seq, number or id to go on with */
	unsigned char hash[HASH_BYTES]; /* of the entry before next */
	uint64_t n_entries, n_generations;
	uint64_t n_seals, last_seal; /* checkpoints, and the seq of the last */
	char key[17];                /* that signed it */
	unsigned int n_keys;         /* how often it was another one than before */
	const char *table;           /* where it is broken; NULL: not so far */
	uint64_t seq;                /* of that entry, generation or change */
	char what[512];
};

/*
 * One slice of an audit that began zeroed. 1 when there is more, 0 when all was looked at or
 * something is broken, a negative errno when the file could not be read at all.
 */
int audit_slice(struct store *s, struct audit *a, struct err *e);

/* {"entries", "generations", "head", "sealed", "broken"} */
json_t *audit_to_json(const struct audit *a);

#endif
