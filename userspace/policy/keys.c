/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the key table, and look-ups in it. To add a key: one row here and one field in
 * policy.h; everything else follows. Inner groups come before the groups that hold them.
 */
#include "keys.h"

#include "names.h"
#include "text.h"

#include <inttypes.h>

/* ---- types --------------------------------------------------------------------------------- */

static char *count_format(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64, value);
	return buf;
}

static char *integer_format(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRId64, (int64_t)value);
	return buf;
}

/* Digits with an optional minus, stored as the two's complement of 64 bits. */
static int integer_parse(const char *text, uint64_t *ret_value)
{
	bool is_negative = *text == '-';
	uint64_t magnitude;
	int r = number_parse(text + is_negative, &magnitude);

	if (r == 0 && magnitude > INT32_MAX)
		r = -ERANGE;
	if (r == 0)
		*ret_value = is_negative ? -magnitude : magnitude;
	return r;
}

#define DECIMAL "[0-9]+(\\.[0-9]{1,6})?"

const struct type_info type_table[N_TYPES] = {
	[TYPE_GROUP] = { "group", "a group of keys" },
	[TYPE_GROUPS] = { "list of groups", "a list of groups of keys" },
	[TYPE_LABELS] = { "labels", "a group of labels" },
	[TYPE_TEXT] = { "text", "text" },
	[TYPE_TEXTS] = { "list of texts", "a list" },
	[TYPE_SHAPE] = { "shape", "a list of numbers" },
	[TYPE_CPUSET] = { "list of CPUs", "a set of CPUs" },
	[TYPE_WORD] = { "word", "one word" },
	[TYPE_WORDS] = { "list of words", "a list of words" },
	[TYPE_BOOL] = { "truth", "true or false" },
	[TYPE_DURATION] = { "duration", "a duration", "ns, us, ms, s, min, h, d", duration_parse,
			    duration_format, DECIMAL "(ns|us|ms|s|min|h|d)" },
	[TYPE_SIZE] = { "size", "a size", "B, KiB, MiB, GiB, TiB", size_parse, size_format,
			DECIMAL "(B|KiB|MiB|GiB|TiB)" },
	[TYPE_CPUS] = { "cpus", "an amount of CPU", NULL, cpus_parse, cpus_format, DECIMAL "cpu" },
	[TYPE_SHARE] = { "share", "a share", NULL, share_parse, share_format, DECIMAL "%" },
	[TYPE_COUNT] = { "count", "a whole number", NULL, number_parse, count_format },
	[TYPE_INTEGER] = { "integer", "a whole number", NULL, integer_parse, integer_format },
	[TYPE_BUDGET] = { "duration or share", "a budget" },
};

/* ---- words --------------------------------------------------------------------------------- */

static const struct word api_words[] = { { API_VERSION, 0 }, { NULL, 0 } };
static const struct word kind_words[] = { { "Host", MANIFEST_HOST },
					  { "Model", MANIFEST_MODEL },
					  { "Template", MANIFEST_TEMPLATE },
					  { NULL, 0 } };
static const struct word bool_words[] = { { "true", true }, { "false", false }, { NULL, 0 } };
static const struct word mode_words[] = { { "observe", MODE_OBSERVE },
					  { "enforce", MODE_ENFORCE },
					  { NULL, 0 } };
static const struct word apply_words[] = { { "auto", APPLY_AUTO },
					   { "manual", APPLY_MANUAL },
					   { NULL, 0 } };
static const struct word ordering_words[] = { { "none", ORDERING_NONE },
					      { "per-client", ORDERING_PER_CLIENT },
					      { "total", ORDERING_TOTAL },
					      { NULL, 0 } };
static const struct word degraded_words[] = { { "none", DEGRADED_NONE },
					      { "file", DEGRADED_FILE },
					      { "signal", DEGRADED_SIGNAL },
					      { NULL, 0 } };
static const struct word way_words[] = {
	{ "weight", WAY_WEIGHT },
	{ "cap", WAY_CAP },
	{ "idle", WAY_IDLE },
	{ "freeze", WAY_FREEZE },
	{ "reclaim", WAY_RECLAIM },
	{ "kill", WAY_KILL },
	{ NULL, 0 },
};
static const struct word stage_words[] = { { "production", STAGE_PRODUCTION },
					   { "experiment", STAGE_EXPERIMENT },
					   { NULL, 0 } };
static const struct word quantile_words[] = {
	{ "p50", 5000 }, { "p90", 9000 }, { "p99", 9900 }, { "p99.9", 9990 }, { NULL, 0 },
};
static const struct word class_words[] = {
#define X(tag, name, meaning) { name, CLASS_##tag },
	MODEL_CLASSES(X)
#undef X
		{ NULL, 0 },
};
static const struct word indicator_words[] = {
#define X(tag, name, unit, meaning) { name, INDICATOR_##tag },
	INDICATORS(X)
#undef X
		{ NULL, 0 },
};

/* ---- forms of text ------------------------------------------------------------------------- */

#define WORDLY "[A-Za-z0-9_.-]"

