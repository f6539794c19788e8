/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: requests between modelgov and modelgovd over a unix socket, both ends. Varlink's wire
 * format: one JSON object a message, NUL-terminated; callable with varlinkctl. Carries messages and
 * checks who may ask; what a method does is the daemon's business. What is said: docs/control.md.
 */
#ifndef MODELGOV_CONTROL_H
#define MODELGOV_CONTROL_H

#include "base.h"

#include <jansson.h>
#include <sys/types.h>

#define CONTROL_SOCKET              "/run/modelgov/control"
#define CONTROL_INTERFACE           "org.modelgov.Governor"
#define CONTROL_REQUEST_LIMIT_BYTES (64UL * 1024) /* chosen: a hundred times the longest request   \
						   */
#define CONTROL_MESSAGE_LIMIT_BYTES                                                                \
	(16UL * 1024 *                                                                             \
	 1024) /* chosen: the policy of a thousand models fits, quoted; operators' requests too */

/*
 * Who asks, from the credentials that the kernel took when the peer connected. Operator: uid 0 and
 * the user that the daemon itself runs as (who could do anything to it anyway). Viewer: has the
 * viewer group as its group or among its supplementary ones. Everyone else is refused, unless the
 * daemon says otherwise (control_options.role_of).
 */
enum role { ROLE_NOBODY, ROLE_VIEWER, ROLE_OPERATOR };

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	const gid_t *groups; /* supplementary ones */
	size_t n_groups;
};

/* Errors a method may answer with, each with a message. X(name, meaning) */
#define CONTROL_ERRORS(X)                                                                          \
	X(NotFound, "there is no model of that name")                                              \
	X(Failed, "the request was understood, but could not be carried out")                      \
	X(Busy, "too many clients, or the same work is under way; try again")                      \
	X(TooLarge, "the reply is longer than the limit of a message; ask for less")               \
	X(BadMessage, "not a request in Varlink's form")                                           \
	X(PermissionDenied, "the caller's role does not cover the method")                         \
	X(Refused, "the rules of changes do not allow it; the message says what to do instead")

/* ---- daemon's end ---------------------------------------------------------------------------- */

struct sd_event;
struct control;
struct request; /* lives until answered; may be answered later, but on the loop's thread */

/* One method: its name after the interface, who may call it, what it does. */
struct method {
	const char *name;
	enum role role;
	const char *signature; /* Varlink text, "(model: ?string) -> (actions: []object)" */
	const char *help;
	/* parameters: an object, or NULL when the caller sent none; borrowed for the call */
	void (*run)(struct request *request, json_t *parameters, void *userdata);
};

struct control_options {
	const char *path;             /* CONTROL_SOCKET */
	const struct method *methods; /* ends with a NULL name */
	void *userdata;
	gid_t viewer_gid; /* group that may view; (gid_t)-1: root only */
	/*
	 * More than the rule above gives: asked when a peer connects and again for each message,
	 * because settings change. NULL: nobody has more. With it everybody may connect (mode 0666)
	 * and hear of their role; a few places are all that strangers can take.
	 */
	enum role (*role_of)(const struct peer *peer, void *userdata);
};

/*
 * Listens (or takes the socket that systemd passed) and serves from the event loop; its sources
 * have a later priority than the loop's ordinary ones. The socket gets the viewer group and mode
 * 0660 (0666 with role_of); its directory is made. -EADDRINUSE: another daemon listens there; a
 * dead one's socket is replaced.
 */
int control_open(struct sd_event *event, const struct control_options *options,
		 struct control **ret_control, struct err *e);
/* Requests that are not answered yet may still be answered afterwards; nobody hears it. NULL is
 * fine. */
void control_close(struct control *c);

/*
 * Each request is answered exactly once, by one of these; it is gone afterwards. Parameters were
 * checked against the signature before run() was called. NULL parameters (json_pack() without
 * memory, or with text that is not UTF-8) become Failed.
 */
void request_reply(struct request *r, json_t *take_parameters);
/* error: a name of CONTROL_ERRORS; becomes org.modelgov.Governor.NotFound with {"message": text}.
 */
void request_fail(struct request *r, const char *error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

const struct peer *request_peer(const struct request *r);

/* ---- client's end ---------------------------------------------------------------------------- */

/*
 * One call. method: a name of CONTROL_INTERFACE, or a full name with dots. 0 and the reply's
 * parameters (new reference, an object); -ECONNREFUSED or -ENOENT when no daemon listens; -EACCES
 * when the caller may not; -ECANCELED when it answered Refused, -EREMOTEIO when with another error (its message
 * is in e);
 * -ETIMEDOUT; -EPROTO.
 */
int control_call(const char *path, const char *method, json_t *take_parameters,
		 unsigned int timeout_ms, json_t **ret_reply, struct err *e);

#endif
