/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: text in /etc to a checked struct policy, all or nothing. Reads files and judges them; does
 * not look at running models, and never writes.
 *
 * Files below the root (default /etc/modelgov): modelgov.yaml (kind: Host, optional),
 * models.d/NAME.yaml (kind: Model) and templates.d/NAME.yaml (kind: Template). Shipped defaults below a second root are used where the first
 * has no file of that name. Format: a strict YAML subset, at most 256 KiB a file, no aliases, tags,
 * merge keys or tabs, one document a file; every key, type, unit, range and default is one row of key_table.
 */
#ifndef MODELGOV_POLICY_H
#define MODELGOV_POLICY_H

#include "base.h"
#include "model.h"

#define POLICY_FILE_LIMIT_BYTES 262144 /* 256 KiB; chosen: a full manifest has 4 */
#define POLICY_MAX_MODELS 1024 /* chosen: the culprit matrix grows with the square */
#define MAX_MATCHES 16         /* patterns of one model; chosen, one unit is the usual case */
#define MAX_LABELS 16
#define MAX_ITEMS 16           /* of any other list in a manifest; chosen, a handful is usual */
#define POLICY_MAX_TEMPLATES 64 /* chosen: more than anybody can keep apart */

/* Texts in the order they were written; memory of the policy's arena. */
struct names {
	const char **all;
	unsigned int n;
};

/* ---- host ------------------------------------------------------------------------------------ */

enum policy_mode { MODE_OBSERVE, MODE_ENFORCE };

/* What a changed file in /etc does. The rules in force judge the change that would replace them. */
enum apply_mode {
	APPLY_AUTO,   /* through the gates and in */
	APPLY_MANUAL, /* it waits as a change until somebody applies it */
};

/* modelgov.yaml. Defaults are in key_table. */
struct host_policy {
	enum policy_mode mode;
	uint64_t tick_ns;
	uint64_t retention_ns;        /* age at which journal rows are removed */
	uint64_t journal_limit_bytes; /* size at which the oldest journal rows are removed */

	/* changes: the way of a new policy into force */
	enum apply_mode apply;
	uint64_t approvals;           /* people other than the author who must agree; 0: none */
	uint64_t probation_ns;        /* 0: none */
	uint64_t probation_margin_permyriad; /* of violated ticks more than before that are borne */
	uint64_t gate_timeout_ns;     /* of each executable in gates.d */
	struct names viewers, operators, approvers; /* user names, or @group */

	/* limits: what no set of manifests may pass */
	uint64_t retry_amplification; /* calls that one may become along a chain of models */
	uint64_t experiment_cpu_permyriad; /* of the host, of all experiments together */
	uint64_t experiment_memory_bytes;  /* of all experiments together; VALUE_MAX: no limit */
};

/* ---- model ----------------------------------------------------------------------------------- */

struct objective {
	enum indicator indicator;
	uint64_t quantile_permyriad; /* 9900 for p99; 0 for indicators that are shares */
	uint64_t budget;             /* unit of the indicator: ns or permyriad */
	uint64_t window_ns;
};

struct label {
	const char *key, *value;
};

/* One thing that goes in or comes out. */
struct port {
	const char *name, *type; /* type: a media type ("image/png") or a word ("tensor/float32") */
	const char *shape;       /* "[1, 3, 224, 224]", "" when not said */
};

struct failure_mode {
	const char *when, *answer;
};

/* A model that this one calls. */
struct dependency {
	const char *model;
	uint64_t timeout_ns; /* after which the caller gives up; MISSING: the callee's own */
};

enum ordering { ORDERING_NONE, ORDERING_PER_CLIENT, ORDERING_TOTAL };
enum degraded_signal { DEGRADED_NONE, DEGRADED_FILE, DEGRADED_SIGNAL };

/*
 * What callers may expect and must bear. All of it is about calls TO this model: retries are its
 * callers', timeout is when a caller gives up. Durations and shares are MISSING where it is silent.
 */
