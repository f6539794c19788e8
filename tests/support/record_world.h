/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_world: a journal in a folder of its own and two models to write about: the vocabulary of
 * the record's tests.
 */
#ifndef MODELGOV_TEST_RECORD_WORLD_H
#define MODELGOV_TEST_RECORD_WORLD_H

#include "chain.h"
#include "knob.h"
#include "record.h"

#include <criterion/criterion.h>
#include <poll.h>

#define UNUSED __attribute__((unused))

static struct model world_models[] UNUSED = {
	{ .name = "batch", .class = CLASS_BATCH },
	{ .name = "ocr",
	  .class = CLASS_CRITICAL,
	  .priority = 5,
	  .cpu_reserved_millicpu = 500,
	  .n_objectives = 2,
	  .objectives = { { .indicator = INDICATOR_RUNQUEUE_WAIT,
			    .quantile_permyriad = 9900,
			    .budget = 5000000,
			    .window_ns = 10 * NSEC_PER_SEC },
			  { .indicator = INDICATOR_MEMORY_STALL,
			    .budget = 200,
			    .window_ns = 60 * NSEC_PER_SEC } } },
};
static const struct policy world_policy UNUSED = { .n_models = 2,
						   .models = world_models,
						   .digest = "d1" };

static const struct evidence nothing UNUSED = { .model = MODEL_NONE,
						.observed = MISSING,
						.budget = MISSING,
						.culprit = MODEL_NONE,
						.culprit_permyriad = MISSING };

struct world {
	char directory[64];
	struct journal *journal;
	struct model_reading readings[2];
	struct target target;
	struct observation now;
	struct verdict verdicts[2];
	struct action action;
	struct plan plan;
};

static void world_start(struct world *w)
{
	struct err e = { 0 };

	cr_assert_eq(journal_open(w->directory, &w->journal, &e), 0, "%s", e.text);
}

static UNUSED void world_open(struct world *w)
{
	*w = (struct world){ .directory = "/tmp/modelgov-record-XXXXXX" };
	cr_assert_not_null(mkdtemp(w->directory));
	world_start(w);
	w->target =
		(struct target){ .model = 1, .cgroup_id = 42, .path = "/o", .unit = "ocr.service" };
	w->now = (struct observation){ .tick = 1,
				       .wall_ns = 1000,
				       .n_models = 2,
				       .models = w->readings,
				       .n_targets = 1,
				       .targets = &w->target };
	w->verdicts[0] = w->verdicts[1] = (struct verdict){ .why = nothing };
	w->action = (struct action){ .model = 1,
				     .knob = KNOB_MEMORY_MAX,
				     .expected = VALUE_MAX,
				     .value = 2274,
				     .reason = REASON_POLICY_VALUE,
				     .why = nothing };
	w->plan = (struct plan){
		.n_models = 2, .verdicts = w->verdicts, .n_actions = 1, .actions = &w->action
	};
}

static UNUSED void world_stop(struct world *w)
{
	journal_close(w->journal);
	w->journal = NULL;
}

static UNUSED void world_close(struct world *w)
{
	char command[128];

	world_stop(w);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->directory);
	cr_assert_eq(system(command), 0);
}

static void world_settle(struct world *w)
{
	struct journal_status s;

	for (;;) {
		struct pollfd p = { .fd = journal_fd(w->journal), .events = POLLIN };

		journal_get_status(w->journal, &s);
		if (s.backlog == 0)
			return;
		cr_assert_eq(poll(&p, 1, 30000), 1, "the writer went silent");
		journal_dispatch(w->journal);
	}
}

static UNUSED void world_tick(struct world *w, uint64_t tick, uint64_t wall_ns)
{
	const struct outcome applied = { .kind = OUTCOME_ROUNDED,
					 .read_back = 2272,
					 .note = "pages" };

	w->now.tick = w->plan.tick = tick;
	w->now.wall_ns = wall_ns;
	journal_tick(w->journal, &world_policy, &w->now, &w->plan);
	journal_outcomes(w->journal, tick, &applied, 1);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

struct answered {
	json_t *answer;
	char problem[1024];
};

static UNUSED void answer_keep(json_t *take_answer, const char *problem, void *userdata)
{
	struct answered *a = userdata;

	a->answer = take_answer;
	snprintf(a->problem, sizeof(a->problem), "%s", problem ? problem : "");
}

static UNUSED json_t *world_ask(struct world *w, enum question question, json_t *take_parameters)
{
	struct answered a = { 0 };

	journal_ask(w->journal, question, take_parameters, answer_keep, &a);
	world_settle(w);
	cr_assert_not_null(a.answer, "question %d: %s", (int)question, a.problem);
	return a.answer;
}

static UNUSED int64_t number_in(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	cr_assert(json_is_integer(value), "%s is no number", key);
	return json_integer_value(value);
}

static UNUSED const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

/* What the verification says: "" or "table seq: what". */
static UNUSED const char *broken_in(const json_t *report, char *buf, size_t size)
{
	const json_t *broken = json_object_get(report, "broken");

	*buf = '\0';
	if (!json_is_null(broken))
		snprintf(buf, size, "%s %lld: %s", text_in(broken, "table"),
			 (long long)number_in(broken, "seq"), text_in(broken, "what"));
	return buf;
}

#define assert_sound(w)                                                                            \
	do {                                                                                       \
		char _what[640];                                                                   \
		json_t *_report = world_ask(w, QUESTION_CHAIN, NULL);                              \
		cr_assert_str_eq(broken_in(_report, _what, sizeof(_what)), "", "%s", _what);       \
		json_decref(_report);                                                              \
	} while (0)

/* ---- changes and generations ------------------------------------------------------------------
 */

/* A document of a change to a policy of that text. */
static UNUSED json_t *change_of(const char *canonical, const char *state)
{
	char digest[HASH_HEX];

	hash_of_text(canonical, strlen(canonical), digest);
	return json_pack("{s:s, s:s, s:s, s:s}", "state", state, "digest", digest, "canonical",
			 canonical, "author", "ada");
}

static UNUSED json_t *generation_of(const char *canonical)
{
	char digest[HASH_HEX];

	hash_of_text(canonical, strlen(canonical), digest);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:{s:i}, s:[]}", "digest", digest,
			 "canonical", canonical, "author", "ada", "reason", "faster", "ticket",
			 "CHG-7", "equals", "facts", "cpus", 4, "gates");
}

/* Keeps it and returns its id; 0 and the problem in a. */
static UNUSED uint64_t change_keep(struct world *w, json_t *take_change, const char *step,
				   struct answered *a)
{
	*a = (struct answered){ 0 };
	journal_keep_change(w->journal, take_change, step, json_pack("{s:s}", "who", "ada"),
			    answer_keep, a);
	world_settle(w);
	uint64_t id = a->answer ? (uint64_t)number_in(a->answer, "id") : 0;

	json_decref(a->answer);
	return id;
}

static UNUSED uint64_t generation_keep(struct world *w, json_t *take_generation,
				       json_t *take_change, struct answered *a)
{
	*a = (struct answered){ 0 };
	journal_keep_generation(w->journal, take_generation, take_change,
				json_pack("{s:s}", "why", "agreed"), answer_keep, a);
	world_settle(w);
	uint64_t number = a->answer ? (uint64_t)number_in(a->answer, "number") : 0;

	json_decref(a->answer);
	return number;
}

#endif
