/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beat WORK_US PERIOD_US COUNT: computes for WORK_US every PERIOD_US and prints how long the answers took, in us.
 * Times run from when a request was due, not from when it was begun. Measures only; the machine and its
 * disturbances are lab.sh's.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t due_ns)
{
	struct timespec t = { .tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

/* The same instructions every time, whatever the clock says: in virtual time that is the same work. */
static void work(uint64_t loops)
{
	for (volatile uint64_t i = 0; i < loops; i++)
		;
}

static uint64_t loops_in(uint64_t ns)
{
	uint64_t trial = 1000000, start = now_ns(CLOCK_THREAD_CPUTIME_ID);

	work(trial);
	return trial * ns / (now_ns(CLOCK_THREAD_CPUTIME_ID) - start);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: beat WORK_US PERIOD_US COUNT\n");
		return 2;
	}
	uint64_t loops = loops_in(strtoull(argv[1], NULL, 10) * 1000);
	uint64_t period_ns = strtoull(argv[2], NULL, 10) * 1000;
	size_t count = strtoul(argv[3], NULL, 10);
	uint64_t *took_ns = calloc(count + !count, sizeof(*took_ns));

	if (!took_ns || !count)
		return 2;
	uint64_t start = now_ns(CLOCK_MONOTONIC) + period_ns;

	for (size_t i = 0; i < count; i++) {
		uint64_t due = start + i * period_ns;

		sleep_until(due);
		work(loops);
		took_ns[i] = now_ns(CLOCK_MONOTONIC) - due;
	}
	qsort(took_ns, count, sizeof(*took_ns), compare);
	printf("p50 %llu p99 %llu max %llu us\n", (unsigned long long)took_ns[count / 2] / 1000,
	       (unsigned long long)took_ns[count * 99 / 100] / 1000,
	       (unsigned long long)took_ns[count - 1] / 1000);
	free(took_ns);
	return 0;
}
