/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov shadow`: how a candidate policy that runs beside the one in force differs from it, and
 * its end. It is begun by `modelgov apply --shadow`, the function at the end.
 */
#include "knob.h"
#include "print.h"
#include "live.h"

static void value_add(struct table *t, enum knob knob, const json_t *split, const char *key)
{
	const json_t *value = json_object_get(split, key);
	char text[64];

	if (json_is_string(value))
		table_add(t, false, "max");
	else if (json_is_integer(value))
		table_add(t, false, "%s",
			  knob_describe(knob, (uint64_t)json_integer_value(value), text,
					sizeof(text)));
	else
		table_add(t, false, "not set");
}

static void model_add(struct table *t, const json_t *model)
{
	const char *only = text_of(model, "only_in");
	json_t *split;
	size_t i;

	if (*only) {
		table_add(t, false, "%s", text_of(model, "name"));
		table_add(t, false, "only in the %s policy",
			  strcmp(only, "live") == 0 ? "live" : "shadow");
		for (int k = 0; k < 3; k++)
			table_add(t, false, "-");
	}
	json_array_foreach(json_object_get(model, "knobs"), i, split) {
		enum knob knob = KNOB_CPU_WEIGHT;
		char ticks[32];

		(void)knob_find(text_of(split, "knob"), &knob);
		table_add(t, false, "%s", text_of(model, "name"));
		table_add(t, false, "%s", text_of(split, "knob"));
		table_add(t, false, "%s",
			  format_of(split, "ticks", plain_format, ticks, sizeof(ticks)));
		value_add(t, knob, split, "live");
		value_add(t, knob, split, "shadow");
	}
}

static void shadow_print(const json_t *shadow)
{
	static const char *const heads[] = { "MODEL", "KNOB", "TICKS", "LIVE", "SHADOW" };
	const json_t *models = json_object_get(shadow, "models");
	char ticks[32], differing[32], when[32];
	int64_t started = 0;
	struct table t;
	json_t *model;
	size_t i;

	(void)number_of(shadow, "started_at_ns", &started);
	printf("policy %.12s beside %.12s since %s, without acting: %s ticks, %s of them differ\n",
	       text_of(shadow, "digest"), text_of(shadow, "live_digest"),
	       time_print(started, when, sizeof(when)),
	       format_of(shadow, "ticks", plain_format, ticks, sizeof(ticks)),
	       format_of(shadow, "differing", plain_format, differing, sizeof(differing)));
	if (json_array_size(models) == 0)
		return;
	table_init(&t, "llrrr");
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&t, false, "%s", heads[i]);
	json_array_foreach(models, i, model)
		model_add(&t, model);
	table_print(&t, 2, stdout);
	table_fini(&t);
}

static int reply_show(const struct cli *cli, json_t *take_reply)
{
	const json_t *shadow = json_object_get(take_reply, "shadow");

	if (cli->is_json)
		return json_print(take_reply);
	if (json_is_object(shadow))
		shadow_print(shadow);
	else
		puts("no shadow runs; modelgov apply --shadow DIR begins one");
	json_decref(take_reply);
	return EXIT_OK;
}

int shadow_run(const struct cli *cli, int argc, char **argv)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(cli, cli->is_stop ? "ShadowStop" : "ShadowReport", NULL, ASK_MSEC,
			   &reply, &e);

	return r < 0 ? daemon_complain(cli, r, &e) : reply_show(cli, reply);
}

int shadow_begin(const struct cli *cli, const char *etc)
{
	struct policy *candidate = NULL;
	_cleanup_free_ char *canonical = NULL;
	json_t *reply = NULL;
	struct err e = { 0 };
	int status = candidate_load(cli, etc, &candidate), r;

	if (status)
		return status;
	canonical = policy_canonical(candidate);
	policy_free(candidate);
	r = daemon_ask(cli, "Shadow", json_pack("{s:s}", "canonical", canonical ? canonical : ""),
		       ASK_MSEC, &reply, &e);
	return r < 0 ? daemon_complain(cli, r, &e) : reply_show(cli, reply);
}
