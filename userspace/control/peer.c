/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a socket, by what the kernel noted when it connected. The group
 * database is not asked: it may live on a server that does not answer, and the process' own groups
 * are the truth.
 */
#include "server.h"

#include <sys/socket.h>

enum role role_of(const struct peer *peer, const gid_t *groups, size_t n_groups, uid_t own_uid,
		  gid_t viewer_gid)
{
	if (peer->uid == 0 || peer->uid == own_uid)
		return ROLE_OPERATOR;
	if (viewer_gid == (gid_t)-1)
		return ROLE_NOBODY;
	if (peer->gid == viewer_gid)
		return ROLE_VIEWER;
	for (size_t i = 0; i < n_groups; i++)
		if (groups[i] == viewer_gid)
			return ROLE_VIEWER;
	return ROLE_NOBODY;
}

/* Supplementary groups (SO_PEERGROUPS, Linux 4.13): the kernel tells the size of the list with
 * ERANGE. */
static int groups_read(int fd, gid_t **ret_groups, size_t *ret_n)
{
	socklen_t size = 0;
	gid_t *groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0) {
		*ret_groups = NULL;
		*ret_n = 0;
		return 0;
	}
	if (errno != ERANGE)
		return -errno;
	groups = malloc(size);
	if (!groups)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
		int r = -errno;

		free(groups);
		return r;
	}
	*ret_groups = groups;
	*ret_n = size / sizeof(gid_t);
	return 0;
}

enum role peer_role(const struct peer *peer, const struct control_options *options)
{
	enum role fixed =
		role_of(peer, peer->groups, peer->n_groups, geteuid(), options->viewer_gid);

	if (fixed == ROLE_OPERATOR || !options->role_of)
		return fixed;
	return MAX(fixed, options->role_of(peer, options->userdata));
}

void peer_fini(struct peer *peer)
{
	free((void *)peer->groups);
	*peer = (struct peer){ 0 };
}

int peer_copy(const struct peer *peer, struct peer *ret_copy)
{
	struct peer copy = *peer;

	if (peer->n_groups > 0) {
		gid_t *groups = calloc(peer->n_groups, sizeof(*groups));

		if (!groups)
			return -ENOMEM;
		memcpy(groups, peer->groups, peer->n_groups * sizeof(*groups));
		copy.groups = groups;
	}
	*ret_copy = copy;
	return 0;
}

int peer_read(int fd, struct peer *ret_peer)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	gid_t *groups = NULL;
	size_t n = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	(void)groups_read(fd, &groups, &n); /* without them there are fewer rights, never more */
	*ret_peer = (struct peer){ .uid = credentials.uid,
				   .gid = credentials.gid,
				   .pid = credentials.pid,
				   .groups = groups,
				   .n_groups = n };
	return 0;
}
