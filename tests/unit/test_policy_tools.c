/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people make of a policy: differences, where each value comes from, a manifest to begin with,
 * a schema for editors; and what an auditor makes of it with other tools.
 */
#include "policy_home.h"

#include "policy/field.h"

#include <jansson.h>

/* ---- differences --------------------------------------------------------------------------- */

/* "ocr resources.cpu.floor: 2% -> 3%", a line each. */
static char *difference(const struct policy *before, const struct policy *after)
{
	struct difference *all = NULL;
	unsigned int n = 0;
	struct arena arena;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	arena_init(&arena);
	cr_assert_eq(policy_diff(before, after, &arena, &all, &n), 0);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, "%s%s%s: %s -> %s\n", all[i].model, *all[i].model ? " " : "",
			all[i].key, all[i].before ? all[i].before : "(none)",
			all[i].after ? all[i].after : "(none)");
	fclose(out);
	arena_fini(&arena);
	return text;
}

static void differs(struct home *a, struct home *b, const char *expected)
{
	_cleanup_free_ char *text = difference(home_load_right(a), home_load_right(b));

	cr_expect_str_eq(text, expected);
}

Test(policy_diff, tells_keys_in_the_manifests_words)
{
	_cleanup_home_ struct home a, b;

	home_open(&a);
	home_open(&b);
	home_write_model(&a, "ocr",
			 "  class: batch\n  cpu: { floor: 2% }\n"
			 "objectives: [ { indicator: memory_stall, budget: 1% } ]\n");
	home_write_model(&b, "ocr", "  class: standard\n  cpu: { floor: 3%, max: none }\n");
	home_write(&b, "modelgov.yaml", "apiVersion: modelgov/v1\nkind: Host\ntick: 250ms\n");
	differs(&a, &b,
		"tick: 1s -> 250ms\n"
		"ocr objectives[0].budget: 1% -> (none)\n"
		"ocr objectives[0].indicator: memory_stall -> (none)\n"
		"ocr objectives[0].window: 10s -> (none)\n"
		"ocr resources.class: batch -> standard\n"
		"ocr resources.cpu.floor: 2% -> 3%\n"
		"ocr resources.cpu.max: (none) -> none\n");
	_cleanup_free_ char *same = difference(b.policy, b.policy);

	cr_expect_str_eq(same, "");
}

Test(policy_diff, tells_models_that_came_and_went)
{
	_cleanup_home_ struct home a, b;

	home_open(&a);
	home_open(&b);
	home_write_model(&a, "a", "  class: batch\n");
	home_write_model(&a, "ocr", "  class: batch\n");
	home_write_model(&b, "b", "  class: batch\nstage: production\n");
	home_write_model(&b, "ocr", "  class: batch\n");
	differs(&a, &b, "a :  -> (none)\nb : (none) -> \n");
}

/* 1.2345ms would be 1.23ms for people: two values that differ never look alike. */
Test(policy_diff, never_shows_two_values_as_one)
{
	static const char *const pairs[][2] = {
		{ "  memory: { max: 1073741825B }\n", "  memory: { max: 1GiB }\n" },
		{ "  cpu: { reserved: 1.001cpu }\n", "  cpu: { reserved: 1.002cpu }\n" },
		{ "contract: { latency: { timeout: 1234501ns } }\n",
		  "contract: { latency: { timeout: 1234502ns } }\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_home_ struct home a, b;
		_cleanup_free_ char *one = NULL, *other = NULL, *text = NULL;
		char before[64], after[64];

		home_open(&a);
		home_open(&b);
		cr_assert(asprintf(&one, "  class: batch\n%s", pairs[i][0]) > 0);
		cr_assert(asprintf(&other, "  class: batch\n%s", pairs[i][1]) > 0);
		home_write_model(&a, "ocr", one);
		home_write_model(&b, "ocr", other);
		text = difference(home_load_right(&a), home_load_right(&b));
		cr_assert_eq(sscanf(text, "%*s %*s %63s -> %63s", before, after), 2, "%s", text);
		cr_expect_str_neq(before, after);
	}
}

Test(policy_diff, does_not_mind_where_a_value_was_written)
{
	_cleanup_home_ struct home a, b;

	home_open(&a);
	home_open(&b);
	home_write(&a, "templates.d/t.yaml",
		   "apiVersion: modelgov/v1\nkind: Template\nresources: { class: batch }\n");
	home_write(&a, "models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, template: t, "
		   "owner: t }\n");
	home_write_model(&b, "ocr", "  class: batch\n");
	differs(&a, &b, "");
}

/* ---- where values come from ---------------------------------------------------------------- */

static const char *origin_of(const struct policy *p, const char *key, struct arena *arena)
{
	struct resolved_key *all = NULL;
	unsigned int n = 0;

	cr_assert_eq(policy_resolved(p, 0, arena, &all, &n), 0);
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(all[i].key, key) == 0)
			return arena_printf(arena, "%s <- %s", all[i].value, all[i].origin);
	return "not there";
}

