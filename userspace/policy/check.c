/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what cannot be together in one manifest, and sums over the host that are too much. Every
 * sum names its biggest part and says by how much it is too much.
 */
#include "checker.h"

#include "names.h"
#include "text.h"

#include <inttypes.h>

/* design: above it feedback has nothing left to give */
#define RESERVABLE_PERMILLE 900

/* guarantee.limit of decide's law, where more would be cut in silence; a test holds them together */
#define FLOORS_LIMIT_PERMYRIAD 9500

/* ---- names --------------------------------------------------------------------------------- */

void model_name_check(const struct tree *t, const char *name)
{
	const struct node *n = tree_find(t, "metadata.name");

	if (!n || n->kind != NODE_VALUE || n->is_empty || n->is_refused)
		return;
	if (!name_is_model(n->text))
		tree_error(
			t, n,
			"metadata.name: '%s' is not a name; write lower-case letters, digits, '-', "
			"'_', '.', at most 63, starting with a letter or digit",
			n->text);
	else if (strcmp(n->text, name) != 0)
		tree_error(t, n,
			   "metadata.name: '%s' is not the name of the file; write the name "
			   "without .yaml here, or call the file %s.yaml",
			   n->text, n->text);
}

/* ---- one manifest -------------------------------------------------------------------------- */

static const char *duration_text(const struct checker *c, uint64_t ns)
{
	char *buf = arena_alloc(c->scratch, 32);

	return buf ? duration_format(ns, buf, 32) : "?";
}

static void memory_order_check(const struct checker *c, uint32_t model)
{
	static const struct {
		enum knob knob;
		const char *name, *path;
	} steps[] = { { KNOB_MEMORY_MIN, "min", "resources.memory.min" },
		      { KNOB_MEMORY_LOW, "low", "resources.memory.low" },
		      { KNOB_MEMORY_HIGH, "high", "resources.memory.high" },
		      { KNOB_MEMORY_MAX, "max", "resources.memory.max" } };
	const struct model *m = &c->policy->models[model];
	size_t below = 0;
	bool has_below = false;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t value = m->values[steps[i].knob];
		char small[32], large[32];

		if (value == MISSING || value == VALUE_MAX) /* no limit is in nobody's way */
			continue;
		if (has_below && value < m->values[steps[below].knob])
			check_error(c, model, steps[i].path,
				    "%s is less than %s %s; memory must rise in the order min, "
				    "low, high, max",
				    size_format(value, small, sizeof(small)), steps[below].name,
				    size_format(m->values[steps[below].knob], large,
						sizeof(large)));
		below = i;
		has_below = true;
	}
}

static void cpu_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	uint64_t quota = m->values[KNOB_CPU_MAX];
	uint64_t max = quota / (CPU_PERIOD_USEC / 1000); /* millicpu */
	uint64_t floor = m->cpu_floor_permyriad * c->facts->cpus * 1000 / PERMYRIAD;
	char text[32], max_text[32];

	if (quota == MISSING || quota == VALUE_MAX)
		return;
	cpus_format(max, max_text, sizeof(max_text));
	if (m->cpu_reserved_millicpu > max)
		check_error(c, model, "resources.cpu.reserved",
			    "%s is more than resources.cpu.max %s; raise max or reserve less",
			    cpus_format(m->cpu_reserved_millicpu, text, sizeof(text)), max_text);
	if (floor > max && check_is_set(c, model, "resources.cpu.floor"))
		check_error(c, model, "resources.cpu.floor",
			    "on this host (%" PRIu64 " CPUs) it means %s, more than "
			    "resources.cpu.max %s; raise max or lower the floor",
			    c->facts->cpus, cpus_format(floor, text, sizeof(text)), max_text);
}

static bool is_same_promise(const struct objective *a, const struct objective *b)
{
	return a->indicator == b->indicator && a->window_ns == b->window_ns &&
	       a->quantile_permyriad == b->quantile_permyriad;
}

static void objectives_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	uint64_t tick = c->policy->host.tick_ns;

	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];
		char path[64];

		if (o->indicator >= N_INDICATORS) /* unknown, which is a finding already */
			continue;
		snprintf(path, sizeof(path), "objectives[%u].window", i);
		if (o->window_ns < tick)
			check_error(c, model, path,
				    "%s is shorter than the tick of %s in modelgov.yaml; write %s "
				    "or more",
				    duration_text(c, o->window_ns), duration_text(c, tick),
				    duration_text(c, tick));
		snprintf(path, sizeof(path), "objectives[%u].indicator", i);
		for (unsigned int j = 0; j < i; j++) {
			if (!is_same_promise(o, &m->objectives[j]))
				continue;
			check_error(c, model, path,
				    "promises the same as objectives[%u]; keep one, or give it "
				    "another quantile or window",
				    j);
			break;
		}
	}
}

