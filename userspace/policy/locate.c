/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a manifest again to find a place in it. A file that changed in between gives a place that
 * is a little off, in a finding that is about to be replaced by those of the next load.
 */
#include "locate.h"

#include "text.h"

void locations_init(struct locations *l, const struct policy_source *source)
{
	*l = (struct locations){ .source = source };
	findings_init(&l->silent);
	arena_init(&l->scratch);
	arena_init(&l->places);
}

static void file_close(struct locations *l)
{
	l->tree = (struct tree){ 0 };
	free(TAKE_PTR(l->bytes));
	findings_fini(&l->silent);
	findings_init(&l->silent);
	arena_reset(&l->scratch);
	l->open = NULL;
}

void locations_fini(struct locations *l)
{
	file_close(l);
	findings_fini(&l->silent);
	arena_fini(&l->scratch);
	arena_fini(&l->places);
}

static void template_take(struct locations *l)
{
	const struct node *n = tree_find(&l->tree, "metadata.template");
	const struct template *t =
		n && n->kind == NODE_VALUE ? templates_find(l->templates, n->text) : NULL;

	if (t && !t->is_broken)
		(void)template_inherit(&l->tree,
				       t); /* when memory is short: the place is a group */
}

/* False when it cannot be read any more. The one that was looked into last is still open. */
static bool file_open(struct locations *l, const struct manifest_file *file)
{
	size_t length;

	if (l->open == file)
		return l->tree.root != NULL;
	file_close(l);
	l->open = file;
	if (manifest_slurp(l->source, file, &l->silent, &l->bytes, &length) < 0)
		return false;
	l->text = (struct source){
		.file = file->path, .text = l->bytes, .length = length, .findings = &l->silent
	};
	if (text_check(&l->text) < 0 || tree_open(&l->text, &l->scratch, &l->tree) < 0)
		l->tree.root = NULL;
	else
		template_take(l);
	return l->tree.root != NULL;
}

/* "objectives[1].budget", "objectives[1]", "objectives", "" */
static void path_shorten(char *path)
{
	char *dot = strrchr(path, '.'), *bracket = strrchr(path, '[');
	char *end = MAX(dot, bracket); /* NULL is less than all */

	*(end ? end : path) = '\0';
}

bool locations_find(void *context, uint32_t model, const char *path, struct place *ret_place)
{
	struct locations *l = context;
	const struct manifest_file *file = model == HOST_MODEL ? l->host : l->models[model];
	char above[256];

	*ret_place = (struct place){ .file = file ? file->path : "modelgov.yaml" };
	if (!file || !file_open(l, file))
		return false;
	snprintf(above, sizeof(above), "%s", path);
	const struct node *n = tree_find(&l->tree, above);
	bool is_there = n != NULL;

	while (!n && *above) {
		path_shorten(above);
		n = *above ? tree_find(&l->tree, above) : NULL;
	}
	if (n)
		*ret_place = tree_place(&l->tree, n, &l->places);
	return is_there;
}
