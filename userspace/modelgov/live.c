/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings what modelgovd has in force and what it recorded over the control socket, a page at a
 * time, and the candidate from its files. Compares nothing.
 */
#include "live.h"

#include "print.h"
#include "record.h"

/* ---- policies ---------------------------------------------------------------------------- */

int live_policy_try(const struct cli *cli, struct live_policy *ret_live, struct err *e)
{
	json_t *reply = NULL, *canonical;
	struct live_policy l = { 0 };
	int64_t generation = 0;
	int r = daemon_ask(cli, "Policy", NULL, ASK_MSEC, &reply, e);

	if (r < 0)
		return r;
	canonical = json_object_get(reply, "canonical");
	(void)number_of(reply, "generation", &generation);
	l.generation = (uint64_t)MAX(generation, (int64_t)0);
	r = host_facts_read(&l.facts, e);
	if (r == 0)
		r = policy_from_canonical(json_string_value(canonical)
						  ? json_string_value(canonical)
						  : "",
					  json_string_length(canonical), &l.facts, &l.policy, e);
	json_decref(reply);
	if (r < 0) {
		(void)err_context(e, "the policy in force, of another version of modelgovd?");
		return -EREMOTEIO;
	}
	*ret_live = l;
	return 0;
}

int live_policy_ask(const struct cli *cli, struct live_policy *ret_live)
{
	struct err e = { 0 };
	int r = live_policy_try(cli, ret_live, &e);

	return r < 0 ? daemon_complain(cli, r, &e) : EXIT_OK;
}

void live_policy_fini(struct live_policy *l)
{
	policy_free(l->policy);
	*l = (struct live_policy){ 0 };
}

int candidate_load(const struct cli *cli, const char *etc, struct policy **ret_policy)
{
	struct findings findings;
	struct err e = { 0 };
	int status = EXIT_OK, r;

	findings_init(&findings);
	r = policy_read(etc, ret_policy, &findings, &e);
	if (r < 0)
		status = policy_complain(etc, r, &findings, &e);
	findings_fini(&findings);
	return status;
}

/* ---- observations ------------------------------------------------------------------------ */

/* Where the next page begins, and the last form that was read (new reference). */
struct reading_place {
	int64_t after;
	json_t *last;
};

static int tick_feed(const json_t *tick, struct comparison *c, struct arena *arena,
		     struct reading_place *place)
{
	json_t *form = json_object_get(tick, "observation");
	struct observation *now;
	struct err e = { 0 };

	arena_reset(arena);
	(void)number_of(tick, "seq", &place->after);
	if (observation_from_json(form, c->before.policy, arena, &now, &e) < 0 ||
	    comparison_feed(c, now) < 0) {
		complain("recorded tick %lld: %s", (long long)place->after,
			 *e.text ? e.text : "out of memory");
		return EXIT_FAILED;
	}
	json_decref(place->last);
	place->last = json_incref(form);
	return EXIT_OK;
}

/* Returns EXIT_OK and in ret_n how many there were. */
static int page_feed(const struct cli *cli, uint64_t from_ns, struct comparison *c,
		     struct arena *arena, struct reading_place *place, size_t *ret_n)
{
	json_t *reply = NULL, *ticks, *tick;
	struct err e = { 0 };
	int status = EXIT_OK;
	size_t i;
	int r = daemon_ask(cli, "Ticks",
			   json_pack("{s:I, s:I}", "from_ns", (json_int_t)from_ns, "after",
				     (json_int_t)place->after),
			   ASK_MSEC, &reply, &e);

	if (r < 0)
		return daemon_complain(cli, r, &e);
	ticks = json_object_get(reply, "ticks");
	json_array_foreach(ticks, i, tick)
		if (status == EXIT_OK)
			status = tick_feed(tick, c, arena, place);
	*ret_n = json_array_size(ticks);
	json_decref(reply);
	return status;
}

int recorded_feed(const struct cli *cli, uint64_t from_ns, struct comparison *c,
		  struct arena *arena, struct observation **ret_last)
{
	struct reading_place place = { 0 };
	struct arena page;
	int status;
	size_t n = 0;

	*ret_last = NULL;
	arena_init(&page);
	do {
		status = page_feed(cli, from_ns, c, &page, &place, &n);
	} while (status == EXIT_OK && n > 0);
	arena_fini(&page);
	if (status == EXIT_OK && place.last &&
	    observation_from_json(place.last, c->before.policy, arena, ret_last, NULL) < 0)
		status = EXIT_FAILED;
	json_decref(place.last);
	return status;
}
