/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelgov plan, verify and shadow against a daemon with a policy, an hour of ticks and a memory for results:
 * what is printed, what is recorded, how it ends. Runs the binary that was built beside this runner.
 */
#include "policy_home.h"

#include "knob.h"
#include "record.h"
#include "stand_in.h"

TestSuite(cli_verify, .timeout = 120);

/* ---- a daemon that plays a part --------------------------------------------------------------- */

struct world {
	struct home home;
	struct stand_in daemon;
	struct terminal terminal;

	struct policy *policy; /* in force */
	uint64_t generation;
	unsigned int n_ticks;
	uint64_t wait_ns;  /* of ocr, in all of them */
	json_t *results;   /* recorded, newest first */
	json_t *changes;
	bool is_stranger;  /* results are not taken */
	json_t *shadow;    /* or NULL */
	char shadowed[65]; /* digest of the last candidate */
};

static void on_policy(struct request *r, json_t *parameters, void *userdata)
{
	struct world *w = userdata;
	_cleanup_free_ char *canonical = policy_canonical(w->policy);

	request_reply(r, json_pack("{s:s, s:I, s:s}", "digest", w->policy->digest, "generation",
				   (json_int_t)w->generation, "canonical", canonical));
}

static json_t *tick_form(struct world *w, uint64_t seq)
{
	struct model_reading readings[8] = { 0 };
	struct target targets[8] = { 0 };
	struct observation now = { .tick = seq,
				   .taken_ns = seq * NSEC_PER_SEC,
				   .wall_ns = 1700000000ULL * NSEC_PER_SEC + seq * NSEC_PER_SEC,
				   .span_ns = NSEC_PER_SEC,
				   .host = { .cpus = 2 },
				   .n_models = w->policy->n_models,
				   .models = readings,
				   .n_targets = w->policy->n_models,
				   .targets = targets };

	for (uint32_t i = 0; i < now.n_models; i++) {
		readings[i].culprit = MODEL_NONE;
		readings[i].objectives[0] = (struct reading){ w->wait_ns, 1000 };
		readings[i].memory_bytes = 100 << 20;
		targets[i] = (struct target){ .cgroup_id = 10 + i,
					      .model = i,
					      .knobs = (1u << N_KNOBS) - 1,
					      .driver = DRIVER_SYSTEMD,
					      .path = w->policy->models[i].name,
					      .unit = "" };
		targets[i].values[KNOB_CPU_WEIGHT] = 100;
		targets[i].values[KNOB_PIDS_MAX] = VALUE_MAX;
	}
	return json_pack("{s:I, s:s, s:o}", "seq", (json_int_t)seq, "digest", w->policy->digest,
			 "observation", observation_to_json(w->policy, &now));
}

/* Pages of 50. */
static void on_ticks(struct request *r, json_t *parameters, void *userdata)
{
	struct world *w = userdata;
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(parameters, "after"));
	json_t *list = json_array();

	while (seq < w->n_ticks && json_array_size(list) < 50)
		json_array_append_new(list, tick_form(w, ++seq));
	request_reply(r, json_pack("{s:o}", "ticks", list));
}

static void on_checks(struct request *r, json_t *parameters, void *userdata)
{
	struct world *w = userdata;

	request_reply(r, json_pack("{s:O}", "checks", w->results));
}

static void on_changes(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:O}", "changes", ((struct world *)userdata)->changes));
}

static void on_check_result(struct request *r, json_t *parameters, void *userdata)
{
	struct world *w = userdata;
	const struct model_check *check = &w->policy->models[0].checks[0];
	json_t *result = json_copy(json_object_get(parameters, "result")), *argv = json_array();

	if (w->is_stranger) {
		json_decref(result);
		json_decref(argv);
		request_fail(r, "PermissionDenied", "you are nobody");
		return;
	}
	for (unsigned int i = 0; i < check->command.n; i++)
		json_array_append_new(argv, json_string(check->command.all[i]));
	json_object_set_new(result, "check", json_string(check->name));
	json_object_set_new(result, "command", argv);
	json_object_set_new(result, "generation", json_integer((json_int_t)w->generation));
	json_object_set_new(result, "digest", json_string(w->policy->digest));
	json_object_set_new(result, "seq", json_integer((json_int_t)json_array_size(w->results) + 1));
	json_array_insert(w->results, 0, result);
	request_reply(r, json_pack("{s:o}", "recorded", result));
}

