/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes cgroups that systemd made, by properties of their units: a direct write there is lost,
 * without a word, at the next daemon-reload or change of the same unit. Knows where systemd keeps
 * such a change, so that undoing it leaves no trace.
 *
 * All actions of a unit go in one SetUnitProperties(runtime=true): systemd rewrites every file of
 * the unit with each call, and one call costs about 250 plain writes. The change is a drop-in file:
 *
 *   units from files      /run/systemd/system.control/UNIT.d/50-CPUWeight.conf
 *   transient units       /run/systemd/transient/UNIT.d/50-CPUWeight.conf (gone with the unit)
 *
 * It survives daemon-reload and a restart of the unit, not a boot. Two limits of systemd 252: a
 * quota is kept there in whole percent, so that 33.3 % is 33 % after a reload; and two drop-ins of
 * an administrator win at a reload, that of `systemctl set-property` without --runtime, and that of
 * a value in percent (50-MemoryHighScale.conf, which is read after ours). The next plan sees all
 * this.
 *
 * Undoing: the first value is set, which acts at once; then the drop-in is removed or gets its old
 * text back, because a value that is "not set" would override the unit's own file; then one reload
 * for all units makes `systemctl show` and the list of drop-ins what they were.
 */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

/* chosen: a busy PID 1 under emulation answers within 0.1 s; longer than this is not coming */
#define CALL_TIMEOUT_USEC (10 * 1000000ULL)

/* chosen: a reload runs all generators; 1.3 s in an emulated machine, far longer on large hosts */
#define RELOAD_TIMEOUT_USEC (180 * 1000000ULL)

#define DROPIN_LIMIT_BYTES (64UL * 1024)

/* ---- the bus ------------------------------------------------------------------------------- */

int bus_get(struct act *a, struct sd_bus **ret_bus, struct err *e)
{
	if (!a->has_systemd)
		return err_say(e, -EOPNOTSUPP, "systemd does not run here, or is not to be used");
	if (a->bus && sd_bus_is_open(a->bus) <= 0) {
		sd_bus_close_unref(a->bus);
		a->bus = NULL;
	}
	if (!a->bus) {
		int r = sd_bus_open_system(&a->bus);

		if (r < 0) {
			a->bus = NULL;
			return err_set(e, r, "system bus (is dbus.service running?)");
		}
		(void)sd_bus_set_method_call_timeout(a->bus, CALL_TIMEOUT_USEC);
	}
	*ret_bus = a->bus;
	return 0;
}

const char *unit_interface(const char *unit)
{
	static const struct {
		const char *ending, *interface;
	} interfaces[] = {
		{ ".service", SYSTEMD ".Service" }, { ".scope", SYSTEMD ".Scope" },
		{ ".slice", SYSTEMD ".Slice" },     { ".socket", SYSTEMD ".Socket" },
		{ ".mount", SYSTEMD ".Mount" },     { ".swap", SYSTEMD ".Swap" },
	};
	const char *dot = strrchr(unit, '.');

	for (unsigned int i = 0; dot && i < ARRAY_SIZE(interfaces); i++)
		if (strcmp(dot, interfaces[i].ending) == 0)
			return interfaces[i].interface;
	return NULL;
}

char *unit_object(const char *unit)
{
	char *object = NULL;

	return sd_bus_path_encode(MANAGER_OBJECT "/unit", unit, &object) < 0 ? NULL : object;
}

/* ---- values -------------------------------------------------------------------------------- */

static bool knob_is_weight(enum knob knob)
{
	return knob == KNOB_CPU_WEIGHT || knob == KNOB_IO_WEIGHT;
}

/* CPUQuotaPerSecUSec counts us per second, the knob us per period of 100 ms. */
#define QUOTA_FACTOR (1000000ULL / CPU_PERIOD_USEC)