static const struct text_form name_form = {
	"list of models", "a list of models", NULL, "^[a-z0-9][a-z0-9._-]{0,62}$", false, name_flaw,
};
static const struct text_form media_form = {
	"list of types", "a list of types", NULL, "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$",
	false,           media_flaw,
};
static const struct text_form user_form = {
	"list of users",
	"a list of users and @groups",
	NULL,
	"^@?[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}$",
	false,
	user_flaw,
};
static const struct text_form unit_form = {
	"list of units",
	"a list of systemd units",
	"put them into one slice and match that",
	"^[A-Za-z0-9:_.\\\\@-]+\\.(service|scope|slice)$",
	false,
	unit_flaw,
};
static const struct text_form cgroup_form = {
	"list of patterns",
	"a list of cgroup patterns",
	"use a pattern that matches several",
	"^/[^/].*[^/]$",
	false,
	cgroup_flaw,
};
static const struct text_form container_form = {
	"list of containers",
	"a list of containers",
	"match a label that they share",
	"^" WORDLY "+$|^[A-Za-z0-9_./-]+=.+$",
	false,
	container_flaw,
};
static const struct text_form file_form = {
	"list of files", "a list of files", "use a pattern that matches several", "^/[^/].*$",
	false,           file_flaw,
};
static const struct text_form argument_form = {
	"command",
	"a list: the program and its arguments",
	"put the command into a script and name that",
	NULL,
	true,
	argument_flaw,
};
static const struct text_form note_form = {
	"list of texts", "a list of texts", NULL, NULL, false, NULL,
};

/* ---- rows ---------------------------------------------------------------------------------- */

#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)
#define ITEMS(type, field, count, limit, is_in)                                                    \
	.offset = offsetof(type, field), .list = { .count_offset = offsetof(type, count),          \
						   .item_bytes = sizeof(*((type *)0)->field),      \
						   .max = (limit),                                 \
						   .is_inline = (is_in) }
#define NAMES(type, field) ITEMS(type, field.all, field.n, MAX_ITEMS, false)

#define HOST(field)       .manifest = MANIFEST_HOST, FIELD(struct host_policy, field)
#define PEOPLE(field)     .manifest = MANIFEST_HOST, NAMES(struct host_policy, field)
#define ANYWHERE          .manifest = MANIFEST_MODEL | MANIFEST_TEMPLATE
#define MODEL(field)      ANYWHERE, FIELD(struct model, field)
#define ONE_MODEL(field)  .manifest = MANIFEST_MODEL, FIELD(struct model, field)
#define PORT(field)       ANYWHERE, FIELD(struct port, field)
#define FAILURE(field)    ANYWHERE, FIELD(struct failure_mode, field)
#define DEPENDENCY(field) ANYWHERE, FIELD(struct dependency, field)
#define OBJECTIVE(field)  ANYWHERE, FIELD(struct objective, field)
#define CHECK(field)      ANYWHERE, FIELD(struct model_check, field)

#define RANGE(low, high) .min = (uint64_t)(low), .max = (uint64_t)(high)
#define MIB              (1ULL << 20)
#define TIB              (1ULL << 40)
#define HOUR             (3600 * NSEC_PER_SEC)
#define CALL_TIMES                                                                                 \
	RANGE(NSEC_PER_USEC, 24 * HOUR) /* chosen: from a cache's answer to a day's batch */

/* clang-format off */
#define HEADING_ROWS(kinds)                                                                        \
	{ .manifest = (kinds), .name = "apiVersion", .type = TYPE_WORD, .is_heading = true,        \
	  .is_required = true, .words = api_words, .example = API_VERSION,                         \
	  .meaning = "Version of this format." },                                                  \
	{ .manifest = (kinds), .name = "kind", .type = TYPE_WORD, .is_heading = true,              \
	  .is_required = true, .words = kind_words, .example = "Model",                            \
	  .meaning = "`Host` in modelgov.yaml, `Model` in models.d, `Template` in templates.d." }

/* ---- modelgov.yaml ---- */

static const struct key journal_keys[] = {
	{ HOST(retention_ns), .name = "retention", .type = TYPE_DURATION,
	  RANGE(HOUR, HOUR * 24 * 3650), .fallback = "7d", .example = "30d",
	  .meaning = "Age at which records are removed." },
	{ HOST(journal_limit_bytes), .name = "limit", .type = TYPE_SIZE,
	  RANGE(16 * MIB, TIB), .fallback = "1GiB", .example = "4GiB",
	  .meaning = "Size of the journal at which the oldest records are removed." },
	{ 0 },
};

