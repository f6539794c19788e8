/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one executable of gates.d as a transient service of systemd: a user of its own, no network,
 * a read-only view, a time-out. Everything goes over the bus and through the loop; nothing here
 * waits. What it may know comes on its standard input, what it has to say is its exit status and
 * the first page of its output.
 */
#include "gate.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SYSTEMD      "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      SYSTEMD ".Manager"

/* Chosen: a gate reads JSON and measures a little; it must not take the host from the models. */
#define GATE_MEMORY_BYTES (512ULL << 20)
#define GATE_TASKS        64
#define GATE_NICE         10
/* Chosen: systemd answers in milliseconds; after that much more than the time-out it is not coming.
 */
#define GRACE_NS (10 * NSEC_PER_SEC)

#define EX_TEMPFAIL        75  /* sysexits.h */
#define SYSTEMD_EXIT_FIRST 200 /* systemd.exec(5): the service could not be set up as asked */
#define SYSTEMD_EXIT_LAST  245

struct gate_run {
	sd_bus *bus;
	char unit[128];
	char *name, *unit_path, *job;
	uint64_t timeout_ns;
	int output_fd;
	char output[GATE_NOTE_BYTES + 1];
	size_t length;
	sd_event_source *output_source, *timer;
	sd_bus_slot *start, *removed, *properties;
	bool is_started; /* there is a reference to be given back */
	gate_done *done;
	void *userdata;
};

/* ---- what the end means
 * ---------------------------------------------------------------------------- */

/* How it came to nothing; "" when its exit status is an answer. */
static void end_describe(const struct gate_end *end, uint64_t timeout_ns, char *buf, size_t size)
{
	char text[32];

	*buf = '\0';
	if (strcmp(end->result, "timeout") == 0)
		snprintf(buf, size, "gave no answer within %s",
			 duration_format(timeout_ns, text, sizeof(text)));
	else if (end->code == CLD_KILLED || end->code == CLD_DUMPED)
		snprintf(buf, size, "was killed by signal %d (%s)", end->status,
			 strsignal(end->status));
	else if (end->code != CLD_EXITED)
		snprintf(buf, size, "could not be started: %s", end->result);
	else if (end->status >= SYSTEMD_EXIT_FIRST && end->status <= SYSTEMD_EXIT_LAST)
		snprintf(buf, size,
			 "could not be confined or executed (status %d, see systemd.exec(5)); it "
			 "did not run",
			 end->status);
	else if (end->status == EX_TEMPFAIL)
		snprintf(buf, size, "could not tell");
	else if (end->status != 0 && end->status != 1)
		snprintf(buf, size, "ended with status %d, which is none of 0, 1, 75", end->status);
}

enum gate_verdict gate_judge(const struct gate_end *end, const char *printed, uint64_t timeout_ns,
			     char *ret_note, size_t size)
{
	char how[256];

	end_describe(end, timeout_ns, how, sizeof(how));
	snprintf(ret_note, size, "%s%s%s", how, *how && *printed ? ": " : "", printed);
	if (*how)
		return GATE_INCONCLUSIVE;
	return end->status == 0 ? GATE_PASS : GATE_FAIL;
}

/* For documents and terminals: printable ASCII stays, line ends become blanks, the rest question
 * marks. */
static void output_clean(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && strchr(" \t\r\n", text[length - 1]))
		text[--length] = '\0';
	for (char *c = text; *c; c++)
		if (strchr("\t\r\n", *c))
			*c = ' ';
		else if (*c < ' ' || *c > '~')
			*c = '?';
}

/* ---- its end
 * ----------------------------------------------------------------------------------------- */

static void run_free(struct gate_run *g)
{
	if (!g)
		return;
	if (g->is_started) /* lets systemd forget the unit; nobody waits for the answer */
		(void)sd_bus_call_method_async(g->bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER,
					       "UnrefUnit", NULL, NULL, "s", g->unit);
	sd_bus_slot_unref(g->start);
	sd_bus_slot_unref(g->removed);
	sd_bus_slot_unref(g->properties);
	sd_event_source_disable_unref(g->output_source);
	sd_event_source_disable_unref(g->timer);
	if (g->output_fd >= 0)
		close(g->output_fd);
	free(g->name);
	free(g->unit_path);
	free(g->job);
	free(g);
}

void gate_cancel(struct gate_run *run)
{
	run_free(run);
}

