/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modelgov program from outside: what it prints and how it exits, beside a daemon of canned
 * answers and without one. Runs the binary that was built beside this runner, in a folder of its
 * own.
 */
#include "cgroup.h"
#include "record.h"
#include "stand_in.h"

#include <sys/stat.h>

static char folder[] = "/tmp/modelgov-cli-XXXXXX";
static struct stand_in stand_in;
static struct terminal terminal = { .folder = folder };
static char *out, *problem; /* of the last run */
static struct err e;

/* ---- running it ------------------------------------------------------------------------------ */

static char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Exit status of `modelgov ARGUMENTS`. */
static int modelgov(const char *arguments)
{
	terminal_run(&terminal, arguments);
	out = terminal.out;
	problem = terminal.problem;
	return terminal.status;
}

static void file_write(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "w");

	cr_assert_not_null(f, "%s", name);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(in_folder(name), 0644), 0);
}

static void begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(mkdir(in_folder("etc"), 0755), 0);
	cr_assert_eq(mkdir(in_folder("etc/models.d"), 0755), 0);
	cr_assert_eq(mkdir(in_folder("state"), 0755), 0);
}

static void end(void)
{
	char command[64];

	terminal_fini(&terminal);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	(void)!system(command);
}

TestSuite(cli, .init = begin, .fini = end, .timeout = 60);

#define assert_has(text, part)   cr_assert_not_null(strstr(text, part), "no '%s' in:\n%s", part, text)
#define assert_lacks(text, part) cr_assert_null(strstr(text, part), "'%s' in:\n%s", part, text)
#define assert_runs(arguments, expected)                                                           \
	do {                                                                                       \
		int _status = modelgov(arguments);                                                 \
		cr_assert_eq(_status, expected, "modelgov %s: exit %d\n%s%s", arguments, _status,  \
			     out, problem);                                                        \
	} while (0)

/* ---- a daemon of canned answers -------------------------------------------------------------- */

static const char status_json[] =
	"{\"version\":\"9.8.7\",\"pid\":812,\"started_at_ns\":1700000000000000000,"
	"\"uptime_ns\":100000000000,\"mode\":\"enforce\",\"tick\":93,\"tick_interval_ns\":"
	"1000000000,"
	"\"policy\":{\"etc\":\"/etc/modelgov\",\"etc_digest\":\"1c169ba67d1b0000\","
	"\"digest\":\"5f2c9a1b77e0ffff\","
	" \"loaded_at_ns\":1700000000000000000,\"warnings\":\"\",\"pending\":{"
	"  \"seen_at_ns\":1700000050000000000,\"errors\":1,\"findings\":\"ocr.yaml:3:5: error: "
	"unknown key\"}},"
	"\"host\":{\"cpus\":2,\"memory_bytes\":4294967296,\"memory_available_bytes\":3221225472,"
	" \"load_permille\":1250,\"busy_permyriad\":8700,\"steal_permyriad\":0},"
	"\"models\":[{\"name\":\"ocr\",\"class\":\"critical\",\"priority\":5,\"level\":34,\"policy_"
	"level\":30,"
	"  "
	"\"reason\":\"budget_broken\",\"sentence\":\"s\",\"processes\":3,\"memory_bytes\":1048576,"
	"  "
	"\"targets\":[{\"path\":\"/"
	"o\",\"unit\":\"ocr.service\",\"driver\":\"systemd\",\"cpu_weight\":2274}],"
	"  \"run_permyriad\":1234,\"wait_p99_ns\":7000000,\"own_quota_ns\":0,\"culprit\":\"pages\","
	"  \"culprit_permyriad\":8100,\"slack_permyriad\":-8200,"
	"  "
	"\"objectives\":[{\"indicator\":\"runqueue_wait\",\"quantile_permyriad\":9900,\"budget\":"
	"5000000,"
	"   \"observed\":9100000,\"samples\":812,\"window_ns\":10000000000}]},"
	" {\"name\":\"idle\",\"class\":\"batch\",\"level\":8,\"policy_level\":8,\"reason\":"
	"\"none\","
	"  "
	"\"targets\":[],\"memory_bytes\":null,\"run_permyriad\":null,\"wait_p99_ns\":null,"
	"\"culprit\":null,"
	"  \"slack_permyriad\":null,\"objectives\":[]},"
	" {\"name\":\"evil\\u001b[2J\",\"class\":\"batch\",\"level\":8,\"policy_level\":8,"
	"\"reason\":\"none\","
	"  \"targets\":[]}],"
	"\"health\":[{\"part\":\"PSI\",\"is_ok\":false,\"detail\":\"boot with psi=1\"},"
	" {\"part\":\"run queue (BPF)\",\"is_ok\":true,\"detail\":\"\"}],"
	"\"drifts\":[{\"model\":\"ocr\",\"left_alone\":true,\"sentence\":\"cpu.weight of ocr was "
	"changed.\"}],"
	"\"drops\":[{\"cause\":\"no slot\",\"count\":12},{\"cause\":\"never\",\"count\":0}],"
	"\"journal\":{\"rows_written\":412,\"rows_lost\":3,\"backlog\":0,\"problem\":\"disk is "
	"full\"},"
	"\"ledger\":4,\"cost\":{\"cpu_ns\":120000000,\"rss_bytes\":9437184,\"tick_ns\":800000}}";

