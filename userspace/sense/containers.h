/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers: which cgroup a container of a given name or annotation runs in, as root's Podman and
 * containerd (CRI, nerdctl, ctr) keep it in their state directories. Speaks to no runtime, opens no
 * cgroup; whose model the cgroup is, is search.c's.
 *
 *   Podman      /var/lib/containers/storage/DRIVER-containers/containers.json       id, names
 *               .../ID/userdata/config.json                                         annotations
 *               /run/containers/storage/DRIVER-containers/ID/userdata/pidfile       first process
 *   containerd  /run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID/         id is the name
 *               .../config.json, .../init.pid                                       the same
 *
 * Podman keeps plain labels (podman run --label) in a database of its own and tells nobody: there,
 * key=value finds annotations (podman run --annotation). CRI and nerdctl store their names and
 * labels as annotations. Rootless containers live in their users' homes and are not looked for.
 */
#ifndef MODELGOV_SENSE_CONTAINERS_H
#define MODELGOV_SENSE_CONTAINERS_H

#include "base.h"

#include <limits.h>

struct container;

struct containers {
	char root[PATH_MAX]; /* "" for this host; tests have a tree of their own */
	struct container *all;
	unsigned int n, size;
	uint64_t fingerprint; /* of what runs, as last looked at; 0: never */
	struct arena arena;   /* of all */
};

void containers_init(struct containers *c, const char *root);
void containers_fini(struct containers *c);

/*
 * Looks whether a container started or stopped since the last call, and if so, or if always, reads
 * all of them again. A stat() a container while nothing happens. A runtime that is not there has
 * none. -ENOMEM, or whether they were read.
 */
int containers_update(struct containers *c, bool always);

/* Called with the cgroup below the mount, "/machine.slice/libpod-....scope". Negative ends the
 * walk. */
typedef int container_visit(const char *path, void *userdata);

/* Every running container that wanted means: a name, an id, or key=value. */
int containers_find(const struct containers *c, const char *wanted, container_visit *visit,
		    void *userdata);

#endif
