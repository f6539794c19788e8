/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov history`: the generations of the policy, or one of them in full. What differs between
 * two is diff's.
 */
#include "command.h"
#include "print.h"

/* "modelgov 0.1.0, linux 6.12" or whatever the facts are: key value, key value. */
static void facts_print(const json_t *facts)
{
	const char *key, *gap = "";
	json_t *value;

	json_object_foreach((json_t *)facts, key, value) {
		_cleanup_free_ char *text = json_is_string(value)
						    ? strdup(json_string_value(value))
						    : json_dumps(value, JSON_ENCODE_ANY);

		printf("%s%s %s", gap, key, text ? text : "?");
		gap = ", ";
	}
	putchar('\n');
}

static void number_print(const json_t *generation, const char *key, const char *label)
{
	int64_t number;

	if (number_of(generation, key, &number))
		printf("%s %" PRIi64 "\n", label, number);
}

static void gates_print(const json_t *gates)
{
	struct table t;
	json_t *gate;
	size_t i;

	if (json_array_size(gates) == 0)
		return;
	puts("Gates");
	table_init(&t, "lll");
	json_array_foreach((json_t *)gates, i, gate) {
		table_add(&t, false, "%s", text_of(gate, "name"));
		table_add(&t, strcmp(text_of(gate, "verdict"), "pass") != 0, "%s",
			  text_of(gate, "verdict"));
		table_add(&t, false, "%s", text_of(gate, "note"));
	}
	table_print(&t, 2, stdout);
	table_fini(&t);
}

static void policy_print(const char *canonical)
{
	json_t *policy = json_loads(canonical, 0, NULL);
	_cleanup_free_ char *text = policy ? json_dumps(policy, JSON_INDENT(2)) : NULL;

	puts("Policy");
	text_print(text ? text : canonical, 2, stdout);
	json_decref(policy);
}

static void generation_print(const json_t *generation)
{
	const char *ticket = text_of(generation, "ticket");
	int64_t made_ns = 0;
	char when[32];

	(void)number_of(generation, "made_ns", &made_ns);
	number_print(generation, "number", "Generation");
	line_print(0, "Made       %s by %s", time_print(made_ns, when, sizeof(when)),
		   text_of(generation, "author"));
	line_print(0, "Digest     %s", text_of(generation, "digest"));
	line_print(0, "Reason     %s", text_of(generation, "reason"));
	if (*ticket)
		line_print(0, "Ticket     %s", ticket);
	number_print(generation, "change", "Change    ");
	number_print(generation, "parent", "After     ");
	number_print(generation, "equals", "Equals    ");
	printf("Facts      ");
	facts_print(json_object_get(generation, "facts"));
	gates_print(json_object_get(generation, "gates"));
	policy_print(text_of(generation, "canonical"));
}

static int generation_show(const struct cli *cli, const char *text)
{
	json_t *generation = NULL;
	uint64_t number;
	int status = number_argument(text, "generation", &number);

	if (!status)
		status = record_ask(cli, QUESTION_GENERATION,
				    json_pack("{s:I}", "number", (json_int_t)number), &generation);
	if (status)
		return status;
	if (cli->is_json)
		return json_print(generation);
	generation_print(generation);
	json_decref(generation);
	return EXIT_OK;
}

static void generation_add(struct table *t, const json_t *generation, bool is_in_force)
{
	int64_t number = 0, made_ns = 0, equals;
	char when[32];

	(void)number_of(generation, "number", &number);
	(void)number_of(generation, "made_ns", &made_ns);
	table_add(t, false, "%" PRIi64 "%s", number, is_in_force ? " *" : "");
	table_add(t, false, "%s", time_print(made_ns, when, sizeof(when)));
	table_add(t, false, "%.12s", text_of(generation, "digest"));
	table_add(t, false, "%s", text_of(generation, "author"));
	table_add(t, false, "%s", text_of(generation, "ticket"));
	if (number_of(generation, "equals", &equals))
		table_add(t, false, "%s (equals %" PRIi64 ")", text_of(generation, "reason"),
			  equals);
	else
		table_add(t, false, "%s", text_of(generation, "reason"));
}

static void generations_print(const json_t *list)
{
	static const char *const heads[] = { "GENERATION", "MADE",   "DIGEST",
					     "AUTHOR",     "TICKET", "REASON" };
	struct table t;
	json_t *one;
	size_t i;

	if (json_array_size(list) == 0) {
		puts("No generation is recorded");
		return;
	}
	table_init(&t, "llllll");
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&t, false, "%s", heads[i]);
	json_array_foreach((json_t *)list, i, one)
		generation_add(&t, one, i == 0);
	table_print(&t, 0, stdout);
	table_fini(&t);
	puts("* in force");
}

int history_run(const struct cli *cli, int argc, char **argv)
{
	json_t *list = NULL;
	int status;

	if (argc > 0)
		return generation_show(cli, argv[0]);
	status = record_ask(cli, QUESTION_HISTORY, json_pack("{s:i}", "limit", (int)cli->limit),
			    &list);
	if (status)
		return status;
	if (cli->is_json)
		return json_print(list);
	generations_print(list);
	json_decref(list);
	return EXIT_OK;
}
