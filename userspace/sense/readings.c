/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens, keeps and reads the control files of a cgroup: sixteen preads of small files. Parses them
 * into struct readings; sums and differences over cgroups and ticks are made in models.c.
 */
#include "readings.h"

#include "knob.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

static const char *file_name(unsigned int file)
{
	static const char *const names[FILE_KNOBS] = {
		[FILE_CPU_STAT] = "cpu.stat",
		[FILE_CPU_PRESSURE] = "cpu.pressure",
		[FILE_MEMORY_PRESSURE] = "memory.pressure",
		[FILE_IO_PRESSURE] = "io.pressure",
		[FILE_MEMORY_CURRENT] = "memory.current",
		[FILE_MEMORY_STAT] = "memory.stat",
		[FILE_MEMORY_EVENTS] = "memory.events",
		[FILE_PIDS_CURRENT] = "pids.current",
	};

	return file < FILE_KNOBS ? names[file] : knob_table[file - FILE_KNOBS].file;
}

uint64_t counter_difference(uint64_t last, uint64_t now)
{
	if (last == MISSING || now == MISSING)
		return MISSING;
	return now >= last ? now - last : now;
}

unsigned int descriptors_limit(unsigned int reserve)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= reserve)
		return 0;
	return (unsigned int)MIN(limit.rlim_cur - reserve, (rlim_t)1 << 20);
}

