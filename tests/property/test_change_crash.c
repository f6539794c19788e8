/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that changes policies forwards and back is killed at 200 moments: whoever opens the
 * record afterwards enters one of the two policies, the one of the last generation that the record
 * has, and the chain is whole.
 */
#include "change.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#define KILLS 200

struct runner {
	sd_event *event;
	struct journal *journal;
	struct changes *changes;
	char digest[65]; /* of what was entered last */
	uint64_t generation;
	unsigned int n_entered;
	volatile unsigned int *steps; /* kept so far; shared with who kills */
};

static const struct person root = { .name = "root", .is_operator = true, .is_approver = true };

/* Two policies that differ in their mode. */
static char *policy_text(enum policy_mode mode)
{
	char folder[] = "/tmp/modelgov-crash-policy-XXXXXX", path[128], *text;
	struct policy_source source = { .etc = folder,
					.facts = { 2, 8ULL << 30 },
					.trusts_any_owner = true };
	struct findings findings;
	struct policy *p = NULL;
	struct err e = { 0 };
	FILE *f;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/modelgov.yaml", folder);
	f = fopen(path, "we");
	fprintf(f, "apiVersion: modelgov/v1\nkind: Host\nmode: %s\n",
		mode == MODE_ENFORCE ? "enforce" : "observe");
	fclose(f);
	findings_init(&findings);
	cr_assert_eq(policy_load(&source, &p, &findings, &e), 0, "%s%s", e.text,
		     findings.n ? findings.all[0].text : "");
	text = policy_canonical(p);
	policy_free(p);
	findings_fini(&findings);
	unlink(path);
	rmdir(folder);
	return text;
}

static void on_enter(struct policy *take_policy, uint64_t generation, void *userdata)
{
	struct runner *r = userdata;

	snprintf(r->digest, sizeof(r->digest), "%s", take_policy->digest);
	r->generation = generation;
	r->n_entered++;
	policy_free(take_policy);
}

static void on_step(const json_t *document, const char *step, void *userdata)
{
	struct runner *r = userdata;

	if (r->steps)
		(*r->steps)++;
}

static int runner_open(struct runner *r, const char *directory)
{
	struct err e = { 0 };
	struct changes_options options = {
		.facts = { 2, 8ULL << 30 }, .enter = on_enter, .tell = on_step, .userdata = r
	};

	if (sd_event_new(&r->event) < 0 || journal_open(directory, &r->journal, &e) < 0)
		return -1;
	options.event = r->event;
	options.journal = r->journal;
	return changes_open(&options, &r->changes, &e);
}

static void runner_close(struct runner *r)
{
	changes_close(r->changes);
	journal_close(r->journal);
	sd_event_unref(r->event);
}

/* For ever: the other policy, as soon as the last is in force. */
static void change_for_ever(const char *directory, char *const texts[2],
			    volatile unsigned int *steps)
{
	struct runner r = { .steps = steps };

	if (runner_open(&r, directory) < 0)
		_exit(1);
	for (unsigned int turn = 0;; turn++) {
		struct proposal p = { .author = &root,
				      .canonical = texts[turn % 2],
				      .reason = "turn",
				      .ticket = "",
				      .source = "proposal",
				      .applies = true };
		struct saying back = {
			.who = &root, .number = 1 + turn % 2, .why = "turn", .ticket = ""
		};

		if (turn % 4 < 2)
			change_propose(r.changes, &p, NULL, NULL);
		else
			change_rollback(r.changes, &back, NULL, NULL);
		for (int i = 0; i < 40; i++) {
			usleep(100);
			journal_dispatch(r.journal);
		}
	}
}

static int file_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* What the next daemon finds is what the file says, read by somebody else before. */
static void recovers(const char *directory, uint64_t *last_generation, unsigned int kill_number)
{
	struct runner r = { 0 };
	json_t *form = NULL, *audit = NULL;
	struct err e = { 0 };
	int found = journal_read(directory, QUESTION_GENERATION, json_pack("{s:i}", "number", 0),
				 &form, &e);

	cr_assert_eq(runner_open(&r, directory), 0);
	if (found == 0 && json_object_size(form) > 0) {
		cr_assert_geq(r.n_entered, 1, "kill %u: nothing was entered", kill_number);
		cr_assert_str_eq(r.digest, json_string_value(json_object_get(form, "digest")));
		cr_assert_geq(r.generation, *last_generation, "kill %u: a generation was lost",
			      kill_number);
		*last_generation = r.generation;
	}
	json_decref(form);
	if (kill_number % 20 == 0) {
		cr_assert_eq(journal_ask_now(r.journal, QUESTION_CHAIN, json_object(), &audit, &e),
			     0);
		cr_assert(json_is_null(json_object_get(audit, "broken")), "kill %u: the chain",
			  kill_number);
		json_decref(audit);
	}
	runner_close(&r);
}

/*
 * A moment that does not depend on how busy this machine is: after so many kept steps (a second at
 * most), and up to a millisecond into the next.
 */
static void kill_wait(const volatile unsigned int *steps, unsigned int after)
{
	for (int i = 0; i < 10000 && *steps < after; i++)
		usleep(100);
	usleep((useconds_t)(random() % 1000));
}

Test(change_crash, killed_at_any_moment_the_old_or_the_new_generation_is_in_force, .timeout = 300)
{
	char directory[] = "/tmp/modelgov-crash-XXXXXX";
	char *texts[2] = { policy_text(MODE_OBSERVE), policy_text(MODE_ENFORCE) };
	uint64_t generation = 0;
	volatile unsigned int *steps = mmap(NULL, sizeof(*steps), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_not_null(mkdtemp(directory));
	cr_assert_neq(steps, MAP_FAILED);
	srandom(1);
	for (unsigned int i = 1; i <= KILLS; i++) {
		*steps = 0;
		pid_t pid = fork();

		if (pid == 0)
			change_for_ever(directory, texts, steps);
		kill_wait(steps, (unsigned int)(random() % 10));
		cr_assert_eq(kill(pid, SIGKILL), 0);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		recovers(directory, &generation, i);
	}
	cr_assert_gt(generation, KILLS / 2, "the changes hardly ever get that far: %u",
		     (unsigned int)generation);
	(void)nftw(directory, file_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(texts[0]);
	free(texts[1]);
}
