/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The moves of a change: which state allows which, what they write into the document, and the
 * sentence for every move that is refused.
 */
#include "life.h"

#include "approval.h"

/* ---- names -------------------------------------------------------------------------------------
 */

static const struct {
	const char *name, *meaning;
} state_table[N_CHANGE_STATES] = {
#define X(tag, name, is_open, meaning) [CHANGE_##tag] = { name, meaning },
	CHANGE_STATES(X)
#undef X
};

const char *state_name(enum change_state state)
{
	return state_table[state].name;
}

const char *gate_verdict_name(enum gate_verdict verdict)
{
	static const char *const names[N_GATE_VERDICTS] = {
#define X(tag, name, meaning) [GATE_##tag] = name,
		GATE_VERDICTS(X)
#undef X
	};

	return names[verdict];
}

/* ---- which state allows what -------------------------------------------------------------------
 */

enum move {
	MOVE_GATED,
	MOVE_SIGN,
	MOVE_ENTER,
	MOVE_JUDGED,
	MOVE_TAKE_BACK,
	MOVE_OVERTAKE,
	N_MOVES
};

#define IN(tag) (1u << CHANGE_##tag)

static const struct {
	const char *verb;
	unsigned int states; /* bit per state that allows it */
} move_table[N_MOVES] = {
	[MOVE_GATED] = { "pass its gates", IN(GATING) },
	[MOVE_SIGN] = { "be approved", IN(WAITING) },
	[MOVE_ENTER] = { "be applied", IN(READY) },
	[MOVE_JUDGED] = { "be judged", IN(PROBATION) },
	[MOVE_TAKE_BACK] = { "be withdrawn", IN(GATING) | IN(WAITING) | IN(READY) },
	[MOVE_OVERTAKE] = { "be superseded", IN(GATING) | IN(WAITING) | IN(READY) },
};

/* What to do about a change in that state instead. */
static const char *state_cure(enum change_state state)
{
	switch (state) {
	case CHANGE_GATING:
		return "wait until its gates have answered";
	case CHANGE_WAITING:
		return "the approvals come first";
	case CHANGE_READY:
		return "apply it";
	case CHANGE_PROBATION:
		return "wait for its verdict, or withdraw it to go back";
	case CHANGE_KEPT:
		return "modelgov rollback goes back";
	case CHANGE_REFUSED:
	case CHANGE_ROLLED_BACK:
	case CHANGE_WITHDRAWN:
	case CHANGE_SUPERSEDED:
	case N_CHANGE_STATES:
		break;
	}
	return "propose a new one";
}

static int move_check(const struct change *c, enum move move, struct err *e)
{
	if (move_table[move].states & (1u << c->state))
		return 0;
	return err_say(e, -EINVAL, "change %llu is %s (%s) and cannot %s; %s",
		       (unsigned long long)c->id, state_table[c->state].name,
		       state_table[c->state].meaning, move_table[move].verb, state_cure(c->state));
}

/* ---- life and death ----------------------------------------------------------------------------
 */

struct change *change_new(void)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	arena_init(&c->arena);
	c->source = c->author = c->reason = c->ticket = "";
	c->digest = c->canonical = c->considered = c->ending = "";
	return c;
}

void change_free(struct change *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	free(c);
}

static int out_of_memory(const struct change *c, struct err *e)
{
	return err_set(e, -ENOMEM, "change %llu", (unsigned long long)c->id);
}

/* Ends it with a sentence; nothing has changed without memory. */
static int change_end(struct change *c, enum change_state state, const char *ending, struct err *e)
{
	ending = arena_strdup(&c->arena, ending);
	if (!ending)
		return out_of_memory(c, e);
	c->ending = ending;
	c->state = state;
	return 0;
}

/* ---- gates -------------------------------------------------------------------------------------
 */

static int gates_copy(struct change *c, const struct gate_result *gates, unsigned int n)
{
	struct gate_result copies[MAX_GATES];

	for (unsigned int i = 0; i < n; i++) {
		copies[i] = (struct gate_result){ .name = arena_strdup(&c->arena, gates[i].name),
						  .verdict = gates[i].verdict,
						  .note = arena_strdup(&c->arena, gates[i].note) };
		if (!copies[i].name || !copies[i].note)
			return -ENOMEM;
	}
	memcpy(c->gates, copies, n * sizeof(*copies));
	c->n_gates = n;
	return 0;
}

static const struct gate_result *gate_failed(const struct change *c)
{
	for (unsigned int i = 0; i < c->n_gates; i++)
		if (c->gates[i].verdict == GATE_FAIL)
			return &c->gates[i];
	return NULL;
}

