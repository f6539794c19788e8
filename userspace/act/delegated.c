/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes cgroups that are ours: below our own delegated scopes, or anywhere on hosts without
 * systemd. The first write to a cgroup goes through libcgroup (cold.c), all later ones through
 * descriptors that stay open, because this is the place for control within milliseconds: 0.6 us a
 * write (measured).
 */
#include "driver.h"

#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>

/* chosen: with eight knobs each, 4600 descriptors; what is closed for another is opened again */
#define KEPT_MAX 512

/* chosen: all that are kept have been looked at after 64 applies, about a minute */
#define SWEEP_STEP 8

/* ---- kept descriptors ---------------------------------------------------------------------- */

static struct place *kept_find(struct kept *k, uint64_t cgroup_id)
{
	for (unsigned int i = 0; i < k->n; i++)
		if (k->places[i].cgroup_id == cgroup_id)
			return &k->places[i];
	return NULL;
}

static void kept_drop(struct kept *k, struct place *p)
{
	place_close(p);
	*p = k->places[--k->n];
}

static struct place *kept_oldest(struct kept *k)
{
	struct place *oldest = &k->places[0];

	for (unsigned int i = 1; i < k->n; i++)
		if (k->places[i].used_at < oldest->used_at)
			oldest = &k->places[i];
	return oldest;
}

/* Takes an open place. */
static struct place *kept_add(struct kept *k, const struct place *take_place)
{
	if (k->n == KEPT_MAX)
		kept_drop(k, kept_oldest(k));
	if (k->n == k->max) {
		unsigned int max = k->max ? k->max * 2 : 16;
		struct place *larger = realloc(k->places, max * sizeof(*larger));

		if (!larger)
			return NULL;
		k->places = larger;
		k->max = max;
	}
	k->places[k->n] = *take_place;
	return &k->places[k->n++];
}

void kept_close(struct kept *k)
{
	while (k->n > 0)
		kept_drop(k, &k->places[k->n - 1]);
	free(k->places);
	k->places = NULL;
}

/* An open descriptor keeps a removed cgroup in the kernel's memory, so each has its turn to be
 * closed. */
void kept_sweep(struct act *a)
{
	struct kept *k = &a->kept;

	for (unsigned int i = 0; i < SWEEP_STEP && k->n > 0; i++) {
		struct place *p = &k->places[++k->hand % k->n];

		if (!place_exists(a->root_fd, p))
			kept_drop(k, p);
	}
}

static int delegated_place(struct act *a, const struct target *t, struct place *scratch,
			   struct place **ret_place)
{
	struct place *p = kept_find(&a->kept, t->cgroup_id);

	if (p && !place_exists(a->root_fd, p)) {
		kept_drop(&a->kept, p);
		return -ENOENT;
	}
	if (!p) {
		int r = place_open(a->root_fd, t->path, t->cgroup_id, O_RDWR, scratch);

		if (r < 0)
			return r;
		p = kept_add(&a->kept, scratch);
		if (!p) {
			place_close(scratch);
			return -ENOMEM;
		}
	}
	p->used_at = ++a->kept.clock;
	*ret_place = p;
	return 0;
}

/* ---- what is needed to put it back --------------------------------------------------------- */

/* Whether we made the cgroup above this one, so that its controllers are ours to enable. */
static bool parent_is_ours(const struct act *a, const char *path)
{
	uint32_t knobs;

	if (a->has_systemd)
		return cgroup_classify(path, "", true, &knobs) == DRIVER_DELEGATED;
	return strncmp(path, MODELGOV_TREE "/", strlen(MODELGOV_TREE "/")) == 0;
}

static void controllers_enable(struct act *a, const char *path)
{
	char parent[PATH_KEPT];

	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (parent_is_ours(a, path))
		(void)cold_enable(a, parent, NULL); /* the knob's file will be there, or not */
}

static int delegated_remember(struct group *g, unsigned int i, struct entry *ret_entry,
			      struct err *e)
{
	enum knob knob = g->actions[i].knob;
	char first[128];
	int r = place_read_text(g->place, knob, first, sizeof(first));