static const struct key changes_keys[] = {
	{ HOST(apply), .name = "apply", .type = TYPE_WORD, .words = apply_words,
	  .fallback = "auto", .example = "manual",
	  .meaning = "What a changed file does: `auto` takes it through the gates and in; `manual` "
		     "keeps it as a change that waits for `modelgov apply`." },
	{ HOST(approvals), .name = "approvals", .type = TYPE_COUNT, RANGE(0, 3),
	  .fallback = "0", .example = "1",
	  .meaning = "How many people other than the author must agree to a change." },
	{ HOST(probation_ns), .name = "probation", .type = TYPE_DURATION, .allows_none = true,
	  .none_is_zero = true, RANGE(0, 24 * HOUR), .fallback = "none", .example = "10min",
	  .meaning = "How long a new policy is watched; when objectives are missed more often than "
		     "before by more than `margin`, the old one comes back." },
	{ HOST(probation_margin_permyriad), .name = "margin", .type = TYPE_SHARE,
	  RANGE(0, PERMYRIAD), .fallback = "5%", .example = "2%",
	  .meaning = "The share of ticks with a missed objective that a change may add." },
	{ HOST(gate_timeout_ns), .name = "gateTimeout", .type = TYPE_DURATION,
	  RANGE(NSEC_PER_SEC, HOUR), .fallback = "30s", .example = "2min",
	  .meaning = "How long each executable in gates.d may take; one that takes longer has no "
		     "opinion, and somebody must decide." },
	{ 0 },
};

static const struct key access_keys[] = {
	{ PEOPLE(viewers), .name = "viewers", .type = TYPE_TEXTS, .form = &user_form,
	  .example = "['@monitoring']",
	  .meaning = "Who may look, beside root and the group modelgov: users, and groups as "
		     "`@group`." },
	{ PEOPLE(operators), .name = "operators", .type = TYPE_TEXTS, .form = &user_form,
	  .example = "[deploy, '@operators']",
	  .meaning = "Who may propose, apply and take back changes, beside root." },
	{ PEOPLE(approvers), .name = "approvers", .type = TYPE_TEXTS, .form = &user_form,
	  .example = "['@leads']",
	  .meaning = "Who may approve changes of others, beside root. Owners of a model may approve "
		     "what changes nothing but their models." },
	{ 0 },
};

static const struct key experiments_keys[] = {
	{ HOST(experiment_cpu_permyriad), .name = "cpu", .type = TYPE_SHARE,
	  RANGE(1, PERMYRIAD), .fallback = "20%", .example = "10%",
	  .meaning = "Share of the host's CPUs that all experiments together may use.",
	  .kernel = "cpu.max of the experiments' slice", .since = "4.15" },
	{ HOST(experiment_memory_bytes), .name = "memory", .type = TYPE_SIZE,
	  .allows_none = true, RANGE(16 * MIB, 1024 * TIB), .fallback = "none", .example = "8GiB",
	  .meaning = "Memory that all experiments together may use.",
	  .kernel = "memory.max of the experiments' slice", .since = "4.5" },
	{ 0 },
};

static const struct key limits_keys[] = {
	{ HOST(retry_amplification), .name = "retryAmplification", .type = TYPE_COUNT,
	  RANGE(1, 1000), .fallback = "8", .example = "4",
	  .meaning = "The most calls that one call may become on its way along a chain of models, "
		     "when everybody retries as often as they may." },
	{ .manifest = MANIFEST_HOST, .name = "experiments", .type = TYPE_GROUP,
	  .keys = experiments_keys,
	  .meaning = "What models with `stage: experiment` share." },
	{ 0 },
};

static const struct key host_keys[] = {
	HEADING_ROWS(MANIFEST_HOST),
	{ HOST(mode), .name = "mode", .type = TYPE_WORD, .words = mode_words,
	  .fallback = "observe", .example = "enforce",
	  .meaning = "`observe` measures, decides and records what it would do; `enforce` also "
		     "does it.",
	  .kernel = "`observe` writes nothing" },
	{ HOST(tick_ns), .name = "tick", .type = TYPE_DURATION,
	  RANGE(100 * NSEC_PER_MSEC, 10 * NSEC_PER_SEC), .fallback = "1s", .example = "1s",
	  .meaning = "Time from one observation and decision to the next." },
	{ .manifest = MANIFEST_HOST, .name = "journal", .type = TYPE_GROUP, .keys = journal_keys,
	  .meaning = "How much of the past is kept." },
	{ .manifest = MANIFEST_HOST, .name = "changes", .type = TYPE_GROUP, .keys = changes_keys,
	  .meaning = "The way of a new policy into force. The rules in force judge the change that "
		     "would replace them." },
	{ .manifest = MANIFEST_HOST, .name = "access", .type = TYPE_GROUP, .keys = access_keys,
	  .meaning = "Who may do what. root may do everything." },
	{ .manifest = MANIFEST_HOST, .name = "limits", .type = TYPE_GROUP, .keys = limits_keys,
	  .meaning = "What no set of manifests may pass." },
	{ 0 },
};

/* ---- who ---- */

