/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy costs: 1000 full manifests (contract, dependencies, objectives, checks; 2 KiB each)
 * and a template are loaded and checked, in turns with a plain parse of the same files by libfyaml,
 * each time by a fresh process, and with the same models in other orders of keys and files, other
 * spellings and with comments. Prints CPU time, peak memory and the ratio to the parse. The
 * canonical bytes of both must be the same, which is the one thing that this bench fails on. Limits
 * are not judged here; a busy machine would turn such a verdict.
 *
 *     manifests [MODELS [ROUNDS]]
 */
#include <fcntl.h>
#include <ftw.h>
#include <libfyaml.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "policy.h"

#define MODELS_DEFAULT 1000
#define ROUNDS_DEFAULT 11
#define ROUNDS_MAX     101
#define SPELLINGS      2
#define LAYERS         5 /* a model calls two of the layer below */

/* ---- writing manifests -------------------------------------------------------------------------
 */

/* One key of a group in two spellings that mean the same. ~m: the model, ~n: its number, ~a ~b:
 * whom it calls. */
struct line {
	const char *spellings[SPELLINGS];
};

struct section {
	const char *head; /* "metadata:" */
	struct line lines[10];
};

#define SAME(text)                                                                                 \
	{                                                                                          \
		{                                                                                  \
			text, text                                                                 \
		}                                                                                  \
	}

/*
 * A full manifest but for what depends on its layer. Each spelling has its own order of keys,
 * units, quotes and style.
 */
static const struct section sections[] = {
	{ "match:",
	  { { { "  units: [~m.service, ~m-helper.service]", "  'units': ['~m.service',\n"
							    "    ~m-helper.service]" } },
	    { { "  cgroups: [/models.slice/~m/worker-*]",
		"  cgroups:\n  - /models.slice/~m/worker-*" } },
	    { { "  containers: [~m, app=~m]", "  containers:\n    - ~m\n    - \"app=~m\"" } } } },
	{ "resources:",
	  { SAME("  class: standard"),
	    SAME("  priority: 5"),
	    { { "  cpu: { reserved: 0.05cpu, max: none, floor: 0.05% }",
		"  cpu: { floor: 0.05%,\n    max: none, reserved: 0.05cpu }" } },
	    { { "  memory: { min: 16MiB, low: 64MiB, high: none, max: 2GiB }",
		"  memory:\n    max: 2048MiB\n    min: 16384KiB\n    high: none\n    low: "
		"65536KiB" } },
	    SAME("  io: { weight: 200 }"),
	    SAME("  tasks: { max: 512 }"),
	    { { "  cpuset: { cpus: \"0-3,8\" }", "  cpuset:\n    cpus: '0-3,8'" } },
	    { { "  concurrency: { max: 32, queue: 64 }",
		"  concurrency: { queue: 64, max: 32 }" } },
	    { { "  cache: [ /srv/models/~m/*.bin ]", "  cache: ['/srv/models/~m/*.bin']" } } } },
	{ "checks:",
	  { { { "  - name: smoke\n    command: [/usr/lib/~m/smoke, --once, 'a b']\n    "
		"samples: 50\n"
		"    timeout: 10s\n    limits: { p99: 80ms, throughput: 20, cpu: 1.5cpu, memory: "
		"1GiB }",
		"- limits: { memory: 1024MiB, cpu: 1.50cpu, throughput: 20, p99: 80000us }\n  "
		"timeout: 10000ms\n"
		"  samples: 50\n  command: ['/usr/lib/~m/smoke', '--once', \"a b\"]\n  name: "
		"smoke" } } } },
};

static const char template[] = "apiVersion: modelgov/v1\nkind: Template\n"
			       "preemption:\n  may: [standard, batch]\n  by: [critical, standard]\n"
			       "  how: [weight, cap]\n";

