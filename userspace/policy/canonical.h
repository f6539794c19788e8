/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of a policy's canonical form (policy_canonical() in policy.h).
 */
#ifndef MODELGOV_POLICY_CANONICAL_H
#define MODELGOV_POLICY_CANONICAL_H

#include "policy.h"

/* SHA-256 of a canonical form, in hex. -EIO when the library for hashes refuses to start. */
int canonical_digest(const char *text, char ret_hex[65]);

/* Fills p->digest. 0, -ENOMEM or -EIO. */
int policy_digest(struct policy *p);

#endif
