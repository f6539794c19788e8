/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models and their cgroups in the BPF sampler, and its counters: names slots, assigns cgroups, sums
 * up over CPUs, takes breaches. Loading and pinning is sampler.c's, differences and windows are models.c's.
 */
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "cgroup.h"
#include "sampler.h"

#define CULPRITS_KEPT_NS NSEC_PER_MSEC

/* The culprit matrix as it was a moment ago. */
struct culprits {
	struct culprit_key *keys;
	struct culprit_total *totals;
	__u32 n, capacity;
	uint64_t read_ns;
};

/* Where the ring buffer's callback puts what it is given. */
struct batch {
	struct probe_breach *breaches;
	unsigned int n, max;
};

struct probes {
	struct sampler *sampler;
	struct ring_buffer *ring;
	struct batch batch;
	struct culprits culprits;
	bool *is_claimed; /* by slot: named since we opened */
};

/* ---- opening ----------------------------------------------------------------------------------- */

static int breach_take(void *context, void *data, size_t size)
{
	struct batch *batch = context;
	const struct breach_event *event = data;

	if (size < sizeof(*event))
		return 0;
	batch->breaches[batch->n++] = (struct probe_breach){
		.slot = event->slot,
		.wait_ns = event->wait_ns,
		.at_ns = event->at_ns,
	};
	return batch->n == batch->max ? -ENOSPC : 0; /* this one is consumed, the next is not */
}

static int culprits_init(struct culprits *c, int map_fd, struct err *e)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(map_fd, &info, &length) < 0)
		return err_set(e, -errno, "ask about BPF map culprits");
	c->capacity = info.max_entries;
	c->keys = calloc(c->capacity, sizeof(*c->keys));
	c->totals = calloc(c->capacity, sizeof(*c->totals));
	return c->keys && c->totals ? 0 : err_set(e, -ENOMEM, "keep %u culprits", c->capacity);
}

int probes_open(const char *pin_path, unsigned int max_models, struct probes **ret_probes,
		struct err *e)
{
	struct probes *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(e, -ENOMEM, "open the probes");
	r = sampler_open(pin_path, SLOT_FIRST_MODEL + max_models, &p->sampler, e);
	if (r == 0)
		r = culprits_init(&p->culprits, p->sampler->fds[SAMPLER_culprits], e);
	if (r == 0) {
		p->is_claimed = calloc(p->sampler->layout->slots, sizeof(*p->is_claimed));
		p->ring = ring_buffer__new(p->sampler->fds[SAMPLER_breaches], breach_take, &p->batch,
					   NULL);
		if (!p->is_claimed || !p->ring)
			r = err_set(e, -errno, "open the ring buffer of breaches");
	}
	if (r < 0) {
		probes_close(p, false);
		return r;
	}
	*ret_probes = p;
	return 0;
}

void probes_close(struct probes *p, bool removes_pins)
{
	if (!p)
		return;
	ring_buffer__free(p->ring);
	sampler_close(p->sampler, removes_pins);
	free(p->culprits.keys);
	free(p->culprits.totals);
	free(p->is_claimed);
	free(p);
}

const char *probes_unpinned(const struct probes *p)
{
	return p->sampler->unpinned.code ? p->sampler->unpinned.text : NULL;
}

/* ---- who is who -------------------------------------------------------------------------------- */

/* What the kernel remembers is stale from now on. Pairs with the barrier in slot_resolve(). */
static void generation_advance(struct probes *p)
{
	for (__u32 cpu = 0; cpu < p->sampler->layout->cpus; cpu++)
		__atomic_fetch_add(&p->sampler->cpus[cpu].generation, 1, __ATOMIC_SEQ_CST);
}

unsigned int probes_slots(const struct probes *p)
{
	return p->sampler->layout->slots;
}

/* SLOT_OTHER when there is none. */
static unsigned int slot_find(const struct probes *p, const char *name)
{
	for (unsigned int slot = SLOT_FIRST_MODEL; slot < probes_slots(p); slot++)
		if (strcmp(p->sampler->models[slot].name, name) == 0)
			return slot;
	return SLOT_OTHER;
}

