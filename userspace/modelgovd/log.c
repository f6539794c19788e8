/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's voice: one line to the system journal with structured fields, or to stderr with a
 * priority prefix where no journal listens. Rooms never call this.
 */
#include "daemon.h"

#include <syslog.h>
#include <systemd/sd-journal.h>

#define SD_JOURNAL_SOCKET "/run/systemd/journal/socket"

void log_event(int priority, const char *message_id, const char *model, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	/* stderr reaches the journal too, without fields: only one of the two, or every line is there twice */
	if (!isatty(STDERR_FILENO) && access(SD_JOURNAL_SOCKET, W_OK) == 0 &&
	    sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority, "SYSLOG_IDENTIFIER=modelgovd",
			    "MODELGOV_MODEL=%s", model ? model : "",
			    message_id ? "MESSAGE_ID=%s" : NULL, message_id, NULL) >= 0)
		return;
	fprintf(stderr, "<%d>%s\n", priority, text);
}
