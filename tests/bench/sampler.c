/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sampler costs: two processes on one CPU pass a byte to and fro, in short windows that take turns
 * with nothing attached, an empty BPF program, the sampler and runqlat. Compares CPU time of the two
 * processes, not wall time, and each window with the bare one of its own round, so that a busy or drifting
 * machine spoils single windows and not the medians. Where results go is the caller's business.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base.h"
#include "cgroup.h"
#include "sense/probes.h"

#define WINDOW_NS (100 * NSEC_PER_MSEC)
#define SETTLE_NS (10 * NSEC_PER_MSEC) /* caches and branch predictors after an attach */
#define ROUNDS_DEFAULT 60
#define ROUNDS_MAX 400
#define SWITCHES_PER_TRIP 2

enum arm { ARM_NONE, ARM_EMPTY, ARM_OURS, ARM_RUNQLAT, N_ARMS };

static const char *const arm_names[N_ARMS] = {
	[ARM_NONE] = "nothing",
	[ARM_EMPTY] = "an empty program",
	[ARM_OURS] = "modelgov's sampler",
	[ARM_RUNQLAT] = "runqlat",
};

struct window {
	uint64_t trips, cpu_ns;
};

struct pair {
	pid_t front, back;
	int order_fd, result_fd;
};

struct bench {
	struct pair pair;
	char cgroup[4096]; /* "" without one */
	int cgroup_fd;
	bool has_runqlat;
	unsigned int rounds, n_rounds;
	double ns_per_trip[N_ARMS][ROUNDS_MAX]; /* by arm and round; 0 where an arm could not run */
};

/* ---- the two processes -------------------------------------------------------------------------- */

static void pass(int in_fd, int out_fd)
{
	char byte;

	if (read(in_fd, &byte, 1) != 1 || write(out_fd, &byte, 1) != 1)
		_exit(0);
}

static void back_run(int in_fd, int out_fd)
{
	for (;;)
		pass(in_fd, out_fd);
}

static uint64_t pair_cpu_ns(clockid_t back_clock)
{
	struct timespec front, back;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &front);
	clock_gettime(back_clock, &back);
	return (uint64_t)(front.tv_sec + back.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(front.tv_nsec + back.tv_nsec);
}

/* One window: as many round trips as fit into duration_ns. */
static struct window window_take(clockid_t back_clock, int in_fd, int out_fd, uint64_t duration_ns)
{
	struct window w = { .trips = 0, .cpu_ns = pair_cpu_ns(back_clock) };
	uint64_t end_ns = clock_monotonic_ns() + duration_ns;

	do {
		for (int i = 0; i < 50; i++) {
			if (write(out_fd, "x", 1) != 1)
				_exit(0);
			char byte;

			if (read(in_fd, &byte, 1) != 1)
				_exit(0);
		}
		w.trips += 50;
	} while (clock_monotonic_ns() < end_ns);
	w.cpu_ns = pair_cpu_ns(back_clock) - w.cpu_ns;
	return w;
}

static void front_run(pid_t back, int in_fd, int out_fd, int order_fd, int result_fd)
{
	clockid_t back_clock;
	char order;

	if (clock_getcpuclockid(back, &back_clock) != 0)
		_exit(1);
	while (read(order_fd, &order, 1) == 1) {
		(void)window_take(back_clock, in_fd, out_fd, SETTLE_NS);
		struct window w = window_take(back_clock, in_fd, out_fd, WINDOW_NS);

		if (write(result_fd, &w, sizeof(w)) != sizeof(w))
			_exit(1);
	}
	_exit(0);
}

static int process_start(int cgroup_fd, int cpu)
{
	cpu_set_t set;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		_exit(1);
	_cleanup_fd_ int fd = cgroup_fd < 0 ? -1 : openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (cgroup_fd >= 0 && (fd < 0 || write(fd, "0", 1) != 1))
		_exit(1);
	return 0;
}

/* Both on the last CPU: the first one gets most of a machine's interrupts. */
static int pair_start(struct pair *p, int cgroup_fd)
{
	int there[2], back[2], order[2], result[2];
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;

	if (pipe(there) < 0 || pipe(back) < 0 || pipe(order) < 0 || pipe(result) < 0)
		return -errno;
	p->back = process_start(cgroup_fd, cpu);
	if (p->back == 0) {
		close(there[1]);
		close(order[1]);
		back_run(there[0], back[1]);
	}
	p->front = process_start(cgroup_fd, cpu);
	if (p->front == 0) {
		close(order[1]);
		front_run(p->back, back[0], there[1], order[0], result[1]);
	}
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	close(order[0]);
	close(result[1]);
	p->order_fd = order[1];
	p->result_fd = result[0];
	return p->back < 0 || p->front < 0 ? -EAGAIN : 0;
}

