/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups and processes for tests. Whatever goes wrong here is not what a test is about, so it ends the
 * test's process with a sentence.
 */
#include "workload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cgroup.h"

#define CROWD 48

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "workload: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(args);
	exit(1);
}

/* ---- spots ---------------------------------------------------------------------------------------- */

static int text_write(const char *folder, const char *file, const char *text)
{
	char path[1200];

	snprintf(path, sizeof(path), "%s/%s", folder, file);

	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static uint64_t number_read(const char *folder, const char *file, const char *key)
{
	char path[1200], word[64];
	unsigned long long value;

	snprintf(path, sizeof(path), "%s/%s", folder, file);

	_cleanup_file_ FILE *f = fopen(path, "re");

	while (f && fscanf(f, "%63s %llu", word, &value) == 2)
		if (strcmp(word, key) == 0)
			return value;
	give_up("no %s in %s", key, path);
}

/* The v1 hierarchy that has the cpu controller, "" when there is none. */
static void v1_cpu_find(char *ret_path, size_t size)
{
	char type[64], mount[512], options[1024];
	_cleanup_file_ FILE *f = fopen("/proc/self/mounts", "re");

	*ret_path = '\0';
	while (f && fscanf(f, "%*s %511s %63s %1023s %*d %*d", mount, type, options) == 3) {
		char *rest = options;

		if (strcmp(type, "cgroup") != 0)
			continue;
		for (char *option; (option = strsep(&rest, ","));)
			if (strcmp(option, "cpu") == 0)
				snprintf(ret_path, size, "%s", mount);
	}
}

static void folder_make(const char *path)
{
	if (mkdir(path, 0755) < 0)
		give_up("mkdir %s", path);
}

struct spot spot_make(const struct spot *parent, const char *name)
{
	struct spot s = { .fd = -1 };
	char root[512], v1[512];
	struct err e = { 0 };

	if (!parent && cgroup_root_find(root, sizeof(root), NULL, &e) < 0)
		give_up("%s", e.text);
	v1_cpu_find(v1, sizeof(v1));
	s.is_v1 = *v1;
	if (parent) {
		snprintf(s.path, sizeof(s.path), "%.800s/%s", parent->path, name);
		snprintf(s.cpu_path, sizeof(s.cpu_path), "%.800s/%s",
			 s.is_v1 ? parent->cpu_path : parent->path, name);
	} else {
		snprintf(s.path, sizeof(s.path), "%s/modelgov-test-%d-%s", root, getpid(), name);
		snprintf(s.cpu_path, sizeof(s.cpu_path), "%s/modelgov-test-%d-%s", s.is_v1 ? v1 : root,
			 getpid(), name);
	}
	folder_make(s.path);
	if (s.is_v1)
		folder_make(s.cpu_path);
	s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.fd < 0)
		give_up("open %s", s.path);
	return s;
}

void spot_remove(struct spot *s)
{
	close(s->fd);
	if (rmdir(s->path) < 0)
		give_up("rmdir %s", s->path);
	if (s->is_v1 && rmdir(s->cpu_path) < 0)
		give_up("rmdir %s", s->cpu_path);
}

bool spot_quota(const struct spot *s, uint64_t quota_us, uint64_t period_us, const char **why_not)
{
	char text[64];

	if (s->is_v1) {
		snprintf(text, sizeof(text), "%" PRIu64, period_us);
		if (text_write(s->cpu_path, "cpu.cfs_period_us", text) < 0)
			give_up("write cpu.cfs_period_us in %s", s->cpu_path);
		snprintf(text, sizeof(text), "%" PRIu64, quota_us);
		if (text_write(s->cpu_path, "cpu.cfs_quota_us", text) < 0)
			give_up("write cpu.cfs_quota_us in %s", s->cpu_path);
		return true;
	}
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, quota_us, period_us);
	if (text_write(s->path, "cpu.max", text) == 0)
		return true;

	/* a bare machine, where nobody but us decides which controllers the root hands on */
	char root[512];
	struct err e = { 0 };

	if (!systemd_is_running() && cgroup_root_find(root, sizeof(root), NULL, &e) == 0 &&
	    text_write(root, "cgroup.subtree_control", "+cpu") == 0 &&
	    text_write(s->path, "cpu.max", text) == 0)
		return true;
	*why_not = "the cpu controller is not enabled in the root cgroup";
	return false;
}

uint64_t spot_throttled_ns(const struct spot *s)
{
	return s->is_v1 ? number_read(s->cpu_path, "cpu.stat", "throttled_time") :
			  number_read(s->path, "cpu.stat", "throttled_usec") * 1000;
}

/* ---- deeds ---------------------------------------------------------------------------------------- */

struct order {
	enum deed deed;
	uint64_t amount;
	int in_fd, out_fd;
};

static void burn(uint64_t ns)
{
	uint64_t end_ns = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end_ns)
		;
}

static void nap(uint64_t times)
{
	for (uint64_t i = 0; i < times; i++) {
		burn(20 * NSEC_PER_USEC);
		nanosleep(&(struct timespec){ .tv_nsec = (long)NSEC_PER_MSEC }, NULL);
	}
}

