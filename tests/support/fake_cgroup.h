/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cgroup: a cgroup hierarchy of plain files in a temporary directory, for tests of what reads
 * one. It keeps texts and nothing more: no controller works, nothing is charged, rmdir needs help.
 *
 * Whatever fails here is a broken test machine: the program ends with a message.
 */
#ifndef MODELGOV_TESTS_FAKE_CGROUP_H
#define MODELGOV_TESTS_FAKE_CGROUP_H

#include <limits.h>

struct fake_cgroup {
	char root[PATH_MAX];
};

/* Makes the root, empty; fini removes it with all that is below. */
void fake_cgroup_init(struct fake_cgroup *f);
void fake_cgroup_fini(struct fake_cgroup *f);

/*
 * Makes the cgroup at path ("/a/b", parents included) with the files of a fresh one: all
 * controllers enabled, nothing used, no limits.
 */
void fake_cgroup_make(const struct fake_cgroup *f, const char *path);

/* The same with the files of memory and pids only, as below system.slice on Debian. */
void fake_cgroup_make_without_cpu(const struct fake_cgroup *f, const char *path);

/* Removes the cgroup and all below it. */
void fake_cgroup_remove(const struct fake_cgroup *f, const char *path);

/* Replaces the text of one file, keeping the file itself, as a kept descriptor expects. */
void fake_cgroup_write(const struct fake_cgroup *f, const char *path, const char *file,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));

void fake_cgroup_unlink(const struct fake_cgroup *f, const char *path, const char *file);

#endif
