/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects what units, patterns and modelgov's own places of all models match, and settles cgroups
 * that match twice. Opens nothing for long and reads no control file.
 */
#include "search.h"

#include "cgroup.h"

#include <errno.h>

/* What a visit of the tree is for. */
struct visit {
	struct search *search;
	uint32_t model;
	const char *unit; /* as in struct candidate */
	bool was_watched;
};

void search_init(struct search *s, struct hierarchy *tree)
{
	*s = (struct search){ .tree = tree };
	arena_init(&s->arena);
	containers_init(&s->containers, "");
	health_list_init(&s->notes);
}

static void followed_units_free(struct followed_unit *units, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		free(units[i].name);
		free(units[i].path);
	}
	free(units);
}

void search_fini(struct search *s)
{
	followed_units_free(s->units, s->n_units);
	free(s->found);
	arena_fini(&s->arena);
	containers_fini(&s->containers);
	health_list_fini(&s->notes);
	search_init(s, s->tree);
}

/* ---- units ----------------------------------------------------------------------------------- */

/* What was known of the unit under the policy before. */
static void unit_remember(struct search *s, struct followed_unit *unit)
{
	for (unsigned int i = 0; i < s->n_units; i++) {
		struct followed_unit *old = &s->units[i];

		if (strcmp(old->name, unit->name) != 0)
			continue;
		unit->path = TAKE_PTR(old->path);
		unit->state = old->state;
		unit->was_asked = old->was_asked;
		unit->asked_tick = old->asked_tick;
		unit->n_answers = old->n_answers;
		return;
	}
}

int search_follow(struct search *s, const struct policy *policy, struct err *e)
{
	struct followed_unit *units;
	unsigned int n = 0, n_units = 0;

	for (unsigned int m = 0; m < policy->n_models; m++)
		n_units += policy->models[m].n_units;
	units = calloc(MAX(n_units, 1u), sizeof(*units));
	if (!units)
		return err_set(e, -ENOMEM, "follow %u units", n_units);
	for (unsigned int m = 0; m < policy->n_models; m++) {
		const struct model *model = &policy->models[m];

		for (unsigned int i = 0; i < model->n_units; i++, n++) {
			units[n].model = m;
			units[n].name = strdup(model->units[i]);
			if (!units[n].name) { /* NOLINT(gcc-malloc-leak): it is in units */
				followed_units_free(units, n);
				return err_set(e, -ENOMEM, "follow %u units", n_units);
			}
		}
	}
	for (unsigned int i = 0; i < n_units; i++)
		unit_remember(s, &units[i]);
	followed_units_free(s->units, s->n_units);
	s->units = units;
	s->n_units = n_units;
	s->policy = policy;
	s->follows_containers = false;
	for (unsigned int m = 0; m < policy->n_models; m++)
		s->follows_containers |= policy->models[m].containers.n > 0;
	hierarchy_unwatch(s->tree);
	return 0;
}

int search_containers_changed(struct search *s, bool always)
{
	return s->follows_containers ? containers_update(&s->containers, always) : 0;
}

void search_distrust(struct search *s, const char *path)
{
	for (unsigned int i = 0; i < s->n_units; i++) {
		struct followed_unit *unit = &s->units[i];

		if (!unit->path || strcmp(unit->path, path) != 0)
			continue;
		unit->state = UNIT_UNKNOWN;
		unit->was_asked = false;
	}
}

static bool unit_has_directory(const struct search *s, const struct followed_unit *unit)
{
	uint64_t id;

	return unit->path && hierarchy_id(s->tree, unit->path, &id) == 0;
}

/* Systemd is asked about units that are not where they were, and not every time. */
static bool unit_is_due(const struct followed_unit *unit, bool has_directory, uint64_t tick,
			bool asks_all)
{
	if (has_directory)
		return unit->state != UNIT_RUNNING;
	return asks_all || !unit->was_asked || unit->state == UNIT_RUNNING ||
	       tick - unit->asked_tick >= SEARCH_TICKS;
}

