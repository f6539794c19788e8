/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelgov propose, apply and the rest against a daemon that says what the test wants: what is
 * asked, what is printed, how it ends. Runs the binary that was built beside this runner.
 */
#include "policy_home.h"

#include "control.h"

#include <libgen.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

enum { OK, FAILED, USAGE, POLICY, UNREACHABLE, DENIED, REFUSED, WAITING };

TestSuite(cli_change, .timeout = 60);

/* ---- a daemon that plays a part
 * ------------------------------------------------------------------- */

struct part {
	const char
		*states[4];  /* of the change, one each time that it is looked at; the last stays */
	const char *verdict; /* of its gate */
	const char *waits_for;
	const char *in_force;    /* digest */
	const char *open_digest; /* of a change that is open already, or NULL */
	const char *refusal;     /* of every step, or NULL */
	bool applies;
	unsigned int looks;
	char asked[1024]; /* methods and what they were told, but for canonical bytes and looking */
};

static struct part part;

static json_t *document(void)
{
	const char *state;
	unsigned int last = 0;
	json_t *generation;

	while (last < 3 && part.states[last + 1])
		last++;
	state = part.states[MIN(part.looks, last)];
	part.looks++;
	generation = strcmp(state, "kept") == 0 || strcmp(state, "probation") == 0 ? json_integer(5)
										   : json_null();
	return json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:o, s:s, s:[{s:s, s:s, s:s}], s:s}",
		"id", 7, "state", state, "source", "proposal", "author", "ada", "reason", "because",
		"ticket", "CHG-1", "digest", part.open_digest ? part.open_digest : "d", "made_ns",
		(json_int_t)1700000000 * 1000000000, "applies", part.applies, "generation",
		generation, "ending", strcmp(state, "refused") ? "" : "gate 10-x failed", "gates",
		"name", "10-x", "verdict", part.verdict ? part.verdict : "pass", "note",
		"what it said", "considered", "");
}

static void asked(const char *method, json_t *parameters)
{
	json_t *copy = json_deep_copy(parameters);
	size_t length = strlen(part.asked);
	_cleanup_free_ char *text = NULL;

	json_object_del(copy, "canonical");
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	snprintf(part.asked + length, sizeof(part.asked) - length, "%s%s ", method, text);
	json_decref(copy);
}

static void step(struct request *r, const char *method, json_t *parameters)
{
	asked(method, parameters);
	if (part.refusal)
		request_fail(r, "Refused", "%s", part.refusal);
	else
		request_reply(r, json_pack("{s:o}", "change", document()));
}

#define STEP(method)                                                                               \
	static void on_##method(struct request *r, json_t *parameters, void *userdata)             \
	{                                                                                          \
		step(r, #method, parameters);                                                      \
	}
STEP(Propose)
STEP(Apply)
STEP(Approve)
STEP(Withdraw)
STEP(Rollback)

static void on_status(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:{s:i, s:s, s:[{s:i, s:s}]}}", "changes", "generation", 4,
				   "digest", part.in_force ? part.in_force : "", "open", "id", 7,
				   "waits_for", part.waits_for ? part.waits_for : ""));
}

static void on_changes(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, part.open_digest || !json_is_true(json_object_get(parameters, "is_open"))
				 ? json_pack("{s:[o]}", "changes", document())
				 : json_pack("{s:[]}", "changes"));
}

static void on_change(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:o, s:[]}", "document", document(), "entries"));
}

static const struct method methods[] = {
	{ "Propose", ROLE_VIEWER,
	  "(canonical: string, reason: string, ticket: ?string, source: ?string, applies: ?bool) "
	  "-> ()",
	  "", on_Propose },
	{ "Apply", ROLE_VIEWER, "(id: int, reason: string, ticket: ?string) -> ()", "", on_Apply },
	{ "Approve", ROLE_VIEWER, "(id: int, reason: string) -> ()", "", on_Approve },
	{ "Withdraw", ROLE_VIEWER, "(id: int, reason: string) -> ()", "", on_Withdraw },
	{ "Rollback", ROLE_VIEWER, "(id: ?int, reason: string, ticket: ?string) -> ()", "",
	  on_Rollback },
	{ "Status", ROLE_VIEWER, "() -> ()", "", on_status },
	{ "Changes", ROLE_VIEWER, "(limit: ?int, is_open: ?bool) -> ()", "", on_changes },
	{ "Change", ROLE_VIEWER, "(id: int) -> ()", "", on_change },
	{ 0 },
};

