/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: where the cgroup2 hierarchy is and who owns a place in it. Part of base: facts that both sense and
 * act need. Reads only; reading and writing of control files is their business.
 */
#ifndef MODELGOV_CGROUP_H
#define MODELGOV_CGROUP_H

#include "base.h"
#include "model.h"

#define MODELGOV_SLICE "modelgov.slice"   /* scopes of `modelgov run` and `attach` */
#define MODELGOV_EXPERIMENTS "modelgov-experiments.slice" /* in it: those of experiments */
#define MODELGOV_TREE "/modelgov"         /* their place on hosts without systemd */
#define MODELGOV_TREE_EXPERIMENTS MODELGOV_TREE "/experiments.slice" /* no model's name has a '.' */
#define MODELGOV_LEAF "main"              /* the sub-cgroup of a scope that is ours to write */

/*
 * The cgroup2 mount point, from /proc/self/mountinfo. -ENOENT where there is none. ret_is_pure: no v1
 * controller is mounted, so this hierarchy can govern; on a hybrid host it can only be observed.
 */
int cgroup_root_find(char *ret_root, size_t size, bool *ret_is_pure, struct err *e);

/* systemd is the init of this host (sd_booted(3)). */
bool systemd_is_running(void);

/* kernfs id of the directory (its inode) or a negative errno. */
int cgroup_id_read(int dirfd, uint64_t *ret_id);

/*
 * Who writes the cgroup at path (below the mount, leading slash), and which knobs (bits of enum knob)
 * are set here. unit: the systemd unit whose own cgroup this is, "" when it is none.
 *
 *   a unit that is not one of ours     systemd     all knobs
 *   modelgov-NAME.scope                systemd     weights: they compete among siblings
 *   modelgov-NAME.scope/main           delegated   the rest: limits hold at any depth, and
 *                                                  here a write takes microseconds
 *   /modelgov/NAME without systemd     delegated   all knobs
 *   anything without systemd           delegated   all knobs
 *   below somebody's unit              observe     none: one writer per cgroup
 */
enum driver cgroup_classify(const char *path, const char *unit, bool has_systemd,
			    uint32_t *ret_knobs);

/* "modelgov-NAME.scope"; buf of 128 is enough for a checked name. */
char *cgroup_scope_name(const char *model, char *buf, size_t size);

/* A model's name: 1-63 of a-z 0-9 and inner '-', as in a DNS label: safe in paths and unit names. */
bool model_name_is_valid(const char *name);

#endif
