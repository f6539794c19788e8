/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: bytes to messages and messages to bytes, for both ends of the control socket. One JSON
 * object per message, ended by NUL. Strict: no duplicate keys, no bytes after the object, no
 * unknown member. Touches no socket, so that it can be tested and fuzzed alone.
 */
#ifndef MODELGOV_CONTROL_WIRE_H
#define MODELGOV_CONTROL_WIRE_H

#include "base.h"

#include <jansson.h>

/* Bytes that arrived and are not yet taken as messages: bytes[start..end). */
struct inbox {
	char *bytes;
	size_t start, end, size;
	size_t scanned; /* bytes[start..scanned) hold no NUL: a byte is looked at once */
	size_t limit;   /* of one message with its NUL */
};

void inbox_init(struct inbox *b, size_t limit_bytes);
void inbox_fini(struct inbox *b);

/* Where to read into: at least one byte. -EMSGSIZE when the message there is longer than the limit.
 */
int inbox_room(struct inbox *b, char **ret_room, size_t *ret_size);
void inbox_fill(struct inbox *b, size_t n); /* that many bytes were put into the room */

bool inbox_has_message(struct inbox *b);
bool inbox_has_part(const struct inbox *b); /* any byte at all */

/* The next message: 1 and a new reference to an object; 0: not complete yet; -EPROTO with e, and
 * then the connection is not worth reading on. */
int inbox_take(struct inbox *b, json_t **ret_message, struct err *e);

/* The message with its final NUL, which counts in ret_length; caller frees. */
int message_encode(const json_t *message, char **ret_bytes, size_t *ret_length);

/* A request, borrowed from its message. */
struct call {
	const char *method;
	json_t *parameters; /* object, or NULL when there were none */
	bool is_oneway;
};

/* 0, or -EPROTO and the member that is wrong. more is accepted: a single reply is an answer to it.
 */
int call_parse(json_t *message, struct call *ret_call, const char **ret_culprit);

/* A reply, borrowed from its message; error is NULL when all went well. */
struct reply {
	const char *error;
	json_t *parameters; /* object, or NULL */
};

int reply_parse(json_t *message, struct reply *ret_reply);

#endif