struct world {
	struct home home;
	pthread_t thread;
	int end[2];
	sd_event *event;
	struct control *control;
};

static void *loop_main(void *event)
{
	sd_event_loop(event);
	return NULL;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *event)
{
	return sd_event_exit(event, 0);
}

/* A policy with one model in "etc", a broken one in "broken", and the daemon on "socket". */
static void world_open(struct world *w, const struct part *played)
{
	char path[PATH_MAX];
	struct control_options options = { .path = path,
					   .methods = methods,
					   .viewer_gid = (gid_t)-1 };
	struct err e = { 0 };

	part = *played;
	home_open(&w->home);
	home_write(&w->home, "etc/models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, owner: a "
		   "}\nresources: { "
		   "class: standard }\n");
	home_write(&w->home, "broken/models.d/ocr.yaml", "apiVersion: modelgov/v1\nkind: Modell\n");
	home_path(&w->home, "socket", path);
	cr_assert_geq(sd_event_new(&w->event), 0);
	cr_assert_eq(control_open(w->event, &options, &w->control, &e), 0, "%s", e.text);
	cr_assert_eq(pipe2(w->end, O_CLOEXEC), 0);
	cr_assert_geq(sd_event_add_io(w->event, NULL, w->end[0], EPOLLIN, on_end, w->event), 0);
	cr_assert_eq(pthread_create(&w->thread, NULL, loop_main, w->event), 0);
}

static void world_close(struct world *w)
{
	close(w->end[1]);
	pthread_join(w->thread, NULL);
	close(w->end[0]);
	control_close(w->control);
	sd_event_unref(w->event);
	home_close(&w->home);
}

