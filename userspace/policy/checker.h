/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all checks between values have in hand, and how they say what they find. One file a topic:
 * check.c sums and one manifest, claim.c who matches what, chain.c dependencies, preempt.c who
 * takes from whom, futile.c rules that can never fire. They read structs, not text.
 */
#ifndef MODELGOV_POLICY_CHECKER_H
#define MODELGOV_POLICY_CHECKER_H

#include "check.h"

struct checker {
	const struct policy *policy;
	const struct host_facts *facts;
	const struct locator *where;
	struct findings *findings;
	struct arena *scratch;
	bool is_whole;        /* every file could be read without errors */
	unsigned int *n_said; /* findings so far */
	uint32_t *by_name;    /* indices of the models in the order of their names */
};

/* Index of the model of that name, or MODEL_NONE. */
uint32_t checker_find(const struct checker *c, const char *name);

/* Its name for a message: quoted where it is none. */
const char *checker_name(const struct checker *c, uint32_t model);

/* The model with the name nearest to this one, or MODEL_NONE when none is near. */
uint32_t checker_nearest(const struct checker *c, const char *name);

/*
 * Finding at the value at that path ("contract.dependsOn[1].timeout") of that model (or
 * HOST_MODEL). The text starts with the path, without the index where the value is named as well
 * (match).
 */
void check_error(const struct checker *c, uint32_t model, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void check_warning(const struct checker *c, uint32_t model, const char *path, const char *format,
		   ...) __attribute__((format(printf, 4, 5)));

/* "ocr.yaml, line 4" where the value is written, for findings about two places; "" unknown. */
const char *check_place(const struct checker *c, uint32_t model, const char *path);

/* Whether the manifest or its template says something at that path. */
bool check_is_set(const struct checker *c, uint32_t model, const char *path);

/* Whether the manifest itself does: a template speaks for many models and hosts. */
bool check_is_own(const struct checker *c, uint32_t model, const char *path);

/* Never overflows: VALUE_MAX is more than everything. */
uint64_t sum_of(uint64_t a, uint64_t b);
uint64_t product_of(uint64_t a, uint64_t b);

/* The topics; -ENOMEM or 0 where something is returned. */
int claims_check(const struct checker *c);
int chains_check(const struct checker *c);
int cpusets_check(const struct checker *c);
void preemption_check(const struct checker *c);
void futile_check(const struct checker *c); /* for a policy without errors */

/* "batch, experiment" of bits per class. */
const char *classes_text(const struct checker *c, uint32_t classes);

#endif
