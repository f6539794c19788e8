/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run-queue sampler in a kernel: provokes waits in cgroups of its own and compares what the sampler
 * counted with what the kernel counts by itself (schedstat, cpu.stat). Runs on hosts with pure cgroup2 and on
 * hybrid ones, busy or not: other people's load only makes waits longer.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "sense/probes.h"
#include "workload.h"

#include "runqueue.skel.h"

#define MSEC(n) ((uint64_t)(n)*NSEC_PER_MSEC)

static struct probes *probes;
static struct probe_totals seen[64]; /* by slot: the reading before */

/* Ends the test as passed and tells the runner otherwise: it counts these lines. */
#define SKIP(name, why)                                                                           \
	do {                                                                                      \
		printf("skip %s: %s\n", name, why);                                               \
		fflush(stdout);                                                                   \
		return;                                                                           \
	} while (0)

#define NEEDS_ROOT(name)                                                                          \
	do {                                                                                      \
		if (geteuid() != 0)                                                               \
			SKIP(name, "loading BPF and making cgroups needs root");                  \
	} while (0)

/* ---- a small vocabulary ------------------------------------------------------------------------------ */

static struct probes *probes_given(const char *pin_path, unsigned int max_models)
{
	struct err e = { 0 };
	struct probes *p = NULL;

	cr_assert_eq(probes_open(pin_path, max_models, &p, &e), 0, "%s", e.text);
	return p;
}

static unsigned int model_given(const char *name, uint64_t limit_ns, const struct spot *s)
{
	struct err e = { 0 };
	unsigned int slot = 0;

	cr_assert_eq(probes_model(probes, name, limit_ns, &slot, &e), 0, "%s", e.text);
	if (s)
		cr_assert_eq(probes_assign(probes, s->fd, slot, &e), 0, "%s", e.text);
	return slot;
}

/* What was counted for the slot since we last asked. */
static struct probe_totals counted(unsigned int slot)
{
	struct probe_totals now = seen[slot], difference;

	probes_read(probes, slot, &now);
	for (int i = 0; i < WAIT_SLOTS; i++)
		difference.histogram[i] = now.histogram[i] - seen[slot].histogram[i];
	difference.waits = now.waits - seen[slot].waits;
	difference.wait_ns = now.wait_ns - seen[slot].wait_ns;
	difference.own_quota_ns = now.own_quota_ns - seen[slot].own_quota_ns;
	difference.run_ns = now.run_ns - seen[slot].run_ns;
	difference.involuntary = now.involuntary - seen[slot].involuntary;
	difference.breaches = now.breaches - seen[slot].breaches;
	difference.breaches_suppressed = now.breaches_suppressed - seen[slot].breaches_suppressed;
	seen[slot] = now;
	return difference;
}

static uint64_t culprit_ns(unsigned int victim, unsigned int culprit)
{
	uint64_t row[64];
	struct err e = { 0 };

	(void)poll(NULL, 0, 2); /* the matrix is kept for a millisecond */
	cr_assert_eq(probes_culprits(probes, victim, row, 64, &e), 0, "%s", e.text);
	return row[culprit];
}

static uint64_t dropped(const char *cause)
{
	const char *names[N_DROP_CAUSES];
	uint64_t counts[N_DROP_CAUSES];
	unsigned int n = probes_drops(probes, names, counts, N_DROP_CAUSES);

	for (unsigned int i = 0; i < n; i++)
		if (strcmp(names[i], cause) == 0)
			return counts[i];
	cr_assert_fail("no drop cause %s", cause);
	return 0;
}

static struct schedstat schedstat_since(const struct worker_process *w, struct schedstat before)
{
	struct schedstat now = worker_schedstat(w);

	return (struct schedstat){ .run_ns = now.run_ns - before.run_ns,
				   .wait_ns = now.wait_ns - before.wait_ns,
				   .waits = now.waits - before.waits };
}

#define assert_within(value, expected, percent, what)                                             \
	cr_assert((value) * 100 >= (expected) * (100 - (percent)) &&                              \
			  (value) * 100 <= (expected) * (100 + (percent)),                        \
		  "%s: %" PRIu64 ", expected %" PRIu64 " within %d %%", what, (uint64_t)(value),  \
		  (uint64_t)(expected), percent)

