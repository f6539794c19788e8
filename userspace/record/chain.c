/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash chain: bytes of a link, appending one, reading one back. Does not judge a chain; that is
 * audit.c's.
 */
#include "chain.h"

#include <endian.h>
#include <zlib.h>

/* Chosen: ticks of a few models pass it and shrink to a fifth; what people wrote stays readable. */
#define PACK_FROM_BYTES 1024
/* Chosen: fifty times the tick of a thousand models; a broken length must not take the memory. */
#define UNPACKED_LIMIT_BYTES (64ULL << 20)

/* ---- hashes -----------------------------------------------------------------------------------
 */

struct header {
	uint64_t seq, wall_ns, run, tick; /* big-endian */
	uint32_t kind_bytes;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 36, "docs/record.md promises 36 bytes");

void link_hash(const struct link *l, const unsigned char previous[HASH_BYTES],
	       unsigned char ret_hash[HASH_BYTES])
{
	size_t kind_bytes = strlen(l->kind);
	const struct header header = { .seq = htobe64(l->seq),
				       .wall_ns = htobe64(l->wall_ns),
				       .run = htobe64(l->run),
				       .tick = htobe64(l->tick),
				       .kind_bytes = htobe32((uint32_t)kind_bytes) };
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, previous, HASH_BYTES);
	crypto_hash_sha256_update(&state, (const unsigned char *)&header, sizeof(header));
	crypto_hash_sha256_update(&state, (const unsigned char *)l->kind, kind_bytes);
	crypto_hash_sha256_update(&state, (const unsigned char *)l->body, l->bytes);
	crypto_hash_sha256_final(&state, ret_hash);
}

void hash_to_hex(const unsigned char hash[HASH_BYTES], char ret_hex[HASH_HEX])
{
	sodium_bin2hex(ret_hex, HASH_HEX, hash, HASH_BYTES);
}

void hash_of_text(const char *text, size_t length, char ret_hex[HASH_HEX])
{
	unsigned char hash[HASH_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)text, length);
	hash_to_hex(hash, ret_hex);
}

void head_message(uint64_t seq, const unsigned char hash[HASH_BYTES],
		  char ret_message[HEAD_MESSAGE_BYTES])
{
	char hex[HASH_HEX];

	hash_to_hex(hash, hex);
	snprintf(ret_message, HEAD_MESSAGE_BYTES, "modelgov record, entry %llu: %s\n",
		 (unsigned long long)seq, hex);
}

void kept_begin(struct chain_kept *k)
{
	k->n = 0;
	crypto_hash_sha256_init(&k->state);
}

void kept_add(struct chain_kept *k, const void *hash, size_t bytes)
{
	k->n++;
	crypto_hash_sha256_update(&k->state, hash, bytes);
}

