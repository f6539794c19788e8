/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models that call models: circles, names that nobody has, waits that are too short or add up to
 * too much, and retries that multiply. One walk over all calls, each model judged once after those
 * it calls; what capacity calls cost is not known here.
 *
 *     gateway --200ms--> ocr --50ms--> tokenizer       a caller waits for one call at most
 *                                                      timeout x (1 + retries) + pauses
 *
 * A model's expected latency, time-out and objectives hold for a call as its caller sees it, calls
 * to others included. So the parts of a caller's budget are what its own dependencies promise;
 * where one promises nothing, what that one's dependencies promise stands in.
 */
#include "checker.h"

#include "text.h"

#include <inttypes.h>

#define MAX_NAMED   12 /* chosen: models of one chain that a finding names; the rest is counted */
#define MAX_CIRCLES 20 /* chosen: a screenful; one circle often comes with many */
#define MAX_GUESSES                                                                                \
	64          /* chosen: unknown names that are compared with all; it costs a millisecond */
#define MAX_PARTS 6 /* chosen: parts of a sum that a finding names */

/* What is promised for one call: the contract's expected latency (0), or that of a quantile. */
static const uint64_t promises[] = { 0, 5000, 9000, 9900, 9990 };

#define N_PROMISES ARRAY_SIZE(promises)

enum visit { VISIT_NONE, VISIT_OPEN, VISIT_DONE };

/* One model on its way through the walk. */
struct link {
	enum visit visit;
	const uint32_t *callees;   /* by place in depends_on; MODEL_NONE: unknown, or in a circle */
	uint32_t caller;           /* while VISIT_OPEN: who led here */
	uint64_t calls;            /* that one call to it may become, at the worst chain's end */
	uint32_t next;             /* of that chain */
	uint64_t need[N_PROMISES]; /* what it promises, or what its callees do together; MISSING */
};

struct walk {
	const struct checker *checker;
	struct link *links;
	unsigned int n_circles, n_guesses;
};

static const struct model *model_at(const struct walk *w, uint32_t model)
{
	return &w->checker->policy->models[model];
}

static const char *name_at(const struct walk *w, uint32_t model)
{
	return checker_name(w->checker, model);
}

static const char *dependency_path(const struct walk *w, unsigned int at, const char *key)
{
	const char *path = arena_printf(w->checker->scratch, "contract.dependsOn[%u]%s%s", at,
					*key ? "." : "", key);

	return path ? path : "contract.dependsOn";
}

static const char *duration_text(const struct walk *w, uint64_t ns)
{
	char *buf = arena_alloc(w->checker->scratch, 32);

	return buf ? duration_format(ns, buf, 32) : "?";
}

/* ---- who is meant -------------------------------------------------------------------------- */

static void unknown_report(struct walk *w, uint32_t model, unsigned int at)
{
	const char *name = model_at(w, model)->contract.depends_on[at].model;
	uint32_t nearest = MODEL_NONE;
	const char *quoted = text_quote(w->checker->scratch, name);

	if (!w->checker->is_whole) /* it may be in a file that could not be read */
		return;
	if (w->n_guesses++ < MAX_GUESSES)
		nearest = checker_nearest(w->checker, name);
	if (nearest == MODEL_NONE)
		check_warning(w->checker, model, dependency_path(w, at, "model"),
			      "no model on this host is called %s; its latency and retries are not "
			      "counted",
			      quoted);
	else
		check_warning(w->checker, model, dependency_path(w, at, "model"),
			      "no model on this host is called %s; did you mean '%s'? What runs "
			      "elsewhere is not counted",
			      quoted, name_at(w, nearest));
}

static int callees_find(struct walk *w, uint32_t model)
{
	const struct contract *contract = &model_at(w, model)->contract;
	uint32_t *callees = arena_new(w->checker->scratch, uint32_t, contract->n_depends_on + 1);

	if (!callees)
		return -ENOMEM;
	for (unsigned int i = 0; i < contract->n_depends_on; i++) {
		callees[i] = checker_find(w->checker, contract->depends_on[i].model);
		if (callees[i] == MODEL_NONE)
			unknown_report(w, model, i);
		for (unsigned int j = 0; j < i && callees[i] != MODEL_NONE; j++) {
			if (callees[i] != callees[j])
				continue;
			check_error(w->checker, model, dependency_path(w, i, "model"),
				    "'%s' is there already as dependsOn[%u]; keep one",
				    contract->depends_on[i].model, j);
			callees[i] = MODEL_NONE;
		}
	}
	w->links[model].callees = callees;
	return 0;
}

