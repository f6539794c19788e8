/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval: who may approve what, and what is still missing. Pure.
 *
 *   asked for        host.approvals people other than the author, each an approver of the host,
 * root, or an owner of everything that the change touches (by the manifests in force). consent
 * where a person is asked for at all and a touched model names owners, one of them is the author or
 * among the approvals; root stands for every owner. inconclusive     a gate that could not tell is
 * accepted by a person of the first kind; on a host that asks for no approvals the author may be
 * that person, because there nobody else is asked.
 */
#ifndef MODELGOV_CHANGE_APPROVAL_H
#define MODELGOV_CHANGE_APPROVAL_H

#include "life.h"

/* -EPERM and a sentence when this person's word has no place here; else the approval, borrowed
 * strings. */
int approval_judge(struct change *c, const struct person *who, struct approval *ret_approval,
		   struct err *e);

/* Nothing is missing, or ret_missing says what, as the end of "it waits for ...". */
bool approvals_suffice(const struct change *c, char *ret_missing, size_t size);

#endif
