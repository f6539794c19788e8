/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the state directories of container runtimes. They may change or vanish at any moment, so
 * whatever cannot be read or is not what it should be is as if it were not there yet.
 */
#include "containers.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <sys/stat.h>

#define MAX_CONTAINERS    1024              /* chosen: as many as models */
#define STATE_LIMIT_BYTES (4 * 1024 * 1024) /* chosen: containers.json has about 500 bytes each */

/* Annotations that hold the name which people gave: CRI (kubelet), Podman's kube play, nerdctl. */
static const char *const name_annotations[] = { "io.kubernetes.cri.container-name",
						"io.kubernetes.container.name", "nerdctl/name" };

struct container {
	const char *id, *cgroup;
	json_t *names;       /* array of text, or NULL */
	json_t *annotations; /* object, or NULL */
};

/* Where one runtime keeps the first process of its containers; paths are glob(7) patterns. */
struct runtime {
	const char *pid_files;
	unsigned int id_from_end; /* the component of pid_files that is the id */
	const char *lists;        /* files with ids and names, NULL: the id is all there is */
	const char *specs[2];     /* OCI config.json: what stands before and behind the id */
};

static const struct runtime runtimes[] = {
	{ .pid_files = "/run/containers/storage/*-containers/*/userdata/pidfile",
	  .id_from_end = 2,
	  .lists = "/var/lib/containers/storage/*-containers/containers.json",
	  .specs = { "/var/lib/containers/storage/*-containers/", "/userdata/config.json" } },
	{ .pid_files = "/run/containerd/io.containerd.runtime.v2.task/*/*/init.pid",
	  .id_from_end = 1,
	  .specs = { "/run/containerd/io.containerd.runtime.v2.task/*/", "/config.json" } },
};

/* ---- memory ---------------------------------------------------------------------------------- */

void containers_init(struct containers *c, const char *root)
{
	*c = (struct containers){ 0 };
	snprintf(c->root, sizeof(c->root), "%s", root);
	arena_init(&c->arena);
}

static void containers_forget(struct containers *c)
{
	for (unsigned int i = 0; i < c->n; i++) {
		json_decref(c->all[i].names);
		json_decref(c->all[i].annotations);
	}
	c->n = 0;
	arena_reset(&c->arena);
}

void containers_fini(struct containers *c)
{
	containers_forget(c);
	free(c->all);
	arena_fini(&c->arena);
	*c = (struct containers){ 0 };
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Files that match below the root; to be given to globfree(). No match is an empty list. */
static void files_find(const struct containers *c, const char *pattern, glob_t *ret_files)
{
	char path[2 * PATH_MAX];

	*ret_files = (glob_t){ 0 };
	snprintf(path, sizeof(path), "%s%s", c->root, pattern);
	(void)glob(path, 0, NULL, ret_files); /* what cannot be read is not there */
}

static json_t *json_read(const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	if (file_read_all(AT_FDCWD, path, STATE_LIMIT_BYTES, &text, NULL, &e) < 0)
		return NULL;
	return json_loads(text, 0, NULL);
}

/* The component of path that many before its end: 0 is the file itself. */
static const char *component_copy(struct arena *arena, const char *path, unsigned int from_end)
{
	const char *end = path + strlen(path);

	for (;; from_end--) {
		const char *slash = memrchr(path, '/', (size_t)(end - path));

		if (!slash)
			return NULL;
		if (from_end == 0)
			return arena_printf(arena, "%.*s", (int)(end - slash - 1), slash + 1);
		end = slash;
	}
}

/* ---- noticing -------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: tells one list of files from another. */
static uint64_t fingerprint_add(uint64_t fingerprint, const void *data, size_t size)
{
	for (const unsigned char *byte = data; size > 0; byte++, size--)
		fingerprint = (fingerprint ^ *byte) * 0x100000001b3ULL;
	return fingerprint;
}

/* Every container that was ever started has such a file; a new process writes it anew. */
static uint64_t fingerprint_take(const struct containers *c)
{
	uint64_t fingerprint = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		glob_t files;

		files_find(c, runtimes[i].pid_files, &files);
		for (size_t f = 0; f < files.gl_pathc; f++) {
			struct stat st;

			if (stat(files.gl_pathv[f], &st) < 0)
				continue;
			fingerprint = fingerprint_add(fingerprint, files.gl_pathv[f],
						      strlen(files.gl_pathv[f]));
			fingerprint = fingerprint_add(fingerprint, &st.st_ino, sizeof(st.st_ino));
			fingerprint = fingerprint_add(fingerprint, &st.st_mtim, sizeof(st.st_mtim));
		}
		globfree(&files);
	}
	return fingerprint | 1; /* 0 is never */
}

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * The uppermost cgroup that is the container's alone: crun and runc put processes into one below
 * the scope, and the id is in the name of each.
 */
static void cgroup_climb(char *path, const char *id)
{
	for (char *part = strchr(path, '/'); part; part = strchr(part + 1, '/')) {
		size_t length = strcspn(part + 1, "/");
		char *found = strstr(part + 1, id);

		if (found && found < part + 1 + length) {
			part[1 + length] = '\0';
			return;
		}
	}
}

