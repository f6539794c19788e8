/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov restore`: everything as it was before modelgov. A running daemon does it, or it would
 * write its own values again; without one, act's ledger is enough.
 */
#include "act.h"
#include "command.h"
#include "knob.h"
#include "print.h"

#define RESTORE_MSEC                                                                               \
	120000 /* chosen: hundreds of units over D-Bus, and memory.high may reclaim for long */

static json_t *list_to_json(const struct restored *all, unsigned int n)
{
	json_t *list = json_array();
	char value[64];

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "what",
						      all[i].unit_or_path, "knob",
						      knob_table[all[i].knob].file, "value",
						      knob_describe(all[i].knob, all[i].value,
								    value, sizeof(value)),
						      "outcome", outcome_name(all[i].outcome.kind),
						      "note", all[i].outcome.note));
	return list;
}

/* Without modelgovd. The list is there also when some entries failed. */
static int restore_alone(const struct cli *cli, json_t **ret_list, struct err *e)
{
	struct act_options options = { .state_dir = cli->state_dir };
	struct restored *all = NULL;
	unsigned int n = 0;
	struct act *act;
	int r = act_open(&options, &act, e);

	if (r < 0)
		return r;
	r = act_restore(act, &all, &n, e);
	*ret_list = list_to_json(all, n);
	free(all);
	act_close(act);
	return r;
}

static bool outcome_is_bad(const char *outcome)
{
	return strcmp(outcome, "refused") == 0 || strcmp(outcome, "unavailable") == 0;
}

static void list_print(const json_t *list)
{
	struct table t;
	json_t *one;
	size_t i;

	if (json_array_size(list) == 0) {
		puts("nothing to put back");
		return;
	}
	table_init(&t, "llrll");
	json_array_foreach(list, i, one) {
		const char *outcome = text_of(one, "outcome");
		char value[32];

		table_add(&t, false, "%s", text_of(one, "what"));
		table_add(&t, false, "%s", text_of(one, "knob"));
		table_add(&t, false, "%s",
			  format_of(one, "value", plain_format, value, sizeof(value)));
		table_add(&t, outcome_is_bad(outcome), "%s", outcome);
		table_add(&t, false, "%s", text_of(one, "note"));
	}
	table_print(&t, 0, stdout);
	table_fini(&t);
}

/* What came back, whole or in part; r says which. */
static int restore_tell(const struct cli *cli, json_t *list, int r, const struct err *e)
{
	int status = EXIT_OK;

	if (list && cli->is_json)
		status = json_print(json_pack("{s:O}", "restored", list));
	else if (list)
		list_print(list);
	if (r < 0)
		complain("restore: %s", e->text);
	return r == -EACCES || r == -EPERM ? EXIT_DENIED : r < 0 ? EXIT_FAILED : status;
}

int restore_run(const struct cli *cli, int argc, char **argv)
{
	json_t *reply = NULL, *list = NULL;
	struct err e = { 0 };
	int r = -ENOENT, status;

	if (!cli->is_offline)
		r = daemon_ask(cli, "Restore", NULL, RESTORE_MSEC, &reply, &e);
	if (r < 0 && !daemon_is_absent(r))
		return daemon_complain(cli, r, &e);
	if (r == 0)
		list = json_incref(json_object_get(reply, "restored"));
	else
		r = restore_alone(cli, &list, &e);
	status = restore_tell(cli, list, r, &e);
	json_decref(list);
	json_decref(reply);
	return status;
}
