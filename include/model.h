/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model: the corridor's nouns. What one room hands to the next: observation, plan, action, outcome
 * and the words (knobs, indicators, reasons) they are made of. No functions live here.
 *
 * Units are in the names: ns, bytes, permyriad (hundredths of a percent, 0-10000), millicpu. A missing
 * measurement is MISSING and never counts as zero; "no limit" is VALUE_MAX (base.h).
 */
#ifndef MODELGOV_MODEL_H
#define MODELGOV_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MISSING (UINT64_MAX - 1) /* not measured, or the file does not exist */

/* ---- classes --------------------------------------------------------------------------------- */

/* Coarse urgency, most urgent first; priority orders models inside a class. X(tag, name, meaning) */
#define MODEL_CLASSES(X)                                                                          \
	X(CRITICAL, "critical", "keeps its latency budget while others use what it leaves")       \
	X(STANDARD, "standard", "ordinary service; pays after batch, before critical")            \
	X(BATCH, "batch", "throughput work without latency promise; pays first")                  \
	X(EXPERIMENT, "experiment", "may never take from the classes above")

enum model_class {
#define X(tag, name, meaning) CLASS_##tag,
	MODEL_CLASSES(X)
#undef X
	N_CLASSES,
};

/* ---- indicators ------------------------------------------------------------------------------ */

/* What an objective can promise. X(tag, name, unit, meaning) */
#define INDICATORS(X)                                                                             \
	X(RUNQUEUE_WAIT, "runqueue_wait", "ns",                                                   \
	  "time a runnable thread of the model waited for a CPU (sched_switch, BPF)")             \
	X(MEMORY_STALL, "memory_stall", "permyriad",                                              \
	  "share of time in which some thread waited for memory (PSI memory some)")               \
	X(REQUEST_LATENCY, "request_latency", "ns",                                               \
	  "time from a request to its answer; declared, not measured by this version")

enum indicator {
#define X(tag, name, unit, meaning) INDICATOR_##tag,
	INDICATORS(X)
#undef X
	N_INDICATORS,
};

/* ---- knobs ----------------------------------------------------------------------------------- */

/*
 * Every kernel value that modelgov may set, one row each: X(tag, file, controller, systemd property).
 * Values: weights 1-10000; cpu.max as quota in us per 100 ms period; memory in bytes; pids as a
 * count; VALUE_MAX where the file says "max". Table with parsing in knob.h.
 */
#define KNOBS(X)                                                                                  \
	X(CPU_WEIGHT, "cpu.weight", "cpu", "CPUWeight")                                           \
	X(CPU_MAX, "cpu.max", "cpu", "CPUQuotaPerSecUSec")                                        \
	X(MEMORY_MIN, "memory.min", "memory", "MemoryMin")                                        \
	X(MEMORY_LOW, "memory.low", "memory", "MemoryLow")                                        \
	X(MEMORY_HIGH, "memory.high", "memory", "MemoryHigh")                                     \
	X(MEMORY_MAX, "memory.max", "memory", "MemoryMax")                                        \
	X(IO_WEIGHT, "io.weight", "io", "IOWeight")                                               \
	X(PIDS_MAX, "pids.max", "pids", "TasksMax")

enum knob {
#define X(tag, file, controller, property) KNOB_##tag,
	KNOBS(X)
#undef X
	N_KNOBS,
};

#define CPU_PERIOD_USEC 100000ULL /* the kernel's default cpu.max period (cgroup-v2.rst) */

/* ---- reasons --------------------------------------------------------------------------------- */

/*
 * Why an action is in the plan, or why a model got none. Codes are recorded: append, never reorder.
 * X(tag, name, meaning). Sentences with the numbers come from record's explain.
 */
