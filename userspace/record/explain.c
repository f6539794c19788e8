/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From reason code and numbers to sentences that an operator can act on. Invents nothing: every number
 * was in the action or verdict.
 */
#include "knob.h"
#include "record.h"

#include <inttypes.h>

static const char *model_label(const struct policy *p, uint32_t model)
{
	return model < p->n_models ? p->models[model].name : "a model of an earlier policy";
}

static void share_print(int64_t permyriad, char *buf, size_t size)
{
	char magnitude[32];

	share_format((uint64_t)(permyriad < 0 ? -permyriad : permyriad), magnitude,
		     sizeof(magnitude));
	snprintf(buf, size, "%s%s", permyriad < 0 ? "-" : "", magnitude);
}

/* "p99 run-queue wait was 9.1ms against 5ms", of the objective the evidence points to; "" without. */
static void objective_print(const struct policy *p, const struct evidence *why, char *buf, size_t size)
{
	char observed[32], budget[32];

	*buf = '\0';
	if (why->model >= p->n_models || why->observed >= MISSING ||
	    why->objective >= p->models[why->model].n_objectives)
		return;
	const struct objective *o = &p->models[why->model].objectives[why->objective];

	switch (o->indicator) {
	case INDICATOR_REQUEST_LATENCY:
	case INDICATOR_RUNQUEUE_WAIT: {
		char quantile[32];

		share_format(o->quantile_permyriad, quantile, sizeof(quantile));
		quantile[strcspn(quantile, "%")] = '\0';
		snprintf(buf, size, "p%s %s was %s against %s", quantile,
			 o->indicator == INDICATOR_RUNQUEUE_WAIT ? "run-queue wait"
								 : "request latency",
			 duration_format(why->observed, observed, sizeof(observed)),
			 duration_format(why->budget, budget, sizeof(budget)));
		return;
	}
	case INDICATOR_MEMORY_STALL:
		snprintf(buf, size, "memory stall was %s of the time against %s",
			 share_format(why->observed, observed, sizeof(observed)),
			 share_format(why->budget, budget, sizeof(budget)));
		return;
	case N_INDICATORS:
		return;
	}
}

/* "; batch ran during 83% of those waits"; "" when nobody stands out. */
static void culprit_print(const struct policy *p, const struct evidence *why, char *buf, size_t size)
{
	char share[32];

	*buf = '\0';
	if (why->culprit >= p->n_models || why->culprit_permyriad >= MISSING)
		return;
	share_format(why->culprit_permyriad, share, sizeof(share));
	if (why->culprit == why->model)
		snprintf(buf, size, "; its own threads ran during %s of those waits", share);
	else
		snprintf(buf, size, "; %s ran during %s of those waits",
			 model_label(p, why->culprit), share);
}

/* "its", or "ocr's" when the numbers are another model's. */
static void owner_print(const struct policy *p, uint32_t model, const struct evidence *why, char *buf,
			size_t size)
{
	if (why->model == model || why->model >= p->n_models)
		snprintf(buf, size, "its");
	else
		snprintf(buf, size, "%s's", model_label(p, why->model));
}

static void feed_forward_print(const struct policy *p, uint32_t model, char *buf, size_t size)
{
	const struct model *m = &p->models[model];
	char reserved[32];

	snprintf(buf, size, "its weight from %s %s, priority %d%s%s",
		 m->stage == STAGE_EXPERIMENT ? "stage" : "class",
		 class_name(m->stage == STAGE_EXPERIMENT ? CLASS_EXPERIMENT : m->class), m->priority, m->cpu_reserved_millicpu ? " and a reservation of " : "",
		 m->cpu_reserved_millicpu ?
			 cpus_format(m->cpu_reserved_millicpu, reserved, sizeof(reserved)) :
			 "");
}

/* Why, as the end of a sentence. */
static void cause_print(const struct policy *p, uint32_t model, enum reason reason,
			const struct evidence *why, char *buf, size_t size)
{
	char objective[160], culprit[160], slack[40], whose[72];

	objective_print(p, why, objective, sizeof(objective));
	culprit_print(p, why, culprit, sizeof(culprit));
	owner_print(p, model, why, whose, sizeof(whose));
	share_print(why->slack_permyriad, slack, sizeof(slack));
	switch (reason) {
	case REASON_POLICY_VALUE:
		snprintf(buf, size, "the manifest of %s sets it", model_label(p, model));
		return;
	case REASON_FEED_FORWARD:
		if (model < p->n_models)
			feed_forward_print(p, model, buf, size);
		return;
	case REASON_BUDGET_AT_RISK:
	case REASON_BUDGET_BROKEN:
	case REASON_BUDGET_FAR_BROKEN:
		snprintf(buf, size, "%s %s (slack %s)%s", whose, objective, slack, culprit);
		return;
	case REASON_DONOR:
		snprintf(buf, size, "%s needs the CPU: its %s%s", model_label(p, why->model),
			 objective, culprit);
		return;
	case REASON_GIVE_BACK:
		snprintf(buf, size, "%s %s; one step back towards its policy",
			 *objective ? whose : "all budgets are kept",
			 *objective ? objective : "with room");
		return;
	default:
		snprintf(buf, size, "%s%s%s%s%s", reason_meaning(reason), *objective ? "; " : "",
			 *objective ? whose : "", *objective ? " " : "", objective);
	}
}

char *explain_action(const struct policy *p, const struct action *a)
{
	char before[64], value[64], cause[512] = "";
	const char *verb = "set";
	char *text;

	if (a->expected < MISSING && a->value != VALUE_MAX)
		verb = a->value > a->expected ? "raised" : "lowered";
	cause_print(p, a->model, a->reason, &a->why, cause, sizeof(cause));
	if (asprintf(&text, "%s of %s %s from %s to %s: %s.", knob_table[a->knob].file,
		     model_label(p, a->model), verb,
		     knob_describe(a->knob, a->expected, before, sizeof(before)),
		     knob_describe(a->knob, a->value, value, sizeof(value)), cause) < 0)
		return NULL;
	return text;
}

/* What was concluded, in the words of the present. */
static const char *conclusion(enum reason reason)
{
	switch (reason) {
	case REASON_BUDGET_AT_RISK:
	case REASON_BUDGET_BROKEN:
	case REASON_BUDGET_FAR_BROKEN:
		return "gets more of the CPU";
	case REASON_DONOR:
		return "gives weight";
	case REASON_GIVE_BACK:
		return "moves back towards its policy";
	case REASON_SENSOR_LOST:
		return "is back at its policy's weight";
	default:
		return "stays as it is";
	}
}

char *explain_verdict(const struct policy *p, uint32_t model, const struct verdict *v)
{
	char cause[512] = "", level[64] = "";
	char *text;

	if (v->reason == REASON_NONE) {
		char objective[160];

		objective_print(p, &v->why, objective, sizeof(objective));
		snprintf(cause, sizeof(cause), "%s%s",
			 *objective ? "its " : "nothing is wanted of it",
			 *objective ? objective : "");
	} else {
		cause_print(p, model, v->reason, &v->why, cause, sizeof(cause));
	}
	if (v->level != v->policy_level)
		snprintf(level, sizeof(level), " (level %d, %+d from its policy)", v->level,
			 v->level - v->policy_level);
	if (asprintf(&text, "%s %s%s: %s.", model_label(p, model), conclusion(v->reason), level,
		     cause) < 0)
		return NULL;
	return text;
}
