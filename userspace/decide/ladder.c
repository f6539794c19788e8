/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder of weights: one level is a factor of 1.25, as one step of nice is. Knows no models.
 */
#include "decide.h"

/*
 * round(100 * 1.25^(level - 20)), checked by test_decide_ladder.c. Near the bottom whole numbers
 * are coarse: levels 0 and 1, 2 and 3, 5 and 6 are the same weight. The kernel takes 1..10000.
 */
static const uint16_t weights[LADDER_LEVELS] = {
	1,   1,   2,   2,    3,    4,    4,    5,    7,    9,    11,   13,   17,   21,
	26,  33,  41,  51,   64,   80,   100,  125,  156,  195,  244,  305,  381,  477,
	596, 745, 931, 1164, 1455, 1819, 2274, 2842, 3553, 4441, 5551, 6939, 8674,
};

uint64_t ladder_weight(int32_t level)
{
	if (level < 0)
		return weights[0];
	return weights[MIN(level, LADDER_LEVELS - 1)];
}

int32_t ladder_level(uint64_t weight)
{
	int32_t level = LADDER_LEVELS - 1;

	while (level > 0 && weights[level] > weight)
		level--;
	return level;
}