#define REASONS(X)                                                                                \
	X(NONE, "none", "nothing was wanted")                                                     \
	X(POLICY_VALUE, "policy_value", "the manifest sets this value")                           \
	X(FEED_FORWARD, "feed_forward", "weight from class, priority and reserved share")         \
	X(FLOOR, "floor", "raised so that the model keeps its floor beside all others")           \
	X(BUDGET_AT_RISK, "budget_at_risk", "slack under 5 % for two ticks: one level between payer and claimant")        \
	X(BUDGET_BROKEN, "budget_broken", "slack below 0: two levels between payer and claimant")                         \
	X(BUDGET_FAR_BROKEN, "budget_far_broken", "slack below -100 %: four levels between payer and claimant")           \
	X(DONOR, "donor", "a model with a broken budget needs the CPU this one was using")        \
	X(GIVE_BACK, "give_back", "slack stayed above 20 %: one level back towards policy")       \
	X(SETTLING, "settling", "the last change is too young to be judged")                      \
	X(DEAD_BAND, "dead_band", "slack is between 5 and 20 %: nothing moves")                   \
	X(NO_DEMAND, "no_demand", "too few samples in the window to judge")                       \
	X(OWN_QUOTA, "own_quota", "the waits come from the model's own cpu.max")                  \
	X(NOT_CPU, "not_cpu", "the worst objective is not answered with CPU")                     \
	X(EXHAUSTED, "exhausted", "weights are at their end; more needs caps or another host")    \
	X(SENSOR_GAP, "sensor_gap", "measurements are missing: hold")                             \
	X(SENSOR_LOST, "sensor_lost", "measurements missing for long: back to feed-forward")      \
	X(BUSY, "busy", "the last plan is still being carried out")                               \
	X(DRIFT, "drift", "somebody changed a value that modelgov had set: put back")             \
	X(LEFT_ALONE, "left_alone", "somebody keeps changing the value: left alone")                   \
	X(EXPERIMENT_BUDGET, "experiment_budget", "its part of what all experiments together may use") \
	X(CAP, "cap", "ran during the waits of a broken budget that weights cannot help")         \
	X(CAP_READY, "cap_ready", "a quota too loose to be felt, so that a cap is only another number") \
	X(CAP_EXPIRED, "cap_expired", "the cap is as old as one may be: it goes back step by step") \
	X(REGRET, "regret", "a budget broke soon after this was given back: taken again, for longer") \
	X(FLAPPING, "flapping", "turned too often: nothing goes back for five minutes")          \
	X(UNREST, "unrest", "load swings, steal or a gap in the readings: nothing goes back")    \
	X(GRANT, "grant", "less CPU than its floor for five ticks: it gets back what it paid, and more") \
	X(STARVED, "starved", "less CPU than its floor for thirty ticks: all is back at policy alone")

enum reason {
#define X(tag, name, meaning) REASON_##tag,
	REASONS(X)
#undef X
	N_REASONS,
};

/* ---- writers --------------------------------------------------------------------------------- */

/* Who changed a value that modelgov had set, as far as it can be told. X(tag, name, meaning) */
#define WRITERS(X)                                                                                \
	X(UNKNOWN, "unknown", "nobody was seen writing")                                          \
	X(RELOAD, "reload", "systemd, which set its own values anew at a daemon-reload")          \
	X(PROPERTY, "property", "systemd, because somebody set a property of the unit")           \
	X(DIRECT, "direct", "a process that wrote into the cgroup's file")                        \
	X(RUNTIME, "runtime", "a container runtime, by itself or through systemd")

enum writer_kind {
#define X(tag, name, meaning) WRITER_##tag,
	WRITERS(X)
#undef X
	N_WRITERS,
};

struct writer {
	enum writer_kind kind;
	uint32_t pid;  /* 0: not known */
	char comm[16]; /* its name (TASK_COMM_LEN); "" when it was gone before it could be asked */
};

/* ---- observation ----------------------------------------------------------------------------- */

#define MODEL_NONE UINT32_MAX
#define MAX_OBJECTIVES 4 /* a manifest's objectives; two indicators today, room for windows */