/* ---- circles ------------------------------------------------------------------------------- */

/* "a -> b -> c", from the model that was met again down to the one that calls it. */
static const char *circle_text(const struct walk *w, uint32_t first, uint32_t last)
{
	const char *text = "";
	unsigned int n = 0;

	for (uint32_t at = last; text && at != first; at = w->links[at].caller, n++)
		if (n < MAX_NAMED)
			text = arena_printf(w->checker->scratch, "%s -> %s", name_at(w, at),
					    *text ? text : name_at(w, first));
	if (text && n > MAX_NAMED)
		text = arena_printf(w->checker->scratch, "(%u more) -> %s", n - MAX_NAMED, text);
	if (text && n > 0)
		text = arena_printf(w->checker->scratch, "%s -> %s", name_at(w, first), text);
	return text ? text : name_at(w, first);
}

static void circle_report(struct walk *w, uint32_t model, unsigned int at, uint32_t first)
{
	if (w->n_circles++ >= MAX_CIRCLES)
		return;
	if (first == model)
		check_error(w->checker, model, dependency_path(w, at, "model"),
			    "%s depends on itself; leave it out", name_at(w, model));
	else
		check_error(w->checker, model, dependency_path(w, at, "model"),
			    "these models wait for each other in a circle: %s; leave one of the "
			    "calls out",
			    circle_text(w, first, model));
}

/* ---- waits --------------------------------------------------------------------------------- */

static uint64_t retries_of(const struct contract *callee)
{
	return callee->retries_max == MISSING ? 0 : callee->retries_max;
}

/* The pauses before the retries: they double up to maxBackoff, or stay as they are without one. */
static uint64_t pauses_of(const struct contract *callee)
{
	uint64_t pause = callee->backoff_ns, longest = callee->max_backoff_ns, sum = 0;
	uint64_t retries = retries_of(callee);

	if (pause == MISSING || pause == 0)
		return 0;
	if (longest == MISSING)
		return product_of(pause, retries);
	for (; retries > 0 && pause < longest; retries--) {
		sum = sum_of(sum, pause);
		pause = product_of(pause, 2);
	}
	return sum_of(sum, product_of(longest, retries));
}

/* After how long a caller gives one call up. MISSING: nobody said. */
static uint64_t timeout_of(const struct dependency *d, const struct contract *callee)
{
	return d->timeout_ns != MISSING ? d->timeout_ns : callee->timeout_ns;
}

/* The longest a caller can wait for it, retries and all; MISSING as above. */
static uint64_t wait_of(const struct dependency *d, const struct contract *callee)
{
	uint64_t timeout = timeout_of(d, callee);

	if (timeout == MISSING)
		return MISSING;
	return sum_of(product_of(timeout, sum_of(retries_of(callee), 1)), pauses_of(callee));
}

/* Where the wait for a callee is decided: the caller's own time-out for it, or the whole item. */
static const char *timeout_path(const struct walk *w, uint32_t model, unsigned int at)
{
	bool is_own = model_at(w, model)->contract.depends_on[at].timeout_ns != MISSING;

	return dependency_path(w, at, is_own ? "timeout" : "model");
}

static void patience_check(const struct walk *w, uint32_t model, unsigned int at)
{
	const struct dependency *d = &model_at(w, model)->contract.depends_on[at];
	const struct model *callee = model_at(w, w->links[model].callees[at]);
	uint64_t expected = callee->contract.expected_ns;

	if (d->timeout_ns == MISSING || expected == MISSING || d->timeout_ns >= expected)
		return;
	check_error(w->checker, model, dependency_path(w, at, "timeout"),
		    "%s is shorter than the %s that %s is expected to take, so most calls would be "
		    "given up; write at least %s",
		    duration_text(w, d->timeout_ns), duration_text(w, expected),
		    name_at(w, w->links[model].callees[at]), duration_text(w, expected));
}

/* "3 x 100ms + 150ms of pauses" */
static const char *wait_text(const struct walk *w, const struct dependency *d,
			     const struct contract *callee)
{
	uint64_t pauses = pauses_of(callee);
	const char *text =
		arena_printf(w->checker->scratch, "%" PRIu64 " x %s%s%s%s",
			     sum_of(retries_of(callee), 1), duration_text(w, timeout_of(d, callee)),
			     pauses ? " + " : "", pauses ? duration_text(w, pauses) : "",
			     pauses ? " of pauses" : "");

	return text ? text : "?";
}

