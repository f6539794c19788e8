/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes cgroups of our own, enables controllers in them, moves processes in and writes for the
 * first time: through libcgroup, which knows where each controller is mounted. Everything that
 * comes again and again goes through descriptors that are kept (delegated.c): there a write takes
 * 0.6 us, here 31 us (measured on Debian 12).
 *
 * How libcgroup is used here, and why:
 * - A fresh object for each write. cgroup_get_cgroup() and cgroup_modify_cgroup() after it write
 * every file back as it was read, and undo what others wrote in between (2.0.2, the version in
 * Debian 12).
 * - What it returns is not believed: 2.0.2 loses the errno of open(2), 3.x returns 0 for a file
 * that cannot be written. Callers read back; where it fails, the same step is done through a
 * descriptor, whose errno says why.
 * - It has no part in filling a new scope: 2.0.2 enables a controller above a cgroup before it
 *   makes the cgroup, which the kernel refuses while processes are there, and moves processes only
 * where a controller is enabled already. adopt.c does these two steps by hand.
 * - It finds the hierarchy by its controllers, so it is of no use on a host that mounts them as v1,
 * or below a root that is not a mount (unit tests).
 */
#include "driver.h"

#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <sys/stat.h>

/* Those that knob_table names. */
static const char *const controllers[] = { "cpu", "memory", "io", "pids" };

#define CONTROL_FILE_LIMIT_BYTES (1024UL * 1024)

static int text_of(char *ret_text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int text_of(char *ret_text, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(ret_text, size, format, args);

	va_end(args);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* ---- libcgroup ----------------------------------------------------------------------------- */

/* Rooms do not print, and libcgroup's own logger writes to stdout. */
static void cgroup_log_nothing(void *userdata, int level, const char *format, va_list args)
{
}

static bool libcgroup_knows(struct act *a)
{
	if (a->is_libcgroup_tried)
		return a->has_libcgroup;
	a->is_libcgroup_tried = true;
	cgroup_set_logger(cgroup_log_nothing, CGROUP_LOG_ERROR, NULL);
	if (cgroup_init() != 0)
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(controllers) && !a->has_libcgroup; i++) {
		_cleanup_free_ char *mount = NULL;

		a->has_libcgroup = cgroup_get_subsys_mount_point(controllers[i], &mount) == 0 &&
				   strcmp(mount, a->root) == 0;
	}
	return a->has_libcgroup;
}

static void libcgroup_free(struct cgroup **group)
{
	if (*group)
		cgroup_free(group);
}

static struct cgroup *libcgroup_new(const char *path)
{
	return cgroup_new_cgroup(path[1] ? path + 1 : "/");
}

static bool libcgroup_write(struct act *a, const char *path, const char *controller,
			    const char *file, const char *text)
{
	if (!libcgroup_knows(a))
		return false;
	_cleanup_(libcgroup_free) struct cgroup *group = libcgroup_new(path);
	struct cgroup_controller *c = group ? cgroup_add_controller(group, controller) : NULL;

	return c && cgroup_add_value_string(c, file, text) == 0 && cgroup_modify_cgroup(group) == 0;
}

/* ---- one file of one cgroup ---------------------------------------------------------------- */

static int descriptor_write(struct act *a, const char *path, const char *file, const char *text,
			    struct err *e)
{
	char name[PATH_MAX], line[128];
	int r = text_of(name, sizeof(name), "%s%s/%s", a->root, path[1] ? path : "", file);

	if (r == 0)
		r = text_of(line, sizeof(line), "%s\n", text);
	if (r < 0)
		return err_set(e, r, "write %s of %s", file, path);
	_cleanup_fd_ int fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_set(e, -errno, "open %s", name);
	r = file_rewrite(fd, line);
	return r < 0 ? err_set(e, r, "write %s to %s", text, name) : 0;
}

int cold_write(struct act *a, const char *path, const char *controller, const char *file,
	       const char *text, struct err *e)
{
	if (libcgroup_write(a, path, controller, file, text))
		return 0;
	return descriptor_write(a, path, file, text, e);
}

/* Whether word stands in a list like "cpu io memory". -ENOENT: there is no such file. */
static int list_has(struct act *a, const char *path, const char *file, const char *word)
{
	char name[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	int r = text_of(name, sizeof(name), "%s%s/%s", a->root, path, file);

	if (r == 0)
		r = file_read_all(AT_FDCWD, name, CONTROL_FILE_LIMIT_BYTES, &text, NULL, NULL);
	if (r < 0)
		return r;
	for (char *rest = text, *token; (token = strsep(&rest, " \n"));)
		if (strcmp(token, word) == 0)
			return 1;
	return 0;
}

/*
 * One controller at a time, because the kernel takes or refuses a line as a whole. "cgroup" is
 * libcgroup's name for the files that belong to no controller.
 */
int cold_enable(struct act *a, const char *path, struct err *e)
{
	int first = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(controllers); i++) {
		const char *controller = controllers[i];
		char text[32];
		struct err one = { 0 };

		if (list_has(a, path, "cgroup.controllers", controller) != 1 ||
		    list_has(a, path, "cgroup.subtree_control", controller) == 1)
			continue;
		snprintf(text, sizeof(text), "+%s", controller);
		int r = cold_write(a, path, "cgroup", "cgroup.subtree_control", text, &one);

		if (r == 0 && list_has(a, path, "cgroup.subtree_control", controller) == 1)
			continue;
		if (first == 0)
			first = r < 0 ? err_say(e, r, "%s", one.text)
				      : err_say(e, -EIO,
						"enabling %s below %s: no error, no effect",
						controller, path);
	}
	return first;
}

/* ---- processes ----------------------------------------------------------------------------- */

/* libcgroup moves a process by way of a controller that is enabled where it goes. */
static bool libcgroup_attach(struct act *a, const char *path, int32_t pid)
{
	const char *enabled = NULL;

	if (!libcgroup_knows(a))
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(controllers) && !enabled; i++)
		if (list_has(a, path, "cgroup.controllers", controllers[i]) == 1)
			enabled = controllers[i];
	_cleanup_(libcgroup_free) struct cgroup *group = enabled ? libcgroup_new(path) : NULL;

	return group && cgroup_add_controller(group, enabled) &&
	       cgroup_attach_task_pid(group, pid) == 0;
}

