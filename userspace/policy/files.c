/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists directories and reads manifests as a root daemon must: opening a named pipe or a device
 * cannot hang or do anything, a link is followed only to a file that could have been there itself,
 * and what was checked is the descriptor that is read.
 */
#include "files.h"

#include "source.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

/* ---- trust --------------------------------------------------------------------------------- */

/* Whoever can write a manifest decides over every model of the host. */
static bool is_trusted(const struct policy_source *source, const struct stat *st, const char *path,
		       struct findings *f)
{
	mode_t untrusted = source->trusts_any_owner ? S_IWOTH : S_IWOTH | S_IWGRP;
	bool is_own = st->st_uid == 0 || st->st_uid == geteuid();

	if (!is_own && !source->trusts_any_owner) {
		finding_add_file(f, FINDING_ERROR, path,
				 "this belongs to user %u, but policy must belong to root; run "
				 "chown root %s",
				 (unsigned int)st->st_uid, path);
		return false;
	}
	if (st->st_mode & untrusted) {
		finding_add_file(
			f, FINDING_ERROR, path,
			"this can be written by %s (mode %04o), who could change the policy; run "
			"chmod go-w %s",
			st->st_mode & S_IWOTH ? "everybody" : "its group",
			(unsigned int)(st->st_mode & 07777), path);
		return false;
	}
	return true;
}

int directory_open(const struct policy_source *source, const char *path, struct findings *f,
		   int *ret_fd, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return err_set(e, -errno, "open policy directory %s", path);
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "stat %s", path);
	if (!is_trusted(source, &st, path, f))
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- names --------------------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), n = strlen(suffix);

	return length > n && strcasecmp(name + length - n, suffix) == 0;
}

/* Editors' and package managers' leftovers: hidden, or with something behind the suffix. */
static bool is_leftover(const char *name)
{
	return *name == '.' || *name == '#';
}

/* What findings print must not write to a terminal, whatever somebody called a file. */
static const char *path_show(struct arena *arena, const char *directory, const char *name)
{
	if (text_is_hidden(name, strlen(name))) {
		const char *quoted = text_quote(arena, name);

		return arena_printf(arena, "%s/%.*s", directory, (int)strlen(quoted) - 2,
				    quoted + 1);
	}
	return arena_printf(arena, "%s/%s", directory, name);
}

/* Whether it is a manifest; one that only looks like it gets a warning. */
static bool name_judge(const char *name, const char *path, const char *only, struct findings *f)
{
	const char *shown = strrchr(path, '/') + 1;
	bool is_yaml = has_suffix(name, ".yaml"), is_yml = has_suffix(name, ".yml");

	if (is_leftover(name) || (!is_yaml && !is_yml))
		return false;
	if (only && strcmp(name, only) == 0)
		return true;
	if (only)
		finding_add_file(
			f, FINDING_WARNING, path,
			"this file is not read; host settings are in %s, models in models.d/, "
			"templates in templates.d/",
			only);
	else if (is_yml || strcmp(name + strlen(name) - 5, ".yaml") != 0)
		finding_add_file(f, FINDING_WARNING, path,
				 "this file is not read; call it %.*s.yaml",
				 (int)(strrchr(shown, '.') - shown), shown);
	else
		return true;
	return false;
}

static int file_compare(const void *a, const void *b)
{
	return strcmp(((const struct manifest_file *)a)->name,
		      ((const struct manifest_file *)b)->name);
}

/* Doubles in the arena: what is left behind is as much again at most. */
static int list_append(struct arena *arena, struct manifest_file **files, unsigned int n,
		       const struct manifest_file *new)
{
	if (n == 0 || (n >= 16 && (n & (n - 1)) == 0)) {
		struct manifest_file *more = arena_new(arena, struct manifest_file, n ? n * 2 : 16);

		if (!more)
			return -ENOMEM;
		if (n > 0)
			memcpy(more, *files, n * sizeof(*more));
		*files = more;
	}
	(*files)[n] = *new;
	return 0;
}

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

