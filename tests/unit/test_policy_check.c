/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cannot be together, on policies built by hand: the host has four CPUs and 8GiB, each model
 * starts as a standard service that somebody owns and says nothing else. What is said is compared
 * as "MODEL: PATH: TEXT"; lines and columns are test_policy_manifests' business.
 */
#include "policy/check.h"

#include <criterion/criterion.h>

#define MAX_TEST_MODELS 1100

struct desk {
	struct policy policy;
	struct model *models;
	struct origins *origins;
	struct host_facts facts;
	struct findings findings;
	struct arena arena;
	bool is_default; /* locator: nothing is written down */
	char *said;
};

static void desk_open(struct desk *d)
{
	*d = (struct desk){ .facts = { 4, 8ULL << 30 } };
	d->models = calloc(MAX_TEST_MODELS, sizeof(*d->models));
	d->origins = calloc(MAX_TEST_MODELS, sizeof(*d->origins));
	cr_assert(d->models && d->origins);
	arena_init(&d->arena);
	findings_init(&d->findings);
	d->policy.host = (struct host_policy){ .tick_ns = NSEC_PER_SEC,
					       .retry_amplification = 8,
					       .experiment_cpu_permyriad = 2000,
					       .experiment_memory_bytes = VALUE_MAX };
	d->policy.models = d->models;
}

static void desk_close(struct desk *d)
{
	findings_fini(&d->findings);
	arena_fini(&d->arena);
	free(d->models);
	free(d->origins);
	free(d->said);
}

#define _cleanup_desk_ _cleanup_(desk_close)

static struct model *model_put(struct desk *d, const char *name)
{
	struct model *m = &d->models[d->policy.n_models++];

	cr_assert_lt(d->policy.n_models, MAX_TEST_MODELS);
	*m = (struct model){ .name = name,
			     .version = "",
			     .owner = "team@example.org",
			     .description = "",
			     .template = "",
			     .rollback = "",
			     .cpuset = "",
			     .file = "",
			     .class = CLASS_STANDARD,
			     .cpu_floor_permyriad = 1,
			     .concurrency_max = MISSING,
			     .concurrency_queue = MISSING };
	m->contract = (struct contract){ .expected_ns = MISSING,
					 .timeout_ns = MISSING,
					 .retries_max = MISSING,
					 .backoff_ns = MISSING,
					 .max_backoff_ns = MISSING,
					 .retry_budget_permyriad = MISSING,
					 .is_idempotent = true,
					 .degraded_max_delay_ns = MISSING };
	m->contract.depends_on = arena_new(&d->arena, struct dependency, MAX_ITEMS);
	m->preemption.max_pause_ns = m->preemption.min_run_ns = MISSING;
	for (int i = 0; i < N_KNOBS; i++)
		m->values[i] = MISSING;
	return m;
}

/* expected and timeout in ms; 0: not said. */
static struct model *service_put(struct desk *d, const char *name, uint64_t expected_ms,
				 uint64_t timeout_ms)
{
	struct model *m = model_put(d, name);

	if (expected_ms)
		m->contract.expected_ns = expected_ms * NSEC_PER_MSEC;
	if (timeout_ms)
		m->contract.timeout_ns = timeout_ms * NSEC_PER_MSEC;
	return m;
}

static void calls(struct model *m, const char *callee, uint64_t timeout_ms)
{
	m->contract.depends_on[m->contract.n_depends_on++] =
		(struct dependency){ callee, timeout_ms ? timeout_ms * NSEC_PER_MSEC : MISSING };
}

static bool place_find(void *context, uint32_t model, const char *path, struct place *ret_place)
{
	const struct desk *d = context;

	*ret_place = (struct place){ .file = "" };
	return !d->is_default;
}

/* Every finding, "error: ocr: resources.cpu.max: ...", one a line. */
static const char *judge(struct desk *d)
{
	const struct locator where = { place_find, d };
	size_t size;
	FILE *out;

	findings_fini(&d->findings);
	findings_init(&d->findings);
	free(TAKE_PTR(d->said));
	cr_assert_eq(policy_check(&d->policy, d->origins, &where, &d->facts, &d->findings), 0);
	out = open_memstream(&d->said, &size);
	cr_assert(out != NULL);
	for (unsigned int i = 0; i < d->findings.n; i++)
		fprintf(out, "%s: %s\n",
			d->findings.all[i].level == FINDING_ERROR ? "error" : "warning",
			d->findings.all[i].text);
	cr_assert_eq(fclose(out), 0);
	return d->said;
}

