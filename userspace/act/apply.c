/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries a plan out, target by target: is it still the cgroup that was observed, with the value
 * that was expected; the ledger first; then the driver writes; then the kernel is asked what came
 * of it. How to write is the drivers' business, what to write decide's.
 */
#include "driver.h"

#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <systemd/sd-bus.h>

const struct driver_functions *driver_of(enum driver driver)
{
	switch (driver) {
	case DRIVER_SYSTEMD:
		return &systemd_driver;
	case DRIVER_DELEGATED:
		return &delegated_driver;
	default:
		return NULL;
	}
}

/* ---- before the write ---------------------------------------------------------------------- */

/*
 * Where decide saw no file (MISSING), the controller may have been enabled since, for a sibling:
 * nobody chose that value, so it does not count as another's decision.
 */
static void action_check(struct group *g, unsigned int i)
{
	const struct action *a = &g->actions[i];
	uint64_t value = MISSING;
	int r = place_read(g->place, a->knob, &value);
	char text[64];

	if (r < 0) {
		group_settle(g, i, OUTCOME_REFUSED, "read %s: %s", knob_table[a->knob].file,
			     strerror(-r));
		return;
	}
	g->outcomes[i].read_back = value;
	int like = value_compare(a->knob, a->value, value);

	if (like >= 0)
		group_settle(g, i, like ? OUTCOME_ROUNDED : OUTCOME_APPLIED, "it was so already");
	else if (a->expected != MISSING && value != a->expected)
		group_settle(g, i, OUTCOME_SUPERSEDED, "it is %s now",
			     knob_describe(a->knob, value, text, sizeof(text)));
}

static void group_check(struct group *g)
{
	const struct target *t = g->target;

	group_for_each_pending(g, i)
	{
		if (!(t->knobs & (1u << g->actions[i].knob)))
			group_settle(g, i, OUTCOME_WITHHELD, "this cgroup is not where %s is set",
				     knob_table[g->actions[i].knob].file);
		else if (g->actions[i].cgroup_id != t->cgroup_id)
			group_settle(g, i, OUTCOME_GONE, "the plan means another cgroup");
		else
			action_check(g, i);
	}
}

/* Nothing is changed that the ledger could not put back. */
static void group_remember(struct group *g, const struct driver_functions *driver)
{
	struct entry entries[N_KNOBS];
	unsigned int n = 0;
	struct err e = { 0 };

	group_for_each_pending(g, i)
	{
		int r = driver->remember(g, i, &entries[n], &e);

		if (r == 0)
			n++;
		else if (r != -EALREADY && g->pending & (1u << i))
			group_settle(g, i, OUTCOME_WITHHELD, "%s", e.text);
	}
	if (n == 0 || ledger_add(&g->a->ledger, entries, n, &e) == 0)
		return;
	group_for_each_pending(g, i) group_settle(g, i, OUTCOME_WITHHELD, "%s", e.text);
}

/* ---- after the write ----------------------------------------------------------------------- */

static bool action_arrived(struct group *g, unsigned int i)
{
	uint64_t value = MISSING;

	return place_read(g->place, g->actions[i].knob, &value) == 0 &&
	       value_compare(g->actions[i].knob, g->actions[i].value, value) >= 0;
}

static void action_judge(struct group *g, unsigned int i)
{
	const struct action *a = &g->actions[i];
	uint64_t value = MISSING;
	char text[64];
	int r = place_read(g->place, a->knob, &value);

	g->outcomes[i].read_back = r < 0 ? MISSING : value;
	if (r < 0 || value == MISSING) {
		group_settle_missing(g, i);
		return;
	}
	int like = value_compare(a->knob, a->value, value);

	if (like >= 0)
		group_settle(g, i, like ? OUTCOME_ROUNDED : OUTCOME_APPLIED, "%s", "");
	else if (a->knob == KNOB_CPU_WEIGHT && value == 0)
		group_settle(g, i, OUTCOME_REFUSED,
			     "the cgroup is idle (cpu.idle is 1) and has no weight; cure: write 0 "
			     "to cpu.idle");
	else
		group_settle(g, i, OUTCOME_REFUSED, "no error, but the kernel shows %s",
			     knob_describe(a->knob, value, text, sizeof(text)));
}

