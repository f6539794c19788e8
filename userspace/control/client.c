/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's end: one connection, one call, one reply, one deadline for all of it. Keeps nothing
 * between calls.
 */
#include "control.h"
#include "wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

struct client {
	int fd;
	const char *path;
	uint64_t deadline_ns;
};

/* Until the descriptor is ready for events; -ETIMEDOUT at the deadline. */
static int client_wait(const struct client *c, short events, struct err *e)
{
	struct pollfd p = { .fd = c->fd, .events = events };

	for (uint64_t now_ns; (now_ns = clock_monotonic_ns()) < c->deadline_ns;) {
		/* one more than is left in full, or the last millisecond would be spent spinning */
		int n = poll(&p, 1, (int)((c->deadline_ns - now_ns) / NSEC_PER_MSEC) + 1);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "wait for modelgovd");
	}
	return err_say(e, -ETIMEDOUT, "modelgovd listens on %s but did not answer in time",
		       c->path);
}

static int client_connect(struct client *c, unsigned int timeout_ms, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = timeout_ms / 1000,
				 .tv_usec = timeout_ms % 1000 * 1000L };

	if (strlen(c->path) >= sizeof(address.sun_path))
		return err_say(e, -ENAMETOOLONG, "socket path %s is longer than %zu bytes", c->path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, c->path, strlen(c->path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_set(e, -errno, "make a socket");
	/* connect() waits while the daemon's queue is full; the send time-out is its limit too */
	if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return err_set(e, -errno, "limit the wait for modelgovd");
	if (connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	if (errno == EAGAIN || errno == EINPROGRESS)
		return err_say(e, -ETIMEDOUT, "modelgovd listens on %s but takes no connection",
			       c->path);
	return err_set(e, -errno, "connect to %s", c->path);
}

/* A daemon that refuses us may close before it has read all: its answer is still there to be read.
 */
static int client_send(const struct client *c, const char *bytes, size_t length, struct err *e)
{
	while (length > 0) {
		ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = client_wait(c, POLLOUT, e);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0;
		} else if (errno != EINTR) {
			r = err_set(e, -errno, "send to %s", c->path);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int client_receive(const struct client *c, struct inbox *in, json_t **ret_message,
			  struct err *e)
{
	for (;;) {
		char *room;
		size_t size;
		ssize_t n;
		int r = inbox_take(in, ret_message, e);

		if (r != 0)
			return r < 0 ? err_context(e, "reply of modelgovd") : 0;
		r = inbox_room(in, &room, &size);
		if (r < 0)
			return err_set(e, r, "reply of modelgovd");
		r = client_wait(c, POLLIN, e);
		if (r < 0)
			return r;
		n = recv(c->fd, room, size, MSG_DONTWAIT);
		if (n > 0)
			inbox_fill(in, (size_t)n);
		else if (n == 0 || errno == ECONNRESET)
			return err_say(e, -EPROTO,
				       "modelgovd closed the connection without an answer");
		else if (errno != EAGAIN && errno != EINTR)
			return err_set(e, -errno, "receive from %s", c->path);
	}
}

/* Any error of the daemon as an errno and a sentence. */
static int reply_judge(const struct reply *reply, const char *method, struct err *e)
{
	const char *error = reply->error, *dot, *key;
	json_t *value = NULL;

	if (!error)
		return 0;
	dot = strrchr(error, '.');
	if (strncmp(error, CONTROL_INTERFACE ".", strlen(CONTROL_INTERFACE ".")) == 0)
		value = json_object_get(reply->parameters, "message");
	if (strcmp(error, CONTROL_INTERFACE ".PermissionDenied") == 0 ||
	    strcmp(error, "org.varlink.service.PermissionDenied") == 0)
		return err_say(e, -EACCES, "%s", value ? json_string_value(value) : error);
	if (json_is_string(value))
		return err_say(e,
			       strcmp(error, CONTROL_INTERFACE ".Refused") == 0 ? -ECANCELED
										: -EREMOTEIO,
			       "%s", json_string_value(value));
	/* "MethodNotFound: method org.modelgov.Governor.X" */
	json_object_foreach(reply->parameters, key, value)
		if (json_is_string(value))
			return err_say(e, -EREMOTEIO, "%s: %s: %s %s", method,
				       dot ? dot + 1 : error, key, json_string_value(value));
	return err_say(e, -EREMOTEIO, "%s: %s", method, error);
}

static int client_call(const struct client *c, const char *method, json_t *call, json_t **ret_reply,
		       struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	struct inbox in;
	struct reply reply;
	json_t *message = NULL;
	size_t length;
	int r = message_encode(call, &bytes, &length);

	if (r < 0)
		return err_set(e, r, "call %s", method);
	inbox_init(&in, CONTROL_MESSAGE_LIMIT_BYTES);
	r = client_send(c, bytes, length, e);
	if (r == 0)
		r = client_receive(c, &in, &message, e);
	if (r == 0 && reply_parse(message, &reply) < 0)
		r = err_say(e, -EPROTO, "reply of modelgovd to %s is not in Varlink's form",
			    method);
	if (r == 0)
		r = reply_judge(&reply, method, e);
	if (r == 0)
		*ret_reply = reply.parameters ? json_incref(reply.parameters) : json_object();
	json_decref(message);
	inbox_fini(&in);
	return r;
}

int control_call(const char *path, const char *method, json_t *take_parameters,
		 unsigned int timeout_ms, json_t **ret_reply, struct err *e)
{
	struct client c = { .fd = -1,
			    .path = path,
			    .deadline_ns = clock_monotonic_ns() + timeout_ms * NSEC_PER_MSEC };
	char name[128];
	json_t *call;
	int r;

	snprintf(name, sizeof(name), "%s%s", strchr(method, '.') ? "" : CONTROL_INTERFACE ".",
		 method);
	call = json_pack("{s:s, s:o*}", "method", name, "parameters", take_parameters);
	if (!call)
		return err_set(e, -ENOMEM, "call %s", method);
	r = client_connect(&c, timeout_ms, e);
	if (r == 0)
		r = client_call(&c, method, call, ret_reply, e);
	json_decref(call);
	if (c.fd >= 0)
		close(c.fd);
	return r;
}
