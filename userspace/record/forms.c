/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The corridor's nouns as canonical JSON: every field of model.h under its own name, in base units.
 * Says nothing of why; that is explain.c.
 */
#include "forms.h"
#include "knob.h"

json_t *value_to_json(uint64_t value)
{
	if (value == MISSING)
		return json_null();
	if (value == VALUE_MAX)
		return json_string("max");
	return json_integer((json_int_t)value);
}

json_t *foreign_to_json(const char *text)
{
	json_t *json = json_string(text);
	_cleanup_free_ char *copy = json ? NULL : strdup(text);

	if (!copy)
		return json;
	for (char *c = copy; *c; c++)
		*c = (char)((unsigned char)*c < 0x80 ? *c : '?');
	return json_string(copy);
}

static const char *model_label(const struct policy *p, uint32_t model)
{
	return model < p->n_models ? p->models[model].name : NULL;
}

/* With what it is a reading of, so that another policy finds it. */
static json_t *objective_to_json(const struct objective *o, const struct reading *r)
{
	return json_pack("{s:s, s:I, s:I, s:o, s:o}", "indicator", indicator_name(o->indicator),
			 "quantile_permyriad", (json_int_t)o->quantile_permyriad, "window_ns",
			 (json_int_t)o->window_ns, "observed", value_to_json(r->observed),
			 "samples", value_to_json(r->samples));
}

static json_t *reading_to_json(const struct policy *p, uint32_t model,
			       const struct model_reading *r)
{
	const char *culprit = model_label(p, r->culprit);
	json_t *objectives = json_array(), *o = json_object();

	for (unsigned int i = 0; i < p->models[model].n_objectives; i++)
		json_array_append_new(objectives, objective_to_json(&p->models[model].objectives[i],
								    &r->objectives[i]));
	json_object_set_new(o, "model", json_string(p->models[model].name));
	json_object_set_new(o, "objectives", objectives);
	json_object_set_new(o, "culprit", culprit ? json_string(culprit) : json_null());
#define X(field) json_object_set_new(o, #field, value_to_json(r->field));
	READING_FIELDS(X)
#undef X
	return o;
}

static json_t *host_to_json(const struct host_reading *h)
{
	json_t *o = json_object();

#define X(field) json_object_set_new(o, #field, value_to_json(h->field));
	HOST_FIELDS(X)
#undef X
	return o;
}

static json_t *values_to_json(const uint64_t *values)
{
	json_t *o = json_object();

	for (unsigned int k = 0; k < N_KNOBS; k++)
		json_object_set_new(o, knob_table[k].file, value_to_json(values[k]));
	return o;
}

static json_t *target_to_json(const struct policy *p, const struct target *t)
{
	return json_pack("{s:s?, s:I, s:o, s:o, s:i, s:i, s:o, s:o}", "model",
			 model_label(p, t->model), "cgroup_id", (json_int_t)t->cgroup_id, "path",
			 foreign_to_json(t->path), "unit", foreign_to_json(t->unit), "driver",
			 (int)t->driver, "knobs", (int)t->knobs, "values",
			 values_to_json(t->values), "written", values_to_json(t->written));
}

static json_t *writer_to_json(const struct writer *w)
{
	return json_pack("{s:s, s:I, s:s}", "kind", writer_name(w->kind), "pid", (json_int_t)w->pid,
			 "comm", w->comm);
}

static json_t *intrusion_to_json(const struct intrusion *i)
{
	return json_pack("{s:I, s:s, s:o}", "cgroup_id", (json_int_t)i->cgroup_id, "knob",
			 knob_table[i->knob].file, "writer", writer_to_json(&i->writer));
}

