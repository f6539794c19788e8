/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov status`: what modelgovd tells of itself, as a page that fits a terminal. The shape of
 * the answer is docs/control.md; a member that is missing shows as "-".
 */
#include "command.h"
#include "print.h"

#include <inttypes.h>

/* "policy    text": the first column of the upper part. */
static void label(const char *what, bool is_bad)
{
	printf("%s%-9s%s ", is_bad ? bad_begin(stdout) : "", what, is_bad ? bad_end(stdout) : "");
}

/* ---- the daemon, its policy, its host -------------------------------------------------------- */

static void daemon_print(const json_t *s)
{
	char up[32], every[32], tick[32];

	label("modelgovd", false);
	printf("%s, %s mode, up %s, tick %s (every %s)\n", text_of(s, "version"),
	       text_of(s, "mode"), format_of(s, "uptime_ns", duration_format, up, sizeof(up)),
	       format_of(s, "tick", plain_format, tick, sizeof(tick)),
	       format_of(s, "tick_interval_ns", duration_format, every, sizeof(every)));
}

/* The change that was refused: what an operator came to see. */
static void pending_print(const json_t *pending)
{
	int64_t seen = 0, errors = 0;
	char when[32];

	(void)number_of(pending, "seen_at_ns", &seen);
	(void)number_of(pending, "errors", &errors);
	label("REFUSED", true);
	printf("the change of %s has %" PRId64 " error%s; the policy above stays in force\n",
	       time_print(seen, when, sizeof(when)), errors, errors == 1 ? "" : "s");
	text_print(text_of(pending, "findings"), 10, stdout);
}

/* Files that are right and not in force are drift as well. */
static bool etc_is_drifted(const json_t *policy)
{
	const char *etc = text_of(policy, "etc_digest");

	return *etc && strcmp(etc, text_of(policy, "digest")) != 0;
}

static void policy_print(const json_t *s)
{
	const json_t *policy = json_object_get(s, "policy");
	const json_t *pending = json_object_get(policy, "pending");
	size_t n_models = json_array_size(json_object_get(s, "models"));
	int64_t loaded = 0;
	char when[32];

	(void)number_of(policy, "loaded_at_ns", &loaded);
	label("policy", false);
	printf("%.12s of %s, %zu model%s, loaded %s\n", text_of(policy, "digest"),
	       etc_is_drifted(policy) ? "the record" : text_of(policy, "etc"), n_models,
	       n_models == 1 ? "" : "s", time_print(loaded, when, sizeof(when)));
	if (etc_is_drifted(policy)) {
		label("DRIFT", true);
		printf("%s holds %.12s, which is not in force; modelgov diff --etc shows the "
		       "difference\n",
		       text_of(policy, "etc"), text_of(policy, "etc_digest"));
	}
	if (*text_of(policy, "warnings")) {
		label("warnings", false);
		putchar('\n');
		text_print(text_of(policy, "warnings"), 10, stdout);
	}
	if (json_is_object(pending))
		pending_print(pending);
}

/* What is on its way into force, and what is watched. */
static void changes_print(const json_t *changes)
{
	const json_t *probation = json_object_get(changes, "probation");
	int64_t generation = 0, id = 0, ends_ns = 0;
	char when[32];
	json_t *open;
	size_t i;

	if (number_of(changes, "generation", &generation) && generation > 0) {
		label("in force", false);
		printf("generation %" PRId64 "\n", generation);
	}
	if (*text_of(changes, "problem")) {
		label("CHANGES", true);
		line_print(0, "none can be made: %s", text_of(changes, "problem"));
	}
	if (json_is_object(probation) && number_of(probation, "change", &id) &&
	    number_of(probation, "ends_ns", &ends_ns)) {
		label("watched", false);
		line_print(0, "change %" PRId64 " until %s: %s", id,
			   time_print(ends_ns, when, sizeof(when)), text_of(probation, "sentence"));
	}
	json_array_foreach(json_object_get(changes, "open"), i, open) {
		const char *missing = text_of(open, "waits_for");

		(void)number_of(open, "id", &id);
		label("change", false);
		line_print(0, "%" PRId64 " by %s, %s%s%s: %s", id, text_of(open, "author"),
			   text_of(open, "state"), *missing ? ", waits for " : "", missing,
			   *text_of(open, "reason") ? text_of(open, "reason") : "from /etc");
	}
}

static void host_print(const json_t *s)
{
	const json_t *host = json_object_get(s, "host");
	char cpus[32], busy[32], steal[32], memory[32], used[32] = "-";
	int64_t all, available, load;

	if (number_of(host, "memory_bytes", &all) &&
	    number_of(host, "memory_available_bytes", &available))
		size_format((uint64_t)MAX(all - available, 0), used, sizeof(used));
	label("host", false);
	printf("%s cpus %s busy, %s steal, load ",
	       format_of(host, "cpus", plain_format, cpus, sizeof(cpus)),
	       format_of(host, "busy_permyriad", share_format, busy, sizeof(busy)),
	       format_of(host, "steal_permyriad", share_format, steal, sizeof(steal)));
	if (number_of(host, "load_permille", &load))
		printf("%" PRId64 ".%02" PRId64, load / 1000, load % 1000 / 10);
	else
		putchar('-');
	printf(", memory %s of %s used\n", used,
	       format_of(host, "memory_bytes", size_format, memory, sizeof(memory)));
}

/* ---- one line per model ---------------------------------------------------------------------- */

static const json_t *objective_find(const json_t *model, const char *indicator)
{
	const json_t *list = json_object_get(model, "objectives");
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (strcmp(text_of(one, "indicator"), indicator) == 0)
			return one;
	return NULL;
}

/* "9.1ms/5ms"; bad when it is over. */
static void budget_add(struct table *t, const json_t *objective, number_format *format)
{
	char observed[32], budget[32];
	int64_t is = 0, may = INT64_MAX;

	if (!objective) {
		table_add(t, false, "-");
		return;
	}
	(void)number_of(objective, "observed", &is);
	(void)number_of(objective, "budget", &may);
	table_add(t, is > may, "%s/%s",
		  format_of(objective, "observed", format, observed, sizeof(observed)),
		  format_of(objective, "budget", format, budget, sizeof(budget)));
}

/* The promised wait, or without a promise what was seen in the last tick. */
static void wait_add(struct table *t, const json_t *model)
{
	const json_t *objective = objective_find(model, "runqueue_wait");
	char wait[32];

	if (objective)
		budget_add(t, objective, duration_format);
	else
		table_add(t, false, "%s",
			  format_of(model, "wait_p99_ns", duration_format, wait, sizeof(wait)));
}

static void level_add(struct table *t, const json_t *model)
{
	int64_t level, policy_level;

	if (!number_of(model, "level", &level) || !number_of(model, "policy_level", &policy_level))
		table_add(t, false, "-");
	else if (level == policy_level)
		table_add(t, false, "%" PRId64, level);
	else
		table_add(t, false, "%" PRId64 " (%+" PRId64 ")", level, level - policy_level);
}

/* Weights of its cgroups, each value once: usually there is one. */
static void weights_add(struct table *t, const json_t *model)
{
	const json_t *targets = json_object_get(model, "targets");
	int64_t weight, before = -1;
	char text[64] = "";
	size_t i, length = 0;
	json_t *target;

	json_array_foreach(targets, i, target) {
		if (!number_of(target, "cpu_weight", &weight) || weight == before)
			continue;
		if (length > sizeof(text) - 24) {
			snprintf(text + length, sizeof(text) - length, ",...");
			break;
		}
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%" PRId64,
					   length ? "," : "", weight);
		before = weight;
	}
	table_add(t, false, "%s", *text ? text : "-");
}

static void slack_add(struct table *t, const json_t *model)
{
	int64_t slack;

	if (number_of(model, "slack_permyriad", &slack))
		table_add(t, slack < 0, "%" PRId64 "%%", slack / 100);
	else
		table_add(t, false, "-");
}

static void cpu_add(struct table *t, const json_t *model)
{
	int64_t run;

	if (number_of(model, "run_permyriad", &run))
		table_add(t, false, "%" PRId64 ".%02" PRId64, run / 10000, run % 10000 / 100);
	else
		table_add(t, false, "-");
}

static void reason_add(struct table *t, const json_t *model)
{
	bool is_present = json_array_size(json_object_get(model, "targets")) > 0;
	const char *culprit = text_of(model, "culprit");
	char share[32];

	if (!is_present)
		table_add(t, false, "not running");
	else if (*culprit && objective_find(model, "runqueue_wait"))
		table_add(t, false, "%s (waits for %s: %s)", text_of(model, "reason"), culprit,
			  format_of(model, "culprit_permyriad", share_format, share,
				    sizeof(share)));
	else
		table_add(t, false, "%s", text_of(model, "reason"));
}

static void model_add(struct table *t, const json_t *model)
{
	char memory[32];

	table_add(t, false, "%s", text_of(model, "name"));
	table_add(t, false, "%s", text_of(model, "class"));
	level_add(t, model);
	weights_add(t, model);
	wait_add(t, model);
	budget_add(t, objective_find(model, "memory_stall"), share_format);
	slack_add(t, model);
	cpu_add(t, model);
	table_add(t, false, "%s",
		  format_of(model, "memory_bytes", size_format, memory, sizeof(memory)));
	reason_add(t, model);
}

static void models_print(const json_t *s)
{
	static const char *const heads[] = { "MODEL",           "CLASS",        "LEVEL", "WEIGHT",
					     "P99 WAIT/BUDGET", "STALL/BUDGET", "SLACK", "CPUS",
					     "MEMORY",          "VERDICT" };
	const json_t *models = json_object_get(s, "models");
	struct table t;
	json_t *one;
	size_t i;

	if (json_array_size(models) == 0)
		return;
	putchar('\n');
	table_init(&t, "llrrrrrrrl");
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&t, false, "%s", heads[i]);
	json_array_foreach(models, i, one)
		model_add(&t, one);
	table_print(&t, 0, stdout);
	table_fini(&t);
}

/* ---- what it records, costs, lacks ----------------------------------------------------------- */

static void journal_print(const json_t *s)
{
	const json_t *journal = json_object_get(s, "journal");
	const char *problem = text_of(journal, "problem");
	int64_t lost = 0, backlog = 0;
	char written[32];

	(void)number_of(journal, "rows_lost", &lost);
	(void)number_of(journal, "backlog", &backlog);
	label("journal", lost > 0 || *problem);
	printf("%s rows written",
	       format_of(journal, "rows_written", plain_format, written, sizeof(written)));
	if (backlog > 0)
		printf(", %" PRId64 " waiting", backlog);
	if (lost > 0)
		printf(", %" PRId64 " lost", lost);
	putchar('\n');
	text_print(problem, 10, stdout);
}

static void ledger_print(const json_t *s)
{
	int64_t n = 0;

	if (!number_of(s, "ledger", &n))
		return;
	label("ledger", false);
	if (n == 0)
		puts("nothing is changed");
	else
		printf("%" PRId64 " value%s of others changed; modelgov restore puts %s back\n", n,
		       n == 1 ? "" : "s", n == 1 ? "it" : "them");
}

/* A candidate that runs beside the policy in force, and the models in which it differs. */
static void shadow_print(const json_t *s)
{
	const json_t *shadow = json_object_get(s, "shadow");
	const char *before = ": ";
	char ticks[32], differing[32];
	json_t *model;
	size_t i;

	if (!json_is_object(shadow))
		return;
	label("shadow", false);
	printf("policy %.12s, without acting: %s of %s ticks differ", text_of(shadow, "digest"),
	       format_of(shadow, "differing", plain_format, differing, sizeof(differing)),
	       format_of(shadow, "ticks", plain_format, ticks, sizeof(ticks)));
	json_array_foreach(json_object_get(shadow, "models"), i, model) {
		fputs(before, stdout);
		fputs(text_of(model, "name"), stdout);
		before = ", ";
	}
	puts("; see modelgov shadow");
}

static void cost_print(const json_t *s)
{
	const json_t *cost = json_object_get(s, "cost");
	int64_t cpu, up;
	char memory[32], tick[32];

	label("own cost", false);
	if (number_of(cost, "cpu_ns", &cpu) && number_of(s, "uptime_ns", &up) && up > 0) {
		/* hundredths of a percent, without overflow in the first 2900 years */
		int64_t permyriad = cpu / MAX(up / (int64_t)PERMYRIAD, 1);

		printf("%" PRId64 ".%02" PRId64 "%% of one CPU, ", permyriad / 100,
		       permyriad % 100);
	}
	printf("%s memory, last tick %s\n",
	       format_of(cost, "rss_bytes", size_format, memory, sizeof(memory)),
	       format_of(cost, "tick_ns", duration_format, tick, sizeof(tick)));
}

static void health_print(const json_t *s)
{
	const json_t *list = json_object_get(s, "health");
	json_t *part;
	size_t i;

	json_array_foreach(list, i, part) {
		if (json_is_true(json_object_get(part, "is_ok")))
			continue;
		label("DEGRADED", true);
		fputs(text_of(part, "part"), stdout);
		fputs(": ", stdout);
		text_print(text_of(part, "detail"), 0, stdout);
	}
}

static void drifts_print(const json_t *s)
{
	const json_t *list = json_object_get(s, "drifts");
	json_t *drift;
	size_t i;

	json_array_foreach(list, i, drift) {
		label("drift", json_is_true(json_object_get(drift, "left_alone")));
		text_print(text_of(drift, "sentence"), 0, stdout);
	}
}

static void drops_print(const json_t *s)
{
	const json_t *list = json_object_get(s, "drops");
	int64_t count;
	json_t *drop;
	size_t i;

	json_array_foreach(list, i, drop) {
		if (!number_of(drop, "count", &count) || count == 0)
			continue;
		label("dropped", true);
		printf("%" PRId64 " %s\n", count, text_of(drop, "cause"));
	}
}

int status_run(const struct cli *cli, int argc, char **argv)
{
	json_t *status = NULL;
	struct err e = { 0 };
	int r = daemon_ask(cli, "Status", NULL, ASK_MSEC, &status, &e);

	if (r < 0)
		return daemon_complain(cli, r, &e);
	if (cli->is_json)
		return json_print(status);
	daemon_print(status);
	policy_print(status);
	changes_print(json_object_get(status, "changes"));
	host_print(status);
	journal_print(status);
	ledger_print(status);
	shadow_print(status);
	cost_print(status);
	health_print(status);
	drifts_print(status);
	drops_print(status);
	models_print(status);
	json_decref(status);
	return EXIT_OK;
}