static const struct line metadata[] = {
	SAME("  template: service"),
	SAME("  name: ~m"),
	{ { "  version: 5.3.~n", "  version: '5.3.~n'" } },
	SAME("  owner: team-~n@example.org"),
	{ { "  owners: [vera, '@vision']", "  owners:\n    - vera\n    - \"@vision\"" } },
	SAME("  contacts: [oncall-~n@example.org]"),
	{ { "  description: reads scanned letters of kind ~n",
	    "  description: \"reads scanned letters of kind ~n\"" } },
	{ { "  labels: { team: vision, tier: gold, cost/center: k~n }",
	    "  labels:\n    tier: gold\n    cost/center: k~n\n    team: vision" } },
};

static const struct line contract[] = {
	{ { "  inputs: [ { name: image, type: image/png }, { name: hints, type: tensor/float32, "
	    "shape: [1, any] } ]",
	    "  inputs:\n    - type: image/png\n      name: image\n    - { shape: [1, any], name: "
	    "hints, type: tensor/float32 }" } },
	{ { "  outputs: [ { name: text, type: text/plain } ]",
	    "  outputs: [ { type: text/plain, name: text } ]" } },
	SAME("  idempotent: true"),
	SAME("  ordering: none"),
	{ { "  failureModes: [ { when: overload, answer: \"503 with Retry-After\" } ]",
	    "  failureModes:\n    - answer: 503 with Retry-After\n      when: overload" } },
	{ { "  degraded: { signal: file, maxDelay: 100ms }",
	    "  degraded: { maxDelay: 0.1s, signal: file }" } },
};

/* What depends on the layer, the lowest last: it calls nobody. Chosen so that nothing is to be said
 * about it. */
static const struct line latencies[LAYERS] = {
	{ { "  latency: { expected: 190ms, timeout: 2100ms }",
	    "  latency: { timeout: 2.1s, expected: 190ms }" } },
	SAME("  latency: { expected: 90ms, timeout: 1s }"),
	SAME("  latency: { expected: 40ms, timeout: 450ms }"),
	{ { "  latency: { expected: 15ms, timeout: 100ms }",
	    "  latency:\n    timeout: 100ms\n    expected: 15ms" } },
	SAME("  latency: { expected: 5ms, timeout: 20ms }"),
};
static const struct line retries[LAYERS] = {
	SAME("  retries: { max: 0 }"),
	SAME("  retries: { max: 0 }"),
	SAME("  retries: { max: 0 }"),
	{ { "  retries: { max: 1, backoff: 5ms, maxBackoff: 1s, budget: 10% }",
	    "  retries: { budget: 10%, maxBackoff: 1000ms, backoff: 5ms, max: 1 }" } },
	{ { "  retries: { max: 1, backoff: 5ms, maxBackoff: 1s, budget: 10% }",
	    "  retries:\n    maxBackoff: 1s\n    backoff: 5ms\n    budget: 10%\n    max: 1" } },
};
#define CALLS(timeout)                                                                             \
	{                                                                                          \
		{                                                                                  \
			"  dependsOn: [ { model: ~a, timeout: " timeout " }, { model: ~b } ]",     \
				"  dependsOn:\n    - timeout: " timeout                            \
				"\n      model: ~a\n    - model: ~b"                               \
		}                                                                                  \
	}
static const struct line calls[LAYERS - 1] = { CALLS("1s"), CALLS("450ms"), CALLS("100ms"),
					       CALLS("20ms") };
static const struct line objectives = {
	{ "  - { indicator: runqueue_wait, quantile: p99, budget: 5ms }\n"
	  "  - { indicator: runqueue_wait, quantile: p99.9, budget: 20ms, window: 60s }\n"
	  "  - { indicator: memory_stall, budget: 2% }",
	  "- { budget: 5000us, quantile: 'p99', window: 10s, indicator: runqueue_wait }\n"
	  "- window: 1min\n  budget: 20ms # as before\n  quantile: p99.9\n  indicator: "
	  "runqueue_wait\n"
	  "- budget: 2.0%\n  indicator: memory_stall" }
};

/* Which of the possible files to write. */
struct style {
	bool is_shuffled;
	uint64_t state; /* of the random numbers */
};

static uint32_t style_random(struct style *s, uint32_t below)
{
	s->state = s->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(s->state >> 33) % below;
}

static void order_make(struct style *s, unsigned int *order, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		order[i] = i;
	for (unsigned int i = n; s->is_shuffled && i > 1; i--) {
		unsigned int j = style_random(s, i), kept = order[i - 1];

		order[i - 1] = order[j];
		order[j] = kept;
	}
}

