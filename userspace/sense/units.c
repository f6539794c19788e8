/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two questions to systemd, each of up to three calls: which cgroup has this unit, which unit has
 * this cgroup. Keeps the answers; what follows from them is for search.c and targets.c.
 */
#include "units.h"

#include <errno.h>
#include <systemd/sd-bus.h>

#define SYSTEMD      "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define UNIT_PREFIX  SYSTEMD_PATH "/unit"

/* The system bus refuses more than 128 open calls of one connection (dbus-daemon(1)). */
#define MAX_CALLS 32
/* chosen: libsystemd's default; nobody waits for it, and busy hosts were seen to need over 5 s */
#define CALL_USEC (25 * NSEC_PER_SEC / NSEC_PER_USEC)

/*
 * To tell a unit that does not exist from one that is not loaded, systemd has to load it, and says
 * so to everybody (UnitNew, UnitRemoved): asked for at every such signal, that would never end.
 * Chosen.
 */
#define LOAD_NS (60 * NSEC_PER_SEC)

/* What the call that is under way asks. */
enum stage {
	STAGE_UNIT,     /* is the unit loaded? one that runs is */
	STAGE_PATH,     /* the unit's cgroup */
	STAGE_LOAD,     /* does the unit, which has no cgroup, exist? */
	STAGE_AROUND,   /* the unit that contains the cgroup */
	STAGE_OWN_PATH, /* is the cgroup that unit's own? */
};

struct question {
	struct units *units;
	char *key;    /* a unit's name, or a path: those begin with a slash */
	uint64_t id;  /* of the cgroup, for paths */
	bool is_used; /* somebody wants to know */
	bool is_due;  /* to be asked */
	enum stage stage;
	sd_bus_slot *slot; /* the call under way */

	struct unit_fact fact; /* for units */
	char *path;            /* fact.path's memory */
	uint64_t loaded_ns;    /* when fact.state was last told from another; 0: never */
	char *around;          /* for paths: the unit that contains it */
	char *unit;            /* for paths: the answer, NULL before */
};

struct units {
	sd_bus *bus;
	struct question **all; /* ordered by key */
	unsigned int n, size;
	unsigned int n_calls; /* under way */
	bool has_news;
	int problem;
};

/* ---- the list -------------------------------------------------------------------------------- */

struct units *units_new(struct sd_bus *bus)
{
	struct units *u = calloc(1, sizeof(*u));

	if (u)
		u->bus = bus;
	return u;
}

static void call_end(struct question *q)
{
	if (q->slot)
		q->units->n_calls--;
	q->slot = sd_bus_slot_unref(q->slot);
}

static void question_free(struct question *q)
{
	if (!q)
		return;
	call_end(q);
	free(q->key);
	free(q->path);
	free(q->around);
	free(q->unit);
	free(q);
}

void units_free(struct units *u)
{
	if (!u)
		return;
	for (unsigned int i = 0; i < u->n; i++)
		question_free(u->all[i]);
	free(u->all);
	free(u);
}

static struct question *question_new(struct units *u, const char *key)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->units = u;
	q->key = strdup(key);
	if (!q->key) {
		free(q);
		return NULL;
	}
	return q;
}

