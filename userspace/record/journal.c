/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal as the loop sees it: what is to be written becomes a job on the writer's thread and the
 * loop goes on. Failures are counted and kept for status; SQL is store.c's.
 */
#include "forms.h"
#include "knob.h"
#include "record.h"
#include "store.h"

#include <errno.h>
#include <pthread.h>

/* Chosen: a disk that was full or missing is tried again this often. */
#define REOPEN_NS (10 * NSEC_PER_SEC)
/* Chosen: about ten minutes at one tick a second, so that each removal is small. */
#define TRIM_EVERY_ENTRIES 600
/* Chosen: seconds of ticks while a disk hangs; beyond it rows are dropped, not memory filled. */
#define BACKLOG_MAX 1000

struct journal {
	char *directory;
	uint64_t run;
	struct worker *worker;

	/* the writer's thread alone */
	struct store *store;
	uint64_t tried_ns;
	unsigned int since_trim;

	pthread_mutex_t lock; /* of what follows: both threads */
	struct journal_status status;
	uint64_t retention_ns, limit_bytes;
};

/* ---- the writer's thread ---------------------------------------------------------------------- */

static void problem_note(struct journal *j, const char *text, unsigned int lost)
{
	pthread_mutex_lock(&j->lock);
	snprintf(j->status.problem, sizeof(j->status.problem), "%s", text);
	j->status.rows_lost += lost;
	pthread_mutex_unlock(&j->lock);
}

static int store_ensure(struct journal *j, struct err *e)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (j->store)
		return 0;
	if (j->tried_ns && now_ns - j->tried_ns < REOPEN_NS)
		return err_say(e, -EAGAIN, "%s", j->status.problem);
	j->tried_ns = now_ns;
	return store_open(j->directory, false, &j->store, e);
}

static void trim_now_and_then(struct journal *j)
{
	struct err e = { 0 };
	uint64_t wall_ns = clock_realtime_ns(), retention_ns, limit_bytes;

	if (++j->since_trim < TRIM_EVERY_ENTRIES)
		return;
	j->since_trim = 0;
	pthread_mutex_lock(&j->lock);
	retention_ns = j->retention_ns;
	limit_bytes = j->limit_bytes;
	pthread_mutex_unlock(&j->lock);
	if (retention_ns && wall_ns > retention_ns &&
	    store_trim(j->store, wall_ns - retention_ns, limit_bytes, &e) < 0)
		problem_note(j, e.text, 0);
}

struct write_job {
	struct job job; /* first */
	struct entry entry;
};

static void entry_write(struct job *job, void *context)
{
	struct journal *j = context;
	struct write_job *w = (struct write_job *)job;
	struct err e = { 0 };
	int r = store_ensure(j, &e);

	if (r == 0)
		r = store_write(j->store, &w->entry, &e);
	if (r < 0) {
		problem_note(j, e.text, 1);
		return;
	}
	pthread_mutex_lock(&j->lock);
	j->status.rows_written += (uint64_t)r;
	j->status.problem[0] = '\0';
	pthread_mutex_unlock(&j->lock);
	trim_now_and_then(j);
}

static void entry_written(struct job *job, void *context)
{
	struct write_job *w = (struct write_job *)job;

	json_decref(w->entry.body);
	free(w);
}

/* ---- the loop's thread ------------------------------------------------------------------------ */

static void entry_post(struct journal *j, enum entry_kind kind, uint64_t tick, uint64_t wall_ns,
		       json_t *take_body)
{
	struct write_job *w = take_body ? calloc(1, sizeof(*w)) : NULL;

	if (!w || worker_backlog(j->worker) >= BACKLOG_MAX) {
		problem_note(j, w ? "the disk does not keep up" : "out of memory", 1);
		json_decref(take_body);
		free(w);
		return;
	}
	*w = (struct write_job){ .job = { .run = entry_write, .done = entry_written },
				 .entry = { .kind = kind,
					    .run = j->run,
					    .tick = tick,
					    .wall_ns = wall_ns,
					    .body = take_body } };
	worker_post(j->worker, &w->job);
}

