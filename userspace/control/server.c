/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of the socket: listens, reads, writes, gives up on clients that do not go on.
 * Nothing here waits, whatever a client does: every descriptor is non-blocking, every buffer and
 * every state has its limit. One message per turn of the loop, so that a client with many does not
 * keep the loop busy.
 */
#include "interface.h"
#include "server.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define MAX_CONNECTIONS                                                                            \
	32 /* chosen: people and monitors; each holds at most a request and a reply */
#define OPERATOR_CONNECTIONS 8 /* of these: viewers cannot lock the operator out */
#define STRANGER_CONNECTIONS 4 /* at most: nor can they, who only hear that they may not ask */
#define EXCHANGE_USEC                                                                              \
	5000000            /* chosen: to finish a message or take a reply; both take microseconds */
#define IDLE_USEC 60000000 /* chosen: longer than anyone polls */
#define REST_USEC                                                                                  \
	1000000 /* chosen: pause after accept() failed for want of descriptors or memory */
#define BACKLOG  16
#define PRIORITY 10 /* chosen: behind the tick and the sensors, which have 0 */

/* ---- connections ----------------------------------------------------------------------------- */

static void connection_free(struct connection *c)
{
	if (!c)
		return;
	if (c->request)
		request_orphan(c->request);
	if (c->link) {
		*c->link = c->next;
		if (c->next)
			c->next->link = c->link;
		c->control->n_connections--;
	}
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->deadline);
	if (c->fd >= 0)
		close(c->fd);
	inbox_fini(&c->in);
	peer_fini(&c->peer);
	free(c->out);
	free(c);
}

static enum phase connection_phase(struct connection *c)
{
	if (c->out)
		return PHASE_WRITING;
	if (c->request)
		return PHASE_RUNNING;
	return inbox_has_part(&c->in) ? PHASE_READING : PHASE_IDLE;
}

/* A new phase has a new deadline; the same phase keeps its own, however often bytes trickle in. */
static int deadline_arm(struct connection *c, enum phase phase)
{
	uint64_t now, usec = c->control->exchange_usec;
	int r;

	if (phase == c->phase)
		return 0;
	c->phase = phase;
	if (phase == PHASE_RUNNING)
		return sd_event_source_set_enabled(c->deadline, SD_EVENT_OFF);
	if (phase == PHASE_IDLE && c->role != ROLE_NOBODY)
		usec = c->control->idle_usec;
	r = sd_event_now(c->control->event, CLOCK_MONOTONIC, &now);
	if (r >= 0)
		r = sd_event_source_set_time(c->deadline, now + usec);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->deadline, SD_EVENT_ONESHOT);
	return r < 0 ? r : 0;
}

/*
 * Asks the loop for what comes next. A message that is already here is handled when the socket is
 * writable, which it is at once: so there is one message per turn, and no recursion.
 */
static int connection_arm(struct connection *c)
{
	enum phase phase = connection_phase(c);
	uint32_t wanted = 0;
	int r;

	if (phase == PHASE_WRITING || (phase == PHASE_READING && inbox_has_message(&c->in)))
		wanted = EPOLLOUT;
	else if (phase != PHASE_RUNNING)
		wanted = EPOLLIN;
	r = deadline_arm(c, phase);
	if (r >= 0)
		r = sd_event_source_set_io_events(c->io, wanted);
	return r < 0 ? r : 0;
}

void connection_send(struct connection *c, char *take_bytes, size_t length)
{
	assert(!c->out);
	c->out = take_bytes;
	c->out_length = length;
	c->out_sent = 0;
	c->phase = PHASE_NEW;
	(void)connection_arm(
		c); /* fails without memory only; then the deadline ends the connection */
}

void connection_proceed(struct connection *c)
{
	c->phase = PHASE_NEW;
	(void)connection_arm(c); /* as above */
}

/* Sends what the socket takes. -EAGAIN: the rest later. */
static int connection_write(struct connection *c)
{
	ssize_t n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	c->out_sent += (size_t)n;
	if (c->out_sent < c->out_length)
		return -EAGAIN;
	free(TAKE_PTR(c->out));
	c->phase = PHASE_NEW;
	return c->is_last ? -ECONNRESET : 0;
}

