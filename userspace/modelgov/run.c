/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov run` and `modelgov attach`: processes into a model's own scope. act moves them; here it
 * is only decided whether that makes sense: a process in a scope that no manifest governs would be
 * lost in it.
 */
#include "act.h"
#include "command.h"
#include "policy.h"
#include "print.h"

/* ---- is there such a model ------------------------------------------------------------------- */

static void names_complain(const struct policy *p, const char *name, const char *etc)
{
	char known[512] = "";
	size_t length = 0;

	for (unsigned int i = 0; i < p->n_models && length < sizeof(known) - 80; i++)
		length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s",
					   i ? ", " : "", p->models[i].name);
	complain("no manifest is for a model '%s'; write %s/models.d/%s.yaml, see "
		 "modelgov.yaml(5)%s%s",
		 name, etc, name, *known ? "; there are: " : "", known);
}

/* The policy that modelgovd has in force may know the model while its files are being changed. */
static bool daemon_governs(const struct cli *cli, const char *name)
{
	json_t *reply = NULL, *model;
	struct err e = { 0 };
	bool found = false;
	size_t i;

	if (daemon_ask(cli, "Status", NULL, ASK_MSEC, &reply, &e) < 0)
		return false;
	json_array_foreach(json_object_get(reply, "models"), i, model)
		found = found || strcmp(text_of(model, "name"), name) == 0;
	json_decref(reply);
	return found;
}

/* EXIT_OK when a manifest is for that model; otherwise it was told what to do. */
static int model_require(const struct cli *cli, const char *name)
{
	struct policy *policy = NULL;
	struct findings findings;
	struct err e = { 0 };
	uint32_t model;
	int status = EXIT_OK;

	findings_init(&findings);
	int r = policy_read(cli->etc, &policy, &findings, &e);

	if ((r < 0 || policy_find(policy, name, &model) < 0) && !daemon_governs(cli, name)) {
		status = EXIT_FAILED;
		if (r == 0) {
			names_complain(policy, name, cli->etc);
		} else if (findings.n_errors > 0) {
			complain("the policy in %s has %u errors; see modelgov check", cli->etc,
				 findings.n_errors);
			status = EXIT_POLICY;
		} else {
			complain("%s", e.text);
		}
	}
	policy_free(policy);
	findings_fini(&findings);
	return status;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static int adopt(const struct cli *cli, const char *name, const int32_t *pids, unsigned int n)
{
	struct act_options options = { .state_dir = cli->state_dir };
	struct act *act = NULL;
	struct err e = { 0 };
	int r;

	if (geteuid() != 0) {
		complain("moving processes into the scope of %s needs root: sudo modelgov ...",
			 name);
		return EXIT_DENIED;
	}
	r = model_require(cli, name);
	if (r)
		return r;
	r = act_open(&options, &act, &e);
	if (r == 0)
		r = act_adopt(act, name, pids, n, &e);
	act_close(act);
	if (r == 0)
		return EXIT_OK;
	complain("%s: %s", name, e.text);
	return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
}

int run_run(const struct cli *cli, int argc, char **argv)
{
	const int32_t self = getpid();
	int status = adopt(cli, argv[0], &self, 1);

	if (status)
		return status;
	execvp(argv[1], argv + 1);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
	complain("start %s: %s", argv[1], strerror(errno));
	return status;
}

int attach_run(const struct cli *cli, int argc, char **argv)
{
	_cleanup_free_ int32_t *pids = calloc((size_t)argc, sizeof(*pids));
	unsigned int n = 0;
	uint64_t pid;
	int status;

	if (!pids) {
		complain("attach: out of memory");
		return EXIT_FAILED;
	}
	for (int i = 1; i < argc; i++) {
		if (number_parse(argv[i], &pid) < 0 || pid < 1 || pid > INT32_MAX) {
			complain("attach: '%s' is not a process id", argv[i]);
			return EXIT_USAGE;
		}
		pids[n++] = (int32_t)pid;
	}
	status = adopt(cli, argv[0], pids, n);
	if (status == EXIT_OK)
		printf("%u process%s now in the scope of %s\n", n, n == 1 ? " is" : "es are",
		       argv[0]);
	return status;
}
