/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of panes: waits by length, and stalled against elapsed time. Knows neither where the
 * numbers come from nor what they are judged by.
 */
#include "window.h"

#include <errno.h>

static void panes_init(struct panes *p, uint64_t window_ns)
{
	/* cppcheck-suppress internalAstError ; it does not read MAX */
	*p = (struct panes){ .pane_ns = MAX((window_ns + WINDOW_PANES - 1) / WINDOW_PANES, 1ULL) };
}

/* How many panes, from p->current + 1 on, begin anew by moving to now_ns; at most all. */
static unsigned int panes_due(const struct panes *p, uint64_t now_ns)
{
	uint64_t next = now_ns / p->pane_ns;

	return next > p->current ? (unsigned int)MIN(next - p->current, (uint64_t)WINDOW_PANES) : 0;
}

static void panes_move(struct panes *p, uint64_t now_ns)
{
	p->current = MAX(p->current, now_ns / p->pane_ns);
}

static unsigned int pane_index(const struct panes *p, unsigned int ahead)
{
	return (unsigned int)((p->current + ahead) % WINDOW_PANES);
}

/* ---- waits ----------------------------------------------------------------------------------- */

int wait_window_init(struct wait_window *w, uint64_t window_ns)
{
	*w = (struct wait_window){ 0 };
	panes_init(&w->panes, window_ns);
	w->counts = calloc(WINDOW_PANES, sizeof(*w->counts));
	return w->counts ? 0 : -ENOMEM;
}

void wait_window_fini(struct wait_window *w)
{
	free(w->counts);
	w->counts = NULL;
}

static void count_add(uint32_t *count, uint64_t n)
{
	*count = n > UINT32_MAX - *count ? UINT32_MAX : *count + (uint32_t)n;
}

/* After a bucket was full, the running sum is no longer what the panes add up to. */
static void sum_rebuild(struct wait_window *w)
{
	memset(w->sum, 0, sizeof(w->sum));
	w->n = 0;
	for (unsigned int pane = 0; pane < WINDOW_PANES; pane++)
		for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++)
			count_add(&w->sum[slot], w->counts[pane][slot]);
	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++)
		w->n += w->sum[slot];
}

static void pane_drop(struct wait_window *w, unsigned int pane)
{
	uint32_t *counts = w->counts[pane];

	if (w->n >= UINT32_MAX) {
		memset(counts, 0, sizeof(w->counts[pane]));
		sum_rebuild(w);
		return;
	}
	for (unsigned int slot = 0; slot < WAIT_SLOTS; slot++) {
		w->sum[slot] -= counts[slot];
		w->n -= counts[slot];
	}
	memset(counts, 0, sizeof(w->counts[pane]));
}

void wait_window_advance(struct wait_window *w, uint64_t now_ns)
{
	unsigned int due = panes_due(&w->panes, now_ns);

	if (due == WINDOW_PANES && w->n == 0)
		due = 0; /* nothing to clear */
	panes_move(&w->panes, now_ns);
	for (unsigned int i = 0; i < due; i++)
		pane_drop(w, pane_index(&w->panes, WINDOW_PANES - i));
}

void wait_window_add(struct wait_window *w, unsigned int slot, uint64_t n)
{
	uint32_t before = w->sum[slot];

	count_add(&w->counts[pane_index(&w->panes, 0)][slot], n);
	count_add(&w->sum[slot], n);
	w->n += w->sum[slot] - before;
}

/* ---- stalls ---------------------------------------------------------------------------------- */

void stall_window_init(struct stall_window *w, uint64_t window_ns)
{
	*w = (struct stall_window){ 0 };
	panes_init(&w->panes, window_ns);
}

void stall_window_advance(struct stall_window *w, uint64_t now_ns)
{
	unsigned int due = panes_due(&w->panes, now_ns);

	panes_move(&w->panes, now_ns);
	for (unsigned int i = 0; i < due; i++) {
		unsigned int pane = pane_index(&w->panes, WINDOW_PANES - i);

		w->stall_ns[pane] = w->span_ns[pane] = w->ticks[pane] = 0;
	}
}

void stall_window_add(struct stall_window *w, uint64_t stall_ns, uint64_t span_ns)
{
	unsigned int pane = pane_index(&w->panes, 0);

	w->stall_ns[pane] += stall_ns;
	w->span_ns[pane] += span_ns;
	w->ticks[pane]++;
}

uint64_t stall_window_share(const struct stall_window *w, uint64_t *ret_ticks)
{
	uint64_t stall_ns = 0, span_ns = 0, ticks = 0;

	for (unsigned int pane = 0; pane < WINDOW_PANES; pane++) {
		stall_ns += w->stall_ns[pane];
		span_ns += w->span_ns[pane];
		ticks += w->ticks[pane];
	}
	*ret_ticks = ticks;
	if (span_ns == 0)
		return MISSING;
	/* sums over several cgroups may exceed the time that passed */
	return MIN((uint64_t)((unsigned __int128)stall_ns * PERMYRIAD / span_ns), PERMYRIAD);
}
