/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `modelgov plan` and `modelgov verify` ask of the daemon: the policy in force, recorded ticks
 * and results of checks, and to record a new result. Judges none of it; that is done where it was
 * asked.
 */
#include "daemon.h"

void on_policy(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	_cleanup_free_ char *canonical = policy_canonical(d->slot.policy);

	request_reply(request, json_pack("{s:s, s:I, s:s}", "digest", d->slot.policy->digest,
					 "generation", (json_int_t)changes_generation(d->changes),
					 "canonical", canonical ? canonical : ""));
}

/* ---- CheckResult ------------------------------------------------------------------------- */

/* A result's members and their shape; what is not here is not recorded. */
enum shape { SHAPE_COUNT, SHAPE_NUMBER, SHAPE_FLAG, SHAPE_WORD, SHAPE_INTERVAL };

static const struct {
	const char *name;
	enum shape shape;
} members[] = {
	{ "started_at_ns", SHAPE_COUNT },
	{ "took_ns", SHAPE_COUNT },
	{ "runs", SHAPE_COUNT },
	{ "failed", SHAPE_COUNT },
	{ "samples", SHAPE_COUNT },
	{ "latency_p50_ns", SHAPE_INTERVAL },
	{ "latency_p99_ns", SHAPE_INTERVAL },
	{ "throughput_per_ks", SHAPE_INTERVAL },
	{ "cpu_millicpu", SHAPE_NUMBER },
	{ "memory_bytes", SHAPE_NUMBER },
	{ "is_kept", SHAPE_FLAG },
	{ "baseline", SHAPE_NUMBER },
	{ "verdict", SHAPE_WORD },
};

static bool is_count(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_number(const json_t *value)
{
	return json_is_null(value) || is_count(value);
}

static bool is_interval(const json_t *value)
{
	return json_is_null(value) ||
	       (json_object_size(value) == 3 && is_number(json_object_get(value, "lower")) &&
		is_count(json_object_get(value, "value")) &&
		is_number(json_object_get(value, "upper")));
}

static bool member_fits(const json_t *value, enum shape shape)
{
	switch (shape) {
	case SHAPE_COUNT:
		return is_count(value);
	case SHAPE_NUMBER:
		return is_number(value);
	case SHAPE_FLAG:
		return json_is_boolean(value);
	case SHAPE_WORD: /* chosen: longer than every verdict */
		return json_is_null(value) ||
		       (json_is_string(value) && json_string_length(value) < 32);
	case SHAPE_INTERVAL:
		return is_interval(value);
	}
	return false;
}

/* Adds the known members to body; NULL, or the name of one that is not of its shape. */
static const char *members_take(const json_t *result, json_t *body)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(result, members[i].name);

		if (!value || !member_fits(value, members[i].shape))
			return members[i].name;
		json_object_set(body, members[i].name, value);
	}
	return NULL;
}

/* Operators, and who owns the model. */
static bool peer_owns(struct daemon *d, const struct peer *peer, const struct model *m)
{
	_cleanup_free_ struct person *who = people_person(d, peer);

	return who && (who->is_operator || person_is_listed(who, &m->owners));
}

static const struct model_check *check_find(const struct model *m, const char *name)
{
	for (unsigned int i = 0; i < m->n_checks; i++)
		if (strcmp(m->checks[i].name, name) == 0)
			return &m->checks[i];
	return NULL;
}

/* So that a later result is compared only with one of the same command. */
static json_t *command_to_json(const struct model_check *check)
{
	json_t *argv = json_array();

	for (unsigned int i = 0; i < check->command.n; i++)
		json_array_append_new(argv, json_string(check->command.all[i]));
	return argv;
}

static void result_record(struct daemon *d, const struct peer *peer, const struct model *m,
			  const struct model_check *check, json_t *body)
{
	json_object_set_new(body, "model", json_string(m->name));
	json_object_set_new(body, "version", json_string(m->version ? m->version : ""));
	json_object_set_new(body, "check", json_string(check->name));
	json_object_set_new(body, "command", command_to_json(check));
	json_object_set_new(body, "digest", json_string(d->slot.policy->digest));
	json_object_set_new(body, "generation", json_integer((json_int_t)changes_generation(d->changes)));
	json_object_set_new(body, "uid", json_integer((json_int_t)peer->uid));
	journal_event(d->journal, clock_realtime_ns(), "check", json_incref(body));
}

void on_check_result(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	const char *name = json_string_value(json_object_get(parameters, "model"));
	const char *check_name = json_string_value(json_object_get(parameters, "check"));
	const struct model_check *check;
	const struct model *m;
	const char *culprit;
	uint32_t model;
	json_t *body;

	if (policy_find(d->slot.policy, name, &model) < 0) {
		request_fail(request, "NotFound", "no model '%s' in the policy in force", name);
		return;
	}
	m = &d->slot.policy->models[model];
	if (!(check = check_find(m, check_name))) {
		request_fail(request, "NotFound", "model %s has no check '%s'", name, check_name);
		return;
	}
	if (!peer_owns(d, request_peer(request), m)) {
		request_fail(
			request, "PermissionDenied",
			"results of %s are recorded for operators and its metadata.owners; you "
			"are uid %u",
			name, (unsigned int)request_peer(request)->uid);
		return;
	}
	body = json_object();
	if ((culprit = members_take(json_object_get(parameters, "result"), body))) {
		request_fail(request, "Failed", "result.%s is missing or not of its kind", culprit);
	} else {
		result_record(d, request_peer(request), m, check, body);
		request_reply(request, json_pack("{s:O}", "recorded", body));
	}
	json_decref(body);
}
