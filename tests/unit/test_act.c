/* SPDX-License-Identifier: Apache-2.0 */
/*
 * act on a tree of plain files, as on a host without systemd: a plan is carried out only where it
 * still fits, each action has its true outcome, and everything comes back, also when the process
 * died on the way. (What needs a kernel or systemd: tests/system/act.sh.)
 */
#include "act.h"
#include "cgroup.h"
#include "driver.h"
#include "fake_cgroup.h"
#include "knob.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- vocabulary ---------------------------------------------------------------------------- */

#define OCR       "/modelgov/ocr"
#define BATCH     "/modelgov/batch"
#define ALL_KNOBS ((1u << N_KNOBS) - 1)

struct world {
	struct fake_cgroup tree;
	char state[64];
	struct act *act;
	struct target targets[4];
	struct action actions[32];
	struct outcome outcomes[32];
	struct plan plan;
	struct observation now;
	struct restored *restored;
	unsigned int n_restored;
	struct err e;
};

static struct act *act_of(struct world *w)
{
	const struct act_options options = { .cgroup_root = w->tree.root,
					     .state_dir = w->state,
					     .without_systemd = true };
	struct act *a = NULL;

	cr_assert_eq(act_open(&options, &a, &w->e), 0, "%s", w->e.text);
	return a;
}

