/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wrote a file, as fanotify tells it: with real writes of real processes where the kernel lets
 * us look, and the judgement of what kind of writer it was, which needs no kernel.
 */
#include "fake_cgroup.h"
#include "knob.h"
#include "sense/writers.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct fake_cgroup fake;
static struct writers writers;
static int dir_fd;

static void setup(void)
{
	fake_cgroup_init(&fake);
	fake_cgroup_make(&fake, "/x");
	_cleanup_fd_ int root_fd = open(fake.root, O_RDONLY | O_DIRECTORY);

	dir_fd = openat(root_fd, "x", O_RDONLY | O_DIRECTORY);
	cr_assert_geq(dir_fd, 0);
	writers_init(&writers);
}

static void teardown(void)
{
	writers_close(&writers);
	close(dir_fd);
	fake_cgroup_fini(&fake);
}

TestSuite(sense_writers, .init = setup, .fini = teardown);

static void writers_start(void)
{
	writers_open(&writers);
	writers_mark(&writers, dir_fd);
	if (writers.problem)
		cr_skip_test("fanotify: %s", strerror(-writers.problem));
}

/* A child of that name writes the file and lives until it was looked at. */
static pid_t child_write(const char *name, const char *file, int *ret_end_fd)
{
	int done[2], end[2];
	char byte;

	cr_assert(pipe(done) == 0 && pipe(end) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		close(end[1]);
		fake_cgroup_write(&fake, "/x", file, "200\n");
		_exit(write(done[1], "", 1) == 1 && read(end[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(done[1]);
	close(end[0]);
	cr_assert_eq(read(done[0], &byte, 1), 1);
	close(done[0]);
	*ret_end_fd = end[1];
	return pid;
}

static void child_end(pid_t pid, int end_fd)
{
	int status;

	close(end_fd);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

Test(sense_writers, a_process_that_writes_a_knob_is_named)
{
	int end_fd;

	writers_start();
	pid_t pid = child_write("my tuner\033", "cpu.weight", &end_fd);

	writers_read(&writers);
	child_end(pid, end_fd);
	const struct write_seen *seen = writers_find(&writers, dir_fd, "cpu.weight");

	cr_assert_not_null(seen);
	cr_assert_eq(seen->pid, pid);
	cr_assert_str_eq(seen->comm, "my tuner?", "and nothing that a terminal would obey");
	cr_assert_null(writers_find(&writers, dir_fd, "memory.max"));
	writers_forget(&writers);
	cr_assert_null(writers_find(&writers, dir_fd, "cpu.weight"));
}

Test(sense_writers, the_last_one_who_wrote_is_told)
{
	int end_fd[2];
	pid_t pid[2];

	writers_start();
	pid[0] = child_write("first", "memory.max", &end_fd[0]);
	pid[1] = child_write("second", "memory.max", &end_fd[1]);
	writers_read(&writers);
	cr_assert_eq(writers_find(&writers, dir_fd, "memory.max")->pid, pid[1]);
	cr_assert_eq(writers.n_seen, 1);
	child_end(pid[1], end_fd[1]); /* it holds the first one's end as well */
	child_end(pid[0], end_fd[0]);
}

Test(sense_writers, own_writes_and_other_files_are_not_kept)
{
	int end_fd;

	writers_start();
	fake_cgroup_write(&fake, "/x", "cpu.weight", "300\n");
	pid_t pid = child_write("mover", "cgroup.procs", &end_fd);

	writers_read(&writers);
	child_end(pid, end_fd);
	cr_assert_eq(writers.n_seen, 0);
}

Test(sense_writers, a_directory_that_was_left_is_not_watched)
{
	int end_fd;

	writers_start();
	writers_unmark(&writers, dir_fd);
	pid_t pid = child_write("late", "cpu.weight", &end_fd);

	writers_read(&writers);
	child_end(pid, end_fd);
	cr_assert_eq(writers.n_seen, 0);
}

/* ---- judging --------------------------------------------------------------------------------- */

static const char *judged(uint32_t pid, const char *comm, const char *unit)
{
	struct write_seen seen = { .pid = pid, .at_ns = clock_monotonic_ns() };

	snprintf(seen.comm, sizeof(seen.comm), "%s", comm);
	return writer_name(writers_judge(&writers, &seen, unit).kind);
}

Test(sense_writers, kinds_follow_from_name_unit_and_reload)
{
	cr_assert_str_eq(judged(4711, "bash", "ocr.service"), "direct");
	cr_assert_str_eq(judged(4711, "", "ocr.service"), "direct", "it is gone, but it was one");
	cr_assert_str_eq(judged(0, "", "ocr.service"), "unknown");
	cr_assert_str_eq(judged(1, "systemd", "ocr.service"), "property");
	cr_assert_str_eq(judged(1, "systemd", "libpod-3f.scope"), "runtime");
	cr_assert_str_eq(judged(1, "systemd", "docker-3f.scope"), "runtime");
	cr_assert_str_eq(judged(1, "systemd", "modelgov-ocr.scope"), "property");
	cr_assert_str_eq(judged(99, "crun", ""), "runtime");
	cr_assert_str_eq(judged(99, "runc:[2:INIT]", ""), "runtime");
	cr_assert_str_eq(judged(99, "containerd-shim", ""), "runtime");
	cr_assert_str_eq(judged(99, "crunch", ""), "direct");
	writers_note_reload(&writers, true);
	cr_assert_str_eq(judged(1, "systemd", "ocr.service"), "reload");
	cr_assert_str_eq(judged(99, "bash", "ocr.service"), "direct",
			 "a reload excuses nobody else");
	writers_note_reload(&writers, false);
	cr_assert_str_eq(judged(1, "systemd", "libpod-3f.scope"), "reload", "the files follow it");
	writers.reloaded_ns -= 3 * NSEC_PER_SEC;
	cr_assert_str_eq(judged(1, "systemd", "ocr.service"), "property");
}
