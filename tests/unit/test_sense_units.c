/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to systemd, answered by a server of our own at the other end of a socket pair: right
 * answers, refusals, silence, and a connection that breaks.
 */
#include "sense/units.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#define UNIT_PREFIX "/org/freedesktop/systemd1/unit"

/* ---- a systemd to play with ------------------------------------------------------------------ */

static sd_bus *server, *client;
static struct units *units;
static bool is_silent;           /* takes calls and does not answer */
static const char *running_path; /* of ocr.service; NULL: stopped */
static unsigned int n_asked, n_loaded, n_open, n_open_most;

static int reply_text(sd_bus_message *call, const char *text)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

	cr_assert_geq(sd_bus_message_new_method_return(call, &reply), 0);
	cr_assert_geq(sd_bus_message_append(reply, "v", "s", text), 0);
	return sd_bus_send(server, reply, NULL) < 0 ? -EIO : 1;
}

/* ocr.service may run, halt.service never does, ghost.service is none, many-N.service run. */
static int property_answer(sd_bus_message *call)
{
	_cleanup_free_ char *unit = NULL;
	const char *interface, *property;
	char path[128];

	cr_assert_gt(sd_bus_path_decode(sd_bus_message_get_path(call), UNIT_PREFIX, &unit), 0);
	cr_assert_gt(sd_bus_message_read(call, "ss", &interface, &property), 0);
	if (strcmp(unit, "refused.service") == 0)
		return sd_bus_reply_method_errorf(call, "org.freedesktop.systemd1.NoSuchUnit",
						  "no");
	if (strcmp(unit, "ailing.service") == 0)
		return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_NO_MEMORY, "ill");
	n_loaded += strcmp(property, "LoadState") == 0;
	if (strcmp(property, "LoadState") == 0)
		return reply_text(call,
				  strcmp(unit, "ghost.service") == 0 ? "not-found" : "loaded");
	cr_assert_str_eq(property, "ControlGroup");
	cr_assert_str_eq(interface, strstr(unit, ".scope") ? "org.freedesktop.systemd1.Scope"
							   : "org.freedesktop.systemd1.Service");
	snprintf(path, sizeof(path), "/system.slice/%s", unit);
	if (strcmp(unit, "ocr.service") == 0)
		return reply_text(call, running_path ? running_path : "");
	return reply_text(call, strncmp(unit, "many-", 5) == 0 ? path : "");
}

static int reply_unit(sd_bus_message *call, const char *unit)
{
	_cleanup_free_ char *object = NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

	cr_assert_geq(sd_bus_path_encode(UNIT_PREFIX, unit, &object), 0);
	cr_assert_geq(sd_bus_message_new_method_return(call, &reply), 0);
	cr_assert_geq(sd_bus_message_append(reply, "o", object), 0);
	return sd_bus_send(server, reply, NULL) < 0 ? -EIO : 1;
}

/* Loaded is what runs, and what is ill. */
static int unit_answer(sd_bus_message *call)
{
	const char *unit;

	cr_assert_gt(sd_bus_message_read(call, "s", &unit), 0);
	if (strncmp(unit, "many-", 5) == 0 || strcmp(unit, "ailing.service") == 0 ||
	    (running_path && strcmp(unit, "ocr.service") == 0))
		return reply_unit(call, unit);
	return sd_bus_reply_method_errorf(call, "org.freedesktop.systemd1.NoSuchUnit", "no");
}

/* What lies in /system.slice/ocr.service belongs to ocr.service, the rest to nobody. */
static int around_answer(sd_bus_message *call)
{
	const char *path;

	cr_assert_gt(sd_bus_message_read(call, "s", &path), 0);
	if (strncmp(path, "/system.slice/ocr.service", 25) == 0)
		return reply_unit(call, "ocr.service");
	return sd_bus_reply_method_errorf(call, "org.freedesktop.systemd1.NoSuchUnit", "no");
}

static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	n_asked++;
	n_open++;
	n_open_most = MAX(n_open_most, n_open);
	if (is_silent)
		return 1;
	n_open--;
	if (sd_bus_message_is_method_call(call, NULL, "GetUnit"))
		return unit_answer(call);
	return sd_bus_message_is_method_call(call, NULL, "Get") ? property_answer(call)
								: around_answer(call);
}

