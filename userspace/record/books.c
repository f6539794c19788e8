/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps each generation with its bytes, and of each change the document it has now. What a change
 * may do next is the change room's; here it is a document with a state.
 */
#include "books.h"

/* ---- keeping ----------------------------------------------------------------------------------
 */

/* The document's text without its canonical bytes, which have a column of their own. */
static char *document_text(const json_t *document)
{
	json_t *copy = json_copy((json_t *)document);
	char *text;

	json_object_del(copy, "canonical"); /* absent is fine */
	text = copy ? json_text(copy) : NULL;
	json_decref(copy);
	return text;
}

/* The canonical bytes must be those that the digest names: what is stored wrong stays wrong. */
static int digest_hold(const json_t *document, const char *what, struct err *e)
{
	const char *digest = member_text(document, "digest"),
		   *canonical = member_text(document, "canonical");
	char hex[HASH_HEX];

	if (!digest || strlen(digest) != HASH_HEX - 1)
		return err_say(e, -EINVAL, "%s: its digest is not %d hex digits", what,
			       HASH_HEX - 1);
	if (!canonical)
		return 0;
	hash_of_text(canonical, strlen(canonical), hex);
	return strcmp(hex, digest) == 0
		       ? 0
		       : err_say(e, -EINVAL,
				 "%s: its canonical bytes hash to %.12s, its digest is %.12s", what,
				 hex, digest);
}

static int change_write(struct store *s, const json_t *change, uint64_t id, bool is_new,
			const char *document, struct err *e)
{
	const char *canonical = member_text(change, "canonical");
	sqlite3_stmt *write = statement_get(s, is_new ? INSERT_CHANGE : UPDATE_CHANGE);

	if (write) {
		sqlite3_bind_int64(write, 1, (sqlite3_int64)id);
		bind_text(write, 2, member_text(change, "state"));
		bind_text(write, 3, member_text(change, "digest"));
		bind_text(write, 4, document);
		if (canonical)
			bind_text(write, 5, canonical);
	}
	int r = statement_run(s, write, e);

	if (r == 0 && sqlite3_changes(s->db) != 1)
		return err_say(e, -EINVAL, "there is no change %llu", (unsigned long long)id);
	return r;
}

static int generation_write(struct store *s, const json_t *generation, uint64_t seq, struct err *e)
{
	_cleanup_free_ char *document = document_text(generation);
	sqlite3_stmt *insert = statement_get(s, INSERT_GENERATION);

	if (!document)
		return err_set(e, -ENOMEM, "generation");
	if (insert) {
		sqlite3_bind_int64(insert, 1,
				   (sqlite3_int64)member_number(generation, "number", 0));
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)seq);
		bind_text(insert, 3, member_text(generation, "digest"));
		bind_text(insert, 4, document);
		bind_text(insert, 5, member_text(generation, "canonical"));
	}
	return statement_run(s, insert, e);
}

/* What the chain says of this step: the change's document by its hash, a generation's in full. */
static json_t *step_body(const struct keeping *k, uint64_t id, const char *document)
{
	char hex[HASH_HEX];
	json_t *body;

	hash_of_text(document, strlen(document), hex);
	body = json_pack("{s:I, s:s, s:s, s:s, s:s, s:O}", "change", (json_int_t)id, "step",
			 k->step, "state", member_text(k->change, "state"), "digest",
			 member_text(k->change, "digest"), "document", hex, "details", k->details);
	if (body && k->generation) {
		json_t *copy = json_copy(k->generation);

		json_object_del(copy, "canonical");
		json_object_set_new(body, "generation", copy);
	}
	return body;
}

static int step_append(struct store *s, const struct keeping *k, uint64_t id, const char *document,
		       struct err *e)
{
	struct entry entry = { .kind = k->generation ? "generation" : "change",
			       .run = k->run,
			       .wall_ns = k->wall_ns,
			       .body = step_body(k, id, document) };
	uint64_t seq;
	int r = entry.body ? chain_append(s, &entry, id, &seq, e)
			   : err_say(e, -EINVAL,
				     "change: its step, state or details are missing or not UTF-8");

	if (r == 0 && k->generation)
		r = generation_write(s, k->generation, seq, e);
	json_decref(entry.body);
	return r;
}

/* The store's own fields, before anything is hashed. */
static void generation_number(struct store *s, const struct keeping *k, uint64_t id)
{
	int64_t parent = number_select(s, "SELECT max(number) FROM generation");

	parent = MAX(parent, 0);
	json_object_set_new(k->generation, "number", json_integer(parent + 1));
	json_object_set_new(k->generation, "parent", parent ? json_integer(parent) : json_null());
	json_object_set_new(k->generation, "made_ns", json_integer((json_int_t)k->wall_ns));
	json_object_set_new(k->generation, "change", json_integer((json_int_t)id));
	json_object_set_new(k->change, "generation", json_integer(parent + 1));
}

