/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs text scenarios through decide(): a policy, what is observed tick after tick, what must be
 * planned. A case is one YAML file whose name is the sentence it proves; docs/decisions.md lists
 * the keys. Plays the kernel as well: what a plan asks for is what the next tick shows, unless the
 * case refuses it.
 *
 * usage: run DIRECTORY|FILE...      prints ok or not ok per case, and a last line of counts
 */
#include "base.h"
#include "decide.h"
#include "knob.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libfyaml.h>
#include <sys/stat.h>

#define MAX_MODELS  32
#define MAX_TARGETS 256
#define MAX_ACTIONS 512

/* Everything of one case. */
struct scene {
	struct arena arena;
	struct policy policy;
	struct model models[MAX_MODELS];
	struct observation now;
	struct model_reading readings[MAX_MODELS];
	struct target targets[MAX_TARGETS];
	struct state state;
	struct plan plan;
	uint32_t refused; /* bit per knob that the kernel does not take */
	uint64_t span_ns; /* of the next tick; 0: the host's */
	uint64_t next_id; /* of the next cgroup */
	uint32_t max_actions;
	unsigned int expectations; /* that were checked */
};

/* ---- YAML -------------------------------------------------------------------------------- */

static int node_fail(struct fy_node *node, struct err *e, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int node_fail(struct fy_node *node, struct err *e, const char *format, ...)
{
	struct fy_token *token = fy_node_is_scalar(node) ? fy_node_get_scalar_token(node) : NULL;
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
	char text[900];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return mark ? err_say(e, -EINVAL, "line %d: %s", mark->line + 1, text)
		    : err_say(e, -EINVAL, "%s", text);
}

static const char *node_text(struct scene *s, struct fy_node *node)
{
	size_t length;
	const char *text = fy_node_is_scalar(node) ? fy_node_get_scalar(node, &length) : NULL;

	return text ? arena_printf(&s->arena, "%.*s", (int)length, text) : "";
}

/* Calls take(s, index or model, key, value) for each pair; key is the node, so that errors have a
 * line. */
typedef int pair_take(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		      struct err *e);

static int pairs_walk(struct scene *s, uint32_t model, struct fy_node *mapping, pair_take *take,
		      struct err *e)
{
	struct fy_node_pair *pair;
	void *at = NULL;
	int r = 0;

	if (!fy_node_is_mapping(mapping))
		return node_fail(mapping, e, "a mapping is wanted, not '%s'",
				 node_text(s, mapping));
	while (r == 0 && (pair = fy_node_mapping_iterate(mapping, &at)))
		r = take(s, model, fy_node_pair_key(pair), fy_node_pair_value(pair), e);
	return r;
}

/* Same, for mappings whose keys are models. */
static int models_walk(struct scene *s, struct fy_node *mapping, pair_take *take, struct err *e)
{
	struct fy_node_pair *pair;
	void *at = NULL;
	int r = 0;

	if (!fy_node_is_mapping(mapping))
		return node_fail(mapping, e, "a mapping by model is wanted");
	while (r == 0 && (pair = fy_node_mapping_iterate(mapping, &at))) {
		const char *name = node_text(s, fy_node_pair_key(pair));
		uint32_t model = 0;

		while (model < s->policy.n_models && strcmp(s->models[model].name, name) != 0)
			model++;
		if (model == s->policy.n_models)
			return node_fail(fy_node_pair_key(pair), e, "no model is called '%s'",
					 name);
		r = take(s, model, fy_node_pair_key(pair), fy_node_pair_value(pair), e);
	}
	return r;
}

/* A number in any unit of base.h, "max", "missing", or plain digits. */
static bool value_parse(const char *text, uint64_t *ret_value)
{
	if (strcmp(text, "max") == 0)
		*ret_value = VALUE_MAX;
	else if (strcmp(text, "missing") == 0)
		*ret_value = MISSING;
	else
		return duration_parse(text, ret_value) == 0 || share_parse(text, ret_value) == 0 ||
		       cpus_parse(text, ret_value) == 0 || size_parse(text, ret_value) == 0 ||
		       number_parse(text, ret_value) == 0;
	return true;
}

static int node_value(struct scene *s, struct fy_node *node, uint64_t *ret_value, struct err *e)
{
	const char *text = node_text(s, node);

	return value_parse(text, ret_value) ? 0 : node_fail(node, e, "'%s' is no value", text);
}

/* ---- policy ------------------------------------------------------------------------------ */

static int class_parse(const char *name, enum model_class *ret_class)
{
	for (unsigned int c = 0; c < N_CLASSES; c++) {
		if (strcmp(name, class_name((enum model_class)c)) != 0)
			continue;
		*ret_class = (enum model_class)c;
		return 0;
	}
	return -ENOENT;
}

/* "runqueue_wait 5ms", "runqueue_wait p50 5ms", "memory_stall 2%" */
static int objective_take(struct scene *s, struct model *m, struct fy_node *node, struct err *e)
{
	struct objective *o = &m->objectives[m->n_objectives];
	char indicator[32], first[32], second[32];
	const char *text = node_text(s, node);
	int words = sscanf(text, "%31s %31s %31s", indicator, first, second);

	if (words < 2 || m->n_objectives == MAX_OBJECTIVES)
		return node_fail(node, e, "'%s' is no objective, or one too many", text);
	*o = (struct objective){ .window_ns = 60 * NSEC_PER_SEC };
	for (o->indicator = 0; o->indicator < N_INDICATORS; o->indicator++)
		if (strcmp(indicator, indicator_name(o->indicator)) == 0)
			break;
	if (o->indicator != INDICATOR_MEMORY_STALL)
		o->quantile_permyriad = words == 3 ? strtoull(first + 1, NULL, 10) * 100 : 9900;
	if (o->indicator == N_INDICATORS || !value_parse(words == 3 ? second : first, &o->budget))
		return node_fail(node, e, "'%s' is no objective", text);
	m->n_objectives++;
	return 0;
}

static int wish_take(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		     struct err *e)
{
	enum knob knob;

	if (knob_find(node_text(s, key), &knob) < 0)
		return node_fail(key, e, "no knob is called '%s'", node_text(s, key));
	return node_value(s, value, &s->models[model].values[knob], e);
}

static void cgroup_add(struct scene *s, uint32_t model, enum driver driver)
{
	struct target *t = &s->targets[s->now.n_targets++];

	*t = (struct target){ .cgroup_id = s->next_id++,
			      .model = model,
			      .knobs = (1u << N_KNOBS) - 1,
			      .driver = driver,
			      .path = s->models[model].name,
			      .unit = "" };
	/* what a fresh cgroup shows */
	t->values[KNOB_CPU_WEIGHT] = t->values[KNOB_IO_WEIGHT] = 100;
	t->values[KNOB_CPU_MAX] = t->values[KNOB_PIDS_MAX] = VALUE_MAX;
	t->values[KNOB_MEMORY_HIGH] = t->values[KNOB_MEMORY_MAX] = VALUE_MAX;
	for (unsigned int k = 0; k < N_KNOBS; k++)
		t->written[k] = MISSING;
}

/* Fresh cgroups in place of what the model had; targets stay ordered by model. */
static int cgroups_set(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		       struct err *e)
{
	struct target others[MAX_TARGETS];
	uint32_t n_others = s->now.n_targets, n_new = 0;
	const char *text = node_text(s, value);
	enum driver driver = DRIVER_SYSTEMD;

	if (strcmp(text, "observed") == 0) {
		driver = DRIVER_OBSERVE;
		n_new = 1;
	} else {
		n_new = (uint32_t)strtoul(text, NULL, 10);
	}
	if (n_new + n_others > MAX_TARGETS)
		return node_fail(value, e, "more than %d cgroups", MAX_TARGETS);
	memcpy(others, s->targets, sizeof(others));
	s->now.n_targets = 0;
	for (uint32_t m = 0; m < s->policy.n_models; m++) {
		for (uint32_t i = 0; m != model && i < n_others; i++)
			if (others[i].model == m)
				s->targets[s->now.n_targets++] = others[i];
		for (uint32_t i = 0; m == model && i < n_new; i++)
			cgroup_add(s, m, driver);
	}
	return 0;
}

static int objectives_take(struct scene *s, struct model *m, struct fy_node *list, struct err *e)
{
	struct fy_node *node;
	void *at = NULL;
	int r = 0;

	if (!fy_node_is_sequence(list))
		return node_fail(list, e, "objectives are a list");
	while (r == 0 && (node = fy_node_sequence_iterate(list, &at)))
		r = objective_take(s, m, node, e);
	return r;
}

/* "[ batch, experiment ]" to bits */
static int classes_take(struct scene *s, struct fy_node *list, uint32_t *ret_bits, struct err *e)
{
	enum model_class class = N_CLASSES;
	struct fy_node *node;
	void *at = NULL;

	*ret_bits = 0;
	while ((node = fy_node_sequence_iterate(list, &at))) {
		if (class_parse(node_text(s, node), &class) < 0)
			return node_fail(node, e, "no class '%s'", node_text(s, node));
		*ret_bits |= 1u << class;
	}
	return 0;
}

/* "[ weight, cap ]" to bits */
static int ways_take(struct scene *s, struct fy_node *list, uint32_t *ret_bits, struct err *e)
{
	static const char *const names[N_WAYS] = { "weight", "cap",     "idle",
						   "freeze", "reclaim", "kill" };
	struct fy_node *node;
	void *at = NULL;

	*ret_bits = 0;
	while ((node = fy_node_sequence_iterate(list, &at))) {
		unsigned int way = 0;

		while (way < N_WAYS && strcmp(names[way], node_text(s, node)) != 0)
			way++;
		if (way == N_WAYS)
			return node_fail(node, e, "no way '%s'", node_text(s, node));
		*ret_bits |= 1u << way;
	}
	return 0;
}

/* The models that this one calls. */
static int calls_take(struct scene *s, struct contract *c, struct fy_node *list, struct err *e)
{
	struct fy_node *node;
	void *at = NULL;

	c->depends_on = arena_new(&s->arena, struct dependency, MAX_MODELS);
	c->n_depends_on = 0;
	while ((node = fy_node_sequence_iterate(list, &at))) {
		if (c->n_depends_on == MAX_MODELS)
			return node_fail(node, e, "more than %d calls", MAX_MODELS);
		c->depends_on[c->n_depends_on++].model = node_text(s, node);
	}
	return 0;
}

static int manifest_take(struct scene *s, uint32_t model, struct fy_node *key,
			 struct fy_node *value, struct err *e)
{
	struct model *m = &s->models[model];
	const char *name = node_text(s, key), *text = node_text(s, value);

	if (strcmp(name, "class") == 0)
		return class_parse(text, &m->class) == 0
			       ? 0
			       : node_fail(value, e, "no class '%s'", text);
	if (strcmp(name, "priority") == 0) {
		m->priority = (int32_t)strtol(text, NULL, 10);
		return 0;
	}
	if (strcmp(name, "reserved") == 0)
		return node_value(s, value, &m->cpu_reserved_millicpu, e);
	if (strcmp(name, "floor") == 0)
		return node_value(s, value, &m->cpu_floor_permyriad, e);
	if (strcmp(name, "objectives") == 0)
		return objectives_take(s, m, value, e);
	if (strcmp(name, "stage") == 0) {
		m->stage = strcmp(text, "experiment") == 0 ? STAGE_EXPERIMENT : STAGE_PRODUCTION;
		return 0;
	}
	if (strcmp(name, "unit") == 0) {
		m->units[m->n_units++] = text;
		return 0;
	}
	if (strcmp(name, "may") == 0)
		return classes_take(s, value, &m->preemption.may, e);
	if (strcmp(name, "by") == 0)
		return classes_take(s, value, &m->preemption.by, e);
	if (strcmp(name, "how") == 0)
		return ways_take(s, value, &m->preemption.how, e);
	if (strcmp(name, "calls") == 0)
		return calls_take(s, &m->contract, value, e);
	if (strcmp(name, "values") == 0)
		return pairs_walk(s, model, value, wish_take, e);
	if (strcmp(name, "cgroups") == 0)
		return cgroups_set(s, model, key, value, e);
	return node_fail(key, e, "a model has no '%s'", name);
}

/* Half of each budget is used, by plenty of samples, and the model runs all the time. */
static void reading_calm(struct scene *s, uint32_t model)
{
	const struct model *m = &s->models[model];
	struct model_reading *r = &s->readings[model];

	*r = (struct model_reading){ .waits = MISSING,
				     .wait_ns = MISSING,
				     .own_quota_ns = MISSING,
				     .wait_p50_ns = MISSING,
				     .wait_p99_ns = MISSING,
				     .culprit = MODEL_NONE,
				     .culprit_permyriad = MISSING,
				     .run_ns = s->policy.host.tick_ns,
				     .cpu_usage_ns = MISSING };
	for (unsigned int k = 0; k < m->n_objectives; k++)
		r->objectives[k] = (struct reading){ m->objectives[k].budget / 2, 1000 };
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(((const struct model *)a)->name, ((const struct model *)b)->name);
}

static int models_take(struct scene *s, struct fy_node *mapping, struct err *e)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	if (!mapping || !fy_node_is_mapping(mapping))
		return err_say(e, -EINVAL, "a mapping 'models' is wanted");
	while ((pair = fy_node_mapping_iterate(mapping, &at))) {
		struct model *m = &s->models[s->policy.n_models];

		if (s->policy.n_models++ == MAX_MODELS)
			return err_say(e, -EINVAL, "more than %d models", MAX_MODELS);
		m->name = node_text(s, fy_node_pair_key(pair));
		m->class = CLASS_STANDARD;
		for (unsigned int k = 0; k < N_KNOBS; k++)
			m->values[k] = MISSING;
	}
	qsort(s->models, s->policy.n_models, sizeof(s->models[0]), name_compare);
	s->now.n_models = s->policy.n_models;
	for (uint32_t i = 0; i < s->policy.n_models; i++)
		cgroup_add(s, i, DRIVER_SYSTEMD);
	for (at = NULL; (pair = fy_node_mapping_iterate(mapping, &at));) {
		struct model wanted = { .name = node_text(s, fy_node_pair_key(pair)) };
		struct model *m = bsearch(&wanted, s->models, s->policy.n_models,
					  sizeof(s->models[0]), name_compare);
		int r = pairs_walk(s, (uint32_t)(m - s->models), fy_node_pair_value(pair),
				   manifest_take, e);

		if (r < 0)
			return err_context(e, "model %s", m->name);
	}
	for (uint32_t i = 0; i < s->policy.n_models; i++)
		reading_calm(s, i);
	return 0;
}

