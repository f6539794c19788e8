/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a check's command again and again: its own process group, no shell, a time-out, its standard
 * output read line by line. Beside it the model's cgroups are read.
 */
#include "sample.h"

#include "command.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define LINE_BYTES 4096 /* chosen: a sample's line has 30; longer lines are no samples */
#define FILE_BYTES 65536

void sampling_fini(struct sampling *s)
{
	free(s->latencies_ns);
	free(s->rates_per_ks);
	*s = (struct sampling){ 0 };
}

static int latency_add(struct sampling *s, uint64_t ns)
{
	if (s->n_latencies == VERIFY_SAMPLES_MAX)
		return 0;
	if (s->n_latencies == s->size) {
		uint64_t size = s->size ? 2 * s->size : 256;
		uint64_t *grown = realloc(s->latencies_ns, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->latencies_ns = grown;
		s->size = size;
	}
	s->latencies_ns[s->n_latencies++] = ns;
	return 0;
}

/* ---- what it prints ---------------------------------------------------------------------- */

/* Lines of one run; a line that is too long is dropped to its end. */
struct reader {
	char line[LINE_BYTES];
	size_t length;
	bool is_too_long;
	struct sampling *sampling;
	int error;
};

static void line_take(struct reader *r)
{
	json_t *line = NULL, *latency;

	if (!r->is_too_long && r->length > 0 && *r->line == '{')
		line = json_loadb(r->line, r->length, 0, NULL);
	latency = json_object_get(line, "latency_ns");
	if (json_is_integer(latency) && json_integer_value(latency) >= 0 && r->error == 0)
		r->error = latency_add(r->sampling, (uint64_t)json_integer_value(latency));
	json_decref(line);
	r->length = 0;
	r->is_too_long = false;
}

static void bytes_take(struct reader *r, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			line_take(r);
		else if (r->length == sizeof(r->line))
			r->is_too_long = true;
		else
			r->line[r->length++] = bytes[i];
	}
}

/* Reads until the end or the deadline. false: too late. */
static bool output_read(int fd, uint64_t deadline_ns, struct reader *r)
{
	char bytes[4096];

	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t left_ms;
		ssize_t n;

		if (now_ns >= deadline_ns)
			return false;
		left_ms = (deadline_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		if (poll(&p, 1, (int)MIN(left_ms, (uint64_t)INT_MAX)) <= 0)
			continue; /* a signal, or the deadline */
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0) {
			line_take(r);
			return true;
		}
		bytes_take(r, bytes, (size_t)n);
	}
}

/* ---- one run ----------------------------------------------------------------------------- */

static void child_become(const struct model_check *check, int out_fd)
{
	char **argv = calloc(check->command.n + 1, sizeof(*argv));
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (unsigned int i = 0; argv && i < check->command.n; i++)
		argv[i] = (char *)(uintptr_t)check->command.all[i]; /* execvp takes them so */
	if (argv && setpgid(0, 0) == 0 && null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
	    dup2(out_fd, STDOUT_FILENO) >= 0)
		execvp(argv[0], argv);
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE);
}

static void failure_note(struct sampling *s, const struct model_check *check, int status,
			 bool is_late)
{
	char limit[32];

	s->failed++;
	if (is_late)
		snprintf(s->failure, sizeof(s->failure), "it took longer than %s",
			 duration_format(check->timeout_ns, limit, sizeof(limit)));
	else if (WIFSIGNALED(status))
		snprintf(s->failure, sizeof(s->failure), "signal %d ended it", WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_NOT_FOUND ||
		 WEXITSTATUS(status) == EXIT_CANNOT_EXECUTE)
		snprintf(s->failure, sizeof(s->failure), "%.180s could not be started",
			 check->command.all[0]);
	else
		snprintf(s->failure, sizeof(s->failure), "it ended with status %d",
			 WEXITSTATUS(status));
}

