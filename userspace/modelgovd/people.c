/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, by name, and what they may: credentials of the kernel become names of the user
 * database, which are looked up in the settings in force. Names are kept until the next look at
 * /etc, because the database may live on a server that is slow, and monitors ask every second.
 */
#include "daemon.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>

#define MAX_KNOWN  256 /* chosen: more people and groups than ask one host */
#define MAX_GROUPS 64  /* of one person that are looked at; chosen, a handful is usual */
#define MAX_NAMES  (MAX_GROUPS + 2)

struct known {
	bool is_group;
	uint32_t id;
	char *name;
};

struct people {
	struct known all[MAX_KNOWN];
	unsigned int n;
};

int people_open(struct daemon *d, struct err *e)
{
	d->people = calloc(1, sizeof(*d->people));
	return d->people ? 0 : err_set(e, -ENOMEM, "people");
}

void people_forget(struct daemon *d)
{
	while (d->people && d->people->n > 0)
		free(d->people->all[--d->people->n].name);
}

void people_close(struct daemon *d)
{
	people_forget(d);
	free(d->people);
	d->people = NULL;
}

/* The number as text where the database knows nobody. NULL without memory. */
static char *name_ask(bool is_group, uint32_t id)
{
	const struct passwd *user = is_group ? NULL : getpwuid(id);
	const struct group *group = is_group ? getgrgid(id) : NULL;
	char *number;

	if (user || group)
		return strdup(user ? user->pw_name : group->gr_name);
	return asprintf(&number, "%" PRIu32, id) < 0 ? NULL : number;
}

/* Lives until people_forget(). */
static const char *name_of(struct people *p, bool is_group, uint32_t id)
{
	struct known *new;

	for (unsigned int i = 0; i < p->n; i++)
		if (p->all[i].is_group == is_group && p->all[i].id == id)
			return p->all[i].name;
	new = &p->all[p->n]; /* there is room: see people_person() */
	*new = (struct known){ .is_group = is_group, .id = id, .name = name_ask(is_group, id) };
	if (!new->name)
		return NULL;
	p->n++;
	return new->name;
}

static void roles_fill(const struct daemon *d, struct person *who)
{
	const struct host_policy *h = &d->slot.policy->host;
	bool is_all = who->uid == 0 || who->uid == geteuid();

	who->is_operator = is_all || person_is_listed(who, &h->operators);
	who->is_approver = is_all || person_is_listed(who, &h->approvers);
	who->is_viewer = who->is_operator || who->is_approver || person_is_listed(who, &h->viewers);
}

/* Room for the names comes with the person: the cache may forget them meanwhile. */
struct person *people_person(struct daemon *d, const struct peer *peer)
{
	const char *names[MAX_NAMES];
	unsigned int n = 0;
	size_t size = sizeof(struct person) + sizeof(names);
	struct person *who;
	const char **groups;
	char *text;

	if (d->people->n + MAX_NAMES > MAX_KNOWN) /* now, and not while names are held */
		people_forget(d);
	names[n++] = name_of(d->people, false, peer->uid);
	names[n++] = name_of(d->people, true, peer->gid);
	for (size_t i = 0; i < peer->n_groups && n < ARRAY_SIZE(names); i++)
		names[n++] = name_of(d->people, true, peer->groups[i]);
	for (unsigned int i = 0; i < n; i++)
		size += names[i] ? strlen(names[i]) + 1 : 0;
	if (!names[0] || !(who = calloc(1, size)))
		return NULL;
	groups = (const char **)(who + 1);
	text = (char *)(groups + ARRAY_SIZE(names));
	*who = (struct person){ .uid = peer->uid, .name = text, .groups = groups };
	text = stpcpy(text, names[0]) + 1;
	for (unsigned int i = 1; i < n; i++) {
		if (!names[i])
			continue;
		groups[who->n_groups++] = text;
		text = stpcpy(text, names[i]) + 1;
	}
	roles_fill(d, who);
	return who;
}

/* Who owns a model may look, or could not approve what touches it. */
static bool is_owner(const struct daemon *d, const struct person *who)
{
	const struct policy *p = d->slot.policy;

	for (unsigned int i = 0; i < p->n_models; i++)
		if (person_is_listed(who, &p->models[i].owners))
			return true;
	return false;
}

enum role people_role(const struct peer *peer, void *userdata)
{
	struct daemon *d = userdata;
	_cleanup_free_ struct person *who = people_person(d, peer);

	if (!who)
		return ROLE_NOBODY;
	if (who->is_operator)
		return ROLE_OPERATOR;
	return who->is_viewer || is_owner(d, who) ? ROLE_VIEWER : ROLE_NOBODY;
}
