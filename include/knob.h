/* SPDX-License-Identifier: Apache-2.0 */
/*
 * knob: the words of model.h as tables: names of knobs, classes, indicators, reasons, outcomes, and
 * the text form of a knob's value in its cgroup file. Part of base; no I/O.
 */
#ifndef MODELGOV_KNOB_H
#define MODELGOV_KNOB_H

#include "model.h"

#include <stddef.h>

struct knob_info {
	const char *file;       /* in the cgroup's directory */
	const char *controller; /* that must be enabled for the file to exist */
	const char *property;   /* of a systemd unit */
};

extern const struct knob_info knob_table[N_KNOBS];

const char *class_name(enum model_class c);
const char *indicator_name(enum indicator i);
const char *reason_name(enum reason r);
const char *reason_meaning(enum reason r);
const char *outcome_name(enum outcome_kind o);
const char *writer_name(enum writer_kind w);

/* The knob whose file is called so, or -ENOENT. */
int knob_find(const char *file, enum knob *ret_knob);

/*
 * Text of a control file to a value ("100", "max", "default 100", "50000 100000") and back to what is
 * written ("max", "50000 100000"). cpu.max with another period is scaled to CPU_PERIOD_USEC.
 * knob_parse: 0 or -EINVAL. buf: 64 bytes are enough.
 */
int knob_parse(enum knob knob, const char *text, uint64_t *ret_value);
char *knob_print(enum knob knob, uint64_t value, char *buf, size_t size);

/* For people: "max", "40% of one CPU", "512MiB", "250". */
char *knob_describe(enum knob knob, uint64_t value, char *buf, size_t size);

#endif
