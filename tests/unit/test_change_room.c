/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change room with a real record in a folder of the test's own: what is in force is what the
 * record says, before and after a restart. No systemd: executables are inconclusive.
 */
#include "policy_home.h"

#include "change.h"

#include <ftw.h>
#include <systemd/sd-event.h>

/* ---- a daemon of a few lines
 * --------------------------------------------------------------------- */

struct world {
	struct home home;
	char directory[64];
	sd_event *event;
	struct journal *journal;
	struct changes *changes;
	struct host_facts facts;
	uint64_t entered;      /* generation */
	char digest[65];       /* of what was entered last */
	struct policy *policy; /* in force */
	unsigned int n_entered;
	char steps[512]; /* names of all that was told */

	bool is_answered;
	json_t *document;
	char problem[512];
};

static const struct person root = { .name = "root", .is_operator = true, .is_approver = true };
static const struct person ada = { .uid = 1001, .name = "ada", .is_operator = true };
static const struct person ben = { .uid = 1002, .name = "ben", .is_approver = true };
static const struct person nil = { .uid = 1005, .name = "nil" };

static void on_enter(struct policy *take_policy, uint64_t generation, void *userdata)
{
	struct world *w = userdata;

	policy_free(w->policy);
	w->policy = take_policy;
	w->entered = generation;
	w->n_entered++;
	snprintf(w->digest, sizeof(w->digest), "%s", take_policy->digest);
}

static void on_step(const json_t *document, const char *step, void *userdata)
{
	struct world *w = userdata;
	size_t length = strlen(w->steps);

	snprintf(w->steps + length, sizeof(w->steps) - length, "%s ", step);
}

static void daemon_start(struct world *w)
{
	struct err e = { 0 };
	struct changes_options options = { .event = w->event,
					   .gates_dirs = { NULL, NULL },
					   .facts = w->facts,
					   .enter = on_enter,
					   .tell = on_step,
					   .userdata = w };
	char gates[PATH_MAX];

	cr_assert_eq(journal_open(w->directory, &w->journal, &e), 0, "%s", e.text);
	options.journal = w->journal;
	options.gates_dirs[0] = home_path(&w->home, "gates.d", gates);
	cr_assert_eq(changes_open(&options, &w->changes, &e), 0, "%s", e.text);
}

static void daemon_stop(struct world *w)
{
	changes_close(w->changes);
	journal_close(w->journal);
	policy_free(w->policy);
	w->policy = NULL;
	w->entered = 0;
	w->n_entered = 0;
	*w->digest = *w->steps = '\0';
}

static void world_open(struct world *w)
{
	*w = (struct world){ .directory = "/tmp/modelgov-change-XXXXXX",
			     .facts = { 2, 8ULL << 30 } };
	home_open(&w->home);
	cr_assert_not_null(mkdtemp(w->directory));
	cr_assert_geq(sd_event_new(&w->event), 0);
	daemon_start(w);
}