/* Waiting, or ready when nothing is missing. */
static void change_settle(struct change *c)
{
	char missing[512];

	c->state = approvals_suffice(c, missing, sizeof(missing)) ? CHANGE_READY : CHANGE_WAITING;
}

int change_gated(struct change *c, const struct gate_result *gates, unsigned int n, struct err *e)
{
	const struct gate_result *failed;
	int r = move_check(c, MOVE_GATED, e);

	if (r < 0)
		return r;
	if (n == 0 || n > MAX_GATES)
		return err_say(
			e, -E2BIG,
			"change %llu has %u gates; it can be 1 to %d: remove some from gates.d",
			(unsigned long long)c->id, n, MAX_GATES);
	if (gates_copy(c, gates, n) < 0)
		return out_of_memory(c, e);
	failed = gate_failed(c);
	if (failed) {
		const char *ending = arena_printf(&c->arena, "gate %s failed%s%s", failed->name,
						  *failed->note ? ": " : "", failed->note);

		return ending ? change_end(c, CHANGE_REFUSED, ending, e) : out_of_memory(c, e);
	}
	change_settle(c);
	return 0;
}

/* ---- approvals ---------------------------------------------------------------------------------
 */

int change_sign(struct change *c, const struct person *who, const char *why, uint64_t at_ns,
		struct err *e)
{
	struct approval a;
	int r = move_check(c, MOVE_SIGN, e);

	if (r < 0)
		return r;
	if (!*why)
		return err_say(e, -EINVAL, "an approval needs a reason: -m WHY");
	if (c->n_approvals == MAX_APPROVALS)
		return err_say(e, -E2BIG, "change %llu has %d approvals, the most it can have",
			       (unsigned long long)c->id, MAX_APPROVALS);
	if ((r = approval_judge(c, who, &a, e)) < 0)
		return r;
	a.who = arena_strdup(&c->arena, who->name);
	a.why = arena_strdup(&c->arena, why);
	a.at_ns = at_ns;
	if (!a.who || !a.why)
		return out_of_memory(c, e);
	c->approvals[c->n_approvals++] = a;
	change_settle(c);
	return 0;
}

/* ---- coming into force, and what follows
 * --------------------------------------------------------- */

int change_enter(struct change *c, const struct situation *now, struct err *e)
{
	char missing[512];
	int r;

	if (c->state == CHANGE_WAITING && !approvals_suffice(c, missing, sizeof(missing)))
		return err_say(e, -EINVAL, "change %llu waits for %s", (unsigned long long)c->id,
			       missing);
	if ((r = move_check(c, MOVE_ENTER, e)) < 0)
		return r;
	if (c->base != now->in_force)
		return err_say(
			e, -EINVAL,
			"change %llu was made for generation %llu, but %llu is in force; propose "
			"it again",
			(unsigned long long)c->id, (unsigned long long)c->base,
			(unsigned long long)now->in_force);
	if (now->on_probation && now->on_probation != c->undoes)
		return err_say(
			e, -EBUSY,
			"change %llu is on probation; change %llu can be applied when that is "
			"over, or withdraw %llu first",
			(unsigned long long)now->on_probation, (unsigned long long)c->id,
			(unsigned long long)now->on_probation);
	c->state = c->rules.probation_ns > 0 && c->base > 0 && c->undoes == 0 ? CHANGE_PROBATION
									      : CHANGE_KEPT;
	return 0;
}

int change_judged(struct change *c, bool is_worse, const char *why, struct err *e)
{
	int r = move_check(c, MOVE_JUDGED, e);

	return r < 0 ? r : change_end(c, is_worse ? CHANGE_ROLLED_BACK : CHANGE_KEPT, why, e);
}

int change_taken_back(struct change *c, const struct person *who, const char *why, struct err *e)
{
	const char *ending;
	int r = move_check(c, MOVE_TAKE_BACK, e);

	if (r < 0)
		return r;
	if (!*why)
		return err_say(e, -EINVAL, "withdrawing needs a reason: -m WHY");
	if (who->uid != c->author_uid && !who->is_operator)
		return err_say(e, -EPERM,
			       "only its author (%s) or an operator can withdraw change %llu",
			       c->author, (unsigned long long)c->id);
	ending = arena_printf(&c->arena, "withdrawn by %s: %s", who->name, why);
	return ending ? change_end(c, CHANGE_WITHDRAWN, ending, e) : out_of_memory(c, e);
}

int change_overtaken(struct change *c, const char *why, struct err *e)
{
	int r = move_check(c, MOVE_OVERTAKE, e);

	return r < 0 ? r : change_end(c, CHANGE_SUPERSEDED, why, e);
}
