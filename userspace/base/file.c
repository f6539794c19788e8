/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files: read whole, re-read and rewrite through kept descriptors, replace atomically. Knows
 * nothing of what is in them.
 */
#include "base.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

int file_read_all(int dirfd, const char *path, size_t limit_bytes, char **ret_text,
		  size_t *ret_length, struct err *e)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t length = 0, size = 0;

	if (fd < 0)
		return err_set(e, -errno, "open %s", path);
	for (;;) {
		if (length == size) {
			size = size ? size * 2 : 4096;
			char *larger = realloc(text, size + 1);

			if (!larger)
				return err_set(e, -ENOMEM, "read %s", path);
			text = larger;
		}
		ssize_t n = read(fd, text + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "read %s", path);
		if (n == 0)
			break;
		length += (size_t)n;
		if (length > limit_bytes)
			return err_say(e, -EFBIG, "%s is longer than %zu bytes", path, limit_bytes);
	}
	text[length] = '\0';
	if (ret_length)
		*ret_length = length;
	*ret_text = TAKE_PTR(text);
	return 0;
}

ssize_t file_reread(int fd, char *buf, size_t size)
{
	size_t length = 0, left;
	ssize_t n;

	do {
		left = size - 1 - length;
		do
			n = pread(fd, buf + length, left, (off_t)length);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		length += (size_t)n;
		/* a short read is the end: asking again would make the kernel build the text twice */
	} while ((size_t)n == left && left > 0);
	buf[length] = '\0';
	return (ssize_t)length;
}

int file_rewrite(int fd, const char *text)
{
	size_t length = strlen(text);
	ssize_t n;

	do
		n = pwrite(fd, text, length, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EIO; /* a control file takes all or nothing */
}

static int fd_write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

static int directory_sync(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(directory, sizeof(directory), ".");
	else
		snprintf(directory, sizeof(directory), "%.*s", (int)MAX(slash - path, 1), path);
	_cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_replace(const char *path, const char *text, size_t length, unsigned int mode,
		 struct err *e)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return err_set(e, -ENAMETOOLONG, "replace %s", path);
	_cleanup_fd_ int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return err_set(e, -errno, "create %s", temporary);
	int r = fd_write_all(fd, text, length);

	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r == 0)
		r = directory_sync(path);
	if (r < 0) {
		(void)unlink(temporary); /* gone already when only the last sync failed */
		return err_set(e, r, "replace %s", path);
	}
	return 0;
}

int directory_make(const char *path, unsigned int mode, struct err *e)
{
	char partial[PATH_MAX];

	if (snprintf(partial, sizeof(partial), "%s", path) >= (int)sizeof(partial))
		return err_set(e, -ENAMETOOLONG, "make directory %s", path);
	for (char *slash = partial + 1;; slash++) {
		slash = strchrnul(slash, '/');
		char saved = *slash;

		*slash = '\0';
		if (mkdir(partial, mode) < 0 && errno != EEXIST)
			return err_set(e, -errno, "make directory %s", partial);
		*slash = saved;
		if (!saved)
			return 0;
	}
}

int flat_file_find(const char *text, const char *key, uint64_t *ret_value)
{
	size_t length = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) != 0 || line[length] != ' ')
			continue;
		char *end;

		errno = 0;
		unsigned long long value = strtoull(line + length + 1, &end, 10);

		if (errno || end == line + length + 1 || (*end && *end != '\n'))
			return -EINVAL;
		*ret_value = value;
		return 0;
	}
	return -ENOENT;
}
