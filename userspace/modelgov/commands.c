/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of commands. Parsing, help, completion and the test of the manual page read it; a
 * command is added here, in a file of its own, and in modelgov.1.scd, where a test misses it.
 */
#include "command.h"

const struct option_info option_table[N_OPTIONS] = {
#define X(tag, name, letter, argument, help) [OPTION_##tag] = { name, letter, argument, help },
	OPTIONS(X)
#undef X
};

#define ASKS_DAEMON (BIT(EXIT_FAILED) | BIT(EXIT_UNREACHABLE) | BIT(EXIT_DENIED))

const struct command command_table[] = {
	{ .name = "status",
	  .arguments = "",
	  .summary = "what is governed now and how it goes",
	  .details = "Mode, policy in force and any broken change of it, host, what is degraded, "
		     "lost or "
		     "dropped; then one line per model with weight, wait against budget, slack and "
		     "verdict.",
	  .has_json = true,
	  .exits = ASKS_DAEMON,
	  .run = status_run },
	{ .name = "explain",
	  .arguments = "[MODEL]",
	  .summary = "what was done last and why, in sentences",
	  .details =
		  "The verdict of the last tick, then actions, newest first. Without modelgovd the "
		  "actions are read from its journal.",
	  .options = BIT(OPTION_LIMIT),
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_MODELS,
	  .exits = ASKS_DAEMON,
	  .run = explain_run },
	{ .name = "doctor",
	  .arguments = "",
	  .summary = "does this host have what modelgov needs",
	  .details =
		  "One line per need: ok, missing or warning, with the cure. As root it also tries "
		  "to "
		  "load BPF. Fails when something is missing that modelgov cannot govern without.",
	  .has_json = true,
	  .exits = BIT(EXIT_FAILED),
	  .run = doctor_run },
	{ .name = "check",
	  .arguments = "[DIR]",
	  .summary = "are the manifests right",
	  .details =
		  "Reads the policy in DIR (or --etc) as modelgovd would and prints every error "
		  "and "
		  "warning with file, line, column and cure. Changes nothing. Who is not root may "
		  "check files of any owner.",
	  .options = BIT(OPTION_STRICT),
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_FILES,
	  .exits = BIT(EXIT_FAILED) | BIT(EXIT_POLICY) | BIT(EXIT_DENIED),
	  .run = check_run },
	{ .name = "show",
	  .arguments = "NAME | --canonical",
	  .summary = "what a manifest comes to, and where each value comes from",
	  .details =
		  "Each value that holds for the model NAME, with its file and line, its template, or "
		  "default. With --canonical the whole policy as the bytes that its digest is the "
		  "SHA-256 of. Reads the policy directory; modelgovd is not asked.",
	  .options = BIT(OPTION_CANONICAL),
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_MODELS,
	  .exits = BIT(EXIT_FAILED) | BIT(EXIT_POLICY) | BIT(EXIT_DENIED),
	  .run = show_run },
	{ .name = "diff",
	  .arguments = "[POLICY POLICY | --etc]",
	  .summary = "what is different between two policies",
	  .details =
		  "By model and key, in people's units. A POLICY is a directory, a file in canonical "
		  "form, or the number of a generation. Without them, or with --etc: what is in force "
		  "against the policy directory.",
	  .most = 2,
	  .takes_bare_etc = true,
	  .has_json = true,
	  .completion = COMPLETE_FILES,
	  .exits = ASKS_DAEMON | BIT(EXIT_POLICY),
	  .run = diff_run },
	{ .name = "new",
	  .arguments = "NAME",
	  .summary = "print a manifest to begin with",
	  .details =
		  "A commented manifest for the model NAME, with what the template says as comments. "
		  "Put it into models.d as NAME.yaml. Writes no file.",
	  .options = BIT(OPTION_TEMPLATE),
	  .least = 1,
	  .most = 1,
	  .exits = BIT(EXIT_FAILED) | BIT(EXIT_POLICY) | BIT(EXIT_DENIED),
	  .run = new_run },
	{ .name = "schema",
	  .arguments = "",
	  .summary = "print the JSON Schema of all files of policy",
	  .details =
		  "JSON Schema 2020-12 from the table of keys, for editors that complete and "
		  "underline. modelgov check says more.",
	  .run = schema_run },
	{ .name = "reload",
	  .arguments = "",
	  .summary = "make modelgovd read the policy now",
	  .details =
		  "modelgovd sees changes by itself; this waits for the result. A broken policy is "
		  "refused and the old one stays in force.",
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_POLICY),
	  .run = reload_run },
	{ .name = "run",
	  .arguments = "NAME -- COMMAND [ARGUMENT]...",
	  .summary = "start a command as the model NAME",
	  .details = "Moves itself into the model's scope and becomes COMMAND. It needs root and a "
		     "manifest of that name; to run the command as a user: run NAME -- runuser -u "
		     "USER "
		     "-- COMMAND. The exit status is COMMAND's; 126 or 127 when it could not be "
		     "started.",
	  .least = 2,
	  .most = -1,
	  .passes_on = true,
	  .completion = COMPLETE_MODELS,
	  .exits = BIT(EXIT_FAILED) | BIT(EXIT_POLICY) | BIT(EXIT_DENIED),
	  .run = run_run },
	{ .name = "attach",
	  .arguments = "NAME PID...",
	  .summary = "adopt running processes as the model NAME",
	  .details = "Moves the processes into the model's scope. Their later children follow; "
		     "children "
		     "they have already do not. Needs root and a manifest of that name.",
	  .least = 2,
	  .most = -1,
	  .completion = COMPLETE_MODELS,
	  .exits = BIT(EXIT_FAILED) | BIT(EXIT_POLICY) | BIT(EXIT_DENIED),
	  .run = attach_run },
	{ .name = "restore",
	  .arguments = "",
	  .summary = "put back every value as it was before modelgov",
	  .details =
		  "Through modelgovd when it runs, else by itself from the ledger. Safe to repeat. "
		  "Entries that could not be put back stay in the ledger.",
	  .options = BIT(OPTION_OFFLINE),
	  .has_json = true,
	  .exits = BIT(EXIT_FAILED) | BIT(EXIT_UNREACHABLE) | BIT(EXIT_DENIED),
	  .run = restore_run },
	{ .name = "version",
	  .arguments = "",
	  .summary = "print the version",
	  .details = "Of this program; status tells modelgovd's.",
	  .has_json = true,
	  .run = version_run },
	{ .name = "help",
	  .arguments = "[COMMAND]",
	  .summary = "print help",
	  .details = "Of one command, or the list of all.",
	  .most = 1,
	  .completion = COMPLETE_COMMANDS,
	  .run = help_run },
	{ 0 },
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = command_table; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}
