/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelgov: the command line. Reads options, finds the command in the table, runs it. What commands
 * do is in files of their names.
 */
#include "command.h"
#include "control.h"
#include "print.h"
#include "verify.h"

#include <getopt.h>

#define MAX_LETTERS (2 * N_OPTIONS + 3)

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* ---- options --------------------------------------------------------------------------------- */

/* getopt's two forms of the allowed options. "+": stop at the first argument; ":": tell a missing
 * value. */
static void options_build(unsigned int allowed, bool stops, struct option *ret_long,
			  char *ret_letters)
{
	*ret_letters++ = stops ? '+' : ':';
	if (stops)
		*ret_letters++ = ':';
	for (int i = 0; i < N_OPTIONS; i++) {
		const struct option_info *o = &option_table[i];

		if (!(allowed & BIT(i)))
			continue;
		*ret_long++ =
			(struct option){ o->name, o->argument ? required_argument : no_argument,
					 NULL, 256 + i };
		if (!o->letter)
			continue;
		*ret_letters++ = o->letter;
		if (o->argument)
			*ret_letters++ = ':';
	}
	*ret_long = (struct option){ 0 };
	*ret_letters = '\0';
}

static int option_id(int c)
{
	for (int i = 0; i < N_OPTIONS; i++)
		if (c == 256 + i || (option_table[i].letter && c == option_table[i].letter))
			return i;
	return -1;
}

static int limit_parse(const char *text, unsigned int *ret_limit)
{
	uint64_t value;

	if (number_parse(text, &value) < 0 || value < 1 || value > EXPLAIN_LIMIT_MAX) {
		complain("--limit %s is not a number from 1 to %d", text, EXPLAIN_LIMIT_MAX);
		return EXIT_USAGE;
	}
	*ret_limit = (unsigned int)value;
	return EXIT_OK;
}

static int samples_parse(const char *text, unsigned int *ret_samples)
{
	uint64_t value;

	if (number_parse(text, &value) < 0 || value < 1 || value > VERIFY_SAMPLES_MAX) {
		complain("--samples %s is not a number from 1 to %d", text, VERIFY_SAMPLES_MAX);
		return EXIT_USAGE;
	}
	*ret_samples = (unsigned int)value;
	return EXIT_OK;
}

static int option_take(struct cli *cli, int id, const char *value)
{
	switch (id) {
	case OPTION_JSON:
		cli->is_json = true;
		break;
	case OPTION_ETC:
		cli->etc = value;
		break;
	case OPTION_SOCKET:
		cli->socket = value;
		break;
	case OPTION_STATE_DIR:
		cli->state_dir = value;
		break;
	case OPTION_HELP:
		cli->wants_help = true;
		break;
	case OPTION_VERSION:
		cli->wants_version = true;
		break;
	case OPTION_LIMIT:
		return limit_parse(value, &cli->limit);
	case OPTION_STRICT:
		cli->is_strict = true;
		break;
	case OPTION_OFFLINE:
		cli->is_offline = true;
		break;
	case OPTION_CHECK:
		cli->check = value;
		break;
	case OPTION_SAMPLES:
		return samples_parse(value, &cli->samples);
	case OPTION_SHADOW:
		cli->is_shadow = true;
		break;
	case OPTION_STOP:
		cli->is_stop = true;
		break;
	case OPTION_FROM:
		cli->from = value;
		break;
	case OPTION_TO:
		cli->to = value;
		break;
	case OPTION_MESSAGE:
		cli->message = value;
		break;
	case OPTION_TICKET:
		cli->ticket = value;
		break;
	case OPTION_TEMPLATE:
		cli->template = value;
		break;
	case OPTION_CANONICAL:
		cli->wants_canonical = true;
		break;
	}
	return EXIT_OK;
}

/* What the user typed: a letter may stand in the middle of an argument, a long name is all of it.
 */
static void option_complain(char **argv, const char *problem, const struct command *command)
{
	char letter[] = { '-', (char)optopt, '\0' };

	complain("%s %s; see modelgov help%s%s", problem,
		 optopt > 0 && optopt < 256 ? letter : argv[optind - 1], command ? " " : "",
		 command ? command->name : "");
}

/* Takes the options of argv; optind is then the first argument. command: NULL before its name. */
static int options_parse(struct cli *cli, const struct command *command, int argc, char **argv)
{
	struct option names[N_OPTIONS + 1];
	char letters[MAX_LETTERS];
	unsigned int allowed = GLOBAL_OPTIONS | (command ? command->options : 0);

	options_build(allowed, !command || command->passes_on, names, letters);
	opterr = 0;
	optind = 0; /* glibc: start anew, argv is another one than before */
	for (int c; (c = getopt_long(argc, argv, letters, names, NULL)) != -1;) {
		if (c == ':' && optopt == 256 + OPTION_ETC && command && command->takes_bare_etc)
			continue;
		if (c == ':' || c == '?') {
			option_complain(argv, c == ':' ? "no value after" : "unknown option",
					command);
			return EXIT_USAGE;
		}
		int status = option_take(cli, option_id(c), optarg);

		if (status)
			return status;
	}
	return EXIT_OK;
}

/* ---- commands -------------------------------------------------------------------------------- */

/* argv[0] is the command's name. */
static int command_run(const struct command *command, struct cli *cli, int argc, char **argv)
{
	int status = options_parse(cli, command, argc, argv), n;

	if (status)
		return status;
	n = argc - optind;
	argv += optind;
	if (cli->wants_help) {
		command_help_print(command, stdout);
		return EXIT_OK;
	}
	/* run NAME -- COMMAND: the dashes are only for the eye */
	if (command->passes_on && n > 1 && strcmp(argv[1], "--") == 0) {
		argv[1] = argv[0];
		argv++;
		n--;
	}
	if (n < command->least || (command->most >= 0 && n > command->most)) {
		complain("%s: %s; usage: modelgov %s %s", command->name,
			 n < command->least ? "too few arguments" : "too many arguments",
			 command->name, command->arguments);
		return EXIT_USAGE;
	}
	if (cli->is_json && !command->has_json) {
		complain("%s prints no data: --json has no meaning here", command->name);
		return EXIT_USAGE;
	}
	return command->run(cli, n, argv);
}

static int line_run(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	int status;

	/* these two read no options: what follows is a command line to complete, or a name */
	if (argc > 1 && strcmp(argv[1], "__complete") == 0)
		return complete_main(cli, argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "__reference") == 0)
		return reference_main(argc - 2, argv + 2);
	status = options_parse(cli, NULL, argc, argv);
	if (status)
		return status;
	if (cli->wants_version)
		return version_run(cli, 0, NULL);
	if (optind == argc) {
		usage_print(cli->wants_help ? stdout : stderr);
		return cli->wants_help ? EXIT_OK : EXIT_USAGE;
	}
	command = command_find(argv[optind]);
	if (!command) {
		complain("unknown command '%s'; modelgov help lists them", argv[optind]);
		return EXIT_USAGE;
	}
	return command_run(command, cli, argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
	struct cli cli = {
		.etc = environment("MODELGOV_ETC", "/etc/modelgov"),
		.socket = environment("MODELGOV_SOCKET", CONTROL_SOCKET),
		.state_dir = "/var/lib/modelgov",
		.limit = EXPLAIN_LIMIT,
	};
	int status = line_run(&cli, argc, argv);

	/* a full disk behind stdout is a failure of what was asked */
	if ((ferror(stdout) || fflush(stdout) != 0) && status == EXIT_OK) {
		complain("write to standard output: %s", strerror(errno));
		status = EXIT_FAILED;
	}
	return status;
}
