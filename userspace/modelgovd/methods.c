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

struct look {
	struct request *request;
	const struct daemon *d;
};

/* What became of /etc: a change, nothing to do, or a reason why not. */
static void on_reloaded(json_t *take_document, const char *problem, void *userdata)
{
	struct look *look = userdata;
	const char *warnings = look->d->slot.warnings ? look->d->slot.warnings : "";

	request_reply(look->request, json_pack("{s:b, s:s, s:o}", "loaded", !problem, "findings",
					       problem ? problem : warnings, "change",
					       take_document ? take_document : json_null()));
	free(look);
}

static void on_reload(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	struct look *look = malloc(sizeof(*look));

	if (!look) {
		request_fail(request, "Failed", "out of memory");
		return;
	}
	*look = (struct look){ .request = request, .d = d };
	if (reload_now(d, on_reloaded, look))
		return;
	free(look);
	request_reply(request, json_pack("{s:b, s:s, s:n}", "loaded", 0, "findings",
					 d->slot.refused ? d->slot.refused : "", "change"));
}

const struct method daemon_methods[] = {
	{ "Status", ROLE_VIEWER,
	  "() -> (version: string, pid: int, started_at_ns: int, uptime_ns: int, mode: string, "
	  "tick: int, tick_interval_ns: int, policy: object, host: object, models: []object, "
	  "drifts: []object, health: []object, drops: []object, journal: object, ledger: int, "
	  "cost: object, changes: object, shadow: ?object)",
	  "What is governed and how it goes.", on_status },
	{ "Explain", ROLE_VIEWER,
	  "(model: ?string, limit: ?int) -> (verdicts: []object, actions: []object)",
	  "What was done last and why, in sentences.", on_explain },
	{ "Restore", ROLE_OPERATOR, "() -> (restored: []object)",
	  "Puts every first value back; observe mode until the next start.", on_restore },
	{ "Reload", ROLE_OPERATOR, "() -> (loaded: bool, findings: string, change: ?object)",
	  "Reads the policy again now; what differs becomes a change.", on_reload },
	{ "Propose", ROLE_OPERATOR,
	  "(canonical: string, reason: string, ticket: ?string, source: ?string, applies: ?bool) -> "
	  "(change: object)",
	  "Keeps a policy as a change and begins its gates.", on_propose },
	{ "Approve", ROLE_VIEWER, "(id: int, reason: string) -> (change: object)",
	  "Agrees to a change of somebody else.", on_approve },
	{ "Apply", ROLE_OPERATOR, "(id: int, reason: string, ticket: ?string) -> (change: object)",
	  "Puts a change that is ready into force.", on_apply },
	{ "Withdraw", ROLE_OPERATOR, "(id: int, reason: string) -> (change: object)",
	  "Takes a change back; one on probation goes back to the generation before.", on_withdraw },
	{ "Rollback", ROLE_OPERATOR,
	  "(id: ?int, reason: string, ticket: ?string) -> (change: object)",
	  "Proposes the bytes of generation id, or of the one before, to be applied at once.",
	  on_rollback },
	{ "History", ROLE_VIEWER, "(limit: ?int) -> (generations: []object)",
	  "The generations, newest first, without their canonical bytes.", on_history },
	{ "Generation", ROLE_VIEWER, "(number: ?int) -> (generation: object)",
	  "One generation in full; without number the one in force.", on_generation },
	{ "Changes", ROLE_VIEWER, "(limit: ?int, is_open: ?bool) -> (changes: []object)",
	  "The changes, newest first, or only the open ones.", on_changes },
	{ "Change", ROLE_VIEWER, "(id: int) -> (document: object, entries: []object)",
	  "One change and every step that the record has of it.", on_change_asked },
	{ "Entries", ROLE_VIEWER,
	  "(from_ns: ?int, to_ns: ?int, after: ?int, limit: ?int, kind: ?string) -> "
	  "(entries: []object)",
	  "Entries of the chain, a page at a time: ask again after the last.", on_entries },
	{ "AuditVerify", ROLE_VIEWER,
	  "() -> (entries: int, generations: int, head: string, sealed: ?object, broken: ?object)",
	  "Recomputes every hash of the record; can take a minute.", on_audit_verify },
	{ "Policy", ROLE_VIEWER, "() -> (digest: string, generation: int, canonical: string)",
	  "The policy in force in its canonical form.", on_policy },
	{ "Ticks", ROLE_VIEWER,
	  "(from_ns: ?int, to_ns: ?int, after: ?int, limit: ?int) -> (ticks: []object)",
	  "Recorded observations, a page at a time.", on_ticks },
	{ "Checks", ROLE_VIEWER, "(model: ?string, limit: ?int) -> (checks: []object)",
	  "Recorded results of checks, newest first.", on_checks },
	{ "CheckResult", ROLE_VIEWER,
	  "(model: string, check: string, result: object) -> (recorded: object)",
	  "Records a check's result; for operators and owners of the model.", on_check_result },
	{ "Shadow", ROLE_OPERATOR, "(canonical: string) -> (shadow: object)",
	  "Runs a candidate policy beside the one in force, without acting.", on_shadow },
	{ "ShadowReport", ROLE_VIEWER, "() -> (shadow: ?object)",
	  "How the candidate differs so far; null when none runs.", on_shadow_report },
	{ "ShadowStop", ROLE_OPERATOR, "() -> (shadow: ?object)",
	  "Ends the candidate and tells how it differed.", on_shadow_stop },
	{ 0 },
};
