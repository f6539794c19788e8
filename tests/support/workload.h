/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload: cgroups of our own and processes in them that do what they are told: burn a CPU, nap, crowd a
 * CPU with threads, pass a byte to and fro. A worker that was told nothing sleeps, so its counters stand
 * still and can be compared. Only for tests that run as root.
 */
#ifndef MODELGOV_TESTS_WORKLOAD_H
#define MODELGOV_TESTS_WORKLOAD_H

#include "base.h"

#include <sys/types.h>

/*
 * A cgroup2 directory, and where the cpu controller still is in a v1 hierarchy, one there as well, so
 * that quotas work on hybrid hosts too.
 */
struct spot {
	char path[1024];     /* in cgroup2 */
	char cpu_path[1024]; /* where the cpu controller is: the same, or in v1; "" when nowhere */
	bool is_v1;          /* cpu_path is */
	int fd;              /* of path */
};

/* parent NULL: below the mount. Aborts the test by message and exit when the world refuses. */
struct spot spot_make(const struct spot *parent, const char *name);
void spot_remove(struct spot *s); /* its workers must be gone */

/* cpu.max or its v1 twin. False where no quota can be set; why_not then says so. */
bool spot_quota(const struct spot *s, uint64_t quota_us, uint64_t period_us, const char **why_not);
uint64_t spot_throttled_ns(const struct spot *s); /* cpu.stat, all CPUs */

struct worker_process {
	pid_t pid;
	int order_fd, done_fd;
};

enum deed {
	DEED_BURN,  /* amount ns of wall time on the CPU */
	DEED_NAP,   /* amount times: a little work, then a nap of 1 ms */
	DEED_CROWD, /* amount times: 48 threads wake up at once, each works 10 us */
	DEED_IDLE_BURN, /* like BURN, but SCHED_IDLE meanwhile: whoever else is there goes first */
	DEED_PASS,  /* amount times: read a byte from the one descriptor, write it to the other */
};

/* A process in the spot, on that CPU alone. */
struct worker_process worker_start(const struct spot *s, int cpu);
void worker_stop(struct worker_process *w);

void worker_begin(struct worker_process *w, enum deed deed, uint64_t amount);
/* DEED_PASS; the descriptors were open before worker_start(). */
void worker_begin_pass(struct worker_process *w, int in_fd, int out_fd, uint64_t times);
void worker_end(struct worker_process *w); /* waits until it is done */
void worker_do(struct worker_process *w, enum deed deed, uint64_t amount);
void worker_move(const struct worker_process *w, const struct spot *to);

/* What the kernel itself counted for a process (/proc/PID/schedstat). */
struct schedstat {
	uint64_t run_ns, wait_ns, waits;
};

struct schedstat worker_schedstat(const struct worker_process *w);

/* The last online CPU. */
int cpu_last(void);

#endif
