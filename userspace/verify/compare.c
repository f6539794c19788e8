/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two intervals and a margin to a verdict. The change is taken between the ends that are farthest
 * apart, so that it covers the true one whenever both intervals do.
 */
#include "verify.h"

#define CHANGE_LIMIT                                                                               \
	((int64_t)1000000000) /* permyriad; a hundred thousand times as much is enough */

const char *verify_verdict_name(enum verify_verdict verdict)
{
	static const char *const names[N_VERIFY_VERDICTS] = {
#define X(tag, name, meaning) name,
		VERIFY_VERDICTS(X)
#undef X
	};

	return names[verdict];
}

/* to / from - 1, rounded down or up. */
static int64_t change_of(uint64_t from, uint64_t to, bool rounds_up)
{
	unsigned __int128 product = (unsigned __int128)to * PERMYRIAD, ratio;

	if (from == 0)
		return to == 0 ? 0 : CHANGE_LIMIT;
	ratio = product / from + (rounds_up && product % from != 0);
	return ratio > (unsigned __int128)CHANGE_LIMIT ? CHANGE_LIMIT
						       : (int64_t)ratio - (int64_t)PERMYRIAD;
}

static bool is_bounded(const struct interval *i)
{
	return i->lower != MISSING && i->upper != MISSING;
}

/* Of a change that is good when it is negative. */
static enum verify_verdict change_judge(int64_t lower, int64_t upper, int64_t margin)
{
	if (upper < 0)
		return VERIFY_BETTER;
	if (upper <= margin)
		return VERIFY_EQUAL;
	return lower > margin ? VERIFY_WORSE : VERIFY_INCONCLUSIVE;
}

struct contrast verify_compare(const struct interval *before, const struct interval *after,
			       enum direction direction, uint64_t margin_permyriad)
{
	struct contrast c = { .verdict = VERIFY_INCONCLUSIVE };
	int64_t margin = (int64_t)margin_permyriad;

	if (!is_bounded(before) || !is_bounded(after))
		return c;
	c.has_change = true;
	c.lower_permyriad = change_of(before->upper, after->lower, false);
	c.upper_permyriad = change_of(before->lower, after->upper, true);
	c.verdict = direction == LOWER_IS_BETTER
			    ? change_judge(c.lower_permyriad, c.upper_permyriad, margin)
			    : change_judge(-c.upper_permyriad, -c.lower_permyriad, margin);
	return c;
}

enum verify_verdict verify_combine(const enum verify_verdict *verdicts, unsigned int n)
{
	enum verify_verdict worst = VERIFY_BETTER, best = VERIFY_WORSE;

	for (unsigned int i = 0; i < n; i++) {
		worst = verdicts[i] > worst ? verdicts[i] : worst;
		best = verdicts[i] < best ? verdicts[i] : best;
	}
	if (n == 0)
		return VERIFY_INCONCLUSIVE;
	/* nothing is worse or unknown: one part that is better makes it better */
	return worst == VERIFY_EQUAL ? best : worst;
}