int books_keep(struct store *s, const struct keeping *k, json_t **ret_answer, struct err *e)
{
	uint64_t id = member_number(k->change, "id", 0);
	bool is_new = id == 0;
	int r = digest_hold(k->change, "change", e);

	if (r == 0 && k->generation)
		r = member_text(k->generation, "canonical")
			    ? digest_hold(k->generation, "generation", e)
			    : err_say(e, -EINVAL, "generation without its canonical bytes");
	if (r < 0)
		return r;
	if (is_new) {
		id = (uint64_t)MAX(number_select(s, "SELECT max(id) FROM change"), 0) + 1;
		json_object_set_new(k->change, "id", json_integer((json_int_t)id));
	}
	if (k->generation)
		generation_number(s, k, id);
	_cleanup_free_ char *document = document_text(k->change);

	if (!document)
		return err_set(e, -ENOMEM, "change %llu", (unsigned long long)id);
	if ((r = step_append(s, k, id, document, e)) < 0 ||
	    (r = change_write(s, k->change, id, is_new, document, e)) < 0)
		return r;
	*ret_answer = json_pack("{s:I, s:I}", "id", (json_int_t)id, "number",
				(json_int_t)member_number(k->generation, "number", 0));
	return 0;
}

int books_find(struct store *s, const char *digest, uint64_t *ret_number, struct err *e)
{
	sqlite3_stmt *select = statement_get(s, FIND_GENERATION);

	if (select)
		bind_text(select, 1, digest);
	int r = statement_step(s, select, e);

	if (r < 0)
		return r;
	*ret_number = r > 0 ? (uint64_t)sqlite3_column_int64(select, 0) : 0;
	sqlite3_reset(select);
	return 0;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

/* The document of a row, with its canonical bytes when at_canonical is a column that has them. */
static json_t *document_read(sqlite3_stmt *row, int at_canonical)
{
	json_t *document = json_loads(column_text(row, 0), 0, NULL);

	if (document && at_canonical > 0 && sqlite3_column_type(row, at_canonical) != SQLITE_NULL)
		json_object_set_new(document, "canonical",
				    json_string(column_text(row, at_canonical)));
	return document ? document : json_pack("{s:s}", "broken", column_text(row, 0));
}

static int documents_read(struct store *s, sqlite3_stmt *select, json_t **ret_answer, struct err *e)
{
	json_t *list = json_array();
	int r;

	while ((r = statement_step(s, select, e)) > 0)
		json_array_append_new(list, document_read(select, 0));
	if (r < 0) {
		json_decref(list);
		return r;
	}
	*ret_answer = list;
	return 0;
}

/* -1 is SQL's "all". */
static sqlite3_int64 limit_of(const json_t *parameters)
{
	uint64_t limit = member_number(parameters, "limit", 0);

	return limit == 0 || limit > INT32_MAX ? -1 : (sqlite3_int64)limit;
}

int books_history(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_HISTORY);

	if (select)
		sqlite3_bind_int64(select, 1, limit_of(parameters));
	return documents_read(s, select, ret_answer, e);
}

int books_changes(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_CHANGES);

	if (select) {
		sqlite3_bind_int(select, 1, json_is_true(json_object_get(parameters, "is_open")));
		sqlite3_bind_int64(select, 2, limit_of(parameters));
	}
	return documents_read(s, select, ret_answer, e);
}

int books_generation(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e)
{
	uint64_t number = member_number(parameters, "number", 0);
	sqlite3_stmt *select = statement_get(s, SELECT_GENERATION);

	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)number);
	int r = statement_step(s, select, e);

	if (r < 0)
		return r;
	if (r == 0 && number > 0)
		return err_say(e, -ENOENT, "there is no generation %llu; the newest is %lld",
			       (unsigned long long)number,
			       (long long)number_select(
				       s, "SELECT coalesce(max(number), 0) FROM generation"));
	*ret_answer = r == 0 ? json_object() : document_read(select, 1);
	sqlite3_reset(select);
	return 0;
}

static int change_entries(struct store *s, uint64_t id, json_t *list, struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_CHANGE_ENTRIES);
	int r;

	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)id);
	while ((r = statement_step(s, select, e)) > 0) {
		struct link l;

		if ((r = link_read(select, &l, e)) < 0) {
			sqlite3_reset(select);
			return err_context(e, "an entry of change %llu", (unsigned long long)id);
		}
		json_array_append_new(list, link_to_json(&l));
		link_fini(&l);
	}
	return r;
}

int books_change(struct store *s, const json_t *parameters, json_t **ret_answer, struct err *e)
{
	uint64_t id = member_number(parameters, "id", 0);
	sqlite3_stmt *select = statement_get(s, SELECT_CHANGE);
	json_t *entries;

	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)id);
	int r = statement_step(s, select, e);

	if (r < 0)
		return r;
	if (r == 0)
		return err_say(e, -ENOENT, "there is no change %llu; the newest is %lld",
			       (unsigned long long)id,
			       (long long)number_select(s,
							"SELECT coalesce(max(id), 0) FROM change"));
	json_t *document = document_read(select, 1);

	sqlite3_reset(select);
	entries = json_array();
	r = change_entries(s, id, entries, e);
	json_t *answer = json_pack("{s:o, s:o}", "document", document, "entries", entries);

	if (r < 0) {
		json_decref(answer);
		return r;
	}
	*ret_answer = answer;
	return 0;
}