Test(policy_resolved, each_value_knows_its_line_its_template_or_default)
{
	static const char *const cases[][2] = {
		{ "metadata.name", "ocr <- ocr.yaml:3" },
		{ "metadata.labels.a", "template <- template t (t.yaml:3)" },
		{ "metadata.labels.b", "own <- ocr.yaml:3" },
		{ "contract.inputs[0].name", "x <- ocr.yaml:6" },
		{ "contract.inputs[1].name", "y <- ocr.yaml:8" },
		{ "contract.inputs[1].type", "text/plain <- ocr.yaml:9" },
		{ "contract.outputs[0].name", "z <- template t (t.yaml:5)" },
		{ "resources.class", "batch <- template t (t.yaml:6)" },
		{ "resources.cpu.floor", "2% <- ocr.yaml:10" },
		{ "resources.priority", "0 <- default" },
		{ "stage", "production <- default" },
		{ "resources.cpu.max", "not there" },
		{ "resources.memory.max", "not there" },
	};
	_cleanup_home_ struct home h;
	struct arena arena;

	home_open(&h);
	home_write(&h, "templates.d/t.yaml",
		   "apiVersion: modelgov/v1\nkind: Template\n"
		   "metadata: { labels: { a: template, b: template } }\n"
		   "contract:\n"
		   "  outputs: [ { name: z, type: text/plain } ]\n"
		   "resources: { class: batch, cpu: { floor: 1% } }\n");
	home_write(&h, "models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\n"
		   "metadata: { name: ocr, template: t, labels: { b: own } }\n"
		   "contract:\n"
		   "  inputs:\n"
		   "    - { name: x, type: text/plain }\n"
		   "    -\n"
		   "      name: y\n"
		   "      type: text/plain\n"
		   "resources: { cpu: { floor: 2% } }\n");
	arena_init(&arena);
	const struct policy *p = home_load_right(&h);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(origin_of(p, cases[i][0], &arena), cases[i][1], "%s is %s",
				 cases[i][0], origin_of(p, cases[i][0], &arena));
	arena_fini(&arena);
}

/* ---- a manifest to begin with -------------------------------------------------------------- */

Test(policy_new, a_new_manifest_passes_as_it_is_and_says_what_the_template_says)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *text = NULL, *bare = NULL;
	struct err e = { 0 };

	home_open(&h);
	home_write(&h, "templates.d/t.yaml",
		   "apiVersion: modelgov/v1\nkind: Template\n"
		   "metadata: { labels: { 'a': 'it''s: # one' } }\n"
		   "contract: { inputs: [ { name: x, type: text/plain, shape: [1, any] } ] }\n"
		   "resources: { class: batch, cpu: { floor: 7% } }\n"
		   "checks: [ { name: c, command: [/bin/true, '#', 'a, b'], limits: { p99: 1s } } "
		   "]\n");
	cr_assert_eq(policy_new_manifest(&h.source, "ocr", "t", &text, &e), 0, "%s", e.text);
	home_write(&h, "models.d/ocr.yaml", text);
	cr_expect_eq(home_load_right(&h)->models[0].cpu_floor_permyriad, 700);
	cr_expect_str_eq(h.said, "");
	cr_expect(strstr(text, "\n#  cpu:\n"), "%s", text);
	cr_expect(strstr(text, "\n#    floor: 7%\n"), "%s", text);

	cr_assert_eq(policy_new_manifest(&h.source, "speech", NULL, &bare, &e), 0, "%s", e.text);
	home_write(&h, "models.d/speech.yaml", bare);
	cr_expect_eq(home_load_right(&h)->n_models, 2);
	cr_expect_str_eq(h.said, "");
}

