/* SPDX-License-Identifier: Apache-2.0 */
/*
 * books: generations and changes beside the chain, each bound to the entry that tells of it.
 */
#ifndef MODELGOV_RECORD_BOOKS_H
#define MODELGOV_RECORD_BOOKS_H

#include "chain.h"

/* Within a transaction; {"id", "number"}. */
int books_keep(struct store *s, const struct keeping *k, json_t **ret_answer, struct err *e);

int books_history(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e);
int books_generation(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e);
int books_changes(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e);
int books_change(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e);

/* The generation that has these canonical bytes, 0 for none. */
int books_find(struct store *s, const char *digest, uint64_t *ret_number, struct err *e);

#endif
