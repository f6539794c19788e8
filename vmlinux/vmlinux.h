/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * vmlinux: the few kernel types and members that bpf/ reads, by name only. Offsets and sizes here mean nothing:
 * preserve_access_index lets the loader find each member in the running kernel's own BTF. README.md tells
 * where the names come from and how to add one.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;

/* For the declarations in bpf_helper_defs.h. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* From the BPF system call's ABI (include/uapi/linux/bpf.h): values, so fixed for ever. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_MMAPABLE = 1U << 10,
};

enum {
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1ULL << 0,
};

enum {
	BPF_RB_FORCE_WAKEUP = 1ULL << 1,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* kernel/sched/sched.h */
struct rq {
	__u64 clock; /* ns, this CPU's scheduler clock; brought up to date early in schedule() */
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
	__u64 serial_nr; /* never used twice */
};

struct task_group {
	struct cgroup_subsys_state css;
};

struct cfs_rq {
	struct rq *rq;
	struct task_group *tg;
	int throttle_count;               /* CONFIG_CFS_BANDWIDTH: this or a group above is throttled */
	__u64 throttled_clock_pelt_time;  /* 5.19 on; sum of finished throttles, in PELT's clock */
	__u64 throttled_clock_self;       /* 6.6 on; when the throttle began that lasts, or 0 */
	__u64 throttled_clock_self_time;  /* 6.6 on; sum of finished ones in rq->clock */
};

/* include/linux/sched.h */
struct sched_entity {
	struct cfs_rq *cfs_rq;
};

struct sched_info {
	unsigned long long last_arrival; /* rq->clock when it was given a CPU after being queued */
	unsigned long long last_queued; /* CONFIG_SCHED_INFO: rq->clock when queued, 0 while running */
};

struct task_struct {
	int pid;
	struct sched_entity se;
	struct sched_info sched_info;
	struct css_set *cgroups;
};

/* include/linux/cgroup-defs.h, include/linux/kernfs.h */
struct css_set {
	struct cgroup *dfl_cgrp; /* the task's place in cgroup2 */
};

struct kernfs_node {
	__u64 id; /* of a cgroup's directory: its inode number, "cgroup id" */
};

struct cgroup_root {
	int hierarchy_id; /* 0 for cgroup2 */
};

struct cgroup {
	struct cgroup_subsys_state self; /* parent and back pointer, also without any controller */
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

#pragma clang attribute pop

#endif