static void pair_stop(struct pair *p)
{
	close(p->order_fd);
	close(p->result_fd);
	for (int i = 0; i < 2; i++) {
		pid_t pid = i ? p->back : p->front;

		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
}

static int pair_window(struct pair *p, double *ret_ns_per_trip)
{
	struct window w;

	if (write(p->order_fd, "w", 1) != 1 || read(p->result_fd, &w, sizeof(w)) != sizeof(w))
		return -EPIPE;
	*ret_ns_per_trip = (double)w.cpu_ns / (double)w.trips;
	return 0;
}

/* ---- what takes turns ---------------------------------------------------------------------------- */

/* A link to the smallest program there is on the tracepoint: its price is the floor for any other. */
static int empty_attach(int *ret_link_fd, struct err *e)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP);
	int id = libbpf_find_vmlinux_btf_id("sched_switch", BPF_TRACE_RAW_TP);

	if (id < 0)
		return err_set(e, id, "find the tracepoint sched_switch");
	options.attach_btf_id = (__u32)id;
	_cleanup_fd_ int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "empty", "GPL", program,
					    ARRAY_SIZE(program), &options);

	if (fd < 0)
		return err_set(e, -errno, "load an empty program");
	*ret_link_fd = bpf_raw_tracepoint_open(NULL, fd);
	return *ret_link_fd < 0 ? err_set(e, -errno, "attach an empty program") : 0;
}

static int ours_attach(const struct bench *b, struct probes **ret_probes, struct err *e)
{
	struct probes *p;
	unsigned int slot;
	int r = probes_open(NULL, 32, &p, e);

	if (r < 0)
		return r;
	r = probes_model(p, "bench", 5 * NSEC_PER_MSEC, &slot, e);
	if (r == 0 && b->cgroup_fd >= 0)
		r = probes_assign(p, b->cgroup_fd, slot, e);
	if (r < 0) {
		probes_close(p, false);
		return r;
	}
	*ret_probes = p;
	return 0;
}

/* How many BPF links a process holds: runqlat is at work when it has its three. */
static int links_count(pid_t pid)
{
	char path[64], target[64];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);

	DIR *dir = opendir(path);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		ssize_t length = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		target[MAX(length, (ssize_t)0)] = '\0';
		n += strstr(target, "bpf") && strstr(target, "link");
	}
	if (dir)
		closedir(dir);
	return n;
}

static pid_t runqlat_start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/dev/null", O_RDWR);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execlp("runqlat", "runqlat", "3600", "1", NULL);
		execl("/usr/sbin/runqlat", "runqlat", "3600", "1", NULL);
		_exit(127);
	}
	for (int i = 0; pid > 0 && i < 500 && links_count(pid) < 3; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return -1;
		(void)poll(NULL, 0, 10);
	}
	return pid;
}

static void runqlat_stop(pid_t pid)
{
	kill(pid, SIGINT);
	waitpid(pid, NULL, 0);
}

static int arm_run(struct bench *b, enum arm arm, double *ret_ns, struct err *e)
{
	_cleanup_fd_ int link_fd = -1;
	struct probes *probes = NULL;
	pid_t runqlat = -1;
	int r = 0;

	if (arm == ARM_EMPTY)
		r = empty_attach(&link_fd, e);
	else if (arm == ARM_OURS)
		r = ours_attach(b, &probes, e);
	else if (arm == ARM_RUNQLAT)
		runqlat = runqlat_start();
	if (r < 0)
		return r;
	if (arm == ARM_RUNQLAT && runqlat < 0) {
		b->has_runqlat = false;
		return 0;
	}
	r = pair_window(&b->pair, ret_ns);
	if (runqlat > 0)
		runqlat_stop(runqlat);
	probes_close(probes, false);
	return r < 0 ? err_set(e, r, "run a window with %s", arm_names[arm]) : 0;
}

/* ---- rounds and medians --------------------------------------------------------------------------- */