ssize_t control_read(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = pread(fd, buf, size - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	if ((size_t)n == size - 1) {
		char *end = memrchr(buf, '\n', (size_t)n);

		n = end ? end + 1 - buf : 0;
		buf[n] = '\0';
	}
	return n;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

void cgroup_files_init(struct cgroup_files *f, int dir_fd, struct descriptors *descriptors)
{
	*f = (struct cgroup_files){ .dir_fd = dir_fd,
				    .descriptors = descriptors,
				    .controllers_fd = -1 };
	for (unsigned int i = 0; i < N_CGROUP_FILES; i++)
		f->fds[i] = -1;
}

static void kept_close(struct cgroup_files *f, int *fd)
{
	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	f->descriptors->kept--;
}

void cgroup_files_close(struct cgroup_files *f)
{
	for (unsigned int i = 0; i < N_CGROUP_FILES; i++)
		kept_close(f, &f->fds[i]);
	kept_close(f, &f->controllers_fd);
}

/* Opens and reads; keeps the descriptor while there is room. */
static ssize_t file_read_anew(struct cgroup_files *f, const char *name, char *buf, size_t size,
			      int *ret_kept_fd)
{
	int fd = openat(f->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	ssize_t n = control_read(fd, buf, size);

	if (n < 0 || f->descriptors->kept >= f->descriptors->limit) {
		close(fd);
		return n;
	}
	f->descriptors->kept++;
	*ret_kept_fd = fd;
	return n;
}

/*
 * A kept descriptor fails once its controller was switched off (ENODEV); the file may be back under
 * the same name, so that is tried before it counts as absent.
 */
static ssize_t file_read(struct cgroup_files *f, const char *name, int *fd, char *buf, size_t size)
{
	if (*fd >= 0) {
		ssize_t n = control_read(*fd, buf, size);

		if (n >= 0)
			return n;
		kept_close(f, fd);
	}
	return file_read_anew(f, name, buf, size, fd);
}

/* The text of one file, "" when it is absent or unreadable. */
static const char *file_text(struct cgroup_files *f, unsigned int file, char *buf)
{
	if (f->is_absent[file])
		return "";
	ssize_t n = file_read(f, file_name(file), &f->fds[file], buf, READ_BUFFER_BYTES);

	/* short of descriptors is a matter of the moment, not of this file */
	f->is_absent[file] = n < 0 && n != -EMFILE && n != -ENFILE;
	return n < 0 ? "" : buf;
}

/* Files come and go with the controllers that are enabled here. */
static void absent_files_reconsider(struct cgroup_files *f, bool retries)
{
	char now[CONTROLLERS_BYTES] = "";

	if (file_read(f, "cgroup.controllers", &f->controllers_fd, now, sizeof(now)) < 0)
		now[0] = '\0';
	if (!retries && strcmp(now, f->controllers) == 0)
		return;
	memcpy(f->controllers, now, sizeof(now));
	memset(f->is_absent, 0, sizeof(f->is_absent));
}

/* ---- files to numbers ------------------------------------------------------------------------ */

static void cpu_read(struct cgroup_files *f, char *buf, struct readings *r)
{
	static const char *const keys[] = { "usage_usec", "throttled_usec", "nr_throttled" };
	uint64_t values[ARRAY_SIZE(keys)];

	flat_parse(file_text(f, FILE_CPU_STAT, buf), keys, ARRAY_SIZE(keys), values);
	r->counters[COUNTER_CPU_USAGE] = number_scale(values[0], NSEC_PER_USEC);
	r->counters[COUNTER_THROTTLED] = number_scale(values[1], NSEC_PER_USEC);
	r->counters[COUNTER_THROTTLED_PERIODS] = values[2];
}

static void pressure_read(struct cgroup_files *f, char *buf, struct readings *r)
{
	struct psi psi;

	psi_parse(file_text(f, FILE_CPU_PRESSURE, buf), &psi);
	r->counters[COUNTER_CPU_SOME] = psi.some_ns;
	psi_parse(file_text(f, FILE_MEMORY_PRESSURE, buf), &psi);
	r->counters[COUNTER_MEMORY_SOME] = psi.some_ns;
	r->counters[COUNTER_MEMORY_FULL] = psi.full_ns;
	psi_parse(file_text(f, FILE_IO_PRESSURE, buf), &psi);
	r->counters[COUNTER_IO_SOME] = psi.some_ns;
}

static void memory_read(struct cgroup_files *f, char *buf, struct readings *r)
{
	static const char *const stat_keys[] = { "file", "pgmajfault", "workingset_refault_anon",
						 "workingset_refault_file" };
	static const char *const event_keys[] = { "high", "max", "oom_kill" };
	uint64_t stat[ARRAY_SIZE(stat_keys)], event[ARRAY_SIZE(event_keys)];

	r->levels[LEVEL_MEMORY] = level_parse(file_text(f, FILE_MEMORY_CURRENT, buf));
	flat_parse(file_text(f, FILE_MEMORY_STAT, buf), stat_keys, ARRAY_SIZE(stat_keys), stat);
	r->levels[LEVEL_MEMORY_FILE] = stat[0];
	r->counters[COUNTER_MAJOR_FAULT] = stat[1];
	r->counters[COUNTER_REFAULT] =
		stat[2] == MISSING || stat[3] == MISSING ? MISSING : stat[2] + stat[3];
	flat_parse(file_text(f, FILE_MEMORY_EVENTS, buf), event_keys, ARRAY_SIZE(event_keys),
		   event);
	r->counters[COUNTER_MEMORY_HIGH] = event[0];
	r->counters[COUNTER_MEMORY_MAX] = event[1];
	r->counters[COUNTER_OOM_KILL] = event[2];
}

static void knobs_read(struct cgroup_files *f, char *buf, struct readings *r)
{
	for (unsigned int k = 0; k < N_KNOBS; k++) {
		const char *text = file_text(f, FILE_KNOBS + k, buf);

		if (knob_parse((enum knob)k, text, &r->knobs[k]) < 0)
			r->knobs[k] = MISSING;
	}
}

static void readings_clear(struct readings *r)
{
	for (unsigned int i = 0; i < N_COUNTERS; i++)
		r->counters[i] = MISSING;
	for (unsigned int i = 0; i < N_LEVELS; i++)
		r->levels[i] = MISSING;
}

void cgroup_files_read(struct cgroup_files *f, enum extent extent, bool retries, char *buf,
		       struct readings *ret_readings)
{
	absent_files_reconsider(f, retries);
	readings_clear(ret_readings);
	cpu_read(f, buf, ret_readings);
	knobs_read(f, buf, ret_readings);
	if (extent == EXTENT_OWN)
		return;
	pressure_read(f, buf, ret_readings);
	memory_read(f, buf, ret_readings);
	ret_readings->levels[LEVEL_PROCESSES] = level_parse(file_text(f, FILE_PIDS_CURRENT, buf));
}
