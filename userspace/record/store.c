/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's tables in SQLite (WAL): append only; rows leave by age and size. Exactly one read-write
 * connection may exist (SQLite 3.7.0-3.51.2 can corrupt a WAL with two that checkpoint); readers
 * ask the daemon, or open read-only when there is none.
 */
#include "store.h"

#include "model.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <zlib.h>

#define APPLICATION_ID 0x6d676f76 /* "mgov" */
#define SCHEMA_VERSION 1

/* Chosen: a removal of at most this many ticks at a time keeps the writer's pause in milliseconds. */
#define TRIM_TICKS 2000

/*
 * Integers are base units as in model.h; NULL is "not measured", -1 is "max". observation is the
 * zlib-compressed JSON of observation_to_json(), preceded by nothing; evidence is JSON.
 */
static const char schema[] =
	"PRAGMA auto_vacuum=INCREMENTAL;"
	"PRAGMA journal_mode=WAL;"
	"BEGIN;"
	"CREATE TABLE event(seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, kind TEXT NOT NULL,"
	" details TEXT NOT NULL) STRICT;"
	"CREATE TABLE policy(seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, digest TEXT NOT NULL,"
	" canonical TEXT NOT NULL) STRICT;"
	"CREATE TABLE tick(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL, digest TEXT NOT NULL, observation BLOB NOT NULL,"
	" observation_bytes INTEGER NOT NULL, verdicts TEXT NOT NULL) STRICT;"
	"CREATE TABLE action(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT NULL,"
	" n INTEGER NOT NULL, wall_ns INTEGER NOT NULL, model TEXT NOT NULL, cgroup TEXT NOT NULL,"
	" knob TEXT NOT NULL, before INTEGER, value INTEGER, reason TEXT NOT NULL,"
	" sentence TEXT NOT NULL, evidence TEXT NOT NULL) STRICT;"
	"CREATE TABLE outcome(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT NULL,"
	" n INTEGER NOT NULL, wall_ns INTEGER NOT NULL, outcome TEXT NOT NULL, read_back INTEGER,"
	" note TEXT NOT NULL) STRICT;"
	"CREATE INDEX action_by_model ON action(model, seq);"
	"CREATE UNIQUE INDEX outcome_by_action ON outcome(run, tick, n);"
	"PRAGMA application_id=0x6d676f76;"
	"PRAGMA user_version=1;"
	"COMMIT;";

enum statement {
	INSERT_EVENT, INSERT_POLICY, INSERT_TICK, INSERT_ACTION, INSERT_OUTCOME, SELECT_ACTIONS,
	BEGIN, COMMIT, ROLLBACK, N_STATEMENTS,
};

static const char *const statement_sql[N_STATEMENTS] = {
	[INSERT_EVENT] = "INSERT INTO event(wall_ns, kind, details) VALUES(?,?,?)",
	[INSERT_POLICY] = "INSERT INTO policy(wall_ns, digest, canonical) VALUES(?,?,?)",
	[INSERT_TICK] = "INSERT INTO tick(run, tick, wall_ns, digest, observation, observation_bytes,"
			" verdicts) VALUES(?,?,?,?,?,?,?)",
	[INSERT_ACTION] = "INSERT INTO action(run, tick, n, wall_ns, model, cgroup, knob, before,"
			  " value, reason, sentence, evidence) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
	[INSERT_OUTCOME] = "INSERT INTO outcome(run, tick, n, wall_ns, outcome, read_back, note)"
			   " VALUES(?,?,?,?,?,?,?)",
	[SELECT_ACTIONS] =
		"SELECT a.wall_ns, a.tick, a.model, a.cgroup, a.knob, a.before, a.value, a.reason,"
		" coalesce(o.outcome, 'pending'), coalesce(o.note, ''), a.sentence FROM action a"
		" LEFT JOIN outcome o ON o.run = a.run AND o.tick = a.tick AND o.n = a.n"
		" WHERE ?1 IS NULL OR a.model = ?1 ORDER BY a.seq DESC LIMIT ?2",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS];
};

static int store_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_CANTOPEN: return -ENOENT;
	case SQLITE_PERM: return -EACCES;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return -EBADMSG;
	default: return -EIO;
	}
}

