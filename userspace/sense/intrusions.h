/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrusions: what modelgov wrote into each place, and who wrote there since. Told by act's
 * outcomes through the daemon, seen by writers.c; what follows is decide's.
 */
#ifndef MODELGOV_SENSE_INTRUSIONS_H
#define MODELGOV_SENSE_INTRUSIONS_H

#include "targets.h"
#include "writers.h"

/* value: as read back after the write; MISSING: modelgov claims nothing of it any more. */
void written_note(struct targets *t, uint64_t cgroup_id, enum knob knob, uint64_t value);
void written_forget(struct targets *t);

/* Forgets what the policy in force does not mention. */
void written_follow(struct targets *t);

/* After a search: watches the places that modelgov may write, and no longer those that it left. */
void places_watch(struct targets *t, struct writers *w);

/* After the values were read. 0 or -ENOMEM. */
int intrusions_fill(struct targets *t, struct writers *w, struct arena *arena,
		    struct observation *now);

#endif
