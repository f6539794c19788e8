/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the record for the ticks of the last hour, feeds them to two replays, and words the answer
 * as a gate's. Has its own copies of both policies: what is in force may change while the record
 * reads.
 */
#include "past.h"

#include "replay.h"

#include <errno.h>

#define PAST_NS (3600 * NSEC_PER_SEC) /* chosen: as modelgov plan, whose answer this should be */

struct past {
	struct journal *journal;
	struct policy *before, *after;
	struct comparison comparison;
	struct arena arena; /* of one tick */
	uint64_t from_ns, after_seq;
	past_done *done; /* NULL: cancelled */
	void *userdata;
};

static void past_free(struct past *p)
{
	comparison_fini(&p->comparison);
	policy_free(p->before);
	policy_free(p->after);
	arena_fini(&p->arena);
	free(p);
}

void past_cancel(struct past *p)
{
	if (p)
		p->done = NULL; /* the record's answer ends it */
}

static void past_finish(struct past *p, enum gate_verdict verdict, const char *note)
{
	if (p->done)
		p->done(&(struct gate_result){ "replay", verdict, note }, p->userdata);
	past_free(p);
}

/* ---- the record's pages -------------------------------------------------------------------- */

static int tick_feed(struct past *p, const json_t *tick, struct err *e)
{
	struct observation *now;
	int r;

	arena_reset(&p->arena);
	r = observation_from_json(json_object_get(tick, "observation"), p->before, &p->arena, &now,
				  e);
	if (r == 0 && (r = comparison_feed(&p->comparison, now)) < 0)
		err_set(e, r, "replaying a tick");
	p->after_seq = (uint64_t)json_integer_value(json_object_get(tick, "seq"));
	return r;
}

static void past_judge(struct past *p)
{
	static const enum gate_verdict verdicts[] = { [REPLAY_PASS] = GATE_PASS,
						      [REPLAY_INCONCLUSIVE] = GATE_INCONCLUSIVE,
						      [REPLAY_FAIL] = GATE_FAIL };
	enum replay_verdict verdict;
	char note[1024];

	if (replay_gate(&p->comparison, &verdict, note, sizeof(note)) < 0)
		past_finish(p, GATE_INCONCLUSIVE, "out of memory");
	else
		past_finish(p, verdicts[verdict], note);
}

static void page_ask(struct past *p);

static void on_page(json_t *take_ticks, const char *problem, void *userdata)
{
	struct past *p = userdata;
	struct err e = { 0 };
	size_t n = json_array_size(take_ticks);
	int r = 0;

	for (size_t i = 0; p->done && r == 0 && i < n; i++)
		r = tick_feed(p, json_array_get(take_ticks, i), &e);
	if (!take_ticks)
		past_finish(p, GATE_INCONCLUSIVE, problem);
	else if (r < 0)
		past_finish(p, GATE_INCONCLUSIVE, e.text);
	else if (n > 0 && p->done)
		page_ask(p);
	else
		past_judge(p);
	json_decref(take_ticks);
}

static void page_ask(struct past *p)
{
	journal_ask(p->journal, QUESTION_TICKS,
		    json_pack("{s:I, s:I}", "from_ns", (json_int_t)p->from_ns, "after",
			      (json_int_t)p->after_seq),
		    on_page, p);
}

/* ---- beginning ----------------------------------------------------------------------------- */

static int past_new(struct changes *c, const struct change *change, struct past **ret_past)
{
	static const struct host_facts unknown = { 0 };
	struct past *p = calloc(1, sizeof(*p));
	uint64_t now_ns = clock_realtime_ns();
	struct err e = { 0 };

	if (!p || !c->canonical) { /* its copy found no memory */
		free(p);
		return -ENOMEM;
	}
	p->journal = c->options.journal;
	p->from_ns = now_ns - MIN(now_ns, PAST_NS);
	arena_init(&p->arena);
	if (policy_from_canonical(c->canonical, strlen(c->canonical), &unknown, &p->before, &e) ==
		    0 &&
	    policy_from_canonical(change->canonical, strlen(change->canonical), &unknown, &p->after,
				  &e) == 0 &&
	    comparison_init(&p->comparison, p->before, p->after, &c->options.facts) == 0) {
		*ret_past = p;
		return 0;
	}
	past_free(p);
	return -ENOMEM; /* both were read before */
}

int past_begin(struct changes *c, const struct change *change, past_done *done, void *userdata,
	       struct past **ret_past)
{
	struct past *p;
	int r;

	*ret_past = NULL;
	if (!c->policy || change->equals) {
		done(&(struct gate_result){ "replay", GATE_PASS,
					    c->policy ? "a generation that was in force before"
						      : "nothing was in force before" },
		     userdata);
		return 0;
	}
	r = past_new(c, change, &p);
	if (r < 0)
		return r;
	p->done = done;
	p->userdata = userdata;
	*ret_past = p;
	page_ask(p);
	return 0;
}