/* The daemon puts everything back when it goes to observe mode. */
static void written_forget(struct scene *s)
{
	for (uint32_t i = 0; i < s->now.n_targets; i++)
		for (unsigned int k = 0; k < N_KNOBS; k++)
			s->targets[i].written[k] = MISSING;
}

static int host_take(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		     struct err *e)
{
	const char *name = node_text(s, key), *text = node_text(s, value);
	uint64_t actions;

	if (strcmp(name, "cpus") == 0)
		return node_value(s, value, &s->now.host.cpus, e);
	if (strcmp(name, "load") == 0)
		return node_value(s, value, &s->now.host.busy_permyriad, e);
	if (strcmp(name, "steal") == 0)
		return node_value(s, value, &s->now.host.steal_permyriad, e);
	if (strcmp(name, "tick") == 0)
		return node_value(s, value, &s->policy.host.tick_ns, e);
	if (strcmp(name, "mode") == 0) {
		s->policy.host.mode = strcmp(text, "observe") == 0 ? MODE_OBSERVE : MODE_ENFORCE;
		if (s->policy.host.mode == MODE_OBSERVE)
			written_forget(s);
		return 0;
	}
	if (strcmp(name, "experiments") == 0)
		return node_value(s, value, &s->policy.host.experiment_cpu_permyriad, e);
	if (strcmp(name, "experiments_memory") == 0)
		return node_value(s, value, &s->policy.host.experiment_memory_bytes, e);
	if (strcmp(name, "room") == 0 && node_value(s, value, &actions, e) == 0) {
		s->max_actions = (uint32_t)actions;
		return 0;
	}
	return node_fail(key, e, "the host has no '%s'", name);
}

