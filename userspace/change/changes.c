/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room's door: requests become steps, ticks become verdicts, and a start goes on where the last
 * daemon was. Knows what is open and in force; how a step is done is steps.c's.
 */
#include "steps.h"

#include "approval.h"

/* ---- what is open
 * ----------------------------------------------------------------------------------- */

struct change *open_find(const struct changes *c, uint64_t id)
{
	for (unsigned int i = 0; i < c->n_open; i++)
		if (c->open[i]->id == id)
			return c->open[i];
	return NULL;
}

struct change *open_on_probation(const struct changes *c)
{
	for (unsigned int i = 0; i < c->n_open; i++)
		if (c->open[i]->state == CHANGE_PROBATION)
			return c->open[i];
	return NULL;
}

void open_replace(struct changes *c, struct change *take_change)
{
	unsigned int i = 0;

	while (i < c->n_open && c->open[i]->id != take_change->id)
		i++;
	if (i < c->n_open) {
		change_free(c->open[i]);
		c->open[i] = take_change;
	} else if (change_is_open(take_change)) {
		c->open[c->n_open++] = take_change; /* there is room: see candidate_check() */
	}
	if (change_is_open(take_change))
		return;
	change_free(take_change);
	if (i < c->n_open) {
		memmove(&c->open[i], &c->open[i + 1], (c->n_open - i - 1) * sizeof(*c->open));
		c->n_open--;
	}
}

/* ---- what follows by itself
 * --------------------------------------------------------------------------- */

static struct step *step_of_daemon(struct changes *c, enum step_kind kind, uint64_t number)
{
	struct step *s = steps_have(c, kind, number) ? NULL : step_new(c, kind, NULL, NULL);

	if (s)
		s->number = number;
	return s;
}

/* A later change, or /etc itself, has made this one pointless. */
static const char *change_stale(const struct changes *c, const struct change *change,
				struct step *s)
{
	if (change->base != c->generation)
		return arena_printf(&s->arena, "generation %llu came into force meanwhile",
				    (unsigned long long)c->generation);
	for (unsigned int i = 0; i < c->n_open; i++)
		if (strcmp(change->source, "etc") == 0 && strcmp(c->open[i]->source, "etc") == 0 &&
		    c->open[i]->id > change->id)
			return arena_printf(&s->arena, "change %llu is a later look at /etc",
					    (unsigned long long)c->open[i]->id);
	return NULL;
}

static bool is_stale(const struct changes *c, const struct change *change)
{
	struct step scratch = { 0 };
	bool stale;

	arena_init(&scratch.arena);
	stale = change_stale(c, change, &scratch) != NULL;
	arena_fini(&scratch.arena);
	return stale;
}

static bool may_apply_itself(const struct changes *c, const struct change *change)
{
	const struct change *watched = open_on_probation(c);

	return change->state == CHANGE_READY && change->applies &&
	       (!watched || watched->id == change->undoes);
}

/* The first thing that is to be done about one change, or NULL. */
static struct step *change_proceed(struct changes *c, const struct change *change)
{
	struct step *s;

	if (change->state == CHANGE_PROBATION) {
		if (change->generation == c->generation ||
		    !(s = step_of_daemon(c, STEP_JUDGED, change->id)))
			return NULL;
		s->is_worse = true;
		s->why = "another generation took its place";
		return s;
	}
	if (is_stale(c, change)) {
		s = step_of_daemon(c, STEP_SUPERSEDE, change->id);
		if (s && !(s->why = change_stale(c, change, s)))
			s->why = "out of date";
		return s;
	}
	return may_apply_itself(c, change) ? step_of_daemon(c, STEP_APPLY, change->id) : NULL;
}

void changes_proceed(struct changes *c)
{
	if (c->is_closing || clock_monotonic_ns() < c->retry_ns)
		return;
	/* one: what it sets off is looked at when it is over */
	for (unsigned int i = 0; i < c->n_open; i++) {
		struct step *s = change_proceed(c, c->open[i]);

		if (s) {
			step_add(s);
			break;
		}
	}
	gating_proceed(c);
}

/* ---- requests
 * ----------------------------------------------------------------------------------------- */

/* Chosen: a page, and longer than any tracker's numbers. Kept for ever, so not without end. */
#define REASON_BYTES 4096
#define TICKET_BYTES 256

/* One line that a terminal does not act on: a new line could pass for another entry of the record.
 */
static int text_check(const char *what, const char *text, size_t most, struct err *e)
{
	size_t length = strlen(text);

	if (length > most)
		return err_say(e, -EINVAL, "the %s has %zu bytes; it can have %zu", what, length,
			       most);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f ||
		    ((unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0))
			return err_say(e, -EINVAL,
				       "the %s has a control character at byte %zu; it is one line "
				       "of text",
				       what, (size_t)(c - text) + 1);
	return 0;
}

