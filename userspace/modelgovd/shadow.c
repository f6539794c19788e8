/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A candidate policy beside the one in force, on the same observations, without acting: what it
 * would want, and where that differs. One at a time; it ends when the policy in force changes,
 * because then it was compared with something else. Asked for by the control methods at the end.
 */
#include "daemon.h"
#include "replay.h"

#include <syslog.h>

/* One knob of a model that both policies have. */
struct split {
	uint64_t ticks;        /* in which they wanted different values */
	uint64_t live, shadow; /* wanted at the last tick; MISSING: not touched */
};

struct shadow {
	struct policy *policy;
	struct replay replay;
	struct arena arena; /* of one tick */
	uint64_t started_wall_ns;
	uint64_t ticks, differing; /* all, and those with any difference */
	uint32_t *twins;      /* by model of the policy in force: its index here, or MODEL_NONE */
	struct split *splits; /* by model of the policy in force, N_KNOBS each */
};

/* ---- one tick ---------------------------------------------------------------------------- */

/* Returns whether some knob of the model is wanted otherwise. */
static bool model_compare(const struct shadow *s, const struct model_state *live, uint32_t model)
{
	const struct model_state *mine = &s->replay.state.models[s->twins[model]];
	struct split *splits = &s->splits[(size_t)model * N_KNOBS];
	bool differs = false;

	if (live->weight == 0 || mine->weight == 0) /* neither has decided: the plan was busy */
		return false;
	for (unsigned int k = 0; k < N_KNOBS; k++) {
		bool is_split = live->wanted[k] != mine->wanted[k];

		splits[k].live = live->wanted[k];
		splits[k].shadow = mine->wanted[k];
		splits[k].ticks += is_split;
		differs |= is_split;
	}
	return differs;
}

void shadow_tick(struct daemon *d)
{
	struct shadow *s = d->shadow;
	struct observation *seen;
	bool differs = false;

	if (!s)
		return;
	arena_reset(&s->arena);
	if (observation_translate(d->now, d->slot.policy, s->policy, &s->arena, &seen) < 0 ||
	    replay_feed(&s->replay, seen) < 0) {
		shadow_end(d, "out of memory");
		return;
	}
	s->ticks++;
	for (uint32_t i = 0; i < d->slot.policy->n_models; i++)
		if (s->twins[i] != MODEL_NONE)
			differs |= model_compare(s, &d->state.models[i], i);
	s->differing += differs;
}

/* ---- beginning and end ------------------------------------------------------------------- */

static void shadow_free(struct shadow *s)
{
	if (!s)
		return;
	replay_fini(&s->replay);
	arena_fini(&s->arena);
	policy_free(s->policy);
	free(s->twins);
	free(s->splits);
	free(s);
}

void shadow_end(struct daemon *d, const char *why)
{
	struct shadow *s = d->shadow;

	if (!s)
		return;
	d->shadow = NULL;
	log_info("shadow of policy %.12s ended after %llu ticks: %s", s->policy->digest,
		 (unsigned long long)s->ticks, why);
	journal_event(d->journal, clock_realtime_ns(), "shadow_ended",
		      json_pack("{s:s, s:I, s:I, s:s}", "digest", s->policy->digest, "ticks",
				(json_int_t)s->ticks, "differing", (json_int_t)s->differing, "why",
				why));
	shadow_free(s);
}

static int shadow_new(const struct policy *live, struct policy *take_policy,
		      struct shadow **ret_shadow)
{
	struct shadow *s = calloc(1, sizeof(*s));
	size_t n = (size_t)live->n_models + 1;

	if (!s) {
		policy_free(take_policy);
		return -ENOMEM;
	}
	s->policy = take_policy;
	s->started_wall_ns = clock_realtime_ns();
	arena_init(&s->arena);
	s->twins = calloc(n, sizeof(*s->twins));
	s->splits = calloc(n * N_KNOBS, sizeof(*s->splits));
	if (replay_init(&s->replay, take_policy) < 0 || !s->twins || !s->splits) {
		shadow_free(s);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < live->n_models; i++)
		if (policy_find(take_policy, live->models[i].name, &s->twins[i]) < 0)
			s->twins[i] = MODEL_NONE;
	*ret_shadow = s;
	return 0;
}

