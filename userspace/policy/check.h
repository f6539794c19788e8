/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contradictions: values that are each right and cannot be together, in one manifest, between
 * manifests, or with this host. Reads no text.
 */
#ifndef MODELGOV_POLICY_CHECK_H
#define MODELGOV_POLICY_CHECK_H

#include "read.h"
#include "tree.h"

/* One manifest; name is the file's without ".yaml". Findings go to the tree's source. */
void model_check(const struct tree *t, const struct host_policy *host,
		 const struct host_facts *facts, const char *name, const struct model *m);

/* Between manifests. origins: one for each of policy->models. -ENOMEM or 0. */
int policy_check(const struct policy *p, const struct origins *origins,
		 const struct host_facts *facts, struct findings *f);

/* Gives unset floors their part of what the set ones leave. */
void floors_share(struct policy *p, const struct origins *origins);

#endif
