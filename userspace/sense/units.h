/* SPDX-License-Identifier: Apache-2.0 */
/*
 * units: where systemd keeps the cgroup of a unit, and whose cgroup a path is. Asks over D-Bus in
 * the background and never waits: on an overloaded host, the place to be governed, an answer may
 * take seconds. Never guesses from names. When to ask again is the caller's decision.
 *
 * Answers arrive while the bus is processed: by the event loop it is attached to, or by
 * units_wait().
 */
#ifndef MODELGOV_SENSE_UNITS_H
#define MODELGOV_SENSE_UNITS_H

#include "base.h"

struct sd_bus;
struct units;

enum unit_state {
	UNIT_UNKNOWN, /* no answer yet */
	UNIT_ABSENT,  /* systemd knows no such unit */
	UNIT_STOPPED, /* it exists and has no cgroup now */
	UNIT_RUNNING,
};

/* What systemd said of a unit. */
struct unit_fact {
	enum unit_state state;
	const char *path;   /* of its cgroup below the mount while UNIT_RUNNING, NULL otherwise */
	uint64_t n_answers; /* how often it answered: tells a new answer from an old one */
};

/* bus is borrowed. NULL without memory. */
struct units *units_new(struct sd_bus *bus);
void units_free(struct units *u);

/* The last answer, borrowed until the next call; asks (again) if wanted. NULL: no memory. */
const struct unit_fact *units_locate(struct units *u, const char *unit, bool asks);

/*
 * The unit whose own cgroup path is, by its id: a name, or "" when the path lies below a unit's or
 * belongs to none. NULL while there is no answer; the question is asked by itself.
 */
const char *units_at(struct units *u, const char *path, uint64_t id);

/* Sends what is to be asked and forgets what nobody wanted to know since the last call. */
void units_flush(struct units *u);

/* Did an answer arrive since the last call that says something new? */
bool units_have_news(struct units *u);

/* Is an answer still to come? */
bool units_are_pending(const struct units *u);

/* Why the last question got no answer: a negative errno, 0 when it got one. */
int units_problem(const struct units *u);

/*
 * Processes the bus until all questions are answered, for callers without a loop and before it
 * runs. 0, or -ETIMEDOUT.
 */
int units_wait(struct units *u, uint64_t timeout_ns);

#endif