static const struct key metadata_keys[] = {
	{ ONE_MODEL(name), .name = "name", .type = TYPE_TEXT, .is_required = true,
	  .example = "ocr",
	  .meaning = "The model's name: that of the file without `.yaml`; lower-case letters, "
		     "digits, `-`, `_` and `.`, at most 63." },
	{ ONE_MODEL(template), .name = "template", .type = TYPE_TEXT, .is_heading = true,
	  .form = &name_form, .example = "latency-critical",
	  .meaning = "The template whose values hold where this manifest says nothing: its file's "
		     "name in templates.d without `.yaml`." },
	{ MODEL(version), .name = "version", .type = TYPE_TEXT, .example = "5.3.0",
	  .meaning = "Version of the model; recorded with every decision." },
	{ MODEL(owner), .name = "owner", .type = TYPE_TEXT, .example = "vision@example.org",
	  .meaning = "Whom to ask about it." },
	{ ANYWHERE, NAMES(struct model, owners), .name = "owners", .type = TYPE_TEXTS,
	  .form = &user_form, .example = "[vera, '@vision']",
	  .meaning = "Users and `@groups` of this host who may approve what changes this model." },
	{ ANYWHERE, NAMES(struct model, contacts), .name = "contacts", .type = TYPE_TEXTS,
	  .form = &note_form, .example = "[vision-oncall@example.org]",
	  .meaning = "Mail addresses, channels, pagers: whom people call when it is broken." },
	{ MODEL(description), .name = "description", .type = TYPE_TEXT, .max = 1000,
	  .example = "reads scanned letters",
	  .meaning = "What it is for, in a sentence or two." },
	{ ANYWHERE, ITEMS(struct model, labels, n_labels, MAX_LABELS, true), .name = "labels",
	  .type = TYPE_LABELS, .example = "{ team: vision }",
	  .meaning = "Up to 16 keys of your own, each with text; recorded, never judged." },
	{ 0 },
};

/* ---- where ---- */

static const struct key match_keys[] = {
	{ .manifest = MANIFEST_MODEL, ITEMS(struct model, units, n_units, MAX_MATCHES, true),
	  .name = "units", .type = TYPE_TEXTS, .form = &unit_form, .example = "[ocr.service]",
	  .meaning = "systemd units by their exact name (`.service`, `.scope`, `.slice`), at "
		     "most 16. A unit belongs to one model only." },
	{ .manifest = MANIFEST_MODEL, ITEMS(struct model, cgroups, n_cgroups, MAX_MATCHES, true),
	  .name = "cgroups", .type = TYPE_TEXTS, .form = &cgroup_form,
	  .example = "[/models.slice/ocr-*]",
	  .meaning = "Shell patterns for cgroups, below the cgroup2 mount, at most 16. "
		     "Everything under a matching cgroup belongs to the model." },
	{ .manifest = MANIFEST_MODEL, NAMES(struct model, containers), .name = "containers",
	  .type = TYPE_TEXTS, .form = &container_form, .example = "[ocr, app=ocr]",
	  .meaning = "Containers of Podman or containerd by name, or by `label=value`, at most 16." },
	{ 0 },
};

/* ---- what is promised to callers ---- */

static const struct key port_keys[] = {
	{ PORT(name), .name = "name", .type = TYPE_TEXT, .is_required = true, .example = "image",
	  .meaning = "What it is called in the interface." },
	{ PORT(type), .name = "type", .type = TYPE_TEXT, .is_required = true, .form = &media_form,
	  .example = "image/png",
	  .meaning = "Media type, or `tensor/` and the element's type: `tensor/float32`." },
	{ PORT(shape), .name = "shape", .type = TYPE_SHAPE, .example = "[1, 3, 224, 224]",
	  .meaning = "Sizes of a tensor, at most 16; `any` where the size is the caller's choice." },
	{ 0 },
};

static const struct key latency_keys[] = {
	{ MODEL(contract.expected_ns), .name = "expected", .type = TYPE_DURATION, CALL_TIMES,
	  .example = "40ms", .meaning = "What a call usually takes." },
	{ MODEL(contract.timeout_ns), .name = "timeout", .type = TYPE_DURATION, CALL_TIMES,
	  .example = "250ms", .meaning = "When a caller gives up." },
	{ 0 },
};

static const struct key retries_keys[] = {
	{ MODEL(contract.retries_max), .name = "max", .type = TYPE_COUNT, RANGE(0, 100),
	  .example = "2",
	  .meaning = "How often a caller may call again: one call becomes at most 1 + `max`." },
	{ MODEL(contract.backoff_ns), .name = "backoff", .type = TYPE_DURATION, CALL_TIMES,
	  .example = "50ms", .meaning = "Wait before the first retry; doubles with each." },
	{ MODEL(contract.max_backoff_ns), .name = "maxBackoff", .type = TYPE_DURATION, CALL_TIMES,
	  .example = "1s", .meaning = "The longest wait before a retry." },
	{ MODEL(contract.retry_budget_permyriad), .name = "budget", .type = TYPE_SHARE,
	  RANGE(0, PERMYRIAD), .example = "10%",
	  .meaning = "The most that retries may be of all calls." },
	{ 0 },
};

static const struct key failure_keys[] = {
	{ FAILURE(when), .name = "when", .type = TYPE_TEXT, .is_required = true,
	  .example = "overload", .meaning = "What went wrong." },
	{ FAILURE(answer), .name = "answer", .type = TYPE_TEXT, .is_required = true,
	  .example = "503 with Retry-After", .meaning = "What the caller gets then." },
	{ 0 },
};

static const struct key degraded_keys[] = {
	{ MODEL(contract.degraded), .name = "signal", .type = TYPE_WORD, .words = degraded_words,
	  .fallback = "none", .example = "file",
	  .meaning = "How the model is told to do with less: by a `file` that appears, by a process "
		     "`signal`, or not at all. Declared; this version tells nobody." },
	{ MODEL(contract.degraded_max_delay_ns), .name = "maxDelay", .type = TYPE_DURATION,
	  CALL_TIMES, .example = "100ms",
	  .meaning = "How long it takes at most until it does with less." },
	{ 0 },
};

