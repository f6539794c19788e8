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
	const struct given *given; /* so far */
	const char *template_file; /* that the manifest inherits from; NULL: none */
	bool is_partial; /* its template is missing or broken: what is absent may be in that */
};

/* The group that is being read. */
struct scope {
	const struct key *rows; /* that may be in it */
	const char *shown;      /* "objectives[1]", "" at the top */
	void *into;             /* the struct that its fields are offsets into */
	const struct key *list; /* of groups that it is in, and which item; NULL: none */
	unsigned int item;
};

/* A finding at the node: "resources.cpu.max: text". */
void key_error(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The node's text for a message, in scratch memory. */
const char *value_quote(struct reader *r, const struct node *n);

/*
 * These store the value in its field, or leave it alone and make a finding. -ENOMEM or 0.
 */
int number_read(struct reader *r, const struct scope *in, const struct key *k,
		const struct node *n);
int word_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n);
int text_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n);
int cpuset_read(struct reader *r, const struct scope *in, const struct key *k,
		const struct node *n);
int words_read(struct reader *r, const struct scope *in, const struct key *k,
	       const struct node *list);
int texts_read(struct reader *r, const struct scope *in, const struct key *k,
	       const struct node *list);
int shape_read(struct reader *r, const struct scope *in, const struct key *k,
	       const struct node *list);

/* How many nodes there are in a list or group. */
unsigned int nodes_in(const struct node *list);

/* A copy that lives as long as the policy; too long is a finding and keeps nothing. -ENOMEM. */
int text_keep(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	      const char **ret_text);

#endif