static void on_status(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:[], s:O?}", "models", "shadow",
				   ((struct world *)userdata)->shadow));
}

static void on_shadow(struct request *r, json_t *parameters, void *userdata)
{
	struct world *w = userdata;
	const char *canonical = json_string_value(json_object_get(parameters, "canonical"));
	struct host_facts unknown = { 0 };
	struct policy *p = NULL;
	struct err e = { 0 };

	if (policy_from_canonical(canonical, strlen(canonical), &unknown, &p, &e) < 0) {
		request_fail(r, "Failed", "%s", e.text);
		return;
	}
	snprintf(w->shadowed, sizeof(w->shadowed), "%s", p->digest);
	policy_free(p);
	request_reply(r, json_pack("{s:O?}", "shadow", w->shadow));
}

static void on_shadow_report(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:O?}", "shadow", ((struct world *)userdata)->shadow));
}

static const struct method methods[] = {
	{ "Policy", ROLE_VIEWER, "() -> ()", "", on_policy },
	{ "Ticks", ROLE_VIEWER, "(from_ns: ?int, to_ns: ?int, after: ?int, limit: ?int) -> ()", "",
	  on_ticks },
	{ "Checks", ROLE_VIEWER, "(model: ?string, limit: ?int) -> ()", "", on_checks },
	{ "Changes", ROLE_VIEWER, "(limit: ?int, is_open: ?bool) -> ()", "", on_changes },
	{ "CheckResult", ROLE_VIEWER, "(model: string, check: string, result: object) -> ()", "",
	  on_check_result },
	{ "Status", ROLE_VIEWER, "() -> ()", "", on_status },
	{ "Shadow", ROLE_VIEWER, "(canonical: string) -> ()", "", on_shadow },
	{ "ShadowReport", ROLE_VIEWER, "() -> ()", "", on_shadow_report },
	{ "ShadowStop", ROLE_VIEWER, "() -> ()", "", on_shadow_report },
	{ 0 },
};

/* ---- the world -------------------------------------------------------------------------------- */

#define HOST_FILE   "apiVersion: modelgov/v1\nkind: Host\nmode: enforce\n"
#define OTHER_MODEL                                                                                \
	"apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: pages, owner: b }\n"              \
	"match: { units: [pages.service] }\nresources: { class: batch, tasks: { max: 64 } }\n"

/* ocr: the class, the check's limits, and a check that runs "check" below the home. */
static void policy_write(struct home *h, const char *etc, const char *class, const char *limits)
{
	char file[64], text[2048];

	snprintf(text, sizeof(text),
		 "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, owner: a }\n"
		 "match: { units: [ocr.service] }\n"
		 "objectives: [ { indicator: runqueue_wait, quantile: p99, budget: 5ms } ]\n"
		 "resources: { class: %s }\n"
		 "checks: [ { name: smoke, command: [%s/check], samples: 3, timeout: 2s%s } ]\n",
		 class, h->path, limits);
	snprintf(file, sizeof(file), "%s/models.d/ocr.yaml", etc);
	home_write(h, file, text);
	snprintf(file, sizeof(file), "%s/models.d/pages.yaml", etc);
	home_write(h, file, OTHER_MODEL);
	snprintf(file, sizeof(file), "%s/modelgov.yaml", etc);
	home_write(h, file, HOST_FILE);
}

static void policy_enter(struct world *w, const char *etc)
{
	char path[PATH_MAX];
	struct policy_source source = { .etc = home_path(&w->home, etc, path),
					.facts = { 2, 8ULL << 30 },
					.trusts_any_owner = true };
	struct findings findings;
	struct err e = { 0 };

	policy_free(w->policy);
	w->policy = NULL;
	findings_init(&findings);
	cr_assert_eq(policy_load(&source, &w->policy, &findings, &e), 0, "%s%s", e.text,
		     findings.n ? findings.all[0].text : "");
	findings_fini(&findings);
	w->generation++;
}

/* What the check's command does. */
static void check_write(struct world *w, const char *script)
{
	char path[PATH_MAX], text[1024];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	home_write(&w->home, "check", text);
	cr_assert_eq(chmod(home_path(&w->home, "check", path), 0755), 0);
}