static void contract_check(const struct checker *c, uint32_t model)
{
	const struct contract *contract = &c->policy->models[model].contract;
	uint64_t expected = contract->expected_ns, timeout = contract->timeout_ns;
	uint64_t pause = contract->backoff_ns, longest = contract->max_backoff_ns;

	if (expected != MISSING && timeout != MISSING && timeout < expected)
		check_error(c, model, "contract.latency.timeout",
			    "%s is shorter than contract.latency.expected %s, so most calls would "
			    "be given up; raise the timeout",
			    duration_text(c, timeout), duration_text(c, expected));
	if (pause != MISSING && longest != MISSING && longest < pause)
		check_error(c, model, "contract.retries.maxBackoff",
			    "%s is less than contract.retries.backoff %s, which it limits; raise "
			    "it, or lower backoff",
			    duration_text(c, longest), duration_text(c, pause));
}

/* The commands of `modelgov verify`. */
static void commands_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	char path[64];

	for (unsigned int i = 0; i < m->n_checks; i++) {
		snprintf(path, sizeof(path), "checks[%u].name", i);
		for (unsigned int j = 0; j < i; j++) {
			if (strcmp(m->checks[i].name, m->checks[j].name) != 0)
				continue;
			check_error(c, model, path,
				    "%s is there already as checks[%u]; write another name",
				    text_quote(c->scratch, m->checks[i].name), j);
			break;
		}
	}
}

static void urgency_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];

	if (m->class == CLASS_CRITICAL && m->n_objectives == 0 && m->stage == STAGE_PRODUCTION)
		check_warning(
			c, model, "resources.class",
			"critical without objectives: nothing says when it is too slow, so it "
			"is never given more than at the start");
}

/* ---- sums over the host -------------------------------------------------------------------- */

struct sum {
	uint64_t total, biggest;
	unsigned int at; /* model with the biggest part */
};

static void sum_add(struct sum *s, uint64_t part, unsigned int model)
{
	s->total = sum_of(s->total, part);
	if (part > s->biggest) {
		s->biggest = part;
		s->at = model;
	}
}

/* Millicpu to the hundredths that are printed, away from the limit so that the cure is enough. */
static uint64_t hundredths_up(uint64_t millicpu)
{
	return (millicpu + 9) / 10 * 10;
}

static void reservations_check(const struct checker *c)
{
	const struct policy *p = c->policy;
	uint64_t host = c->facts->cpus * 1000, limit = host * RESERVABLE_PERMILLE / 1000;
	struct sum sum = { 0 };
	char part[32], whole[32], most[32], over[32];
	bool is_reported = false;

	for (unsigned int i = 0; i < p->n_models; i++) {
		uint64_t reserved = p->models[i].cpu_reserved_millicpu;

		sum_add(&sum, reserved, i);
		if (reserved <= host)
			continue;
		is_reported = true;
		check_error(c, i, "resources.cpu.reserved",
			    "%s is more than this host has (%s); at most %s "
			    "can be reserved, 90 %% of it",
			    cpus_format(reserved, part, sizeof(part)),
			    cpus_format(host, whole, sizeof(whole)),
			    cpus_format(limit, most, sizeof(most)));
	}
	if (sum.total <= limit || is_reported)
		return;
	check_error(
		c, sum.at, "resources.cpu.reserved",
		"all reservations add up to %s, but at most %s can be "
		"reserved, 90 %% of this host's %s; this is the biggest with %s; reserve %s less, "
		"here or elsewhere",
		cpus_format(hundredths_up(sum.total), whole, sizeof(whole)),
		cpus_format(limit, most, sizeof(most)), cpus_format(host, (char[32]){ 0 }, 32),
		cpus_format(sum.biggest, part, sizeof(part)),
		cpus_format(hundredths_up(sum.total - limit), over, sizeof(over)));
}

static void memory_check(const struct checker *c)
{
	const struct policy *p = c->policy;
	const struct host_facts *facts = c->facts;
	struct sum sum = { 0 };
	char part[32], whole[32], host[32], over[32];

	for (unsigned int i = 0; i < p->n_models; i++)
		if (p->models[i].values[KNOB_MEMORY_MIN] != MISSING)
			sum_add(&sum, p->models[i].values[KNOB_MEMORY_MIN], i);
	if (sum.total <= facts->memory_bytes)
		return;
	check_error(c, sum.at, "resources.memory.min",
		    "all models together keep %s for themselves, but this host "
		    "has %s; this is the biggest with %s; keep at least %s less, here or elsewhere",
		    size_format(sum.total, whole, sizeof(whole)),
		    size_format(facts->memory_bytes, host, sizeof(host)),
		    size_format(sum.biggest, part, sizeof(part)),
		    size_format(sum.total - facts->memory_bytes + (1 << 20), over, sizeof(over)));
}

static void floors_check(const struct checker *c, const struct origins *origins)
{
	const struct policy *p = c->policy;
	struct sum sum = { 0 };
	unsigned int n_unset = 0;
	char part[32], whole[32], limit[32];

	for (unsigned int i = 0; i < p->n_models; i++) {
		if (origins[i].has_floor)
			sum_add(&sum, p->models[i].cpu_floor_permyriad, i);
		else
			n_unset++; /* each must get at least one permyriad */
	}
	if (sum.total == 0 || sum.total + n_unset <= FLOORS_LIMIT_PERMYRIAD)
		return;
	check_error(c, sum.at, "resources.cpu.floor",
		    "all floors add up to %s%s; this is the biggest with %s; "
		    "lower floors until they fit into %s of the host, which is all that can be "
		    "promised at once",
		    share_format(sum.total, whole, sizeof(whole)),
		    sum.total > FLOORS_LIMIT_PERMYRIAD
			    ? ""
			    : " and leave nothing to the models without one",
		    share_format(sum.biggest, part, sizeof(part)),
		    share_format(FLOORS_LIMIT_PERMYRIAD, limit, sizeof(limit)));
}

