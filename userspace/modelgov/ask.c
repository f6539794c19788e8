/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to modelgovd, and the words for every way in which it can stay without an answer.
 */
#include "command.h"
#include "control.h"
#include "print.h"

int daemon_ask(const struct cli *cli, const char *method, json_t *take_parameters,
	       unsigned int timeout_ms, json_t **ret_reply, struct err *e)
{
	return control_call(cli->socket, method, take_parameters, timeout_ms, ret_reply, e);
}

bool daemon_is_absent(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

int daemon_complain(const struct cli *cli, int r, const struct err *e)
{
	if (daemon_is_absent(r)) {
		complain("modelgovd does not run: %s; start it: systemctl start modelgovd",
			 e->text);
		return EXIT_UNREACHABLE;
	}
	if (r == -EACCES || r == -EPERM) {
		complain("not permitted: %s; ask as root, or to look only, as a member of group %s",
			 e->text, VIEWER_GROUP);
		return EXIT_DENIED;
	}
	if (r == -ETIMEDOUT || r == -EPROTO) {
		complain("%s; see journalctl -u modelgovd", e->text);
		return EXIT_UNREACHABLE;
	}
	complain("%s", e->text);
	return r == -ECANCELED ? EXIT_REFUSED : EXIT_FAILED;
}
