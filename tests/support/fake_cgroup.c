/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories and texts that look like cgroup2 to a reader. Knows the form of the files, not their
 * meaning.
 */
#include "fake_cgroup.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

struct fake_file {
	const char *name, *text;
};

/* Forms as kernel 6.1 prints them, shortened where nobody reads on. */
static const struct fake_file core_files[] = {
	{ "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
			  "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" },
	{ "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
			     "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" },
	{ "io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
			 "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" },
	{ "memory.current", "0\n" },
	{ "memory.min", "0\n" },
	{ "memory.low", "0\n" },
	{ "memory.high", "max\n" },
	{ "memory.max", "max\n" },
	{ "memory.stat", "anon 0\nfile 0\npgfault 0\npgmajfault 0\nworkingset_refault_anon 0\n"
			 "workingset_refault_file 0\n" },
	{ "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n" },
	{ "pids.current", "0\n" },
	{ "pids.max", "max\n" },
	{ NULL, NULL },
};

static const struct fake_file cpu_files[] = {
	{ "cgroup.controllers", "cpu io memory pids\n" },
	{ "cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnr_periods 0\nnr_throttled 0\n"
		      "throttled_usec 0\n" },
	{ "cpu.weight", "100\n" },
	{ "cpu.max", "max 100000\n" },
	{ "io.weight", "default 100\n" },
	{ NULL, NULL },
};

static const struct fake_file no_cpu_files[] = {
	{ "cgroup.controllers", "memory pids\n" },
	{ "cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\n" },
	{ NULL, NULL },
};

static void die(const char *what)
{
	fprintf(stderr, "fake_cgroup: %s: %s\n", what, strerror(errno));
	abort();
}

static void file_path(const struct fake_cgroup *f, const char *path, const char *file, char *ret)
{
	if (snprintf(ret, PATH_MAX, "%s%s%s%s", f->root, path, file ? "/" : "", file ? file : "") >=
	    PATH_MAX) {
		errno = ENAMETOOLONG;
		die(path);
	}
}

static void text_write(const char *name, const char *text)
{
	_cleanup_fd_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(name);
}

void fake_cgroup_init(struct fake_cgroup *f)
{
	const char *temporary = getenv("TMPDIR");

	snprintf(f->root, sizeof(f->root), "%s/modelgov-cgroup-XXXXXX",
		 temporary ? temporary : "/tmp");
	if (!mkdtemp(f->root))
		die(f->root);
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (remove(path) < 0)
		die(path);
	return 0;
}

void fake_cgroup_fini(struct fake_cgroup *f)
{
	if (nftw(f->root, entry_remove, 16, FTW_DEPTH | FTW_PHYS) < 0)
		die(f->root);
}

void fake_cgroup_remove(const struct fake_cgroup *f, const char *path)
{
	char name[PATH_MAX];

	file_path(f, path, NULL, name);
	if (nftw(name, entry_remove, 16, FTW_DEPTH | FTW_PHYS) < 0)
		die(name);
}

static void files_make(const struct fake_cgroup *f, const char *path, const struct fake_file *files)
{
	for (; files->name; files++) {
		char name[PATH_MAX];

		file_path(f, path, files->name, name);
		text_write(name, files->text);
	}
}

static void cgroup_make(const struct fake_cgroup *f, const char *path,
			const struct fake_file *files)
{
	struct err e = { 0 };
	char name[PATH_MAX];

	file_path(f, path, NULL, name);
	if (directory_make(name, 0755, &e) < 0) {
		fprintf(stderr, "fake_cgroup: %s\n", e.text);
		abort();
	}
	files_make(f, path, core_files);
	files_make(f, path, files);
}

void fake_cgroup_make(const struct fake_cgroup *f, const char *path)
{
	cgroup_make(f, path, cpu_files);
}

void fake_cgroup_make_without_cpu(const struct fake_cgroup *f, const char *path)
{
	cgroup_make(f, path, no_cpu_files);
}

void fake_cgroup_write(const struct fake_cgroup *f, const char *path, const char *file,
		       const char *format, ...)
{
	char name[PATH_MAX], text[8192];
	va_list args;

	file_path(f, path, file, name);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_write(name, text);
}

void fake_cgroup_unlink(const struct fake_cgroup *f, const char *path, const char *file)
{
	char name[PATH_MAX];

	file_path(f, path, file, name);
	if (unlink(name) < 0)
		die(name);
}