static int store_fail(struct store *s, struct err *e, const char *what)
{
	return err_say(e, store_errno(sqlite3_extended_errcode(s->db)), "%s: %s", what,
		       sqlite3_errmsg(s->db));
}

/* ---- opening ---------------------------------------------------------------------------------- */

static int pragma_read(struct store *s, const char *sql, int *ret_value)
{
	sqlite3_stmt *statement;
	int r = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);

	if (r == SQLITE_OK && (r = sqlite3_step(statement)) == SQLITE_ROW)
		*ret_value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return r == SQLITE_ROW ? 0 : -1;
}

/* A new file gets the schema; one that is not ours, or newer than this program, is left alone. */
static int schema_ensure(struct store *s, bool is_read_only, struct err *e)
{
	int application = 0, version = 0, tables = 0;

	if (pragma_read(s, "PRAGMA application_id", &application) < 0 ||
	    pragma_read(s, "PRAGMA user_version", &version) < 0 ||
	    pragma_read(s, "SELECT count(*) FROM sqlite_master", &tables) < 0)
		return store_fail(s, e, "reading the journal's schema");
	if (application == APPLICATION_ID && version == SCHEMA_VERSION)
		return 0;
	if (tables > 0 || is_read_only)
		return err_say(e, -EBADMSG,
			       "the journal has schema %d of application %#x, this modelgov writes %d; move the file away or use the modelgov that wrote it",
			       version, (unsigned int)application, SCHEMA_VERSION);
	if (sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return store_fail(s, e, "creating the journal");
	return 0;
}

static int settings_apply(struct store *s, struct err *e)
{
	/* FULL: a row that was reported as written survives a power loss */
	if (sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(s->db, 2000) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL;", NULL, NULL,
			 NULL) != SQLITE_OK)
		return store_fail(s, e, "setting up the journal");
	return 0;
}

int store_open(const char *directory, bool is_read_only, struct store **ret_store, struct err *e)
{
	char path[PATH_MAX];
	struct store *s = calloc(1, sizeof(*s));
	int flags = is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "open the journal");
	snprintf(path, sizeof(path), "%s/journal.db", directory);
	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		r = store_fail(s, e, path);
	else if ((r = schema_ensure(s, is_read_only, e)) == 0)
		r = settings_apply(s, e);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (int i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	free(s);
}

/* ---- writing ---------------------------------------------------------------------------------- */

/* The prepared statement, reset; NULL with the error in the connection. */
static sqlite3_stmt *statement_get(struct store *s, enum statement which)
{
	sqlite3_stmt **slot = &s->statements[which];

	if (!*slot && sqlite3_prepare_v3(s->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
					 slot, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_reset(*slot);
	sqlite3_clear_bindings(*slot);
	return *slot;
}

static int statement_run(struct store *s, sqlite3_stmt *statement, struct err *e)
{
	int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	if (r != SQLITE_DONE)
		r = store_fail(s, e, "writing the journal");
	else
		r = 0;
	if (statement)
		sqlite3_reset(statement);
	return r;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

/* null stays NULL, "max" is -1 */
static void bind_value(sqlite3_stmt *statement, int at, const json_t *value)
{
	if (json_is_integer(value))
		sqlite3_bind_int64(statement, at, json_integer_value(value));
	else if (json_is_string(value))
		sqlite3_bind_int64(statement, at, -1);
	else
		sqlite3_bind_null(statement, at);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void bind_json(sqlite3_stmt *statement, int at, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

	sqlite3_bind_text(statement, at, text ? text : "", -1, text ? free : SQLITE_STATIC);
}

static void bind_compressed(sqlite3_stmt *statement, int at, const json_t *value)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
	size_t length = text ? strlen(text) : 0;
	uLongf size = compressBound(length);
	Bytef *packed = malloc(size);

	if (!text || !packed || compress2(packed, &size, (Bytef *)text, length, 1) != Z_OK) {
		free(packed);
		return; /* stays NULL: the NOT NULL column refuses the row, which is counted as lost */
	}
	sqlite3_bind_blob64(statement, at, packed, size, free);
	sqlite3_bind_int64(statement, at + 1, (sqlite3_int64)length);
}

static int event_write(struct store *s, const struct entry *entry, struct err *e)
{
	sqlite3_stmt *insert = statement_get(s, INSERT_EVENT);

	if (insert) {
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)entry->wall_ns);
		bind_text(insert, 2, text_of(entry->body, "kind"));
		bind_json(insert, 3, json_object_get(entry->body, "details"));
	}
	int r = statement_run(s, insert, e);

	return r < 0 ? r : 1;
}

static int policy_write(struct store *s, const struct entry *entry, struct err *e)
{
	sqlite3_stmt *insert = statement_get(s, INSERT_POLICY);

	if (insert) {
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)entry->wall_ns);
		bind_text(insert, 2, text_of(entry->body, "digest"));
		bind_text(insert, 3, text_of(entry->body, "canonical"));
	}
	int r = statement_run(s, insert, e);

	return r < 0 ? r : 1;
}