static const struct key dependency_keys[] = {
	{ DEPENDENCY(model), .name = "model", .type = TYPE_TEXT, .is_required = true,
	  .form = &name_form, .example = "tokenizer",
	  .meaning = "Name of the model that this one calls." },
	{ DEPENDENCY(timeout_ns), .name = "timeout", .type = TYPE_DURATION, CALL_TIMES,
	  .example = "20ms",
	  .meaning = "When this model gives up on one call to it; the other's "
		     "`contract.latency.timeout` when not said." },
	{ 0 },
};

#define CONTRACT_LIST(field, count)                                                                \
	ANYWHERE, ITEMS(struct model, contract.field, contract.count, MAX_ITEMS, false),           \
	.type = TYPE_GROUPS

static const struct key contract_keys[] = {
	{ CONTRACT_LIST(inputs, n_inputs), .name = "inputs", .keys = port_keys,
	  .meaning = "What goes in, at most 16." },
	{ CONTRACT_LIST(outputs, n_outputs), .name = "outputs", .keys = port_keys,
	  .meaning = "What comes out, at most 16." },
	{ ANYWHERE, .name = "latency", .type = TYPE_GROUP, .keys = latency_keys,
	  .meaning = "How long a call takes." },
	{ ANYWHERE, .name = "retries", .type = TYPE_GROUP, .keys = retries_keys,
	  .meaning = "What callers may do when a call fails." },
	{ MODEL(contract.is_idempotent), .name = "idempotent", .type = TYPE_BOOL,
	  .words = bool_words, .fallback = "false", .example = "true",
	  .meaning = "Whether the same call twice does no harm." },
	{ MODEL(contract.ordering), .name = "ordering", .type = TYPE_WORD, .words = ordering_words,
	  .fallback = "none", .example = "per-client",
	  .meaning = "In which order calls are answered: `none`, `per-client` as they came from each "
		     "client, `total` as they came." },
	{ CONTRACT_LIST(failure_modes, n_failure_modes), .name = "failureModes",
	  .keys = failure_keys, .meaning = "What can go wrong and how it looks, at most 16." },
	{ ANYWHERE, .name = "degraded", .type = TYPE_GROUP, .keys = degraded_keys,
	  .meaning = "How it does with less when the host is short." },
	{ CONTRACT_LIST(depends_on, n_depends_on), .name = "dependsOn", .keys = dependency_keys,
	  .meaning = "Models that this one calls, at most 16." },
	{ 0 },
};

/* ---- what is measured ---- */

static const struct key objective_keys[] = {
	{ OBJECTIVE(indicator), .name = "indicator", .type = TYPE_WORD, .is_required = true,
	  .words = indicator_words, .example = "runqueue_wait",
	  .meaning = "What is measured: the time a runnable thread waits for a CPU, the share "
		     "of time in which a thread waits for memory, or the time a request takes (not "
		     "measured by this version: such an objective changes nothing yet).",
	  .kernel = "reads tracepoint sched_switch; memory.pressure", .since = "5.5; 4.20" },
	{ OBJECTIVE(quantile_permyriad), .name = "quantile", .type = TYPE_WORD,
	  .words = quantile_words, .example = "p99",
	  .meaning = "The part of the waits or requests that must stay within the budget. Required "
		     "for `runqueue_wait` and `request_latency`, not allowed for shares." },
	{ OBJECTIVE(budget), .name = "budget", .type = TYPE_BUDGET, .is_required = true,
	  .example = "5ms",
	  .meaning = "The most that is acceptable: a duration for `runqueue_wait` and "
		     "`request_latency`, a share for `memory_stall`." },
	{ OBJECTIVE(window_ns), .name = "window", .type = TYPE_DURATION,
	  RANGE(NSEC_PER_SEC, 600 * NSEC_PER_SEC), .fallback = "10s", .example = "30s",
	  .meaning = "The time over which it is judged; at least one tick." },
	{ 0 },
};

/* ---- what it gets ---- */

static const struct key cpu_keys[] = {
	{ MODEL(cpu_reserved_millicpu), .name = "reserved",
	  .type = TYPE_CPUS, RANGE(0, 1000000), .fallback = "0cpu", .example = "1.5cpu",
	  .meaning = "What it needs to keep its promise. All reservations together may take 90 % "
		     "of the host, so that there is something left to correct with.",
	  .kernel = "cpu.weight; unused time goes to the others", .since = "4.15" },
	/* 0.01cpu: the kernel refuses quotas under 1 ms a period (cgroup-v2.rst, cpu.max) */
	{ MODEL(values[KNOB_CPU_MAX]), .name = "max",
	  .type = TYPE_CPUS, .allows_none = true, RANGE(10, 1000000),
	  .scale = CPU_PERIOD_USEC / 1000, .example = "1.5cpu",
	  .meaning = "The most it may use, also when the host is idle. Threads over it are "
		     "stopped until the next period: a cap for others' sake, not a way to be "
		     "fast.",
	  .kernel = "cpu.max, in periods of 100 ms", .since = "4.15" },
	{ MODEL(cpu_floor_permyriad), .name = "floor",
	  .type = TYPE_SHARE, RANGE(1, 9000), .fallback = "1%", .example = "2%",
	  .meaning = "Share of the host it gets when everybody wants everything, whatever the "
		     "other manifests say. Unset floors shrink alike when they would add up to "
		     "more than is left.",
	  .kernel = "cpu.weight of this model and of the others", .since = "4.15" },
	{ 0 },
};

