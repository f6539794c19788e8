/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes: the BPF sampler as seen by the rest of sense: open, tell it which cgroup is whose, read totals
 * that only grow. Knows nothing of policies, windows or differences.
 *
 * A slot is the sampler's number for a model, kept by name (map models, pinned), so that a reload of
 * the policy or a restart of the daemon goes on counting in the same place. Slots: abi.h.
 */
#ifndef MODELGOV_SENSE_PROBES_H
#define MODELGOV_SENSE_PROBES_H

#include "base.h"

#include <linux/types.h>

#include "abi.h"

struct probes;

/*
 * max_models: so many fit at least; each costs 4.2 KiB of kernel memory per CPU. pin_path: NULL for
 * private maps, which vanish with us. What an earlier process left pinned there goes on counting and is
 * taken over, if it is the same build and large enough; anything else of ours there is replaced. Where
 * nothing can be pinned it is private: see probes_unpinned().
 * Fails with -EPERM, -EOPNOTSUPP (no BTF), or what the kernel said, and the cure.
 */
int probes_open(const char *pin_path, unsigned int max_models, struct probes **ret_probes,
		struct err *e);

/* Without removes_pins a pinned sampler goes on counting. NULL is fine. */
void probes_close(struct probes *p, bool removes_pins);

/* Why it is not pinned, with the cure, though a path was given; NULL when all is as it was asked for. */
const char *probes_unpinned(const struct probes *p);

/*
 * The slot of that name, taken if new (its counters then start at 0). limit_ns: a longer wait is a
 * breach, 0 for none; less than LONG_WAIT_NS counts as LONG_WAIT_NS. -ENOSPC, -EINVAL (name too long).
 */
int probes_model(struct probes *p, const char *name, uint64_t limit_ns, unsigned int *ret_slot,
		 struct err *e);

/* The model is not governed any more: its cgroups count as other; the slot may be taken again. */
void probes_forget(struct probes *p, unsigned int slot);

/*
 * The cgroup (an open directory of cgroup2) and all below it, now or later, belong to slot (or to
 * SLOT_OTHER), save what below it is assigned itself. The cpu controller need not be enabled there.
 * -EINVAL: not a directory of cgroup2. -ENOSPC: too many cgroups are assigned.
 */
int probes_assign(struct probes *p, int cgroup_fd, unsigned int slot, struct err *e);

/*
 * All models and cgroups have been named since probes_open(): what a taken-over sampler still has from
 * its earlier owner, and nobody named again, is forgotten. Cheap; call it after each round.
 */
void probes_settle(struct probes *p);

/* Slots in use or free, with SLOT_OTHER and SLOT_IDLE: the valid ones are smaller than this. */
unsigned int probes_slots(const struct probes *p);

struct probe_totals {
	uint64_t histogram[WAIT_SLOTS]; /* waits by length: contention only */
	uint64_t waits, wait_ns, own_quota_ns, run_ns, involuntary, breaches, breaches_suppressed;
};

/*
 * Sum over CPUs; no system call. totals holds the last reading of the same slot, or zeroes: the
 * histogram is summed up only when waits or wait_ns differ from it.
 */
void probes_read(const struct probes *p, unsigned int slot, struct probe_totals *totals);

/*
 * Waiting of slot while each other slot ran: n slots, ret_wait_ns[culprit]; totals that grow. The
 * matrix is read whole and kept for a millisecond, so the rows of one tick are of one moment.
 */
int probes_culprits(struct probes *p, unsigned int slot, uint64_t *ret_wait_ns, unsigned int n,
		    struct err *e);

/* Readable when there are breaches to take; for epoll or poll. */
int probes_breach_fd(const struct probes *p);

struct probe_breach {
	unsigned int slot;
	uint64_t wait_ns, at_ns; /* contention only; CLOCK_MONOTONIC */
};

/* Takes the breaches that arrived, at most max; the rest keeps the descriptor readable. */
unsigned int probes_breaches(struct probes *p, struct probe_breach *ret_breaches, unsigned int max);

/*
 * Drop counters by cause, names and order of abi.h's table; at most max. Returns how many. ret_counts
 * are sums over CPUs since the sampler was loaded.
 */
unsigned int probes_drops(const struct probes *p, const char **ret_names, uint64_t *ret_counts,
			  unsigned int max);

/* ---- histogram arithmetic (histogram.c), shared with tests and benches ------------------------ */

unsigned int wait_slot(uint64_t ns);
uint64_t wait_slot_low_ns(unsigned int slot);  /* smallest value of the slot */
/* Largest value of the slot; the last slot, up to 2^36 - 1, also holds all that is longer. */
uint64_t wait_slot_high_ns(unsigned int slot);
/* Upper bound of the slot that holds the quantile (rank ceil(q * n)); MISSING when n is 0. */
uint64_t wait_quantile_ns(const uint32_t *counts, uint64_t n, uint64_t quantile_permyriad);

#endif
