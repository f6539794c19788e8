/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what cannot be together. Every sum names its biggest part and says by how much it is too
 * much.
 */
#include "check.h"

#include "names.h"

#include <inttypes.h>

/* design: above it feedback has nothing left to give */
#define RESERVABLE_PERMILLE 900

/* guarantee.limit of decide's law, where more would be cut in silence; a test holds them together */
#define FLOORS_LIMIT_PERMYRIAD 9500

/* ---- one manifest -------------------------------------------------------------------------- */

static void name_check(const struct tree *t, const char *name, const struct model *m)
{
	const struct node *n = tree_find(t, "metadata.name");

	if (!n || n->kind != NODE_VALUE || n->is_empty || n->is_refused)
		return;
	if (!name_is_model(m->name))
		tree_error(
			t, n,
			"metadata.name: '%s' is not a name; write lower-case letters, digits, '-', "
			"'_', '.', at most 63, starting with a letter or digit",
			m->name);
	else if (strcmp(m->name, name) != 0)
		tree_error(t, n,
			   "metadata.name: '%s' is not the name of the file; write the name "
			   "without .yaml here, or call the file %s.yaml",
			   m->name, m->name);
}

static void memory_order_check(const struct tree *t, const struct model *m)
{
	static const struct {
		enum knob knob;
		const char *name;
	} steps[] = { { KNOB_MEMORY_MIN, "min" },
		      { KNOB_MEMORY_LOW, "low" },
		      { KNOB_MEMORY_HIGH, "high" },
		      { KNOB_MEMORY_MAX, "max" } };
	size_t below = 0;
	bool has_below = false;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t value = m->values[steps[i].knob];
		char path[32], small[32], large[32];

		if (value == MISSING || value == VALUE_MAX) /* no limit is in nobody's way */
			continue;
		if (has_below && value < m->values[steps[below].knob]) {
			snprintf(path, sizeof(path), "resources.memory.%s", steps[i].name);
			tree_error(t, tree_find(t, path),
				   "%s: %s is less than %s %s; memory must rise in the order min, "
				   "low, high, max",
				   path, size_format(value, small, sizeof(small)),
				   steps[below].name,
				   size_format(m->values[steps[below].knob], large, sizeof(large)));
		}
		below = i;
		has_below = true;
	}
}

static void cpu_check(const struct tree *t, const struct host_facts *facts, const struct model *m)
{
	uint64_t quota = m->values[KNOB_CPU_MAX];
	uint64_t max = quota * 1000 / CPU_PERIOD_USEC; /* millicpu */
	uint64_t floor = m->cpu_floor_permyriad * facts->cpus * 1000 / PERMYRIAD;
	const struct node *set_floor = tree_find(t, "resources.cpu.floor");
	char text[32], max_text[32];

	if (quota == MISSING || quota == VALUE_MAX)
		return;
	cpus_format(max, max_text, sizeof(max_text));
	if (m->cpu_reserved_millicpu > max)
		tree_error(
			t, tree_find(t, "resources.cpu.reserved"),
			"resources.cpu.reserved: %s is more than resources.cpu.max %s; raise max "
			"or reserve less",
			cpus_format(m->cpu_reserved_millicpu, text, sizeof(text)), max_text);
	if (set_floor && floor > max)
		tree_error(t, set_floor,
			   "resources.cpu.floor: on this host (%" PRIu64 " CPUs) it means %s, more "
			   "than resources.cpu.max %s; raise max or lower the floor",
			   facts->cpus, cpus_format(floor, text, sizeof(text)), max_text);
}

/* The item of the list that became m->objectives[index]. */
static const struct node *objective_node(const struct tree *t, unsigned int index)
{
	const struct node *list = tree_find(t, "objectives");

	for (const struct node *n = list ? list->first : NULL; n; n = n->next)
		if (n->kind == NODE_GROUP && !n->is_refused && index-- == 0)
			return n;
	return NULL;
}

static const struct node *child(const struct node *group, const char *name)
{
	for (const struct node *n = group->first; n; n = n->next)
		if (strcmp(n->key->text, name) == 0)
			return n;
	return group;
}

