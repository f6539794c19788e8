/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi: all that BPF programs and userspace share: map values, limits, causes of drops. Exact widths,
 * padding named, sizes asserted. Include vmlinux.h or <linux/types.h> first.
 */
#ifndef MODELGOV_ABI_H
#define MODELGOV_ABI_H

/* Of everything below and of what the maps mean. A pinned sampler of another version is replaced. */
#define ABI_VERSION 1

/*
 * Run-queue wait histogram: log-linear, 16 buckets per power of two, relative error at most 1/16.
 * Slots 0-15 are 0-15 ns exactly; then slot = 16 + (e - 4) * 16 + next four bits, e = floor(log2 ns);
 * the last slot takes everything from 2^36 ns (68 s) on.
 */
#define WAIT_SUB_BITS 4
#define WAIT_MAX_EXPONENT 36
#define WAIT_SLOTS (16 + (WAIT_MAX_EXPONENT - 4) * 16)

/*
 * Waits longer than this are looked at closely: who ran meanwhile, was it our own quota, is it a
 * breach. Chosen: below it nobody acts on a single wait, and looking would cost more than the rest.
 */
#define LONG_WAIT_NS 50000ULL

/* At most one breach message per model in this time: a message costs a wake-up of the daemon. */
#define BREACH_GAP_NS 1000000ULL

/* ---- slots: the sampler's numbers for models --------------------------------------------------- */

#define SLOT_OTHER 0 /* everything that belongs to no model */
#define SLOT_IDLE 1  /* the CPU did nothing; only ever a culprit, never waits */
#define SLOT_FIRST_MODEL 2

#define MODEL_NAME_SIZE 64 /* with the final NUL */

/* Map models, by slot. Written by userspace, except last_breach_ns. */
struct model_slot {
	char name[MODEL_NAME_SIZE]; /* "" when free */
	__u64 limit_ns;             /* a longer wait is a breach; 0: none is */
	__u64 last_breach_ns;       /* CLOCK_MONOTONIC of the last message */
};
_Static_assert(sizeof(struct model_slot) == 80, "both sides must agree");

/* Map assignments: cgroup id (inode of its directory) -> slot of it and of all below that has none. */
struct assignment {
	__u32 slot;
	__u32 epoch; /* layout.epoch of whoever assigned it */
};
_Static_assert(sizeof(struct assignment) == 8, "both sides must agree");

/* ---- what is counted --------------------------------------------------------------------------- */

/*
 * Map wait_totals, by cpu * slots + slot. All counters only grow, each written by its own CPU alone,
 * and one line of cache long so that CPUs do not meet.
 */
struct wait_totals {
	__u64 waits;               /* waits that ended, also those that were all quota */
	__u64 wait_ns;             /* their sum: contention, own_quota_ns not included */
	__u64 own_quota_ns;        /* waiting while throttled by a quota of its own or above it */
	__u64 run_ns;              /* on the CPU */
	__u64 involuntary;         /* switched out while it could have run on */
	__u64 breaches;            /* waits over the model's limit */
	__u64 breaches_suppressed; /* of those: without a message, the last was too young */
	__u32 slot;
	__u32 cpu;
};
_Static_assert(sizeof(struct wait_totals) == 64, "both sides must agree");

/* Map wait_histograms, by cpu * slots + slot: the lengths behind wait_totals.wait_ns. */
struct wait_histogram {
	__u64 counts[WAIT_SLOTS];
};
_Static_assert(sizeof(struct wait_histogram) == 8 * WAIT_SLOTS, "both sides must agree");

/* Map culprits: how long threads of victim waited while culprit was on the CPU they waited for. */
struct culprit_key {
	__u32 victim;
	__u32 culprit;
};
_Static_assert(sizeof(struct culprit_key) == 8, "both sides must agree");

struct culprit_total {
	__u64 wait_ns; /* of long waits, their quota part left out */
	__u64 pieces;  /* runs of culprit that fell into such waits */
};
_Static_assert(sizeof(struct culprit_total) == 16, "both sides must agree");

