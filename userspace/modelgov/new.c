/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov new`: a commented manifest on stdout, to be edited and put into models.d. Writes no
 * file. `modelgov schema`: the key table for editors.
 */
#include "command.h"
#include "policy.h"
#include "print.h"

int new_run(const struct cli *cli, int argc, char **argv)
{
	struct policy_source source = { .etc = cli->etc,
					.shipped = SHIPPED_DIR,
					.trusts_any_owner = geteuid() != 0 };
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	int r = policy_new_manifest(&source, argv[0], cli->template, &text, &e);

	if (r < 0) {
		complain("new %s: %s", argv[0], e.text);
		return r == -EINVAL ? EXIT_POLICY : r == -EACCES ? EXIT_DENIED : EXIT_FAILED;
	}
	fputs(text, stdout);
	return EXIT_OK;
}

int schema_run(const struct cli *cli, int argc, char **argv)
{
	policy_print_schema(stdout);
	return EXIT_OK;
}
