/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov explain`: the sentences that record made, in order, with their times. Without modelgovd
 * the actions come from its journal; a verdict of now is then not to be had.
 */
#include "command.h"
#include "print.h"
#include "record.h"

static void verdicts_print(const json_t *list)
{
	struct table t;
	json_t *one;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("Now");
	table_init(&t, "ll");
	json_array_foreach(list, i, one) {
		table_add(&t, false, "%s", text_of(one, "model"));
		table_add(&t, false, "%s", text_of(one, "sentence"));
	}
	table_print(&t, 2, stdout);
	table_fini(&t);
}

/* "applied" needs no word; everything else does, with its note. */
static void action_add(struct table *t, const json_t *action)
{
	const char *outcome = text_of(action, "outcome"), *note = text_of(action, "note");
	bool is_plain = strcmp(outcome, "applied") == 0 && !*note;
	int64_t at = 0;
	char when[32];

	(void)number_of(action, "time_ns", &at);
	table_add(t, false, "%s", time_print(at, when, sizeof(when)));
	if (is_plain)
		table_add(t, false, "%s", text_of(action, "sentence"));
	else
		table_add(t, false, "%s [%s%s%s]", text_of(action, "sentence"),
			  *outcome ? outcome : "no outcome yet", *note ? ": " : "", note);
}

static void actions_print(const json_t *list)
{
	struct table t;
	json_t *one;
	size_t i;

	if (json_array_size(list) == 0) {
		puts("No action is recorded");
		return;
	}
	puts("Actions, newest first");
	table_init(&t, "ll");
	json_array_foreach(list, i, one)
		action_add(&t, one);
	table_print(&t, 2, stdout);
	table_fini(&t);
}

/* EXIT_OK and the same shape that modelgovd answers with, but for the verdicts. */
static int journal_question(const struct cli *cli, const char *model, json_t **ret_answer)
{
	json_t *actions = NULL;
	struct err e = { 0 };
	int r = journal_read_actions(cli->state_dir, model, cli->limit, &actions, &e);

	if (r < 0) {
		complain("modelgovd does not run (systemctl start modelgovd), and its journal in "
			 "%s cannot be "
			 "read: %s",
			 cli->state_dir, e.text);
		return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_UNREACHABLE;
	}
	complain("modelgovd does not run; this is from its journal in %s", cli->state_dir);
	*ret_answer = json_pack("{s:[], s:o}", "verdicts", "actions", actions);
	return EXIT_OK;
}

int explain_run(const struct cli *cli, int argc, char **argv)
{
	const char *model = argc > 0 ? argv[0] : NULL;
	json_t *answer = NULL;
	struct err e = { 0 };
	int status = EXIT_OK;
	int r = daemon_ask(cli, "Explain",
			   json_pack("{s:s?, s:i}", "model", model, "limit", (int)cli->limit),
			   ASK_MSEC, &answer, &e);

	if (daemon_is_absent(r))
		status = journal_question(cli, model, &answer);
	else if (r < 0)
		status = daemon_complain(cli, r, &e);
	if (status)
		return status;
	if (cli->is_json)
		return json_print(answer);
	verdicts_print(json_object_get(answer, "verdicts"));
	actions_print(json_object_get(answer, "actions"));
	json_decref(answer);
	return EXIT_OK;
}
