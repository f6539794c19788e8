/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of steps and what each does: compute the change as it will be, let the record keep it,
 * then make it true here and tell whoever asked. What comes into force is into_force.c's.
 */
#include "steps.h"

#include "approval.h"

/* Chosen: a full disk is looked at again this often, and not each tick. */
#define RETRY_NS (10 * NSEC_PER_SEC)

/* ---- one step
 * ------------------------------------------------------------------------------------- */

struct step *step_new(struct changes *c, enum step_kind kind, change_reply *reply, void *userdata)
{
	struct step *s = calloc(1, sizeof(*s));

	if (!s) {
		if (reply)
			reply(NULL, "out of memory", userdata);
		return NULL;
	}
	*s = (struct step){ .changes = c,
			    .kind = kind,
			    .why = "",
			    .ticket = "",
			    .source = "",
			    .reply = reply,
			    .userdata = userdata };
	arena_init(&s->arena);
	return s;
}

void step_free(struct step *s)
{
	if (!s)
		return;
	change_free(s->after);
	policy_free(s->candidate);
	policy_free(s->candidate_own);
	arena_fini(&s->arena);
	free(s);
}

int step_copy_person(struct step *s, const struct person *who)
{
	struct person *copy = arena_new(&s->arena, struct person, 1);
	const char **groups = arena_new(&s->arena, const char *, who->n_groups + 1);

	if (!copy || !groups)
		return -ENOMEM;
	*copy = *who;
	copy->groups = groups;
	copy->name = arena_strdup(&s->arena, who->name);
	for (unsigned int i = 0; i < who->n_groups; i++)
		if (!(groups[i] = arena_strdup(&s->arena, who->groups[i])))
			return -ENOMEM;
	s->who = copy;
	return copy->name ? 0 : -ENOMEM;
}

void step_add(struct step *take_step)
{
	struct step **last = &take_step->changes->steps;

	while (*last)
		last = &(*last)->next;
	*last = take_step;
	steps_run(take_step->changes);
}

bool steps_have(const struct changes *c, enum step_kind kind, uint64_t number)
{
	for (const struct step *s = c->steps; s; s = s->next)
		if (s->kind == kind && s->number == number)
			return true;
	return false;
}

json_t *change_to_answer(const struct change *c)
{
	json_t *document = change_to_json(c);

	if (document)
		json_object_del(document, "canonical");
	return document;
}

json_t *step_details(const struct step *s)
{
	return json_pack("{s:s, s:I, s:s, s:s}", "who", s->who ? s->who->name : "modelgovd", "uid",
			 s->who ? (json_int_t)s->who->uid : -1, "why", s->why, "ticket", s->ticket);
}

void step_abandon(struct step *s)
{
	if (s->reply)
		s->reply(NULL, "modelgovd stops; modelgov changes tells afterwards how it went",
			 s->userdata);
	step_free(s);
}

/* The step is over; what it sets off comes next. document: of the change as it is now, or NULL and
 * a problem. */
void step_end(struct step *s, json_t *take_document, const char *problem)
{
	struct changes *c = s->changes;

	c->steps = s->next;
	c->is_busy = false;
	if (c->is_closing) {
		json_decref(take_document);
		step_abandon(s);
		changes_free_when_quiet(c);
		return;
	}
	if (problem && !s->who) /* what modelgovd does by itself is not tried again at once */
		c->retry_ns = clock_monotonic_ns() + RETRY_NS;
	if (s->reply)
		s->reply(take_document, problem, s->userdata);
	else
		json_decref(take_document);
	step_free(s);
	changes_proceed(c);
	steps_run(c);
}

/* ---- refusals
 * ------------------------------------------------------------------------------------- */

static void on_refusal_kept(json_t *take_answer, const char *problem, void *userdata)
{
	json_decref(take_answer); /* a record that loses rows says so itself */
}

static const char *step_verb(enum step_kind kind)
{
	static const char *const verbs[] = {
		[STEP_PROPOSE] = "propose",     [STEP_RETURN] = "rollback",
		[STEP_GATED] = "gate",          [STEP_APPROVE] = "approve",
		[STEP_APPLY] = "apply",         [STEP_JUDGED] = "judge",
		[STEP_UNDO] = "undo",           [STEP_WITHDRAW] = "withdraw",
		[STEP_SUPERSEDE] = "supersede",
	};

	return verbs[kind];
}

