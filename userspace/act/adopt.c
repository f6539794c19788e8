/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives running processes a place of their own that modelgov may write:
 *
 *   modelgov.slice/modelgov-NAME.scope        systemd's: weights, by properties
 *                  modelgov-NAME.scope/main   ours (Delegate=yes): everything else
 *                  modelgov-experiments.slice/modelgov-NAME.scope   of experiments
 *
 *   /modelgov/NAME                            ours, on hosts without systemd
 *   /modelgov/experiments.slice/NAME          of experiments
 *
 * Sets no values of models: they come with the next plan. The slice of experiments gets theirs
 * here: it holds them together, and nothing else is in it.
 */
#include "systemd.h"

#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

/* chosen: the job is done in 20 ms; a host that needs longer than this has other troubles */
#define JOB_TIMEOUT_NS (30 * NSEC_PER_SEC)

/* chosen: each round empties the scope but for what was forked meanwhile; a fork bomb is not waited
 * for */
#define LEAF_ROUNDS 20

#define PROCS_LIMIT_BYTES (16UL * 1024 * 1024)

/* ---- the scope's job --------------------------------------------------------------------- */

struct job_wait {
	const char *job; /* object path; NULL until systemd told it */
	char *result;    /* "done", "failed", "canceled", ... */
	bool is_done;
};

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct job_wait *w = userdata;
	const char *job, *unit, *result;
	uint32_t id;

	if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0 || w->is_done)
		return 0;
	if (!w->job || strcmp(w->job, job) != 0)
		return 0;
	w->is_done = true;
	w->result = strdup(result);
	return 0;
}

/*
 * Signals that arrive while a call is waited for are queued by sd-bus and dispatched here, so the
 * end of a job that was quicker than the answer to the call is not missed.
 */
static int job_wait_run(sd_bus *bus, struct job_wait *w, struct err *e)
{
	uint64_t deadline_ns = clock_monotonic_ns() + JOB_TIMEOUT_NS;

	while (!w->is_done) {
		uint64_t now_ns = clock_monotonic_ns();
		int r = sd_bus_process(bus, NULL);

		if (r == 0 && now_ns >= deadline_ns)
			return err_set(e, -ETIMEDOUT, "systemd did not start the scope");
		if (r == 0)
			r = sd_bus_wait(bus, (deadline_ns - now_ns) / NSEC_PER_USEC + 1);
		if (r < 0 && r != -EINTR)
			return err_set(e, r, "waiting for systemd");
	}
	if (!w->result || strcmp(w->result, "done") != 0)
		return err_say(e, -EIO, "systemd could not start the scope: %s",
			       w->result ? w->result : "out of memory");
	return 0;
}

static void slot_unref(sd_bus_slot **slot)
{
	sd_bus_slot_unref(*slot);
}

