/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql: the connection that the files of the store share: its prepared statements, binding, errors
 * and transactions. What the tables mean is said in schema.c.
 */
#ifndef MODELGOV_RECORD_SQL_H
#define MODELGOV_RECORD_SQL_H

#include "base.h"

#include <jansson.h>
#include <sqlite3.h>

#define HASH_BYTES 32 /* SHA-256 */
#define HASH_HEX   (2 * HASH_BYTES + 1)

#define SCHEMA_VERSION   2
#define SCHEMA_UNCHAINED 1 /* the last without a chain: only its actions can be read */

/* X(tag, SQL): prepared once, when first needed */
#define STATEMENTS(X)                                                                              \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")                                                                    \
	X(SELECT_HEAD, "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1")                    \
	X(SELECT_ANCHOR, "SELECT seq, hash FROM anchor")                                           \
	X(UPDATE_ANCHOR, "UPDATE anchor SET seq = ?, hash = ?")                                    \
	X(INSERT_ENTRY, "INSERT INTO entry(seq, wall_ns, run, tick, kind, change, unpacked, body," \
			" hash) VALUES(?,?,?,?,?,?,?,?,?)")                                        \
	X(INSERT_ACTION, "INSERT INTO action(entry, run, tick, n, wall_ns, before, value, model,"  \
			 " cgroup, knob, reason, sentence) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)")       \
	X(INSERT_OUTCOME, "INSERT INTO outcome(entry, run, tick, n, wall_ns, read_back, outcome,"  \
			  " note) VALUES(?,?,?,?,?,?,?,?)")                                        \
	X(SELECT_ACTIONS,                                                                          \
	  "SELECT a.wall_ns, a.tick, a.model, a.cgroup, a.knob, a.before, a.value, a.reason,"      \
	  " coalesce(o.outcome, 'pending'), coalesce(o.note, ''), a.sentence FROM action a"        \
	  " LEFT JOIN outcome o ON o.run = a.run AND o.tick = a.tick AND o.n = a.n"                \
	  " WHERE ?1 IS NULL OR a.model = ?1 ORDER BY a.seq DESC LIMIT ?2")                        \
	X(SELECT_ENTRY_ACTIONS,                                                                    \
	  "SELECT run, tick, n, wall_ns, before, value, model, cgroup, knob, reason, sentence"     \
	  " FROM action WHERE entry = ? ORDER BY n")                                               \
	X(SELECT_ENTRY_OUTCOMES, "SELECT run, tick, n, wall_ns, read_back, outcome, note"          \
				 " FROM outcome WHERE entry = ? ORDER BY n")                       \
	X(INSERT_CHANGE, "INSERT INTO change(id, state, digest, document, canonical)"              \
			 " VALUES(?,?,?,?,?)")                                                     \
	X(UPDATE_CHANGE, "UPDATE change SET state = ?2, digest = ?3, document = ?4,"               \
			 " canonical = coalesce(?5, canonical) WHERE id = ?1")                     \
	X(INSERT_GENERATION, "INSERT INTO generation(number, entry, digest, document, canonical)"  \
			     " VALUES(?,?,?,?,?)")                                                 \
	X(FIND_GENERATION, "SELECT number FROM generation WHERE digest = ? ORDER BY number DESC"   \
			   " LIMIT 1")                                                             \
	X(SELECT_HISTORY, "SELECT document FROM generation ORDER BY number DESC LIMIT ?")          \
	X(SELECT_GENERATION, "SELECT document, canonical FROM generation WHERE number = ?1"        \
			     " OR ?1 = 0 ORDER BY number DESC LIMIT 1")                            \
	X(SELECT_CHANGES, "SELECT document FROM change WHERE NOT ?1 OR state IN (" OPEN_STATES     \
			  ") ORDER BY id DESC LIMIT ?2")                                           \
	X(SELECT_CHANGE,                                                                           \
	  "SELECT document, coalesce(canonical, (SELECT g.canonical FROM generation g"             \
	  " WHERE g.digest = change.digest LIMIT 1)) FROM change WHERE id = ?")                    \
	X(SELECT_CHANGE_ENTRIES, ENTRY_COLUMNS " WHERE change = ? ORDER BY seq")                   \
	X(SELECT_ENTRIES, ENTRY_COLUMNS                                                            \
	  " WHERE seq > ?3 AND seq >= (SELECT min(seq) FROM entry WHERE wall_ns BETWEEN ?1 AND "   \
	  "?2)"                                                                                    \
	  " AND wall_ns BETWEEN ?1 AND ?2 AND (?5 IS NULL OR kind = ?5) ORDER BY seq LIMIT ?4")    \
	X(SELECT_CHECKS, ENTRY_COLUMNS " WHERE kind = 'check' ORDER BY seq DESC")                  \
	X(SELECT_KEPT, ENTRY_COLUMNS " WHERE seq <= ? ORDER BY seq")                               \
	X(SELECT_CHAIN, ENTRY_COLUMNS " WHERE seq >= ? ORDER BY seq LIMIT ?")                      \
	X(SELECT_ONE, ENTRY_COLUMNS " WHERE seq = ?")                                              \
	X(SELECT_TRIMMED, ENTRY_COLUMNS " WHERE kind = 'trimmed' ORDER BY seq DESC LIMIT 1")       \
	X(SELECT_LAST_STEP, ENTRY_COLUMNS " WHERE change = ? ORDER BY seq DESC LIMIT 1")           \
	X(AUDIT_GENERATIONS, "SELECT number, entry, digest, document, canonical FROM generation"   \
			     " WHERE number >= ? ORDER BY number LIMIT ?")                         \
	X(AUDIT_CHANGES, "SELECT id, state, digest, document, canonical FROM change WHERE id >= ?" \
			 " ORDER BY id LIMIT ?")

