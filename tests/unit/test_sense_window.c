/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows: what they hold as time moves on, and that a quantile from panes of buckets is the true
 * one within the error of a bucket.
 */
#include "sense/probes.h"
#include "sense/window.h"

#include <criterion/criterion.h>

#include <inttypes.h>

#define SEC(n) ((uint64_t)(n)*NSEC_PER_SEC)

static uint64_t p99(const struct wait_window *w)
{
	return wait_quantile_ns(w->sum, w->n, 9900);
}

Test(sense_window, an_empty_window_has_no_quantile)
{
	struct wait_window w;

	cr_assert_eq(wait_window_init(&w, SEC(16)), 0);
	wait_window_advance(&w, SEC(1000));
	cr_assert_eq(w.n, 0);
	cr_assert_eq(p99(&w), MISSING);
	wait_window_fini(&w);
}

Test(sense_window, waits_fall_out_after_the_window_and_not_before)
{
	struct wait_window w;

	cr_assert_eq(wait_window_init(&w, SEC(16)), 0);
	wait_window_advance(&w, SEC(1000));
	wait_window_add(&w, wait_slot(5000), 3);
	wait_window_advance(&w, SEC(1015));
	cr_assert_eq(w.n, 3, "fifteen seconds later they count");
	wait_window_advance(&w, SEC(1016));
	cr_assert_eq(w.n, 0, "sixteen seconds later they do not");
	wait_window_fini(&w);
}

Test(sense_window, a_gap_longer_than_the_window_empties_it)
{
	struct wait_window w;

	cr_assert_eq(wait_window_init(&w, SEC(16)), 0);
	for (int second = 0; second < 16; second++) {
		wait_window_advance(&w, SEC(1000 + second));
		wait_window_add(&w, 100, 1);
	}
	cr_assert_eq(w.n, 16);
	wait_window_advance(&w, SEC(100000));
	cr_assert_eq(w.n, 0);
	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++)
		cr_assert_eq(w.sum[slot], 0, "slot %u", slot);
	wait_window_fini(&w);
}

Test(sense_window, a_window_shorter_than_a_tick_holds_the_latest_tick)
{
	struct wait_window w;

	cr_assert_eq(wait_window_init(&w, NSEC_PER_MSEC), 0);
	for (int second = 1; second < 5; second++) {
		wait_window_advance(&w, SEC(second));
		wait_window_add(&w, 100, (uint64_t)second);
		cr_assert_eq(w.n, (uint64_t)second);
	}
	wait_window_fini(&w);
}

Test(sense_window, a_clock_that_runs_backwards_loses_nothing)
{
	struct wait_window w;

	cr_assert_eq(wait_window_init(&w, SEC(16)), 0);
	wait_window_advance(&w, SEC(1000));
	wait_window_add(&w, 100, 1);
	wait_window_advance(&w, SEC(10));
	cr_assert_eq(w.n, 1);
	wait_window_fini(&w);
}

Test(sense_window, buckets_that_overflow_stay_full_and_come_back_exact)
{
	struct wait_window w;

	cr_assert_eq(wait_window_init(&w, SEC(16)), 0);
	wait_window_advance(&w, SEC(1000));
	wait_window_add(&w, 100, UINT64_MAX / 2);
	wait_window_advance(&w, SEC(1001));
	wait_window_add(&w, 100, 7);
	cr_assert_eq(w.n, UINT32_MAX, "saturated, not wrapped");
	wait_window_advance(&w, SEC(1016));
	cr_assert_eq(w.n, 7, "the seven are known again once the flood is out");
	cr_assert_eq(w.sum[100], 7);
	wait_window_fini(&w);
}

/* ---- against a sorted reference -------------------------------------------------------------- */

static uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x == y ? 0 : x < y ? -1 : 1;
}

/* Waits spread over six orders of magnitude, as real ones are. */
static uint64_t random_wait_ns(uint64_t *state)
{
	return (uint64_t)random_next(state) % (1ULL << (10 + random_next(state) % 20));
}

#define TICKS    40
#define PER_TICK 50

Test(sense_window, a_windowed_quantile_is_the_true_one_within_a_bucket)
{
	static const uint64_t quantiles[] = { 5000, 9000, 9900, 9990, 10000 };
	static uint64_t waits[TICKS][PER_TICK], sorted[TICKS * PER_TICK];

	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t state = seed;
		struct wait_window w;

		cr_assert_eq(wait_window_init(&w, SEC(16)), 0); /* a pane is a second, a tick too */
		for (int tick = 0; tick < TICKS; tick++) {
			size_t n = 0;

			wait_window_advance(&w, SEC(1000 + tick));
			for (int i = 0; i < PER_TICK; i++) {
				waits[tick][i] = random_wait_ns(&state);
				wait_window_add(&w, wait_slot(waits[tick][i]), 1);
			}
			for (int back = 0; back < WINDOW_PANES && back <= tick;
			     back++, n += PER_TICK)
				memcpy(&sorted[n], waits[tick - back], sizeof(waits[0]));
			qsort(sorted, n, sizeof(sorted[0]), compare_ns);
			cr_assert_eq(w.n, n);
			for (unsigned int q = 0; q < ARRAY_SIZE(quantiles); q++) {
				uint64_t rank = (n * quantiles[q] + 9999) / 10000;
				uint64_t truth = sorted[MAX(rank, 1ULL) - 1];
				uint64_t found = wait_quantile_ns(w.sum, w.n, quantiles[q]);

				cr_assert(found >= truth && found <= truth + truth / 16 + 1,
					  "seed %" PRIu64 " tick %d quantile %" PRIu64 ": %" PRIu64
					  " for %" PRIu64,
					  seed, tick, quantiles[q], found, truth);
			}
		}
		wait_window_fini(&w);
	}
}

/* ---- stalls ---------------------------------------------------------------------------------- */

Test(sense_window, a_stall_share_is_stalled_time_over_elapsed_time)
{
	struct stall_window w;
	uint64_t ticks = 99;

	stall_window_init(&w, SEC(16));
	cr_assert_eq(stall_window_share(&w, &ticks), MISSING);
	cr_assert_eq(ticks, 0);
	stall_window_advance(&w, SEC(1000));
	stall_window_add(&w, NSEC_PER_SEC / 50, SEC(1));
	stall_window_advance(&w, SEC(1001));
	stall_window_add(&w, 0, SEC(1));
	cr_assert_eq(stall_window_share(&w, &ticks), 100, "20 ms of 2 s are 1 %%");
	cr_assert_eq(ticks, 2);
}

Test(sense_window, a_stall_share_forgets_with_its_window)
{
	struct stall_window w;
	uint64_t ticks;

	stall_window_init(&w, SEC(16));
	stall_window_advance(&w, SEC(1000));
	stall_window_add(&w, SEC(1), SEC(1));
	for (int second = 1; second < 16; second++) {
		stall_window_advance(&w, SEC(1000 + second));
		stall_window_add(&w, 0, SEC(1));
	}
	cr_assert_eq(stall_window_share(&w, &ticks), PERMYRIAD / 16);
	stall_window_advance(&w, SEC(1016));
	stall_window_add(&w, 0, SEC(1));
	cr_assert_eq(stall_window_share(&w, &ticks), 0);
	cr_assert_eq(ticks, 16);
}

Test(sense_window, a_stall_share_is_at_most_the_whole)
{
	struct stall_window w;
	uint64_t ticks;

	stall_window_init(&w, SEC(16));
	stall_window_advance(&w, SEC(1000));
	stall_window_add(&w, SEC(3), SEC(1));
	cr_assert_eq(stall_window_share(&w, &ticks), PERMYRIAD);
}