/*
 * Some kernels skip the tracepoint now and then, for reasons of their own; the sampler notices ("switch_unseen").
 * Each such switch hides at most one wait, which may be a long one: then sums of ns cannot agree closely.
 */
#define percent_given(unseen, percent) ((unseen) ? 30 : (percent))

/* ---- counting ------------------------------------------------------------------------------------------ */

Test(sampler, counts_the_waits_that_the_kernel_counts, .timeout = 120)
{
	NEEDS_ROOT("counts_the_waits_that_the_kernel_counts");
	struct spot spot = spot_make(NULL, "count");
	struct worker_process w = worker_start(&spot, cpu_last());

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("count", 0, &spot);
	struct schedstat before = worker_schedstat(&w);

	uint64_t unseen = dropped("switch_unseen");

	counted(slot);
	worker_do(&w, DEED_NAP, 300);
	worker_do(&w, DEED_BURN, MSEC(300));

	struct schedstat kernel = schedstat_since(&w, before);
	struct probe_totals ours = counted(slot);

	unseen = dropped("switch_unseen") - unseen;
	uint64_t in_histogram = 0, low_ns = 0, high_ns = 0;

	for (unsigned int i = 0; i < WAIT_SLOTS; i++) {
		in_histogram += ours.histogram[i];
		low_ns += ours.histogram[i] * wait_slot_low_ns(i);
		high_ns += ours.histogram[i] * wait_slot_high_ns(i);
	}
	cr_assert_geq(kernel.waits, 300);
	cr_assert(ours.waits <= kernel.waits && kernel.waits - ours.waits <= unseen,
		  "%" PRIu64 " waits, the kernel counted %" PRIu64 "; %" PRIu64 " switches unseen",
		  ours.waits, kernel.waits, unseen);
	assert_within(ours.wait_ns + ours.own_quota_ns, kernel.wait_ns, percent_given(unseen, 1),
		      "ns waited");
	assert_within(ours.run_ns, kernel.run_ns, 15, "ns on the CPU"); /* ours has interrupts in it */
	cr_assert_eq(in_histogram, ours.waits, "each wait is in one bucket");
	cr_assert(low_ns <= ours.wait_ns && ours.wait_ns <= high_ns, "and that bucket holds it");
	cr_assert_eq(ours.own_quota_ns, 0, "nothing was throttled");
	worker_stop(&w);
	spot_remove(&spot);
	probes_close(probes, true);
}

Test(sampler, a_cgroup_made_later_below_a_model_counts_for_it, .timeout = 60)
{
	NEEDS_ROOT("a_cgroup_made_later_below_a_model_counts_for_it");
	struct spot top = spot_make(NULL, "tree");

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("tree", 0, &top);
	struct spot middle = spot_make(&top, "middle"), leaf = spot_make(&middle, "leaf");
	struct worker_process w = worker_start(&leaf, cpu_last());

	counted(slot);
	worker_do(&w, DEED_NAP, 50);
	cr_assert_geq(counted(slot).waits, 45); /* a few may go unseen */
	worker_stop(&w);
	spot_remove(&leaf);
	spot_remove(&middle);
	spot_remove(&top);
	probes_close(probes, true);
}

Test(sampler, the_nearest_assigned_cgroup_decides_and_may_change_at_any_time, .timeout = 60)
{
	NEEDS_ROOT("the_nearest_assigned_cgroup_decides_and_may_change_at_any_time");
	struct spot top = spot_make(NULL, "outer"), leaf = spot_make(&top, "leaf");
	struct worker_process w = worker_start(&leaf, cpu_last());
	struct err e = { 0 };

	probes = probes_given(NULL, 4);
	unsigned int outer = model_given("outer", 0, &top), inner = model_given("inner", 0, NULL);

	worker_do(&w, DEED_NAP, 20);
	cr_assert_geq(counted(outer).waits, 15, "the leaf counts for its ancestor");

	cr_assert_eq(probes_assign(probes, leaf.fd, inner, &e), 0, "%s", e.text);
	counted(outer);
	worker_do(&w, DEED_NAP, 20);
	cr_assert_geq(counted(inner).waits, 15, "assigned itself, it counts for its own model");
	cr_assert_eq(counted(outer).waits, 0, "and no longer for the ancestor's");

	probes_forget(probes, inner);
	worker_do(&w, DEED_NAP, 20);
	cr_assert_geq(counted(outer).waits, 15, "its own model forgotten, it is the ancestor's again");

	cr_assert_eq(probes_assign(probes, top.fd, SLOT_OTHER, &e), 0, "%s", e.text);
	counted(outer);
	worker_do(&w, DEED_NAP, 20);
	cr_assert_eq(counted(outer).waits, 0, "the ancestor belongs to nobody now");
	worker_stop(&w);
	spot_remove(&leaf);
	spot_remove(&top);
	probes_close(probes, true);
}