static const char explain_json[] =
	"{\"verdicts\":[{\"model\":\"ocr\",\"sentence\":\"ocr gets more "
	"weight.\",\"reason\":\"budget_broken\","
	"\"level\":34,\"policy_level\":30}],"
	"\"actions\":[{\"time_ns\":1700000000000000000,\"tick\":7,\"model\":\"ocr\",\"cgroup\":\"/"
	"o\","
	"\"knob\":\"cpu.weight\",\"before\":100,\"value\":2274,\"reason\":\"budget_broken\","
	"\"outcome\":\"refused\",\"note\":\"unit is gone\",\"sentence\":\"cpu.weight of ocr "
	"raised.\"},"
	"{\"time_ns\":1699999999000000000,\"outcome\":\"applied\",\"note\":\"\",\"sentence\":"
	"\"Earlier.\"}]}";

static void on_status(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_loads(status_json, 0, NULL));
}

static void on_explain(struct request *r, json_t *parameters, void *userdata)
{
	const char *model = json_string_value(json_object_get(parameters, "model"));

	if (model && strcmp(model, "ocr") != 0)
		request_fail(r, "NotFound", "no model '%s' in the policy in force", model);
	else if (json_integer_value(json_object_get(parameters, "limit")) == 1)
		request_reply(r, json_pack("{s:[], s:[]}", "verdicts", "actions"));
	else
		request_reply(r, json_loads(explain_json, 0, NULL));
}

static void on_restore(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:[{s:s, s:s, s:s, s:s, s:s}]}", "restored", "what",
				   "ocr.service", "knob", "cpu.weight", "value", "100", "outcome",
				   "applied", "note", ""));
}

static void on_reload(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r,
		      json_pack("{s:b, s:s}", "loaded", 0, "findings", "ocr.yaml:3:5: error: x"));
}

static void on_reload_good(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:b, s:s}", "loaded", 1, "findings", ""));
}

static void on_denied(struct request *r, json_t *parameters, void *userdata)
{
	request_fail(r, "PermissionDenied", "it is for root; you are uid 1000");
}

#define EXPLAIN                                                                                    \
	{                                                                                          \
		"Explain", ROLE_VIEWER, "(model: ?string, limit: ?int) -> ()", "", on_explain      \
	}

static const struct method friendly[] = {
	{ "Status", ROLE_VIEWER, "() -> ()", "", on_status },
	EXPLAIN,
	{ "Restore", ROLE_OPERATOR, "() -> ()", "", on_restore },
	{ "Reload", ROLE_OPERATOR, "() -> ()", "", on_reload },
	{ 0 },
};
static const struct method content[] = {
	{ "Reload", ROLE_OPERATOR, "() -> ()", "", on_reload_good },
	{ 0 },
};
static const struct method strict[] = {
	{ "Status", ROLE_VIEWER, "() -> ()", "", on_denied },
	{ "Restore", ROLE_OPERATOR, "() -> ()", "", on_denied },
	{ "Reload", ROLE_OPERATOR, "() -> ()", "", on_denied },
	{ "Explain", ROLE_VIEWER, "(model: ?string, limit: ?int) -> ()", "", on_denied },
	{ 0 },
};

