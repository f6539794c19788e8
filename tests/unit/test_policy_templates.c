/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: what a manifest inherits, what it overrules, and where is said what is wrong with
 * either.
 */
#include "policy_home.h"

#include <dirent.h>

/* A template of that name with these lines. */
static void template_write(struct home *h, const char *name, const char *lines)
{
	_cleanup_free_ char *file = NULL, *text = NULL;

	cr_assert(asprintf(&file, "templates.d/%s.yaml", name) > 0);
	cr_assert(asprintf(&text, "apiVersion: modelgov/v1\nkind: Template\n%s", lines) > 0);
	home_write(h, file, text);
}

/* Model ocr from template t, with these lines besides. */
static void inheritor_write(struct home *h, const char *lines)
{
	_cleanup_free_ char *text = NULL;

	cr_assert(asprintf(&text,
			   "apiVersion: modelgov/v1\nkind: Model\n"
			   "metadata: { name: ocr, template: t }\n%s",
			   lines) > 0);
	home_write(h, "models.d/ocr.yaml", text);
}

static const char rich[] =
	"metadata: { version: 1.0, owner: t, contacts: [a, b], labels: { x: one, y: two } }\n"
	"contract: { retries: { max: 2, budget: 10% } }\n"
	"objectives:\n"
	"  - { indicator: runqueue_wait, quantile: p99, budget: 5ms }\n"
	"  - { indicator: memory_stall, budget: 1% }\n"
	"resources: { class: critical, cpu: { floor: 5%, max: 2cpu } }\n"
	"preemption: { may: [batch, experiment] }\n";

Test(policy_templates, what_the_manifest_does_not_say_the_template_does)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", rich);
	inheritor_write(&h, "");
	const struct model *m = home_load_right(&h)->models;

	cr_expect_str_eq(m->name, "ocr");
	cr_expect_str_eq(m->template, "t");
	cr_expect_str_eq(m->version, "1.0");
	cr_expect_eq(m->class, CLASS_CRITICAL);
	cr_expect_eq(m->cpu_floor_permyriad, 500);
	cr_expect_eq(m->values[KNOB_CPU_MAX], 200000);
	cr_expect_eq(m->contract.retries_max, 2);
	cr_expect_eq(m->n_objectives, 2);
	cr_expect_eq(m->n_labels, 2);
	cr_expect_eq(m->contacts.n, 2);
	cr_expect_eq(m->preemption.may, 1u << CLASS_BATCH | 1u << CLASS_EXPERIMENT);
}

Test(policy_templates, a_manifest_may_overrule_each_key_and_lists_are_replaced)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", rich);
	inheritor_write(&h, "contract: { retries: { max: 1 } }\n"
			    "objectives: [ { indicator: memory_stall, budget: 3% } ]\n"
			    "resources: { class: standard, cpu: { max: 1cpu } }\n"
			    "preemption: { may: [] }\n");
	const struct model *m = home_load_right(&h)->models;

	cr_expect_eq(m->contract.retries_max, 1);
	cr_expect_eq(m->contract.retry_budget_permyriad, 1000, "the group's other key stays");
	cr_assert_eq(m->n_objectives, 1, "replaced, not merged");
	cr_expect_eq(m->objectives[0].budget, 300);
	cr_expect_eq(m->class, CLASS_STANDARD);
	cr_expect_eq(m->values[KNOB_CPU_MAX], 100000);
	cr_expect_eq(m->cpu_floor_permyriad, 500);
	cr_expect_eq(m->preemption.may, 0, "an empty list is a word as well");
}

Test(policy_templates, labels_are_a_group_and_merge)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", rich);
	home_write(&h, "models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\n"
		   "metadata: { name: ocr, template: t, labels: { y: own, z: three } }\n");
	const struct model *m = home_load_right(&h)->models;

	cr_assert_eq(m->n_labels, 3);
	cr_expect_str_eq(m->labels[0].value, "one");
	cr_expect_str_eq(m->labels[1].value, "own");
	cr_expect_str_eq(m->labels[2].value, "three");
}

