/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns what a search found into open places and keeps them while they live: the same cgroup keeps
 * its descriptors and last readings through searches and policies. Finding is search.c's, reading
 * readings.c's.
 */
#include "targets.h"

#include "cgroup.h"

#include <errno.h>

/* chosen: descriptors left for journal, sockets, BPF and libraries */
#define DESCRIPTORS_RESERVE 256
#define MAX_DEPTH           64 /* chosen: deeper nesting is not seen as nesting */

/* ---- places ---------------------------------------------------------------------------------- */

static void place_free(struct targets *t, struct place *p)
{
	if (!p)
		return;
	cgroup_files_close(&p->files);
	if (p->dir_fd >= 0) {
		close(p->dir_fd);
		t->descriptors.kept--;
	}
	free(p->path);
	free(p->unit);
	free(p);
}

static void places_free(struct targets *t, struct place **places, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		place_free(t, places[i]);
	free(places);
}

/* NULL and 0 when the cgroup went while we looked. */
static int place_new(struct targets *t, const struct candidate *c, struct place **ret_place)
{
	struct place *p = calloc(1, sizeof(*p));
	uint64_t id;

	*ret_place = NULL;
	if (!p)
		return -ENOMEM;
	p->dir_fd = hierarchy_directory(&t->tree, c->path);
	t->descriptors.kept += p->dir_fd >= 0;
	t->has_short_of_files |= p->dir_fd == -EMFILE || p->dir_fd == -ENFILE;
	cgroup_files_init(&p->files, p->dir_fd, &t->descriptors);
	if (p->dir_fd < 0 || cgroup_id_read(p->dir_fd, &id) < 0 || id != c->id) {
		place_free(t, p);
		return 0;
	}
	p->path = strdup(c->path);
	p->unit = strdup("");
	p->id = id;
	p->model = MODEL_NONE;
	p->is_new = true;
	for (unsigned int k = 0; k < N_KNOBS; k++)
		p->written[k] = MISSING;
	if (!p->path || !p->unit) {
		place_free(t, p);
		return -ENOMEM;
	}
	*ret_place = p;
	return 0;
}

/* Whose cgroup it is, and what may be set there. Until systemd told the former: nothing. */
static int place_classify(struct targets *t, struct place *p, const struct candidate *c)
{
	const char *unit = c->unit;

	if (!unit && t->units)
		unit = units_at(t->units, p->path, p->id);
	p->is_classified = unit || !t->units;
	if (!unit)
		unit = "";
	if (strcmp(unit, p->unit) != 0) {
		char *copy = strdup(unit);

		if (!copy)
			return -ENOMEM;
		free(p->unit);
		p->unit = copy;
	}
	p->driver = cgroup_classify(p->path, p->unit, t->has_systemd, &p->knobs);
	return 0; /* NOLINT(gcc-malloc-leak): the place holds the copy */
}

/* ---- opening --------------------------------------------------------------------------------- */

void targets_init(struct targets *t)
{
	*t = (struct targets){ .has_systemd = systemd_is_running(), .is_stale = true };
	t->descriptors.limit = descriptors_limit(DESCRIPTORS_RESERVE);
	hierarchy_init(&t->tree);
	search_init(&t->search, &t->tree);
}

int targets_open(struct targets *t, const char *root, struct sd_bus *bus, struct err *e)
{
	if (bus) {
		t->units = units_new(bus);
		if (!t->units)
			return err_set(e, -ENOMEM, "ask systemd for units");
	}
	return hierarchy_open(&t->tree, root, e);
}

void targets_close(struct targets *t)
{
	places_free(t, t->places, t->n_places);
	places_free(t, t->dropped, t->n_dropped);
	t->places = t->dropped = NULL;
	t->n_places = t->n_dropped = 0;
	search_fini(&t->search);
	units_free(t->units);
	t->units = NULL;
	hierarchy_close(&t->tree);
}

int targets_follow(struct targets *t, const struct policy *policy, const uint32_t *map,
		   struct err *e)
{
	int r = search_follow(&t->search, policy, e);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < t->n_places; i++) {
		struct place *p = t->places[i];

		p->model = p->model == MODEL_NONE ? MODEL_NONE : map[p->model];
	}
	t->policy = policy;
	t->is_stale = true;
	t->was_searched = t->was_complete = false;
	return 0;
}

