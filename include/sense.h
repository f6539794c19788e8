/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sense: one observation of the host per tick. Finds the cgroups of each model, loads and reads the
 * BPF sampler, reads PSI and cgroup files through kept descriptors. Judges nothing, changes
 * nothing; what cannot be measured is MISSING, with a reason in the health list.
 */
#ifndef MODELGOV_SENSE_H
#define MODELGOV_SENSE_H

#include "base.h"
#include "model.h"
#include "policy.h"

struct sense;
struct sd_bus;

struct sense_options {
	const char *cgroup_root; /* the cgroup2 mount; NULL: found in /proc/self/mountinfo */
	const char *pin_path;    /* "/sys/fs/bpf/modelgov"; NULL: not pinned */
	struct sd_bus *bus;      /* borrowed, for units; NULL: units are looked for by path only */
	bool without_bpf;        /* tests on kernels or users that cannot load it */
};

/* Succeeds also where parts are missing (no BPF, no PSI): see sense_health(). */
int sense_open(const struct sense_options *options, struct sense **ret_sense, struct err *e);

/* Programs stay pinned unless is_final: a restarted daemon then loses no sample. NULL is fine. */
void sense_close(struct sense *s, bool is_final);

/*
 * From now on observe the models of this policy (borrowed until the next call). Differences and
 * windows of models that were there before, by name, are kept.
 */
int sense_follow(struct sense *s, const struct policy *policy, struct err *e);

/*
 * Takes one observation; everything in it lives in the arena. Cgroups that came or went since the last
 * call are found here. Fails only when memory is short.
 */
int sense_take(struct sense *s, struct arena *arena, struct observation **ret_now, struct err *e);

/* Units or cgroups may have changed (a D-Bus signal): look again at the next take. */
void sense_refresh(struct sense *s);

/* Becomes readable when a model waited longer than its own limit; -1 without BPF. */
int sense_breach_fd(const struct sense *s);

struct breach {
	uint32_t model;
	uint64_t wait_ns, at_ns; /* CLOCK_MONOTONIC */
};

/* Takes the breaches that arrived; how many were written to ret_breaches. */
unsigned int sense_breaches(struct sense *s, struct breach *ret_breaches, unsigned int max);

/* What is measured and what is not. */
struct health {
	const char *part;    /* "run queue (BPF)", "PSI", "cpu controller", ... */
	bool is_ok;
	const char *detail;  /* what is missing, and the cure */
};

unsigned int sense_health(const struct sense *s, const struct health **ret_list);

/* Everything that was dropped or not attributed, by cause; only grows. */
struct drop {
	const char *cause;
	uint64_t count;
};

unsigned int sense_drops(struct sense *s, struct drop *ret_drops, unsigned int max);

#endif