/* Whether exactly one thing is said, and it has this in it. */
static bool is_said(struct desk *d, const char *part)
{
	const char *said = judge(d), *end = strchr(said, '\n');

	if (strstr(said, part) && end && end[1] == '\0')
		return true;
	fprintf(stderr, "wanted: %s\nsaid:\n%s", part, said);
	return false;
}

#define cr_expect_said(d, text) cr_expect(is_said((d), (text)), "%s", (text))
#define cr_expect_silence(d)    cr_expect_str_eq(judge(d), "")

static const uint64_t MS = NSEC_PER_MSEC;

/* ---- chains -------------------------------------------------------------------------------- */

Test(policy_chain, a_chain_with_room_for_everybody_is_right)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	calls(service_put(&d, "gateway", 100, 500), "ocr", 200);
	calls(service_put(&d, "ocr", 60, 200), "tokenizer", 50);
	service_put(&d, "tokenizer", 10, 50);
	cr_expect_silence(&d);
}

Test(policy_chain, a_circle_is_named_from_where_it_begins)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	calls(model_put(&d, "z"), "a", 0);
	calls(model_put(&d, "a"), "b", 0);
	calls(model_put(&d, "b"), "c", 0);
	calls(model_put(&d, "c"), "a", 0);
	cr_expect_said(&d,
		       "error: c: contract.dependsOn[0].model: these models wait for each other "
		       "in a circle: a -> b -> c -> a; leave one of the calls out");
}

Test(policy_chain, a_model_that_calls_itself_is_a_circle)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	calls(model_put(&d, "a"), "a", 0);
	cr_expect_said(&d, "error: a: contract.dependsOn[0].model: a depends on itself");
}

Test(policy_chain, two_ways_to_one_model_are_no_circle)
{
	_cleanup_desk_ struct desk d;
	struct model *top;

	desk_open(&d);
	top = model_put(&d, "top");
	calls(top, "left", 0);
	calls(top, "right", 0);
	calls(model_put(&d, "left"), "base", 0);
	calls(model_put(&d, "right"), "base", 0);
	model_put(&d, "base");
	cr_expect_silence(&d);
}

Test(policy_chain, an_unknown_model_is_a_warning_with_the_nearest_name)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "ocr");
	calls(m, "tokenzier", 0);
	model_put(&d, "tokenizer");
	cr_expect_said(&d, "warning: ocr: contract.dependsOn[0].model: no model on this host is "
			   "called 'tokenzier'; did you mean 'tokenizer'?");
	m->contract.depends_on[0].model = "elsewhere";
	cr_expect_said(&d, "warning: ocr: contract.dependsOn[0].model: no model on this host is "
			   "called 'elsewhere'; its latency and retries are not counted");
}

Test(policy_chain, a_dependency_named_twice_is_an_error)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "ocr");
	calls(m, "tokenizer", 20);
	calls(m, "tokenizer", 30);
	model_put(&d, "tokenizer");
	cr_expect_said(&d, "error: ocr: contract.dependsOn[1].model: 'tokenizer' is there already "
			   "as dependsOn[0]");
}

Test(policy_chain, a_caller_waits_at_least_as_long_as_a_call_usually_takes)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "ocr");
	calls(m, "tokenizer", 39);
	service_put(&d, "tokenizer", 40, 100);
	cr_expect_said(&d, "error: ocr: contract.dependsOn[0].timeout: 39ms is shorter than the "
			   "40ms that tokenizer is expected to take");
	m->contract.depends_on[0].timeout_ns = 40 * MS;
	cr_expect_silence(&d);
}

/* 3 x 100ms + 50ms + 100ms, and 449ms to do it in. */
Test(policy_chain, retries_and_pauses_fit_into_the_callers_own_timeout)
{
	_cleanup_desk_ struct desk d;
	struct model *m, *callee;

	desk_open(&d);
	m = service_put(&d, "ocr", 0, 449);
	calls(m, "tokenizer", 100);
	callee = service_put(&d, "tokenizer", 0, 0);
	callee->contract.retries_max = 2;
	callee->contract.backoff_ns = 50 * MS;
	callee->contract.max_backoff_ns = 1000 * MS;
	cr_expect_said(&d,
		       "error: ocr: contract.dependsOn[0].timeout: with the 2 retries of its "
		       "contract tokenizer may keep ocr waiting for 450ms (3 x 100ms + 150ms of "
		       "pauses), but its own callers give up after 449ms");
	m->contract.timeout_ns = 450 * MS;
	cr_expect_silence(&d);
	callee->contract.max_backoff_ns = 50 * MS; /* 50 + 50 */
	m->contract.timeout_ns = 400 * MS;
	cr_expect_silence(&d);
	m->contract.timeout_ns = 399 * MS;
	cr_expect_said(&d, "400ms (3 x 100ms + 100ms of pauses)");
	callee->contract.max_backoff_ns = MISSING; /* the pause stays as it is */
	cr_expect_said(&d, "400ms (3 x 100ms + 100ms of pauses)");
}

