/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control socket offers about changes: who asks becomes a person, parameters become what
 * the change room is told. Shapes are docs/control.md.
 */
#include "daemon.h"

static const char *text_of(const json_t *parameters, const char *key)
{
	const char *text = json_string_value(json_object_get(parameters, key));

	return text ? text : "";
}

/* Of a change or generation; 0 when it is missing. Negative ones are nobody's. */
static uint64_t number_of(const json_t *parameters, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(parameters, key));

	return value > 0 ? (uint64_t)value : 0;
}

static void on_answer(json_t *take_document, const char *problem, void *userdata)
{
	struct request *request = userdata;

	if (!problem) {
		request_reply(request, json_pack("{s:o}", "change", take_document));
		return;
	}
	json_decref(take_document);
	request_fail(request, "Refused", "%s", problem);
}

static struct person *person_of(struct daemon *d, struct request *request)
{
	struct person *who = people_person(d, request_peer(request));

	if (!who)
		request_fail(request, "Failed", "out of memory");
	return who;
}

void on_propose(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;
	const char *source = text_of(parameters, "source");
	_cleanup_free_ struct person *who = NULL;
	struct proposal p = { .canonical = text_of(parameters, "canonical"),
			      .reason = text_of(parameters, "reason"),
			      .ticket = text_of(parameters, "ticket"),
			      .source = *source ? source : "proposal",
			      .applies = json_is_true(json_object_get(parameters, "applies")) };

	if (strcmp(p.source, "proposal") != 0 && strcmp(p.source, "import") != 0) {
		request_fail(request, "Failed", "source is '%s'; it can be proposal or import",
			     source);
		return;
	}
	if (!(who = person_of(d, request)))
		return;
	p.author = who;
	change_propose(d->changes, &p, on_answer, request);
}

typedef void change_say(struct changes *c, const struct saying *s, change_reply *reply,
			void *userdata);

static void say(struct request *request, json_t *parameters, struct daemon *d, change_say *say_it)
{
	_cleanup_free_ struct person *who = person_of(d, request);
	const struct saying s = { .who = who,
				  .number = number_of(parameters, "id"),
				  .why = text_of(parameters, "reason"),
				  .ticket = text_of(parameters, "ticket") };

	if (who)
		say_it(d->changes, &s, on_answer, request);
}

void on_approve(struct request *request, json_t *parameters, void *userdata)
{
	say(request, parameters, userdata, change_approve);
}

void on_apply(struct request *request, json_t *parameters, void *userdata)
{
	say(request, parameters, userdata, change_apply);
}

void on_withdraw(struct request *request, json_t *parameters, void *userdata)
{
	say(request, parameters, userdata, change_withdraw);
}

void on_rollback(struct request *request, json_t *parameters, void *userdata)
{
	json_int_t id = json_integer_value(json_object_get(parameters, "id"));

	if (id < 0) { /* and not the one before, which is 0 */
		request_fail(request, "Failed", "id is %lld; a generation is 1 or more",
			     (long long)id);
		return;
	}
	say(request, parameters, userdata, change_rollback);
}
