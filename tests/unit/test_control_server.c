/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the control socket over a real socket in a folder of the test's own. The loop runs
 * by hand, turn by turn, so that nothing depends on time; only control_call() needs the loop on a
 * second thread.
 */
#include "control/server.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NO_GROUP ((gid_t)-1)

static char folder[] = "/tmp/modelgov-control-XXXXXX";
static char path[64];
static sd_event *event;
static struct control *control;
static struct err e;

/* ---- a daemon with four methods -------------------------------------------------------------- */

struct fake {
	unsigned int n_calls;
	struct request *kept; /* of Later, unanswered */
};

static struct fake fake;

static void on_echo(struct request *r, json_t *parameters, void *userdata)
{
	struct fake *f = userdata;

	f->n_calls++;
	request_reply(r, json_pack("{s:O}", "text", json_object_get(parameters, "text")));
}

static void on_later(struct request *r, json_t *parameters, void *userdata)
{
	((struct fake *)userdata)->kept = r;
}

static void on_huge(struct request *r, json_t *parameters, void *userdata)
{
	json_int_t bytes = json_integer_value(json_object_get(parameters, "bytes"));
	char *text = malloc((size_t)bytes);

	memset(text, 'x', (size_t)bytes);
	request_reply(r, json_pack("{s:s%}", "text", text, (size_t)bytes));
	free(text);
}

static void on_fail(struct request *r, json_t *parameters, void *userdata)
{
	request_fail(r, "NotFound", "no model %s; models are: %s", "x", "ocr");
}

static const struct method methods[] = {
	{ "Echo", ROLE_VIEWER, "(text: string) -> (text: string)", "Says it again", on_echo },
	{ "Later", ROLE_VIEWER, "() -> (ok: bool)", "Answers when it likes", on_later },
	{ "Huge", ROLE_VIEWER, "(bytes: int) -> (text: string)", "Says much", on_huge },
	{ "Fail", ROLE_OPERATOR, "() -> ()", "Never works", on_fail },
	{ 0 },
};

static int daemon_listen(gid_t viewers, struct control **ret_control)
{
	struct control_options options = {
		.path = path, .methods = methods, .userdata = &fake, .viewer_gid = viewers
	};

	return control_open(event, &options, ret_control, &e);
}

static void begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/run/control", folder);
	cr_assert_geq(sd_event_new(&event), 0);
	cr_assert_eq(daemon_listen(NO_GROUP, &control), 0, "%s", e.text);
}

static void end(void)
{
	char parent[64];

	control_close(control);
	sd_event_unref(event);
	(void)unlink(path);
	snprintf(parent, sizeof(parent), "%s/run", folder);
	(void)rmdir(parent);
	(void)rmdir(folder);
}

TestSuite(control, .init = begin, .fini = end, .timeout = 30);

/* Every turn that has something to do. */
static void loop_settle(void)
{
	for (int turns = 0; turns < 10000; turns++)
		if (sd_event_run(event, 0) == 0)
			return;
	cr_assert_fail("the loop is never quiet");
}

/* ---- a client -------------------------------------------------------------------------------- */

static int client_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s",
		     strerror(errno));
	loop_settle();
	return fd;
}

static void client_say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), (ssize_t)strlen(text) + 1);
}

/* What has arrived: a reply without its NUL; "" nothing yet; NULL closed. */
static const char *client_hear(int fd)
{
	static char text[4096];
	size_t n = 0;
	ssize_t r;

	loop_settle();
	/* byte by byte, so that the next reply stays where it is */
	while ((r = recv(fd, text + n, 1, 0)) == 1 && text[n])
		n++;
	text[n] = '\0';
	return r == 1 || n > 0 ? text : r < 0 && errno == EAGAIN ? "" : NULL;
}

static const char *ask(int fd, const char *text)
{
	client_say(fd, text);
	return client_hear(fd);
}

#define CALL(method, parameters)                                                                   \
	"{\"method\":\"org.modelgov.Governor." method "\",\"parameters\":" parameters "}"