static void wait_report(const struct walk *w, uint32_t model, unsigned int at)
{
	const struct contract *own = &model_at(w, model)->contract;
	const struct dependency *d = &own->depends_on[at];
	const struct contract *callee = &model_at(w, w->links[model].callees[at])->contract;
	const char *name = name_at(w, w->links[model].callees[at]);
	uint64_t wait = wait_of(d, callee), retries = retries_of(callee);

	if (retries > 0)
		check_error(w->checker, model, timeout_path(w, model, at),
			    "with the %" PRIu64 " %s of its contract %s may keep %s waiting for "
			    "%s (%s), but its own callers give up after %s "
			    "(contract.latency.timeout); write a shorter timeout here, or let it "
			    "be retried less",
			    retries, retries == 1 ? "retry" : "retries", name, name_at(w, model),
			    duration_text(w, wait), wait_text(w, d, callee),
			    duration_text(w, own->timeout_ns));
	else
		check_error(w->checker, model, timeout_path(w, model, at),
			    "%s waits for %s up to %s, but its own callers give up after %s "
			    "(contract.latency.timeout); write a shorter timeout here or a longer "
			    "one there",
			    name_at(w, model), name, duration_text(w, wait),
			    duration_text(w, own->timeout_ns));
}

/* "ocr 80ms + search 70ms" is built part by part. */
struct sum {
	uint64_t total;
	unsigned int n;
	const char *parts;
};

static void sum_part(const struct walk *w, struct sum *s, uint64_t part, const char *name)
{
	s->total = sum_of(s->total, part);
	if (s->n++ < MAX_PARTS)
		s->parts = arena_printf(w->checker->scratch, "%s%s%s %s", s->parts ? s->parts : "",
					s->parts ? " + " : "", name, duration_text(w, part));
	else if (s->n == MAX_PARTS + 1)
		s->parts = arena_printf(w->checker->scratch, "%s + ...", s->parts ? s->parts : "");
}

/* The longest wait for one of its dependencies; MISSING when that is not known. */
static uint64_t wait_at(const struct walk *w, uint32_t model, unsigned int at)
{
	uint32_t callee = w->links[model].callees[at];

	return callee == MODEL_NONE ? MISSING
				    : wait_of(&model_at(w, model)->contract.depends_on[at],
					      &model_at(w, callee)->contract);
}

/* Each dependency alone, then all of them one after the other, each at its worst. */
static void waits_check(const struct walk *w, uint32_t model)
{
	const struct contract *contract = &model_at(w, model)->contract;
	struct sum sum = { 0 };
	uint64_t total = 0;
	bool is_right = true;

	if (contract->timeout_ns == MISSING)
		return;
	for (unsigned int i = 0; i < contract->n_depends_on; i++) {
		uint64_t wait = wait_at(w, model, i);

		if (wait == MISSING)
			continue;
		total = sum_of(total, wait);
		if (wait <= contract->timeout_ns)
			continue;
		wait_report(w, model, i);
		is_right = false;
	}
	if (!is_right || total <= contract->timeout_ns)
		return;
	for (unsigned int i = 0; i < contract->n_depends_on; i++)
		if (wait_at(w, model, i) != MISSING)
			sum_part(w, &sum, wait_at(w, model, i), contract->depends_on[i].model);
	check_warning(w->checker, model, "contract.latency.timeout",
		      "one after the other, the waits for its dependencies add up to %s (%s), more "
		      "than this %s; raise it, shorten theirs, or call them side by side",
		      duration_text(w, sum.total), sum.parts ? sum.parts : "?",
		      duration_text(w, contract->timeout_ns));
}

/* ---- budgets ------------------------------------------------------------------------------- */

/* The objective that promises it, or MAX_OBJECTIVES. */
static unsigned int objective_of(const struct model *m, uint64_t quantile)
{
	unsigned int found = MAX_OBJECTIVES;

	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];

		if (o->indicator == INDICATOR_REQUEST_LATENCY &&
		    o->quantile_permyriad == quantile && o->budget != MISSING &&
		    (found == MAX_OBJECTIVES || o->budget < m->objectives[found].budget))
			found = i;
	}
	return found;
}

/* What the model itself promises; MISSING when nothing. */
static uint64_t promise_of(const struct model *m, uint64_t quantile)
{
	unsigned int at = quantile ? objective_of(m, quantile) : MAX_OBJECTIVES;

	if (quantile == 0)
		return m->contract.expected_ns;
	return at == MAX_OBJECTIVES ? MISSING : m->objectives[at].budget;
}