/* CollectMode: a scope that failed must not block its name. */
static int scope_message(sd_bus *bus, const char *scope, const struct adoption *ad,
			 sd_bus_message **ret_m)
{
	int r = sd_bus_message_new_method_call(bus, ret_m, SYSTEMD, MANAGER_OBJECT, MANAGER,
					       "StartTransientUnit");
	_cleanup_free_ char *description = NULL;

	if (asprintf(&description, "model %s, governed by modelgov", ad->model) < 0)
		return -ENOMEM;
	if (r >= 0)
		r = sd_bus_message_append(*ret_m, "ss", scope, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(*ret_m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(*ret_m, "(sv)(sv)(sv)(sv)", "Description", "s",
					  description, "Slice", "s",
					  ad->experiments ? MODELGOV_EXPERIMENTS : MODELGOV_SLICE,
					  "Delegate", "b", 1, "CollectMode", "s",
					  "inactive-or-failed");
	if (r >= 0)
		r = sd_bus_message_open_container(*ret_m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(*ret_m, "s", "PIDs");
	if (r >= 0)
		r = sd_bus_message_open_container(*ret_m, 'v', "au");
	if (r >= 0)
		r = sd_bus_message_append_array(*ret_m, 'u', ad->pids,
						ad->n_pids * sizeof(*ad->pids));
	if (r >= 0)
		r = sd_bus_message_close_container(*ret_m);
	if (r >= 0)
		r = sd_bus_message_close_container(*ret_m);
	if (r >= 0)
		r = sd_bus_message_close_container(*ret_m);
	return r < 0 ? r : sd_bus_message_append(*ret_m, "a(sa(sv))", 0);
}

static int scope_start(sd_bus *bus, const char *scope, const struct adoption *ad, struct err *e)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	_cleanup_(slot_unref) sd_bus_slot *slot = NULL;
	struct job_wait w = { 0 };
	int r = sd_bus_match_signal(bus, &slot, SYSTEMD, MANAGER_OBJECT, MANAGER, "JobRemoved",
				    on_job_removed, &w);

	if (r >= 0) /* without a subscriber systemd sends no signals */
		r = sd_bus_call_method(bus, SYSTEMD, MANAGER_OBJECT, MANAGER, "Subscribe", &error,
				       NULL, NULL);
	if (r >= 0)
		r = scope_message(bus, scope, ad, &m);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &w.job);
	if (r < 0)
		err_say(e, r, "systemd: %s", error.message ? error.message : strerror(-r));
	else
		r = job_wait_run(bus, &w, e);
	(void)sd_bus_call_method(bus, SYSTEMD, MANAGER_OBJECT, MANAGER, "Unsubscribe", NULL, NULL,
				 NULL);
	free(w.result);
	return r;
}

/* ---- the slice of experiments ------------------------------------------------------------ */

static void budget_values(const struct budget *b, uint64_t ret_values[N_KNOBS])
{
	for (unsigned int k = 0; k < N_KNOBS; k++)
		ret_values[k] = MISSING;
	ret_values[KNOB_CPU_WEIGHT] = b->cpu_weight;
	ret_values[KNOB_CPU_MAX] = b->cpu_max;
	ret_values[KNOB_MEMORY_MAX] = b->memory_max;
}

/* Also before it runs: systemd keeps the values for when a scope starts it. */
static int slice_limit(struct act *a, const struct budget *b, struct err *e)
{
	uint64_t values[N_KNOBS];

	budget_values(b, values);
	return unit_limit(a, MODELGOV_EXPERIMENTS, values, e);
}

/* A controller that is not there cannot hold them: better no experiment than one without limits. */
static int tree_limit(struct act *a, const struct budget *b, struct err *e)
{
	uint64_t values[N_KNOBS];
	char text[64];

	budget_values(b, values);
	for (unsigned int k = 0; k < N_KNOBS; k++) {
		int r = values[k] == MISSING
				? 0
				: cold_write(a, MODELGOV_TREE_EXPERIMENTS, knob_table[k].controller,
					     knob_table[k].file,
					     knob_print((enum knob)k, values[k], text,
							sizeof(text)),
					     e);

		if (r < 0 && values[k] != VALUE_MAX)
			return err_context(e, "the budget of experiments");
	}
	return 0;
}

/* ---- the scope --------------------------------------------------------------------------- */

/* Its cgroup, "" when it does not run. Properties of a unit that is not loaded have their defaults.
 */
static int scope_find(sd_bus *bus, const char *scope, char *ret_path, size_t size, struct err *e)
{
	_cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *object = unit_object(scope);
	int is_delegated = 0;

	if (!object)
		return err_set(e, -ENOMEM, "look for %s", scope);
	int r = sd_bus_get_property_string(bus, SYSTEMD, object, unit_interface(scope),
					   "ControlGroup", &error, &path);

	if (r >= 0)
		r = sd_bus_get_property_trivial(bus, SYSTEMD, object, unit_interface(scope),
						"Delegate", &error, 'b', &is_delegated);
	if (r < 0)
		return err_say(e, r, "systemd: %s", error.message ? error.message : strerror(-r));
	if (*path && !is_delegated)
		return err_say(e, -EEXIST,
			       "%s is there, but is not delegated: not made by modelgov", scope);
	if ((size_t)snprintf(ret_path, size, "%s", path) >= size)
		return err_set(e, -ENAMETOOLONG, "cgroup of %s", scope);
	return 0;
}

/* ---- the leaf ---------------------------------------------------------------------------- */

static int procs_read(struct act *a, const char *path, char **ret_text, struct err *e)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s%s/cgroup.procs", a->root, path) >= (int)sizeof(name))
		return err_set(e, -ENAMETOOLONG, "read processes of %s", path);
	return file_read_all(AT_FDCWD, name, PROCS_LIMIT_BYTES, ret_text, NULL, e);
}

/* Moves everything that is in the scope itself one floor down. Returns how many were there. */
static int scope_empty(struct act *a, const char *scope_path, const char *leaf_path, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int moved = 0, r = procs_read(a, scope_path, &text, e);

	if (r < 0)
		return r;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		struct err one = { 0 };
		int32_t pid = atoi(line);

		if (pid <= 0) /* so the kernel shows it here; writing 0 would move ourselves */
			return err_say(e, -ENXIO, "%s has a process of another pid namespace",
				       scope_path);
		moved++;
		r = cold_attach(a, leaf_path, pid, &one);
		if (r < 0 && r != -ESRCH) /* ended meanwhile */
			return err_say(e, r, "%s", one.text);
	}
	return moved;
}

/*
 * A cgroup with processes in it cannot lend controllers to its children, so the scope has to be
 * empty first; children that are forked meanwhile land in the scope again.
 */
