/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that change what is in force: applying a ready change, going back from a probation,
 * proposing an old generation again. The record has the generation before anybody runs by it: a
 * crash in between is made good by the next start.
 */
#include "steps.h"

#include <sys/utsname.h>

/* ---- a generation
 * ----------------------------------------------------------------------------------- */

static json_t *facts_to_json(const struct host_facts *facts)
{
	struct utsname system = { 0 };

	(void)uname(&system); /* empty words are better than no generation */
	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "modelgov", MODELGOV_VERSION, "kernel",
			 system.release, "machine", system.machine, "cpus", (json_int_t)facts->cpus,
			 "memory_bytes", (json_int_t)facts->memory_bytes);
}

static json_t *generation_to_json(const struct changes *c, const struct change *change,
				  json_t *document)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:o, s:O}", "digest", change->digest,
			 "canonical", change->canonical, "author", change->author, "reason",
			 change->reason, "ticket", change->ticket, "equals",
			 json_object_get(document, "equals"), "facts",
			 facts_to_json(&c->options.facts), "gates",
			 json_object_get(document, "gates"));
}

static void force_take(struct changes *c, struct step *s, uint64_t number)
{
	policy_free(c->policy);
	free(c->canonical);
	c->policy = TAKE_PTR(s->candidate_own);
	c->canonical = strdup(s->after->canonical); /* NULL: gates hear of nothing in force */
	c->parent = c->generation;
	c->generation = number;
	c->equals = s->after->equals;
	free(c->unread);
	c->unread = NULL;
	(void)watch_follow(&c->watch,
			   c->policy); /* without memory: no window before the next change */
	c->options.enter(TAKE_PTR(s->candidate), number, c->options.userdata);
}

/* Leaves probation for good what was on it when another generation came. */
static void probation_end(struct changes *c, const struct change *by)
{
	const struct change *watched = open_on_probation(c);
	struct step *s = watched && watched->generation != c->generation
				 ? step_new(c, STEP_JUDGED, NULL, NULL)
				 : NULL;

	if (!s)
		return; /* without memory: the next start, or tick, does it */
	s->number = watched->id;
	s->is_worse = true;
	s->why = arena_printf(&s->arena, "generation %llu came back as %llu: %s",
			      (unsigned long long)by->equals, (unsigned long long)c->generation,
			      by->reason);
	if (s->why)
		step_add(s);
	else
		step_free(s);
}

static void on_generation(json_t *take_answer, const char *problem, void *userdata)
{
	struct step *s = userdata;
	struct changes *c = s->changes;
	struct change *by;
	json_t *document;

	if (c->is_closing || problem) { /* the next start enters what was kept */
		json_decref(take_answer);
		step_end(s, NULL, problem);
		return;
	}
	by = s->after;
	by->id = (uint64_t)json_integer_value(json_object_get(take_answer, "id"));
	by->generation = (uint64_t)json_integer_value(json_object_get(take_answer, "number"));
	json_decref(take_answer);
	document = change_to_answer(by);
	force_take(c, s, by->generation);
	step_tell(s, "generation", document);
	probation_end(c, by);
	open_replace(c, TAKE_PTR(s->after));
	step_end(s, document, NULL);
}

/* Nothing of the step may be touched after this. */
static int generation_keep(struct step *s, struct err *e)
{
	struct changes *c = s->changes;
	json_t *document = change_to_json(s->after), *details = step_details(s);
	json_t *generation = document ? generation_to_json(c, s->after, document) : NULL;

	if (!generation || !details) {
		json_decref(document);
		json_decref(details);
		json_decref(generation);
		return err_say(e, -EINVAL, "a text that is not UTF-8, or no memory");
	}
	c->is_busy = true;
	journal_keep_generation(c->options.journal, generation, document, details, on_generation,
				s);
	return 0;
}

/* ---- applying
 * ------------------------------------------------------------------------------------- */

/* Twice: the daemon's, and ours to judge the next change by. Facts were the capacity gate's
 * business. */
static int candidates_parse(struct step *s, struct err *e)
{
	static const struct host_facts unknown = { 0 };
	const char *text = s->after->canonical;
	int r = policy_from_canonical(text, strlen(text), &unknown, &s->candidate, e);

	return r < 0 ? r
		     : policy_from_canonical(text, strlen(text), &unknown, &s->candidate_own, e);
}

static int probation_begin(struct step *s, struct err *e)
{
	struct changes *c = s->changes;
	struct change *after = s->after;

	if (after->state != CHANGE_PROBATION) {
		after->ending = after->undoes ? "it takes back a change on probation"
				: after->base ? "kept without probation"
					      : "the first generation";
		return 0;
	}
	after->probation = probation_new(&after->arena, c->policy, s->candidate, &c->watch);
	if (!after->probation)
		return err_set(e, -ENOMEM, "the probation of change %llu",
			       (unsigned long long)after->id);
	after->probation->began_ns = clock_realtime_ns();
	after->probation->ends_ns = after->probation->began_ns + after->rules.probation_ns;
	after->probation->margin_permyriad = after->rules.margin_permyriad;
	return 0;
}

int apply_run(struct step *s, struct err *e)
{
	struct changes *c = s->changes;
	const struct change *watched = open_on_probation(c);
	struct situation now = { .in_force = c->generation,
				 .on_probation = watched ? watched->id : 0 };
	int r = s->after ? 0 : step_copy(s, e);

	if (r == 0 && *s->ticket && !*s->after->ticket &&
	    !(s->after->ticket = arena_strdup(&s->after->arena, s->ticket)))
		r = err_set(e, -ENOMEM, "change %llu", (unsigned long long)s->number);
	if (r == 0)
		r = change_enter(s->after, &now, e);
	if (r == 0)
		r = candidates_parse(s, e);
	if (r == 0)
		r = probation_begin(s, e);
	return r < 0 ? r : generation_keep(s, e);
}

