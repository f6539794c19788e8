/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a right manifest means: fields, defaults, units, the digest; and that a wrong one changes
 * nothing.
 */
#include "law.h"
#include "policy_home.h"

static const char full[] = "apiVersion: modelgov/v1\n"
			   "kind: Model\n"
			   "metadata:\n"
			   "  name: ocr\n"
			   "  version: 5.3\n"
			   "  owner: no\n"
			   "  labels: { team: vision, a/b: 'on' }\n"
			   "match:\n"
			   "  units: [ocr.service, ocr@1.service]\n"
			   "  cgroups: ['/models.slice/ocr-*']\n"
			   "objectives:\n"
			   "  - { indicator: runqueue_wait, quantile: p99.9, budget: 5ms }\n"
			   "  - { budget: 2.5%, window: 1min, indicator: memory_stall }\n"
			   "resources:\n"
			   "  class: critical\n"
			   "  priority: -3\n"
			   "  cpu: { reserved: 0.5cpu, max: 1.5cpu, floor: 2% }\n"
			   "  memory: { min: 256MiB, low: 512MiB, high: none, max: 1.5GiB }\n"
			   "  io: { weight: 200 }\n"
			   "  tasks: { max: none }\n";

/* The same in another order, in other units, with comments: the same policy. */
static const char full_again[] =
	"# The OCR server.\n"
	"---\n"
	"resources:\n"
	"  tasks:\n"
	"    max: none\n"
	"  io: { \"weight\": '200' }\n"
	"  memory: { max: 1536MiB, high: none, low: 0.5GiB, min: 262144KiB }\n"
	"  cpu: { floor: 2.00%, max: 1.500cpu, reserved: 0.5cpu }\n"
	"  priority: -3\n"
	"  class: critical\n"
	"kind: Model # not Host\n"
	"match: { cgroups: [/models.slice/ocr-*], units: [ocr.service, "
	"ocr@1.service] }\n"
	"objectives:\n"
	"  - { quantile: p99.9, budget: 5000us, window: 10s,\n"
	"      indicator: runqueue_wait }\n"
	"  - indicator: memory_stall\n"
	"    budget: 2.5%\n"
	"    window: 60s\n"
	"apiVersion: modelgov/v1\n"
	"metadata: { labels: { a/b: on, team: vision }, owner: 'no', version: "
	"'5.3', name: ocr }\n";

Test(policy_load, every_key_arrives_in_its_base_unit)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", full);

	const struct model *m = home_load_right(&h)->models;

	cr_expect_str_eq(m->name, "ocr");
	cr_expect_str_eq(m->version, "5.3", "text stays as it was written");
	cr_expect_str_eq(m->owner, "no", "no is a word here, not a boolean");
	cr_assert_eq(m->n_labels, 2);
	cr_expect_str_eq(m->labels[0].key, "a/b", "labels are ordered by key");
	cr_expect_str_eq(m->labels[0].value, "on");
	cr_assert_eq(m->n_units, 2);
	cr_expect_str_eq(m->units[1], "ocr@1.service");
	cr_assert_eq(m->n_cgroups, 1);
	cr_expect_str_eq(m->cgroups[0], "/models.slice/ocr-*");
	cr_expect_eq(m->class, CLASS_CRITICAL);
	cr_expect_eq(m->priority, -3);
	cr_expect_eq(m->cpu_reserved_millicpu, 500);
	cr_expect_eq(m->cpu_floor_permyriad, 200);
}

Test(policy_load, objectives_keep_their_order_and_units)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", full);

	const struct model *m = home_load_right(&h)->models;

	cr_assert_eq(m->n_objectives, 2);
	cr_expect_eq(m->objectives[0].indicator, INDICATOR_RUNQUEUE_WAIT);
	cr_expect_eq(m->objectives[0].quantile_permyriad, 9990);
	cr_expect_eq(m->objectives[0].budget, 5 * NSEC_PER_MSEC);
	cr_expect_eq(m->objectives[0].window_ns, 10 * NSEC_PER_SEC, "the default");
	cr_expect_eq(m->objectives[1].indicator, INDICATOR_MEMORY_STALL);
	cr_expect_eq(m->objectives[1].quantile_permyriad, 0);
	cr_expect_eq(m->objectives[1].budget, 250);
	cr_expect_eq(m->objectives[1].window_ns, 60 * NSEC_PER_SEC);
}