static void objectives_check(const struct tree *t, const struct host_policy *host,
			     const struct model *m)
{
	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];
		const struct node *item = objective_node(t, i);
		char window[32], tick[32];

		if (!item || o->indicator >= N_INDICATORS)
			continue;
		if (o->window_ns < host->tick_ns)
			tree_error(t, child(item, "window"),
				   "objectives[%u].window: %s is shorter than the tick of %s in "
				   "modelgov.yaml; write %s or more",
				   i, duration_format(o->window_ns, window, sizeof(window)),
				   duration_format(host->tick_ns, tick, sizeof(tick)), tick);
		for (unsigned int j = 0; j < i; j++) {
			const struct objective *other = &m->objectives[j];

			if (o->indicator == other->indicator && o->window_ns == other->window_ns &&
			    o->quantile_permyriad == other->quantile_permyriad) {
				tree_error(
					t, child(item, "indicator"),
					"objectives[%u]: promises the same as objectives[%u]; keep "
					"one, or give it another quantile or window",
					i, j);
				break;
			}
		}
	}
}

void model_check(const struct tree *t, const struct host_policy *host,
		 const struct host_facts *facts, const char *name, const struct model *m)
{
	name_check(t, name, m);
	memory_order_check(t, m);
	cpu_check(t, facts, m);
	objectives_check(t, host, m);
	if (m->class == CLASS_CRITICAL && !tree_find(t, "objectives"))
		tree_warning(
			t, tree_find(t, "resources.class"),
			"resources.class: critical without objectives: nothing says when it is "
			"too slow, so it is never given more than at the start");
}

/* ---- sums over the host -------------------------------------------------------------------- */

struct sum {
	uint64_t total, biggest;
	unsigned int at; /* model with the biggest part */
};

static void sum_add(struct sum *s, uint64_t part, unsigned int model)
{
	s->total += part;
	if (part > s->biggest) {
		s->biggest = part;
		s->at = model;
	}
}

/* Millicpu to the hundredths that are printed, away from the limit so that the cure is enough. */
static uint64_t hundredths_up(uint64_t millicpu)
{
	return (millicpu + 9) / 10 * 10;
}

static void reservations_check(const struct policy *p, const struct origins *origins,
			       const struct host_facts *facts, struct findings *f)
{
	uint64_t host = facts->cpus * 1000, limit = host * RESERVABLE_PERMILLE / 1000;
	struct sum sum = { 0 };
	char part[32], whole[32], most[32], over[32];
	bool is_reported = false;

	for (unsigned int i = 0; i < p->n_models; i++) {
		uint64_t reserved = p->models[i].cpu_reserved_millicpu;

		sum_add(&sum, reserved, i);
		if (reserved <= host)
			continue;
		is_reported = true;
		finding_add(
			f, FINDING_ERROR, &origins[i].reserved,
			"resources.cpu.reserved: %s is more than this host has (%s); at most %s "
			"can be reserved, 90 %% of it",
			cpus_format(reserved, part, sizeof(part)),
			cpus_format(host, whole, sizeof(whole)),
			cpus_format(limit, most, sizeof(most)));
	}
	if (sum.total <= limit || is_reported)
		return;
	finding_add(
		f, FINDING_ERROR, &origins[sum.at].reserved,
		"resources.cpu.reserved: all reservations add up to %s, but at most %s can be "
		"reserved, 90 %% of this host's %s; this is the biggest with %s; reserve %s less, "
		"here or elsewhere",
		cpus_format(hundredths_up(sum.total), whole, sizeof(whole)),
		cpus_format(limit, most, sizeof(most)), cpus_format(host, (char[32]){ 0 }, 32),
		cpus_format(sum.biggest, part, sizeof(part)),
		cpus_format(hundredths_up(sum.total - limit), over, sizeof(over)));
}

static void memory_check(const struct policy *p, const struct origins *origins,
			 const struct host_facts *facts, struct findings *f)
{
	struct sum sum = { 0 };
	char part[32], whole[32], host[32], over[32];

	for (unsigned int i = 0; i < p->n_models; i++)
		if (p->models[i].values[KNOB_MEMORY_MIN] != MISSING)
			sum_add(&sum, p->models[i].values[KNOB_MEMORY_MIN], i);
	if (sum.total <= facts->memory_bytes)
		return;
	finding_add(
		f, FINDING_ERROR, &origins[sum.at].memory_min,
		"resources.memory.min: all models together keep %s for themselves, but this host "
		"has %s; this is the biggest with %s; keep at least %s less, here or elsewhere",
		size_format(sum.total, whole, sizeof(whole)),
		size_format(facts->memory_bytes, host, sizeof(host)),
		size_format(sum.biggest, part, sizeof(part)),
		size_format(sum.total - facts->memory_bytes + (1 << 20), over, sizeof(over)));
}