static void world_open(struct world *w)
{
	*w = (struct world){ 0 };
	snprintf(w->state, sizeof(w->state), "%s/modelgov-act-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* fsync is free there */
	fake_cgroup_init(&w->tree);
	fake_cgroup_make(&w->tree, OCR);
	fake_cgroup_make(&w->tree, BATCH);
	cr_assert_not_null(mkdtemp(w->state));
	w->act = act_of(w);
	w->plan.actions = w->actions;
	w->now.targets = w->targets;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void world_close(struct world *w)
{
	act_close(w->act);
	free(w->restored);
	fake_cgroup_fini(&w->tree);
	cr_assert_eq(nftw(w->state, entry_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* The daemon is dead, another process takes over. */
static void another_process(struct world *w)
{
	act_close(w->act);
	w->act = act_of(w);
}

static uint64_t id_of(struct world *w, const char *path)
{
	char name[PATH_MAX * 2];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", w->tree.root, path);
	cr_assert_eq(stat(name, &st), 0, "%s", name);
	return st.st_ino;
}

/* First line of a file, in a buffer that the next call but three reuses. */
static const char *text_of(struct world *w, const char *path, const char *file)
{
	static char buffers[4][64];
	static unsigned int next;
	char name[PATH_MAX * 2], *buffer = buffers[next++ % 4];
	_cleanup_free_ char *text = NULL;

	snprintf(name, sizeof(name), "%s%s/%s", w->tree.root, path, file);
	cr_assert_eq(file_read_all(AT_FDCWD, name, 4096, &text, NULL, &w->e), 0, "%s", w->e.text);
	snprintf(buffer, sizeof(buffers[0]), "%.*s", (int)strcspn(text, "\n"), text);
	return buffer;
}

/* An observed cgroup; returns its index. */
static uint32_t target(struct world *w, const char *path)
{
	w->targets[w->now.n_targets] = (struct target){ .cgroup_id = id_of(w, path),
							.knobs = ALL_KNOBS,
							.driver = DRIVER_DELEGATED,
							.path = path,
							.unit = "" };
	return w->now.n_targets++;
}

static void wish(struct world *w, uint32_t t, enum knob knob, uint64_t value, uint64_t expected)
{
	w->actions[w->plan.n_actions++] = (struct action){ .target = t,
							   .cgroup_id = w->targets[t].cgroup_id,
							   .knob = knob,
							   .value = value,
							   .expected = expected };
}

static void apply(struct world *w)
{
	act_apply(w->act, &w->plan, &w->now, w->outcomes);
}

static void forget_plan(struct world *w)
{
	w->plan.n_actions = 0;
	w->now.n_targets = 0;
}

static void weight(struct world *w, const char *path, uint64_t value, uint64_t expected)
{
	forget_plan(w);
	wish(w, target(w, path), KNOB_CPU_WEIGHT, value, expected);
	apply(w);
}

static int restore(struct world *w)
{
	free(w->restored);
	w->restored = NULL;
	return act_restore(w->act, &w->restored, &w->n_restored, &w->e);
}

static void expect_outcome(struct world *w, unsigned int i, enum outcome_kind kind,
			   uint64_t read_back)
{
	cr_expect_eq(w->outcomes[i].kind, kind, "action %u: %s, %s", i,
		     outcome_name(w->outcomes[i].kind), w->outcomes[i].note);
	cr_expect_eq(w->outcomes[i].read_back, read_back, "action %u read back %llu", i,
		     (unsigned long long)w->outcomes[i].read_back);
}

static void expect_note(struct world *w, unsigned int i, const char *part)
{
	cr_expect_not_null(strstr(w->outcomes[i].note, part), "no '%s' in '%s'", part,
			   w->outcomes[i].note);
}

static void expect_text(struct world *w, const char *path, const char *file, const char *text)
{
	cr_expect_str_eq(text_of(w, path, file), text, "%s of %s is '%s', not '%s'", file, path,
			 text_of(w, path, file), text);
}

static unsigned int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	cr_assert_not_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- carrying out -------------------------------------------------------------------------- */

Test(act, a_plan_is_written_and_read_back)
{
	struct world w;
	uint32_t ocr, batch;

	world_open(&w);
	ocr = target(&w, OCR);
	batch = target(&w, BATCH);
	wish(&w, ocr, KNOB_CPU_WEIGHT, 2000, 100);
	wish(&w, ocr, KNOB_MEMORY_LOW, 64 << 20, 0);
	wish(&w, ocr, KNOB_IO_WEIGHT, 200, 100);
	wish(&w, batch, KNOB_CPU_WEIGHT, 10, 100);
	wish(&w, batch, KNOB_CPU_MAX, 50000, VALUE_MAX);
	wish(&w, batch, KNOB_PIDS_MAX, 300, VALUE_MAX);
	apply(&w);

	for (unsigned int i = 0; i < w.plan.n_actions; i++)
		expect_outcome(&w, i, OUTCOME_APPLIED, w.actions[i].value);
	expect_text(&w, OCR, "cpu.weight", "2000");
	expect_text(&w, OCR, "memory.low", "67108864");
	expect_text(&w, OCR, "io.weight", "default 200");
	expect_text(&w, BATCH, "cpu.weight", "10");
	expect_text(&w, BATCH, "cpu.max", "50000 100000");
	expect_text(&w, BATCH, "pids.max", "300");
	cr_expect_eq(act_ledger_size(w.act), 6u);
	world_close(&w);
}

Test(act, a_value_that_another_changed_is_left_alone)
{
	struct world w;

	world_open(&w);
	fake_cgroup_write(&w.tree, OCR, "cpu.weight", "333\n");
	weight(&w, OCR, 200, 100);
	expect_outcome(&w, 0, OUTCOME_SUPERSEDED, 333);
	expect_note(&w, 0, "333");
	expect_text(&w, OCR, "cpu.weight", "333");
	cr_expect_eq(act_ledger_size(w.act), 0u, "what is not touched is not remembered");
	world_close(&w);
}

Test(act, a_value_that_is_there_already_is_not_written)
{
	struct world w;

	world_open(&w);
	fake_cgroup_write(&w.tree, OCR, "cpu.weight", "200\n");
	weight(&w, OCR, 200, 100);
	expect_outcome(&w, 0, OUTCOME_APPLIED, 200);
	cr_expect_eq(act_ledger_size(w.act), 0u);
	world_close(&w);
}

Test(act, a_cgroup_that_was_made_anew_is_another_one)
{
	struct world w;

	world_open(&w);
	wish(&w, target(&w, OCR), KNOB_CPU_WEIGHT, 200, 100);
	/* the new one is made first, so that it cannot get the old one's inode */
	fake_cgroup_make(&w.tree, "/modelgov/new");
	fake_cgroup_remove(&w.tree, OCR);
	char from[PATH_MAX + 32], to[PATH_MAX + 32];

	snprintf(from, sizeof(from), "%s/modelgov/new", w.tree.root);
	snprintf(to, sizeof(to), "%s" OCR, w.tree.root);
	cr_assert_eq(rename(from, to), 0);
	apply(&w);
	expect_outcome(&w, 0, OUTCOME_GONE, MISSING);
	expect_text(&w, OCR, "cpu.weight", "100");
	world_close(&w);
}

Test(act, a_cgroup_that_vanished_is_gone_also_when_it_was_written_before)
{
	struct world w;

	world_open(&w);
	weight(&w, OCR, 200, 100);
	expect_outcome(&w, 0, OUTCOME_APPLIED, 200);
	w.actions[0].value = 300;
	w.actions[0].expected = 200;
	fake_cgroup_remove(&w.tree, OCR);
	apply(&w);
	expect_outcome(&w, 0, OUTCOME_GONE, MISSING);
	world_close(&w);
}

Test(act, a_plan_for_another_cgroup_than_the_target_is_not_carried_out)
{
	struct world w;

	world_open(&w);
	wish(&w, target(&w, OCR), KNOB_CPU_WEIGHT, 200, 100);
	w.actions[0].cgroup_id = id_of(&w, BATCH);
	apply(&w);
	expect_outcome(&w, 0, OUTCOME_GONE, MISSING);
	expect_text(&w, OCR, "cpu.weight", "100");
	world_close(&w);
}

Test(act, what_is_not_ours_to_write_is_withheld)
{
	struct world w;
	uint32_t t;

	world_open(&w);
	t = target(&w, OCR);
	w.targets[t].driver = DRIVER_OBSERVE;
	wish(&w, t, KNOB_CPU_WEIGHT, 200, 100);
	t = target(&w, BATCH);
	w.targets[t].knobs = 1u << KNOB_CPU_MAX;
	wish(&w, t, KNOB_CPU_WEIGHT, 200, 100);
	wish(&w, t, KNOB_CPU_MAX, 50000, VALUE_MAX);
	apply(&w);
	expect_outcome(&w, 0, OUTCOME_WITHHELD, MISSING);
	expect_outcome(&w, 1, OUTCOME_WITHHELD, MISSING);
	expect_outcome(&w, 2, OUTCOME_APPLIED, 50000);
	expect_text(&w, OCR, "cpu.weight", "100");
	expect_text(&w, BATCH, "cpu.weight", "100");
	world_close(&w);
}

Test(act, a_missing_controller_is_named_with_its_cure)
{
	struct world w;

	world_open(&w);
	fake_cgroup_make_without_cpu(&w.tree, "/a");
	weight(&w, "/a", 200, MISSING);
	expect_outcome(&w, 0, OUTCOME_UNAVAILABLE, MISSING);
	expect_note(&w, 0, "cpu controller is not enabled in ");
	expect_note(&w, 0, "cgroup.subtree_control");
	cr_expect_eq(act_ledger_size(w.act), 0u);
	world_close(&w);
}

Test(act, a_controller_that_was_enabled_since_is_nobodys_decision)
{
	struct world w;

	world_open(&w);
	weight(&w, OCR, 200, MISSING);
	expect_outcome(&w, 0, OUTCOME_APPLIED, 200);
	world_close(&w);
}

Test(act, a_file_that_makes_no_sense_is_not_written)
{
	struct world w;

	world_open(&w);
	fake_cgroup_write(&w.tree, OCR, "cpu.weight", "many\n");
	weight(&w, OCR, 200, 100);
	expect_outcome(&w, 0, OUTCOME_REFUSED, MISSING);
	expect_text(&w, OCR, "cpu.weight", "many");
	world_close(&w);
}

Test(act, without_the_ledger_nothing_is_changed)
{
	struct world w;

	world_open(&w);
	weight(&w, BATCH, 50, 100); /* this process has the ledger now */
	struct act *second = act_of(&w);

	forget_plan(&w);
	wish(&w, target(&w, OCR), KNOB_CPU_WEIGHT, 200, 100);
	act_apply(second, &w.plan, &w.now, w.outcomes);
	expect_outcome(&w, 0, OUTCOME_WITHHELD, MISSING);
	expect_note(&w, 0, "the ledger is held by process");
	expect_text(&w, OCR, "cpu.weight", "100");
	cr_expect_eq(act_restore(second, NULL, NULL, &w.e), -EBUSY);
	cr_expect_eq(act_ledger_size(second), 1u, "reading is free");
	act_close(second);
	world_close(&w);
}

Test(act, a_disk_without_room_for_the_ledger_changes_nothing)
{
	struct world w;
	struct rlimit before, full;

	world_open(&w);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = (struct rlimit){ .rlim_cur = 20, .rlim_max = before.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
	weight(&w, OCR, 200, 100);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	expect_outcome(&w, 0, OUTCOME_WITHHELD, 100);
	expect_note(&w, 0, "ledger");
	expect_text(&w, OCR, "cpu.weight", "100");
	weight(&w, OCR, 200, 100);
	expect_outcome(&w, 0, OUTCOME_APPLIED, 200);
	world_close(&w);
}

Test(act, rounding_is_told_from_refusal)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct {
		enum knob knob;
		uint64_t wanted, got;
		int like;
	} cases[] = {
		{ KNOB_CPU_WEIGHT, 100, 100, 0 },
		{ KNOB_CPU_WEIGHT, 100, 101, -1 },
		{ KNOB_CPU_WEIGHT, 100, 0, -1 },
		{ KNOB_MEMORY_HIGH, 100 * page + 1, 100 * page, 1 },
		{ KNOB_MEMORY_HIGH, 100 * page, 99 * page, -1 },
		{ KNOB_MEMORY_MAX, VALUE_MAX, VALUE_MAX, 0 },
		{ KNOB_MEMORY_MAX, VALUE_MAX, page, -1 },
		{ KNOB_MEMORY_MAX, page, VALUE_MAX, -1 },
		{ KNOB_MEMORY_MAX, page, MISSING, -1 },
		{ KNOB_CPU_MAX, 33333, 33300, 1 },
		{ KNOB_CPU_MAX, 33333, 33000, -1 },
		{ KNOB_CPU_MAX, VALUE_MAX, 100000, -1 },
		{ KNOB_PIDS_MAX, 10, 11, -1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(value_compare(cases[i].knob, cases[i].wanted, cases[i].got),
			     cases[i].like, "case %u", i);
}

/* ---- kept descriptors ---------------------------------------------------------------------- */

Test(act, descriptors_of_vanished_cgroups_are_closed)
{
	struct world w;
	unsigned int before;

	world_open(&w);
	fake_cgroup_make(&w.tree, "/modelgov/other");
	weight(&w, OCR, 200, 100);
	before = open_descriptors();
	weight(&w, BATCH, 200, 100);
	weight(&w, "/modelgov/other", 200, 100);
	cr_assert_gt(open_descriptors(), before, "descriptors are kept");
	fake_cgroup_remove(&w.tree, BATCH);
	fake_cgroup_remove(&w.tree, "/modelgov/other");
	weight(&w, OCR, 300, 200);
	cr_expect_eq(open_descriptors(), before);
	world_close(&w);
}

/* more than may be kept: the first are closed for the last */
#define MANY 600

Test(act, the_number_of_kept_descriptors_is_bounded)
{
	struct world w;
	struct rlimit limit;
	unsigned int before;
	char path[64], name[PATH_MAX * 2];

	world_open(&w);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	before = open_descriptors();
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "/modelgov/m%u", i);
		snprintf(name, sizeof(name), "%s%s", w.tree.root, path);
		cr_assert_eq(mkdir(name, 0755), 0);
		fake_cgroup_write(&w.tree, path, "cpu.weight", "100\n");
		weight(&w, path, 200, 100);
		cr_assert_eq(w.outcomes[0].kind, OUTCOME_APPLIED, "%s: %s", path,
			     w.outcomes[0].note);
	}
	cr_expect_leq(open_descriptors() - before, 2 * 512 + 8u);
	cr_expect_geq(open_descriptors() - before, 2 * 500u);
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	cr_expect_eq(w.n_restored, (unsigned int)MANY);
	world_close(&w);
}

/* ---- putting back -------------------------------------------------------------------------- */

Test(act, restore_puts_back_the_first_value_not_the_last_but_one)
{
	struct world w;

	world_open(&w);
	weight(&w, OCR, 200, 100);
	weight(&w, OCR, 300, 200);
	another_process(&w);
	weight(&w, OCR, 400, 300);
	cr_expect_eq(act_ledger_size(w.act), 1u);
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	cr_assert_eq(w.n_restored, 1u);
	cr_expect_str_eq(w.restored[0].unit_or_path, OCR);
	cr_expect_eq(w.restored[0].knob, KNOB_CPU_WEIGHT);
	cr_expect_eq(w.restored[0].value, 100u);
	cr_expect_eq(w.restored[0].outcome.kind, OUTCOME_APPLIED);
	cr_expect_eq(w.restored[0].outcome.read_back, 100u);
	expect_text(&w, OCR, "cpu.weight", "100");
	cr_expect_eq(act_ledger_size(w.act), 0u);
	world_close(&w);
}

Test(act, restore_again_does_nothing)
{
	struct world w;

	world_open(&w);
	weight(&w, OCR, 200, 100);
	cr_assert_eq(restore(&w), 0);
	fake_cgroup_write(&w.tree, OCR, "cpu.weight", "500\n");
	cr_assert_eq(restore(&w), 0);
	cr_expect_eq(w.n_restored, 0u);
	expect_text(&w, OCR, "cpu.weight", "500");
	world_close(&w);
}

Test(act, a_quota_comes_back_with_its_period)
{
	struct world w;

	world_open(&w);
	fake_cgroup_write(&w.tree, OCR, "cpu.max", "20000 50000\n");
	wish(&w, target(&w, OCR), KNOB_CPU_MAX, 70000, 40000);
	apply(&w);
	expect_outcome(&w, 0, OUTCOME_APPLIED, 70000);
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	cr_expect_eq(w.restored[0].value, 40000u, "scaled for people");
	expect_text(&w, OCR, "cpu.max", "20000 50000");
	world_close(&w);
}

Test(act, a_cgroup_that_vanished_is_no_trouble_for_restore)
{
	struct world w;

	world_open(&w);
	weight(&w, OCR, 200, 100);
	weight(&w, BATCH, 200, 100);
	fake_cgroup_remove(&w.tree, OCR);
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	cr_expect_eq(w.n_restored, 2u);
	cr_expect_eq(w.restored[0].outcome.kind, OUTCOME_GONE);
	cr_expect_eq(w.restored[1].outcome.kind, OUTCOME_APPLIED);
	expect_text(&w, BATCH, "cpu.weight", "100");
	cr_expect_eq(act_ledger_size(w.act), 0u);
	world_close(&w);
}

Test(act, release_puts_back_only_what_is_not_claimed)
{
	struct world w;
	struct claim claims[1];
	unsigned int n;
	uint32_t t;

	world_open(&w);
	t = target(&w, OCR);
	wish(&w, t, KNOB_CPU_WEIGHT, 200, 100);
	wish(&w, t, KNOB_CPU_MAX, 50000, VALUE_MAX);
	wish(&w, target(&w, BATCH), KNOB_CPU_WEIGHT, 50, 100);
	apply(&w);
	claims[0] = (struct claim){ .cgroup_id = id_of(&w, OCR), .knobs = 1u << KNOB_CPU_WEIGHT };
	cr_assert_eq(act_release(w.act, claims, 1, NULL, &n, &w.e), 0, "%s", w.e.text);
	cr_expect_eq(n, 2u);
	expect_text(&w, OCR, "cpu.weight", "200");
	expect_text(&w, OCR, "cpu.max", "max 100000");
	expect_text(&w, BATCH, "cpu.weight", "100");
	cr_expect_eq(act_ledger_size(w.act), 1u);
	cr_assert_eq(restore(&w), 0);
	expect_text(&w, OCR, "cpu.weight", "100");
	world_close(&w);
}

Test(act, what_could_not_be_put_back_stays_in_the_ledger)
{
	struct world w;
	char dropin[96];
	struct entry unit = { .driver = DRIVER_SYSTEMD,
			      .knob = KNOB_CPU_WEIGHT,
			      .cgroup_id = 1,
			      .path = strdup("/system.slice/a.service"),
			      .unit = strdup("a.service"),
			      .first = strdup("300") };

	world_open(&w);
	snprintf(dropin, sizeof(dropin), "%s/50-CPUWeight.conf", w.state);
	cr_assert_eq(file_replace(dropin, "", 0, 0600, &w.e), 0, "%s", w.e.text);
	unit.dropin = strdup(dropin);
	weight(&w, OCR, 200, 100);
	cr_assert_eq(ledger_add(&w.act->ledger, &unit, 1, &w.e), 0, "%s", w.e.text);

	cr_assert_eq(restore(&w), -EIO, "there is no systemd to ask");
	cr_expect_not_null(strstr(w.e.text, "1 of 2"), "%s", w.e.text);
	cr_expect_not_null(strstr(w.e.text, "cpu.weight of a.service"), "%s", w.e.text);
	expect_text(&w, OCR, "cpu.weight", "100");
	cr_expect_eq(act_ledger_size(w.act), 1u);
	another_process(&w);
	cr_expect_eq(act_ledger_size(w.act), 1u);

	cr_assert_eq(unlink(dropin), 0, "the unit was reverted, or is gone");
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	cr_expect_eq(w.restored[0].outcome.kind, OUTCOME_GONE);
	cr_expect_eq(act_ledger_size(w.act), 0u);
	world_close(&w);
}

/* ---- dying on the way ---------------------------------------------------------------------- */

/* From now on the kernel kills this process at its first pwrite(2): control files, not the ledger.
 */
static void die_at_the_first_knob(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(3);
}

static int apply_in_a_child(struct world *w, bool dies_at_the_first_knob)
{
	int status;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		struct act *a = act_of(w);

		if (dies_at_the_first_knob)
			die_at_the_first_knob();
		act_apply(a, &w->plan, &w->now, w->outcomes);
		raise(SIGKILL);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void plan_of_two(struct world *w)
{
	uint32_t t = target(w, OCR);

	wish(w, t, KNOB_CPU_WEIGHT, 200, 100);
	wish(w, t, KNOB_CPU_MAX, 50000, VALUE_MAX);
}

Test(act, a_death_between_ledger_and_knob_can_be_restored)
{
	struct world w;

	world_open(&w);
	plan_of_two(&w);
	int killed_by = apply_in_a_child(&w, true);

	if (killed_by == 0) {
		printf("skip a_death_between_ledger_and_knob_can_be_restored: no seccomp here\n");
		world_close(&w);
		return;
	}
	cr_assert_eq(killed_by, SIGSYS);
	expect_text(&w, OCR, "cpu.weight", "100");
	another_process(&w);
	cr_expect_eq(act_ledger_size(w.act), 2u, "remembered before it was touched");
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	expect_text(&w, OCR, "cpu.weight", "100");
	expect_text(&w, OCR, "cpu.max", "max 100000");
	cr_expect_eq(act_ledger_size(w.act), 0u);
	world_close(&w);
}

Test(act, a_death_after_the_change_can_be_restored)
{
	struct world w;

	world_open(&w);
	plan_of_two(&w);
	cr_assert_eq(apply_in_a_child(&w, false), SIGKILL);
	expect_text(&w, OCR, "cpu.weight", "200");
	expect_text(&w, OCR, "cpu.max", "50000 100000");
	another_process(&w);
	cr_assert_eq(restore(&w), 0, "%s", w.e.text);
	expect_text(&w, OCR, "cpu.weight", "100");
	expect_text(&w, OCR, "cpu.max", "max 100000");
	world_close(&w);
}

/* ---- adopting ------------------------------------------------------------------------------ */

static int adopt(struct world *w, const char *model, const int32_t *pids, unsigned int n_pids)
{
	const struct adoption adoption = { .model = model, .pids = pids, .n_pids = n_pids };

	return act_adopt(w->act, &adoption, &w->e);
}

Test(act, a_process_is_moved_below_modelgov)
{
	struct world w;
	int32_t pid = getpid();
	char expected[16];

	world_open(&w);
	fake_cgroup_write(&w.tree, OCR, "cgroup.procs", "%s", "");
	snprintf(expected, sizeof(expected), "%d", (int)pid);
	cr_assert_eq(adopt(&w, "ocr", &pid, 1), 0, "%s", w.e.text);
	expect_text(&w, OCR, "cgroup.procs", expected);
	world_close(&w);
}

Test(act, what_cannot_be_adopted_is_an_error_that_says_why)
{
	struct world w;
	int32_t pid = getpid(), nobody = 0;
	static const char *const names[] = { "", "-", "a-", "Ocr", "../a", "a/b", "a.b", "a b" };

	world_open(&w);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		cr_expect_eq(adopt(&w, names[i], &pid, 1), -EINVAL, "'%s'", names[i]);
	cr_expect_not_null(strstr(w.e.text, "'a b' is not a model's name"), "%s", w.e.text);
	cr_expect_eq(adopt(&w, "ocr", &pid, 0), -EINVAL);
	cr_expect_eq(adopt(&w, "ocr", &nobody, 1), -EINVAL);
	pid = 0x7ffffffe; /* above the kernel's largest pid */
	cr_expect_eq(adopt(&w, "ocr", &pid, 1), -ESRCH);
	cr_expect_not_null(strstr(w.e.text, "adopting into model ocr"), "%s", w.e.text);
	world_close(&w);
}

static void experiments_make(struct world *w)
{
	fake_cgroup_make(&w->tree, MODELGOV_TREE_EXPERIMENTS "/try");
	fake_cgroup_write(&w->tree, MODELGOV_TREE_EXPERIMENTS, "cpu.weight", "%s", "100\n");
	fake_cgroup_write(&w->tree, MODELGOV_TREE_EXPERIMENTS, "cpu.max", "%s", "max 100000\n");
	fake_cgroup_write(&w->tree, MODELGOV_TREE_EXPERIMENTS, "memory.max", "%s", "max\n");
	fake_cgroup_write(&w->tree, MODELGOV_TREE_EXPERIMENTS "/try", "cgroup.procs", "%s", "");
}

Test(act, an_experiment_is_moved_below_the_budget_of_all_experiments)
{
	const struct budget budget = { .cpu_weight = 30, .cpu_max = 40000, .memory_max = VALUE_MAX };
	int32_t pid = getpid();
	const struct adoption adoption = {
		.model = "try", .experiments = &budget, .pids = &pid, .n_pids = 1
	};
	struct world w;
	char expected[16];

	world_open(&w);
	experiments_make(&w);
	snprintf(expected, sizeof(expected), "%d", (int)pid);
	cr_assert_eq(act_adopt(w.act, &adoption, &w.e), 0, "%s", w.e.text);
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS "/try", "cgroup.procs", expected);
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS, "cpu.weight", "30");
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS, "cpu.max", "40000 100000");
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS, "memory.max", "max");
	world_close(&w);
}

Test(act, an_experiment_whose_budget_cannot_be_set_is_not_adopted)
{
	const struct budget budget = { .cpu_weight = 30, .cpu_max = 40000, .memory_max = 1 << 20 };
	int32_t pid = getpid();
	const struct adoption adoption = {
		.model = "try", .experiments = &budget, .pids = &pid, .n_pids = 1
	};
	struct world w;
	char path[PATH_MAX + 64];

	world_open(&w);
	experiments_make(&w);
	snprintf(path, sizeof(path), "%s" MODELGOV_TREE_EXPERIMENTS "/memory.max", w.tree.root);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(act_adopt(w.act, &adoption, &w.e), -ENOENT);
	cr_expect_not_null(strstr(w.e.text, "the budget of experiments"), "%s", w.e.text);
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS "/try", "cgroup.procs", "");
	world_close(&w);
}

Test(act, a_changed_budget_reaches_the_slice_that_is_there)
{
	const struct budget budget = { .cpu_weight = 5, .cpu_max = 1000, .memory_max = 4096 };
	struct world w;

	world_open(&w);
	cr_assert_eq(act_confine(w.act, &budget, &w.e), 0, "nothing was adopted: nothing to do");
	experiments_make(&w);
	cr_assert_eq(act_confine(w.act, &budget, &w.e), 0, "%s", w.e.text);
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS, "cpu.max", "1000 100000");
	expect_text(&w, MODELGOV_TREE_EXPERIMENTS, "memory.max", "4096");
	world_close(&w);
}