int directory_list(int fd, const char *path, const char *only, struct arena *arena,
		   struct findings *f, struct manifest_file **ret_files, unsigned int *ret_n,
		   struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
	_cleanup_(dir_close) DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct manifest_file *files = NULL;
	struct dirent *each;
	unsigned int n = 0;

	if (!d) {
		int r = -errno;

		if (copy >= 0)
			close(copy);
		return err_set(e, r, "read directory %s", path);
	}
	while ((errno = 0, each = readdir(d))) {
		struct manifest_file file = { .directory_fd = fd };

		file.path = path_show(arena, path, each->d_name);
		if (!file.path)
			return err_set(e, -ENOMEM, "list %s", path);
		if (!name_judge(each->d_name, file.path, only, f))
			continue;
		file.name = arena_strdup(arena, each->d_name);
		if (!file.name || list_append(arena, &files, n, &file) < 0)
			return err_set(e, -ENOMEM, "list %s", path);
		n++;
	}
	if (errno)
		return err_set(e, -errno, "read directory %s", path);
	if (n > 0)
		qsort(files, n, sizeof(*files), file_compare);
	*ret_files = files;
	*ret_n = n;
	return 0;
}

/* ---- one file ------------------------------------------------------------------------------ */

static const char *kind_name(mode_t mode)
{
	return S_ISDIR(mode)    ? "a directory"
	       : S_ISFIFO(mode) ? "a named pipe"
	       : S_ISSOCK(mode) ? "a socket"
				: "a device";
}

static int open_report(const struct manifest_file *file, struct findings *f)
{
	int code = errno;
	char target[PATH_MAX];
	ssize_t n = readlinkat(file->directory_fd, file->name, target, sizeof(target) - 1);

	if (n >= 0 && (code == ENOENT || code == ELOOP || code == ENOTDIR)) {
		target[n] = '\0';
		finding_add_file(f, FINDING_ERROR, file->path,
				 "this is a symbolic link to %s, %s; remove the link or mend it",
				 text_quote(&f->arena, target),
				 code == ELOOP ? "which leads in a circle"
					       : "which does not exist");
	} else if (code == ENOENT) {
		/* gone between listing and opening: the watch on the directory brings us back */
		finding_add_file(f, FINDING_ERROR, file->path,
				 "the file vanished while it was read; try again");
	} else {
		finding_add_file(f, FINDING_ERROR, file->path, "the file cannot be read: %s",
				 strerror(code));
	}
	return -EINVAL;
}

/* A descriptor of a file that may be read, or a finding. */
static int manifest_open(const struct policy_source *source, const struct manifest_file *file,
			 struct findings *f, int *ret_fd)
{
	struct stat st;

	/* looked at before it is opened: opening some devices does things */
	if (fstatat(file->directory_fd, file->name, &st, 0) < 0)
		return open_report(file, f);
	_cleanup_fd_ int fd = -1;

	if (S_ISREG(st.st_mode)) {
		fd = openat(file->directory_fd, file->name,
			    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 || fstat(fd, &st) < 0)
			return open_report(file, f);
	}
	if (!S_ISREG(st.st_mode)) {
		finding_add_file(
			f, FINDING_ERROR, file->path,
			"this is %s, not a regular file; remove it or give it another name",
			kind_name(st.st_mode));
		return -EINVAL;
	}
	if (!is_trusted(source, &st, file->path, f))
		return -EINVAL;
	if (st.st_size > POLICY_FILE_LIMIT_BYTES) {
		finding_add_file(f, FINDING_ERROR, file->path,
				 "the file is %" PRId64
				 " bytes long; a manifest has at most %d (256KiB)",
				 (int64_t)st.st_size, POLICY_FILE_LIMIT_BYTES);
		return -EINVAL;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int manifest_slurp(const struct policy_source *source, const struct manifest_file *file,
		   struct findings *f, char **ret_text, size_t *ret_length)
{
	_cleanup_fd_ int fd = -1;
	int r = manifest_open(source, file, f, &fd);

	if (r < 0)
		return r;
	/* one byte more, so that a file that grew meanwhile is noticed */
	_cleanup_free_ char *text = malloc(POLICY_FILE_LIMIT_BYTES + 2);
	size_t length = 0;

	if (!text)
		return -ENOMEM;
	while (length <= POLICY_FILE_LIMIT_BYTES) {
		ssize_t n = read(fd, text + length, POLICY_FILE_LIMIT_BYTES + 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			finding_add_file(f, FINDING_ERROR, file->path,
					 "the file cannot be read: %s", strerror(errno));
			return -EINVAL;
		}
		if (n == 0)
			break;
		length += (size_t)n;
	}
	if (length > POLICY_FILE_LIMIT_BYTES) {
		finding_add_file(
			f, FINDING_ERROR, file->path,
			"the file is longer than %d bytes (256KiB), the most that a manifest has",
			POLICY_FILE_LIMIT_BYTES);
		return -EINVAL;
	}
	text[length] = '\0';
	*ret_text = TAKE_PTR(text);
	*ret_length = length;
	return 0;
}
