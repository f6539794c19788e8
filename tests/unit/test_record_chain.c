/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record's chain and books: what was kept comes back byte for byte, another tool computes the
 * same hashes, old entries go without breaking them, and a full disk answers instead of pretending.
 */
#include "change.h"
#include "record_world.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(record, .timeout = 120);

/* ---- generations and changes ------------------------------------------------------------------
 */

Test(record, a_generation_is_in_force_from_its_answer_on_and_comes_back_byte_for_byte)
{
	struct world w;
	struct answered a;

	world_open(&w);
	json_t *none = world_ask(&w, QUESTION_GENERATION, json_pack("{s:i}", "number", 0));

	cr_assert_eq(json_object_size(none), 0, "nothing is in force before the first");
	json_decref(none);
	cr_assert_eq(generation_keep(&w, generation_of("{\"one\":1}"),
				     change_of("{\"one\":1}", "kept"), &a),
		     1, "%s", a.problem);
	cr_assert_eq(generation_keep(&w, generation_of("{\"two\":2}"),
				     change_of("{\"two\":2}", "kept"), &a),
		     2, "%s", a.problem);
	json_t *now = world_ask(&w, QUESTION_GENERATION, json_pack("{s:i}", "number", 0));
	json_t *first = world_ask(&w, QUESTION_GENERATION, json_pack("{s:i}", "number", 1));

	cr_assert_eq(number_in(now, "number"), 2);
	cr_assert_eq(number_in(now, "parent"), 1);
	cr_assert_eq(number_in(now, "change"), 2);
	cr_assert_str_eq(text_in(now, "canonical"), "{\"two\":2}");
	cr_assert_str_eq(text_in(first, "canonical"), "{\"one\":1}");
	cr_assert(json_is_null(json_object_get(first, "parent")));
	json_decref(now);
	json_decref(first);
	assert_sound(&w);
	world_close(&w);
}

Test(record, a_change_keeps_its_id_and_every_step_is_an_entry)
{
	struct world w;
	struct answered a;
	json_t *change = change_of("{\"x\":1}", "gating");

	world_open(&w);
	uint64_t id = change_keep(&w, json_deep_copy(change), "proposed", &a);

	cr_assert_eq(id, 1, "%s", a.problem);
	json_object_set_new(change, "id", json_integer(1));
	json_object_set_new(change, "state", json_string("waiting"));
	json_object_del(change, "canonical");
	cr_assert_eq(change_keep(&w, json_deep_copy(change), "gates", &a), 1, "%s", a.problem);
	json_object_set_new(change, "state", json_string("probation"));
	cr_assert_eq(generation_keep(&w, generation_of("{\"x\":1}"), json_incref(change), &a), 1);
	json_t *whole = world_ask(&w, QUESTION_CHANGE, json_pack("{s:i}", "id", 1));
	json_t *entries = json_object_get(whole, "entries");
	json_t *document = json_object_get(whole, "document");

	cr_assert_eq(json_array_size(entries), 3);
	cr_assert_str_eq(text_in(json_object_get(json_array_get(entries, 0), "body"), "step"),
			 "proposed");
	cr_assert_str_eq(text_in(json_array_get(entries, 2), "kind"), "generation");
	cr_assert_str_eq(text_in(document, "canonical"), "{\"x\":1}", "a step without it keeps it");
	cr_assert_str_eq(text_in(document, "state"), "probation");
	cr_assert_eq(number_in(document, "generation"), 1);
	json_decref(whole);
	json_decref(change);
	assert_sound(&w);
	world_close(&w);
}

Test(record, open_changes_are_those_that_the_room_calls_open)
{
	static const struct {
		const char *name;
		bool is_open;
	} states[] = {
#define X(tag, name, is_open, meaning) { name, is_open },
		CHANGE_STATES(X)
#undef X
	};
	struct world w;
	struct answered a;
	size_t n_open = 0;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		cr_assert_gt(change_keep(&w, change_of("{}", states[i].name), "step", &a), 0);
		n_open += states[i].is_open;
	}
	json_t *open = world_ask(&w, QUESTION_CHANGES, json_pack("{s:b}", "is_open", 1));
	json_t *two = world_ask(&w, QUESTION_CHANGES, json_pack("{s:i}", "limit", 2));

	cr_assert_eq(json_array_size(open), n_open);
	for (size_t i = 0; i < json_array_size(open); i++)
		for (size_t k = 0; k < ARRAY_SIZE(states); k++)
			if (strcmp(states[k].name, text_in(json_array_get(open, i), "state")) == 0)
				cr_assert(states[k].is_open, "%s", states[k].name);
	cr_assert_eq(json_array_size(two), 2);
	cr_assert_eq(number_in(json_array_get(two, 0), "id"), N_CHANGE_STATES, "newest first");
	json_decref(open);
	json_decref(two);
	world_close(&w);
}

