/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What modelgov tells from the record's file: history, audit, and a generation's way into a file
 * and back. Runs the binary that was built beside this runner.
 */
#include "record_world.h"
#include "stand_in.h"

#include <sqlite3.h>

TestSuite(cli_record, .timeout = 60);

/* ---- running it -------------------------------------------------------------------------------
 */

/* In the world's folder, which is the state directory too; nobody listens on "socket" unless said.
 */
static struct terminal terminal_at(const struct world *w)
{
	return (struct terminal){ .folder = w->directory, .options = "--state-dir ." };
}

#define assert_runs(w, arguments, expected, words)                                                 \
	do {                                                                                       \
		struct terminal _t = terminal_at(w);                                               \
		terminal_says(&_t, arguments, expected, words);                                    \
		terminal_fini(&_t);                                                                \
	} while (0)

/* Two generations and a change on its way, written as the daemon writes them. */
static void record_make(struct world *w)
{
	struct answered a;
	json_t *change = change_of("{\"c\":3}", "gating");

	world_open(w);
	world_tick(w, 1, 1700000000 * NSEC_PER_SEC);
	cr_assert_eq(generation_keep(w, generation_of("{\"a\":1}"), change_of("{\"a\":1}", "kept"),
				     &a),
		     1);
	cr_assert_eq(generation_keep(w, generation_of("{\"b\":2}"), change_of("{\"b\":2}", "kept"),
				     &a),
		     2);
	json_object_set_new(change, "reason", json_string("more room"));
	cr_assert_eq(change_keep(w, json_incref(change), "proposed", &a), 3);
	json_object_set_new(change, "id", json_integer(3));
	journal_keep_change(w->journal, change, "refused",
			    json_pack("{s:s, s:s, s:s, s:s}", "who", "bob", "asked", "approve",
				      "why", "fine", "problem", "an approver is needed"),
			    answer_keep, &a);
	world_settle(w);
	json_decref(a.answer);
	world_stop(w);
}

/* ---- history ----------------------------------------------------------------------------------
 */

Test(cli_record, history_lists_generations_and_shows_one_in_full)
{
	struct world w;

	record_make(&w);
	assert_runs(&w, "history", OK, "2 *");
	assert_runs(&w, "history", OK, "CHG-7");
	assert_runs(&w, "history 1", OK, "\"a\": 1");
	assert_runs(&w, "history 1", OK, "Facts      cpus 4");
	assert_runs(&w, "history 1 --json", OK, "\"canonical\": \"{\\\"a\\\":1}\"");
	assert_runs(&w, "history 7", FAILED, "there is no generation 7; the newest is 2");
	assert_runs(&w, "history two", USAGE, "'two' is not the number of a generation");
	world_close(&w);
}

Test(cli_record, no_text_of_a_record_forges_a_line_or_reaches_the_terminal_as_a_command)
{
	static const char *const commands[] = { "history 1", "history", "audit show 1", "changes" };
	json_t *generation = generation_of("{\"a\":1}"), *change = change_of("{\"a\":1}", "kept");
	struct answered a;
	struct world w;

	world_open(&w);
	json_object_set_new(generation, "reason", json_string("more\nroot approved \x1b[2J"));
	json_object_set_new(change, "reason", json_string("more\nroot approved \x1b[2J"));
	cr_assert_eq(generation_keep(&w, generation, change, &a), 1);
	world_stop(&w);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		assert_runs(&w, commands[i], OK, "more?root approved ?[2J");
	world_close(&w);
}

Test(cli_record, an_empty_record_has_no_history_and_is_whole)
{
	struct world w;

	world_open(&w);
	journal_event(w.journal, 1, "noise", json_object());
	world_settle(&w);
	world_stop(&w);
	assert_runs(&w, "history", OK, "No generation is recorded");
	assert_runs(&w, "audit verify", OK, "whole: 1 entries, 0 generations");
	assert_runs(&w, "audit show 1", FAILED, "there is no change 1");
	world_close(&w);
}

/* ---- audit ------------------------------------------------------------------------------------
 */

static void sql_do(const struct world *w, const char *sql)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/journal.db", w->directory);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(cli_record, audit_verify_names_the_first_broken_place_and_exits_1)
{
	struct world w;

	record_make(&w);
	assert_runs(&w, "audit verify", OK, "whole: 6 entries, 2 generations");
	assert_runs(&w, "audit verify --offline --json", OK, "\"broken\": null");
	sql_do(&w, "UPDATE generation SET canonical = '{\"a\":2}' WHERE number = 1");
	assert_runs(&w, "audit verify", FAILED, "BROKEN: generation 1: its canonical bytes");
	assert_runs(&w, "audit verify --json", FAILED, "\"seq\": 1");
	sql_do(&w, "UPDATE entry SET wall_ns = wall_ns + 1 WHERE seq = 3");
	assert_runs(&w, "audit verify", FAILED, "BROKEN: entry 3: its hash is ");
	world_close(&w);
}

Test(cli_record, audit_show_tells_every_step_of_a_change)
{
	struct world w;

	record_make(&w);
	assert_runs(&w, "audit show 3", OK, "Change 3 by ada: more room");
	assert_runs(&w, "audit show 3", OK, "ada proposed it. It is gating. (entry 5)");
	assert_runs(
		&w, "audit show 3", OK,
		"bob asked to approve it and was refused: an approver is needed. It is gating.");
	assert_runs(&w, "audit show 3", OK, "why: fine");
	assert_runs(&w, "audit show 1", OK, "put it into force as generation 1: agreed");
	assert_runs(&w, "audit show 3 --json", OK, "\"step\": \"refused\"");
	assert_runs(&w, "audit show", USAGE, "takes the number of a change");
	assert_runs(&w, "audit prove", USAGE, "it can verify, export or show");
	world_close(&w);
}