static int round_run(struct bench *b, unsigned int round, struct err *e)
{
	int r = 0;

	/* another arm begins each time, so that none always follows the same neighbour */
	for (unsigned int i = 0; i < N_ARMS && r == 0; i++) {
		enum arm arm = (enum arm)((i + round) % N_ARMS);

		if (arm != ARM_RUNQLAT || b->has_runqlat)
			r = arm_run(b, arm, &b->ns_per_trip[arm][round], e);
	}
	b->n_rounds = round + 1;
	return r;
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, unsigned int n)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), double_compare);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Median over rounds of (arm - other of the same round), per switch. */
static double added_ns(const struct bench *b, enum arm arm, enum arm other)
{
	double differences[ROUNDS_MAX];

	for (unsigned int i = 0; i < b->n_rounds; i++)
		differences[i] = (b->ns_per_trip[arm][i] - b->ns_per_trip[other][i]) / SWITCHES_PER_TRIP;
	return median(differences, b->n_rounds);
}

static double ratio(const struct bench *b, enum arm arm)
{
	double ratios[ROUNDS_MAX];

	for (unsigned int i = 0; i < b->n_rounds; i++)
		ratios[i] = b->ns_per_trip[arm][i] / b->ns_per_trip[ARM_NONE][i];
	return median(ratios, b->n_rounds);
}

static void report(const struct bench *b)
{
	double ours = added_ns(b, ARM_OURS, ARM_NONE);

	printf("\nattached to sched_switch   ns/round trip    ratio    ns/switch\n");
	for (enum arm arm = 0; arm < N_ARMS; arm++)
		if (arm != ARM_RUNQLAT || b->has_runqlat)
			printf("%-26s %13.0f %8.3f %12.1f\n", arm_names[arm],
			       median(b->ns_per_trip[arm], b->n_rounds), ratio(b, arm),
			       added_ns(b, arm, ARM_NONE));
	printf("\nslowdown by the sampler: %+.1f %% (at most +5 %%: %s); its own part, above an empty\n"
	       "program: %.1f ns a switch\n",
	       (ratio(b, ARM_OURS) - 1) * 100, ratio(b, ARM_OURS) <= 1.05 ? "met" : "NOT met",
	       added_ns(b, ARM_OURS, ARM_EMPTY));
	if (b->has_runqlat)
		printf("runqlat costs %.1f times as much (at least 6: %s)\n",
		       added_ns(b, ARM_RUNQLAT, ARM_NONE) / ours,
		       added_ns(b, ARM_RUNQLAT, ARM_NONE) >= 6 * ours ? "met" : "NOT met");
	else
		printf("runqlat was not compared: it is not installed (package libbpf-tools) or ended early\n");
}

/* ---- a place for the two processes ------------------------------------------------------------------ */

/* In a cgroup, the sampler's road is that of a governed model; without one, of everything else. */
static void cgroup_make(struct bench *b)
{
	struct err e = { 0 };
	char root[2048];

	b->cgroup_fd = -1;
	if (cgroup_root_find(root, sizeof(root), NULL, &e) < 0)
		return;
	snprintf(b->cgroup, sizeof(b->cgroup), "%s/modelgov-bench-%d", root, getpid());
	if (mkdir(b->cgroup, 0755) == 0)
		b->cgroup_fd = open(b->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		b->cgroup[0] = '\0';
}

static void cgroup_remove(struct bench *b)
{
	if (b->cgroup_fd >= 0)
		close(b->cgroup_fd);
	if (b->cgroup[0] && rmdir(b->cgroup) < 0)
		fprintf(stderr, "rmdir %s: %s\n", b->cgroup, strerror(errno));
}

int main(int argc, char **argv)
{
	static struct bench b = { .has_runqlat = true };
	struct err e = { 0 };
	int r = 0;

	b.rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : ROUNDS_DEFAULT;
	if (argc > 2 || b.rounds < 1 || b.rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: sampler [ROUNDS], 1-%d; %d if not given\n", ROUNDS_MAX,
			ROUNDS_DEFAULT);
		return 2;
	}
	if (geteuid() != 0) {
		printf("skip sampler: loading BPF needs root\n");
		return 0;
	}
	cgroup_make(&b);
	r = pair_start(&b.pair, b.cgroup_fd);
	for (unsigned int round = 0; round < b.rounds && r == 0; round++) {
		fprintf(stderr, "\rround %u of %u", round + 1, b.rounds);
		r = round_run(&b, round, &e);
	}
	fprintf(stderr, "\r%*s\r", 40, "");
	pair_stop(&b.pair);
	cgroup_remove(&b);
	if (r < 0) {
		fprintf(stderr, "sampler: %s\n", e.text[0] ? e.text : strerror(-r));
		return 1;
	}
	report(&b);
	return 0;
}
