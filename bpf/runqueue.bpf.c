/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * runqueue: how long threads of each model wait for a CPU, and who has it meanwhile.
 *
 * What is measured, per model and CPU: the length of each wait from "may run" to "runs" (a histogram), time on the
 * CPU, involuntary switches, waiting that was the model's own quota, waits over the model's limit; and, per pair
 * of models, how long one waited while the other ran. Nothing is judged and no event leaves the kernel, save
 * at most one message a millisecond and model when a wait is over the limit.
 *
 * At which hook: sched_switch alone. The kernel stamps a task with its CPU's clock when it is queued
 * (sched_info.last_queued) and takes the stamp off after this tracepoint, so at the switch
 *
 *	wait = rq->clock - next->sched_info.last_queued
 *
 * needs no hook at wake-ups, no memory per task and no clock read; rq->clock was brought up to date a moment ago.
 * cgroup_rmdir, a rare event, only forgets assignments of cgroups that are gone.
 *
 * Whose wait: the slot of the nearest assigned ancestor of the task's cgroup in the cgroup2 hierarchy. Found by walking up
 * once and remembered per CPU under the cgroup's id, which the kernel does not use twice; userspace makes all memory
 * stale by counting up each CPU's generation. The hierarchy is asked, and not the scheduler's group, because a service for which
 * nobody enabled the cpu controller (Debian's default) has no scheduler's group of its own, but has a cgroup.
 * A task that is moved while it runs counts for its old cgroup until it is switched out.
 *
 * Who ran meanwhile: each CPU remembers its last 64 runs, one slot's uninterrupted time on the CPU each. Only a wait longer
 * than LONG_WAIT_NS walks them back:
 *
 *	runs    |--- a ---|-- b --|----- a -----|- idle -|
 *	wait         [======================================] of c:  c,a += 2 pieces; c,b += 1; c,idle += 1
 *
 * Blaming the task that is switched out instead is cheap and wrong: that one merely came last.
 *
 * Own quota: for a group with cpu.max the kernel sums up, per CPU, the time in which it was throttled. What that sum grew by
 * is one episode; it began when a thread of the group was seen leaving the CPU throttled, or else when the wait
 * began. The part of a wait inside episodes goes to own_quota_ns, and only the rest is contention: that is what the
 * histogram, the limit and the culprits see. Time idle is no measure of it: others may run meanwhile, and a CPU that
 * is slow to wake up is idle as well (such waits show with the culprit "idle").
 *
 * What it misses:
 * - a task that never gets a CPU: its wait ends at the switch and is not seen before;
 * - the part of a wait before a migration: the kernel stamps anew on the other CPU, the wait counts from there;
 *   culprits are those of the CPU where the wait ended;
 * - waits of up to 50 us have no culprits and no quota part;
 * - a task preempted on its way to sleep has no stamp ("unstamped" in drops);
 * - a throttled group's first episode on a CPU, when nobody was seen leaving: it counts as contention.
 *
 * What it costs: about 100 ns a switch on a 2024 server CPU, of which about 80 are the price of any program on this
 * tracepoint (make bench measures both beside runqlat). Hence one hook, per-CPU memory without atomics and a short main road.
 */
#include "common.bpf.h"
#include "compat.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TREE_DEPTH 32 /* chosen: systemd and Kubernetes nest less than 10 deep */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct layout);
} layout SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct model_slot);
} models SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct assignment);
} assignments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_totals);
} wait_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_histogram);
} wait_histograms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct culprit_key);
	__type(value, struct culprit_total);
} culprits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} breaches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drops);
} drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_memory);
} cpus SEC(".maps");

/* One more event that was not counted, or not in full, for this cause. */
static __noinline int drop(enum drop_cause cause)
{
	__u32 cpu_nr = bpf_get_smp_processor_id();
	struct drops *d = bpf_map_lookup_elem(&drops, &cpu_nr);

	if (d && cause < N_DROP_CAUSES)
		((__u64 *)d)[cause]++;
	return 0;
}

/* ---- whose task ------------------------------------------------------------------------------- */

/* The slow road of slot_of(): up the tree to the nearest assigned cgroup. */
static __noinline __u32 slot_resolve(struct cpu_memory *cpu, struct membership *m,
				     struct cgroup *cgroup)
{
	/*
	 * A full barrier: what we look up is not older than the generation we store with it.
	 * Pairs with the update before the count in generation_advance().
	 */
	__u32 generation = __sync_fetch_and_add(&cpu->generation, 0);
	__u64 id = cgroup->kn->id, own_id = id;
	__u32 slot = SLOT_OTHER;
	int depth;