/* Counters of an earlier model in this slot. Nobody counts there: no cgroup is assigned to it. */
static void slot_clear(struct probes *p, unsigned int slot)
{
	struct sampler *s = p->sampler;
	struct culprit_key key, next;

	for (__u32 cpu = 0; cpu < s->layout->cpus; cpu++) {
		__u32 i = cpu * s->layout->slots + slot;

		s->totals[i] = (struct wait_totals){ .slot = slot, .cpu = cpu };
		memset(&s->histograms[i], 0, sizeof(s->histograms[i]));
	}
	int map_fd = s->fds[SAMPLER_culprits];
	int r = bpf_map_get_next_key(map_fd, NULL, &next);

	while (r == 0) {
		key = next;
		r = bpf_map_get_next_key(map_fd, &key, &next);
		if (key.victim == slot || key.culprit == slot)
			(void)bpf_map_delete_elem(map_fd, &key);
	}
	p->culprits.read_ns = 0;
}

int probes_model(struct probes *p, const char *name, uint64_t limit_ns, unsigned int *ret_slot,
		 struct err *e)
{
	unsigned int slot = slot_find(p, name);

	if (!*name || strlen(name) >= MODEL_NAME_SIZE)
		return err_say(e, -EINVAL, "model name '%s' does not fit the sampler", name);
	if (slot == SLOT_OTHER) {
		slot = slot_find(p, "");
		if (slot == SLOT_OTHER)
			return err_say(e, -ENOSPC, "the sampler has no slot left for model %s", name);
		slot_clear(p, slot);
		memcpy(p->sampler->models[slot].name, name, strlen(name) + 1);
	}
	p->sampler->models[slot].limit_ns = limit_ns ? MAX(limit_ns, (uint64_t)LONG_WAIT_NS) : 0;
	p->is_claimed[slot] = true;
	*ret_slot = slot;
	return 0;
}

/* Takes back assignments to the slot, or those that nobody confirmed when slot is SLOT_OTHER. */
static void assignments_remove(struct probes *p, unsigned int slot)
{
	int map_fd = p->sampler->fds[SAMPLER_assignments];
	struct assignment a;
	__u64 id, next;
	bool is_any = false;
	int r = bpf_map_get_next_key(map_fd, NULL, &next);

	while (r == 0) {
		id = next;
		r = bpf_map_get_next_key(map_fd, &id, &next);
		if (bpf_map_lookup_elem(map_fd, &id, &a) < 0)
			continue;
		if (slot == SLOT_OTHER ? a.epoch != p->sampler->layout->epoch : a.slot == slot)
			is_any |= bpf_map_delete_elem(map_fd, &id) == 0;
	}
	if (is_any)
		generation_advance(p);
}

void probes_forget(struct probes *p, unsigned int slot)
{
	if (slot < SLOT_FIRST_MODEL || slot >= probes_slots(p))
		return;
	assignments_remove(p, slot);
	p->sampler->models[slot].limit_ns = 0;
	p->sampler->models[slot].name[0] = '\0';
	p->is_claimed[slot] = false;
}

int probes_assign(struct probes *p, int cgroup_fd, unsigned int slot, struct err *e)
{
	int map_fd = p->sampler->fds[SAMPLER_assignments];
	struct assignment a = { .slot = slot, .epoch = p->sampler->layout->epoch }, before;
	struct statfs fs;
	uint64_t id;

	if (slot >= probes_slots(p) || slot == SLOT_IDLE)
		return err_say(e, -EINVAL, "no slot %u in the sampler", slot);
	if (fstatfs(cgroup_fd, &fs) < 0)
		return err_set(e, -errno, "statfs of a cgroup");
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_say(e, -EINVAL, "not a cgroup of the cgroup2 hierarchy");

	int r = cgroup_id_read(cgroup_fd, &id);

	if (r < 0)
		return err_set(e, r, "read the id of a cgroup");
	bool is_same = bpf_map_lookup_elem(map_fd, &id, &before) == 0 && before.slot == slot;

	if (bpf_map_update_elem(map_fd, &id, &a, BPF_ANY) < 0)
		return errno == E2BIG ? err_say(e, -ENOSPC, "too many cgroups are assigned to models") :
					err_set(e, -errno, "assign a cgroup to slot %u", slot);
	if (!is_same)
		generation_advance(p);
	return 0;
}