static void world_close(struct world *w)
{
	daemon_stop(w);
	json_decref(w->document);
	sd_event_unref(w->event);
	home_close(&w->home);
	(void)nftw(w->directory, home_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* Until the record has answered everything that was set off: quiet for a while. */
static void settle(struct world *w)
{
	for (int quiet = 0; quiet < 20;) {
		struct journal_status s;

		usleep(1000);
		journal_dispatch(w->journal);
		journal_get_status(w->journal, &s);
		quiet = s.backlog == 0 ? quiet + 1 : 0;
		(void)sd_event_run(w->event, 0);
	}
}

static void on_reply(json_t *take_document, const char *problem, void *userdata)
{
	struct world *w = userdata;

	json_decref(w->document);
	w->document = take_document;
	w->is_answered = true;
	snprintf(w->problem, sizeof(w->problem), "%s", problem ? problem : "");
}

/* What the record has of a change; the caller's. */
static json_t *change_read(const struct world *w, uint64_t id)
{
	json_t *form = NULL;
	struct err e = { 0 };

	cr_assert_eq(journal_ask_now(w->journal, QUESTION_CHANGE,
				     json_pack("{s:I}", "id", (json_int_t)id), &form, &e),
		     0, "%s", e.text);
	return form;
}

static const char *state(const struct world *w, uint64_t id)
{
	static char text[32];
	json_t *form = change_read(w, id);

	snprintf(text, sizeof(text), "%s",
		 json_string_value(json_object_get(json_object_get(form, "document"), "state")));
	json_decref(form);
	return text;
}

/* ---- policies and requests
 * ------------------------------------------------------------------------ */

/* Canonical bytes of a policy with one model of those resources. */
static char *resources_text(struct world *w, const char *host, const char *resources)
{
	struct findings findings;
	struct policy *p = NULL;
	struct err e = { 0 };
	char manifest[512], *text;

	snprintf(manifest, sizeof(manifest),
		 "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, owners: [olga] }\n"
		 "match: { units: [ocr.service] }\nobjectives:\n  - { indicator: runqueue_wait, "
		 "quantile: "
		 "p99, budget: 5ms, window: 1s }\nresources: { class: critical, %s }\n",
		 resources);
	home_write(&w->home, "modelgov.yaml", host);
	home_write(&w->home, "models.d/ocr.yaml", manifest);
	findings_init(&findings);
	cr_assert_eq(policy_load(&w->home.source, &p, &findings, &e), 0, "%s%s", e.text,
		     findings.n ? findings.all[0].text : "");
	text = policy_canonical(p);
	policy_free(p);
	findings_fini(&findings);
	return text;
}

/* The same, of that priority. */
static char *policy_text(struct world *w, const char *host, int priority)
{
	char resources[32];

	snprintf(resources, sizeof(resources), "priority: %d", priority);
	return resources_text(w, host, resources);
}

#define HOST(changes) "apiVersion: modelgov/v1\nkind: Host\nmode: enforce\n" changes
#define PLAIN         HOST("")
#define FOUR_EYES                                                                                  \
	HOST("changes: { approvals: 1 }\naccess: { approvers: [ben], operators: [ada] }\n")
#define WATCHED HOST("changes: { probation: 10min }\n")

static void propose(struct world *w, const struct person *who, const char *canonical, bool applies)
{
	struct proposal p = { .author = who,
			      .canonical = canonical,
			      .reason = "because",
			      .ticket = "CHG-1",
			      .source = "proposal",
			      .applies = applies };

	w->is_answered = false;
	change_propose(w->changes, &p, on_reply, w);
	settle(w);
	cr_assert(w->is_answered);
}

typedef void change_say(struct changes *c, const struct saying *s, change_reply *reply,
			void *userdata);

static void say(struct world *w, change_say *what, const struct person *who, uint64_t number)
{
	struct saying s = { .who = who, .number = number, .why = "because", .ticket = "" };

	w->is_answered = false;
	what(w->changes, &s, on_reply, w);
	settle(w);
	cr_assert(w->is_answered);
}

static void refused(const struct world *w, const char *words)
{
	cr_expect(strstr(w->problem, words), "no '%s' in: %s", words, w->problem);
}

/* Proposes these host settings and that priority of ocr. */
static void offer(struct world *w, const struct person *who, const char *host, int priority,
		  bool applies)
{
	_cleanup_free_ char *text = policy_text(w, host, priority);

	propose(w, who, text, applies);
}

/* A world with its first generation, under these host settings. */
static void begin(struct world *w, const char *host)
{
	world_open(w);
	offer(w, &root, host, 0, false);
	cr_assert_eq(w->entered, 1, "%s", w->problem);
}

static void gate_write(struct world *w, const char *name, mode_t mode)
{
	char path[PATH_MAX], file[64];

	snprintf(file, sizeof(file), "gates.d/%s", name);
	home_write(&w->home, file, "#!/bin/sh\nexit 0\n");
	cr_assert_eq(chmod(home_path(&w->home, file, path), mode), 0);
	cr_assert_eq(chmod(home_path(&w->home, "gates.d", path), 0755), 0);
}

/* ---- tests
 * ------------------------------------------------------------------------------------------ */

Test(change_room, the_first_policy_goes_through_the_gates_and_in_whatever_apply_says, .timeout = 60)
{
	struct world w;

	world_open(&w);
	offer(&w, &root,
	      HOST("changes: { apply: manual, approvals: 2 }\naccess: { approvers: [ben] }\n"), 0,
	      false);
	cr_expect_eq(w.entered, 1);
	cr_expect_str_eq(w.steps, "proposed gated generation ");
	cr_expect_str_eq(state(&w, 1), "kept");
	world_close(&w);
}

Test(change_room, what_is_in_force_is_entered_again_after_a_restart, .timeout = 60)
{
	struct world w;
	char digest[65];

	begin(&w, PLAIN);
	memcpy(digest, w.digest, sizeof(digest));
	daemon_stop(&w);
	daemon_start(&w);
	cr_expect_eq(w.entered, 1);
	cr_expect_str_eq(w.digest, digest);
	cr_expect(!changes_consider(w.changes, digest), "it is in force");
	cr_expect(changes_consider(w.changes, "other"));
	cr_expect(!changes_consider(w.changes, "other"), "it was looked at");
	world_close(&w);
}

Test(change_room, four_eyes_the_author_cannot_and_another_can, .timeout = 60)
{
	struct world w;

	begin(&w, FOUR_EYES);
	offer(&w, &nil, FOUR_EYES, 5, false);
	refused(&w, "nil is not an operator");
	offer(&w, &ada, FOUR_EYES, 5, false);
	cr_expect_str_eq(state(&w, 2), "waiting");
	offer(&w, &ada, FOUR_EYES, 5, false);
	refused(&w, "change 2, which is waiting, proposes the same policy");
	say(&w, change_apply, &ada, 2);
	refused(&w, "change 2 waits for 1 more approval");
	say(&w, change_approve, &ada, 2);
	refused(&w, "ada proposed change 2 and cannot approve it");
	say(&w, change_approve, &ben, 2);
	cr_expect_str_eq(w.problem, "");
	cr_expect_str_eq(state(&w, 2), "waiting", "nobody asked the owner of ocr");
	say(&w, change_approve, &root, 2);
	cr_expect_str_eq(state(&w, 2), "ready");
	cr_expect_eq(w.entered, 1);
	say(&w, change_apply, &ada, 2);
	cr_expect_eq(w.entered, 2, "%s", w.problem);
	cr_expect_eq(w.policy->models[0].priority, 5);
	world_close(&w);
}

Test(change_room, refusals_are_in_the_history_of_the_change, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *entries = NULL;
	json_t *form;
	struct err e = { 0 };

	begin(&w, FOUR_EYES);
	offer(&w, &ada, FOUR_EYES, 5, false);
	say(&w, change_approve, &ada, 2);
	form = change_read(&w, 2);
	entries = json_dumps(json_object_get(form, "entries"), 0);
	cr_expect(strstr(entries, "cannot approve it"), "%s", entries);
	cr_expect(strstr(entries, "\"asked\": \"approve\""), "%s", entries);
	json_decref(form);
	form = NULL;
	cr_assert_eq(journal_ask_now(w.journal, QUESTION_CHAIN, json_object(), &form, &e), 0);
	cr_expect(json_is_null(json_object_get(form, "broken")));
	json_decref(form);
	world_close(&w);
}

Test(change_room, a_gate_that_nobody_can_confine_is_inconclusive_and_waits, .timeout = 60)
{
	struct world w;

	begin(&w, PLAIN);
	gate_write(&w, "10-tests", 0755);
	offer(&w, &ada, PLAIN, 5, true);
	cr_expect_str_eq(state(&w, 2), "waiting");
	cr_expect_eq(w.entered, 1);
	say(&w, change_approve, &root, 2);
	cr_expect_eq(w.entered, 2, "accepted, and it applies itself: %s", w.problem);
	world_close(&w);
}

Test(change_room, a_gate_that_others_can_write_refuses_every_change, .timeout = 60)
{
	struct world w;

	begin(&w, PLAIN);
	gate_write(&w, "10-tests", 0777);
	offer(&w, &root, PLAIN, 5, true);
	cr_expect_str_eq(state(&w, 2), "refused");
	json_t *form = changes_to_json(w.changes);

	cr_expect_eq(json_array_size(json_object_get(form, "open")), 0);
	json_decref(form);
	world_close(&w);
}

Test(change_room, more_gates_than_are_run_refuse_every_change_and_none_is_left_out, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *text = NULL;
	char name[16];

	world_open(&w);
	begin(&w, PLAIN);
	for (unsigned int i = 0; i < 28; i++) {
		snprintf(name, sizeof(name), "%02u-gate", i);
		gate_write(&w, name, 0755);
	}
	text = policy_text(&w, PLAIN, 5);
	propose(&w, &root, text, true);
	cr_expect_eq(w.entered, 1);
	cr_expect_str_eq(state(&w, 2), "refused");
	world_close(&w);
}

Test(change_room, a_reason_is_one_line_of_text_and_not_without_end, .timeout = 60)
{
	static char page[5001];
	struct saying s = { .who = &nil, .number = 2, .why = page, .ticket = "" };
	struct world w;
	_cleanup_free_ char *text = NULL;

	world_open(&w);
	begin(&w, FOUR_EYES);
	text = policy_text(&w, FOUR_EYES, 5);
	propose(&w, &ada, text, true);
	memset(page, 'a', sizeof(page) - 1);
	change_approve(w.changes, &s, on_reply, &w);
	refused(&w, "the reason has 5000 bytes; it can have 4096");
	s.why = "fine\n  root approved. It is kept. (entry 7)";
	change_approve(w.changes, &s, on_reply, &w);
	refused(&w, "the reason has a control character at byte 5");
	s.why = "fine \xc2\x9b"
		"2J";
	change_approve(w.changes, &s, on_reply, &w);
	refused(&w, "the reason has a control character at byte 6");
	s.why = "gr\xc3\xbc\xc3\x9f"
		"e";
	s.ticket = "CHG-1\x1b[2J";
	change_apply(w.changes, &s, on_reply, &w);
	refused(&w, "the change request has a control character at byte 6");
	s.ticket = "";
	change_approve(w.changes, &s, on_reply, &w);
	settle(&w);
	refused(&w, "nil is neither an approver");
	world_close(&w);
}

Test(change_room, rules_that_nobody_could_approve_under_are_refused, .timeout = 60)
{
	struct world w;

	begin(&w, PLAIN);
	offer(&w, &root, HOST("changes: { approvals: 1 }\n"), 0, true);
	cr_expect_str_eq(state(&w, 2), "refused");
	world_close(&w);
}

Test(change_room, when_one_comes_into_force_the_others_are_superseded, .timeout = 60)
{
	struct world w;

	begin(&w, PLAIN);
	offer(&w, &root, PLAIN, 1, false);
	offer(&w, &root, PLAIN, 2, true);
	cr_expect_eq(w.policy->models[0].priority, 2);
	cr_expect_str_eq(state(&w, 2), "superseded");
	world_close(&w);
}

Test(change_room, rollback_returns_to_the_same_bytes_as_a_generation_of_its_own, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *was = NULL, *is = NULL;

	begin(&w, PLAIN);
	was = policy_canonical(w.policy);
	say(&w, change_rollback, &root, 0);
	refused(&w, "there is no generation before 1");
	offer(&w, &root, PLAIN, 5, true);
	cr_assert_eq(w.entered, 2);
	say(&w, change_rollback, &root, 9);
	refused(&w, "there is no generation 9");
	say(&w, change_rollback, &root, 2);
	refused(&w, "nothing would change");
	say(&w, change_rollback, &root, 0);
	cr_assert_eq(w.entered, 3, "%s", w.problem);
	is = policy_canonical(w.policy);
	cr_expect_str_eq(is, was);
	say(&w, change_rollback, &root, 0);
	refused(&w, "generation 3 is itself a return to 1");
	world_close(&w);
}

Test(change_room, withdrawing_on_probation_goes_back_at_once, .timeout = 60)
{
	struct world w;

	begin(&w, WATCHED);
	offer(&w, &root, WATCHED, 5, true);
	cr_assert_eq(w.entered, 2);
	cr_expect_str_eq(state(&w, 2), "probation");
	say(&w, change_withdraw, &root, 2);
	cr_expect_eq(w.entered, 3, "%s", w.problem);
	cr_expect_eq(w.policy->models[0].priority, 0);
	cr_expect_str_eq(state(&w, 2), "rolled_back");
	cr_expect_str_eq(state(&w, 3), "kept");
	world_close(&w);
}

/* Ticks of a model whose p99 is observed. */
static void ticks(struct world *w, unsigned int n, uint64_t observed)
{
	struct model_reading reading = { .objectives = { { observed, 100 } } };
	struct observation now = { .n_models = 1, .models = &reading };

	for (unsigned int i = 0; i < n; i++) {
		now.wall_ns = clock_realtime_ns();
		changes_tick(w->changes, w->policy, &now);
	}
	settle(w);
}

Test(change_room, a_probation_that_fails_brings_the_generation_before_back, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *was = NULL, *is = NULL;

	begin(&w, WATCHED);
	was = policy_canonical(w.policy);
	ticks(&w, 20, 1000);
	offer(&w, &root, WATCHED, 5, true);
	cr_assert_eq(w.entered, 2);
	ticks(&w, 5, 50 * NSEC_PER_MSEC);
	cr_expect_eq(w.entered, 3);
	is = policy_canonical(w.policy);
	cr_expect_str_eq(is, was);
	cr_expect_str_eq(state(&w, 2), "rolled_back");
	world_close(&w);
}

Test(change_room, a_probation_goes_on_after_a_restart, .timeout = 60)
{
	struct world w;

	begin(&w, WATCHED);
	ticks(&w, 20, 1000);
	offer(&w, &root, WATCHED, 5, true);
	cr_assert_eq(w.entered, 2);
	daemon_stop(&w);
	daemon_start(&w);
	cr_expect_eq(w.entered, 2);
	ticks(&w, 5, 50 * NSEC_PER_MSEC);
	cr_expect_eq(w.entered, 3, "what was before is in the record");
	world_close(&w);
}

Test(change_room, what_is_worse_is_kept_when_what_was_before_fits_this_host_no_more, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *large = NULL, *small = NULL;

	world_open(&w);
	large = resources_text(&w, WATCHED, "memory: { min: 4GiB }");
	propose(&w, &root, large, false);
	ticks(&w, 20, 1000);
	small = resources_text(&w, WATCHED, "priority: 5");
	propose(&w, &root, small, true);
	cr_assert_eq(w.entered, 2, "%s", w.problem);
	daemon_stop(&w);
	w.facts.memory_bytes = 1ULL << 30;
	daemon_start(&w);
	ticks(&w, 5, 50 * NSEC_PER_MSEC);
	cr_expect_eq(w.entered, 2, "nothing else came into force");
	cr_expect_str_eq(state(&w, 2), "kept");
	cr_expect_str_eq(w.steps, "kept ", "and was judged once");
	world_close(&w);
}

Test(change_room, on_probation_another_change_waits, .timeout = 60)
{
	struct world w;

	begin(&w, WATCHED);
	offer(&w, &root, WATCHED, 1, true);
	offer(&w, &root, WATCHED, 2, true);
	cr_expect_eq(w.entered, 2);
	cr_expect_str_eq(state(&w, 3), "ready");
	say(&w, change_apply, &root, 3);
	refused(&w, "change 2 is on probation");
	world_close(&w);
}

Test(change_room, an_open_change_goes_through_its_gates_again_after_a_restart, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *text = NULL;
	struct proposal p = {
		.author = &root, .reason = "r", .ticket = "", .source = "proposal", .applies = true
	};

	begin(&w, PLAIN);
	p.canonical = text = policy_text(&w, PLAIN, 5);
	change_propose(w.changes, &p, on_reply, &w);
	daemon_stop(&w); /* before its answer: the record has it in gating */
	cr_expect_neq(*w.problem, '\0', "who asked was told");
	daemon_start(&w);
	settle(&w);
	cr_expect_eq(w.entered, 2);
	world_close(&w);
}

Test(change_room, a_record_that_cannot_be_read_changes_nothing_and_is_said, .timeout = 60)
{
	struct world w;
	char path[128];

	begin(&w, PLAIN);
	daemon_stop(&w);
	snprintf(path, sizeof(path), "%s/journal.db", w.directory);
	cr_assert_eq(truncate(path, 100), 0);
	daemon_start(&w);
	cr_expect_eq(w.entered, 0);
	offer(&w, &root, PLAIN, 5, true);
	refused(&w, "the record cannot be read, so nothing can be changed");
	cr_expect(!changes_are_known(w.changes));
	cr_expect(!changes_consider(w.changes, "f00d"), "whether that is news is not known");

	cr_assert_eq(unlink(path), 0);
	ticks(&w, 1, 0);
	cr_expect(changes_are_known(w.changes), "it is tried again with the ticks");
	cr_expect(changes_consider(w.changes, "f00d"), "and what waited in /etc is news now");
	world_close(&w);
}

/* ---- what the last hour says ------------------------------------------------------------------
 */

/* So many ticks in the record, in which ocr used 100 MiB. */
static void ticks_record(struct world *w, unsigned int n)
{
	struct model_reading reading = { .culprit = MODEL_NONE,
					 .memory_bytes = 100ULL << 20,
					 .cpu_usage_ns = 1,
					 .objectives = { { 1000, 1000 } } };
	struct verdict verdict = { 0 };
	struct plan plan = { .n_models = 1, .verdicts = &verdict };
	struct observation now = { .n_models = 1,
				   .models = &reading,
				   .host = { .cpus = 2 },
				   .wall_ns = clock_realtime_ns() };

	for (unsigned int i = 0; i < n; i++) {
		plan.tick = ++now.tick;
		now.taken_ns += NSEC_PER_SEC;
		now.span_ns = i ? NSEC_PER_SEC : 0;
		journal_tick(w->journal, w->policy, &now, &plan);
	}
	settle(w);
}

static void gate_expect(const struct world *w, uint64_t id, const char *verdict, const char *words)
{
	json_t *form = change_read(w, id), *gate;
	bool is_found = false;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(form, "document"), "gates"), i, gate) {
		const char *note = json_string_value(json_object_get(gate, "note"));

		if (strcmp(json_string_value(json_object_get(gate, "name")), "replay") != 0)
			continue;
		is_found = true;
		cr_expect_str_eq(json_string_value(json_object_get(gate, "verdict")), verdict);
		cr_expect(strstr(note, words), "no '%s' in %s", words, note);
	}
	cr_expect(is_found, "there is no gate replay");
	json_decref(form);
}

