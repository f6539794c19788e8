/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov check`: the manifests read as modelgovd would read them, without it. `modelgov reload`:
 * have modelgovd do the same and take them.
 */
#include "command.h"
#include "policy.h"
#include "print.h"

int policy_read(const char *etc, struct policy **ret_policy, struct findings *ret_findings,
		struct err *e)
{
	struct policy_source source = { .etc = etc,
					.shipped = SHIPPED_DIR,
					.trusts_any_owner = geteuid() != 0 };
	int r = host_facts_read(&source.facts, e);

	return r < 0 ? r : policy_load(&source, ret_policy, ret_findings, e);
}

/* ---- check ----------------------------------------------------------------------------------- */

static json_t *findings_to_json(const struct findings *f)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < f->n; i++) {
		const struct finding *one = &f->all[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:i, s:i, s:s}", "level",
						one->level == FINDING_ERROR ? "error" : "warning",
						"file", one->file ? one->file : "", "line",
						one->line, "column", one->column, "text",
						one->text));
	}
	return list;
}

static const char *plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

static void check_print(const char *etc, const struct policy *policy, const struct findings *f)
{
	_cleanup_free_ char *text = findings_print(f);
	unsigned int n_warnings = f->n - f->n_errors;

	if (f->n > 0 && text)
		text_print(text, 0, stdout);
	if (!policy)
		printf("%s: %u error%s, %u warning%s; modelgovd would refuse it\n", etc,
		       f->n_errors, plural(f->n_errors), n_warnings, plural(n_warnings));
	else
		printf("%s: ok, %u model%s, %u warning%s, digest %.12s\n", etc, policy->n_models,
		       plural(policy->n_models), n_warnings, plural(n_warnings), policy->digest);
}

static int check_tell(const struct cli *cli, const char *etc, const struct policy *policy,
		      const struct findings *f)
{
	bool is_ok = policy && !(cli->is_strict && f->n > 0);
	int status = EXIT_OK;

	if (cli->is_json)
		status = json_print(json_pack("{s:b, s:s, s:s?, s:i, s:o}", "ok", is_ok, "etc", etc,
					      "digest", policy ? policy->digest : NULL, "models",
					      policy ? (int)policy->n_models : 0, "findings",
					      findings_to_json(f)));
	else
		check_print(etc, policy, f);
	return status ? status : is_ok ? EXIT_OK : EXIT_POLICY;
}

int check_run(const struct cli *cli, int argc, char **argv)
{
	const char *etc = argc > 0 ? argv[0] : cli->etc;
	struct policy *policy = NULL;
	struct findings findings;
	struct err e = { 0 };
	int r, status;

	findings_init(&findings);
	r = policy_read(etc, &policy, &findings, &e);
	if (r < 0 && findings.n_errors == 0) {
		complain("check %s: %s", etc, e.text);
		status = r == -EACCES ? EXIT_DENIED : EXIT_FAILED;
	} else {
		status = check_tell(cli, etc, policy, &findings);
	}
	policy_free(policy);
	findings_fini(&findings);
	return status;
}

/* ---- reload ---------------------------------------------------------------------------------- */

int reload_run(const struct cli *cli, int argc, char **argv)
{
	json_t *reply = NULL;
	struct err e = { 0 };
	int r = daemon_ask(cli, "Reload", NULL, ASK_MSEC, &reply, &e), status;

	if (r < 0)
		return daemon_complain(cli, r, &e);

	bool is_loaded = json_is_true(json_object_get(reply, "loaded"));

	json_t *change = json_incref(json_object_get(reply, "change"));

	if (cli->is_json) {
		json_decref(change);
		status = json_print(reply);
		return status ? status : is_loaded ? EXIT_OK : EXIT_POLICY;
	}
	text_print(text_of(reply, "findings"), 0, stdout);
	puts(is_loaded ? "policy loaded" : "refused; the policy from before stays in force");
	json_decref(reply);
	if (json_is_object(change))
		return change_follow(cli, change, json_is_true(json_object_get(change, "applies")));
	json_decref(change);
	return is_loaded ? EXIT_OK : EXIT_POLICY;
}