/* What a caller must reckon with: the promise, or at least what is usual. */
static uint64_t need_of(const struct model *m, uint64_t quantile)
{
	uint64_t promise = promise_of(m, quantile);

	return promise != MISSING ? promise : m->contract.expected_ns;
}

static const char *promise_path(const struct walk *w, uint32_t model, uint64_t quantile)
{
	const char *path = quantile ? arena_printf(w->checker->scratch, "objectives[%u].budget",
						   objective_of(model_at(w, model), quantile))
				    : "contract.latency.expected";

	return path ? path : "objectives";
}

/* A part's name, and whence its number where it promises nothing itself. */
static const char *part_name(const struct walk *w, uint32_t callee, uint64_t quantile)
{
	const struct model *m = model_at(w, callee);
	const char *whence = promise_of(m, quantile) != MISSING ? ""
			     : need_of(m, quantile) != MISSING  ? " usually"
								: " by what it calls";
	const char *name = arena_printf(w->checker->scratch, "%s%s", name_at(w, callee), whence);

	return name ? name : "?";
}

static void budget_report(const struct walk *w, uint32_t model, uint64_t quantile,
			  const struct sum *sum, uint64_t biggest)
{
	uint64_t own = promise_of(model_at(w, model), quantile);
	const char *path = promise_path(w, model, quantile);

	if (biggest > own)
		check_error(
			w->checker, model, path,
			"%s is less than what its dependencies take (%s); write at least %s, or "
			"make them faster",
			duration_text(w, own), sum->parts ? sum->parts : "?",
			duration_text(w, biggest));
	else
		check_warning(w->checker, model, path,
			      "one after the other, its dependencies take %s (%s), more than this "
			      "%s; raise it, make them faster, or call them side by side",
			      duration_text(w, sum->total), sum->parts ? sum->parts : "?",
			      duration_text(w, own));
}

static void budget_check(const struct walk *w, uint32_t model, unsigned int which)
{
	const struct contract *contract = &model_at(w, model)->contract;
	struct link *link = &w->links[model];
	uint64_t own = promise_of(model_at(w, model), promises[which]);
	uint64_t need = need_of(model_at(w, model), promises[which]), total = 0, biggest = 0;
	struct sum sum = { 0 };

	for (unsigned int i = 0; i < contract->n_depends_on; i++) {
		uint32_t callee = link->callees[i];

		if (callee == MODEL_NONE || w->links[callee].need[which] == MISSING)
			continue;
		total = sum_of(total, w->links[callee].need[which]);
		biggest = MAX(biggest, w->links[callee].need[which]);
	}
	link->need[which] = need != MISSING ? need : total > 0 ? total : MISSING;
	if (own == MISSING || total <= own)
		return;
	for (unsigned int i = 0; i < contract->n_depends_on; i++) {
		uint32_t callee = link->callees[i];

		if (callee != MODEL_NONE && w->links[callee].need[which] != MISSING)
			sum_part(w, &sum, w->links[callee].need[which],
				 part_name(w, callee, promises[which]));
	}
	budget_report(w, model, promises[which], &sum, biggest);
}

/* ---- retries ------------------------------------------------------------------------------- */

static void calls_count(const struct walk *w, uint32_t model)
{
	const struct contract *contract = &model_at(w, model)->contract;
	struct link *link = &w->links[model];
	uint64_t most = 1;

	link->next = MODEL_NONE;
	for (unsigned int i = 0; i < contract->n_depends_on; i++) {
		uint32_t callee = link->callees[i];

		if (callee == MODEL_NONE || w->links[callee].calls < most ||
		    (link->next != MODEL_NONE && w->links[callee].calls == most))
			continue;
		most = w->links[callee].calls;
		link->next = callee;
	}
	link->calls = product_of(most, sum_of(retries_of(contract), 1));
}

/* "gateway x3 -> ocr x2 -> store x4": how often each may be called for one call before it */
static const char *chain_text(const struct walk *w, uint32_t head)
{
	const char *text = "";
	unsigned int n = 0, n_left_out = 0;

	for (uint32_t at = head; text && at != MODEL_NONE; at = w->links[at].next, n++) {
		if (n >= MAX_NAMED) {
			n_left_out++;
			continue;
		}
		text = arena_printf(w->checker->scratch, "%s%s%s x%" PRIu64, text,
				    *text ? " -> " : "", name_at(w, at),
				    sum_of(retries_of(&model_at(w, at)->contract), 1));
	}
	if (text && n_left_out)
		text = arena_printf(w->checker->scratch, "%s -> (%u more)", text, n_left_out);
	return text ? text : "?";
}

