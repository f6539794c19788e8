/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: units, errors, arena, small files, the worker thread, the knobs' text forms, cgroup places.
 */
#include "base.h"
#include "cgroup.h"
#include "knob.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>

/* ---- units ------------------------------------------------------------------------------------ */

struct unit_case {
	const char *text;
	int status;
	uint64_t value;
};

static void parses(int (*parse)(const char *, uint64_t *), const struct unit_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 4711;
		int r = parse(cases[i].text, &value);

		cr_assert_eq(r, cases[i].status, "'%s' gave %d", cases[i].text, r);
		cr_assert_eq(value, r == 0 ? cases[i].value : 4711, "'%s' gave %llu", cases[i].text,
			     (unsigned long long)value);
	}
}

Test(units, durations_need_a_unit_and_are_exact)
{
	static const struct unit_case cases[] = {
		{ "20ms", 0, 20000000 },	{ "1.5s", 0, 1500000000 },
		{ "250us", 0, 250000 },		{ "7d", 0, 604800000000000 },
		{ "0s", 0, 0 },			{ "0.000001s", 0, 1000 },
		{ "20", -EINVAL, 0 },		{ "ms", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },		{ "1 s", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },		{ "1.5ns", -EINVAL, 0 },
		{ "1e3s", -EINVAL, 0 },		{ "", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },		{ "99999999999999999999s", -ERANGE, 0 },
		{ "99999999999d", -ERANGE, 0 }, { "1.0000001s", -EINVAL, 0 },
	};

	parses(duration_parse, cases, ARRAY_SIZE(cases));
}

Test(units, sizes_cpus_and_shares_have_their_own_units)
{
	static const struct unit_case sizes[] = { { "512MiB", 0, 536870912 },
						  { "1.5KiB", 0, 1536 },
						  { "512MB", -EINVAL, 0 } };
	static const struct unit_case cpus[] = { { "1.5cpu", 0, 1500 },
						 { "0.001cpu", 0, 1 },
						 { "0.0001cpu", -EINVAL, 0 },
						 { "2", -EINVAL, 0 } };
	static const struct unit_case shares[] = { { "2%", 0, 200 },
						   { "0.5%", 0, 50 },
						   { "100%", 0, 10000 } };

	parses(size_parse, sizes, ARRAY_SIZE(sizes));
	parses(cpus_parse, cpus, ARRAY_SIZE(cpus));
	parses(share_parse, shares, ARRAY_SIZE(shares));
}

Test(units, numbers_are_written_in_the_largest_unit_that_reads_well)
{
	char buf[32];

	cr_assert_str_eq(duration_format(9100000, buf, sizeof(buf)), "9.1ms");
	cr_assert_str_eq(duration_format(5000000, buf, sizeof(buf)), "5ms");
	cr_assert_str_eq(duration_format(0, buf, sizeof(buf)), "0ns");
	cr_assert_str_eq(duration_format(999, buf, sizeof(buf)), "999ns");
	cr_assert_str_eq(duration_format(123456789, buf, sizeof(buf)), "123ms");
	cr_assert_str_eq(size_format(1610612736, buf, sizeof(buf)), "1.5GiB");
	cr_assert_str_eq(share_format(4000, buf, sizeof(buf)), "40%");
	cr_assert_str_eq(share_format(8333, buf, sizeof(buf)), "83.33%");
	cr_assert_str_eq(share_format(5, buf, sizeof(buf)), "0.05%");
	cr_assert_str_eq(cpus_format(1500, buf, sizeof(buf)), "1.5cpu");
}

Test(units, what_is_printed_exactly_is_read_back_the_same)
{
	static const uint64_t values[] = { 0, 1, 999, 1000, 1500000, 20000000, 60000000000 };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		char buf[32];
		uint64_t again = 1;

		cr_assert_eq(duration_parse(duration_format(values[i], buf, sizeof(buf)), &again), 0);
		cr_assert_eq(again, values[i], "%s", buf);
	}
}

/* ---- errors, arena ---------------------------------------------------------------------------- */

