/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins host, cgroups and sampler into one observation per tick. The order of a tick is here; how
 * each part finds and reads its facts is in targets.c, models.c, host.c and probes.c.
 */
#include "sense.h"

#include "cgroup.h"
#include "host.h"
#include "intrusions.h"
#include "knob.h"
#include "models.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

/* Room in the sampler at first; it is replaced by a larger one when a policy needs that. Chosen. */
#define ROOM_FOR_MODELS 64

struct sense {
	struct targets targets;
	struct writers writers;
	struct models models;
	struct host host;
	struct probes *probes; /* NULL: not wanted, or not to be had */
	unsigned int room;     /* models it was opened for */
	char *pin_path;
	int breach_fd; /* an epoll around the sampler's own, which changes with it; -1 */
	const struct policy *policy; /* borrowed; NULL before sense_follow() */
	uint64_t tick, last_ns;

	bool is_pure, is_mounted; /* no v1 controllers; the root is this host's mount */
	bool has_psi;
	bool without_bpf;
	struct err probes_problem; /* why there is no sampler */
	struct err slots_problem;  /* why a model has no slot */
	struct err assign_problem; /* why a cgroup is not counted */
	struct health_list health;
	uint64_t health_signature; /* of what makes the list change between searches */

	char buf[READ_BUFFER_BYTES];
};

/* ---- health ---------------------------------------------------------------------------------- */

static void root_examine(struct sense *s)
{
	const char *root = s->targets.tree.root;

	if (!s->is_mounted)
		health_list_add(&s->health, true, "cgroup v2", "%s, as it was asked for", root);
	else if (s->is_pure)
		health_list_add(&s->health, true, "cgroup v2", "mounted at %s", root);
	else
		health_list_add(&s->health, false, "cgroup v2",
				"mounted at %s beside v1 controllers, which cannot be governed: "
				"boot with systemd.unified_cgroup_hierarchy=1",
				root);
}

static void sampler_examine(struct sense *s)
{
	static const char part[] = "run queue (BPF)";

	if (s->without_bpf)
		health_list_add(&s->health, false, part, "switched off by the caller");
	else if (!s->probes)
		health_list_add(&s->health, false, part, "%s", s->probes_problem.text);
	else if (s->probes_problem.code)
		health_list_add(&s->health, false, part, "%s", s->probes_problem.text);
	else if (s->slots_problem.code)
		health_list_add(&s->health, false, part, "%s", s->slots_problem.text);
	else if (s->assign_problem.code)
		health_list_add(&s->health, false, part, "%s", s->assign_problem.text);
	else
		health_list_add(&s->health, true, part, "counting");
}

static void pins_examine(struct sense *s)
{
	const char *why = s->probes ? probes_unpinned(s->probes) : NULL;

	if (why)
		health_list_add(
			&s->health, false, "BPF pins",
			"counting, but bpftool cannot see it and a restart of the daemon begins "
			"anew: %s",
			why);
}

static void psi_examine(struct sense *s)
{
	if (s->has_psi)
		health_list_add(&s->health, true, "PSI", "readable");
	else
		health_list_add(&s->health, false, "PSI",
				"the kernel does not show /proc/pressure: boot with psi=1, on a "
				"kernel with CONFIG_PSI");
}

/* Is the knob ours to set here, wanted by policy, and without a file? */
static bool knob_is_wanting(const struct place *p, const struct model *model, unsigned int knob)
{
	bool is_wanted = knob == KNOB_CPU_WEIGHT || model->values[knob] != MISSING;

	return is_wanted && (p->knobs & (1u << knob)) && p->now.knobs[knob] == MISSING;
}

static uint32_t knobs_wanting(const struct place *p, const struct model *model)
{
	uint32_t knobs = 0;

	for (unsigned int k = 0; k < N_KNOBS; k++)
		knobs |= knob_is_wanting(p, model, k) ? 1u << k : 0;
	return knobs;
}

/* One line for each controller that a target lacks. */
static bool place_examine(struct sense *s, const struct place *p)
{
	const struct model *model = &s->policy->models[p->model];
	uint32_t knobs = knobs_wanting(p, model);
	char part[64];

	for (unsigned int k = 0; k < N_KNOBS; k++) {
		const char *controller = knob_table[k].controller;
		bool was_told = k > 0 && strcmp(controller, knob_table[k - 1].controller) == 0 &&
				(knobs & (1u << (k - 1)));

		if (!(knobs & (1u << k)) || was_told)
			continue;
		snprintf(part, sizeof(part), "%s controller", controller);
		health_list_add(&s->health, false, part,
				"model %s: the %s controller is not enabled in %s; %s", model->name,
				controller, p->path,
				s->is_pure ? "modelgov enables it when it enforces"
					   : "it is a v1 controller here");
	}
	return knobs == 0;
}

