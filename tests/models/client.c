/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool of connections, each idle or with one request on its way. Edge-triggered: on any event
 * send what is left, then read what is there.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_LIMIT_BYTES 8192 /* chosen: twice the longest text plus a header */

struct connection {
	struct client *client;
	int fd;
	bool is_busy;
	void *tag;
	const char *out; /* what is still to be sent */
	size_t out_size;
	size_t in_size;
	char in[ANSWER_LIMIT_BYTES + 1];
};

struct client {
	uint16_t port;
	int epoll_fd;
	answer_handler handler;
	unsigned int n;
	struct connection *all[MAX_CONNECTIONS];
};

struct client *client_new(uint16_t port, int epoll_fd, answer_handler handler)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		fprintf(stderr, "client: out of memory\n");
		return NULL;
	}
	c->port = port;
	c->epoll_fd = epoll_fd;
	c->handler = handler;
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < c->n; i++) {
		close(c->all[i]->fd);
		free(c->all[i]);
	}
	free(c);
}

char *client_request(const char *body, size_t size, size_t *ret_size)
{
	char head[128];
	int head_size =
		snprintf(head, sizeof(head),
			 "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", size);
	char *bytes = malloc((size_t)head_size + size);

	if (!bytes)
		return NULL;
	memcpy(bytes, head, (size_t)head_size);
	memcpy(bytes + head_size, body, size);
	*ret_size = (size_t)head_size + size;
	return bytes;
}

static struct connection *connection_new(struct client *c)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(c->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct connection *n;
	int one = 1;

	n = c->n < MAX_CONNECTIONS ? calloc(1, sizeof(*n)) : NULL;
	if (!n)
		return NULL;
	n->client = c;
	n->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	event.data.ptr = n;
	if (n->fd < 0 || setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    (connect(n->fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, n->fd, &event) < 0) {
		if (n->fd >= 0)
			close(n->fd);
		free(n);
		return NULL;
	}
	c->all[c->n++] = n;
	return n;
}

/* Ends the connection, and the request on it, if there is one, as failed. */
static void connection_fail(struct connection *n)
{
	struct client *c = n->client;

	for (unsigned int i = 0; i < c->n; i++)
		if (c->all[i] == n)
			c->all[i] = c->all[--c->n];
	close(n->fd);
	if (n->is_busy)
		c->handler(n->tag, 0, "", 0);
	free(n);
}

/* 0, or -EAGAIN: the rest when epoll says so, or a negative errno. */
static int connection_push(struct connection *n)
{
	while (n->out_size > 0) {
		ssize_t sent = send(n->fd, n->out, n->out_size, MSG_NOSIGNAL);

		if (sent < 0)
			return -errno; /* EAGAIN as well while it still connects */
		n->out += sent;
		n->out_size -= (size_t)sent;
	}
	return 0;
}

/* 0 and the parts of a complete answer; -EAGAIN: not complete; -EPROTO: nothing we understand. */
static int parse_answer(char *in, size_t size, int *ret_status, const char **ret_text,
			size_t *ret_size)
{
	char *end, *field;
	size_t length;

	in[size] = '\0';
	end = strstr(in, "\r\n\r\n");
	if (!end)
		return size < ANSWER_LIMIT_BYTES ? -EAGAIN : -EPROTO;
	field = strcasestr(in, "\r\nContent-Length:");
	if (!field || field > end || sscanf(in, "HTTP/1.%*d %d", ret_status) != 1)
		return -EPROTO;
	length = strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
	end += 4;
	if (length > ANSWER_LIMIT_BYTES - (size_t)(end - in))
		return -EPROTO;
	if (length > size - (size_t)(end - in))
		return -EAGAIN;
	*ret_text = end;
	*ret_size = length;
	return 0;
}

/* Reads until nothing is there; hands over the answer when it is complete. */
static int connection_pull(struct connection *n)
{
	for (;;) {
		ssize_t got = recv(n->fd, n->in + n->in_size, ANSWER_LIMIT_BYTES - n->in_size, 0);
		const char *text;
		size_t size;
		int status, r;

		if (got < 0)
			return -errno;
		if (got == 0 || !n->is_busy)
			return -EPIPE;
		n->in_size += (size_t)got;
		r = parse_answer(n->in, n->in_size, &status, &text, &size);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		n->in_size = 0;
		n->is_busy = false;
		n->client->handler(n->tag, status, text, size);
	}
}

void connection_on_event(struct connection *n)
{
	int r = connection_push(n);

	if (r == 0)
		r = connection_pull(n);
	if (r != -EAGAIN)
		connection_fail(n);
}

void client_send(struct client *c, const char *bytes, size_t size, void *tag)
{
	struct connection *n = NULL;
	int r;

	for (unsigned int i = 0; i < c->n && !n; i++)
		if (!c->all[i]->is_busy)
			n = c->all[i];
	if (!n)
		n = connection_new(c);
	if (!n) {
		c->handler(tag, 0, "", 0);
		return;
	}
	n->is_busy = true;
	n->tag = tag;
	n->out = bytes;
	n->out_size = size;
	r = connection_push(n);
	if (r < 0 && r != -EAGAIN)
		connection_fail(n);
}