static int unit_path_set(struct followed_unit *unit, const char *path)
{
	char *copy;

	if (unit->path && strcmp(unit->path, path) == 0)
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(unit->path);
	unit->path = copy;
	unit->was_watched = false;
	return 0; /* NOLINT(gcc-malloc-leak): the unit holds the copy */
}

/* Takes over what systemd said since the last look, and asks again if asked to. */
static int unit_learn(struct followed_unit *unit, struct units *units, uint64_t tick, bool asks)
{
	const struct unit_fact *fact = units_locate(units, unit->name, asks);

	if (!fact)
		return -ENOMEM;
	if (asks) {
		unit->was_asked = true;
		unit->asked_tick = tick;
	}
	if (fact->n_answers == unit->n_answers)
		return 0; /* until there is an answer, what was known is the best guess */
	unit->n_answers = fact->n_answers;
	unit->state = fact->state;
	/* the old path of a stopped unit is still worth watching */
	return fact->state == UNIT_RUNNING ? unit_path_set(unit, fact->path) : 0;
}

/* Without D-Bus: the first directory of that name in a slice. */
static int unit_path_take(const char *path, uint64_t id, void *userdata)
{
	struct followed_unit *unit = userdata;
	int r = unit_path_set(unit, path);

	if (r < 0)
		return r;
	unit->state = UNIT_RUNNING;
	return -EALREADY; /* ends the walk */
}

static int unit_look(struct search *s, struct followed_unit *unit)
{
	unit->state = UNIT_STOPPED;
	int r = hierarchy_match_unit(s->tree, unit->name, unit_path_take, unit);

	return r == -EALREADY ? 0 : r;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static int candidate_add(const char *path, uint64_t id, void *userdata)
{
	const struct visit *v = userdata;
	struct search *s = v->search;

	if (s->n_found == MAX_TARGETS) {
		s->is_cut = true;
		return 0;
	}
	if (s->n_found == s->size) {
		unsigned int size = s->size ? 2 * s->size : 64;
		struct candidate *found = realloc(s->found, size * sizeof(*found));

		if (!found)
			return -ENOMEM;
		s->found = found;
		s->size = size;
	}
	struct candidate *c = &s->found[s->n_found];

	*c = (struct candidate){ .path = arena_strdup(&s->arena, path),
				 .unit = v->unit ? arena_strdup(&s->arena, v->unit) : NULL,
				 .id = id,
				 .model = v->model,
				 .was_watched = v->was_watched };
	if (!c->path || (v->unit && !c->unit))
		return -ENOMEM;
	s->n_found++;
	return 0;
}

static int candidate_ignore(const char *path, uint64_t id, void *userdata)
{
	return 0;
}

static int pattern_visit(struct search *s, uint32_t model, const char *unit, const char *pattern)
{
	struct visit v = { .search = s, .model = model, .unit = unit, .was_watched = true };

	return hierarchy_match(s->tree, pattern, candidate_add, &v);
}

/* A cgroup that is meant by its path, whatever wildcards are in it. */
static int container_visited(const char *path, void *userdata)
{
	const struct visit *v = userdata;
	uint64_t id;

	if (hierarchy_id(v->search->tree, path, &id) < 0)
		return 0; /* it stopped meanwhile: the next look sees that too */
	return candidate_add(path, id, userdata);
}

/* The model's scope in that slice, and the part of it that is ours to write. */
static int scope_visit(struct search *s, uint32_t model, const char *slice, const char *name)
{
	char scope[128], pattern[PATH_MAX];

	cgroup_scope_name(name, scope, sizeof(scope));
	snprintf(pattern, sizeof(pattern), "%s/%s", slice, scope);
	int r = pattern_visit(s, model, scope, pattern);

	snprintf(pattern, sizeof(pattern), "%s/%s/" MODELGOV_LEAF, slice, scope);
	return r < 0 ? r : pattern_visit(s, model, "", pattern);
}

static int tree_visit(struct search *s, uint32_t model, const char *tree, const char *name)
{
	char pattern[PATH_MAX];

	snprintf(pattern, sizeof(pattern), "%s/%s", tree, name);
	return pattern_visit(s, model, "", pattern);
}

/*
 * Where `modelgov run` and `attach` put it. An experiment that became production, or the other way, stays
 * where it was until it is started anew, so both are looked at.
 */
static int own_places_visit(struct search *s, uint32_t model, const char *name)
{
	int r;

	if (!model_name_is_valid(name))
		return 0;
	r = scope_visit(s, model, "/" MODELGOV_SLICE, name);
	if (r == 0)
		r = scope_visit(s, model, "/" MODELGOV_SLICE "/" MODELGOV_EXPERIMENTS, name);
	if (r == 0)
		r = tree_visit(s, model, MODELGOV_TREE, name);
	return r < 0 ? r : tree_visit(s, model, MODELGOV_TREE_EXPERIMENTS, name);
}

static int unit_visit(struct search *s, struct followed_unit *unit, struct units *units,
		      uint64_t tick, bool asks_all)
{
	bool has_directory = unit_has_directory(s, unit);
	struct visit v = { .search = s, .model = unit->model, .unit = unit->name };
	int r = 0;

	if (units)
		r = unit_learn(unit, units, tick, unit_is_due(unit, has_directory, tick, asks_all));
	else if (!has_directory)
		r = unit_look(s, unit);
	if (r < 0 || !unit->path)
		return r;
	v.was_watched = unit->was_watched;
	unit->was_watched = true;
	/* a stopped unit's place is walked only to be told when it is back */
	return hierarchy_match(s->tree, unit->path,
			       unit->state == UNIT_RUNNING || unit->state == UNIT_UNKNOWN
				       ? candidate_add
				       : candidate_ignore,
			       &v);
}

/* By id; the first of each id stays: lowest model, then the one whose unit is known. */
static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->model != y->model)
		return x->model < y->model ? -1 : 1;
	if (!x->unit != !y->unit)
		return x->unit ? -1 : 1;
	return x->unit ? -strcmp(x->unit, y->unit) : 0;
}

