/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SQLite connection: opened, its statements prepared when first needed, its failures as errno
 * and text. Exactly one read-write connection may exist (SQLite 3.7.0-3.51.2 can corrupt a WAL with
 * two that checkpoint); readers ask the daemon, or open read-only when there is none.
 */
#include "sql.h"

#include "store.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>

static const char *const statement_sql[N_STATEMENTS] = {
#define X(tag, sql) [tag] = sql,
	STATEMENTS(X)
#undef X
};

/* ---- errors -----------------------------------------------------------------------------------
 */

static int store_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	case SQLITE_PERM:
		return -EACCES;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

int store_fail(struct store *s, struct err *e, const char *what)
{
	return err_say(e, store_errno(sqlite3_extended_errcode(s->db)), "%s: %s", what,
		       sqlite3_errmsg(s->db));
}

/* ---- opening ----------------------------------------------------------------------------------
 */

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

static int connection_open(struct store *s, const char *path, bool is_read_only, struct err *e)
{
	int flags =
		is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return store_fail(s, e, path);
	/* SQLite falls back by itself, and every write would fail without a word of why */
	if (!is_read_only && sqlite3_db_readonly(s->db, "main") == 1)
		return err_set(e, -EROFS, "%s", path);
	return 0;
}

/* A second daemon is told, instead of finding out by a broken file. Gone with the process that
 * holds it. */
static int lock_take(struct store *s, const char *directory, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/journal.lock", directory);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_set(e, -errno, "open %s", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? err_say(e, -EBUSY,
					      "another modelgovd writes the journal in %s; stop it "
					      "or use another --state-dir",
					      directory)
				    : err_set(e, -errno, "lock %s", path);
}

int store_open(const char *directory, bool is_read_only, struct store **ret_store, struct err *e)
{
	char path[PATH_MAX];
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "open the journal");
	s->lock_fd = -1;
	snprintf(path, sizeof(path), "%s/journal.db", directory);
	r = is_read_only ? 0 : lock_take(s, directory, e);
	if (r == 0)
		r = connection_open(s, path, is_read_only, e);
	if (r == 0)
		r = settings_apply(s, e);
	if (r == 0)
		r = schema_ensure(s, is_read_only, e);
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
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

/* ---- statements -------------------------------------------------------------------------------
 */

sqlite3_stmt *statement_get(struct store *s, enum statement which)
{
	sqlite3_stmt **slot = &s->statements[which];

	if (!*slot && sqlite3_prepare_v3(s->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
					 slot, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_reset(*slot);
	sqlite3_clear_bindings(*slot);
	return *slot;
}

int statement_step(struct store *s, sqlite3_stmt *statement, struct err *e)
{
	int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	if (r == SQLITE_ROW)
		return 1;
	r = r == SQLITE_DONE ? 0 : store_fail(s, e, "the journal");
	if (statement)
		sqlite3_reset(statement);
	return r;
}

int statement_run(struct store *s, sqlite3_stmt *statement, struct err *e)
{
	int r = statement_step(s, statement, e);

	if (r > 0)
		sqlite3_reset(statement);
	return MIN(r, 0);
}

int sql_run(struct store *s, const char *sql, const char *what, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_fail(s, e, what);
}

int64_t number_select(struct store *s, const char *sql)
{
	sqlite3_stmt *select;
	int64_t value = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &select, NULL) == SQLITE_OK &&
	    sqlite3_step(select) == SQLITE_ROW)
		value = sqlite3_column_int64(select, 0);
	sqlite3_finalize(select);
	return value;
}

int transaction_begin(struct store *s, struct err *e)
{
	return statement_run(s, statement_get(s, BEGIN), e);
}

int transaction_end(struct store *s, int r, struct err *e)
{
	struct err ignored;

	if (r >= 0) {
		int committed = statement_run(s, statement_get(s, COMMIT), e);

		if (committed == 0)
			return r;
		r = committed;
	}
	s->has_head = false;                                          /* what was chained is gone */
	(void)statement_run(s, statement_get(s, ROLLBACK), &ignored); /* r says it all */
	return r;
}

/* ---- values -----------------------------------------------------------------------------------
 */

void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

void bind_value(sqlite3_stmt *statement, int at, const json_t *value)
{
	if (json_is_integer(value))
		sqlite3_bind_int64(statement, at, json_integer_value(value));
	else if (json_is_string(value))
		sqlite3_bind_int64(statement, at, -1);
	else
		sqlite3_bind_null(statement, at);
}

json_t *column_value(sqlite3_stmt *row, int at)
{
	if (sqlite3_column_type(row, at) == SQLITE_NULL)
		return json_null();
	if (sqlite3_column_int64(row, at) == -1)
		return json_string("max");
	return json_integer(sqlite3_column_int64(row, at));
}

const char *column_text(sqlite3_stmt *row, int at)
{
	const char *text = (const char *)sqlite3_column_text(row, at);

	return text ? text : "";
}

char *json_text(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
}

const char *member_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

uint64_t member_number(const json_t *object, const char *key, uint64_t otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : otherwise;
}
