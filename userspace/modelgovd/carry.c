/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes plans to act's thread and brings outcomes back to the loop: a copy of the plan and of the targets it
 * names goes with each job, because the tick's arena is emptied meanwhile. One job under way at a time
 * is what decide counts on (observation.is_busy).
 */
#include "daemon.h"
#include "replay.h"

#include <syslog.h>

/* ---- carrying out a plan ---------------------------------------------------------------------- */

struct carry_job {
	struct job job; /* first */
	struct daemon *d;
	struct policy *policy; /* in force when the plan was made; borrowed: see force.c */
	struct arena arena;
	struct plan plan;
	struct observation now;
	struct outcome *outcomes;
};

static void plan_carry(struct job *job, void *context)
{
	struct carry_job *c = (struct carry_job *)job;

	act_apply(context, &c->plan, &c->now, c->outcomes);
}

static void outcome_report(struct carry_job *c, uint32_t i)
{
	const struct action *a = &c->plan.actions[i];
	const struct outcome *o = &c->outcomes[i];
	char value[64];

	c->d->n_outcomes[o->kind]++;
	if (o->kind == OUTCOME_APPLIED || o->kind == OUTCOME_ROUNDED || o->kind == OUTCOME_GONE)
		return;
	log_event(LOG_WARNING, ID_ACTION_FAILED, c->policy->models[a->model].name,
		  "%s of %s to %s: %s%s%s", knob_table[a->knob].file, c->now.targets[a->target].path,
		  knob_describe(a->knob, a->value, value, sizeof(value)), outcome_name(o->kind),
		  *o->note ? ", " : "", o->note);
}

static void carry_free(struct carry_job *c)
{
	arena_fini(&c->arena);
	free(c);
}

static void plan_carried(struct job *job, void *context)
{
	struct carry_job *c = (struct carry_job *)job;

	journal_outcomes(c->d->journal, c->plan.tick, c->outcomes, c->plan.n_actions);
	for (uint32_t i = 0; i < c->plan.n_actions; i++)
		outcome_report(c, i);
	drift_note_written(c->d, c->policy, &c->plan, c->outcomes);
	c->d->n_unsettled--;
	carry_free(c);
}

/* Targets with their strings, actions, and room for outcomes, all in the job's arena. */
static int carry_copy(struct carry_job *c, const struct plan *plan, const struct observation *now)
{
	c->now = *now;
	c->now.n_models = 0;
	c->now.models = NULL;
	c->now.targets = arena_new(&c->arena, struct target, now->n_targets);
	c->plan = *plan;
	c->plan.verdicts = NULL;
	c->plan.n_models = 0;
	c->plan.drifts = NULL;
	c->plan.n_drifts = 0;
	c->now.intrusions = NULL;
	c->now.n_intrusions = 0;
	c->plan.actions = arena_new(&c->arena, struct action, plan->n_actions);
	c->outcomes = arena_new(&c->arena, struct outcome, plan->n_actions);
	if (!c->now.targets || !c->plan.actions || !c->outcomes)
		return -ENOMEM;
	memcpy(c->plan.actions, plan->actions, sizeof(*plan->actions) * plan->n_actions);
	for (uint32_t i = 0; i < now->n_targets; i++) {
		struct target *t = &c->now.targets[i];

		*t = now->targets[i];
		t->path = arena_strdup(&c->arena, t->path);
		t->unit = arena_strdup(&c->arena, t->unit);
		if (!t->path || !t->unit)
			return -ENOMEM;
	}
	return 0;
}

int carry_plan(struct daemon *d, struct err *e)
{
	struct carry_job *c = calloc(1, sizeof(*c));

	if (!c || carry_copy(c, &d->plan, d->now) < 0) {
		if (c)
			carry_free(c);
		return err_set(e, -ENOMEM, "copying a plan of %u actions", d->plan.n_actions);
	}
	c->job = (struct job){ .run = plan_carry, .done = plan_carried };
	c->d = d;
	c->policy = d->slot.policy;
	d->n_planned += d->plan.n_actions;
	d->n_unsettled++;
	worker_post(d->actor, &c->job);
	return 0;
}

/* ---- putting back ----------------------------------------------------------------------------- */

struct restore_job {
	struct job job; /* first */
	struct daemon *d;
	struct claim *claims; /* NULL and 0: put everything back */
	unsigned int n_claims;
	struct restored *list;
	unsigned int n;
	int status;
	struct err e;
	carry_restored *reply;
	void *userdata;
};

static void restore_carry(struct job *job, void *context)
{
	struct restore_job *r = (struct restore_job *)job;

	r->status = act_release(context, r->claims, r->n_claims, &r->list, &r->n, &r->e);
}