Test(policy_chain, without_a_timeout_of_its_own_a_caller_waits_as_long_as_the_callee_says)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = service_put(&d, "ocr", 0, 99);
	calls(m, "tokenizer", 0);
	service_put(&d, "tokenizer", 0, 100);
	cr_expect_said(&d, "error: ocr: contract.dependsOn[0].model: ocr waits for tokenizer up to "
			   "100ms, but its own callers give up after 99ms");
	m->contract.timeout_ns = 100 * MS;
	cr_expect_silence(&d);
}

Test(policy_chain, waits_that_fit_alone_and_not_together_are_a_warning)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = service_put(&d, "gateway", 0, 100);
	calls(m, "ocr", 60);
	calls(m, "speech", 50);
	model_put(&d, "ocr");
	model_put(&d, "speech");
	cr_expect_said(&d,
		       "warning: gateway: contract.latency.timeout: one after the other, the "
		       "waits for its dependencies add up to 110ms (ocr 60ms + speech 50ms), more "
		       "than this 100ms");
	m->contract.timeout_ns = 110 * MS;
	cr_expect_silence(&d);
}

Test(policy_chain, a_model_is_not_faster_than_what_it_calls)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = service_put(&d, "gateway", 50, 0);
	calls(m, "ocr", 0);
	calls(service_put(&d, "ocr", 0, 0), "tokenizer", 0); /* promises nothing itself */
	service_put(&d, "tokenizer", 60, 0);
	cr_expect_said(&d, "error: gateway: contract.latency.expected: 50ms is less than what its "
			   "dependencies take (ocr by what it calls 60ms); write at least 60ms");
	m->contract.expected_ns = 60 * MS;
	cr_expect_silence(&d);
}

Test(policy_chain, parts_of_a_budget_add_up_to_a_warning)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = service_put(&d, "gateway", 100, 0);
	calls(m, "ocr", 0);
	calls(m, "speech", 0);
	service_put(&d, "ocr", 60, 0);
	service_put(&d, "speech", 50, 0);
	cr_expect_said(&d,
		       "warning: gateway: contract.latency.expected: one after the other, its "
		       "dependencies take 110ms (ocr 60ms + speech 50ms), more than this 100ms");
}

static void promise(struct model *m, uint64_t quantile, uint64_t budget_ms)
{
	m->objectives[m->n_objectives++] = (struct objective){ INDICATOR_REQUEST_LATENCY, quantile,
							       budget_ms * MS, 10 * NSEC_PER_SEC };
}

Test(policy_chain, objectives_of_the_same_quantile_are_compared_along_the_chain)
{
	_cleanup_desk_ struct desk d;
	struct model *m, *callee;

	desk_open(&d);
	m = model_put(&d, "gateway");
	promise(m, 9000, 50);
	promise(m, 9900, 80);
	calls(m, "ocr", 0);
	callee = model_put(&d, "ocr");
	promise(callee, 9900, 90);
	cr_expect_said(&d, "error: gateway: objectives[1].budget: 80ms is less than what its "
			   "dependencies take (ocr 90ms); write at least 90ms");
	callee->objectives[0].budget = 80 * MS;
	cr_expect_silence(&d);
	callee->contract.expected_ns = 51 * MS; /* the half of all calls or so */
	cr_expect_said(&d, "error: gateway: objectives[0].budget: 50ms is less than what its "
			   "dependencies take (ocr usually 51ms)");
}

Test(policy_chain, retries_multiply_up_to_the_limit_of_the_host)
{
	_cleanup_desk_ struct desk d;
	struct model *top, *middle, *base;

	desk_open(&d);
	top = model_put(&d, "gateway");
	middle = model_put(&d, "ocr");
	base = model_put(&d, "store");
	calls(top, "ocr", 0);
	calls(middle, "store", 0);
	top->contract.retries_max = 1;
	middle->contract.retries_max = 1;
	base->contract.retries_max = 1;
	cr_expect_silence(&d); /* 8 */
	base->contract.retries_max = 2;
	cr_expect_said(&d,
		       "error: store: contract.retries.max: with all retries one call to "
		       "gateway may become 12 (gateway x2 -> ocr x2 -> store x3), more than the 8 "
		       "of limits.retryAmplification");
	d.policy.host.retry_amplification = 12;
	cr_expect_silence(&d);
	top->contract.retries_max = base->contract.retries_max = 1ULL << 40;
	cr_expect_said(&d, "may become more than 9223372036854775807 (");
}