Test(policy_load, knobs_hold_what_the_kernel_wants)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", full);

	const uint64_t *values = home_load_right(&h)->models->values;

	cr_expect_eq(values[KNOB_CPU_WEIGHT], MISSING, "decide computes it");
	cr_expect_eq(values[KNOB_CPU_MAX], 150000, "1.5 CPUs in a period of 100 ms");
	cr_expect_eq(values[KNOB_MEMORY_MIN], 256ULL << 20);
	cr_expect_eq(values[KNOB_MEMORY_LOW], 512ULL << 20);
	cr_expect_eq(values[KNOB_MEMORY_HIGH], VALUE_MAX, "none is governed: no limit");
	cr_expect_eq(values[KNOB_MEMORY_MAX], 3ULL << 29);
	cr_expect_eq(values[KNOB_IO_WEIGHT], 200);
	cr_expect_eq(values[KNOB_PIDS_MAX], VALUE_MAX);
}

Test(policy_load, what_is_not_said_is_not_touched)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_model(&h, "ocr", "  class: standard\n");

	const struct model *m = home_load_right(&h)->models;

	for (int i = 0; i < N_KNOBS; i++)
		cr_expect_eq(m->values[i], MISSING, "knob %d", i);
	cr_expect_eq(m->priority, 0);
	cr_expect_eq(m->cpu_reserved_millicpu, 0);
	cr_expect_eq(m->cpu_floor_permyriad, 100);
	cr_expect_eq(m->n_objectives + m->n_units + m->n_cgroups + m->n_labels, 0);
	cr_expect_str_eq(m->version, "");
	cr_expect_str_eq(m->owner, "t");
}

Test(policy_load, host_settings_have_defaults_and_arrive)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "modelgov.yaml", "apiVersion: modelgov/v1\nkind: Host\n");
	const struct host_policy *host = &home_load_right(&h)->host;

	cr_expect_eq(host->mode, MODE_OBSERVE);
	cr_expect_eq(host->tick_ns, NSEC_PER_SEC);
	cr_expect_eq(host->retention_ns, 7 * 86400 * NSEC_PER_SEC);
	cr_expect_eq(host->journal_limit_bytes, 1ULL << 30);

	home_write(&h, "modelgov.yaml",
		   "apiVersion: modelgov/v1\nkind: Host\nmode: enforce\ntick: 100ms\n"
		   "journal: { retention: 36h, limit: 64MiB }\n");
	host = &home_load_right(&h)->host;
	cr_expect_eq(host->mode, MODE_ENFORCE);
	cr_expect_eq(host->tick_ns, 100 * NSEC_PER_MSEC);
	cr_expect_eq(host->retention_ns, 36 * 3600 * NSEC_PER_SEC);
	cr_expect_eq(host->journal_limit_bytes, 64ULL << 20);
}

Test(policy_load, models_are_ordered_by_name_and_found)
{
	static const char *const names[] = { "ocr", "ocr-2", "a", "ocr.2", "ocr_2", "z9" };
	_cleanup_home_ struct home h;
	uint32_t at;

	home_open(&h);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		home_write_model(&h, names[i], "  class: batch\n");

	const struct policy *p = home_load_right(&h);

	cr_assert_eq(p->n_models, ARRAY_SIZE(names));
	for (unsigned int i = 1; i < p->n_models; i++)
		cr_expect_lt(strcmp(p->models[i - 1].name, p->models[i].name), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cr_assert_eq(policy_find(p, names[i], &at), 0, "%s", names[i]);
		cr_expect_str_eq(p->models[at].name, names[i]);
	}
	cr_expect_eq(policy_find(p, "ocr-3", &at), -ENOENT);
	cr_expect_eq(policy_find(p, "", &at), -ENOENT);
}

