/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies the record from the file's own consistency up: SQLite's structure, what stayed before
 * the anchor, the chain, generations and changes against it, and the index against both. What a
 * removed tail looked like cannot be known from the file: compare the head with one kept elsewhere.
 */
#include "audit.h"

#include "actions.h"
#include "seal.h"

/* Chosen: a slice takes milliseconds, so that a tick never waits long for the disk's thread. */
#define SLICE_ENTRIES 200
#define SLICE_BOOKS   20

/* Ends the audit; always 0, so that it can end a step. */
static int broken(struct audit *a, const char *table, uint64_t seq, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int broken(struct audit *a, const char *table, uint64_t seq, const char *format, ...)
{
	va_list args;

	a->table = table;
	a->seq = seq;
	va_start(args, format);
	vsnprintf(a->what, sizeof(a->what), format, args);
	va_end(args);
	for (char *c = a->what; *c; c++) /* broken bytes of the file are no UTF-8 */
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
	return 0;
}

/* ---- the file ---------------------------------------------------------------------------------
 */

static int file_audit(struct store *s, struct audit *a, struct err *e)
{
	sqlite3_stmt *check = NULL;
	struct err problem = { 0 };
	int r = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &check, NULL);

	r = r == SQLITE_OK ? statement_step(s, check, &problem) : store_fail(s, &problem, "file");
	if (r < 0)
		(void)broken(a, "file", 0, "%s", problem.text);
	else if (r > 0 && strcmp(column_text(check, 0), "ok") != 0)
		(void)broken(a, "file", 0, "%s", column_text(check, 0));
	sqlite3_finalize(check);
	return 0;
}

/* ---- entries ----------------------------------------------------------------------------------
 */

static int hash_hold(const struct link *l, const unsigned char previous[HASH_BYTES],
		     struct audit *a)
{
	unsigned char hash[HASH_BYTES];
	char stored[HASH_HEX], computed[HASH_HEX];

	link_hash(l, previous, hash);
	if (memcmp(hash, l->hash, HASH_BYTES) == 0)
		return 0;
	hash_to_hex(l->hash, stored);
	hash_to_hex(hash, computed);
	return broken(a, "entry", l->seq,
		      "its hash is %.16s..., but what it says and the hash before it give %.16s...",
		      stored, computed);
}

/* The column that finds the entries of a change says what the body says. */
static int change_hold(const struct link *l, const json_t *body, struct audit *a)
{
	bool is_step = strcmp(l->kind, "change") == 0 || strcmp(l->kind, "generation") == 0;
	uint64_t change = is_step ? member_number(body, "change", 0) : 0;

	if (l->has_change != is_step || l->change != change)
		return broken(a, "entry", l->seq,
			      "it is filed under change %llu, its body says %llu",
			      (unsigned long long)l->change, (unsigned long long)change);
	return 0;
}

static int index_hold(struct store *s, const struct link *l, json_t *body, struct audit *a,
		      struct err *e)
{
	const struct entry entry = {
		.kind = l->kind, .run = l->run, .tick = l->tick, .wall_ns = l->wall_ns, .body = body
	};
	json_t *found = NULL, *derived = index_derive(&entry);
	int r = index_read(s, l->kind, l->seq, &found, e);

	if (r == 0 && !json_equal(found, derived))
		(void)broken(a, strcmp(l->kind, "tick") == 0 ? "action" : "outcome", l->seq,
			     "its %zu rows of that entry are not the %zu that the entry tells of",
			     json_array_size(found), json_array_size(derived));
	json_decref(found);
	json_decref(derived);
	return r;
}

/* A checkpoint signs the entry before it. Whose key that is, whoever has the public one must
 * compare. */
static int checkpoint_hold(const struct link *l, const unsigned char previous[HASH_BYTES],
			   const json_t *body, struct audit *a)
{
	const char *signature = member_text(body, "signature"), *key = member_text(body, "key");
	const char *signed_message = member_text(body, "message");
	char message[HEAD_MESSAGE_BYTES], id[17] = "";

	head_message(l->seq - 1, previous, message);
	if (!signed_message || strcmp(signed_message, message) != 0)
		return broken(a, "entry", l->seq,
			      "the checkpoint signs another entry or hash than the one before it");
	if (!signature || !key || !seal_holds(message, signature, key, id))
		return broken(a, "entry", l->seq, "the checkpoint's signature is not by its key");
	a->n_keys += strcmp(a->key, id) != 0;
	snprintf(a->key, sizeof(a->key), "%s", id);
	a->n_seals++;
	a->last_seal = l->seq;
	return 0;
}

