/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where a policy comes into force: sensors, decide's state and the plan follow it,
 * the old one is kept until nobody names it. Which policy that is, is the change room's business.
 */
#include "daemon.h"

#include <errno.h>
#include <syslog.h>

bool daemon_enforces(const struct daemon *d)
{
	return d->slot.policy->host.mode == MODE_ENFORCE && !d->options.forces_observe &&
	       !d->is_restored;
}

/* Sensors, state and plan for the new policy; on failure nothing has changed. */
static int policy_prepare(struct daemon *d, const struct policy *p, struct state *ret_state,
			  struct plan *ret_plan, struct err *e)
{
	if (state_init(ret_state, p->n_models) < 0)
		return err_set(e, -ENOMEM, "state of %u models", p->n_models);
	/* chosen: four cgroups a model on average; what does not fit follows in the next tick */
	if (plan_init(ret_plan, p->n_models, MAX(64u, p->n_models * 4 * N_KNOBS)) < 0) {
		state_fini(ret_state);
		return err_set(e, -ENOMEM, "plan of %u models", p->n_models);
	}
	return 0;
}

/*
 * A policy that jobs on act's thread may still name is freed when the last of them is back; see
 * policies_retire().
 */
static void policy_replace(struct daemon *d, struct policy *take_policy)
{
	struct policy *old = d->slot.policy;

	d->slot.policy = take_policy;
	if (!old)
		return;
	d->retired[d->n_retired++] = old; /* there is room: see retired_reserve() */
	policies_retire(d);
}

/* Many changes while one action hangs. */
static int retired_reserve(struct daemon *d, struct err *e)
{
	unsigned int more = MAX(16u, d->max_retired * 2);
	struct policy **larger;

	if (d->n_retired < d->max_retired)
		return 0;
	larger = reallocarray(d->retired, more, sizeof(*larger));
	if (!larger)
		return err_set(e, -ENOMEM, "keep %u policies that are out of force", more);
	d->retired = larger;
	d->max_retired = more;
	return 0;
}

void policies_retire(struct daemon *d)
{
	while (d->n_unsettled == 0 && d->n_retired > 0)
		policy_free(d->retired[--d->n_retired]);
}

/* All or nothing: on failure the old one stays. */
static int policy_enter(struct daemon *d, struct policy *take_policy, struct err *e)
{
	struct state state;
	struct plan plan;
	int r = retired_reserve(d, e);

	if (r == 0)
		r = policy_prepare(d, take_policy, &state, &plan, e);
	if (r == 0 && (r = sense_follow(d->sense, take_policy, e)) < 0) {
		state_fini(&state);
		plan_fini(&plan);
	}
	if (r < 0) {
		policy_free(take_policy);
		return r;
	}
	shadow_end(d, "the policy in force changed");
	if (d->slot.policy)
		state_carry(&d->state, d->slot.policy, take_policy, &state);
	state_fini(&d->state);
	plan_fini(&d->plan);
	d->state = state;
	d->plan = plan;
	d->now = NULL; /* its indices are the old policy's */
	policy_replace(d, take_policy);
	return 0;
}

static void policy_announce(struct daemon *d, uint64_t generation)
{
	const struct policy *p = d->slot.policy;

	d->slot.loaded_wall_ns = clock_realtime_ns();
	log_event(LOG_INFO, ID_POLICY_LOADED, NULL,
		  "generation %llu in force, policy %.12s: %u models, mode %s",
		  (unsigned long long)generation, p->digest, p->n_models,
		  daemon_enforces(d) ? "enforce" : "observe");
	journal_limit(d->journal, p->host.retention_ns, p->host.journal_limit_bytes);
	journal_policy(d->journal, d->slot.loaded_wall_ns, p);
	people_forget(d);
	etc_compare(d);
	d->wants_release = true;
	loop_tick_soon(d);
}

void policy_come(struct policy *take_policy, uint64_t generation, void *userdata)
{
	struct daemon *d = userdata;
	struct err e = { 0 };
	int r = policy_enter(d, take_policy, &e);

	if (r == 0) {
		policy_announce(d, generation);
		return;
	}
	log_error("entering generation %llu: %s; ending, the next start enters it",
		  (unsigned long long)generation, e.text);
	(void)sd_event_exit(d->event, r);
}

/*
 * The policy before the first that is right: no models, observe. A typo in /etc at boot must not
 * keep the daemon from saying so. What replaces it is the first generation, or, when there is one
 * that could not be read, waits for somebody.
 */
int policy_start_empty(struct daemon *d, struct err *e)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, -ENOMEM, "empty policy");
	arena_init(&p->arena);
	p->host = (struct host_policy){ .mode = MODE_OBSERVE,
					.tick_ns = NSEC_PER_SEC,
					.apply = APPLY_MANUAL };
	return policy_enter(d, p, e);
}
