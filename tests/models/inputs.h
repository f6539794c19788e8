/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inputs: the files that a model is asked about, in memory, with the answers that are right. Reads
 * the lists that make-inputs writes: one "FILE<tab>ANSWER" a line, FILE beside the list.
 */
#ifndef TESTS_MODELS_INPUTS_H
#define TESTS_MODELS_INPUTS_H

#include <stddef.h>

#define MAX_INPUTS 64

struct input {
	char *answer;
	char *body;
	size_t size;
};

struct inputs {
	unsigned int n;
	struct input all[MAX_INPUTS];
};

/* At least one input, or NULL after saying why on stderr. */
struct inputs *inputs_new(const char *list);
void inputs_free(struct inputs *in);

#endif
