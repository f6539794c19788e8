/* SPDX-License-Identifier: Apache-2.0 */
/*
 * targets: which cgroups belong to which model, kept up to date from tick to tick. Owns what is
 * open of them (directory, control files, last readings); what the numbers say is for models.c.
 *
 * A model owns, if they exist:
 *   its units                                   where systemd says their cgroup is
 *   what its cgroup patterns match
 *   the cgroups of its containers               where their runtime says
 *   /modelgov.slice/modelgov-NAME.scope         made by `modelgov run` and `attach`,
 *   /modelgov.slice/modelgov-NAME.scope/main    and the part of it that is ours to write
 *   /modelgov.slice/modelgov-experiments.slice/... the same, of experiments
 *   /modelgov/NAME                              the same on hosts without systemd
 *
 * A cgroup that two models match belongs to the first by id; the health list tells of it.
 */
#ifndef MODELGOV_SENSE_TARGETS_H
#define MODELGOV_SENSE_TARGETS_H

#include "health.h"
#include "hierarchy.h"
#include "readings.h"
#include "search.h"

/* One cgroup of a model, as sense keeps it. */
struct place {
	char *path, *unit; /* unit: "" when it is no unit's own cgroup */
	uint64_t id;
	uint32_t model; /* index into the policy; MODEL_NONE: left over from the one before */
	uint32_t knobs;
	enum driver driver;
	bool is_classified; /* systemd said whose it is */
	bool is_nested;     /* below another place of the same model, whose numbers include it */
	bool is_gone;
	bool is_new, is_kept; /* marks of a search under way */
	bool is_assigned;     /* the sampler counts it for slot */
	unsigned int slot;
	int dir_fd;
	struct cgroup_files files;
	bool has_last, was_read; /* last, now is filled */
	struct readings last, now;
	uint64_t written[N_KNOBS];      /* see intrusions.h */
	struct writer writers[N_KNOBS]; /* who changed it since */
	bool is_watched;
};

struct targets {
	struct hierarchy tree;
	struct search search;
	struct units *units; /* NULL: no D-Bus, units are looked for by name in the slices */
	bool has_systemd;
	const struct policy *policy;
	struct descriptors descriptors;

	struct place **places; /* ordered by model, then id */
	unsigned int n_places;
	/* alive, but no model's any more: for the sampler to forget; until the next update */
	struct place **dropped;
	unsigned int n_dropped;

	bool is_stale;           /* look again, whatever the notices say */
	bool was_searched;       /* with this policy */
	bool was_complete;       /* the last search: what appears where it looked is new */
	bool has_short_of_files; /* a cgroup could not be opened for want of descriptors */
	uint64_t tick, searched_tick;
};

void targets_init(struct targets *t);
/* bus: borrowed, or NULL. */
int targets_open(struct targets *t, const char *root, struct sd_bus *bus, struct err *e);
void targets_close(struct targets *t);

/*
 * The models are those of policy (borrowed) from now on; places are kept as far as they match
 * again. map gives the new index, or MODEL_NONE, of each model of the policy before. Without memory
 * nothing changed.
 */
int targets_follow(struct targets *t, const struct policy *policy, const uint32_t *map,
		   struct err *e);

/* Once a tick: drops what is gone, searches where there is reason to. Fails only without memory. */
int targets_update(struct targets *t, bool *ret_has_searched, struct err *e);

/* Ask systemd again about units that are not there, at the next update. */
void targets_refresh(struct targets *t);

/* Has every unit of the policy been looked up? After that, what was not found is not there. */
bool targets_are_settled(const struct targets *t);

/* The nearest place that path lies below, NULL when there is none. */
const struct place *targets_around(const struct targets *t, const char *path);

/* Models without places, places in dispute, systemd that does not answer: into the list. */
void targets_examine(const struct targets *t, struct health_list *list);

#endif
