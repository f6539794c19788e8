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
#include "live.h"

/* ---- is there such a model --------------------------------------------------------------- */

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

/* The policy in force counts; while its files are being changed, or without modelgovd, /etc. */
static int live_model_find(const struct cli *cli, const char *name, struct policy **ret_policy,
			   uint32_t *ret_model)
{
	struct live_policy live = { 0 };
	struct err e = { 0 };
	int r = live_policy_try(cli, &live, &e);

	if (r == 0)
		r = policy_find(live.policy, name, ret_model);
	if (r == 0)
		*ret_policy = TAKE_PTR(live.policy);
	live_policy_fini(&live);
	return r;
}

/* EXIT_OK and a policy that has the model; otherwise it was told what to do. */
static int model_require(const struct cli *cli, const char *name, struct policy **ret_policy,
			 uint32_t *ret_model)
{
	struct policy *policy = NULL;
	struct findings findings;
	struct err e = { 0 };
	int status = EXIT_FAILED, r;

	if (live_model_find(cli, name, ret_policy, ret_model) == 0)
		return EXIT_OK;
	findings_init(&findings);
	r = policy_read(cli->etc, &policy, &findings, &e);
	if (r == 0 && policy_find(policy, name, ret_model) == 0) {
		*ret_policy = TAKE_PTR(policy);
		status = EXIT_OK;
	} else if (r == 0) {
		names_complain(policy, name, cli->etc);
	} else if (findings.n_errors > 0) {
		complain("the policy in %s has %u errors; see modelgov check", cli->etc,
			 findings.n_errors);
		status = EXIT_POLICY;
	} else {
		complain("%s", e.text);
	}
	policy_free(policy);
	findings_fini(&findings);
	return status;
}

/* ---- moving ------------------------------------------------------------------------------ */

/* What experiments share, when the model is one: their slice gets it. */
static int budget_find(const struct policy *policy, struct budget *ret_budget, struct err *e)
{
	struct host_facts facts = { 0 };
	int r = host_facts_read(&facts, e);

	if (r < 0)
		return r;
	*ret_budget = (struct budget){ .cpu_max = experiments_quota(policy, facts.cpus),
				       .memory_max = experiments_memory(policy) };
	r = experiments_weight(policy, facts.cpus, &ret_budget->cpu_weight);
	return r < 0 ? err_set(e, r, "weight of experiments") : 0;
}

static int model_adopt(const struct cli *cli, struct adoption *ad, const struct policy *policy,
		       uint32_t model)
{
	struct act_options options = { .state_dir = cli->state_dir };
	struct budget budget;
	struct act *act = NULL;
	struct err e = { 0 };
	int r = 0;

	if (policy->models[model].stage == STAGE_EXPERIMENT) {
		r = budget_find(policy, &budget, &e);
		ad->experiments = &budget;
	}
	if (r == 0)
		r = act_open(&options, &act, &e);
	if (r == 0)
		r = act_adopt(act, ad, &e);
	act_close(act);
	if (r == 0)
		return EXIT_OK;
	complain("%s: %s", ad->model, e.text);
	return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
}

static int adopt(const struct cli *cli, const char *name, const int32_t *pids, unsigned int n)
{
	struct adoption ad = { .model = name, .pids = pids, .n_pids = n };
	struct policy *policy = NULL;
	uint32_t model;
	int status;

	if (geteuid() != 0) {
		complain("moving processes into the scope of %s needs root: sudo modelgov ...",
			 name);
		return EXIT_DENIED;
	}
	status = model_require(cli, name, &policy, &model);
	if (status == EXIT_OK)
		status = model_adopt(cli, &ad, policy, model);
	policy_free(policy);
	return status;
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