/* How a target's knobs are written; act's business, carried through untouched. */
enum driver {
	DRIVER_OBSERVE,   /* somebody else's cgroup: seen, never written */
	DRIVER_SYSTEMD,   /* a unit: properties over D-Bus */
	DRIVER_DELEGATED, /* below a delegated unit of ours, or a host without systemd: descriptors */
	N_DRIVERS,
};

/* One cgroup of a model. Strings live in the tick's arena. */
struct target {
	uint64_t cgroup_id; /* kernfs id (inode of the directory); not reused while the host is up */
	uint32_t model;     /* index into policy->models and observation->models */
	uint32_t knobs;     /* bit per enum knob that may be set here */
	enum driver driver;
	const char *path;   /* below the cgroup2 mount, with leading slash */
	const char *unit;   /* systemd unit, "" when none */
	uint64_t values[N_KNOBS]; /* as the kernel shows them now; MISSING where there is no file */
	/* as modelgov wrote and read them back, or found them as wanted; MISSING: neither */
	uint64_t written[N_KNOBS];
};

/* Who wrote a key last whose value is not what modelgov wrote. While is_busy that may be modelgov. */
struct intrusion {
	uint64_t cgroup_id;
	enum knob knob;
	struct writer writer;
};

/* One objective of one model over its window, in the unit of its indicator. */
struct reading {
	uint64_t observed; /* quantile or share; MISSING when not measurable */
	uint64_t samples;  /* waits in the window; for shares the number of ticks */
};

/* What one model did since the last tick. Each field is MISSING when it could not be read. */
struct model_reading {
	struct reading objectives[MAX_OBJECTIVES]; /* in the order of the manifest */
	uint64_t waits;               /* run-queue waits that ended */
	uint64_t wait_ns;             /* their sum: contention, without own_quota_ns */
	uint64_t own_quota_ns;        /* the part of waiting in which the model was throttled */
	uint64_t wait_p50_ns, wait_p99_ns, wait_max_ns; /* of this tick; upper bucket bounds */
	uint64_t breaches;            /* waits over the model's own limit */
	uint64_t run_ns;              /* time on CPU seen by the sampler */
	uint64_t involuntary;         /* switched out while runnable */
	uint32_t culprit;             /* model that ran most during the waits, MODEL_NONE: none/other */
	uint64_t culprit_permyriad;   /* its part of the explained waiting */
	uint64_t cpu_usage_ns;        /* cpu.stat usage_usec */
	uint64_t throttled_ns;        /* cpu.stat throttled_usec */
	uint64_t throttled_periods;   /* cpu.stat nr_throttled */
	uint64_t cpu_some_ns, memory_some_ns, memory_full_ns, io_some_ns; /* PSI totals, differences */
	uint64_t memory_bytes;        /* memory.current, a level */
	uint64_t memory_file_bytes;   /* memory.stat file, a level */
	uint64_t memory_high_events, memory_max_events, oom_kills; /* memory.events, differences */
	uint64_t major_faults, refaults; /* memory.stat pgmajfault, workingset_refault_*: differences */
	uint64_t processes;           /* pids.current, a level */
};

struct host_reading {
	uint64_t cpus;          /* online */
	uint64_t memory_bytes, memory_available_bytes;
	uint64_t load_permille; /* one-minute load average x 1000 */
	uint64_t busy_permyriad, steal_permyriad; /* of all CPU time since the last tick */
	uint64_t cpu_some_ns, memory_some_ns, io_some_ns; /* PSI totals of the host, differences */
};