/* Lines of that type. */
static unsigned int lines_of(const char *out, const char *type)
{
	char mark[32];
	unsigned int n = 0;

	snprintf(mark, sizeof(mark), "\"type\":\"%s\"", type);
	for (const char *at = out; (at = strstr(at, mark)); at++)
		n++;
	return n;
}

Test(cli_record, audit_export_prints_the_entries_of_a_time_and_the_generations_they_name)
{
	struct world w;
	struct terminal t;

	record_make(&w);
	t = terminal_at(&w);
	cr_assert_eq(terminal_run(&t, "audit export"), OK, "%s", t.problem);
	cr_assert_eq(lines_of(t.out, "entry"), 6);
	cr_assert_eq(lines_of(t.out, "generation"), 2);
	for (char *line, *rest = t.out; (line = strsep(&rest, "\n")) && *line;) {
		json_t *one = json_loads(line, 0, NULL);

		cr_assert_not_null(one, "not JSON: %s", line);
		json_decref(one);
	}
	terminal_run(&t, "audit export --to 2023-11-15");
	cr_assert_eq(lines_of(t.out, "entry"), 1, "only the tick is that old:\n%s", t.out);
	cr_assert_eq(lines_of(t.out, "generation"), 0);
	terminal_run(&t, "audit export --from 1h");
	cr_assert_eq(lines_of(t.out, "entry"), 5);
	terminal_fini(&t);
	assert_runs(&w, "audit export --from yesterday", USAGE, "--from yesterday is neither");
	assert_runs(&w, "audit export --from 1h --to 2h", USAGE, "is after --to 2h");
	world_close(&w);
}

Test(cli_record, a_long_record_is_exported_page_by_page_without_a_gap)
{
	struct world w;

	world_open(&w);
	for (int i = 0; i < 1100; i++) {
		journal_event(w.journal, 1000 + (uint64_t)i, "noise", json_pack("{s:i}", "n", i));
		if (i % 300 == 0)
			world_settle(&w);
	}
	world_settle(&w);
	world_stop(&w);
	assert_runs(&w, "audit export | tee long | grep -c noise", OK, "1100");
	assert_runs(&w, "audit export | tail -n 1", OK, "\"seq\":1101");
	world_close(&w);
}

/* ---- a generation's way -----------------------------------------------------------------------
 */

static char proposed[4096]; /* what the daemon of this test was asked */

static void on_propose(struct request *r, json_t *parameters, void *userdata)
{
	char *text = json_dumps(parameters, JSON_COMPACT | JSON_SORT_KEYS);

	snprintf(proposed, sizeof(proposed), "%s", text);
	free(text);
	request_reply(r, json_pack("{s:i, s:s}", "id", 4, "state", "waiting"));
}

static void on_generation(struct request *r, json_t *parameters, void *userdata)
{
	request_reply(r, json_pack("{s:{s:i, s:s, s:s}}", "generation", "number", 9, "digest", "d",
				   "canonical", "{}"));
}

static const struct method methods[] = {
	{ "Propose", ROLE_OPERATOR,
	  "(canonical: string, reason: string, ticket: ?string, source: ?string) -> ()", "",
	  on_propose },
	{ "Generation", ROLE_VIEWER, "(number: ?int) -> ()", "", on_generation },
	{ 0 },
};

Test(cli_record, an_exported_generation_is_proposed_with_its_own_bytes)
{
	struct world w;
	struct stand_in d;

	record_make(&w);
	assert_runs(&w, "export 1 | tee file", OK, "modelgov-generation/v1");
	assert_runs(&w, "import file", USAGE, "import wants a reason");
	assert_runs(&w, "import file -m back", UNREACHABLE, "systemctl start modelgovd");
	stand_in_start(&d, w.directory, methods, NULL);
	assert_runs(&w, "history 9 --json", OK, "\"number\": 9");
	assert_runs(&w, "import file -m back --change CHG-8", OK, "proposed as change 4: waiting");
	stand_in_stop(&d);
	cr_assert_str_eq(proposed,
			 "{\"canonical\":\"{\\\"a\\\":1}\",\"reason\":\"back\",\"source\":"
			 "\"import\",\"ticket\":\"CHG-8\"}");
	world_close(&w);
}

Test(cli_record, a_file_that_was_changed_on_its_way_is_not_proposed)
{
	struct world w;

	record_make(&w);
	assert_runs(&w, "export 1 | sed 's/:1}/:7}/' | tee file", OK, "7}");
	assert_runs(&w, "import file -m back", FAILED, "it was changed on its way");
	assert_runs(&w, "history | tee file", OK, "CHG-7");
	assert_runs(&w, "import file -m back", FAILED, "a file of `modelgov export` is meant");
	assert_runs(&w, "history --json | tee file", OK, "CHG-7");
	assert_runs(&w, "import file -m back", FAILED, "its format is ''");
	assert_runs(&w, "import nosuch -m back", FAILED, "nosuch");
	world_close(&w);
}
