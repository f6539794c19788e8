/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov verify`: runs a model's checks, judges them by their limits, compares them with the
 * same checks under the generation before, and has the results recorded. Statistics are verify's
 * (the room), running is sample.c's.
 */
#include "verify.h"

#include "cgroup.h"
#include "knob.h"
#include "print.h"
#include "live.h"
#include "sample.h"

#include <limits.h>

#define CHECKS_LOOKED_AT 1000 /* results of the model; the record keeps so many for ever */

/* What is measured, and what of it is better. X(tag, name in JSON, words, direction, format) */
#define MEASURES(X)                                                                                \
	X(P50, "latency_p50_ns", "latency p50", LOWER_IS_BETTER, duration_format)                  \
	X(P99, "latency_p99_ns", "latency p99", LOWER_IS_BETTER, duration_format)                  \
	X(THROUGHPUT, "throughput_per_ks", "throughput", HIGHER_IS_BETTER, rate_format)

enum measure {
#define X(tag, name, words, direction, format) MEASURE_##tag,
	MEASURES(X)
#undef X
		N_MEASURES,
};

/* Samples per 1000 s as samples per second. */
static char *rate_format(uint64_t per_ks, char *buf, size_t size)
{
	snprintf(buf, size, "%llu.%02llu/s", (unsigned long long)per_ks / 1000,
		 (unsigned long long)per_ks % 1000 / 10);
	return buf;
}

static const struct {
	const char *name, *words;
	enum direction direction;
	number_format *format;
} measure_table[N_MEASURES] = {
#define X(tag, name, words, direction, format) [MEASURE_##tag] = { name, words, direction, format },
	MEASURES(X)
#undef X
};

/* One check, done. */
struct outcome_of_check {
	const struct model_check *check;
	struct sampling sampling;
	bool has_measures;
	struct interval measures[N_MEASURES];
	char broken[512]; /* limits that were not kept, "" when all were */
	uint64_t started_wall_ns;

	/* against an earlier result */
	json_t *baseline; /* NULL: there is none; new reference */
	struct contrast contrasts[N_MEASURES];
	enum verify_verdict verdict;
	char unrecorded[256]; /* why it was not recorded, "" when it was */
};

struct session {
	const struct cli *cli;
	struct live_policy live;
	const struct model *model;
	struct arena arena;
	char cgroup_root[PATH_MAX];
	struct names paths;
	json_t *earlier; /* recorded results of the model, newest first */
	json_t *changes; /* NULL: not known */
};

/* ---- where the model is ------------------------------------------------------------------ */

/* /a/b is counted in /a already. */
static bool is_inside_another(const char *path, const json_t *targets)
{
	json_t *target;
	size_t i;

	json_array_foreach((json_t *)targets, i, target) {
		const char *other = text_of(target, "path");
		size_t length = strlen(other);

		if (length < strlen(path) && strncmp(path, other, length) == 0 &&
		    path[length] == '/')
			return true;
	}
	return false;
}

static int paths_take(struct session *s, const json_t *targets)
{
	json_t *target;
	size_t i;

	s->paths.all = arena_new(&s->arena, const char *, json_array_size(targets) + 1);
	if (!s->paths.all)
		return -ENOMEM;
	json_array_foreach((json_t *)targets, i, target) {
		const char *path = text_of(target, "path");

		if (is_inside_another(path, targets))
			continue;
		if (!(s->paths.all[s->paths.n] = arena_strdup(&s->arena, path)))
			return -ENOMEM;
		s->paths.n++;
	}
	return 0;
}

/* Without its cgroups CPU and memory are not measured; that is told in the result. */
static int cgroups_find(struct session *s)
{
	json_t *reply = NULL, *model;
	struct err e = { 0 };
	size_t i;
	int r = daemon_ask(s->cli, "Status", NULL, ASK_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(s->cli, r, &e);
	json_array_foreach(json_object_get(reply, "models"), i, model)
		if (r == 0 && strcmp(text_of(model, "name"), s->model->name) == 0)
			r = paths_take(s, json_object_get(model, "targets"));
	json_decref(reply);
	if (r == 0 && cgroup_root_find(s->cgroup_root, sizeof(s->cgroup_root), NULL, &e) < 0)
		s->paths.n = 0;
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- judging ----------------------------------------------------------------------------- */

static void measures_find(struct outcome_of_check *o)
{
	const struct sampling *s = &o->sampling;

	o->has_measures = s->n_latencies > 0;
	if (!o->has_measures)
		return;
	o->measures[MEASURE_P50] = quantile_interval(s->latencies_ns, s->n_latencies, 5000);
	o->measures[MEASURE_P99] = quantile_interval(s->latencies_ns, s->n_latencies, 9900);
	o->measures[MEASURE_THROUGHPUT] = quantile_interval(s->rates_per_ks, s->n_rates, 5000);
}

/* Notes a limit that is not kept; what could not be measured does not keep a limit. */
static void limit_judge(struct outcome_of_check *o, const char *what, uint64_t value,
			uint64_t limit, number_format *format)
{
	size_t length = strlen(o->broken);
	char is[32], most[32];

	if (limit == MISSING || (value != MISSING && value <= limit))
		return;
	snprintf(o->broken + length, sizeof(o->broken) - length, "%s%s is %s, the limit %s",
		 length ? "; " : "", what,
		 value == MISSING ? "not measured" : format(value, is, sizeof(is)),
		 format(limit, most, sizeof(most)));
}

static void limits_judge(struct outcome_of_check *o)
{
	const struct model_check *c = o->check;
	const struct sampling *s = &o->sampling;
	uint64_t rate = o->has_measures ? o->measures[MEASURE_THROUGHPUT].value : 0;
	uint64_t p99 = o->has_measures ? o->measures[MEASURE_P99].value : MISSING;
	size_t length;
	char is[32];

	limit_judge(o, "latency p99", p99, c->p99_ns, duration_format);
	limit_judge(o, "cpu", s->cpu_millicpu, c->cpu_millicpu, cpus_format);
	limit_judge(o, "memory", s->memory_peak_bytes, c->memory_bytes, size_format);
	length = strlen(o->broken);
	if (c->throughput_per_s != MISSING && rate / 1000 < c->throughput_per_s)
		snprintf(o->broken + length, sizeof(o->broken) - length,
			 "%sthroughput is %s, the limit %llu/s", length ? "; " : "",
			 rate_format(rate, is, sizeof(is)),
			 (unsigned long long)c->throughput_per_s);
	length = strlen(o->broken);
	if (s->failed > 0)
		snprintf(o->broken + length, sizeof(o->broken) - length,
			 "%s%llu of %llu runs failed: %s", length ? "; " : "",
			 (unsigned long long)s->failed, (unsigned long long)s->runs, s->failure);
}

/* ---- against an earlier result ----------------------------------------------------------- */

static json_t *command_to_json(const struct model_check *check)
{
	json_t *argv = json_array();

	for (unsigned int i = 0; i < check->command.n; i++)
		json_array_append_new(argv, json_string(check->command.all[i]));
	return argv;
}

/* Worse on probation: not what the model should be held against. */
static bool is_rolled_back(const struct session *s, int64_t generation)
{
	int64_t its_own;
	json_t *change;
	size_t i;

	json_array_foreach(s->changes, i, change)
		if (strcmp(text_of(change, "state"), "rolled_back") == 0 &&
		    number_of(change, "generation", &its_own) && its_own == generation)
			return true;
	return false;
}

/* Of a generation that is not the one in force, and was not taken back. */
static bool is_earlier(const struct session *s, const json_t *result)
{
	int64_t generation = 0;

	(void)number_of(result, "generation", &generation);
	if (s->live.generation == 0)
		return strcmp(text_of(result, "digest"), s->live.policy->digest) != 0;
	return generation > 0 && (uint64_t)generation < s->live.generation &&
	       !is_rolled_back(s, generation);
}

/* The newest one of the same command; a borrowed reference. */
static json_t *baseline_find(const struct session *s, const struct model_check *check)
{
	json_t *command = command_to_json(check), *found = NULL, *result;
	size_t i;

	json_array_foreach(s->earlier, i, result)
		if (!found && strcmp(text_of(result, "check"), check->name) == 0 &&
		    json_equal(json_object_get(result, "command"), command) &&
		    is_earlier(s, result))
			found = result;
	json_decref(command);
	return found;
}

static uint64_t end_of(const json_t *interval, const char *key)
{
	int64_t value;

	return number_of(interval, key, &value) && value >= 0 ? (uint64_t)value : MISSING;
}

static void outcome_compare(const struct session *s, struct outcome_of_check *o)
{
	uint64_t margin = s->live.policy->host.probation_margin_permyriad;
	enum verify_verdict verdicts[N_MEASURES];
	json_t *baseline = baseline_find(s, o->check);

	o->verdict = VERIFY_INCONCLUSIVE;
	if (!baseline || !o->has_measures)
		return;
	o->baseline = json_incref(baseline);
	for (unsigned int i = 0; i < N_MEASURES; i++) {
		const json_t *before = json_object_get(baseline, measure_table[i].name);
		struct interval interval = { .lower = end_of(before, "lower"),
					     .value = end_of(before, "value"),
					     .upper = end_of(before, "upper") };

		o->contrasts[i] = verify_compare(&interval, &o->measures[i],
						 measure_table[i].direction, margin);
		verdicts[i] = o->contrasts[i].verdict;
	}
	o->verdict = verify_combine(verdicts, N_MEASURES);
}

/* ---- as JSON ----------------------------------------------------------------------------- */

static json_t *count_json(uint64_t value)
{
	return value == MISSING ? json_null() : json_integer((json_int_t)value);
}

static json_t *interval_json(const struct outcome_of_check *o, enum measure m)
{
	const struct interval *i = &o->measures[m];

	if (!o->has_measures)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "lower", count_json(i->lower), "value",
			 count_json(i->value), "upper", count_json(i->upper));
}

/* As it is recorded: docs/verification.md. */
static json_t *result_to_json(const struct outcome_of_check *o)
{
	const struct sampling *s = &o->sampling;
	json_t *result =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:s?, s:O}", "started_at_ns",
			  (json_int_t)o->started_wall_ns, "took_ns", (json_int_t)s->took_ns, "runs",
			  (json_int_t)s->runs, "failed", (json_int_t)s->failed, "samples",
			  (json_int_t)s->n_latencies, "cpu_millicpu", count_json(s->cpu_millicpu),
			  "memory_bytes", count_json(s->memory_peak_bytes), "is_kept",
			  *o->broken == '\0', "verdict",
			  o->baseline ? verify_verdict_name(o->verdict) : NULL, "baseline",
			  o->baseline ? json_object_get(o->baseline, "seq") : json_null());

	for (unsigned int i = 0; i < N_MEASURES; i++)
		json_object_set_new(result, measure_table[i].name, interval_json(o, i));
	return result;
}

static json_t *comparison_to_json(const struct outcome_of_check *o)
{
	json_t *parts = json_object();

	if (!o->baseline) {
		json_decref(parts);
		return json_null();
	}
	for (unsigned int i = 0; i < N_MEASURES; i++) {
		const struct contrast *c = &o->contrasts[i];

		json_object_set_new(
			parts, measure_table[i].name,
			json_pack("{s:s, s:o, s:o}", "verdict", verify_verdict_name(c->verdict),
				  "change_lower_permyriad",
				  c->has_change ? json_integer(c->lower_permyriad) : json_null(),
				  "change_upper_permyriad",
				  c->has_change ? json_integer(c->upper_permyriad) : json_null()));
	}
	return json_pack("{s:O?, s:O?, s:O?, s:o}", "generation",
			 json_object_get(o->baseline, "generation"), "digest",
			 json_object_get(o->baseline, "digest"), "samples",
			 json_object_get(o->baseline, "samples"), "measures", parts);
}

static json_t *outcome_to_json(const struct outcome_of_check *o)
{
	json_t *result = result_to_json(o);

	json_object_set_new(result, "check", json_string(o->check->name));
	json_object_set_new(result, "broken", json_string(o->broken));
	json_object_set_new(result, "comparison", comparison_to_json(o));
	json_object_set_new(result, "recorded", json_boolean(*o->unrecorded == '\0'));
	return result;
}

/* ---- for people -------------------------------------------------------------------------- */

static char *change_format(int64_t permyriad, char *buf, size_t size)
{
	char share[32];

	share_format((uint64_t)(permyriad < 0 ? -permyriad : permyriad), share, sizeof(share));
	snprintf(buf, size, "%c%s", permyriad < 0 ? '-' : '+', share);
	return buf;
}

static uint64_t samples_needed(enum measure m)
{
	return quantile_samples_needed(m == MEASURE_P99 ? 9900 : 5000);
}

static void contrast_add(struct table *t, const struct outcome_of_check *o, enum measure m)
{
	const struct contrast *c = &o->contrasts[m];
	const char *unit = m == MEASURE_THROUGHPUT ? "runs" : "samples";
	char lower[40], upper[40];

	if (!o->baseline)
		table_add(t, false, "-");
	else if (c->has_change)
		table_add(t, c->verdict == VERIFY_WORSE, "%s (%s to %s)",
			  verify_verdict_name(c->verdict),
			  change_format(c->lower_permyriad, lower, sizeof(lower)),
			  change_format(c->upper_permyriad, upper, sizeof(upper)));
	else
		table_add(t, false, "inconclusive: needs %llu %s, then and now",
			  (unsigned long long)samples_needed(m), unit);
}

static void interval_add(struct table *t, const struct interval *i, number_format *format)
{
	char lower[32], value[32], upper[32];

	table_add(t, false, "%s", format(i->value, value, sizeof(value)));
	table_add(t, false, "%s to %s",
		  i->lower == MISSING ? "?" : format(i->lower, lower, sizeof(lower)),
		  i->upper == MISSING ? "?" : format(i->upper, upper, sizeof(upper)));
}

static void measures_print(const struct outcome_of_check *o)
{
	static const char *const heads[] = { "MEASURE", "VALUE", "97.5% BETWEEN",
					     "AGAINST BEFORE" };
	struct table t;

	table_init(&t, "lrrl");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&t, false, "%s", heads[i]);
	for (unsigned int i = 0; i < N_MEASURES; i++) {
		table_add(&t, false, "%s", measure_table[i].words);
		interval_add(&t, &o->measures[i], measure_table[i].format);
		contrast_add(&t, o, i);
	}
	table_print(&t, 2, stdout);
	table_fini(&t);
}

static void model_print(const struct sampling *s)
{
	char cpu[32] = "cpu not measured", memory[32] = "memory not measured";

	if (s->cpu_millicpu != MISSING)
		cpus_format(s->cpu_millicpu, cpu, sizeof(cpu));
	if (s->memory_peak_bytes != MISSING)
		size_format(s->memory_peak_bytes, memory, sizeof(memory));
	printf("  the model used %s, %s\n", cpu, memory);
}

static void verdict_print(const struct outcome_of_check *o)
{
	bool is_bad = *o->broken || (o->baseline && o->verdict == VERIFY_WORSE);
	int64_t generation = 0;

	printf("  limits: %s\n", *o->broken ? o->broken : "kept");
	if (!o->baseline) {
		puts("  verdict: none: no result of an earlier generation to compare with; this is "
		     "the "
		     "first");
		return;
	}
	(void)number_of(o->baseline, "generation", &generation);
	printf("  verdict: %s%s%s, against generation %lld (policy %.12s)\n",
	       is_bad ? bad_begin(stdout) : "", verify_verdict_name(o->verdict),
	       is_bad ? bad_end(stdout) : "", (long long)generation,
	       text_of(o->baseline, "digest"));
}

static void outcome_print(const struct outcome_of_check *o)
{
	const struct sampling *s = &o->sampling;
	char took[32];

	printf("%s: %llu runs, %llu samples in %s\n", o->check->name, (unsigned long long)s->runs,
	       (unsigned long long)s->n_latencies, duration_format(s->took_ns, took, sizeof(took)));
	if (o->has_measures)
		measures_print(o);
	model_print(s);
	verdict_print(o);
	if (*o->unrecorded)
		complain("%s is not recorded: %s", o->check->name, o->unrecorded);
}

/* ---- one check --------------------------------------------------------------------------- */

static void outcome_record(const struct session *s, struct outcome_of_check *o)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(s->cli, "CheckResult",
			   json_pack("{s:s, s:s, s:o}", "model", s->model->name, "check",
				     o->check->name, "result", result_to_json(o)),
			   ASK_MSEC, &reply, &e);

	if (r < 0)
		snprintf(o->unrecorded, sizeof(o->unrecorded), "%.250s", e.text);
	json_decref(reply);
}

static int outcome_status(const struct outcome_of_check *o)
{
	if (*o->broken || (o->baseline && o->verdict == VERIFY_WORSE))
		return EXIT_FAILED;
	return o->baseline && o->verdict == VERIFY_INCONCLUSIVE ? EXIT_INCONCLUSIVE : EXIT_OK;
}

static int check_do(const struct session *s, const struct model_check *check, json_t *list)
{
	struct outcome_of_check o = { .check = check, .started_wall_ns = clock_realtime_ns() };
	uint64_t runs = s->cli->samples ? s->cli->samples : check->samples;
	struct err e = { 0 };
	int status;

	if (sampling_take(check, runs, s->cgroup_root, &s->paths, &o.sampling, &e) < 0) {
		complain("check %s of %s: %s", check->name, s->model->name, e.text);
		return EXIT_FAILED;
	}
	measures_find(&o);
	limits_judge(&o);
	outcome_compare(s, &o);
	outcome_record(s, &o);
	if (s->cli->is_json)
		json_array_append_new(list, outcome_to_json(&o));
	else
		outcome_print(&o);
	status = outcome_status(&o);
	sampling_fini(&o.sampling);
	json_decref(o.baseline);
	return status;
}

/* ---- the command ------------------------------------------------------------------------- */

static int model_find(struct session *s, const char *name)
{
	uint32_t model;

	if (policy_find(s->live.policy, name, &model) < 0) {
		complain("no model '%s' in the policy in force; modelgov status lists them", name);
		return EXIT_FAILED;
	}
	s->model = &s->live.policy->models[model];
	if (s->model->n_checks > 0)
		return EXIT_OK;
	complain("the manifest of %s has no checks; see checks in modelgov.yaml(5)", name);
	return EXIT_FAILED;
}

/* The list under that key of the answer, a new reference. */
static int list_ask(const struct session *s, const char *method, json_t *take_parameters,
		    const char *key, json_t **ret_list)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(s->cli, method, take_parameters, ASK_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(s->cli, r, &e);
	*ret_list = json_incref(json_object_get(reply, key));
	json_decref(reply);
	return EXIT_OK;
}

static int earlier_ask(struct session *s)
{
	int status = list_ask(s, "Checks",
			      json_pack("{s:s, s:i}", "model", s->model->name, "limit",
					CHECKS_LOOKED_AT),
			      "checks", &s->earlier);

	return status ? status
		      : list_ask(s, "Changes", json_pack("{s:i}", "limit", CHECKS_LOOKED_AT), "changes",
				 &s->changes);
}

/* The worst of all: failed, then inconclusive. */
static int checks_do(const struct session *s, json_t *list)
{
	const char *only = s->cli->check;
	int worst = EXIT_OK;
	bool is_found = false;

	for (unsigned int i = 0; i < s->model->n_checks; i++) {
		const struct model_check *check = &s->model->checks[i];
		int status;

		if (only && strcmp(only, check->name) != 0)
			continue;
		is_found = true;
		status = check_do(s, check, list);
		worst = worst == EXIT_FAILED || status == EXIT_OK ? worst : status;
	}
	if (is_found)
		return worst;
	complain("%s has no check '%s'; it has: %s%s", s->model->name, only,
		 s->model->checks[0].name, s->model->n_checks > 1 ? ", ..." : "");
	return EXIT_FAILED;
}

static int session_run(struct session *s, const char *name)
{
	json_t *list = json_array();
	int status = live_policy_ask(s->cli, &s->live), printed = EXIT_OK;

	if (status == EXIT_OK)
		status = model_find(s, name);
	if (status == EXIT_OK)
		status = cgroups_find(s);
	if (status == EXIT_OK)
		status = earlier_ask(s);
	if (status == EXIT_OK) {
		status = checks_do(s, list);
		if (s->cli->is_json && json_array_size(list) > 0)
			printed = json_print(json_pack("{s:s, s:I, s:s, s:O}", "model", name,
						       "generation", (json_int_t)s->live.generation,
						       "digest", s->live.policy->digest, "checks",
						       list));
	}
	json_decref(list);
	return printed ? printed : status;
}

int verify_run(const struct cli *cli, int argc, char **argv)
{
	struct session s = { .cli = cli };
	int status;

	arena_init(&s.arena);
	status = session_run(&s, argv[0]);
	json_decref(s.earlier);
	json_decref(s.changes);
	live_policy_fini(&s.live);
	arena_fini(&s.arena);
	return status;
}