/* The model of the chain that is retried most: where less would help most. */
static uint32_t chain_biggest(const struct walk *w, uint32_t head)
{
	uint32_t biggest = head;

	for (uint32_t at = head; at != MODEL_NONE; at = w->links[at].next)
		if (retries_of(&model_at(w, at)->contract) >
		    retries_of(&model_at(w, biggest)->contract))
			biggest = at;
	return biggest;
}

static void amplification_report(const struct walk *w, uint32_t biggest, uint32_t head)
{
	uint64_t limit = w->checker->policy->host.retry_amplification;
	uint64_t calls = w->links[head].calls;

	check_error(w->checker, biggest, "contract.retries.max",
		    "with all retries one call to %s may become %s%" PRIu64 " (%s), more than the "
		    "%" PRIu64 " of limits.retryAmplification; allow fewer retries, best here, "
		    "where there are most",
		    name_at(w, head), calls == VALUE_MAX ? "more than " : "",
		    calls == VALUE_MAX ? (uint64_t)INT64_MAX : calls, chain_text(w, head), limit);
}

/*
 * Only chains from their first model on, and of those that are cured at one place only the worst:
 * else each beginning of a chain and each of its callers would repeat the same.
 */
static int amplification_check(const struct walk *w)
{
	const struct policy *p = w->checker->policy;
	bool *is_called = arena_new(w->checker->scratch, bool, p->n_models + 1);
	uint32_t *worst = arena_new(w->checker->scratch, uint32_t, p->n_models + 1);

	if (!is_called || !worst)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_models; i++) {
		worst[i] = MODEL_NONE;
		for (unsigned int j = 0; j < p->models[i].contract.n_depends_on; j++)
			if (w->links[i].callees[j] != MODEL_NONE)
				is_called[w->links[i].callees[j]] = true;
	}
	for (uint32_t i = 0; i < p->n_models; i++) {
		if (is_called[i] || w->links[i].calls <= p->host.retry_amplification)
			continue;
		uint32_t at = chain_biggest(w, i);

		if (worst[at] == MODEL_NONE || w->links[worst[at]].calls < w->links[i].calls)
			worst[at] = i;
	}
	for (uint32_t i = 0; i < p->n_models; i++)
		if (worst[i] != MODEL_NONE)
			amplification_report(w, i, worst[i]);
	return 0;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static void model_judge(const struct walk *w, uint32_t model)
{
	const struct contract *contract = &model_at(w, model)->contract;

	for (unsigned int i = 0; i < contract->n_depends_on; i++)
		if (w->links[model].callees[i] != MODEL_NONE)
			patience_check(w, model, i);
	waits_check(w, model);
	for (unsigned int i = 0; i < N_PROMISES; i++)
		budget_check(w, model, i);
	calls_count(w, model);
}

/* Recurses at most once for each model: one that is open or done is not entered again. */
static int model_visit(struct walk *w, uint32_t model)
{
	struct link *link = &w->links[model];
	const struct contract *contract = &model_at(w, model)->contract;
	int r = callees_find(w, model);
	uint32_t *callees = (uint32_t *)link->callees; /* ours to change while it is open */

	link->visit = VISIT_OPEN;
	for (unsigned int i = 0; i < contract->n_depends_on && r == 0; i++) {
		uint32_t callee = callees[i];

		if (callee == MODEL_NONE || w->links[callee].visit == VISIT_DONE)
			continue;
		if (w->links[callee].visit == VISIT_OPEN) {
			circle_report(w, model, i, callee);
			callees[i] = MODEL_NONE; /* cut here, the rest is judged all the same */
			continue;
		}
		w->links[callee].caller = model;
		r = model_visit(w, callee);
	}
	link->visit = VISIT_DONE;
	if (r == 0)
		model_judge(w, model);
	return r;
}

int chains_check(const struct checker *c)
{
	struct walk w = { .checker = c };
	int r = 0;

	w.links = arena_new(c->scratch, struct link, c->policy->n_models + 1);
	if (!w.links)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->policy->n_models && r == 0; i++)
		if (w.links[i].visit == VISIT_NONE)
			r = model_visit(&w, i);
	if (r == 0)
		r = amplification_check(&w);
	return r;
}