	for (depth = 0; depth < TREE_DEPTH; depth++) {
		struct assignment *a = bpf_map_lookup_elem(&assignments, &id);
		struct cgroup_subsys_state *parent;

		if (a) {
			slot = a->slot;
			break;
		}
		parent = cgroup->self.parent;
		if (!parent)
			break;
		cgroup = parent->cgroup;
		id = cgroup->kn->id;
	}
	if (depth == TREE_DEPTH)
		drop(DROP_tree_too_deep);
	cpu->resolutions++;
	m->cgroup_id = own_id;
	m->generation = generation;
	m->slot = slot;
	return slot;
}

static __always_inline __u32 slot_of(struct cpu_memory *cpu, struct task_struct *task)
{
	struct cgroup *cgroup = task->cgroups->dfl_cgrp;
	__u64 id = cgroup->kn->id;
	struct membership *m = &cpu->memberships[hash_bits(id, MEMBERSHIP_BITS)];

	if (likely(m->cgroup_id == id && m->generation == cpu->generation))
		return m->slot;
	return slot_resolve(cpu, m, cgroup);
}

/* ---- own quota -------------------------------------------------------------------------------- */

static __always_inline struct throttle *throttle_of(struct cpu_memory *cpu,
						    const struct cfs_rq *cfs_rq)
{
	__u64 group = cfs_rq->tg->css.serial_nr;
	struct throttle *t = &cpu->throttles[hash_bits(group, THROTTLE_BITS)];

	if (t->group == group)
		return t;
	if (t->group)
		drop(DROP_throttles_forgotten);
	__builtin_memset(t, 0, sizeof(*t));
	t->group = group;
	t->total_ns = throttled_total_ns(cfs_rq);
	return t;
}

/* What the kernel's sum grew by since we looked is one episode. */
static __always_inline void throttle_learn(struct throttle *t, __u64 total_ns, __u64 else_begin_ns,
					   __u64 now_ns)
{
	__u64 length_ns = total_ns - t->total_ns;

	if (!length_ns)
		return;
	__u64 begin_ns = max_u64(t->begin_ns ? t->begin_ns : else_begin_ns,
				 t->episodes[(t->next - 1) & (EPISODES - 1)].end_ns);
	__u32 i = t->next++ & (EPISODES - 1);

	t->episodes[i].begin_ns = begin_ns;
	t->episodes[i].end_ns = min_u64(begin_ns + length_ns, now_ns);
	t->total_ns = total_ns;
	t->begin_ns = 0;
}

/* A thread leaves the CPU and its group is throttled: so this is when the throttle began. */
static __noinline int throttle_begin(struct cpu_memory *cpu, const struct cfs_rq *cfs_rq,
				     __u64 begin_ns)
{
	struct throttle *t = throttle_of(cpu, cfs_rq);

	throttle_learn(t, throttled_total_ns(cfs_rq), begin_ns, begin_ns);
	if (!t->begin_ns)
		t->begin_ns = begin_ns;
	return 0;
}

/* Not static: the verifier then looks at it once, and not again in each of the 63 steps of its caller. */
__noinline __u64 throttled_between(const struct throttle *t, __u64 from_ns, __u64 to_ns)
{
	__u64 sum_ns = 0;

	if (!t)
		return 0;
	for (int i = 0; i < EPISODES; i++) {
		__u64 begin_ns = max_u64(t->episodes[i].begin_ns, from_ns);
		__u64 end_ns = min_u64(t->episodes[i].end_ns, to_ns);

		if (begin_ns < end_ns)
			sum_ns += end_ns - begin_ns;
	}
	return sum_ns;
}

/* ---- long waits ------------------------------------------------------------------------------- */

/* Not static for the same reason. */
__noinline int culprit_add(__u32 victim, __u32 culprit, __u64 wait_ns)
{
	struct culprit_key key = { .victim = victim, .culprit = culprit };
	struct culprit_total *total = bpf_map_lookup_elem(&culprits, &key);

	if (!total) {
		struct culprit_total none = {};

		/* another CPU may be quicker; either way it is there afterwards, or there is no room */
		bpf_map_update_elem(&culprits, &key, &none, BPF_NOEXIST);
		total = bpf_map_lookup_elem(&culprits, &key);
		if (!total) {
			drop(DROP_culprits_full);
			return 0;
		}
	}
	__sync_fetch_and_add(&total->wait_ns, wait_ns);
	__sync_fetch_and_add(&total->pieces, 1);
	return 0;
}

