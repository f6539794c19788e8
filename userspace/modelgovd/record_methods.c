/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control socket tells from the record: generations, changes, entries, and whether the
 * chain is whole. Asks the journal's thread and wraps its answer; what the answers hold is record's
 * business.
 */
#include "daemon.h"

#define HISTORY_DEFAULT 100

struct inquiry {
	struct request *request;
	const char *key;           /* under which the answer goes; NULL: it is the reply */
	struct daemon *ends_audit; /* whose audit this is, or NULL */
};

static void on_answer(json_t *take_answer, const char *problem, void *userdata)
{
	struct inquiry *q = userdata;

	if (!take_answer)
		request_fail(q->request, "Failed", "%s", problem);
	else if (q->key)
		request_reply(q->request, json_pack("{s:o}", q->key, take_answer));
	else
		request_reply(q->request, take_answer);
	if (q->ends_audit)
		q->ends_audit->is_auditing = false;
	free(q);
}

static void record_ask(struct request *request, enum question question, const json_t *parameters,
		       const char *key, void *userdata)
{
	struct daemon *d = userdata;
	struct inquiry *q = malloc(sizeof(*q));
	json_t *copy = parameters ? json_deep_copy(parameters) : json_object();

	if (!q || !copy) {
		free(q);
		json_decref(copy);
		request_fail(request, "Failed", "out of memory");
		return;
	}
	*q = (struct inquiry){ .request = request, .key = key };
	if (question == QUESTION_CHAIN) {
		d->is_auditing = true;
		q->ends_audit = d;
	}
	if (question == QUESTION_HISTORY || question == QUESTION_CHANGES)
		if (!json_is_integer(json_object_get(copy, "limit")))
			json_object_set_new(copy, "limit", json_integer(HISTORY_DEFAULT));
	journal_ask(d->journal, question, copy, on_answer, q);
}

/* The methods that only ask: the question, and the key of its answer. */
#define ASKS(on_method, question, key)                                                             \
	void on_method(struct request *request, json_t *parameters, void *userdata)                \
	{                                                                                          \
		record_ask(request, question, parameters, key, userdata);                          \
	}
ASKS(on_history, QUESTION_HISTORY, "generations")
ASKS(on_generation, QUESTION_GENERATION, "generation")
ASKS(on_changes, QUESTION_CHANGES, "changes")
ASKS(on_change_asked, QUESTION_CHANGE, NULL)
ASKS(on_entries, QUESTION_ENTRIES, "entries")
ASKS(on_ticks, QUESTION_TICKS, "ticks")
ASKS(on_checks, QUESTION_CHECKS, "checks")

void on_audit_verify(struct request *request, json_t *parameters, void *userdata)
{
	struct daemon *d = userdata;

	/* it reads the whole file: one at a time is what the disk's thread can bear beside its work
	 */
	if (d->is_auditing)
		request_fail(request, "Busy", "the record is being verified already; try again");
	else
		record_ask(request, QUESTION_CHAIN, parameters, NULL, userdata);
}