#define ECHO(text)   CALL("Echo", "{\"text\":\"" text "\"}")
#define ECHOED(text) "{\"parameters\":{\"text\":\"" text "\"}}"

#define assert_has(text, part) cr_assert_not_null(strstr(text, part), "'%s' lacks '%s'", text, part)

/* ---- calls ----------------------------------------------------------------------------------- */

Test(control, a_call_gets_its_reply_on_the_same_connection_again_and_again)
{
	int fd = client_open();

	cr_assert_str_eq(ask(fd, ECHO("a")), ECHOED("a"));
	cr_assert_str_eq(ask(fd, ECHO("b")), ECHOED("b"));
	close(fd);
}

Test(control, calls_sent_at_once_are_answered_in_order)
{
	int fd = client_open();

	client_say(fd, ECHO("1"));
	client_say(fd, ECHO("2"));
	client_say(fd, ECHO("3"));
	cr_assert_str_eq(client_hear(fd), ECHOED("1"));
	cr_assert_str_eq(client_hear(fd), ECHOED("2"));
	cr_assert_str_eq(client_hear(fd), ECHOED("3"));
	close(fd);
}

Test(control, a_later_answer_holds_back_only_its_own_connection)
{
	int slow = client_open(), quick = client_open();

	client_say(slow, CALL("Later", "{}"));
	client_say(slow, ECHO("after"));
	cr_assert_str_eq(client_hear(slow), "");
	cr_assert_str_eq(ask(quick, ECHO("now")), ECHOED("now"));
	request_reply(fake.kept, json_pack("{s:b}", "ok", 1));
	cr_assert_str_eq(client_hear(slow), "{\"parameters\":{\"ok\":true}}");
	cr_assert_str_eq(client_hear(slow), ECHOED("after"));
	close(slow);
	close(quick);
}

Test(control, an_answer_to_a_client_that_has_gone_is_dropped)
{
	int fd = client_open();

	client_say(fd, CALL("Later", "{}"));
	loop_settle();
	close(fd);
	loop_settle();
	cr_assert_eq(control->n_connections, 0, "the place is free at once");
	request_reply(fake.kept, json_pack("{s:b}", "ok", 1));
	loop_settle();
}

Test(control, an_answer_after_the_daemon_closed_the_socket_is_dropped)
{
	int fd = client_open();

	client_say(fd, CALL("Later", "{}"));
	loop_settle();
	control_close(control);
	control = NULL;
	request_fail(fake.kept, "Failed", "too late");
	close(fd);
}

Test(control, a_client_that_closed_its_sending_half_still_gets_its_answer)
{
	int fd = client_open();

	client_say(fd, CALL("Later", "{}"));
	shutdown(fd, SHUT_WR);
	cr_assert_str_eq(client_hear(fd), "");
	request_reply(fake.kept, json_pack("{s:b}", "ok", 1));
	cr_assert_str_eq(client_hear(fd), "{\"parameters\":{\"ok\":true}}");
	cr_assert_null(client_hear(fd), "and then the connection ends");
	close(fd);
}

Test(control, a_oneway_call_runs_without_a_reply)
{
	int fd = client_open();

	client_say(fd, "{\"method\":\"org.modelgov.Governor.Echo\",\"parameters\":{\"text\":\"x\"},"
		       "\"oneway\":true}");
	client_say(fd, "{\"method\":\"org.modelgov.Governor.Nope\",\"oneway\":true}");
	cr_assert_str_eq(ask(fd, ECHO("y")), ECHOED("y"),
			 "the next reply belongs to the next call");
	cr_assert_eq(fake.n_calls, 2);
	close(fd);
}

/* ---- errors ---------------------------------------------------------------------------------- */