struct writing {
	FILE *out;
	struct style *style;
	unsigned int model, callees[2];
};

static void text_write(const struct writing *w, const char *text)
{
	for (; *text; text++) {
		if (*text != '~')
			fputc(*text, w->out);
		else if (*++text == 'm')
			fprintf(w->out, "m%04u", w->model);
		else if (*text == 'n')
			fprintf(w->out, "%u", w->model);
		else
			fprintf(w->out, "m%04u", w->callees[*text == 'b']);
	}
}

static void line_write(const struct writing *w, const struct line *line)
{
	unsigned int spelling = w->style->is_shuffled ? style_random(w->style, SPELLINGS) : 0;

	if (w->style->is_shuffled && style_random(w->style, 4) == 0)
		fprintf(w->out, "# a remark: { that: [means, nothing] } %u\n\n",
			style_random(w->style, 1000));
	text_write(w, line->spellings[spelling]);
	fputc('\n', w->out);
}

static void lines_write(const struct writing *w, const char *head, const struct line *const *lines,
			unsigned int n)
{
	unsigned int order[16];

	fprintf(w->out, "%s\n", head);
	order_make(w->style, order, n);
	for (unsigned int i = 0; i < n; i++)
		line_write(w, lines[order[i]]);
}

static void contract_write(const struct writing *w, unsigned int layer)
{
	const struct line *lines[ARRAY_SIZE(contract) + 3];
	unsigned int n = 0;

	for (; n < ARRAY_SIZE(contract); n++)
		lines[n] = &contract[n];
	lines[n++] = &latencies[layer];
	lines[n++] = &retries[layer];
	if (layer + 1 < LAYERS)
		lines[n++] = &calls[layer];
	lines_write(w, "contract:", lines, n);
}

static void section_write(const struct writing *w, unsigned int at, unsigned int layer)
{
	const struct line *lines[16];
	unsigned int n = 0;

	if (at < ARRAY_SIZE(sections)) {
		for (; n < ARRAY_SIZE(sections[at].lines) && sections[at].lines[n].spellings[0];
		     n++)
			lines[n] = &sections[at].lines[n];
		lines_write(w, sections[at].head, lines, n);
	} else if (at == ARRAY_SIZE(sections)) {
		for (; n < ARRAY_SIZE(metadata); n++)
			lines[n] = &metadata[n];
		lines_write(w, "metadata:", lines, n);
	} else if (at == ARRAY_SIZE(sections) + 1) {
		contract_write(w, layer);
	} else {
		const struct line *all = &objectives;

		if (at == ARRAY_SIZE(sections) + 5)
			lines_write(w, "objectives:", &all, 1);
		else
			fputs(at == ARRAY_SIZE(sections) + 2 ? "apiVersion: modelgov/v1\n"
			      : at == ARRAY_SIZE(sections) + 3
				      ? "kind: Model\n"
				      : "rollback: systemctl start the one before\n",
			      w->out);
	}
}

static int manifest_write(const char *folder, unsigned int model, unsigned int n_models,
			  struct style *style)
{
	unsigned int order[ARRAY_SIZE(sections) + 6], layer = model % LAYERS;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/models.d/m%04u.yaml", folder, model);
	FILE *out = fopen(path, "we");
	/* of the layer below: the next model, and the one a few layers' cycles on */
	struct writing w = { .out = out,
			     .style = style,
			     .model = model,
			     .callees = { model + 1, model + 1 + 3 * LAYERS } };

	if (!out)
		return -errno;
	if (w.callees[1] >= n_models)
		layer = LAYERS - 1;
	order_make(style, order, ARRAY_SIZE(order));
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		section_write(&w, order[i], layer);
	(void)fchmod(fileno(out), 0644);
	return fclose(out) == 0 ? 0 : -errno;
}

static int template_write(const char *folder)
{
	char path[PATH_MAX];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/templates.d", folder);
	int r = directory_make(path, 0755, &e);

	snprintf(path, sizeof(path), "%s/templates.d/service.yaml", folder);
	return r == 0 ? file_replace(path, template, strlen(template), 0644, &e) : r;
}

