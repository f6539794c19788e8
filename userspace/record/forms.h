/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forms: numbers of the corridor as JSON and as database values, one convention for both.
 */
#ifndef MODELGOV_RECORD_FORMS_H
#define MODELGOV_RECORD_FORMS_H

#include "record.h"

/* One row a field, so that a new field of model_reading is one row here; culprit is a name. */
#define READING_FIELDS(X)                                                                          \
	X(waits)                                                                                   \
	X(wait_ns) X(own_quota_ns) X(wait_p50_ns) X(wait_p99_ns) X(wait_max_ns) X(breaches)        \
		X(run_ns) X(involuntary) X(culprit_permyriad) X(cpu_usage_ns) X(throttled_ns)      \
			X(throttled_periods) X(cpu_some_ns) X(memory_some_ns) X(memory_full_ns)    \
				X(io_some_ns) X(memory_bytes) X(memory_file_bytes)                 \
					X(memory_high_events) X(memory_max_events) X(oom_kills)    \
						X(major_faults) X(refaults) X(processes)

#define HOST_FIELDS(X)                                                                             \
	X(cpus)                                                                                    \
	X(memory_bytes) X(memory_available_bytes) X(load_permille) X(busy_permyriad)               \
		X(steal_permyriad) X(cpu_some_ns) X(memory_some_ns) X(io_some_ns)

/* MISSING is null, VALUE_MAX the string "max". */
json_t *value_to_json(uint64_t value);
uint64_t value_from_json(const json_t *value); /* anything else, or nothing, is MISSING */

#endif
