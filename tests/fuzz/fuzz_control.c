/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes, in pieces of any size, through framing, call parsing and the check against a
 * signature. The first byte is the size of the pieces. Aborts when a promise of wire.h is broken.
 */
#include "control/interface.h"
#include "control/wire.h"

#define LIMIT     4096
#define SIGNATURE "(model: ?string, limit: ?int, names: ?[]string, marks: ?[string]bool) -> ()"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		abort();
}

/* What is taken once must be the same after it was sent again. */
static void message_check(json_t *message)
{
	struct inbox again;
	struct err e = { 0 };
	json_t *copy;
	char *bytes, *room;
	size_t length, size;

	promise(message_encode(message, &bytes, &length) == 0);
	promise(strlen(bytes) + 1 == length);
	inbox_init(&again, length);
	for (size_t sent = 0; sent < length; sent += size) {
		promise(inbox_room(&again, &room, &size) == 0);
		size = MIN(size, length - sent);
		memcpy(room, bytes + sent, size);
		inbox_fill(&again, size);
	}
	promise(inbox_take(&again, &copy, &e) == 1);
	promise(json_equal(message, copy));
	json_decref(copy);
	inbox_fini(&again);
	free(bytes);
}

static void call_check(json_t *message)
{
	struct call call;
	struct reply reply;
	const char *culprit = NULL;
	char name[64];

	if (call_parse(message, &call, &culprit) == 0)
		(void)signature_check(SIGNATURE, call.parameters, name, sizeof(name));
	else
		promise(culprit != NULL);
	(void)reply_parse(message, &reply);
}

static bool messages_take(struct inbox *in)
{
	json_t *message;
	int r;

	for (;;) {
		struct err e = { 0 };

		r = inbox_take(in, &message, &e);
		if (r <= 0)
			break;
		message_check(message);
		call_check(message);
		json_decref(message);
	}
	promise(r == 0 || r == -EPROTO);
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;
	struct inbox in;

	inbox_init(&in, LIMIT);
	for (size_t at = 1, n; at < size; at += n) {
		char *room;
		size_t available;

		if (inbox_room(&in, &room, &available) < 0)
			break;
		n = MIN(piece, available);
		n = MIN(n, size - at);
		memcpy(room, data + at, n);
		inbox_fill(&in, n);
		promise(in.end <= in.size && in.size <= LIMIT);
		if (!messages_take(&in))
			break;
	}
	inbox_fini(&in);
	return 0;
}
