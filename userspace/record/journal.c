/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal as the loop sees it: what is to be written becomes a job on the writer's thread and
 * the loop goes on. Failures are counted and kept for status; SQL is store.c's.
 */
#include "audit.h"
#include "forms.h"
#include "knob.h"
#include "seal.h"

#include <errno.h>
#include <pthread.h>

/* Chosen: a disk that was full or missing is tried again this often. */
#define REOPEN_NS (10 * NSEC_PER_SEC)
/* Chosen: about ten minutes at one tick a second, so that each removal is small. */
#define TRIM_EVERY_ENTRIES 600
/* Chosen: what is not signed yet is at most an hour old, and a signature costs 100 us. */
#define SEAL_EVERY_ENTRIES 1000
#define SEAL_EVERY_NS      (3600 * NSEC_PER_SEC)
/* Chosen: seconds of ticks while a disk hangs; beyond it rows are dropped, not memory filled. */
#define BACKLOG_MAX 1000

struct journal {
	char *directory;
	uint64_t run;
	struct worker *worker;
	bool is_closing;

	/* the writer's thread alone */
	struct store *store;
	uint64_t tried_ns;
	unsigned int since_trim;
	struct seal *seal; /* NULL: its key could not be read or made yet */
	unsigned int since_seal;
	uint64_t sealed_ns;

	pthread_mutex_t lock; /* of what follows: both threads */
	struct journal_status status;
	uint64_t retention_ns, limit_bytes;
};

/* ---- the writer's thread ----------------------------------------------------------------------
 */

static void problem_note(struct journal *j, const char *text, unsigned int lost)
{
	pthread_mutex_lock(&j->lock);
	snprintf(j->status.problem, sizeof(j->status.problem), "%s", text);
	j->status.rows_lost += lost;
	pthread_mutex_unlock(&j->lock);
}

/* is_urgent: somebody waits for the answer, so that a disk which is back again is noticed at once.
 */
static int store_ensure(struct journal *j, bool is_urgent, struct err *e)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (j->store)
		return 0;
	if (!is_urgent && j->tried_ns && now_ns - j->tried_ns < REOPEN_NS) {
		pthread_mutex_lock(&j->lock); /* the loop notes problems, too */
		(void)err_say(e, -EAGAIN, "%s", j->status.problem);
		pthread_mutex_unlock(&j->lock);
		return -EAGAIN;
	}
	j->tried_ns = now_ns;
	return store_open(j->directory, false, &j->store, e);
}

/*
 * A full disk has room again some day and the connection goes on. After anything else, such as a
 * file system that became read-only or a file that was replaced, only a new one sees that it is
 * over.
 */
static void store_doubt(struct journal *j, int r)
{
	if (r == -ENOSPC || r == -ENOMEM || r == -EBUSY || r == -EINVAL)
		return;
	store_close(j->store);
	j->store = NULL;
	j->tried_ns = clock_monotonic_ns();
}

static void trim_now_and_then(struct journal *j)
{
	struct err e = { 0 };
	struct trimming t = { .run = j->run, .wall_ns = clock_realtime_ns() };
	uint64_t retention_ns;

	if (++j->since_trim < TRIM_EVERY_ENTRIES)
		return;
	j->since_trim = 0;
	pthread_mutex_lock(&j->lock);
	retention_ns = j->retention_ns;
	t.limit_bytes = j->limit_bytes;
	pthread_mutex_unlock(&j->lock);
	if (!retention_ns || t.wall_ns <= retention_ns)
		return;
	t.before_ns = t.wall_ns - retention_ns;
	if (store_trim(j->store, &t, &e) < 0)
		problem_note(j, e.text, 0);
}

/* Signs the head now and then, so that who cannot read the key cannot write the past anew. */
static void seal_now_and_then(struct journal *j)
{
	struct err e = { 0 };
	uint64_t now_ns = clock_monotonic_ns();
	int r = 0;

	if (!j->seal)
		r = seal_open(j->directory, &j->seal, &e);
	if (r == 0 && ++j->since_seal < SEAL_EVERY_ENTRIES && now_ns - j->sealed_ns < SEAL_EVERY_NS)
		return;
	j->since_seal = 0;
	j->sealed_ns = now_ns;
	if (r == 0)
		r = store_seal(j->store, j->seal, j->run, clock_realtime_ns(), &e);
	if (r < 0)
		problem_note(j, e.text, 0);
}

/* What was written is written: rows of it, and all is well. */
static void success_note(struct journal *j, unsigned int rows)
{
	pthread_mutex_lock(&j->lock);
	j->status.rows_written += rows;
	j->status.problem[0] = '\0';
	pthread_mutex_unlock(&j->lock);
	trim_now_and_then(j);
	seal_now_and_then(j);
}

struct write_job {
	struct job job; /* first */
	char kind[32];  /* entry.kind */
	struct entry entry;
};