/* NULL: it does not run, or no memory. */
static const char *cgroup_read(struct containers *c, const char *pid_file, const char *id)
{
	_cleanup_free_ char *pid_text = NULL, *text = NULL;
	char proc[PATH_MAX + 64];
	struct err e = { 0 };
	uint64_t pid;

	if (file_read_all(AT_FDCWD, pid_file, 64, &pid_text, NULL, &e) < 0)
		return NULL;
	pid_text[strcspn(pid_text, "\n")] = '\0';
	if (number_parse(pid_text, &pid) < 0)
		return NULL;
	snprintf(proc, sizeof(proc), "%s/proc/%llu/cgroup", c->root, (unsigned long long)pid);
	if (file_read_all(AT_FDCWD, proc, 64 * 1024, &text, NULL, &e) < 0)
		return NULL;
	/* cgroups(7): the line of the unified hierarchy begins with 0:: */
	char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");

	if (!line)
		return NULL;
	line = strchr(line, '/');
	if (!line)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	/* a number that another process has by now: nothing of the container is in its cgroup */
	if (!strstr(line, id))
		return NULL;
	cgroup_climb(line, id);
	return arena_strdup(&c->arena, line);
}

static json_t *annotations_read(const struct containers *c, const struct runtime *runtime,
				const char *id)
{
	char pattern[PATH_MAX];
	json_t *annotations = NULL;
	glob_t files;

	snprintf(pattern, sizeof(pattern), "%s%s%s", runtime->specs[0], id, runtime->specs[1]);
	files_find(c, pattern, &files);
	if (files.gl_pathc > 0) {
		json_t *spec = json_read(files.gl_pathv[0]);

		annotations = json_incref(json_object_get(spec, "annotations"));
		json_decref(spec);
	}
	globfree(&files);
	return annotations;
}

static json_t *names_read(const struct containers *c, const struct runtime *runtime, const char *id)
{
	json_t *names = NULL;
	glob_t files;

	if (!runtime->lists)
		return NULL;
	files_find(c, runtime->lists, &files);
	for (size_t i = 0; i < files.gl_pathc && !names; i++) {
		json_t *list = json_read(files.gl_pathv[i]), *one;
		size_t at;

		json_array_foreach(list, at, one) {
			const char *its_id = json_string_value(json_object_get(one, "id"));

			if (its_id && strcmp(its_id, id) == 0)
				names = json_incref(json_object_get(one, "names"));
		}
		json_decref(list);
	}
	globfree(&files);
	return names;
}

/* An id is a file name that others chose: glob and text functions must take it as it is. */
static bool is_plain_id(const char *id)
{
	return *id &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       strlen(id);
}

static int container_add(struct containers *c, const struct runtime *runtime, const char *pid_file)
{
	const char *id = component_copy(&c->arena, pid_file, runtime->id_from_end);
	const char *cgroup = id && is_plain_id(id) ? cgroup_read(c, pid_file, id) : NULL;

	if (!cgroup || c->n == MAX_CONTAINERS)
		return 0;
	if (c->n == c->size) {
		unsigned int size = c->size ? 2 * c->size : 16;
		struct container *all = realloc(c->all, size * sizeof(*all));

		if (!all)
			return -ENOMEM;
		c->all = all;
		c->size = size;
	}
	c->all[c->n++] = (struct container){ .id = id,
					     .cgroup = cgroup,
					     .names = names_read(c, runtime, id),
					     .annotations = annotations_read(c, runtime, id) };
	return 0;
}

int containers_update(struct containers *c, bool always)
{
	uint64_t fingerprint = fingerprint_take(c);
	int r = 0;

	if (fingerprint == c->fingerprint && !always)
		return false;
	containers_forget(c);
	for (size_t i = 0; i < ARRAY_SIZE(runtimes) && r == 0; i++) {
		glob_t files;

		files_find(c, runtimes[i].pid_files, &files);
		for (size_t f = 0; f < files.gl_pathc && r == 0; f++)
			r = container_add(c, &runtimes[i], files.gl_pathv[f]);
		globfree(&files);
	}
	if (r < 0)
		return r;
	c->fingerprint = fingerprint;
	return true;
}

/* ---- finding --------------------------------------------------------------------------------- */

static bool annotation_is(const struct container *one, const char *key, size_t key_length,
			  const char *value)
{
	const char *text = json_string_value(json_object_getn(one->annotations, key, key_length));

	return text && strcmp(text, value) == 0;
}

static bool container_is(const struct container *one, const char *wanted)
{
	const char *equals = strchr(wanted, '=');
	json_t *name;
	size_t i;

	if (equals)
		return annotation_is(one, wanted, (size_t)(equals - wanted), equals + 1);
	if (strcmp(one->id, wanted) == 0)
		return true;
	json_array_foreach(one->names, i, name) {
		if (json_string_value(name) && strcmp(json_string_value(name), wanted) == 0)
			return true;
	}
	for (size_t k = 0; k < ARRAY_SIZE(name_annotations); k++)
		if (annotation_is(one, name_annotations[k], strlen(name_annotations[k]), wanted))
			return true;
	return false;
}

int containers_find(const struct containers *c, const char *wanted, container_visit *visit,
		    void *userdata)
{
	int r = 0;

	for (unsigned int i = 0; i < c->n && r >= 0; i++)
		if (container_is(&c->all[i], wanted))
			r = visit(c->all[i].cgroup, userdata);
	return r < 0 ? r : 0;
}