/* ---- an old generation
 * ---------------------------------------------------------------------------- */

static void on_found(json_t *take_answer, const char *problem, void *userdata);

/* Nothing of the step may be touched after this. */
static int generation_ask(struct step *s, uint64_t number, struct err *e)
{
	json_t *parameters = json_pack("{s:I}", "number", (json_int_t)number);

	if (!parameters)
		return err_set(e, -ENOMEM, "ask for generation %llu", (unsigned long long)number);
	s->equals = number;
	s->changes->is_busy = true;
	journal_ask(s->changes->options.journal, QUESTION_GENERATION, parameters, on_found, s);
	return 0;
}

static int undo_go_on(struct step *s, struct err *e);

static int found_go_on(struct step *s, struct err *e)
{
	if (s->kind != STEP_RETURN)
		return undo_go_on(s, e);
	s->source = "rollback";
	s->applies = true;
	return propose_run(s, e);
}

static void on_found(json_t *take_answer, const char *problem, void *userdata)
{
	struct step *s = userdata;
	const char *canonical = json_string_value(json_object_get(take_answer, "canonical"));
	struct err e = { 0 };
	int r = 0;

	if (s->changes->is_closing || problem) {
		json_decref(take_answer);
		step_end(s, NULL, problem);
		return;
	}
	if (!canonical)
		r = err_say(&e, -ENOENT, "there is no generation %llu; modelgov history lists them",
			    (unsigned long long)s->equals);
	else if (!(s->canonical = arena_strdup(&s->arena, canonical)))
		r = err_set(&e, -ENOMEM, "generation %llu", (unsigned long long)s->equals);
	json_decref(take_answer);
	if (r == 0) /* still busy with this one: what is added meanwhile waits */
		r = found_go_on(s, &e);
	if (r < 0)
		step_refuse(s, &e);
}

int return_run(struct step *s, struct err *e)
{
	const struct changes *c = s->changes;

	if (!*s->why)
		return err_say(e, -EINVAL, "going back needs a reason: -m WHY");
	if (s->number == 0 && c->equals)
		return err_say(e, -EINVAL,
			       "generation %llu is itself a return to %llu; say to which: modelgov "
			       "rollback N",
			       (unsigned long long)c->generation, (unsigned long long)c->equals);
	if (s->number == 0 && c->parent == 0)
		return err_say(e, -ENOENT, "there is no generation before %llu",
			       (unsigned long long)c->generation);
	return generation_ask(s, s->number ? s->number : c->parent, e);
}

/* ---- going back from a probation
 * -------------------------------------------------------------------- */

int undo_run(struct step *s, struct err *e)
{
	const struct change *now = open_find(s->changes, s->number);

	if (!now || now->state != CHANGE_PROBATION)
		return err_say(e, -EINVAL, "change %llu is not on probation",
			       (unsigned long long)s->number);
	if (!*s->why)
		return err_say(e, -EINVAL, "going back needs a reason: -m WHY");
	if (s->who && !s->who->is_operator && s->who->uid != now->author_uid)
		return err_say(
			e, -EPERM,
			"only its author (%s) or an operator can end the probation of change %llu",
			now->author, (unsigned long long)s->number);
	return generation_ask(s, now->base, e);
}

static int undo_gate(struct step *s, struct err *e)
{
	struct changes *c = s->changes;
	const struct gate_question question = { .change = s->after,
						.in_force = c->policy,
						.facts = &c->options.facts,
						.gates_dirs = (const char *const *)c->gates_dirs };
	struct gate_result results[MAX_GATES];
	unsigned int n;

	if (builtin_gates_ask(&question, &s->arena, results, &n) < 0)
		return err_set(e, -ENOMEM, "gates");
	return change_gated(s->after, results, n, e);
}

/* The change that goes back: no executables, no approvals, no probation of its own. */
static int undo_make(struct step *s, struct err *e)
{
	static const struct host_facts unknown = { 0 };
	struct policy *candidate;
	int r = policy_from_canonical(s->canonical, strlen(s->canonical), &unknown, &candidate, e);

	if (r < 0)
		return r;
	s->source = "rollback";
	r = proposal_make(s->changes, s, candidate, &s->after, e);
	policy_free(candidate);
	if (r < 0)
		return r;
	s->after->state = CHANGE_GATING;
	s->after->undoes = s->number;
	s->after->rules = (struct rules){ .gate_timeout_ns = s->after->rules.gate_timeout_ns };
	return undo_gate(s, e);
}

/* The generation before does not come back: then what is in force is kept, and the reason said. */
static int undo_give_up(struct step *s, const char *obstacle, struct err *e)
{
	struct step *judged;

	err_say(e, -EINVAL, "generation %llu cannot come back: %s", (unsigned long long)s->equals,
		obstacle);
	if (s->who || !(judged = step_new(s->changes, STEP_JUDGED, NULL, NULL)))
		return e->code;
	judged->number = s->number;
	judged->why = arena_printf(&judged->arena, "worse (%s), but kept: %s", s->why, e->text);
	if (judged->why)
		step_add(judged);
	else
		step_free(judged);
	return e->code;
}

static int undo_go_on(struct step *s, struct err *e)
{
	int r = undo_make(s, e);

	if (r < 0)
		return r;
	if (s->after->state != CHANGE_READY)
		return undo_give_up(s,
				    *s->after->ending ? s->after->ending : "a gate could not tell",
				    e);
	return apply_run(s, e);
}
