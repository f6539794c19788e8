/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model's manifest comes to, each value with where it was written. Prints nothing.
 */
#include "flat.h"
#include "read.h"

static const struct given *given_find(const struct model *m, const struct flat_key *k)
{
	for (const struct given *g = m->given; g; g = g->next)
		if (g->row == k->row && g->list == k->list && g->item == k->item &&
		    (!g->label || (k->label && strcmp(g->label, k->label) == 0)))
			return g;
	return NULL;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "template latency-critical (latency-critical.yaml:8)" */
static const char *origin_print(const struct model *m, const struct given *g, struct arena *arena)
{
	if (!g)
		return "default";
	if (!g->template)
		return arena_printf(arena, "%s:%d", name_of(m->file), g->line);
	return arena_printf(arena, "template %s (%s:%d)", m->template, name_of(g->template),
			    g->line);
}

int policy_resolved(const struct policy *p, uint32_t model, struct arena *arena,
		    struct resolved_key **ret_all, unsigned int *ret_n)
{
	const struct model *m = &p->models[model];
	struct flat flat;
	int r = flat_make(MANIFEST_MODEL, m, arena, &flat);
	struct resolved_key *all =
		r == 0 ? arena_new(arena, struct resolved_key, flat.n + 1) : NULL;

	if (!all)
		return -ENOMEM;
	for (unsigned int i = 0; i < flat.n; i++) {
		const char *origin = origin_print(m, given_find(m, &flat.all[i]), arena);

		if (!origin)
			return -ENOMEM;
		all[i] = (struct resolved_key){ flat.all[i].key, flat.all[i].value, origin };
	}
	*ret_all = all;
	*ret_n = flat.n;
	return 0;
}