struct contract {
	struct port *inputs, *outputs;
	unsigned int n_inputs, n_outputs;
	uint64_t expected_ns, timeout_ns;
	uint64_t retries_max; /* MISSING: not said */
	uint64_t backoff_ns, max_backoff_ns, retry_budget_permyriad;
	bool is_idempotent;
	enum ordering ordering;
	struct failure_mode *failure_modes;
	unsigned int n_failure_modes;
	enum degraded_signal degraded;
	uint64_t degraded_max_delay_ns;
	struct dependency *depends_on;
	unsigned int n_depends_on;
};

/* Ways to take something from a model, mildest first; bits of preemption.how. */
enum preemption_way { WAY_WEIGHT, WAY_CAP, WAY_IDLE, WAY_FREEZE, WAY_RECLAIM, WAY_KILL, N_WAYS };

struct preemption {
	uint32_t may;          /* bit per class this model may take from */
	uint32_t by;           /* bit per class that may take from this model */
	uint32_t how;          /* bit per enum preemption_way that this model bears */
	uint64_t max_pause_ns; /* longest freeze; MISSING: not said */
	uint64_t min_run_ns;   /* between two freezes; MISSING: not said */
};

enum stage {
	STAGE_PRODUCTION,
	STAGE_EXPERIMENT, /* confined to the experiments' budget, never takes from production */
};

/* A command that shows whether the model still does what it did; `modelgov verify` runs it. */
struct model_check {
	const char *name;
	struct names command;      /* argv; no shell */
	uint64_t samples;          /* times it is run */
	uint64_t timeout_ns;       /* of one run */
	uint64_t p99_ns, throughput_per_s, cpu_millicpu, memory_bytes; /* limits; MISSING: none */
};

struct model {
	const char *name, *version, *owner;
	const char *description; /* "" when not said */
	const char *template;    /* name of the template it started from, "" for none */
	struct names owners;     /* users and @groups that may approve what touches this model */
	struct names contacts;   /* mail addresses, chat channels, pagers: for people */
	struct label labels[MAX_LABELS]; /* ordered by key */
	unsigned int n_labels;

	const char *units[MAX_MATCHES]; /* systemd unit names, "ocr.service"; exact */
	unsigned int n_units;
	const char *cgroups[MAX_MATCHES]; /* globs below the cgroup2 mount, "/modelgov.slice/x-*" */
	unsigned int n_cgroups;
	struct names containers; /* names, or label=value; of Podman and containerd */

	struct contract contract;
	struct objective objectives[MAX_OBJECTIVES];
	unsigned int n_objectives;

	enum model_class class;
	int32_t priority;              /* -10..10, higher is more urgent inside the class */
	uint64_t cpu_reserved_millicpu; /* 0: none */
	uint64_t cpu_floor_permyriad;  /* of the host, under full contention */
	const char *cpuset;            /* "0-3,8"; "" when not said */
	bool is_dedicated;             /* its cpuset is nobody else's */
	uint64_t concurrency_max, concurrency_queue; /* requests; MISSING: not said */
	struct names cache;            /* globs of files whose pages are worth keeping */

	/*
	 * Wanted value of each knob that the manifest sets, in the knob's own unit (model.h); MISSING
	 * where the manifest is silent, and then the knob is never touched. cpu.weight is always
	 * MISSING here: decide computes it.
	 */
	uint64_t values[N_KNOBS];

	struct preemption preemption;
	enum stage stage;
	struct model_check *checks;
	unsigned int n_checks;
	const char *rollback; /* what people do to go back, "" when not said */

	const char *file; /* where it was read; "" for a policy from its canonical form */
	const struct given *given; /* policy's own: where each value stood, for policy_resolved() */
};

/* ---- policy ---------------------------------------------------------------------------------- */

/* Everything decide may know of what people want. Immutable once loaded. */
struct policy {
	struct host_policy host;
	unsigned int n_models;
	struct model *models; /* ordered by name: the index is the model's id in this policy */
	char digest[65];      /* SHA-256 of the canonical form, hex */
	struct arena arena;   /* owns every string and array above */
};

/*
 * What the checks need to know of the host; filled by host_facts_read() or by hand in tests. 0: not
 * known, and what depends on it is not checked.
 */
struct host_facts {
	uint64_t cpus;
	uint64_t memory_bytes;
};

int host_facts_read(struct host_facts *ret_facts, struct err *e);

