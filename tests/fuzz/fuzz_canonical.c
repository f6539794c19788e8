/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a canonical form. Aborts when what was accepted has another canonical form than
 * these bytes, or when what was refused has no reason.
 */
#include "policy/canonical.h"
#include "policy/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		abort();
}

static void acceptance_judge(const struct policy *p, const char *text, size_t size)
{
	char *again = policy_canonical(p);

	promise(again != NULL);
	promise(strlen(again) == size && memcmp(again, text, size) == 0);
	promise(strlen(p->digest) == 64);
	for (unsigned int i = 0; i < p->n_models; i++) {
		promise(p->models[i].class < N_CLASSES);
		promise(i == 0 || strcmp(p->models[i - 1].name, p->models[i].name) < 0);
	}
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct host_facts facts = { 4, 8ULL << 30 };
	struct policy *p = NULL;
	struct err e = { 0 };
	char *text = malloc(size + 1);

	promise(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	int r = policy_from_canonical(text, size, &facts, &p, &e);

	if (r == 0) {
		acceptance_judge(p, text, size);
		policy_free(p);
	} else {
		promise(p == NULL && e.text[0] != '\0');
		promise(!text_is_hidden(e.text, strcspn(e.text, "\n")));
	}
	free(text);
	return 0;
}
