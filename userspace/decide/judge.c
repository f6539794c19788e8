/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads each model's objectives, names the worst, and says how many levels the model wants or why
 * none. Leaves to feedback.c whether and from whom it gets them.
 */
#include "desk.h"

#define SLACK_LIMIT 1000000000 /* permyriad; a hundred thousand times the budget is bad enough */

void evidence_clear(struct evidence *e)
{
	memset(e, 0, sizeof(*e)); /* padding too: plans are compared byte by byte */
	e->model = MODEL_NONE;
	e->observed = MISSING;
	e->budget = MISSING;
	e->culprit = MODEL_NONE;
	e->culprit_permyriad = MISSING;
}

/* a * PERMYRIAD / b without overflow, rounded down or up; b at least 1. */
static uint64_t permyriad_of(uint64_t a, uint64_t b, bool rounds_up)
{
	if (a <= UINT64_MAX / PERMYRIAD)
		return a * PERMYRIAD / b + (rounds_up && a * PERMYRIAD % b != 0);
	return b < PERMYRIAD ? UINT64_MAX : a / (b / PERMYRIAD);
}

/* (budget - observed) / budget, rounded down: what is over the budget is never a slack of 0. */
static int64_t slack_permyriad(uint64_t budget, uint64_t observed)
{
	budget = MAX(budget, 1ULL);
	if (observed <= budget)
		return (int64_t)MIN(permyriad_of(budget - observed, budget, false), PERMYRIAD);

	uint64_t over = permyriad_of(observed - budget, budget, true);

	return over < SLACK_LIMIT ? -(int64_t)over : -SLACK_LIMIT;
}

/* ---- what the readings say --------------------------------------------------------------- */

static bool is_cpu(enum indicator i)
{
	return i == INDICATOR_RUNQUEUE_WAIT;
}

/* This version has no sensor for requests: such an objective is neither broken nor a gap. */
static bool is_measured(enum indicator i)
{
	return i == INDICATOR_RUNQUEUE_WAIT || i == INDICATOR_MEMORY_STALL;
}

static bool is_thin(const struct reading *r, enum indicator i)
{
	return r->samples < (uint64_t)(is_cpu(i) ? LAW_SAMPLES_WAITS : LAW_SAMPLES_TICKS);
}

/* Worst objectives found so far. */
struct worst {
	uint32_t judged, gap, thin; /* objective, or MAX_OBJECTIVES */
	int64_t slack;              /* of judged */
};

static void objective_assess(struct desk *d, const struct objective *o, const struct reading *r,
			     uint32_t index, struct worst *w)
{
	bool has_cpu = is_cpu(o->indicator);

	if (!is_measured(o->indicator))
		return;
	d->has_promise |= has_cpu;
	if (r->observed == MISSING || r->samples == MISSING) {
		/* a CPU objective that is missing is spoken of before another that is */
		if (w->gap == MAX_OBJECTIVES || (has_cpu && d->insight != INSIGHT_GAP))
			w->gap = index;
		d->insight = has_cpu ? INSIGHT_GAP : d->insight;
		return;
	}
	if (is_thin(r, o->indicator)) {
		w->thin = MIN(w->thin, index);
		return;
	}

	int64_t slack = slack_permyriad(o->budget, r->observed);

	if (has_cpu)
		d->cpu_slack = MIN(d->cpu_slack, slack);
	if (w->judged < MAX_OBJECTIVES && slack >= w->slack)
		return;
	w->judged = index;
	w->slack = slack;
	d->is_cpu_worst = has_cpu;
}

/* Which of the worst is the one to speak of, and what may be said. */
static uint32_t insight_choose(struct desk *d, const struct worst *w)
{
	bool is_cpu_thin = d->has_promise && d->cpu_slack == SLACK_ALL;

	if (d->insight == INSIGHT_GAP)
		return w->gap;
	/* memory may be short while there are too few waits to judge the CPU */
	if (w->judged < MAX_OBJECTIVES && (!is_cpu_thin || w->slack < LAW_RISK_SLACK)) {
		d->insight = INSIGHT_JUDGED;
		return w->judged;
	}
	if (w->thin < MAX_OBJECTIVES) {
		d->insight = INSIGHT_THIN;
		return w->thin;
	}
	d->insight = w->gap < MAX_OBJECTIVES ? INSIGHT_GAP : INSIGHT_NOTHING;
	return w->gap;
}

static void evidence_fill(const struct turn *t, uint32_t model, uint32_t objective,
			  struct evidence *e)
{
	const struct model_reading *r = &t->now->models[model];
	const struct objective *o = &t->policy->models[model].objectives[objective];

	e->model = model;
	e->objective = objective;
	e->observed = r->objectives[objective].observed;
	e->budget = o->budget;
	if (e->observed != MISSING)
		e->slack_permyriad = slack_permyriad(o->budget, e->observed);
	if (r->culprit < t->n && r->culprit_permyriad != MISSING) {
		e->culprit = r->culprit;
		e->culprit_permyriad = r->culprit_permyriad;
	}
}

