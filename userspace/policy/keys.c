/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the key table, and look-ups in it. To add a key: one row here, one field in policy.h,
 * and the field in canonical.c.
 */
#include "keys.h"

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

const struct type_info type_table[N_TYPES] = {
	[TYPE_GROUP] = { "group", "a group of keys" },
	[TYPE_GROUPS] = { "list of groups", "a list of groups of keys" },
	[TYPE_TEXT] = { "text", "text" },
	[TYPE_WORD] = { "word", "one word" },
	[TYPE_DURATION] = { "duration", "a duration", "ns, us, ms, s, min, h, d", duration_parse,
			    duration_format },
	[TYPE_SIZE] = { "size", "a size", "B, KiB, MiB, GiB, TiB", size_parse, size_format },
	[TYPE_CPUS] = { "cpus", "an amount of CPU", NULL, cpus_parse, cpus_format },
	[TYPE_SHARE] = { "share", "a share", NULL, share_parse, share_format },
	[TYPE_COUNT] = { "count", "a whole number", NULL, number_parse, count_format },
	[TYPE_INTEGER] = { "integer", "a whole number", NULL, integer_parse, integer_format },
	[TYPE_BUDGET] = { "duration or share", "a budget" },
	[TYPE_UNITS] = { "list of units", "a list of systemd units" },
	[TYPE_CGROUPS] = { "list of patterns", "a list of cgroup patterns" },
	[TYPE_LABELS] = { "labels", "a group of labels" },
};

/* ---- words --------------------------------------------------------------------------------- */

static const struct word api_words[] = { { API_VERSION, 0 }, { NULL, 0 } };
static const struct word kind_words[] = { { "Host", MANIFEST_HOST },
					  { "Model", MANIFEST_MODEL },
					  { NULL, 0 } };
