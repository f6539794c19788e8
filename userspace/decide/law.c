/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of the law as a table, for documents and `explain`.
 */
#include "law.h"

#include "decide.h"

const struct parameter parameter_table[] = {
#define X(tag, name, unit, value, minimum, maximum, effect, source)                                \
	{ name, unit, value, minimum, maximum, effect, source },
	LAWS(X)
#undef X
};

const unsigned int n_parameters = ARRAY_SIZE(parameter_table);
