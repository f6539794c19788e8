/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver: what the files of act/ share: the room's state, a cgroup that is open for reading and
 * writing, and the table of functions that a way of writing fills in.
 */
#ifndef MODELGOV_ACT_DRIVER_H
#define MODELGOV_ACT_DRIVER_H

#include "act.h"
#include "knob.h"
#include "ledger.h"

#include <limits.h>

struct sd_bus;

/* ---- place.c: one cgroup through descriptors ----------------------------------------------- */

#define PATH_KEPT 512 /* chosen: container runtimes' longest paths are about 250 bytes */

struct place {
	uint64_t cgroup_id;
	int dir_fd;
	int flags;             /* O_RDONLY or O_RDWR, for the knobs' files */
	int knob_fds[N_KNOBS]; /* opened at first use; -1 */
	char path[PATH_KEPT];  /* below the cgroup2 mount */
	bool is_warm;          /* delegated.c: written before, so descriptors do the rest */
	uint64_t used_at;      /* delegated.c: for choosing which to close */
};

/*
 * cgroup_id 0 takes whatever is there. -ENOENT: no such cgroup, or another one under the same path.
 */
int place_open(int root_fd, const char *path, uint64_t cgroup_id, int flags,
	       struct place *ret_place);
void place_close(struct place *p);
bool place_exists(int root_fd, const struct place *p);

/* First line of the knob's file. -ENOENT: there is none, its controller is not enabled here. */
int place_read_text(struct place *p, enum knob knob, char *buf, size_t size);

/* Its value; MISSING (and 0) where there is no file. */
int place_read(struct place *p, enum knob knob, uint64_t *ret_value);
int place_write_text(struct place *p, enum knob knob, const char *text);

/* ---- the room ------------------------------------------------------------------------------ */

/* Kept descriptors of delegated cgroups, see delegated.c. */
struct kept {
	struct place *places;
	unsigned int n, max;
	unsigned int hand; /* the next to be checked for being alive */
	uint64_t clock;
};

struct act {
	char root[PATH_MAX]; /* the cgroup2 mount */
	int root_fd;
	bool is_pure; /* no v1 controllers beside it */
	bool has_systemd;
	bool has_libcgroup; /* it knows this mount; decided at first use: see cold.c */
	bool is_libcgroup_tried;
	struct sd_bus *bus; /* opened at first use */
	struct kept kept;
	struct ledger ledger;
};

/* Actions of one target that are carried out together. */
struct group {
	struct act *a;
	const struct target *target;
	const struct action *actions;
	struct outcome *outcomes;
	unsigned int n;   /* at most N_KNOBS */
	uint32_t pending; /* bit per action that has no outcome yet */
	struct place *place;
};

#define group_for_each_pending(g, i)                                                               \
	for (unsigned int i = 0; i < (g)->n; i++)                                                  \
		if ((g)->pending & (1u << i))

/* Gives an action its outcome; it is not pending any more. */
void group_settle(struct group *g, unsigned int i, enum outcome_kind kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A knob has no file: the cgroup is gone, or the controller is off; says which, and the cure. */
void group_settle_missing(struct group *g, unsigned int i);

/* An entry of the ledger on its way back. */
struct undo {
	const struct entry *entry;
	uint64_t value; /* its first value in the knob's unit; MISSING: not set */
	struct outcome outcome;
};

/* One way of writing. */
struct driver_functions {
	/* The place of a target: kept by the driver, or opened into scratch, which the caller
	 * closes. */
	int (*place)(struct act *a, const struct target *t, struct place *scratch,
		     struct place **ret_place);

	/*
	 * What must be known to put knob of this target back; allocates ret_entry's strings.
	 * -EALREADY: the ledger has it.
	 */
	int (*remember)(struct group *g, unsigned int i, struct entry *ret_entry, struct err *e);

	/* Writes what is pending; settles only what failed. */
	void (*write)(struct group *g);

	/* The kernel shows something else than was written: be sure that the write has arrived. */
	void (*settle)(struct act *a);

	/* Puts entries of this driver back; fills in value and outcome of each. */
	void (*undo)(struct act *a, struct undo *undos, unsigned int n);
};

extern const struct driver_functions delegated_driver, systemd_driver;

/* NULL for DRIVER_OBSERVE: such a cgroup is never written. */
const struct driver_functions *driver_of(enum driver driver);

/* delegated.c */
void kept_close(struct kept *k);
void kept_sweep(struct act *a);

/* ---- cold.c: our own cgroups, when time does not matter ------------------------------------ */

int cold_write(struct act *a, const char *path, const char *controller, const char *file,
	       const char *text, struct err *e);
int cold_attach(struct act *a, const char *path, int32_t pid, struct err *e);
/* Makes path (and its parents) with all controllers that modelgov uses; no process may be above. */
int cold_make(struct act *a, const char *path, struct err *e);
/* Enables, for the children of path, every controller that modelgov uses and path has. */
int cold_enable(struct act *a, const char *path, struct err *e);

/* ---- outcome.c: what became of it ---------------------------------------------------------- */

void outcome_set(struct outcome *o, enum outcome_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether got is what the kernel makes of wanted: 0 exactly, 1 rounded, -1 no. */
int value_compare(enum knob knob, uint64_t wanted, uint64_t got);

#endif
