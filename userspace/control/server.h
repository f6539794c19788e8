/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server: the pieces of the daemon's end and what they offer each other. server.c owns sockets and
 * deadlines, request.c knows what a message asks for, peer.c who asks.
 */
#ifndef MODELGOV_CONTROL_SERVER_H
#define MODELGOV_CONTROL_SERVER_H

#include "control.h"
#include "wire.h"

#include <sys/un.h>
#include <systemd/sd-event.h>

struct connection;

struct control {
	struct control_options options;
	sd_event *event;
	int fd;
	sd_event_source *listener, *rest; /* rest: listens again after a pause */
	char path[sizeof(
		((struct sockaddr_un *)0)->sun_path)]; /* "" when systemd made the socket */
	dev_t device;                                  /* of our socket's file, to know it again */
	ino_t inode;
	char *description;                 /* of our interface */
	uint64_t exchange_usec, idle_usec; /* constants, but for tests */
	struct connection *connections;
	unsigned int n_connections;
};

/* What a connection waits for; each has its own deadline. */
enum phase {
	PHASE_NEW,     /* nothing decided yet: the next look starts a new deadline */
	PHASE_IDLE,    /* for the first byte of a message */
	PHASE_READING, /* for the rest of a message */
	PHASE_RUNNING, /* for a method's answer: no deadline, that is the daemon's business */
	PHASE_WRITING, /* for the client to take the reply */
};

struct connection {
	struct control *control;
	struct connection *next, **link; /* link: what points to this one */
	int fd;
	sd_event_source *io, *deadline;
	enum phase phase;
	struct peer peer; /* with groups of our own */
	enum role role;
	struct inbox in;
	char *out; /* the reply under way, NULL for none */
	size_t out_length, out_sent;
	struct request *request; /* being answered; the next message waits until then */
	bool is_ended;           /* the client sends nothing more */
	bool is_last;            /* close when the reply is out */
};

/* ---- server.c -------------------------------------------------------------------------------- */

/* Takes the bytes of one reply and sees that they are sent. */
void connection_send(struct connection *c, char *take_bytes, size_t length);
/* A request ended without a reply (oneway): look at the next message. */
void connection_proceed(struct connection *c);

/* ---- request.c ------------------------------------------------------------------------------- */

/* Does what the first complete message of the inbox asks for, or answers with an error. */
void connection_dispatch(struct connection *c);
/* An error that has no request: sets is_last. */
void connection_refuse(struct connection *c, const char *error, const char *text);
/* The client has gone: whoever still answers the request answers nobody. */
void request_orphan(struct request *r);

/* ---- peer.c ---------------------------------------------------------------------------------- */

/* Credentials of the other end; -errno when the kernel does not tell. */
int peer_read(int fd, struct peer *ret_peer);
/* groups and all; -ENOMEM. */
int peer_copy(const struct peer *peer, struct peer *ret_copy);
void peer_fini(struct peer *peer);
/* By the fixed rule and by the daemon's word, whichever gives more. */
enum role peer_role(const struct peer *peer, const struct control_options *options);
/* Pure. groups: the supplementary ones. */
enum role role_of(const struct peer *peer, const gid_t *groups, size_t n_groups, uid_t own_uid,
		  gid_t viewer_gid);

#endif
