/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain: entries as links, each holding the hash of the one before. Appends and reads them; what a
 * body says is others' business. docs/record.md specifies the bytes.
 */
#ifndef MODELGOV_RECORD_CHAIN_H
#define MODELGOV_RECORD_CHAIN_H

#include "sql.h"
#include "store.h"

#include <sodium.h>

/* One entry as it was read; its texts are in the row that is being read, but for body. */
struct link {
	uint64_t seq, wall_ns, run, tick;
	const char *kind;
	bool has_change;
	uint64_t change;
	char *body; /* unpacked; owned */
	size_t bytes;
	unsigned char hash[HASH_BYTES];
	bool has_previous; /* the entry before it is gone */
	unsigned char previous[HASH_BYTES];
};

/* SHA-256(previous || header || kind || body). */
void link_hash(const struct link *l, const unsigned char previous[HASH_BYTES],
	       unsigned char ret_hash[HASH_BYTES]);

/* A row of ENTRY_COLUMNS. -EBADMSG and why: columns of another size, or a body that does not
 * unpack. */
int link_read(sqlite3_stmt *row, struct link *ret_link, struct err *e);
void link_fini(struct link *l);

/* {"seq", "wall_ns", "run", "tick", "kind", "body", "hash"} */
json_t *link_to_json(const struct link *l);

/* Within a transaction. change: 0 for none. ret_seq may be NULL. */
int chain_append(struct store *s, const struct entry *entry, uint64_t change, uint64_t *ret_seq,
		 struct err *e);

/* Where the chain begins: the last entry that was removed, 0 and zeros when none was. */
int anchor_read(struct store *s, uint64_t *ret_seq, unsigned char ret_hash[HASH_BYTES],
		struct err *e);

/* 0, and s->head_seq and s->head_hash are of the last entry. */
int head_load(struct store *s, struct err *e);

/* What a checkpoint signs: "modelgov record, entry 1000: <hash>\n". */
#define HEAD_MESSAGE_BYTES 128
void head_message(uint64_t seq, const unsigned char hash[HASH_BYTES],
		  char ret_message[HEAD_MESSAGE_BYTES]);

/*
 * Entries that stayed before the anchor are bound by a hash over their hashes, in order, which an
 * entry of kind "trimmed" holds.
 */
struct chain_kept {
	crypto_hash_sha256_state state;
	uint64_t n;
};

void kept_begin(struct chain_kept *k);
void kept_add(struct chain_kept *k, const void *hash, size_t bytes);
void kept_end(struct chain_kept *k, uint64_t *ret_n, char ret_hex[HASH_HEX]);

void hash_of_text(const char *text, size_t length, char ret_hex[HASH_HEX]);
void hash_to_hex(const unsigned char hash[HASH_BYTES], char ret_hex[HASH_HEX]);

#endif