Test(policy_chain, the_worst_of_several_chains_is_said_once)
{
	_cleanup_desk_ struct desk d;
	struct model *store;

	desk_open(&d);
	calls(model_put(&d, "a"), "store", 0);
	calls(model_put(&d, "b"), "store", 0);
	calls(model_put(&d, "c"), "store", 0);
	d.models[1].contract.retries_max = 1;
	store = model_put(&d, "store");
	store->contract.retries_max = 9;
	cr_expect_said(&d, "one call to b may become 20 (b x2 -> store x10)");
}

/* A thousand models in a row, each called by the one before and by the one before that. */
Test(policy_chain, long_chains_are_walked_once)
{
	_cleanup_desk_ struct desk d;
	uint64_t start = clock_monotonic_ns();

	desk_open(&d);
	for (int i = 0; i < POLICY_MAX_MODELS; i++) {
		struct model *m = model_put(&d, arena_printf(&d.arena, "m%04d", i));

		if (i + 1 < POLICY_MAX_MODELS)
			calls(m, arena_printf(&d.arena, "m%04d", i + 1), 0);
		if (i + 2 < POLICY_MAX_MODELS)
			calls(m, arena_printf(&d.arena, "m%04d", i + 2), 0);
	}
	cr_expect_silence(&d);
	calls(&d.models[POLICY_MAX_MODELS - 1], "m0000", 0);
	cr_expect_said(&d, "in a circle: m0000 -> (1011 more) -> m1012 -> m1013");
	cr_expect_lt(clock_monotonic_ns() - start, 10 * NSEC_PER_SEC, "not by every way");
}

/* ---- who matches what ---------------------------------------------------------------------- */

static void unit_match(struct model *m, const char *unit)
{
	m->units[m->n_units++] = unit;
}

static void cgroup_match(struct model *m, const char *pattern)
{
	m->cgroups[m->n_cgroups++] = pattern;
}

static void container_match(struct desk *d, struct model *m, const char *name)
{
	if (!m->containers.all)
		m->containers.all = arena_new(&d->arena, const char *, MAX_ITEMS);
	m->containers.all[m->containers.n++] = name;
}

Test(policy_claim, one_name_belongs_to_one_model)
{
	_cleanup_desk_ struct desk d;
	struct model *a, *b;

	desk_open(&d);
	a = model_put(&d, "a");
	b = model_put(&d, "b");
	unit_match(a, "ocr.service");
	unit_match(b, "ocr.service");
	cr_expect_said(&d, "error: b: match.units: 'ocr.service' belongs to model a already");
	b->n_units = 0;
	cgroup_match(a, "/x/*");
	cgroup_match(b, "/x/*");
	cr_expect_said(&d, "error: b: match.cgroups: '/x/*' belongs to model a already");
	b->n_cgroups = 0;
	container_match(&d, a, "app=chat");
	container_match(&d, b, "app=chat");
	cr_expect_said(&d, "error: b: match.containers: 'app=chat' belongs to model a already");
}

