/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window: what happened over the last so-many seconds, kept in at most 16 panes so that the cost
 * does not grow with the length of the window. Arithmetic only.
 *
 *   time    ----|----|----|----|----|--> now    a pane is window / 16 long; the oldest falls out
 *   panes        12   13   14   15   16         whole: the window covers the last 15/16 to 16/16
 *                                               of its length, and always the latest tick
 */
#ifndef MODELGOV_SENSE_WINDOW_H
#define MODELGOV_SENSE_WINDOW_H

#include "base.h"
#include "model.h"

#include <linux/types.h>

#include "abi.h"

#define WINDOW_PANES 16 /* chosen: the edge of the window is blurred by 6 %, as a bucket is */

/* Which pane is filled now. Panes are numbered from the clock's zero; 16 are kept. */
struct panes {
	uint64_t pane_ns;
	uint64_t current;
};

/* Run-queue waits by length (buckets of abi.h). 33 KiB + 2 KiB. */
struct wait_window {
	struct panes panes;
	uint32_t (*counts)[WAIT_SLOTS]; /* WINDOW_PANES of them */
	uint32_t sum[WAIT_SLOTS];       /* over all panes */
	uint64_t n;                     /* sum of sum[] */
};

int wait_window_init(struct wait_window *w, uint64_t window_ns);
void wait_window_fini(struct wait_window *w);

/* Moves the window's end to now_ns; what is older falls out. A clock that runs back: no move. */
void wait_window_advance(struct wait_window *w, uint64_t now_ns);

/* Counts n more waits of that length into the current pane. */
void wait_window_add(struct wait_window *w, unsigned int slot, uint64_t n);

/* Time stalled of time elapsed. */
struct stall_window {
	struct panes panes;
	uint64_t stall_ns[WINDOW_PANES], span_ns[WINDOW_PANES];
	uint32_t ticks[WINDOW_PANES];
};

void stall_window_init(struct stall_window *w, uint64_t window_ns);
void stall_window_advance(struct stall_window *w, uint64_t now_ns);
void stall_window_add(struct stall_window *w, uint64_t stall_ns, uint64_t span_ns);

/*
 * Share stalled, at most PERMYRIAD; MISSING while the window is empty. ret_ticks: in the window.
 */
uint64_t stall_window_share(const struct stall_window *w, uint64_t *ret_ticks);

#endif
