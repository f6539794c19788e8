/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is different between two policies, key by key and in people's units. Compares values, not
 * where they were written.
 */
#include "flat.h"

struct comparison {
	struct arena *arena;
	struct difference *all;
	unsigned int n, max;
};

static int difference_add(struct comparison *c, const struct difference *new)
{
	if (c->n == c->max) {
		unsigned int max = c->max ? c->max * 2 : 32;
		struct difference *all = arena_new(c->arena, struct difference, max);

		if (!all)
			return -ENOMEM;
		if (c->n > 0)
			memcpy(all, c->all, c->n * sizeof(*all));
		c->all = all;
		c->max = max;
	}
	c->all[c->n++] = *new;
	return 0;
}

static int key_compare(const void *a, const void *b)
{
	return strcmp(((const struct flat_key *)a)->key, ((const struct flat_key *)b)->key);
}

/* Headings say where a value came from, and are not a difference. */
static int sorted_flat(enum manifest_kind manifest, const void *from, struct arena *arena,
		       struct flat *ret_flat)
{
	int r = flat_make(manifest, from, arena, ret_flat);
	unsigned int n = 0;

	for (unsigned int i = 0; r == 0 && i < ret_flat->n; i++)
		if (!ret_flat->all[i].row->is_heading)
			ret_flat->all[n++] = ret_flat->all[i];
	ret_flat->n = n;
	if (r == 0 && n > 0)
		qsort(ret_flat->all, n, sizeof(*ret_flat->all), key_compare);
	return r;
}

/* Both lists side by side. */
static int flats_compare(struct comparison *c, const char *model, const struct flat *before,
			 const struct flat *after)
{
	unsigned int i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < before->n || j < after->n)) {
		const struct flat_key *old = i < before->n ? &before->all[i] : NULL;
		const struct flat_key *new = j < after->n ? &after->all[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->key, new->key);

		i += order <= 0;
		j += order >= 0;
		if (order == 0 && strcmp(old->value, new->value) == 0)
			continue;
		r = difference_add(c,
				   &(struct difference){ .model = model,
							 .key = order <= 0 ? old->key : new->key,
							 .before = order <= 0 ? old->value : NULL,
							 .after = order >= 0 ? new->value : NULL });
	}
	return r;
}

static int part_compare(struct comparison *c, enum manifest_kind manifest, const char *model,
			const void *before, const void *after)
{
	struct flat old, new;
	int r = sorted_flat(manifest, before, c->arena, &old);

	if (r == 0)
		r = sorted_flat(manifest, after, c->arena, &new);
	return r == 0 ? flats_compare(c, model, &old, &new) : r;
}

int policy_diff(const struct policy *before, const struct policy *after, struct arena *arena,
		struct difference **ret_all, unsigned int *ret_n)
{
	struct comparison c = { .arena = arena };
	unsigned int i = 0, j = 0;
	int r = part_compare(&c, MANIFEST_HOST, "", &before->host, &after->host);

	while (r == 0 && (i < before->n_models || j < after->n_models)) {
		const struct model *old = i < before->n_models ? &before->models[i] : NULL;
		const struct model *new = j < after->n_models ? &after->models[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->name, new->name);

		i += order <= 0;
		j += order >= 0;
		if (order == 0)
			r = part_compare(&c, MANIFEST_MODEL, old->name, old, new);
		else if (order < 0)
			r = difference_add(&c, &(struct difference){ old->name, "", old->version,
								     NULL });
		else
			r = difference_add(&c, &(struct difference){ new->name, "", NULL,
								     new->version });
	}
	if (r < 0)
		return r;
	*ret_all = c.all;
	*ret_n = c.n;
	return 0;
}