/* ---- as JSON ----------------------------------------------------------------------------- */

static json_t *number(uint64_t value)
{
	return value == MISSING     ? json_null()
	       : value == VALUE_MAX ? json_string("max")
				    : json_integer((json_int_t)value);
}

static json_t *splits_to_json(const struct split *splits)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < N_KNOBS; k++)
		if (splits[k].ticks > 0)
			json_array_append_new(list, json_pack("{s:s, s:I, s:o, s:o}", "knob",
							      knob_table[k].file, "ticks",
							      (json_int_t)splits[k].ticks, "live",
							      number(splits[k].live), "shadow",
							      number(splits[k].shadow)));
	return list;
}

/* Models in which something differed, and those that only one of the two has. */
static json_t *models_to_json(const struct daemon *d, const struct shadow *s)
{
	const struct policy *live = d->slot.policy;
	json_t *list = json_array();
	uint32_t i, twin;

	for (i = 0; i < live->n_models; i++) {
		json_t *knobs = splits_to_json(&s->splits[(size_t)i * N_KNOBS]);
		const char *only = s->twins[i] == MODEL_NONE ? "live" : NULL;

		if (only || json_array_size(knobs) > 0)
			json_array_append_new(list, json_pack("{s:s, s:s?, s:O}", "name",
							      live->models[i].name, "only_in", only,
							      "knobs", knobs));
		json_decref(knobs);
	}
	for (i = 0; i < s->policy->n_models; i++)
		if (policy_find(live, s->policy->models[i].name, &twin) < 0)
			json_array_append_new(list, json_pack("{s:s, s:s, s:[]}", "name",
							      s->policy->models[i].name, "only_in",
							      "shadow", "knobs"));
	return list;
}

json_t *shadow_to_json(const struct daemon *d)
{
	const struct shadow *s = d->shadow;

	if (!s)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "digest", s->policy->digest,
			 "live_digest", d->slot.policy->digest, "started_at_ns",
			 (json_int_t)s->started_wall_ns, "ticks", (json_int_t)s->ticks, "differing",
			 (json_int_t)s->differing, "models", models_to_json(d, s));
}

/* ---- control methods --------------------------------------------------------------------- */

void on_shadow(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	json_t *canonical = json_object_get(parameters, "canonical");
	struct host_facts facts = { 0 };
	struct policy *p = NULL;
	struct err e = { 0 };
	struct shadow *s;

	if (host_facts_read(&facts, &e) < 0 ||
	    policy_from_canonical(json_string_value(canonical), json_string_length(canonical),
				  &facts, &p, &e) < 0) {
		request_fail(request, "Failed", "the candidate: %s", e.text);
		return;
	}
	if (shadow_new(d->slot.policy, p, &s) < 0) {
		request_fail(request, "Failed", "out of memory");
		return;
	}
	shadow_end(d, "another candidate was asked for");
	d->shadow = s;
	log_info("shadow of policy %.12s begins, beside %.12s", p->digest, d->slot.policy->digest);
	journal_event(d->journal, s->started_wall_ns, "shadow_began",
		      json_pack("{s:s, s:s, s:i}", "digest", p->digest, "live_digest",
				d->slot.policy->digest, "uid", (int)request_peer(request)->uid));
	request_reply(request, json_pack("{s:o}", "shadow", shadow_to_json(d)));
}

void on_shadow_report(struct request *request, json_t *parameters, void *userdata)
{
	request_reply(request, json_pack("{s:o}", "shadow", shadow_to_json(userdata)));
}

/* Answers with what it had come to. */
void on_shadow_stop(struct request *request, json_t *parameters, void *userdata)
{
	json_t *report = shadow_to_json(userdata);

	shadow_end(userdata, "an operator asked for it");
	request_reply(request, json_pack("{s:o}", "shadow", report));
}
