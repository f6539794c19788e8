/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells people what the law cannot mend: a model that stays below its floor. Who starves is
 * decide's to say; here it is said once, in log and journal, and again when others do or none does.
 */
#include "daemon.h"

#include <syslog.h>

static bool is_starved(const struct daemon *d, uint32_t model)
{
	return d->plan.verdicts[model].reason == REASON_STARVED;
}

/* "ocr, pages"; cut with "..." where there are many. */
static void starved_print(const struct daemon *d, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (uint32_t i = 0; i < d->plan.n_models; i++) {
		int n = is_starved(d, i)
				? snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
					   d->slot.policy->models[i].name)
				: 0;

		if (n < 0 || (size_t)n >= size - used) {
			memcpy(buf + size - 4, "...", 4);
			return;
		}
		used += (size_t)n;
	}
}

void alert_report(struct daemon *d)
{
	char names[sizeof(d->starved)];

	if (d->now->is_busy) /* nothing was judged */
		return;
	starved_print(d, names, sizeof(names));
	if (strcmp(names, d->starved) == 0)
		return;
	memcpy(d->starved, names, sizeof(names));
	if (*names)
		log_event(LOG_ALERT, ID_STARVED, NULL,
			  "%s: less CPU than the floor for thirty ticks although it was wanted; "
			  "all weights are back at the policy's; cure: look for what runs beside "
			  "the governed models (systemd-cgtop), and for slices above them",
			  names);
	else
		log_event(LOG_NOTICE, ID_STARVED, NULL, "no model is below its floor any more");
	journal_event(d->journal, d->now->wall_ns, "starved", json_pack("{s:s}", "models", names));
}
