/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host: what the machine as a whole did since the last tick, from files of /proc and /sys that are
 * opened once. Knows nothing of cgroups.
 */
#ifndef MODELGOV_SENSE_HOST_H
#define MODELGOV_SENSE_HOST_H

#include "base.h"
#include "model.h"
#include "parse.h"

enum host_file {
	HOST_STAT,
	HOST_MEMINFO,
	HOST_LOADAVG,
	HOST_CPUS_ONLINE,
	HOST_PRESSURE_CPU,
	HOST_PRESSURE_MEMORY,
	HOST_PRESSURE_IO,
	N_HOST_FILES,
};

struct host {
	int fds[N_HOST_FILES]; /* -1: not there, and then its readings are MISSING */
	bool has_last;
	struct cpu_times last_times;
	uint64_t last_some_ns[3]; /* cpu, memory, io */
};

/* proc: "/proc", sys: "/sys"; others in tests. Absent files are no error. */
void host_open(struct host *h, const char *proc, const char *sys);
void host_close(struct host *h);

/* has_psi of the whole host: without it no cgroup has pressure files either. */
bool host_has_psi(const struct host *h);

/* buf: working space for the text of one file, 4 KiB or more. */
void host_read(struct host *h, char *buf, size_t size, struct host_reading *ret_reading);

#endif