static int action_write(struct store *s, const struct entry *entry, size_t n, const json_t *action,
			struct err *e)
{
	sqlite3_stmt *insert = statement_get(s, INSERT_ACTION);

	if (insert) {
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)entry->run);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)entry->tick);
		sqlite3_bind_int64(insert, 3, (sqlite3_int64)n);
		sqlite3_bind_int64(insert, 4, (sqlite3_int64)entry->wall_ns);
		bind_text(insert, 5, text_of(action, "model"));
		bind_text(insert, 6, text_of(action, "cgroup"));
		bind_text(insert, 7, text_of(action, "knob"));
		bind_value(insert, 8, json_object_get(action, "before"));
		bind_value(insert, 9, json_object_get(action, "value"));
		bind_text(insert, 10, text_of(action, "reason"));
		bind_text(insert, 11, text_of(action, "sentence"));
		bind_json(insert, 12, json_object_get(action, "evidence"));
	}
	return statement_run(s, insert, e);
}

static int tick_write(struct store *s, const struct entry *entry, struct err *e)
{
	const json_t *plan = json_object_get(entry->body, "plan");
	const json_t *actions = json_object_get(plan, "actions");
	sqlite3_stmt *insert = statement_get(s, INSERT_TICK);
	size_t n = json_array_size(actions);

	if (insert) {
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)entry->run);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)entry->tick);
		sqlite3_bind_int64(insert, 3, (sqlite3_int64)entry->wall_ns);
		bind_text(insert, 4, text_of(entry->body, "digest"));
		bind_compressed(insert, 5, json_object_get(entry->body, "observation"));
		bind_json(insert, 7, json_object_get(plan, "verdicts"));
	}
	int r = statement_run(s, insert, e);

	for (size_t i = 0; i < n && r == 0; i++)
		r = action_write(s, entry, i, json_array_get(actions, i), e);
	return r < 0 ? r : (int)n + 1;
}

static int outcomes_write(struct store *s, const struct entry *entry, struct err *e)
{
	size_t n = json_array_size(entry->body);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const json_t *outcome = json_array_get(entry->body, i);
		sqlite3_stmt *insert = statement_get(s, INSERT_OUTCOME);

		if (insert) {
			sqlite3_bind_int64(insert, 1, (sqlite3_int64)entry->run);
			sqlite3_bind_int64(insert, 2, (sqlite3_int64)entry->tick);
			sqlite3_bind_int64(insert, 3, (sqlite3_int64)i);
			sqlite3_bind_int64(insert, 4, (sqlite3_int64)entry->wall_ns);
			bind_text(insert, 5, text_of(outcome, "outcome"));
			bind_value(insert, 6, json_object_get(outcome, "read_back"));
			bind_text(insert, 7, text_of(outcome, "note"));
		}
		r = statement_run(s, insert, e);
	}
	return r < 0 ? r : (int)n;
}