/* What the pattern of model b does beside the unit or pattern of model a. */
Test(policy_claim, a_pattern_that_meets_another_models_cgroup_is_found)
{
	static const struct {
		const char *a, *pattern, *said; /* NULL: nothing */
	} cases[] = {
		{ "ml.slice", "/*.slice",
		  "error: b: match.cgroups: '/*.slice' matches the cgroup of "
		  "unit 'ml.slice' of model a; a process" },
		{ "ml-ocr.slice", "/ml.slice/ml-ocr.slice", "error: b" },
		{ "ml-ocr.slice", "/*.slice/ml-ocr.slice", "error: b" },
		{ "ml-ocr.slice", "/ml-ocr.slice", NULL },
		{ "ml-ocr.slice", "/ml.slice/*/*", NULL }, /* a cgroup below: another model's */
		{ "ml-ocr.slice", "/ml.slice", NULL },     /* and above */
		{ "ocr.service", "/system.slice/*",
		  "warning: b: match.cgroups: '/system.slice/*' matches the cgroup of unit "
		  "'ocr.service' of model a, unless its unit file moves it" },
		{ "ocr.service", "/system.slice/ocr.service", "warning: b" },
		{ "ocr.service", "/system.slice/oc?.service", "warning: b" },
		{ "ocr.service", "/system.slice/o?.service", NULL },
		{ "ocr.service", "/system.slice/[a-z]cr.service", "warning: b" },
		{ "ocr.service", "/user.slice/*", NULL },
		{ "ocr@1.service", "/system.slice/system-ocr.slice/*", "warning: b" },
		{ "ocr-2@1.service", "/system.slice/*/*", NULL }, /* not known */
		{ "session-1.scope", "/*/*", NULL },
		{ "/ml/ocr", "/ml/*",
		  "error: b: match.cgroups: '/ml/*' matches the cgroup '/ml/ocr' "
		  "of model a" },
		{ "/ml/*-gpu", "/ml/ocr-*",
		  "warning: a: match.cgroups: '/ml/*-gpu' can match the "
		  "same cgroup as '/ml/ocr-*' of model b" },
		{ "/ml/*-gpu", "/ml/*-cpu", NULL },
		{ "/ml/a*b*c", "/ml/a?c*", "warning: " },
		{ "/ml/a*", "/ml/b*", NULL },
		{ "/ml/**", "/ml/?", "warning: " },
		{ "/ml/ab", "/ml/a", NULL },
		{ "/ml/[", "/ml/*", "warning: " }, /* or a set that never ends */
		{ "/*/a", "/b/*", "warning: " },
		{ "/*/a", "/b/*/c", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_desk_ struct desk d;
		struct model *a, *b;

		desk_open(&d);
		a = model_put(&d, "a");
		b = model_put(&d, "b");
		if (cases[i].a[0] == '/')
			cgroup_match(a, cases[i].a);
		else
			unit_match(a, cases[i].a);
		cgroup_match(b, cases[i].pattern);
		if (cases[i].said)
			cr_expect(is_said(&d, cases[i].said), "%s beside %s", cases[i].pattern,
				  cases[i].a);
		else
			cr_expect_str_eq(judge(&d), "", "%s beside %s: %s", cases[i].pattern,
					 cases[i].a, d.said);
	}
}

Test(policy_claim, a_model_may_match_one_cgroup_in_two_ways)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	unit_match(m, "ml.slice");
	cgroup_match(m, "/*.slice");
	cgroup_match(m, "/m*");
	cr_expect_silence(&d);
}

/* The most that reading lets through: each model with 16 of all, and everything in everybody's way.
 */
Test(policy_check, the_largest_policy_is_judged_in_time)
{
	_cleanup_desk_ struct desk d;
	uint64_t start = clock_monotonic_ns();

	desk_open(&d);
	for (int i = 0; i < POLICY_MAX_MODELS; i++) {
		struct model *m = model_put(&d, arena_printf(&d.arena, "m%04d", i));

		m->owner = "";
		m->cpuset = "0-3";
		for (int j = 0; j < MAX_ITEMS; j++) {
			unit_match(m, arena_printf(&d.arena, "m%04d-%d.service", i, j));
			cgroup_match(m, arena_printf(&d.arena, "/*/%d-%d-*", i, j));
			calls(m, arena_printf(&d.arena, "n%04d-%d", i, j), 0);
		}
	}
	judge(&d);
	cr_expect_eq(d.findings.n, 2001);
	cr_expect_str_eq(d.findings.all[2000].text, "further findings are not shown");
	findings_sort(&d.findings);
	cr_expect_lt(clock_monotonic_ns() - start, 20 * NSEC_PER_SEC);
}

/* ---- sums over the host -------------------------------------------------------------------- */

Test(policy_check, reservations_leave_a_tenth_of_the_host)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	model_put(&d, "a")->cpu_reserved_millicpu = 2000;
	model_put(&d, "b")->cpu_reserved_millicpu = 1600;
	cr_expect_silence(&d);
	d.models[1].cpu_reserved_millicpu = 1601;
	cr_expect_said(&d, "error: a: resources.cpu.reserved: all reservations add up to 3.61cpu");
	d.models[1].cpu_reserved_millicpu = UINT64_MAX - 5; /* sums do not turn over */
	cr_expect_said(&d, "error: b: resources.cpu.reserved: ");
}