Test(control, wrong_calls_get_the_errors_of_the_varlink_standard)
{
	static const struct {
		const char *call, *error, *detail;
	} cases[] = {
		{ CALL("Nope", "{}"), "org.varlink.service.MethodNotFound", "\"method\":\"Nope\"" },
		{ "{\"method\":\"org.example.A.B\"}", "org.varlink.service.InterfaceNotFound",
		  "\"interface\":\"org.example.A\"" },
		{ "{\"method\":\"Status\"}", "org.varlink.service.InvalidParameter",
		  "\"parameter\":\"method\"" },
		{ CALL("Echo", "{}"), "org.varlink.service.InvalidParameter",
		  "\"parameter\":\"text\"" },
		{ CALL("Echo", "{\"text\":1}"), "org.varlink.service.InvalidParameter",
		  "\"parameter\":\"text\"" },
		{ CALL("Echo", "{\"text\":\"\",\"x\":1}"), "org.varlink.service.InvalidParameter",
		  "\"parameter\":\"x\"" },
		{ CALL("Fail", "{}"), "org.modelgov.Governor.NotFound",
		  "\"message\":\"no model x; models are: ocr\"" },
	};
	int fd = client_open();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *answer = ask(fd, cases[i].call);

		assert_has(answer, cases[i].error);
		assert_has(answer, cases[i].detail);
	}
	cr_assert_eq(fake.n_calls, 0);
	close(fd);
}

Test(control, what_is_not_a_message_ends_the_connection_with_a_reason)
{
	static const char *const bad[] = { "GET / HTTP/1.1", "[]",
					   "{\"method\":\"a.B\",\"method\":\"a.C\"}",
					   "{\"method\":\"a.B\",\"extra\":1}" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = client_open();

		assert_has(ask(fd, bad[i]), "org.modelgov.Governor.BadMessage");
		cr_assert_null(client_hear(fd));
		close(fd);
	}
}

Test(control, a_request_over_the_limit_is_refused)
{
	static char text[CONTROL_REQUEST_LIMIT_BYTES + 1];
	int fd = client_open();

	cr_assert_eq(control->connections->in.limit, CONTROL_MESSAGE_LIMIT_BYTES, "an operator's");
	control->connections->role = ROLE_VIEWER;
	control->connections->in.limit = CONTROL_REQUEST_LIMIT_BYTES;
	memset(text, ' ', sizeof(text));
	for (size_t sent = 0; sent < sizeof(text); loop_settle()) {
		ssize_t n = send(fd, text + sent, sizeof(text) - sent, MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
	}
	assert_has(client_hear(fd), "longer than 64KiB");
	cr_assert_eq(control->n_connections, 0);
	close(fd);
}

Test(control, a_reply_over_the_limit_becomes_an_error)
{
	int fd = client_open();

	assert_has(ask(fd, CALL("Huge", "{\"bytes\":16777216}")), "org.modelgov.Governor.TooLarge");
	cr_assert_str_eq(ask(fd, ECHO("still there")), ECHOED("still there"));
	close(fd);
}

/* ---- the service interface ------------------------------------------------------------------- */

Test(control, it_introduces_itself_as_varlink_wants)
{
	int fd = client_open();
	const char *answer =
		ask(fd, "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}");

	assert_has(answer, "\"product\":\"modelgovd\"");
	assert_has(answer, "[\"org.varlink.service\",\"org.modelgov.Governor\"]");
	answer = ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			 "\"parameters\":{\"interface\":\"org.modelgov.Governor\"}}");
	assert_has(answer, "method Echo(text: string) -> (text: string)");
	answer = ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			 "\"parameters\":{\"interface\":\"org.varlink.service\"}}");
	assert_has(answer, "method GetInfo()");
	answer = ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			 "\"parameters\":{\"interface\":\"org.example\"}}");
	assert_has(answer, "InterfaceNotFound");
	close(fd);
}

/* ---- who may --------------------------------------------------------------------------------- */

