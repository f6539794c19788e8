/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds plans by hand and gives them to act, so that a shell script can say "govern this unit",
 * "die now", "put it back". Judges nothing: prints what act reports, one line each.
 *
 *   act_tool [-n] STATE COMMAND [-- COMMAND]...   one session; -n: as on a host without systemd
 *     apply UNIT PATH[@ID] KNOB=VALUE[:EXPECTED]...   UNIT "-": none
 *     restore
 *     release PATH KNOB...                          put back everything but these
 *     adopt NAME PID...
 *     size                                          of the ledger
 *     die                                           as with kill -9
 *
 * Without EXPECTED, what is in the file now is expected; "missing" expects no file.
 */
#include "act.h"
#include "cgroup.h"
#include "knob.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

static char root[PATH_MAX];
static bool without_systemd;

static uint64_t id_of(const char *path)
{
	char name[PATH_MAX * 2];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", root, path);
	return stat(name, &st) < 0 ? 0 : st.st_ino;
}

static uint64_t value_now(const char *path, enum knob knob)
{
	char name[PATH_MAX * 2];
	_cleanup_free_ char *text = NULL;
	uint64_t value;

	snprintf(name, sizeof(name), "%s%s/%s", root, path, knob_table[knob].file);
	if (file_read_all(AT_FDCWD, name, 4096, &text, NULL, NULL) < 0 ||
	    knob_parse(knob, text, &value) < 0)
		return MISSING;
	return value;
}

static uint64_t value_of(const char *text)
{
	uint64_t value = VALUE_MAX;

	if (strcmp(text, "missing") == 0)
		return MISSING;
	if (strcmp(text, "max") != 0 && number_parse(text, &value) < 0) {
		fprintf(stderr, "act_tool: '%s' is not a value\n", text);
		exit(2);
	}
	return value;
}

static struct action action_of(char *text, const char *path, uint64_t cgroup_id)
{
	struct action a = { .cgroup_id = cgroup_id, .reason = REASON_POLICY_VALUE };
	char *value = strchr(text, '=');

	if (!value || (*value++ = '\0', knob_find(text, &a.knob)) < 0) {
		fprintf(stderr, "act_tool: '%s' is not a knob\n", text);
		exit(2);
	}
	char *expected = strchr(value, ':');

	if (expected)
		*expected++ = '\0';
	a.value = value_of(value);
	a.expected = expected ? value_of(expected) : value_now(path, a.knob);
	return a;
}

static void outcome_print(const char *what, enum knob knob, const struct outcome *o)
{
	char value[64];

	if (o->read_back == VALUE_MAX || o->read_back == MISSING)
		snprintf(value, sizeof(value), "%s", o->read_back == VALUE_MAX ? "max" : "missing");
	else
		snprintf(value, sizeof(value), "%" PRIu64, o->read_back);
	printf("%s%s %s %s %s\n", what, knob_table[knob].file, outcome_name(o->kind), value,
	       o->note);
}

static int apply(struct act *act, int argc, char **argv)
{
	struct action actions[32];
	struct outcome outcomes[32];
	struct plan plan = { .actions = actions };
	struct target target = { .unit = strcmp(argv[1], "-") == 0 ? "" : argv[1],
				 .path = argv[2] };
	struct observation now = { .n_targets = 1, .targets = &target };
	char *id = strchr(argv[2], '@');

	if (id)
		*id++ = '\0';
	target.cgroup_id = id ? value_of(id) : id_of(target.path);
	target.driver = cgroup_classify(target.path, target.unit,
					!without_systemd && systemd_is_running(), &target.knobs);
	for (int i = 3; i < argc && plan.n_actions < ARRAY_SIZE(actions); i++)
		actions[plan.n_actions++] = action_of(argv[i], target.path, target.cgroup_id);
	act_apply(act, &plan, &now, outcomes);
	for (unsigned int i = 0; i < plan.n_actions; i++)
		outcome_print("", actions[i].knob, &outcomes[i]);
	return 0;
}

static int restored(int r, struct restored *list, unsigned int n, const struct err *e)
{
	for (unsigned int i = 0; i < n; i++) {
		char what[300];

		snprintf(what, sizeof(what), "%s ", list[i].unit_or_path);
		outcome_print(what, list[i].knob, &list[i].outcome);
	}
	free(list);
	if (r < 0)
		fprintf(stderr, "act_tool: %s\n", e->text);
	return r;
}

static int restore(struct act *act, int argc, char **argv)
{
	struct restored *list = NULL;
	unsigned int n = 0;
	struct err e = { 0 };
	int r = act_restore(act, &list, &n, &e);

	return restored(r, list, n, &e);
}

static int release(struct act *act, int argc, char **argv)
{
	struct claim claim = { .cgroup_id = id_of(argv[1]) };
	struct restored *list = NULL;
	unsigned int n = 0;
	struct err e = { 0 };

	for (int i = 2; i < argc; i++) {
		enum knob knob;

		if (knob_find(argv[i], &knob) == 0)
			claim.knobs |= 1u << knob;
	}
	int r = act_release(act, &claim, 1, &list, &n, &e);

	return restored(r, list, n, &e);
}

static int adopt(struct act *act, int argc, char **argv)
{
	int32_t pids[64];
	unsigned int n = 0;
	struct err e = { 0 };

	for (int i = 2; i < argc && n < ARRAY_SIZE(pids); i++)
		pids[n++] = atoi(argv[i]);
	const struct adoption adoption = { .model = argv[1], .pids = pids, .n_pids = n };
	int r = act_adopt(act, &adoption, &e);

	if (r < 0)
		fprintf(stderr, "act_tool: %s\n", e.text);
	return r;
}

static int size(struct act *act, int argc, char **argv)
{
	printf("%u\n", act_ledger_size(act));
	return 0;
}

static int die(struct act *act, int argc, char **argv)
{
	fflush(stdout);
	kill(getpid(), SIGKILL);
	return 0;
}

static const struct {
	const char *name;
	int min_argc;
	int (*run)(struct act *act, int argc, char **argv);
} commands[] = {
	{ "apply", 4, apply }, { "restore", 1, restore }, { "release", 2, release },
	{ "adopt", 3, adopt }, { "size", 1, size },       { "die", 1, die },
};

static int command_run(struct act *act, int argc, char **argv)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (argc >= commands[i].min_argc && strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(act, argc, argv);
	fprintf(stderr, "act_tool: what is '%s'?\n", argc > 0 ? argv[0] : "");
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct act_options options = { 0 };
	struct act *act = NULL;
	struct err e = { 0 };
	int failed = 0;

	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		without_systemd = options.without_systemd = true;
		argc--;
		argv++;
	}
	options.state_dir = argc > 1 ? argv[1] : NULL;
	if (argc < 3 || cgroup_root_find(root, sizeof(root), NULL, &e) < 0 ||
	    act_open(&options, &act, &e) < 0) {
		fprintf(stderr, "act_tool: %s\n", argc < 3 ? "STATE COMMAND ..." : e.text);
		return 2;
	}
	for (int at = 2, n; at < argc; at += n + 1) {
		for (n = 0; at + n < argc && strcmp(argv[at + n], "--") != 0;)
			n++;
		failed |= command_run(act, n, argv + at) < 0;
	}
	act_close(act);
	return failed;
}
