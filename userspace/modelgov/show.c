/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov show`: what a manifest comes to, each value with where it was written; or the whole
 * policy in its canonical form. Reads the policy directory, not what modelgovd has in force.
 */
#include "command.h"
#include "policy.h"
#include "print.h"

static json_t *keys_to_json(const struct resolved_key *keys, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "key", keys[i].key, "value",
						keys[i].value, "origin", keys[i].origin));
	return list;
}

static void keys_print(const struct resolved_key *keys, unsigned int n)
{
	struct table t;

	table_init(&t, "lll");
	for (unsigned int i = 0; i < n; i++) {
		table_add(&t, false, "%s", keys[i].key);
		table_add(&t, false, "%s", keys[i].origin);
		table_add(&t, false, "%s", keys[i].value); /* last, because texts are long */
	}
	table_print(&t, 0, stdout);
	table_fini(&t);
}

static int model_show(const struct cli *cli, const struct policy *p, const char *name)
{
	struct resolved_key *keys = NULL;
	unsigned int n = 0;
	struct arena arena;
	uint32_t model;
	int status = EXIT_OK;

	if (policy_find(p, name, &model) < 0) {
		complain("there is no model %s in %s; modelgov new %s makes a manifest", name,
			 cli->etc, name);
		return EXIT_FAILED;
	}
	arena_init(&arena);
	if (policy_resolved(p, model, &arena, &keys, &n) < 0) {
		complain("show %s: %s", name, strerror(ENOMEM));
		status = EXIT_FAILED;
	} else if (cli->is_json) {
		status = json_print(json_pack("{s:s, s:s, s:o}", "model", name, "digest", p->digest,
					      "keys", keys_to_json(keys, n)));
	} else {
		keys_print(keys, n);
	}
	arena_fini(&arena);
	return status;
}

/* No newline at its end: these are the bytes that the digest is of. */
static int canonical_show(const struct policy *p)
{
	_cleanup_free_ char *text = policy_canonical(p);

	if (!text) {
		complain("canonical form: %s", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	fputs(text, stdout);
	return EXIT_OK;
}

int policy_complain(const char *etc, int r, const struct findings *f, const struct err *e)
{
	_cleanup_free_ char *text = findings_print(f);

	if (f->n_errors == 0) {
		complain("%s: %s", etc, e->text);
		return r == -EACCES ? EXIT_DENIED : EXIT_FAILED;
	}
	text_print(text ? text : e->text, 0, stderr);
	return EXIT_POLICY;
}

int show_run(const struct cli *cli, int argc, char **argv)
{
	struct policy *p = NULL;
	struct findings findings;
	struct err e = { 0 };
	int r, status;

	if (cli->wants_canonical == (argc > 0)) {
		complain("show: write the name of a model, or --canonical for the whole policy");
		return EXIT_USAGE;
	}
	findings_init(&findings);
	r = policy_read(cli->etc, &p, &findings, &e);
	if (r < 0)
		status = policy_complain(cli->etc, r, &findings, &e);
	else
		status = cli->wants_canonical ? canonical_show(p) : model_show(cli, p, argv[0]);
	policy_free(p);
	findings_fini(&findings);
	return status;
}
