/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: text in /etc to a checked struct policy, all or nothing. Reads files and judges them; does
 * not look at running models, and never writes.
 *
 * Files below the root (default /etc/modelgov): modelgov.yaml (kind: Host, optional) and
 * models.d/NAME.yaml (kind: Model). Shipped defaults below a second root are used where the first
 * has no file of that name. Format: a strict YAML subset, at most 256 KiB a file, no aliases, tags,
 * merge keys or tabs, one document a file; every key, type, unit, range and default is one row of key_table.
 */
#ifndef MODELGOV_POLICY_H
#define MODELGOV_POLICY_H

#include "base.h"
#include "model.h"

#define POLICY_FILE_LIMIT_BYTES 262144 /* 256 KiB; chosen: a full manifest has 2 */
#define POLICY_MAX_MODELS 1024 /* chosen: the culprit matrix grows with the square */
#define MAX_MATCHES 16         /* patterns of one model; chosen, one unit is the usual case */
#define MAX_LABELS 16

enum policy_mode { MODE_OBSERVE, MODE_ENFORCE };

/* modelgov.yaml. Defaults are in key_table. */
struct host_policy {
	enum policy_mode mode;
	uint64_t tick_ns;
	uint64_t retention_ns;        /* age at which journal rows are removed */
	uint64_t journal_limit_bytes; /* size at which the oldest journal rows are removed */
};

struct objective {
	enum indicator indicator;
	uint64_t quantile_permyriad; /* 9900 for p99; 0 for indicators that are shares */
	uint64_t budget;             /* unit of the indicator: ns or permyriad */
	uint64_t window_ns;
};

struct label {
	const char *key, *value;
};

struct model {
	const char *name, *version, *owner;
	struct label labels[MAX_LABELS]; /* ordered by key */
	unsigned int n_labels;

	const char *units[MAX_MATCHES]; /* systemd unit names, "ocr.service"; exact */
	unsigned int n_units;
	const char *cgroups[MAX_MATCHES]; /* globs below the cgroup2 mount, "/modelgov.slice/x-*" */
	unsigned int n_cgroups;

	struct objective objectives[MAX_OBJECTIVES];
	unsigned int n_objectives;

	enum model_class class;
	int32_t priority;              /* -10..10, higher is more urgent inside the class */
	uint64_t cpu_reserved_millicpu; /* 0: none */
	uint64_t cpu_floor_permyriad;  /* of the host, under full contention */

	/*
	 * Wanted value of each knob that the manifest sets, in the knob's own unit (model.h); MISSING
	 * where the manifest is silent, and then the knob is never touched. cpu.weight is always
	 * MISSING here: decide computes it.
	 */
	uint64_t values[N_KNOBS];

	const char *file; /* where it was read */
};

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

/*
 * Canonical form: JSON with sorted keys, no blanks, integers in base units; equal for equal policies
 * whatever the order of keys, comments or file names. Its SHA-256 is policy->digest. Caller frees.
 */
char *policy_canonical(const struct policy *p);

/* The key table as Markdown, for docs/policy.md. */
void policy_print_reference(FILE *out);

#endif