static void controllers_examine(struct sense *s)
{
	bool is_ok = true, is_any = false;

	for (unsigned int i = 0; i < s->targets.n_places; i++) {
		const struct place *p = s->targets.places[i];

		if (p->model == MODEL_NONE || !p->was_read)
			continue; /* until the next observation */
		is_ok &= place_examine(s, p);
		is_any |= p->knobs & (1u << KNOB_CPU_WEIGHT);
	}
	if (is_ok && is_any)
		health_list_add(&s->health, true, "cpu controller",
				"enabled wherever modelgov may set weights");
}

static void sense_examine(struct sense *s)
{
	health_list_reset(&s->health);
	root_examine(s);
	sampler_examine(s);
	pins_examine(s);
	psi_examine(s);
	controllers_examine(s);
	writers_examine(&s->writers, &s->health);
	targets_examine(&s->targets, &s->health);
}

/* Anew after a search, and when control files came or went in between. */
static void health_refresh(struct sense *s, bool has_searched)
{
	uint64_t signature = 14695981039346656037ULL; /* FNV-1a, by words */

	for (unsigned int i = 0; i < s->targets.n_places; i++) {
		const struct place *p = s->targets.places[i];

		signature = (signature ^ p->id) * 1099511628211ULL;
		signature = (signature ^ knobs_wanting(p, &s->policy->models[p->model])) *
			    1099511628211ULL;
	}
	if (has_searched || signature != s->health_signature)
		sense_examine(s);
	s->health_signature = signature;
}

unsigned int sense_health(const struct sense *s, const struct health **ret_list)
{
	*ret_list = s->health.all;
	return s->health.n;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The root to look at, and whether the host can be governed there. */
static int root_find(struct sense *s, const struct sense_options *options, char *ret_root,
		     size_t size, struct err *e)
{
	struct err unmounted = { 0 };
	int r = cgroup_root_find(ret_root, size, &s->is_pure,
				 options->cgroup_root ? &unmounted : e);

	if (!options->cgroup_root) {
		s->is_mounted = r == 0;
		return r;
	}
	s->is_mounted = r == 0 && strcmp(ret_root, options->cgroup_root) == 0;
	snprintf(ret_root, size, "%s", options->cgroup_root);
	return 0;
}

/* Without the sampler the rest is still worth having: what went wrong is in the health list. */
static void sampler_open(struct sense *s, unsigned int room)
{
	struct epoll_event event = { .events = EPOLLIN };

	probes_close(s->probes, false);
	s->probes = NULL;
	s->probes_problem = (struct err){ 0 };
	(void)probes_open(s->pin_path, room, &s->probes, &s->probes_problem);
	models_switch(&s->models, s->probes);
	for (unsigned int i = 0; i < s->targets.n_places; i++)
		s->targets.places[i]->is_assigned = false;
	s->room = room;
	if (!s->probes)
		return;
	if (s->breach_fd < 0)
		s->breach_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(s->breach_fd, EPOLL_CTL_ADD, probes_breach_fd(s->probes), &event) < 0)
		err_set(&s->probes_problem, -errno, "watch for breaches");
}

/* Room for all models of a policy: twice as much as is short, so that it does not happen often. */
static void sampler_grow(struct sense *s, unsigned int n_models)
{
	unsigned int room = s->room;

	if (!s->probes) /* and so no room to grow from */
		return;
	while (room < n_models)
		room *= 2;
	if (room > s->room)
		sampler_open(s, MIN(room, (unsigned int)POLICY_MAX_MODELS));
}

int sense_open(const struct sense_options *options, struct sense **ret_sense, struct err *e)
{
	struct sense *s = calloc(1, sizeof(*s));
	char root[PATH_MAX];

	if (!s)
		return err_set(e, -ENOMEM, "open the senses");
	health_list_init(&s->health);
	targets_init(&s->targets);
	writers_init(&s->writers);
	models_init(&s->models, NULL);
	s->breach_fd = -1;
	s->pin_path = options->pin_path ? strdup(options->pin_path) : NULL;
	host_open(&s->host, "/proc", "/sys");
	s->has_psi = host_has_psi(&s->host);
	s->without_bpf = options->without_bpf;
	int r = options->pin_path && !s->pin_path ? err_set(e, -ENOMEM, "open the senses") : 0;

	if (r == 0)
		r = root_find(s, options, root, sizeof(root), e);
	if (r == 0)
		r = targets_open(&s->targets, root, options->bus, e);
	if (r < 0) {
		sense_close(s, false);
		return r;
	}
	if (!s->without_bpf)
		sampler_open(s, ROOM_FOR_MODELS);
	writers_open(&s->writers);
	sense_examine(s);
	*ret_sense = s;
	return 0;
}

