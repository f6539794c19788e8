/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gates that need no executable: one row each. They judge a candidate by itself and by this
 * host; what it does to running models is for executables, replay and probation.
 */
#include "gate.h"

typedef int builtin_gate(const struct gate_question *q, struct err *e);

/* 0: the candidate under these facts; the caller frees it. */
static int candidate_parse(const struct gate_question *q, const struct host_facts *facts,
			   struct policy **ret_policy, struct err *e)
{
	const char *text = q->change->canonical;

	return policy_from_canonical(text, strlen(text), facts, ret_policy, e);
}

/* Whatever the host is like: the form, the digest, and nothing that contradicts itself. */
static int schema_ask(const struct gate_question *q, struct err *e)
{
	static const struct host_facts unknown = { 0 };
	struct policy *p;
	int r = candidate_parse(q, &unknown, &p, e);

	if (r < 0)
		return r;
	if (strcmp(p->digest, q->change->digest) != 0)
		r = err_say(e, -EINVAL, "its digest is %.12s, but it was proposed as %.12s",
			    p->digest, q->change->digest);
	policy_free(p);
	return r;
}

/* Reserved shares, floors and memory minima fit into this host. */
static int capacity_ask(const struct gate_question *q, struct err *e)
{
	struct policy *p;
	int r;

	if (q->facts->cpus == 0 || q->facts->memory_bytes == 0)
		return err_say(e, -EAGAIN, "this host's CPUs and memory are not known");
	r = candidate_parse(q, q->facts, &p, e);
	if (r == 0)
		policy_free(p);
	return r;
}

/*
 * Chains of calls hold under the limit in force too, whatever limit the candidate sets itself. That
 * they hold under its own was found out when it was proposed.
 */
static int chains_ask(const struct gate_question *q, struct err *e)
{
	static const struct host_facts unknown = { 0 };
	struct policy *p, *judged = NULL;
	int r = candidate_parse(q, &unknown, &p, e);

	if (r < 0)
		return r;
	if (q->in_force)
		p->host.retry_amplification =
			MIN(p->host.retry_amplification, q->in_force->host.retry_amplification);
	_cleanup_free_ char *text = policy_canonical(p);

	r = text ? policy_from_canonical(text, strlen(text), &unknown, &judged, e)
		 : err_set(e, -EAGAIN, "no memory to judge its chains");
	if (r < 0 && r != -EAGAIN)
		err_context(e, "by the limits in force");
	policy_free(judged);
	policy_free(p);
	return r;
}

/* Nobody but root can have written what is proposed or what judges it, and somebody can judge the
 * next one. */
static int security_ask(const struct gate_question *q, struct err *e)
{
	static const struct host_facts unknown = { 0 };
	struct gate_files files;
	struct arena arena;
	struct policy *p = NULL;
	int r;

	arena_init(&arena);
	r = gate_files_list(q->gates_dirs, &arena, &files, e);
	arena_fini(&arena);
	if (r == 0 && q->etc && strcmp(q->change->source, "etc") == 0)
		r = policy_files_trust(q->etc, e);
	if (r == 0)
		r = candidate_parse(q, &unknown, &p, e);
	if (r < 0)
		return r;
	if (p->host.approvals > 0 && p->host.approvers.n == 0)
		r = err_say(e, -EINVAL,
			    "changes.approvals is %llu and access.approvers names nobody: no later "
			    "change "
			    "could be approved; name approvers or set approvals: 0",
			    (unsigned long long)p->host.approvals);
	policy_free(p);
	return r;
}

static const struct {
	const char *name;
	builtin_gate
		*ask; /* 0: pass; -EAGAIN: inconclusive; else it fails; the sentence is the note */
	bool guards_return; /* also asked when modelgovd itself goes back */
} builtin_table[] = {
	{ "schema", schema_ask, true },
	{ "capacity", capacity_ask, true },
	{ "chains", chains_ask, false },
	{ "security", security_ask, false },
};

_Static_assert(ARRAY_SIZE(builtin_table) + 1 + MAX_EXECUTABLES <= MAX_GATES,
	       "these, the replay and all executables have room for their results");

int builtin_gates_ask(const struct gate_question *q, struct arena *arena,
		      struct gate_result *ret_results, unsigned int *ret_n)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(builtin_table); i++) {
		struct gate_result *result = &ret_results[n];
		struct err e = { 0 };
		int r;

		if (q->change->undoes && !builtin_table[i].guards_return)
			continue;
		r = builtin_table[i].ask(q, &e);
		*result = (struct gate_result){ .name = builtin_table[i].name,
						.verdict = r == 0         ? GATE_PASS
							   : r == -EAGAIN ? GATE_INCONCLUSIVE
									  : GATE_FAIL,
						.note = arena_strdup(arena, e.text) };
		if (!result->note)
			return -ENOMEM;
		n++;
	}
	*ret_n = n;
	return 0;
}