/* What stands there as comments is what the template says: without the # it means the same. */
Test(policy_new, its_comments_are_a_manifest_that_means_the_same)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *text = NULL, *open = NULL;
	struct err e = { 0 };
	char digest[65];
	size_t size;

	home_open(&h);
	home_write(
		&h, "templates.d/t.yaml",
		"apiVersion: modelgov/v1\nkind: Template\n"
		"contract: { inputs: [ { name: x, type: text/plain, shape: [1, any] } ] }\n"
		"resources: { class: batch, cpu: { floor: 7% } }\n"
		"checks: [ { name: c, command: [/bin/true, '#', 'a, b'], limits: { p99: 1s } } ]\n"
		"rollback: 'it''s: # one'\n");
	cr_assert_eq(policy_new_manifest(&h.source, "ocr", "t", &text, &e), 0, "%s", e.text);
	home_write(&h, "models.d/ocr.yaml", text);
	strcpy(digest, home_load_right(&h)->digest);

	FILE *out = open_memstream(&open, &size);
	char *end, *line = text;
	bool is_below = false;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		is_below |= strstr(line, "# Below is what") != NULL;
		if (strstr(line, "template: t"))
			continue;
		bool is_ours = is_below && *line == '#' && (line[1] != ' ' || line[2] == ' ');

		fprintf(out, "%s\n", is_ours ? line + 1 : line);
	}
	fclose(out);
	home_write(&h, "models.d/ocr.yaml", open);
	cr_expect_str_eq(home_load_right(&h)->digest, digest, "%s", open);
}

Test(policy_new, a_missing_or_broken_template_is_said)
{
	_cleanup_home_ struct home h;
	char *text = NULL;
	struct err e = { 0 };

	home_open(&h);
	cr_expect_eq(policy_new_manifest(&h.source, "ocr", "t", &text, &e), -ENOENT);
	cr_expect(strstr(e.text, "there is no template t; templates are files in "), "%s", e.text);
	cr_expect_eq(policy_new_manifest(&h.source, "ocr", "../t", &text, &e), -ENOENT);
	cr_expect_eq(policy_new_manifest(&h.source, "Ocr", NULL, &text, &e), -EINVAL);
	home_write(&h, "templates.d/t.yaml", "apiVersion: modelgov/v1\nkind: Template\nx: 1\n");
	cr_expect_eq(policy_new_manifest(&h.source, "ocr", "t", &text, &e), -EINVAL);
	cr_expect(strstr(e.text, "unknown key 'x'"), "%s", e.text);
	cr_expect_null(text);
}

/* ---- with other tools ---------------------------------------------------------------------- */

static bool has_python(const char *modules, const char *test)
{
	char command[128];

	snprintf(command, sizeof(command), "python3 -c 'import %s' 2>/dev/null", modules);
	if (system(command) == 0)
		return true;
	printf("skip %s: python3 cannot import %s\n", test, modules);
	return false;
}

/* What policy_outside.py prints with these arguments; its exit status is 0. */
static char *outside(const char *arguments)
{
	char command[2 * PATH_MAX], buf[4096];
	char *text = NULL;
	size_t size, n;
	FILE *out = open_memstream(&text, &size), *in;

	snprintf(command, sizeof(command), "python3 tests/unit/policy_outside.py %s 2>&1",
		 arguments);
	in = popen(command, "r");
	cr_assert_not_null(in);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	fclose(out);
	cr_assert_eq(pclose(in), 0, "%s: %s", command, text);
	return text;
}