void sense_close(struct sense *s, bool is_final)
{
	if (!s)
		return;
	models_fini(&s->models);
	targets_close(&s->targets);
	writers_close(&s->writers);
	host_close(&s->host);
	probes_close(s->probes, is_final);
	if (s->breach_fd >= 0)
		close(s->breach_fd);
	health_list_fini(&s->health);
	free(s->pin_path);
	free(s);
}

int sense_follow(struct sense *s, const struct policy *policy, struct err *e)
{
	_cleanup_free_ uint32_t *map = calloc(MAX(s->models.n_models, 1u), sizeof(*map));
	struct followed *all;

	if (!map)
		return err_set(e, -ENOMEM, "follow %u models", policy->n_models);
	models_map(&s->models, policy, map);
	int r = models_prepare(policy, &all, e);

	if (r < 0)
		return r;
	r = targets_follow(&s->targets, policy, map, e);
	if (r < 0) {
		followed_free(all, policy->n_models);
		return r;
	}
	sampler_grow(s, policy->n_models);
	s->slots_problem = (struct err){ 0 };
	models_follow(&s->models, policy, all, map, &s->slots_problem);
	s->policy = policy;
	written_follow(&s->targets);
	sense_examine(s);
	return 0;
}

void sense_refresh(struct sense *s)
{
	targets_refresh(&s->targets);
}

/* ---- whose cgroup the sampler counts for whom ------------------------------------------------ */

static unsigned int model_slot(const struct sense *s, uint32_t model)
{
	return model == MODEL_NONE || !s->models.all[model].has_slot ? SLOT_OTHER
								     : s->models.all[model].slot;
}

static void place_assign(struct sense *s, struct place *p, unsigned int slot)
{
	struct err problem = { 0 };

	if (p->is_assigned && p->slot == slot)
		return;
	int r = probes_assign(s->probes, p->dir_fd, slot, &problem);

	p->is_assigned = r == 0;
	p->slot = slot;
	if (r < 0) {
		s->assign_problem = problem;
		err_context(&s->assign_problem, "count cgroup %s", p->path);
	}
}

/* After each search. What is nobody's any more counts for the model around it, if there is one. */
static void places_assign(struct sense *s)
{
	if (!s->probes)
		return;
	s->assign_problem = (struct err){ 0 };
	for (unsigned int i = 0; i < s->targets.n_places; i++)
		place_assign(s, s->targets.places[i], model_slot(s, s->targets.places[i]->model));
	for (unsigned int i = 0; i < s->targets.n_dropped; i++) {
		struct place *p = s->targets.dropped[i];
		const struct place *around = targets_around(&s->targets, p->path);

		place_assign(s, p, around ? model_slot(s, around->model) : SLOT_OTHER);
	}
	/* not before all is found again that a sampler from before still counts */
	if (targets_are_settled(&s->targets))
		probes_settle(s->probes);
}

static void places_take_over(struct sense *s)
{
	places_assign(s);
	places_watch(&s->targets, &s->writers);
}

int sense_settle(struct sense *s, uint64_t timeout_ns, struct err *e)
{
	bool has_searched = false;
	int r = s->policy ? targets_update(&s->targets, &has_searched, e) : 0;

	if (r < 0)
		return r;
	if (has_searched)
		places_take_over(s);
	if (s->targets.units)
		(void)units_wait(s->targets.units, timeout_ns); /* the health list tells */
	return 0;
}

/* ---- a tick ---------------------------------------------------------------------------------- */

static int targets_fill(const struct sense *s, struct arena *arena, struct observation *now)
{
	now->n_targets = s->targets.n_places;
	now->targets = arena_new(arena, struct target, MAX(now->n_targets, 1u));
	if (!now->targets)
		return -ENOMEM;
	for (uint32_t i = 0; i < now->n_targets; i++) {
		const struct place *p = s->targets.places[i];
		struct target *t = &now->targets[i];

		*t = (struct target){ .cgroup_id = p->id,
				      .model = p->model,
				      .knobs = p->knobs,
				      .driver = p->driver,
				      .path = arena_strdup(arena, p->path),
				      .unit = arena_strdup(arena, p->unit) };
		memcpy(t->values, p->now.knobs, sizeof(t->values));
		memcpy(t->written, p->written, sizeof(t->written));
		if (!t->path || !t->unit)
			return -ENOMEM;
	}
	return 0;
}

static int models_fill(struct sense *s, struct arena *arena, struct observation *now)
{
	struct place **places = s->targets.places;
	unsigned int first = 0, end;

	now->n_models = s->models.n_models;
	now->models = arena_new(arena, struct model_reading, MAX(now->n_models, 1u));
	if (!now->models)
		return -ENOMEM;
	for (uint32_t m = 0; m < now->n_models; m++, first = end) {
		for (end = first; end < s->targets.n_places && places[end]->model == m;)
			end++;
		model_read(&s->models, m, &places[first], end - first, now->taken_ns, now->span_ns,
			   &now->models[m]);
	}
	return 0;
}

