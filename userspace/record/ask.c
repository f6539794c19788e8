/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the record can be asked, each by one function. Reads; answers are small enough for one
 * message of the control socket, and whoever wants more asks again after the last.
 */
#include "books.h"

/* Chosen: with JSON's overhead and one large entry a page fits into a control message (16 MiB). */
#define PAGE_BYTES (2u << 20)
#define PAGE_MOST  1000

/* {"from_ns", "to_ns", "after", "limit"}, absent: everything, from the first, a page. */
static sqlite3_stmt *range_select(struct store *s, const json_t *parameters, const char *kind)
{
	sqlite3_stmt *select = statement_get(s, SELECT_ENTRIES);
	uint64_t limit = member_number(parameters, "limit", PAGE_MOST);

	if (!select)
		return NULL;
	sqlite3_bind_int64(select, 1, (sqlite3_int64)member_number(parameters, "from_ns", 0));
	sqlite3_bind_int64(select, 2, (sqlite3_int64)member_number(parameters, "to_ns", INT64_MAX));
	sqlite3_bind_int64(select, 3, (sqlite3_int64)member_number(parameters, "after", 0));
	sqlite3_bind_int64(select, 4, (sqlite3_int64)MIN(limit, (uint64_t)PAGE_MOST));
	if (kind)
		bind_text(select, 5, kind);
	return select;
}

typedef json_t *link_form(const struct link *l, const json_t *parameters);

/* Each row in the form; NULL leaves it out. Ends with the page. */
static int links_read(struct store *s, sqlite3_stmt *select, link_form *form,
		      const json_t *parameters, json_t **ret_answer, struct err *e)
{
	uint64_t limit = member_number(parameters, "limit", PAGE_MOST);
	json_t *list = json_array();
	size_t bytes = 0;
	int r = 0;

	while (bytes < PAGE_BYTES && json_array_size(list) < limit &&
	       (r = statement_step(s, select, e)) > 0) {
		struct link l;
		uint64_t seq = (uint64_t)sqlite3_column_int64(select, 0);

		if ((r = link_read(select, &l, e)) < 0) {
			(void)err_context(e, "entry %llu", (unsigned long long)seq);
			break;
		}
		json_t *one = form(&l, parameters);

		bytes += one ? l.bytes : 0;
		if (one)
			json_array_append_new(list, one);
		link_fini(&l);
	}
	sqlite3_reset(select);
	if (r < 0) {
		json_decref(list);
		return r;
	}
	*ret_answer = list;
	return 0;
}

static json_t *entry_form(const struct link *l, const json_t *parameters)
{
	return link_to_json(l);
}

static json_t *tick_form(const struct link *l, const json_t *parameters)
{
	json_t *body = json_loadb(l->body, l->bytes, 0, NULL);
	json_t *tick = json_pack("{s:I, s:I, s:I, s:I, s:O?, s:O?}", "seq", (json_int_t)l->seq,
				 "run", (json_int_t)l->run, "tick", (json_int_t)l->tick, "wall_ns",
				 (json_int_t)l->wall_ns, "digest", json_object_get(body, "digest"),
				 "observation", json_object_get(body, "observation"));

	json_decref(body);
	return tick;
}

/* The check's own words, and when that was. */
static json_t *check_form(const struct link *l, const json_t *parameters)
{
	const char *model = member_text(parameters, "model");
	json_t *body = json_loadb(l->body, l->bytes, 0, NULL);
	const char *own = member_text(body, "model");

	if (model && (!own || strcmp(own, model) != 0))
		return json_decref(body), NULL;
	json_object_set_new(body, "seq", json_integer((json_int_t)l->seq));
	json_object_set_new(body, "wall_ns", json_integer((json_int_t)l->wall_ns));
	return body;
}

static int entries_ask(struct store *s, const json_t *parameters, json_t **ret_answer,
		       struct err *e)
{
	return links_read(s, range_select(s, parameters, member_text(parameters, "kind")),
			  entry_form, parameters, ret_answer, e);
}

static int ticks_ask(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e)
{
	return links_read(s, range_select(s, parameters, "tick"), tick_form, parameters, ret_answer,
			  e);
}

static int checks_ask(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e)
{
	return links_read(s, statement_get(s, SELECT_CHECKS), check_form, parameters, ret_answer,
			  e);
}

int store_ask(struct store *s, enum question question, const json_t *parameters,
	      json_t **ret_answer, struct err *e)
{
	static int (*const ask[N_QUESTIONS])(struct store *, const json_t *, json_t **,
					     struct err *) = {
		[QUESTION_HISTORY] = books_history, [QUESTION_GENERATION] = books_generation,
		[QUESTION_CHANGES] = books_changes, [QUESTION_CHANGE] = books_change,
		[QUESTION_ENTRIES] = entries_ask,   [QUESTION_TICKS] = ticks_ask,
		[QUESTION_CHECKS] = checks_ask,
	};

	if (s->version != SCHEMA_VERSION)
		return err_say(e, -EBADMSG,
			       "the journal has schema %d, which has no chain yet; modelgovd "
			       "converts it when it starts",
			       s->version);
	return ask[question](s, parameters, ret_answer, e);
}
