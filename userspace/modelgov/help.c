/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that is told from the table of commands: help, version, completion, reference. Decides
 * nothing about commands; what is missing here is missing in the table.
 */
#include "change.h"
#include "command.h"
#include "decide.h"
#include "policy.h"
#include "print.h"

static const struct {
	int status;
	const char *meaning;
} exit_table[] = {
#define X(tag, status, meaning) { status, meaning },
	EXITS(X)
#undef X
};

/* ---- help ------------------------------------------------------------------------------------ */

static void options_add(struct table *t, unsigned int options)
{
	for (int i = 0; i < N_OPTIONS; i++) {
		const struct option_info *o = &option_table[i];

		if (!(options & BIT(i)))
			continue;
		if (o->letter)
			table_add(t, false, "-%c,", o->letter);
		else
			table_add(t, false, "%s", "");
		table_add(t, false, "--%s%s%s", o->name, o->argument ? " " : "",
			  o->argument ? o->argument : "");
		table_add(t, false, "%s", o->help);
	}
}

static void options_print(unsigned int options, FILE *out)
{
	struct table t;

	table_init(&t, "lll");
	options_add(&t, options);
	table_print(&t, 2, out);
	table_fini(&t);
}

static void exits_print(unsigned int exits, FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(exit_table); i++)
		if (exits & BIT(exit_table[i].status))
			fprintf(out, "  %d  %s\n", exit_table[i].status, exit_table[i].meaning);
}

void usage_print(FILE *out)
{
	struct table t;

	fputs("Usage: modelgov [OPTION]... COMMAND [ARGUMENT]...\n"
	      "Shows how the models of this host are governed and why, and puts everything "
	      "back.\n\n"
	      "Commands:\n",
	      out);
	table_init(&t, "ll");
	for (const struct command *c = command_table; c->name; c++) {
		table_add(&t, false, "%s %s", c->name, c->arguments);
		table_add(&t, false, "%s", c->summary);
	}
	table_print(&t, 2, out);
	table_fini(&t);
	fputs("\nOptions of all commands:\n", out);
	options_print(GLOBAL_OPTIONS, out);
	fputs("\nExit status:\n", out);
	exits_print(~0u, out);
	fputs("\nmodelgov help COMMAND tells more; so does modelgov(1).\n", out);
}

/* Broken between words, at 80 columns as every terminal has. */
static void paragraph_print(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column > 0 && column + 1 + length > 80) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column > 0 ? " " : "", (int)length, text);
		column += length + (column > 0);
		text += length + (text[length] == ' ');
	}
	fputc('\n', out);
}

void command_help_print(const struct command *c, FILE *out)
{
	unsigned int global = GLOBAL_OPTIONS & ~(c->has_json ? 0 : BIT(OPTION_JSON));

	fprintf(out, "Usage: modelgov %s [OPTION]... %s\n%s: %s.\n\n", c->name, c->arguments,
		c->name, c->summary);
	paragraph_print(c->details, out);
	fputs("\nOptions:\n", out);
	options_print(c->options | global, out);
	fputs("\nExit status:\n", out);
	exits_print(c->exits | BIT(EXIT_OK) | BIT(EXIT_USAGE), out);
}

int help_run(const struct cli *cli, int argc, char **argv)
{
	const struct command *c = argc > 0 ? command_find(argv[0]) : NULL;

	if (argc > 0 && !c) {
		complain("unknown command '%s'; modelgov help lists them", argv[0]);
		return EXIT_USAGE;
	}
	if (c)
		command_help_print(c, stdout);
	else
		usage_print(stdout);
	return EXIT_OK;
}

int version_run(const struct cli *cli, int argc, char **argv)
{
	if (cli->is_json)
		return json_print(json_pack("{s:s}", "version", MODELGOV_VERSION));
	puts("modelgov " MODELGOV_VERSION);
	return EXIT_OK;
}

/* ---- completion ------------------------------------------------------------------------------ */