void targets_refresh(struct targets *t)
{
	t->is_stale = true;
}

/* ---- merging a search ------------------------------------------------------------------------ */

static int place_compare_id(const void *a, const void *b)
{
	const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;

	return x->id == y->id ? 0 : x->id < y->id ? -1 : 1;
}

static int place_compare(const void *a, const void *b)
{
	const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;

	return x->model == y->model ? place_compare_id(a, b) : x->model < y->model ? -1 : 1;
}

/* As strcmp, with the slash before all others: what lies below a path follows it directly. */
static int place_compare_path(const void *a, const void *b)
{
	const char *x = (*(struct place *const *)a)->path, *y = (*(struct place *const *)b)->path;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	int c = *x == '/' ? 1 : (unsigned char)*x + (*x != '\0');
	int d = *y == '/' ? 1 : (unsigned char)*y + (*y != '\0');

	return c - d;
}

static bool path_is_below(const char *path, const char *above)
{
	size_t n = strlen(above);

	return strncmp(path, above, n) == 0 && path[n] == '/';
}

/*
 * Was the cgroup made after the last tick? Then all of its counters belong to this one: they count
 * from zero. So it is when it came back under its old path, or appeared where the last search had
 * looked.
 */
static bool place_is_young(const struct targets *t, const struct candidate *c)
{
	if (t->was_complete && c->was_watched)
		return true;
	for (unsigned int i = 0; i < t->n_places; i++) {
		const struct place *old = t->places[i];

		if (old->is_gone && old->has_last && strcmp(old->path, c->path) == 0)
			return true;
	}
	return false;
}

/* The place that was open already, or a new one; NULL when the cgroup is gone by now. */
static int place_take(struct targets *t, const struct candidate *c, struct place **by_id,
		      struct place **ret_place)
{
	struct place key = { .id = c->id }, *pointer = &key;
	struct place **old = t->n_places ? bsearch(&pointer, by_id, t->n_places, sizeof(pointer),
						   place_compare_id)
					 : NULL;

	/* a moved directory is another cgroup to us: who may write where follows the path */
	if (old && *old && !(*old)->is_gone && strcmp((*old)->path, c->path) == 0) {
		*ret_place = *old;
		return 0;
	}
	int r = place_new(t, c, ret_place);

	if (r == 0 && *ret_place)
		(*ret_place)->has_last = place_is_young(t, c); /* last is all zero */
	return r;
}

/* Marks places that lie below another place of their model. places: ordered by path. */
static void places_nest(struct place **places, unsigned int n)
{
	struct place *above[MAX_DEPTH];
	unsigned int depth = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct place *p = places[i];

		while (depth > 0 && !path_is_below(p->path, above[depth - 1]->path))
			depth--;
		p->is_nested = false;
		for (unsigned int d = 0; d < depth; d++)
			p->is_nested |= above[d]->model == p->model;
		if (depth < MAX_DEPTH)
			above[depth++] = p;
	}
}

/* Where a search's places are put together. */
struct rebuild {
	struct place **by_id;  /* the places before, ordered by id */
	struct place **places; /* the places from now on */
	struct place **dropped;
	unsigned int n_places;
};

static void rebuild_fini(struct targets *t, struct rebuild *b)
{
	for (unsigned int i = 0; b->places && i < b->n_places; i++)
		if (b->places[i]->is_new)
			place_free(t, b->places[i]);
	free(b->by_id);
	free(b->places);
	free(b->dropped);
}

static int rebuild_init(struct targets *t, struct rebuild *b)
{
	size_t n = MAX(t->n_places, 1u), n_found = MAX(t->search.n_found, 1u);

	*b = (struct rebuild){ .by_id = calloc(n, sizeof(*b->by_id)),
			       .places = calloc(n_found, sizeof(*b->places)),
			       .dropped = calloc(n, sizeof(*b->dropped)) };
	if (!b->by_id || !b->places || !b->dropped) {
		rebuild_fini(t, b);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < t->n_places; i++) {
		b->by_id[i] = t->places[i];
		b->by_id[i]->is_kept = false;
	}
	if (t->n_places > 0)
		qsort(b->by_id, t->n_places, sizeof(*b->by_id), place_compare_id);
	return 0;
}