Test(policy_check, experiments_stay_in_their_budget)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	for (int i = 0; i < 2; i++) {
		struct model *m = model_put(&d, i ? "b" : "a");

		m->stage = STAGE_EXPERIMENT;
		m->class = CLASS_EXPERIMENT;
		m->cpu_reserved_millicpu = 400;
		m->values[KNOB_MEMORY_MIN] = 1ULL << 30;
	}
	cr_expect_silence(&d); /* 0.8 of 4 CPUs is 20 % */
	d.models[1].cpu_reserved_millicpu = 410;
	cr_expect_said(&d,
		       "error: b: resources.cpu.reserved: all experiments together reserve "
		       "0.81cpu, but limits.experiments.cpu gives them 0.8cpu, 20% of this host");
	d.models[1].cpu_reserved_millicpu = 400;
	d.policy.host.experiment_memory_bytes = (2ULL << 30) - 1;
	cr_expect_said(&d, "error: a: resources.memory.min: all experiments together keep 2GiB");
}

Test(policy_check, a_set_of_cpus_is_on_the_host_and_holds_what_is_reserved)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->cpuset = "0-1";
	m->cpu_reserved_millicpu = 2000;
	cr_expect_silence(&d);
	m->cpu_reserved_millicpu = 2001;
	cr_expect_said(&d, "error: a: resources.cpu.reserved: 2cpu is more than the 2 CPUs of");
	m->cpu_reserved_millicpu = 0;
	m->cpuset = "2-4";
	cr_expect_said(&d, "error: a: resources.cpuset.cpus: CPU 4 of '2-4' does not exist; this "
			   "host has 0 to 3");
	d.facts = (struct host_facts){ 0 };
	cr_expect_silence(&d);
}

Test(policy_check, a_dedicated_cpu_is_nobody_elses)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	model_put(&d, "a")->cpuset = "0-1,3";
	model_put(&d, "b")->cpuset = "2";
	d.models[1].is_dedicated = true;
	cr_expect_silence(&d);
	d.models[1].cpuset = "1-2";
	cr_expect_said(&d,
		       "error: a: resources.cpuset.cpus: CPU 1 of '0-1,3' is dedicated to model "
		       "b");
	d.models[0].is_dedicated = true;
	cr_expect_said(&d,
		       "error: b: resources.cpuset.cpus: CPU 1 of '1-2' is dedicated to model a");
}

Test(policy_check, a_contract_does_not_contradict_itself)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = service_put(&d, "a", 100, 99);
	cr_expect_said(&d, "error: a: contract.latency.timeout: 99ms is shorter than "
			   "contract.latency.expected 100ms");
	m->contract.timeout_ns = 100 * MS;
	m->contract.retries_max = 1;
	m->contract.backoff_ns = 2 * MS;
	m->contract.max_backoff_ns = 1 * MS;
	cr_expect_said(&d, "error: a: contract.retries.maxBackoff: 1ms is less than "
			   "contract.retries.backoff 2ms");
}

/* ---- preemption ---------------------------------------------------------------------------- */

#define BIT(class) (1u << CLASS_##class)

Test(policy_preempt, an_experiment_never_takes_from_production)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->stage = STAGE_EXPERIMENT;
	m->class = CLASS_EXPERIMENT;
	m->preemption.may = BIT(BATCH) | BIT(STANDARD);
	cr_expect_said(&d, "error: a: preemption.may: an experiment must not take from production "
			   "(standard, batch); write [experiment]");
	m->stage = STAGE_PRODUCTION; /* the class says it as well */
	cr_expect_said(&d, "error: a: preemption.may");
}

Test(policy_preempt, an_experiment_is_not_of_a_class_above_production)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->stage = STAGE_EXPERIMENT;
	cr_expect_said(&d, "error: a: resources.class: standard puts an experiment before "
			   "production");
	m->class = CLASS_BATCH;
	cr_expect_silence(&d);
}

/* ---- what does nothing --------------------------------------------------------------------- */

static struct model *taker_and_donor(struct desk *d)
{
	struct model *taker = model_put(d, "taker"), *donor = model_put(d, "donor");

	taker->preemption.may = BIT(BATCH);
	donor->class = CLASS_BATCH;
	donor->preemption.by = BIT(STANDARD);
	donor->preemption.how = 1u << WAY_WEIGHT;
	return donor;
}