static uint64_t property_from_value(enum knob knob, uint64_t value)
{
	if (knob != KNOB_CPU_MAX || value == VALUE_MAX)
		return value; /* both sides say "no limit" with UINT64_MAX */
	return value > UINT64_MAX / QUOTA_FACTOR ? UINT64_MAX : value * QUOTA_FACTOR;
}

static uint64_t value_from_property(enum knob knob, uint64_t property)
{
	if (knob_is_weight(knob) && property == UINT64_MAX)
		return MISSING; /* shown as "[not set]" */
	if (knob != KNOB_CPU_MAX || property == UINT64_MAX)
		return property;
	return property / QUOTA_FACTOR;
}

/* ---- setting ------------------------------------------------------------------------------- */

/* What is set on one unit with one call. */
struct setting {
	enum knob knob;
	uint64_t property;
};

/* Of the drop-in, between "50-" and ".conf". */
static const char *dropin_name(enum knob knob)
{
	return knob == KNOB_CPU_MAX ? "CPUQuota" : knob_table[knob].property;
}

/*
 * systemd lists drop-ins in the order in which they were set, compares that with the order of their
 * names, and tells everyone who stops the unit to run daemon-reload when they differ.
 */
static int setting_order(const void *a, const void *b)
{
	const struct setting *x = a, *y = b;

	return strcmp(dropin_name(x->knob), dropin_name(y->knob));
}

static int settings_append(sd_bus_message *m, const char *unit, const struct setting *settings,
			   unsigned int n)
{
	int r = sd_bus_message_append(m, "sb", unit, 1 /* runtime */);

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	for (unsigned int i = 0; i < n && r >= 0; i++)
		r = sd_bus_message_append(m, "(sv)", knob_table[settings[i].knob].property, "t",
					  settings[i].property);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Which outcome a refusal of systemd is. */
static enum outcome_kind refusal_kind(const sd_bus_error *error)
{
	static const struct {
		const char *name;
		enum outcome_kind kind;
	} kinds[] = {
		{ "org.freedesktop.systemd1.NoSuchUnit", OUTCOME_GONE },
		{ "org.freedesktop.systemd1.LoadFailed", OUTCOME_GONE },
		{ "org.freedesktop.DBus.Error.UnknownObject", OUTCOME_GONE },
		{ "org.freedesktop.DBus.Error.PropertyReadOnly", OUTCOME_UNAVAILABLE },
		{ "org.freedesktop.DBus.Error.UnknownProperty", OUTCOME_UNAVAILABLE },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		if (sd_bus_error_has_name(error, kinds[i].name))
			return kinds[i].kind;
	return OUTCOME_REFUSED;
}

/* 0, or a negative errno with the kind of refusal and systemd's own words. */
static int unit_set(struct act *a, const char *unit, const struct setting *settings, unsigned int n,
		    enum outcome_kind *ret_kind, struct err *e)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	sd_bus *bus = NULL;

	*ret_kind = OUTCOME_REFUSED;
	int r = bus_get(a, &bus, e);

	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, MANAGER_OBJECT, MANAGER,
					   "SetUnitProperties");
	if (r >= 0)
		r = settings_append(m, unit, settings, n);
	if (r < 0)
		return err_set(e, r, "asking systemd to set properties of %s", unit);
	r = sd_bus_call(bus, m, 0, &error, NULL);
	if (r >= 0)
		return 0;
	*ret_kind = refusal_kind(&error);
	return err_say(e, r, "systemd: %s", error.message ? error.message : strerror(-r));
}

int unit_limit(struct act *a, const char *unit, const uint64_t values[N_KNOBS], struct err *e)
{
	struct setting settings[N_KNOBS];
	enum outcome_kind kind;
	unsigned int n = 0;

	for (unsigned int k = 0; k < N_KNOBS; k++)
		if (values[k] != MISSING)
			settings[n++] = (struct setting){
				(enum knob)k, property_from_value((enum knob)k, values[k])
			};
	qsort(settings, n, sizeof(settings[0]), setting_order);
	int r = unit_set(a, unit, settings, n, &kind, e);

	return r < 0 ? err_context(e, "limits of %s", unit) : 0;
}

