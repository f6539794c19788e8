/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: intervals are the textbook's, verdicts what intervals and margin say. The laws over
 * thousands of samples are in tests/property.
 */
#include "verify.h"

#include <criterion/criterion.h>

#include <inttypes.h>

static uint64_t ranks[VERIFY_SAMPLES_MAX]; /* 1, 2, 3, ...: a sample is its own rank */

static void begin(void)
{
	for (uint64_t i = 0; i < ARRAY_SIZE(ranks); i++)
		ranks[i] = i + 1;
}

TestSuite(verify, .init = begin);

/* Ranks from binomial tails of at most 1.25 % an end, computed with exact fractions (python's
 * math.comb). */
Test(verify, intervals_are_those_of_the_binomial_distribution)
{
	static const struct {
		uint64_t n, quantile, lower, value, upper;
	} cases[] = {
		{ 1, 5000, MISSING, 1, MISSING },
		{ 6, 5000, MISSING, 3, MISSING },
		{ 7, 5000, 1, 4, 7 },
		{ 10, 5000, 2, 5, 9 },
		{ 30, 5000, 9, 15, 22 },
		{ 100, 5000, 39, 50, 62 },
		{ 1000, 5000, 465, 500, 536 },
		{ 20, 9000, 15, 18, MISSING },
		{ 45, 9000, 36, 41, 45 },
		{ 100, 9000, 83, 90, 97 },
		{ 100, 9900, 96, 99, MISSING },
		{ 435, 9900, 425, 431, MISSING },
		{ 436, 9900, 426, 432, MISSING },
		{ 500, 9900, 489, 495, 500 },
		{ 1000, 9900, 982, 990, 997 },
		{ 300, 9990, 298, 300, MISSING },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct interval x = quantile_interval(ranks, cases[i].n, cases[i].quantile);

		cr_assert(x.lower == cases[i].lower && x.value == cases[i].value &&
				  x.upper == cases[i].upper && x.samples == cases[i].n,
			  "n %" PRIu64 ", quantile %" PRIu64 ": %" PRIu64 " %" PRIu64 " %" PRIu64,
			  cases[i].n, cases[i].quantile, x.lower, x.value, x.upper);
	}
}

Test(verify, seven_samples_bound_a_median_and_437_a_p99)
{
	cr_assert_eq(quantile_samples_needed(5000), 7);
	cr_assert_eq(quantile_samples_needed(9900), 437);
	cr_assert_eq(quantile_samples_needed(100), 437, "the other end is as far away");
	cr_assert_eq(quantile_interval(ranks, 437, 9900).upper, 437);
	cr_assert_eq(quantile_interval(ranks, 436, 9900).upper, MISSING);
	cr_assert_eq(quantile_interval(ranks, 7, 5000).lower, 1);
	cr_assert_eq(quantile_interval(ranks, 6, 5000).lower, MISSING);
}

Test(verify, verdicts_follow_from_intervals_and_margin)
{
	static const struct {
		struct interval before, after;
		enum direction direction;
		enum verify_verdict verdict;
		int64_t lower, upper;
	} cases[] = {
		/* latency: lower is better; the margin is 5 % */
		{ { 100, 100, 100 }, { 90, 95, 99 }, LOWER_IS_BETTER, VERIFY_BETTER, -1000, -100 },
		{ { 100, 100, 100 }, { 99, 100, 105 }, LOWER_IS_BETTER, VERIFY_EQUAL, -100, 500 },
		{ { 100, 100, 100 }, { 100, 100, 100 }, LOWER_IS_BETTER, VERIFY_EQUAL, 0, 0 },
		{ { 1000, 1000, 1000 },
		  { 990, 1000, 1051 },
		  LOWER_IS_BETTER,
		  VERIFY_INCONCLUSIVE,
		  -100,
		  510 },
		{ { 1000, 1000, 1000 },
		  { 1050, 1200, 1300 },
		  LOWER_IS_BETTER,
		  VERIFY_INCONCLUSIVE,
		  500,
		  3000 },
		{ { 1000, 1000, 1000 },
		  { 1051, 1200, 1300 },
		  LOWER_IS_BETTER,
		  VERIFY_WORSE,
		  510,
		  3000 },
		{ { 80, 100, 120 },
		  { 80, 100, 120 },
		  LOWER_IS_BETTER,
		  VERIFY_INCONCLUSIVE,
		  -3334,
		  5000 },
		/* throughput: higher is better */
		{ { 100, 100, 100 },
		  { 101, 110, 120 },
		  HIGHER_IS_BETTER,
		  VERIFY_BETTER,
		  100,
		  2000 },
		{ { 100, 100, 100 }, { 95, 100, 120 }, HIGHER_IS_BETTER, VERIFY_EQUAL, -500, 2000 },
		{ { 100, 100, 100 }, { 90, 92, 94 }, HIGHER_IS_BETTER, VERIFY_WORSE, -1000, -600 },
		{ { 100, 100, 100 },
		  { 90, 92, 98 },
		  HIGHER_IS_BETTER,
		  VERIFY_INCONCLUSIVE,
		  -1000,
		  -200 },
		/* from nothing to something */
		{ { 0, 0, 0 }, { 0, 0, 0 }, LOWER_IS_BETTER, VERIFY_EQUAL, 0, 0 },
		{ { 0, 0, 0 }, { 1, 1, 1 }, LOWER_IS_BETTER, VERIFY_WORSE, 1000000000, 1000000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct contrast c =
			verify_compare(&cases[i].before, &cases[i].after, cases[i].direction, 500);

		cr_assert(c.has_change);
		cr_assert(c.verdict == cases[i].verdict && c.lower_permyriad == cases[i].lower &&
				  c.upper_permyriad == cases[i].upper,
			  "case %zu: %s, %" PRId64 " to %" PRId64, i,
			  verify_verdict_name(c.verdict), c.lower_permyriad, c.upper_permyriad);
	}
}

Test(verify, without_both_ends_there_is_no_verdict)
{
	const struct interval whole = { 100, 100, 100, 500 }, open = { 10, 10, MISSING, 20 };

	cr_assert_eq(verify_compare(&whole, &open, LOWER_IS_BETTER, 500).verdict,
		     VERIFY_INCONCLUSIVE);
	cr_assert_eq(verify_compare(&open, &whole, LOWER_IS_BETTER, 500).verdict,
		     VERIFY_INCONCLUSIVE);
	cr_assert_not(verify_compare(&open, &whole, LOWER_IS_BETTER, 500).has_change);
}

Test(verify, one_part_that_is_worse_makes_the_whole_worse)
{
	static const struct {
		enum verify_verdict parts[3], whole;
	} cases[] = {
		{ { VERIFY_BETTER, VERIFY_WORSE, VERIFY_INCONCLUSIVE }, VERIFY_WORSE },
		{ { VERIFY_BETTER, VERIFY_EQUAL, VERIFY_INCONCLUSIVE }, VERIFY_INCONCLUSIVE },
		{ { VERIFY_EQUAL, VERIFY_BETTER, VERIFY_EQUAL }, VERIFY_BETTER },
		{ { VERIFY_EQUAL, VERIFY_EQUAL, VERIFY_EQUAL }, VERIFY_EQUAL },
		{ { VERIFY_BETTER, VERIFY_BETTER, VERIFY_BETTER }, VERIFY_BETTER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_assert_eq(verify_combine(cases[i].parts, 3), cases[i].whole, "case %zu", i);
	cr_assert_eq(verify_combine(NULL, 0), VERIFY_INCONCLUSIVE);
}
