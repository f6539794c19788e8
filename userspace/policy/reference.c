/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the key table as the reference part of docs/policy.md.
 */
#include "keys.h"

static void range_print(FILE *out, const struct key *k)
{
	const struct type_info *type = &type_table[k->type];
	char low[32], high[32];

	fprintf(out, "%s", type->name);
	if (k->max != 0)
		fprintf(out, ", %s to %s", type->format(k->min, low, sizeof(low)),
			type->format(k->max, high, sizeof(high)));
	if (k->allows_none)
		fputs(", or `none`", out);
}

static void value_print(FILE *out, const struct key *k)
{
	if (k->type == TYPE_WORD) {
		for (const struct word *w = k->words; w->text; w++)
			fprintf(out, "%s`%s`", w == k->words ? "" : ", ", w->text);
		return;
	}
	if (k->type == TYPE_BUDGET) {
		for (int i = 0; i < N_INDICATORS; i++) {
			fputs(i ? "; " : "", out);
			range_print(out, &budget_table[i]);
		}
	} else {
		range_print(out, k);
	}
	if (k->example)
		fprintf(out, "; `%s`", k->example);
}

static void row_print(FILE *out, const struct key *k)
{
	char path[64];

	fprintf(out, "| `%s` | ", key_path(k, path, sizeof(path)));
	value_print(out, k);
	fputs(" | ", out);
	if (k->is_required)
		fputs("**required**", out);
	else if (k->fallback)
		fprintf(out, "`%s`", k->fallback);
	fprintf(out, " | %s", k->meaning);
	if (k->kernel)
		fprintf(out, " *Kernel: %s%s%s%s.*", k->kernel, k->since ? " (since " : "",
			k->since ? k->since : "", k->since ? ")" : "");
	fputs(" |\n", out);
}

static void table_print(FILE *out, enum manifest_kind manifest)
{
	fputs("| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n", out);
	for (unsigned int i = 0; i < n_keys; i++)
		if (key_table[i].manifest & manifest)
			row_print(out, &key_table[i]);
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
