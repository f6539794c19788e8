/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One manifest's text to a host_policy or a model: applies the key table, then checks what one file
 * can contradict by itself. What several files contradict is check.c's.
 */
#ifndef MODELGOV_POLICY_READ_H
#define MODELGOV_POLICY_READ_H

#include "source.h"
#include "tree.h"

/* What the values do not show: where they came from. */
struct origins {
	bool has_floor; /* resources.cpu.floor was said, else it is a default that may shrink */
};

/* A value that a file gave, newest first. */
struct given {
	const struct given *next;
	const struct key *row;
	const struct key *list; /* of groups that it is in, and which item; NULL: none */
	unsigned int item;
	const char *label;    /* of a label */
	const char *template; /* file it stands in; NULL: the manifest itself */
	int line;
};

/* One template, open as long as manifests may inherit from it. */
struct template
{
	const char *name;
	char *text;
	struct source source;
	struct tree tree;
	bool is_broken; /* findings were made: nobody inherits from it */
};

struct templates {
	struct template *all; /* by name */
	unsigned int n;
};

struct reading_room {
	struct arena *keep;    /* strings of the policy */
	struct arena *scratch; /* empty again for the next file */
	const struct host_facts *facts;
	const struct host_policy *host;    /* read before the models */
	const struct templates *templates; /* read before the models; NULL: there are none */
	bool is_canonical; /* numbers are whole, in base units, without their unit */
};

/* Every key at its default. */
void host_defaults(struct host_policy *ret_host);

/*
 * Findings go to the source; only -ENOMEM is returned. Where there are findings the rest is read as
 * far as it can be. name: the file's name without ".yaml".
 */
int host_manifest_read(struct reading_room *room, struct source *s, struct host_policy *ret_host);
int model_manifest_read(struct reading_room *room, struct source *s, const char *name,
			struct model *ret_model, struct origins *ret_origins);

/* The same of a tree that is there already; t stays the caller's, with what it inherits. */
int host_tree_read(struct reading_room *room, struct tree *t, struct host_policy *ret_host);
int model_tree_read(struct reading_room *room, struct tree *t, const char *name,
		    struct model *ret_model, struct origins *ret_origins);

/*
 * Opens and judges a template by itself, into t->tree and t->is_broken; t->source is filled before.
 * Its nodes live in room->scratch, which must not be reset before template_close(). values: NULL,
 * or what it says, with defaults. Contradictions are judged where somebody inherits them.
 */
int template_read(struct reading_room *room, struct template *t, struct model *ret_values);
void template_close(struct template *t); /* also of a zeroed one */

/* The template of that name, or NULL; all may be NULL. */
const struct template *templates_find(const struct templates *all, const char *name);

/* Gives a manifest's tree, which names that template, what it does not say itself. -ENOMEM. */
int template_inherit(struct tree *t, const struct template *from);

#endif