static void all_places_read(struct sense *s, bool retries)
{
	for (unsigned int i = 0; i < s->targets.n_places; i++) {
		struct place *p = s->targets.places[i];

		cgroup_files_read(&p->files, p->is_nested ? EXTENT_OWN : EXTENT_SUBTREE, retries,
				  s->buf, &p->now);
		p->was_read = true;
	}
}

/* Now becomes last, once everything that looks at both has been computed. */
static void places_remember(struct sense *s)
{
	for (unsigned int i = 0; i < s->targets.n_places; i++) {
		struct place *p = s->targets.places[i];

		p->last = p->now;
		p->has_last = true;
	}
}

int sense_take(struct sense *s, struct arena *arena, struct observation **ret_now, struct err *e)
{
	struct observation *now = arena_new(arena, struct observation, 1);
	bool has_searched = false;
	int r;

	if (!now)
		return err_set(e, -ENOMEM, "take an observation");
	r = s->policy ? targets_update(&s->targets, &has_searched, e) : 0;
	if (r < 0)
		return r;
	if (has_searched)
		places_take_over(s);
	now->tick = s->tick + 1;
	now->taken_ns = clock_monotonic_ns();
	now->wall_ns = clock_realtime_ns();
	now->span_ns = s->tick ? now->taken_ns - s->last_ns : 0;
	host_read(&s->host, s->buf, sizeof(s->buf), &now->host);
	all_places_read(s, has_searched);
	if (intrusions_fill(&s->targets, &s->writers, arena, now) < 0 ||
	    targets_fill(s, arena, now) < 0 || models_fill(s, arena, now) < 0)
		return err_set(e, -ENOMEM, "take an observation");
	places_remember(s);
	s->tick = now->tick;
	s->last_ns = now->taken_ns;
	health_refresh(s, has_searched);
	*ret_now = now;
	return 0;
}

/* ---- sampler's side doors -------------------------------------------------------------------- */

int sense_breach_fd(const struct sense *s)
{
	return s->probes ? s->breach_fd : -1;
}

unsigned int sense_breaches(struct sense *s, struct breach *ret_breaches, unsigned int max)
{
	struct probe_breach batch[64];
	unsigned int n = 0, n_batch;

	while (s->probes && n < max) {
		n_batch = probes_breaches(s->probes, batch,
					  MIN(max - n, (unsigned int)ARRAY_SIZE(batch)));
		if (n_batch == 0)
			break;
		for (unsigned int i = 0; i < n_batch; i++) {
			uint32_t model = batch[i].slot < MAX_SLOTS
						 ? s->models.model_of_slot[batch[i].slot]
						 : MODEL_NONE;

			if (model != MODEL_NONE) /* not governed any more: no news */
				ret_breaches[n++] = (struct breach){ .model = model,
								     .wait_ns = batch[i].wait_ns,
								     .at_ns = batch[i].at_ns };
		}
	}
	return n;
}

/* What the kernel told of writes and was not kept, by cause. */
static unsigned int writer_drops(const struct writers *w, struct drop *ret_drops, unsigned int max)
{
	const struct drop drops[] = { { "writes_overflow", w->n_overflows },
				      { "writes_unread", w->n_unread },
				      { "writes_without_room", w->n_without_room } };
	unsigned int n = MIN(max, (unsigned int)ARRAY_SIZE(drops));

	for (unsigned int i = 0; i < n; i++)
		ret_drops[i] = drops[i];
	return n;
}

unsigned int sense_drops(struct sense *s, struct drop *ret_drops, unsigned int max)
{
	const char *names[32];
	uint64_t counts[ARRAY_SIZE(names)];
	unsigned int n = 0;

	if (s->probes)
		n = probes_drops(s->probes, names, counts,
				 MIN(max, (unsigned int)ARRAY_SIZE(names)));
	for (unsigned int i = 0; i < n; i++)
		ret_drops[i] = (struct drop){ .cause = names[i], .count = counts[i] };
	return n < max ? n + writer_drops(&s->writers, ret_drops + n, max - n) : n;
}

/* ---- values that others change --------------------------------------------------------------- */

void sense_note_written(struct sense *s, uint64_t cgroup_id, enum knob knob, uint64_t value)
{
	written_note(&s->targets, cgroup_id, knob, value);
}

void sense_forget_written(struct sense *s)
{
	written_forget(&s->targets);
}

void sense_note_reload(struct sense *s, bool is_reloading)
{
	writers_note_reload(&s->writers, is_reloading);
}

int sense_writes_fd(const struct sense *s)
{
	return s->writers.fd;
}

void sense_writes_read(struct sense *s)
{
	writers_read(&s->writers);
}