/* ---- what is observed -------------------------------------------------------------------- */

static int objectives_read(struct scene *s, uint32_t model, enum indicator indicator,
			   struct fy_node *value, struct err *e)
{
	const struct model *m = &s->models[model];
	uint64_t observed;
	int r = node_value(s, value, &observed, e);

	for (unsigned int k = 0; r == 0 && k < m->n_objectives; k++)
		if (m->objectives[k].indicator == indicator)
			s->readings[model].objectives[k].observed = observed;
	return r;
}

/* One value per objective, in the order of the manifest. */
static int observed_take(struct scene *s, uint32_t model, struct fy_node *list, struct err *e)
{
	struct fy_node *node;
	unsigned int k = 0;
	void *at = NULL;
	int r = 0;

	while (r == 0 && (node = fy_node_sequence_iterate(list, &at))) {
		if (k == s->models[model].n_objectives)
			return node_fail(node, e, "more values than objectives");
		r = node_value(s, node, &s->readings[model].objectives[k++].observed, e);
	}
	return r;
}

/* "pages 80%" */
static int culprit_take(struct scene *s, uint32_t model, struct fy_node *value, struct err *e)
{
	struct model_reading *r = &s->readings[model];
	char name[64], share[32];

	r->culprit = MODEL_NONE;
	if (sscanf(node_text(s, value), "%63s %31s", name, share) == 2)
		for (uint32_t i = 0; i < s->policy.n_models; i++)
			if (strcmp(s->models[i].name, name) == 0)
				r->culprit = i;
	if (r->culprit == MODEL_NONE || share_parse(share, &r->culprit_permyriad) < 0)
		return node_fail(value, e, "a culprit is 'MODEL SHARE%%'");
	return 0;
}