static void model_assess(struct turn *t, uint32_t model)
{
	const struct model *m = &t->policy->models[model];
	const struct model_reading *r = &t->now->models[model];
	struct desk *d = &t->desks[model];
	struct worst w = { MAX_OBJECTIVES, MAX_OBJECTIVES, MAX_OBJECTIVES, 0 };

	d->insight = INSIGHT_NOTHING;
	d->cpu_slack = SLACK_ALL;
	evidence_clear(&t->plan->verdicts[model].why);
	for (uint32_t k = 0; k < m->n_objectives && k < MAX_OBJECTIVES; k++)
		objective_assess(d, &m->objectives[k], &r->objectives[k], k, &w);

	uint32_t objective = insight_choose(d, &w);

	if (objective < MAX_OBJECTIVES)
		evidence_fill(t, model, objective, &t->plan->verdicts[model].why);
}

void turn_assess(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		model_assess(t, i);
}

/* ---- what follows for the model ---------------------------------------------------------- */

static enum reason gap_judge(struct turn *t, uint32_t model)
{
	struct model_state *s = &t->state->models[model];
	struct desk *d = &t->desks[model];

	if (!d->has_promise) /* nothing was judged by what is missing */
		return REASON_SENSOR_GAP;
	s->missing_ticks = s->missing_ticks < UINT32_MAX ? s->missing_ticks + 1 : UINT32_MAX;
	if (s->missing_ticks >= LAW_GAP_TICKS) {
		s->low_ns = 0;
		s->quiet_ns = 0;
	}
	if (s->missing_ticks < LAW_LOST_TICKS)
		return REASON_SENSOR_GAP;
	if (s->offset != 0) {
		s->offset = 0;
		s->moved_by = REASON_SENSOR_LOST;
		s->moved_why = t->plan->verdicts[model].why;
		d->has_moved = true;
		t->has_moved = true;
	}
	return REASON_SENSOR_LOST;
}

/* Waits that the model's own quota made are not shortened by weight. */
static bool is_throttled(const struct model_reading *r)
{
	return r->own_quota_ns != MISSING && r->wait_ns != MISSING && r->own_quota_ns > r->wait_ns;
}

/*
 * The window is much longer than a tick, so it still shows a breach that is over. Acting on that
 * would go on taking long after enough was taken; what counts is whether the last tick was bad as
 * well.
 */
static bool is_over(const struct model_reading *r, const struct objective *o)
{
	uint64_t wait_ns = o->quantile_permyriad > PERMYRIAD / 2 ? r->wait_p99_ns : r->wait_p50_ns;

	if (r->waits == 0)
		return true;
	return r->waits != MISSING && wait_ns != MISSING &&
	       slack_permyriad(o->budget, wait_ns) >= LAW_RISK_SLACK;
}

static enum reason low_judge(struct turn *t, uint32_t model)
{
	const struct model_reading *r = &t->now->models[model];
	const struct evidence *why = &t->plan->verdicts[model].why;
	struct model_state *s = &t->state->models[model];
	struct desk *d = &t->desks[model];

	s->low_ns = saturating_add(s->low_ns, watched_ns(t));
	if (is_throttled(r))
		return REASON_OWN_QUOTA;
	if (is_over(r, &t->policy->models[model].objectives[why->objective]))
		return REASON_SETTLING;
	if (why->slack_permyriad < LAW_FAR_BROKEN_SLACK) {
		d->step = LAW_FAR_BROKEN_LEVELS;
		return REASON_BUDGET_FAR_BROKEN;
	}
	if (why->slack_permyriad < LAW_BROKEN_SLACK) {
		d->step = LAW_BROKEN_LEVELS;
		return REASON_BUDGET_BROKEN;
	}
	if (!has_passed(t, s->low_ns, LAW_RISK_TICKS * t->policy->host.tick_ns))
		return REASON_SETTLING;
	d->step = LAW_RISK_LEVELS;
	return REASON_BUDGET_AT_RISK;
}

static enum reason model_judge(struct turn *t, uint32_t model)
{
	const struct evidence *why = &t->plan->verdicts[model].why;
	struct model_state *s = &t->state->models[model];
	struct desk *d = &t->desks[model];
	bool is_low;

	if (d->insight == INSIGHT_GAP)
		return gap_judge(t, model);
	s->missing_ticks = 0;
	s->quiet_ns =
		d->cpu_slack > LAW_GIVE_SLACK ? saturating_add(s->quiet_ns, watched_ns(t)) : 0;
	is_low = d->insight == INSIGHT_JUDGED && why->slack_permyriad < LAW_RISK_SLACK;
	if (is_low && d->is_cpu_worst)
		return low_judge(t, model);
	s->low_ns = 0;
	if (is_low)
		return REASON_NOT_CPU;
	if (d->insight == INSIGHT_THIN)
		return REASON_NO_DEMAND;
	if (d->insight == INSIGHT_JUDGED && why->slack_permyriad <= LAW_GIVE_SLACK)
		return REASON_DEAD_BAND;
	return REASON_NONE;
}

void turn_judge(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->plan->verdicts[i].reason = model_judge(t, i);
}

/* Nothing was taken for this model, or it can spare it: what others paid may go back. */
bool model_is_quiet(const struct turn *t, uint32_t model)
{
	const struct model_state *s = &t->state->models[model];

	if (!t->desks[model].has_promise || s->missing_ticks >= LAW_LOST_TICKS)
		return true;
	return t->desks[model].insight != INSIGHT_GAP &&
	       has_passed(t, s->quiet_ns, hold_ns(t, class_of(t, model)));
}
