/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control socket offers: one table, one short function a method. Shapes are docs/control.md.
 */
#include "daemon.h"

#include <errno.h>

#define EXPLAIN_DEFAULT 20
#define EXPLAIN_MOST 1000

static void on_status(struct request *request, json_t *parameters, void *userdata)
{
	request_reply(request, status_to_json(userdata));
}

/* ---- Explain ---------------------------------------------------------------------------------- */

struct inquiry {
	struct request *request;
	json_t *verdicts;
};

static void verdict_append(struct daemon *d, json_t *list, uint32_t model)
{
	const struct verdict *v = &d->plan.verdicts[model];
	_cleanup_free_ char *sentence = explain_verdict(d->slot.policy, model, v);

	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:i}", "model",
					      d->slot.policy->models[model].name, "sentence",
					      sentence ? sentence : "", "reason",
					      reason_name(v->reason), "level", v->level,
					      "policy_level", v->policy_level));
	drift_explain(d, model, list);
}

static void on_actions(json_t *take_actions, const char *problem, void *userdata)
{
	struct inquiry *q = userdata;

	if (take_actions)
		request_reply(q->request, json_pack("{s:o, s:o}", "verdicts", json_incref(q->verdicts),
						    "actions", take_actions));
	else
		request_fail(q->request, "Failed", "reading the journal: %s", problem);
	json_decref(q->verdicts);
	free(q);
}

static void on_explain(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	const char *name = json_string_value(json_object_get(parameters, "model"));
	json_t *limit = json_object_get(parameters, "limit");
	json_int_t most = json_is_integer(limit) ? json_integer_value(limit) : EXPLAIN_DEFAULT;
	struct inquiry *q;
	uint32_t only = 0;

	if (name && policy_find(d->slot.policy, name, &only) < 0) {
		request_fail(request, "NotFound", "no model '%s' in the policy in force", name);
		return;
	}
	if (most < 1 || most > EXPLAIN_MOST) {
		request_fail(request, "Failed", "limit is %lld; it can be 1 to %d", (long long)most,
			     EXPLAIN_MOST);
		return;
	}
	if (!(q = calloc(1, sizeof(*q)))) {
		request_fail(request, "Failed", "out of memory");
		return;
	}
	q->request = request;
	q->verdicts = json_array();
	for (uint32_t i = 0; i < d->slot.policy->n_models; i++)
		if (!name || i == only)
			verdict_append(d, q->verdicts, i);
	journal_ask_actions(d->journal, name, (unsigned int)most, on_actions, q);
}

/* ---- Restore, Reload -------------------------------------------------------------------------- */

static void on_restored(json_t *take_list, const char *problem, void *userdata)
{
	struct request *request = userdata;

	if (problem) {
		request_fail(request, "Failed", "%s", problem);
		json_decref(take_list);
		return;
	}
	request_reply(request, json_pack("{s:o}", "restored", take_list));
}

static void on_restore(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	const struct peer *peer = request_peer(request);

	d->is_restored = true; /* or the next tick would undo it */
	journal_event(d->journal, clock_realtime_ns(), "restore_asked",
		      json_pack("{s:i, s:i}", "uid", (int)peer->uid, "pid", (int)peer->pid));
	if (carry_restore(d, on_restored, request) < 0)
		request_fail(request, "Failed", "out of memory");
}

static void on_reload(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	bool is_loaded = reload_now(d);
	const char *findings = is_loaded ? d->slot.warnings : d->slot.refused;

	request_reply(request, json_pack("{s:b, s:s}", "loaded", is_loaded, "findings",
					 findings ? findings : ""));
}

const struct method daemon_methods[] = {
	{ "Status", ROLE_VIEWER,
	  "() -> (version: string, pid: int, started_at_ns: int, uptime_ns: int, mode: string, "
	  "tick: int, tick_interval_ns: int, policy: object, host: object, models: []object, "
	  "drifts: []object, health: []object, drops: []object, journal: object, ledger: int, cost: object)",
	  "What is governed and how it goes.", on_status },
	{ "Explain", ROLE_VIEWER,
	  "(model: ?string, limit: ?int) -> (verdicts: []object, actions: []object)",
	  "What was done last and why, in sentences.", on_explain },
	{ "Restore", ROLE_OPERATOR, "() -> (restored: []object)",
	  "Puts every first value back; observe mode until the next start.", on_restore },
	{ "Reload", ROLE_OPERATOR, "() -> (loaded: bool, findings: string)",
	  "Reads the policy again now.", on_reload },
	{ 0 },
};
