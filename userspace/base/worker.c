/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that does jobs in order and reports each as done on the thread that posted it. Two lists under
 * one lock and an eventfd; knows nothing of what the jobs do.
 */
#include "base.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

struct queue {
	struct job *first, **end;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t posted;
	struct queue waiting, finished;
	unsigned int backlog; /* posted and not yet reaped */
	bool is_ending;
	int event_fd;
	void *context;
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_push(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct job *queue_pop(struct queue *q)
{
	struct job *job = q->first;

	if (job && !(q->first = job->next))
		q->end = &q->first;
	return job;
}

static void *worker_main(void *argument)
{
	struct worker *w = argument;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct job *job = queue_pop(&w->waiting);

		if (!job && w->is_ending)
			break;
		if (!job) {
			pthread_cond_wait(&w->posted, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		job->run(job, w->context);
		pthread_mutex_lock(&w->lock);
		queue_push(&w->finished, job);
		(void)eventfd_write(w->event_fd, 1); /* full means: readable already */
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int worker_new(const char *name, void *context, struct worker **ret_worker, struct err *e)
{
	sigset_t all, before;
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(e, -ENOMEM, "start worker %s", name);
	w->context = context;
	queue_init(&w->waiting);
	queue_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->posted, NULL);
	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = w->event_fd < 0 ? -errno : 0;

	if (r == 0) {
		sigfillset(&all); /* signals belong to the loop's thread */
		pthread_sigmask(SIG_SETMASK, &all, &before);
		r = -pthread_create(&w->thread, NULL, worker_main, w);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (r < 0) {
		if (w->event_fd >= 0)
			close(w->event_fd);
		free(w);
		return err_set(e, r, "start worker %s", name);
	}
	(void)pthread_setname_np(w->thread, name);
	*ret_worker = w;
	return 0;
}

void worker_post(struct worker *w, struct job *take_job)
{
	pthread_mutex_lock(&w->lock);
	queue_push(&w->waiting, take_job);
	w->backlog++;
	pthread_cond_signal(&w->posted);
	pthread_mutex_unlock(&w->lock);
}

int worker_fd(const struct worker *w)
{
	return w->event_fd;
}

void worker_reap(struct worker *w)
{
	eventfd_t count;

	(void)eventfd_read(w->event_fd, &count); /* empty is fine */
	for (;;) {
		pthread_mutex_lock(&w->lock);
		struct job *job = queue_pop(&w->finished);

		w->backlog -= job ? 1 : 0;
		pthread_mutex_unlock(&w->lock);
		if (!job)
			return;
		job->done(job, w->context);
	}
}

unsigned int worker_backlog(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	unsigned int n = w->backlog;

	pthread_mutex_unlock(&w->lock);
	return n;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_ending = true;
	pthread_cond_signal(&w->posted);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	worker_reap(w);
	close(w->event_fd);
	pthread_cond_destroy(&w->posted);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