Test(change_room, a_limit_under_what_was_used_in_the_last_hour_is_refused, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *text = NULL;

	begin(&w, PLAIN);
	ticks_record(&w, 70);
	text = resources_text(&w, PLAIN, "memory: { max: 64MiB }");
	propose(&w, &root, text, true);
	cr_expect_eq(w.entered, 1);
	cr_expect_str_eq(state(&w, 2), "refused");
	gate_expect(&w, 2, "fail",
		    "ocr: memory.max falls to 64MiB; it used up to 100MiB in 70 recorded");
	world_close(&w);
}

Test(change_room, with_few_recorded_ticks_a_new_limit_waits_and_with_more_it_passes, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *text = NULL;

	begin(&w, PLAIN);
	ticks_record(&w, 59);
	text = resources_text(&w, PLAIN, "memory: { max: 128MiB }");
	propose(&w, &root, text, true);
	cr_expect_eq(w.entered, 1, "it waits for somebody who accepts it");
	cr_expect_str_eq(state(&w, 2), "waiting");
	gate_expect(&w, 2, "inconclusive", "in 59 recorded ticks");
	say(&w, change_withdraw, &root, 2);
	ticks_record(&w, 1);
	propose(&w, &root, text, true);
	cr_expect_eq(w.entered, 2, "%s", w.problem);
	gate_expect(&w, 3, "pass", "by 60 recorded ticks");
	world_close(&w);
}

Test(change_room, a_return_is_not_held_up_by_what_the_last_hour_says, .timeout = 60)
{
	struct world w;
	_cleanup_free_ char *text = NULL;

	world_open(&w);
	text = resources_text(&w, PLAIN, "memory: { max: 64MiB }");
	propose(&w, &root, text, true);
	cr_assert_eq(w.entered, 1);
	free(text);
	text = policy_text(&w, PLAIN, 0);
	propose(&w, &root, text, true);
	cr_assert_eq(w.entered, 2);
	ticks_record(&w, 70);
	say(&w, change_rollback, &root, 0);
	cr_expect_eq(w.entered, 3, "%s", w.problem);
	gate_expect(&w, 3, "pass", "in force before");
	world_close(&w);
}
