/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: HTTP/1.1 requests to one server on loopback over non-blocking connections that are kept.
 * Each request that finds no idle connection gets a new one, so that a slow answer never delays the
 * next request. Knows nothing of schedules and latencies; answers need a Content-Length.
 */
#ifndef TESTS_MODELS_CLIENT_H
#define TESTS_MODELS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#define MAX_CONNECTIONS 256 /* chosen: many times what a server that still keeps up needs */

struct client;
struct connection;

/* tag: as given to client_send. status: HTTP's, or 0 when the connection failed. */
typedef void (*answer_handler)(void *tag, int status, const char *text, size_t size);

/* The connections register in epoll_fd with themselves as data.ptr. NULL after saying why. */
struct client *client_new(uint16_t port, int epoll_fd, answer_handler handler);
void client_free(struct client *c);

/* The bytes of a POST; caller frees. */
char *client_request(const char *body, size_t size, size_t *ret_size);

/* bytes are borrowed until the answer. The handler is called in any case, maybe at once. */
void client_send(struct client *c, const char *bytes, size_t size, void *tag);

/* epoll reported this connection (take one event at a time: it may be gone afterwards). */
void connection_on_event(struct connection *connection);

#endif
