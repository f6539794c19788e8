/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said and does nothing: rules that can never fire, limits that are never reached, settings
 * of something that is off. Nothing here is dangerous, so all of it is a warning; but somebody
 * believes that it does something.
 */
#include "checker.h"

#include "knob.h"
#include "text.h"

#include <inttypes.h>

static const char *duration_text(const struct checker *c, uint64_t ns)
{
	char *buf = arena_alloc(c->scratch, 32);

	return buf ? duration_format(ns, buf, 32) : "?";
}

static bool is_limit(uint64_t value)
{
	return value != MISSING && value != VALUE_MAX;
}

/* A value that somebody wrote, as against a default. */
static bool is_said(const struct checker *c, uint32_t model, uint64_t value, const char *path)
{
	return value != MISSING && check_is_set(c, model, path);
}

/* ---- identity ------------------------------------------------------------------------------ */

static void owner_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];

	if (*m->owner == '\0' && m->owners.n == 0)
		check_warning(c, model, "metadata.owner",
			      "nobody owns this model, so nobody can be asked about it; write for "
			      "example owner: team@example.org");
}

/* ---- contract ------------------------------------------------------------------------------ */

static void retries_check(const struct checker *c, uint32_t model)
{
	const struct contract *contract = &c->policy->models[model].contract;
	const struct {
		const char *path;
		uint64_t value;
	} details[] = {
		{ "contract.retries.backoff", contract->backoff_ns },
		{ "contract.retries.maxBackoff", contract->max_backoff_ns },
		{ "contract.retries.budget", contract->retry_budget_permyriad },
	};
	bool is_silent = contract->retries_max == MISSING;

	if (!is_silent && contract->retries_max > 0 && !contract->is_idempotent &&
	    check_is_set(c, model, "contract.idempotent"))
		check_warning(
			c, model, "contract.retries.max",
			"calls may be retried, but with idempotent: false doing one twice does "
			"harm; write max: 0, or idempotent: true if that is wrong");
	if (!is_silent && contract->retries_max > 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(details); i++)
		if (is_said(c, model, details[i].value, details[i].path))
			check_warning(c, model, details[i].path,
				      is_silent
					      ? "without contract.retries.max nothing is retried; "
						"write max too, or leave this out"
					      : "with contract.retries.max 0 nothing is retried; "
						"leave this out, or allow retries");
}

static void degraded_check(const struct checker *c, uint32_t model)
{
	const struct contract *contract = &c->policy->models[model].contract;

	if (contract->degraded == DEGRADED_NONE &&
	    is_said(c, model, contract->degraded_max_delay_ns, "contract.degraded.maxDelay"))
		check_warning(
			c, model, "contract.degraded.maxDelay",
			"without contract.degraded.signal the model is never told to degrade; "
			"write for example signal: file, or leave this out");
}

/* ---- objectives ---------------------------------------------------------------------------- */

static void objectives_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];

	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];
		const char *path = arena_printf(c->scratch, "objectives[%u].budget", i);

		if (!path || o->indicator != INDICATOR_REQUEST_LATENCY || o->budget == MISSING)
			continue;
		if (m->contract.timeout_ns != MISSING && o->budget > m->contract.timeout_ns)
			check_warning(c, model, path,
				      "%s is more than contract.latency.timeout %s: callers have "
				      "given up before it counts; write %s or less",
				      duration_text(c, o->budget),
				      duration_text(c, m->contract.timeout_ns),
				      duration_text(c, m->contract.timeout_ns));
		if (m->contract.expected_ns != MISSING && o->budget < m->contract.expected_ns)
			check_warning(c, model, path,
				      "%s is less than contract.latency.expected %s, so the usual "
				      "call breaks it; raise the budget, or expect less",
				      duration_text(c, o->budget),
				      duration_text(c, m->contract.expected_ns));
	}
}

/* ---- resources ----------------------------------------------------------------------------- */

static const char *size_text(const struct checker *c, uint64_t bytes)
{
	char *buf = arena_alloc(c->scratch, 32);

	return buf ? size_format(bytes, buf, 32) : "?";
}