static const struct key memory_keys[] = {
	{ MODEL(values[KNOB_MEMORY_MIN]), .name = "min",
	  .type = TYPE_SIZE, RANGE(0, 1024 * TIB), .example = "256MiB",
	  .meaning = "Never taken away, even if the host must kill for it.",
	  .kernel = "memory.min", .since = "4.18" },
	{ MODEL(values[KNOB_MEMORY_LOW]), .name = "low",
	  .type = TYPE_SIZE, RANGE(0, 1024 * TIB), .example = "512MiB",
	  .meaning = "Taken away only when nobody else has any above theirs.",
	  .kernel = "memory.low", .since = "4.5" },
	{ MODEL(values[KNOB_MEMORY_HIGH]), .name = "high",
	  .type = TYPE_SIZE, .allows_none = true, RANGE(MIB, 1024 * TIB), .example = "1536MiB",
	  .meaning = "Above it the model is slowed down and must give memory back.",
	  .kernel = "memory.high", .since = "4.5" },
	{ MODEL(values[KNOB_MEMORY_MAX]), .name = "max",
	  .type = TYPE_SIZE, .allows_none = true, RANGE(MIB, 1024 * TIB), .example = "2GiB",
	  .meaning = "Above it the kernel kills in the model.",
	  .kernel = "memory.max", .since = "4.5" },
	{ 0 },
};

static const struct key io_keys[] = {
	{ MODEL(values[KNOB_IO_WEIGHT]), .name = "weight",
	  .type = TYPE_COUNT, RANGE(1, 10000), .example = "200",
	  .meaning = "Share of a busy disk beside the others, who have 100.",
	  .kernel = "io.weight; has an effect only where io.cost is on", .since = "5.4" },
	{ 0 },
};

static const struct key tasks_keys[] = {
	/* 4194304: PID_MAX_LIMIT of 64-bit kernels */
	{ MODEL(values[KNOB_PIDS_MAX]), .name = "max",
	  .type = TYPE_COUNT, .allows_none = true, RANGE(1, 4194304), .example = "512",
	  .meaning = "The most threads it may have at a time.",
	  .kernel = "pids.max", .since = "4.5" },
	{ 0 },
};

static const struct key cpuset_keys[] = {
	{ MODEL(cpuset), .name = "cpus", .type = TYPE_CPUSET, .example = "0-3,8",
	  .meaning = "The CPUs it may run on, by number. Declared and checked; this version sets no "
		     "cpuset." },
	{ MODEL(is_dedicated), .name = "dedicated", .type = TYPE_BOOL, .words = bool_words,
	  .fallback = "false", .example = "true",
	  .meaning = "Whether no other model may name these CPUs." },
	{ 0 },
};

static const struct key concurrency_keys[] = {
	{ MODEL(concurrency_max), .name = "max", .type = TYPE_COUNT, RANGE(1, 1000000),
	  .example = "32",
	  .meaning = "Requests that it works on at a time. Declared; this version admits nobody "
		     "and refuses nobody." },
	{ MODEL(concurrency_queue), .name = "queue", .type = TYPE_COUNT, RANGE(0, 1000000),
	  .example = "64", .meaning = "Requests that may wait besides." },
	{ 0 },
};

static const struct key resources_keys[] = {
	{ MODEL(class), .name = "class", .type = TYPE_WORD,
	  .is_required = true, .words = class_words, .example = "standard",
	  .meaning = "Urgency: `critical` keeps its budget while others use what it leaves; "
		     "`standard` pays after batch; `batch` pays first; `experiment` never takes "
		     "from the others.",
	  .kernel = "cpu.weight", .since = "4.15" },
	{ MODEL(priority), .name = "priority", .type = TYPE_INTEGER,
	  RANGE(-10, 10), .fallback = "0", .example = "5",
	  .meaning = "Order inside the class; higher is more urgent.",
	  .kernel = "cpu.weight", .since = "4.15" },
	{ ANYWHERE, .name = "cpu", .type = TYPE_GROUP, .keys = cpu_keys, .meaning = "CPU time." },
	{ ANYWHERE, .name = "memory", .type = TYPE_GROUP, .keys = memory_keys,
	  .meaning = "Memory, in the order `min`, `low`, `high`, `max`. Keys that are not given "
		     "are never touched." },
	{ ANYWHERE, .name = "io", .type = TYPE_GROUP, .keys = io_keys, .meaning = "Disks." },
	{ ANYWHERE, .name = "tasks", .type = TYPE_GROUP, .keys = tasks_keys,
	  .meaning = "Processes and threads." },
	{ ANYWHERE, .name = "cpuset", .type = TYPE_GROUP, .keys = cpuset_keys,
	  .meaning = "Which CPUs." },
	{ ANYWHERE, .name = "concurrency", .type = TYPE_GROUP, .keys = concurrency_keys,
	  .meaning = "Requests at a time." },
	{ ANYWHERE, NAMES(struct model, cache), .name = "cache", .type = TYPE_TEXTS,
	  .form = &file_form, .example = "[/srv/models/ocr/*.traineddata]",
	  .meaning = "Shell patterns of files whose pages are worth keeping in memory: weights. "
		     "Declared; this version keeps nothing warm." },
	{ 0 },
};

