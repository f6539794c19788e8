/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print: text for people: complaints, aligned columns, numbers of the daemon's JSON with their
 * units. Names of cgroups can be chosen by whoever runs in a container: control characters never
 * reach the terminal.
 */
#ifndef MODELGOV_PRINT_H
#define MODELGOV_PRINT_H

#include "base.h"

#include <jansson.h>

/* "modelgov: ..." on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The object, indented, and a newline; consumes it. 0, or an exit status with its complaint. */
int json_print(json_t *take_json);

/* The text without control characters, lines kept; each line behind indent blanks. */
void text_print(const char *text, unsigned int indent, FILE *out);

/* One line, whatever the texts in it hold: no line of ours can be forged by one of them. */
void line_print(unsigned int indent, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- emphasis: only on a terminal, and not with NO_COLOR --------------------------------------
 */

bool terminal_has_color(FILE *out);
const char *bad_begin(FILE *out); /* "" without colour */
const char *bad_end(FILE *out);

/* ---- columns --------------------------------------------------------------------------------- */

struct cell {
	char *text;
	bool is_bad;
};

struct table {
	const char *alignment; /* a letter per column: l or r */
	unsigned int n_columns;
	struct cell *cells; /* row by row */
	size_t n, size;
};

void table_init(struct table *t, const char *alignment);
void table_fini(struct table *t);
/* The next cell, left to right, row after row; bad ones are emphasised. */
void table_add(struct table *t, bool is_bad, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void table_print(const struct table *t, unsigned int indent, FILE *out);

/* ---- the daemon's JSON, gaps included
 * ------------------------------------------------------------ */

const char *text_of(const json_t *object, const char *key); /* "" when missing */
bool number_of(const json_t *object, const char *key,
	       int64_t *ret_value); /* false: null or missing */

/* Text of a number for people, "-" when it is null, "max" without limit. buf of 32 is enough. */
typedef char *number_format(uint64_t value, char *buf, size_t size);
char *format_of(const json_t *object, const char *key, number_format *format, char *buf,
		size_t size);
char *plain_format(uint64_t value, char *buf, size_t size);

/* "2024-01-31 12:00:03", local time. */
char *time_print(int64_t wall_ns, char *buf, size_t size);

#endif
