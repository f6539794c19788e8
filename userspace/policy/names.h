/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names must look like: models, labels, systemd units, cgroup patterns, containers, users,
 * media types, files. Whether something of that name exists is for others to find out.
 */
#ifndef MODELGOV_POLICY_NAMES_H
#define MODELGOV_POLICY_NAMES_H

#include "base.h"

bool name_is_model(const char *name); /* also safe in a file name and a unit name */
bool name_is_label(const char *name);

/*
 * NULL when right, else what is wrong and the cure, to follow the quoted name in a message. index:
 * in the list it stands in.
 */
const char *name_flaw(struct arena *arena, const char *name, unsigned int index);
const char *unit_flaw(struct arena *arena, const char *name, unsigned int index);
const char *cgroup_flaw(struct arena *arena, const char *pattern, unsigned int index);
const char *container_flaw(struct arena *arena, const char *name, unsigned int index);
const char *user_flaw(struct arena *arena, const char *name, unsigned int index);
const char *media_flaw(struct arena *arena, const char *type, unsigned int index);
const char *file_flaw(struct arena *arena, const char *pattern, unsigned int index);
const char *argument_flaw(struct arena *arena, const char *argument, unsigned int index);

#endif