static void world_open(struct world *w, const char *limits)
{
	*w = (struct world){ .results = json_array(), .changes = json_array(), .wait_ns = 4500000 };
	home_open(&w->home);
	policy_write(&w->home, "live", "critical", limits);
	policy_enter(w, "live");
	check_write(w, "exit 0");
	w->terminal = (struct terminal){ .folder = w->home.path, .etc = "live" };
	stand_in_start(&w->daemon, w->home.path, methods, w);
}

static void world_close(struct world *w)
{
	stand_in_stop(&w->daemon);
	terminal_fini(&w->terminal);
	policy_free(w->policy);
	json_decref(w->results);
	json_decref(w->changes);
	json_decref(w->shadow);
	home_close(&w->home);
}

#define runs(w, arguments, expected, words)                                                        \
	terminal_says(&(w)->terminal, arguments, expected, words)

static json_t *parsed(struct world *w, const char *arguments, int expected)
{
	int status = terminal_run(&w->terminal, arguments);
	const char *out = w->terminal.out, *problem = w->terminal.problem;
	json_t *json = json_loads(out, 0, NULL);

	cr_assert_eq(status, expected, "exit %d\n%s%s", status, out, problem);
	cr_assert_not_null(json, "%s", out);
	cr_assert_str_eq(problem, "");
	return json;
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* ---- plan ------------------------------------------------------------------------------------- */

Test(cli_verify, plan_of_what_is_in_force_changes_nothing)
{
	struct world w;

	world_open(&w, "");
	runs(&w, "plan", OK, "nothing would change");
	world_close(&w);
}

Test(cli_verify, plan_shows_keys_kernel_values_and_promises_at_risk)
{
	struct world w;
	char path[PATH_MAX];

	world_open(&w, "");
	w.n_ticks = 120;
	policy_write(&w.home, "next", "standard", "");
	cr_assert_eq(unlink(home_path(&w.home, "next/models.d/pages.yaml", path)), 0);
	runs(&w, "plan next", OK, "resources.class");
	runs(&w, "plan next", OK, "critical");
	runs(&w, "plan next", OK, "not governed any more");
	runs(&w, "plan next", OK, "by 120 recorded ticks from");
	runs(&w, "plan next", OK, "Effects are not simulated");
	world_close(&w);
}

Test(cli_verify, plan_says_what_the_gate_would_say)
{
	struct world w;
	json_t *plan, *risk;

	world_open(&w, "");
	w.n_ticks = 120;
	policy_write(&w.home, "next", "batch", "");
	plan = parsed(&w, "plan next --json", OK);
	cr_expect_str_eq(text_at(plan, "verdict"), "fail", "%s", text_at(plan, "note"));
	risk = json_array_get(json_object_get(plan, "risks"), 0);
	cr_expect_str_eq(text_at(risk, "model"), "ocr");
	cr_expect_str_eq(text_at(risk, "kind"), "share");
	cr_expect_eq(json_integer_value(json_object_get(risk, "judged")), 120);
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(plan, "replay"), "ticks")),
		     120);
	cr_expect(json_is_false(json_object_get(json_object_get(plan, "replay"),
						"effects_simulated")));
	json_decref(plan);
	w.wait_ns = 1000000;
	plan = parsed(&w, "plan next --json", OK);
	cr_expect_str_eq(text_at(plan, "verdict"), "pass", "%s", text_at(plan, "note"));
	json_decref(plan);
	w.n_ticks = 10;
	plan = parsed(&w, "plan next --json", OK);
	cr_expect_str_eq(text_at(plan, "verdict"), "inconclusive", "%s", text_at(plan, "note"));
	json_decref(plan);
	world_close(&w);
}

Test(cli_verify, plan_of_a_broken_policy_says_where)
{
	struct world w;

	world_open(&w, "");
	policy_write(&w.home, "next", "urgent", "");
	runs(&w, "plan next", POLICY, "next/models.d/ocr.yaml:6");
	world_close(&w);
}

/* ---- verify ----------------------------------------------------------------------------------- */

/* 150 samples a run around that many microseconds: a p99 needs 437 of three runs. */
#define SAMPLES(us)                                                                                \
	"i=0; while [ $i -lt 150 ]; do echo \"{\\\"latency_ns\\\": $((" #us                        \
	"000 + i))}\"; i=$((i + 1)); done; sleep 0.3"