/* ---- the command line ------------------------------------------------------------------------ */

/* Calls judge with each word of a kind ("command", "option", "exit") of the program's own table. */
static void words_each(const char *kind, void (*judge)(const char *word))
{
	size_t n = 0, length = strlen(kind);
	char *words, *rest;

	assert_runs("__reference commands", OK);
	rest = words = strdup(out);
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, kind, length) == 0 && line[length] == ' ') {
			judge(line + length + 1);
			n++;
		}
	}
	free(words);
	cr_assert_gt(n, 3, "the table has only %zu of %s", n, kind);
}

static void help_judge(const char *command)
{
	char arguments[64], usage[64];

	snprintf(arguments, sizeof(arguments), "help %s", command);
	snprintf(usage, sizeof(usage), "Usage: modelgov %s ", command);
	assert_runs(arguments, OK);
	assert_has(out, usage);
	snprintf(arguments, sizeof(arguments), "%s --help", command);
	assert_runs(arguments, OK);
	assert_has(out, usage);
}

Test(cli, every_command_has_its_help)
{
	words_each("command", help_judge);
	assert_runs("help", OK);
	assert_runs("--help", OK);
	assert_has(out, "Exit status:");
}

static char *manual;

static void manual_judge(const char *word)
{
	char bold[64];

	snprintf(bold, sizeof(bold), "*%s*", word);
	cr_assert_not_null(strstr(manual, bold), "the manual does not mention %s", word);
}

/* Every bold --option of the manual is in the table. */
static void manual_options_judge(void)
{
	assert_runs("__reference commands", OK);
	for (const char *at = manual; (at = strstr(at, "*--"));) {
		char word[64];
		size_t length = strcspn(at + 1, "*");

		snprintf(word, sizeof(word), "option %.*s\n", (int)MIN(length, (size_t)48), at + 1);
		if (length > 2)
			cr_assert_not_null(strstr(out, word), "the manual invents %s", word);
		at += length + 2;
	}
}

Test(cli, the_manual_knows_every_command_option_and_exit_status_and_no_others)
{
	cr_assert_eq(file_read_all(AT_FDCWD, "docs/man/modelgov.1.scd", 1 << 20, &manual, NULL, &e),
		     0, "%s; run the tests in the top folder", e.text);
	words_each("command", manual_judge);
	words_each("option", manual_judge);
	words_each("exit", manual_judge);
	manual_options_judge();
	free(manual);
}

