/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: open-loop load on several models from one thread, and what came of it. The whole schedule
 * is drawn from a seed before the first request; each latency counts from the instant at which the
 * request was meant to be sent, so that a late client or a full server hides nothing (no
 * coordinated omission). Checks every answer. Also notes counters (cpu.stat and the like) at both
 * ends of the measured part.
 *
 *      start          from                                to          last answer
 *      |--- warm-up ---|------------ measured -------------|-- drain --|
 *
 * Prints lines of NAME<tab>KEY<tab>VALUE; DIR/NAME.tsv has every measured request.
 */
#include "client.h"
#include "inputs.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC     UINT64_C(1000000000)
#define NSEC_PER_MSEC    UINT64_C(1000000)
#define NSEC_PER_USEC    UINT64_C(1000)
#define MAX_STREAMS      4
#define MAX_WATCHES      8
#define NOTE_LIMIT_BYTES 4096
#define LEAD_NS          (100 * NSEC_PER_MSEC) /* chosen: set-up takes less */
#define DRAIN_NS         (10 * NSEC_PER_SEC)   /* chosen: what is not answered by then has failed */
#define WINDOW_NS        NSEC_PER_SEC

enum outcome { OUTCOME_PENDING, OUTCOME_RIGHT, OUTCOME_WRONG, OUTCOME_FAILED };

static const char *const outcome_names[] = { "unanswered", "right", "wrong", "failed" };

struct stream;

struct call {
	struct stream *stream;
	const struct input *input;
	uint64_t intended_ns;
	uint64_t latency_ns; /* until the drain's end when it was never answered */
	enum outcome outcome;
};

struct stream {
	const char *name, *list;
	uint64_t port, period_ns, jitter_ns, phase_ns, budget_ns;
	struct inputs *inputs;
	char *requests[MAX_INPUTS]; /* ready to be sent, one per input */
	size_t request_sizes[MAX_INPUTS];
	struct client *client;
	struct call *calls; /* in the order of intended_ns */
	unsigned int n, next, n_open;
};

/* A file of "KEY NUMBER" lines whose growth over the measured part is of interest. */
struct watch {
	const char *name;
	FILE *file;
	char at_from[NOTE_LIMIT_BYTES], at_to[NOTE_LIMIT_BYTES];
};