/* More than a page is read and dropped, so that nobody is stopped by a full pipe. */
static void output_read(struct gate_run *g)
{
	char rest[4096];
	ssize_t n;

	do {
		size_t room = GATE_NOTE_BYTES - g->length;

		n = room ? read(g->output_fd, g->output + g->length, room)
			 : read(g->output_fd, rest, sizeof(rest));
		if (n > 0 && room)
			g->length += (size_t)n;
	} while (n > 0);
	if (n == 0)
		(void)sd_event_source_set_enabled(g->output_source, SD_EVENT_OFF);
}

static void run_finish(struct gate_run *g, const struct gate_end *end)
{
	char note[GATE_NOTE_BYTES + 320];
	struct gate_result result = { .name = g->name, .note = note };

	output_read(g);
	g->output[g->length] = '\0';
	output_clean(g->output);
	result.verdict = gate_judge(end, g->output, g->timeout_ns, note, sizeof(note));
	g->done(&result, g->userdata);
	run_free(g);
}

static void run_give_up(struct gate_run *g, const char *why)
{
	run_finish(g, &(struct gate_end){ .result = why });
}

/* Result, ExecMainCode and ExecMainStatus out of all properties of the service. */
static int properties_read(sd_bus_message *m, struct gate_end *ret_end)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *key;

		if ((r = sd_bus_message_read(m, "s", &key)) < 0)
			break;
		if (strcmp(key, "Result") == 0)
			r = sd_bus_message_read(m, "v", "s", &ret_end->result);
		else if (strcmp(key, "ExecMainCode") == 0)
			r = sd_bus_message_read(m, "v", "i", &ret_end->code);
		else if (strcmp(key, "ExecMainStatus") == 0)
			r = sd_bus_message_read(m, "v", "i", &ret_end->status);
		else
			r = sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct gate_run *g = userdata;
	struct gate_end end = { .result = "no answer" };

	if (sd_bus_message_is_method_error(m, NULL))
		run_give_up(g, sd_bus_message_get_error(m)->message);
	else if (properties_read(m, &end) < 0)
		run_give_up(g, "systemd's answer is not understood");
	else
		run_finish(g, &end);
	return 1;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct gate_run *g = userdata;
	const char *job;
	int r;

	if (!g->job || g->properties || sd_bus_message_read(m, "uo", NULL, &job) < 0 ||
	    strcmp(job, g->job) != 0)
		return 0;
	r = sd_bus_call_method_async(g->bus, &g->properties, SYSTEMD, g->unit_path,
				     "org.freedesktop.DBus.Properties", "GetAll", on_properties, g,
				     "s", SYSTEMD ".Service");
	if (r < 0)
		run_give_up(g, strerror(-r));
	return 0;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	output_read(userdata);
	return 0;
}

static int on_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
	run_give_up(userdata, "systemd does not answer");
	return 0;
}

/* ---- its start
 * --------------------------------------------------------------------------------------- */

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct gate_run *g = userdata;
	const char *job;

	if (sd_bus_message_is_method_error(m, NULL)) {
		run_give_up(g, sd_bus_message_get_error(m)->message);
		return 1;
	}
	g->is_started = true;
	if (sd_bus_message_read(m, "o", &job) < 0 || !(g->job = strdup(job)))
		run_give_up(g, "systemd's answer is not understood");
	return 1;
}

