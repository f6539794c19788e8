/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov diff`: what is different between two policies, by model and key. A policy is a
 * directory, a file in canonical form, or the number of a generation, which modelgovd is asked for.
 * Judges nothing: what a change would do is plan's.
 */
#include "command.h"
#include "policy.h"
#include "print.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MAX_CANONICAL_BYTES (64u << 20) /* chosen: 1024 full manifests are 2 MiB */

static int canonical_take(const char *name, const char *text, size_t length,
			  struct policy **ret_policy)
{
	const struct host_facts unknown = { 0 }; /* it may be another host's */
	struct err e = { 0 };

	if (policy_from_canonical(text, length, &unknown, ret_policy, &e) == 0)
		return EXIT_OK;
	complain("%s: %s", name, e.text);
	return EXIT_POLICY;
}

static int file_take(const char *path, struct policy **ret_policy)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	size_t length;
	int r = file_read_all(AT_FDCWD, path, MAX_CANONICAL_BYTES, &text, &length, &e);

	if (r < 0) {
		complain("%s", e.text);
		return r == -EACCES ? EXIT_DENIED : EXIT_FAILED;
	}
	return canonical_take(path, text, length, ret_policy);
}

static int directory_take(const char *path, struct policy **ret_policy)
{
	struct findings findings;
	struct err e = { 0 };
	int status = EXIT_OK;

	findings_init(&findings);
	int r = policy_read(path, ret_policy, &findings, &e);

	if (r < 0)
		status = policy_complain(path, r, &findings, &e);
	findings_fini(&findings);
	return status;
}

/* 0: the one in force. */
static int generation_take(const struct cli *cli, uint64_t number, struct policy **ret_policy)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int status, r = daemon_ask(cli, "Generation", json_pack("{s:I}", "number", (json_int_t)number),
				   ASK_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(cli, r, &e);
	const char *text = text_of(json_object_get(reply, "generation"), "canonical");

	if (*text) {
		status = canonical_take(number ? "generation" : "policy in force", text, strlen(text),
					ret_policy);
	} else {
		complain("nothing is in force yet; modelgov history lists the generations");
		status = EXIT_FAILED;
	}
	json_decref(reply);
	return status;
}

static int operand_take(const struct cli *cli, const char *what, struct policy **ret_policy)
{
	struct stat st;
	uint64_t number;

	if (stat(what, &st) == 0)
		return S_ISDIR(st.st_mode) ? directory_take(what, ret_policy)
					   : file_take(what, ret_policy);
	if (number_parse(what, &number) == 0 && number > 0)
		return generation_take(cli, number, ret_policy);
	complain("%s: %s; write a directory, a file in canonical form, or the number of a "
		 "generation",
		 what, strerror(errno));
	return EXIT_FAILED;
}

/* ---- telling ------------------------------------------------------------------------------- */

static json_t *differences_to_json(const struct difference *all, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s?}", "model",
						      all[i].model, "key", all[i].key, "before",
						      all[i].before, "after", all[i].after));
	return list;
}

static void difference_print(const struct difference *d, bool is_first_of_model)
{
	if (*d->key == '\0') {
		const char *version = d->before ? d->before : d->after;

		printf("%s model %s%s%s\n", d->before ? "-" : "+", d->model, *version ? " " : "",
		       version);
		return;
	}
	if (is_first_of_model)
		printf("%s\n", *d->model ? d->model : "host");
	if (!d->before)
		printf("  + %s: %s\n", d->key, d->after);
	else if (!d->after)
		printf("  - %s: %s\n", d->key, d->before);
	else
		printf("    %s: %s -> %s\n", d->key, d->before, d->after);
}

static int differences_tell(const struct cli *cli, const struct policy *before,
			    const struct policy *after)
{
	struct difference *all = NULL;
	unsigned int n = 0;
	struct arena arena;
	int status = EXIT_OK;

	arena_init(&arena);
	if (policy_diff(before, after, &arena, &all, &n) < 0) {
		complain("diff: %s", strerror(ENOMEM));
		status = EXIT_FAILED;
	} else if (cli->is_json) {
		status = json_print(json_pack("{s:b, s:s, s:s, s:o}", "same", n == 0, "before",
					      before->digest, "after", after->digest, "differences",
					      differences_to_json(all, n)));
	} else {
		printf("%.12s -> %.12s: %u difference%s\n", before->digest, after->digest, n,
		       n == 1 ? "" : "s");
		for (unsigned int i = 0; i < n; i++)
			difference_print(&all[i],
					 i == 0 || strcmp(all[i].model, all[i - 1].model) != 0);
	}
	arena_fini(&arena);
	return status;
}

int diff_run(const struct cli *cli, int argc, char **argv)
{
	struct policy *before = NULL, *after = NULL;
	int status;

	if (argc == 1) {
		complain("diff: write two policies, or none for what is in force against %s",
			 cli->etc);
		return EXIT_USAGE;
	}
	status = argc ? operand_take(cli, argv[0], &before) : generation_take(cli, 0, &before);
	if (status == EXIT_OK)
		status = argc ? operand_take(cli, argv[1], &after)
			      : directory_take(cli->etc, &after);
	if (status == EXIT_OK)
		status = differences_tell(cli, before, after);
	policy_free(before);
	policy_free(after);
	return status;
}