static int leaf_fill(struct act *a, const char *scope_path, const char *leaf_path, struct err *e)
{
	if (mkdirat(a->root_fd, leaf_path + 1, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "make cgroup %s", leaf_path);
	for (unsigned int round = 0; round < LEAF_ROUNDS; round++) {
		int moved = scope_empty(a, scope_path, leaf_path, e);

		if (moved < 0)
			return moved;
		if (moved == 0 && cold_enable(a, scope_path, e) != -EBUSY)
			return 0; /* a controller that is missing shows when a knob has no file */
	}
	return err_say(e, -EBUSY, "processes of %s fork faster than they can be moved", scope_path);
}

static int processes_attach(struct act *a, const char *path, const struct adoption *ad,
			    struct err *e)
{
	for (unsigned int i = 0; i < ad->n_pids; i++) {
		int r = cold_attach(a, path, ad->pids[i], e);

		if (r < 0)
			return err_context(e, "moving process %d to %s", (int)ad->pids[i], path);
	}
	return 0;
}

/*
 * A scope that is there gets the processes in its leaf directly; that is within what is delegated
 * to us.
 */
static int adopt_with_systemd(struct act *a, const struct adoption *ad, struct err *e)
{
	char leaf_path[PATH_KEPT + sizeof("/" MODELGOV_LEAF)];
	char scope[128], scope_path[PATH_KEPT] = "";
	sd_bus *bus = NULL;
	int r = bus_get(a, &bus, e);

	cgroup_scope_name(ad->model, scope, sizeof(scope));
	if (r == 0)
		r = scope_find(bus, scope, scope_path, sizeof(scope_path), e);
	if (r < 0)
		return r;
	bool is_new = !*scope_path;

	if (is_new && ad->experiments && (r = slice_limit(a, ad->experiments, e)) < 0)
		return r;
	if (is_new) {
		r = scope_start(bus, scope, ad, e);
		if (r == 0)
			r = scope_find(bus, scope, scope_path, sizeof(scope_path), e);
		if (r == 0 && !*scope_path)
			r = err_say(e, -ESRCH, "%s ended at once: its processes are gone", scope);
	}
	if (r < 0)
		return r;
	snprintf(leaf_path, sizeof(leaf_path), "%s/" MODELGOV_LEAF, scope_path);
	r = leaf_fill(a, scope_path, leaf_path, e);
	return r < 0 || is_new ? r : processes_attach(a, leaf_path, ad, e);
}

static int adopt_without_systemd(struct act *a, const struct adoption *ad, struct err *e)
{
	char path[128];
	int r = 0;

	snprintf(path, sizeof(path), "%s/%s",
		 ad->experiments ? MODELGOV_TREE_EXPERIMENTS : MODELGOV_TREE, ad->model);
	if (ad->experiments && (r = cold_make(a, MODELGOV_TREE_EXPERIMENTS, e)) == 0)
		r = tree_limit(a, ad->experiments, e);
	if (r == 0)
		r = cold_make(a, path, e);
	return r < 0 ? r : processes_attach(a, path, ad, e);
}

/* systemd drops ids of processes that do not exist without a word. */
static int pids_check(const struct adoption *ad, struct err *e)
{
	const int32_t *pids = ad->pids;

	if (ad->n_pids == 0)
		return err_say(e, -EINVAL, "no process to adopt");
	for (unsigned int i = 0; i < ad->n_pids; i++) {
		if (pids[i] <= 0)
			return err_say(e, -EINVAL, "%d is not a process id", (int)pids[i]);
		if (kill(pids[i], 0) < 0 && errno == ESRCH)
			return err_set(e, -ESRCH, "process %d", (int)pids[i]);
	}
	return 0;
}

int act_adopt(struct act *a, const struct adoption *ad, struct err *e)
{
	if (!model_name_is_valid(ad->model))
		return err_say(e, -EINVAL,
			       "'%s' is not a model's name; use 1 to 63 of a-z, 0-9 and inner '-'",
			       ad->model);
	int r = pids_check(ad, e);

	if (r == 0)
		r = a->has_systemd ? adopt_with_systemd(a, ad, e) : adopt_without_systemd(a, ad, e);
	return r < 0 ? err_context(e, "adopting into model %s", ad->model) : 0;
}

int act_confine(struct act *a, const struct budget *experiments, struct err *e)
{
	const char *path = a->has_systemd ? "/" MODELGOV_SLICE "/" MODELGOV_EXPERIMENTS
					  : MODELGOV_TREE_EXPERIMENTS;

	if (faccessat(a->root_fd, path + 1, F_OK, 0) < 0)
		return 0;
	return a->has_systemd ? slice_limit(a, experiments, e) : tree_limit(a, experiments, e);
}