Test(control, roles_come_from_the_peer_alone)
{
	static const gid_t groups[] = { 7, 500, 9 };
	static const struct {
		struct peer peer;
		size_t n_groups;
		gid_t viewers;
		enum role role;
	} cases[] = {
		{ { .uid = 0, .gid = 0 }, 0, NO_GROUP, ROLE_OPERATOR },
		{ { .uid = 1000, .gid = 1000 }, 0, NO_GROUP, ROLE_OPERATOR },
		{ { .uid = 1001, .gid = 1000 }, 0, NO_GROUP, ROLE_NOBODY },
		{ { .uid = 1001, .gid = NO_GROUP }, 0, NO_GROUP, ROLE_NOBODY },
		{ { .uid = 1001, .gid = 500 }, 0, 500, ROLE_VIEWER },
		{ { .uid = 1001, .gid = 1001 }, 3, 500, ROLE_VIEWER },
		{ { .uid = 1001, .gid = 1001 }, 1, 500, ROLE_NOBODY },
		{ { .uid = 1001, .gid = 0 }, 3, 501, ROLE_NOBODY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_assert_eq(role_of(&cases[i].peer, groups, cases[i].n_groups, 1000,
				     cases[i].viewers),
			     cases[i].role, "case %zu", i);
}

Test(control, a_viewer_may_look_and_not_touch)
{
	int fd = client_open();

	control->connections->role = ROLE_VIEWER;
	cr_assert_str_eq(ask(fd, ECHO("a")), ECHOED("a"));
	assert_has(ask(fd, CALL("Fail", "{}")), "org.modelgov.Governor.PermissionDenied");
	cr_assert_str_eq(ask(fd, ECHO("b")), ECHOED("b"));
	close(fd);
}

Test(control, nobody_is_refused_and_disconnected)
{
	int fd = client_open();

	control->connections->role = ROLE_NOBODY;
	assert_has(ask(fd, "{\"method\":\"org.varlink.service.GetInfo\"}"),
		   "org.modelgov.Governor.PermissionDenied");
	cr_assert_null(client_hear(fd));
	cr_assert_eq(fake.n_calls, 0);
	close(fd);
}

/* Runs as another user; the exit status says what came back. */
static int ask_as(uid_t uid, gid_t gid, gid_t supplementary)
{
	json_t *reply;
	struct err problem = { 0 };
	int r;

	if (setgroups(1, &supplementary) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
		return 99;
	r = control_call(path, "Echo", json_pack("{s:s}", "text", "x"), 5000, &reply, &problem);
	return -r;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0)
		sd_event_run(event, 1000);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(control, the_kernel_tells_who_asks)
{
	enum { VIEWERS = 54321, OTHERS = 54322, USER = 54323 };

	if (geteuid() != 0) {
		fprintf(stderr,
			"skip the_kernel_tells_who_asks: needs root to become other users\n");
		return;
	}
	control_close(control);
	cr_assert_eq(chmod(folder, 0755), 0);
	cr_assert_eq(daemon_listen(VIEWERS, &control), 0, "%s", e.text);

	static const struct {
		gid_t gid, supplementary;
		bool opens; /* the file's mode, as when systemd made a wider socket */
		int errno_;
	} cases[] = {
		{ VIEWERS, OTHERS, false, 0 },
		{ OTHERS, VIEWERS, false, 0 },
		{ OTHERS, OTHERS, false, EACCES },
		{ OTHERS, OTHERS, true, EACCES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cr_assert_eq(chmod(path, cases[i].opens ? 0666 : 0660), 0);
		pid_t pid = fork();

		if (pid == 0)
			_exit(ask_as(USER, cases[i].gid, cases[i].supplementary));
		cr_assert_eq(status_of(pid), cases[i].errno_, "case %zu", i);
	}
}

static enum role by_group(const struct peer *peer, void *userdata)
{
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == 54322)
			return ROLE_VIEWER;
	return ROLE_NOBODY;
}

Test(control, the_daemon_may_give_a_role_to_whom_the_fixed_rule_gives_none)
{
	struct control_options options = { .path = path,
					   .methods = methods,
					   .userdata = &fake,
					   .viewer_gid = NO_GROUP,
					   .role_of = by_group };
	struct stat st;
	pid_t pid;

	if (geteuid() != 0) {
		fprintf(stderr,
			"skip the_daemon_may_give_a_role: needs root to become other users\n");
		return;
	}
	control_close(control);
	cr_assert_eq(chmod(folder, 0755), 0);
	cr_assert_eq(control_open(event, &options, &control, &e), 0, "%s", e.text);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0666, "everybody may ask who they are");
	if ((pid = fork()) == 0)
		_exit(ask_as(54323, 54323, 54322));
	cr_expect_eq(status_of(pid), 0);
	if ((pid = fork()) == 0)
		_exit(ask_as(54323, 54323, 54321));
	cr_expect_eq(status_of(pid), EACCES);
}

Test(control, strangers_take_a_few_places_only)
{
	enum role roles[] = { ROLE_NOBODY, ROLE_NOBODY, ROLE_NOBODY, ROLE_NOBODY };
	int fds[ARRAY_SIZE(roles)];
	pid_t pid;

	if (geteuid() != 0) {
		fprintf(stderr, "skip strangers_take_a_few_places_only: needs root to become "
				"another user\n");
		return;
	}
	cr_assert_eq(chmod(folder, 0755), 0);
	cr_assert_eq(chmod(path, 0666), 0);
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		fds[i] = client_open();
		control->connections->role = roles[i];
	}
	if ((pid = fork()) == 0)
		_exit(ask_as(54323, 54323, 54321));
	cr_expect_eq(status_of(pid), EREMOTEIO, "too many clients");
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		close(fds[i]);
}

/* Takes every place that a viewer can get, then waits until its end of the pipe is closed. */
static int places_take(int wait_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	gid_t viewers = 54321;
	char unused;

	if (setgroups(1, &viewers) < 0 || setgid(viewers) < 0 || setuid(54323) < 0)
		return 99;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int i = 0; i < 40; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			return 98;
	}
	return read(wait_fd, &unused, 1) == 0 ? 0 : 97;
}

