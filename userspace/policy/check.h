/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contradictions: values that are each right and cannot be together, in one manifest, between
 * manifests, or with this host. Reads no text.
 */
#ifndef MODELGOV_POLICY_CHECK_H
#define MODELGOV_POLICY_CHECK_H

#include "read.h"
#include "tree.h"

#define HOST_MODEL UINT32_MAX /* a locator's model for modelgov.yaml */

/*
 * Where values stand in the text. Asked only when there is something to say, so it may be slow.
 * True when the value at that path was written down; false when it is a default or absent, and then
 * the place is that of the group above, or the whole file. A place without file ("") is nowhere:
 * findings name the model instead.
 */
struct locator {
	bool (*find)(void *context, uint32_t model, const char *path, struct place *ret_place);
	void *context;
};

/* Whether the name is one and the file's; name: the file's without ".yaml". To the tree's source.
 */
void model_name_check(const struct tree *t, const char *name);

/*
 * Between manifests and with the host, for a policy whose manifests had no errors by themselves.
 * origins: one for each of policy->models. Warnings about rules that do nothing come only
 * when there is no error. -ENOMEM or 0.
 */
int policy_check(const struct policy *p, const struct origins *origins, const struct locator *where,
		 const struct host_facts *facts, struct findings *f);

/* Gives unset floors their part of what the set ones leave. */
void floors_share(struct policy *p, const struct origins *origins);

#endif