/*
 * A tick in which nothing was done, which is nearly every one: told without parsing, which would
 * take most of the time. A quote inside of a JSON string is escaped, so this text can only be the
 * key and an empty list.
 */
static bool is_idle_tick(const struct link *l)
{
	return strcmp(l->kind, "tick") == 0 && !l->has_change && strstr(l->body, "\"actions\":[]");
}

static int idle_hold(struct store *s, const struct link *l, struct audit *a, struct err *e)
{
	json_t *found = NULL;
	int r = index_read(s, l->kind, l->seq, &found, e);

	if (r == 0 && json_array_size(found) > 0)
		(void)broken(a, "action", l->seq, "it has rows of that entry, which tells of none");
	json_decref(found);
	a->n_entries++;
	return r;
}

static int link_audit(struct store *s, const struct link *l,
		      const unsigned char previous[HASH_BYTES], struct audit *a, struct err *e)
{
	int r = hash_hold(l, previous, a);

	if (a->table)
		return r;
	if (is_idle_tick(l))
		return idle_hold(s, l, a, e);
	json_t *body = json_loadb(l->body, l->bytes, 0, NULL);

	if (!body)
		return broken(a, "entry", l->seq, "its body is not JSON");
	r = change_hold(l, body, a);
	if (!a->table && strcmp(l->kind, "checkpoint") == 0)
		r = checkpoint_hold(l, previous, body, a);
	if (!a->table && r == 0)
		r = index_hold(s, l, body, a, e);
	json_decref(body);
	a->n_entries++;
	return r;
}

/* Reads the row; a broken one ends the audit. 1: read. */
static int link_take(sqlite3_stmt *row, struct link *ret_link, struct audit *a)
{
	struct err problem = { 0 };
	uint64_t seq = (uint64_t)sqlite3_column_int64(row, 0);

	if (link_read(row, ret_link, &problem) < 0)
		return broken(a, "entry", seq, "%s", problem.text);
	return 1;
}

/* ---- what stayed before the anchor -------------------------------------------------------------
 */

static int kept_entries(struct store *s, struct audit *a, uint64_t anchor, struct chain_kept *kept,
			struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_KEPT);
	int r;

	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)anchor);
	while ((r = statement_step(s, select, e)) > 0 && !a->table) {
		struct link l;

		if (link_take(select, &l, a) == 0)
			break;
		kept_add(kept, l.hash, HASH_BYTES);
		if (!l.has_previous)
			(void)broken(a, "entry", l.seq, "the hash before it was not kept");
		else
			r = link_audit(s, &l, l.previous, a, e);
		link_fini(&l);
		if (r < 0)
			break;
	}
	sqlite3_reset(select);
	return MIN(r, 0);
}

/* The anchor and what stayed before it are what the last removal said. */
static int trimmed_hold(struct store *s, struct audit *a, uint64_t anchor, struct chain_kept *kept,
			struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_TRIMMED);
	char anchor_hex[HASH_HEX], kept_hex[HASH_HEX];
	struct link l;
	uint64_t n;
	int r = statement_step(s, select, e);

	if (r <= 0)
		return r < 0 || anchor == 0
			       ? r
			       : broken(a, "anchor", anchor, "no entry tells of what was removed");
	if (link_take(select, &l, a) == 0) {
		sqlite3_reset(select);
		return 0;
	}
	json_t *body = json_loadb(l.body, l.bytes, 0, NULL);
	const char *hash = member_text(body, "hash"), *kept_hash = member_text(body, "kept_hash");

	hash_to_hex(a->hash, anchor_hex);
	kept_end(kept, &n, kept_hex);
	if (member_number(body, "to", 0) != anchor || !hash || strcmp(hash, anchor_hex) != 0)
		(void)broken(a, "anchor", anchor, "entry %llu says that the chain begins elsewhere",
			     (unsigned long long)l.seq);
	else if (member_number(body, "kept", 0) != n || !kept_hash ||
		 strcmp(kept_hash, kept_hex) != 0)
		(void)broken(a, "entry", anchor,
			     "the %llu entries up to here are not those that entry %llu left",
			     (unsigned long long)n, (unsigned long long)l.seq);
	json_decref(body);
	link_fini(&l);
	sqlite3_reset(select);
	return 0;
}

static int kept_audit(struct store *s, struct audit *a, struct err *e)
{
	struct chain_kept kept;
	struct err problem = { 0 };
	uint64_t anchor;
	int r;

	if (anchor_read(s, &anchor, a->hash, &problem) < 0)
		return broken(a, "anchor", 0, "%s", problem.text);
	kept_begin(&kept);
	r = kept_entries(s, a, anchor, &kept, e);
	if (r == 0 && !a->table)
		r = trimmed_hold(s, a, anchor, &kept, e);
	a->next = anchor + 1;
	return r;
}