/* One tick's readings of the host, gaps included. Borrowed from the tick's arena. */
struct observation {
	uint64_t tick;     /* counts from 1 since the daemon's start */
	uint64_t taken_ns; /* CLOCK_MONOTONIC */
	uint64_t wall_ns;  /* CLOCK_REALTIME, for people; decide does not use it */
	uint64_t span_ns;  /* time since the last tick; 0 for the first: no differences yet */
	bool is_busy;      /* act has not finished the last plan */
	struct host_reading host;
	uint32_t n_models;
	struct model_reading *models; /* by index of policy->models */
	uint32_t n_targets;
	struct target *targets;       /* ordered by model, then cgroup_id */
	uint32_t n_intrusions;
	struct intrusion *intrusions; /* ordered by cgroup_id, then knob */
};

/* ---- plan ------------------------------------------------------------------------------------ */

/* The numbers behind a reason, as decide saw them. */
struct evidence {
	uint32_t model;       /* whose objective led here (for a donor: the beneficiary); or MODEL_NONE */
	uint32_t objective;   /* index of that model's worst objective */
	uint64_t observed, budget; /* in the unit of its indicator; MISSING when it has none */
	int64_t slack_permyriad;   /* (budget - observed) / budget */
	uint32_t culprit;     /* as in model_reading */
	uint64_t culprit_permyriad;
};

/* One key of one cgroup. */
struct action {
	uint32_t model;
	uint32_t target;      /* index into observation->targets */
	uint64_t cgroup_id;   /* identity check when it is carried out */
	enum knob knob;
	uint64_t value;       /* what is wanted */
	uint64_t expected;    /* what was observed; act compares before it writes */
	enum reason reason;
	struct evidence why;
	uint64_t written;     /* for a drift: what modelgov had set; MISSING otherwise */
	uint32_t times;       /* for a drift: put back so often lately, with this time */
	struct writer writer; /* for a drift: who changed it */
};

/* A key that others changed lately, or keep changing. */
struct drift {
	uint64_t cgroup_id;
	uint32_t model;
	enum knob knob;
	uint64_t written, found, wanted; /* by modelgov, when last seen changed, now */
	uint64_t found_ns;               /* taken_ns of that observation */
	struct writer writer;
	uint32_t times;     /* put back within the window (drift.window) */
	bool is_now;        /* the kernel does not show what modelgov wrote */
	bool is_news;       /* put back by this plan, or left alone since this plan */
	bool is_left_alone; /* too often: modelgov does not touch it */
};

/* What decide concluded for each model, also when it does nothing: "why was nothing done?" */
struct verdict {
	enum reason reason;
	int32_t level;        /* of the weight ladder, 0-40, now in force */
	int32_t policy_level; /* where feed-forward alone would put it */
	struct evidence why;
};

struct plan {
	uint64_t tick;
	uint32_t n_models;
	struct verdict *verdicts; /* by model */
	uint32_t n_actions, max_actions;
	struct action *actions;   /* ordered by model, target, knob */
	bool is_cut;              /* more was wanted than fits; the rest follows next tick */
	uint32_t n_drifts;
	struct drift *drifts;     /* ordered by cgroup_id, then knob */
};

/* ---- outcome --------------------------------------------------------------------------------- */

/* What became of an action. X(tag, name, meaning) */
#define OUTCOMES(X)                                                                               \
	X(APPLIED, "applied", "written and read back")                                            \
	X(ROUNDED, "rounded", "written; the kernel keeps a nearby value")                         \
	X(SUPERSEDED, "superseded", "the value was no longer the expected one; left alone")       \
	X(GONE, "gone", "the cgroup or unit no longer exists")                                    \
	X(REFUSED, "refused", "kernel or systemd refused the value")                              \
	X(UNAVAILABLE, "unavailable", "controller or property does not exist here")               \
	X(WITHHELD, "withheld", "observe mode, or a cgroup that is not ours to write")

enum outcome_kind {
#define X(tag, name, meaning) OUTCOME_##tag,
	OUTCOMES(X)
#undef X
	N_OUTCOMES,
};

struct outcome {
	enum outcome_kind kind;
	uint64_t read_back; /* value in the kernel afterwards, or MISSING */
	char note[160];     /* what to know or do, "" when plain */
};

#endif
