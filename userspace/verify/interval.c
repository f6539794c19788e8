/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confidence intervals of quantiles by order statistics. Compares nothing; that is compare.c.
 *
 * Of n independent samples the number B that are not above the true q-quantile is binomial(n, q)
 * (at least, where values repeat). The l-th smallest sample is above the quantile only when B < l,
 * the u-th smallest below it only when B >= u. So l is the largest with P(B < l) <= tail, and u the
 * smallest with P(B >= u) <= tail.
 *
 * The binomial's terms are taken relative to its largest, 2^60, by the ratio of neighbours; each
 * step rounds down by less than one. Products stay below 2^60 * 10^5 * 10^4 < 2^91 and sums below
 * 2^77, within 128 bits.
 */
#include "verify.h"

#include <assert.h>

typedef unsigned __int128 wide;

#define LARGEST ((wide)1 << 60)

/* The binomial distribution: n, and the chance of each in permyriad. */
struct binomial {
	uint64_t n, p, q, mode;
};

static struct binomial binomial_of(uint64_t n, uint64_t p)
{
	return (struct binomial){
		.n = n, .p = p, .q = PERMYRIAD - p, .mode = (n + 1) * p / PERMYRIAD
	};
}

/* Terms of k + 1 and of k - 1, from that of k. */
static wide term_up(const struct binomial *b, uint64_t k, wide term)
{
	return term * (b->n - k) * b->p / ((k + 1) * b->q);
}

static wide term_down(const struct binomial *b, uint64_t k, wide term)
{
	return term * k * b->q / ((b->n - k + 1) * b->p);
}

/* Sum of the terms above the mode, and below it. */
static wide sum_above(const struct binomial *b)
{
	wide sum = 0, term = LARGEST;

	for (uint64_t k = b->mode; k < b->n && term > 0; k++) {
		term = term_up(b, k, term);
		sum += term;
	}
	return sum;
}

static wide sum_below(const struct binomial *b)
{
	wide sum = 0, term = LARGEST;

	for (uint64_t k = b->mode; k > 0 && term > 0; k--) {
		term = term_down(b, k, term);
		sum += term;
	}
	return sum;
}

static bool is_tail(wide sum, wide total)
{
	return sum * PERMYRIAD <= total * VERIFY_TAIL_PERMYRIAD;
}

/* The largest l with P(B < l) a tail; 0: none. Never above the mode, below which a third lies at
 * least. */
static uint64_t rank_lower(const struct binomial *b, wide below, wide total)
{
	uint64_t l = b->mode;
	wide term = LARGEST;

	while (l > 0 && !is_tail(below, total)) {
		term = term_down(b, l, term);
		below -= term;
		l--;
	}
	return l;
}

/* The smallest u with P(B >= u) a tail; n + 1: none. */
static uint64_t rank_upper(const struct binomial *b, wide above, wide total)
{
	uint64_t u = b->mode + 1;
	wide term = LARGEST;

	while (u <= b->n && !is_tail(above, total)) {
		term = term_up(b, u - 1, term);
		above -= term;
		u++;
	}
	return u;
}

struct interval quantile_interval(const uint64_t *samples, uint64_t n, uint64_t quantile_permyriad)
{
	struct binomial b = binomial_of(n, quantile_permyriad);
	wide above, below, total;
	uint64_t lower, upper;

	assert(n >= 1 && n <= VERIFY_SAMPLES_MAX);
	assert(quantile_permyriad >= 1 && quantile_permyriad < PERMYRIAD);
	above = sum_above(&b);
	below = sum_below(&b);
	total = above + LARGEST + below;
	lower = rank_lower(&b, below, total);
	upper = rank_upper(&b, above, total);
	return (struct interval){
		.lower = lower >= 1 ? samples[lower - 1] : MISSING,
		.value = samples[(n * quantile_permyriad + PERMYRIAD - 1) / PERMYRIAD - 1],
		.upper = upper <= n ? samples[upper - 1] : MISSING,
		.samples = n,
	};
}

/* The upper end is there when P(B >= n) = q^n is a tail, the lower when P(B < 1) = (1-q)^n is. */
uint64_t quantile_samples_needed(uint64_t quantile_permyriad)
{
	uint64_t p = MAX(quantile_permyriad, PERMYRIAD - quantile_permyriad), n = 0;
	wide chance = LARGEST;

	while (!is_tail(chance, LARGEST)) {
		chance = chance * p / PERMYRIAD;
		n++;
	}
	return n;
}
