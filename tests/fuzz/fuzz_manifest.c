/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a manifest of a model and as the host's settings. Aborts when a finding is not
 * printable or points outside of the text, or when what was accepted has no canonical form.
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
	struct arena scratch;
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

/* What was accepted is a policy like any other. */
static void acceptance_judge(struct trial *t)
{
	promise(policy_check(&t->policy, &t->origins, &t->facts, &t->findings) == 0);
	if (t->findings.n_errors > 0)
		return;
	floors_share(&t->policy, &t->origins);
	promise(policy_digest(&t->policy) == 0);
	char *text = policy_canonical(&t->policy);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	promise(json != NULL);
	json_decref(json);
	free(text);
	promise(t->model.class < N_CLASSES);
	for (unsigned int i = 0; i < t->model.n_objectives; i++)
		promise(t->model.objectives[i].indicator < N_INDICATORS &&
			t->model.objectives[i].budget < MISSING);
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
	free(text);
	return 0;
}
