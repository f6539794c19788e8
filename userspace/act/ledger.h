/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger: the first value of everything that act touches, on disk before the first change. One JSON
 * object a line, appended; a torn last line (kill -9, full disk) was never acted upon and is
 * ignored. Run-time values do not survive a boot: neither do entries of an earlier one.
 */
#ifndef MODELGOV_ACT_LEDGER_H
#define MODELGOV_ACT_LEDGER_H

#include "base.h"
#include "model.h"

#include <stdatomic.h>

/*
 * What must be known to put one knob of one cgroup back.
 *
 * first is text, because a number would lose something: for a delegated cgroup the file's first
 * line (the period of cpu.max is in it), for a unit the property's value in decimal, where
 * UINT64_MAX is "not set" for weights and "infinity" for limits.
 */
struct entry {
	enum driver driver;
	enum knob knob;
	uint64_t cgroup_id; /* when it was first touched; a unit gets another with each start */
	char *path, *unit;
	char *first;
	char *dropin;        /* file in which systemd keeps our change; NULL without systemd */
	char *dropin_before; /* what was in it, NULL when it was not there */
};

void entry_fini(struct entry *e);

struct ledger {
	char *directory;
	int lock_fd, fd; /* -1: not ours now, see ledger_own() */
	char boot[40];
	struct entry *entries;
	unsigned int n, max;
	atomic_uint size; /* n, for other threads */
};

/* Reads what is there; takes nothing. */
int ledger_open(struct ledger *l, const char *directory, struct err *e);
void ledger_close(struct ledger *l);

/*
 * Takes the ledger for this process, until ledger_close(), and reads it again. -EBUSY, with the pid
 * of the one who has it. Cheap when it is ours already.
 */
int ledger_own(struct ledger *l, struct err *e);

/* A unit is known by its name, any other cgroup by its id. NULL: never touched. */
struct entry *ledger_find(struct ledger *l, enum driver driver, const char *unit,
			  uint64_t cgroup_id, enum knob knob);

/*
 * Appends and waits for the disk. An entry replaces an older one of the same unit or cgroup and
 * knob. Takes the strings of the entries, also when it fails. Only when the ledger is ours.
 */
int ledger_add(struct ledger *l, struct entry *take_entries, unsigned int n, struct err *e);

/* Keeps the entries whose bit in keeps is true, on disk too. */
int ledger_keep(struct ledger *l, const bool *keeps, struct err *e);

#endif
