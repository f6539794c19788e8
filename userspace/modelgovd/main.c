/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelgovd: options in, a daemon built, run, taken down.
 */
#include "daemon.h"

#include <getopt.h>
#include <syslog.h>

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"Usage: modelgovd [OPTION]...\n"
	"Governs the models of this host; see modelgovd(8).\n"
	"\n"
	"  --etc DIR        policy directory (/etc/modelgov, or MODELGOV_ETC)\n"
	"  --state-dir DIR  journal and ledger (/var/lib/modelgov)\n"
	"  --socket PATH    control socket (" CONTROL_SOCKET ", or MODELGOV_SOCKET)\n"
	"  --pin-path DIR   where programs and maps are pinned (/sys/fs/bpf/modelgov)\n"
	"  --group NAME     members may view over the socket (modelgov)\n"
	"  --observe        change nothing, whatever the policy says\n"
	"  --version, --help\n";

static const char *environment(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

/* -1: go on; otherwise the exit status. */
static int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{ "etc", required_argument, NULL, 'e' },     { "state-dir", required_argument, NULL, 's' },
		{ "socket", required_argument, NULL, 'c' },  { "pin-path", required_argument, NULL, 'p' },
		{ "group", required_argument, NULL, 'g' },   { "observe", no_argument, NULL, 'o' },
		{ "version", no_argument, NULL, 'v' },	     { "help", no_argument, NULL, 'h' },
		{ 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		switch (c) {
		case 'e': o->etc = optarg; break;
		case 's': o->state_dir = optarg; break;
		case 'c': o->socket = optarg; break;
		case 'p': o->pin_path = optarg; break;
		case 'g': o->viewer_group = optarg; break;
		case 'o': o->forces_observe = true; break;
		case 'v': puts("modelgovd " MODELGOV_VERSION); return EXIT_SUCCESS;
		case 'h': fputs(usage, stdout); return EXIT_SUCCESS;
		default: fputs(usage, stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "modelgovd: unexpected argument '%s'\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = {
		.etc = environment("MODELGOV_ETC", "/etc/modelgov"),
		.shipped = "/usr/share/modelgov",
		.state_dir = "/var/lib/modelgov",
		.socket = environment("MODELGOV_SOCKET", CONTROL_SOCKET),
		.pin_path = "/sys/fs/bpf/modelgov",
		.viewer_group = "modelgov",
	};
	struct daemon d;
	struct err e = { 0 };
	int status = options_parse(argc, argv, &options);

	if (status >= 0)
		return status;
	int r = daemon_open(&d, &options, &e);

	if (r == 0)
		r = loop_run(&d, &e);
	if (r < 0)
		log_error("%s", e.text);
	daemon_close(&d);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