struct crowd {
	pthread_barrier_t barrier;
	uint64_t times;
};

static void *crowd_member(void *context)
{
	struct crowd *c = context;

	for (uint64_t i = 0; i < c->times; i++) {
		pthread_barrier_wait(&c->barrier);
		burn(10 * NSEC_PER_USEC);
	}
	return NULL;
}

static void crowd(uint64_t times)
{
	struct crowd c = { .times = times };
	pthread_t members[CROWD];

	pthread_barrier_init(&c.barrier, NULL, CROWD);
	for (int i = 0; i < CROWD; i++)
		if (pthread_create(&members[i], NULL, crowd_member, &c) != 0)
			give_up("start a thread");
	for (int i = 0; i < CROWD; i++)
		pthread_join(members[i], NULL);
	pthread_barrier_destroy(&c.barrier);
}

static void idle_burn(uint64_t ns)
{
	struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &none) < 0)
		give_up("become SCHED_IDLE");
	burn(ns);
	if (sched_setscheduler(0, SCHED_OTHER, &none) < 0)
		give_up("become SCHED_OTHER");
}

static void pass(const struct order *order)
{
	char byte;

	for (uint64_t i = 0; i < order->amount; i++)
		if (read(order->in_fd, &byte, 1) != 1 || write(order->out_fd, &byte, 1) != 1)
			give_up("pass a byte");
}

static void order_obey(const struct order *order)
{
	switch (order->deed) {
	case DEED_BURN:
		return burn(order->amount);
	case DEED_NAP:
		return nap(order->amount);
	case DEED_CROWD:
		return crowd(order->amount);
	case DEED_IDLE_BURN:
		return idle_burn(order->amount);
	case DEED_PASS:
		return pass(order);
	}
}

/* ---- workers -------------------------------------------------------------------------------------- */

static void spot_enter(const struct spot *s, const char *pid)
{
	if (text_write(s->path, "cgroup.procs", pid) < 0)
		give_up("enter %s", s->path);
	if (s->is_v1 && text_write(s->cpu_path, "cgroup.procs", pid) < 0)
		give_up("enter %s", s->cpu_path);
}

static void __attribute__((noreturn)) worker_run(int order_fd, int done_fd)
{
	struct order order;

	while (read(order_fd, &order, sizeof(order)) == sizeof(order)) {
		order_obey(&order);
		if (write(done_fd, "d", 1) != 1)
			break;
	}
	_exit(0);
}

struct worker_process worker_start(const struct spot *s, int cpu)
{
	struct worker_process w;
	int orders[2], done[2];
	cpu_set_t set;

	if (pipe2(orders, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
		give_up("make a pipe");
	w.pid = fork();
	if (w.pid < 0)
		give_up("fork");
	if (w.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			give_up("go to CPU %d", cpu);
		spot_enter(s, "0");
		close(orders[1]);
		worker_run(orders[0], done[1]);
	}
	close(orders[0]);
	close(done[1]);
	w.order_fd = orders[1];
	w.done_fd = done[0];
	worker_do(&w, DEED_BURN, 0); /* it is there, and where it belongs */
	return w;
}

void worker_stop(struct worker_process *w)
{
	close(w->order_fd);
	close(w->done_fd);
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
}

static void order_give(struct worker_process *w, struct order order)
{
	if (write(w->order_fd, &order, sizeof(order)) != sizeof(order))
		give_up("give an order");
}

void worker_begin(struct worker_process *w, enum deed deed, uint64_t amount)
{
	order_give(w, (struct order){ .deed = deed, .amount = amount });
}

void worker_begin_pass(struct worker_process *w, int in_fd, int out_fd, uint64_t times)
{
	order_give(w, (struct order){ .deed = DEED_PASS, .amount = times, .in_fd = in_fd, .out_fd = out_fd });
}

/* Also waits until the worker sleeps again: the switch that ends its deed belongs to the deed. */
void worker_end(struct worker_process *w)
{
	char byte, path[64], state = '\0';

	if (read(w->done_fd, &byte, 1) != 1)
		give_up("wait for a worker");
	snprintf(path, sizeof(path), "/proc/%d/stat", w->pid);
	while (state != 'S') {
		_cleanup_file_ FILE *f = fopen(path, "re");

		if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
			give_up("read %s", path);
		sched_yield();
	}
}

void worker_do(struct worker_process *w, enum deed deed, uint64_t amount)
{
	worker_begin(w, deed, amount);
	worker_end(w);
}

void worker_move(const struct worker_process *w, const struct spot *to)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", w->pid);
	spot_enter(to, pid);
}

struct schedstat worker_schedstat(const struct worker_process *w)
{
	struct schedstat s;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", w->pid);

	_cleanup_file_ FILE *f = fopen(path, "re");

	if (!f || fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &s.run_ns, &s.wait_ns, &s.waits) != 3)
		give_up("read %s", path);
	return s;
}

int cpu_last(void)
{
	cpu_set_t set;
	int last = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		give_up("ask for our CPUs");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			last = cpu;
	return last;
}
