/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: the list behind sense_health(), built anew whenever something in it may have changed.
 * Only keeps sentences; who knows a fact writes it.
 */
#ifndef MODELGOV_SENSE_HEALTH_H
#define MODELGOV_SENSE_HEALTH_H

#include "sense.h"

struct health_list {
	struct health *all;
	unsigned int n, size;
	struct arena arena; /* owns the strings */
};

void health_list_init(struct health_list *l);
void health_list_fini(struct health_list *l);
void health_list_reset(struct health_list *l);

/* part and detail are copied. Without memory the line is left out: it is not worth a stop. */
void health_list_add(struct health_list *l, bool is_ok, const char *part, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
