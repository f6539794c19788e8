/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form: what it is to the byte, that it comes back, and that nothing else passes for
 * one.
 */
#include "policy_home.h"

static const struct host_facts facts = { 4, 16ULL << 30 };

static struct policy *back(const char *text)
{
	struct policy *p = NULL;
	struct err e = { 0 };

	cr_assert_eq(policy_from_canonical(text, strlen(text), &facts, &p, &e), 0, "%s\n%s", e.text,
		     text);
	return p;
}

/* What is said about bytes that are no canonical form. */
static void refused(const char *text, const char *said)
{
	struct policy *p = NULL;
	struct err e = { 0 };
	int r = policy_from_canonical(text, strlen(text), &facts, &p, &e);

	cr_expect_eq(r, -EINVAL, "%s", text);
	cr_expect_null(p);
	cr_expect(strstr(e.text, said), "said '%s', not '%s'", e.text, said);
}

static const char nothing[] =
	"{\"apiVersion\":\"modelgov/v1\",\"host\":{\"changes\":{\"apply\":\"auto\",\"approvals\":0,"
	"\"gateTimeout\":30000000000,\"margin\":500,\"probation\":0},\"journal\":{\"limit\":"
	"1073741824,\"retention\":604800000000000},\"limits\":{\"experiments\":{\"cpu\":2000,"
	"\"memory\":\"none\"},\"retryAmplification\":8},\"mode\":\"observe\",\"tick\":1000000000},"
	"\"models\":{}}";

/* Put into models, with everything that has a default. */
#define ONE_MODEL                                                                                  \
	"{\"apiVersion\":\"modelgov/v1\",\"host\":{\"changes\":{\"apply\":\"auto\","               \
	"\"approvals\":0,\"gateTimeout\":30000000000,\"margin\":500,\"probation\":0},\"journal\":" \
	"{\"limit\":1073741824,\"retention\":604800000000000},\"limits\":{\"experiments\":{"       \
	"\"cpu\":2000,\"memory\":\"none\"},\"retryAmplification\":8},\"mode\":\"observe\","        \
	"\"tick\":1000000000},\"models\":{%s}}"

Test(policy_canonical, of_an_empty_directory_it_is_every_default_and_nothing_more)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	const struct policy *p = home_load_right(&h);
	_cleanup_free_ char *text = policy_canonical(p);

	cr_assert_str_eq(text, nothing);
	/* printf '%s' TEXT | sha256sum */
	cr_assert_str_eq(p->digest,
			 "f8e4b4eba1782464dd95a62050642adb379418db3bede4be184fcbf80350b9db");
}

Test(policy_canonical, of_the_full_example_it_is_this)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *expected = NULL;

	home_open(&h);
	h.source.etc = "policies/examples/full";
	h.source.trusts_any_owner = true;
	_cleanup_free_ char *text = policy_canonical(home_load_right(&h));

	cr_assert_eq(file_read_all(AT_FDCWD, "tests/unit/full.canonical.json", 1 << 20, &expected,
				   NULL, &h.e),
		     0, "%s", h.e.text);
	cr_assert_str_eq(text, expected);
}

Test(policy_canonical, comes_back_to_the_byte_with_the_same_digest)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	h.source.etc = "policies/examples/full";
	h.source.trusts_any_owner = true;
	const struct policy *p = home_load_right(&h);
	_cleanup_free_ char *text = policy_canonical(p);
	struct policy *again = back(text);
	_cleanup_free_ char *text_again = policy_canonical(again);

	cr_expect_str_eq(text_again, text);
	cr_expect_str_eq(again->digest, p->digest);
	cr_expect_eq(again->n_models, p->n_models);
	cr_expect_str_eq(again->models[0].contract.inputs[1].shape, "[any, 3, 224, 224]");
	cr_expect_eq(again->models[0].contract.depends_on[0].timeout_ns, 20 * NSEC_PER_MSEC);
	cr_expect_eq(again->models[0].preemption.may, 1u << CLASS_STANDARD | 1u << CLASS_BATCH);
	cr_expect_eq(again->models[0].checks[0].command.n, 3);
	cr_expect_eq(again->models[0].values[KNOB_CPU_MAX], VALUE_MAX);
	cr_expect_eq(again->models[0].values[KNOB_CPU_WEIGHT], MISSING);
	cr_expect_str_eq(again->models[0].file, "");
	policy_free(again);
}