/* One read. -EAGAIN: nothing there; the end of the stream is noted in is_ended. */
static int connection_read(struct connection *c)
{
	char *room;
	size_t size;
	ssize_t n;
	int r = inbox_room(&c->in, &room, &size);

	if (r == -EMSGSIZE) {
		connection_refuse(c, "BadMessage",
				  c->role == ROLE_OPERATOR ? "the request is longer than 16MiB"
							   : "the request is longer than 64KiB");
		return 0;
	}
	if (r < 0)
		return r;
	n = recv(c->fd, room, size, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	inbox_fill(&c->in, (size_t)n);
	c->is_ended = n == 0;
	return 0;
}

/* One step forward: a reply out, bytes in, or a message done. Negative: the connection is over. */
static int connection_step(struct connection *c, uint32_t events)
{
	int r;

	if (c->request) /* woken by the hang-up: the client did not wait for its answer */
		return events & (EPOLLHUP | EPOLLERR) ? -ECONNRESET : 0;
	if (c->out)
		return connection_write(c);
	if (!inbox_has_message(&c->in)) {
		r = connection_read(c);
		if (r < 0 || c->out)
			return r;
	}
	if (inbox_has_message(&c->in)) {
		c->phase = PHASE_NEW;
		connection_dispatch(c);
	}
	if (c->is_last && !c->out)
		return -ECONNRESET;
	/* a client that only closed its sending half still gets its answers */
	return c->is_ended && !c->out && !c->request && !inbox_has_message(&c->in) ? -ECONNRESET
										   : 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connection *c = userdata;
	int r = connection_step(c, events);

	if (r == -EAGAIN || r >= 0)
		r = connection_arm(c);
	if (r < 0)
		connection_free(c);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	connection_free(userdata);
	return 0;
}

/* ---- the listening socket -------------------------------------------------------------------- */

/* Sources of a new connection; the caller frees it on failure. */
static int connection_watch(struct connection *c)
{
	sd_event *event = c->control->event;
	int r = sd_event_add_io(event, &c->io, c->fd, EPOLLIN, on_io, c);

	if (r >= 0)
		r = sd_event_source_set_priority(c->io, PRIORITY);
	if (r >= 0)
		r = sd_event_add_time(event, &c->deadline, CLOCK_MONOTONIC, 0, 0, on_deadline, c);
	if (r >= 0)
		r = sd_event_source_set_priority(c->deadline, PRIORITY);
	if (r >= 0)
		r = connection_arm(c);
	return r < 0 ? r : 0;
}

/* With its NUL, ready to be sent. */
static const char busy[] = "{\"error\":\"" CONTROL_INTERFACE ".Busy\",\"parameters\":{\"message\":"
			   "\"modelgovd serves too many clients; try again\"}}";

/* How many connections there may be before this one. */
static unsigned int connections_allowed(const struct control *control, enum role role)
{
	unsigned int strangers = 0;

	if (role == ROLE_OPERATOR)
		return MAX_CONNECTIONS;
	for (const struct connection *c = control->connections; c && role == ROLE_NOBODY;
	     c = c->next)
		strangers += c->role == ROLE_NOBODY;
	return strangers < STRANGER_CONNECTIONS ? MAX_CONNECTIONS - OPERATOR_CONNECTIONS : 0;
}

/* Takes fd. Without memory there is nobody to tell: the client sees a closed connection. */
static void connection_new(struct control *control, int take_fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		close(take_fd);
		return;
	}
	*c = (struct connection){ .control = control, .fd = take_fd };
	if (peer_read(take_fd, &c->peer) < 0) {
		connection_free(c);
		return;
	}
	c->role = peer_role(&c->peer, &control->options);
	inbox_init(&c->in, c->role == ROLE_OPERATOR ? CONTROL_MESSAGE_LIMIT_BYTES
						    : CONTROL_REQUEST_LIMIT_BYTES);
	if (control->n_connections >= connections_allowed(control, c->role)) {
		(void)send(take_fd, busy, sizeof(busy),
			   MSG_NOSIGNAL | MSG_DONTWAIT); /* a courtesy */
		connection_free(c);
		return;
	}
	if (connection_watch(c) < 0) {
		connection_free(c);
		return;
	}
	c->next = control->connections;
	c->link = &control->connections;
	if (c->next)
		c->next->link = &c->next;
	control->connections = c;
	control->n_connections++;
}

static int on_rest(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct control *control = userdata;

	return sd_event_source_set_enabled(control->listener, SD_EVENT_ON);
}

/* The waiting connection stays readable and would wake the loop without end: look away for a while.
 */
static void listener_rest(struct control *c)
{
	uint64_t now;

	if (sd_event_now(c->event, CLOCK_MONOTONIC, &now) < 0 ||
	    sd_event_source_set_time(c->rest, now + REST_USEC) < 0 ||
	    sd_event_source_set_enabled(c->rest, SD_EVENT_ONESHOT) < 0)
		return; /* then rather a busy loop than a deaf one */
	(void)sd_event_source_set_enabled(c->listener, SD_EVENT_OFF);
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *userdata)
{
	struct control *control = userdata;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		connection_new(control, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		listener_rest(control);
	return 0;
}

/* ---- opening and closing --------------------------------------------------------------------- */

/* A socket file with nobody behind it is what a killed daemon leaves; anything else is not ours to
 * remove. */
static int path_clear(const struct sockaddr_un *address, struct err *e)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "look at %s", address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_say(e, -EEXIST, "%s exists and is not a socket; remove it",
			       address->sun_path);

	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(e, -errno, "make a socket");
	/* EAGAIN: somebody listens and has a full queue */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return err_say(e, -EADDRINUSE, "another modelgovd listens on %s",
			       address->sun_path);
	if (errno != ECONNREFUSED)
		return err_set(e, -errno, "ask whether anybody listens on %s", address->sun_path);
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "remove the old socket %s", address->sun_path);
	return 0;
}