static int reading_take(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
			struct err *e)
{
	struct model_reading *r = &s->readings[model];
	const char *name = node_text(s, key);
	const struct {
		const char *name;
		uint64_t *value;
	} plain[] = {
		{ "waits", &r->waits },
		{ "waited", &r->wait_ns },
		{ "own_quota", &r->own_quota_ns },
		{ "tick_p50", &r->wait_p50_ns },
		{ "tick_p99", &r->wait_p99_ns },
		{ "run", &r->run_ns },
		{ "pressure", &r->cpu_some_ns },
		{ "usage", &r->cpu_usage_ns },
	};
	uint64_t samples;

	for (unsigned int i = 0; i < ARRAY_SIZE(plain); i++)
		if (strcmp(name, plain[i].name) == 0)
			return node_value(s, value, plain[i].value, e);
	for (unsigned int i = 0; i < N_INDICATORS; i++)
		if (strcmp(name, indicator_name((enum indicator)i)) == 0)
			return objectives_read(s, model, (enum indicator)i, value, e);
	if (strcmp(name, "observed") == 0)
		return observed_take(s, model, value, e);
	if (strcmp(name, "culprit") == 0)
		return culprit_take(s, model, value, e);
	if (strcmp(name, "samples") != 0)
		return node_fail(key, e, "a reading has no '%s'", name);
	if (node_value(s, value, &samples, e) < 0)
		return e->code;
	for (unsigned int k = 0; k < MAX_OBJECTIVES; k++)
		r->objectives[k].samples = samples;
	return 0;
}