Test(cli_verify, the_first_result_has_nothing_to_be_compared_with_and_is_recorded)
{
	struct world w;
	json_t *result;

	world_open(&w, "");
	check_write(&w, SAMPLES(1000));
	runs(&w, "verify ocr", OK, "smoke: 3 runs, 450 samples");
	cr_assert_eq(json_array_size(w.results), 1);
	result = json_array_get(w.results, 0);
	cr_expect_eq(json_integer_value(json_object_get(result, "samples")), 450);
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(result, "latency_p50_ns"),
							"value")),
		     1000074);
	cr_expect(json_is_null(json_object_get(result, "verdict")));
	cr_expect(json_is_true(json_object_get(result, "is_kept")));
	runs(&w, "verify ocr", OK, "this is the first");
	world_close(&w);
}

Test(cli_verify, what_is_much_slower_under_the_next_generation_is_worse)
{
	struct world w;
	const char *out;
	int status;

	world_open(&w, "");
	check_write(&w, SAMPLES(1000));
	runs(&w, "verify ocr --samples 7", OK, "1050 samples");
	policy_enter(&w, "live");
	check_write(&w, SAMPLES(1500));
	runs(&w, "verify ocr --samples 7", FAILED, "worse");
	runs(&w, "verify ocr --samples 7", FAILED, "against generation 1");
	check_write(&w, SAMPLES(700));
	status = terminal_run(&w.terminal, "verify ocr --samples 7");
	out = w.terminal.out;
	cr_expect(strstr(out, "better (-30% to"), "%s", out);
	cr_expect_neq(status, FAILED, "throughput is this machine's, but not half: %s", out);
	world_close(&w);
}

Test(cli_verify, too_few_samples_are_inconclusive_and_say_how_many_are_needed)
{
	struct world w;
	json_t *verify, *check;

	world_open(&w, "");
	runs(&w, "verify ocr", OK, "3 samples");
	policy_enter(&w, "live");
	runs(&w, "verify ocr", INCONCLUSIVE, "inconclusive: needs 437 samples");
	verify = parsed(&w, "verify ocr --json", INCONCLUSIVE);
	check = json_array_get(json_object_get(verify, "checks"), 0);
	cr_expect_str_eq(text_at(check, "verdict"), "inconclusive");
	cr_expect(json_is_true(json_object_get(check, "recorded")));
	json_decref(verify);
	world_close(&w);
}

Test(cli_verify, another_command_is_not_compared)
{
	struct world w;

	world_open(&w, "");
	runs(&w, "verify ocr", OK, "this is the first");
	json_object_set_new(json_array_get(w.results, 0), "command", json_pack("[s]", "/bin/true"));
	policy_enter(&w, "live");
	runs(&w, "verify ocr", OK, "this is the first");
	world_close(&w);
}

Test(cli_verify, a_generation_that_was_rolled_back_is_not_compared_with)
{
	struct world w;

	world_open(&w, "");
	runs(&w, "verify ocr", OK, "this is the first");
	policy_enter(&w, "live");
	runs(&w, "verify ocr", INCONCLUSIVE, "against generation 1");
	policy_enter(&w, "live");
	runs(&w, "verify ocr", INCONCLUSIVE, "against generation 2");
	json_array_append_new(w.changes, json_pack("{s:s, s:i}", "state", "rolled_back", "generation", 2));
	runs(&w, "verify ocr", INCONCLUSIVE, "against generation 1");
	world_close(&w);
}

Test(cli_verify, limits_are_judged_also_without_anything_to_compare)
{
	struct world w;

	world_open(&w, ", limits: { p99: 1ms }");
	check_write(&w, "sleep 0.01");
	runs(&w, "verify ocr", FAILED, "limits: latency p99 is");
	check_write(&w, "echo '{\"latency_ns\": 1000000}'");
	runs(&w, "verify ocr", OK, "limits: kept");
	world_close(&w);
	world_open(&w, ", limits: { throughput: 1000, memory: 1GiB }");
	check_write(&w, "sleep 0.01");
	runs(&w, "verify ocr", FAILED, "memory is not measured, the limit 1GiB; throughput is");
	world_close(&w);
}

