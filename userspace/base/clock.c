/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks, in ns. Only programs and sense read them; decide gets time as an input.
 */
#include "base.h"

#include <time.h>

static uint64_t clock_read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t); /* cannot fail with these ids */
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}
