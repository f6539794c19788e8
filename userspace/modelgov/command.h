/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what the files of the modelgov program share: the one table of commands and options,
 * where to look, how to end. Each command is one function in a file of its name; only this program
 * prints.
 */
#ifndef MODELGOV_COMMAND_H
#define MODELGOV_COMMAND_H

#include "base.h"
#include "record.h"

#include <inttypes.h>
#include <jansson.h>

/* defaults that a file of the same name in --etc replaces */
#define SHIPPED_DIR       "/usr/share/modelgov"
#define VIEWER_GROUP      "modelgov"
#define EXPLAIN_LIMIT     20
#define EXPLAIN_LIMIT_MAX 1000

/* ---- how a command ends ---------------------------------------------------------------------- */

/* X(tag, status, meaning) */
#define EXITS(X)                                                                                   \
	X(OK, 0, "all went well")                                                                  \
	X(FAILED, 1, "what was asked for failed")                                                  \
	X(USAGE, 2, "the command line was wrong")                                                  \
	X(POLICY, 3, "the policy has errors")                                                      \
	X(UNREACHABLE, 4, "modelgovd is not reachable")                                            \
	X(DENIED, 5, "not permitted: needs root, or a role in access")                              \
	X(REFUSED, 6, "a gate or the rules of changes refused it")                                 \
	X(WAITING, 7, "the change waits for somebody, or for another's probation")                \
	X(INCONCLUSIVE, 8, "what was measured does not say")

enum exit_status {
#define X(tag, status, meaning) EXIT_##tag = status,
	EXITS(X)
#undef X
	/* of run, when the command itself could not be started; as env(1) and sh(1) have it */
	EXIT_CANNOT_EXECUTE = 126,
	EXIT_NOT_FOUND = 127,
};

/* ---- options --------------------------------------------------------------------------------- */

/* X(tag, long name, letter or 0, argument or NULL, help) */
#define OPTIONS(X)                                                                                 \
	X(JSON, "json", 'j', NULL, "print data as JSON")                                           \
	X(ETC, "etc", 0, "DIR", "policy directory (MODELGOV_ETC; /etc/modelgov)")                  \
	X(SOCKET, "socket", 0, "PATH",                                                             \
	  "socket of modelgovd (MODELGOV_SOCKET; /run/modelgov/control)")                          \
	X(STATE_DIR, "state-dir", 0, "DIR", "journal and ledger (/var/lib/modelgov)")              \
	X(HELP, "help", 'h', NULL, "print help and exit")                                          \
	X(VERSION, "version", 'V', NULL, "print the version and exit")                             \
	X(LIMIT, "limit", 'n', "N", "at most N actions or generations (20)")                       \
	X(STRICT, "strict", 0, NULL, "warnings are errors")                                        \
	X(OFFLINE, "offline", 0, NULL, "do not ask modelgovd, even if it runs")                    \
	X(FROM, "from", 0, "TIME", "from then: 2026-01-31T12:00:00Z (UTC), or so long ago: 2h")    \
	X(TO, "to", 0, "TIME", "up to then, as --from")                                            \
	X(MESSAGE, "message", 'm', "WHY", "the reason, for the record")                            \
	X(TICKET, "change", 0, "TICKET", "the change request that it belongs to")                  \
	X(TEMPLATE, "template", 't', "NAME", "start from that template")                           \
	X(CANONICAL, "canonical", 0, NULL, "the whole policy in its canonical form")            \
	X(CHECK, "check", 0, "NAME", "only the check of that name")                                \
	X(SAMPLES, "samples", 0, "N", "run each check N times")                                    \
	X(SHADOW, "shadow", 0, NULL, "run it beside the policy in force, without acting")          \
	X(STOP, "stop", 0, NULL, "end the shadow")

enum option_id {
#define X(tag, name, letter, argument, help) OPTION_##tag,
	OPTIONS(X)
#undef X
		N_OPTIONS,
};

#define BIT(n) (1u << (n))
#define GLOBAL_OPTIONS                                                                             \
	(BIT(OPTION_JSON) | BIT(OPTION_ETC) | BIT(OPTION_SOCKET) | BIT(OPTION_STATE_DIR) |         \
	 BIT(OPTION_HELP) | BIT(OPTION_VERSION))

struct option_info {
	const char *name;
	char letter;
	const char *argument, *help;
};

extern const struct option_info option_table[N_OPTIONS];

/* What the options and the environment said. */
struct cli {
	const char *etc, *socket, *state_dir;
	const char *from, *to, *message, *ticket, *template; /* NULL: not given */
	const char *check; /* NULL: all */
	bool is_json, is_strict, is_offline, is_shadow, is_stop, wants_help, wants_version, wants_canonical;
	unsigned int limit;
	unsigned int samples; /* 0: as the manifest says */
};

/* ---- commands -------------------------------------------------------------------------------- */

