/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change: every move of a change, who may make it, and the sentence when not. Documents survive the
 * way to JSON and back.
 */
#include "approval.h"
#include "life.h"
#include "probation.h"

#include <criterion/criterion.h>

/* ---- people, and a change that touches ocr ------------------------------------------------------
 */

static const char *const vision[] = { "users", "vision" };
static const struct person root = {
	.uid = 0, .name = "root", .is_operator = true, .is_approver = true
};
static const struct person ada = { .uid = 1001, .name = "ada", .is_operator = true };
static const struct person ben = { .uid = 1002, .name = "ben", .is_approver = true };
static const struct person cyd = { .uid = 1003, .name = "cyd", .is_approver = true };
static const struct person eve = { .uid = 1004, .name = "eve", .groups = vision, .n_groups = 2 };
static const struct person nil = { .uid = 1005, .name = "nil" };

static const char *ocr_owners[] = { "olga", "@vision" };
static const char *new_owners[] = { "eve" };
static const struct gate_result passed[] = { { "schema", GATE_PASS, "" } };
static const struct gate_result failed[] = { { "schema", GATE_PASS, "" },
					     { "10-tests", GATE_FAIL, "p99 is 90ms" } };
static const struct gate_result unsure[] = { { "10-tests", GATE_INCONCLUSIVE, "time-out" } };
static struct err e;

static struct change *proposed(uint64_t approvals)
{
	struct change *c = change_new();

	c->id = 7;
	c->state = CHANGE_GATING;
	c->source = "proposal";
	c->author = "ada";
	c->author_uid = 1001;
	c->base = 3;
	c->rules = (struct rules){ .approvals = approvals, .probation_ns = 60 * NSEC_PER_SEC };
	return c;
}

static void touch(struct change *c, const char *model, const char **owners, unsigned int n,
		  bool is_new)
{
	struct touch *more = arena_new(&c->arena, struct touch, c->n_touches + 1);

	if (c->n_touches)
		memcpy(more, c->touches, sizeof(*more) * c->n_touches);
	more[c->n_touches++] =
		(struct touch){ .model = model, .is_new = is_new, .owners = { owners, n } };
	c->touches = more;
}

static struct change *waiting(uint64_t approvals)
{
	struct change *c = proposed(approvals);

	touch(c, "ocr", ocr_owners, 2, false);
	cr_assert_eq(change_gated(c, passed, 1, &e), 0, "%s", e.text);
	return c;
}

static void refuses(int r, int code, const char *words)
{
	cr_expect_eq(r, code);
	cr_expect(strstr(e.text, words), "no '%s' in: %s", words, e.text);
}

/* ---- gates --------------------------------------------------------------------------------------
 */

Test(change_life, a_failed_gate_refuses_the_change_and_its_words_are_kept)
{
	struct change *c = proposed(0);

	cr_assert_eq(change_gated(c, failed, 2, &e), 0);
	cr_expect_eq(c->state, CHANGE_REFUSED);
	cr_expect_str_eq(c->ending, "gate 10-tests failed: p99 is 90ms");
	refuses(change_enter(c, &(struct situation){ .in_force = 3 }, &e), -EINVAL,
		"change 7 is refused (a gate failed) and cannot be applied; propose a new one");
	change_free(c);
}

