/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: one look over the hierarchy for every cgroup that some model matches. Remembers where
 * systemd keeps each unit, and nothing else between two looks; what is kept open is in targets.c.
 */
#ifndef MODELGOV_SENSE_SEARCH_H
#define MODELGOV_SENSE_SEARCH_H

#include "containers.h"
#include "health.h"
#include "hierarchy.h"
#include "units.h"

#define MAX_TARGETS  4096 /* chosen: a pattern that matches more is a mistake */
#define SEARCH_TICKS 10   /* chosen: so long a unit that was not there is not asked for again */

struct candidate {
	const char *path; /* until the next look */
	const char *unit; /* "" when it is no unit's own cgroup, NULL when only systemd knows */
	uint64_t id;
	uint32_t model;
	bool was_watched; /* the look before passed here: if it was there, it was found then */
};

/* A unit of a manifest. */
struct followed_unit {
	char *name, *path; /* path: where it was last, or NULL */
	uint32_t model;
	enum unit_state state;
	bool was_asked;
	bool was_watched; /* the look before passed at path */
	uint64_t asked_tick;
	uint64_t n_answers; /* how many of them are in here */
};

struct search {
	struct hierarchy *tree;      /* borrowed */
	const struct policy *policy; /* borrowed; NULL before search_follow() */
	struct followed_unit *units;
	unsigned int n_units;
	struct containers containers; /* read only while some model is matched by container */
	bool follows_containers;

	struct candidate *found; /* ordered by id, one each */
	unsigned int n_found, size;
	bool is_cut;              /* more than MAX_TARGETS */
	struct arena arena;       /* paths of found */
	struct health_list notes; /* cgroups that two models match */
};

void search_init(struct search *s, struct hierarchy *tree);
void search_fini(struct search *s);

/* Models and patterns are those of policy from now on; units that stay are remembered. */
int search_follow(struct search *s, const struct policy *policy, struct err *e);

/* Did a container that may matter start or stop? always: read them again in any case. -ENOMEM. */
int search_containers_changed(struct search *s, bool always);

/* Something happened to the cgroup at path: ask systemd again about the unit that had it. */
void search_distrust(struct search *s, const char *path);

/*
 * Looks. units: how to ask systemd; NULL: units are looked for by name in the slices. asks_all: ask
 * also about units that were not there a moment ago. Answers count at the next look.
 */
int search_run(struct search *s, struct units *units, uint64_t tick, bool asks_all, struct err *e);

#endif