/* The option that word is, when its value is the next word. */
static int option_with_value(const char *word)
{
	for (int i = 0; i < N_OPTIONS; i++) {
		const struct option_info *o = &option_table[i];

		if (!o->argument || word[0] != '-')
			continue;
		if ((word[1] == '-' && strcmp(word + 2, o->name) == 0) ||
		    (o->letter && word[1] == o->letter && !word[2]))
			return i;
	}
	return -1;
}

static void options_complete(const struct command *c)
{
	unsigned int options = GLOBAL_OPTIONS | (c ? c->options : 0);

	for (int i = 0; i < N_OPTIONS; i++)
		if (options & BIT(i))
			printf("--%s\n", option_table[i].name);
}

static void models_complete(const char *etc)
{
	struct findings findings;
	struct policy *policy = NULL;
	struct err e = { 0 };

	findings_init(&findings);
	if (policy_read(etc, &policy, &findings, &e) == 0)
		for (unsigned int i = 0; i < policy->n_models; i++)
			puts(policy->models[i].name);
	policy_free(policy);
	findings_fini(&findings);
}

static void argument_complete(const struct cli *cli, const struct command *c, int n_arguments)
{
	bool is_first = n_arguments == 0;

	if (!c || (is_first && c->completion == COMPLETE_COMMANDS))
		for (const struct command *other = command_table; other->name; other++)
			puts(other->name);
	else if (is_first && c->completion == COMPLETE_MODELS)
		models_complete(cli->etc);
	/* files and whatever else: the shell's own way, when nothing is printed */
}

/* The words behind "modelgov" up to the one under the cursor, which may be empty; candidates on
 * stdout. */
int complete_main(struct cli *cli, int argc, char **argv)
{
	const struct command *command = NULL;
	int n_arguments = 0;

	for (int i = 0; i < argc - 1; i++) {
		int option = option_with_value(argv[i]);

		if (option >= 0 && i + 1 == argc - 1)
			return EXIT_OK; /* the cursor is on its value */
		if (option == OPTION_ETC)
			cli->etc = argv[i + 1];
		if (option >= 0) {
			i++;
		} else if (argv[i][0] == '-') {
			continue;
		} else if (!command) {
			command = command_find(argv[i]);
			if (!command)
				return EXIT_OK;
		} else if (++n_arguments > 0 && command->passes_on) {
			return EXIT_OK; /* from here on it is another command's line */
		}
	}
	if (argc > 0 && argv[argc - 1][0] == '-')
		options_complete(command);
	else
		argument_complete(cli, command, n_arguments);
	return EXIT_OK;
}

/* ---- reference pages ------------------------------------------------------------------------- */

static void table_of_parameters_print(const struct parameter *all, unsigned int n)
{
	puts("| parameter | value | unit | effect | source |\n|---|---:|---|---|---|");
	for (unsigned int i = 0; i < n; i++) {
		const struct parameter *p = &all[i];

		printf("| `%s` | %lld | %s | %s | %s |\n", p->name, (long long)p->value, p->unit,
		       p->effect, p->source);
	}
}

/* One word a line, what a manual page must mention. */
static void words_print(void)
{
	for (const struct command *c = command_table; c->name; c++)
		printf("command %s\n", c->name);
	for (int i = 0; i < N_OPTIONS; i++)
		printf("option --%s\n", option_table[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(exit_table); i++)
		printf("exit %d\n", exit_table[i].status);
}

int reference_main(int argc, char **argv)
{
	const char *what = argc == 1 ? argv[0] : "";

	if (strcmp(what, "policy") == 0)
		policy_print_reference(stdout);
	else if (strcmp(what, "parameters") == 0)
		table_of_parameters_print(parameter_table, n_parameters);
	else if (strcmp(what, "changes") == 0)
		table_of_parameters_print(probation_parameters, n_probation_parameters);
	else if (strcmp(what, "commands") == 0)
		words_print();
	else {
		complain("__reference policy, parameters, changes or commands");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}
