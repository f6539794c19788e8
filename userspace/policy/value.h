/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one value in the sense of one row of the key table, and telling what is wrong with it.
 */
#ifndef MODELGOV_POLICY_VALUE_H
#define MODELGOV_POLICY_VALUE_H

#include "keys.h"
#include "read.h"
#include "tree.h"

struct reader {
	struct reading_room *room;
	struct tree tree;
	enum manifest_kind manifest;
};

/* The group that is being read. */
struct scope {
	const char *group; /* as the key table calls it: "objectives[]" */
	const char *shown; /* as people do: "objectives[1]" */
	void *into;        /* the struct that its fields are offsets into */
};

/* A finding at the node: "resources.cpu.max: text". */
void key_error(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The node's text for a message, in scratch memory. */
const char *value_quote(struct reader *r, const struct node *n);

/* These store the value in its field, or leave it alone and make a finding. */
void number_read(struct reader *r, const struct scope *in, const struct key *k,
		 const struct node *n);
void word_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n);

/* A copy that lives as long as the policy; too long is a finding and keeps nothing. -ENOMEM. */
int text_keep(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	      const char **ret_text);

/* The defaults of one objective, or of everything else in such a file. */
void defaults_store(enum manifest_kind manifest, bool is_objective, void *into);

#endif