Test(sampler, a_task_that_moves_counts_where_it_is, .timeout = 60)
{
	NEEDS_ROOT("a_task_that_moves_counts_where_it_is");
	struct spot one = spot_make(NULL, "one"), two = spot_make(NULL, "two");
	struct worker_process w = worker_start(&one, cpu_last());

	probes = probes_given(NULL, 4);
	unsigned int first = model_given("one", 0, &one), second = model_given("two", 0, &two);

	worker_do(&w, DEED_NAP, 20);
	worker_move(&w, &two);
	counted(first), counted(second);
	worker_do(&w, DEED_NAP, 20);
	cr_assert_eq(counted(first).waits, 0);
	cr_assert_geq(counted(second).waits, 15);
	worker_stop(&w);
	spot_remove(&one);
	spot_remove(&two);
	probes_close(probes, true);
}

/* ---- own quota --------------------------------------------------------------------------------------- */

/*
 * A thread of a group that may use 5 of 50 ms, on a CPU that a neighbour wants as well: the kernel's own sum of
 * throttling must come out as own quota, and the rest of the waiting, but no more, as contention.
 */
static void quota_check(const char *name, bool has_neighbour)
{
	struct spot capped = spot_make(NULL, "capped"), neighbour = spot_make(NULL, "neighbour");
	const char *why_not = NULL;

	if (!spot_quota(&capped, 5000, 50000, &why_not)) {
		spot_remove(&capped);
		spot_remove(&neighbour);
		SKIP(name, why_not);
	}
	struct worker_process w = worker_start(&capped, cpu_last());
	struct worker_process hog = worker_start(&neighbour, cpu_last());

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("capped", 0, &capped);
	unsigned int other = model_given("neighbour", 0, &neighbour);

	worker_do(&w, DEED_BURN, MSEC(300)); /* the first throttle of a group may go unseen */
	struct schedstat before = worker_schedstat(&w);
	uint64_t throttled_ns = spot_throttled_ns(&capped);

	uint64_t unseen = dropped("switch_unseen");

	counted(slot), counted(other);
	uint64_t blamed_before_ns = culprit_ns(slot, other);

	if (has_neighbour)
		worker_begin(&hog, DEED_BURN, MSEC(2000));
	worker_do(&w, DEED_BURN, MSEC(2000));
	throttled_ns = spot_throttled_ns(&capped) - throttled_ns;

	struct schedstat kernel = schedstat_since(&w, before);
	struct probe_totals ours = counted(slot);

	if (has_neighbour)
		worker_end(&hog);
	printf("%s: waited %" PRIu64 " us; throttled %" PRIu64 " us, own quota %" PRIu64
	       " us, contention %" PRIu64 " us\n", name, kernel.wait_ns / 1000, throttled_ns / 1000,
	       ours.own_quota_ns / 1000, ours.wait_ns / 1000);
	unseen = dropped("switch_unseen") - unseen;
	cr_assert_gt(throttled_ns, MSEC(200), "the quota was hit");
	assert_within(ours.own_quota_ns, throttled_ns, percent_given(unseen, 10),
		      "own quota, against cpu.stat");
	assert_within(ours.wait_ns + ours.own_quota_ns, kernel.wait_ns, percent_given(unseen, 1),
		      "all waiting");
	cr_assert_leq(culprit_ns(slot, other) - blamed_before_ns, ours.wait_ns,
		      "a neighbour is not blamed for the quota's part");
	worker_stop(&w);
	worker_stop(&hog);
	spot_remove(&capped);
	spot_remove(&neighbour);
	probes_close(probes, true);
}