/* ---- the chain --------------------------------------------------------------------------------
 */

/* Entries may have been removed since the last slice: then it goes on where the chain begins now.
 */
static int anchor_follow(struct store *s, struct audit *a, struct err *e)
{
	unsigned char hash[HASH_BYTES];
	uint64_t anchor;
	int r = anchor_read(s, &anchor, hash, e);

	if (r == 0 && anchor >= a->next) {
		a->next = anchor + 1;
		memcpy(a->hash, hash, HASH_BYTES);
	}
	return r;
}

static int chain_audit(struct store *s, struct audit *a, struct err *e)
{
	sqlite3_stmt *select;
	unsigned int n = 0;
	int r = anchor_follow(s, a, e);

	if (r < 0)
		return r;
	if ((select = statement_get(s, SELECT_CHAIN))) {
		sqlite3_bind_int64(select, 1, (sqlite3_int64)a->next);
		sqlite3_bind_int64(select, 2, SLICE_ENTRIES);
	}
	while (!a->table && (r = statement_step(s, select, e)) > 0) {
		struct link l;

		if (link_take(select, &l, a) == 0)
			break;
		if (l.seq != a->next)
			(void)broken(a, "entry", a->next, "it is missing");
		else if (l.has_previous)
			(void)broken(a, "entry", l.seq,
				     "it names a hash before it, as if that was gone");
		else
			r = link_audit(s, &l, a->hash, a, e);
		memcpy(a->hash, l.hash, HASH_BYTES);
		a->next = l.seq + 1;
		n++;
		link_fini(&l);
		if (r < 0)
			break;
	}
	sqlite3_reset(select);
	return r < 0 ? r : n == SLICE_ENTRIES;
}

/* ---- generations and changes -------------------------------------------------------------------
 */

/* The body of an entry that was verified before; NULL when there is none of that kind. */
static json_t *body_find(struct store *s, enum statement which, uint64_t key, const char *kind)
{
	sqlite3_stmt *select = statement_get(s, which);
	struct err ignored = { 0 };
	struct link l;
	json_t *body = NULL;

	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)key);
	if (statement_step(s, select, &ignored) <= 0)
		return NULL; /* the caller says what is missing */
	if (link_read(select, &l, &ignored) == 0) {
		if (!kind || strcmp(l.kind, kind) == 0)
			body = json_loadb(l.body, l.bytes, 0, NULL);
		link_fini(&l);
	}
	sqlite3_reset(select);
	return body;
}

/* Whether the text of a column has that digest. */
static bool digest_is(sqlite3_stmt *row, int at, const char *digest)
{
	char hex[HASH_HEX];

	hash_of_text(column_text(row, at), (size_t)sqlite3_column_bytes(row, at), hex);
	return digest && strcmp(hex, digest) == 0;
}

static bool text_is(const json_t *object, const char *key, const char *text)
{
	const char *own = member_text(object, key);

	return own && strcmp(own, text) == 0;
}

static int generation_hold(struct store *s, sqlite3_stmt *row, struct audit *a)
{
	uint64_t number = (uint64_t)sqlite3_column_int64(row, 0);
	uint64_t seq = (uint64_t)sqlite3_column_int64(row, 1);
	const char *digest = column_text(row, 2);
	json_t *body;

	if (number != a->next)
		return broken(a, "generation", a->next, "it is missing");
	if (!digest_is(row, 4, digest))
		return broken(a, "generation", number,
			      "its canonical bytes do not have its digest %.16s...", digest);
	if (!(body = body_find(s, SELECT_ONE, seq, "generation")))
		return broken(a, "generation", number, "entry %llu does not tell of a generation",
			      (unsigned long long)seq);
	const json_t *document = json_object_get(body, "generation");
	_cleanup_free_ char *text = json_text(document);

	if (!text || strcmp(text, column_text(row, 3)) != 0)
		(void)broken(a, "generation", number, "its document is not what entry %llu says",
			     (unsigned long long)seq);
	else if (member_number(document, "number", 0) != number ||
		 !text_is(document, "digest", digest))
		(void)broken(a, "generation", number,
			     "entry %llu tells of another number or digest",
			     (unsigned long long)seq);
	json_decref(body);
	a->n_generations++;
	return 0;
}