static void group_judge(struct group *g, const struct driver_functions *driver)
{
	bool has_arrived = true;

	group_for_each_pending(g, i) has_arrived = has_arrived && action_arrived(g, i);
	if (!has_arrived && driver->settle)
		driver->settle(g->a);
	group_for_each_pending(g, i) action_judge(g, i);
}

/* ---- the plan ------------------------------------------------------------------------------ */

static void group_settle_all(struct group *g, enum outcome_kind kind, const char *note)
{
	group_for_each_pending(g, i) group_settle(g, i, kind, "%s", note);
}

static void group_apply(struct group *g)
{
	const struct driver_functions *driver = driver_of(g->target->driver);
	struct place scratch;
	int r;

	if (!driver) {
		group_settle_all(g, OUTCOME_WITHHELD, "this cgroup is not ours to write");
		return;
	}
	r = driver->place(g->a, g->target, &scratch, &g->place);
	if (r < 0) {
		group_settle_all(g, r == -ENOENT ? OUTCOME_GONE : OUTCOME_REFUSED,
				 r == -ENOENT ? "" : strerror(-r));
		return;
	}
	group_check(g);
	if (g->pending)
		group_remember(g, driver);
	if (g->pending)
		driver->write(g);
	if (g->pending)
		group_judge(g, driver);
	if (g->place == &scratch)
		place_close(&scratch);
}

/* How many actions from the first on go together: same target, and no more than a group holds. */
static unsigned int group_size(const struct action *first, unsigned int n)
{
	unsigned int size = 1;

	while (size < n && size < N_KNOBS && first[size].target == first->target)
		size++;
	return size;
}

void act_apply(struct act *a, const struct plan *plan, const struct observation *now,
	       struct outcome *ret_outcomes)
{
	struct err e = { 0 };
	int held = ledger_own(&a->ledger, &e);

	for (unsigned int i = 0; i < plan->n_actions; i++)
		ret_outcomes[i] =
			(struct outcome){ .kind = OUTCOME_WITHHELD, .read_back = MISSING };
	for (unsigned int i = 0, n; i < plan->n_actions; i += n) {
		struct group g = { .a = a,
				   .target = &now->targets[plan->actions[i].target],
				   .actions = &plan->actions[i],
				   .outcomes = &ret_outcomes[i] };

		g.n = n = group_size(&plan->actions[i], plan->n_actions - i);
		g.pending = (1u << n) - 1;
		if (held < 0)
			group_settle_all(&g, OUTCOME_WITHHELD, e.text);
		else
			group_apply(&g);
	}
	kept_sweep(a);
}

/* ---- the room ------------------------------------------------------------------------------ */

static int root_open(struct act *a, const struct act_options *options, struct err *e)
{
	int r = 0;

	a->is_pure = true;
	if (options->cgroup_root)
		snprintf(a->root, sizeof(a->root), "%s", options->cgroup_root);
	else
		r = cgroup_root_find(a->root, sizeof(a->root), &a->is_pure, e);
	if (r < 0)
		return r;
	a->root_fd = open(a->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return a->root_fd < 0 ? err_set(e, -errno, "open %s", a->root) : 0;
}

int act_open(const struct act_options *options, struct act **ret_act, struct err *e)
{
	struct act *a = calloc(1, sizeof(*a));

	if (!a)
		return err_set(e, -ENOMEM, "act");
	a->root_fd = -1;
	a->has_systemd = !options->without_systemd && systemd_is_running();
	int r = root_open(a, options, e);

	if (r == 0)
		r = ledger_open(&a->ledger, options->state_dir, e);
	if (r < 0) {
		act_close(a);
		return r;
	}
	*ret_act = a;
	return 0;
}

void act_close(struct act *a)
{
	if (!a)
		return;
	kept_close(&a->kept);
	ledger_close(&a->ledger);
	sd_bus_flush_close_unref(a->bus);
	if (a->root_fd >= 0)
		close(a->root_fd);
	free(a);
}

unsigned int act_ledger_size(const struct act *a)
{
	return atomic_load(&a->ledger.size);
}