static char *printed(const struct world *w, const char *arguments, int *ret_status)
{
	static char self[PATH_MAX], command[3 * PATH_MAX], out[65536];
	char path[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	int status;

	cr_assert_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	snprintf(command, sizeof(command),
		 "cd %s && TZ=UTC MODELGOV_SOCKET=%s/socket MODELGOV_ETC=%s/etc %.*s/modelgov %s "
		 ">out 2>&1 "
		 "</dev/null",
		 w->home.path, w->home.path, w->home.path, 2000, dirname(dirname(self)), arguments);
	status = system(command);
	cr_assert(WIFEXITED(status), "modelgov %s: killed by a signal", arguments);
	*ret_status = WEXITSTATUS(status);
	cr_assert_eq(file_read_all(AT_FDCWD, home_path(&w->home, "out", path), sizeof(out) - 1,
				   &text, NULL, &e),
		     0, "%s", e.text);
	snprintf(out, sizeof(out), "%s", text);
	return out;
}

#define runs(w, arguments, expected, words)                                                        \
	do {                                                                                       \
		int _status;                                                                       \
		const char *_out = printed(w, arguments, &_status);                                \
		cr_expect_eq(_status, expected, "modelgov %s: exit %d\n%s", arguments, _status,    \
			     _out);                                                                \
		cr_expect(strstr(_out, words), "modelgov %s: no '%s' in:\n%s", arguments, words,   \
			  _out);                                                                   \
	} while (0)

/* ---- tests
 * ------------------------------------------------------------------------------------------ */

Test(cli_change, every_step_wants_a_reason)
{
	struct world w;

	world_open(&w, &(struct part){ .states = { "kept" } });
	runs(&w, "propose", USAGE, "propose wants a reason: -m WHY");
	runs(&w, "apply 7", USAGE, "apply wants a reason: -m WHY");
	runs(&w, "approve 7 -m ''", USAGE, "approve wants a reason");
	runs(&w, "withdraw 7", USAGE, "withdraw wants a reason");
	runs(&w, "rollback", USAGE, "rollback wants a reason");
	runs(&w, "approve seven -m x", USAGE, "'seven' is not the number of a change");
	cr_expect_str_eq(part.asked, "");
	world_close(&w);
}

Test(cli_change, propose_follows_the_gates_and_a_refusal_ends_with_6)
{
	struct world w;

	world_open(&w, &(struct part){ .states = { "gating", "gating", "refused" },
				       .verdict = "fail" });
	runs(&w, "propose -m because --change CHG-1", REFUSED, "10-x  fail  what it said");
	cr_expect_str_eq(part.asked, "Propose{\"applies\":false,\"reason\":\"because\",\"source\":"
				     "\"proposal\",\"ticket\":\"CHG-1\"} ");
	world_close(&w);
}

Test(cli_change, a_proposal_that_waits_is_a_success_and_says_for_what)
{
	struct world w;

	world_open(&w, &(struct part){ .states = { "gating", "waiting" },
				       .waits_for = "1 more approval" });
	runs(&w, "propose etc -m because", OK, "it waits for 1 more approval");
	world_close(&w);
}

Test(cli_change, a_policy_with_errors_is_not_proposed)
{
	struct world w;

	world_open(&w, &(struct part){ .states = { "kept" } });
	runs(&w, "propose broken -m because", POLICY, "Modell");
	cr_expect_str_eq(part.asked, "");
	world_close(&w);
}

Test(cli_change, apply_without_an_id_proposes_etc_and_waits_until_it_is_in_force)
{
	struct world w;

	world_open(&w,
		   &(struct part){ .states = { "gating", "ready", "probation" }, .applies = true });
	runs(&w, "apply -m because", OK, "generation 5 is in force, on probation until");
	cr_expect(strstr(part.asked, "Propose{\"applies\":true"), "%s", part.asked);
	world_close(&w);
}

Test(cli_change, apply_that_waits_for_somebody_ends_with_7)
{
	struct world w;

	world_open(&w, &(struct part){ .states = { "gating", "waiting" },
				       .waits_for = "1 more approval",
				       .applies = true });
	runs(&w, "apply -m because", WAITING, "it waits for 1 more approval");
	world_close(&w);
}

Test(cli_change, apply_of_what_is_in_force_has_nothing_to_do)
{
	struct world w;
	struct part played = { .states = { "kept" } };
	int status;

	world_open(&w, &played);
	/* the digest as check prints it, for the daemon to have in force */
	static char digest[65];
	const char *out = strstr(printed(&w, "check --json", &status), "\"digest\": \"");

	cr_assert_not_null(out);
	snprintf(digest, sizeof(digest), "%.64s", out + strlen("\"digest\": \""));
	part.in_force = digest;
	runs(&w, "apply -m because", OK, "generation 4 is this policy already: nothing to apply");
	cr_expect_str_eq(part.asked, "");
	part.in_force = NULL;
	part.open_digest = digest;
	part.states[0] = "ready";
	part.states[1] = "kept";
	part.applies = true;
	part.looks = 0;
	runs(&w, "apply -m because", OK, "generation 5 is in force");
	cr_expect_str_eq(part.asked, "", "it is in force by itself");
	world_close(&w);
}

Test(cli_change, what_the_rules_refuse_ends_with_6_and_the_daemons_words)
{
	struct world w;

	world_open(&w,
		   &(struct part){ .states = { "waiting" }, .refusal = "ada proposed change 7" });
	runs(&w, "approve 7 -m mine", REFUSED, "modelgov: ada proposed change 7");
	runs(&w, "apply 7 -m now", REFUSED, "modelgov: ada proposed change 7");
	runs(&w, "rollback 3 -m back", REFUSED, "modelgov: ada proposed change 7");
	cr_expect_str_eq(part.asked, "Approve{\"id\":7,\"reason\":\"mine\"} "
				     "Apply{\"id\":7,\"reason\":\"now\",\"ticket\":\"\"} "
				     "Rollback{\"id\":3,\"reason\":\"back\",\"ticket\":\"\"} ");
	world_close(&w);
}

Test(cli_change, changes_and_gates_are_told_with_their_ends)
{
	struct world w;

	world_open(&w, &(struct part){ .states = { "refused" }, .verdict = "fail" });
	runs(&w, "changes", OK, "because; gate 10-x failed");
	runs(&w, "changes --json", OK, "\"ticket\": \"CHG-1\"");
	runs(&w, "gates 7", REFUSED, "10-x  fail  what it said");
	part.verdict = "inconclusive";
	runs(&w, "gates 7", WAITING, "inconclusive");
	part.verdict = "pass";
	runs(&w, "gates 7 --json", OK, "\"verdict\": \"pass\"");
	world_close(&w);
}
