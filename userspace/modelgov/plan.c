/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov plan`: what a policy would change, before it does: keys, kernel values, and which
 * promises it puts at risk, by the observations of the last hour. Changes nothing and asks for
 * nothing but reading.
 */
#include "knob.h"
#include "print.h"
#include "record.h"
#include "live.h"

#define PLAN_HOUR_NS                                                                               \
	(3600 * NSEC_PER_SEC) /* chosen: long enough for a cycle of load, read in a second */

/* One value in the kernel that would not stay. */
struct value_change {
	const char *model, *cgroup;
	enum knob knob;
	uint64_t before, after; /* after MISSING: what was before modelgov */
	const char *reason;
};

struct plan_report {
	const struct policy *live, *candidate;
	struct comparison c;
	struct arena arena;
	struct difference *keys;
	struct value_change *values;
	struct risk *risks;
	unsigned int n_keys, n_values, n_risks;
	enum replay_verdict verdict;
	char note[1024];
};

/* ---- finding ----------------------------------------------------------------------------- */

/* What a first tick of the candidate would set, by the last observation. */
static int sets_find(struct plan_report *r, const struct observation *last)
{
	struct observation *seen, first;
	struct replay replay;
	int status;

	if (observation_translate(last, r->live, r->candidate, &r->arena, &seen) < 0 ||
	    replay_init(&replay, r->candidate) < 0)
		return -ENOMEM;
	first = *seen;
	first.span_ns = 0;
	first.is_busy = false;
	status = replay_feed(&replay, &first);
	for (uint32_t i = 0; status == 0 && i < replay.plan.n_actions; i++) {
		const struct action *a = &replay.plan.actions[i];

		r->values[r->n_values++] =
			(struct value_change){ .model = r->candidate->models[a->model].name,
					       .cgroup = seen->targets[a->target].path,
					       .knob = a->knob,
					       .before = a->expected,
					       .after = a->value,
					       .reason = reason_name(a->reason) };
	}
	replay_fini(&replay);
	return status;
}

/* Does the candidate want a value there? Weights of every model that it has. */
static bool is_governed(const struct plan_report *r, const char *model, enum knob knob)
{
	uint32_t i;

	return policy_find(r->candidate, model, &i) == 0 &&
	       r->c.after.models[i].wanted[knob] != MISSING;
}

/* What the policy in force sets and the candidate does not: the first value comes back. */
static void releases_find(struct plan_report *r, const struct observation *last)
{
	for (uint32_t i = 0; i < last->n_targets; i++) {
		const struct target *t = &last->targets[i];
		const char *model = r->live->models[t->model].name;

		for (unsigned int k = 0; k < N_KNOBS; k++) {
			if (!(t->knobs & 1u << k) || t->driver == DRIVER_OBSERVE ||
			    r->c.before.models[t->model].wanted[k] == MISSING ||
			    is_governed(r, model, (enum knob)k))
				continue;
			r->values[r->n_values++] =
				(struct value_change){ .model = model,
						       .cgroup = t->path,
						       .knob = (enum knob)k,
						       .before = t->values[k],
						       .after = MISSING,
						       .reason = "not governed any more" };
		}
	}
}

static int values_find(struct plan_report *r, const struct observation *last)
{
	size_t most = last ? (size_t)last->n_targets * N_KNOBS * 2 : 0;
	int status = 0;

	r->values = arena_new(&r->arena, struct value_change, most + 1);
	if (!r->values)
		return -ENOMEM;
	if (last && r->candidate->host.mode == MODE_ENFORCE)
		status = sets_find(r, last);
	if (status == 0 && last && r->live->host.mode == MODE_ENFORCE &&
	    r->candidate->host.mode == MODE_ENFORCE)
		releases_find(r, last);
	return status;
}

static int report_fill(const struct cli *cli, struct plan_report *r)
{
	struct observation *last;
	uint64_t now_ns = clock_realtime_ns();
	int status =
		recorded_feed(cli, now_ns - MIN(now_ns, PLAN_HOUR_NS), &r->c, &r->arena, &last);

	if (status)
		return status;
	if (policy_diff(r->live, r->candidate, &r->arena, &r->keys, &r->n_keys) < 0 ||
	    values_find(r, last) < 0 ||
	    comparison_judge(&r->c, &r->arena, &r->risks, &r->n_risks) < 0 ||
	    replay_gate(&r->c, &r->verdict, r->note, sizeof(r->note)) < 0) {
		complain("plan: out of memory");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* ---- for people -------------------------------------------------------------------------- */

static const char *const verdict_names[] = {
	[REPLAY_PASS] = "pass", [REPLAY_INCONCLUSIVE] = "inconclusive", [REPLAY_FAIL] = "fail"
};

static void keys_print(const struct plan_report *r)
{
	struct table t;

	printf("\nKeys: %u\n", r->n_keys);
	table_init(&t, "llrr");
	for (unsigned int i = 0; i < r->n_keys; i++) {
		const struct difference *d = &r->keys[i];

		table_add(&t, false, "%s", *d->model ? d->model : "(host)");
		table_add(&t, false, "%s", *d->key ? d->key : "(the whole model)");
		table_add(&t, false, "%s", d->before ? d->before : "-");
		table_add(&t, false, "-> %s", d->after ? d->after : "-");
	}
	table_print(&t, 2, stdout);
	table_fini(&t);
}

static void values_print(const struct plan_report *r)
{
	char before[64], after[64];
	struct table t;

	if (r->candidate->host.mode == MODE_OBSERVE) {
		printf("\nValues in the kernel: mode observe writes none%s\n",
		       r->live->host.mode == MODE_ENFORCE ? ", and every value is put back" : "");
		return;
	}
	printf("\nValues in the kernel, by policy alone: %u\n", r->n_values);
	table_init(&t, "lllrll");
	for (unsigned int i = 0; i < r->n_values; i++) {
		const struct value_change *v = &r->values[i];

		table_add(&t, false, "%s", v->model);
		table_add(&t, false, "%s", v->cgroup);
		table_add(&t, false, "%s", knob_table[v->knob].file);
		table_add(&t, false, "%s",
			  v->before == MISSING
				  ? "no file"
				  : knob_describe(v->knob, v->before, before, sizeof(before)));
		table_add(&t, false, "-> %s",
			  v->after == MISSING
				  ? "as before modelgov"
				  : knob_describe(v->knob, v->after, after, sizeof(after)));
		table_add(&t, false, "%s", v->reason);
	}
	table_print(&t, 2, stdout);
	table_fini(&t);
}

static void risks_print(struct plan_report *r)
{
	const struct replay *before = &r->c.before;
	char from[32], to[32];

	if (before->ticks == 0)
		puts("\nPromises at risk: no tick is recorded to judge by");
	else
		printf("\nPromises at risk, by %llu recorded ticks from %s to %s: %u\n",
		       (unsigned long long)before->ticks,
		       time_print((int64_t)before->first_wall_ns, from, sizeof(from)),
		       time_print((int64_t)before->last_wall_ns, to, sizeof(to)), r->n_risks);
	for (unsigned int i = 0; i < r->n_risks; i++) {
		bool is_bad = r->risks[i].verdict != REPLAY_PASS;

		printf("  %s%-12s%s  ", is_bad ? bad_begin(stdout) : "",
		       is_bad ? verdict_names[r->risks[i].verdict] : "note",
		       is_bad ? bad_end(stdout) : "");
		text_print(risk_print(&r->c, &r->risks[i], &r->arena), 0, stdout);
	}
	printf("\nReplay gate: %s: ", verdict_names[r->verdict]);
	text_print(r->note, 0, stdout);
	puts("Effects are not simulated: readings are as they were, whatever the candidate would "
	     "have done.");
}

static void report_print(struct plan_report *r)
{
	printf("From %.12s, in force, to %.12s\n", r->live->digest, r->candidate->digest);
	if (strcmp(r->live->digest, r->candidate->digest) == 0) {
		puts("It is the policy in force: nothing would change");
		return;
	}
	keys_print(r);
	values_print(r);
	risks_print(r);
}

/* ---- as JSON ----------------------------------------------------------------------------- */

static json_t *value_json(uint64_t value)
{
	return value == MISSING     ? json_null()
	       : value == VALUE_MAX ? json_string("max")
				    : json_integer((json_int_t)value);
}

static json_t *keys_to_json(const struct plan_report *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_keys; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s?, s:s?}", "model", r->keys[i].model,
						"key", r->keys[i].key, "before", r->keys[i].before,
						"after", r->keys[i].after));
	return list;
}

static json_t *values_to_json(const struct plan_report *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_values; i++) {
		const struct value_change *v = &r->values[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "model",
						      v->model, "cgroup", v->cgroup, "knob",
						      knob_table[v->knob].file, "before",
						      value_json(v->before), "after",
						      value_json(v->after), "reason", v->reason));
	}
	return list;
}

static json_t *risks_to_json(struct plan_report *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_risks; i++) {
		const struct risk *risk = &r->risks[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:s}", "model",
				  r->live->models[risk->model].name, "kind", risk_name(risk->kind),
				  "verdict", verdict_names[risk->verdict], "before",
				  value_json(risk->before), "after", value_json(risk->after),
				  "judged", (json_int_t)risk->judged, "violated",
				  (json_int_t)risk->violated, "tight", (json_int_t)risk->tight,
				  "sentence", risk_print(&r->c, risk, &r->arena)));
	}
	return list;
}

/* What each policy made of the recorded ticks, per model. */
static json_t *replay_to_json(const struct replay *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < r->policy->n_models; i++) {
		const struct model_tally *t = &r->models[i];
		json_t *actions = json_object(), *objectives = json_array();

		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (t->actions[k] > 0)
				json_object_set_new(actions, knob_table[k].file,
						    json_integer((json_int_t)t->actions[k]));
		for (unsigned int k = 0; k < r->policy->models[i].n_objectives; k++)
			json_array_append_new(objectives,
					      json_pack("{s:I, s:I, s:I}", "judged",
							(json_int_t)t->objectives[k].judged,
							"violated",
							(json_int_t)t->objectives[k].violated,
							"tight",
							(json_int_t)t->objectives[k].tight));
		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s, s:o, s:o}", "model",
						      r->policy->models[i].name, "level", t->level,
						      "policy_level", t->policy_level, "reason",
						      reason_name(t->reason), "actions", actions,
						      "objectives", objectives));
	}
	return list;
}

static json_t *report_to_json(struct plan_report *r)
{
	const struct replay *before = &r->c.before;

	return json_pack(
		"{s:{s:s, s:s}, s:o, s:o, s:{s:I, s:I, s:I, s:b, s:o, s:o}, s:o, s:s, s:s}",
		"digest", "live", r->live->digest, "candidate", r->candidate->digest, "keys",
		keys_to_json(r), "values", values_to_json(r), "replay", "ticks",
		(json_int_t)before->ticks, "from_ns", (json_int_t)before->first_wall_ns, "to_ns",
		(json_int_t)before->last_wall_ns, "effects_simulated", 0, "live",
		replay_to_json(before), "candidate", replay_to_json(&r->c.after), "risks",
		risks_to_json(r), "verdict", verdict_names[r->verdict], "note", r->note);
}

/* ---- the command ------------------------------------------------------------------------- */

static int report_run(const struct cli *cli, const struct live_policy *live,
		      const struct policy *candidate)
{
	struct plan_report r = { .live = live->policy, .candidate = candidate };
	int status;

	if (comparison_init(&r.c, live->policy, candidate, &live->facts) < 0) {
		complain("plan: out of memory");
		return EXIT_FAILED;
	}
	arena_init(&r.arena);
	status = report_fill(cli, &r);
	if (status == EXIT_OK && cli->is_json)
		status = json_print(report_to_json(&r));
	else if (status == EXIT_OK)
		report_print(&r);
	comparison_fini(&r.c);
	arena_fini(&r.arena);
	return status;
}

int plan_run(const struct cli *cli, int argc, char **argv)
{
	struct policy *candidate = NULL;
	struct live_policy live = { 0 };
	int status = candidate_load(cli, argc > 0 ? argv[0] : cli->etc, &candidate);

	if (status == EXIT_OK)
		status = live_policy_ask(cli, &live);
	if (status == EXIT_OK)
		status = report_run(cli, &live, candidate);
	policy_free(candidate);
	live_policy_fini(&live);
	return status;
}
