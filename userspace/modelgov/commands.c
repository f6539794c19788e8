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
		  "refused and the old one stays in force; another becomes a change.",
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_POLICY) | BIT(EXIT_REFUSED) | BIT(EXIT_WAITING),
	  .run = reload_run },
	{ .name = "plan",
	  .arguments = "[DIR]",
	  .summary = "what would the policy in DIR change",
	  .details =
		  "Compares the policy in DIR (or --etc) with the one in force: keys, kernel values by "
		  "the last observation, and promises at risk by what was recorded in the last hour. "
		  "Effects are not simulated. Changes nothing.",
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_FILES,
	  .exits = ASKS_DAEMON | BIT(EXIT_POLICY),
	  .run = plan_run },
	{ .name = "verify",
	  .arguments = "MODEL",
	  .summary = "does the model still do what it did",
	  .details =
		  "Runs the checks of its manifest as who calls, judges them by their limits and "
		  "compares them with the same checks under the generation before: better, equal, "
		  "worse or inconclusive. Results are recorded, for operators and owners of the "
		  "model.",
	  .options = BIT(OPTION_CHECK) | BIT(OPTION_SAMPLES),
	  .least = 1,
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_MODELS,
	  .exits = ASKS_DAEMON | BIT(EXIT_INCONCLUSIVE),
	  .run = verify_run },
	{ .name = "shadow",
	  .arguments = "",
	  .summary = "how a candidate beside the policy in force differs",
	  .details = "Of the one that apply --shadow began: per model and knob, the ticks in which it "
		     "wanted another value, and both values at the last tick. It never acts, and "
		     "ends when the policy in force changes.",
	  .options = BIT(OPTION_STOP),
	  .has_json = true,
	  .exits = ASKS_DAEMON,
	  .run = shadow_run },
	{ .name = "propose",
	  .arguments = "[DIR]",
	  .summary = "make a change of the manifests in DIR",
	  .details = "Checks the policy in DIR (or --etc), hands it to modelgovd and waits for its "
		     "gates. It comes into force with apply, when the approvals that this host "
		     "asks for are there.",
	  .options = BIT(OPTION_MESSAGE) | BIT(OPTION_TICKET),
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_FILES,
	  .exits = ASKS_DAEMON | BIT(EXIT_POLICY) | BIT(EXIT_REFUSED),
	  .run = propose_run },
	{ .name = "gates",
	  .arguments = "ID",
	  .summary = "what the gates said to a change",
	  .details = "One line per gate. Exits 6 when one failed, 7 while they run or when one could "
		     "not tell.",
	  .options = BIT(OPTION_OFFLINE),
	  .least = 1,
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_REFUSED) | BIT(EXIT_WAITING),
	  .run = gates_run },
	{ .name = "approve",
	  .arguments = "ID",
	  .summary = "agree to a change of somebody else",
	  .details = "Approvers of the host (access.approvers), root, and owners of the models that it "
		     "touches may; the author may not. It also accepts what a gate could not tell.",
	  .options = BIT(OPTION_MESSAGE),
	  .least = 1,
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_REFUSED),
	  .run = approve_run },
	{ .name = "apply",
	  .arguments = "[ID] | --shadow [DIR]",
	  .summary = "put a change, or what is in /etc, into force",
	  .details = "With ID: that change, when it is ready. Without: proposes the policy in --etc, "
		     "unless it is in force or open already, and applies it as soon as the rules "
		     "allow. Prints each step. With --shadow the policy in DIR (or --etc) runs beside "
		     "the one in force without acting; modelgov shadow tells where they differ.",
	  .options = BIT(OPTION_MESSAGE) | BIT(OPTION_TICKET) | BIT(OPTION_SHADOW),
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_POLICY) | BIT(EXIT_REFUSED) | BIT(EXIT_WAITING),
	  .run = apply_run },
	{ .name = "withdraw",
	  .arguments = "ID",
	  .summary = "take a change back",
	  .details = "One that is not in force yet is closed. One on probation is taken out of force: "
		     "the generation before comes back at once, without approvals.",
	  .options = BIT(OPTION_MESSAGE),
	  .least = 1,
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_REFUSED),
	  .run = withdraw_run },
	{ .name = "rollback",
	  .arguments = "[N]",
	  .summary = "return to a kept generation, byte for byte",
	  .details = "Proposes the bytes of generation N (of the one before, without N) and applies "
		     "them as soon as the rules allow. The return is a generation of its own.",
	  .options = BIT(OPTION_MESSAGE) | BIT(OPTION_TICKET),
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON | BIT(EXIT_REFUSED) | BIT(EXIT_WAITING),
	  .run = rollback_run },
	{ .name = "changes",
	  .arguments = "",
	  .summary = "the changes, newest first",
	  .details = "With their state, author, reason and how they ended; audit show tells every "
		     "step of one. Without modelgovd they are read from the record's file.",
	  .options = BIT(OPTION_LIMIT) | BIT(OPTION_OFFLINE),
	  .has_json = true,
	  .exits = ASKS_DAEMON,
	  .run = changes_run },
	{ .name = "history",
	  .arguments = "[N]",
	  .summary = "the generations of the policy, or one in full",
	  .details =
		  "Newest first, with author, change request and reason; the first is in force. With "
		  "N, that generation with its facts, gates and policy. Without modelgovd it is read "
		  "from the record's file.",
	  .options = BIT(OPTION_LIMIT) | BIT(OPTION_OFFLINE),
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON,
	  .run = history_run },
	{ .name = "audit",
	  .arguments = "verify | export | show CHANGE",
	  .summary = "is the record whole, what does it say",
	  .details =
		  "verify recomputes every hash and fails with the place where one is wrong. export "
		  "prints entries as JSON lines, then the generations that they name. show tells "
		  "every step of a change. Without modelgovd the record's file is read.",
	  .options = BIT(OPTION_FROM) | BIT(OPTION_TO) | BIT(OPTION_OFFLINE),
	  .least = 1,
	  .most = 2,
	  .has_json = true,
	  .exits = ASKS_DAEMON,
	  .run = audit_run },
	{ .name = "export",
	  .arguments = "N",
	  .summary = "one generation as a file, on standard output",
	  .details = "JSON with the canonical bytes, their digest and who made them why. Another "
		     "host takes it with import; an auditor checks it with sha256sum.",
	  .options = BIT(OPTION_OFFLINE),
	  .least = 1,
	  .most = 1,
	  .has_json = true,
	  .exits = ASKS_DAEMON,
	  .run = export_run },
	{ .name = "import",
	  .arguments = "FILE",
	  .summary = "propose the generation of an export",
	  .details = "Holds the file's bytes against its digest and proposes them as a change, "
		     "which goes its way through gates and approvals like any other.",
	  .options = BIT(OPTION_MESSAGE) | BIT(OPTION_TICKET),
	  .least = 1,
	  .most = 1,
	  .has_json = true,
	  .completion = COMPLETE_FILES,
	  .exits = ASKS_DAEMON,
	  .run = import_run },
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