Test(cli_verify, runs_that_fail_or_hang_give_no_samples)
{
	struct world w;

	world_open(&w, "");
	check_write(&w, "exit 3");
	runs(&w, "verify ocr", FAILED, "3 of 3 runs failed: it ended with status 3");
	check_write(&w, "kill -TERM $$");
	runs(&w, "verify ocr", FAILED, "signal 15 ended it");
	check_write(&w, "echo '{\"latency_ns\": 5}'; sleep 60 & sleep 60");
	runs(&w, "verify ocr --samples 1", FAILED, "1 of 1 runs failed: it took longer than 2s");
	runs(&w, "verify ocr --samples 1", FAILED, "1 runs, 0 samples");
	world_close(&w);
}

Test(cli_verify, other_output_is_no_sample)
{
	struct world w;

	world_open(&w, "");
	check_write(&w, "echo hello; echo '{\"latency\": 5}'; echo '{\"latency_ns\": -1}'; "
			"echo '{\"latency_ns\": 5'; head -c 100000 /dev/zero | tr '\\0' '{'; echo");
	runs(&w, "verify ocr", OK, "3 runs, 3 samples");
	world_close(&w);
}

Test(cli_verify, who_may_not_record_is_told_and_still_gets_the_result)
{
	struct world w;

	world_open(&w, "");
	w.is_stranger = true;
	runs(&w, "verify ocr", OK, "smoke: 3 runs, 3 samples");
	cr_expect(strstr(w.terminal.problem, "smoke is not recorded:"), "%s", w.terminal.problem);
	cr_expect_eq(json_array_size(w.results), 0);
	world_close(&w);
}

Test(cli_verify, what_is_not_there_is_said)
{
	struct world w;

	world_open(&w, "");
	runs(&w, "verify nosuch", FAILED, "no model 'nosuch' in the policy in force");
	runs(&w, "verify pages", FAILED, "the manifest of pages has no checks");
	runs(&w, "verify ocr --check x", FAILED, "ocr has no check 'x'; it has: smoke");
	runs(&w, "verify ocr --samples 0", USAGE, "--samples 0 is not a number from 1 to 100000");
	world_close(&w);
}

/* ---- shadow ----------------------------------------------------------------------------------- */

static const char shadow_json[] =
	"{\"digest\":\"aaaaaaaaaaaaaaaa\",\"live_digest\":\"bbbbbbbbbbbbbbbb\",\"started_at_ns\":"
	"1700000000000000000,\"ticks\":40,\"differing\":12,\"models\":[{\"name\":\"ocr\",\"only_in\":"
	"null,\"knobs\":[{\"knob\":\"cpu.weight\",\"ticks\":12,\"live\":1455,\"shadow\":100},{\"knob\":"
	"\"memory.max\",\"ticks\":3,\"live\":null,\"shadow\":1073741824}]},{\"name\":\"zoo\","
	"\"only_in\":\"shadow\",\"knobs\":[]}]}";

Test(cli_verify, a_shadow_is_begun_with_the_candidate_and_asks_for_no_reason)
{
	struct world w;
	char digest[65];

	world_open(&w, "");
	policy_write(&w.home, "next", "standard", "");
	policy_enter(&w, "next");
	snprintf(digest, sizeof(digest), "%s", w.policy->digest);
	policy_enter(&w, "live");
	w.shadow = json_loads(shadow_json, 0, NULL);
	runs(&w, "apply --shadow next", OK, "policy aaaaaaaaaaaa beside bbbbbbbbbbbb");
	cr_expect_str_eq(w.shadowed, digest);
	world_close(&w);
}

Test(cli_verify, shadow_tells_where_it_differs)
{
	struct world w;

	world_open(&w, "");
	runs(&w, "shadow", OK, "no shadow runs; modelgov apply --shadow DIR begins one");
	w.shadow = json_loads(shadow_json, 0, NULL);
	runs(&w, "shadow", OK, "40 ticks, 12 of them differ");
	runs(&w, "shadow", OK, "ocr    cpu.weight");
	runs(&w, "shadow", OK, "memory.max");
	runs(&w, "shadow", OK, "only in the shadow policy");
	runs(&w, "shadow --json", OK, "\"differing\": 12");
	runs(&w, "shadow --stop", OK, "1GiB");
	runs(&w, "status", OK, "12 of 40 ticks differ: ocr, zoo; see modelgov shadow");
	world_close(&w);
}