/* ---- what is needed to put it back --------------------------------------------------------- */

static int unit_get(struct act *a, const char *unit, const char *interface, const char *property,
		    char type, void *ret_value, enum outcome_kind *ret_kind, struct err *e)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *object = unit_object(unit);
	sd_bus *bus = NULL;
	int r = bus_get(a, &bus, e);

	*ret_kind = OUTCOME_REFUSED;
	if (r < 0)
		return r;
	if (!object || !interface)
		return err_say(e, -EINVAL, "%s is not a unit with a cgroup", unit);
	r = type == 's' ? sd_bus_get_property_string(bus, SYSTEMD, object, interface, property,
						     &error, ret_value)
			: sd_bus_get_property_trivial(bus, SYSTEMD, object, interface, property,
						      &error, type, ret_value);
	if (r >= 0)
		return 0;
	*ret_kind = refusal_kind(&error);
	return err_say(e, r, "systemd: %s of %s: %s", property, unit,
		       error.message ? error.message : strerror(-r));
}

/* The file in which systemd will keep a change of this knob; heap. */
static int dropin_find(struct act *a, const char *unit, enum knob knob, char **ret_path,
		       enum outcome_kind *ret_kind, struct err *e)
{
	_cleanup_free_ char *id = NULL; /* unit may be an alias, and the folder wears this name */
	int is_transient = 0;
	int r = unit_get(a, unit, SYSTEMD ".Unit", "Id", 's', &id, ret_kind, e);

	if (r == 0)
		r = unit_get(a, unit, SYSTEMD ".Unit", "Transient", 'b', &is_transient, ret_kind,
			     e);
	if (r < 0)
		return r;
	r = asprintf(ret_path, "/run/systemd/%s/%s.d/50-%s.conf",
		     is_transient ? "transient" : "system.control", id, dropin_name(knob));
	return r < 0 ? err_set(e, -ENOMEM, "remember %s", unit) : 0;
}

static int entry_fill(struct group *g, enum knob knob, struct entry *entry,
		      enum outcome_kind *ret_kind, struct err *e)
{
	const char *unit = g->target->unit;
	uint64_t first = 0;
	int r = unit_get(g->a, unit, unit_interface(unit), knob_table[knob].property, 't', &first,
			 ret_kind, e);

	if (r == 0)
		r = dropin_find(g->a, unit, knob, &entry->dropin, ret_kind, e);
	if (r < 0)
		return r;
	r = file_read_all(AT_FDCWD, entry->dropin, DROPIN_LIMIT_BYTES, &entry->dropin_before, NULL,
			  e);
	if (r < 0 && r != -ENOENT)
		return r;
	if (asprintf(&entry->first, "%" PRIu64, first) < 0)
		entry->first = NULL;
	entry->path = strdup(g->target->path);
	entry->unit = strdup(unit);
	if (!entry->first || !entry->path || !entry->unit)
		return err_set(e, -ENOMEM, "remember %s", unit);
	return 0;
}