/* As bits they are VALUE_MAX and MISSING. */
Test(policy_canonical, priorities_below_zero_are_numbers_like_others)
{
	for (int priority = -3; priority <= 0; priority++) {
		_cleanup_home_ struct home h;
		char resources[64], in_form[32];

		home_open(&h);
		snprintf(resources, sizeof(resources), "  class: batch\n  priority: %d\n",
			 priority);
		snprintf(in_form, sizeof(in_form), "\"priority\":%d}", priority);
		home_write_model(&h, "a", resources);
		_cleanup_free_ char *text = policy_canonical(home_load_right(&h));
		struct policy *again = back(text);

		cr_expect(strstr(text, in_form), "%s", text);
		cr_expect_eq(again->models[0].priority, priority);
		policy_free(again);
	}
}

Test(policy_canonical, what_is_no_canonical_form_is_refused_with_a_reason)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "", "it is not JSON" },
		{ "[]", "version none" },
		{ "{\"apiVersion\":\"modelgov/v2\"}", "version 'modelgov/v2'; this program reads" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{}}", "it has no models" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{}}",
		  "byte 36 is not what this version would write" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":[],\"models\":{}}",
		  "host: error: is not a group of keys" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{\"tick\":\"1s\"},\"models\":{}}",
		  "'1s' is not a whole number in the base unit" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{\"tick\":1},\"models\":{}}",
		  "tick: '1' is out of range; it goes from 100ms to 10s" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{\"tick\":1.5},\"models\":{}}",
		  "tick: 'null' is not a whole number" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{\"tik\":1},\"models\":{}}",
		  "unknown key 'tik'; did you mean 'tick'?" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"host\":{},\"models\":{}}",
		  "it is not JSON: 'duplicate" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"a\":{\"metadata\":"
		  "{\"name\":\"b\"},\"resources\":{\"class\":\"batch\"}}}}",
		  "model a: error: metadata.name: 'b' is not" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"a\":{\"metadata\":"
		  "{\"name\":\"a\"}}}}",
		  "model a: error: key 'resources' is missing" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"../a\\u001b\":{}}}",
		  "model '../a\\x1b': error: " },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"a\":{\"metadata\":"
		  "{\"name\":\"a\",\"owner\":\"\\u001b[2J\"}}}}",
		  "model a: error: holds control or invisible characters" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{\"mode\":\"\\u001b[31m\"},"
		  "\"models\":{}}",
		  "host: error: holds control or invisible characters" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"o\\r\":{}}}",
		  "model 'o\\x0d': error: " },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"a\":[[[[[[[[[[[[[[[[[["
		  "[[]]]]]]]]]]]]]]]]]]]]}}",
		  "model a: error: is not a group of keys" },
		{ "{\"apiVersion\":\"modelgov/v1\",\"host\":{},\"models\":{\"a\":{\"b\":"
		  "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}}}",
		  "model a: error: is nested more than 16 levels deep" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(cases[i].text, cases[i].said);
}

/* The bytes are the test: JSON that means the same is another form. */
Test(policy_canonical, the_same_values_spelled_otherwise_are_refused)
{
	_cleanup_free_ char *blank = NULL, *spare = NULL;

	cr_assert(asprintf(&blank, "%s\n", nothing) > 0);
	refused(blank, "byte 314 is not what");
	cr_assert(asprintf(&spare, "{ %s", nothing + 1) > 0);
	refused(spare, "byte 1 is not what");
	policy_free(back(nothing));
}

Test(policy_canonical, contradictions_are_judged_on_the_way_back)
{
	_cleanup_free_ char *text = NULL;

	cr_assert(
		asprintf(
			&text, ONE_MODEL,
			"\"a\":{\"contract\":{\"degraded\":{\"signal\":\"none\"},"
			"\"idempotent\":false,\"ordering\":\"none\"},\"metadata\":{\"name\":\"a\"},"
			"\"preemption\":{\"how\":[\"weight\"]},\"resources\":{\"class\":\"batch\","
			"\"cpu\":{\"floor\":100,\"reserved\":99000},\"cpuset\":{\"dedicated\":"
			"false},\"priority\":0},\"stage\":\"production\"}") > 0);
	refused(text, "resources.cpu.reserved: 99cpu is more than this host has (4cpu)");
}
