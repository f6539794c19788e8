/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gates: what an executable's end means, and which files of gates.d may be one.
 */
#include "policy_home.h"

#include "gate.h"

#include <signal.h>
#include <sys/wait.h>

#define TIMEOUT (30 * NSEC_PER_SEC)

Test(gate, its_end_has_one_of_three_meanings)
{
	static const struct {
		struct gate_end end;
		const char *printed;
		enum gate_verdict verdict;
		const char *note;
	} cases[] = {
		{ { "success", CLD_EXITED, 0 }, "", GATE_PASS, "" },
		{ { "success", CLD_EXITED, 0 }, "3 tests", GATE_PASS, "3 tests" },
		{ { "exit-code", CLD_EXITED, 1 }, "p99 is 90ms", GATE_FAIL, "p99 is 90ms" },
		{ { "exit-code", CLD_EXITED, 75 }, "", GATE_INCONCLUSIVE, "could not tell" },
		{ { "exit-code", CLD_EXITED, 75 },
		  "no data",
		  GATE_INCONCLUSIVE,
		  "could not tell: no data" },
		{ { "exit-code", CLD_EXITED, 2 }, "", GATE_INCONCLUSIVE, "none of 0, 1, 75" },
		{ { "exit-code", CLD_EXITED, 203 }, "", GATE_INCONCLUSIVE, "it did not run" },
		{ { "exit-code", CLD_EXITED, 226 },
		  "",
		  GATE_INCONCLUSIVE,
		  "could not be confined" },
		{ { "timeout", CLD_KILLED, SIGTERM },
		  "",
		  GATE_INCONCLUSIVE,
		  "no answer within 30s" },
		{ { "oom-kill", CLD_KILLED, SIGKILL },
		  "",
		  GATE_INCONCLUSIVE,
		  "killed by signal 9" },
		{ { "core-dump", CLD_DUMPED, SIGSEGV },
		  "",
		  GATE_INCONCLUSIVE,
		  "killed by signal 11" },
		{ { "resources", 0, 0 }, "", GATE_INCONCLUSIVE, "could not be started: resources" },
		{ { "systemd does not answer", 0, 0 },
		  "",
		  GATE_INCONCLUSIVE,
		  "systemd does not answer" },
	};
	char note[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cr_expect_eq(gate_judge(&cases[i].end, cases[i].printed, TIMEOUT, note,
					sizeof(note)),
			     cases[i].verdict, "case %zu", i);
		cr_expect(strstr(note, cases[i].note), "case %zu: no '%s' in '%s'", i,
			  cases[i].note, note);
	}
}

/* ---- gates.d
 * --------------------------------------------------------------------------------------- */

struct place {
	struct home home;
	char own[PATH_MAX], shipped[PATH_MAX];
	const char *directories[2];
	struct gate_files files;
	struct arena arena;
	struct err e;
};

static void place_open(struct place *p)
{
	*p = (struct place){ 0 };
	home_open(&p->home);
	arena_init(&p->arena);
	p->directories[0] = home_path(&p->home, "own/gates.d", p->own);
	p->directories[1] = home_path(&p->home, "shipped/gates.d", p->shipped);
}

static void place_close(struct place *p)
{
	arena_fini(&p->arena);
	home_close(&p->home);
}

static void put(struct place *p, const char *file, mode_t mode)
{
	char path[PATH_MAX];

	home_write(&p->home, file, "#!/bin/sh\n");
	cr_assert_eq(chmod(home_path(&p->home, file, path), mode), 0);
}

static int list(struct place *p)
{
	return gate_files_list(p->directories, &p->arena, &p->files, &p->e);
}

static void refuses(struct place *p, const char *words)
{
	cr_expect_eq(list(p), -EPERM);
	cr_expect(strstr(p->e.text, words), "no '%s' in: %s", words, p->e.text);
}

Test(gate_files, without_directories_there_are_none)
{
	struct place p;

	place_open(&p);
	cr_expect_eq(list(&p), 0);
	cr_expect_eq(p.files.n, 0);
	place_close(&p);
}

Test(gate_files, they_are_ordered_by_name_and_our_own_hide_shipped_ones)
{
	struct place p;

	place_open(&p);
	put(&p, "shipped/gates.d/10-a", 0755);
	put(&p, "shipped/gates.d/30-c", 0755);
	put(&p, "shipped/gates.d/40-d", 0755);
	put(&p, "own/gates.d/20-b", 0755);
	put(&p, "own/gates.d/10-a", 0755);
	put(&p, "own/gates.d/.hidden", 0644);
	put(&p, "own/gates.d/20-b~", 0644);
	put(&p, "own/gates.d/20-b.dpkg-old", 0644);
	cr_assert_eq(symlink("/dev/null", strcat(p.own, "/40-d")), 0);
	p.own[strlen(p.own) - 5] = '\0';
	cr_assert_eq(list(&p), 0, "%s", p.e.text);
	cr_assert_eq(p.files.n, 3);
	cr_expect_str_eq(p.files.all[0].name, "10-a");
	cr_expect(strstr(p.files.all[0].path, "/own/"), "%s", p.files.all[0].path);
	cr_expect_str_eq(p.files.all[1].name, "20-b");
	cr_expect_str_eq(p.files.all[2].name, "30-c");
	place_close(&p);
}

Test(gate_files, what_others_can_write_is_refused_with_the_cure)
{
	struct place p;

	place_open(&p);
	put(&p, "own/gates.d/10-a", 0775);
	refuses(&p, "own/gates.d/10-a can be written by its group (mode 0775)");
	refuses(&p, "run chmod go-w ");
	place_close(&p);
}

Test(gate_files, what_an_unprivileged_user_cannot_execute_is_refused_and_not_passed_over)
{
	struct place p;

	place_open(&p);
	put(&p, "own/gates.d/10-a", 0644);
	refuses(&p, "cannot be executed by an unprivileged user (mode 0644)");
	put(&p, "own/gates.d/10-a", 0700);
	refuses(&p, "run chmod 755 ");
	place_close(&p);
}

Test(gate_files, a_directory_is_no_gate)
{
	struct place p;

	place_open(&p);
	put(&p, "own/gates.d/sub/x", 0755);
	refuses(&p, "is not a file");
	place_close(&p);
}

Test(gate_files, policy_files_that_others_can_write_are_named)
{
	struct place p;
	struct err e = { 0 };

	place_open(&p);
	put(&p, "models.d/ocr.yaml", 0644);
	cr_expect_eq(policy_files_trust(p.home.path, &e), 0, "%s", e.text);
	put(&p, "models.d/ocr.yaml", 0666);
	cr_expect_eq(policy_files_trust(p.home.path, &e), -EPERM);
	cr_expect(strstr(e.text, "models.d/ocr.yaml can be written by everybody"), "%s", e.text);
	place_close(&p);
}