Test(control, viewers_cannot_lock_the_operator_out)
{
	int pipe_fds[2], fd;
	pid_t pid;

	if (geteuid() != 0) {
		fprintf(stderr, "skip viewers_cannot_lock_the_operator_out: needs root to become "
				"another user\n");
		return;
	}
	control_close(control);
	cr_assert_eq(chmod(folder, 0755), 0);
	cr_assert_eq(daemon_listen(54321, &control), 0, "%s", e.text);
	cr_assert_eq(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[1]);
		_exit(places_take(pipe_fds[0]));
	}
	close(pipe_fds[0]);
	for (int turns = 0; turns < 40; turns++) /* each turn accepts one */
		cr_assert_gt(sd_event_run(event, 10000000), 0);
	cr_assert_eq(control->n_connections, 24);
	fd = client_open();
	cr_assert_str_eq(ask(fd, ECHO("in")), ECHOED("in"));
	close(fd);
	close(pipe_fds[1]);
	cr_assert_eq(status_of(pid), 0);
}

Test(control, the_socket_is_for_root_and_the_viewers_only)
{
	struct stat st;

	control_close(control);
	cr_assert_eq(daemon_listen(getegid(), &control), 0, "%s", e.text);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0660);
	cr_assert_eq(st.st_gid, getegid());
}

/* ---- clients that do not behave -------------------------------------------------------------- */

/* The next deadline comes at once; waits for the loop's own timer and for nothing else. */
static void deadlines_pass(void)
{
	unsigned int before = control->n_connections;

	for (int turns = 0; turns < 100 && control->n_connections == before; turns++)
		sd_event_run(event, UINT64_MAX);
}

Test(control, a_client_that_never_finishes_its_message_is_dropped)
{
	int fd;

	control->exchange_usec = 1;
	fd = client_open();
	cr_assert_eq(control->n_connections, 1, "an idle client may stay");
	cr_assert_eq(send(fd, "{", 1, MSG_NOSIGNAL), 1);
	deadlines_pass();
	cr_assert_null(client_hear(fd));
	close(fd);
}