Test(policy_futile, taking_needs_somebody_who_gives)
{
	_cleanup_desk_ struct desk d;
	struct model *donor;

	desk_open(&d);
	donor = taker_and_donor(&d);
	cr_expect_silence(&d);
	donor->preemption.by = BIT(CRITICAL);
	cr_expect_said(&d, "warning: taker: preemption.may: no model of class batch lets standard "
			   "models take from it");
	d.models[0].preemption.may |= BIT(EXPERIMENT); /* nobody is in that class yet */
	cr_expect_said(&d, "warning: taker: preemption.may: no model of class batch lets");
	d.models[0].preemption.may = BIT(EXPERIMENT);
	cr_expect_said(&d, "warning: taker: preemption.may: there is no other model of class "
			   "experiment");
	donor->preemption.by |= BIT(STANDARD);
	d.models[0].preemption.may = BIT(EXPERIMENT) | BIT(BATCH);
	cr_expect_silence(&d);
	d.models[0].preemption.may = BIT(STANDARD); /* only itself */
	cr_expect_said(&d, "warning: taker: preemption.may: there is no other model of class "
			   "standard");
}

Test(policy_futile, freezing_has_both_its_limits_or_none)
{
	_cleanup_desk_ struct desk d;
	struct preemption *p;

	desk_open(&d);
	p = &taker_and_donor(&d)->preemption;
	p->how |= 1u << WAY_FREEZE;
	cr_expect_said(&d, "warning: donor: preemption.how: freeze without preemption.maxPause");
	p->max_pause_ns = 500 * MS;
	p->min_run_ns = 2000 * MS;
	cr_expect_silence(&d);
	p->how = 1u << WAY_WEIGHT;
	p->min_run_ns = MISSING;
	cr_expect_said(&d, "warning: donor: preemption.maxPause: the model is never frozen");
	p->min_run_ns = 2000 * MS;
	p->max_pause_ns = MISSING;
	cr_expect_said(&d, "warning: donor: preemption.minRun: the model is never frozen");
	d.is_default = true;
	cr_expect_silence(&d); /* nobody said so */
}

Test(policy_futile, by_and_how_need_each_other)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->preemption.by = BIT(CRITICAL);
	cr_expect_said(&d,
		       "warning: a: preemption.by: nothing can be taken, because preemption.how "
		       "is empty");
	m->preemption.by = 0;
	m->preemption.how = 1u << WAY_CAP;
	cr_expect_said(&d, "warning: a: preemption.how: nobody may take from this model");
}

Test(policy_futile, classes_and_stages_fit)
{
	_cleanup_desk_ struct desk d;
	struct model *donor;

	desk_open(&d);
	donor = taker_and_donor(&d);
	donor->preemption.by |= BIT(EXPERIMENT);
	cr_expect_said(&d, "warning: donor: preemption.by: experiments never take from production");
	donor->preemption.by &= ~BIT(EXPERIMENT);
	donor->class = CLASS_CRITICAL;
	donor->n_objectives = 1;
	donor->objectives[0] =
		(struct objective){ INDICATOR_RUNQUEUE_WAIT, 9900, MS, 10 * NSEC_PER_SEC };
	d.models[0].preemption.may = BIT(CRITICAL);
	cr_expect_said(&d, "warning: taker: preemption.may: critical is more urgent than this "
			   "model's class standard");
	d.models[0].preemption.may = 0;
	d.models[0].class = CLASS_EXPERIMENT;
	cr_expect_said(&d, "warning: taker: stage: class experiment in stage production");
	d.is_default = true;
	cr_expect_said(&d, "warning: taker: resources.class: class experiment in stage production");
}

Test(policy_futile, retries_that_are_off_have_no_details)
{
	_cleanup_desk_ struct desk d;
	struct contract *contract;

	desk_open(&d);
	contract = &model_put(&d, "a")->contract;
	contract->backoff_ns = MS;
	cr_expect_said(&d, "warning: a: contract.retries.backoff: without contract.retries.max "
			   "nothing is retried");
	contract->retries_max = 0;
	cr_expect_said(&d, "warning: a: contract.retries.backoff: with contract.retries.max 0");
	contract->backoff_ns = MISSING;
	contract->retry_budget_permyriad = 1000;
	cr_expect_said(&d, "warning: a: contract.retries.budget: with contract.retries.max 0");
	contract->retries_max = 1;
	cr_expect_silence(&d);
	contract->is_idempotent = false;
	cr_expect_said(&d, "warning: a: contract.retries.max: calls may be retried, but with "
			   "idempotent: false doing one twice does harm");
	d.is_default = true;
	cr_expect_silence(&d);
}

