/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse: the kernel's text files to integers. No I/O and no allocation, and the text may be
 * anything at all: tests and fuzzers call these directly. What is absent or malformed is MISSING.
 */
#ifndef MODELGOV_SENSE_PARSE_H
#define MODELGOV_SENSE_PARSE_H

#include "base.h"
#include "model.h"

/* Larger numbers are taken for damage: every counter here stays below 2^62 for decades. */
#define NUMBER_LIMIT (1ULL << 62)

/* "123\n": memory.current, pids.current. MISSING when it is anything else. */
uint64_t level_parse(const char *text);

/*
 * One pass over lines of "key value" (cpu.stat, memory.stat, memory.events) or "Key:   value kB"
 * (meminfo, where the key is spelled with its colon). ret_values[i] is the first line's value of
 * keys[i], MISSING when it is absent or no number.
 */
void flat_parse(const char *text, const char *const *keys, unsigned int n, uint64_t *ret_values);

/* Pressure stall totals of a *.pressure file; cpu.pressure has no "full" line before 5.13. */
struct psi {
	uint64_t some_ns, full_ns;
};

void psi_parse(const char *text, struct psi *ret_psi);

/* The "cpu" line of /proc/stat, in clock ticks; all MISSING when there is none. */
struct cpu_times {
	uint64_t total, idle, steal; /* idle: with iowait; total: all three and the busy ones */
};

void cpu_times_parse(const char *text, struct cpu_times *ret_times);

/* /proc/loadavg: the one-minute average in thousandths. */
uint64_t load_parse(const char *text);

/* "0-3,6": how many CPUs the list names. */
uint64_t cpu_list_parse(const char *text);

/* value * factor, MISSING when value is MISSING or the product leaves the range of numbers. */
uint64_t number_scale(uint64_t value, uint64_t factor);

#endif