Test(sampler, own_quota_on_an_idle_cpu_is_not_contention, .timeout = 120)
{
	NEEDS_ROOT("own_quota_on_an_idle_cpu_is_not_contention");
	quota_check("own_quota_on_an_idle_cpu_is_not_contention", false);
}

Test(sampler, own_quota_while_others_run_is_not_contention, .timeout = 120)
{
	NEEDS_ROOT("own_quota_while_others_run_is_not_contention");
	quota_check("own_quota_while_others_run_is_not_contention", true);
}

/* ---- culprits ---------------------------------------------------------------------------------------- */

Test(sampler, blames_those_who_ran_for_as_long_as_they_ran, .timeout = 120)
{
	NEEDS_ROOT("blames_those_who_ran_for_as_long_as_they_ran");
	struct spot a = spot_make(NULL, "victim"), b = spot_make(NULL, "hog"), c = spot_make(NULL, "light");
	struct worker_process victim = worker_start(&a, cpu_last()), hog = worker_start(&b, cpu_last()),
			      light = worker_start(&c, cpu_last());

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("victim", 0, &a), hog_slot = model_given("hog", 0, &b),
		     light_slot = model_given("light", 0, &c);

	counted(slot), counted(hog_slot), counted(light_slot);
	worker_begin(&victim, DEED_BURN, MSEC(2200)); /* wants the CPU longer than the others */
	worker_begin(&hog, DEED_BURN, MSEC(2000));
	worker_begin(&light, DEED_NAP, 200);
	worker_end(&light);
	worker_end(&hog);
	worker_end(&victim);

	uint64_t waited_ns = counted(slot).wait_ns, hog_ran_ns = counted(hog_slot).run_ns,
		 light_ran_ns = counted(light_slot).run_ns, sum_ns = 0;

	for (unsigned int i = 0; i < probes_slots(probes); i++)
		sum_ns += culprit_ns(slot, i);
	assert_within(culprit_ns(slot, hog_slot), hog_ran_ns, 15, "blamed on the hog, against its time on the CPU");
	cr_assert_leq(culprit_ns(slot, light_slot), light_ran_ns, "the light one ran no longer than this");
	cr_assert_leq(sum_ns, waited_ns, "no wait is blamed twice");
	assert_within(sum_ns, waited_ns, 10, "and long waits are explained");
	worker_stop(&victim);
	worker_stop(&hog);
	worker_stop(&light);
	spot_remove(&a);
	spot_remove(&b);
	spot_remove(&c);
	probes_close(probes, true);
}

/* ---- breaches ---------------------------------------------------------------------------------------- */

Test(sampler, a_breach_wakes_userspace_at_most_once_a_millisecond, .timeout = 120)
{
	NEEDS_ROOT("a_breach_wakes_userspace_at_most_once_a_millisecond");
	struct spot spot = spot_make(NULL, "breach");
	struct worker_process w = worker_start(&spot, cpu_last());
	const uint64_t limit_ns = 100 * NSEC_PER_USEC;

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("breach", limit_ns, &spot);
	struct pollfd fd = { .fd = probes_breach_fd(probes), .events = POLLIN };

	cr_assert_eq(poll(&fd, 1, 0), 0, "silent while nobody waits");
	counted(slot);
	worker_do(&w, DEED_CROWD, 40);
	cr_assert_eq(poll(&fd, 1, 10000), 1, "a breach makes the descriptor readable");

	struct probe_breach found[2048];
	unsigned int n = probes_breaches(probes, found, 1);

	cr_assert_eq(n, 1, "no more than fit");
	n += probes_breaches(probes, found + 1, 2047);
	for (unsigned int i = 0; i < n; i++) {
		cr_assert_eq(found[i].slot, slot);
		cr_assert_gt(found[i].wait_ns, limit_ns);
		cr_assert(i == 0 || found[i].at_ns - found[i - 1].at_ns >= NSEC_PER_MSEC,
			  "messages %u and %u came %" PRIu64 " ns apart", i - 1, i,
			  found[i].at_ns - found[i - 1].at_ns);
	}
	struct probe_totals totals = counted(slot);

	cr_assert_gt(totals.breaches_suppressed, 0, "48 threads at once wait longer than that");
	cr_assert_eq(totals.breaches, n + totals.breaches_suppressed, "each breach is one or the other");
	cr_assert_eq(dropped("breach_lost"), 0);
	cr_assert_eq(poll(&fd, 1, 0), 0, "silent again when all are taken");
	worker_stop(&w);
	spot_remove(&spot);
	probes_close(probes, true);
}

