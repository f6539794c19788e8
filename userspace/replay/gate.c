/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Risks as sentences, and the gate's word on all of them. Which risk is how bad is compare.c's.
 */
#include "replay.h"

#include "knob.h"

#include <errno.h>
#include <inttypes.h>

const char *risk_name(enum risk_kind kind)
{
	static const char *const names[N_RISKS] = {
#define X(tag, name, unit, meaning) name,
		RISKS(X)
#undef X
	};

	return names[kind];
}

/* ---- one sentence ------------------------------------------------------------------------ */

static const struct objective *objective_of(const struct comparison *c, const struct risk *r)
{
	return r->objective < MAX_OBJECTIVES
		       ? &c->before.policy->models[r->model].objectives[r->objective]
		       : NULL;
}

/* "p99 of runqueue_wait", "memory_stall" */
static const char *promise_print(const struct objective *o, struct arena *arena)
{
	uint64_t q = o->quantile_permyriad;

	if (q == 0)
		return indicator_name(o->indicator);
	if (q % 100)
		return arena_printf(arena, "p%" PRIu64 ".%" PRIu64 " of %s", q / 100, q % 100 / 10,
				    indicator_name(o->indicator));
	return arena_printf(arena, "p%" PRIu64 " of %s", q / 100, indicator_name(o->indicator));
}

static const char *budget_print(const struct objective *o, uint64_t budget, char *buf, size_t size)
{
	return o->indicator == INDICATOR_MEMORY_STALL ? share_format(budget, buf, size)
						      : duration_format(budget, buf, size);
}

/* How the promise stood in the recorded ticks. */
static const char *record_print(const struct risk *r, const char *promise, struct arena *arena)
{
	if (r->judged < RISK_TICKS)
		return arena_printf(arena,
				    "its %s could be judged in %" PRIu64
				    " recorded ticks only, and %d are needed to say what it bears",
				    promise, r->judged, RISK_TICKS);
	if (r->verdict == REPLAY_PASS)
		return arena_printf(arena,
				    "its %s had room: slack was under 20 %% in %" PRIu64
				    " of %" PRIu64 " ticks",
				    promise, r->tight, r->judged);
	if (r->verdict == REPLAY_FAIL)
		return arena_printf(arena,
				    "its %s was kept in %" PRIu64 " of %" PRIu64
				    " ticks, but with slack under 20 %% in %" PRIu64,
				    promise, r->judged - r->violated, r->judged, r->tight);
	return arena_printf(arena, "its %s is broken already, in %" PRIu64 " of %" PRIu64 " ticks",
			    promise, r->violated, r->judged);
}

/* As in base.h. */
typedef char *number_text(uint64_t value, char *buf, size_t size);

/* Millionths as a share; under 0.01 % it is 0 %. */
static char *ppm_format(uint64_t ppm, char *buf, size_t size)
{
	return share_format(ppm / 100, buf, size);
}

static const char *loss_print(const struct comparison *c, const struct risk *r, struct arena *arena)
{
	const char *promise = promise_print(objective_of(c, r), arena);
	bool is_share = r->kind == RISK_SHARE;
	number_text *format = is_share ? ppm_format : size_format;
	char before[32], after[32];

	format(r->before, before, sizeof(before));
	format(r->after, after, sizeof(after));
	return arena_printf(arena, "%s falls from %s to %s; %s",
			    is_share ? "its guaranteed part of the CPUs" : "its protected memory",
			    before, after, record_print(r, promise ? promise : "", arena));
}

static const char *cap_print(const struct risk *r, struct arena *arena)
{
	char before[64], after[64];

	knob_describe(KNOB_CPU_MAX, r->before, before, sizeof(before));
	knob_describe(KNOB_CPU_MAX, r->after, after, sizeof(after));
	return arena_printf(arena,
			    "cpu.max falls from %s to %s; it used more than that in %" PRIu64
			    " of %" PRIu64 " recorded ticks",
			    before, after, r->violated, r->judged);
}

static const char *memory_print(const struct risk *r, struct arena *arena)
{
	char peak[32], after[32];

	size_format(r->before, peak, sizeof(peak));
	size_format(r->after, after, sizeof(after));
	return arena_printf(arena, "%s falls to %s; it used up to %s in %" PRIu64 " recorded ticks",
			    r->kind == RISK_MEMORY_MAX ? "memory.max" : "memory.high", after,
			    r->before ? peak : "nobody knows how much", r->judged);
}

static const char *budget_risk_print(const struct comparison *c, const struct risk *r,
				     struct arena *arena)
{
	const struct objective *o = objective_of(c, r);
	const char *promise = promise_print(o, arena);
	char before[32], after[32];

	budget_print(o, r->before, before, sizeof(before));
	budget_print(o, r->after, after, sizeof(after));
	return arena_printf(arena,
			    "the budget of its %s goes from %s to %s, which the recorded readings "
			    "break in %" PRIu64 " of %" PRIu64 " ticks",
			    promise ? promise : "", before, after, r->violated, r->judged);
}

static const char *promise_risk_print(const struct comparison *c, const struct risk *r,
				      struct arena *arena)
{
	const char *promise = promise_print(objective_of(c, r), arena);

	return arena_printf(arena, "its %s is promised no more", promise ? promise : "");
}

const char *risk_print(const struct comparison *c, const struct risk *r, struct arena *arena)
{
	const char *text = NULL, *sentence;

	switch (r->kind) {
	case RISK_SHARE:
	case RISK_MEMORY_KEPT:
		text = loss_print(c, r, arena);
		break;
	case RISK_CPU_CAP:
		text = cap_print(r, arena);
		break;
	case RISK_MEMORY_MAX:
	case RISK_MEMORY_HIGH:
		text = memory_print(r, arena);
		break;
	case RISK_BUDGET:
		text = budget_risk_print(c, r, arena);
		break;
	case RISK_PROMISE:
		text = promise_risk_print(c, r, arena);
		break;
	case N_RISKS:
		break;
	}
	sentence =
		text ? arena_printf(arena, "%s: %s", c->before.policy->models[r->model].name, text)
		     : NULL;
	return sentence ? sentence : "out of memory";
}

/* ---- the gate ---------------------------------------------------------------------------- */

static void note_write(const struct comparison *c, const struct risk *risks, unsigned int n,
		       struct arena *arena, char *note, size_t size)
{
	unsigned int worst = 0;

	if (n == 0 || risks[0].verdict == REPLAY_PASS) {
		snprintf(note, size,
			 "no promise of production loses what it needs, by %" PRIu64
			 " recorded ticks",
			 c->before.ticks);
		return;
	}
	while (worst < n && risks[worst].verdict == risks[0].verdict)
		worst++;
	if (worst == 1)
		snprintf(note, size, "%s", risk_print(c, &risks[0], arena));
	else
		snprintf(note, size, "%s; and %u more like it, see modelgov plan",
			 risk_print(c, &risks[0], arena), worst - 1);
}

int replay_gate(struct comparison *c, enum replay_verdict *ret_verdict, char *note, size_t size)
{
	struct arena arena;
	struct risk *risks;
	unsigned int n;
	int r;

	arena_init(&arena);
	r = comparison_judge(c, &arena, &risks, &n);
	if (r == 0) {
		note_write(c, risks, n, &arena, note, size);
		*ret_verdict = n > 0 ? risks[0].verdict : REPLAY_PASS;
	}
	arena_fini(&arena);
	return r;
}