static void host_limits_check(const struct checker *c, uint32_t model)
{
	static const struct {
		enum knob knob;
		const char *path;
	} limits[] = { { KNOB_MEMORY_HIGH, "resources.memory.high" },
		       { KNOB_MEMORY_MAX, "resources.memory.max" } };
	const struct model *m = &c->policy->models[model];
	uint64_t memory = c->facts->memory_bytes, cpus = c->facts->cpus;
	uint64_t quota = m->values[KNOB_CPU_MAX];
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(limits) && memory > 0; i++)
		if (is_limit(m->values[limits[i].knob]) && m->values[limits[i].knob] > memory &&
		    check_is_own(c, model, limits[i].path))
			check_warning(c, model, limits[i].path,
				      "%s is more than this host has (%s), so it is never reached; "
				      "write less, or none",
				      size_text(c, m->values[limits[i].knob]),
				      size_text(c, memory));
	if (cpus > 0 && is_limit(quota) && quota / CPU_PERIOD_USEC >= cpus &&
	    check_is_own(c, model, "resources.cpu.max"))
		check_warning(c, model, "resources.cpu.max",
			      "%s is all that this host has (%" PRIu64 " CPUs) or more, so it is "
			      "never reached; write less, or none",
			      cpus_format(quota * 1000 / CPU_PERIOD_USEC, text, sizeof(text)),
			      cpus);
}

static void concurrency_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];

	if (m->concurrency_max == MISSING || m->concurrency_max == VALUE_MAX)
		if (is_said(c, model, m->concurrency_queue, "resources.concurrency.queue"))
			check_warning(c, model, "resources.concurrency.queue",
				      "without a limit in resources.concurrency.max nothing ever "
				      "queues; write max too, or leave this out");
}

static void dedicated_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];

	if (m->is_dedicated && *m->cpuset == '\0')
		check_warning(
			c, model, "resources.cpuset.dedicated",
			"without resources.cpuset.cpus there is nothing to keep for it; write "
			"for example cpus: \"0-1\", or leave this out");
}

/* ---- preemption ---------------------------------------------------------------------------- */

/* How many models of a class let another class take from them, and how many there are. */
struct census {
	unsigned int n[N_CLASSES], yields[N_CLASSES][N_CLASSES];
};

static bool does_yield(const struct model *m, unsigned int class)
{
	return m->preemption.how != 0 && m->preemption.by & 1u << class;
}

static struct census census_take(const struct policy *p)
{
	struct census census = { 0 };

	for (uint32_t i = 0; i < p->n_models; i++) {
		const struct model *m = &p->models[i];

		if (m->class >= N_CLASSES)
			continue;
		census.n[m->class]++;
		for (unsigned int by = 0; by < N_CLASSES; by++)
			census.yields[m->class][by] += does_yield(m, by);
	}
	return census;
}

/*
 * A class without models is no reason to warn as long as there is another one to take from: they
 * may come, and templates name every class that they mean.
 */
static void may_check(const struct checker *c, const struct census *census, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	uint32_t unwilling = 0, empty = 0, useful = 0;

	for (unsigned int class = 0; class < N_CLASSES; class ++) {
		unsigned int others = census->n[class] - (class == m->class);
		unsigned int willing = census->yields[class][m->class] -
				       (class == m->class && does_yield(m, m->class));

		if (class < m->class ||
		    !(m->preemption.may & 1u << class)) /* said by classes_check() */
			continue;
		*(others == 0 ? &empty : willing == 0 ? &unwilling : &useful) |= 1u << class;
	}
	if (unwilling)
		check_warning(c, model, "preemption.may",
			      "no model of class %s lets %s models take from it (preemption.by and "
			      "how), so this never happens; agree with an owner, or leave it out",
			      classes_text(c, unwilling), class_name(m->class));
	else if (empty && !useful && check_is_own(c, model, "preemption.may"))
		check_warning(c, model, "preemption.may",
			      "there is no other model of class %s to take from, so this never "
			      "happens; leave it out",
			      classes_text(c, empty));
}

/* As written, mildest first: "weight". */
static bool bears(const struct model *m, enum preemption_way way)
{
	return m->preemption.how & 1u << way;
}