static int policy_write(const char *folder, unsigned int n_models, struct style *style)
{
	_cleanup_free_ unsigned int *order = calloc(n_models, sizeof(*order));
	char path[PATH_MAX];
	struct err e = { 0 };
	int r;

	snprintf(path, sizeof(path), "%s/models.d", folder);
	r = directory_make(path, 0755, &e);
	if (r < 0 || !order)
		return r < 0 ? r : -ENOMEM;
	r = template_write(folder);
	order_make(style, order, n_models);
	for (unsigned int i = 0; i < n_models && r == 0; i++)
		r = manifest_write(folder, order[i], n_models, style);
	return r;
}

static int file_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* ---- the two ways ------------------------------------------------------------------------------
 */

static int policy_open(const char *folder, struct policy **ret_policy)
{
	struct policy_source source = { .etc = folder,
					.facts = { 128, 1ULL << 40 },
					.trusts_any_owner = true };
	struct findings findings;
	struct err e = { 0 };

	findings_init(&findings);
	int r = policy_load(&source, ret_policy, &findings, &e);

	if (r < 0 || findings.n > 0) {
		_cleanup_free_ char *said = findings_print(&findings);

		fprintf(stderr, "%.2000s%s\n", said ? said : "", e.text);
		if (r == 0)
			policy_free(*ret_policy);
		r = -EINVAL;
	}
	findings_fini(&findings);
	return r;
}

static int plain_parse(const char *folder, unsigned int n_models)
{
	struct err e = { 0 };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < n_models; i++) {
		_cleanup_free_ char *text = NULL;
		size_t length;

		snprintf(path, sizeof(path), "%s/models.d/m%04u.yaml", folder, i);
		if (file_read_all(AT_FDCWD, path, POLICY_FILE_LIMIT_BYTES, &text, &length, &e) < 0)
			return -EIO;
		struct fy_document *document = fy_document_build_from_string(NULL, text, length);

		if (!document)
			return -EINVAL;
		fy_document_destroy(document);
	}
	return 0;
}

/* ---- measuring ---------------------------------------------------------------------------------
 */

enum arm { BY_LOAD, BY_LOAD_OTHERWISE, BY_PLAIN, N_ARMS };

struct cost {
	uint64_t cpu_ns, wall_ns, peak_bytes;
};

static uint64_t cpu_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* In the fresh process: does it and writes the cost to the descriptor. */
static int child_run(enum arm arm, const char *folder, unsigned int n_models, int fd)
{
	struct cost cost = { .cpu_ns = cpu_now_ns(), .wall_ns = clock_monotonic_ns() };
	struct policy *policy = NULL;
	struct rusage usage;
	int r = arm == BY_LOAD ? policy_open(folder, &policy) : plain_parse(folder, n_models);

	if (r < 0)
		return 1;
	cost.cpu_ns = cpu_now_ns() - cost.cpu_ns;
	cost.wall_ns = clock_monotonic_ns() - cost.wall_ns;
	getrusage(RUSAGE_SELF, &usage);
	cost.peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
	policy_free(policy);
	return write(fd, &cost, sizeof(cost)) == sizeof(cost) ? 0 : 1;
}

static int cost_measure(enum arm arm, const char *folder, unsigned int n_models,
			struct cost *ret_cost)
{
	char number[16], models[16];
	int ends[2], status = 1;

	if (pipe(ends) < 0)
		return -errno;
	snprintf(number, sizeof(number), "%d", ends[1]);
	snprintf(models, sizeof(models), "%u", n_models);
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", "manifests", arm == BY_PLAIN ? "--plain" : "--load", folder,
		      models, number, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], ret_cost, sizeof(*ret_cost));

	close(ends[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return pid > 0 && status == 0 && n == sizeof(*ret_cost) ? 0 : -EIO;
}

static int number_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median_ms(uint64_t *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), number_compare);
	return (double)values[n / 2] / (double)NSEC_PER_MSEC;
}

