/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past: the gate "replay": what a change takes from promises, by the ticks of the last hour. Reads
 * them from the record a page at a time, so that the loop goes on; the rule itself is replay's.
 */
#ifndef MODELGOV_CHANGE_PAST_H
#define MODELGOV_CHANGE_PAST_H

#include "room.h"

struct past;

typedef void past_done(const struct gate_result *result, void *userdata);

/*
 * Tells done once, perhaps before it returns; result's strings are borrowed. ret_past: while it is
 * under way, NULL when it is not. -ENOMEM, and then done is not called.
 */
int past_begin(struct changes *c, const struct change *change, past_done *done, void *userdata,
	       struct past **ret_past);
/* Nobody wants to know any more. NULL is fine. */
void past_cancel(struct past *p);

#endif