int cold_attach(struct act *a, const char *path, int32_t pid, struct err *e)
{
	char text[16];

	if (libcgroup_attach(a, path, pid))
		return 0;
	snprintf(text, sizeof(text), "%d", (int)pid);
	return descriptor_write(a, path, "cgroup.procs", text, e);
}

/* ---- making -------------------------------------------------------------------------------- */

static bool libcgroup_make(struct act *a, const char *path)
{
	if (!libcgroup_knows(a))
		return false;
	_cleanup_(libcgroup_free) struct cgroup *group = libcgroup_new(path);

	for (unsigned int i = 0; group && i < ARRAY_SIZE(controllers); i++)
		if (list_has(a, "", "cgroup.subtree_control", controllers[i]) == 1 &&
		    !cgroup_add_controller(group, controllers[i]))
			return false;
	return group && cgroup_create_cgroup(group, 1) == 0;
}

static int directory_exists(struct act *a, const char *path)
{
	return faccessat(a->root_fd, path + 1, F_OK, 0) == 0;
}

/* Each parent is made and lends its controllers to the next. */
static int descriptor_make(struct act *a, const char *path, struct err *e)
{
	char partial[PATH_MAX];
	int r = text_of(partial, sizeof(partial), "%s", path);

	if (r < 0)
		return err_set(e, r, "make cgroup %s", path);
	for (char *slash = partial + 1;; slash++) {
		slash = strchrnul(slash, '/');
		char saved = *slash;

		*slash = '\0';
		if (mkdirat(a->root_fd, partial + 1, 0755) < 0 && errno != EEXIST)
			return err_set(e, -errno, "make cgroup %s", partial);
		if (!saved)
			return 0;
		(void)cold_enable(a, partial,
				  NULL); /* what is missing is seen when a knob has no file */
		*slash = saved;
	}
}

/*
 * Never asks libcgroup for a cgroup that exists: when a later step fails, 3.x deletes the cgroup
 * and moves its processes to the parent.
 */
int cold_make(struct act *a, const char *path, struct err *e)
{
	(void)cold_enable(a, "/", NULL); /* as in descriptor_make() */
	if (!directory_exists(a, path) && libcgroup_make(a, path))
		return 0;
	return descriptor_make(a, path, e);
}