static bool text_equals(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * While our drop-in lies there, the unit's value is ours, also after a restart with another cgroup.
 * Once it is gone, so is the change: a transient unit was made anew under its old name, or somebody
 * reverted the unit. Then the value of today is the first.
 */
static int systemd_remember(struct group *g, unsigned int i, struct entry *ret_entry, struct err *e)
{
	enum knob knob = g->actions[i].knob;
	const struct entry *old = ledger_find(&g->a->ledger, DRIVER_SYSTEMD, g->target->unit,
					      g->target->cgroup_id, knob);
	struct entry entry = { .driver = DRIVER_SYSTEMD,
			       .knob = knob,
			       .cgroup_id = g->target->cgroup_id };
	enum outcome_kind kind;

	if (old && access(old->dropin, F_OK) == 0)
		return -EALREADY;
	int r = entry_fill(g, knob, &entry, &kind, e);

	if (r == 0 && old && text_equals(old->first, entry.first) &&
	    text_equals(old->dropin, entry.dropin) &&
	    text_equals(old->dropin_before, entry.dropin_before))
		r = -EALREADY; /* a change that is refused again and again must not fill the disk */
	if (r == 0) {
		*ret_entry = entry;
		return 0;
	}
	entry_fini(&entry);
	if (r != -EALREADY)
		group_settle(g, i, kind, "%s", e->text);
	return r;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int systemd_place(struct act *a, const struct target *t, struct place *scratch,
			 struct place **ret_place)
{
	*ret_place = scratch;
	return place_open(a->root_fd, t->path, t->cgroup_id, O_RDONLY, scratch);
}

static void action_write(struct group *g, unsigned int i)
{
	const struct action *a = &g->actions[i];
	const struct setting setting = { a->knob, property_from_value(a->knob, a->value) };
	enum outcome_kind kind;
	struct err e = { 0 };

	if (unit_set(g->a, g->target->unit, &setting, 1, &kind, &e) < 0)
		group_settle(g, i, kind, "%s", e.text);
}

/*
 * systemd takes or refuses a call as a whole. When it is one property that displeases, the others
 * must not suffer: one by one then.
 */
static void systemd_write(struct group *g)
{
	struct setting settings[N_KNOBS] = { 0 };
	enum outcome_kind kind;
	struct err e = { 0 };
	unsigned int n = 0;

	group_for_each_pending(g, i)
	{
		const struct action *a = &g->actions[i];

		settings[n++] = (struct setting){ a->knob, property_from_value(a->knob, a->value) };
	}
	qsort(settings, n, sizeof(settings[0]), setting_order);
	int r = unit_set(g->a, g->target->unit, settings, n, &kind, &e);

	if (r == 0)
		return;
	bool is_one_of_many = n > 1 && kind != OUTCOME_GONE && r != -ETIMEDOUT && g->a->bus &&
			      sd_bus_is_open(g->a->bus) > 0;

	group_for_each_pending(g, i)
	{
		if (is_one_of_many)
			action_write(g, i);
		else
			group_settle(g, i, kind, "%s", e.text);
	}
}

/*
 * systemd answers SetUnitProperties before it writes the files, and writes them before it takes the
 * next message (manager_loop() dispatches the cgroup queue first). So the answer to anything means
 * they are written.
 */
static void systemd_settle(struct act *a)
{
	sd_bus *bus = NULL;

	if (bus_get(a, &bus, NULL) == 0)
		(void)sd_bus_call_method(bus, SYSTEMD, MANAGER_OBJECT, "org.freedesktop.DBus.Peer",
					 "Ping", NULL, NULL, NULL);
}

/* ---- putting back -------------------------------------------------------------------------- */

/* The first values of one unit; those whose drop-in is gone need none. */
static unsigned int undo_settings(const struct undo *undos, unsigned int n,
				  struct setting *ret_settings)
{
	unsigned int n_settings = 0;

	for (unsigned int i = 0; i < n && n_settings < N_KNOBS; i++) {
		const struct entry *entry = undos[i].entry;
		uint64_t property;

		if (access(entry->dropin, F_OK) == 0 && number_parse(entry->first, &property) == 0)
			ret_settings[n_settings++] = (struct setting){ entry->knob, property };
	}
	return n_settings;
}

/* Returns whether systemd has something new to read. */
static bool dropin_undo(const struct entry *entry, struct outcome *o)
{
	struct err e = { 0 };

	if (entry->dropin_before) {
		if (file_replace(entry->dropin, entry->dropin_before, strlen(entry->dropin_before),
				 0644, &e) == 0)
			return true;
	} else if (unlink(entry->dropin) == 0) {
		char folder[PATH_MAX];

		snprintf(folder, sizeof(folder), "%s", entry->dropin);
		*strrchr(folder, '/') = '\0';
		(void)rmdir(folder); /* stays when others have drop-ins there */
		return true;
	} else {
		err_set(&e, -errno, "remove %s", entry->dropin);
	}
	outcome_set(o, OUTCOME_REFUSED, "%s", e.text);
	return false;
}

/* One unit. Returns whether a reload is needed. */
static bool unit_undo(struct act *a, struct undo *undos, unsigned int n)
{
	struct setting settings[N_KNOBS];
	enum outcome_kind kind = OUTCOME_APPLIED;
	struct err e = { 0 };
	bool needs_reload = false;
	unsigned int n_settings = undo_settings(undos, n, settings);
	int r = n_settings ? unit_set(a, undos[0].entry->unit, settings, n_settings, &kind, &e) : 0;

	for (unsigned int i = 0; i < n; i++) {
		struct outcome *o = &undos[i].outcome;
		uint64_t property;

		undos[i].value = number_parse(undos[i].entry->first, &property) < 0
					 ? MISSING
					 : value_from_property(undos[i].entry->knob, property);
		if (access(undos[i].entry->dropin, F_OK) < 0) {
			o->kind = OUTCOME_GONE; /* and the unit with it, or somebody reverted it */
			continue;
		}
		outcome_set(o, r == 0 ? OUTCOME_APPLIED : kind, "%s", e.text);
		if (r == 0 || kind == OUTCOME_GONE)
			needs_reload = dropin_undo(undos[i].entry, o) || needs_reload;
	}
	return needs_reload;
}

static int systemd_reload(struct act *a, struct err *e)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	sd_bus *bus = NULL;
	int r = bus_get(a, &bus, e);

	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, MANAGER_OBJECT, MANAGER, "Reload");
	if (r >= 0)
		r = sd_bus_call(bus, m, RELOAD_TIMEOUT_USEC, &error, NULL);
	return r >= 0 ? 0 : err_say(e, r, "%s", error.message ? error.message : strerror(-r));
}