Test(policy_outside, an_auditor_computes_the_same_digest_with_another_json_and_another_hash,
     .timeout = 60)
{
	_cleanup_home_ struct home h;
	char path[PATH_MAX], arguments[PATH_MAX + 16];

	if (!has_python("json, hashlib", "an_auditor_computes_the_same_digest"))
		return;
	home_open(&h);
	home_write(&h, "models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\n"
		   "metadata:\n"
		   "  name: ocr\n"
		   "  description: \"Stra\\u00dfe \\U0001F600 \\\"quoted\\\" \\\\ back / slash\"\n"
		   "  labels: { Z: z, a: A, a.b: '', a-b: x, a_b: y }\n"
		   "resources: { class: batch }\n");
	const struct policy *p = home_load_right(&h);
	_cleanup_free_ char *text = policy_canonical(p);

	home_write(&h, "canonical.json", text);
	snprintf(arguments, sizeof(arguments), "digest %s", home_path(&h, "canonical.json", path));
	_cleanup_free_ char *said = outside(arguments);

	cr_assert_eq(strlen(said), 65, "%s", said);
	said[64] = '\0';
	cr_expect_str_eq(said, p->digest);
}

static void schema_write(struct home *h)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	policy_print_schema(out);
	fclose(out);
	home_write(h, "schema.json", text);
}

Test(policy_outside, everything_that_is_shipped_is_right_by_the_schema, .timeout = 60)
{
	_cleanup_home_ struct home h;
	char path[PATH_MAX], arguments[PATH_MAX + 128];

	if (!has_python("jsonschema, yaml", "everything_that_is_shipped_is_right_by_the_schema"))
		return;
	home_open(&h);
	schema_write(&h);
	snprintf(arguments, sizeof(arguments), "schema %s $(find policies -name '*.yaml')",
		 home_path(&h, "schema.json", path));
	_cleanup_free_ char *said = outside(arguments);

	cr_expect_str_eq(said, "");
}

Test(policy_outside, what_is_wrong_is_wrong_by_the_schema_too, .timeout = 60)
{
	static const char *const cases[][2] = {
		{ "resources: { class: urgent }\n", "resources.class: 'urgent'" },
		{ "resources: { class: batch, priority: 11 }\n", "resources.priority: 11" },
		{ "resources: { class: batch, cpu: { max: 2 } }\n", "resources.cpu.max: 2" },
		{ "resources: { class: batch, cpu: { max: 2 cpu } }\n",
		  "resources.cpu.max: '2 cpu'" },
		{ "resources: { class: batch, gpu: 1 }\n", "'gpu' was unexpected" },
		{ "resources: { class: batch }\nobjectives: [ { budget: 1% } ]\n",
		  "'indicator' is a required property" },
		{ "resources: { class: batch }\nmatch: { units: ocr.service }\n",
		  "match.units: 'ocr.service' is not of type 'array'" },
		{ "resources: { class: batch }\ncontract: { inputs: [ { name: a, type: png } ] }\n",
		  "contract.inputs.0.type: 'png'" },
		{ "resources: { class: batch }\npreemption: { how: [harshly] }\n",
		  "preemption.how.0: 'harshly'" },
	};
	_cleanup_home_ struct home h;
	char path[PATH_MAX], schema[PATH_MAX], arguments[2 * PATH_MAX + 16];

	if (!has_python("jsonschema, yaml", "what_is_wrong_is_wrong_by_the_schema_too"))
		return;
	home_open(&h);
	schema_write(&h);
	home_path(&h, "schema.json", schema);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = NULL, *said = NULL;

		cr_assert(
			asprintf(
				&text,
				"apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr }\n%s",
				cases[i][0]) > 0);
		home_write(&h, "models.d/ocr.yaml", text);
		snprintf(arguments, sizeof(arguments), "schema %s %s", schema,
			 home_path(&h, "models.d/ocr.yaml", path));
		said = outside(arguments);
		cr_expect(strstr(said, cases[i][1]), "%s%s", text, said);
		cr_expect_eq(home_load(&h), -EINVAL, "and wrong for the parser: %s", text);
	}
}