Test(errors, the_text_grows_from_the_failure_outwards)
{
	struct err e = { 0 };

	cr_assert_eq(err_set(&e, -ENOENT, "open %s", "memory.high"), -ENOENT);
	cr_assert_eq(err_context(&e, "capping %s", "/a"), -ENOENT);
	cr_assert_str_eq(e.text, "capping /a: open memory.high: No such file or directory");
}

Test(errors, a_text_that_is_too_long_ends_in_dots)
{
	struct err e = { 0 };
	char text[3000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_say(&e, -EINVAL, "%s", text);
	cr_assert_eq(strlen(e.text), sizeof(e.text) - 1);
	cr_assert_str_eq(e.text + sizeof(e.text) - 4, "...");
}

Test(arena, memory_is_zeroed_aligned_and_reused_after_a_reset)
{
	struct arena a;

	arena_init(&a);
	for (int round = 0; round < 3; round++) {
		for (size_t size = 1; size < 70000; size = size * 3 + 1) {
			unsigned char *p = arena_alloc(&a, size);

			cr_assert_eq((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < size; i++)
				cr_assert_eq(p[i], 0);
			memset(p, 0xaa, size);
		}
		arena_reset(&a);
	}
	cr_assert_str_eq(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	cr_assert_null(arena_alloc(&a, SIZE_MAX - 3), "an impossible size is refused");
	arena_fini(&a);
}

/* ---- files ------------------------------------------------------------------------------------ */

Test(files, a_replaced_file_has_the_new_text_and_nothing_is_left_beside_it)
{
	char directory[] = "/tmp/modelgov-test-XXXXXX", path[64];
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/f", directory);
	cr_assert_eq(file_replace(path, "old", 3, 0600, &e), 0, "%s", e.text);
	cr_assert_eq(file_replace(path, "new", 3, 0600, &e), 0, "%s", e.text);
	cr_assert_eq(file_read_all(AT_FDCWD, path, 100, &text, NULL, &e), 0);
	cr_assert_str_eq(text, "new");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(rmdir(directory), 0, "a temporary file was left behind");
}

Test(files, a_file_over_the_limit_is_refused)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	cr_assert_eq(file_read_all(AT_FDCWD, "/proc/self/mountinfo", 10, &text, NULL, &e), -EFBIG);
	cr_assert_null(text);
}

Test(files, a_key_of_a_flat_file_is_found_only_as_a_whole_word)
{
	const char *text = "anon 1\nfile 22\nfile_mapped 333\nbad x\nlast 4";
	uint64_t value = 0;

	cr_assert_eq(flat_file_find(text, "file", &value), 0);
	cr_assert_eq(value, 22);
	cr_assert_eq(flat_file_find(text, "last", &value), 0);
	cr_assert_eq(value, 4);
	cr_assert_eq(flat_file_find(text, "fil", &value), -ENOENT);
	cr_assert_eq(flat_file_find(text, "bad", &value), -EINVAL);
	cr_assert_eq(flat_file_find("", "file", &value), -ENOENT);
}

/* ---- worker ----------------------------------------------------------------------------------- */

struct count_job {
	struct job job;
	int *order, at;
};

static void count_run(struct job *job, void *context)
{
	struct count_job *c = (struct count_job *)job;

	c->at = (*(int *)context)++;
}

static void count_done(struct job *job, void *context)
{
	struct count_job *c = (struct count_job *)job;

	c->order[c->at]++;
	free(c);
}

Test(worker, every_job_is_done_once_and_in_order_also_at_the_end)
{
	int counter = 0, order[100] = { 0 };
	struct worker *w;
	struct err e = { 0 };

	cr_assert_eq(worker_new("test", &counter, &w, &e), 0, "%s", e.text);
	for (int i = 0; i < 100; i++) {
		struct count_job *c = calloc(1, sizeof(*c));

		*c = (struct count_job){ .job = { .run = count_run, .done = count_done },
					 .order = order };
		worker_post(w, &c->job);
	}
	struct pollfd p = { .fd = worker_fd(w), .events = POLLIN };

	cr_assert_eq(poll(&p, 1, 10000), 1, "a finished job makes the descriptor readable");
	worker_reap(w);
	worker_free(w);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(order[i], 1, "job %d", i);
}

/* ---- knobs, cgroups --------------------------------------------------------------------------- */

Test(knobs, the_text_of_a_control_file_becomes_a_value_and_back)
{
	uint64_t value = 0;
	char buf[64];

	cr_assert_eq(knob_parse(KNOB_CPU_MAX, "max 100000\n", &value), 0);
	cr_assert_eq(value, VALUE_MAX);
	cr_assert_eq(knob_parse(KNOB_CPU_MAX, "25000 50000\n", &value), 0);
	cr_assert_eq(value, 50000, "scaled to our period");
	cr_assert_eq(knob_parse(KNOB_IO_WEIGHT, "default 200\n8:0 300\n", &value), 0);
	cr_assert_eq(value, 200);
	cr_assert_eq(knob_parse(KNOB_MEMORY_HIGH, "max\n", &value), 0);
	cr_assert_eq(value, VALUE_MAX);
	cr_assert_eq(knob_parse(KNOB_CPU_WEIGHT, "", &value), -EINVAL);
	cr_assert_eq(knob_parse(KNOB_CPU_WEIGHT, "-3", &value), -EINVAL);
	cr_assert_eq(knob_parse(KNOB_CPU_MAX, "100 0", &value), -EINVAL);
	cr_assert_str_eq(knob_print(KNOB_CPU_MAX, 150000, buf, sizeof(buf)), "150000 100000");
	cr_assert_str_eq(knob_print(KNOB_IO_WEIGHT, 300, buf, sizeof(buf)), "default 300");
	cr_assert_str_eq(knob_describe(KNOB_CPU_MAX, 150000, buf, sizeof(buf)), "1.5cpu");
}

Test(knobs, every_knob_is_found_by_its_file)
{
	for (unsigned int k = 0; k < N_KNOBS; k++) {
		enum knob found = N_KNOBS;

		cr_assert_eq(knob_find(knob_table[k].file, &found), 0);
		cr_assert_eq(found, k);
	}
}

Test(cgroups, a_place_is_written_only_by_its_owner)
{
	const uint32_t weights = (1u << KNOB_CPU_WEIGHT) | (1u << KNOB_IO_WEIGHT);
	uint32_t knobs = 0;

	cr_assert_eq(cgroup_classify("/system.slice/a.service", "a.service", true, &knobs),
		     DRIVER_SYSTEMD);
	cr_assert_eq(knobs & weights, weights);
	cr_assert_neq(knobs & (1u << KNOB_CPU_MAX), 0);

	const char *scope = "/modelgov.slice/modelgov-ocr.scope";

	cr_assert_eq(cgroup_classify(scope, "modelgov-ocr.scope", true, &knobs), DRIVER_SYSTEMD);
	cr_assert_eq(knobs, weights, "weights compete among siblings");
	cr_assert_eq(cgroup_classify("/modelgov.slice/modelgov-ocr.scope/main", "", true, &knobs),
		     DRIVER_DELEGATED);
	cr_assert_eq(knobs & weights, 0, "limits hold inside");

	cr_assert_eq(cgroup_classify("/machine.slice/libpod-1.scope/container", "", true, &knobs),
		     DRIVER_OBSERVE);
	cr_assert_eq(knobs, 0);
	cr_assert_eq(cgroup_classify("/anything", "", false, &knobs), DRIVER_DELEGATED);
}

Test(cgroups, names_are_safe_in_paths_and_unit_names)
{
	cr_assert(model_name_is_valid("ocr"));
	cr_assert(model_name_is_valid("llama-3-70b"));
	cr_assert_not(model_name_is_valid(""));
	cr_assert_not(model_name_is_valid("-x"));
	cr_assert_not(model_name_is_valid("x-"));
	cr_assert_not(model_name_is_valid("../x"));
	cr_assert_not(model_name_is_valid("Ocr"));
	cr_assert_not(model_name_is_valid("a.b"));
	cr_assert_not(model_name_is_valid(
		"a123456789012345678901234567890123456789012345678901234567890123"));
}
