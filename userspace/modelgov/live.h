/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live: the policy in force and the observations that modelgovd recorded, as structs: what
 * plan, verify and shadow need to compare with.
 */
#ifndef MODELGOV_LIVE_H
#define MODELGOV_LIVE_H

#include "command.h"
#include "policy.h"
#include "replay.h"

/* The policy that modelgovd has in force. */
struct live_policy {
	struct policy *policy;
	uint64_t generation;
	struct host_facts facts;
};

/* As control_call(); for those who have another way without it. */
int live_policy_try(const struct cli *cli, struct live_policy *ret_live, struct err *e);
/* 0; otherwise it was complained about: the exit status. */
int live_policy_ask(const struct cli *cli, struct live_policy *ret_live);
void live_policy_fini(struct live_policy *l);

/*
 * Feeds what was recorded since from_ns (wall clock) to the comparison. ret_last: the last
 * observation as its policy before sees it, in the arena; NULL when there is none. 0 or an exit
 * status.
 */
int recorded_feed(const struct cli *cli, uint64_t from_ns, struct comparison *c,
		  struct arena *arena, struct observation **ret_last);

/* The policy in DIR, or in --etc. 0, or the findings were printed: the exit status. */
int candidate_load(const struct cli *cli, const char *etc, struct policy **ret_policy);

#endif