Test(control, bytes_that_trickle_in_do_not_move_the_deadline)
{
	int fd = client_open();
	uint64_t first, later;

	cr_assert_eq(send(fd, "{", 1, MSG_NOSIGNAL), 1);
	loop_settle();
	cr_assert_geq(sd_event_source_get_time(control->connections->deadline, &first), 0);
	cr_assert_eq(send(fd, " ", 1, MSG_NOSIGNAL), 1);
	loop_settle();
	cr_assert_geq(sd_event_source_get_time(control->connections->deadline, &later), 0);
	cr_assert_eq(first, later);
	close(fd);
}

Test(control, a_client_that_does_not_take_its_reply_is_dropped_and_blocks_nobody)
{
	int slow = client_open(), quick;

	client_say(slow, CALL("Huge", "{\"bytes\":4000000}"));
	loop_settle();
	cr_assert_eq(control->connections->phase, PHASE_WRITING, "the socket's buffer is full");
	quick = client_open();
	cr_assert_str_eq(ask(quick, ECHO("a")), ECHOED("a"));
	close(quick);
	loop_settle();
	control->connections->phase = PHASE_NEW;
	control->exchange_usec = 1;
	char some[4096];
	cr_assert_gt(recv(slow, some, sizeof(some), 0), 0, "reading a little is not enough");
	deadlines_pass();
	cr_assert_eq(control->n_connections, 0);
	close(slow);
}

Test(control, an_idle_client_is_dropped)
{
	int fd;

	control->idle_usec = 1;
	fd = client_open();
	if (control->n_connections > 0)
		deadlines_pass();
	cr_assert_null(client_hear(fd));
	close(fd);
}

Test(control, a_running_method_has_no_deadline)
{
	int fd = client_open(), on;

	client_say(fd, CALL("Later", "{}"));
	loop_settle();
	cr_assert_geq(sd_event_source_get_enabled(control->connections->deadline, &on), 0);
	cr_assert_eq(on, SD_EVENT_OFF);
	request_reply(fake.kept, json_object());
	close(fd);
}

Test(control, clients_over_the_limit_are_told_to_come_back)
{
	int fds[33];

	for (int i = 0; i < 33; i++)
		fds[i] = client_open();
	cr_assert_eq(control->n_connections, 32);
	assert_has(client_hear(fds[32]), "org.modelgov.Governor.Busy");
	cr_assert_null(client_hear(fds[32]));
	close(fds[0]);
	loop_settle();
	close(fds[32]);
	fds[32] = client_open();
	cr_assert_str_eq(ask(fds[32], ECHO("in")), ECHOED("in"), "a place became free");
	for (int i = 1; i < 33; i++)
		close(fds[i]);
}

Test(control, random_bytes_never_stop_the_loop)
{
	uint64_t seed = 1;

	for (int round = 0; round < 200; round++) {
		char bytes[64];
		int fd = client_open();

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			bytes[i] = "{}[]\":,0tne\0\\ \xff"
				   "a"[seed >> 60];
		}
		(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		loop_settle();
		close(fd);
	}
	loop_settle();
	cr_assert_eq(control->n_connections, 0);
}

/* ---- the file -------------------------------------------------------------------------------- */

Test(control, a_second_daemon_on_the_same_path_is_refused)
{
	struct control *second;

	cr_assert_eq(daemon_listen(NO_GROUP, &second), -EADDRINUSE);
	assert_has(e.text, "another modelgovd");
	cr_assert_eq(access(path, F_OK), 0, "the first keeps its socket");
}

Test(control, a_dead_daemons_socket_is_replaced)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	control_close(control);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* the file stays, as after kill -9 */
	cr_assert_eq(daemon_listen(NO_GROUP, &control), 0, "%s", e.text);
	fd = client_open();
	cr_assert_str_eq(ask(fd, ECHO("a")), ECHOED("a"));
	close(fd);
}

Test(control, a_file_that_is_no_socket_is_left_alone)
{
	FILE *f;

	control_close(control);
	control = NULL;
	f = fopen(path, "w");
	fclose(f);
	cr_assert_eq(daemon_listen(NO_GROUP, &control), -EEXIST);
	cr_assert_eq(access(path, F_OK), 0);
}