Test(cli, a_wrong_command_line_exits_2_and_says_why_on_stderr_only)
{
	static const struct {
		const char *arguments, *why;
	} cases[] = {
		{ "", "Usage:" },
		{ "stauts", "unknown command 'stauts'" },
		{ "--nope", "unknown option --nope" },
		{ "status -x", "unknown option -x" },
		{ "status --limit 3", "unknown option --limit" },
		{ "status extra", "too many arguments" },
		{ "explain --limit", "no value after --limit" },
		{ "explain --limit 0", "1 to 1000" },
		{ "explain --limit 1001", "1 to 1000" },
		{ "explain --limit 5x", "1 to 1000" },
		{ "run ocr", "too few arguments" },
		{ "run --json ocr -- true", "no data" },
		{ "attach ocr", "too few arguments" },
		{ "attach ocr 0", "not a process id" },
		{ "attach ocr 12x", "not a process id" },
		{ "attach ocr 99999999999", "not a process id" },
		{ "help nope", "unknown command 'nope'" },
		{ "__reference nope", "__reference" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_runs(cases[i].arguments, USAGE);
		assert_has(problem, cases[i].why);
		cr_assert_str_empty(out, "%s", cases[i].arguments);
		if (*cases[i].arguments)
			cr_assert_eq(strncmp(problem, "modelgov: ", 10), 0, "%s", problem);
	}
}

Test(cli, options_may_stand_before_or_after_the_command)
{
	assert_runs("--json version", OK);
	assert_has(out, "\"version\": \"" MODELGOV_VERSION "\"");
	assert_runs("version -j", OK);
	assert_has(out, "\"version\"");
	assert_runs("version", OK);
	cr_assert_str_eq(out, "modelgov " MODELGOV_VERSION "\n");
	assert_runs("-V", OK);
	cr_assert_str_eq(out, "modelgov " MODELGOV_VERSION "\n");
}

Test(cli, output_that_cannot_be_written_is_a_failure)
{
	char program[PATH_MAX], command[2 * PATH_MAX + 64];

	snprintf(command, sizeof(command), "%s help >/dev/full 2>%s", program_locate(program),
		 in_folder("err"));
	cr_assert_eq(WEXITSTATUS(system(command)), FAILED);
}

Test(cli, completion_offers_what_the_table_and_the_policy_hold)
{
	file_write("etc/models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr }\n"
		   "resources: { class: batch }\n");
	assert_runs("__complete ''", OK);
	assert_has(out, "explain\n");
	assert_runs("__complete help ''", OK);
	assert_has(out, "doctor\n");
	assert_runs("__complete --etc etc explain ''", OK);
	cr_assert_str_eq(out, "ocr\n");
	assert_runs("__complete --etc etc run ''", OK);
	cr_assert_str_eq(out, "ocr\n");
	assert_runs("__complete explain --", OK);
	assert_has(out, "--limit\n");
	assert_lacks(out, "--strict");
	assert_runs("__complete --etc ''", OK);
	cr_assert_str_empty(out, "a directory is the shell's to complete");
	assert_runs("__complete run ocr -- ls -", OK);
	cr_assert_str_empty(out, "another command's options");
	assert_runs("__complete nosuch ''", OK);
	cr_assert_str_empty(out);
}

/* ---- without a daemon ------------------------------------------------------------------------ */

Test(cli, without_a_daemon_the_cure_is_named_and_the_status_is_4)
{
	static const char *const commands[] = { "status", "status --json", "reload" };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		assert_runs(commands[i], UNREACHABLE);
		assert_has(problem, "systemctl start modelgovd");
		cr_assert_str_empty(out);
	}
	assert_runs("explain --state-dir state", UNREACHABLE);
	assert_has(problem, "systemctl start modelgovd");
}

/* One action of ocr at tick 7, in a journal as the daemon writes it. */
static void journal_write(void)
{
	struct model models[] = { { .name = "ocr", .class = CLASS_CRITICAL } };
	struct policy policy = { .n_models = 1, .models = models, .digest = "d" };
	struct model_reading reading = { 0 };
	struct evidence nothing = { .model = MODEL_NONE,
				    .observed = MISSING,
				    .budget = MISSING,
				    .culprit = MODEL_NONE,
				    .culprit_permyriad = MISSING };
	struct verdict verdict = { .why = nothing };
	struct target target = { .cgroup_id = 42, .path = "/o", .unit = "ocr.service" };
	struct action action = { .knob = KNOB_CPU_WEIGHT,
				 .expected = 100,
				 .value = 1455,
				 .reason = REASON_FEED_FORWARD,
				 .why = nothing };
	struct observation now = { .tick = 7,
				   .wall_ns = 1700000000ULL * NSEC_PER_SEC,
				   .n_models = 1,
				   .models = &reading,
				   .n_targets = 1,
				   .targets = &target };
	struct plan plan = {
		.tick = 7, .n_models = 1, .verdicts = &verdict, .n_actions = 1, .actions = &action
	};
	struct outcome outcome = { .kind = OUTCOME_APPLIED, .read_back = 1455 };
	struct journal *journal;

	cr_assert_eq(journal_open(in_folder("state"), &journal, &e), 0, "%s", e.text);
	journal_tick(journal, &policy, &now, &plan);
	journal_outcomes(journal, 7, &outcome, 1);
	journal_close(journal);
}

