/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks cgroup directories along a pattern, and lets inotify tell when a walk would find something
 * else. kernfs updates no modification times, so watching is the only cheap way to know.
 */
#include "hierarchy.h"

#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define MAX_SLICE_DEPTH 16 /* chosen: a-b-c.slice is three deep, nobody nests further */

/* One walk: the path so far, and what to do at the end. */
struct walk {
	struct hierarchy *tree;
	hierarchy_visit *visit;
	void *userdata;
	char path[PATH_MAX];
};

static const char *below_root(const char *path)
{
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

/* ---- opening --------------------------------------------------------------------------------- */

void hierarchy_init(struct hierarchy *t)
{
	*t = (struct hierarchy){ .root_fd = -1, .inotify_fd = -1 };
}

int hierarchy_open(struct hierarchy *t, const char *root, struct err *e)
{
	if (snprintf(t->root, sizeof(t->root), "%s", root) >= (int)sizeof(t->root))
		return err_set(e, -ENAMETOOLONG, "open cgroup root %s", root);
	t->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->root_fd < 0)
		return err_set(e, -errno, "open cgroup root %s", root);
	hierarchy_unwatch(t);
	return 0;
}

void hierarchy_close(struct hierarchy *t)
{
	if (t->root_fd >= 0)
		close(t->root_fd);
	if (t->inotify_fd >= 0)
		close(t->inotify_fd);
	t->root_fd = t->inotify_fd = -1;
}

/* ---- watching -------------------------------------------------------------------------------- */

void hierarchy_unwatch(struct hierarchy *t)
{
	if (t->inotify_fd >= 0)
		close(t->inotify_fd);
	t->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	t->has_watches = t->inotify_fd >= 0;
}

static void directory_watch(struct walk *w)
{
	struct hierarchy *t = w->tree;
	char path[2 * PATH_MAX];

	if (t->inotify_fd < 0)
		return;
	snprintf(path, sizeof(path), "%s%s", t->root, w->path);
	/* the same directory twice is one watch; a directory that just went is no news here */
	if (inotify_add_watch(t->inotify_fd, path,
			      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR) <
		    0 &&
	    errno != ENOENT)
		t->has_watches = false;
}

bool hierarchy_changed(struct hierarchy *t)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool has_changed = false;

	if (t->inotify_fd < 0)
		return false;
	while (read(t->inotify_fd, events, sizeof(events)) > 0)
		has_changed = true; /* an overflow of the queue is an event, too */
	return has_changed;
}

/* ---- looking --------------------------------------------------------------------------------- */

int hierarchy_id(const struct hierarchy *t, const char *path, uint64_t *ret_id)
{
	struct stat st;

	if (fstatat(t->root_fd, below_root(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOENT;
	*ret_id = st.st_ino;
	return 0;
}

int hierarchy_directory(const struct hierarchy *t, const char *path)
{
	int fd = openat(t->root_fd, below_root(path),
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Appends "/name" to the path of the walk; false when it does not fit. */
static bool path_push(struct walk *w, size_t length, const char *name, size_t name_length)
{
	if (length + 1 + name_length >= sizeof(w->path))
		return false;
	w->path[length] = '/';
	memcpy(w->path + length + 1, name, name_length);
	w->path[length + 1 + name_length] = '\0';
	return true;
}

static int walk_end(struct walk *w)
{
	uint64_t id;

	if (hierarchy_id(w->tree, w->path, &id) < 0)
		return 0; /* gone while we looked */
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): after a failure errno is not 0 */
	return w->visit(w->path, id, w->userdata);
}

static bool is_directory(const struct walk *w)
{
	uint64_t id;

	return hierarchy_id(w->tree, w->path, &id) == 0;
}

/* The next entry that may be a directory, without "." and ".."; NULL at the end. */
static const char *directory_next(DIR *directory)
{
	struct dirent *entry;

	while ((entry = readdir(directory))) {
		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
	return NULL;
}

static DIR *directory_list(const struct walk *w)
{
	int fd = hierarchy_directory(w->tree, w->path);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (!directory && fd >= 0)
		close(fd);
	return directory;
}

static void cleanup_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* ---- patterns -------------------------------------------------------------------------------- */

static int walk_pattern(struct walk *w, const char *rest);

static int walk_wildcard(struct walk *w, const char *component, const char *rest)
{
	_cleanup_(cleanup_directory) DIR *directory = directory_list(w);
	size_t length = strlen(w->path);
	const char *name;

	while (directory && (name = directory_next(directory))) {
		if (fnmatch(component, name, FNM_NOESCAPE) != 0 ||
		    !path_push(w, length, name, strlen(name)))
			continue;
		int r = is_directory(w) ? walk_pattern(w, rest) : 0;

		w->path[length] = '\0';
		if (r < 0)
			return r;
	}
	return 0;
}

/* rest: what is left of the pattern, "" at its end. */
static int walk_pattern(struct walk *w, const char *rest)
{
	char component[NAME_MAX + 1];
	size_t length = strlen(w->path);

	while (*rest == '/')
		rest++;
	if (!*rest)
		return length > 0 ? walk_end(w) : 0;
	size_t n = strcspn(rest, "/");

	if (n > NAME_MAX)
		return 0;
	memcpy(component, rest, n);
	component[n] = '\0';
	if (strcmp(component, ".") == 0 || strcmp(component, "..") == 0)
		return 0;
	directory_watch(w);
	if (strpbrk(component, "*?["))
		return walk_wildcard(w, component, rest + n);
	if (!path_push(w, length, component, n))
		return 0;
	int r = is_directory(w) ? walk_pattern(w, rest + n) : 0;

	w->path[length] = '\0';
	return r;
}

int hierarchy_match(struct hierarchy *t, const char *pattern, hierarchy_visit *visit,
		    void *userdata)
{
	struct walk w = { .tree = t, .visit = visit, .userdata = userdata };

	return *pattern == '/' ? walk_pattern(&w, pattern) : 0;
}

/* ---- units without D-Bus --------------------------------------------------------------------- */

static bool is_slice(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix && strcmp(suffix, ".slice") == 0;
}

static int walk_slices(struct walk *w, const char *unit, unsigned int depth)
{
	_cleanup_(cleanup_directory) DIR *directory = directory_list(w);
	size_t length = strlen(w->path);
	const char *name;
	int r = 0;

	directory_watch(w);
	while (r >= 0 && directory && (name = directory_next(directory))) {
		bool is_unit = strcmp(name, unit) == 0;

		if (!is_unit && (!is_slice(name) || depth == 0))
			continue;
		if (!path_push(w, length, name, strlen(name)))
			continue;
		r = is_unit ? walk_end(w) : walk_slices(w, unit, depth - 1);
		w->path[length] = '\0';
	}
	return r;
}

int hierarchy_match_unit(struct hierarchy *t, const char *unit, hierarchy_visit *visit,
			 void *userdata)
{
	struct walk w = { .tree = t, .visit = visit, .userdata = userdata };

	return walk_slices(&w, unit, MAX_SLICE_DEPTH);
}