/* One entry of the change's own history, or of the journal when there is no change. */
static void refusal_record(const struct step *s, const char *problem)
{
	const struct changes *c = s->changes;
	const struct change *change = s->kind == STEP_RETURN ? NULL : open_find(c, s->number);
	json_t *details = step_details(s);

	if (!details)
		return;
	json_object_set_new(details, "asked", json_string(step_verb(s->kind)));
	json_object_set_new(details, "number", json_integer((json_int_t)s->number));
	json_object_set_new(details, "problem", json_string(problem));
	if (change)
		journal_keep_change(c->options.journal, change_to_answer(change), "refused",
				    details, on_refusal_kept, NULL);
	else
		journal_event(c->options.journal, clock_realtime_ns(), "change_refused", details);
}

void step_refuse(struct step *s, const struct err *e)
{
	refusal_record(s, e->text);
	step_end(s, NULL, e->text);
}

/* ---- keeping
 * -------------------------------------------------------------------------------------- */

/* The step's copy of an open change, to be moved on. */
int step_copy(struct step *s, struct err *e)
{
	const struct change *now = open_find(s->changes, s->number);
	json_t *form = now ? change_to_json(now) : NULL;
	int r;

	if (!now)
		return err_say(e, -ENOENT, "no open change %llu; modelgov changes lists them",
			       (unsigned long long)s->number);
	if (!form)
		return err_set(e, -ENOMEM, "change %llu", (unsigned long long)s->number);
	r = change_from_json(form, &s->after, e);
	json_decref(form);
	return r;
}

static const char *step_name(const struct step *s)
{
	switch (s->kind) {
	case STEP_PROPOSE:
	case STEP_RETURN:
		return "proposed";
	case STEP_GATED:
		return "gated";
	case STEP_APPROVE:
		return "approved";
	case STEP_JUDGED:
		return s->is_worse ? "rolled_back" : "kept";
	case STEP_WITHDRAW:
		return "withdrawn";
	case STEP_SUPERSEDE:
		return "superseded";
	case STEP_APPLY:
	case STEP_UNDO:
		break;
	}
	return "applied";
}

void step_tell(const struct step *s, const char *name, const json_t *document)
{
	const struct changes_options *o = &s->changes->options;

	if (o->tell && document) /* without memory: the record has it */
		o->tell(document, name, o->userdata);
}

static void on_kept(json_t *take_answer, const char *problem, void *userdata)
{
	struct step *s = userdata;
	struct changes *c = s->changes;
	json_t *document;

	if (c->is_closing || problem) {
		json_decref(take_answer);
		if (strcmp(s->source, "etc") == 0)
			*c->considered = '\0'; /* the next look at /etc proposes it again */
		step_end(s, NULL, problem);
		return;
	}
	s->after->id = (uint64_t)json_integer_value(json_object_get(take_answer, "id"));
	json_decref(take_answer);
	document = change_to_answer(s->after);
	step_tell(s, step_name(s), document);
	if (s->after->state != CHANGE_GATING)
		gating_cancel(c, s->after->id);
	open_replace(c, TAKE_PTR(s->after));
	step_end(s, document, NULL);
}

/* Nothing of the step may be touched after this: without memory the answer is here at once. */
static int step_keep(struct step *s, struct err *e)
{
	json_t *document = change_to_json(s->after), *details = step_details(s);

	if (!document || !details) {
		json_decref(document);
		json_decref(details);
		return err_say(e, -EINVAL, "a text that is not UTF-8, or no memory");
	}
	if (s->kind != STEP_PROPOSE && s->kind != STEP_RETURN)
		json_object_del(document, "canonical"); /* the bytes that are there stay */
	s->changes->is_busy = true;
	journal_keep_change(s->changes->options.journal, document, step_name(s), details, on_kept,
			    s);
	return 0;
}

/* ---- the moves
 * ------------------------------------------------------------------------------------ */

static int operator_check(const struct step *s, struct err *e)
{
	if (!s->who || s->who->is_operator)
		return 0;
	return err_say(e, -EPERM,
		       "%s is not an operator of this host (access.operators) and cannot %s",
		       s->who->name, step_verb(s->kind));
}

static const struct change *open_same(const struct changes *c, const char *digest)
{
	for (unsigned int i = 0; i < c->n_open; i++)
		if (c->open[i]->state != CHANGE_PROBATION &&
		    strcmp(c->open[i]->digest, digest) == 0)
			return c->open[i];
	return NULL;
}