/* Waits for the process; after the deadline its whole group is killed. */
static int child_wait(pid_t pid, uint64_t deadline_ns, bool *is_late)
{
	int status = 0;

	while (!*is_late && waitpid(pid, &status, WNOHANG) == 0) {
		*is_late = clock_monotonic_ns() >= deadline_ns;
		usleep(200); /* output is closed: it ends at once, or hangs */
	}
	if (*is_late) {
		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	return status;
}

/* The rate is of the samples that this run gave. */
static int run_count(struct sampling *s, uint64_t n_before, uint64_t took_ns)
{
	int r = s->n_latencies == n_before ? latency_add(s, took_ns) : 0;
	uint64_t n = s->n_latencies - n_before;

	s->rates_per_ks[s->n_rates++] =
		(uint64_t)((unsigned __int128)n * 1000 * NSEC_PER_SEC / MAX(took_ns, 1ULL));
	return r;
}

static int run_once(const struct model_check *check, struct sampling *s, struct err *e)
{
	struct reader reader = { .sampling = s };
	uint64_t n_before = s->n_latencies, began_ns, deadline_ns;
	bool is_late;
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe for %s", check->command.all[0]);
	began_ns = clock_monotonic_ns();
	deadline_ns = check->timeout_ns >= UINT64_MAX - began_ns ? UINT64_MAX
								 : began_ns + check->timeout_ns;
	pid = fork();
	if (pid == 0)
		child_become(check, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_set(e, -errno, "start %s", check->command.all[0]);
	}
	(void)setpgid(pid, pid); /* as in the child: whoever comes first */
	is_late = !output_read(fds[0], deadline_ns, &reader);
	status = child_wait(pid, deadline_ns, &is_late);
	close(fds[0]);
	s->runs++;
	if (is_late || status != 0) {
		s->n_latencies = n_before;
		failure_note(s, check, status, is_late);
		return 0;
	}
	if (reader.error == 0)
		reader.error = run_count(s, n_before, clock_monotonic_ns() - began_ns);
	return reader.error < 0 ? err_set(e, reader.error, "samples of %s", check->command.all[0])
				: 0;
}

/* ---- the model meanwhile ----------------------------------------------------------------- */

static int cgroup_read(const char *root, const char *path, const char *file, char **ret_text)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s%s/%s", root, path, file) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	return file_read_all(AT_FDCWD, name, FILE_BYTES, ret_text, NULL, NULL);
}

/* CPU time of all cgroups since they were made; MISSING when one cannot be read. */
static uint64_t usage_read(const char *root, const struct names *paths)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < paths->n; i++) {
		_cleanup_free_ char *text = NULL;
		uint64_t usec;

		if (cgroup_read(root, paths->all[i], "cpu.stat", &text) < 0 ||
		    flat_file_find(text, "usage_usec", &usec) < 0)
			return MISSING;
		sum += usec * NSEC_PER_USEC;
	}
	return paths->n > 0 ? sum : MISSING;
}

static uint64_t memory_read(const char *root, const struct names *paths)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < paths->n; i++) {
		_cleanup_free_ char *text = NULL;
		uint64_t bytes;

		if (cgroup_read(root, paths->all[i], "memory.current", &text) < 0)
			return MISSING;
		text[strcspn(text, "\n")] = '\0';
		if (number_parse(text, &bytes) < 0)
			return MISSING;
		sum += bytes;
	}
	return paths->n > 0 ? sum : MISSING;
}

static void memory_note(struct sampling *s, const char *root, const struct names *paths)
{
	uint64_t now = memory_read(root, paths);

	if (now == MISSING || s->memory_peak_bytes == MISSING)
		s->memory_peak_bytes = MISSING;
	else
		s->memory_peak_bytes = MAX(s->memory_peak_bytes, now);
}

/* A cgroup that was made anew counts from 0 again: then nothing is known. */
static void usage_note(struct sampling *s, uint64_t before_ns, uint64_t after_ns)
{
	if (before_ns == MISSING || after_ns == MISSING || after_ns < before_ns)
		return;
	s->cpu_millicpu = (uint64_t)((unsigned __int128)(after_ns - before_ns) * 1000 /
				     MAX(s->took_ns, 1ULL));
}

/* ---- all of it --------------------------------------------------------------------------- */

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int sampling_take(const struct model_check *check, uint64_t runs, const char *cgroup_root,
		  const struct names *paths, struct sampling *ret_sampling, struct err *e)
{
	struct sampling s = { .cpu_millicpu = MISSING };
	uint64_t began_ns = clock_monotonic_ns(), usage_ns = usage_read(cgroup_root, paths);
	int r = 0;

	s.rates_per_ks = calloc(runs + 1, sizeof(*s.rates_per_ks));
	if (!s.rates_per_ks)
		return err_set(e, -ENOMEM, "%llu runs", (unsigned long long)runs);
	memory_note(&s, cgroup_root, paths);
	while (r == 0 && s.runs < runs) {
		r = run_once(check, &s, e);
		memory_note(&s, cgroup_root, paths);
	}
	s.took_ns = clock_monotonic_ns() - began_ns;
	usage_note(&s, usage_ns, usage_read(cgroup_root, paths));
	if (r < 0) {
		sampling_fini(&s);
		return r;
	}
	if (s.n_latencies > 0)
		qsort(s.latencies_ns, s.n_latencies, sizeof(*s.latencies_ns), order);
	if (s.n_rates > 0)
		qsort(s.rates_per_ks, s.n_rates, sizeof(*s.rates_per_ks), order);
	*ret_sampling = s;
	return 0;
}
