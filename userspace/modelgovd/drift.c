/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift between the rooms: outcomes tell sense what was written, plans tell journal and people what
 * others changed and whether modelgov gave way. Whether to give way is decide's.
 */
#include "daemon.h"

#include <syslog.h>

/* ---- what was written --------------------------------------------------------------------- */

/* A write that failed claims nothing: what stands there then is nobody's drift. */
static bool outcome_is_claim(const struct outcome *o)
{
	return o->kind == OUTCOME_APPLIED || o->kind == OUTCOME_ROUNDED;
}

/* What somebody else changed meanwhile is still a change of what was written before. */
static bool outcome_says_nothing(const struct outcome *o)
{
	return o->kind == OUTCOME_SUPERSEDED || o->kind == OUTCOME_WITHHELD;
}

void drift_note_written(struct daemon *d, const struct policy *policy, const struct plan *plan,
			const struct outcome *outcomes)
{
	/* under another policy, or after everything was put back, a write claims nothing... */
	bool is_current = policy == d->slot.policy && daemon_enforces(d);

	for (uint32_t i = 0; i < plan->n_actions; i++) {
		const struct action *a = &plan->actions[i];
		const struct outcome *o = &outcomes[i];

		/* ...but it was ours, and no change by others of what was written before */
		if (!outcome_says_nothing(o))
			sense_note_written(d->sense, a->cgroup_id, a->knob,
					   is_current && outcome_is_claim(o) ? o->read_back
									     : MISSING);
	}
}

/* What was as wanted without a write is modelgov's to keep all the same. */
void drift_claim(struct daemon *d)
{
	if (!daemon_enforces(d) || d->now->is_busy)
		return;
	for (uint32_t i = 0; i < d->now->n_targets; i++) {
		const struct target *t = &d->now->targets[i];

		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (t->written[k] == MISSING &&
			    key_is_in_force(d->slot.policy, &d->state, t, (enum knob)k))
				sense_note_written(d->sense, t->cgroup_id, (enum knob)k,
						   t->values[k]);
	}
}

/* ---- what others changed ------------------------------------------------------------------ */

static const struct target *target_of(const struct daemon *d, const struct drift *drift)
{
	for (uint32_t i = 0; d->now && i < d->now->n_targets; i++)
		if (d->now->targets[i].cgroup_id == drift->cgroup_id)
			return &d->now->targets[i];
	return NULL;
}

/* Monotonic to wall, by the observation that has both. */
static int64_t wall_ns_of(const struct daemon *d, uint64_t taken_ns)
{
	return (int64_t)(d->now->wall_ns - (d->now->taken_ns - taken_ns));
}

/* null where nothing was measured, "max" where there is no limit. */
static json_t *number(uint64_t value)
{
	if (value == MISSING)
		return json_null();
	if (value == VALUE_MAX)
		return json_string("max");
	return json_integer((json_int_t)value);
}

static json_t *drift_to_json(const struct daemon *d, const struct drift *drift)
{
	const struct target *t = target_of(d, drift);
	_cleanup_free_ char *sentence = explain_drift(d->slot.policy, drift);

	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:I, s:s, s:i, s:b, s:b, s:I, "
			 "s:s}",
			 "model", d->slot.policy->models[drift->model].name, "cgroup",
			 foreign_to_json(t ? t->path : ""), "unit", foreign_to_json(t ? t->unit : ""), "knob",
			 knob_table[drift->knob].file, "wanted", number(drift->wanted), "written",
			 number(drift->written), "found", number(drift->found), "writer",
			 writer_name(drift->writer.kind), "pid", (json_int_t)drift->writer.pid,
			 "comm", drift->writer.comm, "times", (int)drift->times, "is_now",
			 drift->is_now, "left_alone", drift->is_left_alone, "found_at_ns",
			 (json_int_t)wall_ns_of(d, drift->found_ns), "sentence",
			 sentence ? sentence : "");
}

json_t *drifts_to_json(const struct daemon *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; d->now && i < d->plan.n_drifts; i++)
		json_array_append_new(list, drift_to_json(d, &d->plan.drifts[i]));
	return list;
}

void drift_report(struct daemon *d)
{
	for (uint32_t i = 0; i < d->plan.n_drifts; i++) {
		const struct drift *drift = &d->plan.drifts[i];
		_cleanup_free_ char *sentence = NULL;

		if (!drift->is_news)
			continue;
		sentence = explain_drift(d->slot.policy, drift);
		log_event(drift->is_left_alone ? LOG_ERR : LOG_WARNING,
			  drift->is_left_alone ? ID_DRIFT_LEFT_ALONE : ID_DRIFT,
			  d->slot.policy->models[drift->model].name, "%s",
			  sentence ? sentence : "a value was changed by others");
		journal_event(d->journal, d->now->wall_ns,
			      drift->is_left_alone ? "drift_left_alone" : "drift",
			      drift_to_json(d, drift));
	}
}

/* For explain: what was put back has an action that tells of it; what was left alone has none. */
void drift_explain(const struct daemon *d, uint32_t model, json_t *list)
{
	const struct verdict *v = &d->plan.verdicts[model];

	for (uint32_t i = 0; i < d->plan.n_drifts; i++) {
		const struct drift *drift = &d->plan.drifts[i];
		_cleanup_free_ char *sentence = NULL;

		if (drift->model != model || !drift->is_left_alone)
			continue;
		sentence = explain_drift(d->slot.policy, drift);
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:i, s:i}", "model",
						d->slot.policy->models[model].name, "sentence",
						sentence ? sentence : "", "reason",
						reason_name(REASON_LEFT_ALONE), "level", v->level,
						"policy_level", v->policy_level));
	}
}
