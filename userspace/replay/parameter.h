/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parameter: numbers of decide's law by name, so that replay judges ticks by the thresholds that
 * decide uses. Private to the room.
 */
#ifndef MODELGOV_REPLAY_PARAMETER_H
#define MODELGOV_REPLAY_PARAMETER_H

#include "replay.h"

/* Aborts for a name that the law does not have: our mistake. */
int64_t parameter_value(const char *name);

#endif
