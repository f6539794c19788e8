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
	case REASON_CAP:
		snprintf(buf, size, "%s needs the CPU and weights are at their end: its %s%s",
			 model_label(p, why->model), objective, culprit);
		return;
	case REASON_CAP_READY:
		snprintf(buf, size, "its manifest bears caps; this quota is too loose to be felt and "
				    "makes a cap quick");
		return;
	case REASON_CAP_EXPIRED:
		snprintf(buf, size, "it was capped for %s as long as one may be; it goes back step by "
				    "step",
			 model_label(p, why->model));
		return;
	case REASON_REGRET:
		snprintf(buf, size, "it had been given back too early: %s %s%s; the next time it takes "
				    "twice as long",
			 whose, objective, culprit);
		return;
	case REASON_STARVED:
		snprintf(buf, size, "some model got less CPU than its floor for thirty ticks although it "
				    "waited for it; look for what runs beside the governed models");
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

/* ---- drift ------------------------------------------------------------------------------------ */

/* "bash, process 4711, which wrote into the cgroup's file" */
static void writer_print(const struct writer *w, char *buf, size_t size)
{
	char process[48];

	if (*w->comm)
		snprintf(process, sizeof(process), "%s, process %u,", w->comm, w->pid);
	else
		snprintf(process, sizeof(process), "process %u, which is gone,", w->pid);
	switch (w->kind) {
	case WRITER_RELOAD:
		snprintf(buf, size, "systemd at a daemon-reload");
		return;
	case WRITER_PROPERTY:
		snprintf(buf, size, "systemd, because somebody set a property of the unit "
				    "(as systemctl set-property does)");
		return;
	case WRITER_DIRECT:
		snprintf(buf, size, "%s by a direct write", process);
		return;
	case WRITER_RUNTIME:
		if (w->pid == 1)
			snprintf(buf, size, "the container's runtime through systemd");
		else
			snprintf(buf, size, "the container runtime %s by a direct write", process);
		return;
	default:
		snprintf(buf, size, "somebody who was not seen");
	}
}

/* What whoever wants the value to stay as modelgov sets it can do. */
static const char *cure_of(enum writer_kind kind)
{
	switch (kind) {
	case WRITER_RELOAD:
		return "remove the setting from the unit's files (systemctl cat shows them)";
	case WRITER_PROPERTY:
		return "stop who sets it; systemctl revert removes what it left in the unit";
	case WRITER_DIRECT:
		return "stop that process from writing there";
	case WRITER_RUNTIME:
		return "leave the value to one of the two: drop it from the container's options";
	default:
		return "stop who writes there (modelgov status and doctor say what is missing to name "
		       "it)";
	}
}

static const char *ordinal(uint32_t n)
{
	static const char *const words[] = { "0th", "1st", "2nd", "3rd", "4th",
					     "5th", "6th", "7th", "8th" };

	return words[MIN(n, (uint32_t)ARRAY_SIZE(words) - 1)];
}

/* "cpu.weight of ocr was changed from 1455 to 200 by ..." */
static char *change_print(const struct policy *p, const struct drift *d)
{
	char written[64], found[64], by[160];
	char *text;

	writer_print(&d->writer, by, sizeof(by));
	if (asprintf(&text, "%s of %s was changed from %s to %s by %s", knob_table[d->knob].file,
		     model_label(p, d->model),
		     knob_describe(d->knob, d->written, written, sizeof(written)),
		     knob_describe(d->knob, d->found, found, sizeof(found)), by) < 0)
		return NULL;
	return text;
}

static char *left_alone_print(const struct drift *d, const char *change)
{
	char wanted[64];
	char *text;

	if (asprintf(&text,
		     "%s; left alone after %" PRIu32 " times, although %s is wanted; cure: %s, or "
		     "set it in the manifest; it is tried again when the manifest's value changes, "
		     "or after an hour.",
		     change, d->times, knob_describe(d->knob, d->wanted, wanted, sizeof(wanted)),
		     cure_of(d->writer.kind)) < 0)
		return NULL;
	return text;
}

char *explain_drift(const struct policy *p, const struct drift *d)
{
	_cleanup_free_ char *change = change_print(p, d);
	char wanted[64];
	char *text;

	if (!change)
		return NULL;
	if (d->is_left_alone)
		return left_alone_print(d, change);
	knob_describe(d->knob, d->wanted, wanted, sizeof(wanted));
	if (asprintf(&text, "%s; %s%s (%s time in ten minutes).", change,
		     d->wanted == d->written ? "put back" : "set to ",
		     d->wanted == d->written ? "" : wanted, ordinal(d->times)) < 0)
		return NULL;
	return text;
}

char *explain_action(const struct policy *p, const struct action *a)
{
	const struct drift drift = { .model = a->model,
				     .knob = a->knob,
				     .written = a->written,
				     .found = a->expected,
				     .wanted = a->value,
				     .writer = a->writer,
				     .times = a->times };
	char before[64], value[64], cause[512] = "";
	const char *verb = "set";
	char *text;

	if (a->reason == REASON_DRIFT)
		return explain_drift(p, &drift);
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
	case REASON_CAP:
		return "is capped";
	case REASON_REGRET:
		return "pays again";
	case REASON_GRANT:
		return "is granted more";
	case REASON_STARVED:
		return "is starved";
	case REASON_GIVE_BACK:
	case REASON_CAP_EXPIRED:
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
