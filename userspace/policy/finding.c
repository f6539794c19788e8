/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects what is wrong and prints it in the way compilers do: file:line:column, the line, a
 * caret. Judges nothing.
 */
#include "source.h"
#include "text.h"

#define MAX_SHOWN 96 /* chosen: columns of a source line that are shown */

void findings_init(struct findings *f)
{
	*f = (struct findings){ 0 };
	arena_init(&f->arena);
}

void findings_fini(struct findings *f)
{
	if (f)
		arena_fini(&f->arena);
}

/* ---- places -------------------------------------------------------------------------------- */

static const char *line_start(const struct source *s, int line)
{
	const char *at = s->text, *end = s->text + s->length;

	while (--line > 0) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			return end;
		at++;
	}
	return at;
}

/*
 * A printable copy of the line, cut to the part around the column. Returns NULL when memory is
 * short: the finding is then shown without its line.
 */
static const char *line_show(const struct source *s, struct arena *arena, int line, int column,
			     int *ret_caret)
{
	const char *at = line_start(s, line), *end = s->text + s->length;
	int first = column > MAX_SHOWN * 3 / 4 ? column - MAX_SHOWN / 2 : 1, position = 1;
	char *shown = arena_alloc(arena, MAX_SHOWN * 4 + 8), *to = shown;
	uint32_t c;

	if (!shown)
		return NULL;
	if (first > 1)
		to = stpcpy(to, "...");
	for (; at < end && *at != '\n' && position < first + MAX_SHOWN; position++) {
		size_t size = utf8_decode(at, (size_t)(end - at), &c);

		if (position >= first && size > 0 && !character_is_hidden(c))
			to = mempcpy(to, at, size);
		else if (position >= first)
			*to++ = size == 1 && c == '\t' ? ' ' : '?';
		at += MAX(size, (size_t)1);
	}
	(void)stpcpy(to, at < end && *at != '\n' ? "..." : "");
	*ret_caret = column - first + 1 + (first > 1 ? 3 : 0);
	return shown;
}

struct place source_place(const struct source *s, struct arena *arena, int line, int column,
			  int width)
{
	struct place p = { .file = s->file, .line = line, .column = column, .width = width };

	if (line > 0)
		p.source = line_show(s, arena, line, column, &p.caret);
	return p;
}

/* ---- collecting ---------------------------------------------------------------------------- */

/* A finding that does not fit into memory is counted all the same, so that nothing passes for
 * right. */
static void finding_append(struct findings *f, const struct finding *new)
{
	f->n_errors += new->level == FINDING_ERROR;
	if (f->n == f->max) {
		unsigned int max = f->max ? f->max * 2 : 16;
		struct finding *all = arena_new(&f->arena, struct finding, max);

		if (!all)
			return;
		if (f->n > 0)
			memcpy(all, f->all, f->n * sizeof(*all));
		f->all = all;
		f->max = max;
	}
	f->all[f->n++] = *new;
}

__attribute__((format(printf, 4, 0))) static void finding_vadd(struct findings *f,
							       enum finding_level level,
							       const struct place *where,
							       const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;
	const char *kept = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	else
		kept = arena_printf(&f->arena, "%s%s", text, where->via ? where->via : "");
	finding_append(f, &(struct finding){ .level = level,
					     .file = where->file,
					     .line = where->line,
					     .column = where->column,
					     .text = kept ? kept : "memory is short",
					     .source = where->source,
					     .caret = where->caret,
					     .width = where->width });
}

void finding_add(struct findings *f, enum finding_level level, const struct place *where,
		 const char *format, ...)
{
	struct place kept = *where;
	va_list args;

	kept.file = arena_strdup(&f->arena, where->file);
	kept.source = where->source ? arena_strdup(&f->arena, where->source) : NULL;
	va_start(args, format);
	finding_vadd(f, level, &kept, format, args);
	va_end(args);
}

void finding_add_file(struct findings *f, enum finding_level level, const char *file,
		      const char *format, ...)
{
	struct place where = { .file = arena_strdup(&f->arena, file) };
	va_list args;

	va_start(args, format);
	finding_vadd(f, level, &where, format, args);
	va_end(args);
}

void source_error(struct source *s, int line, int column, int width, const char *format, ...)
{
	struct place where = { .file = s->file, .line = line, .column = column };
	va_list args;

	if (s->n_errors > MAX_ERRORS_PER_FILE)
		return;
	if (s->n_errors++ == MAX_ERRORS_PER_FILE) {
		finding_add(s->findings, FINDING_ERROR, &where,
			    "further errors in this file are not shown");
		return;
	}
	where = source_place(s, &s->findings->arena, line, column, width);
	va_start(args, format);
	finding_vadd(s->findings, FINDING_ERROR, &where, format, args);
	va_end(args);
}

void source_warning(struct source *s, int line, int column, int width, const char *format, ...)
{
	struct place where = source_place(s, &s->findings->arena, line, column, width);
	va_list args;

	va_start(args, format);
	finding_vadd(s->findings, FINDING_WARNING, &where, format, args);
	va_end(args);
}

/* ---- order and print ----------------------------------------------------------------------- */

static int finding_compare(const void *a, const void *b)
{
	const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
	int r = strcmp(x->file ? x->file : "", y->file ? y->file : "");

	if (r == 0)
		r = x->line - y->line;
	if (r == 0)
		r = x->column - y->column;
	return r ? r : (x > y) - (x < y); /* at one place in the order they were made */
}

/* Unsorted when memory is short. */
void findings_sort(struct findings *f)
{
	struct finding **order = arena_new(&f->arena, struct finding *, f->n + 1);
	struct finding *all = arena_new(&f->arena, struct finding, f->n + 1);

	if (!order || !all)
		return;
	for (unsigned int i = 0; i < f->n; i++)
		order[i] = &f->all[i];
	qsort(order, f->n, sizeof(*order), finding_compare);
	for (unsigned int i = 0; i < f->n; i++)
		all[i] = *order[i];
	f->all = all;
	f->max = f->n;
}

static void caret_print(FILE *out, const struct finding *f)
{
	int end = MIN(f->caret + f->width, MAX_SHOWN + 4); /* 4: the dots in front, and one past */

	fprintf(out, "%5d | %s\n      | %*s^", f->line, f->source, f->caret - 1, "");
	for (int at = f->caret + 1; at < end; at++)
		fputc('~', out);
	fputc('\n', out);
}

static void finding_print(FILE *out, const struct finding *f)
{
	fputs(f->file ? f->file : "?", out);
	if (f->line > 0)
		fprintf(out, ":%d:%d", f->line, f->column);
	fprintf(out, ": %s: %s\n", f->level == FINDING_ERROR ? "error" : "warning", f->text);
	if (f->source && f->line > 0)
		caret_print(out, f);
}

char *findings_print(const struct findings *f)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (unsigned int i = 0; i < f->n; i++)
		finding_print(out, &f->all[i]);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