Test(sampler, without_a_limit_nothing_is_a_breach, .timeout = 60)
{
	NEEDS_ROOT("without_a_limit_nothing_is_a_breach");
	struct spot spot = spot_make(NULL, "calm");
	struct worker_process w = worker_start(&spot, cpu_last());

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("calm", 0, &spot);

	worker_do(&w, DEED_CROWD, 20);
	struct probe_totals totals = counted(slot);

	cr_assert_gt(totals.waits, 0);
	cr_assert_eq(totals.breaches, 0);
	worker_stop(&w);
	spot_remove(&spot);
	probes_close(probes, true);
}

/* ---- what is dropped --------------------------------------------------------------------------------- */

Test(sampler, a_task_too_deep_below_its_model_is_counted_as_dropped, .timeout = 60)
{
	NEEDS_ROOT("a_task_too_deep_below_its_model_is_counted_as_dropped");
	struct spot levels[34];

	levels[0] = spot_make(NULL, "deep");
	for (int i = 1; i < 34; i++)
		levels[i] = spot_make(&levels[i - 1], "d");
	struct worker_process w = worker_start(&levels[33], cpu_last());

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("deep", 0, &levels[0]);

	worker_do(&w, DEED_NAP, 5);
	cr_assert_eq(counted(slot).waits, 0);
	cr_assert_gt(dropped("tree_too_deep"), 0);
	worker_stop(&w);
	for (int i = 33; i >= 0; i--)
		spot_remove(&levels[i]);
	probes_close(probes, true);
}

Test(sampler, a_wait_longer_than_the_memory_of_runs_is_counted_as_dropped, .timeout = 120)
{
	NEEDS_ROOT("a_wait_longer_than_the_memory_of_runs_is_counted_as_dropped");
	struct spot a = spot_make(NULL, "patient"), b = spot_make(NULL, "ping"), c = spot_make(NULL, "pong");
	int there[2], back[2];

	cr_assert_eq(pipe(there), 0);
	cr_assert_eq(pipe(back), 0);
	struct worker_process patient = worker_start(&a, cpu_last()), ping = worker_start(&b, cpu_last()),
			      pong = worker_start(&c, cpu_last());

	probes = probes_given(NULL, 4);
	(void)model_given("patient", 0, &a);
	(void)model_given("ping", 0, &b);
	(void)model_given("pong", 0, &c);
	uint64_t before = dropped("runs_forgotten");

	worker_begin(&patient, DEED_IDLE_BURN, MSEC(200));
	worker_begin_pass(&ping, there[0], back[1], 50000);
	worker_begin_pass(&pong, back[0], there[1], 50000);
	cr_assert_eq(write(there[1], "x", 1), 1);
	worker_end(&ping);
	worker_end(&pong);
	worker_end(&patient);
	cr_assert_gt(dropped("runs_forgotten"), before);
	worker_stop(&patient);
	worker_stop(&ping);
	worker_stop(&pong);
	spot_remove(&a);
	spot_remove(&b);
	spot_remove(&c);
	probes_close(probes, true);
}

/* ---- refusals ---------------------------------------------------------------------------------------- */

Test(sampler, models_beyond_its_size_are_refused, .timeout = 60)
{
	NEEDS_ROOT("models_beyond_its_size_are_refused");
	struct err e = { 0 };
	unsigned int slot = 99, again = 99;
	char long_name[100];

	probes = probes_given(NULL, 1);
	cr_assert_eq(probes_model(probes, "first", 0, &slot, &e), 0);
	cr_assert_eq(slot, SLOT_FIRST_MODEL);
	cr_assert_eq(probes_model(probes, "first", 0, &again, &e), 0);
	cr_assert_eq(again, slot, "the same name is the same slot");
	cr_assert_eq(probes_model(probes, "second", 0, &again, &e), -ENOSPC);
	cr_assert(strstr(e.text, "second"), "%s", e.text);
	cr_assert_eq(again, slot, "nothing was written");
	probes_forget(probes, slot);
	cr_assert_eq(probes_model(probes, "second", 0, &again, &e), 0, "a forgotten slot is free");
	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	cr_assert_eq(probes_model(probes, long_name, 0, &again, &e), -EINVAL);
	probes_close(probes, true);
}

