/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: a host in virtual time for the laws of decide(): models with seeded arrivals, service
 * times and threads, and a scheduler that shares CPUs by weight and quota. Makes the observations
 * that sense would make and takes plans as act would. Knows nothing of the law.
 *
 * A fluid model in slots of 50 ms: what matters is that taking from one gives to the others, that
 * waits follow from it and that all of it repeats, not that latencies are those of a kernel.
 */
#ifndef MODELGOV_TEST_WORLD_H
#define MODELGOV_TEST_WORLD_H

#include "decide.h"

#define WORLD_MODELS  8
#define WORLD_SLOTS   20 /* of a tick of one second */
#define WORLD_BUCKETS 64
#define WORLD_WINDOW  60 /* ticks of an objective */

/* How a model behaves; nobody tells decide. */
struct load {
	uint64_t rate;       /* requests a second on average; 0: it always wants all its threads */
	uint64_t service_ns; /* CPU time of one request */
	uint64_t threads;
	uint64_t backlog_ns; /* work that arrived and is not done */

	/* of the tick */
	uint64_t wanted_ns, got_ns, throttled_ns, wait_ns, own_quota_ns, waits;
	uint64_t ran_ns[WORLD_MODELS + 1]; /* who ran while it waited; the last: nobody governed */
	uint16_t now[WORLD_BUCKETS], window[WORLD_WINDOW][WORLD_BUCKETS];
	uint32_t total[WORLD_BUCKETS];
	unsigned int below_ticks; /* in a row: wanted its floor and got less */
};

struct world {
	uint64_t seed, random;
	uint64_t stranger_threads, stranger_weight; /* what nobody governs */
	uint64_t next_id;
	struct policy policy;
	struct model models[WORLD_MODELS];
	struct load loads[WORLD_MODELS];
	struct observation now;
	struct model_reading readings[WORLD_MODELS];
	struct target targets[WORLD_MODELS]; /* one of each model, in any order */
	struct state state;
	struct plan plan;
};

/* Random models in random classes; loads are random as well until somebody sets them. */
struct world *world_new(uint64_t seed);
void world_free(struct world *w);

uint64_t world_random(struct world *w, uint64_t below);
bool world_chance(struct world *w, unsigned int percent);

void world_load(struct world *w, uint32_t model);    /* another load for a model */
void world_restart(struct world *w, uint32_t model); /* a fresh cgroup */
void world_shuffle(struct world *w);                 /* the order of targets */
void world_blind(struct world *w);                   /* nothing of this tick was measured */

void world_run(struct world *w);    /* one second passes, and is measured */
void world_decide(struct world *w); /* the law, on what was measured */
void world_apply(struct world *w);  /* the kernel takes all that was planned */

/* Of all models with that promise: was this tick's p99 over the budget? */
unsigned int world_violations(const struct world *w);

#endif