static int costs_print(const char *plain, const char *shuffled, unsigned int n_models,
		       unsigned int rounds)
{
	static const char *const names[N_ARMS] = { "policy_load", "... shuffled",
						   "libfyaml alone" };
	uint64_t cpu[N_ARMS][ROUNDS_MAX], peak[N_ARMS] = { 0 };
	double median[N_ARMS];
	struct cost cost;

	for (unsigned int i = 0; i < rounds; i++) {
		for (enum arm arm = 0; arm < N_ARMS; arm++) {
			if (cost_measure(arm, arm == BY_LOAD_OTHERWISE ? shuffled : plain, n_models,
					 &cost) < 0)
				return -EIO;
			cpu[arm][i] = cost.cpu_ns;
			peak[arm] = MAX(peak[arm], cost.peak_bytes);
		}
	}
	printf("%-16s %12s %12s %12s\n", "", "median CPU", "least CPU", "peak memory");
	for (enum arm arm = 0; arm < N_ARMS; arm++) {
		median[arm] = median_ms(cpu[arm], rounds);
		printf("%-16s %9.1f ms %9.1f ms %8.1f MiB\n", names[arm], median[arm],
		       (double)cpu[arm][0] / (double)NSEC_PER_MSEC, (double)peak[arm] / (1 << 20));
	}
	printf("ratio %.2f; wanted for 1000 manifests: 100 ms, 64 MiB\n",
	       median[BY_LOAD] / median[BY_PLAIN]);
	return 0;
}

/* ---- the same meaning --------------------------------------------------------------------------
 */

static int canonical_compare(const char *folder, const char *again)
{
	struct policy *a = NULL, *b = NULL;
	int r = policy_open(folder, &a);

	if (r == 0)
		r = policy_open(again, &b);
	_cleanup_free_ char *text_a = r == 0 ? policy_canonical(a) : NULL;
	_cleanup_free_ char *text_b = r == 0 ? policy_canonical(b) : NULL;

	if (!text_a || !text_b)
		r = r ? r : -ENOMEM;
	else if (strcmp(text_a, text_b) != 0)
		r = -EILSEQ;
	else
		printf("canonical form: %zu bytes, the same for shuffled keys, files, spellings "
		       "and comments: %.12s\n",
		       strlen(text_a), a->digest);
	policy_free(a);
	policy_free(b);
	return r;
}

static int bench_run(const char *folder, unsigned int n_models, unsigned int rounds)
{
	char plain[PATH_MAX], shuffled[PATH_MAX];
	struct style straight = { 0 }, random = { .is_shuffled = true, .state = 42 };
	int r;

	snprintf(plain, sizeof(plain), "%s/plain", folder);
	snprintf(shuffled, sizeof(shuffled), "%s/shuffled", folder);
	r = policy_write(plain, n_models, &straight);
	if (r == 0)
		r = policy_write(shuffled, n_models, &random);
	if (r == 0)
		printf("%u manifests, %u rounds\n", n_models, rounds);
	if (r == 0)
		r = costs_print(plain, shuffled, n_models, rounds);
	if (r == 0)
		r = canonical_compare(plain, shuffled);
	return r;
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/modelgov-manifests-XXXXXX";

	if (argc == 5 && argv[1][0] == '-')
		return child_run(strcmp(argv[1], "--load") == 0 ? BY_LOAD : BY_PLAIN, argv[2],
				 (unsigned int)atoi(argv[3]), atoi(argv[4]));
	unsigned int n_models = argc > 1 ? (unsigned int)atoi(argv[1]) : MODELS_DEFAULT;
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : ROUNDS_DEFAULT;

	if (n_models == 0 || n_models > POLICY_MAX_MODELS || rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: manifests [MODELS (to %d) [ROUNDS (to %d)]]\n",
			POLICY_MAX_MODELS, ROUNDS_MAX);
		return 2;
	}
	umask(022);
	if (!mkdtemp(folder))
		return 1;
	int r = bench_run(folder, n_models, rounds);

	(void)nftw(folder, file_remove, 8, FTW_DEPTH | FTW_PHYS);
	if (r < 0)
		fprintf(stderr, "not ok: %s\n",
			r == -EILSEQ ? "the canonical forms differ" : strerror(-r));
	return r < 0;
}