static int directory_of_path_make(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char directory[sizeof(((struct control *)0)->path)];

	if (!slash || slash == path)
		return 0;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	return directory_make(directory, 0755, e);
}

/* The file is never wider than it shall be and never of another group: fchmod() before bind() sets
 * its mode. */
static int path_bind(struct control *c, const struct sockaddr_un *address, struct err *e)
{
	const char *path = address->sun_path;
	gid_t viewers = c->options.viewer_gid;
	struct stat st;

	if (fchmod(c->fd, 0600) < 0)
		return err_set(e, -errno, "restrict socket %s", path);
	if (bind(c->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return err_set(e, -errno, "bind socket %s", path);
	snprintf(c->path, sizeof(c->path), "%s", path);
	if (lstat(path, &st) < 0)
		return err_set(e, -errno, "look at %s", path);
	c->device = st.st_dev;
	c->inode = st.st_ino;
	if (viewers != (gid_t)-1 && lchown(path, (uid_t)-1, viewers) < 0)
		return err_set(e, -errno, "give socket %s to group %u", path, viewers);
	if (chmod(path, c->options.role_of ? 0666 : 0660) < 0)
		return err_set(e, -errno, "set the mode of socket %s", path);
	if (listen(c->fd, BACKLOG) < 0)
		return err_set(e, -errno, "listen on %s", path);
	return 0;
}

static int socket_make(struct control *c, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = c->options.path;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_say(e, -ENAMETOOLONG, "socket path %s is longer than %zu bytes", path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	r = directory_of_path_make(path, e);
	if (r == 0)
		r = path_clear(&address, e);
	if (r < 0)
		return r;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return err_set(e, -errno, "make a socket");
	return path_bind(c, &address, e);
}

/* The first listening unix stream socket that systemd passed (sd_listen_fds(3)), or -1. */
static int socket_passed(void)
{
	int n = sd_listen_fds(true);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++)
		if (sd_is_socket_unix(fd, SOCK_STREAM, true, NULL, 0) > 0 &&
		    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)
			return fd;
	return -1;
}

static int listener_watch(struct control *c, struct err *e)
{
	int r = sd_event_add_io(c->event, &c->listener, c->fd, EPOLLIN, on_connection, c);

	if (r >= 0)
		r = sd_event_source_set_priority(c->listener, PRIORITY);
	if (r >= 0)
		r = sd_event_add_time(c->event, &c->rest, CLOCK_MONOTONIC, 0, 0, on_rest, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->rest, SD_EVENT_OFF);
	return r < 0 ? err_set(e, r, "watch the control socket") : 0;
}

/* A hole in the table is our mistake, found at start and not by the first caller. */
static void methods_assert(const struct method *methods)
{
	for (const struct method *m = methods; m->name; m++)
		assert(m->role != ROLE_NOBODY && m->help && m->run &&
		       signature_is_valid(m->signature));
}

int control_open(struct sd_event *event, const struct control_options *options,
		 struct control **ret_control, struct err *e)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "open the control socket");
	methods_assert(options->methods);
	*c = (struct control){ .options = *options,
			       .event = sd_event_ref(event),
			       .exchange_usec = EXCHANGE_USEC,
			       .idle_usec = IDLE_USEC };
	c->fd = socket_passed();
	r = c->fd >= 0 ? 0 : socket_make(c, e);
	if (r == 0 && !(c->description = interface_describe(options->methods)))
		r = err_set(e, -ENOMEM, "describe the control interface");
	if (r == 0)
		r = listener_watch(c, e);
	if (r < 0) {
		control_close(c);
		return r;
	}
	*ret_control = c;
	return 0;
}

void control_close(struct control *c)
{
	struct stat st;

	if (!c)
		return;
	while (c->connections)
		connection_free(c->connections);
	sd_event_source_disable_unref(c->listener);
	sd_event_source_disable_unref(c->rest);
	/* a daemon that was started meanwhile has put its own socket there */
	if (c->path[0] && lstat(c->path, &st) == 0 && st.st_dev == c->device &&
	    st.st_ino == c->inode)
		(void)unlink(c->path);
	if (c->fd >= 0)
		close(c->fd);
	free(c->description);
	sd_event_unref(c->event);
	free(c);
}
