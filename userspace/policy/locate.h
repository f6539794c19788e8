/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the values of a loaded policy are written, found when a check has something to say: the
 * manifest is read once more and its tree searched. That costs a millisecond for each finding and
 * nothing for a policy that is right, which would else pay for thousands of places that nobody asks
 * for.
 */
#ifndef MODELGOV_POLICY_LOCATE_H
#define MODELGOV_POLICY_LOCATE_H

#include "check.h"
#include "files.h"

/* Files are borrowed; their directories stay open. */
struct locations {
	const struct policy_source *source;
	const struct manifest_file *host;    /* NULL: there is no modelgov.yaml */
	const struct manifest_file **models; /* by index in the policy */
	const struct templates *templates;   /* that they inherit from; open as long */
	/* the file that was looked into last */
	const struct manifest_file *open;
	struct tree tree;
	struct source text;
	char *bytes;
	struct findings silent; /* what reading it again finds was said before */
	struct arena scratch, places;
};

void locations_init(struct locations *l, const struct policy_source *source);
void locations_fini(struct locations *l);

/* locator's find; context is the struct locations. Places live until locations_fini(). */
bool locations_find(void *context, uint32_t model, const char *path, struct place *ret_place);

#endif