Test(policy_load, the_same_meaning_has_the_same_digest)
{
	_cleanup_home_ struct home h;
	char digest[65];

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", full);
	strcpy(digest, home_load_right(&h)->digest);

	home_write(&h, "models.d/ocr.yaml", full_again);
	cr_expect_str_eq(home_load_right(&h)->digest, digest, "order, units, quotes, comments");

	h.source.facts = (struct host_facts){ 64, 1ULL << 40 };
	cr_expect_str_eq(home_load_right(&h)->digest, digest, "another host");
}

/* One value at a time: whatever means something else says so. */
Test(policy_load, another_meaning_has_another_digest)
{
	static const char *const changes[][2] = {
		{ "5.3", "5.4" },
		{ "owner: no", "owner: yes" },
		{ "vision", "audio" },
		{ "ocr.service,", "ocr2.service," },
		{ "ocr-*", "ocr-?" },
		{ "p99.9", "p99" },
		{ "5ms", "6ms" },
		{ "1min", "2min" },
		{ "critical", "standard" },
		{ "-3", "3" },
		{ "0.5cpu", "0.6cpu" },
		{ "1.5cpu", "1.6cpu" },
		{ "floor: 2%", "floor: 3%" },
		{ "256MiB", "257MiB" },
		{ "512MiB", "513MiB" },
		{ "high: none", "high: 1GiB" },
		{ "1.5GiB", "none" },
		{ "weight: 200", "weight: 201" },
		{ "{ max: none }", "{ max: 9 }" },
	};
	_cleanup_home_ struct home h;
	char digest[65], text[sizeof(full) + 64];

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", full);
	strcpy(digest, home_load_right(&h)->digest);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		const char *at = strstr(full, changes[i][0]);

		cr_assert(at != NULL, "%s", changes[i][0]);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - full), full, changes[i][1],
			 at + strlen(changes[i][0]));
		home_write(&h, "models.d/ocr.yaml", text);
		cr_expect_str_neq(home_load_right(&h)->digest, digest, "%s for %s", changes[i][1],
				  changes[i][0]);
	}
}

Test(policy_load, one_wrong_file_refuses_all_and_every_wrong_file_is_named)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_model(&h, "ocr", "  class: batch\n");
	home_write_model(&h, "speech", "  clas: batch\n");
	home_write_model(&h, "zip", "  class: bath\n");
	home_write(&h, "modelgov.yaml", "apiVersion: modelgov/v1\nkind: Host\ntick: 1\n");

	cr_assert_eq(home_load(&h), -EINVAL);
	cr_assert_null(h.policy);
	cr_assert_str_eq(h.e.text, "policy in  has 4 errors");
	cr_assert_eq(h.findings.n_errors, 4);
	cr_expect(strstr(h.said, "modelgov.yaml:3:7: error: tick: '1' has no unit") != NULL);
	cr_expect(strstr(h.said,
			 "models.d/speech.yaml:5:3: error: resources: unknown key 'clas'") != NULL);
	cr_expect(strstr(h.said, "models.d/zip.yaml:5:10: error: resources.class: 'bath'") != NULL);
}

Test(policy_load, findings_are_in_the_order_of_file_and_line)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_model(&h, "b", "  class: batch\n  x: 1\n  cpu: { reserved: 1.9cpu }\n  y: 1\n");
	home_write_model(&h, "a", "  class: batch\n  x: 1\n  cpu: { floor: 99%, reserved: 1 }\n");

	cr_assert_eq(home_load(&h), -EINVAL);
	for (unsigned int i = 1; i < h.findings.n; i++) {
		const struct finding *x = &h.findings.all[i - 1], *y = &h.findings.all[i];
		int order = strcmp(x->file, y->file);

		cr_expect(order < 0 || (order == 0 && x->line <= y->line), "%s:%d before %s:%d",
			  x->file, x->line, y->file, y->line);
	}
	cr_assert_eq(h.findings.n, 6);
}

