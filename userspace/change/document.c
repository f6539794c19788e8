/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change as the JSON document that the record keeps, both ways. Shape: docs/governance.md.
 */
#include "life.h"
#include "probation.h"

/* ---- out
 * ----------------------------------------------------------------------------------------- */

static json_t *names_to_json(const struct names *names)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < names->n; i++)
		json_array_append_new(list, json_string(names->all[i]));
	return list;
}

static json_t *gates_to_json(const struct change *c)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < c->n_gates; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "name", c->gates[i].name,
						"verdict", gate_verdict_name(c->gates[i].verdict),
						"note", c->gates[i].note));
	return list;
}

static json_t *approvals_to_json(const struct change *c)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < c->n_approvals; i++) {
		const struct approval *a = &c->approvals[i];

		json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:I, s:b, s:b, s:o}", "who",
						      a->who, "uid", (json_int_t)a->uid, "why",
						      a->why, "at_ns", (json_int_t)a->at_ns,
						      "is_root", a->is_root, "counts", a->counts,
						      "owns", names_to_json(&a->owns)));
	}
	return list;
}

static json_t *touches_to_json(const struct change *c)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < c->n_touches; i++) {
		const struct touch *t = &c->touches[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:b, s:o}", "model", t->model, "is_new",
						t->is_new, "has_author", t->has_author, "owners",
						names_to_json(&t->owners)));
	}
	return list;
}

static json_t *rules_to_json(const struct rules *r)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "approvals", (json_int_t)r->approvals,
			 "probation_ns", (json_int_t)r->probation_ns, "margin_permyriad",
			 (json_int_t)r->margin_permyriad, "gate_timeout_ns",
			 (json_int_t)r->gate_timeout_ns);
}

/* null where there is none. */
static json_t *number_or_null(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

json_t *change_to_json(const struct change *c)
{
	json_t *document = json_pack(
		"{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:b, s:s, s:o, "
		"s:b, s:o, s:o, s:o, s:o, s:s}",
		"state", state_name(c->state), "source", c->source, "author", c->author,
		"author_uid", (json_int_t)c->author_uid, "reason", c->reason, "ticket", c->ticket,
		"digest", c->digest, "canonical", c->canonical, "made_ns", (json_int_t)c->made_ns,
		"base", (json_int_t)c->base, "equals", number_or_null(c->equals), "undoes",
		number_or_null(c->undoes), "generation", number_or_null(c->generation), "applies",
		c->applies, "considered", c->considered, "rules", rules_to_json(&c->rules),
		"touches_host", c->touches_host, "touches", touches_to_json(c), "gates",
		gates_to_json(c), "approvals", approvals_to_json(c), "probation",
		c->probation ? probation_to_json(c->probation) : json_null(), "ending", c->ending);

	if (document && c->id)
		json_object_set_new(document, "id", json_integer((json_int_t)c->id));
	return document;
}

/* ---- in
 * ------------------------------------------------------------------------------------------ */

/* What reading needs, and whether all went well so far. */
struct reader {
	const json_t *form;
	struct arena *arena;
	bool is_broken;
};

static const char *text_read(struct reader *r, const char *key)
{
	const char *text = json_string_value(json_object_get(r->form, key));
	const char *copy = arena_strdup(r->arena, text ? text : "");

	r->is_broken |= !copy;
	return copy ? copy : "";
}

static uint64_t number_read(struct reader *r, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(r->form, key));
}

static bool claim_read(struct reader *r, const char *key)
{
	return json_is_true(json_object_get(r->form, key));
}

static struct names names_read(struct reader *r, const char *key)
{
	const json_t *list = json_object_get(r->form, key);
	struct names names = { .all = arena_new(r->arena, const char *,
						json_array_size(list) + 1) };
	json_t *one;
	size_t i;

	if (!names.all) {
		r->is_broken = true;
		return names;
	}
	json_array_foreach(list, i, one) {
		const char *text = json_string_value(one);

		if (text && (names.all[names.n] = arena_strdup(r->arena, text)))
			names.n++;
		else
			r->is_broken = true;
	}
	return names;
}

static void gates_read(struct change *c, struct reader *whole)
{
	const json_t *list = json_object_get(whole->form, "gates");
	json_t *form;
	size_t i;

	json_array_foreach(list, i, form) {
		struct reader r = { .form = form, .arena = whole->arena };
		struct gate_result gate = { .verdict = N_GATE_VERDICTS };
		const char *verdict = text_read(&r, "verdict");

		for (int v = 0; v < N_GATE_VERDICTS; v++)
			if (strcmp(gate_verdict_name((enum gate_verdict)v), verdict) == 0)
				gate.verdict = (enum gate_verdict)v;
		gate.name = text_read(&r, "name");
		gate.note = text_read(&r, "note");
		if (r.is_broken || gate.verdict == N_GATE_VERDICTS || c->n_gates == MAX_GATES) {
			whole->is_broken = true;
			return;
		}
		c->gates[c->n_gates++] = gate;
	}
}

