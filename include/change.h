/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change: the life of a change, from a candidate policy to a generation in force: gates, approvals,
 * probation, keeping it or going back. Keeps the books and runs the gates; what the policy says is
 * policy's, where it is stored is record's, and whoever carries it out is told by a callback.
 *
 *   propose -> gating -> refused
 *                     -> waiting -> (approvals) -> ready -> applied -> kept
 *                                                       -> rolled_back (a new change of its own)
 *              any open state -> withdrawn | superseded
 *
 * The rules that judge a change are those of the generation in force, never its own. Every step,
 * refusals included, is one entry of the journal's chain with who, when, why and change request.
 */
#ifndef MODELGOV_CHANGE_H
#define MODELGOV_CHANGE_H

#include "base.h"
#include "policy.h"
#include "record.h"

#include <jansson.h>
#include <sys/types.h>

/* ---- states ---------------------------------------------------------------------------------- */

/* X(tag, name, is it open, meaning). Names are stored; append, never rename. */
#define CHANGE_STATES(X)                                                                           \
	X(GATING, "gating", true, "its gates are running")                                         \
	X(REFUSED, "refused", false, "a gate failed")                                              \
	X(WAITING, "waiting", true, "its gates passed; approvals are missing")                     \
	X(READY, "ready", true, "approved; nobody has applied it yet")                             \
	X(PROBATION, "probation", true, "in force and watched")                                    \
	X(KEPT, "kept", false, "in force, or was, until a later one")                              \
	X(ROLLED_BACK, "rolled_back", false,                                                       \
	  "worse than before: the generation before it is in force again")                         \
	X(WITHDRAWN, "withdrawn", false, "taken back by its author or an operator")                \
	X(SUPERSEDED, "superseded", false, "the policy it was made for is not in force any more")

enum change_state {
#define X(tag, name, is_open, meaning) CHANGE_##tag,
	CHANGE_STATES(X)
#undef X
		N_CHANGE_STATES,
};

/* ---- people ---------------------------------------------------------------------------------- */

/*
 * Who asks, as the kernel says (SO_PEERCRED, SO_PEERGROUPS). Names are resolved by whoever asks the
 * user database, so that this room never waits for it: the user's, or the number as text.
 */
struct person {
	uid_t uid;
	const char *name;
	const char *const *groups; /* names of all of them, supplementary ones included */
	unsigned int n_groups;
	bool is_viewer, is_operator, is_approver; /* by the host's settings; uid 0 is all three */
};

/* The person is named in the list, as a user or by a group (@name). */
bool person_is_listed(const struct person *who, const struct names *list);

/* ---- gates ----------------------------------------------------------------------------------- */

/* How a gate ended. X(tag, name, meaning). Names are stored. */
#define GATE_VERDICTS(X)                                                                           \
	X(PASS, "pass", "nothing to say against it")                                               \
	X(FAIL, "fail", "the change is refused")                                                   \
	X(INCONCLUSIVE, "inconclusive",                                                            \
	  "could not tell: an approver accepts that with a reason, or it waits")

enum gate_verdict {
#define X(tag, name, meaning) GATE_##tag,
	GATE_VERDICTS(X)
#undef X
		N_GATE_VERDICTS,
};

/* ---- the room -------------------------------------------------------------------------------- */

struct changes;
struct sd_event;
struct sd_bus;

struct changes_options {
	struct sd_event *event;
	struct sd_bus *bus; /* NULL: executable gates are inconclusive: nobody to confine them */
	struct journal *journal;
	const char *gates_dirs[2]; /* /etc/modelgov/gates.d, and the shipped one or NULL */
	const char *etc;           /* policy directory, looked at by the security gate; or NULL */
	struct host_facts facts;
	/*
	 * Puts a policy into force; it was stored before as that generation. May not fail: a daemon
	 * that cannot enter it ends and enters it when it is started again.
	 */
	void (*enter)(struct policy *take_policy, uint64_t generation, void *userdata);
	/* A change has moved on, for the log; the document is borrowed. */
	void (*tell)(const json_t *document, const char *step, void *userdata);
	void *userdata;
};

/*
 * Reads what is in force and open from the record, enters it and goes on where the last daemon was.
 * Succeeds also when the record cannot be read now: nothing is in force then, nothing can be
 * changed, and it is tried again; changes_to_json() says why.
 */
int changes_open(const struct changes_options *options, struct changes **ret_changes,
		 struct err *e);
/* Before journal_close(): answers that are under way come to nobody. NULL is fine. */
void changes_close(struct changes *c);

/* The generation in force: 0 before the first. */
uint64_t changes_generation(const struct changes *c);

/* The record was read: before that nothing can be proposed. */
bool changes_are_known(const struct changes *c);

/*
 * Whether the policy of that digest, found in /etc, is to be proposed: it is neither in force nor
 * the last that was. When it is in force, changes from /etc that are still open are superseded.
 */
bool changes_consider(struct changes *c, const char *digest);

/* How a request ended: the change's document (without canonical), or a problem for the asker. */
typedef void change_reply(json_t *take_document, const char *problem, void *userdata);

/* Requests copy what they need and are done one after the other; reply may be NULL. */
struct proposal {
	const struct person *author;
	const char *canonical; /* of the candidate */
	const char *reason;    /* one line of at most 4096 bytes; not empty, but for source "etc" */
	const char *ticket;    /* change request, one line of at most 256 bytes, "" for none */
	const char *source;    /* "etc", "proposal", "import" */
	bool applies;          /* apply as soon as the rules allow */
};

/* Replies when it is kept and its gates begin. */
void change_propose(struct changes *c, const struct proposal *p, change_reply *reply,
		    void *userdata);

/* What somebody says to a change, or to a generation. */
struct saying {
	const struct person *who;
	uint64_t number;    /* of the change; of the generation for change_rollback() */
	const char *why;    /* as a proposal's reason */
	const char *ticket; /* "" for none; of change_rollback() and change_apply() */
};

void change_approve(struct changes *c, const struct saying *s, change_reply *reply, void *userdata);
/* Replies when it is in force. */
void change_apply(struct changes *c, const struct saying *s, change_reply *reply, void *userdata);
/* Of a change on probation: goes back to the generation before, as its verdict would. */
void change_withdraw(struct changes *c, const struct saying *s, change_reply *reply,
		     void *userdata);
/* Proposes the canonical bytes of a kept generation (0: the one before), to be applied at once. */
void change_rollback(struct changes *c, const struct saying *s, change_reply *reply,
		     void *userdata);

/* Once a tick, after decide: the probation's judge watches. */
void changes_tick(struct changes *c, const struct policy *p, const struct observation *now);

/*
 * For status: {"generation", "digest", "problem", "probation": null | {"change", "ends_ns",
 * "sentence"}, "open":
 * [{"id", "state", "source", "author", "reason", "waits_for"}]}.
 */
json_t *changes_to_json(const struct changes *c);

/* The numbers by which a probation is judged, for documents. */
extern const struct parameter probation_parameters[];
extern const unsigned int n_probation_parameters;

#endif
