/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one event loop: timer, signals, the sampler's breaches, worker threads and D-Bus become ticks and
 * requests. Does no work of its own.
 */
#include "daemon.h"

#include <signal.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>

/*
 * A breach wakes the loop at once, but no oftener than this many times per regular tick and no sooner than
 * this part of it after the last: the law counts in ticks, and a flood of breaches must not turn them
 * into a busy loop. Chosen.
 */
#define EARLY_TICKS_MAX 1
#define EARLY_TICK_PART 4
#define BREACHES_AT_ONCE 64
#define TICK_ACCURACY_USEC 1000ULL /* chosen: lets the kernel join wake-ups, invisible beside a tick */

static void tick_schedule(struct daemon *d, uint64_t at_ns)
{
	d->next_tick_ns = at_ns;
	(void)sd_event_source_set_time(d->tick_timer, at_ns / NSEC_PER_USEC);
	(void)sd_event_source_set_enabled(d->tick_timer, SD_EVENT_ONESHOT);
}

/* Ticks stay on their grid; those that were missed (suspend, a stopped process) are left out. */
static int on_tick(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct daemon *d = userdata;
	uint64_t tick_ns = d->slot.policy->host.tick_ns;
	uint64_t due_ns = d->next_tick_ns, now_ns = clock_monotonic_ns();

	d->early_ticks = 0;
	tick_run(d);
	due_ns += tick_ns;
	if (due_ns <= now_ns)
		due_ns = now_ns + tick_ns;
	tick_schedule(d, due_ns);
	return 0;
}

void loop_tick_soon(struct daemon *d)
{
	if (d->tick_timer)
		tick_schedule(d, clock_monotonic_ns());
}

static int on_breach(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *d = userdata;
	struct breach breaches[BREACHES_AT_ONCE];
	uint64_t tick_ns = d->slot.policy->host.tick_ns;

	while (sense_breaches(d->sense, breaches, BREACHES_AT_ONCE) == BREACHES_AT_ONCE)
		; /* each is in the model's counter already; here only the waking matters */
	if (d->early_ticks >= EARLY_TICKS_MAX ||
	    clock_monotonic_ns() + tick_ns < d->next_tick_ns + tick_ns / EARLY_TICK_PART)
		return 0;
	d->early_ticks++;
	tick_run(d);
	return 0;
}

static int on_write(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *d = userdata;

	sense_writes_read(d->sense);
	return 0;
}

static int on_acted(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *d = userdata;

	worker_reap(d->actor);
	policies_retire(d);
	return 0;
}

static int on_journal(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *d = userdata;

	journal_dispatch(d->journal);
	return 0;
}

static int on_units_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct daemon *d = userdata;
	int is_reloading;

	if (sd_bus_message_is_signal(message, NULL, "Reloading") > 0 &&
	    sd_bus_message_read(message, "b", &is_reloading) > 0)
		sense_note_reload(d->sense, is_reloading);
	sense_refresh(d->sense);
	return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)reload_now(userdata, NULL, NULL);
	return 0;
}

static int signals_open(struct daemon *d)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	if ((r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL)) < 0 ||
	    (r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL)) < 0)
		return r;
	return sd_event_add_signal(d->event, NULL, SIGHUP, on_hangup, d);
}

/* systemd tells of units that come, go or are reloaded only to those who subscribed. */
static int bus_listen(struct daemon *d)
{
	static const char *const signals[] = { "UnitNew", "UnitRemoved", "JobRemoved", "Reloading" };
	int r = sd_bus_call_method(d->bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
				   "org.freedesktop.systemd1.Manager", "Subscribe", NULL, NULL, "");

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_bus_match_signal(d->bus, NULL, "org.freedesktop.systemd1",
					"/org/freedesktop/systemd1",
					"org.freedesktop.systemd1.Manager", signals[i],
					on_units_changed, d);
	return r < 0 ? r : sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
}

int loop_open(struct daemon *d, struct err *e)
{
	int breach_fd = sense_breach_fd(d->sense), writes_fd = sense_writes_fd(d->sense);
	int r = signals_open(d);

	if (r < 0)
		return err_set(e, r, "handle signals");
	r = sd_event_add_io(d->event, NULL, worker_fd(d->actor), EPOLLIN, on_acted, d);
	if (r >= 0)
		r = sd_event_add_io(d->event, NULL, journal_fd(d->journal), EPOLLIN, on_journal, d);
	if (r >= 0 && breach_fd >= 0)
		r = sd_event_add_io(d->event, NULL, breach_fd, EPOLLIN, on_breach, d);
	if (r >= 0 && writes_fd >= 0)
		r = sd_event_add_io(d->event, NULL, writes_fd, EPOLLIN, on_write, d);
	d->next_tick_ns = clock_monotonic_ns();
	if (r >= 0)
		r = sd_event_add_time(d->event, &d->tick_timer, CLOCK_MONOTONIC,
				      d->next_tick_ns / NSEC_PER_USEC, TICK_ACCURACY_USEC, on_tick, d);
	if (r < 0)
		return err_set(e, r, "set up the event loop");
	if (d->bus && (r = bus_listen(d)) < 0)
		log_warning("listening to systemd: %s; changed units are found late, continuing",
			    strerror(-r));
	return 0;
}

int loop_run(struct daemon *d, struct err *e)
{
	int r = sd_event_set_watchdog(d->event, true);

	if (r < 0)
		log_warning("watchdog: %s, continuing without", strerror(-r));
	(void)sd_notifyf(0, "READY=1\nSTATUS=%u models, %s%s", d->slot.policy->n_models,
			 daemon_enforces(d) ? "enforcing" : "observing",
			 d->slot.refused ? "; the policy in /etc is refused, see modelgov status" : "");
	r = sd_event_loop(d->event);
	(void)sd_notify(0, "STOPPING=1");
	return r < 0 ? err_set(e, r, "event loop") : 0;
}