Test(policy_futile, settings_of_what_is_off_are_found)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->contract.degraded_max_delay_ns = 100 * MS;
	cr_expect_said(&d,
		       "warning: a: contract.degraded.maxDelay: without contract.degraded.signal");
	m->contract.degraded = DEGRADED_FILE;
	cr_expect_silence(&d);
	m->concurrency_queue = 64;
	cr_expect_said(&d, "warning: a: resources.concurrency.queue: without a limit");
	m->concurrency_max = VALUE_MAX;
	cr_expect_said(&d, "warning: a: resources.concurrency.queue: without a limit");
	m->concurrency_max = 32;
	cr_expect_silence(&d);
	m->is_dedicated = true;
	cr_expect_said(&d, "warning: a: resources.cpuset.dedicated: without resources.cpuset.cpus");
}

Test(policy_futile, limits_that_are_never_reached_are_found)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->values[KNOB_MEMORY_MAX] = 8ULL << 30;
	m->values[KNOB_CPU_MAX] = 4 * CPU_PERIOD_USEC - 1;
	cr_expect_silence(&d);
	m->values[KNOB_CPU_MAX] = 4 * CPU_PERIOD_USEC;
	cr_expect_said(&d,
		       "warning: a: resources.cpu.max: 4cpu is all that this host has (4 CPUs)");
	m->values[KNOB_CPU_MAX] = VALUE_MAX;
	m->values[KNOB_MEMORY_MAX]++;
	cr_expect_said(&d, "warning: a: resources.memory.max: 8GiB is more than this host has");
	d.facts = (struct host_facts){ 0 };
	cr_expect_silence(&d);
}

Test(policy_futile, an_objective_is_between_what_is_usual_and_when_callers_give_up)
{
	_cleanup_desk_ struct desk d;
	struct model *m;

	desk_open(&d);
	m = service_put(&d, "a", 50, 100);
	promise(m, 9900, 100);
	cr_expect_silence(&d);
	m->objectives[0].budget = 101 * MS;
	cr_expect_said(&d, "warning: a: objectives[0].budget: 101ms is more than "
			   "contract.latency.timeout 100ms");
	m->objectives[0].budget = 49 * MS;
	cr_expect_said(&d, "warning: a: objectives[0].budget: 49ms is less than "
			   "contract.latency.expected 50ms");
}

Test(policy_futile, a_check_has_limits_that_can_be_passed)
{
	_cleanup_desk_ struct desk d;
	struct model_check check = { .name = "smoke",
				     .timeout_ns = 1000 * MS,
				     .p99_ns = MISSING,
				     .throughput_per_s = MISSING,
				     .cpu_millicpu = MISSING,
				     .memory_bytes = MISSING };
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->checks = &check;
	m->n_checks = 1;
	cr_expect_silence(&d); /* its exit status is judged */
	check.p99_ns = 1001 * MS;
	cr_expect_said(&d, "warning: a: checks[0].limits.p99: 1s is more than the check's timeout");
	check.p99_ns = 1000 * MS;
	cr_expect_silence(&d);
}

Test(policy_check, a_check_has_a_name_of_its_own)
{
	_cleanup_desk_ struct desk d;
	struct model_check checks[] = { { .name = "smoke", .p99_ns = MISSING },
					{ .name = "smoke", .p99_ns = MISSING } };
	struct model *m;

	desk_open(&d);
	m = model_put(&d, "a");
	m->checks = checks;
	m->n_checks = 2;
	cr_expect_said(&d, "error: a: checks[1].name: 'smoke' is there already as checks[0]");
}

Test(policy_futile, somebody_owns_each_model)
{
	_cleanup_desk_ struct desk d;
	struct model *m;
	const char *owners[] = { "@vision" };

	desk_open(&d);
	m = model_put(&d, "a");
	m->owner = "";
	cr_expect_said(&d, "warning: a: metadata.owner: nobody owns this model");
	m->owners = (struct names){ owners, 1 };
	cr_expect_silence(&d);
}

Test(policy_futile, enough_people_can_approve)
{
	_cleanup_desk_ struct desk d;
	const char *people[] = { "ann", "@ops" };

	desk_open(&d);
	d.policy.host.approvals = 3;
	d.policy.host.approvers = (struct names){ people, 1 };
	cr_expect_said(&d, "warning: host settings: changes.approvals: 3 people must agree");
	d.policy.host.approvals = 2;
	cr_expect_silence(&d);
	d.policy.host.approvals = 3;
	d.policy.host.approvers.n = 2; /* a group has any number */
	cr_expect_silence(&d);
}

Test(policy_futile, nothing_futile_is_said_beside_errors)
{
	_cleanup_desk_ struct desk d;

	desk_open(&d);
	model_put(&d, "a")->owner = "";
	calls(&d.models[0], "a", 0);
	cr_expect_said(&d, "error: a: contract.dependsOn[0].model: a depends on itself");
}
