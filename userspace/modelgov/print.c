/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligns, formats and cleans what people read. Knows nothing of what the texts are about.
 */
#include "command.h"
#include "print.h"

#include <assert.h>
#include <inttypes.h>
#include <time.h>

#define GAP "  "

/* A byte that a terminal would act on; UTF-8 passes. */
static char byte_clean(char byte)
{
	return (char)((unsigned char)byte < ' ' || byte == 0x7f ? '?' : byte);
}

void text_print(const char *text, unsigned int indent, FILE *out)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		fprintf(out, "%*s", (int)indent, "");
		for (size_t i = 0; i < length; i++)
			fputc(text[i] == '\t' ? ' ' : byte_clean(text[i]), out);
		fputc('\n', out);
		text += length + (text[length] == '\n');
	}
}

void line_print(unsigned int indent, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);

	if (n < 0)
		text = NULL;
	for (char *c = text; c && *c; c++)
		*c = byte_clean(*c);
	printf("%*s%s\n", (int)indent, "", text ? text : "out of memory");
}

void complain(const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);

	if (n < 0)
		text = NULL;
	fflush(stdout);
	fputs("modelgov: ", stderr);
	text_print(text ? text : "out of memory", 0, stderr);
}

int json_print(json_t *take_json)
{
	int r = take_json ? json_dumpf(take_json, stdout, JSON_INDENT(2)) : -1;

	json_decref(take_json);
	if (r < 0) {
		complain("the answer could not be put into JSON");
		return EXIT_FAILED;
	}
	putchar('\n');
	return EXIT_OK;
}

/* ---- emphasis -------------------------------------------------------------------------------- */

bool terminal_has_color(FILE *out)
{
	const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(fileno(out)) && !(refused && *refused) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

const char *bad_begin(FILE *out)
{
	return terminal_has_color(out) ? "\033[1;31m" : "";
}

const char *bad_end(FILE *out)
{
	return terminal_has_color(out) ? "\033[0m" : "";
}

/* ---- columns --------------------------------------------------------------------------------- */

void table_init(struct table *t, const char *alignment)
{
	*t = (struct table){ .alignment = alignment, .n_columns = (unsigned int)strlen(alignment) };
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
}

void table_add(struct table *t, bool is_bad, const char *format, ...)
{
	struct cell cell = { .is_bad = is_bad };
	va_list args;
	int n;

	if (t->n == t->size) {
		size_t size = t->size ? t->size * 2 : 64;
		struct cell *larger = reallocarray(t->cells, size, sizeof(*larger));

		if (!larger)
			return; /* a shorter table is all that can be had now */
		t->cells = larger;
		t->size = size;
	}
	va_start(args, format);
	n = vasprintf(&cell.text, format, args);
	va_end(args);
	if (n < 0)
		return;
	for (char *c = cell.text; *c; c++)
		*c = byte_clean(*c);
	t->cells[t->n++] = cell;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n; i += t->n_columns)
		width = MAX(width, text_width(t->cells[i].text));
	return width;
}

static void cell_print(const struct table *t, size_t i, size_t width, FILE *out)
{
	const struct cell *c = &t->cells[i];
	size_t column = i % t->n_columns;
	int blanks = (int)(width - text_width(c->text));
	bool is_right = t->alignment[column] == 'r', is_last = column + 1 == t->n_columns;

	fprintf(out, "%*s%s%s%s", is_right ? blanks : 0, "", c->is_bad ? bad_begin(out) : "",
		c->text, c->is_bad ? bad_end(out) : "");
	if (!is_last)
		fprintf(out, "%*s" GAP, is_right ? 0 : blanks, "");
}

void table_print(const struct table *t, unsigned int indent, FILE *out)
{
	size_t widths[16] = { 0 };

	assert(t->n_columns > 0);
	for (size_t column = 0; column < MIN(t->n_columns, ARRAY_SIZE(widths)); column++)
		widths[column] = column_width(t, column);
	for (size_t i = 0; i < t->n; i++) {
		if (i % t->n_columns == 0)
			fprintf(out, "%*s", (int)indent, "");
		cell_print(t, i, widths[i % t->n_columns], out);
		if ((i + 1) % t->n_columns == 0 || i + 1 == t->n)
			fputc('\n', out);
	}
}

/* ---- the daemon's JSON ----------------------------------------------------------------------- */

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool number_of(const json_t *object, const char *key, int64_t *ret_value)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return false;
	*ret_value = json_integer_value(value);
	return true;
}

char *format_of(const json_t *object, const char *key, number_format *format, char *buf,
		size_t size)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		return format((uint64_t)json_integer_value(value), buf, size);
	snprintf(buf, size, "%s", json_is_string(value) ? json_string_value(value) : "-");
	return buf;
}

char *plain_format(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64, value);
	return buf;
}

char *time_print(int64_t wall_ns, char *buf, size_t size)
{
	time_t seconds = (time_t)(wall_ns / (int64_t)NSEC_PER_SEC);
	struct tm parts;

	if (!localtime_r(&seconds, &parts) || strftime(buf, size, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		snprintf(buf, size, "(no time)");
	return buf;
}