/* ---- what may be taken ---- */

static const struct key preemption_keys[] = {
	{ MODEL(preemption.may), .name = "may", .type = TYPE_WORDS, .words = class_words,
	  .example = "[batch, experiment]",
	  .meaning = "Classes that this model may take from, beyond what weights do. Declared and "
		     "checked; beyond weights this version caps." },
	{ MODEL(preemption.by), .name = "by", .type = TYPE_WORDS, .words = class_words,
	  .example = "[critical]",
	  .meaning = "Classes that may take from this model, beyond what weights do." },
	{ MODEL(preemption.how), .name = "how", .type = TYPE_WORDS, .words = way_words,
	  .fallback = "[weight]", .example = "[weight, cap, freeze]",
	  .meaning = "What it bears, mildest first: less `weight`, a `cap`, `idle` scheduling, a "
		     "`freeze`, `reclaim` of memory, `kill`." },
	{ MODEL(preemption.max_pause_ns), .name = "maxPause", .type = TYPE_DURATION,
	  RANGE(NSEC_PER_MSEC, 60 * NSEC_PER_SEC), .example = "500ms",
	  .meaning = "The longest that it may be frozen at a time." },
	{ MODEL(preemption.min_run_ns), .name = "minRun", .type = TYPE_DURATION,
	  RANGE(NSEC_PER_MSEC, HOUR), .example = "2s",
	  .meaning = "How long it must run between two freezes." },
	{ 0 },
};

/* ---- how it is shown to be right ---- */

static const struct key check_limits_keys[] = {
	{ CHECK(p99_ns), .name = "p99", .type = TYPE_DURATION, CALL_TIMES, .example = "80ms",
	  .meaning = "99 of 100 runs end within it." },
	{ CHECK(throughput_per_s), .name = "throughput", .type = TYPE_COUNT, RANGE(1, 1000000000),
	  .example = "20", .meaning = "The least number of runs a second." },
	{ CHECK(cpu_millicpu), .name = "cpu", .type = TYPE_CPUS, RANGE(1, 1000000),
	  .example = "1.5cpu", .meaning = "The most CPU the model uses meanwhile." },
	{ CHECK(memory_bytes), .name = "memory", .type = TYPE_SIZE, RANGE(MIB, 1024 * TIB),
	  .example = "1GiB", .meaning = "The most memory the model uses meanwhile." },
	{ 0 },
};

static const struct key check_keys[] = {
	{ CHECK(name), .name = "name", .type = TYPE_TEXT, .is_required = true, .form = &name_form,
	  .example = "smoke", .meaning = "What it is called in reports." },
	{ ANYWHERE, NAMES(struct model_check, command), .name = "command", .type = TYPE_TEXTS,
	  .is_required = true, .form = &argument_form,
	  .example = "[/usr/lib/ocr/smoke, --once]",
	  .meaning = "The program, by its whole path, and its arguments; no shell reads it. Exit "
		     "status 0 says that the model did right." },
	{ CHECK(samples), .name = "samples", .type = TYPE_COUNT, RANGE(1, 100000),
	  .fallback = "30", .example = "100", .meaning = "How often it is run." },
	{ CHECK(timeout_ns), .name = "timeout", .type = TYPE_DURATION,
	  RANGE(NSEC_PER_MSEC, HOUR), .fallback = "10s", .example = "30s",
	  .meaning = "How long one run may take." },
	{ ANYWHERE, .name = "limits", .type = TYPE_GROUP, .keys = check_limits_keys,
	  .meaning = "What it must stay within." },
	{ 0 },
};

/* ---- models.d, templates.d ---- */