static int saying_check(const struct saying *said, struct err *e)
{
	int r = text_check("reason", said->why ? said->why : "", REASON_BYTES, e);

	return r < 0 ? r
		     : text_check("change request", said->ticket ? said->ticket : "", TICKET_BYTES,
				  e);
}

/* NULL: without memory or with texts that are not kept, and reply has been told. */
static struct step *step_of(struct changes *c, enum step_kind kind, const struct saying *said,
			    change_reply *reply, void *userdata)
{
	struct err e = { 0 };
	struct step *s;

	if (saying_check(said, &e) < 0) {
		if (reply)
			reply(NULL, e.text, userdata);
		return NULL;
	}
	if (!(s = step_new(c, kind, reply, userdata)))
		return NULL;
	s->number = said->number;
	s->why = arena_strdup(&s->arena, said->why ? said->why : "");
	s->ticket = arena_strdup(&s->arena, said->ticket ? said->ticket : "");
	if (s->why && s->ticket && step_copy_person(s, said->who) == 0)
		return s;
	step_free(s);
	if (reply)
		reply(NULL, "out of memory", userdata);
	return NULL;
}

static void say(struct changes *c, enum step_kind kind, const struct saying *said,
		change_reply *reply, void *userdata)
{
	struct step *s = step_of(c, kind, said, reply, userdata);

	if (s)
		step_add(s);
}

void change_approve(struct changes *c, const struct saying *s, change_reply *reply, void *userdata)
{
	say(c, STEP_APPROVE, s, reply, userdata);
}

void change_apply(struct changes *c, const struct saying *s, change_reply *reply, void *userdata)
{
	say(c, STEP_APPLY, s, reply, userdata);
}

void change_withdraw(struct changes *c, const struct saying *s, change_reply *reply, void *userdata)
{
	say(c, STEP_WITHDRAW, s, reply, userdata);
}

void change_rollback(struct changes *c, const struct saying *s, change_reply *reply, void *userdata)
{
	say(c, STEP_RETURN, s, reply, userdata);
}

static void considered_set(struct changes *c, const char *digest)
{
	char *copy = strdup(digest);

	if (!copy)
		return; /* then /etc is proposed once more, and refused as the same */
	free(c->considered);
	c->considered = copy;
}

void change_propose(struct changes *c, const struct proposal *p, change_reply *reply,
		    void *userdata)
{
	const struct saying said = { .who = p->author, .why = p->reason, .ticket = p->ticket };
	struct step *s = step_of(c, STEP_PROPOSE, &said, reply, userdata);

	if (!s)
		return;
	s->canonical = arena_strdup(&s->arena, p->canonical);
	s->source = arena_strdup(&s->arena, p->source);
	s->applies = p->applies;
	if (s->canonical && s->source) {
		step_add(s);
		return;
	}
	step_free(s);
	if (reply)
		reply(NULL, "out of memory", userdata);
}

bool changes_consider(struct changes *c, const char *digest)
{
	if (c->problem)
		return false;
	if (!c->policy || strcmp(c->policy->digest, digest) != 0) {
		if (strcmp(c->considered, digest) == 0)
			return false;
		considered_set(c, digest);
		return true;
	}
	*c->considered = '\0';
	for (unsigned int i = 0; i < c->n_open; i++) {
		struct step *s = strcmp(c->open[i]->source, "etc") == 0 &&
						 c->open[i]->state != CHANGE_PROBATION
					 ? step_of_daemon(c, STEP_SUPERSEDE, c->open[i]->id)
					 : NULL;

		if (!s)
			continue;
		s->why = "what is in force is in /etc again";
		step_add(s);
		break; /* there is one at most: a later look at /etc supersedes the one before */
	}
	return false;
}

/* ---- the tick
 * ------------------------------------------------------------------------------------------ */

static void probation_watch(struct changes *c, const struct policy *p,
			    const struct observation *now)
{
	struct change *watched = open_on_probation(c);
	enum probation_verdict verdict;
	char why[512];
	struct step *s;

	if (!watched || !watched->probation || watched->generation != c->generation)
		return;
	probation_note(watched->probation, p, now, now->wall_ns);
	if (steps_have(c, STEP_JUDGED, watched->id) || steps_have(c, STEP_UNDO, watched->id))
		return;
	verdict = probation_judge(watched->probation, now->wall_ns, p->host.tick_ns, why,
				  sizeof(why));
	if (verdict == PROBATION_GOES_ON || clock_monotonic_ns() < c->retry_ns)
		return;
	s = step_of_daemon(c, verdict == PROBATION_WORSE ? STEP_UNDO : STEP_JUDGED, watched->id);
	if (!s)
		return;
	s->why = arena_printf(&s->arena, "%s%s",
			      verdict == PROBATION_UNJUDGED ? "kept, but not judged: " : "", why);
	if (s->why)
		step_add(s);
	else
		step_free(s);
}

