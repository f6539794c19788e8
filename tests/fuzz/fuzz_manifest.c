/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a manifest of a model, as the host's settings and as a template. Aborts when a
 * finding is not printable or points outside of the text, or when what was accepted has no
 * canonical form that leads back to it.
 */
#include "policy/canonical.h"
#include "policy/check.h"
#include "policy/read.h"
#include "policy/text.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		abort();
}

/* All of one load, as load.c holds it. */
struct trial {
	struct policy policy;
	struct model model;
	struct origins origins;
	struct arena scratch, places;
	struct host_facts facts;
	struct findings findings;
	struct source source;
};

static void trial_open(struct trial *t, const char *text, size_t length)
{
	*t = (struct trial){ .facts = { 2, 8ULL << 30 } };
	findings_init(&t->findings);
	t->source = (struct source){
		.file = "ocr.yaml", .text = text, .length = length, .findings = &t->findings
	};
	t->policy.models = &t->model;
	host_defaults(&t->policy.host);
}

static void trial_close(struct trial *t)
{
	arena_fini(&t->policy.arena);
	arena_fini(&t->scratch);
	arena_fini(&t->places);
	findings_fini(&t->findings);
}

static struct reading_room trial_room(struct trial *t)
{
	return (struct reading_room){ .keep = &t->policy.arena,
				      .scratch = &t->scratch,
				      .facts = &t->facts,
				      .host = &t->policy.host };
}

static int lines(const char *text, size_t length)
{
	int n = 1;

	for (size_t i = 0; i < length; i++)
		n += text[i] == '\n';
	return n;
}

static void findings_judge(struct trial *t)
{
	findings_sort(&t->findings);
	for (unsigned int i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.all[i];

		promise(f->line >= 0 && f->line <= lines(t->source.text, t->source.length));
		promise(f->line == 0 || f->column >= 1);
		promise(!text_is_hidden(f->text, strlen(f->text)));
		promise(!f->source || !text_is_hidden(f->source, strlen(f->source)));
		promise(!f->source || f->caret >= 1);
	}
	char *printed = findings_print(&t->findings);

	promise(printed != NULL);
	free(printed);
}

/* As locate.c does it, with the text at hand. */
static bool place_find(void *context, uint32_t model, const char *path, struct place *ret_place)
{
	struct trial *t = context;
	struct findings silent;
	struct source again = t->source;
	struct arena scratch;
	struct tree tree;

	arena_init(&scratch);
	findings_init(&silent);
	again.findings = &silent;
	*ret_place = (struct place){ .file = "ocr.yaml" };
	promise(tree_open(&again, &scratch, &tree) == 0);
	const struct node *n = tree_find(&tree, path);

	if (n)
		*ret_place = tree_place(&tree, n, &t->places);
	findings_fini(&silent);
	arena_fini(&scratch);
	return n != NULL;
}

/* The canonical form leads back to itself. */
static void return_judge(const struct trial *t, const char *text)
{
	struct policy *again = NULL;
	struct err e = { 0 };
	char *text_again;

	promise(policy_from_canonical(text, strlen(text), &t->facts, &again, &e) == 0);
	promise(strcmp(again->digest, t->policy.digest) == 0);
	text_again = policy_canonical(again);
	promise(text_again && strcmp(text, text_again) == 0);
	free(text_again);
	policy_free(again);
}

/* What was accepted is a policy like any other. */
static void acceptance_judge(struct trial *t)
{
	const struct locator where = { place_find, t };

	promise(policy_check(&t->policy, &t->origins, &where, &t->facts, &t->findings) == 0);
	if (t->findings.n_errors > 0)
		return;
	floors_share(&t->policy, &t->origins);
	promise(policy_digest(&t->policy) == 0);
	char *text = policy_canonical(&t->policy);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	promise(json != NULL);
	json_decref(json);
	return_judge(t, text);
	free(text);
	promise(t->model.class < N_CLASSES);
	for (unsigned int i = 0; i < t->model.n_objectives; i++)
		promise(t->model.objectives[i].indicator < N_INDICATORS &&
			t->model.objectives[i].budget < MISSING);
}

/* The text as a template, and a model that says nothing else. */
static void template_try(const char *text, size_t length)
{
	static const char heir[] = "apiVersion: modelgov/v1\nkind: Model\n"
				   "metadata: { name: ocr, template: t }\n";
	struct template pattern = { .name = "t" };
	struct templates all = { &pattern, 1 };
	struct trial t;

	trial_open(&t, text, length);
	struct reading_room room = trial_room(&t);

	pattern.source = t.source;
	promise(template_read(&room, &pattern, NULL) == 0);
	findings_judge(&t);
	room.templates = &all;
	t.source = (struct source){ .file = "ocr.yaml",
				    .text = heir,
				    .length = sizeof(heir) - 1,
				    .findings = &t.findings };
	promise(model_manifest_read(&room, &t.source, "ocr", &t.model, &t.origins) == 0);
	template_close(&pattern);
	trial_close(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trial t;
	struct reading_room room;
	char *text;

	if (size > POLICY_FILE_LIMIT_BYTES)
		return 0;
	text = malloc(size + 1);
	promise(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';

	trial_open(&t, text, size);
	room = trial_room(&t);
	promise(model_manifest_read(&room, &t.source, "ocr", &t.model, &t.origins) == 0);
	t.policy.n_models = 1;
	if (t.findings.n_errors == 0)
		acceptance_judge(&t);
	findings_judge(&t);
	trial_close(&t);

	trial_open(&t, text, size);
	room = trial_room(&t);
	promise(host_manifest_read(&room, &t.source, &t.policy.host) == 0);
	if (t.findings.n_errors == 0)
		promise(policy_digest(&t.policy) == 0);
	findings_judge(&t);
	trial_close(&t);
	template_try(text, size);
	free(text);
	return 0;
}
