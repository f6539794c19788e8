/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a stream of bytes at its NULs into JSON objects and checks the members that Varlink knows.
 * What a method means, and who may call it, is for others.
 */
#include "wire.h"

/* chosen: an ordinary request fits; a longer message doubles it up to the limit */
#define FIRST_SIZE_BYTES 1024

void inbox_init(struct inbox *b, size_t limit_bytes)
{
	*b = (struct inbox){ .limit = limit_bytes };
}

void inbox_fini(struct inbox *b)
{
	free(b->bytes);
	inbox_init(b, b->limit);
}

/* Moves what is left to the front, so that the room is one piece at the end. */
static void inbox_pack(struct inbox *b)
{
	if (b->start == 0)
		return;
	if (b->end > b->start)
		memmove(b->bytes, b->bytes + b->start, b->end - b->start);
	b->end -= b->start;
	b->scanned -= b->start;
	b->start = 0;
}

int inbox_room(struct inbox *b, char **ret_room, size_t *ret_size)
{
	if (b->end == b->size)
		inbox_pack(b);
	if (b->end == b->size) {
		size_t size = b->size ? MIN(b->size * 2, b->limit)
				      : MIN((size_t)FIRST_SIZE_BYTES, b->limit);
		char *larger;

		if (size <= b->size)
			return -EMSGSIZE;
		larger = realloc(b->bytes, size);
		if (!larger)
			return -ENOMEM;
		b->bytes = larger;
		b->size = size;
	}
	*ret_room = b->bytes + b->end;
	*ret_size = b->size - b->end;
	return 0;
}

void inbox_fill(struct inbox *b, size_t n)
{
	b->end += n;
}

/* Looks for the NUL of the first message; scanned stops there. */
bool inbox_has_message(struct inbox *b)
{
	char *nul;

	if (b->scanned == b->end)
		return false;
	nul = memchr(b->bytes + b->scanned, '\0', b->end - b->scanned);
	b->scanned = nul ? (size_t)(nul - b->bytes) : b->end;
	return nul;
}

bool inbox_has_part(const struct inbox *b)
{
	return b->end > b->start;
}

int inbox_take(struct inbox *b, json_t **ret_message, struct err *e)
{
	json_error_t problem;
	json_t *message;

	if (!inbox_has_message(b))
		return 0;
	/* jansson stops at 2048 levels of nesting by itself, and refuses what is not UTF-8 */
	message = json_loadb(b->bytes + b->start, b->scanned - b->start, JSON_REJECT_DUPLICATES,
			     &problem);
	b->start = b->scanned = b->scanned + 1;
	if (!message)
		return err_say(e, -EPROTO, "message is not JSON: %s, at byte %d", problem.text,
			       problem.position);
	if (!json_is_object(message)) {
		json_decref(message);
		return err_say(e, -EPROTO, "message is JSON, but not an object");
	}
	*ret_message = message;
	return 1;
}

int message_encode(const json_t *message, char **ret_bytes, size_t *ret_length)
{
	char *bytes = json_dumps(message, JSON_COMPACT);

	if (!bytes)
		return -ENOMEM;
	*ret_bytes = bytes;
	*ret_length = strlen(bytes) + 1;
	return 0;
}

int call_parse(json_t *message, struct call *ret_call, const char **ret_culprit)
{
	struct call call = { 0 };
	const char *key;
	json_t *value;

	json_object_foreach(message, key, value) {
		*ret_culprit = key;
		if (strcmp(key, "method") == 0 && json_is_string(value))
			call.method = json_string_value(value);
		else if (strcmp(key, "parameters") == 0 && json_is_object(value))
			call.parameters = value;
		else if (strcmp(key, "parameters") == 0 && json_is_null(value))
			call.parameters = NULL;
		else if (strcmp(key, "oneway") == 0 && json_is_boolean(value))
			call.is_oneway = json_is_true(value);
		else if (strcmp(key, "more") == 0 && json_is_boolean(value))
			continue;
		else if (strcmp(key, "upgrade") == 0 && json_is_false(value))
			continue;
		else
			return -EPROTO;
	}
	*ret_culprit = "method";
	if (!call.method)
		return -EPROTO;
	*ret_call = call;
	return 0;
}

int reply_parse(json_t *message, struct reply *ret_reply)
{
	json_t *error = json_object_get(message, "error");
	json_t *parameters = json_object_get(message, "parameters");

	if (error && !json_is_string(error))
		return -EPROTO;
	if (parameters && !json_is_object(parameters) && !json_is_null(parameters))
		return -EPROTO;
	ret_reply->error = json_string_value(error);
	ret_reply->parameters = json_is_object(parameters) ? parameters : NULL;
	return 0;
}