/* What completes the first argument. */
enum completion { COMPLETE_NOTHING, COMPLETE_MODELS, COMPLETE_COMMANDS, COMPLETE_FILES };

struct command {
	const char *name, *arguments; /* "[MODEL]" */
	const char *summary;          /* one line */
	const char *details;          /* what to know before using it; wrapped when printed */
	unsigned int options;         /* of its own, beside the global ones; BIT(OPTION_...) */
	int least, most;              /* arguments; most -1: any number */
	bool passes_on;               /* what follows its first argument is another command's */
	bool takes_bare_etc; /* --etc at the end of the line means the usual directory */
	bool has_json;
	enum completion completion;
	unsigned int exits; /* BIT(EXIT_...), beside OK and USAGE */
	int (*run)(const struct cli *cli, int argc, char **argv);
};

extern const struct command command_table[]; /* ends with a NULL name */

const struct command *command_find(const char *name); /* NULL: none */

int status_run(const struct cli *cli, int argc, char **argv);
int explain_run(const struct cli *cli, int argc, char **argv);
int doctor_run(const struct cli *cli, int argc, char **argv);
int check_run(const struct cli *cli, int argc, char **argv);
int show_run(const struct cli *cli, int argc, char **argv);
int diff_run(const struct cli *cli, int argc, char **argv);
int new_run(const struct cli *cli, int argc, char **argv);
int schema_run(const struct cli *cli, int argc, char **argv);
int reload_run(const struct cli *cli, int argc, char **argv);
int run_run(const struct cli *cli, int argc, char **argv);
int attach_run(const struct cli *cli, int argc, char **argv);
int restore_run(const struct cli *cli, int argc, char **argv);
int plan_run(const struct cli *cli, int argc, char **argv);
int verify_run(const struct cli *cli, int argc, char **argv);
int shadow_run(const struct cli *cli, int argc, char **argv);
int propose_run(const struct cli *cli, int argc, char **argv);
int gates_run(const struct cli *cli, int argc, char **argv);
int approve_run(const struct cli *cli, int argc, char **argv);
int apply_run(const struct cli *cli, int argc, char **argv);
int withdraw_run(const struct cli *cli, int argc, char **argv);
int rollback_run(const struct cli *cli, int argc, char **argv);
int changes_run(const struct cli *cli, int argc, char **argv);
int history_run(const struct cli *cli, int argc, char **argv);
int audit_run(const struct cli *cli, int argc, char **argv);
int export_run(const struct cli *cli, int argc, char **argv);
int import_run(const struct cli *cli, int argc, char **argv);
int version_run(const struct cli *cli, int argc, char **argv);
int help_run(const struct cli *cli, int argc, char **argv);

/* Has modelgovd run the policy in etc beside the one in force: `apply --shadow`. */
int shadow_begin(const struct cli *cli, const char *etc);

/* Not for people: what completion and documentation are made from. */
int complete_main(struct cli *cli, int argc, char **argv);
int reference_main(int argc, char **argv);

void usage_print(FILE *out);
void command_help_print(const struct command *c, FILE *out);

/* ---- asking modelgovd ------------------------------------------------------------------------ */

#define ASK_MSEC 5000 /* chosen: every answer but Restore's is a few milliseconds */

/* control_call() to the socket of cli; reply: new reference. */
int daemon_ask(const struct cli *cli, const char *method, json_t *take_parameters,
	       unsigned int timeout_ms, json_t **ret_reply, struct err *e);
/* No daemon there, as against one that refuses or fails. */
bool daemon_is_absent(int r);
/* Prints what went wrong with its cure, and says how to exit. */
int daemon_complain(const struct cli *cli, int r, const struct err *e);

#define PROPOSE_MSEC 120000 /* chosen: a proposal is answered when its gates have run */

/* ---- asking the record ----------------------------------------------------------------------- */

/*
 * Through modelgovd, or from the file when it does not run or --offline was given. EXIT_OK and the answer
 * as record.h describes it, or an exit status with its complaint.
 */
int record_ask(const struct cli *cli, enum question question, json_t *take_parameters,
	       json_t **ret_answer);
/* The number of a generation or change, from 1; EXIT_USAGE with its complaint. */
int number_argument(const char *text, const char *what, uint64_t *ret_number);

/* ---- changes --------------------------------------------------------------------------------- */

/*
 * Follows a change (its document as the daemon told it, consumed) until its gates have answered and, when
 * is_applied, it is in force; prints each step, or with --json the last document. How to exit.
 */
int change_follow(const struct cli *cli, json_t *take_document, bool is_applied);

/* ---- loading the policy ---------------------------------------------------------------------- */

struct policy;
struct findings;

/* policy_load() from etc, on the facts of this host; who is not root may check anybody's files. */
int policy_read(const char *etc, struct policy **ret_policy, struct findings *ret_findings,
		struct err *e);
/* Prints why it could not be read, and says how to exit. */
int policy_complain(const char *etc, int r, const struct findings *f, const struct err *e);

#endif
