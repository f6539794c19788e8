/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal: Ed25519 signatures in minisign's format, by a key that is made on first use. What is
 * signed, and when, is the journal's business.
 */
#ifndef MODELGOV_RECORD_SEAL_H
#define MODELGOV_RECORD_SEAL_H

#include "base.h"

struct seal;

/*
 * The key in DIRECTORY/record.key (mode 0600), made when there is none; its public half is put
 * beside it as record.pub, in minisign's format.
 */
int seal_open(const char *directory, struct seal **ret_seal, struct err *e);
void seal_close(struct seal *s);

/* The public key as minisign has it in a file. */
const char *seal_public(const struct seal *s);

/* The text of a .minisig of the message; caller frees, NULL without memory. */
char *seal_sign(const struct seal *s, const char *message);

/*
 * Whether signature is one of the message by that public key, both as minisign has them. ret_id:
 * the key's id in hex, as minisign prints it.
 */
bool seal_holds(const char *message, const char *signature, const char *public, char ret_id[17]);

#endif