static int readings_take(struct scene *s, uint32_t model, struct fy_node *key,
			 struct fy_node *value, struct err *e)
{
	if (strcmp(node_text(s, value), "calm") == 0) {
		reading_calm(s, model);
		return 0;
	}
	return pairs_walk(s, model, value, reading_take, e);
}

/* Somebody else wrote a value into all cgroups of the model. */
static int kernel_take(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		       struct err *e)
{
	enum knob knob;
	uint64_t now;

	if (knob_find(node_text(s, key), &knob) < 0)
		return node_fail(key, e, "no knob is called '%s'", node_text(s, key));
	if (node_value(s, value, &now, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < s->now.n_targets; i++)
		if (s->targets[i].model == model)
			s->targets[i].values[knob] = now;
	return 0;
}

static int kernels_take(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
			struct err *e)
{
	return pairs_walk(s, model, value, kernel_take, e);
}

/* The policy changed: what is named gets another value. */
static int manifests_take(struct scene *s, uint32_t model, struct fy_node *key,
			  struct fy_node *value, struct err *e)
{
	return pairs_walk(s, model, value, manifest_take, e);
}

static int refused_take(struct scene *s, struct fy_node *list, struct err *e)
{
	struct fy_node *node;
	enum knob knob;
	void *at = NULL;

	s->refused = 0;
	while ((node = fy_node_sequence_iterate(list, &at))) {
		if (knob_find(node_text(s, node), &knob) < 0)
			return node_fail(node, e, "no knob is called '%s'", node_text(s, node));
		s->refused |= 1u << knob;
	}
	return 0;
}

/* ---- what is expected -------------------------------------------------------------------- */

static char *value_print(struct scene *s, uint64_t value)
{
	if (value == MISSING)
		return arena_printf(&s->arena, "missing");
	if (value == VALUE_MAX)
		return arena_printf(&s->arena, "max");
	return arena_printf(&s->arena, "%" PRIu64, value);
}

static const char *model_print(const struct scene *s, uint32_t model)
{
	return model < s->policy.n_models ? s->models[model].name : "nobody";
}

/* "pages cpu.weight 7 -> 3 donor for ocr"; for whom only where a measurement led to it. */
static char *action_print(struct scene *s, const struct action *a)
{
	bool has_why = a->why.model < s->policy.n_models;

	return arena_printf(&s->arena, "%s %s %s -> %s %s%s%s", s->models[a->model].name,
			    knob_table[a->knob].file, value_print(s, a->expected),
			    value_print(s, a->value), reason_name(a->reason),
			    has_why ? " for " : "", has_why ? model_print(s, a->why.model) : "");
}

static int plan_check(struct scene *s, struct fy_node *list, struct err *e)
{
	struct fy_node *node;
	uint32_t i = 0;
	void *at = NULL;

	s->expectations++;
	if (!fy_node_is_sequence(list))
		return node_fail(list, e, "a plan is a list");
	for (; (node = fy_node_sequence_iterate(list, &at)); i++) {
		const char *wanted = node_text(s, node);
		const char *got =
			i < s->plan.n_actions ? action_print(s, &s->plan.actions[i]) : "nothing";

		if (strcmp(wanted, got) != 0)
			return node_fail(node, e, "action %u is '%s', wanted '%s'", i + 1, got,
					 wanted);
	}
	if (i < s->plan.n_actions)
		return err_say(e, -EINVAL, "the plan has %u actions, wanted %u; the next is '%s'",
			       s->plan.n_actions, i, action_print(s, &s->plan.actions[i]));
	return 0;
}

static int text_check(struct scene *s, uint32_t model, const char *what, struct fy_node *wanted,
		      const char *got, struct err *e)
{
	s->expectations++;
	if (strcmp(node_text(s, wanted), got) == 0)
		return 0;
	return node_fail(wanted, e, "%s of %s is '%s', wanted '%s'", what, s->models[model].name,
			 got, node_text(s, wanted));
}

static int verdict_check(struct scene *s, uint32_t model, struct fy_node *key,
			 struct fy_node *value, struct err *e)
{
	return text_check(s, model, "verdict", value, reason_name(s->plan.verdicts[model].reason),
			  e);
}

static int level_check(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		       struct err *e)
{
	return text_check(s, model, "level", value,
			  arena_printf(&s->arena, "%d", s->plan.verdicts[model].level), e);
}

static int policy_level_check(struct scene *s, uint32_t model, struct fy_node *key,
			      struct fy_node *value, struct err *e)
{
	return text_check(s, model, "policy level", value,
			  arena_printf(&s->arena, "%d", s->plan.verdicts[model].policy_level), e);
}

static int weight_check(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
			struct err *e)
{
	return text_check(s, model, "weight", value, value_print(s, s->state.models[model].weight),
			  e);
}

static char *amount_print(struct scene *s, enum indicator indicator, uint64_t amount)
{
	char buf[32];

	if (amount >= MISSING)
		return value_print(s, amount);
	return arena_strdup(&s->arena, indicator != INDICATOR_MEMORY_STALL
					       ? duration_format(amount, buf, sizeof(buf))
					       : share_format(amount, buf, sizeof(buf)));
}

/* "ocr runqueue_wait 6ms of 5ms -20.00% pages 80%": model, objective, slack, any culprit */
static char *evidence_print(struct scene *s, const struct evidence *why)
{
	uint64_t size =
		(uint64_t)(why->slack_permyriad < 0 ? -why->slack_permyriad : why->slack_permyriad);
	const char *culprit = "";
	enum indicator indicator;
	char buf[32];

	if (why->model >= s->policy.n_models)
		return arena_strdup(&s->arena, "nobody");
	indicator = s->models[why->model].objectives[why->objective].indicator;
	if (why->culprit < s->policy.n_models)
		culprit = arena_printf(&s->arena, " %s %s", s->models[why->culprit].name,
				       share_format(why->culprit_permyriad, buf, sizeof(buf)));
	return arena_printf(&s->arena, "%s %s %s of %s %s%" PRIu64 ".%02" PRIu64 "%%%s",
			    model_print(s, why->model), indicator_name(indicator),
			    amount_print(s, indicator, why->observed),
			    amount_print(s, indicator, why->budget),
			    why->slack_permyriad < 0 ? "-" : "", size / 100, size % 100, culprit);
}

static int why_check(struct scene *s, uint32_t model, struct fy_node *key, struct fy_node *value,
		     struct err *e)
{
	return text_check(s, model, "evidence", value,
			  evidence_print(s, &s->plan.verdicts[model].why), e);
}

/* "ocr cpu.weight 1455 -> 200 put back 2 times", "... left alone after 3 times" */
static char *drift_print(struct scene *s, const struct drift *d)
{
	return arena_printf(&s->arena, "%s %s %s -> %s %s %u times", model_print(s, d->model),
			    knob_table[d->knob].file, value_print(s, d->written),
			    value_print(s, d->found),
			    d->is_left_alone ? "left alone after" : "put back", d->times);
}

static int drifts_check(struct scene *s, struct fy_node *list, struct err *e)
{
	struct fy_node *node;
	uint32_t i = 0;
	void *at = NULL;

	s->expectations++;
	if (!fy_node_is_sequence(list))
		return node_fail(list, e, "drifts are a list");
	for (; (node = fy_node_sequence_iterate(list, &at)); i++) {
		const char *wanted = node_text(s, node);
		const char *got =
			i < s->plan.n_drifts ? drift_print(s, &s->plan.drifts[i]) : "nothing";

		if (strcmp(wanted, got) != 0)
			return node_fail(node, e, "drift %u is '%s', wanted '%s'", i + 1, got,
					 wanted);
	}
	return i == s->plan.n_drifts
		       ? 0
		       : err_say(e, -EINVAL, "there are %u drifts, wanted %u", s->plan.n_drifts, i);
}

/* ---- one tick ---------------------------------------------------------------------------- */

/* What is as wanted without a write is modelgov's to keep all the same. */
static void values_claim(struct scene *s)
{
	for (uint32_t i = 0; i < s->now.n_targets && !s->now.is_busy; i++) {
		struct target *t = &s->targets[i];

		for (unsigned int k = 0; k < N_KNOBS; k++)
			if (t->written[k] == MISSING &&
			    key_is_in_force(&s->policy, &s->state, t, (enum knob)k))
				t->written[k] = t->values[k];
	}
}

/* The kernel takes what was planned, memory in whole pages. */
static void plan_apply(struct scene *s)
{
	if (s->policy.host.mode != MODE_OBSERVE)
		values_claim(s);
	for (uint32_t i = 0; i < s->plan.n_actions; i++) {
		const struct action *a = &s->plan.actions[i];
		uint64_t value = a->value;

		if (s->policy.host.mode == MODE_OBSERVE)
			continue;
		if (s->refused & 1u << a->knob) {
			s->targets[a->target].written[a->knob] = MISSING;
			continue;
		}
		if (a->knob >= KNOB_MEMORY_MIN && a->knob <= KNOB_MEMORY_MAX && value != VALUE_MAX)
			value -= value % 4096;
		s->targets[a->target].values[a->knob] = value;
		s->targets[a->target].written[a->knob] = value;
	}
}

static void tick_decide(struct scene *s)
{
	s->now.tick++;
	s->now.span_ns = s->now.tick == 1 ? 0 : s->span_ns ? s->span_ns : s->policy.host.tick_ns;
	s->now.taken_ns += s->now.span_ns;
	decide(&s->policy, &s->now, &s->state, &s->plan);
}

struct step {
	struct fy_node *plan, *cut, *drifts, *verdicts, *levels, *policy_levels, *weights, *why;
	uint64_t repeat;
};

static int cut_check(struct scene *s, struct fy_node *wanted, struct err *e)
{
	s->expectations++;
	if (s->plan.is_cut == (strcmp(node_text(s, wanted), "yes") == 0))
		return 0;
	return node_fail(wanted, e, "the plan is %scut", s->plan.is_cut ? "" : "not ");
}

static int step_check(struct scene *s, const struct step *step, struct err *e)
{
	int r = step->plan ? plan_check(s, step->plan, e) : 0;

	if (r == 0 && step->cut)
		r = cut_check(s, step->cut, e);
	if (r == 0 && step->drifts)
		r = drifts_check(s, step->drifts, e);
	if (r == 0 && step->verdicts)
		r = models_walk(s, step->verdicts, verdict_check, e);
	if (r == 0 && step->levels)
		r = models_walk(s, step->levels, level_check, e);
	if (r == 0 && step->policy_levels)
		r = models_walk(s, step->policy_levels, policy_level_check, e);
	if (r == 0 && step->weights)
		r = models_walk(s, step->weights, weight_check, e);
	if (r == 0 && step->why)
		r = models_walk(s, step->why, why_check, e);
	return r;
}

static int step_take(struct scene *s, struct fy_node *mapping, struct step *ret_step, struct err *e)
{
	struct fy_node_pair *pair;
	void *at = NULL;
	int r = 0;

	*ret_step = (struct step){ .repeat = 1 };
	s->now.is_busy = false;
	s->span_ns = 0;
	while (r == 0 && (pair = fy_node_mapping_iterate(mapping, &at))) {
		struct fy_node *key = fy_node_pair_key(pair), *value = fy_node_pair_value(pair);
		const char *name = node_text(s, key);

		if (strcmp(name, "repeat") == 0)
			r = node_value(s, value, &ret_step->repeat, e);
		else if (strcmp(name, "busy") == 0)
			s->now.is_busy = strcmp(node_text(s, value), "yes") == 0;
		else if (strcmp(name, "span") == 0)
			r = node_value(s, value, &s->span_ns, e);
		else if (strcmp(name, "host") == 0)
			r = pairs_walk(s, 0, value, host_take, e);
		else if (strcmp(name, "readings") == 0)
			r = models_walk(s, value, readings_take, e);
		else if (strcmp(name, "cgroups") == 0)
			r = models_walk(s, value, cgroups_set, e);
		else if (strcmp(name, "kernel") == 0)
			r = models_walk(s, value, kernels_take, e);
		else if (strcmp(name, "manifests") == 0)
			r = models_walk(s, value, manifests_take, e);
		else if (strcmp(name, "refused") == 0)
			r = refused_take(s, value, e);
		else if (strcmp(name, "plan") == 0)
			ret_step->plan = value;
		else if (strcmp(name, "cut") == 0)
			ret_step->cut = value;
		else if (strcmp(name, "drifts") == 0)
			ret_step->drifts = value;
		else if (strcmp(name, "verdicts") == 0)
			ret_step->verdicts = value;
		else if (strcmp(name, "levels") == 0)
			ret_step->levels = value;
		else if (strcmp(name, "policy_levels") == 0)
			ret_step->policy_levels = value;
		else if (strcmp(name, "weights") == 0)
			ret_step->weights = value;
		else if (strcmp(name, "why") == 0)
			ret_step->why = value;
		else
			r = node_fail(key, e, "a step has no '%s'", name);
	}
	return r;
}

static int step_run(struct scene *s, struct fy_node *mapping, struct err *e)
{
	struct step step;
	int r = step_take(s, mapping, &step, e);

	for (uint64_t i = 0; r == 0 && i < step.repeat; i++) {
		tick_decide(s);
		r = step_check(s, &step, e);
		if (r < 0)
			return err_context(e, "tick %" PRIu64, s->now.tick);
		plan_apply(s);
	}
	return r;
}

/* ---- one case ---------------------------------------------------------------------------- */

static int scene_open(struct scene *s, struct fy_node *root, struct err *e)
{
	struct fy_node *host = fy_node_mapping_lookup_by_string(root, "host", FY_NT);
	int r;

	arena_init(&s->arena);
	s->policy.host = (struct host_policy){ .mode = MODE_ENFORCE, .tick_ns = NSEC_PER_SEC };
	s->policy.models = s->models;
	s->now = (struct observation){ .taken_ns = 3600 * NSEC_PER_SEC,
				       .host.cpus = 4,
				       .models = s->readings,
				       .targets = s->targets };
	s->next_id = 100;
	s->max_actions = MAX_ACTIONS;
	r = host ? pairs_walk(s, 0, host, host_take, e) : 0;
	if (r == 0)
		r = models_take(s, fy_node_mapping_lookup_by_string(root, "models", FY_NT), e);
	if (r == 0 && (state_init(&s->state, s->policy.n_models) < 0 ||
		       plan_init(&s->plan, s->policy.n_models, s->max_actions) < 0))
		r = err_say(e, -ENOMEM, "no memory");
	return r;
}

static void scene_close(struct scene *s)
{
	plan_fini(&s->plan);
	state_fini(&s->state);
	arena_fini(&s->arena);
	free(s);
}

static int scene_play(struct scene *s, struct fy_node *root, struct err *e)
{
	struct fy_node *steps = fy_node_mapping_lookup_by_string(root, "steps", FY_NT), *step;
	void *at = NULL;
	unsigned int n = 0;
	int r = 0;

	if (!steps || !fy_node_is_sequence(steps))
		return err_say(e, -EINVAL, "a list 'steps' is wanted");
	while (r == 0 && (step = fy_node_sequence_iterate(steps, &at))) {
		n++;
		r = step_run(s, step, e);
	}
	if (r < 0)
		return err_context(e, "step %u", n);
	return s->expectations ? 0 : err_say(e, -EINVAL, "nothing is expected anywhere");
}

static int case_run(const char *path, struct err *e)
{
	const struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DISABLE_RECYCLING };
	struct fy_document *document = fy_document_build_from_file(&cfg, path);
	struct scene *s = calloc(1, sizeof(*s));
	int r;

	if (!document || !s || !fy_document_root(document)) {
		r = err_say(e, -EINVAL, "%s is not readable as YAML", path);
	} else {
		r = scene_open(s, fy_document_root(document), e);
		if (r == 0)
			r = scene_play(s, fy_document_root(document), e);
		scene_close(s);
		s = NULL;
	}
	free(s);
	fy_document_destroy(document);
	return r;
}

