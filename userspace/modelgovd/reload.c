/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the directory in /etc to a change: looks at start, when a file changed, on SIGHUP and on
 * request, and proposes what is neither in force nor was proposed last. A broken /etc leaves
 * everything as it was and is kept for `status`.
 */
#include "daemon.h"

#include <errno.h>
#include <sys/inotify.h>
#include <syslog.h>

/* chosen: an editor's rename-write-chmod or a package's files arrive within this; people do not
 * notice it */
#define QUIET_USEC 200000ULL

/* chosen: as often as the record itself is tried again */
#define RECORD_USEC 10000000ULL

/* chosen: systemd answers within milliseconds; a busy one must not hold up readiness for long */
#define UNITS_WAIT_NS (2 * NSEC_PER_SEC)

static void refusal_keep(struct daemon *d, char *take_text, unsigned int n_errors)
{
	bool is_known = d->slot.refused && take_text && strcmp(d->slot.refused, take_text) == 0;

	free(d->slot.refused);
	d->slot.refused = take_text;
	d->slot.refused_errors = n_errors;
	if (is_known)
		return;
	d->slot.refused_wall_ns = clock_realtime_ns();
	log_event(LOG_ERR, ID_POLICY_REFUSED, NULL,
		  "policy in %s is refused, the old one stays:\n%s", d->options.etc,
		  take_text ? take_text : "no memory for the findings");
	journal_event(d->journal, d->slot.refused_wall_ns, "policy_refused",
		      json_pack("{s:s, s:s}", "etc", d->options.etc, "findings",
				take_text ? take_text : ""));
}

/* One shot, pushed back by every further call. */
static void reload_in(struct daemon *d, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(d->reload_timer, usec);
	(void)sd_event_source_set_enabled(d->reload_timer, SD_EVENT_ONESHOT);
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	reload_in(userdata, QUIET_USEC);
	return 0;
}

static int directory_watch(struct daemon *d, const char *suffix, sd_event_source **watch,
			   struct err *e)
{
	_cleanup_free_ char *path = NULL;
	const uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
				 IN_DELETE | IN_ATTRIB | IN_ONLYDIR;

	*watch = sd_event_source_disable_unref(*watch);
	if (asprintf(&path, "%s%s", d->options.etc, suffix) < 0)
		return err_set(e, -ENOMEM, "watch %s", d->options.etc);
	int r = sd_event_add_inotify(d->event, watch, path, changes, on_change, d);

	return r < 0 ? err_set(e, r, "watch %s for changes", path) : 0;
}

/*
 * Anew before each look: a directory may have come, or been replaced by another of the same name.
 * One that is not there comes with a change of the one above it.
 */
static void directories_watch(struct daemon *d)
{
	struct err e = { 0 };

	if (directory_watch(d, "", &d->watches[0], &e) < 0)
		log_warning("%s; changes are seen only after `modelgov reload`, continuing",
			    e.text);
	(void)directory_watch(d, "/models.d", &d->watches[1], &e);
	(void)directory_watch(d, "/templates.d", &d->watches[2], &e);
}

static void on_proposed(json_t *take_document, const char *problem, void *userdata)
{
	const struct daemon *d = userdata;

	json_decref(take_document);
	if (problem)
		log_warning("the policy in %s is not proposed: %s", d->options.etc, problem);
}

void etc_compare(struct daemon *d)
{
	const struct policy_slot *s = &d->slot;
	bool is_drifted = *s->etc_digest && strcmp(s->etc_digest, s->policy->digest) != 0;

	if (is_drifted && !s->is_etc_drifted) {
		log_warning("%s holds policy %.12s, not %.12s that is in force; "
			    "modelgov diff --etc shows the difference",
			    d->options.etc, s->etc_digest, s->policy->digest);
		journal_event(d->journal, clock_realtime_ns(), "etc_drift",
			      json_pack("{s:s, s:s, s:s}", "etc", d->options.etc, "etc_digest",
					s->etc_digest, "in_force", s->policy->digest));
	}
	d->slot.is_etc_drifted = is_drifted;
}