/* Stored names of change.h that are open; a test holds them against that table. */
#define OPEN_STATES "'gating','waiting','ready','probation'"

#define ENTRY_COLUMNS                                                                              \
	"SELECT seq, wall_ns, run, tick, kind, change, unpacked, body, hash, previous FROM entry"

enum statement {
#define X(tag, sql) tag,
	STATEMENTS(X)
#undef X
		N_STATEMENTS,
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS];
	int lock_fd; /* held while writing: one daemon a journal; -1 when read only */
	int version; /* of the schema */
	bool has_head;
	uint64_t
		head_seq; /* of the last entry, or of the anchor when there is none; 0: none ever */
	unsigned char head_hash[HASH_BYTES];
};

/* schema.c: a file of ours gets the tables of now; the version it then has is in s->version. */
int schema_ensure(struct store *s, bool is_read_only, struct err *e);

int store_fail(struct store *s, struct err *e, const char *what);

/* The prepared statement, reset; NULL with the error in the connection. */
sqlite3_stmt *statement_get(struct store *s, enum statement which);

/* Runs one that returns no rows. NULL is the failure of statement_get(). */
int statement_run(struct store *s, sqlite3_stmt *statement, struct err *e);

/* SQLITE_ROW: 1, SQLITE_DONE: 0 and reset, else a negative errno and reset. */
int statement_step(struct store *s, sqlite3_stmt *statement, struct err *e);

int sql_run(struct store *s, const char *sql, const char *what, struct err *e);
int64_t number_select(struct store *s, const char *sql); /* -1: none, or an error */

int transaction_begin(struct store *s, struct err *e);
/* Commits when r >= 0; otherwise, and when that fails, everything is as before. r or the failure.
 */
int transaction_end(struct store *s, int r, struct err *e);

void bind_text(sqlite3_stmt *statement, int at, const char *text);     /* NULL binds "" */
void bind_value(sqlite3_stmt *statement, int at, const json_t *value); /* null NULL, "max" -1 */
json_t *column_value(sqlite3_stmt *row, int at);
const char *column_text(sqlite3_stmt *row, int at); /* never NULL */

/* Canonical JSON: no blanks, sorted keys. Caller frees. */
char *json_text(const json_t *value);
/* Text of a key, NULL when it is none. */
const char *member_text(const json_t *object, const char *key);
uint64_t member_number(const json_t *object, const char *key, uint64_t otherwise);

#endif
