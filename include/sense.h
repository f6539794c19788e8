/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sense: one observation of the host per tick. Finds the cgroups of each model, loads and reads the
 * BPF sampler, reads PSI and cgroup files through kept descriptors. Judges nothing, changes
 * nothing; what cannot be measured is MISSING, with a reason in the health list.
 *
 * How the fields of model.h are to be read:
 *   targets      The model's units, what its patterns match, modelgov-NAME.scope and its main, and
 *                /modelgov/NAME. A cgroup that two models match goes to the first by id.
 *   differences  Since the last observation; MISSING in the first one, for a model that is new, and
 *                for a cgroup of unknown age. A cgroup that was made since then counts from zero.
 *   sums         Over the model's targets, without those that lie below another of its targets. One
 *                part missing: all missing. PSI of several targets adds up to an upper bound.
 *                Throttling alone is summed over all targets, because the kernel counts it for each
 *                cgroup by itself.
 *   objectives   Over the objective's window, kept in 16 panes: the last 15/16 to 16/16 of it.
 *                observed MISSING: something is there and could not be measured, a sensor gap.
 *                samples 0, observed 0: nothing waited, or nothing is there (no cgroup), or it is
 * too new; measured, and nothing to judge. culprit      Who ran most while the model's threads
 * waited in this tick, the model itself included: its own threads may crowd each other. MODEL_NONE:
 * somebody who is no model, or an idle CPU, with its part; or no long waits, and then the part is
 * 0. breaches     Waits of more than twice the smallest runqueue_wait budget: far broken, if it
 * were the quantile. At the budget itself, every hundredth wait of a healthy p99 model would be
 * one.
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
	/*
	 * Borrowed, for units; to be processed by the loop that calls sense_take(), or by
	 * sense_settle(). NULL: units are looked for by name in the slices, and other cgroups are
	 * only observed.
	 */
	struct sd_bus *bus;
	bool without_bpf; /* tests on kernels or users that cannot load it */
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
 * Takes one observation; everything in it lives in the arena. Cgroups that came or went since the
 * last call are found here. Fails only when memory is short.
 */
int sense_take(struct sense *s, struct arena *arena, struct observation **ret_now, struct err *e);

/*
 * Looks for cgroups and waits until systemd told where the units are, at most so long: for programs
 * without a loop, and to have the models in the first observation already. sense_take() itself
 * never waits for systemd: what is not known yet is found at a later tick.
 */
int sense_settle(struct sense *s, uint64_t timeout_ns, struct err *e);

/* Units or cgroups may have changed (a D-Bus signal): look again at the next take. */
void sense_refresh(struct sense *s);

/* Becomes readable when a model had a breach (see above); the same for the life of s. -1 without
 * BPF. */
int sense_breach_fd(const struct sense *s);

struct breach {
	uint32_t model;
	uint64_t wait_ns, at_ns; /* CLOCK_MONOTONIC */
};

/* Takes the breaches that arrived; how many were written to ret_breaches. */
unsigned int sense_breaches(struct sense *s, struct breach *ret_breaches, unsigned int max);

/* ---- values that others change ---------------------------------------------------------------- */

/*
 * What act wrote and read back, or was as wanted already; MISSING: modelgov claims nothing of that key any more. Observations
 * show it (target.written), and who changed it since (intrusions): on hosts where fanotify tells.
 */
void sense_note_written(struct sense *s, uint64_t cgroup_id, enum knob knob, uint64_t value);
void sense_forget_written(struct sense *s); /* all of it: everything was put back */

/* systemd's signal Reloading: what it writes then, it writes because of that. */
void sense_note_reload(struct sense *s, bool is_reloading);

/* Readable when somebody wrote into a governed cgroup: name him while he lives. -1: cannot be seen. */
int sense_writes_fd(const struct sense *s);
void sense_writes_read(struct sense *s);

/* ---- what is measured and what is not --------------------------------------------------------- */

struct health {
	const char *part; /* "run queue (BPF)", "PSI", "cpu controller", ... */
	bool is_ok;
	const char *detail; /* what is missing, and the cure */
};

/* In force after the last sense_open(), _follow() or _take(), and valid until the next of them. */
unsigned int sense_health(const struct sense *s, const struct health **ret_list);

/* Everything that was dropped or not attributed, by cause; only grows. */
struct drop {
	const char *cause;
	uint64_t count;
};

unsigned int sense_drops(struct sense *s, struct drop *ret_drops, unsigned int max);

#endif
