/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample: runs a check's command and collects what it measured. Judges nothing.
 */
#ifndef MODELGOV_SAMPLE_H
#define MODELGOV_SAMPLE_H

#include "policy.h"
#include "verify.h"

/* Everything that the runs of one check gave. */
struct sampling {
	uint64_t *latencies_ns; /* at most VERIFY_SAMPLES_MAX */
	uint64_t n_latencies, size;
	uint64_t *rates_per_ks; /* of each good run: samples per 1000 s */
	uint64_t n_rates;
	uint64_t runs, failed;
	uint64_t took_ns;
	char failure[256]; /* how the last failed run ended, "" when none did */
	/* of the model meanwhile, by its cgroups; MISSING when they could not be read */
	uint64_t cpu_millicpu, memory_peak_bytes;
};

/*
 * Runs the command that many times, one after the other, as who calls. A run is one sample, its
 * duration, unless it prints lines {"latency_ns": N}: then each of those is one. A run that ends
 * with another status than 0, by a signal or not in time is failed and gives no sample. paths: the
 * model's cgroups below cgroup_root. -ENOMEM, or it could not be started at all.
 */
int sampling_take(const struct model_check *check, uint64_t runs, const char *cgroup_root,
		  const struct names *paths, struct sampling *ret_sampling, struct err *e);
void sampling_fini(struct sampling *s);

#endif
