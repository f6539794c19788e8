/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /proc/stat, meminfo, loadavg, pressure and the list of CPUs, and takes differences. Levels
 * and differences only; what they mean is decide's business.
 */
#include "host.h"

#include "readings.h"

#include <fcntl.h>
#include <limits.h>

static int host_file_open(const char *root, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void host_open(struct host *h, const char *proc, const char *sys)
{
	*h = (struct host){ .fds = {
				    [HOST_STAT] = host_file_open(proc, "stat"),
				    [HOST_MEMINFO] = host_file_open(proc, "meminfo"),
				    [HOST_LOADAVG] = host_file_open(proc, "loadavg"),
				    [HOST_CPUS_ONLINE] =
					    host_file_open(sys, "devices/system/cpu/online"),
				    [HOST_PRESSURE_CPU] = host_file_open(proc, "pressure/cpu"),
				    [HOST_PRESSURE_MEMORY] =
					    host_file_open(proc, "pressure/memory"),
				    [HOST_PRESSURE_IO] = host_file_open(proc, "pressure/io"),
			    } };
}

void host_close(struct host *h)
{
	for (int i = 0; i < N_HOST_FILES; i++) {
		if (h->fds[i] >= 0)
			close(h->fds[i]);
		h->fds[i] = -1;
	}
}

/* The text of the file, "" when it cannot be read. */
static const char *host_text(const struct host *h, enum host_file file, char *buf, size_t size)
{
	if (h->fds[file] < 0 || control_read(h->fds[file], buf, size) < 0)
		return "";
	return buf;
}

bool host_has_psi(const struct host *h)
{
	char buf[256];

	/* with psi=0 the file is there and reading it is refused */
	return *host_text(h, HOST_PRESSURE_CPU, buf, sizeof(buf)) != '\0';
}

static uint64_t share(uint64_t part, uint64_t whole)
{
	return whole == 0 ? MISSING : MIN(part * PERMYRIAD / whole, PERMYRIAD);
}

/* iowait may run backwards (proc(5)); a part never counts for more than the whole. */
static void cpu_shares(const struct cpu_times *last, const struct cpu_times *now,
		       struct host_reading *ret_reading)
{
	if (now->total == MISSING || last->total == MISSING || now->total <= last->total)
		return;
	uint64_t total = now->total - last->total;
	uint64_t idle = MIN(now->idle > last->idle ? now->idle - last->idle : 0, total);
	uint64_t steal = MIN(now->steal > last->steal ? now->steal - last->steal : 0, total - idle);

	ret_reading->busy_permyriad = share(total - idle - steal, total);
	ret_reading->steal_permyriad = share(steal, total);
}

static void memory_read(const char *text, struct host_reading *ret_reading)
{
	static const char *const keys[] = { "MemTotal:", "MemAvailable:" };
	uint64_t values[ARRAY_SIZE(keys)];

	flat_parse(text, keys, ARRAY_SIZE(keys), values);
	ret_reading->memory_bytes = number_scale(values[0], 1024);
	ret_reading->memory_available_bytes = number_scale(values[1], 1024);
}

/* The difference of the host's PSI total; also keeps it for the next time. */
static uint64_t pressure_read(struct host *h, enum host_file file, char *buf, size_t size)
{
	uint64_t *last = &h->last_some_ns[file - HOST_PRESSURE_CPU];
	struct psi psi;

	psi_parse(host_text(h, file, buf, size), &psi);
	uint64_t difference = counter_difference(h->has_last ? *last : MISSING, psi.some_ns);

	*last = psi.some_ns;
	return difference;
}

void host_read(struct host *h, char *buf, size_t size, struct host_reading *ret_reading)
{
	struct cpu_times times;

	*ret_reading =
		(struct host_reading){ .busy_permyriad = MISSING, .steal_permyriad = MISSING };
	cpu_times_parse(host_text(h, HOST_STAT, buf, size), &times);
	if (h->has_last)
		cpu_shares(&h->last_times, &times, ret_reading);
	h->last_times = times;
	memory_read(host_text(h, HOST_MEMINFO, buf, size), ret_reading);
	ret_reading->load_permille = load_parse(host_text(h, HOST_LOADAVG, buf, size));
	ret_reading->cpus = cpu_list_parse(host_text(h, HOST_CPUS_ONLINE, buf, size));
	ret_reading->cpu_some_ns = pressure_read(h, HOST_PRESSURE_CPU, buf, size);
	ret_reading->memory_some_ns = pressure_read(h, HOST_PRESSURE_MEMORY, buf, size);
	ret_reading->io_some_ns = pressure_read(h, HOST_PRESSURE_IO, buf, size);
	h->has_last = true;
}