void kept_end(struct chain_kept *k, uint64_t *ret_n, char ret_hex[HASH_HEX])
{
	unsigned char hash[HASH_BYTES];

	crypto_hash_sha256_final(&k->state, hash);
	hash_to_hex(hash, ret_hex);
	*ret_n = k->n;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int body_unpack(sqlite3_stmt *row, struct link *l, struct err *e)
{
	const void *stored = sqlite3_column_blob(row, 7);
	size_t size = (size_t)sqlite3_column_bytes(row, 7);
	bool is_packed = sqlite3_column_type(row, 6) != SQLITE_NULL;
	uint64_t bytes = is_packed ? (uint64_t)sqlite3_column_int64(row, 6) : size;
	uLongf unpacked = (uLongf)bytes;

	if (bytes > UNPACKED_LIMIT_BYTES)
		return err_say(e, -EBADMSG, "its body claims to have %llu bytes",
			       (unsigned long long)bytes);
	if (!(l->body = malloc(bytes + 1)))
		return err_set(e, -ENOMEM, "entry of %llu bytes", (unsigned long long)bytes);
	if (!is_packed)
		memcpy(l->body, stored ? stored : "", size);
	else if (uncompress((Bytef *)l->body, &unpacked, stored, size) != Z_OK || unpacked != bytes)
		return err_say(e, -EBADMSG, "its body cannot be unpacked");
	l->bytes = bytes;
	l->body[bytes] = '\0';
	return 0;
}

int link_read(sqlite3_stmt *row, struct link *ret_link, struct err *e)
{
	struct link l = { .seq = (uint64_t)sqlite3_column_int64(row, 0),
			  .wall_ns = (uint64_t)sqlite3_column_int64(row, 1),
			  .run = (uint64_t)sqlite3_column_int64(row, 2),
			  .tick = (uint64_t)sqlite3_column_int64(row, 3),
			  .kind = column_text(row, 4),
			  .has_change = sqlite3_column_type(row, 5) != SQLITE_NULL,
			  .change = (uint64_t)sqlite3_column_int64(row, 5) };
	int previous_bytes = sqlite3_column_bytes(row, 9);
	int r;

	if (sqlite3_column_bytes(row, 8) != HASH_BYTES ||
	    (previous_bytes != 0 && previous_bytes != HASH_BYTES))
		return err_say(e, -EBADMSG, "its hash has another length than %d bytes",
			       HASH_BYTES);
	memcpy(l.hash, sqlite3_column_blob(row, 8), HASH_BYTES);
	l.has_previous = previous_bytes > 0;
	if (l.has_previous)
		memcpy(l.previous, sqlite3_column_blob(row, 9), HASH_BYTES);
	if ((r = body_unpack(row, &l, e)) < 0) {
		link_fini(&l);
		return r;
	}
	*ret_link = l;
	return 0;
}

void link_fini(struct link *l)
{
	free(l->body);
	l->body = NULL;
}

json_t *link_to_json(const struct link *l)
{
	char hex[HASH_HEX];
	json_t *body = json_loadb(l->body, l->bytes, JSON_DECODE_ANY, NULL);

	hash_to_hex(l->hash, hex);
	return json_pack("{s:I, s:I, s:I, s:I, s:s, s:o, s:s}", "seq", (json_int_t)l->seq,
			 "wall_ns", (json_int_t)l->wall_ns, "run", (json_int_t)l->run, "tick",
			 (json_int_t)l->tick, "kind", l->kind, "body", body ? body : json_null(),
			 "hash", hex);
}

int anchor_read(struct store *s, uint64_t *ret_seq, unsigned char ret_hash[HASH_BYTES],
		struct err *e)
{
	sqlite3_stmt *select = statement_get(s, SELECT_ANCHOR);
	int r = statement_step(s, select, e);

	if (r < 0)
		return r;
	if (r == 0 || sqlite3_column_bytes(select, 1) != HASH_BYTES) {
		sqlite3_reset(select);
		return err_say(e, -EBADMSG, "the journal's anchor is missing or broken");
	}
	*ret_seq = (uint64_t)sqlite3_column_int64(select, 0);
	memcpy(ret_hash, sqlite3_column_blob(select, 1), HASH_BYTES);
	sqlite3_reset(select);
	return 0;
}

/* ---- appending --------------------------------------------------------------------------------
 */

int head_load(struct store *s, struct err *e)
{
	sqlite3_stmt *select;
	uint64_t anchor;
	int r;

	if (s->has_head)
		return 0;
	if ((r = anchor_read(s, &anchor, s->head_hash, e)) < 0)
		return r;
	s->head_seq = anchor;
	select = statement_get(s, SELECT_HEAD);
	if ((r = statement_step(s, select, e)) < 0)
		return r;
	if (r > 0 && sqlite3_column_bytes(select, 1) == HASH_BYTES &&
	    (uint64_t)sqlite3_column_int64(select, 0) > anchor) {
		s->head_seq = (uint64_t)sqlite3_column_int64(select, 0);
		memcpy(s->head_hash, sqlite3_column_blob(select, 1), HASH_BYTES);
	}
	sqlite3_reset(select);
	s->has_head = true;
	return 0;
}

/* Binds unpacked and body; the text stays the caller's. */
static int body_bind(sqlite3_stmt *insert, const struct link *l)
{
	uLongf size = compressBound(l->bytes);
	Bytef *packed;

	if (l->bytes < PACK_FROM_BYTES)
		return sqlite3_bind_blob64(insert, 8, l->body, l->bytes, SQLITE_STATIC);
	if (!(packed = malloc(size)) ||
	    compress2(packed, &size, (Bytef *)l->body, l->bytes, 1) != Z_OK) {
		free(packed);
		return SQLITE_NOMEM;
	}
	sqlite3_bind_int64(insert, 7, (sqlite3_int64)l->bytes);
	return sqlite3_bind_blob64(insert, 8, packed, size, free);
}

static int link_insert(struct store *s, const struct link *l, struct err *e)
{
	sqlite3_stmt *insert = statement_get(s, INSERT_ENTRY);

	if (insert) {
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)l->seq);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)l->wall_ns);
		sqlite3_bind_int64(insert, 3, (sqlite3_int64)l->run);
		sqlite3_bind_int64(insert, 4, (sqlite3_int64)l->tick);
		bind_text(insert, 5, l->kind);
		if (l->has_change)
			sqlite3_bind_int64(insert, 6, (sqlite3_int64)l->change);
		if (body_bind(insert, l) != SQLITE_OK)
			return err_set(e, -ENOMEM, "entry of %zu bytes", l->bytes);
		sqlite3_bind_blob(insert, 9, l->hash, HASH_BYTES, SQLITE_STATIC);
	}
	return statement_run(s, insert, e);
}

int chain_append(struct store *s, const struct entry *entry, uint64_t change, uint64_t *ret_seq,
		 struct err *e)
{
	_cleanup_free_ char *body = json_text(entry->body);
	struct link l = { .wall_ns = entry->wall_ns,
			  .run = entry->run,
			  .tick = entry->tick,
			  .kind = entry->kind,
			  .has_change = change > 0,
			  .change = change,
			  .body = body,
			  .bytes = body ? strlen(body) : 0 };
	int r = body ? head_load(s, e) : err_set(e, -ENOMEM, "entry of kind %s", entry->kind);

	if (r < 0)
		return r;
	l.seq = s->head_seq + 1;
	link_hash(&l, s->head_hash, l.hash);
	if ((r = link_insert(s, &l, e)) < 0)
		return r;
	s->head_seq = l.seq;
	memcpy(s->head_hash, l.hash, HASH_BYTES);
	if (ret_seq)
		*ret_seq = l.seq;
	return 0;
}