static int candidate_check(const struct step *s, const struct policy *candidate, struct err *e)
{
	const struct changes *c = s->changes;
	const struct change *same = open_same(c, candidate->digest);

	if (c->policy && strcmp(c->policy->digest, candidate->digest) == 0)
		return err_say(e, -EALREADY,
			       "nothing would change: generation %llu is the same policy",
			       (unsigned long long)c->generation);
	if (same)
		return err_say(e, -EEXIST, "change %llu, which is %s, proposes the same policy",
			       (unsigned long long)same->id, state_name(same->state));
	if (c->n_open >= MAX_OPEN)
		return err_say(e, -EBUSY,
			       "%d changes are open, the most there can be; withdraw some",
			       MAX_OPEN);
	return 0;
}

int propose_run(struct step *s, struct err *e)
{
	static const struct host_facts unknown = { 0 };
	struct policy *candidate;
	int r = operator_check(s, e);

	if (r == 0 && !*s->why && strcmp(s->source, "etc") != 0)
		r = err_say(e, -EINVAL, "a change needs a reason: -m WHY");
	if (r == 0)
		r = policy_from_canonical(s->canonical, strlen(s->canonical), &unknown, &candidate,
					  e);
	if (r < 0)
		return r;
	r = candidate_check(s, candidate, e);
	if (r == 0)
		r = proposal_make(s->changes, s, candidate, &s->after, e);
	policy_free(candidate);
	if (r < 0)
		return r;
	s->after->state = CHANGE_GATING;
	return step_keep(s, e);
}

static int gated_run(struct step *s, struct err *e)
{
	int r = step_copy(s, e);

	if (r == 0)
		r = change_gated(s->after, s->gates, s->n_gates, e);
	return r < 0 ? r : step_keep(s, e);
}

static int approve_run(struct step *s, struct err *e)
{
	int r = step_copy(s, e);

	if (r == 0)
		r = change_sign(s->after, s->who, s->why, clock_realtime_ns(), e);
	return r < 0 ? r : step_keep(s, e);
}

static int judged_run(struct step *s, struct err *e)
{
	int r = step_copy(s, e);
	const struct change *now = open_find(s->changes, s->number);

	/* the numbers it was judged by, as they stand now */
	if (r == 0 && now->probation && s->after->probation)
		for (unsigned int i = 0; i < now->probation->n; i++)
			s->after->probation->trials[i].since = now->probation->trials[i].since;
	if (r == 0)
		r = change_judged(s->after, s->is_worse, s->why, e);
	return r < 0 ? r : step_keep(s, e);
}

static int withdraw_run(struct step *s, struct err *e)
{
	const struct change *now = open_find(s->changes, s->number);
	int r;

	if (now && now->state == CHANGE_PROBATION)
		return undo_run(s, e);
	r = step_copy(s, e);
	if (r == 0)
		r = change_taken_back(s->after, s->who, s->why, e);
	return r < 0 ? r : step_keep(s, e);
}

static int supersede_run(struct step *s, struct err *e)
{
	int r = step_copy(s, e);

	if (r == 0)
		r = change_overtaken(s->after, s->why, e);
	return r < 0 ? r : step_keep(s, e);
}

static int apply_run_checked(struct step *s, struct err *e)
{
	int r = operator_check(s, e);

	return r < 0 ? r : apply_run(s, e);
}

static int return_run_checked(struct step *s, struct err *e)
{
	int r = operator_check(s, e);

	return r < 0 ? r : return_run(s, e);
}

/* 0: under way, or over already; negative: refused with a sentence. */
typedef int step_run(struct step *s, struct err *e);

static step_run *const runs[] = {
	[STEP_PROPOSE] = propose_run,     [STEP_RETURN] = return_run_checked,
	[STEP_GATED] = gated_run,         [STEP_APPROVE] = approve_run,
	[STEP_APPLY] = apply_run_checked, [STEP_JUDGED] = judged_run,
	[STEP_UNDO] = undo_run,           [STEP_WITHDRAW] = withdraw_run,
	[STEP_SUPERSEDE] = supersede_run,
};

static void step_begin(struct step *s)
{
	struct changes *c = s->changes;
	struct err e = { 0 };
	int r = c->problem ? err_say(&e, -EIO,
				     "the record cannot be read, so nothing can be changed: %s",
				     c->problem)
			   : runs[s->kind](s, &e);

	if (r < 0)
		step_refuse(s, &e);
}

void steps_run(struct changes *c)
{
	if (c->is_running)
		return;
	c->is_running = true;
	while (c->steps && !c->is_busy && !c->is_closing)
		step_begin(c->steps);
	c->is_running = false;
}
