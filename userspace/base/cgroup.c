/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the cgroup2 mount and says who may write where in it. Reads /proc/self/mountinfo and path
 * names only; control files are the business of sense and act.
 */
#include "cgroup.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define BITS_ALL ((1u << N_KNOBS) - 1)
#define BITS_WEIGHTS ((1u << KNOB_CPU_WEIGHT) | (1u << KNOB_IO_WEIGHT))
#define MOUNTINFO_LIMIT_BYTES (4UL * 1024 * 1024)

/*
 * One line of mountinfo (proc(5)): "36 35 98:0 / /mount rw,noatime optional... - type source options".
 * Takes the mount point when the type is cgroup2; notes whether a v1 hierarchy with controllers exists.
 */
static void mountinfo_line(char *line, char *ret_root, size_t size, bool *has_v1)
{
	char *separator = strstr(line, " - "), *field = line;
	char *type, *options;

	if (!separator)
		return;
	type = separator + 3;
	options = strchr(type, ' ');
	if (strncmp(type, "cgroup ", 7) == 0 && options && !strstr(options, "name="))
		*has_v1 = true;
	if (strncmp(type, "cgroup2 ", 8) != 0 || *ret_root)
		return;
	for (int i = 0; i < 4 && field; i++) {
		field = strchr(field, ' ');
		field += field ? 1 : 0;
	}
	if (field)
		snprintf(ret_root, size, "%.*s", (int)strcspn(field, " "), field);
}

int cgroup_root_find(char *ret_root, size_t size, bool *ret_is_pure, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	bool has_v1 = false;
	char *rest;
	int r = file_read_all(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_LIMIT_BYTES, &text, NULL, e);

	if (r < 0)
		return r;
	*ret_root = '\0';
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		mountinfo_line(line, ret_root, size, &has_v1);
	if (!*ret_root)
		return err_say(e, -ENOENT,
			       "no cgroup2 file system is mounted; boot with systemd.unified_cgroup_hierarchy=1");
	if (ret_is_pure)
		*ret_is_pure = !has_v1;
	return 0;
}

bool systemd_is_running(void)
{
	return sd_booted() > 0;
}

int cgroup_id_read(int dirfd, uint64_t *ret_id)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return -errno;
	*ret_id = st.st_ino;
	return 0;
}

static bool text_ends(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* "modelgov-NAME.scope", as cgroup_scope_name() makes it */
static bool unit_is_our_scope(const char *unit, size_t length)
{
	return length > strlen("modelgov-.scope") && strncmp(unit, "modelgov-", 9) == 0 &&
	       strncmp(unit + length - strlen(".scope"), ".scope", 6) == 0;
}

/* ".../modelgov-NAME.scope/main" */
static bool path_is_our_leaf(const char *path)
{
	if (!text_ends(path, "/" MODELGOV_LEAF))
		return false;
	size_t length = strlen(path) - strlen("/" MODELGOV_LEAF);
	const char *parent = memrchr(path, '/', length);

	return parent && unit_is_our_scope(parent + 1, (size_t)(path + length - parent - 1));
}

enum driver cgroup_classify(const char *path, const char *unit, bool has_systemd,
			    uint32_t *ret_knobs)
{
	if (!has_systemd) {
		*ret_knobs = BITS_ALL;
		return DRIVER_DELEGATED;
	}
	if (*unit) {
		*ret_knobs = unit_is_our_scope(unit, strlen(unit)) ? BITS_WEIGHTS : BITS_ALL;
		return DRIVER_SYSTEMD;
	}
	if (path_is_our_leaf(path)) {
		*ret_knobs = BITS_ALL & ~BITS_WEIGHTS;
		return DRIVER_DELEGATED;
	}
	*ret_knobs = 0;
	return DRIVER_OBSERVE;
}

char *cgroup_scope_name(const char *model, char *buf, size_t size)
{
	snprintf(buf, size, "modelgov-%s.scope", model);
	return buf;
}

bool model_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 63 || name[0] == '-' || name[n - 1] == '-')
		return false;
	for (; *name; name++)
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '-')
			return false;
	return true;
}
