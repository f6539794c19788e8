/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd: what talking to PID 1 needs, shared by setting properties (systemd.c) and making scopes
 * (adopt.c).
 */
#ifndef MODELGOV_ACT_SYSTEMD_H
#define MODELGOV_ACT_SYSTEMD_H

#include "driver.h"

#include <systemd/sd-bus.h>

#define SYSTEMD        "org.freedesktop.systemd1"
#define MANAGER_OBJECT "/org/freedesktop/systemd1"
#define MANAGER        SYSTEMD ".Manager"

/* The system bus; connects when there is no connection or the last one broke. Owned by a. */
int bus_get(struct act *a, sd_bus **ret_bus, struct err *e);

/* Interface with the cgroup properties of a unit, from the name's ending; NULL when it has none. */
const char *unit_interface(const char *unit);

/* Object path of a unit, for calls to it; heap; NULL without memory. */
char *unit_object(const char *unit);

/* Sets values (in the units of the knobs; MISSING: left alone) on a unit, for this boot. */
int unit_limit(struct act *a, const char *unit, const uint64_t values[N_KNOBS], struct err *e);

static inline void cleanup_message(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

#define _cleanup_message_ _cleanup_(cleanup_message)
#define _cleanup_error_   _cleanup_(sd_bus_error_free)

#endif