/* A file in memory that can only be read. */
static int input_make(const char *text, struct err *e)
{
	_cleanup_fd_ int fd = memfd_create("modelgov-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t length = strlen(text);

	if (fd < 0)
		return err_set(e, -errno, "make a gate's input");
	for (size_t sent = 0; sent < length;) {
		ssize_t n = write(fd, text + sent, length - sent);

		if (n < 0)
			return err_set(e, -errno, "write a gate's input of %zu bytes", length);
		sent += (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_set(e, -errno, "seal a gate's input");
	return TAKE_FD(fd);
}

/* What confines it. Each is a property of systemd.exec(5) or systemd.resource-control(5). */
static int confinement_append(sd_bus_message *m)
{
	static const char *const switches[] = {
		"DynamicUser",          "PrivateNetwork",    "PrivateDevices",
		"PrivateTmp",           "NoNewPrivileges",   "ProtectKernelTunables",
		"ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
		"ProtectClock",         "ProtectHostname",   "RestrictRealtime",
		"RestrictSUIDSGID",     "LockPersonality",
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(switches) && r >= 0; i++)
		r = sd_bus_message_append(m, "(sv)", switches[i], "b", 1);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "ProtectSystem", "s",
					  "strict", "ProtectHome", "s", "yes", "ProtectProc", "s",
					  "invisible", "CapabilityBoundingSet", "t", (uint64_t)0,
					  "MemoryMax", "t", (uint64_t)GATE_MEMORY_BYTES, "TasksMax",
					  "t", (uint64_t)GATE_TASKS, "Nice", "i",
					  (int32_t)GATE_NICE);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "RestrictAddressFamilies", "(bas)", 1, 1,
					  "AF_UNIX");
	return r;
}

static int service_append(sd_bus_message *m, const struct gate_order *order, int input_fd,
			  int output_fd)
{
	uint64_t timeout_usec = order->timeout_ns / NSEC_PER_USEC;
	const char *path = order->file->path;
	int r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
				      "modelgov: gate of a policy change", "Type", "s", "oneshot",
				      "CollectMode", "s", "inactive-or-failed", "AddRef", "b", 1,
				      "TimeoutStartUSec", "t", timeout_usec, "TimeoutStopUSec", "t",
				      (uint64_t)1000000, "StandardInputFileDescriptor", "h",
				      input_fd, "StandardOutputFileDescriptor", "h", output_fd,
				      "StandardError", "s", "journal");

	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "ExecStart", "a(sasb)", 1, path, 1, path, 0);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Environment", "as", 1, "LANG=C.UTF-8");
	return r < 0 ? r : confinement_append(m);
}

static int start_call(struct gate_run *g, const struct gate_order *order, int input_fd,
		      int output_fd)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(g->bus, &m, SYSTEMD, MANAGER_PATH, MANAGER,
					       "StartTransientUnit");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", g->unit, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = service_append(m, order, input_fd, output_fd);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	return r < 0 ? r : sd_bus_call_async(g->bus, &g->start, m, on_started, g, 0);
}

/* Listens before it starts: the end may be quick. */
static int run_watch(struct gate_run *g, const struct gate_order *order)
{
	uint64_t patience_usec = (order->timeout_ns + GRACE_NS) / NSEC_PER_USEC;
	int r = sd_bus_call_method_async(g->bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe",
					 NULL, NULL, ""); /* refused when we are already */

	if (r >= 0)
		r = sd_bus_match_signal_async(g->bus, &g->removed, SYSTEMD, MANAGER_PATH, MANAGER,
					      "JobRemoved", on_job_removed, NULL, g);
	if (r >= 0)
		r = sd_event_add_io(order->event, &g->output_source, g->output_fd, EPOLLIN,
				    on_output, g);
	if (r >= 0)
		r = sd_event_add_time_relative(order->event, &g->timer, CLOCK_MONOTONIC,
					       patience_usec, 0, on_overdue, g);
	return r;
}

static int run_start(struct gate_run *g, const struct gate_order *order, struct err *e)
{
	_cleanup_fd_ int input_fd = input_make(order->input, e), output_fd = -1;
	int pipe_fds[2], r;

	if (input_fd < 0)
		return input_fd;
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(e, -errno, "make a pipe");
	g->output_fd = pipe_fds[0];
	output_fd = pipe_fds[1];
	/* the gate's end waits when it is full, as programs expect */
	if (fcntl(output_fd, F_SETFL, 0) < 0)
		return err_set(e, -errno, "make a pipe");
	r = run_watch(g, order);
	if (r >= 0)
		r = start_call(g, order, input_fd, output_fd);
	return r < 0 ? err_set(e, r, "start gate %s", order->file->path) : 0;
}

int gate_start(const struct gate_order *order, gate_done *done, void *userdata,
	       struct gate_run **ret_run, struct err *e)
{
	struct gate_run *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_set(e, -ENOMEM, "start gate %s", order->file->path);
	*g = (struct gate_run){ .bus = order->bus,
				.name = strdup(order->file->name),
				.timeout_ns = order->timeout_ns,
				.output_fd = -1,
				.done = done,
				.userdata = userdata };
	/* unique also after a restart while an old one is still ending */
	snprintf(g->unit, sizeof(g->unit), "modelgov-gate-%d-%llx.service", (int)getpid(),
		 (unsigned long long)clock_monotonic_ns());
	r = g->name ? sd_bus_path_encode("/org/freedesktop/systemd1/unit", g->unit, &g->unit_path)
		    : -ENOMEM;
	r = r < 0 ? err_set(e, r, "start gate %s", order->file->path) : run_start(g, order, e);
	if (r < 0) {
		run_free(g);
		return r;
	}
	*ret_run = g;
	return 0;
}