Test(cli, explain_reads_the_journal_when_the_daemon_is_down)
{
	journal_write();
	assert_runs("explain --state-dir state ocr", OK);
	assert_has(out, "2023-11-14 22:13:20  cpu.weight of ocr raised from 100 to 1455");
	assert_has(problem, "modelgovd does not run");
	assert_runs("explain --state-dir state --json", OK);
	assert_has(out, "\"outcome\": \"applied\"");
	assert_runs("explain --state-dir state other", OK);
	assert_has(out, "No action is recorded");
}

Test(cli, restore_without_a_daemon_works_by_itself)
{
	char root[PATH_MAX];

	if (cgroup_root_find(root, sizeof(root), NULL, &e) < 0) {
		fprintf(stderr, "skip restore_without_a_daemon_works_by_itself: %s\n", e.text);
		return;
	}
	assert_runs("restore --state-dir state", OK);
	assert_has(out, "nothing to put back");
	assert_runs("restore --state-dir state --json", OK);
	assert_has(out, "\"restored\": []");
}

/* ---- with a daemon --------------------------------------------------------------------------- */

Test(cli, status_shows_all_that_the_daemon_tells)
{
	static const char *const parts[] = {
		"9.8.7, enforce mode",
		"tick 93 (every 1s)",
		"5f2c9a1b77e0 of the record, 3 models",
		"/etc/modelgov holds 1c169ba67d1b, which is not in force",
		"loaded 2023-11-14 22:13:20",
		"REFUSED",
		"ocr.yaml:3:5: error: unknown key",
		"2 cpus 87% busy, 0% steal, load 1.25, memory 1GiB of 4GiB used",
		"412 rows written, 3 lost",
		"disk is full",
		"4 values",
		"0.12% of one CPU, 9MiB memory",
		"DEGRADED  PSI: boot with psi=1",
		"drift     cpu.weight of ocr was changed.",
		"12 no slot",
		"9.1ms/5ms",
		"-82%",
		"34 (+4)",
		"2274",
		"0.12",
		"budget_broken (waits for pages: 81%)",
		"not running",
	};

	stand_in_start(&stand_in, folder, friendly, NULL);
	assert_runs("status", OK);
	stand_in_stop(&stand_in);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		assert_has(out, parts[i]);
	assert_lacks(out, "never");
	assert_lacks(out, "run queue (BPF)");
	cr_assert_str_empty(problem);
}

Test(cli, no_control_character_of_a_name_reaches_the_terminal)
{
	stand_in_start(&stand_in, folder, friendly, NULL);
	assert_runs("status", OK);
	stand_in_stop(&stand_in);
	assert_has(out, "evil?[2J");
	assert_lacks(out, "\033");
}

Test(cli, json_is_what_the_daemon_said)
{
	json_t *expected = json_loads(status_json, 0, NULL), *actual;

	stand_in_start(&stand_in, folder, friendly, NULL);
	assert_runs("status --json", OK);
	stand_in_stop(&stand_in);
	actual = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(actual);
	cr_assert(json_equal(expected, actual));
	json_decref(actual);
	json_decref(expected);
}

Test(cli, an_answer_with_members_missing_is_shown_with_gaps)
{
	static const struct method sparse[] = {
		{ "Status", ROLE_VIEWER, "() -> ()", "", on_reload_good }, { 0 }
	};

	stand_in_start(&stand_in, folder, sparse, NULL);
	assert_runs("status", OK);
	stand_in_stop(&stand_in);
	assert_has(out, "modelgovd");
	assert_has(out, "memory - of - used");
}

Test(cli, explain_tells_the_verdict_and_the_actions_newest_first)
{
	char *first, *second;

	stand_in_start(&stand_in, folder, friendly, NULL);
	assert_runs("explain ocr", OK);
	assert_has(out, "ocr gets more weight.");
	first = strstr(out,
		       "2023-11-14 22:13:20  cpu.weight of ocr raised. [refused: unit is gone]");
	second = strstr(out, "2023-11-14 22:13:19  Earlier.\n");
	cr_assert(first && second && first < second, "%s", out);
	assert_runs("explain nosuch", FAILED);
	assert_has(problem, "no model 'nosuch'");
	assert_runs("explain -n 1", OK);
	assert_has(out, "No action is recorded");
	stand_in_stop(&stand_in);
}