static void approvals_read(struct change *c, struct reader *whole)
{
	const json_t *list = json_object_get(whole->form, "approvals");
	json_t *form;
	size_t i;

	json_array_foreach(list, i, form) {
		struct reader r = { .form = form, .arena = whole->arena };

		if (c->n_approvals == MAX_APPROVALS) {
			whole->is_broken = true;
			return;
		}
		c->approvals[c->n_approvals++] =
			(struct approval){ .who = text_read(&r, "who"),
					   .uid = (uid_t)number_read(&r, "uid"),
					   .why = text_read(&r, "why"),
					   .at_ns = number_read(&r, "at_ns"),
					   .is_root = claim_read(&r, "is_root"),
					   .counts = claim_read(&r, "counts"),
					   .owns = names_read(&r, "owns") };
		whole->is_broken |= r.is_broken;
	}
}

static void touches_read(struct change *c, struct reader *whole)
{
	const json_t *list = json_object_get(whole->form, "touches");
	json_t *form;
	size_t i;

	c->touches = arena_new(whole->arena, struct touch, json_array_size(list) + 1);
	if (!c->touches) {
		whole->is_broken = true;
		return;
	}
	json_array_foreach(list, i, form) {
		struct reader r = { .form = form, .arena = whole->arena };

		c->touches[c->n_touches++] =
			(struct touch){ .model = text_read(&r, "model"),
					.is_new = claim_read(&r, "is_new"),
					.has_author = claim_read(&r, "has_author"),
					.owners = names_read(&r, "owners") };
		whole->is_broken |= r.is_broken;
	}
}

static struct rules rules_read(struct reader *whole)
{
	struct reader r = { .form = json_object_get(whole->form, "rules") };

	return (struct rules){ .approvals = number_read(&r, "approvals"),
			       .probation_ns = number_read(&r, "probation_ns"),
			       .margin_permyriad = number_read(&r, "margin_permyriad"),
			       .gate_timeout_ns = number_read(&r, "gate_timeout_ns") };
}

static void header_read(struct change *c, struct reader *r)
{
	c->id = number_read(r, "id");
	c->source = text_read(r, "source");
	c->author = text_read(r, "author");
	c->author_uid = (uid_t)number_read(r, "author_uid");
	c->reason = text_read(r, "reason");
	c->ticket = text_read(r, "ticket");
	c->digest = text_read(r, "digest");
	c->canonical = text_read(r, "canonical");
	c->made_ns = number_read(r, "made_ns");
	c->base = number_read(r, "base");
	c->equals = number_read(r, "equals");
	c->undoes = number_read(r, "undoes");
	c->generation = number_read(r, "generation");
	c->applies = claim_read(r, "applies");
	c->considered = text_read(r, "considered");
	c->rules = rules_read(r);
	c->touches_host = claim_read(r, "touches_host");
	c->ending = text_read(r, "ending");
}

static bool state_read(const json_t *document, enum change_state *ret_state)
{
	const char *name = json_string_value(json_object_get(document, "state"));

	for (int s = 0; name && s < N_CHANGE_STATES; s++)
		if (strcmp(state_name((enum change_state)s), name) == 0) {
			*ret_state = (enum change_state)s;
			return true;
		}
	return false;
}

int change_from_json(const json_t *document, struct change **ret_change, struct err *e)
{
	struct change *c = change_new();
	struct reader r = { .form = document, .arena = c ? &c->arena : NULL };

	if (!c)
		return err_set(e, -ENOMEM, "read a change");
	header_read(c, &r);
	touches_read(c, &r);
	gates_read(c, &r);
	approvals_read(c, &r);
	if (json_is_object(json_object_get(document, "probation"))) {
		c->probation =
			probation_from_json(json_object_get(document, "probation"), &c->arena);
		r.is_broken |= !c->probation;
	}
	if (r.is_broken || !state_read(document, &c->state)) {
		err_say(e, -EINVAL,
			"change %llu in the record is not of a form that this version "
			"knows",
			(unsigned long long)c->id);
		change_free(c);
		return -EINVAL;
	}
	*ret_change = c;
	return 0;
}
