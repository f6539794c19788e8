/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts back what the ledger remembers: all of it, or what the policy no longer governs. Chooses
 * entries and keeps the ledger true; the drivers do the writing. Needs nothing but the ledger, so
 * it works after kill -9 and without a daemon.
 */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>

/*
 * A unit that was restarted has another cgroup than when it was first touched: what lies under its
 * path now counts as well.
 */
static bool entry_is_claimed(struct act *a, const struct entry *entry, const struct claim *claims,
			     unsigned int n_claims)
{
	uint64_t now_id = entry->cgroup_id;
	struct place p;

	if (n_claims == 0)
		return false;
	if (entry->driver == DRIVER_SYSTEMD &&
	    place_open(a->root_fd, entry->path, 0, O_RDONLY, &p) == 0) {
		now_id = p.cgroup_id;
		place_close(&p);
	}
	for (unsigned int i = 0; i < n_claims; i++)
		if (claims[i].knobs & (1u << entry->knob) &&
		    (claims[i].cgroup_id == entry->cgroup_id || claims[i].cgroup_id == now_id))
			return true;
	return false;
}

/* The unclaimed entries of one driver, put back. Returns how many. */
static unsigned int driver_undo(struct act *a, enum driver driver, const bool *keeps,
				struct undo *ret_undos)
{
	const struct driver_functions *functions = driver_of(driver);
	unsigned int n = 0;

	for (unsigned int i = 0; i < a->ledger.n; i++) {
		const struct entry *entry = &a->ledger.entries[i];

		if (!keeps[i] && entry->driver == driver)
			ret_undos[n++] = (struct undo){ .entry = entry,
							.value = MISSING,
							.outcome = { .kind = OUTCOME_REFUSED,
								     .read_back = MISSING } };
	}
	if (n > 0 && functions)
		functions->undo(a, ret_undos, n);
	return n;
}

static bool undo_is_done(const struct undo *u)
{
	return u->outcome.kind == OUTCOME_APPLIED || u->outcome.kind == OUTCOME_GONE;
}

static void restored_fill(struct restored *r, const struct undo *u)
{
	*r = (struct restored){ .knob = u->entry->knob, .value = u->value, .outcome = u->outcome };
	snprintf(r->unit_or_path, sizeof(r->unit_or_path), "%s",
		 *u->entry->unit ? u->entry->unit : u->entry->path);
}

/* What failed stays in the ledger for the next attempt, and is the error. */
static int undos_finish(struct act *a, const struct undo *undos, unsigned int n, bool *keeps,
			struct err *e)
{
	const struct undo *failed = NULL;
	unsigned int n_failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (undo_is_done(&undos[i]))
			continue;
		keeps[undos[i].entry - a->ledger.entries] = true;
		failed = failed ? failed : &undos[i];
		n_failed++;
	}
	if (!failed)
		return ledger_keep(&a->ledger, keeps, e);
	err_say(e, -EIO, "%u of %u values could not be put back; the first is %s of %s: %s",
		n_failed, n, knob_table[failed->entry->knob].file,
		*failed->entry->unit ? failed->entry->unit : failed->entry->path,
		failed->outcome.note);
	(void)ledger_keep(&a->ledger, keeps, NULL); /* the values that failed are the graver news */
	return -EIO;
}

static int undos_run(struct act *a, bool *keeps, struct restored *list, unsigned int *ret_n,
		     struct err *e)
{
	_cleanup_free_ struct undo *undos = calloc(a->ledger.n + 1, sizeof(*undos));
	unsigned int n = 0;

	if (!undos)
		return err_set(e, -ENOMEM, "restore");
	for (unsigned int d = 0; d < N_DRIVERS; d++)
		n += driver_undo(a, (enum driver)d, keeps, undos + n);
	for (unsigned int i = 0; i < n; i++)
		restored_fill(&list[i], &undos[i]);
	*ret_n = n;
	return undos_finish(a, undos, n, keeps, e);
}

int act_release(struct act *a, const struct claim *claims, unsigned int n_claims,
		struct restored **ret_list, unsigned int *ret_n, struct err *e)
{
	_cleanup_free_ struct restored *list = NULL;
	_cleanup_free_ bool *keeps = NULL;
	unsigned int n = 0;
	int r = ledger_own(&a->ledger, e);

	if (r < 0)
		return r;
	list = calloc(a->ledger.n + 1, sizeof(*list));
	keeps = calloc(a->ledger.n + 1, sizeof(*keeps));
	if (!list || !keeps)
		return err_set(e, -ENOMEM, "restore");
	for (unsigned int i = 0; i < a->ledger.n; i++)
		keeps[i] = entry_is_claimed(a, &a->ledger.entries[i], claims, n_claims);
	r = undos_run(a, keeps, list, &n, e);
	if (ret_list)
		*ret_list = TAKE_PTR(list);
	if (ret_n)
		*ret_n = n;
	return r;
}

int act_restore(struct act *a, struct restored **ret_list, unsigned int *ret_n, struct err *e)
{
	return act_release(a, NULL, 0, ret_list, ret_n, e);
}