void probes_settle(struct probes *p)
{
	assignments_remove(p, SLOT_OTHER);
	for (unsigned int slot = SLOT_FIRST_MODEL; slot < probes_slots(p); slot++)
		if (p->sampler->models[slot].name[0] && !p->is_claimed[slot])
			probes_forget(p, slot);
}

/* ---- reading ----------------------------------------------------------------------------------- */

void probes_read(const struct probes *p, unsigned int slot, struct probe_totals *totals)
{
	const struct sampler *s = p->sampler;
	const __u32 cpus = s->layout->cpus, slots = s->layout->slots;
	struct wait_totals sum = { 0 };

	if (slot >= probes_slots(p))
		return;
	for (__u32 cpu = 0; cpu < cpus; cpu++) {
		const volatile struct wait_totals *t = &s->totals[cpu * slots + slot];

		sum.waits += t->waits;
		sum.wait_ns += t->wait_ns;
		sum.own_quota_ns += t->own_quota_ns;
		sum.run_ns += t->run_ns;
		sum.involuntary += t->involuntary;
		sum.breaches += t->breaches;
		sum.breaches_suppressed += t->breaches_suppressed;
	}
	bool is_new = sum.waits != totals->waits || sum.wait_ns != totals->wait_ns;

	totals->waits = sum.waits;
	totals->wait_ns = sum.wait_ns;
	totals->own_quota_ns = sum.own_quota_ns;
	totals->run_ns = sum.run_ns;
	totals->involuntary = sum.involuntary;
	totals->breaches = sum.breaches;
	totals->breaches_suppressed = sum.breaches_suppressed;
	if (!is_new)
		return;
	memset(totals->histogram, 0, sizeof(totals->histogram));
	for (__u32 cpu = 0; cpu < cpus; cpu++) {
		const struct wait_histogram *h = &s->histograms[cpu * slots + slot];

		for (unsigned int i = 0; i < WAIT_SLOTS; i++)
			totals->histogram[i] += h->counts[i];
	}
}

static int culprits_refresh(struct culprits *c, int map_fd, struct err *e)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint64_t now_ns = clock_monotonic_ns();
	__u32 position, n = c->capacity;

	if (c->read_ns && now_ns - c->read_ns < CULPRITS_KEPT_NS)
		return 0;
	/* -ENOENT: that was all */
	if (bpf_map_lookup_batch(map_fd, NULL, &position, c->keys, c->totals, &n, &options) < 0 &&
	    errno != ENOENT)
		return err_set(e, -errno, "read BPF map culprits");
	c->n = n;
	c->read_ns = now_ns;
	return 0;
}

int probes_culprits(struct probes *p, unsigned int slot, uint64_t *ret_wait_ns, unsigned int n,
		    struct err *e)
{
	struct culprits *c = &p->culprits;
	int r = culprits_refresh(c, p->sampler->fds[SAMPLER_culprits], e);

	if (r < 0)
		return r;
	memset(ret_wait_ns, 0, n * sizeof(*ret_wait_ns));
	for (__u32 i = 0; i < c->n; i++)
		if (c->keys[i].victim == slot && c->keys[i].culprit < n)
			ret_wait_ns[c->keys[i].culprit] = c->totals[i].wait_ns;
	return 0;
}

int probes_breach_fd(const struct probes *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

unsigned int probes_breaches(struct probes *p, struct probe_breach *ret_breaches, unsigned int max)
{
	if (max == 0)
		return 0;
	p->batch = (struct batch){ .breaches = ret_breaches, .max = max };
	(void)ring_buffer__consume(p->ring); /* its only error is ours: full */
	return p->batch.n;
}

unsigned int probes_drops(const struct probes *p, const char **ret_names, uint64_t *ret_counts,
			  unsigned int max)
{
	static const struct {
		const char *name;
		size_t offset;
	} causes[N_DROP_CAUSES] = {
#define X(cause, meaning) { #cause, offsetof(struct drops, cause) },
		DROPS(X)
#undef X
	};
	unsigned int n = MIN(max, (unsigned int)N_DROP_CAUSES);

	for (unsigned int i = 0; i < n; i++) {
		ret_names[i] = causes[i].name;
		ret_counts[i] = 0;
		for (__u32 cpu = 0; cpu < p->sampler->layout->cpus; cpu++)
			ret_counts[i] += *(const volatile __u64 *)((const char *)&p->sampler->drops[cpu] +
								   causes[i].offset);
	}
	return n;
}