/* What is in /etc is right: it is in force, was looked at before, or becomes a change. */
static void etc_consider(struct daemon *d, const struct policy *p, const struct findings *f,
			 change_reply *reply, void *userdata)
{
	static const struct person root = {
		.name = "root", .is_viewer = true, .is_operator = true, .is_approver = true
	};
	_cleanup_free_ char *canonical = NULL;
	struct proposal proposal = { .author = &root,
				     .reason = "",
				     .ticket = "",
				     .source = "etc",
				     .applies = d->slot.policy->host.apply == APPLY_AUTO };

	free(d->slot.refused);
	free(d->slot.warnings);
	d->slot.refused = NULL;
	d->slot.warnings = f->n > 0 ? findings_print(f) : NULL;
	if (d->slot.warnings && strcmp(d->slot.etc_digest, p->digest) != 0)
		log_warning("%s", d->slot.warnings);
	snprintf(d->slot.etc_digest, sizeof(d->slot.etc_digest), "%s", p->digest);
	if (!changes_are_known(d->changes)) /* whether this is news is known when it is back */
		reload_in(d, RECORD_USEC);
	if (!changes_consider(d->changes, p->digest)) {
		etc_compare(d);
		if (reply)
			reply(NULL, NULL, userdata);
		return;
	}
	proposal.canonical = canonical = policy_canonical(p);
	if (canonical)
		change_propose(d->changes, &proposal, reply ? reply : on_proposed,
			       reply ? userdata : d);
	else if (reply)
		reply(NULL, "out of memory", userdata);
}

bool reload_now(struct daemon *d, change_reply *reply, void *userdata)
{
	struct policy_source source = { .etc = d->options.etc, .shipped = d->options.shipped };
	struct findings findings;
	struct policy *p = NULL;
	struct err e = { 0 };

	directories_watch(d);
	people_forget(d);
	findings_init(&findings);
	int r = host_facts_read(&source.facts, &e);

	if (r == 0)
		r = policy_load(&source, &p, &findings, &e);
	if (r == 0)
		etc_consider(d, p, &findings, reply, userdata);
	else if (findings.n_errors > 0)
		refusal_keep(d, findings_print(&findings), findings.n_errors);
	else
		refusal_keep(d, strdup(e.text), 1);
	policy_free(p);
	findings_fini(&findings);
	return r == 0;
}

static int on_quiet(sd_event_source *timer, uint64_t usec, void *userdata)
{
	(void)reload_now(userdata, NULL, NULL); /* a refusal is logged and kept for status */
	return 0;
}

/* One line of the log for each step; the record has all of it. */
static void change_tell(const json_t *document, const char *step, void *userdata)
{
	const char *ending = json_string_value(json_object_get(document, "ending"));
	const char *state = json_string_value(json_object_get(document, "state"));
	bool is_bad = strcmp(state, "refused") == 0 || strcmp(state, "rolled_back") == 0;

	log_event(is_bad ? LOG_WARNING : LOG_INFO, ID_CHANGE, NULL,
		  "change %lld by %s: %s, now %s%s%s",
		  (long long)json_integer_value(json_object_get(document, "id")),
		  json_string_value(json_object_get(document, "author")), step, state,
		  *ending ? ": " : "", ending);
}

static int gates_directories(struct daemon *d, char **ret_etc, char **ret_shipped, struct err *e)
{
	*ret_etc = *ret_shipped = NULL;
	if (asprintf(ret_etc, "%s/gates.d", d->options.etc) < 0 ||
	    asprintf(ret_shipped, "%s/gates.d", d->options.shipped) < 0)
		return err_set(e, -ENOMEM, "gates");
	return 0;
}

/* What the last daemon left: its generation comes into force, its open changes go on. */
static int changes_start(struct daemon *d, struct err *e)
{
	_cleanup_free_ char *etc = NULL, *shipped = NULL;
	struct changes_options options = { .event = d->event,
					   .bus = d->bus,
					   .journal = d->journal,
					   .etc = d->options.etc,
					   .enter = policy_come,
					   .tell = change_tell,
					   .userdata = d };
	int r = gates_directories(d, &etc, &shipped, e);

	if (r == 0)
		r = host_facts_read(&options.facts, e);
	options.gates_dirs[0] = etc;
	options.gates_dirs[1] = shipped;
	return r < 0 ? r : changes_open(&options, &d->changes, e);
}

int reload_open(struct daemon *d, struct err *e)
{
	int r = policy_start_empty(d, e);

	if (r == 0)
		r = changes_start(d, e);
	if (r == 0)
		r = sd_event_add_time_relative(d->event, &d->reload_timer, CLOCK_MONOTONIC,
					       QUIET_USEC, 0, on_quiet, d);
	if (r < 0)
		return e->code ? r : err_set(e, r, "timer for policy changes");
	(void)sd_event_source_set_enabled(d->reload_timer, SD_EVENT_OFF);
	(void)reload_now(d, NULL, NULL);
	struct err settling = { 0 };

	if (sense_settle(d->sense, UNITS_WAIT_NS, &settling) < 0)
		log_warning("%s; units appear with a later tick, continuing", settling.text);
	return 0;
}
