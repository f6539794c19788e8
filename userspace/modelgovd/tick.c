/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tick: observe, decide, record, act. The one file that knows all four steps; what each does is its
 * room's business.
 */
#include "daemon.h"

#include <syslog.h>

static int observe(struct daemon *d, struct err *e)
{
	d->now = NULL; /* lives in the arena that goes now */
	arena_reset(&d->arena);
	int r = sense_take(d->sense, &d->arena, &d->now, e);

	if (r < 0)
		return err_context(e, "observing tick %llu", (unsigned long long)d->tick);
	d->now->tick = d->tick;
	d->now->is_busy = d->n_unsettled > 0;
	return 0;
}

/* Observe mode: the plan is recorded as what would have been done. */
static void withhold(struct daemon *d)
{
	struct outcome *outcomes = arena_new(&d->arena, struct outcome, d->plan.n_actions);

	for (uint32_t i = 0; outcomes && i < d->plan.n_actions; i++)
		outcomes[i] = (struct outcome){ .kind = OUTCOME_WITHHELD,
						.read_back = d->plan.actions[i].expected,
						.note = "observe mode" };
	if (outcomes)
		journal_outcomes(d->journal, d->plan.tick, outcomes, d->plan.n_actions);
}

static void governed_tick(struct daemon *d)
{
	struct err e = { 0 };

	d->tick++;
	if (observe(d, &e) < 0) {
		log_error("%s, continuing with the next tick", e.text);
		return;
	}
	decide(d->slot.policy, d->now, &d->state, &d->plan);
	journal_tick(d->journal, d->slot.policy, d->now, &d->plan);
	drift_claim(d);
	drift_report(d);
	alert_report(d);
	shadow_tick(d);
	changes_tick(d->changes, d->slot.policy, d->now);
	if (d->wants_release && !d->now->is_busy) { /* while busy, nothing was decided */
		d->wants_release = false;
		carry_release(d); /* runs before the plan: act's thread keeps the order */
		carry_confine(d);
	}
	if (d->plan.n_actions == 0)
		return;
	if (!daemon_enforces(d))
		withhold(d);
	else if (carry_plan(d, &e) < 0)
		log_error("%s, the plan of tick %llu is not carried out", e.text,
			  (unsigned long long)d->tick);
}

void tick_run(struct daemon *d)
{
	uint64_t began_ns = clock_monotonic_ns();

	governed_tick(d);
	d->tick_cost_ns = clock_monotonic_ns() - began_ns;
}
