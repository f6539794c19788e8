/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row an action and one an outcome, so that "what was done to this model last" is a look-up.
 * The truth is in the entries; these rows are made from them and can be compared with them.
 */
#include "actions.h"

/* One table: how its rows come from a body and go into SQL. Numbers first, then texts. */
struct index {
	const char *kind, *list;           /* of the entry, and where its body has them */
	const char *numbers[3], *texts[6]; /* keys of one item */
	enum statement insert, select;
};

static const struct index indexes[] = {
	{ "tick",
	  "actions",
	  { "before", "value" },
	  { "model", "cgroup", "knob", "reason", "sentence" },
	  INSERT_ACTION,
	  SELECT_ENTRY_ACTIONS },
	{ "outcomes",
	  "outcomes",
	  { "read_back" },
	  { "outcome", "note" },
	  INSERT_OUTCOME,
	  SELECT_ENTRY_OUTCOMES },
};

static const struct index *index_find(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++)
		if (strcmp(indexes[i].kind, kind) == 0)
			return &indexes[i];
	return NULL;
}

/* Place of the first text in a row: run, tick, n, wall_ns and the numbers stand before it. */
static size_t index_first_text(const struct index *index)
{
	size_t n = 0;

	while (index->numbers[n])
		n++;
	return 4 + n;
}

static const json_t *index_items(const struct index *index, const json_t *body)
{
	const json_t *plan = json_object_get(body, "plan");

	return json_object_get(plan ? plan : body, index->list);
}

static json_t *row_derive(const struct index *index, const struct entry *entry, size_t n,
			  const json_t *item)
{
	json_t *row = json_pack("[I, I, I, I]", (json_int_t)entry->run, (json_int_t)entry->tick,
				(json_int_t)n, (json_int_t)entry->wall_ns);

	for (const char *const *key = index->numbers; *key; key++) {
		json_t *value = json_object_get(item, *key);

		json_array_append_new(row, value ? json_incref(value) : json_null());
	}
	for (const char *const *key = index->texts; *key; key++) {
		const char *text = member_text(item, *key);

		json_array_append_new(row, json_string(text ? text : ""));
	}
	return row;
}

json_t *index_derive(const struct entry *entry)
{
	const struct index *index = index_find(entry->kind);
	const json_t *items = index ? index_items(index, entry->body) : NULL;
	json_t *rows = json_array();

	if (index && !json_is_array(items))
		return json_decref(rows), NULL;
	for (size_t i = 0; i < json_array_size(items); i++)
		json_array_append_new(rows, row_derive(index, entry, i, json_array_get(items, i)));
	return rows;
}

int index_write(struct store *s, const struct entry *entry, uint64_t seq, struct err *e)
{
	const struct index *index = index_find(entry->kind);
	json_t *rows = index_derive(entry);
	size_t n = json_array_size(rows), i;
	const json_t *row;
	int r = rows ? 0 : err_say(e, -EINVAL, "entry of kind %s without a list", entry->kind);

	for (i = 0; i < n && r == 0; i++) {
		sqlite3_stmt *insert = statement_get(s, index->insert);

		row = json_array_get(rows, i);
		if (insert)
			sqlite3_bind_int64(insert, 1, (sqlite3_int64)seq);
		for (size_t at = 0; insert && at < json_array_size(row); at++) {
			if (at < index_first_text(index))
				bind_value(insert, (int)at + 2, json_array_get(row, at));
			else
				bind_text(insert, (int)at + 2,
					  json_string_value(json_array_get(row, at)));
		}
		r = statement_run(s, insert, e);
	}
	json_decref(rows);
	return r < 0 ? r : (int)n;
}

int index_read(struct store *s, const char *kind, uint64_t seq, json_t **ret_rows, struct err *e)
{
	const struct index *index = index_find(kind);
	sqlite3_stmt *select = index ? statement_get(s, index->select) : NULL;
	json_t *rows = json_array();
	int r = 0;

	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)seq);
	while (index && (r = statement_step(s, select, e)) > 0) {
		json_t *row = json_array();

		for (int at = 0; at < sqlite3_column_count(select); at++)
			json_array_append_new(row, (size_t)at < index_first_text(index)
							   ? column_value(select, at)
							   : json_string(column_text(select, at)));
		json_array_append_new(rows, row);
	}
	if (r < 0) {
		json_decref(rows);
		return r;
	}
	*ret_rows = rows;
	return 0;
}

/* ---- explain ----------------------------------------------------------------------------------
 */

static json_t *action_read(sqlite3_stmt *row)
{
	static const char *const texts[] = {
		[2] = "model",   [3] = "cgroup", [4] = "knob",     [7] = "reason",
		[8] = "outcome", [9] = "note",   [10] = "sentence"
	};
	json_t *action = json_pack("{s:I, s:I, s:o, s:o}", "time_ns",
				   (json_int_t)sqlite3_column_int64(row, 0), "tick",
				   (json_int_t)sqlite3_column_int64(row, 1), "before",
				   column_value(row, 5), "value", column_value(row, 6));

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i])
			json_object_set_new(action, texts[i],
					    json_string(column_text(row, (int)i)));
	return action;
}

int store_actions(struct store *s, const char *model, unsigned int limit, json_t **ret_actions,
		  struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_ACTIONS);
	json_t *list = json_array();
	int r;

	if (select && model)
		bind_text(select, 1, model);
	if (select)
		sqlite3_bind_int(select, 2, (int)limit);
	while ((r = statement_step(s, select, e)) > 0)
		json_array_append_new(list, action_read(select));
	if (r < 0) {
		json_decref(list);
		return r;
	}
	*ret_actions = list;
	return 0;
}