struct long_wait {
	__u64 from_ns, to_ns; /* rq clock */
	__u32 slot;
	__u32 throttle;       /* index, THROTTLES when the group never was throttled */
};

static __noinline int culprits_find(const struct cpu_memory *cpu, const struct long_wait *w)
{
	__u32 newest = cpu->newest;

	for (__u32 i = 0; i < RUNS - 1; i++) {
		const struct run *run = &cpu->runs[(newest - i) & (RUNS - 1)];
		__u64 begin_ns = cpu->runs[(newest - i - 1) & (RUNS - 1)].end_ns;
		__u64 from_ns = max_u64(begin_ns, w->from_ns);
		__u64 end_ns = run->end_ns;

		if (end_ns > from_ns) {
			__u64 piece_ns = end_ns - from_ns;

			if (w->throttle < THROTTLES)
				piece_ns -= throttled_between(
					&cpu->throttles[w->throttle & (THROTTLES - 1)], from_ns, end_ns);
			if (piece_ns)
				culprit_add(w->slot, run->slot, piece_ns);
		}
		if (begin_ns <= w->from_ns)
			return 0;
	}
	drop(DROP_runs_forgotten);
	return 0;
}

static __noinline int breach(struct wait_totals *totals, __u64 wait_ns)
{
	__u32 slot = totals->slot;
	struct model_slot *m = bpf_map_lookup_elem(&models, &slot);

	if (!m || !m->limit_ns || wait_ns <= m->limit_ns)
		return 0;
	totals->breaches++;

	__u64 at_ns = bpf_ktime_get_ns(), last_ns = m->last_breach_ns;

	/* of several CPUs at once, one takes the turn */
	if (at_ns - last_ns < BREACH_GAP_NS ||
	    __sync_val_compare_and_swap(&m->last_breach_ns, last_ns, at_ns) != last_ns) {
		totals->breaches_suppressed++;
		return 0;
	}

	struct breach_event *e = bpf_ringbuf_reserve(&breaches, sizeof(*e), 0);

	if (!e) {
		drop(DROP_breach_lost);
		return 0;
	}
	e->at_ns = at_ns;
	e->wait_ns = wait_ns;
	e->slot = slot;
	e->cpu = totals->cpu;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Splits a long wait into quota and contention, and returns the latter. */
static __noinline __u64 long_wait(struct cpu_memory *cpu, struct task_struct *next,
				  struct wait_totals *totals, __u64 from_ns, __u64 to_ns)
{
	struct long_wait w = {
		.from_ns = from_ns, .to_ns = to_ns, .slot = totals->slot, .throttle = THROTTLES,
	};
	const struct cfs_rq *cfs_rq = next->se.cfs_rq;
	__u64 total_ns = throttled_total_ns(cfs_rq);
	__u64 contention_ns = to_ns - from_ns;

	if (total_ns) {
		struct throttle *t = throttle_of(cpu, cfs_rq);
		__u64 quota_ns;

		throttle_learn(t, total_ns, from_ns, to_ns);
		quota_ns = throttled_between(t, from_ns, to_ns);
		if (t->episodes[t->next & (EPISODES - 1)].begin_ns > from_ns)
			drop(DROP_throttles_forgotten);
		if (quota_ns) {
			w.throttle = hash_bits(t->group, THROTTLE_BITS);
			totals->own_quota_ns += quota_ns;
			contention_ns -= quota_ns;
		}
	}
	if (contention_ns > LONG_WAIT_NS) {
		culprits_find(cpu, &w);
		breach(totals, contention_ns);
	}
	return contention_ns;
}

/* ---- the main road ---------------------------------------------------------------------------- */

static __always_inline __u32 wait_slot_of(__u64 ns)
{
	if (ns < 16)
		return ns;
	if (unlikely(ns >> WAIT_MAX_EXPONENT))
		return WAIT_SLOTS - 1;

	__u32 e = log2_floor(ns);

	return ((e - WAIT_SUB_BITS) << WAIT_SUB_BITS) + (ns >> (e - WAIT_SUB_BITS));
}

/* The run that ends now belongs to cpu->slot; a run of the same slot as the one before prolongs it. */
static __always_inline __u64 run_end(struct cpu_memory *cpu, __u64 now_ns)
{
	struct run *newest = &cpu->runs[cpu->newest & (RUNS - 1)];
	__u64 begin_ns = newest->end_ns;

	if (newest->slot != cpu->slot) {
		newest = &cpu->runs[++cpu->newest & (RUNS - 1)];
		newest->slot = cpu->slot;
	}
	newest->end_ns = now_ns;
	return likely(begin_ns) ? now_ns - begin_ns : 0;
}

/*
 * Did the quota take the CPU away? Then the thread could have run on. One that falls asleep in a throttled group
 * matters only where the sum counts time in which nobody waits.
 */
static __always_inline void throttle_check(struct cpu_memory *cpu, struct task_struct *prev,
					   bool is_runnable, __u64 now_ns)
{
	const struct cfs_rq *cfs_rq = prev->se.cfs_rq;
	__u64 begin_ns;

	if (!is_runnable && !throttle_counts_empty(cfs_rq))
		return;
	begin_ns = throttled_since(cfs_rq, now_ns);
	if (unlikely(begin_ns))
		throttle_begin(cpu, cfs_rq, begin_ns);
}

static __always_inline void switch_out(struct cpu_memory *cpu, struct task_struct *prev,
				       bool is_runnable, __u64 now_ns)
{
	__u32 i = cpu->first_cell + cpu->slot;
	struct wait_totals *totals = bpf_map_lookup_elem(&wait_totals, &i);
	__u64 run_ns = run_end(cpu, now_ns);

	if (unlikely(!totals)) {
		drop(DROP_slot_unknown);
		return;
	}
	/* some kernels now and then skip the tracepoint: then cpu->slot is not who had the CPU */
	if (unlikely(arrived_unseen(prev, cpu->arrival_ns)))
		drop(DROP_switch_unseen);
	totals->run_ns += run_ns;
	if (is_runnable)
		totals->involuntary++;
	throttle_check(cpu, prev, is_runnable, now_ns);
}

static __always_inline void switch_in(struct cpu_memory *cpu, struct task_struct *next,
				      __u64 now_ns)
{
	__u64 queued_ns = queued_since(next);

	/* who was not queued is not written down as arrived */
	cpu->arrival_ns = queued_ns ? now_ns : 0;
	if (!queued_ns && !next->pid) {
		cpu->slot = SLOT_IDLE;
		return;
	}

	__u32 slot = slot_of(cpu, next);
	__u32 i = cpu->first_cell + slot;
	struct wait_totals *totals = bpf_map_lookup_elem(&wait_totals, &i);
	struct wait_histogram *histogram = bpf_map_lookup_elem(&wait_histograms, &i);
	__u64 wait_ns = now_ns - queued_ns;

	cpu->slot = slot;
	if (unlikely(!totals || !histogram)) {
		drop(DROP_slot_unknown);
		return;
	}
	if (unlikely(!queued_ns)) {
		drop(DROP_unstamped);
		return;
	}
	if (unlikely(queued_ns > now_ns)) {
		drop(DROP_clock_backwards);
		return;
	}
	if (unlikely(wait_ns > LONG_WAIT_NS))
		wait_ns = long_wait(cpu, next, totals, queued_ns, now_ns);

	__u32 bucket = wait_slot_of(wait_ns);

	/* before waits: a reader that looks at waits first never finds a wait without its bucket */
	if (bucket < WAIT_SLOTS)
		histogram->counts[bucket]++;
	totals->wait_ns += wait_ns;
	totals->waits++;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool is_preempted, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	__u64 now_ns = next->se.cfs_rq->rq->clock;
	__u32 cpu_nr = bpf_get_smp_processor_id();
	struct cpu_memory *cpu = bpf_map_lookup_elem(&cpus, &cpu_nr);
	bool is_runnable = is_preempted | !prev_state;

	if (unlikely(!cpu)) {
		drop(DROP_slot_unknown);
		return 0;
	}
	if (stamps_itself && is_runnable && stamp(prev))
		drop(DROP_stamp_failed);
	switch_out(cpu, prev, is_runnable, now_ns);
	switch_in(cpu, next, now_ns);
	return 0;
}

/* ---- rare events ------------------------------------------------------------------------------ */

/* A cgroup's id is not used again, so this only makes room. Ids of v1 hierarchies are others' numbers. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup)
{
	__u64 id = cgroup->kn->id;

	if (cgroup->root->hierarchy_id == 0)
		bpf_map_delete_elem(&assignments, &id);
	return 0;
}

/* Only where the kernel does not stamp queued tasks: loaded on demand. */
SEC("?tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	if (stamp(task))
		drop(DROP_stamp_failed);
	return 0;
}

SEC("?tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *task)
{
	if (stamp(task))
		drop(DROP_stamp_failed);
	return 0;
}