static void dispute_note(struct search *s, const struct candidate *winner,
			 const struct candidate *loser)
{
	const char *first = s->policy->models[winner->model].name;
	const char *second = s->policy->models[loser->model].name;

	health_list_add(&s->notes, false, "match",
			"models %s and %s both match the cgroup %s: it counts for %s alone; "
			"narrow the match of one of them",
			first, second, winner->path, first);
}

static void candidates_settle(struct search *s)
{
	struct candidate *found = s->found;
	unsigned int n = 0;

	if (s->n_found > 0)
		qsort(found, s->n_found, sizeof(*found), candidate_compare);
	for (unsigned int i = 0; i < s->n_found; i++) {
		struct candidate *last = n ? &found[n - 1] : NULL;

		if (!last || last->id != found[i].id) {
			found[n++] = found[i];
			continue;
		}
		if (last->model != found[i].model && found[i - 1].model != found[i].model)
			dispute_note(s, last, &found[i]);
	}
	s->n_found = n;
}

int search_run(struct search *s, struct units *units, uint64_t tick, bool asks_all, struct err *e)
{
	int r = 0;

	s->n_found = 0;
	s->is_cut = false;
	arena_reset(&s->arena);
	health_list_reset(&s->notes);
	for (unsigned int i = 0; i < s->n_units && r == 0; i++)
		r = unit_visit(s, &s->units[i], units, tick, asks_all);
	for (uint32_t m = 0; m < s->policy->n_models && r == 0; m++) {
		const struct model *model = &s->policy->models[m];

		r = own_places_visit(s, m, model->name);
		for (unsigned int i = 0; i < model->n_cgroups && r == 0; i++)
			r = pattern_visit(s, m, NULL, model->cgroups[i]);
		for (unsigned int i = 0; i < model->containers.n && r == 0; i++)
			r = containers_find(&s->containers, model->containers.all[i],
					    container_visited,
					    &(struct visit){ .search = s, .model = m });
	}
	if (r < 0)
		return err_set(e, r, "search cgroups");
	candidates_settle(s);
	return 0;
}