Test(policy_templates, a_value_means_the_same_wherever_it_was_written)
{
	_cleanup_home_ struct home h;
	char digest[65];

	home_open(&h);
	template_write(&h, "t", rich);
	inheritor_write(&h, "");
	strcpy(digest, home_load_right(&h)->digest);

	_cleanup_free_ char *text = NULL;

	cr_assert(asprintf(&text,
			   "apiVersion: modelgov/v1\nkind: Model\n%s"
			   "stage: production\n",
			   rich) > 0);
	char *at = strstr(text, "{ version");

	cr_assert_not_null(at);
	_cleanup_free_ char *whole = NULL;

	cr_assert(asprintf(&whole, "%.*s{ name: ocr, %s", (int)(at - text), text, at + 2) > 0);
	home_write(&h, "models.d/ocr.yaml", whole);
	cr_expect_str_eq(home_load_right(&h)->digest, digest,
			 "the template's name is no part of what is wanted");
}

Test(policy_templates, etc_comes_before_what_is_shipped)
{
	_cleanup_home_ struct home h, shipped;

	home_open(&h);
	home_open(&shipped);
	h.source.shipped = shipped.path;
	template_write(&shipped, "t", "resources: { class: batch }\n");
	inheritor_write(&h, "");
	cr_expect_eq(home_load_right(&h)->models[0].class, CLASS_BATCH, "shipped");
	template_write(&h, "t", "resources: { class: standard }\n");
	cr_expect_eq(home_load_right(&h)->models[0].class, CLASS_STANDARD, "/etc wins");
}

/* ---- what is wrong ------------------------------------------------------------------------- */

static void said_is(struct home *h, const char *expected)
{
	cr_expect_eq(home_load(h), *expected ? -EINVAL : 0);
	cr_expect_str_eq(h->said, expected);
}

Test(policy_templates, what_is_wrong_in_a_template_is_said_there_and_once)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", "resources: { class: critical, cpu: { max: 2 } }\n");
	inheritor_write(&h, "match: { units: [a.service] }\n");
	said_is(&h, "templates.d/t.yaml:3:43: error: resources.cpu.max: '2' has no unit; write for "
		    "example 1.5cpu\n"
		    "    3 | resources: { class: critical, cpu: { max: 2 } }\n"
		    "      |                                           ^\n");
}

Test(policy_templates, an_unused_template_is_judged_too)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", "resources: { clas: critical }\n");
	cr_expect_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "templates.d/t.yaml:3:14: error: resources: unknown key 'clas'"),
		  "%s", h.said);
}

Test(policy_templates, an_inherited_contradiction_names_both_places)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *expected = NULL;

	home_open(&h);
	template_write(&h, "t", "resources: { class: batch, cpu: { reserved: 1cpu } }\n");
	inheritor_write(&h, "resources: { cpu: { max: 0.5cpu } }\n");
	cr_expect_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "templates.d/t.yaml:3:45: error: resources.cpu.reserved: 1cpu is "
				 "more than resources.cpu.max 0.5cpu"),
		  "%s", h.said);
	cr_expect(strstr(h.said, "models.d/ocr.yaml:3 inherits it\n"), "%s", h.said);
	cr_expect(strstr(h.said, "    3 | resources: { class: batch"), "the template's line: %s",
		  h.said);
}

/* Sums over the host are said when the texts are gone already. */
Test(policy_templates, an_inherited_sum_names_both_places)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", "resources: { class: batch, cpu: { reserved: 5cpu } }\n");
	inheritor_write(&h, "");
	cr_expect_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "templates.d/t.yaml:3:45: error: resources.cpu.reserved: 5cpu is "
				 "more than this host has"),
		  "%s", h.said);
	cr_expect(strstr(h.said, "; models.d/ocr.yaml:3 inherits it\n"), "%s", h.said);
}

Test(policy_templates, what_is_still_missing_is_said_of_the_model)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	template_write(&h, "t", "objectives: [ { indicator: memory_stall, budget: 1% } ]\n");
	inheritor_write(&h, "");
	said_is(&h, "models.d/ocr.yaml: error: key 'resources' is missing; write for example "
		    "resources: { class: standard }\n");
}

