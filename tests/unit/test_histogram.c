/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait histogram's arithmetic: where a wait is counted, what a slot stands for, which slot a quantile
 * is in. That the kernel counts in the same slots is tested in tests/bpf.
 */
#include <criterion/criterion.h>

#include <inttypes.h>

#include "model.h"
#include "sense/probes.h"

#define LONGEST ((UINT64_C(1) << WAIT_MAX_EXPONENT) - 1)

static void holds(uint64_t ns)
{
	unsigned int slot = wait_slot(ns);

	cr_assert_lt(slot, WAIT_SLOTS, "%" PRIu64 " ns", ns);
	cr_assert(wait_slot_low_ns(slot) <= ns && ns <= wait_slot_high_ns(slot),
		  "%" PRIu64 " ns is in slot %u, which is %" PRIu64 "-%" PRIu64, ns, slot,
		  wait_slot_low_ns(slot), wait_slot_high_ns(slot));
}

Test(histogram, slots_follow_each_other_without_gap_or_overlap)
{
	cr_assert_eq(wait_slot_low_ns(0), 0);
	for (unsigned int slot = 1; slot < WAIT_SLOTS; slot++)
		cr_assert_eq(wait_slot_low_ns(slot), wait_slot_high_ns(slot - 1) + 1, "slot %u", slot);
	cr_assert_eq(wait_slot_high_ns(WAIT_SLOTS - 1), LONGEST);
}

Test(histogram, each_wait_is_counted_in_the_slot_that_holds_it)
{
	uint64_t random = 88172645463325252;

	for (uint64_t ns = 0; ns < 5000; ns++)
		holds(ns);
	for (unsigned int e = 4; e < WAIT_MAX_EXPONENT; e++) {
		holds((UINT64_C(1) << e) - 1);
		holds(UINT64_C(1) << e);
		holds((UINT64_C(1) << e) + 1);
	}
	for (int i = 0; i < 100000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		holds(random >> (64 - WAIT_MAX_EXPONENT + random % WAIT_MAX_EXPONENT));
	}
	holds(LONGEST);
}

Test(histogram, a_slot_is_at_most_a_sixteenth_of_its_values_wide)
{
	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++) {
		uint64_t low = wait_slot_low_ns(slot), high = wait_slot_high_ns(slot);

		cr_assert_leq((high - low) * 16, low, "slot %u is %" PRIu64 "-%" PRIu64, slot, low, high);
	}
}

Test(histogram, the_last_slot_takes_whatever_is_longer)
{
	cr_assert_eq(wait_slot(LONGEST), WAIT_SLOTS - 1);
	cr_assert_eq(wait_slot(LONGEST + 1), WAIT_SLOTS - 1);
	cr_assert_eq(wait_slot(UINT64_MAX), WAIT_SLOTS - 1);
}

Test(histogram, a_quantile_is_the_upper_bound_of_the_slot_of_its_rank)
{
	uint32_t counts[WAIT_SLOTS] = { 0 };
	const unsigned int fast = wait_slot(1000), slow = wait_slot(5000000);

	counts[fast] = 99;
	counts[slow] = 1;
	cr_assert_eq(wait_quantile_ns(counts, 100, 0), wait_slot_high_ns(fast), "the smallest");
	cr_assert_eq(wait_quantile_ns(counts, 100, 5000), wait_slot_high_ns(fast));
	cr_assert_eq(wait_quantile_ns(counts, 100, 9900), wait_slot_high_ns(fast), "rank 99 of 100");
	cr_assert_eq(wait_quantile_ns(counts, 100, 9901), wait_slot_high_ns(slow), "rank 99.01 is the next");
	cr_assert_eq(wait_quantile_ns(counts, 100, 10000), wait_slot_high_ns(slow), "the largest");
}

Test(histogram, a_quantile_of_very_many_waits_does_not_overflow)
{
	uint32_t counts[WAIT_SLOTS];
	uint64_t n = 0;

	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++)
		n += counts[slot] = UINT32_MAX;
	cr_assert_eq(wait_quantile_ns(counts, n, 5000), wait_slot_high_ns(WAIT_SLOTS / 2 - 1));
	cr_assert_eq(wait_quantile_ns(counts, n, 10000), LONGEST);
}

Test(histogram, nothing_has_no_quantile)
{
	const uint32_t counts[WAIT_SLOTS] = { 0 };

	cr_assert_eq(wait_quantile_ns(counts, 0, 9900), MISSING);
}
