/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back from an observation's JSON to the struct, for replay. Tolerant of what it does not
 * know and of what is not there, because forms of other versions are read too; forms.c is the way
 * there.
 */
#include "forms.h"
#include "knob.h"

uint64_t value_from_json(const json_t *value)
{
	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	return json_is_string(value) && strcmp(json_string_value(value), "max") == 0 ? VALUE_MAX
										     : MISSING;
}

static uint64_t field(const json_t *object, const char *key)
{
	return value_from_json(json_object_get(object, key));
}

static const char *text_field(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* -ENOENT also for null, the name of nobody. */
static int model_field(const struct policy *p, const json_t *object, const char *key,
		       uint32_t *ret_model)
{
	const char *name = json_string_value(json_object_get(object, key));

	return name ? policy_find(p, name, ret_model) : -ENOENT;
}

/* ---- models -----------------------------------------------------------------------------------
 */

static bool objective_is(const struct objective *o, const json_t *form)
{
	return strcmp(text_field(form, "indicator"), indicator_name(o->indicator)) == 0 &&
	       field(form, "quantile_permyriad") == o->quantile_permyriad &&
	       field(form, "window_ns") == o->window_ns;
}

/* Of that indicator, quantile and window; forms that do not say what they are go by their place. */
static const json_t *objective_find(const json_t *forms, const struct objective *o, size_t place)
{
	const json_t *first = json_array_get(forms, 0);

	if (!json_object_get(first, "indicator"))
		return json_array_get(forms, place);
	for (size_t i = 0; i < json_array_size(forms); i++)
		if (objective_is(o, json_array_get(forms, i)))
			return json_array_get(forms, i);
	return NULL;
}

/* form NULL: not observed. */
static void reading_take(const struct policy *p, const struct model *m, const json_t *form,
			 struct model_reading *r)
{
	const json_t *objectives = json_object_get(form, "objectives");

	for (unsigned int i = 0; i < MAX_OBJECTIVES; i++)
		r->objectives[i] = (struct reading){ .observed = MISSING, .samples = MISSING };
	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const json_t *one = objective_find(objectives, &m->objectives[i], i);

		r->objectives[i].observed = field(one, "observed");
		r->objectives[i].samples = field(one, "samples");
	}
	if (model_field(p, form, "culprit", &r->culprit) < 0)
		r->culprit = MODEL_NONE;
#define X(name) r->name = field(form, #name);
	READING_FIELDS(X)
#undef X
}

static void models_take(const json_t *forms, const struct policy *p, struct observation *now)
{
	const json_t *form;
	uint32_t model;
	size_t i;

	for (uint32_t m = 0; m < p->n_models; m++)
		reading_take(p, &p->models[m], NULL, &now->models[m]);
	json_array_foreach((json_t *)forms, i, form)
		if (model_field(p, form, "model", &model) == 0)
			reading_take(p, &p->models[model], form, &now->models[model]);
}

/* ---- targets ----------------------------------------------------------------------------------
 */

static int target_take(const json_t *form, struct arena *arena, struct target *t)
{
	const json_t *values = json_object_get(form, "values");
	const json_t *written = json_object_get(form, "written");
	uint64_t driver = field(form, "driver"), knobs = field(form, "knobs");

	t->cgroup_id = field(form, "cgroup_id");
	t->driver = driver < N_DRIVERS ? (enum driver)driver : DRIVER_OBSERVE;
	t->knobs = knobs <= UINT32_MAX ? (uint32_t)knobs : 0;
	t->path = arena_strdup(arena, text_field(form, "path"));
	t->unit = arena_strdup(arena, text_field(form, "unit"));
	for (unsigned int k = 0; k < N_KNOBS; k++) {
		t->values[k] = field(values, knob_table[k].file);
		t->written[k] = field(written, knob_table[k].file);
	}
	return t->path && t->unit ? 0 : -ENOMEM;
}

static int target_compare(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->model != y->model)
		return x->model < y->model ? -1 : 1;
	return x->cgroup_id < y->cgroup_id ? -1 : x->cgroup_id > y->cgroup_id;
}

static int targets_take(const json_t *forms, const struct policy *p, struct arena *arena,
			struct observation *now)
{
	const json_t *form;
	uint32_t model;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)forms, i, form) {
		struct target *t = &now->targets[now->n_targets];

		if (r < 0 || model_field(p, form, "model", &model) < 0)
			continue;
		t->model = model;
		r = target_take(form, arena, t);
		now->n_targets++;
	}
	if (now->n_targets > 1)
		qsort(now->targets, now->n_targets, sizeof(*now->targets), target_compare);
	return r;
}

/* ---- who wrote --------------------------------------------------------------------------------
 */

static void writer_take(const json_t *form, struct writer *w)
{
	uint64_t pid = field(form, "pid");

	*w = (struct writer){ .kind = WRITER_UNKNOWN,
			      .pid = pid <= UINT32_MAX ? (uint32_t)pid : 0 };
	for (unsigned int k = 0; k < N_WRITERS; k++)
		if (strcmp(text_field(form, "kind"), writer_name(k)) == 0)
			w->kind = (enum writer_kind)k;
	snprintf(w->comm, sizeof(w->comm), "%s", text_field(form, "comm"));
}

/* In the order they were recorded; a knob that this version does not have is left out. */
static void intrusions_take(const json_t *forms, struct observation *now)
{
	const json_t *form;
	size_t i;

	json_array_foreach((json_t *)forms, i, form) {
		struct intrusion *one = &now->intrusions[now->n_intrusions];

		if (knob_find(text_field(form, "knob"), &one->knob) < 0)
			continue;
		one->cgroup_id = field(form, "cgroup_id");
		writer_take(json_object_get(form, "writer"), &one->writer);
		now->n_intrusions++;
	}
}

/* ---- all of it --------------------------------------------------------------------------------
 */

int observation_from_json(const json_t *form, const struct policy *p, struct arena *arena,
			  struct observation **ret_now, struct err *e)
{
	const json_t *models = json_object_get(form, "models");
	const json_t *targets = json_object_get(form, "targets");
	const json_t *intrusions = json_object_get(form, "intrusions");
	struct observation *now;

	if (!json_is_integer(json_object_get(form, "tick")) ||
	    !json_is_integer(json_object_get(form, "taken_ns")) || !json_is_array(models) ||
	    !json_is_array(targets))
		return err_say(e, -EINVAL,
			       "not an observation: it has no tick, taken_ns, models or targets");
	if (!(now = arena_new(arena, struct observation, 1)) ||
	    !(now->models = arena_new(arena, struct model_reading, p->n_models)) ||
	    !(now->targets = arena_new(arena, struct target, json_array_size(targets))) ||
	    !(now->intrusions = arena_new(arena, struct intrusion, json_array_size(intrusions))))
		return err_set(e, -ENOMEM, "observation");
	now->tick = field(form, "tick");
	now->taken_ns = field(form, "taken_ns");
	now->wall_ns = field(form, "wall_ns");
	now->span_ns = field(form, "span_ns");
	now->is_busy = json_is_true(json_object_get(form, "is_busy"));
	now->n_models = p->n_models;
#define X(name) now->host.name = field(json_object_get(form, "host"), #name);
	HOST_FIELDS(X)
#undef X
	models_take(models, p, now);
	intrusions_take(intrusions, now);
	if (targets_take(targets, p, arena, now) < 0)
		return err_set(e, -ENOMEM, "observation");
	*ret_now = now;
	return 0;
}