Test(policy_templates, a_template_that_is_not_there_is_said_with_those_that_are)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	inheritor_write(&h, "resources: { class: batch }\n");
	cr_expect_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "metadata.template: 't' is not a template; there are none in "
				 "templates.d"),
		  "%s", h.said);
	template_write(&h, "a", "");
	template_write(&h, "b", "");
	cr_expect_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "'t' is not a template; there are a, b"), "%s", h.said);
	cr_expect_eq(h.findings.n, 1, "nothing that the template may say is missed: %s", h.said);
}

Test(policy_templates, what_only_a_model_may_say_is_refused_in_a_template)
{
	static const char *const lines[][2] = {
		{ "match: { units: [a.service] }\n", "key 'match' cannot be in a template" },
		{ "metadata: { name: a }\n", "metadata: key 'name' cannot be in a template" },
		{ "metadata: { template: a }\n",
		  "metadata: key 'template' cannot be in a template" },
		{ "mode: enforce\n", "unknown key 'mode'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_home_ struct home h;

		home_open(&h);
		template_write(&h, "t", lines[i][0]);
		cr_expect_eq(home_load(&h), -EINVAL, "%s", lines[i][0]);
		cr_expect(strstr(h.said, lines[i][1]), "%s: %s", lines[i][0], h.said);
	}
}

Test(policy_templates, each_kind_of_file_has_its_folder)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/t.yaml", "apiVersion: modelgov/v1\nkind: Template\n");
	home_write(&h, "templates.d/m.yaml", "apiVersion: modelgov/v1\nkind: Model\n");
	cr_expect_eq(home_load(&h), -EINVAL);
	cr_expect(strstr(h.said, "models.d/t.yaml:2:7: error: kind: Template belongs in "
				 "templates.d; this file is read as kind: Model"),
		  "%s", h.said);
	cr_expect(strstr(h.said, "templates.d/m.yaml:2:7: error: kind: Model belongs in models.d; "
				 "this file is read as kind: Template"),
		  "%s", h.said);
}

Test(policy_templates, more_than_can_be_kept_apart_are_refused)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	for (int i = 0; i <= POLICY_MAX_TEMPLATES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%d", i);
		template_write(&h, name, "");
	}
	said_is(&h, "templates.d: error: there are 65 templates; at most 64 are read\n");
}

/* ---- those that are shipped ---------------------------------------------------------------- */

Test(policy_templates, each_shipped_template_makes_a_model_without_a_warning)
{
	static const char folder[] = "policies/templates";
	_cleanup_home_ struct home h;
	DIR *d = opendir(folder);
	struct dirent *each;
	unsigned int n = 0;

	cr_assert_not_null(d, "run the tests from the top folder");
	home_open(&h);
	while ((each = readdir(d))) {
		_cleanup_free_ char *from = NULL, *to = NULL, *text = NULL, *manifest = NULL;
		_cleanup_free_ char *model = NULL;
		struct err e = { 0 };

		if (each->d_name[0] == '.')
			continue;
		n++;
		cr_assert(asprintf(&from, "%s/%s", folder, each->d_name) > 0);
		cr_assert(asprintf(&to, "templates.d/%s", each->d_name) > 0);
		cr_assert_eq(file_read_all(AT_FDCWD, from, 1 << 20, &text, NULL, &e), 0, "%s",
			     e.text);
		home_write(&h, to, text);
		cr_expect(strstr(text, "# Intent: ") && strstr(text, "Going back") &&
				  strstr(text, "Is it right?"),
			  "%s is a lesson", each->d_name);

		_cleanup_free_ char *name =
			strndup(each->d_name, strlen(each->d_name) - strlen(".yaml"));

		cr_assert_eq(policy_new_manifest(&h.source, name, name, &manifest, &e), 0, "%s",
			     e.text);
		cr_assert(asprintf(&model, "models.d/%s", each->d_name) > 0);
		home_write(&h, model, manifest);
	}
	closedir(d);
	cr_assert_geq(n, 6);

	const struct policy *p = home_load_right(&h);

	cr_expect_str_eq(h.said, "");
	cr_assert_eq(p->n_models, n);
	for (unsigned int i = 0; i < p->n_models; i++) {
		cr_expect_gt(p->models[i].n_checks, 0, "%s has a check", p->models[i].name);
		cr_expect(*p->models[i].rollback, "%s can go back", p->models[i].name);
	}
}