/* Where key is, or belongs. */
static unsigned int question_index(const struct units *u, const char *key)
{
	unsigned int low = 0, high = u->n;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (strcmp(u->all[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The question of that key, made if new; NULL without memory. */
static struct question *question_find(struct units *u, const char *key)
{
	unsigned int i = question_index(u, key);

	if (i < u->n && strcmp(u->all[i]->key, key) == 0)
		return u->all[i];
	if (u->n == u->size) {
		unsigned int size = u->size ? 2 * u->size : 32;
		struct question **all = realloc(u->all, size * sizeof(struct question *));

		if (!all)
			return NULL;
		u->all = all;
		u->size = size;
	}
	struct question *q = question_new(u, key);

	if (!q)
		return NULL;
	memmove(&u->all[i + 1], &u->all[i], (u->n - i) * sizeof(struct question *));
	u->all[i] = q;
	u->n++;
	return q;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The D-Bus interface that has the property ControlGroup for units of this type, or NULL. */
static const char *unit_interface(const char *unit)
{
	static const struct {
		const char *suffix, *interface;
	} types[] = {
		{ ".service", SYSTEMD ".Service" }, { ".scope", SYSTEMD ".Scope" },
		{ ".slice", SYSTEMD ".Slice" },     { ".socket", SYSTEMD ".Socket" },
		{ ".mount", SYSTEMD ".Mount" },     { ".swap", SYSTEMD ".Swap" },
	};
	const char *suffix = strrchr(unit, '.');

	for (unsigned int i = 0; suffix && i < ARRAY_SIZE(types); i++)
		if (strcmp(suffix, types[i].suffix) == 0)
			return types[i].interface;
	return NULL;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error);

/* Loads the unit if it is not loaded. */
static int property_ask(struct question *q, const char *unit, const char *interface,
			const char *property)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	_cleanup_free_ char *object = NULL;
	int r = sd_bus_path_encode(UNIT_PREFIX, unit, &object);

	if (r >= 0)
		r = sd_bus_message_new_method_call(q->units->bus, &call, SYSTEMD, object,
						   "org.freedesktop.DBus.Properties", "Get");
	if (r >= 0)
		r = sd_bus_message_append(call, "ss", interface, property);
	if (r >= 0)
		r = sd_bus_call_async(q->units->bus, &q->slot, call, on_reply, q, CALL_USEC);
	return r;
}

/* A method of the manager that takes the question's key and answers with a unit's object. */
static int unit_ask(struct question *q, const char *method)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(q->units->bus, &call, SYSTEMD, SYSTEMD_PATH,
					       SYSTEMD ".Manager", method);

	if (r >= 0)
		r = sd_bus_message_append(call, "s", q->key);
	if (r >= 0)
		r = sd_bus_call_async(q->units->bus, &q->slot, call, on_reply, q, CALL_USEC);
	return r;
}

static int stage_ask(struct question *q, enum stage stage)
{
	int r = -EINVAL;

	q->stage = stage;
	switch (stage) {
	case STAGE_UNIT:
		r = unit_ask(q, "GetUnit");
		break;
	case STAGE_PATH:
		r = property_ask(q, q->key, unit_interface(q->key), "ControlGroup");
		break;
	case STAGE_LOAD:
		r = property_ask(q, q->key, SYSTEMD ".Unit", "LoadState");
		break;
	case STAGE_AROUND:
		r = unit_ask(q, "GetUnitByControlGroup");
		break;
	case STAGE_OWN_PATH:
		r = property_ask(q, q->around, unit_interface(q->around), "ControlGroup");
		break;
	}
	q->units->n_calls += r >= 0;
	return r < 0 ? r : 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static int unit_answer(struct question *q, enum unit_state state, const char *path)
{
	bool is_same = q->fact.state == state && (!path || strcmp(path, q->path) == 0);
	char *copy = path ? strdup(path) : NULL;

	if (path && !copy)
		return -ENOMEM;
	free(q->path);
	q->path = copy;
	q->fact.state = state;
	q->fact.path = copy;
	q->fact.n_answers++;
	q->units->has_news |= !is_same;
	q->units->problem = 0;
	return 0;
}

static int path_answer(struct question *q, const char *unit)
{
	char *copy = strdup(unit);

	if (!copy)
		return -ENOMEM;
	free(q->unit);
	q->unit = copy;
	q->units->has_news = true;
	q->units->problem = 0;
	return 0;
}

/* The cgroup lies in the unit at that object; is it the unit's own? */
static int around_answer(struct question *q, const char *object)
{
	char *unit = NULL;
	int r = sd_bus_path_decode(object, UNIT_PREFIX, &unit);

	if (r < 0)
		return r;
	free(q->around);
	q->around = unit;
	if (!unit || !unit_interface(unit))
		return path_answer(q, "");
	return stage_ask(q, STAGE_OWN_PATH);
}

/* The unit has no cgroup. Does it exist? */
static int idle_answer(struct question *q)
{
	bool is_fresh = q->loaded_ns && clock_monotonic_ns() - q->loaded_ns < LOAD_NS;

	if (is_fresh && (q->fact.state == UNIT_ABSENT || q->fact.state == UNIT_STOPPED))
		return unit_answer(q, q->fact.state, NULL);
	return stage_ask(q, STAGE_LOAD);
}

static int load_answer(struct question *q, enum unit_state state)
{
	q->loaded_ns = clock_monotonic_ns();
	return unit_answer(q, state, NULL);
}

static int reply_read(struct question *q, sd_bus_message *reply)
{
	bool has_object = q->stage == STAGE_AROUND || q->stage == STAGE_UNIT;
	const char *text = "";
	int r = has_object ? sd_bus_message_read(reply, "o", &text)
			   : sd_bus_message_read(reply, "v", "s", &text);

	if (r < 0)
		return r;
	switch (q->stage) {
	case STAGE_UNIT:
		return stage_ask(q, STAGE_PATH);
	case STAGE_PATH:
		return *text ? unit_answer(q, UNIT_RUNNING, text) : idle_answer(q);
	case STAGE_LOAD:
		return load_answer(q, strcmp(text, "not-found") == 0 ? UNIT_ABSENT : UNIT_STOPPED);
	case STAGE_AROUND:
		return around_answer(q, text);
	case STAGE_OWN_PATH:
		return path_answer(q, strcmp(text, q->key) == 0 ? q->around : "");
	}
	return -EINVAL;
}

/* Does systemd say that there is no such unit? Any other error says nothing about it. */
static bool is_about_the_unit(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SYSTEMD ".NoSuchUnit") ||
	       sd_bus_error_has_name(error, SYSTEMD ".LoadFailed") ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_INVALID_ARGS);
}

static int error_read(struct question *q, const sd_bus_error *error)
{
	if (!is_about_the_unit(error))
		return -sd_bus_error_get_errno(error);
	switch (q->stage) {
	case STAGE_UNIT:
		return idle_answer(q);
	case STAGE_PATH:
	case STAGE_LOAD:
		return load_answer(q, UNIT_ABSENT);
	case STAGE_AROUND:
	case STAGE_OWN_PATH:
		return path_answer(q, "");
	}
	return -EINVAL;
}

/* Starts what is due, as many as may be under way. */
static void questions_send(struct units *u)
{
	for (unsigned int i = 0; i < u->n && u->n_calls < MAX_CALLS; i++) {
		struct question *q = u->all[i];

		if (!q->is_due || q->slot)
			continue;
		q->is_due = false;
		int r = stage_ask(q, *q->key == '/' ? STAGE_AROUND : STAGE_UNIT);

		if (r < 0)
			u->problem = r;
	}
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);

	call_end(q);
	int r = refusal ? error_read(q, refusal) : reply_read(q, reply);

	if (r < 0)
		q->units->problem = r;
	questions_send(q->units);
	return 0;
}

/* ---- questions ------------------------------------------------------------------------------- */

const struct unit_fact *units_locate(struct units *u, const char *unit, bool asks)
{
	struct question *q = question_find(u, unit);

	if (!q)
		return NULL;
	q->is_used = true;
	if (asks && !unit_interface(unit)) {
		q->fact.state = UNIT_ABSENT; /* no type of unit that has a cgroup */
		q->fact.n_answers++;
	} else if (asks && !q->slot) {
		q->is_due = true;
	}
	return &q->fact;
}

const char *units_at(struct units *u, const char *path, uint64_t id)
{
	struct question *q = question_find(u, path);

	if (!q)
		return NULL;
	q->is_used = true;
	if (q->id != id) {
		q->id = id;
		free(q->unit);
		q->unit = NULL;
	}
	q->is_due = !q->unit && !q->slot;
	return q->unit;
}

void units_flush(struct units *u)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < u->n; i++) {
		struct question *q = u->all[i];

		if (!q->is_used) {
			question_free(q);
			continue;
		}
		q->is_used = false;
		u->all[n++] = q;
	}
	u->n = n;
	questions_send(u);
}

bool units_have_news(struct units *u)
{
	bool has_news = u->has_news;

	u->has_news = false;
	return has_news;
}

bool units_are_pending(const struct units *u)
{
	/* what is due waits for one under way to end; if none is, none can be sent */
	return u->n_calls > 0;
}

int units_problem(const struct units *u)
{
	return u->problem;
}

int units_wait(struct units *u, uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_monotonic_ns() + timeout_ns;

	while (u->n_calls > 0) {
		uint64_t now_ns = clock_monotonic_ns();

		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		int r = sd_bus_process(u->bus, NULL);

		if (r == 0)
			r = sd_bus_wait(u->bus, (deadline_ns - now_ns) / NSEC_PER_USEC + 1);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}
