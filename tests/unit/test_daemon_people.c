/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of those who ask: the program's own file, because what it promises (names that stay valid
 * while strangers come and go) is not seen through the socket.
 */
#include "modelgovd/people.c"

#include <criterion/criterion.h>

/* Ids that no user database knows: their names are the numbers. */
#define FIRST_ID 3000000000u

static struct person *person_with_groups(struct daemon *d, uint32_t first, unsigned int n)
{
	gid_t groups[MAX_GROUPS];
	const struct peer peer = { .uid = first, .gid = first, .groups = groups, .n_groups = n };

	for (unsigned int i = 0; i < n; i++)
		groups[i] = first + 1 + i;
	return people_person(d, &peer);
}

Test(daemon_people, however_many_strangers_came_before_everyone_keeps_names_of_their_own)
{
	struct policy policy = { 0 };
	struct daemon d = { .slot = { .policy = &policy } };
	struct err e = { 0 };

	cr_assert_eq(people_open(&d, &e), 0);
	for (uint32_t round = 0; round < 40; round++) {
		uint32_t first = FIRST_ID + round * 100;
		_cleanup_free_ struct person *who = person_with_groups(&d, first, MAX_GROUPS);
		char expected[16];

		cr_assert_not_null(who);
		cr_assert_eq(who->n_groups, MAX_GROUPS + 1);
		for (unsigned int i = 0; i < who->n_groups; i++) {
			snprintf(expected, sizeof(expected), "%u", first + i);
			cr_assert_str_eq(who->groups[i], expected, "round %u, group %u", round, i);
		}
	}
	people_close(&d);
}
