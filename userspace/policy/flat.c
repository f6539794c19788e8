/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the key table and writes down what has a value.
 */
#include "flat.h"

#include "field.h"

/* The group that is being walked. */
struct stretch {
	const char *path;
	const void *from;
	enum manifest_kind manifest;
	const struct key *list;
	unsigned int item;
};

static int group_flatten(struct flat *f, const struct key *rows, const struct stretch *in);

static int flat_add(struct flat *f, const struct flat_key *new)
{
	if (!new->key || !new->value)
		return -ENOMEM;
	if (f->n == f->max) {
		unsigned int max = f->max ? f->max * 2 : 64;
		struct flat_key *all = arena_new(f->arena, struct flat_key, max);

		if (!all)
			return -ENOMEM;
		if (f->n > 0)
			memcpy(all, f->all, f->n * sizeof(*all));
		f->all = all;
		f->max = max;
	}
	f->all[f->n++] = *new;
	return 0;
}

static int labels_flatten(struct flat *f, const struct key *k, const struct stretch *in,
			  const char *path)
{
	unsigned int n;
	const struct label *all = field_items(k, in->from, &n);
	int r = 0;

	for (unsigned int i = 0; i < n && r == 0; i++)
		r = flat_add(f, &(struct flat_key){
					.key = arena_printf(f->arena, "%s.%s", path, all[i].key),
					.value = text_spell(all[i].value, f->arena),
					.row = k,
					.label = all[i].key });
	return r;
}

static int items_flatten(struct flat *f, const struct key *k, const struct stretch *in,
			 const char *path)
{
	unsigned int n;
	const char *items = field_items(k, in->from, &n);
	int r = 0;

	for (unsigned int i = 0; i < n && r == 0; i++) {
		struct stretch item = { .path = arena_printf(f->arena, "%s[%u]", path, i),
					.from = items + i * k->list.item_bytes,
					.manifest = in->manifest,
					.list = k,
					.item = i };

		r = item.path ? group_flatten(f, k->keys, &item) : -ENOMEM;
	}
	return r;
}

static int key_flatten(struct flat *f, const struct key *k, const struct stretch *in,
		       const char *path)
{
	struct stretch below = *in;

	below.path = path;
	switch (k->type) {
	case TYPE_GROUP:
		return group_flatten(f, k->keys, &below);
	case TYPE_GROUPS:
		return items_flatten(f, k, in, path);
	case TYPE_LABELS:
		return labels_flatten(f, k, in, path);
	default:
		return flat_add(f, &(struct flat_key){ .key = path,
						       .value = field_print(k, in->from, f->arena),
						       .row = k,
						       .list = in->list,
						       .item = in->item });
	}
}

static int group_flatten(struct flat *f, const struct key *rows, const struct stretch *in)
{
	int r = 0;

	for (const struct key *k = NULL; r == 0 && (k = key_next(rows, in->manifest, k));) {
		if (!key_has_field(k) || field_is_absent(k, in->from))
			continue;
		const char *path =
			arena_printf(f->arena, "%s%s%s", in->path, *in->path ? "." : "", k->name);

		r = path ? key_flatten(f, k, in, path) : -ENOMEM;
	}
	return r;
}

int flat_make(enum manifest_kind manifest, const void *from, struct arena *arena,
	      struct flat *ret_flat)
{
	const struct stretch top = { .path = "", .from = from, .manifest = manifest };

	*ret_flat = (struct flat){ .arena = arena };
	return group_flatten(ret_flat, key_rows(manifest), &top);
}