Test(sampler, only_a_cgroup_can_be_assigned, .timeout = 60)
{
	NEEDS_ROOT("only_a_cgroup_can_be_assigned");
	_cleanup_fd_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };

	probes = probes_given(NULL, 4);
	unsigned int slot = model_given("place", 0, NULL);

	cr_assert_eq(probes_assign(probes, fd, slot, &e), -EINVAL);
	cr_assert(strstr(e.text, "cgroup2"), "%s", e.text);
	cr_assert_eq(probes_assign(probes, -1, slot, &e), -EBADF);
	probes_close(probes, true);
}

/* ---- pins -------------------------------------------------------------------------------------------- */

static char pins[] = "/tmp/modelgov-test-pins.XXXXXX";
static char pin_path[128];

/* A BPF file system that only this process sees. */
static void pins_init(void)
{
	if (geteuid() != 0)
		return;
	cr_assert_neq(mkdtemp(pins), NULL);
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("bpf", pins, "bpf", 0, NULL), 0);
	snprintf(pin_path, sizeof(pin_path), "%s/modelgov", pins);
}

static void pins_fini(void)
{
	if (geteuid() != 0)
		return;
	cr_assert_eq(umount2(pins, MNT_DETACH), 0);
	cr_assert_eq(rmdir(pins), 0);
}

TestSuite(pins, .init = pins_init, .fini = pins_fini);

static int pinned_open(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", pin_path, name);
	return bpf_obj_get(path);
}

Test(pins, a_daemon_that_comes_back_finds_every_wait_counted, .timeout = 60)
{
	NEEDS_ROOT("a_daemon_that_comes_back_finds_every_wait_counted");
	struct spot spot = spot_make(NULL, "stay");
	struct worker_process w = worker_start(&spot, cpu_last());

	probes = probes_given(pin_path, 4);
	(void)model_given("first", 0, NULL);
	unsigned int slot = model_given("stay", MSEC(7), &spot), again;
	struct schedstat before = worker_schedstat(&w);
	uint64_t unseen = dropped("switch_unseen");

	counted(slot);
	worker_do(&w, DEED_NAP, 20);
	probes_close(probes, false);
	worker_do(&w, DEED_NAP, 20); /* nobody is there */

	probes = probes_given(pin_path, 3);
	again = model_given("stay", MSEC(7), NULL);
	cr_assert_eq(again, slot, "the same model in the same slot");
	worker_do(&w, DEED_NAP, 20);

	struct schedstat kernel = schedstat_since(&w, before);

	unseen = dropped("switch_unseen") - unseen;
	cr_assert_geq(kernel.waits, 60);
	cr_assert_geq(counted(slot).waits + unseen, kernel.waits, "none was lost");
	worker_stop(&w);
	spot_remove(&spot);
	probes_close(probes, true);
	cr_assert_neq(access(pin_path, F_OK), 0, "the last one leaves nothing");
}

Test(pins, what_nobody_names_again_is_forgotten_when_settled, .timeout = 60)
{
	NEEDS_ROOT("what_nobody_names_again_is_forgotten_when_settled");
	struct spot kept = spot_make(NULL, "kept"), left = spot_make(NULL, "left");
	struct worker_process w = worker_start(&left, cpu_last());
	struct err e = { 0 };

	probes = probes_given(pin_path, 4);
	unsigned int slot = model_given("kept", 0, &kept), gone = model_given("gone", 0, NULL);

	cr_assert_eq(probes_assign(probes, left.fd, slot, &e), 0);
	probes_close(probes, false);
	probes = probes_given(pin_path, 4);
	cr_assert_eq(model_given("kept", 0, &kept), slot);
	counted(slot);
	worker_do(&w, DEED_NAP, 5);
	cr_assert_geq(counted(slot).waits, 1, "not settled yet: it may still be named");

	probes_settle(probes);
	worker_do(&w, DEED_NAP, 5);
	cr_assert_eq(counted(slot).waits, 0, "the policy changed while nobody was there");
	cr_assert_eq(model_given("new", 0, NULL), gone, "a model nobody named leaves its slot");
	worker_stop(&w);
	spot_remove(&kept);
	spot_remove(&left);
	probes_close(probes, true);
}