int journal_open(const char *directory, struct journal **ret_journal, struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j || !(j->directory = strdup(directory))) {
		free(j);
		return err_set(e, -ENOMEM, "open the journal");
	}
	j->run = clock_realtime_ns();
	pthread_mutex_init(&j->lock, NULL);
	int r = worker_new("modelgov-record", j, &j->worker, e);

	if (r < 0) {
		journal_close(j);
		return r;
	}
	*ret_journal = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	worker_free(j->worker);
	store_close(j->store);
	pthread_mutex_destroy(&j->lock);
	free(j->directory);
	free(j);
}

void journal_limit(struct journal *j, uint64_t retention_ns, uint64_t limit_bytes)
{
	pthread_mutex_lock(&j->lock);
	j->retention_ns = retention_ns;
	j->limit_bytes = limit_bytes;
	pthread_mutex_unlock(&j->lock);
}

int journal_fd(const struct journal *j)
{
	return worker_fd(j->worker);
}

void journal_dispatch(struct journal *j)
{
	worker_reap(j->worker);
}

void journal_get_status(struct journal *j, struct journal_status *ret_status)
{
	pthread_mutex_lock(&j->lock);
	*ret_status = j->status;
	pthread_mutex_unlock(&j->lock);
	ret_status->backlog = worker_backlog(j->worker);
}

void journal_event(struct journal *j, uint64_t wall_ns, const char *kind, json_t *take_details)
{
	entry_post(j, ENTRY_EVENT, 0, wall_ns,
		   json_pack("{s:s, s:o}", "kind", kind, "details", take_details));
}

void journal_policy(struct journal *j, uint64_t wall_ns, const struct policy *p)
{
	_cleanup_free_ char *canonical = policy_canonical(p);

	entry_post(j, ENTRY_POLICY, 0, wall_ns,
		   json_pack("{s:s, s:s}", "digest", p->digest, "canonical",
			     canonical ? canonical : ""));
}

void journal_tick(struct journal *j, const struct policy *p, const struct observation *now,
		  const struct plan *plan)
{
	entry_post(j, ENTRY_TICK, now->tick, now->wall_ns,
		   json_pack("{s:s, s:o, s:o}", "digest", p->digest, "observation",
			     observation_to_json(p, now), "plan", plan_to_json(p, now, plan)));
}

void journal_outcomes(struct journal *j, uint64_t tick, const struct outcome *outcomes,
		      unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:s}", "outcome",
						outcome_name(outcomes[i].kind), "read_back",
						value_to_json(outcomes[i].read_back), "note",
						outcomes[i].note));
	entry_post(j, ENTRY_OUTCOMES, tick, clock_realtime_ns(), list);
}

/* ---- asking ----------------------------------------------------------------------------------- */

struct ask_job {
	struct job job; /* first */
	char *model;    /* NULL: all */
	unsigned int limit;
	journal_reply *reply;
	void *userdata;
	json_t *actions;
	struct err e;
};

static void actions_ask(struct job *job, void *context)
{
	struct journal *j = context;
	struct ask_job *a = (struct ask_job *)job;

	if (store_ensure(j, &a->e) == 0)
		(void)store_actions(j->store, a->model, a->limit, &a->actions, &a->e);
}

static void actions_asked(struct job *job, void *context)
{
	struct ask_job *a = (struct ask_job *)job;

	a->reply(a->actions, a->actions ? NULL : a->e.text, a->userdata);
	free(a->model);
	free(a);
}

void journal_ask_actions(struct journal *j, const char *model, unsigned int limit,
			 journal_reply *reply, void *userdata)
{
	struct ask_job *a = calloc(1, sizeof(*a));

	if (!a || (model && !(a->model = strdup(model)))) {
		free(a);
		reply(NULL, "out of memory", userdata);
		return;
	}
	a->job = (struct job){ .run = actions_ask, .done = actions_asked };
	a->limit = limit;
	a->reply = reply;
	a->userdata = userdata;
	worker_post(j->worker, &a->job);
}

int journal_read_actions(const char *directory, const char *model, unsigned int limit,
			 json_t **ret_actions, struct err *e)
{
	struct store *s;
	int r = store_open(directory, true, &s, e);

	if (r < 0)
		return r;
	r = store_actions(s, model, limit, ret_actions, e);
	store_close(s);
	return r;
}