static int change_books_hold(struct store *s, sqlite3_stmt *row, struct audit *a)
{
	uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
	const char *state = column_text(row, 1), *digest = column_text(row, 2);
	json_t *body;

	if (id != a->next)
		return broken(a, "change", a->next, "it is missing");
	if (sqlite3_column_type(row, 4) != SQLITE_NULL && !digest_is(row, 4, digest))
		return broken(a, "change", id,
			      "its canonical bytes do not have its digest %.16s...", digest);
	if (!(body = body_find(s, SELECT_LAST_STEP, id, NULL)))
		return broken(a, "change", id, "no entry tells of it");
	if (!digest_is(row, 3, member_text(body, "document")))
		(void)broken(a, "change", id, "its document is not the one of its last entry");
	else if (!text_is(body, "state", state) || !text_is(body, "digest", digest))
		(void)broken(a, "change", id, "its last entry tells of another state or digest");
	json_decref(body);
	return 0;
}

static int rows_audit(struct store *s, struct audit *a, enum statement which,
		      int (*hold)(struct store *, sqlite3_stmt *, struct audit *), struct err *e)
{
	sqlite3_stmt *select = statement_get(s, which);
	unsigned int n = 0;
	int r = 0;

	if (select) {
		sqlite3_bind_int64(select, 1, (sqlite3_int64)a->next);
		sqlite3_bind_int64(select, 2, SLICE_BOOKS);
	}
	while (!a->table && (r = statement_step(s, select, e)) > 0) {
		(void)hold(s, select, a);
		a->next++;
		n++;
	}
	sqlite3_reset(select);
	return r < 0 ? r : n == SLICE_BOOKS;
}

static int books_begin(struct store *s, struct audit *a, struct err *e)
{
	a->next = 1;
	return 0;
}

static int generations_audit(struct store *s, struct audit *a, struct err *e)
{
	return rows_audit(s, a, AUDIT_GENERATIONS, generation_hold, e);
}

static int changes_audit(struct store *s, struct audit *a, struct err *e)
{
	return rows_audit(s, a, AUDIT_CHANGES, change_books_hold, e);
}

/* Rows that should not be there, and books whose last pages were torn out. */
static int strays_audit(struct store *s, struct audit *a, struct err *e)
{
	static const struct {
		const char *table, *sql, *what;
	} strays[] = {
		{ "generation",
		  "SELECT entry.seq FROM entry WHERE kind = 'generation' AND NOT EXISTS (SELECT 1"
		  " FROM generation g WHERE g.entry = entry.seq) LIMIT 1",
		  "an entry tells of a generation that is not there" },
		{ "change",
		  "SELECT change FROM entry WHERE change IS NOT NULL AND change NOT IN (SELECT id"
		  " FROM change) LIMIT 1",
		  "entries tell of it, but it is not there" },
		{ "action",
		  "SELECT entry FROM action WHERE entry > 0 AND NOT EXISTS (SELECT 1 FROM entry e"
		  " WHERE e.seq = action.entry AND e.kind = 'tick') LIMIT 1",
		  "it has rows of an entry that tells of none" },
		{ "outcome",
		  "SELECT entry FROM outcome WHERE entry > 0 AND NOT EXISTS (SELECT 1 FROM entry e"
		  " WHERE e.seq = outcome.entry AND e.kind = 'outcomes') LIMIT 1",
		  "it has rows of an entry that tells of none" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(strays); i++) {
		int64_t seq = number_select(s, strays[i].sql);

		if (seq >= 0)
			return broken(a, strays[i].table, (uint64_t)seq, "%s", strays[i].what);
	}
	return 0;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

/* Each returns 1 when it wants to be called again, 0 when it is through. */
static int (*const steps[])(struct store *, struct audit *, struct err *) = {
	file_audit,        kept_audit,  chain_audit,   books_begin,
	generations_audit, books_begin, changes_audit, strays_audit,
};

int audit_slice(struct store *s, struct audit *a, struct err *e)
{
	int r = steps[a->step](s, a, e);

	if (r < 0)
		return r;
	if (a->table)
		return 0;
	a->step += r == 0;
	return a->step < ARRAY_SIZE(steps);
}

json_t *audit_to_json(const struct audit *a)
{
	char head[HASH_HEX];
	json_t *wrong = json_null(), *sealed = json_null();

	hash_to_hex(a->hash, head);
	if (a->table)
		wrong = json_pack("{s:s, s:I, s:s}", "table", a->table, "seq", (json_int_t)a->seq,
				  "what", a->what);
	if (a->n_seals)
		sealed = json_pack("{s:I, s:I, s:s, s:i}", "checkpoints", (json_int_t)a->n_seals,
				   "last", (json_int_t)a->last_seal, "key", a->key, "keys",
				   (int)a->n_keys);
	return json_pack("{s:I, s:I, s:s, s:o, s:o}", "entries", (json_int_t)a->n_entries,
			 "generations", (json_int_t)a->n_generations, "head", head, "sealed",
			 sealed, "broken", wrong);
}