static void how_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	const struct preemption *p = &m->preemption;

	if (bears(m, WAY_FREEZE) && p->max_pause_ns == MISSING)
		check_warning(c, model, "preemption.how",
			      "freeze without preemption.maxPause never happens, because nothing "
			      "says how long is bearable; write for example maxPause: 500ms");
	if (!bears(m, WAY_FREEZE) && is_said(c, model, p->max_pause_ns, "preemption.maxPause"))
		check_warning(c, model, "preemption.maxPause",
			      "the model is never frozen, because preemption.how does not have "
			      "freeze; add it there, or leave this out");
	if (!bears(m, WAY_FREEZE) && is_said(c, model, p->min_run_ns, "preemption.minRun"))
		check_warning(c, model, "preemption.minRun",
			      "the model is never frozen, because preemption.how does not have "
			      "freeze; add it there, or leave this out");
	if (p->by && !p->how && check_is_set(c, model, "preemption.by"))
		check_warning(c, model, "preemption.by",
			      "nothing can be taken, because preemption.how is empty; write for "
			      "example how: [weight], or leave this out");
	if (p->how & ~(1u << WAY_WEIGHT) && !p->by && check_is_set(c, model, "preemption.how"))
		check_warning(c, model, "preemption.how",
			      "nobody may take from this model, because preemption.by is empty; "
			      "write for example by: [critical], or leave this out");
}

static void classes_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	uint32_t above = m->preemption.may & ((1u << m->class) - 1);

	if (m->class == CLASS_EXPERIMENT && m->stage == STAGE_PRODUCTION)
		check_warning(c, model,
			      check_is_set(c, model, "stage") ? "stage" : "resources.class",
			      "class experiment in stage production is not confined to the "
			      "experiments' budget; write stage: experiment");
	else if (above)
		check_warning(
			c, model, "preemption.may",
			"%s is more urgent than this model's class %s, which pays first; leave "
			"it out",
			classes_text(c, above), class_name(m->class));
	if (m->stage == STAGE_PRODUCTION && m->class != CLASS_EXPERIMENT &&
	    m->preemption.by & 1u << CLASS_EXPERIMENT)
		check_warning(c, model, "preemption.by",
			      "experiments never take from production; leave experiment out");
}

/* ---- checks -------------------------------------------------------------------------------- */

static void checks_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];

	for (unsigned int i = 0; i < m->n_checks; i++) {
		const struct model_check *check = &m->checks[i];
		const char *p99 = arena_printf(c->scratch, "checks[%u].limits.p99", i);

		if (!p99)
			continue;
		if (check->p99_ns != MISSING && check->timeout_ns != MISSING &&
		    check->p99_ns > check->timeout_ns)
			check_warning(
				c, model, p99,
				"%s is more than the check's timeout %s, which ends it before; "
				"write less here or more there",
				duration_text(c, check->p99_ns),
				duration_text(c, check->timeout_ns));
	}
}

/* ---- host ---------------------------------------------------------------------------------- */

static unsigned int people(const struct names *names, bool *ret_has_group)
{
	for (unsigned int i = 0; i < names->n; i++)
		if (names->all[i][0] == '@')
			*ret_has_group = true;
	return names->n;
}

/* Groups may have any number of members; root may always approve. */
static void approvers_check(const struct checker *c)
{
	const struct host_policy *h = &c->policy->host;
	bool has_group = false;
	unsigned int n = people(&h->approvers, &has_group);

	for (uint32_t i = 0; i < c->policy->n_models; i++)
		if (c->policy->models[i].owners.n > 0)
			has_group = true; /* owners approve what touches theirs */
	if (n == 0 || has_group || h->approvals <= (uint64_t)n + 1)
		return;
	check_warning(c, HOST_MODEL, "changes.approvals",
		      "%" PRIu64 " people must agree, but access.approvers has %u and root can be "
		      "one more, so no change is ever approved; name more, or ask for fewer",
		      h->approvals, n);
}

void futile_check(const struct checker *c)
{
	struct census census = census_take(c->policy);

	approvers_check(c);
	for (uint32_t i = 0; i < c->policy->n_models; i++) {
		owner_check(c, i);
		retries_check(c, i);
		degraded_check(c, i);
		objectives_check(c, i);
		host_limits_check(c, i);
		concurrency_check(c, i);
		dedicated_check(c, i);
		may_check(c, &census, i);
		how_check(c, i);
		classes_check(c, i);
		checks_check(c, i);
	}
}
