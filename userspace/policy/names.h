/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names must look like: models, labels, systemd units, cgroup patterns. Whether something of
 * that name exists is for sense to find out.
 */
#ifndef MODELGOV_POLICY_NAMES_H
#define MODELGOV_POLICY_NAMES_H

#include "base.h"

bool name_is_model(const char *name); /* also safe in a file name and a unit name */
bool name_is_label(const char *name);

/* NULL when right, else what is wrong and the cure, to follow the quoted name in a message. */
const char *unit_flaw(struct arena *arena, const char *name);
const char *cgroup_flaw(struct arena *arena, const char *pattern);

#endif