static void setup(void)
{
	sd_id128_t id;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert_geq(sd_id128_randomize(&id), 0);
	cr_assert_geq(sd_bus_new(&server), 0);
	cr_assert_geq(sd_bus_set_fd(server, pair[0], pair[0]), 0);
	cr_assert_geq(sd_bus_set_server(server, 1, id), 0);
	cr_assert_geq(sd_bus_add_filter(server, NULL, on_call, NULL), 0);
	cr_assert_geq(sd_bus_start(server), 0);
	cr_assert_geq(sd_bus_new(&client), 0);
	cr_assert_geq(sd_bus_set_fd(client, pair[1], pair[1]), 0);
	cr_assert_geq(sd_bus_start(client), 0);
	units = units_new(client);
	cr_assert_not_null(units);
}

static void teardown(void)
{
	units_free(units);
	sd_bus_close_unref(client);
	sd_bus_close_unref(server);
}

/* Both ends do all that they have to do. */
static void settle(void)
{
	units_flush(units);
	for (int idle = 0; idle < 8;) {
		int a = server ? sd_bus_process(server, NULL) : 0;
		int b = sd_bus_process(client, NULL);

		idle = a > 0 || b > 0 ? 0 : idle + 1;
	}
}

static const struct unit_fact *located(const char *unit)
{
	cr_assert_not_null(units_locate(units, unit, true));
	settle();
	return units_locate(units, unit, false);
}

static const char *owner_of(const char *path)
{
	(void)units_at(units, path, 1);
	settle();
	return units_at(units, path, 1);
}

TestSuite(sense_units, .init = setup, .fini = teardown);

/* ---- answers --------------------------------------------------------------------------------- */

Test(sense_units, a_running_unit_has_a_path)
{
	running_path = "/system.slice/ocr.service";
	const struct unit_fact *fact = located("ocr.service");

	cr_assert_eq(fact->state, UNIT_RUNNING);
	cr_assert_str_eq(fact->path, "/system.slice/ocr.service");
}

Test(sense_units, nothing_is_known_before_the_answer)
{
	const struct unit_fact *fact = units_locate(units, "ocr.service", true);

	cr_assert_eq(fact->state, UNIT_UNKNOWN);
	cr_assert_null(fact->path);
	cr_assert_eq(fact->n_answers, 0);
	cr_assert_null(units_at(units, "/system.slice/ocr.service", 1));
}

Test(sense_units, a_stopped_unit_is_told_from_one_that_does_not_exist)
{
	cr_assert_eq(located("halt.service")->state, UNIT_STOPPED);
	cr_assert_eq(located("ghost.service")->state, UNIT_ABSENT);
	cr_assert_eq(located("refused.service")->state, UNIT_ABSENT);
	cr_assert_eq(units_problem(units), 0, "these are answers");
}

Test(sense_units, asking_again_for_an_idle_unit_does_not_load_it_again)
{
	(void)located("halt.service");
	(void)located("ghost.service");
	cr_assert_eq(n_loaded, 2);
	cr_assert_eq(located("halt.service")->state, UNIT_STOPPED);
	cr_assert_eq(located("ghost.service")->state, UNIT_ABSENT);
	cr_assert_eq(n_loaded, 2, "loading tells everybody, and that makes us ask again");
}

Test(sense_units, a_unit_without_cgroup_by_its_type_is_not_asked_for)
{
	cr_assert_eq(located("ocr.timer")->state, UNIT_ABSENT);
	cr_assert_eq(located("ocr")->state, UNIT_ABSENT);
	cr_assert_eq(n_asked, 0);
}

Test(sense_units, a_unit_that_moved_is_found_when_asked_again)
{
	running_path = "/system.slice/ocr.service";
	(void)located("ocr.service");
	running_path = "/ml.slice/ocr.service";
	cr_assert_str_eq(located("ocr.service")->path, "/ml.slice/ocr.service");
	running_path = NULL;
	cr_assert_eq(located("ocr.service")->state, UNIT_STOPPED);
	cr_assert_null(located("ocr.service")->path);
}