Test(policy_load, unset_floors_share_what_the_set_ones_leave)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_model(&h, "big", "  class: batch\n  cpu: { floor: 80% }\n");
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%d", i);
		home_write_model(&h, name, "  class: batch\n");
	}

	const struct policy *p = home_load_right(&h);
	uint64_t sum = 0;

	for (unsigned int i = 0; i < p->n_models; i++)
		sum += p->models[i].cpu_floor_permyriad;
	cr_expect_eq(p->models[0].cpu_floor_permyriad, 8000);
	cr_expect_eq(p->models[1].cpu_floor_permyriad, 37, "15 %% for 40 models, rounded down");
	cr_expect_leq(sum, LAW_GUARANTEE_LIMIT);
}

/* What is taken here is not cut in decide. */
Test(policy_load, floors_up_to_what_decide_can_promise_are_taken_and_no_more)
{
	_cleanup_home_ struct home h;
	char text[64];

	home_open(&h);
	home_write_model(&h, "a", "  class: batch\n  cpu: { floor: 50% }\n");
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "  class: batch\n  cpu: { floor: %d.%02d%% }\n",
			 (LAW_GUARANTEE_LIMIT - 5000 + i) / 100,
			 (LAW_GUARANTEE_LIMIT - 5000 + i) % 100);
		home_write_model(&h, "b", text);
		cr_expect_eq(home_load(&h), i == 0 ? 0 : -EINVAL, "%s", h.said);
	}
	cr_expect(strstr(h.said, "all floors add up to 95.01%") != NULL, "%s", h.said);
}

Test(policy_load, ninety_percent_may_be_reserved_and_no_more)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_model(&h, "ocr", "  class: batch\n  cpu: { reserved: 1.5cpu }\n");
	home_write_model(&h, "speech", "  class: batch\n  cpu: { reserved: 0.3cpu }\n");
	home_load_right(&h);

	home_write_model(&h, "speech", "  class: batch\n  cpu: { reserved: 0.301cpu }\n");
	cr_assert_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "models.d/ocr.yaml:6:20: error: resources.cpu.reserved: all") !=
			  NULL,
		  "the biggest is named");
	cr_expect(strstr(h.said, "reserve 0.01cpu less") != NULL,
		  "rounded so that the cure is enough");

	h.source.facts = (struct host_facts){ 0 };
	home_load_right(&h); /* a host that is not known is not checked */
}

Test(policy_load, a_policy_outlives_its_findings)
{
	_cleanup_home_ struct home h;
	char expected[PATH_MAX];

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", full);
	const struct policy *p = home_load_right(&h);

	findings_fini(&h.findings);
	findings_init(&h.findings);
	cr_expect_str_eq(p->models[0].file, home_path(&h, "models.d/ocr.yaml", expected));
	cr_expect_str_eq(p->models[0].name, "ocr");
	cr_expect_str_eq(p->models[0].units[0], "ocr.service");
}

Test(policy_load, the_examples_are_right)
{
	static const char *const folders[] = {
		"policies/examples/observe-only",
		"policies/examples/three-models",
		"policies/examples/memory",
		"policies/examples/run-and-attach",
		"policies/examples/containers",
		"policies/examples/full",
		"policies/demo",
	};
	_cleanup_home_ struct home h;

	home_open(&h);
	h.source.trusts_any_owner = true; /* a checkout belongs to whoever made it */
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		h.source.etc = folders[i];
		cr_assert_gt(home_load_right(&h)->n_models, 0, "%s", folders[i]);
		cr_expect_str_eq(h.said, "", "%s warns", folders[i]);
	}
}

Test(policy_load, a_warning_does_not_refuse)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_model(&h, "ocr", "  class: critical\n");
	home_write(&h, "models.d/old.yml", "");

	cr_assert_eq(home_load_right(&h)->n_models, 1);
	cr_expect_eq(h.findings.n, 2);
	cr_expect_eq(h.findings.n_errors, 0);
}

Test(policy_load, the_facts_of_this_host_are_counted)
{
	struct host_facts facts = { 0 };
	struct err e = { 0 };

	cr_assert_eq(host_facts_read(&facts, &e), 0, "%s", e.text);
	cr_expect_eq(facts.cpus, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	cr_expect_gt(facts.memory_bytes, 64ULL << 20);
}
