/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One manifest's text while it is judged, and what is found wrong in it. Knows lines and columns,
 * not YAML or keys.
 */
#ifndef MODELGOV_POLICY_SOURCE_H
#define MODELGOV_POLICY_SOURCE_H

#include "policy.h"

/* chosen: a screenful; what follows after so many is mostly an echo of the first */
#define MAX_ERRORS_PER_FILE 20

struct source {
	const char *file;      /* as findings show it; lives as long as the findings */
	const char *text;      /* NUL-terminated */
	size_t length;         /* without the NUL; the text may hold further ones */
	unsigned int n_errors; /* found so far */
	struct findings *findings;
};

/* A stretch of one line, kept for findings that are made when the text is gone. */
struct place {
	const char *file;
	int line, column;   /* from 1, in characters; 0: the whole file */
	const char *source; /* the line, made printable and cut; NULL when there is none */
	int caret, width;   /* where in it to point */
	const char *via;    /* ends what is said of it: who inherits it; NULL: nobody */
};

/* Where in the text; the strings are kept in the arena. line 0: the whole file. */
struct place source_place(const struct source *s, struct arena *arena, int line, int column,
			  int width);

/* Add a finding; after MAX_ERRORS_PER_FILE errors one line says that there are more. */
void source_error(struct source *s, int line, int column, int width, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void source_warning(struct source *s, int line, int column, int width, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The same for a place that was kept, or for a file that has no text. */
void finding_add(struct findings *f, enum finding_level level, const struct place *where,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
void finding_add_file(struct findings *f, enum finding_level level, const char *file,
		      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* By file, line, column; findings at one place stay in the order in which they were made. */
void findings_sort(struct findings *f);

#endif