static int record_read(struct changes *c, struct err *e);

static void on_record_back(json_t *take_answer, const char *problem, void *userdata)
{
	struct changes *c = userdata;
	struct err e = { 0 };

	c->is_asking = false;
	json_decref(take_answer);
	if (c->is_closing) {
		changes_free_when_quiet(c);
		return;
	}
	if (problem || record_read(c, &e) < 0) {
		c->retry_ns = clock_monotonic_ns() + 10 * NSEC_PER_SEC;
		return;
	}
	free(c->problem);
	c->problem = NULL;
	changes_proceed(c);
}

/* A record that could not be read at start. */
static void record_try(struct changes *c)
{
	if (c->is_asking || clock_monotonic_ns() < c->retry_ns)
		return;
	c->is_asking = true;
	journal_ask(c->options.journal, QUESTION_CHANGES, json_pack("{s:i}", "limit", 1),
		    on_record_back, c);
}

void changes_tick(struct changes *c, const struct policy *p, const struct observation *now)
{
	if (c->problem) {
		record_try(c);
		return;
	}
	if (c->policy && strcmp(c->policy->digest, p->digest) == 0 && c->watch.n == now->n_models &&
	    p->n_models == now->n_models) {
		for (uint32_t i = 0; i < now->n_models; i++)
			watch_note(&c->watch, i,
				   sight_take(&p->models[i], &now->models[i], NULL, 0));
		probation_watch(c, p, now);
	}
	changes_proceed(c);
}

/* ---- start and end
 * ------------------------------------------------------------------------------------- */

/*
 * The host may have shrunk meanwhile: what was in force is entered all the same. A form that this
 * version does not know is not: then nobody is governed, and a change waits for somebody who
 * applies it.
 */
static void in_force_enter(struct changes *c, const char *canonical)
{
	static const struct host_facts unknown = { 0 };
	struct policy *theirs;
	struct err e = { 0 };
	size_t length = strlen(canonical);

	if (policy_from_canonical(canonical, length, &unknown, &theirs, &e) < 0) {
		c->unread = strdup(e.text);
		return;
	}
	if (policy_from_canonical(canonical, length, &unknown, &c->policy, &e) < 0) {
		c->unread = strdup(e.text);
		policy_free(theirs);
		return;
	}
	c->canonical = strdup(canonical);         /* NULL: gates hear of nothing in force */
	(void)watch_follow(&c->watch, c->policy); /* without memory: no window before */
	c->options.enter(theirs, c->generation, c->options.userdata);
}

static int in_force_read(struct changes *c, struct err *e)
{
	json_t *form = NULL;
	int r = journal_ask_now(c->options.journal, QUESTION_GENERATION,
				json_pack("{s:i}", "number", 0), &form, e);
	const char *canonical = json_string_value(json_object_get(form, "canonical"));

	if (r == 0 && canonical) {
		c->generation = (uint64_t)json_integer_value(json_object_get(form, "number"));
		c->parent = (uint64_t)json_integer_value(json_object_get(form, "parent"));
		c->equals = (uint64_t)json_integer_value(json_object_get(form, "equals"));
		in_force_enter(c, canonical);
	}
	json_decref(form);
	return r;
}

static int open_read_one(struct changes *c, uint64_t id, struct err *e)
{
	json_t *form = NULL;
	int r = journal_ask_now(c->options.journal, QUESTION_CHANGE,
				json_pack("{s:I}", "id", (json_int_t)id), &form, e);

	if (r == 0)
		r = change_from_json(json_object_get(form, "document"), &c->open[c->n_open], e);
	if (r == 0) {
		c->open[c->n_open]->id = id;
		c->n_open++;
	}
	json_decref(form);
	return r;
}

static int open_read(struct changes *c, struct err *e)
{
	json_t *list = NULL;
	int r = journal_ask_now(c->options.journal, QUESTION_CHANGES,
				json_pack("{s:b, s:i}", "is_open", 1, "limit", MAX_OPEN), &list, e);

	for (size_t i = json_array_size(list); i-- > 0 && r == 0 && c->n_open < MAX_OPEN;) {
		const json_t *one = json_array_get(list, i); /* oldest first */

		r = open_read_one(c, (uint64_t)json_integer_value(json_object_get(one, "id")), e);
	}
	json_decref(list);
	return r;
}