/* One message in the ring buffer breaches. */
struct breach_event {
	__u64 at_ns;   /* CLOCK_MONOTONIC */
	__u64 wait_ns; /* contention only */
	__u32 slot;
	__u32 cpu;
};
_Static_assert(sizeof(struct breach_event) == 24, "both sides must agree");

/* ---- what was not counted, or not in full ------------------------------------------------------ */

/* X(name, meaning). A name is a field of struct drops, and so what `bpftool map dump` prints. */
#define DROPS(X)                                                                                  \
	X(switch_unseen, "a CPU changed hands without our hook: one run, one wait not seen")      \
	X(unstamped, "switched in without a queue time: preempted on its way to sleep")           \
	X(clock_backwards, "queue time later than the CPU's clock")                               \
	X(slot_unknown, "slot or CPU number outside the maps")                                    \
	X(tree_too_deep, "cgroup more levels below its model than are searched")                  \
	X(runs_forgotten, "a wait began before the oldest remembered run: culprits incomplete")   \
	X(throttles_forgotten, "more throttles during a wait, or throttled groups, than kept")    \
	X(culprits_full, "no room for another pair of victim and culprit")                        \
	X(breach_lost, "the breach ring buffer was full")                                         \
	X(stamp_failed, "no memory for a task's queue time (kernels without sched_info)")

enum drop_cause {
#define X(name, meaning) DROP_##name,
	DROPS(X)
#undef X
	N_DROP_CAUSES,
};

/* Map drops, by CPU. In the order of enum drop_cause. */
struct drops {
#define X(name, meaning) __u64 name;
	DROPS(X)
#undef X
};
_Static_assert(sizeof(struct drops) == 8 * N_DROP_CAUSES, "both sides must agree");

/* ---- what is remembered (map cpus, by CPU) ----------------------------------------------------- */

/* A stretch of time in which one slot had the CPU; it began when the run before it ended. */
struct run {
	__u64 end_ns; /* rq clock */
	__u32 slot;
	__u32 _pad;
};

#define RUNS 64 /* power of two */

/* The slot of a cgroup, found once. Valid while generation is the CPU's. */
struct membership {
	__u64 cgroup_id;
	__u32 generation;
	__u32 slot;
};

#define MEMBERSHIP_BITS 11
#define MEMBERSHIPS (1 << MEMBERSHIP_BITS)

/* When a group was kept off this CPU by a quota. */
struct throttle {
	__u64 group;    /* serial number of the scheduler's group */
	__u64 begin_ns; /* of the throttle that lasts, 0 when not known */
	__u64 total_ns; /* the kernel's sum when we last looked */
	__u64 next;     /* episode to write next; counts on */
#define EPISODES 8  /* power of two; at the usual 100 ms period the last 0.8 s */
	struct {
		__u64 begin_ns;
		__u64 end_ns;
	} episodes[EPISODES];
};

#define THROTTLE_BITS 5
#define THROTTLES (1 << THROTTLE_BITS)

struct cpu_memory {
	__u32 slot;        /* who has the CPU now */
	__u32 newest;      /* index of the newest run; counts on */
	__u64 arrival_ns;  /* since when, as the kernel writes it down too; 0: nothing to compare */
	__u32 generation;  /* counted up by userspace: memberships of another are stale */
	__u32 first_cell;  /* set by userspace: index of slot 0 in maps by slot and CPU */
	__u64 resolutions; /* how often a membership had to be looked for */
	struct run runs[RUNS];
	struct membership memberships[MEMBERSHIPS];
	struct throttle throttles[THROTTLES];
	__u64 _pad[4]; /* to whole lines of cache */
};
_Static_assert(sizeof(struct cpu_memory) % 64 == 0, "CPUs must not share lines");

/* ---- what a daemon that finds a pinned sampler must know (map layout, one entry) ----------------- */

struct layout {
	__u32 version; /* ABI_VERSION */
	__u32 slots;
	__u32 cpus;    /* possible ones */
	__u32 epoch;   /* counts the openings: tells old assignments from confirmed ones */
	__u64 build;   /* fingerprint of the object that was loaded */
};
_Static_assert(sizeof(struct layout) == 24, "both sides must agree");

#endif