Test(pins, a_removed_cgroup_leaves_no_assignment, .timeout = 60)
{
	NEEDS_ROOT("a_removed_cgroup_leaves_no_assignment");
	struct spot spot = spot_make(NULL, "short");
	struct stat st;

	probes = probes_given(pin_path, 4);
	(void)model_given("short", 0, &spot);
	cr_assert_eq(fstat(spot.fd, &st), 0);

	_cleanup_fd_ int map_fd = pinned_open("assignments");
	__u64 id = st.st_ino;
	struct assignment a;

	cr_assert_eq(bpf_map_lookup_elem(map_fd, &id, &a), 0, "assigned while it is there");
	spot_remove(&spot);
	cr_assert_neq(bpf_map_lookup_elem(map_fd, &id, &a), 0);
	probes_close(probes, true);
}

Test(pins, a_sampler_of_another_version_or_too_small_is_replaced, .timeout = 60)
{
	NEEDS_ROOT("a_sampler_of_another_version_or_too_small_is_replaced");
	struct layout l;
	__u32 zero = 0;

	probes = probes_given(pin_path, 4);
	probes_close(probes, false);
	probes = probes_given(pin_path, 40);
	cr_assert_geq(probes_slots(probes), 42, "too small: replaced");
	(void)model_given("one", 0, NULL);
	probes_close(probes, false);
	probes = probes_given(pin_path, 4);
	cr_assert_geq(probes_slots(probes), 42, "large enough: kept");
	probes_close(probes, false);

	int fd = pinned_open("layout");

	cr_assert_eq(bpf_map_lookup_elem(fd, &zero, &l), 0);
	l.version++;
	cr_assert_eq(bpf_map_update_elem(fd, &zero, &l, BPF_ANY), 0);
	close(fd);
	probes = probes_given(pin_path, 4);
	cr_assert_eq(probes_slots(probes), 6, "another version: replaced");
	probes_close(probes, false);

	char path[256]; /* a folder that was left half made */

	snprintf(path, sizeof(path), "%s/layout", pin_path);
	cr_assert_eq(unlink(path), 0);
	probes = probes_given(pin_path, 5);
	cr_assert_eq(probes_slots(probes), 7, "incomplete: replaced");
	probes_close(probes, true);
}

static void counts_without_pins_at(const char *path)
{
	struct spot spot = spot_make(NULL, "unpinned");
	struct worker_process w = worker_start(&spot, cpu_last());

	probes = probes_given(path, 4);
	unsigned int slot = model_given("unpinned", 0, &spot);
	const char *why = probes_unpinned(probes);

	cr_assert(why && strstr(why, "mount -t bpf"), "%s", why ? why : "it says that it is pinned");
	counted(slot);
	worker_do(&w, DEED_NAP, 20);
	cr_assert_geq(counted(slot).waits, 20);
	worker_stop(&w);
	spot_remove(&spot);
	probes_close(probes, false);
	cr_assert_neq(access(path, F_OK), 0, "and nothing is left there");
}

Test(pins, without_a_bpf_file_system_it_counts_unpinned_and_says_the_cure, .timeout = 60)
{
	NEEDS_ROOT("without_a_bpf_file_system_it_counts_unpinned_and_says_the_cure");

	counts_without_pins_at("/tmp/modelgov-test-no-bpffs");
	counts_without_pins_at("/proc/modelgov"); /* takes no folders, like sysfs below /sys/fs/bpf */
}

Test(pins, what_is_pinned_does_not_say_otherwise, .timeout = 60)
{
	NEEDS_ROOT("what_is_pinned_does_not_say_otherwise");

	probes = probes_given(pin_path, 4);
	cr_assert_null(probes_unpinned(probes));
	probes_close(probes, true);
}

