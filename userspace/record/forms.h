/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forms: numbers of the corridor as JSON and as database values, one convention for both.
 */
#ifndef MODELGOV_RECORD_FORMS_H
#define MODELGOV_RECORD_FORMS_H

#include "record.h"

/* MISSING is null, VALUE_MAX the string "max". */
json_t *value_to_json(uint64_t value);

#endif
