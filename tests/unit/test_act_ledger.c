/* SPDX-License-Identifier: Apache-2.0 */
/*
 * act, the ledger: what is in it survives a death at any byte; what cannot be true any more is not
 * in it; one process writes.
 */
#include "ledger.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- vocabulary ---------------------------------------------------------------------------- */

struct world {
	char directory[64], file[80];
	struct ledger ledger;
	struct err e;
};

static void world_open(struct world *w)
{
	*w = (struct world){ 0 };
	snprintf(w->directory, sizeof(w->directory), "%s/modelgov-ledger-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* fsync is free there */
	cr_assert_not_null(mkdtemp(w->directory));
	snprintf(w->file, sizeof(w->file), "%s/ledger", w->directory);
	cr_assert_eq(ledger_open(&w->ledger, w->directory, &w->e), 0, "%s", w->e.text);
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void world_close(struct world *w)
{
	ledger_close(&w->ledger);
	cr_assert_eq(nftw(w->directory, entry_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* As another process would find it. */
static void world_reopen(struct world *w)
{
	ledger_close(&w->ledger);
	cr_assert_eq(ledger_open(&w->ledger, w->directory, &w->e), 0, "%s", w->e.text);
}

static void owned(struct world *w)
{
	cr_assert_eq(ledger_own(&w->ledger, &w->e), 0, "%s", w->e.text);
}

static struct entry weight_of(uint64_t cgroup_id, const char *first)
{
	return (struct entry){ .driver = DRIVER_DELEGATED,
			       .knob = KNOB_CPU_WEIGHT,
			       .cgroup_id = cgroup_id,
			       .path = strdup("/modelgov/ocr"),
			       .unit = strdup(""),
			       .first = strdup(first) };
}

static int added(struct world *w, struct entry entry)
{
	return ledger_add(&w->ledger, &entry, 1, &w->e);
}

static const struct entry *found(struct world *w, uint64_t cgroup_id)
{
	return ledger_find(&w->ledger, DRIVER_DELEGATED, "", cgroup_id, KNOB_CPU_WEIGHT);
}

static char *contents(struct world *w, size_t *ret_length)
{
	char *text = NULL;

	cr_assert_eq(file_read_all(AT_FDCWD, w->file, 1 << 20, &text, ret_length, &w->e), 0, "%s",
		     w->e.text);
	return text;
}

static void contents_set(struct world *w, const char *text, size_t length)
{
	_cleanup_fd_ int fd = open(w->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_eq(write(fd, text, length), (ssize_t)length);
}

/* ---- sentences ----------------------------------------------------------------------------- */

Test(act_ledger, what_is_added_is_there_for_the_next_process)
{
	struct world w;
	struct entry unit = { .driver = DRIVER_SYSTEMD,
			      .knob = KNOB_CPU_MAX,
			      .cgroup_id = UINT64_MAX,
			      .path = strdup("/system.slice/ocr.service"),
			      .unit = strdup("ocr.service"),
			      .first = strdup("18446744073709551615"),
			      .dropin = strdup("/run/x.conf"),
			      .dropin_before = strdup("[Service]\nCPUQuota=\"50%\"\n") };

	world_open(&w);
	owned(&w);
	cr_assert_eq(added(&w, unit), 0, "%s", w.e.text);
	cr_assert_eq(added(&w, weight_of(7, "100")), 0, "%s", w.e.text);
	world_reopen(&w);

	const struct entry *e =
		ledger_find(&w.ledger, DRIVER_SYSTEMD, "ocr.service", 1, KNOB_CPU_MAX);

	cr_assert_not_null(e, "a unit is known by its name");
	cr_expect_eq(e->cgroup_id, UINT64_MAX);
	cr_expect_str_eq(e->path, "/system.slice/ocr.service");
	cr_expect_str_eq(e->first, "18446744073709551615");
	cr_expect_str_eq(e->dropin, "/run/x.conf");
	cr_expect_str_eq(e->dropin_before, "[Service]\nCPUQuota=\"50%\"\n");
	e = found(&w, 7);
	cr_assert_not_null(e);
	cr_expect_str_eq(e->first, "100");
	cr_expect_null(e->dropin);
	cr_expect_null(found(&w, 8), "another cgroup");
	cr_expect_eq(atomic_load(&w.ledger.size), 2u);
	world_close(&w);
}

Test(act_ledger, a_death_at_any_byte_leaves_the_whole_lines)
{
	struct world w;
	size_t length;

	world_open(&w);
	owned(&w);
	cr_assert_eq(added(&w, weight_of(1, "100")), 0);
	cr_assert_eq(added(&w, weight_of(2, "200")), 0);
	_cleanup_free_ char *whole = contents(&w, &length);
	size_t first_line = (size_t)(strchr(whole, '\n') - whole) + 1;

	for (size_t n = 0; n <= length; n++) {
		unsigned int expected = (n >= first_line) + (n == length);

		contents_set(&w, whole, n);
		world_reopen(&w);
		owned(&w);
		cr_assert_eq(w.ledger.n, expected, "%u entries of %zu bytes", w.ledger.n, n);
		cr_assert_eq(added(&w, weight_of(3, "300")), 0, "%s", w.e.text);
		world_reopen(&w);
		cr_assert_eq(w.ledger.n, expected + 1, "the torn line spoilt the next, at %zu", n);
		cr_assert_not_null(found(&w, 3));
	}
	world_close(&w);
}

Test(act_ledger, entries_of_an_earlier_boot_are_dropped)
{
	static const char old[] =
		"{\"boot\":\"00000000-0000-0000-0000-000000000000\",\"driver\":\"delegated\","
		"\"knob\":"
		"\"cpu.weight\",\"id\":\"1\",\"path\":\"/a\",\"unit\":\"\",\"first\":\"100\"}\n";
	struct world w;
	size_t length;

	world_open(&w);
	contents_set(&w, old, sizeof(old) - 1);
	world_reopen(&w);
	cr_expect_eq(w.ledger.n, 0u);
	owned(&w);
	_cleanup_free_ char *text = contents(&w, &length);

	cr_expect_eq(length, 0u, "still there: %s", text);
	world_close(&w);
}

Test(act_ledger, lines_that_are_none_of_ours_are_skipped)
{
	static const char *const strange[] = {
		"\n",
		"{}\n",
		"[1,2]\n",
		"garbage\n",
		"{\"boot\":7}\n",
		"\xff\xfe\n",
		"{\"boot\":\"B\",\"driver\":\"observe\",\"knob\":\"cpu.weight\",\"id\":\"1\","
		"\"path\":\"/"
		"a\",\"unit\":\"\",\"first\":\"1\"}\n",
		"{\"boot\":\"B\",\"driver\":\"systemd\",\"knob\":\"cpu.weight\",\"id\":\"1\","
		"\"path\":\"/"
		"a\",\"unit\":\"a.service\",\"first\":\"1\"}\n",
		"{\"boot\":\"B\",\"driver\":\"delegated\",\"knob\":\"cpu.shares\",\"id\":\"1\","
		"\"path\":"
		"\"/a\",\"unit\":\"\",\"first\":\"1\"}\n",
	};
	struct world w;

	world_open(&w);
	for (unsigned int i = 0; i < ARRAY_SIZE(strange); i++) {
		char line[512];
		const char *boot = strstr(strange[i], "\"B\"");

		snprintf(line, sizeof(line), "%s", strange[i]);
		if (boot)
			snprintf(line, sizeof(line), "%.*s\"%s\"%s", (int)(boot - strange[i]),
				 strange[i], w.ledger.boot, boot + 3);
		contents_set(&w, line, strlen(line));
		world_reopen(&w);
		owned(&w);
		cr_expect_eq(w.ledger.n, 0u, "taken: %s", line);
		cr_assert_eq(added(&w, weight_of(1, "100")), 0, "%s", w.e.text);
		world_reopen(&w);
		cr_expect_eq(w.ledger.n, 1u, "after %s", line);
	}
	world_close(&w);
}

Test(act_ledger, only_root_may_read_it)
{
	struct world w;
	struct stat st;

	world_open(&w);
	owned(&w);
	cr_assert_eq(added(&w, weight_of(1, "100")), 0);
	cr_assert_eq(stat(w.file, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600u);
	bool keeps[] = { true };

	cr_assert_eq(ledger_keep(&w.ledger, keeps, &w.e), 0);
	cr_assert_eq(added(&w, weight_of(2, "100")), 0);
	keeps[0] = false;
	cr_assert_eq(ledger_keep(&w.ledger, (bool[]){ false, true }, &w.e), 0);
	cr_assert_eq(stat(w.file, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600u, "after it was replaced");
	world_close(&w);
}

Test(act_ledger, one_process_writes_and_the_other_learns_who)
{
	struct world w;
	struct ledger second;
	struct err e = { 0 };
	char pid[32];

	world_open(&w);
	owned(&w);
	cr_assert_eq(added(&w, weight_of(1, "100")), 0);
	cr_assert_eq(ledger_open(&second, w.directory, &e), 0, "%s", e.text);
	cr_expect_eq(second.n, 1u, "reading is free");
	cr_assert_eq(ledger_own(&second, &e), -EBUSY);
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	cr_expect_not_null(strstr(e.text, pid), "%s", e.text);

	cr_assert_eq(added(&w, weight_of(2, "100")), 0);
	ledger_close(&w.ledger);
	cr_assert_eq(ledger_own(&second, &e), 0, "%s", e.text);
	cr_expect_eq(second.n, 2u, "what the first added meanwhile is seen");
	ledger_close(&second);
	world_close(&w);
}

Test(act_ledger, an_entry_replaces_an_older_one_of_the_same_knob)
{
	struct world w;

	world_open(&w);
	owned(&w);
	cr_assert_eq(added(&w, weight_of(1, "100")), 0);
	cr_assert_eq(added(&w, weight_of(1, "300")), 0);
	world_reopen(&w);
	cr_assert_eq(w.ledger.n, 1u);
	cr_expect_str_eq(found(&w, 1)->first, "300");
	world_close(&w);
}

Test(act_ledger, what_is_not_kept_is_gone_on_disk_too)
{
	struct world w;

	world_open(&w);
	owned(&w);
	for (uint64_t id = 1; id <= 3; id++)
		cr_assert_eq(added(&w, weight_of(id, "100")), 0);
	cr_assert_eq(ledger_keep(&w.ledger, (bool[]){ false, true, false }, &w.e), 0);
	cr_expect_eq(atomic_load(&w.ledger.size), 1u);
	cr_assert_eq(added(&w, weight_of(4, "100")), 0, "the descriptor is the new file's");
	world_reopen(&w);
	cr_expect_eq(w.ledger.n, 2u);
	cr_expect_not_null(found(&w, 2));
	cr_expect_not_null(found(&w, 4));
	world_close(&w);
}

Test(act_ledger, a_path_that_json_cannot_hold_is_refused)
{
	struct world w;
	struct entry e = weight_of(1, "100");
	size_t length;

	world_open(&w);
	owned(&w);
	free(e.path);
	e.path = strdup("/caf\xe9");
	cr_expect_eq(added(&w, e), -EILSEQ);
	cr_expect_eq(w.ledger.n, 0u);
	_cleanup_free_ char *text = contents(&w, &length);

	cr_expect_eq(length, 0u, "%s", text);
	world_close(&w);
}

Test(act_ledger, a_full_disk_adds_nothing_and_spoils_nothing)
{
	struct rlimit before, full;
	struct world w;
	size_t length, length_after;

	world_open(&w);
	owned(&w);
	cr_assert_eq(added(&w, weight_of(1, "100")), 0);
	_cleanup_free_ char *text = contents(&w, &length);

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = (struct rlimit){ .rlim_cur = length + 10, .rlim_max = before.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
	cr_expect_lt(added(&w, weight_of(2, "100")), 0, "ten bytes fit, the line does not");
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	_cleanup_free_ char *text_after = contents(&w, &length_after);

	cr_expect_eq(length_after, length, "half a line stayed: %s after %s", text_after, text);
	cr_expect_null(found(&w, 2));
	cr_assert_eq(added(&w, weight_of(3, "100")), 0, "and goes on when there is room");
	world_reopen(&w);
	cr_expect_eq(w.ledger.n, 2u);
	world_close(&w);
}