Test(cli, restore_and_reload_go_through_the_daemon)
{
	stand_in_start(&stand_in, folder, friendly, NULL);
	assert_runs("restore", OK);
	assert_has(out, "ocr.service  cpu.weight  100  applied");
	assert_runs("restore --json", OK);
	assert_has(out, "\"what\": \"ocr.service\"");
	assert_runs("reload", POLICY);
	assert_has(out, "ocr.yaml:3:5: error: x");
	assert_has(out, "refused");
	stand_in_stop(&stand_in);
	stand_in_start(&stand_in, folder, content, NULL);
	assert_runs("reload", OK);
	assert_has(out, "policy loaded");
	stand_in_stop(&stand_in);
}

Test(cli, a_refusal_for_want_of_rights_is_status_5)
{
	static const char *const commands[] = { "status", "explain", "restore", "reload" };

	stand_in_start(&stand_in, folder, strict, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		assert_runs(commands[i], DENIED);
		assert_has(problem, "it is for root");
	}
	stand_in_stop(&stand_in);
}

/* ---- manifests ------------------------------------------------------------------------------- */

#define MANIFEST(class)                                                                            \
	"apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, version: 1.0.0, owner: "     \
	"a@b.c }\n"                                                                                \
	"match: { units: [ocr.service] }\nresources:\n  " class "\n"

Test(cli, check_says_where_the_error_is_and_exits_3)
{
	file_write("etc/models.d/ocr.yaml", MANIFEST("clas: batch"));
	assert_runs("check etc", POLICY);
	assert_has(out, "etc/models.d/ocr.yaml:6:3: error:");
	assert_has(out, "modelgovd would refuse it");
	assert_runs("check --json etc", POLICY);
	assert_has(out, "\"line\": 6");
	assert_has(out, "\"ok\": false");

	file_write("etc/models.d/ocr.yaml", MANIFEST("class: batch"));
	assert_runs("check etc", OK);
	assert_has(out, "etc: ok, 1 model, 0 warnings");
	assert_runs("--etc etc check --json", OK);
	assert_has(out, "\"ok\": true");
	assert_runs("check nosuch", FAILED);
	assert_has(problem, "nosuch");
}

#define TEMPLATE                                                                                   \
	"apiVersion: modelgov/v1\nkind: Template\nresources: { class: batch, cpu: { floor: 3% } }\n"

Test(cli, new_makes_a_manifest_and_show_says_where_each_value_comes_from)
{
	cr_assert_eq(mkdir(in_folder("etc/templates.d"), 0755), 0);
	file_write("etc/templates.d/t.yaml", TEMPLATE);
	assert_runs("new speech --template t --etc etc", OK);
	file_write("etc/models.d/speech.yaml", out);
	assert_runs("check --strict etc", OK);
	assert_runs("show speech --etc etc", OK);
	assert_has(out, "resources.cpu.floor");
	assert_has(out, "template t (t.yaml:3)  3%");
	assert_has(out, "speech.yaml:8 ");
	assert_runs("show speech --etc etc --json", OK);
	assert_has(out, "\"origin\": \"template t (t.yaml:3)\"");

	assert_runs("new speech -t nosuch --etc etc", FAILED);
	assert_has(problem, "there is no template nosuch");
	assert_runs("new Speech --etc etc", POLICY);
	assert_runs("show nosuch --etc etc", FAILED);
	assert_has(problem, "modelgov new nosuch makes a manifest");
	assert_runs("show --etc etc", USAGE);
	file_write("etc/models.d/speech.yaml", "");
	assert_runs("show speech --etc etc", POLICY);
	assert_has(problem, "etc/models.d/speech.yaml: error: the file is empty");
}

static json_t *in_force; /* what the daemon's Generation answers */

static void on_generation(struct request *r, json_t *parameters, void *userdata)
{
	if (json_integer_value(json_object_get(parameters, "number")) > 7)
		request_fail(r, "NotFound", "no generation 8 is kept");
	else
		request_reply(r, json_incref(in_force));
}

static const struct method keeper[] = {
	{ "Generation", ROLE_VIEWER, "(number: int) -> ()", "", on_generation },
	{ 0 },
};