static void entry_write(struct job *job, void *context)
{
	struct journal *j = context;
	struct write_job *w = (struct write_job *)job;
	struct err e = { 0 };
	int r = store_ensure(j, false, &e);

	if (r == 0 && (r = store_write(j->store, &w->entry, &e)) < 0)
		store_doubt(j, r);
	if (r < 0)
		problem_note(j, e.text, 1);
	else
		success_note(j, (unsigned int)r);
}

static void entry_written(struct job *job, void *context)
{
	struct write_job *w = (struct write_job *)job;

	json_decref(w->entry.body);
	free(w);
}

/* ---- the loop's thread ------------------------------------------------------------------------
 */

static void entry_post(struct journal *j, const char *kind, uint64_t tick, uint64_t wall_ns,
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
				 .entry = { .kind = w->kind,
					    .run = j->run,
					    .tick = tick,
					    .wall_ns = wall_ns,
					    .body = take_body } };
	snprintf(w->kind, sizeof(w->kind), "%s", kind);
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
	j->sealed_ns = clock_monotonic_ns();
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
	j->is_closing = true;
	worker_free(j->worker);
	store_close(j->store);
	seal_close(j->seal);
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
	entry_post(j, kind, 0, wall_ns, take_details);
}

void journal_policy(struct journal *j, uint64_t wall_ns, const struct policy *p)
{
	_cleanup_free_ char *canonical = policy_canonical(p);

	entry_post(j, "policy", 0, wall_ns,
		   json_pack("{s:s, s:s}", "digest", p->digest, "canonical",
			     canonical ? canonical : ""));
}

void journal_tick(struct journal *j, const struct policy *p, const struct observation *now,
		  const struct plan *plan)
{
	entry_post(j, "tick", now->tick, now->wall_ns,
		   json_pack("{s:s, s:o, s:o}", "digest", p->digest, "observation",
			     observation_to_json(p, now), "plan", plan_to_json(p, now, plan)));
}

void journal_outcomes(struct journal *j, uint64_t tick, const struct outcome *outcomes,
		      unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "outcome",
						      outcome_name(outcomes[i].kind), "read_back",
						      value_to_json(outcomes[i].read_back), "note",
						      foreign_to_json(outcomes[i].note)));
	entry_post(j, "outcomes", tick, clock_realtime_ns(), json_pack("{s:o}", "outcomes", list));
}

/* ---- keeping ----------------------------------------------------------------------------------
 */

struct keep_job {
	struct job job; /* first */
	char step[32];  /* keeping.step */
	struct keeping keeping;
	journal_answer *answer;
	void *userdata;
	json_t *answered;
	struct err e;
};

static void keeping_run(struct job *job, void *context)
{
	struct journal *j = context;
	struct keep_job *k = (struct keep_job *)job;
	int r = store_ensure(j, true, &k->e);

	if (r == 0 && (r = store_keep(j->store, &k->keeping, &k->answered, &k->e)) < 0)
		store_doubt(j, r);
	if (r < 0 && r != -EINVAL) /* that is the asker's mistake, not the disk's */
		problem_note(j, k->e.text, 0);
	else if (r == 0)
		success_note(j, 1);
}

static void keeping_done(struct job *job, void *context)
{
	struct keep_job *k = (struct keep_job *)job;

	k->answer(k->answered, k->answered ? NULL : k->e.text, k->userdata);
	json_decref(k->keeping.change);
	json_decref(k->keeping.generation);
	json_decref(k->keeping.details);
	free(k);
}

static void keeping_post(struct journal *j, const struct keeping *take, journal_answer *answer,
			 void *userdata)
{
	struct keep_job *k = calloc(1, sizeof(*k));

	if (!k) {
		json_decref(take->change);
		json_decref(take->generation);
		json_decref(take->details);
		answer(NULL, "out of memory", userdata);
		return;
	}
	*k = (struct keep_job){ .job = { .run = keeping_run, .done = keeping_done },
				.keeping = *take,
				.answer = answer,
				.userdata = userdata };
	snprintf(k->step, sizeof(k->step), "%s", take->step);
	k->keeping.step = k->step;
	k->keeping.run = j->run;
	k->keeping.wall_ns = clock_realtime_ns();
	worker_post(j->worker, &k->job);
}

void journal_keep_change(struct journal *j, json_t *take_change, const char *step,
			 json_t *take_details, journal_answer *answer, void *userdata)
{
	const struct keeping k = { .change = take_change, .step = step, .details = take_details };

	keeping_post(j, &k, answer, userdata);
}

void journal_keep_generation(struct journal *j, json_t *take_generation, json_t *take_change,
			     json_t *take_details, journal_answer *answer, void *userdata)
{
	const struct keeping k = { .change = take_change,
				   .generation = take_generation,
				   .step = "generation",
				   .details = take_details };

	keeping_post(j, &k, answer, userdata);
}

/* ---- explain ----------------------------------------------------------------------------------
 */

struct actions_job {
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
	struct actions_job *a = (struct actions_job *)job;

	if (store_ensure(j, true, &a->e) == 0)
		(void)store_actions(j->store, a->model, a->limit, &a->actions, &a->e);
}

