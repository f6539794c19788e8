/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minisign's formats with libsodium: a key file, a public key, a signature of a message's BLAKE2b
 * hash with a signed comment. `minisign -V` reads them; a test does.
 */
#include "seal.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>

#define ID_BYTES      8
#define COMMENT       "modelgov record"
#define TRUSTED       "trusted comment: "
#define BASE64(bytes) (sodium_base64_ENCODED_LEN(bytes, sodium_base64_VARIANT_ORIGINAL))

/* As minisign packs them before base64. */
struct public_blob {
	unsigned char algorithm[2]; /* "Ed" */
	unsigned char id[ID_BYTES];
	unsigned char key[crypto_sign_PUBLICKEYBYTES];
};

struct signature_blob {
	unsigned char algorithm[2]; /* "ED": of the message's hash */
	unsigned char id[ID_BYTES];
	unsigned char signature[crypto_sign_BYTES];
};

/* What record.key holds. */
struct secret_blob {
	unsigned char id[ID_BYTES];
	unsigned char key[crypto_sign_SECRETKEYBYTES];
};

_Static_assert(sizeof(struct public_blob) == 42 && sizeof(struct signature_blob) == 74,
	       "minisign's sizes, without padding");

struct seal {
	struct secret_blob secret;
	char public[160];
};

static char *base64(const void *bytes, size_t size, char *buf, size_t room)
{
	return sodium_bin2base64(buf, room, bytes, size, sodium_base64_VARIANT_ORIGINAL);
}

/* Exactly size bytes out of the line that begins at text. */
static bool base64_read(const char *text, void *ret_bytes, size_t size)
{
	size_t n;

	return sodium_base642bin(ret_bytes, size, text, strcspn(text, "\n"), NULL, &n, NULL,
				 sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       n == size;
}

/* The id as minisign prints it: a little-endian number. */
static void id_print(const unsigned char id[ID_BYTES], char ret_id[17])
{
	uint64_t number;

	memcpy(&number, id, sizeof(number));
	snprintf(ret_id, 17, "%016llX", (unsigned long long)le64toh(number));
}

/* ---- the key ----------------------------------------------------------------------------------
 */

static int key_make(struct seal *s, const char *path, struct err *e)
{
	unsigned char public[crypto_sign_PUBLICKEYBYTES];
	char text[BASE64(sizeof(s->secret)) + 1];

	crypto_sign_keypair(public, s->secret.key);
	randombytes_buf(s->secret.id, sizeof(s->secret.id));
	base64(&s->secret, sizeof(s->secret), text, sizeof(text));
	text[strlen(text) + 1] = '\0';
	text[strlen(text)] = '\n';
	int r = file_replace(path, text, strlen(text), 0600, e);

	sodium_memzero(text, sizeof(text));
	return r;
}

static int key_read(struct seal *s, const char *path, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read_all(AT_FDCWD, path, 4096, &text, NULL, e);

	if (r == -ENOENT)
		return key_make(s, path, e);
	if (r == 0 && !base64_read(text, &s->secret, sizeof(s->secret)))
		r = err_say(e, -EBADMSG,
			    "%s is not the key that modelgovd wrote; move it away and a new one is "
			    "made",
			    path);
	if (text)
		sodium_memzero(text, strlen(text));
	return r;
}

static int public_write(struct seal *s, const char *path, struct err *e)
{
	struct public_blob blob = { .algorithm = { 'E', 'd' } };
	char text[BASE64(sizeof(blob))], id[17];

	memcpy(blob.id, s->secret.id, sizeof(blob.id));
	crypto_sign_ed25519_sk_to_pk(blob.key, s->secret.key);
	id_print(blob.id, id);
	snprintf(s->public, sizeof(s->public), "untrusted comment: " COMMENT " %s\n%s\n", id,
		 base64(&blob, sizeof(blob), text, sizeof(text)));
	return file_replace(path, s->public, strlen(s->public), 0644, e);
}

int seal_open(const char *directory, struct seal **ret_seal, struct err *e)
{
	char path[PATH_MAX];
	struct seal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "key of the record");
	snprintf(path, sizeof(path), "%s/record.key", directory);
	r = sodium_init() < 0 ? err_set(e, -EIO, "libsodium") : key_read(s, path, e);
	snprintf(path, sizeof(path), "%s/record.pub", directory);
	if (r == 0)
		r = public_write(s, path, e);
	if (r < 0) {
		seal_close(s);
		return r;
	}
	*ret_seal = s;
	return 0;
}

