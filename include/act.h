/* SPDX-License-Identifier: Apache-2.0 */
/*
 * act: carries a plan out and puts everything back. Three drivers behind one table of functions
 * (systemd properties over D-Bus; libcgroup and kept descriptors below our own delegated units; none
 * for cgroups that belong to others). Decides nothing: writes what the plan says, reads it back, reports.
 *
 * The ledger (a file below the state directory) holds the first value of everything that is touched and
 * is on disk before the first change, so that act_restore() works after kill -9 and without a daemon.
 */
#ifndef MODELGOV_ACT_H
#define MODELGOV_ACT_H

#include "base.h"
#include "model.h"

struct act;

struct act_options {
	const char *cgroup_root; /* the cgroup2 mount; NULL: found in /proc/self/mountinfo */
	const char *state_dir;   /* "/var/lib/modelgov": the ledger lives here */
	bool without_systemd;    /* never use D-Bus, even where systemd runs */
};

/*
 * Reads the ledger, but takes it (for this process, until act_close() or death) only with the first
 * apply, restore or release: adopting works beside a daemon. While another process has it, plans
 * are WITHHELD and restore is -EBUSY, both naming that process. act_close() puts nothing back.
 */
int act_open(const struct act_options *options, struct act **ret_act, struct err *e);
void act_close(struct act *a);

/*
 * Carries out plan (actions and the targets they point to are read only during the call). ret_outcomes
 * has one entry per action. May block (D-Bus, memory.high): call it on a worker thread. One call at a
 * time. Never fails as a whole: every action has its outcome.
 */
void act_apply(struct act *a, const struct plan *plan, const struct observation *now,
	       struct outcome *ret_outcomes);

/* One line of what restore did, for the journal and for people. */
struct restored {
	char unit_or_path[256];
	enum knob knob;
	uint64_t value; /* the first one; MISSING: a weight of a unit that was not set */
	struct outcome outcome;
};

/*
 * Puts every first value back, removes drop-ins that were not there before, empties the ledger.
 * A vanished cgroup or unit is fine. Entries that could not be put back stay in the ledger and are in
 * the list with their outcome; then -EIO. Idempotent. ret_list: heap, caller frees; may be NULL.
 */
int act_restore(struct act *a, struct restored **ret_list, unsigned int *ret_n, struct err *e);

/* A cgroup and the knobs of it (bits of enum knob) that the policy still governs. */
struct claim {
	uint64_t cgroup_id;
	uint32_t knobs;
};

/*
 * Like act_restore(), but only for ledger entries that no claim covers: after a model left the policy
 * or its manifest lost a key. n_claims == 0 is act_restore().
 */
int act_release(struct act *a, const struct claim *claims, unsigned int n_claims,
		struct restored **ret_list, unsigned int *ret_n, struct err *e);

/* Entries in the ledger now. */
unsigned int act_ledger_size(const struct act *a);

/* ---- starting and adopting models ------------------------------------------------------------ */

/* What all experiments together may have, in the units of the knobs; VALUE_MAX: no limit. */
struct budget {
	uint64_t cpu_weight, cpu_max, memory_max;
};

struct adoption {
	const char *model; /* checked: [a-z0-9]([a-z0-9-]*[a-z0-9])? */
	const struct budget *experiments; /* the model is one of these; NULL: it is not */
	const int32_t *pids;
	unsigned int n_pids;
};

/*
 * Puts processes into the model's own scope, modelgov-NAME.scope in modelgov.slice, made when it is
 * not there (Delegate=yes), and below it into the sub-cgroup "main", which is ours to write. On hosts
 * without systemd: the cgroup /modelgov/NAME. An experiment's is in modelgov-experiments.slice (below
 * modelgov.slice) or /modelgov/experiments.slice, which gets the budget's values first. A scope that is there
 * stays where it is.
 */
int act_adopt(struct act *a, const struct adoption *adoption, struct err *e);

/*
 * The budget has changed: sets its values on the slice of experiments. Does nothing where no experiment
 * was adopted since the host started.
 */
int act_confine(struct act *a, const struct budget *experiments, struct err *e);

#endif