json_t *observation_to_json(const struct policy *p, const struct observation *now)
{
	json_t *models = json_array(), *targets = json_array(), *intrusions = json_array();

	for (uint32_t i = 0; i < now->n_models; i++)
		json_array_append_new(models, reading_to_json(p, i, &now->models[i]));
	for (uint32_t i = 0; i < now->n_targets; i++)
		json_array_append_new(targets, target_to_json(p, &now->targets[i]));
	for (uint32_t i = 0; i < now->n_intrusions; i++)
		json_array_append_new(intrusions, intrusion_to_json(&now->intrusions[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o}", "tick",
			 (json_int_t)now->tick, "taken_ns", (json_int_t)now->taken_ns, "wall_ns",
			 (json_int_t)now->wall_ns, "span_ns", (json_int_t)now->span_ns, "is_busy",
			 now->is_busy, "host", host_to_json(&now->host), "models", models,
			 "targets", targets, "intrusions", intrusions);
}

static json_t *evidence_to_json(const struct policy *p, const struct evidence *why)
{
	return json_pack("{s:s?, s:i, s:o, s:o, s:I, s:s?, s:o}", "model",
			 model_label(p, why->model), "objective", (int)why->objective, "observed",
			 value_to_json(why->observed), "budget", value_to_json(why->budget),
			 "slack_permyriad", (json_int_t)why->slack_permyriad, "culprit",
			 model_label(p, why->culprit), "culprit_permyriad",
			 value_to_json(why->culprit_permyriad));
}

static json_t *action_to_json(const struct policy *p, const struct observation *now,
			      const struct action *a)
{
	_cleanup_free_ char *sentence = explain_action(p, a);

	bool is_drift = a->reason == REASON_DRIFT;

	return json_pack("{s:s?, s:o, s:s, s:o, s:o, s:o, s:i, s:o, s:s, s:s, s:o}", "model",
			 model_label(p, a->model), "cgroup",
			 foreign_to_json(now->targets[a->target].path), "knob",
			 knob_table[a->knob].file, "before", value_to_json(a->expected), "value",
			 value_to_json(a->value), "written", value_to_json(a->written), "times",
			 (int)a->times, "writer",
			 is_drift ? writer_to_json(&a->writer) : json_null(), "reason",
			 reason_name(a->reason), "sentence", sentence ? sentence : "", "evidence",
			 evidence_to_json(p, &a->why));
}

static json_t *verdict_to_json(const struct policy *p, uint32_t model, const struct verdict *v)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:o}", "model", p->models[model].name, "reason",
			 reason_name(v->reason), "level", v->level, "policy_level", v->policy_level,
			 "evidence", evidence_to_json(p, &v->why));
}

static json_t *drift_to_json(const struct policy *p, const struct drift *d)
{
	return json_pack("{s:s?, s:I, s:s, s:o, s:o, s:o, s:I, s:o, s:i, s:b, s:b, s:b}", "model",
			 model_label(p, d->model), "cgroup_id", (json_int_t)d->cgroup_id, "knob",
			 knob_table[d->knob].file, "written", value_to_json(d->written), "found",
			 value_to_json(d->found), "wanted", value_to_json(d->wanted), "found_ns",
			 (json_int_t)d->found_ns, "writer", writer_to_json(&d->writer), "times",
			 (int)d->times, "is_now", d->is_now, "is_news", d->is_news, "is_left_alone",
			 d->is_left_alone);
}

json_t *plan_to_json(const struct policy *p, const struct observation *now, const struct plan *plan)
{
	json_t *verdicts = json_array(), *actions = json_array(), *drifts = json_array();

	for (uint32_t i = 0; i < plan->n_models; i++)
		json_array_append_new(verdicts, verdict_to_json(p, i, &plan->verdicts[i]));
	for (uint32_t i = 0; i < plan->n_actions; i++)
		json_array_append_new(actions, action_to_json(p, now, &plan->actions[i]));
	for (uint32_t i = 0; i < plan->n_drifts; i++)
		json_array_append_new(drifts, drift_to_json(p, &plan->drifts[i]));
	return json_pack("{s:I, s:b, s:o, s:o, s:o}", "tick", (json_int_t)plan->tick, "is_cut",
			 plan->is_cut, "verdicts", verdicts, "actions", actions, "drifts", drifts);
}
