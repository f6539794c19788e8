/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov propose`, `approve`, `apply`, `withdraw`, `rollback`, `changes`, `gates`: what people
 * do with changes. Asks modelgovd, follows what becomes of it, and says so; the rules are
 * modelgovd's.
 */
#include "command.h"
#include "policy.h"
#include "print.h"

#define FOLLOW_USEC                                                                                \
	200000 /* chosen: people do not notice it, and a change has three or four steps */

static int64_t id_of(const json_t *document)
{
	int64_t id = 0;

	(void)number_of(document, "id", &id);
	return id;
}

static bool is_state(const json_t *document, const char *state)
{
	return strcmp(text_of(document, "state"), state) == 0;
}

static bool is_in_force(const json_t *document)
{
	int64_t generation;

	return number_of(document, "generation", &generation);
}

static int message_check(const struct cli *cli, const char *what)
{
	if (cli->message && *cli->message)
		return EXIT_OK;
	complain("%s wants a reason: -m WHY", what);
	return EXIT_USAGE;
}

/* ---- what there is to say of a change
 * ----------------------------------------------------------------- */

static void gates_print(const json_t *document)
{
	struct table t;
	json_t *gate;
	size_t i;

	table_init(&t, "lll");
	json_array_foreach(json_object_get(document, "gates"), i, gate) {
		table_add(&t, false, "%s", text_of(gate, "name"));
		table_add(&t, strcmp(text_of(gate, "verdict"), "pass") != 0, "%s",
			  text_of(gate, "verdict"));
		table_add(&t, false, "%s", text_of(gate, "note"));
	}
	table_print(&t, 2, stdout);
	table_fini(&t);
}

/* What an open change waits for, as status has it; new string, NULL: nothing. */
static char *missing_ask(const struct cli *cli, int64_t id)
{
	json_t *status = NULL, *one;
	struct err e = { 0 };
	char *missing = NULL;
	size_t i;

	if (daemon_ask(cli, "Status", NULL, ASK_MSEC, &status, &e) < 0)
		return NULL;
	json_array_foreach(json_object_get(json_object_get(status, "changes"), "open"), i, one)
		if (id_of(one) == id && *text_of(one, "waits_for") && !missing)
			missing = strdup(text_of(one, "waits_for"));
	json_decref(status);
	return missing;
}

static void force_print(const json_t *document)
{
	int64_t generation = 0, ends_ns = 0;
	char when[32];

	(void)number_of(document, "generation", &generation);
	printf("generation %" PRIi64 " is in force", generation);
	if (is_state(document, "probation")) {
		(void)number_of(json_object_get(document, "probation"), "ends_ns", &ends_ns);
		printf(", on probation until %s", time_print(ends_ns, when, sizeof(when)));
	}
	putchar('\n');
}

static void state_print(const struct cli *cli, const json_t *document)
{
	_cleanup_free_ char *missing = NULL;
	const char *ending = text_of(document, "ending");

	line_print(0, "change %" PRIi64 ": %s%s%s", id_of(document), text_of(document, "state"),
		   *ending ? ": " : "", ending);
	if (is_state(document, "gating"))
		return;
	if (is_in_force(document)) {
		force_print(document);
		return;
	}
	if ((missing = missing_ask(cli, id_of(document))))
		line_print(0, "it waits for %s", missing);
}

/* ---- following
 * ------------------------------------------------------------------------------------------ */

/* The change as it is now; consumes the old document. */
static int document_refresh(const struct cli *cli, json_t **document)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(cli, "Change", json_pack("{s:I}", "id", (json_int_t)id_of(*document)),
			   ASK_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(cli, r, &e);
	json_decref(*document);
	*document = json_incref(json_object_get(reply, "document"));
	json_object_del(*document, "canonical");
	json_decref(reply);
	return EXIT_OK;
}

/* It may move on by itself, and that is worth waiting for. */
static bool is_moving(const struct cli *cli, const json_t *document, bool is_applied)
{
	_cleanup_free_ char *missing = NULL;

	if (is_state(document, "gating"))
		return true;
	if (!is_applied || !is_state(document, "ready") ||
	    !json_is_true(json_object_get(document, "applies")))
		return false;
	missing = missing_ask(cli, id_of(document));
	return !missing;
}

static int document_exit(const json_t *document, bool is_applied)
{
	if (is_in_force(document))
		return EXIT_OK;
	if (is_state(document, "waiting") || is_state(document, "ready"))
		return is_applied ? EXIT_WAITING : EXIT_OK;
	return EXIT_REFUSED;
}

int change_follow(const struct cli *cli, json_t *take_document, bool is_applied)
{
	json_t *document = take_document;
	char last[32] = "";
	int status = EXIT_OK;

	for (;;) {
		const char *state = text_of(document, "state");
		bool is_news = strcmp(state, last) != 0;

		if (is_news && !cli->is_json) {
			if (strcmp(last, "gating") == 0)
				gates_print(document);
			state_print(cli, document);
			fflush(stdout);
		}
		snprintf(last, sizeof(last), "%s", state);
		if (!is_moving(cli, document, is_applied))
			break;
		usleep(FOLLOW_USEC);
		if ((status = document_refresh(cli, &document))) {
			json_decref(document);
			return status;
		}
	}
	status = document_exit(document, is_applied);
	if (cli->is_json)
		status = json_print(json_incref(document)) ? EXIT_FAILED : status;
	json_decref(document);
	return status;
}

/* One call that answers with a change; EXIT_OK and a new reference. */
static int change_ask(const struct cli *cli, const char *method, json_t *take_parameters,
		      json_t **ret_document)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(cli, method, take_parameters, PROPOSE_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(cli, r, &e);
	*ret_document = json_incref(json_object_get(reply, "change"));
	json_decref(reply);
	return EXIT_OK;
}

static const char *ticket_of(const struct cli *cli)
{
	return cli->ticket ? cli->ticket : "";
}

/* ---- propose
 * -------------------------------------------------------------------------------------------- */

/* The policy in a directory, or its findings printed. */
static int directory_load(const char *etc, struct policy **ret_policy)
{
	_cleanup_free_ char *text = NULL;
	struct findings findings;
	struct err e = { 0 };
	int r, status = EXIT_OK;

	findings_init(&findings);
	r = policy_read(etc, ret_policy, &findings, &e);
	if (findings.n_errors > 0 && (text = findings_print(&findings))) {
		text_print(text, 0, stderr);
		status = EXIT_POLICY;
	} else if (r < 0) {
		complain("%s", e.text);
		status = r == -EACCES ? EXIT_DENIED : EXIT_FAILED;
	}
	findings_fini(&findings);
	return status;
}

static int policy_propose(const struct cli *cli, const struct policy *policy, bool applies,
			  json_t **ret_document)
{
	_cleanup_free_ char *canonical = policy_canonical(policy);

	return change_ask(cli, "Propose",
			  json_pack("{s:s, s:s, s:s, s:s, s:b}", "canonical",
				    canonical ? canonical : "", "reason", cli->message, "ticket",
				    ticket_of(cli), "source", "proposal", "applies", applies),
			  ret_document);
}

int propose_run(const struct cli *cli, int argc, char **argv)
{
	struct policy *policy = NULL;
	json_t *document;
	int status = message_check(cli, "propose");

	if (!status)
		status = directory_load(argc > 0 ? argv[0] : cli->etc, &policy);
	if (!status)
		status = policy_propose(cli, policy, false, &document);
	policy_free(policy);
	return status ? status : change_follow(cli, document, false);
}

/* ---- apply
 * ---------------------------------------------------------------------------------------------- */

static int change_apply_id(const struct cli *cli, int64_t id)
{
	json_t *document;
	int status = change_ask(cli, "Apply",
				json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "reason",
					  cli->message, "ticket", ticket_of(cli)),
				&document);

	return status ? status : change_follow(cli, document, true);
}

/* An open change that proposes this policy already; NULL: none. */
static json_t *open_find(const struct cli *cli, const char *digest)
{
	json_t *reply = NULL, *one, *found = NULL;
	struct err e = { 0 };
	size_t i;

	if (daemon_ask(cli, "Changes", json_pack("{s:b}", "is_open", 1), ASK_MSEC, &reply, &e) < 0)
		return NULL; /* then Propose meets the same obstacle and says it */
	json_array_foreach(json_object_get(reply, "changes"), i, one)
		if (!found && !is_in_force(one) && strcmp(text_of(one, "digest"), digest) == 0)
			found = json_incref(one);
	json_decref(reply);
	return found;
}

/* Prints that there is nothing to do. */
static bool is_policy_in_force(const struct cli *cli, const char *digest)
{
	json_t *status = NULL;
	const json_t *changes;
	struct err e = { 0 };
	int64_t generation = 0;
	bool is_same;

	if (daemon_ask(cli, "Status", NULL, ASK_MSEC, &status, &e) < 0)
		return false;
	changes = json_object_get(status, "changes");
	is_same = strcmp(text_of(changes, "digest"), digest) == 0;
	if (is_same && !cli->is_json && number_of(changes, "generation", &generation))
		printf("generation %" PRIi64 " is this policy already: nothing to apply\n",
		       generation);
	if (is_same && cli->is_json)
		(void)json_print(json_incref((json_t *)changes));
	json_decref(status);
	return is_same;
}

/* A change that waited for nothing but somebody who applies it. */
static int open_apply(const struct cli *cli, json_t *take_document)
{
	struct cli quiet = *cli;
	int64_t id = id_of(take_document);
	bool applies_itself = json_is_true(json_object_get(take_document, "applies"));
	int status;

	if (applies_itself)
		return change_follow(cli, take_document, true);
	quiet.is_json = false;
	status = cli->is_json ? EXIT_OK : change_follow(&quiet, take_document, false);
	if (cli->is_json)
		json_decref(take_document);
	return status ? status : change_apply_id(cli, id);
}

static int policy_apply(const struct cli *cli, const struct policy *policy)
{
	json_t *document;
	int status;

	if (is_policy_in_force(cli, policy->digest))
		return EXIT_OK;
	if ((document = open_find(cli, policy->digest)))
		return open_apply(cli, document);
	status = policy_propose(cli, policy, true, &document);
	return status ? status : change_follow(cli, document, true);
}

int apply_run(const struct cli *cli, int argc, char **argv)
{
	struct policy *policy = NULL;
	uint64_t id;
	int status;

	if (cli->is_shadow) /* asks for no reason: nothing is changed */
		return shadow_begin(cli, argc > 0 ? argv[0] : cli->etc);
	status = message_check(cli, "apply");
	if (!status && argc > 0) {
		status = number_argument(argv[0], "change", &id);
		return status ? status : change_apply_id(cli, (int64_t)id);
	}
	if (!status)
		status = directory_load(cli->etc, &policy);
	if (!status)
		status = policy_apply(cli, policy);
	policy_free(policy);
	return status;
}

/* ---- approve, withdraw, rollback
 * ------------------------------------------------------------------------ */

/* A method that takes an id and a reason; the answer is where the change is now. */
static int change_say(const struct cli *cli, const char *what, const char *method, const char *text)
{
	json_t *document;
	uint64_t id;
	int status = message_check(cli, what);

	if (!status)
		status = number_argument(text, "change", &id);
	if (!status)
		status = change_ask(cli, method,
				    json_pack("{s:I, s:s}", "id", (json_int_t)id, "reason",
					      cli->message),
				    &document);
	if (status)
		return status;
	if (cli->is_json)
		return json_print(document);
	state_print(cli, document);
	json_decref(document);
	return EXIT_OK;
}

int approve_run(const struct cli *cli, int argc, char **argv)
{
	return change_say(cli, "approve", "Approve", argv[0]);
}

int withdraw_run(const struct cli *cli, int argc, char **argv)
{
	return change_say(cli, "withdraw", "Withdraw", argv[0]);
}

int rollback_run(const struct cli *cli, int argc, char **argv)
{
	json_t *document;
	uint64_t number = 0;
	int status = message_check(cli, "rollback");

	if (!status && argc > 0)
		status = number_argument(argv[0], "generation", &number);
	if (!status)
		status = change_ask(cli, "Rollback",
				    json_pack("{s:I, s:s, s:s}", "id", (json_int_t)number, "reason",
					      cli->message, "ticket", ticket_of(cli)),
				    &document);
	return status ? status : change_follow(cli, document, true);
}

/* ---- looking
 * -------------------------------------------------------------------------------------------- */

static void change_add(struct table *t, const json_t *document)
{
	const char *ending = text_of(document, "ending");
	int64_t made_ns = 0, generation;
	char when[32];

	(void)number_of(document, "made_ns", &made_ns);
	table_add(t, false, "%" PRIi64, id_of(document));
	table_add(t, is_state(document, "rolled_back"), "%s", text_of(document, "state"));
	if (number_of(document, "generation", &generation))
		table_add(t, false, "%" PRIi64, generation);
	else
		table_add(t, false, "-");
	table_add(t, false, "%s", time_print(made_ns, when, sizeof(when)));
	table_add(t, false, "%s", text_of(document, "source"));
	table_add(t, false, "%s", text_of(document, "author"));
	table_add(t, false, "%s", text_of(document, "ticket"));
	table_add(t, false, "%s%s%s", text_of(document, "reason"),
		  *ending && *text_of(document, "reason") ? "; " : "", ending);
}

int changes_run(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {
		"CHANGE", "STATE",  "GENERATION", "PROPOSED",
		"SOURCE", "AUTHOR", "TICKET",     "REASON AND ENDING"
	};
	struct table t;
	json_t *list = NULL, *one;
	size_t i;
	int status = record_ask(cli, QUESTION_CHANGES, json_pack("{s:i}", "limit", (int)cli->limit),
				&list);

	if (status)
		return status;
	if (cli->is_json)
		return json_print(list);
	table_init(&t, "llllllll");
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&t, false, "%s", heads[i]);
	json_array_foreach(list, i, one)
		change_add(&t, one);
	table_print(&t, 0, stdout);
	table_fini(&t);
	json_decref(list);
	return EXIT_OK;
}

static int gates_exit(const json_t *document)
{
	int status = is_state(document, "gating") ? EXIT_WAITING : EXIT_OK;
	json_t *gate;
	size_t i;

	json_array_foreach(json_object_get(document, "gates"), i, gate)
		if (strcmp(text_of(gate, "verdict"), "fail") == 0)
			return EXIT_REFUSED;
		else if (strcmp(text_of(gate, "verdict"), "pass") != 0)
			status = EXIT_WAITING;
	return status;
}

int gates_run(const struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL, *document;
	uint64_t id;
	int status = number_argument(argv[0], "change", &id);

	if (!status)
		status = record_ask(cli, QUESTION_CHANGE, json_pack("{s:I}", "id", (json_int_t)id),
				    &answer);
	if (status)
		return status;
	document = json_object_get(answer, "document");
	status = gates_exit(document);
	if (cli->is_json) {
		status = json_print(json_incref(json_object_get(document, "gates"))) ? EXIT_FAILED
										     : status;
	} else {
		printf("change %" PRIi64 ": %s\n", id_of(document), text_of(document, "state"));
		gates_print(document);
	}
	json_decref(answer);
	return status;
}
