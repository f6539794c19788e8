/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of methods: what they accept, and the interface that is printed from them.
 */
#include "control/interface.h"

#include <criterion/criterion.h>

#define EXPLAIN "(model: ?string, limit: ?int) -> (actions: []object)"

static const char *refused(const char *signature, const char *parameters)
{
	static char culprit[64];
	json_t *json = parameters ? json_loads(parameters, 0, NULL) : NULL;
	int r = signature_check(signature, json, culprit, sizeof(culprit));

	json_decref(json);
	return r < 0 ? culprit : NULL;
}

Test(interface, optional_inputs_may_be_null_or_absent)
{
	cr_assert_null(refused(EXPLAIN, NULL));
	cr_assert_null(refused(EXPLAIN, "{}"));
	cr_assert_null(refused(EXPLAIN, "{\"model\":null,\"limit\":5}"));
	cr_assert_null(refused(EXPLAIN, "{\"model\":\"ocr\"}"));
}

Test(interface, a_wrong_type_or_name_is_refused_by_name)
{
	cr_assert_str_eq(refused(EXPLAIN, "{\"model\":1}"), "model");
	cr_assert_str_eq(refused(EXPLAIN, "{\"limit\":\"5\"}"), "limit");
	cr_assert_str_eq(refused(EXPLAIN, "{\"limit\":1.5}"), "limit");
	cr_assert_str_eq(refused(EXPLAIN, "{\"modle\":\"ocr\"}"), "modle");
	cr_assert_str_eq(refused("() -> ()", "{\"x\":1}"), "x");
}

Test(interface, a_mandatory_input_must_be_there)
{
	cr_assert_str_eq(refused("(a: int, b: bool) -> ()", "{\"a\":1}"), "b");
	cr_assert_str_eq(refused("(a: int) -> ()", "{\"a\":null}"), "a");
	cr_assert_str_eq(refused("(a: int) -> ()", NULL), "a");
}

Test(interface, arrays_and_maps_are_checked_member_by_member)
{
	cr_assert_null(refused("(a: []int) -> ()", "{\"a\":[]}"));
	cr_assert_null(refused("(a: []int) -> ()", "{\"a\":[1,2]}"));
	cr_assert_str_eq(refused("(a: []int) -> ()", "{\"a\":[1,\"2\"]}"), "a");
	cr_assert_str_eq(refused("(a: []int) -> ()", "{\"a\":1}"), "a");
	cr_assert_null(refused("(a: [string]bool) -> ()", "{\"a\":{\"x\":true}}"));
	cr_assert_str_eq(refused("(a: [string]bool) -> ()", "{\"a\":{\"x\":1}}"), "a");
	cr_assert_str_eq(refused("(a: [string]bool) -> ()", "{\"a\":[]}"), "a");
}

Test(interface, a_broken_signature_is_known_as_such)
{
	static const char *const good[] = { "() -> ()", EXPLAIN,
					    "(a:int)->(b: (c: string, d: []int))" };
	static const char *const bad[] = { "",
					   "()",
					   "->",
					   "(a) -> ()",
					   "(a: text) -> ()",
					   "(a: int,) -> ()",
					   "(a: int b: int) -> ()",
					   "() -> (",
					   "() -> ())",
					   "() -> () x" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_assert(signature_is_valid(good[i]), "'%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_not(signature_is_valid(bad[i]), "'%s'", bad[i]);
}

Test(interface, the_description_holds_every_method_of_the_table)
{
	static const struct method methods[] = {
		{ "Status", ROLE_VIEWER, "() -> (tick: int)", "How it goes", NULL },
		{ "Restore", ROLE_OPERATOR, "() -> ()", "Puts back", NULL },
		{ 0 },
	};
	char *text = interface_describe(methods);

	cr_assert_not_null(strstr(text, "interface org.modelgov.Governor\n"));
	cr_assert_not_null(
		strstr(text, "# How it goes (viewer)\nmethod Status() -> (tick: int)\n"));
	cr_assert_not_null(strstr(text, "# Puts back (operator)\nmethod Restore() -> ()\n"));
	cr_assert_not_null(strstr(text, "error PermissionDenied (message: string)\n"));
	free(text);
}
