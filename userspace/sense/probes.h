/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes: the BPF sampler as seen by the rest of sense: open, tell it which cgroup is whose, read totals
 * that only grow. Knows nothing of policies, windows or differences.
 *
 * A slot is the sampler's number for a model, kept by name (map model_names, pinned), so that a
 * reload of the policy or a restart of the daemon goes on counting in the same place.
 */
#ifndef MODELGOV_SENSE_PROBES_H
#define MODELGOV_SENSE_PROBES_H

#include "base.h"

#include <linux/types.h>

#include "abi.h"

#define SLOT_OTHER 0 /* everything that belongs to no model */

struct probes;

/* pin_path: NULL for private maps. max_models: at least this many slots. */
int probes_open(const char *pin_path, unsigned int max_models, struct probes **ret_probes,
		struct err *e);
void probes_close(struct probes *p, bool removes_pins);

/* The slot of that name, taken if new; limit_ns: a longer wait is a breach, 0 for none. -ENOSPC. */
int probes_model(struct probes *p, const char *name, uint64_t limit_ns, unsigned int *ret_slot,
		 struct err *e);
/* The model is not governed any more: its cgroups count as other; the slot may be taken again. */
void probes_forget(struct probes *p, unsigned int slot);

/* The cgroup (an open directory) and all below it, now or later, belong to slot (or to SLOT_OTHER). */
int probes_assign(struct probes *p, int cgroup_fd, unsigned int slot, struct err *e);

struct probe_totals {
	uint64_t histogram[WAIT_SLOTS]; /* waits by length: contention only */
	uint64_t waits, wait_ns, own_quota_ns, run_ns, involuntary, breaches;
};

/* Sum over CPUs; no system call. histogram may be left alone when waits did not change: see body. */
void probes_read(const struct probes *p, unsigned int slot, struct probe_totals *ret_totals);

/* Waiting of slot while each other slot ran: n slots, ret_wait_ns[culprit]; totals that grow. */
int probes_culprits(struct probes *p, unsigned int slot, uint64_t *ret_wait_ns, unsigned int n,
		    struct err *e);

int probes_breach_fd(const struct probes *p);
struct probe_breach {
	unsigned int slot;
	uint64_t wait_ns, at_ns;
};
unsigned int probes_breaches(struct probes *p, struct probe_breach *ret_breaches, unsigned int max);

/* Drop counters by cause, names from abi.h's table. */
unsigned int probes_drops(const struct probes *p, const char **ret_names, uint64_t *ret_counts,
			  unsigned int max);

/* ---- histogram arithmetic (histogram.c), shared with tests and benches ------------------------ */

unsigned int wait_slot(uint64_t ns);
uint64_t wait_slot_low_ns(unsigned int slot);  /* smallest value of the slot */
uint64_t wait_slot_high_ns(unsigned int slot); /* largest value of the slot */
/* Upper bound of the slot that holds the quantile (rank ceil(q * n)); MISSING when n is 0. */
uint64_t wait_quantile_ns(const uint32_t *counts, uint64_t n, uint64_t quantile_permyriad);

#endif