static void floors_check(const struct policy *p, const struct origins *origins, struct findings *f)
{
	struct sum sum = { 0 };
	unsigned int n_unset = 0;
	char part[32], whole[32], limit[32];

	for (unsigned int i = 0; i < p->n_models; i++) {
		if (origins[i].floor.file)
			sum_add(&sum, p->models[i].cpu_floor_permyriad, i);
		else
			n_unset++; /* each must get at least one permyriad */
	}
	if (sum.total == 0 || sum.total + n_unset <= FLOORS_LIMIT_PERMYRIAD)
		return;
	finding_add(f, FINDING_ERROR, &origins[sum.at].floor,
		    "resources.cpu.floor: all floors add up to %s%s; this is the biggest with %s; "
		    "lower floors until they fit into %s of the host, which is all that can be "
		    "promised at once",
		    share_format(sum.total, whole, sizeof(whole)),
		    sum.total > FLOORS_LIMIT_PERMYRIAD
			    ? ""
			    : " and leave nothing to the models without one",
		    share_format(sum.biggest, part, sizeof(part)),
		    share_format(FLOORS_LIMIT_PERMYRIAD, limit, sizeof(limit)));
}

void floors_share(struct policy *p, const struct origins *origins)
{
	uint64_t set = 0, n_unset = 0;

	for (unsigned int i = 0; i < p->n_models; i++) {
		if (origins[i].floor.file)
			set += p->models[i].cpu_floor_permyriad;
		else
			n_unset++;
	}
	for (unsigned int i = 0; i < p->n_models; i++) {
		uint64_t *floor = &p->models[i].cpu_floor_permyriad;
		uint64_t part = n_unset ? (FLOORS_LIMIT_PERMYRIAD - set) / n_unset : 0;

		if (!origins[i].floor.file)
			*floor = MIN(*floor, part);
	}
}

/* ---- one cgroup, one model ----------------------------------------------------------------- */

struct claim {
	const char *name;
	unsigned int model;
	const struct place *place;
};

static int claim_compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->model > y->model) - (x->model < y->model);
}

static void claims_judge(struct claim *claims, size_t n, const struct policy *p, const char *key,
			 struct findings *f)
{
	qsort(claims, n, sizeof(*claims), claim_compare);
	for (size_t i = 1; i < n; i++) {
		const struct claim *first = &claims[i - 1], *second = &claims[i];

		if (strcmp(first->name, second->name) != 0)
			continue;
		finding_add(
			f, FINDING_ERROR, second->place,
			"match.%s: '%s' belongs to model %s already (%s, line %d); a process can "
			"have one model only",
			key, second->name, p->models[first->model].name, first->place->file,
			first->place->line);
	}
}

/* Both lists in turn; claims has room for the longer one. */
static void claims_check(const struct policy *p, const struct origins *origins, bool is_units,
			 struct claim *claims, struct findings *f)
{
	size_t n = 0;

	for (unsigned int i = 0; i < p->n_models; i++) {
		const struct model *m = &p->models[i];
		const char *const *names = is_units ? m->units : m->cgroups;
		const struct place *places = is_units ? origins[i].units : origins[i].cgroups;

		for (unsigned int j = 0; j < (is_units ? m->n_units : m->n_cgroups); j++)
			claims[n++] = (struct claim){ names[j], i, &places[j] };
	}
	claims_judge(claims, n, p, is_units ? "units" : "cgroups", f);
}

int policy_check(const struct policy *p, const struct origins *origins,
		 const struct host_facts *facts, struct findings *f)
{
	if (facts->cpus > 0)
		reservations_check(p, origins, facts, f);
	if (facts->memory_bytes > 0)
		memory_check(p, origins, facts, f);
	floors_check(p, origins, f);

	_cleanup_free_ struct claim *claims =
		calloc((size_t)p->n_models * MAX_MATCHES + 1, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	claims_check(p, origins, true, claims, f);
	claims_check(p, origins, false, claims, f);
	return 0;
}
