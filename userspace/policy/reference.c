/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the key table as the reference part of docs/policy.md.
 */
#include "keys.h"

static void range_print(FILE *out, const struct key *k)
{
	const struct type_info *type = &type_table[k->type];
	char low[32], high[32];

	fprintf(out, "%s", k->type == TYPE_TEXTS ? k->form->list : type->name);
	if (k->max != 0 && type->format)
		fprintf(out, ", %s to %s", type->format(k->min, low, sizeof(low)),
			type->format(k->max, high, sizeof(high)));
	if (k->allows_none)
		fputs(", or `none`", out);
}

static void words_print(FILE *out, const struct key *k)
{
	for (const struct word *w = k->words; w->text; w++)
		fprintf(out, "%s`%s`", w == k->words ? "" : ", ", w->text);
}

static void value_print(FILE *out, const struct key *k)
{
	if (k->type == TYPE_WORD || k->type == TYPE_BOOL) {
		words_print(out, k);
		return;
	}
	if (k->type == TYPE_BUDGET) {
		for (int i = 0; i < N_INDICATORS; i++) {
			fputs(i ? "; " : "", out);
			range_print(out, &budget_table[i]);
		}
	} else if (k->type == TYPE_WORDS) {
		fputs("list of ", out);
		words_print(out, k);
	} else {
		range_print(out, k);
	}
	if (k->example)
		fprintf(out, "; `%s`", k->example);
}

static void row_print(const struct key *k, const char *path, void *context)
{
	FILE *out = context;

	fprintf(out, "| `%s` | ", path);
	value_print(out, k);
	fputs(" | ", out);
	if (k->is_required)
		fputs("**required**", out);
	else if (k->fallback)
		fprintf(out, "`%s`", k->fallback);
	fprintf(out, " | %s", k->meaning);
	fprintf(out, " | %s", k->kernel ? k->kernel : "");
	if (k->since)
		fprintf(out, " (since %s)", k->since);
	fputs(" |\n", out);
}

static void table_print(FILE *out, enum manifest_kind manifest)
{
	fputs("| Key | Value | Default | Meaning | In the kernel |\n"
	      "| --- | --- | --- | --- | --- |\n",
	      out);
	keys_walk(manifest, row_print, out);
}

void policy_print_reference(FILE *out)
{
	fputs("### Keys of `modelgov.yaml`\n\n", out);
	table_print(out, MANIFEST_HOST);
	fputs("\n### Keys of `models.d/NAME.yaml`\n\n", out);
	table_print(out, MANIFEST_MODEL);
	fputs("\n### Types\n\n", out);
	for (int i = 0; i < N_TYPES; i++)
		if (type_table[i].units)
			fprintf(out, "- %s: a number with one of %s\n", type_table[i].name,
				type_table[i].units);
	fputs("- cpus: a number with cpu; `1.5cpu` is one and a half CPUs\n"
	      "- share: a number with %\n"
	      "- count, integer: decimal digits without a leading zero\n\n"
	      "Numbers may have up to six decimals where the result is still whole in the smallest "
	      "unit "
	      "(1ns, 1B, 0.001cpu, 0.01%). The unit is never left out, and there is no blank "
	      "before it. "
	      "Sizes count in powers of 1024.\n",
	      out);
}
