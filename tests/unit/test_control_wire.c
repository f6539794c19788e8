/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the control socket: how bytes become messages, and which are refused. No sockets here.
 */
#include "control/wire.h"

#include <criterion/criterion.h>

#define LIMIT 256

static struct inbox in;
static struct err e;
static json_t *message;

static void arrive(const char *bytes, size_t n)
{
	while (n > 0) {
		char *room;
		size_t size;

		cr_assert_eq(inbox_room(&in, &room, &size), 0);
		size = MIN(size, n);
		memcpy(room, bytes, size);
		inbox_fill(&in, size);
		bytes += size;
		n -= size;
	}
}

#define ARRIVE(text) arrive(text, sizeof(text)) /* with its NUL */

static int take(void)
{
	json_decref(message);
	message = NULL;
	return inbox_take(&in, &message, &e);
}

static void begin(void)
{
	inbox_init(&in, LIMIT);
}

static void end(void)
{
	json_decref(message);
	inbox_fini(&in);
}

TestSuite(wire, .init = begin, .fini = end);

Test(wire, a_message_is_complete_only_with_its_nul)
{
	arrive("{\"method\":\"a.B\"}", 16);
	cr_assert_eq(take(), 0, "no NUL yet");
	arrive("", 1);
	cr_assert_eq(take(), 1);
	cr_assert_str_eq(json_string_value(json_object_get(message, "method")), "a.B");
	cr_assert_eq(take(), 0, "it is taken once");
}

Test(wire, messages_may_arrive_byte_by_byte)
{
	static const char text[] = "{\"x\":1}";

	for (size_t i = 0; i < sizeof(text); i++) {
		cr_assert_eq(take(), 0, "complete after %zu bytes", i);
		arrive(text + i, 1);
	}
	cr_assert_eq(take(), 1);
}

Test(wire, several_messages_in_one_read_come_out_one_by_one)
{
	ARRIVE("{\"n\":1}\0{\"n\":2}\0{\"n\":3");
	for (int n = 1; n <= 2; n++) {
		cr_assert_eq(take(), 1);
		cr_assert_eq(json_integer_value(json_object_get(message, "n")), n);
	}
	cr_assert_eq(take(), -EPROTO, "the third lacks its brace");
}

Test(wire, a_long_stream_of_messages_needs_no_more_room_than_one)
{
	for (int i = 0; i < 10000; i++) {
		ARRIVE("{\"method\":\"org.modelgov.Governor.Status\"}");
		cr_assert_eq(take(), 1);
	}
	cr_assert_leq(in.size, LIMIT);
}

Test(wire, a_message_over_the_limit_is_refused_before_it_is_stored)
{
	char *room;
	size_t size;

	for (int i = 0; i < LIMIT; i++)
		arrive("x", 1);
	cr_assert_eq(inbox_room(&in, &room, &size), -EMSGSIZE);
	cr_assert_eq(in.size, LIMIT);
}

Test(wire, a_message_of_exactly_the_limit_is_taken)
{
	char text[LIMIT];

	memset(text, ' ', sizeof(text));
	text[0] = '{';
	text[LIMIT - 2] = '}';
	text[LIMIT - 1] = '\0';
	arrive(text, sizeof(text));
	cr_assert_eq(take(), 1);
}

Test(wire, what_is_not_one_strict_json_object_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"[]",
		"1",
		"null",
		"\"text\"",
		"{",
		"{}}",
		"{} {}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,}",
		"{'a':1}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":nan}",
		"{\"a\":99999999999999999999}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		arrive(bad[i], strlen(bad[i]) + 1);
		cr_assert_eq(take(), -EPROTO, "'%s' was taken", bad[i]);
		cr_assert(strlen(e.text) > 0);
	}
}

Test(wire, deep_nesting_is_refused_and_not_followed)
{
	enum { DEPTH = 5000 };
	struct inbox deep;
	char *room;
	size_t size;

	inbox_init(&deep, DEPTH + 8);
	for (int i = 0; i <= DEPTH; i++) {
		cr_assert_eq(inbox_room(&deep, &room, &size), 0);
		*room = i == DEPTH ? '\0' : '[';
		inbox_fill(&deep, 1);
	}
	cr_assert_eq(inbox_take(&deep, &message, &e), -EPROTO);
	inbox_fini(&deep);
}

Test(wire, an_encoded_message_reads_back_the_same)
{
	json_t *sent = json_pack("{s:s, s:I, s:[n, b]}", "text", "a \"b\" \u00e4\n", "big",
				 (json_int_t)INT64_MAX, "list", 1);
	char *bytes;
	size_t length;

	cr_assert_eq(message_encode(sent, &bytes, &length), 0);
	cr_assert_eq(bytes[length - 1], '\0');
	cr_assert_eq(strlen(bytes), length - 1, "one NUL, at the end");
	arrive(bytes, length);
	cr_assert_eq(take(), 1);
	cr_assert(json_equal(sent, message));
	free(bytes);
	json_decref(sent);
}

static int parse(const char *text, struct call *ret_call, const char **ret_culprit)
{
	json_decref(message);
	message = json_loads(text, 0, NULL);
	return call_parse(message, ret_call, ret_culprit);
}

Test(wire, a_call_has_a_method_and_maybe_parameters)
{
	struct call call;
	const char *culprit;

	cr_assert_eq(parse("{\"method\":\"a.B\"}", &call, &culprit), 0);
	cr_assert_str_eq(call.method, "a.B");
	cr_assert_null(call.parameters);
	cr_assert_not(call.is_oneway);
	cr_assert_eq(parse("{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"oneway\":true,\"more\":"
			   "false}",
			   &call, &culprit),
		     0);
	cr_assert_eq(json_object_size(call.parameters), 1);
	cr_assert(call.is_oneway);
}

Test(wire, a_call_with_a_wrong_member_names_it)
{
	static const struct {
		const char *text, *culprit;
	} cases[] = {
		{ "{}", "method" },
		{ "{\"method\":1}", "method" },
		{ "{\"method\":\"a.B\",\"parameters\":[]}", "parameters" },
		{ "{\"method\":\"a.B\",\"oneway\":1}", "oneway" },
		{ "{\"method\":\"a.B\",\"upgrade\":true}", "upgrade" },
		{ "{\"method\":\"a.B\",\"sudo\":true}", "sudo" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct call call;
		const char *culprit = "";

		cr_assert_eq(parse(cases[i].text, &call, &culprit), -EPROTO, "%s", cases[i].text);
		cr_assert_str_eq(culprit, cases[i].culprit);
	}
}