void seal_close(struct seal *s)
{
	if (!s)
		return;
	sodium_memzero(s, sizeof(*s));
	free(s);
}

const char *seal_public(const struct seal *s)
{
	return s->public;
}

/* ---- signing and holding -----------------------------------------------------------------------
 */

/* The signature and the comment behind it, which are signed together. */
static size_t global_join(const unsigned char signature[crypto_sign_BYTES], const char *comment,
			  size_t length, unsigned char *buf)
{
	memcpy(buf, signature, crypto_sign_BYTES);
	memcpy(buf + crypto_sign_BYTES, comment, length);
	return crypto_sign_BYTES + length;
}

char *seal_sign(const struct seal *s, const char *message)
{
	struct signature_blob blob = { .algorithm = { 'E', 'D' } };
	unsigned char hash[crypto_generichash_BYTES_MAX], global[crypto_sign_BYTES];
	unsigned char joined[crypto_sign_BYTES + sizeof(COMMENT)];
	char first[BASE64(sizeof(blob))], second[BASE64(sizeof(global))];
	char *text;

	memcpy(blob.id, s->secret.id, sizeof(blob.id));
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)message, strlen(message),
			   NULL, 0);
	crypto_sign_detached(blob.signature, NULL, hash, sizeof(hash), s->secret.key);
	crypto_sign_detached(global, NULL, joined,
			     global_join(blob.signature, COMMENT, strlen(COMMENT), joined),
			     s->secret.key);
	if (asprintf(&text, "untrusted comment: " COMMENT "\n%s\n" TRUSTED COMMENT "\n%s\n",
		     base64(&blob, sizeof(blob), first, sizeof(first)),
		     base64(global, sizeof(global), second, sizeof(second))) < 0)
		return NULL;
	return text;
}

/* The line of that number, from 0; NULL when there are fewer. */
static const char *line_of(const char *text, unsigned int number)
{
	for (; text && number > 0; number--) {
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return text;
}

static bool signature_holds(const char *message, const struct signature_blob *blob,
			    const struct public_blob *public)
{
	unsigned char hash[crypto_generichash_BYTES_MAX];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)message, strlen(message),
			   NULL, 0);
	return memcmp(blob->algorithm, "ED", 2) == 0 &&
	       memcmp(blob->id, public->id, ID_BYTES) == 0 &&
	       crypto_sign_verify_detached(blob->signature, hash, sizeof(hash), public->key) == 0;
}

bool seal_holds(const char *message, const char *signature, const char *public, char ret_id[17])
{
	const char *blob_line = line_of(signature, 1), *comment = line_of(signature, 2);
	const char *global_line = line_of(signature, 3), *public_line = line_of(public, 1);
	unsigned char global[crypto_sign_BYTES], joined[crypto_sign_BYTES + 256];
	struct public_blob key;
	struct signature_blob blob;
	size_t length;

	if (!global_line || !public_line || !base64_read(public_line, &key, sizeof(key)) ||
	    !base64_read(blob_line, &blob, sizeof(blob)) ||
	    !base64_read(global_line, global, sizeof(global)) ||
	    strncmp(comment, TRUSTED, strlen(TRUSTED)) != 0)
		return false;
	comment += strlen(TRUSTED);
	length = strcspn(comment, "\n");
	id_print(key.id, ret_id);
	return length <= sizeof(joined) - crypto_sign_BYTES &&
	       signature_holds(message, &blob, &key) &&
	       crypto_sign_verify_detached(global, joined,
					   global_join(blob.signature, comment, length, joined),
					   key.key) == 0;
}
