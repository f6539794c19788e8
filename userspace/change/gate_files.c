/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the executables of gates.d and says whether they and the policy's files can be trusted:
 * whoever may write one of them decides what comes into force. Runs nothing.
 */
#include "gate.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* The rule of manifests: root's (or, in tests, our own), and nobody else can write it. */
static int owner_check(const struct stat *st, const char *path, struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_say(e, -EPERM,
			       "%s belongs to user %u and must belong to root; run chown root %s",
			       path, (unsigned int)st->st_uid, path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_say(e, -EPERM,
			       "%s can be written by %s (mode %04o), who could let anything pass; "
			       "run chmod "
			       "go-w %s",
			       path, st->st_mode & S_IWOTH ? "everybody" : "its group",
			       (unsigned int)(st->st_mode & 07777), path);
	return 0;
}

/* What editors and package managers leave behind. */
static bool is_leftover(const char *name)
{
	size_t length = strlen(name);

	return *name == '.' || *name == '#' || name[length - 1] == '~' || strstr(name, ".dpkg-") ||
	       strstr(name, ".rpm");
}

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* The unprivileged user that runs it must be able to read and execute it. */
static int executable_check(const struct stat *st, const char *path, struct err *e)
{
	const mode_t all = S_IRUSR | S_IRGRP | S_IROTH | S_IXUSR | S_IXGRP | S_IXOTH;
	int r = owner_check(st, path, e);

	if (r < 0)
		return r;
	if (!S_ISREG(st->st_mode))
		return err_say(e, -EPERM, "%s is not a file; gates.d holds executables only", path);
	if ((st->st_mode & all) != all)
		return err_say(e, -EPERM,
			       "%s cannot be executed by an unprivileged user (mode %04o); run "
			       "chmod 755 %s, or "
			       "remove it",
			       path, (unsigned int)(st->st_mode & 07777), path);
	return 0;
}

static bool list_has(const struct gate_files *files, const char *name)
{
	for (unsigned int i = 0; i < files->n; i++)
		if (strcmp(files->all[i].name, name) == 0)
			return true;
	return false;
}

static int file_add(struct gate_files *files, struct arena *arena, const char *directory,
		    const char *name, struct err *e)
{
	const char *path = arena_printf(arena, "%s/%s", directory, name);
	struct stat st;
	int r;

	if (!path)
		return err_set(e, -ENOMEM, "list %s", directory);
	if (stat(path, &st) < 0)
		return err_set(e, -errno, "look at gate %s", path);
	if (list_has(files, name))
		return 0;
	if (!is_null_device(&st) && (r = executable_check(&st, path, e)) < 0)
		return r;
	if (files->n == MAX_EXECUTABLES)
		return err_say(e, -E2BIG,
			       "there are more than %d gates in gates.d, the most that are run; "
			       "remove some from %s",
			       MAX_EXECUTABLES, directory);
	/* without a path it is hidden: taken out when both directories are read */
	files->all[files->n].name = arena_strdup(arena, name);
	files->all[files->n].path = is_null_device(&st) ? NULL : path;
	return files->all[files->n++].name ? 0 : err_set(e, -ENOMEM, "list %s", directory);
}

static int directory_list(const char *directory, struct arena *arena, struct gate_files *files,
			  struct err *e)
{
	_cleanup_(dir_close) DIR *d = directory ? opendir(directory) : NULL;
	struct stat st;
	int r = 0;

	if (!d)
		return !directory || errno == ENOENT ? 0 : err_set(e, -errno, "open %s", directory);
	if (fstat(dirfd(d), &st) < 0)
		return err_set(e, -errno, "look at %s", directory);
	if ((r = owner_check(&st, directory, e)) < 0)
		return r;
	for (const struct dirent *entry; r == 0 && (entry = readdir(d));)
		if (!is_leftover(entry->d_name))
			r = file_add(files, arena, directory, entry->d_name, e);
	return r;
}

static int file_compare(const void *a, const void *b)
{
	return strcmp(((const struct gate_file *)a)->name, ((const struct gate_file *)b)->name);
}

int gate_files_list(const char *const directories[2], struct arena *arena,
		    struct gate_files *ret_files, struct err *e)
{
	struct gate_files files = { .all = arena_new(arena, struct gate_file, MAX_EXECUTABLES) };
	unsigned int shown = 0;
	int r = files.all ? 0 : err_set(e, -ENOMEM, "list gates");

	for (int i = 0; i < 2 && r == 0; i++)
		r = directory_list(directories[i], arena, &files, e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < files.n; i++)
		if (files.all[i].path)
			files.all[shown++] = files.all[i];
	files.n = shown;
	qsort(files.all, files.n, sizeof(*files.all), file_compare);
	*ret_files = files;
	return 0;
}

/* ---- the policy's own files
 * ---------------------------------------------------------------------- */

static int directory_trust(const char *etc, const char *below, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_(dir_close) DIR *d = NULL;
	struct stat st;
	int r = 0;

	if (asprintf(&path, "%s%s", etc, below) < 0)
		return err_set(e, -ENOMEM, "look at %s", etc);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : err_set(e, -errno, "open %s", path);
	if (fstat(dirfd(d), &st) < 0)
		return err_set(e, -errno, "look at %s", path);
	r = owner_check(&st, path, e);
	for (const struct dirent *entry; r == 0 && (entry = readdir(d));) {
		_cleanup_free_ char *file = NULL;

		if (is_leftover(entry->d_name))
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0)
			return err_set(e, -ENOMEM, "look at %s", path);
		if (stat(file, &st) < 0)
			return err_set(e, -errno, "look at %s", file);
		r = owner_check(&st, file, e);
	}
	return r;
}

int policy_files_trust(const char *etc, struct err *e)
{
	static const char *const below[] = { "", "/models.d", "/templates.d" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(below) && r == 0; i++)
		r = directory_trust(etc, below[i], e);
	return r;
}
