/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to the record: through modelgovd when it runs, else from its file. Says so when it
 * is the file, because a daemon that is down may have left something unsaid.
 */
#include "command.h"
#include "print.h"

/* Chosen: a full journal of 1 GiB takes a minute on a small machine. */
#define AUDIT_MSEC 600000

static const struct {
	const char *method, *key; /* of the control socket, and where its reply has the answer */
	unsigned int timeout_ms;
} ways[N_QUESTIONS] = {
	[QUESTION_HISTORY] = { "History", "generations", ASK_MSEC },
	[QUESTION_GENERATION] = { "Generation", "generation", ASK_MSEC },
	[QUESTION_CHANGES] = { "Changes", "changes", ASK_MSEC },
	[QUESTION_CHANGE] = { "Change", NULL, ASK_MSEC },
	[QUESTION_ENTRIES] = { "Entries", "entries", ASK_MSEC },
	[QUESTION_CHAIN] = { "AuditVerify", NULL, AUDIT_MSEC },
};

static int file_ask(const struct cli *cli, enum question question, json_t *take_parameters,
		    json_t **ret_answer)
{
	struct err e = { 0 };
	int r = journal_read(cli->state_dir, question, take_parameters, ret_answer, &e);

	if (r == 0)
		return EXIT_OK;
	complain("the record in %s: %s%s", cli->state_dir, e.text,
		 r == -ENOENT ? "; modelgovd makes it, --state-dir names another place" : "");
	return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
}

int record_ask(const struct cli *cli, enum question question, json_t *take_parameters,
	       json_t **ret_answer)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = -ENOENT;

	if (!cli->is_offline)
		r = daemon_ask(cli, ways[question].method, json_incref(take_parameters),
			       ways[question].timeout_ms, &reply, &e);
	if (daemon_is_absent(r))
		return file_ask(cli, question, take_parameters, ret_answer);
	json_decref(take_parameters);
	if (r < 0)
		return daemon_complain(cli, r, &e);
	*ret_answer = ways[question].key ? json_incref(json_object_get(reply, ways[question].key))
					 : json_incref(reply);
	json_decref(reply);
	if (*ret_answer)
		return EXIT_OK;
	complain("modelgovd answered %s without %s: is it of another version?",
		 ways[question].method, ways[question].key);
	return EXIT_FAILED;
}

int number_argument(const char *text, const char *what, uint64_t *ret_number)
{
	if (number_parse(text, ret_number) == 0 && *ret_number > 0 && *ret_number <= INT64_MAX)
		return EXIT_OK;
	complain("'%s' is not the number of a %s: 1, 2, ...", text, what);
	return EXIT_USAGE;
}