Test(change_life, without_approvals_asked_for_passed_gates_make_it_ready)
{
	struct change *c = proposed(0);

	cr_assert_eq(change_gated(c, passed, 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, an_inconclusive_gate_does_not_pass_by_itself)
{
	struct change *c = proposed(0);

	cr_assert_eq(change_gated(c, unsure, 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_WAITING);
	refuses(change_enter(c, &(struct situation){ .in_force = 3 }, &e), -EINVAL,
		"waits for an approver who accepts what a gate could not tell");
	refuses(change_sign(c, &ada, "looks fine", 1, &e), -EPERM, "neither an approver");
	cr_expect_eq(change_sign(c, &ben, "the gate's host is down, measured by hand", 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, where_nobody_is_asked_the_author_may_accept_what_a_gate_could_not_tell)
{
	struct change *c = proposed(0);

	c->author_uid = 0;
	cr_assert_eq(change_gated(c, unsure, 1, &e), 0);
	cr_expect_eq(change_sign(c, &root, "known", 1, &e), 0, "%s", e.text);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, gates_without_an_answer_are_an_error_and_not_a_pass)
{
	struct change *c = proposed(0);

	refuses(change_gated(c, passed, 0, &e), -E2BIG, "0 gates");
	cr_expect_eq(c->state, CHANGE_GATING);
	change_free(c);
}

/* ---- approvals ----------------------------------------------------------------------------------
 */

Test(change_life, the_author_cannot_approve)
{
	struct change *c = waiting(1);

	refuses(change_sign(c, &ada, "mine", 1, &e), -EPERM,
		"ada proposed change 7 and cannot approve it");
	c->author_uid = 0;
	refuses(change_sign(c, &root, "mine", 1, &e), -EPERM, "root proposed change 7");
	change_free(c);
}

Test(change_life, an_approval_needs_a_reason)
{
	struct change *c = waiting(1);

	refuses(change_sign(c, &ben, "", 1, &e), -EINVAL, "-m WHY");
	change_free(c);
}

Test(change_life, approvals_are_counted_by_people_and_an_owner_of_what_is_touched_must_be_heard)
{
	struct change *c = waiting(2);

	cr_expect_eq(change_sign(c, &ben, "ok", 1, &e), 0);
	refuses(change_sign(c, &ben, "again", 2, &e), -EPERM, "ben approved change 7 already");
	cr_expect_eq(change_sign(c, &cyd, "ok", 3, &e), 0);
	cr_expect_eq(c->state, CHANGE_WAITING, "two approvers, no owner");
	refuses(change_enter(c, &(struct situation){ .in_force = 3 }, &e), -EINVAL,
		"waits for an owner of ocr (olga, @vision)");
	cr_expect_eq(change_sign(c, &eve, "ok for vision", 4, &e), 0, "%s", e.text);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, an_owner_counts_as_approver_of_a_change_that_touches_only_what_they_own)
{
	struct change *c = waiting(1);

	cr_expect_eq(change_sign(c, &eve, "ok", 1, &e), 0, "%s", e.text);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
	c = waiting(1);
	c->touches_host = true;
	cr_expect_eq(change_sign(c, &eve, "ok", 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_WAITING, "the host is not hers");
	change_free(c);
}

Test(change_life, who_is_named_owner_by_the_change_itself_does_not_approve_it_alone)
{
	struct change *c = proposed(1);

	touch(c, "eves", new_owners, 1, true);
	cr_assert_eq(change_gated(c, passed, 1, &e), 0);
	cr_expect_eq(change_sign(c, &eve, "mine", 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_WAITING);
	cr_expect_eq(change_sign(c, &ben, "ok", 2, &e), 0);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, root_stands_for_every_owner)
{
	struct change *c = waiting(1);

	cr_expect_eq(change_sign(c, &root, "vision is on holiday", 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, an_author_who_owns_the_model_is_heard_already)
{
	struct change *c = proposed(1);

	touch(c, "ocr", ocr_owners, 2, false);
	c->touches[0].has_author = true;
	cr_assert_eq(change_gated(c, passed, 1, &e), 0);
	cr_expect_eq(change_sign(c, &ben, "ok", 1, &e), 0);
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, nobody_else_may_approve)
{
	struct change *c = waiting(1);

	refuses(change_sign(c, &nil, "why not", 1, &e), -EPERM, "neither an approver of this host");
	change_free(c);
}

/* ---- coming into force --------------------------------------------------------------------------
 */

Test(change_life, a_change_is_applied_once_and_then_watched)
{
	struct change *c = waiting(0);
	struct situation now = { .in_force = 3 };

	cr_assert_eq(change_enter(c, &now, &e), 0, "%s", e.text);
	cr_expect_eq(c->state, CHANGE_PROBATION);
	refuses(change_enter(c, &now, &e), -EINVAL, "wait for its verdict");
	cr_expect_eq(change_judged(c, false, "no model was worse", &e), 0);
	cr_expect_eq(c->state, CHANGE_KEPT);
	refuses(change_enter(c, &now, &e), -EINVAL, "modelgov rollback goes back");
	change_free(c);
}

Test(change_life, without_probation_or_a_generation_before_it_is_kept_at_once)
{
	struct change *c = proposed(0);

	c->rules.probation_ns = 0;
	cr_assert_eq(change_gated(c, passed, 1, &e), 0);
	cr_assert_eq(change_enter(c, &(struct situation){ .in_force = 3 }, &e), 0);
	cr_expect_eq(c->state, CHANGE_KEPT);
	change_free(c);
	c = proposed(0);
	c->base = 0;
	cr_assert_eq(change_gated(c, passed, 1, &e), 0);
	cr_assert_eq(change_enter(c, &(struct situation){ 0 }, &e), 0);
	cr_expect_eq(c->state, CHANGE_KEPT);
	change_free(c);
}

Test(change_life, a_change_for_another_generation_is_not_applied)
{
	struct change *c = waiting(0);

	refuses(change_enter(c, &(struct situation){ .in_force = 4 }, &e), -EINVAL,
		"made for generation 3, but 4 is in force");
	cr_expect_eq(c->state, CHANGE_READY);
	change_free(c);
}

Test(change_life, while_another_is_on_probation_only_what_undoes_it_is_applied)
{
	struct change *c = waiting(0);
	struct situation now = { .in_force = 3, .on_probation = 5 };

	refuses(change_enter(c, &now, &e), -EBUSY, "change 5 is on probation");
	c->undoes = 5;
	cr_expect_eq(change_enter(c, &now, &e), 0, "%s", e.text);
	cr_expect_eq(c->state, CHANGE_KEPT, "going back is not watched again");
	change_free(c);
}

Test(change_life, only_the_author_or_an_operator_withdraws)
{
	struct change *c = waiting(1);

	refuses(change_taken_back(c, &ben, "no", &e), -EPERM,
		"only its author (ada) or an operator");
	refuses(change_taken_back(c, &ada, "", &e), -EINVAL, "-m WHY");
	cr_expect_eq(change_taken_back(c, &ada, "typo", &e), 0);
	cr_expect_eq(c->state, CHANGE_WITHDRAWN);
	cr_expect_str_eq(c->ending, "withdrawn by ada: typo");
	refuses(change_sign(c, &ben, "ok", 1, &e), -EINVAL, "change 7 is withdrawn");
	change_free(c);
}

/* ---- document -----------------------------------------------------------------------------------
 */

Test(change_life, a_change_survives_the_way_to_its_document_and_back)
{
	struct change *c = waiting(2), *back;
	struct trial trial = { .name = "ocr",
			       .is_critical = true,
			       .before = { 300, 3, 1 },
			       .promises = { { INDICATOR_RUNQUEUE_WAIT, 9900, 5000000 } },
			       .n_promises = 1 };
	struct probation probation = {
		.began_ns = 5, .ends_ns = 9, .margin_permyriad = 500, .n = 1, .trials = &trial
	};

	c->canonical = "{\"apiVersion\":\"modelgov/v1\"}";
	c->applies = true;
	c->probation = &probation;
	cr_assert_eq(change_sign(c, &eve, "ok", 4, &e), 0);

	json_t *once = change_to_json(c), *twice;

	cr_assert_not_null(once);
	cr_assert_eq(change_from_json(once, &back, &e), 0, "%s", e.text);
	twice = change_to_json(back);
	cr_expect(json_equal(once, twice));
	cr_expect_eq(back->state, CHANGE_WAITING);
	cr_expect_str_eq(back->approvals[0].owns.all[0], "ocr");
	json_decref(once);
	json_decref(twice);
	change_free(back);
	change_free(c);
}

Test(change_life, a_document_of_an_unknown_state_is_refused)
{
	struct change *c = proposed(0), *back = NULL;
	json_t *form = change_to_json(c);

	json_object_set_new(form, "state", json_string("blessed"));
	refuses(change_from_json(form, &back, &e), -EINVAL, "change 7 in the record");
	cr_expect_null(back);
	json_decref(form);
	change_free(c);
}