	if (r == -ENOENT) {
		controllers_enable(g->a, g->target->path);
		r = place_read_text(g->place, knob, first, sizeof(first));
	}
	if (r == -ENOENT) {
		group_settle_missing(g, i);
		return r;
	}
	if (r < 0)
		return err_set(e, r, "read %s", knob_table[knob].file);
	if (ledger_find(&g->a->ledger, DRIVER_DELEGATED, "", g->target->cgroup_id, knob))
		return -EALREADY;
	struct entry entry = { .driver = DRIVER_DELEGATED,
			       .knob = knob,
			       .cgroup_id = g->target->cgroup_id,
			       .path = strdup(g->target->path),
			       .unit = strdup(""),
			       .first = strdup(first) };

	if (!entry.path || !entry.unit || !entry.first) {
		entry_fini(&entry);
		return err_set(e, -ENOMEM, "remember %s", knob_table[knob].file);
	}
	*ret_entry = entry;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int knob_write(struct group *g, enum knob knob, uint64_t value)
{
	const struct knob_info *info = &knob_table[knob];
	char text[64];

	knob_print(knob, value, text, sizeof(text));
	if (g->place->is_warm)
		return place_write_text(g->place, knob, text);
	return cold_write(g->a, g->target->path, info->controller, info->file, text, NULL);
}

static void delegated_write(struct group *g)
{
	group_for_each_pending(g, i)
	{
		const struct action *a = &g->actions[i];
		char text[64];
		uint64_t weight = MISSING;
		int r = knob_write(g, a->knob, a->value);

		if (r == -ENOENT || r == -ENODEV)
			group_settle_missing(g, i);
		else if (r == -EINVAL && a->knob == KNOB_CPU_WEIGHT &&
			 place_read(g->place, a->knob, &weight) == 0 && weight == 0)
			continue; /* an idle cgroup: action_judge() says so */
		else if (r < 0)
			group_settle(g, i, OUTCOME_REFUSED, "write %s to %s: %s",
				     knob_print(a->knob, a->value, text, sizeof(text)),
				     knob_table[a->knob].file, strerror(-r));
	}
	g->place->is_warm = true;
}

/* ---- putting back -------------------------------------------------------------------------- */

/* The file's first line is compared as text: it is the kernel's own. */
static void knob_undo(struct place *p, const struct entry *entry, struct outcome *o)
{
	char text[128] = "";
	int r = place_read_text(p, entry->knob, text, sizeof(text));

	if (r == 0 && strcmp(text, entry->first) != 0 &&
	    (r = place_write_text(p, entry->knob, entry->first)) == 0)
		r = place_read_text(p, entry->knob, text, sizeof(text));
	if (r == -ENOENT || r == -ENODEV) {
		outcome_set(o, OUTCOME_GONE, "its controller is not enabled any more");
		return;
	}
	(void)knob_parse(entry->knob, text, &o->read_back);
	if (r < 0)
		outcome_set(o, OUTCOME_REFUSED, "%s", strerror(-r));
	else if (strcmp(text, entry->first) != 0)
		outcome_set(o, OUTCOME_REFUSED, "no error, but the kernel shows another value");
	else
		outcome_set(o, OUTCOME_APPLIED, "%s", "");
}

static void delegated_undo(struct act *a, struct undo *undos, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct entry *entry = undos[i].entry;
		struct place p;

		if (knob_parse(entry->knob, entry->first, &undos[i].value) < 0)
			undos[i].value = MISSING;
		int r = place_open(a->root_fd, entry->path, entry->cgroup_id, O_RDWR, &p);

		if (r < 0) {
			outcome_set(&undos[i].outcome,
				    r == -ENOENT ? OUTCOME_GONE : OUTCOME_REFUSED, "%s",
				    r == -ENOENT ? "" : strerror(-r));
			continue;
		}
		knob_undo(&p, entry, &undos[i].outcome);
		place_close(&p);
	}
}

const struct driver_functions delegated_driver = {
	.place = delegated_place,
	.remember = delegated_remember,
	.write = delegated_write,
	.undo = delegated_undo,
};
