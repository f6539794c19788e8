/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes one change at a time through all its gates: the built-in ones at once, then, as long as
 * none fails, what the last hour says of it, and each executable in the order of the names. Ends
 * with a step that keeps the answers.
 */
#include "past.h"
#include "room.h"

struct gating {
	struct changes *changes;
	uint64_t id;
	char *input; /* JSON for the executables */
	struct gate_files files;
	unsigned int next; /* of files */
	uint64_t timeout_ns;
	struct past *past;
	struct gate_run *run;
	struct gate_result results[MAX_GATES];
	unsigned int n;
	struct arena arena;
};

static void gating_free(struct gating *g)
{
	if (!g)
		return;
	past_cancel(g->past);
	gate_cancel(g->run);
	free(g->input);
	arena_fini(&g->arena);
	free(g);
}

void gating_cancel(struct changes *c, uint64_t id)
{
	if (!c->gating || (id && c->gating->id != id))
		return;
	gating_free(c->gating);
	c->gating = NULL;
}

static bool has_failure(const struct gating *g)
{
	for (unsigned int i = 0; i < g->n; i++)
		if (g->results[i].verdict == GATE_FAIL)
			return true;
	return false;
}

/* ---- what an executable is told
 * ------------------------------------------------------------------- */

static json_t *differences_to_json(const struct policy *before, const struct policy *after)
{
	struct difference *all;
	struct arena arena;
	json_t *list = json_array();
	unsigned int n;

	arena_init(&arena);
	if (policy_diff(before, after, &arena, &all, &n) < 0)
		n = 0;
	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s?}", "model",
						      all[i].model, "key", all[i].key, "before",
						      all[i].before, "after", all[i].after));
	arena_fini(&arena);
	return list;
}

static json_t *canonical_to_json(const char *text)
{
	json_t *form = text ? json_loads(text, 0, NULL) : NULL;

	return form ? form : json_null();
}

static char *input_make(const struct changes *c, const struct change *change)
{
	static const struct host_facts unknown = { 0 };
	static const struct policy nothing = { 0 };
	struct policy *candidate;
	struct err e = { 0 };
	json_t *form;
	char *text;

	if (policy_from_canonical(change->canonical, strlen(change->canonical), &unknown,
				  &candidate, &e) < 0)
		return NULL;
	form = json_pack("{s:s, s:{s:I, s:s, s:s, s:s, s:s, s:s, s:I}, s:o, s:o, s:o}", "interface",
			 "modelgov/gate/v1", "change", "id", (json_int_t)change->id, "author",
			 change->author, "reason", change->reason, "ticket", change->ticket,
			 "source", change->source, "digest", change->digest, "base",
			 (json_int_t)change->base, "candidate",
			 canonical_to_json(change->canonical), "in_force",
			 canonical_to_json(c->canonical), "differences",
			 differences_to_json(c->policy ? c->policy : &nothing, candidate));
	policy_free(candidate);
	text = form ? json_dumps(form, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(form);
	return text;
}

/* ---- one after the other
 * ---------------------------------------------------------------------------- */

static void gating_finish(struct gating *g)
{
	struct changes *c = g->changes;
	struct step *s = step_new(c, STEP_GATED, NULL, NULL);

	c->gating = NULL;
	if (s) {
		s->number = g->id;
		s->gates = arena_new(&s->arena, struct gate_result, MAX(1u, g->n));
		for (unsigned int i = 0; s->gates && i < g->n; i++) {
			s->gates[i] = g->results[i];
			s->gates[i].name = arena_strdup(&s->arena, g->results[i].name);
			s->gates[i].note = arena_strdup(&s->arena, g->results[i].note);
			if (!s->gates[i].name || !s->gates[i].note)
				s->gates = NULL;
		}
		s->n_gates = s->gates ? g->n : 0;
	}
	gating_free(g);
	if (s && s->n_gates)
		step_add(s);
	else
		step_free(s); /* without memory: its gates run again at a later tick */
}

static void gating_go_on(struct gating *g);

/* Strings that were borrowed are copied; without memory it is inconclusive, never a pass. */
static void result_add(struct gating *g, const struct gate_result *result)
{
	struct gate_result *copy = &g->results[g->n];

	*copy = (struct gate_result){ .name = arena_strdup(&g->arena, result->name),
				      .verdict = result->verdict,
				      .note = arena_strdup(&g->arena, result->note) };
	if (!copy->name || !copy->note)
		*copy = (struct gate_result){ "executable", GATE_INCONCLUSIVE, "out of memory" };
	g->n++;
}

static void on_gate_done(const struct gate_result *result, void *userdata)
{
	struct gating *g = userdata;

	g->run = NULL; /* it frees itself */
	result_add(g, result);
	gating_go_on(g);
}

/* The next executable; what cannot be run could not tell. */
static void gating_go_on(struct gating *g)
{
	struct changes *c = g->changes;

	while (g->next < g->files.n) {
		const struct gate_file *file = &g->files.all[g->next++];
		struct gate_order order = { .event = c->options.event,
					    .bus = c->options.bus,
					    .file = file,
					    .input = g->input,
					    .timeout_ns = g->timeout_ns };
		struct err e = { 0 };

		if (!order.bus)
			err_say(&e, -ENOTCONN, "there is no systemd to confine it");
		else if (!order.input)
			err_set(&e, -ENOMEM, "its input");
		else if (gate_start(&order, on_gate_done, g, &g->run, &e) == 0)
			return;
		result_add(g, &(struct gate_result){ file->name, GATE_INCONCLUSIVE, e.text });
	}
	gating_finish(g);
}

static void on_past_done(const struct gate_result *result, void *userdata)
{
	struct gating *g = userdata;

	g->past = NULL; /* it frees itself */
	result_add(g, result);
	if (has_failure(g))
		gating_finish(g);
	else
		gating_go_on(g);
}

static int builtin_ask(struct gating *g, const struct change *change)
{
	struct changes *c = g->changes;
	const struct gate_question question = { .change = change,
						.in_force = c->policy,
						.facts = &c->options.facts,
						.gates_dirs = (const char *const *)c->gates_dirs,
						.etc = c->etc };

	return builtin_gates_ask(&question, &g->arena, g->results, &g->n);
}

static void gating_begin(struct changes *c, const struct change *change)
{
	struct gating *g = calloc(1, sizeof(*g));
	struct err e = { 0 };

	if (!g)
		return; /* a later tick tries again */
	*g = (struct gating){ .changes = c,
			      .id = change->id,
			      .timeout_ns = change->rules.gate_timeout_ns };
	arena_init(&g->arena);
	if (builtin_ask(g, change) < 0) {
		gating_free(g);
		return;
	}
	c->gating = g;
	if (!has_failure(g) &&
	    gate_files_list((const char *const *)c->gates_dirs, &g->arena, &g->files, &e) < 0)
		result_add(g, &(struct gate_result){ "gates.d", GATE_FAIL, e.text });
	if (has_failure(g)) {
		gating_finish(g);
		return;
	}
	if (g->files.n > 0)
		g->input = input_make(c, change);
	if (change->undoes) /* modelgovd itself goes back: nothing may hold it up */
		gating_go_on(g);
	else if (past_begin(c, change, on_past_done, g, &g->past) < 0)
		gating_cancel(c, 0); /* without memory: a later tick tries again */
}

void gating_proceed(struct changes *c)
{
	for (unsigned int i = 0; i < c->n_open && !c->gating; i++)
		if (c->open[i]->state == CHANGE_GATING &&
		    !steps_have(c, STEP_GATED, c->open[i]->id)) {
			gating_begin(c, c->open[i]);
			return;
		}
}
