/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds what the daemon needs, in the order in which the parts lean on each other, and takes it down in the
 * reverse order, putting back all that was changed.
 */
#include "cgroup.h"
#include "daemon.h"

#include <errno.h>
#include <grp.h>
#include <sys/resource.h>
#include <syslog.h>

/* About twenty kept descriptors a cgroup: 100 models pass the usual 1024. */
static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* the old limit serves a smaller host */
	}
}

static gid_t viewer_gid(const char *name)
{
	const struct group *g = getgrnam(name);

	return g ? g->gr_gid : (gid_t)-1;
}

static void bus_connect(struct daemon *d)
{
	if (!systemd_is_running())
		return;
	int r = sd_bus_open_system(&d->bus);

	if (r < 0)
		log_warning("system bus: %s; units are found by their cgroups only, continuing",
			    strerror(-r));
}

static int rooms_open(struct daemon *d, struct err *e)
{
	const struct options *o = &d->options;
	const struct sense_options sense = { .pin_path = o->pin_path, .bus = d->bus };
	const struct act_options act = { .state_dir = o->state_dir };
	int r = directory_make(o->state_dir, 0750, e);

	if (r == 0)
		r = act_open(&act, &d->act, e);
	if (r == 0)
		r = worker_new("modelgov-act", d->act, &d->actor, e);
	if (r == 0)
		r = journal_open(o->state_dir, &d->journal, e);
	if (r == 0)
		r = sense_open(&sense, &d->sense, e);
	return r;
}

static int control_start(struct daemon *d, struct err *e)
{
	const struct control_options options = { .path = d->options.socket,
						 .methods = daemon_methods,
						 .userdata = d,
						 .viewer_gid = viewer_gid(d->options.viewer_group),
						 .role_of = people_role };

	return control_open(d->event, &options, &d->control, e);
}

int daemon_open(struct daemon *d, const struct options *options, struct err *e)
{
	*d = (struct daemon){ .options = *options, .started_wall_ns = clock_realtime_ns() };
	arena_init(&d->arena);
	descriptors_allow();
	int r = sd_event_default(&d->event);

	if (r < 0)
		return err_set(e, r, "event loop");
	bus_connect(d);
	if ((r = people_open(d, e)) < 0 || (r = rooms_open(d, e)) < 0 || (r = loop_open(d, e)) < 0 || (r = reload_open(d, e)) < 0)
		return r;
	return control_start(d, e);
}

/*
 * Waits for what is under way on act's thread, then puts everything back there too. ExecStopPost= does
 * the same for a daemon that was killed.
 */
static void changes_undo(struct daemon *d)
{
	if (!d->actor)
		return;
	if (act_ledger_size(d->act) > 0 && carry_restore(d, NULL, NULL) < 0)
		log_error("no memory to put values back; `modelgov restore` will");
	worker_free(d->actor); /* runs every job that is left and its done() */
	d->actor = NULL;
	policies_retire(d);
}

/*
 * Whether systemd stops us only to start us again: then the pinned sampler goes on counting and the next
 * daemon loses nothing. Any doubt means no: nothing is left behind.
 */
static bool is_restarting(const struct daemon *d)
{
	static const char service[] = "org.freedesktop.systemd1";
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *unit = NULL, *job = NULL;
	_cleanup_free_ char *type = NULL;
	const char *path, *job_path;
	uint32_t id;

	if (!d->bus || !getenv("INVOCATION_ID"))
		return false;
	if (sd_bus_call_method(d->bus, service, "/org/freedesktop/systemd1",
			       "org.freedesktop.systemd1.Manager", "GetUnitByPID", NULL, &unit, "u",
			       (uint32_t)getpid()) < 0 ||
	    sd_bus_message_read(unit, "o", &path) < 0 ||
	    sd_bus_get_property(d->bus, service, path, "org.freedesktop.systemd1.Unit", "Job", NULL,
				&job, "(uo)") < 0 ||
	    sd_bus_message_read(job, "(uo)", &id, &job_path) < 0 || id == 0 ||
	    sd_bus_get_property_string(d->bus, service, job_path, "org.freedesktop.systemd1.Job",
				       "JobType", NULL, &type) < 0)
		return false;
	return strcmp(type, "restart") == 0;
}

void daemon_close(struct daemon *d)
{
	changes_undo(d);
	shadow_end(d, "modelgovd stops");
	sense_close(d->sense, !is_restarting(d));
	changes_close(d->changes); /* before the journal: its answers come to nobody */
	journal_close(d->journal);
	control_close(d->control); /* after those that answer requests late */
	act_close(d->act);
	policy_free(d->slot.policy);
	free(d->retired);
	people_close(d);
	free(d->slot.refused);
	free(d->slot.warnings);
	state_fini(&d->state);
	plan_fini(&d->plan);
	arena_fini(&d->arena);
	sd_event_source_unref(d->tick_timer);
	sd_event_source_unref(d->reload_timer);
	for (size_t i = 0; i < ARRAY_SIZE(d->watches); i++)
		sd_event_source_unref(d->watches[i]);
	sd_bus_flush_close_unref(d->bus);
	sd_event_unref(d->event);
}
