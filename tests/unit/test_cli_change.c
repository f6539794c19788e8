/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelgov propose, apply and the rest against a daemon that says what the test wants: what is
 * asked, what is printed, how it ends. Runs the binary that was built beside this runner.
 */
#include "policy_home.h"
#include "stand_in.h"

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
	struct stand_in daemon;
	struct terminal terminal;
};

/* A policy with one model in "etc", a broken one in "broken", and the daemon on "socket". */
static void world_open(struct world *w, const struct part *played)
{
	part = *played;
	home_open(&w->home);
	home_write(&w->home, "etc/models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, owner: a "
		   "}\nresources: { "
		   "class: standard }\n");
	home_write(&w->home, "broken/models.d/ocr.yaml", "apiVersion: modelgov/v1\nkind: Modell\n");
	w->terminal = (struct terminal){ .folder = w->home.path, .etc = "etc" };
	stand_in_start(&w->daemon, w->home.path, methods, NULL);
}

static void world_close(struct world *w)
{
	stand_in_stop(&w->daemon);
	terminal_fini(&w->terminal);
	home_close(&w->home);
}

#define runs(w, arguments, expected, words)                                                        \
	terminal_says(&(w)->terminal, arguments, expected, words)

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

	world_open(&w, &played);
	/* the digest as check prints it, for the daemon to have in force */
	static char digest[65];

	runs(&w, "check --json", OK, "\"digest\": \"");
	const char *out = strstr(w.terminal.out, "\"digest\": \"");

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