Test(control, closing_removes_only_its_own_file)
{
	struct control *second;

	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(daemon_listen(NO_GROUP, &second), 0, "%s", e.text);
	control_close(control);
	control = NULL;
	cr_assert_eq(access(path, F_OK), 0, "it belongs to the second");
	control_close(second);
	cr_assert_neq(access(path, F_OK), 0);
}

/* In a process of its own: LISTEN_PID must be the caller's, and descriptor 3 must be free. */
Test(control, a_socket_that_systemd_passed_is_taken_and_left_in_place)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char pid[16], other[sizeof(path)];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), kept;
	struct control *passed;

	snprintf(other, sizeof(other), "%.40s/run/passed", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", other);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 4), 0);
	kept = fcntl(3, F_DUPFD_CLOEXEC, 10); /* Criterion's own */
	cr_assert_eq(dup2(fd, 3), 3);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	cr_assert_eq(daemon_listen(NO_GROUP, &passed), 0, "%s", e.text);
	snprintf(path, sizeof(path), "%s", other);
	int client = client_open();
	const char *answer = ask(client, ECHO("a"));
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", answer ? answer : "(closed)");
	close(client);
	control_close(passed);
	if (kept >= 0) {
		dup2(kept, 3);
		close(kept);
	}
	cr_assert_str_eq(copy, ECHOED("a"));
	cr_assert_eq(access(other, F_OK), 0, "it is systemd's");
	close(fd);
	unlink(other);
	snprintf(path, sizeof(path), "%s/run/control", folder);
}

/* ---- control_call() -------------------------------------------------------------------------- */

static void *loop_main(void *unused)
{
	sd_event_loop(event);
	return NULL;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	return sd_event_exit(event, 0);
}

static pthread_t thread;
static int end_pipe[2];

static void loop_start(void)
{
	cr_assert_eq(pipe2(end_pipe, O_CLOEXEC), 0);
	cr_assert_geq(sd_event_add_io(event, NULL, end_pipe[0], EPOLLIN, on_end, NULL), 0);
	cr_assert_eq(pthread_create(&thread, NULL, loop_main, NULL), 0);
}

static void loop_stop(void)
{
	close(end_pipe[1]);
	pthread_join(thread, NULL);
	close(end_pipe[0]);
}

Test(control, control_call_returns_the_parameters_of_the_reply)
{
	json_t *reply = NULL;

	loop_start();
	cr_assert_eq(control_call(path, "Echo", json_pack("{s:s}", "text", "hi"), 5000, &reply, &e),
		     0, "%s", e.text);
	cr_assert_str_eq(json_string_value(json_object_get(reply, "text")), "hi");
	json_decref(reply);
	cr_assert_eq(control_call(path, "org.varlink.service.GetInfo", NULL, 5000, &reply, &e), 0);
	json_decref(reply);
	loop_stop();
}

Test(control, control_call_brings_a_long_reply_in_one_piece)
{
	json_t *reply = NULL;

	loop_start();
	cr_assert_eq(control_call(path, "Huge", json_pack("{s:i}", "bytes", 4000000), 10000, &reply,
				  &e),
		     0, "%s", e.text);
	cr_assert_eq(json_string_length(json_object_get(reply, "text")), 4000000);
	json_decref(reply);
	loop_stop();
}

Test(control, control_call_tells_apart_what_went_wrong)
{
	json_t *reply = NULL;

	loop_start();
	cr_assert_eq(control_call(path, "Fail", NULL, 5000, &reply, &e), -EREMOTEIO);
	cr_assert_str_eq(e.text, "no model x; models are: ocr");
	cr_assert_eq(control_call(path, "Nope", NULL, 5000, &reply, &e), -EREMOTEIO);
	assert_has(e.text, "MethodNotFound");
	cr_assert_eq(control_call(path, "Later", NULL, 20, &reply, &e), -ETIMEDOUT);
	loop_stop();

	control_close(control);
	control = NULL;
	cr_assert_eq(control_call(path, "Echo", NULL, 5000, &reply, &e), -ENOENT);
}