static int rebuild_add(struct targets *t, struct rebuild *b, const struct candidate *c)
{
	struct place *p;
	int r = place_take(t, c, b->by_id, &p);

	if (r < 0 || !p)
		return r;
	b->places[b->n_places++] = p;
	p->is_kept = true;
	p->model = c->model;
	if (p->is_classified && (!c->unit || strcmp(c->unit, p->unit) == 0))
		return 0;
	return place_classify(t, p, c);
}

/* The old list gives up what the new one took over; what is gone is closed, the rest dropped. */
static void rebuild_finish(struct targets *t, struct rebuild *b)
{
	for (unsigned int i = 0; i < t->n_places; i++) {
		struct place *p = t->places[i];

		if (p->is_kept)
			continue;
		if (p->is_gone)
			place_free(t, p);
		else
			b->dropped[t->n_dropped++] = p;
	}
	free(t->places);
	t->places = TAKE_PTR(b->places);
	t->n_places = b->n_places;
	t->dropped = TAKE_PTR(b->dropped);
	for (unsigned int i = 0; i < t->n_places; i++)
		t->places[i]->is_new = false;
	if (t->n_places == 0)
		return;
	qsort(t->places, t->n_places, sizeof(*t->places), place_compare_path);
	places_nest(t->places, t->n_places);
	qsort(t->places, t->n_places, sizeof(*t->places), place_compare);
}

static int places_rebuild(struct targets *t)
{
	struct rebuild b;
	int r = rebuild_init(t, &b);

	if (r < 0)
		return r;
	t->has_short_of_files = false;
	for (unsigned int i = 0; i < t->search.n_found && r == 0; i++)
		r = rebuild_add(t, &b, &t->search.found[i]);
	if (r == 0)
		rebuild_finish(t, &b);
	rebuild_fini(t, &b);
	return r;
}

/* ---- each tick ------------------------------------------------------------------------------- */

/* Finds places that are gone or were made anew; true when there are any. */
static bool places_check(struct targets *t)
{
	bool is_any_gone = false;

	for (unsigned int i = 0; i < t->n_places; i++) {
		struct place *p = t->places[i];
		uint64_t id;

		if (hierarchy_id(&t->tree, p->path, &id) == 0 && id == p->id)
			continue;
		p->is_gone = true;
		is_any_gone = true;
		search_distrust(&t->search, p->path);
	}
	return is_any_gone;
}

static int targets_search(struct targets *t, struct err *e)
{
	int r = search_run(&t->search, t->units, t->tick, t->is_stale, e);

	if (r < 0)
		return r;
	r = places_rebuild(t);
	if (r < 0)
		return err_set(e, r, "keep the cgroups of models open");
	if (t->units)
		units_flush(t->units);
	t->is_stale = false;
	t->was_searched = true;
	t->was_complete = t->tree.has_watches && !t->search.is_cut && !t->has_short_of_files;
	t->searched_tick = t->tick;
	return 0;
}

int targets_update(struct targets *t, bool *ret_has_searched, struct err *e)
{
	t->tick++;
	places_free(t, TAKE_PTR(t->dropped), t->n_dropped);
	t->n_dropped = 0;

	bool is_any_gone = places_check(t), has_changed = hierarchy_changed(&t->tree);
	bool has_news = t->units && units_have_news(t->units);
	bool is_due = t->tick - t->searched_tick >= SEARCH_TICKS;
	int moved = search_containers_changed(&t->search, is_due || is_any_gone);

	if (moved < 0)
		return err_set(e, moved, "look for containers");
	*ret_has_searched =
		t->is_stale || is_any_gone || has_changed || has_news || is_due || moved > 0;
	return *ret_has_searched ? targets_search(t, e) : 0;
}

bool targets_are_settled(const struct targets *t)
{
	return t->was_searched && (!t->units || !units_are_pending(t->units));
}