Test(sense_units, a_cgroup_belongs_to_the_unit_whose_own_it_is)
{
	running_path = "/system.slice/ocr.service";
	cr_assert_str_eq(owner_of("/system.slice/ocr.service"), "ocr.service");
	cr_assert_str_eq(owner_of("/system.slice/ocr.service/worker"), "", "below a unit's own");
	cr_assert_str_eq(owner_of("/elsewhere"), "");
}

Test(sense_units, a_cgroup_made_anew_is_asked_for_again)
{
	running_path = "/system.slice/ocr.service";
	cr_assert_str_eq(owner_of("/system.slice/ocr.service"), "ocr.service");
	cr_assert_null(units_at(units, "/system.slice/ocr.service", 2), "another id");
}

Test(sense_units, only_an_answer_that_says_something_new_is_news)
{
	running_path = "/system.slice/ocr.service";
	(void)located("ocr.service");
	cr_assert(units_have_news(units));
	cr_assert_not(units_have_news(units), "told once");
	uint64_t n = units_locate(units, "ocr.service", false)->n_answers;

	cr_assert_eq(located("ocr.service")->n_answers, n + 1);
	cr_assert_not(units_have_news(units), "the same as before");
}

/* ---- many, none, broken ---------------------------------------------------------------------- */

Test(sense_units, a_hundred_units_are_asked_for_a_few_at_a_time)
{
	char name[64];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "many-%d.service", i);
		cr_assert_not_null(units_locate(units, name, true));
	}
	is_silent = true;
	settle();
	cr_assert_leq(n_open_most, 32, "dbus-daemon closes the door at 128");
	cr_assert_gt(n_open_most, 0);
}

Test(sense_units, a_hundred_units_are_all_answered)
{
	char name[64];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			snprintf(name, sizeof(name), "many-%d.service", i);
			cr_assert_not_null(units_locate(units, name, round == 0));
		}
		settle();
	}
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "many-%d.service", i);
		cr_assert_eq(units_locate(units, name, false)->state, UNIT_RUNNING, "%s", name);
	}
}

Test(sense_units, what_nobody_asks_for_any_more_is_forgotten)
{
	running_path = "/system.slice/ocr.service";
	(void)located("ocr.service");
	units_flush(units); /* it was wanted since the last flush */
	units_flush(units); /* it was not */
	cr_assert_eq(units_locate(units, "ocr.service", false)->state, UNIT_UNKNOWN);
}

Test(sense_units, an_error_that_is_not_about_the_unit_is_a_problem_and_no_answer)
{
	const struct unit_fact *fact = located("ailing.service");

	cr_assert_eq(fact->state, UNIT_UNKNOWN);
	cr_assert_eq(fact->n_answers, 0);
	cr_assert_eq(units_problem(units), -ENOMEM);
	running_path = "/system.slice/ocr.service";
	(void)located("ocr.service");
	cr_assert_eq(units_problem(units), 0, "it answers again");
}

Test(sense_units, waiting_for_a_silent_systemd_ends)
{
	is_silent = true;
	(void)units_locate(units, "ocr.service", true);
	settle();
	cr_assert_eq(units_wait(units, NSEC_PER_MSEC), -ETIMEDOUT);
}

Test(sense_units, waiting_for_nothing_takes_no_time)
{
	cr_assert_eq(units_wait(units, 3600 * NSEC_PER_SEC), 0);
}

Test(sense_units, a_connection_that_breaks_keeps_the_last_answers)
{
	running_path = "/system.slice/ocr.service";
	(void)located("ocr.service");
	(void)units_locate(units, "ocr.service", true);
	(void)units_locate(units, "halt.service", true);
	server = sd_bus_close_unref(server);
	settle();
	cr_assert_str_eq(units_locate(units, "ocr.service", false)->path,
			 "/system.slice/ocr.service");
	cr_assert_eq(units_locate(units, "halt.service", false)->state, UNIT_UNKNOWN);
	cr_assert_neq(units_problem(units), 0);
}

Test(sense_units, questions_under_way_can_be_left)
{
	is_silent = true;
	(void)units_locate(units, "ocr.service", true);
	(void)units_at(units, "/x", 1);
	settle(); /* and teardown frees them */
	cr_assert_eq(n_open, 2);
}