static json_t *restored_to_json(const struct restored *one)
{
	char value[64];

	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "what", one->unit_or_path, "knob",
			 knob_table[one->knob].file, "value",
			 knob_describe(one->knob, one->value, value, sizeof(value)), "outcome",
			 outcome_name(one->outcome.kind), "note", one->outcome.note);
}

static void restore_carried(struct job *job, void *context)
{
	struct restore_job *r = (struct restore_job *)job;
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n; i++)
		json_array_append_new(list, restored_to_json(&r->list[i]));
	if (r->n > 0 || r->status < 0) {
		log_event(r->status < 0 ? LOG_ERR : LOG_INFO, ID_RESTORED, NULL,
			  "put back %u values%s%s", r->n, r->status < 0 ? ": " : "", r->e.text);
		journal_event(r->d->journal, clock_realtime_ns(), "restored", json_incref(list));
	}
	r->d->n_unsettled--;
	if (r->reply)
		r->reply(json_incref(list), r->status < 0 ? r->e.text : NULL, r->userdata);
	json_decref(list);
	free(r->list);
	free(r->claims);
	free(r);
}

static int restore_post(struct daemon *d, struct claim *take_claims, unsigned int n_claims,
			carry_restored *reply, void *userdata)
{
	struct restore_job *r = calloc(1, sizeof(*r));

	if (!r) {
		free(take_claims);
		return -ENOMEM;
	}
	*r = (struct restore_job){ .job = { .run = restore_carry, .done = restore_carried },
				   .d = d,
				   .claims = take_claims,
				   .n_claims = n_claims,
				   .reply = reply,
				   .userdata = userdata };
	d->n_unsettled++;
	worker_post(d->actor, &r->job);
	return 0;
}

int carry_restore(struct daemon *d, carry_restored *reply, void *userdata)
{
	sense_forget_written(d->sense);
	return restore_post(d, NULL, 0, reply, userdata);
}

/* The knobs of a target that the last plan had a wish for, its manifest's or the law's. */
static uint32_t knobs_claimed(const struct state *s, const struct target *t)
{
	uint32_t claimed = 1u << KNOB_CPU_WEIGHT;

	for (unsigned int k = 0; k < N_KNOBS; k++)
		if (s->models[t->model].weight == 0 || s->models[t->model].wanted[k] != MISSING)
			claimed |= 1u << k;
	return claimed & t->knobs;
}

/* Everything that the policy in force does not govern any more gets its first value back. */
void carry_release(struct daemon *d)
{
	unsigned int n = daemon_enforces(d) && d->now ? d->now->n_targets : 0;
	struct claim *claims = n ? calloc(n, sizeof(*claims)) : NULL;

	if (!daemon_enforces(d))
		sense_forget_written(d->sense);
	if (act_ledger_size(d->act) == 0 || (n && !claims)) {
		free(claims);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		claims[i] = (struct claim){ .cgroup_id = d->now->targets[i].cgroup_id,
					    .knobs = knobs_claimed(&d->state,
								   &d->now->targets[i]) };
	if (restore_post(d, claims, n, NULL, NULL) < 0)
		log_error("no memory to put back what is not governed any more, continuing");
}

/* ---- the experiments' budget ------------------------------------------------------------------ */

struct confine_job {
	struct job job; /* first */
	struct daemon *d;
	struct budget budget;
	int status;
	struct err e;
};

static void budget_carry(struct job *job, void *context)
{
	struct confine_job *c = (struct confine_job *)job;

	c->status = act_confine(context, &c->budget, &c->e);
}

static void budget_carried(struct job *job, void *context)
{
	struct confine_job *c = (struct confine_job *)job;

	if (c->status < 0)
		log_error("%s; experiments keep the limits they have, continuing", c->e.text);
	c->d->n_unsettled--;
	free(c);
}

/* Their slice, where there is one, gets what the policy in force says. */
void carry_confine(struct daemon *d)
{
	const struct policy *p = d->slot.policy;
	struct confine_job *c = daemon_enforces(d) ? calloc(1, sizeof(*c)) : NULL;

	if (!c || experiments_weight(p, d->state.cpus, &c->budget.cpu_weight) < 0) {
		free(c); /* observe mode, or no memory: the limits of before stay */
		return;
	}
	c->job = (struct job){ .run = budget_carry, .done = budget_carried };
	c->d = d;
	c->budget.cpu_max = experiments_quota(p, d->state.cpus);
	c->budget.memory_max = experiments_memory(p);
	d->n_unsettled++;
	worker_post(d->actor, &c->job);
}
