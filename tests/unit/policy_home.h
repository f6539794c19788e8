/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy directory of a test's own: written, loaded, looked at, removed. The host has two CPUs
 * and 8GiB.
 */
#ifndef TESTS_UNIT_POLICY_HOME_H
#define TESTS_UNIT_POLICY_HOME_H

#include "policy.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

struct home {
	char path[64];
	struct policy_source source;
	struct policy *policy;
	struct findings findings;
	struct err e;
	char *said; /* all findings, with paths below the home */
};

static inline void home_open(struct home *h)
{
	*h = (struct home){ .path = "/tmp/modelgov-policy-XXXXXX" };
	cr_assert(mkdtemp(h->path) != NULL, "a folder in /tmp");
	cr_assert_eq(chmod(h->path, 0755), 0);
	h->source = (struct policy_source){ .etc = h->path, .facts = { 2, 8ULL << 30 } };
	findings_init(&h->findings);
}

static inline int home_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static inline void home_close(struct home *h)
{
	policy_free(h->policy);
	findings_fini(&h->findings);
	free(h->said);
	(void)nftw(h->path, home_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#define _cleanup_home_ _cleanup_(home_close)

/* "/tmp/modelgov-policy-abc/models.d/ocr.yaml"; buf of PATH_MAX. */
static inline char *home_path(const struct home *h, const char *file, char *buf)
{
	snprintf(buf, PATH_MAX, "%s/%s", h->path, file);
	return buf;
}

/* Folders on the way are made. The mode does not depend on the umask. */
static inline void home_write_bytes(struct home *h, const char *file, const char *bytes, size_t n)
{
	char path[PATH_MAX], *slash;

	home_path(h, file, path);
	slash = strrchr(path, '/');
	*slash = '\0';
	cr_assert_eq(directory_make(path, 0755, &h->e), 0, "%s", h->e.text);
	cr_assert_eq(chmod(path, 0755), 0);
	*slash = '/';
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0, "write %s", path);
	cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
	cr_assert_eq(fchmod(fd, 0644), 0);
}

static inline void home_write(struct home *h, const char *file, const char *text)
{
	home_write_bytes(h, file, text, strlen(text));
}

/* A model of that name with these lines below "resources:". */
static inline void home_write_model(struct home *h, const char *name, const char *resources)
{
	_cleanup_free_ char *file = NULL, *text = NULL;

	cr_assert(asprintf(&file, "models.d/%s.yaml", name) > 0);
	cr_assert(asprintf(&text,
			   "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: %s, owner: t }\n"
			   "resources:\n%s",
			   name, resources) > 0);
	home_write(h, file, text);
}

/* Removes every "prefix/" in place. */
static inline void text_strip(char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	for (char *at = text; (at = strstr(at, prefix));)
		memmove(at, at + n + (at[n] == '/'), strlen(at + n + (at[n] == '/')) + 1);
}

/* Loads again from scratch; what policy_load() returned. */
static inline int home_load(struct home *h)
{
	policy_free(TAKE_PTR(h->policy));
	findings_fini(&h->findings);
	findings_init(&h->findings);
	free(TAKE_PTR(h->said));
	h->e = (struct err){ 0 };

	int r = policy_load(&h->source, &h->policy, &h->findings, &h->e);

	h->said = findings_print(&h->findings);
	cr_assert(h->said != NULL);
	text_strip(h->said, h->path);
	text_strip(h->e.text, h->path);
	cr_assert_eq(r == 0, h->policy != NULL, "a policy exactly when it is right");
	return r;
}

/* Loads what must be right and says what was wrong with it otherwise. */
static inline const struct policy *home_load_right(struct home *h)
{
	cr_assert_eq(home_load(h), 0, "should load, but:\n%s%s", h->said, h->e.text);
	return h->policy;
}

#endif
