/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the directory in /etc to the policy in force: loads at start, on a change of a file, on SIGHUP and
 * on request. A broken change leaves everything as it was and is kept for `status`.
 */
#include "daemon.h"

#include <errno.h>
#include <sys/inotify.h>
#include <syslog.h>

/* chosen: an editor's rename-write-chmod or a package's files arrive within this; people do not notice it */
#define QUIET_USEC 200000ULL

/* chosen: systemd answers within milliseconds; a busy one must not hold up readiness for long */
#define UNITS_WAIT_NS (2 * NSEC_PER_SEC)

bool daemon_enforces(const struct daemon *d)
{
	return d->slot.policy->host.mode == MODE_ENFORCE && !d->options.forces_observe &&
	       !d->is_restored;
}

/* Sensors, state and plan for the new policy; on failure nothing has changed. */
static int policy_prepare(struct daemon *d, const struct policy *p, struct state *ret_state,
			  struct plan *ret_plan, struct err *e)
{
	if (state_init(ret_state, p->n_models) < 0)
		return err_set(e, -ENOMEM, "state of %u models", p->n_models);
	/* chosen: four cgroups a model on average; what does not fit follows in the next tick */
	if (plan_init(ret_plan, p->n_models, MAX(64u, p->n_models * 4 * N_KNOBS)) < 0) {
		state_fini(ret_state);
		return err_set(e, -ENOMEM, "plan of %u models", p->n_models);
	}
	return 0;
}

/*
 * A policy that jobs on act's thread may still name is freed when the last of them is back; see
 * policies_retire().
 */
static void policy_replace(struct daemon *d, struct policy *take_policy)
{
	struct policy *old = d->slot.policy;

	d->slot.policy = take_policy;
	if (!old)
		return;
	d->retired[d->n_retired++] = old; /* there is room: see reload_now() */
	policies_retire(d);
}

void policies_retire(struct daemon *d)
{
	while (d->n_unsettled == 0 && d->n_retired > 0)
		policy_free(d->retired[--d->n_retired]);
}

static int policy_enter(struct daemon *d, struct policy *take_policy, struct err *e)
{
	struct state state;
	struct plan plan;
	int r = policy_prepare(d, take_policy, &state, &plan, e);

	if (r == 0 && (r = sense_follow(d->sense, take_policy, e)) < 0) {
		state_fini(&state);
		plan_fini(&plan);
	}
	if (r < 0) {
		policy_free(take_policy);
		return r;
	}
	if (d->slot.policy)
		state_carry(&d->state, d->slot.policy, take_policy, &state);
	state_fini(&d->state);
	plan_fini(&d->plan);
	d->state = state;
	d->plan = plan;
	d->now = NULL; /* its indices are the old policy's */
	policy_replace(d, take_policy);
	return 0;
}

static void refusal_keep(struct daemon *d, char *take_text, unsigned int n_errors)
{
	bool is_known = d->slot.refused && take_text && strcmp(d->slot.refused, take_text) == 0;

	free(d->slot.refused);
	d->slot.refused = take_text;
	d->slot.refused_errors = n_errors;
	if (is_known)
		return;
	d->slot.refused_wall_ns = clock_realtime_ns();
	log_event(LOG_ERR, ID_POLICY_REFUSED, NULL, "policy in %s is refused, the old one stays:\n%s",
		  d->options.etc, take_text ? take_text : "no memory for the findings");
	journal_event(d->journal, d->slot.refused_wall_ns, "policy_refused",
		      json_pack("{s:s, s:s}", "etc", d->options.etc, "findings",
				take_text ? take_text : ""));
}

static void policy_announce(struct daemon *d, const struct findings *f)
{
	const struct policy *p = d->slot.policy;

	free(d->slot.refused);
	free(d->slot.warnings);
	d->slot.refused = NULL;
	d->slot.warnings = f->n > 0 ? findings_print(f) : NULL;
	d->slot.loaded_wall_ns = clock_realtime_ns();
	log_event(LOG_INFO, ID_POLICY_LOADED, NULL, "policy %.12s in force: %u models, mode %s",
		  p->digest, p->n_models, daemon_enforces(d) ? "enforce" : "observe");
	if (d->slot.warnings)
		log_warning("%s", d->slot.warnings);
	journal_limit(d->journal, p->host.retention_ns, p->host.journal_limit_bytes);
	journal_policy(d->journal, d->slot.loaded_wall_ns, p);
	d->wants_release = true;
	loop_tick_soon(d);
}

