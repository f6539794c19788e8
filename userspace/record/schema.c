/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's tables, and the way of an older file to them. docs/record.md tells an auditor what
 * they mean; what is written into them is chain.c's, books.c's and actions.c's.
 */
#include "sql.h"

#define APPLICATION_ID 0x6d676f76 /* "mgov" */

#define ONCE                                                                                       \
	"PRAGMA auto_vacuum=INCREMENTAL;"                                                          \
	"PRAGMA journal_mode=WAL;"

/*
 * The truth: entry is the chain, generation and change what it tells of. Integers are base units as
 * in model.h. unpacked: NULL when body is the JSON text itself, else the text's length and body is
 * its zlib stream. change: taken from the body, for finding. previous: NULL but for entries that
 * stayed when the ones before them were removed.
 */
#define TRUTH                                                                                      \
	"CREATE TABLE entry(seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, run INTEGER NOT"    \
	" NULL, tick INTEGER NOT NULL, kind TEXT NOT NULL, change INTEGER, unpacked INTEGER,"      \
	" body BLOB NOT NULL, hash BLOB NOT NULL, previous BLOB) STRICT;"                          \
	"CREATE INDEX entry_by_time ON entry(wall_ns);"                                            \
	"CREATE INDEX entry_by_kind ON entry(kind, seq);"                                          \
	"CREATE INDEX entry_by_change ON entry(change, seq) WHERE change IS NOT NULL;"             \
	"CREATE TABLE anchor(seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;"                    \
	"INSERT INTO anchor VALUES(0, zeroblob(32));"                                              \
	"CREATE TABLE generation(number INTEGER PRIMARY KEY, entry INTEGER NOT NULL,"              \
	" digest TEXT NOT NULL, document TEXT NOT NULL, canonical TEXT NOT NULL) STRICT;"          \
	"CREATE INDEX generation_by_digest ON generation(digest);"                                 \
	"CREATE TABLE change(id INTEGER PRIMARY KEY, state TEXT NOT NULL, digest TEXT NOT NULL,"   \
	" document TEXT NOT NULL, canonical TEXT) STRICT;"

/* What explain looks things up in, derived from entries: NULL is "not measured", -1 is "max". */
#define INDEX                                                                                      \
	"CREATE TABLE action(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT"      \
	" NULL, n INTEGER NOT NULL, wall_ns INTEGER NOT NULL, model TEXT NOT NULL,"                \
	" cgroup TEXT NOT NULL, knob TEXT NOT NULL, before INTEGER, value INTEGER,"                \
	" reason TEXT NOT NULL, sentence TEXT NOT NULL,"                                           \
	" entry INTEGER NOT NULL DEFAULT 0) STRICT;"                                               \
	"CREATE TABLE outcome(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, tick INTEGER NOT"     \
	" NULL, n INTEGER NOT NULL, wall_ns INTEGER NOT NULL, outcome TEXT NOT NULL,"              \
	" read_back INTEGER, note TEXT NOT NULL, entry INTEGER NOT NULL DEFAULT 0) STRICT;"        \
	"CREATE INDEX action_by_model ON action(model, seq);"                                      \
	"CREATE UNIQUE INDEX outcome_by_action ON outcome(run, tick, n);"

#define INDEX_BY_ENTRY                                                                             \
	"CREATE INDEX action_by_entry ON action(entry, n);"                                        \
	"CREATE INDEX outcome_by_entry ON outcome(entry, n);"

/*
 * From the schema without a chain. Its actions and outcomes stay where explain finds them, as entry
 * 0: not chained. event, policy and tick stay as they are until their rows have left by age.
 */
#define FROM_UNCHAINED                                                                             \
	"ALTER TABLE action DROP COLUMN evidence;"                                                 \
	"ALTER TABLE action ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;"                          \
	"ALTER TABLE outcome ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;"

#define DONE "PRAGMA application_id=0x6d676f76; PRAGMA user_version=2; COMMIT;"

static const char schema[] = ONCE "BEGIN;" TRUTH INDEX INDEX_BY_ENTRY DONE;
static const char migration[] = "BEGIN IMMEDIATE;" FROM_UNCHAINED TRUTH INDEX_BY_ENTRY DONE;

static int pragma_read(struct store *s, const char *sql, int *ret_value)
{
	sqlite3_stmt *statement;
	int r = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);

	if (r == SQLITE_OK && (r = sqlite3_step(statement)) == SQLITE_ROW)
		*ret_value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return r == SQLITE_ROW ? 0 : -1;
}

static int schema_run(struct store *s, const char *sql, const char *what, struct err *e)
{
	int r = sql_run(s, sql, what, e);

	if (r < 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* e says it all */
	else
		s->version = SCHEMA_VERSION;
	return r;
}

/* A new file gets the schema; one that is not ours, or newer than this program, is left alone. */
int schema_ensure(struct store *s, bool is_read_only, struct err *e)
{
	int application = 0, tables = 0;

	if (pragma_read(s, "PRAGMA application_id", &application) < 0 ||
	    pragma_read(s, "PRAGMA user_version", &s->version) < 0 ||
	    pragma_read(s, "SELECT count(*) FROM sqlite_master", &tables) < 0)
		return store_fail(s, e, "reading the journal's schema");
	if (application == APPLICATION_ID && s->version == SCHEMA_VERSION)
		return 0;
	if (application == APPLICATION_ID && s->version == SCHEMA_UNCHAINED)
		return is_read_only ? 0 : schema_run(s, migration, "converting the journal", e);
	if (tables > 0 || is_read_only)
		return err_say(e, -EBADMSG,
			       "the journal has schema %d of application %#x, this modelgov writes "
			       "%d; move the file away or use the modelgov that wrote it",
			       s->version, (unsigned int)application, SCHEMA_VERSION);
	return schema_run(s, schema, "creating the journal", e);
}
