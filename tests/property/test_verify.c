/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of verify's statistics over thousands of seeded samples: intervals cover what they say, what
 * is the same is rarely called worse, what is clearly slower is called so. A failure names its
 * counts; seeds are fixed.
 */
#include "verify.h"

#include <criterion/criterion.h>

#include <inttypes.h>

#define TRIALS  4000
#define SAMPLES 600

/* xorshift64*, Marsaglia 2003, Vigna 2016 */
static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Shapes of latencies, in us; each from a uniform number of 32 bits. */
enum shape { SHAPE_UNIFORM, SHAPE_TAIL, SHAPE_TWO_HUMPS, SHAPE_STEPS, N_SHAPES };

static uint64_t latency(uint64_t *state, enum shape shape)
{
	uint64_t u = random_next(state) >> 32;

	switch (shape) {
	case SHAPE_UNIFORM:
		return 1000 + u / 4294968;
	case SHAPE_TAIL: /* Pareto with index 1: without a mean even */
		return 1000 * (1ULL << 32) / (u + 1);
	case SHAPE_TWO_HUMPS: /* every twentieth request misses a cache */
		return (u % 20 == 0 ? 50000 : 1000) + (u >> 8) % 500;
	case SHAPE_STEPS: /* a coarse clock */
		return 1000 + u / 429496730 * 100;
	case N_SHAPES:
		break;
	}
	return 0;
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Ascending samples; each is stretched by percent. */
static void samples_take(uint64_t *state, enum shape shape, uint64_t percent, uint64_t *ret_samples)
{
	for (unsigned int i = 0; i < SAMPLES; i++)
		ret_samples[i] = latency(state, shape) * percent / 100;
	qsort(ret_samples, SAMPLES, sizeof(*ret_samples), order);
}

Test(verify_laws, an_interval_covers_the_true_quantile_in_97_5_percent_of_all_cases)
{
	static const uint64_t quantiles[] = { 5000, 9000, 9900 };
	uint64_t samples[SAMPLES];

	for (size_t q = 0; q < ARRAY_SIZE(quantiles); q++) {
		/* of SHAPE_UNIFORM: 1000 to 2000 */
		uint64_t truth = 1000 + quantiles[q] / 10, state = 7, covered = 0;

		for (int i = 0; i < TRIALS; i++) {
			struct interval x;

			samples_take(&state, SHAPE_UNIFORM, 100, samples);
			x = quantile_interval(samples, SAMPLES, quantiles[q]);
			covered += x.lower <= truth && truth <= x.upper;
		}
		/* three standard deviations of 4000 trials at 97.5 % are 30 */
		cr_assert_geq(covered, TRIALS * 975 / 1000 - 30, "p%" PRIu64 ": %" PRIu64 " of %d",
			      quantiles[q] / 100, covered, TRIALS);
	}
}

/* How often each verdict comes for that shape when after is stretched by percent. */
static void verdicts_count(enum shape shape, uint64_t quantile, uint64_t percent, uint64_t margin,
			   uint64_t *ret_counts)
{
	uint64_t before[SAMPLES], after[SAMPLES], state = 11 + shape;

	memset(ret_counts, 0, sizeof(*ret_counts) * N_VERIFY_VERDICTS);
	for (int i = 0; i < TRIALS / 4; i++) {
		struct interval a, b;

		samples_take(&state, shape, 100, before);
		samples_take(&state, shape, percent, after);
		a = quantile_interval(before, SAMPLES, quantile);
		b = quantile_interval(after, SAMPLES, quantile);
		ret_counts[verify_compare(&a, &b, LOWER_IS_BETTER, margin).verdict]++;
	}
}

Test(verify_laws, the_same_is_called_worse_or_better_in_less_than_one_percent_of_all_cases)
{
	static const uint64_t quantiles[] = { 5000, 9900 };

	for (enum shape s = 0; s < N_SHAPES; s++) {
		for (size_t q = 0; q < ARRAY_SIZE(quantiles); q++) {
			uint64_t counts[N_VERIFY_VERDICTS];

			verdicts_count(s, quantiles[q], 100, 0, counts);
			cr_assert_leq(counts[VERIFY_WORSE], TRIALS / 4 / 100,
				      "shape %d, p%" PRIu64 ": worse %" PRIu64, s,
				      quantiles[q] / 100, counts[VERIFY_WORSE]);
			cr_assert_leq(counts[VERIFY_BETTER], TRIALS / 4 / 100,
				      "shape %d, p%" PRIu64 ": better %" PRIu64, s,
				      quantiles[q] / 100, counts[VERIFY_BETTER]);
		}
	}
}

/* What is slower by more than the margin may be unknown, but never passes for equal or better. */
Test(verify_laws, what_is_slower_than_the_margin_never_passes_as_equal)
{
	for (enum shape s = 0; s < N_SHAPES; s++) {
		uint64_t counts[N_VERIFY_VERDICTS];

		verdicts_count(s, 5000, 110, 500, counts);
		cr_assert_leq(counts[VERIFY_EQUAL] + counts[VERIFY_BETTER], TRIALS / 4 * 25 / 1000,
			      "shape %d: equal %" PRIu64, s, counts[VERIFY_EQUAL]);
	}
}

Test(verify_laws, what_takes_one_and_a_half_times_as_long_is_called_worse)
{
	for (enum shape s = 0; s < N_SHAPES; s++) {
		uint64_t counts[N_VERIFY_VERDICTS];

		verdicts_count(s, 5000, 150, 500, counts);
		cr_assert_geq(counts[VERIFY_WORSE], TRIALS / 4 * 99 / 100,
			      "shape %d: worse %" PRIu64, s, counts[VERIFY_WORSE]);
	}
}

Test(verify_laws, what_takes_half_as_long_is_called_better)
{
	for (enum shape s = 0; s < N_SHAPES; s++) {
		uint64_t counts[N_VERIFY_VERDICTS];

		verdicts_count(s, 5000, 50, 500, counts);
		cr_assert_geq(counts[VERIFY_BETTER], TRIALS / 4 * 99 / 100,
			      "shape %d: better %" PRIu64, s, counts[VERIFY_BETTER]);
	}
}

/* Where the spread is small, equal is found and not only guessed. */
Test(verify_laws, the_same_with_little_spread_is_called_equal)
{
	uint64_t counts[N_VERIFY_VERDICTS];

	verdicts_count(SHAPE_TWO_HUMPS, 5000, 100, 1000, counts);
	cr_assert_geq(counts[VERIFY_EQUAL], TRIALS / 4 * 95 / 100, "equal %" PRIu64,
		      counts[VERIFY_EQUAL]);
}

/* The ranks never cross, whatever n and quantile. */
Test(verify_laws, ends_are_in_order_for_every_size_and_quantile)
{
	uint64_t *samples = calloc(VERIFY_SAMPLES_MAX, sizeof(*samples)), state = 3;

	for (uint64_t i = 0; i < VERIFY_SAMPLES_MAX; i++)
		samples[i] = i;
	for (int i = 0; i < TRIALS; i++) {
		uint64_t n = 1 + random_next(&state) % (i % 100 ? 2000 : VERIFY_SAMPLES_MAX);
		uint64_t quantile = 1 + random_next(&state) % 9999;
		struct interval x = quantile_interval(samples, n, quantile);

		cr_assert(x.lower == MISSING || x.lower <= x.value, "n %" PRIu64 " q %" PRIu64, n,
			  quantile);
		cr_assert(x.upper == MISSING || (x.upper >= x.value && x.upper < n),
			  "n %" PRIu64 " q %" PRIu64, n, quantile);
		cr_assert_eq(x.lower != MISSING && x.upper != MISSING,
			     n >= quantile_samples_needed(quantile), "n %" PRIu64 " q %" PRIu64, n,
			     quantile);
	}
	free(samples);
}
