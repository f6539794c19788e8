/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov export` and `import`: one generation as one file that another host or an auditor can
 * load and hold against its digest. docs/record.md specifies the file.
 */
#include "command.h"
#include "print.h"

#include <fcntl.h>
#include <sodium.h>

#define FORMAT "modelgov-generation/v1"
/* Chosen: the policy of a thousand models is a tenth of it. */
#define FILE_LIMIT_BYTES (16u << 20)

/* ---- export -----------------------------------------------------------------------------------
 */

int export_run(const struct cli *cli, int argc, char **argv)
{
	json_t *generation = NULL;
	uint64_t number;
	int status = number_argument(argv[0], "generation", &number);

	if (!status)
		status = record_ask(cli, QUESTION_GENERATION,
				    json_pack("{s:I}", "number", (json_int_t)number), &generation);
	if (status)
		return status;
	json_t *canonical = json_incref(json_object_get(generation, "canonical"));

	json_object_del(generation, "canonical");
	return json_print(json_pack("{s:s, s:s, s:o, s:o}", "format", FORMAT, "digest",
				    text_of(generation, "digest"), "document", generation,
				    "canonical", canonical));
}

/* ---- import -----------------------------------------------------------------------------------
 */

static int file_load(const char *path, json_t **ret_file)
{
	_cleanup_free_ char *text = NULL;
	json_error_t where;
	struct err e = { 0 };
	size_t length;

	if (file_read_all(AT_FDCWD, path, FILE_LIMIT_BYTES, &text, &length, &e) < 0) {
		complain("%s", e.text);
		return EXIT_FAILED;
	}
	if (!(*ret_file = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where))) {
		complain("%s:%d:%d: %s; a file of `modelgov export` is meant", path, where.line,
			 where.column, where.text);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* The file is what it says it is: its bytes have the digest that it and its document name. */
static int file_hold(const char *path, const json_t *file)
{
	const char *digest = text_of(file, "digest"), *canonical = text_of(file, "canonical");
	const char *own = text_of(json_object_get(file, "document"), "digest");
	unsigned char hash[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(hash) + 1];

	if (strcmp(text_of(file, "format"), FORMAT) != 0) {
		complain("%s: its format is '%s', this modelgov reads " FORMAT, path,
			 text_of(file, "format"));
		return EXIT_FAILED;
	}
	crypto_hash_sha256(hash, (const unsigned char *)canonical, strlen(canonical));
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	if (*canonical && strcmp(hex, digest) == 0 && strcmp(digest, own) == 0)
		return EXIT_OK;
	complain("%s: its canonical bytes have the SHA-256 %s, but it names %s%s%s: it was changed "
		 "on its way; export it again",
		 path, hex, *digest ? digest : "none", strcmp(digest, own) ? " and " : "",
		 strcmp(digest, own) ? own : "");
	return EXIT_FAILED;
}

/* Where the reply has the change is the method's business: itself, or under "change". */
static void proposed_print(const json_t *reply)
{
	const json_t *change = json_object_get(reply, "change");
	int64_t id = 0;

	change = json_is_object(change) ? change : reply;
	(void)number_of(change, "id", &id);
	printf("proposed as change %" PRIi64 ": %s\n", id, text_of(change, "state"));
}

static int file_propose(const struct cli *cli, const json_t *file)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(cli, "Propose",
			   json_pack("{s:s, s:s, s:s, s:s}", "canonical",
				     text_of(file, "canonical"), "reason", cli->message, "ticket",
				     cli->ticket ? cli->ticket : "", "source", "import"),
			   PROPOSE_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(cli, r, &e);
	if (cli->is_json)
		return json_print(reply);
	proposed_print(reply);
	json_decref(reply);
	return EXIT_OK;
}

int import_run(const struct cli *cli, int argc, char **argv)
{
	json_t *file = NULL;
	int status;

	if (!cli->message || !*cli->message) {
		complain("import wants a reason: -m WHY");
		return EXIT_USAGE;
	}
	status = file_load(argv[0], &file);
	if (!status)
		status = file_hold(argv[0], file);
	if (!status)
		status = file_propose(cli, file);
	json_decref(file);
	return status;
}