Test(cli, diff_compares_directories_canonical_files_and_generations)
{
	file_write("etc/models.d/ocr.yaml", MANIFEST("class: batch"));
	assert_runs("show --canonical --etc etc", OK);
	file_write("old.json", out);
	in_force = json_pack("{s:{s:s}}", "generation", "canonical", out);
	assert_runs("diff etc old.json", OK);
	assert_has(out, ": 0 differences\n");

	file_write("etc/models.d/ocr.yaml", MANIFEST("class: critical"));
	assert_runs("diff old.json etc", OK);
	assert_has(out, ": 1 difference\nocr\n    resources.class: batch -> critical\n");
	assert_runs("diff old.json etc --json", OK);
	assert_has(out, "\"before\": \"batch\"");
	assert_runs("diff etc nosuch", FAILED);
	assert_has(problem, "write a directory, a file in canonical form, or the number");
	assert_runs("diff etc", USAGE);
	assert_runs("diff --etc", UNREACHABLE);

	stand_in_start(&stand_in, folder, keeper, NULL);
	assert_runs("diff --etc etc", OK);
	assert_has(out, "resources.class: batch -> critical");
	assert_runs("diff 7 etc", OK);
	assert_has(out, "resources.class: batch -> critical");
	assert_runs("diff 8 etc", FAILED);
	assert_has(problem, "no generation 8 is kept");
	stand_in_stop(&stand_in);
	json_decref(in_force);

	file_write("old.json", "{}");
	assert_runs("diff old.json etc", POLICY);
	assert_has(problem, "old.json: canonical policy: it is of version none");
}

Test(cli, the_schema_is_json)
{
	json_t *schema;

	assert_runs("schema", OK);
	schema = json_loads(out, 0, NULL);
	cr_assert_not_null(schema);
	cr_expect_str_eq(json_string_value(json_object_get(schema, "$schema")),
			 "https://json-schema.org/draft/2020-12/schema");
	json_decref(schema);
}

Test(cli, run_and_attach_want_root_and_a_manifest)
{
	file_write("etc/models.d/ocr.yaml", MANIFEST("class: batch"));
	for (int i = 0; i < 2; i++) {
		const char *command =
			i == 0 ? "run --etc etc nosuch -- true" : "attach --etc etc nosuch 1";

		if (geteuid() != 0) {
			assert_runs(command, DENIED);
			assert_has(problem, "needs root");
			continue;
		}
		assert_runs(command, FAILED);
		assert_has(problem, "no manifest is for a model 'nosuch'");
		assert_has(problem, "etc/models.d/nosuch.yaml");
		assert_has(problem, "there are: ocr");
	}
}

/* ---- doctor ---------------------------------------------------------------------------------- */

Test(cli, doctor_answers_every_need_in_one_line)
{
	char *rest, *copy;
	int status = modelgov("doctor --etc etc --state-dir state");
	size_t n = 0;
	bool lacks = false;

	rest = copy = strdup(out);
	for (char *line; (line = strsep(&rest, "\n")) && *line; n++) {
		bool is_ok = strncmp(line, "ok ", 3) == 0,
		     is_missing = strncmp(line, "missing ", 8) == 0;

		cr_assert(is_ok || is_missing || strncmp(line, "warning ", 8) == 0, "%s", line);
		cr_assert_eq(is_ok, strstr(line, " -> ") == NULL, "a cure where it is needed: %s",
			     line);
		lacks = lacks || is_missing;
	}
	free(copy);
	cr_assert_gt(n, 10);
	cr_assert_eq(status, lacks ? FAILED : OK);
	cr_assert_eq(modelgov("doctor --json --etc etc --state-dir state"), status);
	json_t *json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_eq(json_array_size(json_object_get(json, "checks")), n);
	cr_assert_eq(json_is_true(json_object_get(json, "ok")), !lacks);
	json_decref(json);
}

Test(cli, doctor_finds_a_broken_policy)
{
	file_write("etc/models.d/ocr.yaml", MANIFEST("clas: batch"));
	assert_runs("doctor --etc etc --state-dir state", FAILED);
	assert_has(out, "missing  policy");
	assert_has(out, "modelgov check");
}
