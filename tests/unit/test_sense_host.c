/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's readings from a /proc and a /sys of plain files: levels at once, differences from the
 * second time on.
 */
#include "fake_cgroup.h"
#include "sense/host.h"

#include <criterion/criterion.h>

static struct fake_cgroup fake; /* any directory with files will do */
static struct host host;
static char buf[4096];

static void proc_write(const char *file, const char *text)
{
	fake_cgroup_write(&fake, "", file, "%s", text);
}

static void psi_write(unsigned int cpu_us, unsigned int memory_us, unsigned int io_us)
{
	static const char form[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=%u\n";

	fake_cgroup_write(&fake, "/pressure", "cpu", form, cpu_us);
	fake_cgroup_write(&fake, "/pressure", "memory", form, memory_us);
	fake_cgroup_write(&fake, "/pressure", "io", form, io_us);
}

static void setup(void)
{
	fake_cgroup_init(&fake);
	fake_cgroup_make(&fake, "/pressure");
	fake_cgroup_make(&fake, "/devices/system/cpu");
	fake_cgroup_write(&fake, "/devices/system/cpu", "online", "0-1\n");
	proc_write("stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
	proc_write("meminfo", "MemTotal:       1024 kB\nMemAvailable:    512 kB\n");
	proc_write("loadavg", "1.50 0.01 0.00 1/96 14763\n");
	psi_write(10, 20, 30);
	host_open(&host, fake.root, fake.root);
}

static void teardown(void)
{
	host_close(&host);
	fake_cgroup_fini(&fake);
}

static struct host_reading take(void)
{
	struct host_reading reading;

	host_read(&host, buf, sizeof(buf), &reading);
	return reading;
}

TestSuite(sense_host, .init = setup, .fini = teardown);

Test(sense_host, the_first_reading_has_levels_and_no_differences)
{
	struct host_reading first = take();

	cr_assert_eq(first.cpus, 2);
	cr_assert_eq(first.memory_bytes, 1024 * 1024);
	cr_assert_eq(first.memory_available_bytes, 512 * 1024);
	cr_assert_eq(first.load_permille, 1500);
	cr_assert_eq(first.busy_permyriad, MISSING);
	cr_assert_eq(first.steal_permyriad, MISSING);
	cr_assert_eq(first.cpu_some_ns, MISSING);
}

Test(sense_host, the_second_reading_has_what_happened_in_between)
{
	(void)take();
	proc_write("stat", "cpu  140 0 120 820 10 0 0 10 0 0\n");
	psi_write(15, 20, 37);
	struct host_reading second = take();

	cr_assert_eq(second.busy_permyriad, 6000, "60 of 100 ticks");
	cr_assert_eq(second.steal_permyriad, 1000);
	cr_assert_eq(second.cpu_some_ns, 5000);
	cr_assert_eq(second.memory_some_ns, 0);
	cr_assert_eq(second.io_some_ns, 7000);
}

Test(sense_host, a_clock_that_did_not_tick_gives_no_share)
{
	(void)take();
	cr_assert_eq(take().busy_permyriad, MISSING, "no time passed: neither busy nor idle");
}

Test(sense_host, iowait_that_runs_backwards_is_not_work)
{
	proc_write("stat", "cpu  100 0 100 800 50 0 0 0 0 0\n");
	(void)take();
	proc_write("stat", "cpu  100 0 100 900 40 0 0 0 0 0\n");
	cr_assert_eq(take().busy_permyriad, 0);
}

Test(sense_host, a_file_that_is_damaged_is_missing_and_comes_back)
{
	(void)take();
	proc_write("stat", "garbage\n");
	proc_write("meminfo", "");
	cr_assert_eq(take().busy_permyriad, MISSING);
	cr_assert_eq(take().memory_bytes, MISSING);
	proc_write("stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
	(void)take();
	proc_write("stat", "cpu  200 0 100 800 0 0 0 0 0 0\n");
	cr_assert_eq(take().busy_permyriad, 10000);
}

Test(sense_host, a_host_without_files_has_nothing_but_gaps)
{
	struct host empty;
	struct host_reading reading;

	host_open(&empty, "/nowhere", "/nowhere");
	host_read(&empty, buf, sizeof(buf), &reading);
	cr_assert_eq(reading.cpus, MISSING);
	cr_assert_eq(reading.memory_bytes, MISSING);
	cr_assert_eq(reading.memory_available_bytes, MISSING);
	cr_assert_eq(reading.load_permille, MISSING);
	cr_assert_eq(reading.busy_permyriad, MISSING);
	cr_assert_eq(reading.io_some_ns, MISSING);
	cr_assert_not(host_has_psi(&empty));
	cr_assert(host_has_psi(&host));
	host_close(&empty);
}
