/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's texts to numbers: what is whole is read, what is damaged or absent is MISSING. Files
 * are read in test_sense_take.c.
 */
#include "sense/parse.h"

#include <criterion/criterion.h>

#include <inttypes.h>

static struct psi psi_of(const char *text)
{
	struct psi psi;

	psi_parse(text, &psi);
	return psi;
}

Test(sense_parse, pressure_totals_come_in_ns)
{
	struct psi psi = psi_of("some avg10=1.53 avg60=0.87 avg300=0.22 total=5134\n"
				"full avg10=0.00 avg60=0.00 avg300=0.00 total=17\n");

	cr_assert_eq(psi.some_ns, 5134000);
	cr_assert_eq(psi.full_ns, 17000);
}

Test(sense_parse, a_kernel_without_full_line_leaves_it_missing)
{
	struct psi psi = psi_of("some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");

	cr_assert_eq(psi.some_ns, 7000);
	cr_assert_eq(psi.full_ns, MISSING);
}

Test(sense_parse, damaged_pressure_is_missing_and_never_zero)
{
	static const char *const texts[] = {
		"",
		"\n\n\n",
		"some",
		"some ",
		"some total=",
		"some total=\n",
		"some avg10=0.00 total=-1\n",
		"some avg10=0.00 total=12x\n",
		"some avg10=0.00 total= 12\n",
		"some avg10=0.00\n total=12\n",
		"some avg10=0.00 total=18446744073709551616\n",
		"some avg10=0.00 total=99999999999999999999999999999999999999\n",
		"some avg10=0.00 total=18446744073709551614\n",
		"some avg10=0.00 Total=12\n",
		" some avg10=0.00 total=12\n",
		"total=12\n",
		"something avg10=0.00 total=12\n",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		struct psi psi = psi_of(texts[i]);

		cr_expect_eq(psi.some_ns, MISSING, "\"%s\" was read as %" PRIu64, texts[i],
			     psi.some_ns);
		cr_expect_eq(psi.full_ns, MISSING);
	}
}

Test(sense_parse, keys_are_found_in_any_order_and_only_whole)
{
	static const char *const keys[] = { "file", "pgmajfault", "absent" };
	uint64_t values[3];

	flat_parse("file_mapped 1\nxfile 2\npgmajfault 30\nfile 40\n", keys, 3, values);
	cr_assert_eq(values[0], 40);
	cr_assert_eq(values[1], 30);
	cr_assert_eq(values[2], MISSING);
}

Test(sense_parse, a_value_that_is_no_number_is_missing)
{
	static const char *const keys[] = { "a", "b", "c", "d", "e" };
	uint64_t values[5];

	flat_parse("a\nb \nc -5\nd 12q\ne 9223372036854775807999\n", keys, 5, values);
	for (unsigned int i = 0; i < 5; i++)
		cr_expect_eq(values[i], MISSING, "key %s", keys[i]);
}

Test(sense_parse, a_text_that_ends_early_keeps_what_came_before)
{
	static const char *const keys[] = { "usage_usec", "nr_throttled" };
	uint64_t values[2];

	flat_parse("usage_usec 12\nnr_thro", keys, 2, values);
	cr_assert_eq(values[0], 12);
	cr_assert_eq(values[1], MISSING);
}

Test(sense_parse, meminfo_has_colons_and_columns)
{
	static const char *const keys[] = { "MemTotal:", "MemAvailable:" };
	uint64_t values[2];

	flat_parse("MemTotal:       16384000 kB\nMemFree:  1 kB\nMemAvailable:    8192000 kB\n",
		   keys, 2, values);
	cr_assert_eq(values[0], 16384000);
	cr_assert_eq(values[1], 8192000);
}

Test(sense_parse, levels_are_one_number_and_nothing_else)
{
	cr_assert_eq(level_parse("4096\n"), 4096);
	cr_assert_eq(level_parse("0"), 0);
	cr_assert_eq(level_parse(""), MISSING);
	cr_assert_eq(level_parse("max\n"), MISSING);
	cr_assert_eq(level_parse("12 13\n"), MISSING);
	cr_assert_eq(level_parse("99999999999999999999\n"), MISSING);
}

Test(sense_parse, cpu_time_is_summed_without_counting_guests_twice)
{
	struct cpu_times times;

	cpu_times_parse("cpu  100 1 20 300 40 5 6 7 50 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n", &times);
	cr_assert_eq(times.total, 100 + 1 + 20 + 300 + 40 + 5 + 6 + 7);
	cr_assert_eq(times.idle, 340);
	cr_assert_eq(times.steal, 7);
}

Test(sense_parse, a_broken_cpu_line_is_missing)
{
	static const char *const texts[] = { "",
					     "cpu",
					     "cpu  1 2 3\n",
					     "cpu0 1 2 3 4 5 6 7 8\n",
					     "cpu  1 2 3 x 5 6 7 8\n",
					     "cpu  1 2 3 4 5 6 7 -8\n" };

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		struct cpu_times times;

		cpu_times_parse(texts[i], &times);
		cr_expect_eq(times.total, MISSING, "\"%s\"", texts[i]);
	}
}

Test(sense_parse, load_comes_in_thousandths)
{
	cr_assert_eq(load_parse("0.06 0.01 0.00 1/96 14763\n"), 60);
	cr_assert_eq(load_parse("12.5 1 1"), 12500);
	cr_assert_eq(load_parse("3.14159 "), 3141, "more digits than three are cut");
	cr_assert_eq(load_parse("7"), MISSING);
	cr_assert_eq(load_parse(".5"), MISSING);
	cr_assert_eq(load_parse(""), MISSING);
}

Test(sense_parse, cpu_lists_are_counted)
{
	cr_assert_eq(cpu_list_parse("0\n"), 1);
	cr_assert_eq(cpu_list_parse("0-3,6,8-9\n"), 7);
	cr_assert_eq(cpu_list_parse("\n"), MISSING);
	cr_assert_eq(cpu_list_parse("3-1\n"), MISSING);
	cr_assert_eq(cpu_list_parse("0-\n"), MISSING);
	cr_assert_eq(cpu_list_parse("0,\n"), MISSING);
	cr_assert_eq(cpu_list_parse("0-4611686018427387903,0-4611686018427387903"), MISSING);
}

/* A small generator of our own, so that a failure can be had again. */
static uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

Test(sense_parse, no_text_makes_a_parser_read_past_its_end)
{
	static const char alphabet[] = "some full total= avg10=\n\n 0123456789-,.:kBcpuMemTotal:";
	static const char *const keys[] = { "some", "MemTotal:", "cpu" };
	uint64_t state = 1;

	for (int round = 0; round < 20000; round++) {
		size_t length = random_next(&state) % 96;
		char *text =
			malloc(length + 1); /* exactly, so that a sanitizer sees one byte more */
		struct cpu_times times;
		struct psi psi;
		uint64_t values[3];

		for (size_t i = 0; i < length; i++)
			text[i] = alphabet[random_next(&state) % (sizeof(alphabet) - 1)];
		text[length] = '\0';
		psi_parse(text, &psi);
		flat_parse(text, keys, 3, values);
		cpu_times_parse(text, &times);
		(void)level_parse(text);
		(void)load_parse(text);
		(void)cpu_list_parse(text);
		cr_assert(psi.some_ns == MISSING || psi.some_ns < NUMBER_LIMIT, "seed round %d",
			  round);
		free(text);
	}
}
