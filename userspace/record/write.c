/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written together: an entry with its index rows, a change with its entry and generation, a
 * removal with the entry that tells of it. Each is one transaction.
 */
#include "actions.h"
#include "books.h"
#include "seal.h"

/* Chosen: a removal of at most this many entries at a time keeps the writer's pause in
 * milliseconds. */
#define TRIM_ENTRIES 4000
/* Chosen: the last year of a check that runs every eight hours; `verify` compares with old ones. */
#define KEPT_CHECKS "1000"

/* ---- entries ----------------------------------------------------------------------------------
 */

/* A policy that is a generation is named by its number; its bytes are kept there. */
static int policy_shorten(struct store *s, json_t *body, struct err *e)
{
	const char *digest = member_text(body, "digest");
	uint64_t number = 0;
	int r = books_find(s, digest ? digest : "", &number, e);

	if (r == 0 && number > 0) {
		json_object_del(body, "canonical");
		json_object_set_new(body, "generation", json_integer((json_int_t)number));
	}
	return r;
}

static int entry_write(struct store *s, const struct entry *entry, struct err *e)
{
	uint64_t seq;
	int r = strcmp(entry->kind, "policy") == 0 ? policy_shorten(s, entry->body, e) : 0;

	if (r == 0)
		r = chain_append(s, entry, 0, &seq, e);
	if (r == 0)
		r = index_write(s, entry, seq, e);
	return r < 0 ? r : r + 1;
}

int store_write(struct store *s, const struct entry *entry, struct err *e)
{
	int r = transaction_begin(s, e);

	return r < 0 ? r : transaction_end(s, entry_write(s, entry, e), e);
}

int store_keep(struct store *s, const struct keeping *k, json_t **ret_answer, struct err *e)
{
	json_t *answer = NULL;
	int r = transaction_begin(s, e);

	if (r == 0)
		r = transaction_end(s, books_keep(s, k, &answer, e), e);
	if (r < 0) {
		json_decref(answer);
		return r;
	}
	*ret_answer = answer;
	return 0;
}

static int checkpoint_append(struct store *s, const struct seal *seal, uint64_t run,
			     uint64_t wall_ns, struct err *e)
{
	struct entry entry = { .kind = "checkpoint", .run = run, .wall_ns = wall_ns };
	_cleanup_free_ char *signature = NULL;
	char message[HEAD_MESSAGE_BYTES];
	int r = head_load(s, e);

	if (r < 0)
		return r;
	head_message(s->head_seq, s->head_hash, message);
	if (!(signature = seal_sign(seal, message)))
		return err_set(e, -ENOMEM, "checkpoint");
	entry.body = json_pack("{s:s, s:s, s:s}", "message", message, "signature", signature, "key",
			       seal_public(seal));
	r = chain_append(s, &entry, 0, NULL, e);
	json_decref(entry.body);
	return r;
}

int store_seal(struct store *s, const struct seal *seal, uint64_t run, uint64_t wall_ns,
	       struct err *e)
{
	int r = transaction_begin(s, e);

	return r < 0 ? r : transaction_end(s, checkpoint_append(s, seal, run, wall_ns, e), e);
}

/* ---- removing ---------------------------------------------------------------------------------
 */

/*
 * What stays when everything around it goes: the life of changes, policies that ticks name, and the
 * newest checks. Each gets the hash before it, which is gone afterwards.
 */
#define STAYS                                                                                      \
	"(kind IN ('change', 'generation', 'policy') OR kind = 'check' AND seq > coalesce((SELECT" \
	" seq FROM entry WHERE kind = 'check' ORDER BY seq DESC LIMIT 1 OFFSET " KEPT_CHECKS       \
	"), 0))"

static const char remove_sql[] =
	"UPDATE entry SET previous = coalesce((SELECT p.hash FROM entry p WHERE p.seq ="
	" entry.seq - 1), (SELECT hash FROM anchor)) WHERE seq > (SELECT seq FROM anchor) AND seq"
	" <= %1$lld AND " STAYS ";"
	"UPDATE anchor SET seq = %1$lld, hash = (SELECT e.hash FROM entry e WHERE e.seq = %1$lld);"
	"DELETE FROM entry WHERE seq <= %1$lld AND NOT " STAYS ";"
	"DELETE FROM action WHERE entry BETWEEN 1 AND %1$lld;"
	"DELETE FROM outcome WHERE entry BETWEEN 1 AND %1$lld;";

/* Of closed changes, the bytes that a generation has or that nobody asked for in all that time. */
static const char forget_sql[] =
	"UPDATE change SET canonical = NULL WHERE canonical IS NOT NULL AND state NOT IN "
	"(" OPEN_STATES
	") AND (digest IN (SELECT digest FROM generation) OR NOT EXISTS (SELECT 1 FROM entry WHERE"
	" entry.change = change.id AND entry.wall_ns >= %llu))";

static int kept_hash(struct store *s, uint64_t to, uint64_t *ret_n, char ret_hex[HASH_HEX],
		     struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_KEPT);
	struct chain_kept kept;
	int r;

	kept_begin(&kept);
	if (select)
		sqlite3_bind_int64(select, 1, (sqlite3_int64)to);
	while ((r = statement_step(s, select, e)) > 0)
		kept_add(&kept, sqlite3_column_blob(select, 8),
			 (size_t)sqlite3_column_bytes(select, 8));
	kept_end(&kept, ret_n, ret_hex);
	return r;
}