/* ---- all cases --------------------------------------------------------------------------- */

struct tally {
	unsigned int passed, failed;
};

/* "a-class-pays" from "cases/a-class-pays.yaml", with blanks. */
static char *sentence_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *sentence = strdup(slash ? slash + 1 : path);

	if (!sentence)
		return NULL;
	sentence[strcspn(sentence, ".")] = '\0';
	for (char *c = sentence; *c; c++)
		if (*c == '-')
			*c = ' ';
	return sentence;
}

static void case_report(const char *path, struct tally *tally)
{
	_cleanup_free_ char *sentence = sentence_of(path);
	struct err e = { 0 };

	if (case_run(path, &e) == 0) {
		tally->passed++;
		printf("ok %s\n", sentence ? sentence : path);
	} else {
		tally->failed++;
		printf("not ok %s\n    %s: %s\n", sentence ? sentence : path, path, e.text);
	}
}

static int is_case(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 5 && strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

static void directory_report(const char *path, struct tally *tally)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_case, alphasort);

	if (n < 0) {
		tally->failed++;
		printf("not ok %s\n    %s\n", path, strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) >= 0)
			case_report(file, tally);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	struct tally tally = { 0 };
	struct stat st;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DIRECTORY|FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			directory_report(argv[i], &tally);
		else
			case_report(argv[i], &tally);
	}
	printf("%u passed, %u failed, 0 skipped\n", tally.passed, tally.failed);
	return tally.failed > 0;
}