static int undo_order(const void *a, const void *b)
{
	const struct undo *x = a, *y = b;

	return strcmp(x->entry->unit, y->entry->unit);
}

/* What the kernel shows in the end, for the record; a unit without processes has no cgroup. */
static void undo_read_back(struct act *a, struct undo *u)
{
	struct place p;

	if (place_open(a->root_fd, u->entry->path, 0, O_RDONLY, &p) < 0)
		return;
	if (place_read(&p, u->entry->knob, &u->outcome.read_back) < 0)
		u->outcome.read_back = MISSING;
	place_close(&p);
}

static void systemd_undo(struct act *a, struct undo *undos, unsigned int n)
{
	struct err e = { 0 };
	bool needs_reload = false;

	qsort(undos, n, sizeof(*undos), undo_order);
	for (unsigned int i = 0, size; i < n; i += size) {
		for (size = 1; i + size < n && undo_order(&undos[i], &undos[i + size]) == 0;)
			size++;
		needs_reload = unit_undo(a, &undos[i], size) || needs_reload;
	}
	int r = needs_reload ? systemd_reload(a, &e) : 0;

	for (unsigned int i = 0; i < n; i++) {
		struct outcome *o = &undos[i].outcome;

		undo_read_back(a, &undos[i]);
		if (r < 0 && o->kind == OUTCOME_APPLIED)
			outcome_set(o, OUTCOME_APPLIED,
				    "systemd did not reload (%.80s); cure: systemctl daemon-reload",
				    e.text);
	}
}

const struct driver_functions systemd_driver = {
	.place = systemd_place,
	.remember = systemd_remember,
	.write = systemd_write,
	.settle = systemd_settle,
	.undo = systemd_undo,
};
