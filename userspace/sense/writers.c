/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads fanotify's events into a bounded list, and guesses from name and time what kind of writer
 * it was. Finding the file that changed is intrusions.c's.
 */
#include "writers.h"

#include "knob.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <sys/fanotify.h>
#include <sys/stat.h>

/*
 * chosen: a daemon-reload rewrites ten files of each unit; 100 governed units fit. Beyond it writes
 * are counted and their writers stay unknown.
 */
#define SEEN_MAX 1024

/* chosen: reads at most that often in one go, so that a flood of writes does not hold up the tick
 */
#define READS_MAX 64

/*
 * systemd (252) writes the files after it said that the reload is over. Chosen: longer than that
 * takes on a busy host, shorter than an administrator's next command.
 */
#define RELOAD_NS (2 * NSEC_PER_SEC)

void writers_init(struct writers *w)
{
	*w = (struct writers){ .fd = -1, .problem = -EOPNOTSUPP };
}

void writers_open(struct writers *w)
{
	w->seen = calloc(SEEN_MAX, sizeof(*w->seen));
	w->fd = w->seen ? fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK,
					O_RDONLY | O_CLOEXEC | O_NOATIME)
			: -1;
	w->problem = w->fd < 0 ? -errno : 0;
}

void writers_close(struct writers *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->seen);
	writers_init(w);
}

void writers_mark(struct writers *w, int dir_fd)
{
	if (w->fd >= 0 && fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
					FAN_MODIFY | FAN_EVENT_ON_CHILD, dir_fd, NULL) < 0)
		w->problem = -errno;
}

void writers_unmark(struct writers *w, int dir_fd)
{
	if (w->fd >= 0)
		(void)fanotify_mark(w->fd, FAN_MARK_REMOVE | FAN_MARK_ONLYDIR,
				    FAN_MODIFY | FAN_EVENT_ON_CHILD, dir_fd, NULL);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Is it a file that holds a value of ours? An idle cgroup shows no weight: cpu.idle is one. */
static bool file_matters(int fd)
{
	char link[64], path[PATH_MAX];
	enum knob knob;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	if (n <= 0)
		return false;
	path[n] = '\0';
	const char *slash = strrchr(path, '/');

	return slash && (knob_find(slash + 1, &knob) == 0 || strcmp(slash + 1, "cpu.idle") == 0);
}

/* A process chooses its name itself, so what is not plain text is not taken over. */
static void comm_read(uint32_t pid, char *ret_comm, size_t size)
{
	char path[64];

	*ret_comm = '\0';
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_comm, size - 1);

	ret_comm[MAX(n, 0)] = '\0';
	ret_comm[strcspn(ret_comm, "\n")] = '\0';
	for (char *c = ret_comm; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* Where a write of that file is, or is to be, remembered; NULL without room. */
static struct write_seen *seen_place(struct writers *w, ino_t file)
{
	for (unsigned int i = 0; i < w->n_seen; i++)
		if (w->seen[i].file == file)
			return &w->seen[i];
	return w->n_seen < SEEN_MAX ? &w->seen[w->n_seen++] : NULL;
}

static void event_take(struct writers *w, const struct fanotify_event_metadata *event)
{
	struct stat st;

	if (event->mask & FAN_Q_OVERFLOW) {
		w->n_overflows++;
		return;
	}
	if (event->pid == getpid() || event->fd < 0 || !file_matters(event->fd) ||
	    fstat(event->fd, &st) < 0)
		return;
	struct write_seen *seen = seen_place(w, st.st_ino);

	if (!seen) {
		w->n_without_room++;
		return;
	}
	*seen = (struct write_seen){ .file = st.st_ino,
				     .at_ns = clock_monotonic_ns(),
				     .pid = (uint32_t)MAX(event->pid, 0) };
	comm_read(seen->pid, seen->comm, sizeof(seen->comm));
}

void writers_read(struct writers *w)
{
	union {
		struct fanotify_event_metadata event;
		char bytes[4096];
	} buf;

	for (unsigned int i = 0; w->fd >= 0 && i < READS_MAX; i++) {
		ssize_t n = read(w->fd, &buf, sizeof(buf));

		if (n == 0 || (n < 0 && errno == EAGAIN))
			return;
		if (n < 0) { /* the file went before it could be opened for us: its event is gone */
			w->n_unread++;
			continue;
		}
		for (const struct fanotify_event_metadata *event = &buf.event;
		     FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
			event_take(w, event);
			if (event->fd >= 0)
				close(event->fd);
		}
	}
}

const struct write_seen *writers_find(const struct writers *w, int dir_fd, const char *name)
{
	struct stat st;

	if (w->n_seen == 0 || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	for (unsigned int i = 0; i < w->n_seen; i++)
		if (w->seen[i].file == st.st_ino)
			return &w->seen[i];
	return NULL;
}

void writers_forget(struct writers *w)
{
	w->n_seen = 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

void writers_note_reload(struct writers *w, bool is_reloading)
{
	w->is_reloading = is_reloading;
	if (!is_reloading)
		w->reloaded_ns = clock_monotonic_ns();
}

static bool matches_any(const char *const *patterns, const char *text)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, text, 0) == 0)
			return true;
	return false;
}

static bool comm_is_runtime(const char *comm)
{
	static const char *const names[] = { "crun",        "runc*",           "conmon*",
					     "containerd*", "podman*",         "docker*",
					     "crio*",       "youki",           "kubelet*",
					     "lxc*",        "systemd-nspawn*", NULL };

	return matches_any(names, comm);
}

/* The scopes in which runtimes put their containers. */
static bool unit_is_container(const char *unit)
{
	static const char *const names[] = { "libpod-*.scope",  "docker-*.scope",
					     "crio-*.scope",    "cri-containerd-*.scope",
					     "machine-*.scope", NULL };

	return matches_any(names, unit);
}

static bool is_of_reload(const struct writers *w, uint64_t at_ns)
{
	return w->is_reloading || (w->reloaded_ns && at_ns < w->reloaded_ns + RELOAD_NS);
}

struct writer writers_judge(const struct writers *w, const struct write_seen *seen,
			    const char *unit)
{
	struct writer writer = { .kind = WRITER_DIRECT, .pid = seen->pid };

	memcpy(writer.comm, seen->comm, sizeof(writer.comm));
	if (seen->pid == 1)
		writer.kind = is_of_reload(w, seen->at_ns) ? WRITER_RELOAD
			      : unit_is_container(unit)    ? WRITER_RUNTIME
							   : WRITER_PROPERTY;
	else if (comm_is_runtime(seen->comm))
		writer.kind = WRITER_RUNTIME;
	else if (seen->pid == 0)
		writer.kind = WRITER_UNKNOWN;
	return writer;
}

void writers_examine(const struct writers *w, struct health_list *list)
{
	static const char part[] = "writers (fanotify)";

	if (w->problem == -EPERM)
		health_list_add(list, false, part,
				"not permitted: who changes a value that modelgov set stays "
				"unknown; modelgovd needs CAP_SYS_ADMIN, and a unit file that "
				"allows fanotify_init");
	else if (w->problem)
		health_list_add(list, false, part,
				"who changes a value that modelgov set stays unknown: %s",
				strerror(-w->problem));
	else
		health_list_add(list, true, part, "who changes a value is named");
}