Test(pins, bpftool_shows_names_and_units, .timeout = 60)
{
	NEEDS_ROOT("bpftool_shows_names_and_units");
	static const struct {
		const char *map, *text;
	} cases[] = {
		{ "models", "\"name\": \"shown\"" },
		{ "models", "\"limit_ns\": 7000000" },
		{ "wait_totals", "\"own_quota_ns\": " },
		{ "wait_totals", "\"slot\": 2" },
		{ "wait_histograms", "\"counts\": [" },
		{ "assignments", "\"slot\": 2" },
		{ "culprits", "\"victim\": " },
		{ "drops", "\"runs_forgotten\": " },
		{ "layout", "\"version\": 1" },
	};
	struct spot spot = spot_make(NULL, "shown");
	struct worker_process w = worker_start(&spot, cpu_last());

	if (system("PATH=$PATH:/usr/sbin bpftool version >/dev/null 2>&1") != 0) {
		worker_stop(&w);
		spot_remove(&spot);
		SKIP("bpftool_shows_names_and_units", "bpftool is not installed");
	}
	probes = probes_given(pin_path, 4);
	(void)model_given("shown", MSEC(7), &spot);
	worker_do(&w, DEED_CROWD, 20);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char command[512];

		snprintf(command, sizeof(command),
			 "PATH=$PATH:/usr/sbin bpftool map dump pinned %s/%s | grep -qF '%s'", pin_path,
			 cases[i].map, cases[i].text);
		cr_assert_eq(system(command), 0, "no %s in the dump of %s", cases[i].text, cases[i].map);
	}
	worker_stop(&w);
	spot_remove(&spot);
	probes_close(probes, true);
}

/* ---- kernels without sched_info ------------------------------------------------------------------------ */

Test(sampler, stamps_queued_tasks_itself_where_the_kernel_does_not, .timeout = 60)
{
	NEEDS_ROOT("stamps_queued_tasks_itself_where_the_kernel_does_not");
	const __u32 cpus = (__u32)libbpf_num_possible_cpus(), slot = SLOT_FIRST_MODEL;
	struct spot spot = spot_make(NULL, "stamp");
	struct worker_process w = worker_start(&spot, cpu_last());
	struct runqueue_bpf *o = runqueue_bpf__open();
	struct assignment a = { .slot = slot };
	struct wait_totals totals;
	struct drops dropped_there;
	struct stat st;

	cr_assert_neq(o, NULL);
	o->rodata->stamps_itself = true;
	bpf_map__set_max_entries(o->maps.wait_totals, 3 * cpus);
	bpf_map__set_max_entries(o->maps.wait_histograms, 3 * cpus);
	bpf_map__set_max_entries(o->maps.cpus, cpus);
	bpf_map__set_max_entries(o->maps.drops, cpus);
	bpf_program__set_autoload(o->progs.on_wakeup, true);
	bpf_program__set_autoload(o->progs.on_wakeup_new, true);
	cr_assert_eq(runqueue_bpf__load(o), 0);
	static struct cpu_memory memory;

	for (__u32 cpu = 0; cpu < cpus; cpu++) {
		memory.first_cell = cpu * 3;
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(o->maps.cpus), &cpu, &memory, BPF_ANY), 0);
	}
	cr_assert_eq(fstat(spot.fd, &st), 0);
	__u64 id = st.st_ino;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(o->maps.assignments), &id, &a, BPF_ANY), 0);
	cr_assert_eq(runqueue_bpf__attach(o), 0);

	struct schedstat before = worker_schedstat(&w);

	worker_do(&w, DEED_NAP, 200);
	worker_do(&w, DEED_BURN, MSEC(200));

	struct schedstat kernel = schedstat_since(&w, before);
	__u32 i = slot * cpus + (__u32)cpu_last();

	__u32 cpu = (__u32)cpu_last();

	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(o->maps.wait_totals), &i, &totals), 0);
	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(o->maps.drops), &cpu, &dropped_there), 0);
	assert_within(totals.waits, kernel.waits, 5, "waits");
	assert_within(totals.wait_ns, kernel.wait_ns, percent_given(dropped_there.switch_unseen, 10),
		      "ns waited");
	cr_assert_eq(dropped_there.stamp_failed, 0);
	runqueue_bpf__destroy(o);
	worker_stop(&w);
	spot_remove(&spot);
}
