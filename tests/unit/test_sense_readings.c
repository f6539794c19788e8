/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept descriptors: how many, what happens when there is no room for them, and texts that do not
 * fit.
 */
#include "fake_cgroup.h"
#include "sense/readings.h"

#include <criterion/criterion.h>

#include <fcntl.h>

static struct fake_cgroup fake;
static int dir_fd;
static char buf[READ_BUFFER_BYTES];

static void setup(void)
{
	fake_cgroup_init(&fake);
	fake_cgroup_make(&fake, "/x");
	_cleanup_fd_ int root_fd = open(fake.root, O_RDONLY | O_DIRECTORY);

	dir_fd = openat(root_fd, "x", O_RDONLY | O_DIRECTORY);
	cr_assert_geq(dir_fd, 0);
}

static void teardown(void)
{
	close(dir_fd);
	fake_cgroup_fini(&fake);
}

TestSuite(sense_readings, .init = setup, .fini = teardown);

Test(sense_readings, every_file_is_opened_once_and_given_back)
{
	struct descriptors descriptors = { .limit = 100 };
	struct cgroup_files files;
	struct readings r;

	cgroup_files_init(&files, dir_fd, &descriptors);
	cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
	cr_assert_eq(descriptors.kept, N_CGROUP_FILES + 1, "and cgroup.controllers");
	cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
	cr_assert_eq(descriptors.kept, N_CGROUP_FILES + 1);
	cgroup_files_close(&files);
	cr_assert_eq(descriptors.kept, 0);
}

Test(sense_readings, of_a_nested_cgroup_only_its_own_is_read)
{
	struct descriptors descriptors = { .limit = 100 };
	struct cgroup_files files;
	struct readings r;

	cgroup_files_init(&files, dir_fd, &descriptors);
	cgroup_files_read(&files, EXTENT_OWN, false, buf, &r);
	cr_assert_eq(descriptors.kept, 1 + N_KNOBS + 1, "cpu.stat, the knobs, cgroup.controllers");
	cr_assert_eq(r.counters[COUNTER_THROTTLED], 0);
	cr_assert_eq(r.knobs[KNOB_CPU_WEIGHT], 100);
	cr_assert_eq(r.counters[COUNTER_MEMORY_SOME], MISSING);
	cr_assert_eq(r.levels[LEVEL_MEMORY], MISSING);
	cgroup_files_close(&files);
}

Test(sense_readings, without_room_for_descriptors_the_numbers_are_the_same)
{
	struct descriptors descriptors = { .limit = 3 };
	struct cgroup_files files;
	struct readings r;

	fake_cgroup_write(&fake, "/x", "pids.max", "77\n");
	cgroup_files_init(&files, dir_fd, &descriptors);
	for (int round = 0; round < 2; round++) {
		cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
		cr_assert_eq(descriptors.kept, 3);
		cr_assert_eq(r.knobs[KNOB_PIDS_MAX], 77);
		cr_assert_eq(r.levels[LEVEL_PROCESSES], 0);
	}
	cgroup_files_close(&files);
}

Test(sense_readings, an_absent_file_is_tried_again_when_controllers_change)
{
	struct descriptors descriptors = { .limit = 100 };
	struct cgroup_files files;
	struct readings r;

	fake_cgroup_unlink(&fake, "/x", "cpu.weight");
	cgroup_files_init(&files, dir_fd, &descriptors);
	cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
	cr_assert_eq(r.knobs[KNOB_CPU_WEIGHT], MISSING);
	fake_cgroup_write(&fake, "/x", "cpu.weight", "42\n");
	cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
	cr_assert_eq(r.knobs[KNOB_CPU_WEIGHT], MISSING, "nothing says that it may be back");
	fake_cgroup_write(&fake, "/x", "cgroup.controllers", "cpuset cpu io memory pids\n");
	cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
	cr_assert_eq(r.knobs[KNOB_CPU_WEIGHT], 42);
	cgroup_files_close(&files);
}

Test(sense_readings, an_absent_file_is_tried_again_when_asked_to)
{
	struct descriptors descriptors = { .limit = 100 };
	struct cgroup_files files;
	struct readings r;

	fake_cgroup_unlink(&fake, "/x", "io.pressure");
	cgroup_files_init(&files, dir_fd, &descriptors);
	cgroup_files_read(&files, EXTENT_SUBTREE, false, buf, &r);
	cr_assert_eq(r.counters[COUNTER_IO_SOME], MISSING);
	fake_cgroup_write(&fake, "/x", "io.pressure", "some avg10=0.00 total=5\n");
	cgroup_files_read(&files, EXTENT_SUBTREE, true, buf, &r);
	cr_assert_eq(r.counters[COUNTER_IO_SOME], 5000);
	cgroup_files_close(&files);
}

Test(sense_readings, a_text_that_does_not_fit_is_cut_at_a_line)
{
	_cleanup_fd_ int fd = openat(dir_fd, "long", O_RDWR | O_CREAT, 0600);
	char small[16];

	cr_assert_eq(write(fd, "first 1\nsecond 123456\n", 22), 22);
	cr_assert_eq(control_read(fd, small, sizeof(small)), 8);
	cr_assert_str_eq(small, "first 1\n", "half a number is no number");
}

Test(sense_readings, a_difference_needs_both_ends)
{
	cr_assert_eq(counter_difference(3, 10), 7);
	cr_assert_eq(counter_difference(10, 3), 3, "made anew: counts from zero");
	cr_assert_eq(counter_difference(MISSING, 3), MISSING);
	cr_assert_eq(counter_difference(3, MISSING), MISSING);
}