/* The entry that vouches for what is left before the anchor. */
static int trimmed_append(struct store *s, const struct trimming *t, struct err *e)
{
	struct entry entry = { .kind = "trimmed", .run = t->run, .wall_ns = t->wall_ns };
	unsigned char hash[HASH_BYTES];
	char anchor_hex[HASH_HEX], kept_hex[HASH_HEX];
	uint64_t to, n;
	int r = anchor_read(s, &to, hash, e);

	if (r == 0)
		r = kept_hash(s, to, &n, kept_hex, e);
	if (r < 0)
		return r;
	hash_to_hex(hash, anchor_hex);
	entry.body = json_pack("{s:I, s:s, s:I, s:s}", "to", (json_int_t)to, "hash", anchor_hex,
			       "kept", (json_int_t)n, "kept_hash", kept_hex);
	r = chain_append(s, &entry, 0, NULL, e);
	json_decref(entry.body);
	return r;
}

static int prefix_remove(struct store *s, const struct trimming *t, int64_t to, struct err *e)
{
	_cleanup_free_ char *sql = NULL;
	int r;

	if (asprintf(&sql, remove_sql, (long long)to) < 0)
		return err_set(e, -ENOMEM, "removing old entries");
	r = sql_run(s, sql, "removing old entries of the journal", e);
	return r < 0 ? r : trimmed_append(s, t, e);
}

/* Rows from before the chain, and their tables when they are empty. */
static int unchained_remove(struct store *s, uint64_t before_ns, struct err *e)
{
	static const char *const tables[] = { "event", "policy", "tick" };
	char sql[256];
	int r = 0;

	snprintf(sql, sizeof(sql),
		 "DELETE FROM action WHERE entry = 0 AND wall_ns < %1$llu;"
		 "DELETE FROM outcome WHERE entry = 0 AND wall_ns < %1$llu;",
		 (unsigned long long)before_ns);
	r = sql_run(s, sql, "removing old rows of the journal", e);
	for (size_t i = 0; i < ARRAY_SIZE(tables) && r == 0; i++) {
		snprintf(sql, sizeof(sql), "SELECT 1 FROM sqlite_master WHERE name = '%s'",
			 tables[i]);
		if (number_select(s, sql) != 1)
			continue;
		snprintf(sql, sizeof(sql), "DELETE FROM %1$s WHERE wall_ns < %2$llu", tables[i],
			 (unsigned long long)before_ns);
		r = sql_run(s, sql, "removing old rows of the journal", e);
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
		if (r == 0 && number_select(s, sql) == 0) {
			snprintf(sql, sizeof(sql), "DROP TABLE %s", tables[i]);
			r = sql_run(s, sql, "removing an old table of the journal", e);
		}
	}
	return r;
}

static bool is_too_large(struct store *s, uint64_t limit_bytes)
{
	int64_t pages = number_select(s, "SELECT page_count - freelist_count FROM"
					 " pragma_page_count, pragma_freelist_count");
	int64_t page_bytes = number_select(s, "PRAGMA page_size");

	return pages > 0 && page_bytes > 0 && (uint64_t)(pages * page_bytes) > limit_bytes;
}

/* The last entry of the prefix that goes; at most the anchor when none does. */
static int64_t prefix_end(struct store *s, const struct trimming *t)
{
	int64_t anchor = number_select(s, "SELECT seq FROM anchor");
	int64_t head = number_select(s, "SELECT max(seq) FROM entry");
	int64_t end = head;
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "SELECT min(seq) FROM entry WHERE wall_ns >= %llu AND seq > %lld",
		 (unsigned long long)t->before_ns, (long long)anchor);
	int64_t young = number_select(s, sql);

	if (young > 0)
		end = young - 1;
	if (is_too_large(s, t->limit_bytes))
		end = MAX(end, anchor + TRIM_ENTRIES / 2);
	end = MIN(end, anchor + TRIM_ENTRIES);
	return MIN(end, head);
}

static int trim_within(struct store *s, const struct trimming *t, struct err *e)
{
	_cleanup_free_ char *forget = NULL;
	int64_t end = prefix_end(s, t);
	int r = unchained_remove(s, t->before_ns, e);

	if (r == 0 && end > number_select(s, "SELECT seq FROM anchor"))
		r = prefix_remove(s, t, end, e);
	if (r == 0 && asprintf(&forget, forget_sql, (unsigned long long)t->before_ns) < 0)
		return err_set(e, -ENOMEM, "removing old entries");
	return r < 0 ? r : sql_run(s, forget, "forgetting what closed changes proposed", e);
}

int store_trim(struct store *s, const struct trimming *t, struct err *e)
{
	int r = transaction_begin(s, e);

	if (r == 0)
		r = transaction_end(s, trim_within(s, t, e), e);
	return r < 0 ? r
		     : sql_run(s, "PRAGMA incremental_vacuum(2000)",
			       "giving the journal's space back", e);
}
