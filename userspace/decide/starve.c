/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The starvation clock: a model that wants the CPU and gets less than its floor, tick after tick,
 * gets back what it paid and twice its floor; if that does not help, everything goes back to policy
 * alone. Weights promise the floor already (share.c), so this is for what they do not see: cgroups
 * that nobody governs, slices above, a write that does not work.
 */
#include "desk.h"

/* MISSING is no waiting that anybody saw. */
static uint64_t seen(uint64_t ns)
{
	return ns >= MISSING ? 0 : ns;
}

/*
 * Used and waited together are what it wanted; a thread that never ran has no wait that ended, but
 * shows in the pressure of its cgroup.
 */
static bool is_below_floor(const struct turn *t, uint32_t model)
{
	const struct model_reading *r = &t->now->models[model];
	uint64_t used_ns = r->run_ns != MISSING ? r->run_ns : r->cpu_usage_ns;
	uint64_t waited_ns = saturating_add(seen(r->wait_ns), seen(r->own_quota_ns));
	uint64_t cpus = MIN(t->state->cpus, 1000000ULL), floor_ns, wanted_ns;

	if (used_ns >= MISSING || (r->wait_ns >= MISSING && r->cpu_some_ns >= MISSING))
		return false;
	floor_ns = MIN(t->now->span_ns, 3600 * NSEC_PER_SEC) / 1000000 * t->desks[model].floor_ppm;
	floor_ns = floor_ns / 1000 * cpus * 1000;
	waited_ns = MAX(waited_ns, seen(r->cpu_some_ns));
	wanted_ns = t->now->span_ns / PERMYRIAD * LAW_STARVE_DEMAND;
	wanted_ns = MAX(wanted_ns, floor_ns);
	return t->desks[model].n_cgroups > 0 && used_ns < floor_ns &&
	       saturating_add(used_ns, waited_ns) >= wanted_ns;
}

static bool has_starved(const struct turn *t, uint64_t starved_ns, uint64_t ticks)
{
	return has_passed(t, starved_ns, ticks * t->policy->host.tick_ns);
}

/* For its share of the weights: twice the floor while it lasts. */
bool is_granted(const struct turn *t, uint32_t model)
{
	return t->state->models[model].grant_ns > 0;
}

/* What it paid goes back at once, and for a while it is not asked again. */
static void model_grant(struct turn *t, uint32_t model)
{
	struct model_state *s = &t->state->models[model];
	struct evidence nothing;

	evidence_clear(&nothing);
	if (s->offset < 0) {
		s->offset = 0;
		s->moved_by = REASON_GRANT;
		s->moved_why = nothing;
		t->desks[model].has_moved = true;
	}
	if (s->cap.permyriad)
		model_uncap_all(t, model, REASON_GRANT, &nothing);
	t->has_moved = true; /* its share is another one, too */
	s->grant_ns = LAW_STARVE_KEEP_S * NSEC_PER_SEC;
}

/* All that feedback ever moved. */
static void feedback_undo(struct turn *t)
{
	struct evidence nothing;

	evidence_clear(&nothing);
	for (uint32_t i = 0; i < t->n; i++) {
		struct model_state *s = &t->state->models[i];

		if (s->offset < 0 || t->desks[i].level != t->desks[i].base) {
			s->moved_by = REASON_STARVED;
			s->moved_why = nothing;
			t->desks[i].has_moved = true;
		}
		s->offset = 0;
		if (s->cap.permyriad)
			model_uncap_all(t, i, REASON_STARVED, &nothing);
	}
	memset(t->state->lift, 0, sizeof(t->state->lift));
	t->state->given_ns = 0;
	t->has_moved = true;
}

void turn_starve(struct turn *t)
{
	bool is_lost = false;

	for (uint32_t i = 0; i < t->n; i++) {
		struct model_state *s = &t->state->models[i];
		uint64_t before_ns = s->starved_ns;

		s->grant_ns -= MIN(s->grant_ns, t->now->span_ns);
		if (!is_below_floor(t, i)) {
			s->starved_ns = 0;
			continue;
		}
		s->starved_ns = saturating_add(s->starved_ns, watched_ns(t));
		if (!has_starved(t, s->starved_ns, LAW_STARVE_GRANT_TICKS))
			continue;
		model_grant(t, i);
		t->plan->verdicts[i].reason = REASON_GRANT;
		if (!has_starved(t, s->starved_ns, LAW_STARVE_LOST_TICKS))
			continue;
		t->plan->verdicts[i].reason = REASON_STARVED;
		is_lost |= !has_starved(t, before_ns, LAW_STARVE_LOST_TICKS);
	}
	if (is_lost)
		feedback_undo(t);
}
