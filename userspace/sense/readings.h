/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readings: the files of one cgroup, opened once and read with one pread each. Gives numbers as the
 * kernel shows them; which cgroups are read and whose they are is not known here.
 */
#ifndef MODELGOV_SENSE_READINGS_H
#define MODELGOV_SENSE_READINGS_H

#include "base.h"
#include "model.h"

#include <sys/types.h>

/* Numbers that only grow while the cgroup lives. X(tag, field of struct model_reading) */
#define COUNTERS(X)                                                                                \
	X(CPU_USAGE, cpu_usage_ns)                                                                 \
	X(THROTTLED, throttled_ns)                                                                 \
	X(THROTTLED_PERIODS, throttled_periods)                                                    \
	X(CPU_SOME, cpu_some_ns)                                                                   \
	X(MEMORY_SOME, memory_some_ns)                                                             \
	X(MEMORY_FULL, memory_full_ns)                                                             \
	X(IO_SOME, io_some_ns)                                                                     \
	X(MEMORY_HIGH, memory_high_events)                                                         \
	X(MEMORY_MAX, memory_max_events)                                                           \
	X(OOM_KILL, oom_kills)                                                                     \
	X(MAJOR_FAULT, major_faults)                                                               \
	X(REFAULT, refaults)

/* Numbers of the moment. X(tag, field of struct model_reading) */
#define LEVELS(X)                                                                                  \
	X(MEMORY, memory_bytes)                                                                    \
	X(MEMORY_FILE, memory_file_bytes)                                                          \
	X(PROCESSES, processes)

enum counter {
#define X(tag, field) COUNTER_##tag,
	COUNTERS(X)
#undef X
		N_COUNTERS,
};

enum level {
#define X(tag, field) LEVEL_##tag,
	LEVELS(X)
#undef X
		N_LEVELS,
};

struct readings {
	uint64_t counters[N_COUNTERS];
	uint64_t levels[N_LEVELS];
	uint64_t knobs[N_KNOBS];
};

enum cgroup_file {
	FILE_CPU_STAT,
	FILE_CPU_PRESSURE,
	FILE_MEMORY_PRESSURE,
	FILE_IO_PRESSURE,
	FILE_MEMORY_CURRENT,
	FILE_MEMORY_STAT,
	FILE_MEMORY_EVENTS,
	FILE_PIDS_CURRENT,
	FILE_KNOBS, /* and one per enum knob */
	N_CGROUP_FILES = FILE_KNOBS + N_KNOBS,
};

/* memory.stat has 2-3 KiB on kernels 6.1 to 7.2; a longer file is cut at a line. */
#define READ_BUFFER_BYTES 8192
#define CONTROLLERS_BYTES 128

/* Descriptors are kept up to a limit and beyond it opened for each read: slower, never wrong. */
struct descriptors {
	unsigned int kept, limit;
};

/* The limit that leaves the process `reserve` of RLIMIT_NOFILE for everything else. */
unsigned int descriptors_limit(unsigned int reserve);

struct cgroup_files {
	int dir_fd; /* borrowed from the owner */
	struct descriptors *descriptors;
	int fds[N_CGROUP_FILES]; /* -1: not open */
	bool is_absent[N_CGROUP_FILES];
	int controllers_fd;
	char controllers[CONTROLLERS_BYTES]; /* what cgroup.controllers said last */
};

void cgroup_files_init(struct cgroup_files *f, int dir_fd, struct descriptors *descriptors);
void cgroup_files_close(struct cgroup_files *f);

/* What is wanted of a cgroup. */
enum extent {
	EXTENT_SUBTREE, /* everything */
	EXTENT_OWN, /* knobs and throttling: all else is in the cgroup above, which is read too */
};

/*
 * Reads that; what is not wanted is MISSING. A file that was absent is tried again when
 * cgroup.controllers changed or when retries is set. buf: READ_BUFFER_BYTES of working space.
 */
void cgroup_files_read(struct cgroup_files *f, enum extent extent, bool retries, char *buf,
		       struct readings *ret_readings);

/*
 * One pread of a control file, NUL-terminated, cut at the last whole line when it does not fit.
 * Such files give all they have at once, and asking again for the end would make the kernel build
 * the whole text (for memory.stat: flush its statistics) a second time. Bytes or negative errno.
 */
ssize_t control_read(int fd, char *buf, size_t size);

/*
 * What a counter grew by. MISSING when either is; a counter that ran backwards belongs to a cgroup
 * that was made anew, and counts from zero.
 */
uint64_t counter_difference(uint64_t last, uint64_t now);

#endif