/* Of the host's CPUs and memory that all experiments together may have. */
static void experiments_check(const struct checker *c)
{
	const struct policy *p = c->policy;
	uint64_t share = p->host.experiment_cpu_permyriad;
	uint64_t cpus = c->facts->cpus * 1000 * MIN(share, PERMYRIAD) / PERMYRIAD;
	uint64_t memory = p->host.experiment_memory_bytes;
	struct sum reserved = { 0 }, kept = { 0 };
	char part[32], whole[32], limit[32], percent[32];

	for (unsigned int i = 0; i < p->n_models; i++) {
		const struct model *m = &p->models[i];

		if (m->stage != STAGE_EXPERIMENT)
			continue;
		sum_add(&reserved, m->cpu_reserved_millicpu, i);
		if (m->values[KNOB_MEMORY_MIN] != MISSING)
			sum_add(&kept, m->values[KNOB_MEMORY_MIN], i);
	}
	if (c->facts->cpus > 0 && share <= PERMYRIAD && reserved.total > cpus)
		check_error(c, reserved.at, "resources.cpu.reserved",
			    "all experiments together reserve %s, but limits.experiments.cpu gives "
			    "them %s, %s of this host; this is the biggest with %s; reserve less, "
			    "here or elsewhere",
			    cpus_format(hundredths_up(reserved.total), whole, sizeof(whole)),
			    cpus_format(cpus, limit, sizeof(limit)),
			    share_format(share, percent, sizeof(percent)),
			    cpus_format(reserved.biggest, part, sizeof(part)));
	if (kept.total > memory) /* VALUE_MAX: no limit */
		check_error(c, kept.at, "resources.memory.min",
			    "all experiments together keep %s for themselves, but "
			    "limits.experiments.memory gives them %s; this is the biggest with %s; "
			    "keep less, here or elsewhere",
			    size_format(kept.total, whole, sizeof(whole)),
			    size_format(memory, limit, sizeof(limit)),
			    size_format(kept.biggest, part, sizeof(part)));
}

void floors_share(struct policy *p, const struct origins *origins)
{
	uint64_t set = 0, n_unset = 0;

	for (unsigned int i = 0; i < p->n_models; i++) {
		if (origins[i].has_floor)
			set += p->models[i].cpu_floor_permyriad;
		else
			n_unset++;
	}
	for (unsigned int i = 0; i < p->n_models; i++) {
		uint64_t *floor = &p->models[i].cpu_floor_permyriad;
		uint64_t part = n_unset ? (FLOORS_LIMIT_PERMYRIAD - set) / n_unset : 0;

		if (!origins[i].has_floor)
			*floor = MIN(*floor, part);
	}
}

/* ---- all ----------------------------------------------------------------------------------- */

static int index_compare(const void *a, const void *b, void *models)
{
	const struct model *all = models;

	return strcmp(all[*(const uint32_t *)a].name, all[*(const uint32_t *)b].name);
}

static int everything_check(struct checker *c, const struct origins *origins)
{
	const struct policy *p = c->policy;

	c->by_name = arena_new(c->scratch, uint32_t, p->n_models + 1);
	if (!c->by_name)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_models; i++)
		c->by_name[i] = i;
	qsort_r(c->by_name, p->n_models, sizeof(*c->by_name), index_compare, p->models);

	for (uint32_t i = 0; i < p->n_models; i++) {
		memory_order_check(c, i);
		cpu_check(c, i);
		objectives_check(c, i);
		contract_check(c, i);
		commands_check(c, i);
		urgency_check(c, i);
	}
	if (c->facts->cpus > 0)
		reservations_check(c);
	if (c->facts->memory_bytes > 0)
		memory_check(c);
	floors_check(c, origins);
	experiments_check(c);
	preemption_check(c);

	int r = cpusets_check(c);

	if (r == 0)
		r = claims_check(c);
	if (r == 0)
		r = chains_check(c);
	if (r == 0 && c->findings->n_errors == 0)
		futile_check(c);
	return r;
}

int policy_check(const struct policy *p, const struct origins *origins, const struct locator *where,
		 const struct host_facts *facts, struct findings *f)
{
	unsigned int n_said = 0;
	struct arena scratch;
	struct checker c = {
		.policy = p,
		.facts = facts,
		.where = where,
		.findings = f,
		.scratch = &scratch,
		.is_whole = f->n_errors == 0,
		.n_said = &n_said,
	};

	arena_init(&scratch);
	int r = everything_check(&c, origins);

	arena_fini(&scratch);
	return r;
}
