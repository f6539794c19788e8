/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: is what a check measured now no worse than what the same check measured before?
 * Distribution-free and in integers: a quantile's confidence interval is a pair of order
 * statistics, whose coverage follows from the binomial distribution whatever is measured (David and
 * Nagaraja, Order Statistics, 3rd ed., section 7.1; Hahn and Meeker, Statistical Intervals,
 * section 5.2). Pure: runs nothing, reads nothing.
 *
 * Samples are taken as independent. Where they are not (one slow minute makes hundreds of slow
 * samples), intervals are too narrow: docs/verification.md says what to do about it.
 */
#ifndef MODELGOV_VERIFY_H
#define MODELGOV_VERIFY_H

#include "base.h"
#include "model.h"

#define VERIFY_SAMPLES_MAX 100000 /* chosen: the arithmetic is proved for it; 0.8 MB */

/*
 * The part that each end of an interval may miss: 1.25 %. Two ends make an interval of 97.5 %, two
 * intervals a comparison of 95 %; a single wrong "worse" or "equal" comes from one end of each and
 * is at most 2.5 %.
 */
#define VERIFY_TAIL_PERMYRIAD 125

/* A quantile of samples: best guess, and what the true one is between. MISSING: too few samples for
 * that end. */
struct interval {
	uint64_t lower, value, upper;
	uint64_t samples;
};

/*
 * samples: ascending, n from 1 to VERIFY_SAMPLES_MAX. quantile: 1 to 9999 permyriad. value is the
 * nearest rank, which is there for any n.
 */
struct interval quantile_interval(const uint64_t *samples, uint64_t n, uint64_t quantile_permyriad);

/* The least number of samples with which both ends of that quantile's interval are there. */
uint64_t quantile_samples_needed(uint64_t quantile_permyriad);

/* X(tag, name, meaning) */
#define VERIFY_VERDICTS(X)                                                                         \
	X(BETTER, "better", "better than before, and not by chance")                               \
	X(EQUAL, "equal", "no worse than before by more than the margin, and not by chance")       \
	X(INCONCLUSIVE, "inconclusive", "the samples do not say")                                  \
	X(WORSE, "worse", "worse than before by more than the margin, and not by chance")

/* In order of badness. */
enum verify_verdict {
#define X(tag, name, meaning) VERIFY_##tag,
	VERIFY_VERDICTS(X)
#undef X
		N_VERIFY_VERDICTS,
};

const char *verify_verdict_name(enum verify_verdict verdict);

enum direction { LOWER_IS_BETTER, HIGHER_IS_BETTER };

/* after against before, as hundredths of a percent of change: 500 is 5 % more. MISSING ends: no
 * verdict. */
struct contrast {
	enum verify_verdict verdict;
	bool has_change;                          /* both intervals have both ends */
	int64_t lower_permyriad, upper_permyriad; /* of the change; rounded outwards */
};

/*
 * Non-inferiority within the margin (permyriad, below 10000). Worse only when the whole interval of
 * the change is beyond the margin, equal only when all of it is within, better when all of it is on
 * the good side of none.
 */
struct contrast verify_compare(const struct interval *before, const struct interval *after,
			       enum direction direction, uint64_t margin_permyriad);

/* Of several parts: worse when one is worse, else unknown when one is unknown, else the best of
 * them. */
enum verify_verdict verify_combine(const enum verify_verdict *verdicts, unsigned int n);

#endif