static const struct key model_keys[] = {
	HEADING_ROWS(MANIFEST_MODEL | MANIFEST_TEMPLATE),
	{ ANYWHERE, .name = "metadata", .type = TYPE_GROUP, .keys = metadata_keys,
	  .is_required = true, .example = "{ name: ocr }",
	  .meaning = "Who the model is." },
	{ .manifest = MANIFEST_MODEL, .name = "match", .type = TYPE_GROUP, .keys = match_keys,
	  .meaning = "Where its processes are. Without it only `modelgov run` and `modelgov "
		     "attach` give the model processes." },
	{ ANYWHERE, .name = "contract", .type = TYPE_GROUP, .keys = contract_keys,
	  .meaning = "What callers may expect and must bear: all of it is about calls to this "
		     "model." },
	{ ANYWHERE, ITEMS(struct model, objectives, n_objectives, MAX_OBJECTIVES, true),
	  .name = "objectives", .type = TYPE_GROUPS, .keys = objective_keys,
	  .meaning = "What is promised, at most 4. A model without objectives is never given "
		     "more than its class says." },
	{ ANYWHERE, .name = "resources", .type = TYPE_GROUP, .keys = resources_keys,
	  .is_required = true, .example = "{ class: standard }",
	  .meaning = "What it needs and what it may take." },
	{ ANYWHERE, .name = "preemption", .type = TYPE_GROUP, .keys = preemption_keys,
	  .meaning = "What may be taken from whom, and how." },
	{ MODEL(stage), .name = "stage", .type = TYPE_WORD, .words = stage_words,
	  .fallback = "production", .example = "experiment",
	  .meaning = "`experiment` confines the model to what experiments share "
		     "(`limits.experiments`) and keeps it from taking anything from production." },
	{ ANYWHERE, ITEMS(struct model, checks, n_checks, MAX_ITEMS, false), .name = "checks",
	  .type = TYPE_GROUPS, .keys = check_keys,
	  .meaning = "Commands that show whether it still does what it did, at most 16; `modelgov "
		     "verify` runs them." },
	{ MODEL(rollback), .name = "rollback", .type = TYPE_TEXT, .max = 2000,
	  .example = "systemctl start ocr@5.2.service",
	  .meaning = "What people do to go back, beside `modelgov rollback`." },
	{ 0 },
};
/* clang-format on */

const struct key *key_rows(enum manifest_kind manifest)
{
	return manifest == MANIFEST_HOST ? host_keys : model_keys;
}

#define BUDGET OBJECTIVE(budget), .name = "budget", .is_required = true

const struct key budget_table[N_INDICATORS] = {
	/* 10us: under the sampler's own resolution of a few us nothing can be promised */
	[INDICATOR_RUNQUEUE_WAIT] = { BUDGET, .type = TYPE_DURATION,
				      RANGE(10 * NSEC_PER_USEC, 60 * NSEC_PER_SEC),
				      .example = "5ms" },
	[INDICATOR_MEMORY_STALL] = { BUDGET, .type = TYPE_SHARE, RANGE(1, PERMYRIAD),
				     .example = "2%" },
	[INDICATOR_REQUEST_LATENCY] = { BUDGET, .type = TYPE_DURATION, CALL_TIMES,
					.example = "80ms" },
};

bool indicator_has_quantile(enum indicator i)
{
	return i == INDICATOR_RUNQUEUE_WAIT || i == INDICATOR_REQUEST_LATENCY;
}

/* ---- looking up ---------------------------------------------------------------------------- */

const struct key *key_next(const struct key *rows, enum manifest_kind manifest,
			   const struct key *last)
{
	for (const struct key *k = last ? last + 1 : rows; k->name; k++)
		if (k->manifest & manifest)
			return k;
	return NULL;
}

const struct key *key_find(const struct key *rows, enum manifest_kind manifest, const char *name)
{
	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const struct key *key_nearest(const struct key *rows, enum manifest_kind manifest, const char *name)
{
	/* chosen: a third of the letters may be wrong, or one; beyond that a guess misleads */
	unsigned int nearest = MAX((unsigned int)strnlen(name, 64) / 3, 1u) + 1;
	const struct key *found = NULL;

	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));) {
		unsigned int distance = text_distance(name, k->name);

		/* in a word as short as "gpu" one letter is too much when it is the first */
		if (strlen(name) <= 3 && *name != *k->name)
			continue;
		if (distance < nearest) {
			nearest = distance;
			found = k;
		}
	}
	return found;
}

/* ---- the whole tree ------------------------------------------------------------------------ */

static void rows_walk(const struct key *rows, const char *group, enum manifest_kind manifest,
		      void (*visit)(const struct key *k, const char *path, void *context),
		      void *context)
{
	char path[64], below[64];

	for (const struct key *k = NULL; (k = key_next(rows, manifest, k));) {
		snprintf(path, sizeof(path), "%s%s%s", group, *group ? "." : "", k->name);
		visit(k, path, context);
		if (!k->keys)
			continue;
		snprintf(below, sizeof(below), "%.60s%s", path, k->type == TYPE_GROUPS ? "[]" : "");
		rows_walk(k->keys, below, manifest, visit, context);
	}
}

void keys_walk(enum manifest_kind manifest,
	       void (*visit)(const struct key *k, const char *path, void *context), void *context)
{
	rows_walk(key_rows(manifest), "", manifest, visit, context);
}

struct elsewhere {
	const char *name;
	char *buf;
	size_t size;
	bool is_found;
};

static void elsewhere_visit(const struct key *k, const char *path, void *context)
{
	struct elsewhere *e = context;
	size_t length = strlen(path) - strlen(k->name);

	if (e->is_found || strcmp(k->name, e->name) != 0)
		return;
	e->is_found = true;
	snprintf(e->buf, e->size, "%.*s", (int)(length ? length - 1 : 0), path);
}

const char *key_elsewhere(enum manifest_kind manifest, const char *name, char *buf, size_t size)
{
	struct elsewhere e = { .name = name, .buf = buf, .size = size };

	keys_walk(manifest, elsewhere_visit, &e);
	return e.is_found ? buf : NULL;
}