const struct place *targets_around(const struct targets *t, const char *path)
{
	const struct place *nearest = NULL;

	for (unsigned int i = 0; i < t->n_places; i++) {
		const struct place *p = t->places[i];

		if (path_is_below(path, p->path) &&
		    (!nearest || strlen(p->path) > strlen(nearest->path)))
			nearest = p;
	}
	return nearest;
}

/* ---- health ---------------------------------------------------------------------------------- */

static bool model_has_place(const struct targets *t, uint32_t model)
{
	for (unsigned int i = 0; i < t->n_places; i++)
		if (t->places[i]->model == model)
			return true;
	return false;
}

static void unit_examine(const struct targets *t, const struct followed_unit *unit,
			 const char *part, struct health_list *list)
{
	const struct model *model = &t->policy->models[unit->model];

	if (unit->state == UNIT_STOPPED && !t->units)
		health_list_add(list, false, part, "unit %s does not exist or is not running",
				unit->name);
	else if (unit->state == UNIT_STOPPED)
		health_list_add(list, false, part, "unit %s is not running; systemctl start %s",
				unit->name, unit->name);
	else if (unit->state == UNIT_ABSENT)
		health_list_add(list, false, part,
				"unit %s does not exist; correct match.units in %s, or "
				"install the unit",
				unit->name, model->file ? model->file : "its manifest");
	else if (unit->state == UNIT_UNKNOWN && !model_has_place(t, unit->model))
		health_list_add(list, false, part, "no answer from systemd yet about unit %s",
				unit->name);
}

static void model_examine(const struct targets *t, uint32_t m, struct health_list *list)
{
	const struct model *model = &t->policy->models[m];
	char part[128];

	snprintf(part, sizeof(part), "model %s", model->name);
	for (unsigned int i = 0; i < t->search.n_units; i++)
		if (t->search.units[i].model == m)
			unit_examine(t, &t->search.units[i], part, list);
	if (model->n_units > 0 || model_has_place(t, m))
		return;
	if (model->containers.n > 0)
		health_list_add(list, false, part,
				"no container %s%s runs; start it, or see podman ps, nerdctl ps",
				model->containers.all[0],
				model->containers.n > 1 ? " or its other names" : "");
	else if (model->n_cgroups > 0)
		health_list_add(list, false, part, "no cgroup matches %s%s", model->cgroups[0],
				model->n_cgroups > 1 ? " or its other patterns" : "");
	else
		health_list_add(list, false, part,
				"not running; start it with: modelgov run %s -- COMMAND",
				model->name);
}

static void questions_examine(const struct targets *t, struct health_list *list)
{
	static const char part[] = "units (D-Bus)";

	if (!t->units && t->has_systemd)
		health_list_add(list, false, part,
				"no connection to systemd: units are looked for by name, and "
				"cgroups of patterns are only observed; check dbus.service");
	else if (t->units && units_problem(t->units))
		health_list_add(list, false, part,
				"systemd does not answer (%s); it is asked again every %u ticks",
				strerror(-units_problem(t->units)), SEARCH_TICKS);
	else if (t->units)
		health_list_add(list, true, part, "systemd is asked");
}

void targets_examine(const struct targets *t, struct health_list *list)
{
	questions_examine(t, list);
	if (!t->tree.has_watches)
		health_list_add(list, false, "new cgroups",
				"inotify has no room: new cgroups are seen within %u ticks; raise "
				"fs.inotify.max_user_watches and max_user_instances",
				SEARCH_TICKS);
	if (t->has_short_of_files)
		health_list_add(list, false, "descriptors",
				"too few file descriptors for all cgroups; raise LimitNOFILE=");
	if (t->search.is_cut)
		health_list_add(list, false, "match",
				"more than %u cgroups match; the rest is not observed",
				MAX_TARGETS);
	for (unsigned int i = 0; i < t->search.notes.n; i++)
		health_list_add(list, false, t->search.notes.all[i].part, "%s",
				t->search.notes.all[i].detail);
	for (uint32_t m = 0; t->was_searched && m < t->policy->n_models; m++)
		model_examine(t, m, list);
}
