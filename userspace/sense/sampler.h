/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler: the BPF object behind probes: loads it or takes over a pinned one, attaches, pins, maps its
 * memory. What the numbers in it mean and whose cgroup is whose is probes.c's business.
 */
#ifndef MODELGOV_SENSE_SAMPLER_H
#define MODELGOV_SENSE_SAMPLER_H

#include "base.h"

#include <linux/types.h>

#include "abi.h"

/* The maps we use, by their names in bpf/runqueue.bpf.c, which are also the names of their pins. */
#define SAMPLER_MAPS(X)                                                                           \
	X(models, true)                                                                           \
	X(assignments, false)                                                                     \
	X(wait_totals, true)                                                                      \
	X(wait_histograms, true)                                                                  \
	X(culprits, false)                                                                        \
	X(breaches, false)                                                                        \
	X(drops, true)                                                                            \
	X(cpus, true)                                                                             \
	X(layout, true) /* pinned last: a folder that has it is complete */

enum sampler_map {
#define X(name, is_mapped) SAMPLER_##name,
	SAMPLER_MAPS(X)
#undef X
	N_SAMPLER_MAPS,
};

struct sampler {
	struct runqueue_bpf *object; /* NULL when it was taken over */
	char *pin_path;              /* NULL when private */
	struct err unpinned;         /* why it is private although a path was given; code 0: it is not */
	int fds[N_SAMPLER_MAPS];
	size_t sizes[N_SAMPLER_MAPS];
	/* shared with the kernel */
	struct model_slot *models;
	struct wait_totals *totals;         /* by cpu * slots + slot */
	struct wait_histogram *histograms;  /* likewise */
	struct drops *drops;                /* by CPU */
	struct cpu_memory *cpus;            /* by CPU; ours are generation and first_cell */
	struct layout *layout;
};

int sampler_open(const char *pin_path, unsigned int slots, struct sampler **ret_sampler,
		 struct err *e);
void sampler_close(struct sampler *s, bool removes_pins);

#endif
