/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing list of sentences with one owner. What they say comes from targets.c and sense.c.
 */
#include "health.h"

void health_list_init(struct health_list *l)
{
	*l = (struct health_list){ 0 };
	arena_init(&l->arena);
}

void health_list_fini(struct health_list *l)
{
	free(l->all);
	arena_fini(&l->arena);
	health_list_init(l);
}

void health_list_reset(struct health_list *l)
{
	l->n = 0;
	arena_reset(&l->arena);
}

void health_list_add(struct health_list *l, bool is_ok, const char *part, const char *format, ...)
{
	char detail[1024];
	va_list args;

	if (l->n == l->size) {
		unsigned int size = l->size ? 2 * l->size : 16;
		struct health *all = realloc(l->all, size * sizeof(*all));

		if (!all)
			return;
		l->all = all;
		l->size = size;
	}
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);

	struct health line = { .part = arena_strdup(&l->arena, part),
			       .is_ok = is_ok,
			       .detail = arena_strdup(&l->arena, detail) };

	if (line.part && line.detail)
		l->all[l->n++] = line;
}