struct load {
	const char *folder; /* for the request files, or NULL */
	uint64_t seed, warmup_ns, measured_ns;
	uint64_t start_ns, from_ns, to_ns;
	struct stream streams[MAX_STREAMS];
	struct watch watches[MAX_WATCHES];
	unsigned int n_streams, n_watches, n_noted; /* n_noted: 0, 1 (from) or 2 (to as well) */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static int parse_number(const char *text, uint64_t *ret_value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

/* ---- the schedule ---------------------------------------------------------------------------- */

/* SplitMix64: small, seeded, the same everywhere. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Jitter stays below the period, so that the calls are in order. */
static int stream_draw(struct stream *s, const struct load *l, uint64_t seed)
{
	uint64_t total_ns = l->warmup_ns + l->measured_ns;

	s->n = (unsigned int)((total_ns - s->phase_ns) / s->period_ns);
	s->calls = calloc(s->n, sizeof(*s->calls));
	if (!s->calls)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->n; i++) {
		uint64_t jitter_ns = s->jitter_ns ? random_next(&seed) % s->jitter_ns : 0;

		s->calls[i].stream = s;
		s->calls[i].input = &s->inputs->all[random_next(&seed) % s->inputs->n];
		s->calls[i].intended_ns = l->start_ns + s->phase_ns + i * s->period_ns + jitter_ns;
	}
	return 0;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void on_answer(void *tag, int status, const char *text, size_t size)
{
	struct call *call = tag;
	const char *answer = call->input->answer;

	call->latency_ns = now_ns() - call->intended_ns;
	call->stream->n_open--;
	if (status != 200)
		call->outcome = OUTCOME_FAILED;
	else if (size == strlen(answer) && memcmp(text, answer, size) == 0)
		call->outcome = OUTCOME_RIGHT;
	else
		call->outcome = OUTCOME_WRONG;
}

static void stream_send_due(struct stream *s, uint64_t now)
{
	for (; s->next < s->n && s->calls[s->next].intended_ns <= now; s->next++) {
		struct call *call = &s->calls[s->next];
		size_t i = (size_t)(call->input - s->inputs->all);

		s->n_open++;
		client_send(s->client, s->requests[i], s->request_sizes[i], call);
	}
}

static int stream_open(struct stream *s, int epoll_fd)
{
	s->inputs = inputs_new(s->list);
	s->client = client_new((uint16_t)s->port, epoll_fd, on_answer);
	if (!s->inputs || !s->client)
		return -ENOENT;
	for (unsigned int i = 0; i < s->inputs->n; i++) {
		s->requests[i] = client_request(s->inputs->all[i].body, s->inputs->all[i].size,
						&s->request_sizes[i]);
		if (!s->requests[i])
			return -ENOMEM;
	}
	return 0;
}

static void stream_close(struct stream *s)
{
	client_free(s->client);
	for (unsigned int i = 0; i < MAX_INPUTS; i++)
		free(s->requests[i]);
	inputs_free(s->inputs);
	free(s->calls);
}

/* ---- counters -------------------------------------------------------------------------------- */

static void watch_note(struct watch *w, char *ret_note)
{
	ssize_t size = pread(fileno(w->file), ret_note, NOTE_LIMIT_BYTES - 1, 0);

	ret_note[size > 0 ? size : 0] = '\0';
}

static void load_note_due(struct load *l, uint64_t now)
{
	for (; l->n_noted < 2 && now >= (l->n_noted ? l->to_ns : l->from_ns); l->n_noted++)
		for (unsigned int i = 0; i < l->n_watches; i++)
			watch_note(&l->watches[i],
				   l->n_noted ? l->watches[i].at_to : l->watches[i].at_from);
}

static bool find_number(const char *note, const char *key, uint64_t *ret_value)
{
	size_t length = strlen(key);

	for (const char *line = note; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return sscanf(line + length, "%" SCNu64, ret_value) == 1;
	}
	return false;
}

static void watch_report(struct watch *w)
{
	char *rest = w->at_to, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *key = strsep(&line, " ");
		uint64_t from, to;

		if (line && find_number(w->at_from, key, &from) && parse_number(line, &to) == 0)
			printf("%s\t%s\t%" PRIu64 "\n", w->name, key, to - from);
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

static uint64_t load_next_ns(const struct load *l)
{
	uint64_t next = l->n_noted == 0 ? l->from_ns : l->n_noted == 1 ? l->to_ns : UINT64_MAX;

	for (unsigned int i = 0; i < l->n_streams; i++) {
		const struct stream *s = &l->streams[i];

		if (s->next < s->n && s->calls[s->next].intended_ns < next)
			next = s->calls[s->next].intended_ns;
	}
	return next;
}

static bool load_is_done(const struct load *l)
{
	for (unsigned int i = 0; i < l->n_streams; i++)
		if (l->streams[i].next < l->streams[i].n || l->streams[i].n_open > 0)
			return false;
	return l->n_noted == 2;
}

static int timer_set(int timer_fd, uint64_t at_ns)
{
	struct itimerspec at = {
		.it_value = { (time_t)(at_ns / NSEC_PER_SEC), (long)(at_ns % NSEC_PER_SEC) },
	};

	return timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0 ? -errno : 0;
}

static int load_run(struct load *l, int epoll_fd, int timer_fd)
{
	uint64_t end_ns = l->to_ns + DRAIN_NS;

	while (!load_is_done(l)) {
		uint64_t next_ns = load_next_ns(l), now;
		struct epoll_event event;
		int r;

		r = timer_set(timer_fd, next_ns < end_ns ? next_ns : end_ns);
		if (r < 0)
			return r;
		r = epoll_wait(epoll_fd, &event, 1, -1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 1 && event.data.ptr)
			connection_on_event(event.data.ptr);
		now = now_ns();
		if (now >= end_ns)
			return 0;
		for (unsigned int i = 0; i < l->n_streams; i++)
			stream_send_due(&l->streams[i], now);
		load_note_due(l, now);
	}
	return 0;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static int compare_ns(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Nearest rank: the smallest value that at least so many percent of all do not exceed. */
static uint64_t quantile_ns(const uint64_t *sorted, unsigned int n, unsigned int percent)
{
	return n ? sorted[(n * percent + 99) / 100 - 1] : 0;
}

/* Latencies of the calls that were meant to be sent in [from, to), sorted. */
static unsigned int stream_latencies(const struct stream *s, uint64_t from_ns, uint64_t to_ns,
				     uint64_t *ret_sorted)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n; i++)
		if (s->calls[i].intended_ns >= from_ns && s->calls[i].intended_ns < to_ns)
			ret_sorted[n++] = s->calls[i].latency_ns;
	qsort(ret_sorted, n, sizeof(*ret_sorted), compare_ns);
	return n;
}

/* A window of one second is violated when the p99 of the requests due in it is over the budget. */
static void windows_report(const struct stream *s, const struct load *l, uint64_t *scratch)
{
	unsigned int windows = 0, violated = 0;

	for (uint64_t at = l->from_ns; at < l->to_ns; at += WINDOW_NS) {
		unsigned int n = stream_latencies(s, at, at + WINDOW_NS, scratch);

		windows += n > 0;
		violated += n > 0 && quantile_ns(scratch, n, 99) > s->budget_ns;
	}
	printf("%s\tbudget_us\t%" PRIu64 "\n", s->name, s->budget_ns / NSEC_PER_USEC);
	printf("%s\twindows\t%u\n", s->name, windows);
	printf("%s\tviolated\t%u\n", s->name, violated);
}

static int calls_write(const struct stream *s, const struct load *l)
{
	char *path;
	FILE *file;

	if (asprintf(&path, "%s/%s.tsv", l->folder, s->name) < 0)
		return -ENOMEM;
	file = fopen(path, "we");
	free(path);
	if (!file)
		return -errno;
	fprintf(file, "intended_ns\tlatency_ns\toutcome\n");
	for (unsigned int i = 0; i < s->n; i++)
		if (s->calls[i].intended_ns >= l->from_ns)
			fprintf(file, "%" PRIu64 "\t%" PRIu64 "\t%s\n",
				s->calls[i].intended_ns - l->from_ns, s->calls[i].latency_ns,
				outcome_names[s->calls[i].outcome]);
	return fclose(file) == 0 ? 0 : -errno;
}

static int stream_report(struct stream *s, const struct load *l)
{
	uint64_t *sorted = calloc(s->n, sizeof(*sorted));
	unsigned int n, wrong = 0, failed = 0;

	if (!sorted)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->n; i++) {
		if (s->calls[i].outcome == OUTCOME_PENDING)
			s->calls[i].latency_ns = l->to_ns + DRAIN_NS - s->calls[i].intended_ns;
		wrong += s->calls[i].outcome == OUTCOME_WRONG;
		failed += s->calls[i].outcome == OUTCOME_FAILED ||
			  s->calls[i].outcome == OUTCOME_PENDING;
	}
	n = stream_latencies(s, l->from_ns, l->to_ns, sorted);
	printf("%s\trequests\t%u\n%s\twrong\t%u\n%s\tfailed\t%u\n", s->name, n, s->name, wrong,
	       s->name, failed);
	printf("%s\tp50_us\t%" PRIu64 "\n", s->name, quantile_ns(sorted, n, 50) / NSEC_PER_USEC);
	printf("%s\tp99_us\t%" PRIu64 "\n", s->name, quantile_ns(sorted, n, 99) / NSEC_PER_USEC);
	printf("%s\tmax_us\t%" PRIu64 "\n", s->name, quantile_ns(sorted, n, 100) / NSEC_PER_USEC);
	windows_report(s, l, sorted);
	free(sorted);
	return l->folder ? calls_write(s, l) : 0;
}

static int load_report(struct load *l)
{
	struct rusage usage;

	printf("window\tfrom_ns\t%" PRIu64 "\nwindow\tto_ns\t%" PRIu64 "\n", l->from_ns, l->to_ns);
	for (unsigned int i = 0; i < l->n_streams; i++) {
		int r = stream_report(&l->streams[i], l);

		if (r < 0)
			return r;
	}
	for (unsigned int i = 0; i < l->n_watches; i++)
		watch_report(&l->watches[i]);
	getrusage(RUSAGE_SELF, &usage);
	printf("load\tcpu_us\t%lld\n",
	       (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	return 0;
}

/* ---- the command line ------------------------------------------------------------------------ */

static const char usage[] =
	"usage: load [OPTION]...\n"
	"  --stream name=N,port=P,inputs=LIST,period=MS,jitter=MS,phase=MS,budget=MS\n"
	"                       one request every period, each late by a random part of jitter\n"
	"  --watch NAME=FILE    growth of the counters in FILE over the measured part\n"
	"  --seed N             of the schedule (1)\n"
	"  --warmup MS          not measured (1000)\n"
	"  --measure MS         measured (10000); at least one\n"
	"  --out DIR            writes every measured request to DIR/NAME.tsv\n";

static int parse_ms(const char *text, uint64_t *ret_ns)
{
	uint64_t ms;
	int r = parse_number(text, &ms);

	if (r < 0 || ms > 3600 * 1000) /* an hour: more is a slip */
		return -EINVAL;
	*ret_ns = ms * NSEC_PER_MSEC;
	return 0;
}

static int stream_parse(struct stream *s, char *text)
{
	enum { NAME, PORT, INPUTS, PERIOD, JITTER, PHASE, BUDGET };
	static char *const keys[] = { "name",   "port",  "inputs", "period",
				      "jitter", "phase", "budget", NULL };
	uint64_t *const numbers[] = { NULL,          &s->port,     NULL,         &s->period_ns,
				      &s->jitter_ns, &s->phase_ns, &s->budget_ns };

	while (*text) {
		char *value = NULL;
		int key = getsubopt(&text, keys, &value);
		int r = 0;

		if (key < 0 || !value)
			return -EINVAL;
		if (key == NAME)
			s->name = value;
		else if (key == INPUTS)
			s->list = value;
		else
			r = key == PORT ? parse_number(value, &s->port)
					: parse_ms(value, numbers[key]);
		if (r < 0)
			return r;
	}
	if (!s->name || !s->list || s->port == 0 || s->port > UINT16_MAX || s->period_ns == 0 ||
	    s->jitter_ns >= s->period_ns)
		return -EINVAL;
	return 0;
}

static int watch_parse(struct watch *w, char *text)
{
	w->name = strsep(&text, "=");
	if (!text)
		return -EINVAL;
	w->file = fopen(text, "re");
	if (!w->file) {
		fprintf(stderr, "load: cannot watch %s: %s\n", text, strerror(errno));
		return -errno;
	}
	return 0;
}

static int load_parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "stream", required_argument, NULL, 's' },
		{ "watch", required_argument, NULL, 'w' },
		{ "seed", required_argument, NULL, 'r' },
		{ "warmup", required_argument, NULL, 'u' },
		{ "measure", required_argument, NULL, 'm' },
		{ "out", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's')
			r = l->n_streams < MAX_STREAMS
				    ? stream_parse(&l->streams[l->n_streams++], optarg)
				    : -E2BIG;
		else if (option == 'w')
			r = l->n_watches < MAX_WATCHES
				    ? watch_parse(&l->watches[l->n_watches++], optarg)
				    : -E2BIG;
		else if (option == 'r')
			r = parse_number(optarg, &l->seed);
		else if (option == 'u')
			r = parse_ms(optarg, &l->warmup_ns);
		else if (option == 'm')
			r = parse_ms(optarg, &l->measured_ns);
		else if (option == 'o')
			l->folder = optarg;
		else
			r = -EINVAL;
	}
	for (unsigned int i = 0; i < l->n_streams && r == 0; i++)
		if (l->streams[i].phase_ns + l->streams[i].period_ns >
		    l->warmup_ns + l->measured_ns)
			r = -EINVAL;
	return r < 0 || optind < argc || l->measured_ns == 0 ? -EINVAL : 0;
}

/* Everything that costs time happens here, before the first request is due. */
static int load_open(struct load *l, int epoll_fd, int timer_fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	if (epoll_fd < 0 || timer_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) < 0)
		return -errno;
	for (unsigned int i = 0; i < l->n_streams; i++) {
		int r = stream_open(&l->streams[i], epoll_fd);

		if (r < 0)
			return r;
	}
	l->start_ns = now_ns() + LEAD_NS;
	l->from_ns = l->start_ns + l->warmup_ns;
	l->to_ns = l->from_ns + l->measured_ns;
	for (unsigned int i = 0; i < l->n_streams; i++) {
		int r = stream_draw(&l->streams[i], l, l->seed * MAX_STREAMS + i);

		if (r < 0)
			return r;
	}
	/* No late page faults; where it is not allowed the warm-up helps. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	return 0;
}

int main(int argc, char **argv)
{
	static struct load l = {
		.seed = 1,
		.warmup_ns = NSEC_PER_SEC,
		.measured_ns = 10 * NSEC_PER_SEC,
	};
	int epoll_fd, timer_fd, r;

	if (load_parse(&l, argc, argv) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	r = load_open(&l, epoll_fd, timer_fd);
	if (r == 0)
		r = load_run(&l, epoll_fd, timer_fd);
	if (r == 0)
		r = load_report(&l);
	if (r < 0)
		fprintf(stderr, "load: %s\n", strerror(-r));
	for (unsigned int i = 0; i < l.n_streams; i++)
		stream_close(&l.streams[i]);
	for (unsigned int i = 0; i < l.n_watches; i++)
		if (l.watches[i].file)
			fclose(l.watches[i].file);
	close(timer_fd);
	close(epoll_fd);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