/* One shot, pushed back by every further call. */
static void reload_soon(struct daemon *d)
{
	(void)sd_event_source_set_time_relative(d->reload_timer, QUIET_USEC);
	(void)sd_event_source_set_enabled(d->reload_timer, SD_EVENT_ONESHOT);
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	reload_soon(userdata);
	return 0;
}

static int directory_watch(struct daemon *d, const char *suffix, sd_event_source **watch,
			   struct err *e)
{
	_cleanup_free_ char *path = NULL;
	const uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
				 IN_ATTRIB | IN_ONLYDIR;

	*watch = sd_event_source_disable_unref(*watch);
	if (asprintf(&path, "%s%s", d->options.etc, suffix) < 0)
		return err_set(e, -ENOMEM, "watch %s", d->options.etc);
	int r = sd_event_add_inotify(d->event, watch, path, changes, on_change, d);

	return r < 0 ? err_set(e, r, "watch %s for changes", path) : 0;
}

/*
 * Anew before each look: a directory may have come, or been replaced by another of the same name. One that
 * is not there comes with a change of the one above it.
 */
static void directories_watch(struct daemon *d)
{
	struct err e = { 0 };

	if (directory_watch(d, "", &d->watches[0], &e) < 0)
		log_warning("%s; changes are seen only after `modelgov reload`, continuing", e.text);
	(void)directory_watch(d, "/models.d", &d->watches[1], &e);
	(void)directory_watch(d, "/templates.d", &d->watches[2], &e);
}

bool reload_now(struct daemon *d)
{
	struct policy_source source = { .etc = d->options.etc, .shipped = d->options.shipped };
	struct findings findings;
	struct policy *p = NULL;
	struct err e = { 0 };
	bool is_loaded = false;

	if (d->n_retired == ARRAY_SIZE(d->retired)) {
		/* that many changes while one action hangs: look again when it is back */
		reload_soon(d);
		return false;
	}
	directories_watch(d);
	findings_init(&findings);
	int r = host_facts_read(&source.facts, &e);

	if (r == 0)
		r = policy_load(&source, &p, &findings, &e);
	if (r == 0 && d->slot.policy && strcmp(p->digest, d->slot.policy->digest) == 0 &&
	    !d->slot.refused) {
		policy_free(p); /* a comment changed, or nothing */
		is_loaded = true;
	} else if (r == 0 && policy_enter(d, p, &e) == 0) {
		policy_announce(d, &findings);
		is_loaded = true;
	} else if (findings.n_errors > 0) {
		refusal_keep(d, findings_print(&findings), findings.n_errors);
	} else {
		refusal_keep(d, strdup(e.text), 1);
	}
	findings_fini(&findings);
	return is_loaded;
}

static int on_quiet(sd_event_source *timer, uint64_t usec, void *userdata)
{
	(void)reload_now(userdata); /* a refusal is logged and kept for status */
	return 0;
}

/*
 * The policy before the first that is right: no models, observe. A typo in /etc at boot must not keep the daemon
 * from saying so.
 */
static int policy_start_empty(struct daemon *d, struct err *e)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, -ENOMEM, "empty policy");
	arena_init(&p->arena);
	p->host = (struct host_policy){ .mode = MODE_OBSERVE, .tick_ns = NSEC_PER_SEC };
	return policy_enter(d, p, e);
}

int reload_open(struct daemon *d, struct err *e)
{
	int r = policy_start_empty(d, e);

	if (r == 0)
		r = sd_event_add_time_relative(d->event, &d->reload_timer, CLOCK_MONOTONIC,
					       QUIET_USEC, 0, on_quiet, d);
	if (r < 0)
		return e->code ? r : err_set(e, r, "timer for policy changes");
	(void)sd_event_source_set_enabled(d->reload_timer, SD_EVENT_OFF);
	(void)reload_now(d);
	struct err settling = { 0 };

	if (sense_settle(d->sense, UNITS_WAIT_NS, &settling) < 0)
		log_warning("%s; units appear with a later tick, continuing", settling.text);
	return 0;
}
