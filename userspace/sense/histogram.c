/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of the log-linear wait histogram (abi.h): value to slot, slot to bounds, counts to
 * quantile. Counting is the kernel's, windows are window.c's.
 */
#include "model.h"
#include "probes.h"

unsigned int wait_slot(uint64_t ns)
{
	if (ns < 1u << WAIT_SUB_BITS)
		return (unsigned int)ns;
	if (ns >> WAIT_MAX_EXPONENT)
		return WAIT_SLOTS - 1;

	unsigned int shift = 63 - (unsigned int)__builtin_clzll(ns) - WAIT_SUB_BITS;

	/* ns >> shift is 16-31: its leading one moves the slot past all smaller exponents */
	return (shift << WAIT_SUB_BITS) + (unsigned int)(ns >> shift);
}

uint64_t wait_slot_low_ns(unsigned int slot)
{
	if (slot < 1u << WAIT_SUB_BITS)
		return slot;

	unsigned int shift = (slot >> WAIT_SUB_BITS) - 1;

	return (uint64_t)(slot - (shift << WAIT_SUB_BITS)) << shift;
}

uint64_t wait_slot_high_ns(unsigned int slot)
{
	return wait_slot_low_ns(slot + 1) - 1;
}

uint64_t wait_quantile_ns(const uint32_t *counts, uint64_t n, uint64_t quantile_permyriad)
{
	if (n == 0)
		return MISSING;

	/* without n * quantile, which may not fit */
	uint64_t rank = n / PERMYRIAD * quantile_permyriad +
			(n % PERMYRIAD * quantile_permyriad + PERMYRIAD - 1) / PERMYRIAD;
	uint64_t seen = 0;

	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++) {
		seen += counts[slot];
		if (seen >= MAX(rank, UINT64_C(1)))
			return wait_slot_high_ns(slot);
	}
	return MISSING; /* n promised more than counts hold */
}