int store_write(struct store *s, const struct entry *entry, struct err *e)
{
	static int (*const write[])(struct store *, const struct entry *, struct err *) = {
		[ENTRY_EVENT] = event_write,
		[ENTRY_POLICY] = policy_write,
		[ENTRY_TICK] = tick_write,
		[ENTRY_OUTCOMES] = outcomes_write,
	};
	struct err ignored;
	int r = statement_run(s, statement_get(s, BEGIN), e);

	if (r < 0)
		return r;
	int rows = write[entry->kind](s, entry, e);

	r = rows < 0 ? rows : statement_run(s, statement_get(s, COMMIT), e);
	if (r < 0)
		(void)statement_run(s, statement_get(s, ROLLBACK), &ignored); /* r says it all */
	return r < 0 ? r : rows;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static json_t *column_value(sqlite3_stmt *row, int at)
{
	if (sqlite3_column_type(row, at) == SQLITE_NULL)
		return json_null();
	if (sqlite3_column_int64(row, at) == -1)
		return json_string("max");
	return json_integer(sqlite3_column_int64(row, at));
}

static json_t *action_read(sqlite3_stmt *row)
{
	static const char *const texts[] = { [2] = "model",   [3] = "cgroup", [4] = "knob",
					     [7] = "reason",  [8] = "outcome", [9] = "note",
					     [10] = "sentence" };
	json_t *action = json_pack("{s:I, s:I, s:o, s:o}", "time_ns",
				   (json_int_t)sqlite3_column_int64(row, 0), "tick",
				   (json_int_t)sqlite3_column_int64(row, 1), "before",
				   column_value(row, 5), "value", column_value(row, 6));

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i])
			json_object_set_new(action, texts[i],
					    json_string((const char *)sqlite3_column_text(row, (int)i)));
	return action;
}

int store_actions(struct store *s, const char *model, unsigned int limit, json_t **ret_actions,
		  struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_ACTIONS);
	json_t *list = json_array();
	int r;

	if (!select)
		goto fail;
	if (model)
		sqlite3_bind_text(select, 1, model, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int(select, 2, (int)limit);
	while ((r = sqlite3_step(select)) == SQLITE_ROW)
		json_array_append_new(list, action_read(select));
	sqlite3_reset(select);
	if (r != SQLITE_DONE)
		goto fail;
	*ret_actions = list;
	return 0;
fail:
	json_decref(list);
	return store_fail(s, e, "reading the journal");
}

/* ---- trimming --------------------------------------------------------------------------------- */

static int rows_remove(struct store *s, uint64_t before_ns, struct err *e)
{
	static const char *const tables[] = { "event", "tick", "action", "outcome" };
	char sql[160];

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		/* policies stay: they are few, and rows that are kept name them */
		snprintf(sql, sizeof(sql),
			 "DELETE FROM %s WHERE seq IN (SELECT seq FROM %s WHERE wall_ns < %llu LIMIT %d)",
			 tables[i], tables[i], (unsigned long long)before_ns, TRIM_TICKS * 4);
		if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
			return store_fail(s, e, "removing old rows of the journal");
	}
	return 0;
}

static int64_t number_select(struct store *s, const char *sql)
{
	sqlite3_stmt *select;
	int64_t value = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &select, NULL) == SQLITE_OK &&
	    sqlite3_step(select) == SQLITE_ROW)
		value = sqlite3_column_int64(select, 0);
	sqlite3_finalize(select);
	return value;
}

int store_trim(struct store *s, uint64_t before_ns, uint64_t limit_bytes, struct err *e)
{
	int64_t pages = number_select(s, "SELECT page_count - freelist_count FROM pragma_page_count,"
					 " pragma_freelist_count");
	int64_t page_bytes = number_select(s, "PRAGMA page_size");
	int r = rows_remove(s, before_ns, e);

	if (r == 0 && pages > 0 && (uint64_t)(pages * page_bytes) > limit_bytes) {
		int64_t oldest = number_select(
			s, "SELECT max(wall_ns) FROM (SELECT wall_ns FROM tick ORDER BY seq LIMIT 2000)");

		if (oldest > 0)
			r = rows_remove(s, (uint64_t)oldest + 1, e);
	}
	if (r == 0 && sqlite3_exec(s->db, "PRAGMA incremental_vacuum(2000)", NULL, NULL, NULL) !=
			      SQLITE_OK)
		r = store_fail(s, e, "giving the journal's space back");
	return r;
}