/* ---- loading --------------------------------------------------------------------------------- */

enum finding_level { FINDING_ERROR, FINDING_WARNING };

/* One thing that is wrong, ready to be printed as "file:line:column: error: text". */
struct finding {
	enum finding_level level;
	const char *file;
	int line, column; /* from 1; 0 when the whole file is meant */
	const char *text; /* what is wrong, the offending value, the cure */
	const char *source; /* the line, made printable and cut to fit; NULL when the file is meant */
	int caret, width;   /* columns of source, from 1, that are meant */
};

struct findings {
	unsigned int n, max, n_errors;
	struct finding *all; /* in the order of file, line, column */
	struct arena arena;
};

void findings_init(struct findings *f);
void findings_fini(struct findings *f);

/* All findings as lines, with the file's line and a caret below where there is one; caller frees. */
char *findings_print(const struct findings *f);

struct policy_source {
	const char *etc;     /* "/etc/modelgov" */
	const char *shipped; /* "/usr/share/modelgov", or NULL */
	struct host_facts facts;
	bool trusts_any_owner; /* for checks by unprivileged users: skip the root-owned rule */
};

/*
 * Reads, resolves and checks everything. 0 and a policy, when there is no error (warnings may be in
 * ret_findings all the same); -EINVAL and no policy when ret_findings->n_errors > 0; another
 * negative errno when the directory could not be read at all. A missing etc directory is an error, an
 * empty one a policy without models. ret_findings is initialised by the caller.
 */
int policy_load(const struct policy_source *source, struct policy **ret_policy,
		struct findings *ret_findings, struct err *e);
void policy_free(struct policy *p);

/* Index of the model of that name, or -ENOENT. */
int policy_find(const struct policy *p, const char *name, uint32_t *ret_model);

/* ---- canonical form -------------------------------------------------------------------------- */

/*
 * JSON with sorted keys, no blanks, integers in base units: {"apiVersion", "host": {...}, "models":
 * {NAME: {...}}}, nested as a manifest is, every default filled in, nothing that only comes from where it
 * was written. Equal for equal policies whatever the order of keys, comments or file names. Its
 * SHA-256 is policy->digest. docs/policy.md specifies it. Caller frees.
 */
char *policy_canonical(const struct policy *p);

/*
 * The way back: a policy whose policy_canonical() is these bytes. -EINVAL and a message when they are
 * not a canonical form (of this version), also when they are valid JSON spelled otherwise. Ranges and
 * contradictions are judged as in policy_load(); facts as there.
 */
int policy_from_canonical(const char *text, size_t length, const struct host_facts *facts,
			  struct policy **ret_policy, struct err *e);

/* One key that two policies have different values for. Text as people would write it. */
struct difference {
	const char *model; /* "" for the host's settings */
	const char *key;   /* "resources.cpu.floor"; "" when the whole model came or went (its version) */
	const char *before, *after; /* NULL: not there */
};

/* Ordered by model and key; memory of the arena. -ENOMEM. */
int policy_diff(const struct policy *before, const struct policy *after, struct arena *arena,
		struct difference **ret_all, unsigned int *ret_n);

/* ---- what comes from the key table ------------------------------------------------------------ */

/* The key table as Markdown, for docs/policy.md. */
void policy_print_reference(FILE *out);

/* The key table as JSON Schema (2020-12) of all kinds of file, for editors. */
void policy_print_schema(FILE *out);

/* ---- showing and making manifests -------------------------------------------------------------- */

/*
 * One key of a resolved model and where its value came from: "ocr.yaml:12", "template
 * latency-critical (latency-critical.yaml:8)" or "default". Only policies of policy_load() know.
 */
struct resolved_key {
	const char *key, *value, *origin;
};

int policy_resolved(const struct policy *p, uint32_t model, struct arena *arena,
		    struct resolved_key **ret_all, unsigned int *ret_n);

/*
 * A commented manifest of that name that starts from the template (NULL: from none); caller frees.
 * -ENOENT: there is no such template; -EINVAL: it has errors, or the name is none.
 */
int policy_new_manifest(const struct policy_source *source, const char *name, const char *template,
			char **ret_text, struct err *e);

#endif
