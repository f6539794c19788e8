/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of an action: compares what was wanted with what the kernel shows, and words the
 * reasons and cures. Writes nothing.
 */
#include "driver.h"

#include <stdarg.h>

/*
 * cpu.max with a period of its own (a unit with CPUQuotaPeriodSec=) keeps whole microseconds of
 * that period; the shortest is 1 ms (kernel/sched/core.c, min_cfs_quota_period), so that one of
 * them is at most 100 us of ours.
 */
#define QUOTA_STEP_USEC 100

static bool knob_is_memory(enum knob knob)
{
	return knob >= KNOB_MEMORY_MIN && knob <= KNOB_MEMORY_MAX;
}

int value_compare(enum knob knob, uint64_t wanted, uint64_t got)
{
	uint64_t step = 0;

	if (wanted == got)
		return 0;
	if (wanted >= MISSING || got >= MISSING)
		return -1;
	if (knob_is_memory(knob))
		step = (uint64_t)sysconf(_SC_PAGESIZE); /* the kernel counts pages */
	else if (knob == KNOB_CPU_MAX)
		step = QUOTA_STEP_USEC + 1;
	return MAX(wanted, got) - MIN(wanted, got) < step ? 1 : -1;
}

static void note_write(struct outcome *o, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void note_write(struct outcome *o, const char *format, va_list args)
{
	int n = vsnprintf(o->note, sizeof(o->note), format, args);

	if (n >= (int)sizeof(o->note))
		memcpy(o->note + sizeof(o->note) - 4, "...", 4);
}

void outcome_set(struct outcome *o, enum outcome_kind kind, const char *format, ...)
{
	va_list args;

	o->kind = kind;
	va_start(args, format);
	note_write(o, format, args);
	va_end(args);
}

void group_settle(struct group *g, unsigned int i, enum outcome_kind kind, const char *format, ...)
{
	va_list args;

	g->outcomes[i].kind = kind;
	va_start(args, format);
	note_write(&g->outcomes[i], format, args);
	va_end(args);
	g->pending &= ~(1u << i);
}

void group_settle_missing(struct group *g, unsigned int i)
{
	const struct knob_info *knob = &knob_table[g->actions[i].knob];

	if (!place_exists(g->a->root_fd, g->place))
		group_settle(g, i, OUTCOME_GONE, "the cgroup was removed meanwhile");
	else if (!g->a->is_pure)
		group_settle(g, i, OUTCOME_UNAVAILABLE,
			     "the %s controller is not on cgroup v2 here; cure: boot with "
			     "systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all",
			     knob->controller);
	else
		group_settle(g, i, OUTCOME_UNAVAILABLE,
			     "%s controller is not enabled in %s%s; cure: add +%s to "
			     "cgroup.subtree_control above it",
			     knob->controller, g->a->root, g->target->path, knob->controller);
}