static const struct word mode_words[] = { { "observe", MODE_OBSERVE },
					  { "enforce", MODE_ENFORCE },
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

/* ---- rows ---------------------------------------------------------------------------------- */

#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)
#define HOST(field)        .manifest = MANIFEST_HOST, FIELD(struct host_policy, field)
#define MODEL(field)       .manifest = MANIFEST_MODEL, FIELD(struct model, field)
#define OBJECTIVE(field)                                                                           \
	.manifest = MANIFEST_MODEL, .group = "objectives[]", FIELD(struct objective, field)
#define RANGE(low, high) .min = (uint64_t)(low), .max = (uint64_t)(high)
#define MIB              (1ULL << 20)
#define TIB              (1ULL << 40)
#define HOUR             (3600 * NSEC_PER_SEC)

/* In the order of the reference page: a group's row comes before the rows in it. */
/* clang-format off */
const struct key key_table[] = {
	{ .manifest = MANIFEST_ANY, .group = "", .name = "apiVersion", .type = TYPE_WORD,
	  .is_required = true, .words = api_words, .example = API_VERSION,
	  .meaning = "Version of this format." },
	{ .manifest = MANIFEST_ANY, .group = "", .name = "kind", .type = TYPE_WORD,
	  .is_required = true, .words = kind_words, .example = "Model",
	  .meaning = "`Host` in modelgov.yaml, `Model` in models.d." },

	/* modelgov.yaml */
	{ HOST(mode), .group = "", .name = "mode", .type = TYPE_WORD, .words = mode_words,
	  .fallback = "observe", .example = "enforce",
	  .meaning = "`observe` measures, decides and records what it would do; `enforce` also "
		     "does it.",
	  .kernel = "`observe` writes nothing" },
	{ HOST(tick_ns), .group = "", .name = "tick", .type = TYPE_DURATION,
	  RANGE(100 * NSEC_PER_MSEC, 10 * NSEC_PER_SEC), .fallback = "1s", .example = "1s",
	  .meaning = "Time from one observation and decision to the next." },
	{ .manifest = MANIFEST_HOST, .group = "", .name = "journal", .type = TYPE_GROUP,
	  .meaning = "How much of the past is kept." },
	{ HOST(retention_ns), .group = "journal", .name = "retention", .type = TYPE_DURATION,
	  RANGE(HOUR, HOUR * 24 * 3650), .fallback = "7d", .example = "30d",
	  .meaning = "Age at which records are removed." },
	{ HOST(journal_limit_bytes), .group = "journal", .name = "limit", .type = TYPE_SIZE,
	  RANGE(16 * MIB, TIB), .fallback = "1GiB", .example = "4GiB",
	  .meaning = "Size of the journal at which the oldest records are removed." },

	/* models.d: who */
	{ .manifest = MANIFEST_MODEL, .group = "", .name = "metadata", .type = TYPE_GROUP,
	  .is_required = true, .example = "{ name: ocr }",
	  .meaning = "Who the model is." },
	{ MODEL(name), .group = "metadata", .name = "name", .type = TYPE_TEXT,
	  .is_required = true, .example = "ocr",
	  .meaning = "The model's name: that of the file without `.yaml`; lower-case letters, "
		     "digits, `-`, `_` and `.`, at most 63." },
	{ MODEL(version), .group = "metadata", .name = "version", .type = TYPE_TEXT,
	  .example = "5.3.0",
	  .meaning = "Version of the model; recorded with every decision." },
	{ MODEL(owner), .group = "metadata", .name = "owner", .type = TYPE_TEXT,
	  .example = "vision@example.org",
	  .meaning = "Whom to ask about it." },
	{ .manifest = MANIFEST_MODEL, .group = "metadata", .name = "labels", .type = TYPE_LABELS,
	  .example = "{ team: vision }",
	  .meaning = "Up to 16 keys of your own, each with text; recorded, never judged." },

	/* models.d: where */
	{ .manifest = MANIFEST_MODEL, .group = "", .name = "match", .type = TYPE_GROUP,
	  .meaning = "Where its processes are. Without it only `modelgov run` and `modelgov "
		     "attach` give the model processes." },
	{ MODEL(units), .group = "match", .name = "units", .type = TYPE_UNITS,
	  .example = "[ocr.service]",
	  .meaning = "systemd units by their exact name (`.service`, `.scope`, `.slice`), at "
		     "most 16. A unit belongs to one model only." },
	{ MODEL(cgroups), .group = "match", .name = "cgroups", .type = TYPE_CGROUPS,
	  .example = "[/models.slice/ocr-*]",
	  .meaning = "Shell patterns for cgroups, below the cgroup2 mount, at most 16. "
		     "Everything under a matching cgroup belongs to the model." },

	/* models.d: what is promised */
	{ .manifest = MANIFEST_MODEL, .group = "", .name = "objectives", .type = TYPE_GROUPS,
	  .meaning = "What is promised, at most 4. A model without objectives is never given "
		     "more than its class says." },
	{ OBJECTIVE(indicator), .name = "indicator", .type = TYPE_WORD, .is_required = true,
	  .words = indicator_words, .example = "runqueue_wait",
	  .meaning = "What is measured: the time a runnable thread waits for a CPU, or the share "
		     "of time in which a thread waits for memory.",
	  .kernel = "reads tracepoint sched_switch; memory.pressure", .since = "5.5; 4.20" },
	{ OBJECTIVE(quantile_permyriad), .name = "quantile", .type = TYPE_WORD,
	  .words = quantile_words, .example = "p99",
	  .meaning = "The part of the waits that must stay within the budget. Required for "
		     "`runqueue_wait`, not allowed for shares." },
	{ OBJECTIVE(budget), .name = "budget", .type = TYPE_BUDGET, .is_required = true,
	  .example = "5ms",
	  .meaning = "The most that is acceptable: a duration for `runqueue_wait`, a share for "
		     "`memory_stall`." },
	{ OBJECTIVE(window_ns), .name = "window", .type = TYPE_DURATION,
	  RANGE(NSEC_PER_SEC, 600 * NSEC_PER_SEC), .fallback = "10s", .example = "30s",
	  .meaning = "The time over which it is judged; at least one tick." },

	/* models.d: what it gets */
	{ .manifest = MANIFEST_MODEL, .group = "", .name = "resources", .type = TYPE_GROUP,
	  .is_required = true, .example = "{ class: standard }",
	  .meaning = "What it needs and what it may take." },
	{ MODEL(class), .group = "resources", .name = "class", .type = TYPE_WORD,
	  .is_required = true, .words = class_words, .example = "standard",
	  .meaning = "Urgency: `critical` keeps its budget while others use what it leaves; "
		     "`standard` pays after batch; `batch` pays first; `experiment` never takes "
		     "from the others.",
	  .kernel = "cpu.weight", .since = "4.15" },
	{ MODEL(priority), .group = "resources", .name = "priority", .type = TYPE_INTEGER,
	  RANGE(-10, 10), .fallback = "0", .example = "5",
	  .meaning = "Order inside the class; higher is more urgent.",
	  .kernel = "cpu.weight", .since = "4.15" },

	{ .manifest = MANIFEST_MODEL, .group = "resources", .name = "cpu", .type = TYPE_GROUP,
	  .meaning = "CPU time." },
	{ MODEL(cpu_reserved_millicpu), .group = "resources.cpu", .name = "reserved",
	  .type = TYPE_CPUS, RANGE(0, 1000000), .fallback = "0cpu", .example = "1.5cpu",
	  .meaning = "What it needs to keep its promise. All reservations together may take 90 % "
		     "of the host, so that there is something left to correct with.",
	  .kernel = "cpu.weight; unused time goes to the others", .since = "4.15" },
	/* 0.01cpu: the kernel refuses quotas under 1 ms a period (cgroup-v2.rst, cpu.max) */
	{ MODEL(values[KNOB_CPU_MAX]), .group = "resources.cpu", .name = "max",
	  .type = TYPE_CPUS, .allows_none = true, RANGE(10, 1000000),
	  .scale = CPU_PERIOD_USEC / 1000, .example = "1.5cpu",
	  .meaning = "The most it may use, also when the host is idle. Threads over it are "
		     "stopped until the next period: a cap for others' sake, not a way to be "
		     "fast.",
	  .kernel = "cpu.max, in periods of 100 ms", .since = "4.15" },
	{ MODEL(cpu_floor_permyriad), .group = "resources.cpu", .name = "floor",
	  .type = TYPE_SHARE, RANGE(1, 9000), .fallback = "1%", .example = "2%",
	  .meaning = "Share of the host it gets when everybody wants everything, whatever the "
		     "other manifests say. Unset floors shrink alike when they would add up to "
		     "more than is left.",
	  .kernel = "cpu.weight of this model and of the others", .since = "4.15" },

	{ .manifest = MANIFEST_MODEL, .group = "resources", .name = "memory", .type = TYPE_GROUP,
	  .meaning = "Memory, in the order `min`, `low`, `high`, `max`. Keys that are not given "
		     "are never touched." },
	{ MODEL(values[KNOB_MEMORY_MIN]), .group = "resources.memory", .name = "min",
	  .type = TYPE_SIZE, RANGE(0, 1024 * TIB), .example = "256MiB",
	  .meaning = "Never taken away, even if the host must kill for it.",
	  .kernel = "memory.min", .since = "4.18" },
	{ MODEL(values[KNOB_MEMORY_LOW]), .group = "resources.memory", .name = "low",
	  .type = TYPE_SIZE, RANGE(0, 1024 * TIB), .example = "512MiB",
	  .meaning = "Taken away only when nobody else has any above theirs.",
	  .kernel = "memory.low", .since = "4.5" },
	{ MODEL(values[KNOB_MEMORY_HIGH]), .group = "resources.memory", .name = "high",
	  .type = TYPE_SIZE, .allows_none = true, RANGE(MIB, 1024 * TIB), .example = "1536MiB",
	  .meaning = "Above it the model is slowed down and must give memory back.",
	  .kernel = "memory.high", .since = "4.5" },
	{ MODEL(values[KNOB_MEMORY_MAX]), .group = "resources.memory", .name = "max",
	  .type = TYPE_SIZE, .allows_none = true, RANGE(MIB, 1024 * TIB), .example = "2GiB",
	  .meaning = "Above it the kernel kills in the model.",
	  .kernel = "memory.max", .since = "4.5" },

	{ .manifest = MANIFEST_MODEL, .group = "resources", .name = "io", .type = TYPE_GROUP,
	  .meaning = "Disks." },
	{ MODEL(values[KNOB_IO_WEIGHT]), .group = "resources.io", .name = "weight",
	  .type = TYPE_COUNT, RANGE(1, 10000), .example = "200",
	  .meaning = "Share of a busy disk beside the others, who have 100.",
	  .kernel = "io.weight; has an effect only where io.cost is on", .since = "5.4" },

	{ .manifest = MANIFEST_MODEL, .group = "resources", .name = "tasks", .type = TYPE_GROUP,
	  .meaning = "Processes and threads." },
	/* 4194304: PID_MAX_LIMIT of 64-bit kernels */
	{ MODEL(values[KNOB_PIDS_MAX]), .group = "resources.tasks", .name = "max",
	  .type = TYPE_COUNT, .allows_none = true, RANGE(1, 4194304), .example = "512",
	  .meaning = "The most threads it may have at a time.",
	  .kernel = "pids.max", .since = "4.5" },
};
/* clang-format on */

const unsigned int n_keys = ARRAY_SIZE(key_table);

#define BUDGET OBJECTIVE(budget), .name = "budget", .is_required = true

const struct key budget_table[N_INDICATORS] = {
	/* 10us: under the sampler's own resolution of a few us nothing can be promised */
	[INDICATOR_RUNQUEUE_WAIT] = { BUDGET, .type = TYPE_DURATION,
				      RANGE(10 * NSEC_PER_USEC, 60 * NSEC_PER_SEC),
				      .example = "5ms" },
	[INDICATOR_MEMORY_STALL] = { BUDGET, .type = TYPE_SHARE, RANGE(1, PERMYRIAD),
				     .example = "2%" },
};

/* ---- looking up ---------------------------------------------------------------------------- */

const struct key *key_find(enum manifest_kind manifest, const char *group, const char *name)
{
	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];

		if ((k->manifest & manifest) && strcmp(k->group, group) == 0 &&
		    strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

char *key_path(const struct key *k, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", k->group, *k->group ? "." : "", k->name);
	return buf;
}

const struct key *key_nearest(enum manifest_kind manifest, const char *group, const char *name)
{
	/* chosen: a third of the letters may be wrong, or one; beyond that a guess misleads */
	unsigned int nearest = MAX((unsigned int)strnlen(name, 64) / 3, 1u) + 1;
	const struct key *found = NULL;

	for (unsigned int i = 0; i < n_keys; i++) {
		const struct key *k = &key_table[i];

		if (!(k->manifest & manifest) || strcmp(k->group, group) != 0)
			continue;
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

const struct key *key_elsewhere(enum manifest_kind manifest, const char *name)
{
	for (unsigned int i = 0; i < n_keys; i++)
		if ((key_table[i].manifest & manifest) && strcmp(key_table[i].name, name) == 0)
			return &key_table[i];
	return NULL;
}
