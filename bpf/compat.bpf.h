/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * compat: differences between kernels, each with the version that changed it and when it can go. The oldest
 * kernel that counts is 6.1. bpf_core_field_exists() is a constant once the object is loaded, so the
 * verifier removes the road that is not taken and it costs nothing.
 */
#ifndef MODELGOV_COMPAT_BPF_H
#define MODELGOV_COMPAT_BPF_H

#include "common.bpf.h"

/*
 * Kernels without CONFIG_SCHED_INFO (neither SCHEDSTATS nor TASK_DELAY_ACCT) do not stamp a task that is
 * queued; then we do it ourselves, at the price of two more hooks. Set by the loader, before load.
 * Can go when no kernel we support is built that way.
 */
const volatile bool stamps_itself = false;

struct stamp {
	__u64 queued_ns; /* rq clock; 0 while running or asleep */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct stamp);
} stamps SEC(".maps");

/* Since when next waits, by the clock of the CPU it is queued on; 0 when nobody knows. */
static __always_inline __u64 queued_since(struct task_struct *next)
{
	struct stamp *s;

	if (!stamps_itself)
		return bpf_core_field_exists(next->sched_info.last_queued) ?
			       next->sched_info.last_queued :
			       0;
	s = bpf_task_storage_get(&stamps, next, NULL, 0);
	if (!s)
		return 0;
	__u64 queued_ns = s->queued_ns;

	s->queued_ns = 0;
	return queued_ns;
}

/* The task is queued from now on. 1 when it could not be remembered. */
static __noinline int stamp(struct task_struct *task)
{
	struct stamp *s;

	if (!task->pid)
		return 0;
	s = bpf_task_storage_get(&stamps, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1;
	s->queued_ns = task->se.cfs_rq->rq->clock;
	return 0;
}

/* Was this thread given the CPU at another time than we saw? 0: we did not look. */
static __always_inline bool arrived_unseen(const struct task_struct *prev, __u64 arrival_ns)
{
	return !stamps_itself && arrival_ns &&
	       bpf_core_field_exists(prev->sched_info.last_arrival) &&
	       prev->sched_info.last_arrival != arrival_ns;
}

/*
 * Throttling by cpu.max, as the kernel keeps it per group and CPU. 6.6 began to write down in rq->clock when a throttle
 * starts and how long those that ended were (cpu.stat.local needs it). Before, there is only the sum for PELT:
 * its clock is the same on a virtual CPU, but slows down with a real CPU's frequency while somebody else
 * runs there, so that such a throttle comes out too short and its rest counts as contention; and the
 * beginning is the time when somebody is seen leaving the CPU. Without CONFIG_CFS_BANDWIDTH there is neither.
 * The older road can go with kernels before 6.6.
 */

/* Since when this group is kept off this CPU, by its own quota or one above it; 0: it is not. */
static __always_inline __u64 throttled_since(const struct cfs_rq *cfs_rq, __u64 now_ns)
{
	if (bpf_core_field_exists(cfs_rq->throttled_clock_self))
		return cfs_rq->throttled_clock_self;
	if (bpf_core_field_exists(cfs_rq->throttle_count))
		return cfs_rq->throttle_count ? now_ns : 0;
	return 0;
}

/* Does the sum below grow while nobody of a throttled group wants to run? PELT's does. */
static __always_inline bool throttle_counts_empty(const struct cfs_rq *cfs_rq)
{
	return !bpf_core_field_exists(cfs_rq->throttled_clock_self_time);
}

/* The sum of finished throttles. */
static __always_inline __u64 throttled_total_ns(const struct cfs_rq *cfs_rq)
{
	if (bpf_core_field_exists(cfs_rq->throttled_clock_self_time))
		return cfs_rq->throttled_clock_self_time;
	if (bpf_core_field_exists(cfs_rq->throttled_clock_pelt_time))
		return cfs_rq->throttled_clock_pelt_time;
	return 0;
}

#endif
