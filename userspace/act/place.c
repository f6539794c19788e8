/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cgroup through descriptors: opened once, its identity checked, its knobs' files read and
 * written at offset 0 for as long as it lives. Who may write where is the drivers' business.
 */
#include "driver.h"

#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* "/a/b" is "a/b" below the mount, "/" the mount itself */
static const char *path_below(const char *path)
{
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

int place_open(int root_fd, const char *path, uint64_t cgroup_id, int flags,
	       struct place *ret_place)
{
	_cleanup_fd_ int dir_fd =
		openat(root_fd, path_below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct place p = { .flags = flags };
	int r;

	if (dir_fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	r = cgroup_id_read(dir_fd, &p.cgroup_id);
	if (r < 0)
		return r;
	/* a cgroup that was removed and made again wears the same name */
	if (cgroup_id != 0 && p.cgroup_id != cgroup_id)
		return -ENOENT;
	if (snprintf(p.path, sizeof(p.path), "%s", path) >= (int)sizeof(p.path))
		return -ENAMETOOLONG;
	for (unsigned int k = 0; k < N_KNOBS; k++)
		p.knob_fds[k] = -1;
	p.dir_fd = TAKE_FD(dir_fd);
	*ret_place = p;
	return 0;
}

void place_close(struct place *p)
{
	for (unsigned int k = 0; k < N_KNOBS; k++)
		if (p->knob_fds[k] >= 0)
			close(p->knob_fds[k]);
	close(p->dir_fd);
}

bool place_exists(int root_fd, const struct place *p)
{
	struct stat st;

	return fstatat(root_fd, path_below(p->path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == p->cgroup_id;
}

static int knob_open(struct place *p, enum knob knob)
{
	if (p->knob_fds[knob] < 0)
		p->knob_fds[knob] =
			openat(p->dir_fd, knob_table[knob].file, p->flags | O_CLOEXEC | O_NOFOLLOW);
	return p->knob_fds[knob] < 0 ? -errno : 0;
}

/*
 * The controller was switched off and perhaps on again: the kernel removes the file and makes a new
 * one (ENODEV on the old descriptor). One more look tells.
 */
static int knob_reopen(struct place *p, enum knob knob)
{
	close(p->knob_fds[knob]);
	p->knob_fds[knob] = -1;
	return knob_open(p, knob);
}

int place_read_text(struct place *p, enum knob knob, char *buf, size_t size)
{
	int r = knob_open(p, knob);

	if (r < 0)
		return r;
	ssize_t n = file_reread(p->knob_fds[knob], buf, size);

	if (n == -ENODEV && (r = knob_reopen(p, knob)) == 0)
		n = file_reread(p->knob_fds[knob], buf, size);
	if (r < 0 || n < 0)
		return r < 0 ? r : (int)n;
	buf[strcspn(buf, "\n")] =
		'\0'; /* io.weight goes on with single devices, which are not ours */
	return 0;
}

int place_read(struct place *p, enum knob knob, uint64_t *ret_value)
{
	char text[128];
	int r = place_read_text(p, knob, text, sizeof(text));

	if (r == -ENOENT) {
		*ret_value = MISSING;
		return 0;
	}
	return r < 0 ? r : knob_parse(knob, text, ret_value);
}

int place_write_text(struct place *p, enum knob knob, const char *text)
{
	char line[128];
	int r = knob_open(p, knob);

	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%s\n", text);
	r = file_rewrite(p->knob_fds[knob], line);
	if (r == -ENODEV && (r = knob_reopen(p, knob)) == 0)
		r = file_rewrite(p->knob_fds[knob], line);
	return r;
}
