/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch: the demo's job that nobody waits for: reads the same pages over and over with Tesseract,
 * one thread on every CPU, until SIGTERM. Appends to LOG one line per page, the monotonic time in
 * ns at which it was done, so that the pages per second of any stretch of time can be computed at
 * any time.
 */
#include "inputs.h"
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define WORD_LIMIT_BYTES 256

struct batch {
	const struct inputs *pages;
	int log_fd;
	atomic_bool is_ending;
	atomic_uint wrong; /* pages read wrongly or not at all */
};

struct worker {
	struct batch *batch;
	struct reader *reader;
	unsigned int first; /* page it begins with: neighbours read different ones */
	pthread_t thread;
};

static void log_page(const struct batch *b)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* One write in append mode: lines of different threads never mix. */
	if (dprintf(b->log_fd, "%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec) < 0)
		fprintf(stderr, "batch: cannot write the log: %s, continuing\n", strerror(errno));
}

static void *worker_run(void *argument)
{
	struct worker *w = argument;
	struct batch *b = w->batch;
	char text[WORD_LIMIT_BYTES];

	for (unsigned int i = w->first; !atomic_load(&b->is_ending); i++) {
		const struct input *page = &b->pages->all[i % b->pages->n];

		if (reader_read(w->reader, page->body, page->size, text, sizeof(text)) < 0 ||
		    strcmp(text, page->answer) != 0)
			atomic_fetch_add(&b->wrong, 1);
		else
			log_page(b);
	}
	return NULL;
}

/* One reader per worker, all loaded before the first page is read. */
static struct worker *workers_new(struct batch *b, unsigned int n)
{
	struct worker *all = calloc(n, sizeof(*all));

	if (!all)
		return NULL;
	for (unsigned int i = 0; i < n; i++) {
		all[i].batch = b;
		all[i].first = i;
		all[i].reader = reader_new();
		if (!all[i].reader)
			return NULL; /* the program ends now */
	}
	return all;
}

static int batch_run(struct batch *b, struct worker *workers, unsigned int n,
		     const sigset_t *ending)
{
	unsigned int started;
	int signal_number;

	for (started = 0; started < n; started++)
		if (pthread_create(&workers[started].thread, NULL, worker_run, &workers[started]))
			break;
	if (started == n) {
		(void)sd_notify(false, "READY=1");
		(void)sigwait(ending, &signal_number);
	} else {
		fprintf(stderr, "batch: cannot start thread %u of %u\n", started + 1, n);
	}
	atomic_store(&b->is_ending, true);
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		reader_free(workers[i].reader);
	}
	if (atomic_load(&b->wrong) > 0)
		fprintf(stderr, "batch: %u pages were not read as drawn\n", atomic_load(&b->wrong));
	return started == n && atomic_load(&b->wrong) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static unsigned int usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned int)CPU_COUNT(&set) : 1;
}

int main(int argc, char **argv)
{
	unsigned int n = usable_cpus();
	struct batch b = { 0 };
	struct worker *workers;
	struct inputs *pages;
	sigset_t ending;
	int status;

	if (argc != 3) {
		fprintf(stderr, "usage: batch PAGES.tsv LOG\n");
		return 2;
	}
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ending, NULL);

	b.pages = pages = inputs_new(argv[1]);
	b.log_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (b.log_fd < 0)
		fprintf(stderr, "batch: cannot open %s: %s\n", argv[2], strerror(errno));
	workers = pages && b.log_fd >= 0 ? workers_new(&b, n) : NULL;
	if (!workers)
		return EXIT_FAILURE;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fprintf(stderr, "batch: cannot lock memory (%s), continuing\n", strerror(errno));
	status = batch_run(&b, workers, n, &ending);
	free(workers);
	close(b.log_fd);
	inputs_free(pages);
	return status;
}