/* The newest change knows which /etc was looked at last. */
static int considered_read(struct changes *c, struct err *e)
{
	json_t *list = NULL;
	int r = journal_ask_now(c->options.journal, QUESTION_CHANGES,
				json_pack("{s:i}", "limit", 1), &list, e);
	const char *digest =
		json_string_value(json_object_get(json_array_get(list, 0), "considered"));

	if (r == 0 && digest)
		considered_set(c, digest);
	json_decref(list);
	return r;
}

static int record_read(struct changes *c, struct err *e)
{
	int r = c->generation ? 0 : in_force_read(c, e); /* once: it may be tried again */

	while (c->n_open > 0)
		change_free(c->open[--c->n_open]);
	if (r == 0)
		r = open_read(c, e);
	return r < 0 ? r : considered_read(c, e);
}

static void changes_free(struct changes *c)
{
	gating_cancel(c, 0);
	for (struct step *s = c->steps, *next; s; s = next) {
		next = s->next;
		step_abandon(s);
	}
	for (unsigned int i = 0; i < c->n_open; i++)
		change_free(c->open[i]);
	watch_fini(&c->watch);
	policy_free(c->policy);
	free(c->canonical);
	free(c->considered);
	free(c->problem);
	free(c->unread);
	free(c->gates_dirs[0]);
	free(c->gates_dirs[1]);
	free(c->etc);
	free(c);
}

void changes_free_when_quiet(struct changes *c)
{
	if (!c->is_busy && !c->is_asking)
		changes_free(c);
}

void changes_close(struct changes *c)
{
	if (!c)
		return;
	c->is_closing = true;
	gating_cancel(c, 0);
	changes_free_when_quiet(c);
}

static int strings_copy(struct changes *c, const struct changes_options *o)
{
	for (int i = 0; i < 2; i++)
		if (o->gates_dirs[i] && !(c->gates_dirs[i] = strdup(o->gates_dirs[i])))
			return -ENOMEM;
	if (o->etc && !(c->etc = strdup(o->etc)))
		return -ENOMEM;
	return (c->considered = strdup("")) ? 0 : -ENOMEM;
}

int changes_open(const struct changes_options *options, struct changes **ret_changes, struct err *e)
{
	struct changes *c = calloc(1, sizeof(*c));
	struct err problem = { 0 };

	if (!c)
		return err_set(e, -ENOMEM, "changes");
	c->options = *options;
	if (strings_copy(c, options) < 0) {
		changes_free(c);
		return err_set(e, -ENOMEM, "changes");
	}
	*ret_changes = c;
	if (record_read(c, &problem) < 0) {
		c->problem = strdup(problem.text);
		return 0;
	}
	changes_proceed(c);
	return 0;
}

/* ---- looking
 * --------------------------------------------------------------------------------------------- */

bool changes_are_known(const struct changes *c)
{
	return !c->problem;
}

uint64_t changes_generation(const struct changes *c)
{
	return c->generation;
}

static void waits_for(const struct changes *c, const struct change *change, char *buf, size_t size)
{
	const struct change *watched = open_on_probation(c);

	*buf = '\0';
	if (change->state == CHANGE_GATING)
		snprintf(buf, size, "its gates");
	else if (change->state == CHANGE_WAITING)
		(void)approvals_suffice(change, buf, size);
	else if (change->state == CHANGE_READY && watched)
		snprintf(buf, size, "the end of the probation of change %llu",
			 (unsigned long long)watched->id);
	else if (change->state == CHANGE_READY && !change->applies)
		snprintf(buf, size, "somebody who applies it");
}

static json_t *open_to_json(const struct changes *c)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < c->n_open; i++) {
		const struct change *change = c->open[i];
		char missing[512];

		waits_for(c, change, missing, sizeof(missing));
		json_array_append_new(list,
				      json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "id",
						(json_int_t)change->id, "state",
						state_name(change->state), "source", change->source,
						"author", change->author, "reason", change->reason,
						"waits_for", missing));
	}
	return list;
}

static json_t *watched_to_json(const struct changes *c)
{
	const struct change *watched = open_on_probation(c);
	char why[512];

	if (!watched || !watched->probation)
		return json_null();
	(void)probation_judge(watched->probation, clock_realtime_ns(), NSEC_PER_SEC, why,
			      sizeof(why));
	return json_pack("{s:I, s:I, s:s}", "change", (json_int_t)watched->id, "ends_ns",
			 (json_int_t)watched->probation->ends_ns, "sentence", why);
}

json_t *changes_to_json(const struct changes *c)
{
	return json_pack("{s:I, s:s, s:s, s:o, s:o}", "generation", (json_int_t)c->generation,
			 "digest", c->policy ? c->policy->digest : "", "problem",
			 c->problem  ? c->problem
			 : c->unread ? c->unread
				     : "",
			 "probation", watched_to_json(c), "open", open_to_json(c));
}
