/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One model behind HTTP, on libmicrohttpd with a single worker thread: requests that arrive
 * together wait for each other in their sockets. Knows nothing of images or speech.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

#define MAX_CONNECTIONS 512 /* chosen: an overloaded run queues here, is not refused */

struct server {
	const struct served_model *model;
	void *state;
};

/* A request whose body is still arriving. */
struct upload {
	bool is_too_large;
	size_t size;
	char body[];
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned int status,
			     const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				      "text/plain; charset=utf-8");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static void upload_add(struct upload *u, const char *data, size_t size)
{
	if (size > BODY_LIMIT_BYTES - u->size) {
		u->is_too_large = true;
		return;
	}
	memcpy(u->body + u->size, data, size);
	u->size += size;
}

static enum MHD_Result upload_answer(const struct server *s, struct MHD_Connection *connection,
				     const struct upload *u)
{
	char text[TEXT_LIMIT_BYTES] = "";
	int r;

	if (u->is_too_large)
		return reply(connection, MHD_HTTP_CONTENT_TOO_LARGE, "body too large\n");
	r = s->model->answer(s->state, u->body, u->size, text);
	if (r == -EINVAL)
		return reply(connection, MHD_HTTP_BAD_REQUEST, "cannot read the body\n");
	if (r < 0)
		return reply(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the model failed\n");
	return reply(connection, MHD_HTTP_OK, text);
}

static struct upload *upload_new(void)
{
	struct upload *u = malloc(sizeof(*u) + BODY_LIMIT_BYTES);

	if (!u)
		return NULL;
	u->is_too_large = false;
	u->size = 0;
	return u;
}

/*
 * Called once with the headers, then with each piece of the body, then with an empty piece. To
 * answer on the first call would make libmicrohttpd close the connection.
 */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *data, size_t *size, void **request)
{
	struct upload *u = *request;

	(void)version;
	if (!u) {
		*request = upload_new();
		return *request ? MHD_YES : MHD_NO;
	}
	if (*size > 0) {
		upload_add(u, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 && strcmp(url, "/") == 0)
		return upload_answer(userdata, connection, u);
	if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 && strcmp(url, "/health") == 0)
		return reply(connection, MHD_HTTP_OK, "ok\n");
	return reply(connection, MHD_HTTP_NOT_FOUND, "POST / or GET /health\n");
}

static void on_request_end(void *userdata, struct MHD_Connection *connection, void **request,
			   enum MHD_RequestTerminationCode why)
{
	(void)userdata;
	(void)connection;
	(void)why;
	free(*request);
	*request = NULL;
}

static struct MHD_Daemon *server_listen(struct server *s, uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
				on_request, s, MHD_OPTION_SOCK_ADDR, &address,
				MHD_OPTION_NOTIFY_COMPLETED, on_request_end, NULL,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)MAX_CONNECTIONS,
				MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned int)MAX_CONNECTIONS,
				MHD_OPTION_END);
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)value;
	return 0;
}

/* Serves until a signal asks to end. The signals were blocked before any thread was started. */
static int server_serve(struct server *s, uint16_t port, const sigset_t *ending)
{
	struct MHD_Daemon *daemon = server_listen(s, port);
	int signal_number;

	if (!daemon) {
		fprintf(stderr, "%s: cannot listen on 127.0.0.1:%u\n", s->model->name, port);
		return EXIT_FAILURE;
	}
	/* A page fault that reads the disk would be charged to a request. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fprintf(stderr, "%s: cannot lock memory (%s), continuing\n", s->model->name,
			strerror(errno));
	(void)sd_notify(false, "READY=1");
	(void)sigwait(ending, &signal_number);
	MHD_stop_daemon(daemon);
	return EXIT_SUCCESS;
}

int server_run(const struct served_model *model, int argc, char **argv)
{
	struct server s = { .model = model };
	uint16_t port;
	sigset_t ending;
	int status;

	if (argc < 2 || parse_port(argv[1], &port) < 0) {
		fprintf(stderr, "usage: %s PORT %s\n", model->name, model->usage);
		return 2;
	}
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ending, NULL);

	s.state = model->open(argc - 2, argv + 2);
	if (!s.state)
		return EXIT_FAILURE;
	status = server_serve(&s, port, &ending);
	model->close(s.state);
	return status;
}