static void actions_asked(struct job *job, void *context)
{
	struct actions_job *a = (struct actions_job *)job;

	a->reply(a->actions, a->actions ? NULL : a->e.text, a->userdata);
	free(a->model);
	free(a);
}

void journal_ask_actions(struct journal *j, const char *model, unsigned int limit,
			 journal_reply *reply, void *userdata)
{
	struct actions_job *a = calloc(1, sizeof(*a));

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

/* ---- questions --------------------------------------------------------------------------------
 */

struct ask_job {
	struct job job; /* first */
	struct journal *j;
	enum question question;
	json_t *parameters;
	struct audit audit;
	bool has_more;          /* of the audit: it goes on in another job */
	journal_answer *answer; /* NULL: somebody waits at is_answered */
	void *userdata;
	json_t *answered;
	struct err e;

	pthread_mutex_t lock;
	pthread_cond_t answered_now;
	bool is_answered;
};

/* 1: the audit goes on; 0: answered; negative: it could not be. */
static int question_slice(struct store *s, struct ask_job *a)
{
	int r;

	if (a->question != QUESTION_CHAIN || s->version != SCHEMA_VERSION)
		return store_ask(s, a->question, a->parameters, &a->answered, &a->e);
	if ((r = audit_slice(s, &a->audit, &a->e)) == 0)
		a->answered = audit_to_json(&a->audit);
	return r;
}

static void question_run(struct job *job, void *context)
{
	struct journal *j = context;
	struct ask_job *a = (struct ask_job *)job;
	int r = store_ensure(j, true, &a->e);

	do {
		r = r < 0 ? r : question_slice(j->store, a);
	} while (r > 0 && !a->answer);
	a->has_more = r > 0;
	pthread_mutex_lock(&a->lock);
	a->is_answered = true;
	pthread_cond_signal(&a->answered_now);
	pthread_mutex_unlock(&a->lock);
}

static void ask_free(struct ask_job *a)
{
	json_decref(a->parameters);
	json_decref(a->answered);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->answered_now);
	free(a);
}

static void question_done(struct job *job, void *context)
{
	struct ask_job *a = (struct ask_job *)job;

	if (a->has_more && !a->j->is_closing) {
		worker_post(a->j->worker, job); /* behind what came in between */
		return;
	}
	if (a->has_more)
		(void)err_say(&a->e, -ECANCELED, "modelgovd ends; ask again");
	if (a->answer)
		a->answer(json_incref(a->answered), a->answered ? NULL : a->e.text, a->userdata);
	ask_free(a);
}

static struct ask_job *ask_new(struct journal *j, enum question question, json_t *take_parameters)
{
	struct ask_job *a = calloc(1, sizeof(*a));

	if (!a) {
		json_decref(take_parameters);
		return NULL;
	}
	*a = (struct ask_job){ .job = { .run = question_run, .done = question_done },
			       .j = j,
			       .question = question,
			       .parameters = take_parameters };
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->answered_now, NULL);
	return a;
}

void journal_ask(struct journal *j, enum question question, json_t *take_parameters,
		 journal_answer *answer, void *userdata)
{
	struct ask_job *a = ask_new(j, question, take_parameters);

	if (!a) {
		answer(NULL, "out of memory", userdata);
		return;
	}
	a->answer = answer;
	a->userdata = userdata;
	worker_post(j->worker, &a->job);
}

int journal_ask_now(struct journal *j, enum question question, json_t *take_parameters,
		    json_t **ret_answer, struct err *e)
{
	struct ask_job *a = ask_new(j, question, take_parameters);
	int r = 0;

	if (!a)
		return err_set(e, -ENOMEM, "ask the journal");
	worker_post(j->worker, &a->job);
	pthread_mutex_lock(&a->lock);
	while (!a->is_answered)
		pthread_cond_wait(&a->answered_now, &a->lock);
	if (a->answered) {
		*ret_answer = TAKE_PTR(a->answered);
	} else {
		*e = a->e;
		r = e->code;
	}
	pthread_mutex_unlock(&a->lock);
	return r; /* the job itself is freed when it is reaped, on this thread */
}

static int store_answer(struct store *s, enum question question, const json_t *parameters,
			json_t **ret_answer, struct err *e)
{
	struct audit audit = { 0 };
	int r;

	if (question != QUESTION_CHAIN || s->version != SCHEMA_VERSION)
		return store_ask(s, question, parameters, ret_answer, e);
	do {
		r = audit_slice(s, &audit, e);
	} while (r > 0);
	if (r == 0)
		*ret_answer = audit_to_json(&audit);
	return r;
}

int journal_read(const char *directory, enum question question, json_t *take_parameters,
		 json_t **ret_answer, struct err *e)
{
	struct store *s;
	int r = store_open(directory, true, &s, e);

	if (r == 0) {
		r = store_answer(s, question, take_parameters, ret_answer, e);
		store_close(s);
	}
	json_decref(take_parameters);
	return r;
}