Test(record, what_contradicts_itself_is_not_kept)
{
	struct world w;
	struct answered a;
	json_t *wrong = generation_of("{}"), *unknown = change_of("{}", "ready");

	world_open(&w);
	json_object_set_new(wrong, "canonical", json_string("{ }"));
	cr_assert_eq(generation_keep(&w, wrong, change_of("{}", "ready"), &a), 0);
	cr_assert_not_null(strstr(a.problem, "canonical bytes hash to"), "%s", a.problem);
	json_object_set_new(unknown, "id", json_integer(9));
	cr_assert_eq(change_keep(&w, unknown, "approved", &a), 0);
	cr_assert_not_null(strstr(a.problem, "no change 9"), "%s", a.problem);
	json_t *changes = world_ask(&w, QUESTION_CHANGES, NULL);
	json_t *report = world_ask(&w, QUESTION_CHAIN, NULL);

	cr_assert_eq(json_array_size(changes), 0);
	cr_assert_eq(number_in(report, "entries"), 0, "a refused one leaves no entry");
	json_decref(changes);
	json_decref(report);
	world_close(&w);
}

Test(record, the_daemon_can_ask_at_once_when_it_starts)
{
	struct world w;
	struct answered a;
	struct err e = { 0 };
	json_t *now = NULL;

	world_open(&w);
	cr_assert_eq(generation_keep(&w, generation_of("{}"), change_of("{}", "kept"), &a), 1);
	world_stop(&w);
	world_start(&w);
	cr_assert_eq(journal_ask_now(w.journal, QUESTION_GENERATION,
				     json_pack("{s:i}", "number", 0), &now, &e),
		     0, "%s", e.text);
	cr_assert_eq(number_in(now, "number"), 1);
	json_decref(now);
	cr_assert_eq(journal_ask_now(w.journal, QUESTION_GENERATION,
				     json_pack("{s:i}", "number", 5), &now, &e),
		     -ENOENT);
	cr_assert_not_null(strstr(e.text, "no generation 5; the newest is 1"), "%s", e.text);
	world_close(&w);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

Test(record, entries_and_ticks_come_in_order_page_by_page)
{
	struct world w;
	json_t *page, *ticks;

	world_open(&w);
	for (uint64_t i = 1; i <= 5; i++)
		world_tick(&w, i, 1000 * i);
	page = world_ask(&w, QUESTION_ENTRIES, json_pack("{s:i, s:i}", "after", 3, "limit", 2));
	cr_assert_eq(json_array_size(page), 2);
	cr_assert_eq(number_in(json_array_get(page, 0), "seq"), 4);
	cr_assert_eq(strlen(text_in(json_array_get(page, 0), "hash")), 64);
	json_decref(page);
	ticks = world_ask(&w, QUESTION_TICKS,
			  json_pack("{s:i, s:i}", "from_ns", 2000, "to_ns", 4000));
	cr_assert_eq(json_array_size(ticks), 3);
	cr_assert_str_eq(text_in(json_array_get(ticks, 0), "digest"), "d1");
	cr_assert_eq(number_in(json_object_get(json_array_get(ticks, 2), "observation"), "tick"),
		     4);
	json_decref(ticks);
	world_close(&w);
}

Test(record, checks_are_found_by_model_newest_first)
{
	struct world w;
	json_t *checks;

	world_open(&w);
	for (int i = 0; i < 6; i++)
		journal_event(w.journal, 1000 + (uint64_t)i, "check",
			      json_pack("{s:s, s:i}", "model", i % 2 ? "ocr" : "batch", "n", i));
	checks =
		world_ask(&w, QUESTION_CHECKS, json_pack("{s:s, s:i}", "model", "ocr", "limit", 2));
	cr_assert_eq(json_array_size(checks), 2);
	cr_assert_eq(number_in(json_array_get(checks, 0), "n"), 5);
	cr_assert_eq(number_in(json_array_get(checks, 1), "n"), 3);
	cr_assert_eq(number_in(json_array_get(checks, 0), "wall_ns"), 1005);
	json_decref(checks);
	world_close(&w);
}

Test(record, a_policy_that_is_a_generation_is_named_and_not_copied)
{
	struct world w;
	struct answered a;
	struct policy p = world_policy;
	json_t *entries;

	world_open(&w);
	journal_policy(w.journal, 1, &p);
	hash_of_text("{}", 2, p.digest);
	cr_assert_eq(generation_keep(&w, generation_of("{}"), change_of("{}", "kept"), &a), 1);
	journal_policy(w.journal, 2, &p);
	entries = world_ask(&w, QUESTION_ENTRIES, json_pack("{s:s}", "kind", "policy"));
	json_t *first = json_object_get(json_array_get(entries, 0), "body");
	json_t *second = json_object_get(json_array_get(entries, 1), "body");

	cr_assert(json_is_string(json_object_get(first, "canonical")));
	cr_assert_null(json_object_get(second, "canonical"));
	cr_assert_eq(number_in(second, "generation"), 1);
	json_decref(entries);
	world_close(&w);
}

/* ---- another tool -----------------------------------------------------------------------------
 */

/* First line of what it prints. */
static int audit_elsewhere(const struct world *w, char *ret_line, size_t size)
{
	char command[256];

	snprintf(command, sizeof(command), "python3 tests/unit/audit.py %s 2>&1", w->directory);
	FILE *f = popen(command, "r");

	cr_assert_not_null(f);
	*ret_line = '\0';
	(void)!fgets(ret_line, (int)size, f);
	return pclose(f);
}

static bool has_python(void)
{
	if (system("python3 -c 'import sqlite3, zlib, hashlib' 2>/dev/null") == 0)
		return true;
	fputs("skip record: no python3 with sqlite3 here\n", stderr);
	return false;
}

Test(record, another_tool_computes_the_same_chain)
{
	struct world w;
	struct answered a;
	char line[256], expected[256];

	if (!has_python())
		return;
	world_open(&w);
	for (uint64_t i = 1; i <= 20; i++)
		world_tick(&w, i, i);
	journal_event(w.journal, 21, "restored", json_pack("{s:s}", "text", "ä \" \\ \n"));
	cr_assert_eq(generation_keep(&w, generation_of("{\"ä\":1}"), change_of("{\"ä\":1}", "kept"),
				     &a),
		     1);
	json_t *report = world_ask(&w, QUESTION_CHAIN, NULL);

	world_stop(&w);
	cr_assert_eq(audit_elsewhere(&w, line, sizeof(line)), 0, "%s", line);
	snprintf(expected, sizeof(expected), "42 entries, 1 generations, head %s\n",
		 text_in(report, "head"));
	cr_assert_str_eq(line, expected);
	cr_assert_eq(number_in(report, "entries"), 42);
	json_decref(report);
	world_close(&w);
}

/* ---- checkpoints ------------------------------------------------------------------------------
 */

static void text_write(const struct world *w, const char *name, const char *text)
{
	char path[128];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/%s", w->directory, name);
	cr_assert_eq(file_replace(path, text, strlen(text), 0644, &e), 0, "%s", e.text);
}

/* As many events as it takes for a checkpoint; returns that entry. */
static json_t *checkpoint_make(struct world *w)
{
	for (uint64_t i = 0; i < 1000; i++) {
		journal_event(w->journal, i, "noise", json_object());
		if (i % 300 == 0)
			world_settle(w);
	}
	json_t *list = world_ask(w, QUESTION_ENTRIES, json_pack("{s:s}", "kind", "checkpoint"));

	cr_assert_eq(json_array_size(list), 1);
	json_t *entry = json_incref(json_array_get(list, 0));

	json_decref(list);
	return entry;
}

Test(record, a_checkpoint_is_one_that_minisign_verifies)
{
	struct world w;
	struct stat st;
	char command[256];

	if (system("minisign -v >/dev/null 2>&1") != 0) {
		fputs("skip record: no minisign here\n", stderr);
		return;
	}
	world_open(&w);
	json_t *entry = checkpoint_make(&w), *body = json_object_get(entry, "body");

	text_write(&w, "head", text_in(body, "message"));
	text_write(&w, "head.minisig", text_in(body, "signature"));
	snprintf(command, sizeof(command),
		 "cd %s && minisign -V -H -p record.pub -m head | grep -q 'verified' && echo x "
		 ">>head && "
		 "! minisign -V -q -p record.pub -m head 2>/dev/null",
		 w.directory);
	cr_assert_eq(system(command), 0, "%s", text_in(body, "signature"));
	snprintf(command, sizeof(command), "%s/record.key", w.directory);
	cr_assert_eq(stat(command, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600, "the key is nobody else's");
	json_decref(entry);
	json_t *report = world_ask(&w, QUESTION_CHAIN, NULL);
	json_t *sealed = json_object_get(report, "sealed");

	cr_assert_eq(number_in(sealed, "last"), 1001);
	cr_assert_eq(number_in(sealed, "keys"), 1);
	json_decref(report);
	world_close(&w);
}

/* What somebody does who may write the file: changes an entry and gives all that follow new hashes.
 */
static void past_forge(const struct world *w, uint64_t changed)
{
	unsigned char hash[HASH_BYTES] = { 0 };
	char path[128];
	sqlite3 *db;
	sqlite3_stmt *select, *update;
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/journal.db", w->directory);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA synchronous=OFF; BEGIN", NULL, NULL, NULL);
	sqlite3_prepare_v2(db, ENTRY_COLUMNS " ORDER BY seq", -1, &select, NULL);
	sqlite3_prepare_v2(db, "UPDATE entry SET wall_ns = ?, hash = ? WHERE seq = ?", -1, &update,
			   NULL);
	while (sqlite3_step(select) == SQLITE_ROW) {
		struct link l;

		cr_assert_eq(link_read(select, &l, &e), 0);
		l.wall_ns += l.seq == changed;
		link_hash(&l, hash, hash);
		sqlite3_bind_int64(update, 1, (sqlite3_int64)l.wall_ns);
		sqlite3_bind_blob(update, 2, hash, HASH_BYTES, SQLITE_STATIC);
		sqlite3_bind_int64(update, 3, (sqlite3_int64)l.seq);
		cr_assert_eq(sqlite3_step(update), SQLITE_DONE);
		sqlite3_reset(update);
		link_fini(&l);
	}
	sqlite3_finalize(select);
	sqlite3_finalize(update);
	cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

Test(record, a_past_that_was_written_anew_is_not_what_the_checkpoint_signed)
{
	struct world w;
	struct err e = { 0 };
	json_t *report = NULL;
	char line[640];

	world_open(&w);
	json_decref(checkpoint_make(&w));
	world_stop(&w);
	past_forge(&w, 0);
	cr_assert_eq(journal_read(w.directory, QUESTION_CHAIN, NULL, &report, &e), 0);
	cr_assert_str_eq(broken_in(report, line, sizeof(line)), "", "nothing was changed");
	json_decref(report);
	past_forge(&w, 500);
	cr_assert_eq(journal_read(w.directory, QUESTION_CHAIN, NULL, &report, &e), 0);
	cr_assert_str_eq(
		broken_in(report, line, sizeof(line)),
		"entry 1001: the checkpoint signs another entry or hash than the one before it");
	json_decref(report);
	world_close(&w);
}

/* ---- age and size -----------------------------------------------------------------------------
 */

/* Two entries each, the tick's of that time. */
static void ticks_write(struct world *w, uint64_t n, uint64_t wall_ns)
{
	for (uint64_t i = 0; i < n; i++) {
		world_tick(w, w->now.tick + 1, wall_ns + i);
		if (i % 100 == 99)
			world_settle(w);
	}
	world_settle(w);
}

/* Events only: outcomes are always of now. */
static void events_write(struct world *w, uint64_t n, uint64_t wall_ns)
{
	for (uint64_t i = 0; i < n; i++)
		journal_event(w->journal, wall_ns + i, "noise", json_object());
	world_settle(w);
}

Test(record, old_entries_go_and_the_chain_goes_on_from_where_they_ended)
{
	const uint64_t now_ns = clock_realtime_ns();
	struct world w;
	json_t *report, *entries;

	world_open(&w);
	journal_limit(w.journal, 3600 * NSEC_PER_SEC, 1ULL << 30);
	events_write(&w, 500, now_ns - 7200 * NSEC_PER_SEC);
	events_write(&w, 700, now_ns);
	report = world_ask(&w, QUESTION_CHAIN, NULL);
	cr_assert_eq(number_in(report, "entries"), 700 + 2, "and the one that tells of it, and a checkpoint");
	json_decref(report);
	entries = world_ask(&w, QUESTION_ENTRIES, json_pack("{s:s}", "kind", "trimmed"));
	cr_assert_eq(number_in(json_object_get(json_array_get(entries, 0), "body"), "to"), 500);
	json_decref(entries);
	assert_sound(&w);
	world_close(&w);
}

Test(record, changes_generations_and_checks_stay_when_all_around_them_goes)
{
	struct world w;
	struct answered a;
	char line[256];
	json_t *answer;

	world_open(&w);
	journal_limit(w.journal, 3600 * NSEC_PER_SEC, 64 << 10);
	cr_assert_eq(change_keep(&w, change_of("{}", "gating"), "proposed", &a), 1);
	ticks_write(&w, 200, clock_realtime_ns());
	cr_assert_eq(generation_keep(&w, generation_of("[]"), change_of("[]", "kept"), &a), 1);
	journal_event(w.journal, 1, "check", json_pack("{s:s}", "model", "ocr"));
	ticks_write(&w, 3000, clock_realtime_ns());
	answer = world_ask(&w, QUESTION_ENTRIES, json_pack("{s:s}", "kind", "tick"));
	cr_assert_gt(number_in(json_array_get(answer, 0), "seq"), 1000, "old ticks are gone");
	json_decref(answer);
	answer = world_ask(&w, QUESTION_CHANGE, json_pack("{s:i}", "id", 2));
	cr_assert_eq(json_array_size(json_object_get(answer, "entries")), 1);
	cr_assert_str_eq(text_in(json_object_get(answer, "document"), "canonical"), "[]",
			 "the generation has the bytes");
	json_decref(answer);
	answer = world_ask(&w, QUESTION_CHECKS, NULL);
	cr_assert_eq(json_array_size(answer), 1);
	json_decref(answer);
	assert_sound(&w);
	world_stop(&w);
	if (has_python())
		cr_assert_eq(audit_elsewhere(&w, line, sizeof(line)), 0, "%s", line);
	world_close(&w);
}

/* ---- disks ------------------------------------------------------------------------------------
 */

/* Files of this process may grow to so many bytes; 0: as large as they like. */
static void files_limit(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(record, a_full_disk_answers_with_the_problem_and_goes_on_when_there_is_room)
{
	struct world w;
	struct answered a;
	struct journal_status s;
	char big[65536];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	world_open(&w);
	cr_assert_eq(generation_keep(&w, generation_of("{}"), change_of("{}", "kept"), &a), 1);
	files_limit(160 << 10);
	for (int i = 0; i < 40; i++)
		journal_event(w.journal, (uint64_t)i, "noise", json_pack("{s:s}", "text", big));
	world_settle(&w);
	uint64_t number = 2;

	for (int i = 0; i < 40 && number > 1; i++)
		number =
			generation_keep(&w, generation_of(big), change_of(big, "kept"), &a) ? 2 : 0;
	cr_assert_eq(number, 0, "no limit was met");
	cr_assert_neq(a.problem[0], '\0');
	journal_get_status(w.journal, &s);
	cr_assert_neq(s.problem[0], '\0');
	files_limit(0);
	cr_assert_gt(generation_keep(&w, generation_of("[]"), change_of("[]", "kept"), &a), 1, "%s",
		     a.problem);
	journal_get_status(w.journal, &s);
	cr_assert_str_eq(s.problem, "", "it is over and says so");
	json_t *now = world_ask(&w, QUESTION_GENERATION, json_pack("{s:i}", "number", 0));

	cr_assert_str_eq(text_in(now, "canonical"), "[]");
	json_decref(now);
	assert_sound(&w);
	world_close(&w);
}

Test(record, a_file_that_is_not_writable_keeps_nothing_and_says_so)
{
	struct world w;
	struct answered a;
	struct journal_status s;
	char path[128];

	world_open(&w);
	snprintf(path, sizeof(path), "%s/journal.db", w.directory);
	cr_assert_eq(mkdir(path, 0700), 0, "a directory where the file should be");
	cr_assert_eq(change_keep(&w, change_of("{}", "gating"), "proposed", &a), 0);
	cr_assert_neq(a.problem[0], '\0');
	journal_get_status(w.journal, &s);
	cr_assert_eq(s.rows_lost, 0, "whoever asked was told");
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(change_keep(&w, change_of("{}", "gating"), "proposed", &a), 1,
		     "somebody waits, so the disk is tried again at once: %s", a.problem);
	world_close(&w);
}

Test(record, a_corrupt_file_is_an_answer_and_not_the_end)
{
	struct world w;
	struct answered a;
	struct journal_status s;
	char command[256];

	world_open(&w);
	world_tick(&w, 1, 1);
	world_settle(&w);
	world_stop(&w);
	snprintf(command, sizeof(command),
		 "dd if=/dev/urandom of=%s/journal.db bs=4096 seek=1 count=8 conv=notrunc "
		 "2>/dev/null",
		 w.directory);
	cr_assert_eq(system(command), 0);
	world_start(&w);
	cr_assert_eq(change_keep(&w, change_of("{}", "gating"), "proposed", &a), 0);
	cr_assert_not_null(strstr(a.problem, "malformed"), "%s", a.problem);
	world_tick(&w, 2, 2);
	world_settle(&w);
	journal_get_status(w.journal, &s);
	cr_assert_gt(s.rows_lost, 0);
	world_close(&w);
}

/* ---- crashes and rivals ------------------------------------------------------------------------
 */

/* Keeps generations for ever and writes the number of each that was answered into the pipe. */
static void __attribute__((noreturn)) generations_make(struct world *w, int answers)
{
	struct answered a;

	world_start(w);
	for (unsigned int i = 0;; i++) {
		char canonical[32];

		snprintf(canonical, sizeof(canonical), "{\"n\":%u}", i);
		uint64_t number = generation_keep(w, generation_of(canonical),
						  change_of(canonical, "kept"), &a);

		if (write(answers, &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

Test(record, what_was_answered_survives_a_kill_at_any_moment)
{
	struct world w;
	uint64_t last = 0;

	world_open(&w);
	world_stop(&w);
	for (unsigned int round = 0; round < 20; round++) {
		int answers[2];
		uint64_t number;

		cr_assert_eq(pipe(answers), 0);
		pid_t child = fork();

		if (child == 0)
			generations_make(&w, answers[1]);
		close(answers[1]);
		usleep(10000 + 1371 * round);
		kill(child, SIGKILL);
		cr_assert_eq(waitpid(child, NULL, 0), child);
		while (read(answers[0], &number, sizeof(number)) == sizeof(number))
			last = number;
		close(answers[0]);
		world_start(&w);
		json_t *now = world_ask(&w, QUESTION_GENERATION, NULL);
		uint64_t in_force = json_object_size(now) ? (uint64_t)number_in(now, "number") : 0;

		cr_assert(in_force == last || in_force == last + 1, "%llu in force, %llu answered",
			  (unsigned long long)in_force, (unsigned long long)last);
		last = in_force;
		json_decref(now);
		assert_sound(&w);
		world_stop(&w);
	}
	cr_assert_gt(last, 5);
	world_close(&w);
}

Test(record, a_second_writer_is_turned_away)
{
	struct world w, rival;
	struct answered a;

	world_open(&w);
	cr_assert_eq(change_keep(&w, change_of("{}", "gating"), "proposed", &a), 1);
	rival = w;
	world_start(&rival);
	cr_assert_eq(change_keep(&rival, change_of("{}", "gating"), "proposed", &a), 0);
	cr_assert_not_null(strstr(a.problem, "another modelgovd writes"), "%s", a.problem);
	world_stop(&w);
	cr_assert_eq(change_keep(&rival, change_of("{}", "gating"), "proposed", &a), 2, "%s",
		     a.problem);
	world_close(&rival);
}

/* ---- older files ------------------------------------------------------------------------------
 */

/* The schema that journals in the field have, with an action of yesterday and one of last year. */
static const char unchained[] =
	"PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
	"CREATE TABLE event(seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, kind TEXT NOT NULL,"
	" details TEXT NOT NULL) STRICT;"
	"CREATE TABLE policy(seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, digest TEXT NOT "
	"NULL,"
	" canonical TEXT NOT NULL) STRICT;"
	"CREATE TABLE tick(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL, digest TEXT NOT NULL, observation BLOB NOT NULL,"
	" observation_bytes INTEGER NOT NULL, verdicts TEXT NOT NULL) STRICT;"
	"CREATE TABLE action(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT NULL,"
	" n INTEGER NOT NULL, wall_ns INTEGER NOT NULL, model TEXT NOT NULL, cgroup TEXT NOT NULL,"
	" knob TEXT NOT NULL, before INTEGER, value INTEGER, reason TEXT NOT NULL,"
	" sentence TEXT NOT NULL, evidence TEXT NOT NULL) STRICT;"
	"CREATE TABLE outcome(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT NULL,"
	" n INTEGER NOT NULL, wall_ns INTEGER NOT NULL, outcome TEXT NOT NULL, read_back INTEGER,"
	" note TEXT NOT NULL) STRICT;"
	"CREATE INDEX action_by_model ON action(model, seq);"
	"CREATE UNIQUE INDEX outcome_by_action ON outcome(run, tick, n);"
	"PRAGMA application_id=0x6d676f76; PRAGMA user_version=1;"
	"INSERT INTO event VALUES(1, 5, 'restored', '[]');"
	"INSERT INTO tick VALUES(1, 9, 7, 5, 'd1', x'00', 1, '[]');"
	"INSERT INTO action VALUES(1, 9, 6, 0, 5, 'ocr', '/o', 'cpu.weight', 100, 200, 'floor', "
	"'Old.',"
	" '{}'), (2, 9, 7, 0, strftime('%s', 'now') * 1000000000, 'ocr', '/o', 'cpu.weight', NULL, "
	"-1,"
	" 'floor', 'Young.', '{}');"
	"INSERT INTO outcome VALUES(1, 9, 7, 0, strftime('%s', 'now') * 1000000000, 'applied', "
	"200, '');";

static void unchained_make(const struct world *w)
{
	sqlite3 *db;
	char path[128];

	snprintf(path, sizeof(path), "%s/journal.db", w->directory);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, unchained, NULL, NULL, NULL), SQLITE_OK, "%s",
		     sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(record, a_journal_without_a_chain_is_read_as_it_is_and_converted_by_the_daemon)
{
	struct world w;
	struct err e = { 0 };
	json_t *actions = NULL, *answer = NULL;

	world_open(&w);
	unchained_make(&w);
	cr_assert_eq(journal_read_actions(w.directory, "ocr", 9, &actions, &e), 0, "%s", e.text);
	cr_assert_eq(json_array_size(actions), 2);
	json_decref(actions);
	cr_assert_lt(journal_read(w.directory, QUESTION_HISTORY, NULL, &answer, &e), 0);
	cr_assert_not_null(strstr(e.text, "modelgovd converts it"), "%s", e.text);
	world_tick(&w, 8, clock_realtime_ns());
	world_settle(&w);
	cr_assert_eq(journal_read_actions(w.directory, "ocr", 9, &actions, &e), 0, "%s", e.text);
	cr_assert_eq(json_array_size(actions), 3, "old and new");
	cr_assert_str_eq(text_in(json_array_get(actions, 1), "sentence"), "Young.");
	cr_assert_str_eq(text_in(json_array_get(actions, 1), "outcome"), "applied");
	json_decref(actions);
	assert_sound(&w);
	world_close(&w);
}

Test(record, what_was_there_before_the_chain_leaves_by_age)
{
	struct world w;
	struct err e = { 0 };
	json_t *actions = NULL;

	world_open(&w);
	unchained_make(&w);
	journal_limit(w.journal, 3600 * NSEC_PER_SEC, 1ULL << 30);
	ticks_write(&w, 300, clock_realtime_ns()); /* removal comes with every 600th entry */
	cr_assert_eq(journal_read_actions(w.directory, "ocr", 1000, &actions, &e), 0, "%s", e.text);
	cr_assert_eq(json_array_size(actions), 301, "the one of last year is gone");
	json_decref(actions);
	assert_sound(&w);
	world_close(&w);
}
