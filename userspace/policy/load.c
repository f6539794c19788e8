/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From directories to a policy, all or nothing: lists, reads, checks, and hands out a policy only
 * when there is no error. Holds everything of one load in one struct; keeps nothing between loads.
 */
#include "canonical.h"
#include "check.h"
#include "files.h"
#include "locate.h"
#include "read.h"
#include "source.h"

#define HOST_FILE "modelgov.yaml"

/* The two directories below a root. */
enum folder { FOLDER_MODELS, FOLDER_TEMPLATES, N_FOLDERS };

static const char *const folder_names[N_FOLDERS] = { "models.d", "templates.d" };

/* One directory tree; the one in /etc comes before the shipped one. */
struct root {
	const char *path;
	int fd;                 /* -1 where there is none */
	int folders[N_FOLDERS]; /* so are these */
	const char *folder_paths[N_FOLDERS];
};

struct load {
	const struct policy_source *source;
	struct findings *findings;
	struct policy *policy;
	struct origins *origins; /* one for each model */
	struct root roots[2];
	unsigned int n_roots;
	struct locations where;
	struct templates templates;
	struct arena scratch, names, patterns; /* patterns: of the templates */
};

/* ---- directories --------------------------------------------------------------------------- */

static int folder_open(struct load *l, struct root *root, enum folder folder, struct err *e)
{
	root->folder_paths[folder] =
		arena_printf(&l->names, "%s/%s", root->path, folder_names[folder]);
	if (!root->folder_paths[folder])
		return err_set(e, -ENOMEM, "load %s", root->path);
	int r = directory_open(l->source, root->folder_paths[folder], l->findings,
			       &root->folders[folder], e);

	/* none yet; or a finding, and nothing in it is read */
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int root_open(struct load *l, const char *path, struct err *e)
{
	struct root *root = &l->roots[l->n_roots++];
	size_t length = strlen(path);

	*root = (struct root){ .fd = -1, .folders = { -1, -1 } };
	while (length > 1 && path[length - 1] == '/')
		length--;
	root->path = arena_printf(&l->names, "%.*s", (int)length, path);
	if (!root->path)
		return err_set(e, -ENOMEM, "load %s", path);
	int r = directory_open(l->source, path, l->findings, &root->fd, e);

	if (r == -ENOENT)
		return err_set(e, r, "open policy directory %s", path);
	if (r == -EINVAL)
		return 0;
	for (int i = 0; i < N_FOLDERS && r == 0; i++)
		r = folder_open(l, root, (enum folder)i, e);
	return r;
}

static int roots_open(struct load *l, struct err *e)
{
	int r = root_open(l, l->source->etc, e);

	/* nothing need be shipped */
	if (r == 0 && l->source->shipped && access(l->source->shipped, F_OK) == 0)
		r = root_open(l, l->source->shipped, e);
	return r;
}

static void roots_close(struct load *l)
{
	for (unsigned int i = 0; i < l->n_roots; i++) {
		cleanup_fd(&l->roots[i].fd);
		for (int j = 0; j < N_FOLDERS; j++)
			cleanup_fd(&l->roots[i].folders[j]);
	}
}

/* ---- one file ------------------------------------------------------------------------------ */

/* The file's text as a source; -EINVAL with a finding. *ret_text is to be freed. */
static int source_open(struct load *l, const struct manifest_file *file, char **ret_text,
		       struct source *ret_source)
{
	const char *shown = arena_strdup(&l->findings->arena, file->path);
	size_t length;

	if (!shown)
		return -ENOMEM;
	int r = manifest_slurp(l->source, file, l->findings, ret_text, &length);

	if (r == 0)
		*ret_source = (struct source){
			.file = shown, .text = *ret_text, .length = length, .findings = l->findings
		};
	return r;
}

static struct reading_room room_for(struct load *l)
{
	arena_reset(&l->scratch);
	return (struct reading_room){ .keep = &l->policy->arena,
				      .scratch = &l->scratch,
				      .facts = &l->source->facts,
				      .host = &l->policy->host,
				      .templates = &l->templates };
}

static int host_file_load(struct load *l, const struct manifest_file *file)
{
	struct reading_room room = room_for(l);
	_cleanup_free_ char *text = NULL;
	struct source s;
	int r = source_open(l, file, &text, &s);

	if (r == 0)
		r = host_manifest_read(&room, &s, &l->policy->host);
	return r == -EINVAL ? 0 : r;
}

/* The first root that has the file. */
static int host_load(struct load *l, struct err *e)
{
	host_defaults(&l->policy->host);
	for (unsigned int i = 0; i < l->n_roots; i++) {
		const struct root *root = &l->roots[i];
		struct manifest_file *files = NULL;
		unsigned int n = 0;

		if (root->fd < 0)
			continue;
		int r = directory_list(root->fd, root->path, HOST_FILE, &l->names, l->findings,
				       &files, &n, e);

		if (r == 0 && n > 0) {
			l->where.host = &files[0];
			r = host_file_load(l, &files[0]);
			return r < 0 ? err_set(e, r, "load %s", files[0].path) : 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int model_load(struct load *l, const struct manifest_file *file)
{
	unsigned int at = l->policy->n_models;
	struct reading_room room = room_for(l);
	_cleanup_free_ char *text = NULL;
	struct source s;
	const char *name = arena_printf(&l->policy->arena, "%.*s",
					(int)(strlen(file->name) - strlen(".yaml")), file->name);
	int r = name ? source_open(l, file, &text, &s) : -ENOMEM;

	if (r == 0)
		r = model_manifest_read(&room, &s, name, &l->policy->models[at], &l->origins[at]);
	if (r == 0) {
		l->where.models[at] = file;
		l->policy->n_models++;
	}
	return r == -EINVAL ? 0 : r;
}

/* ---- all files of a folder ----------------------------------------------------------------- */

/* Both roots' manifests by name; /etc's hides a shipped one of the same name. */
static int folder_list(struct load *l, enum folder folder, struct manifest_file **ret_files,
		       unsigned int *ret_n, struct err *e)
{
	struct manifest_file *lists[2] = { NULL, NULL };
	unsigned int n[2] = { 0, 0 }, at[2] = { 0, 0 }, n_all = 0;

	for (unsigned int i = 0; i < l->n_roots; i++) {
		struct root *root = &l->roots[i];

		if (root->folders[folder] < 0)
			continue;
		int r = directory_list(root->folders[folder], root->folder_paths[folder], NULL,
				       &l->names, l->findings, &lists[i], &n[i], e);

		if (r < 0)
			return r;
	}
	struct manifest_file *all = arena_new(&l->names, struct manifest_file, n[0] + n[1] + 1);

	if (!all)
		return err_set(e, -ENOMEM, "list %s", folder_names[folder]);
	while (at[0] < n[0] || at[1] < n[1]) {
		int order = at[0] == n[0]   ? 1
			    : at[1] == n[1] ? -1
					    : strcmp(lists[0][at[0]].name, lists[1][at[1]].name);

		all[n_all++] = order <= 0 ? lists[0][at[0]] : lists[1][at[1]];
		at[0] += order <= 0;
		at[1] += order >= 0;
	}
	*ret_files = all;
	*ret_n = n_all;
	return 0;
}

/* ---- templates ----------------------------------------------------------------------------- */

static int template_load(struct load *l, const struct manifest_file *file)
{
	struct template *t = &l->templates.all[l->templates.n];
	struct reading_room room = room_for(l);
	const char *name = arena_printf(&l->patterns, "%.*s",
					(int)(strlen(file->name) - strlen(".yaml")), file->name);

	room.scratch = room.keep = &l->patterns; /* open until the models are read */
	if (!name)
		return -ENOMEM;
	t->name = name;
	l->templates.n++; /* also when it is broken: who names it is told no more than that */
	int r = source_open(l, file, &t->text, &t->source);

	t->is_broken = true;
	return r == 0 ? template_read(&room, t, NULL) : r == -EINVAL ? 0 : r;
}

static int templates_load(struct load *l, struct err *e)
{
	struct manifest_file *files = NULL;
	unsigned int n = 0;
	int r = folder_list(l, FOLDER_TEMPLATES, &files, &n, e);

	if (r < 0)
		return r;
	if (n > POLICY_MAX_TEMPLATES) {
		finding_add_file(l->findings, FINDING_ERROR,
				 l->roots[0].folder_paths[FOLDER_TEMPLATES],
				 "there are %u templates; at most %d are read", n,
				 POLICY_MAX_TEMPLATES);
		n = 0;
	}
	l->templates.all = arena_new(&l->patterns, struct template, n + 1);
	if (!l->templates.all)
		return err_set(e, -ENOMEM, "load %u templates", n);
	for (unsigned int i = 0; i < n; i++) {
		r = template_load(l, &files[i]);
		if (r < 0)
			return err_set(e, r, "load %s", files[i].path);
	}
	return 0;
}

static void templates_close(struct load *l)
{
	for (unsigned int i = 0; i < l->templates.n; i++)
		template_close(&l->templates.all[i]);
}

/* ---- models -------------------------------------------------------------------------------- */

static int model_compare(const void *a, const void *b)
{
	return strcmp(((const struct model *)a)->name, ((const struct model *)b)->name);
}

static int models_load(struct load *l, struct err *e)
{
	struct manifest_file *files = NULL;
	unsigned int n = 0;
	int r = folder_list(l, FOLDER_MODELS, &files, &n, e);

	if (r < 0)
		return r;
	if (n > POLICY_MAX_MODELS) {
		finding_add_file(
			l->findings, FINDING_ERROR, l->roots[0].folder_paths[FOLDER_MODELS],
			"the directory holds %u models; at most %d are governed on one host", n,
			POLICY_MAX_MODELS);
		return 0;
	}
	l->policy->models = arena_new(&l->policy->arena, struct model, n + 1);
	l->origins = arena_new(&l->names, struct origins, n + 1);
	l->where.models = arena_new(&l->names, const struct manifest_file *, n + 1);
	if (!l->policy->models || !l->origins || !l->where.models)
		return err_set(e, -ENOMEM, "load %u models", n);
	for (unsigned int i = 0; i < n; i++) {
		r = model_load(l, &files[i]);
		if (r < 0)
			return err_set(e, r, "load %s", files[i].path);
	}
	return 0;
}

/* ---- the policy ---------------------------------------------------------------------------- */

/* Models came by file name, "a-b.yaml" before "a.yaml"; by name it is the other way round. */
static int policy_finish(struct load *l, struct err *e)
{
	struct policy *p = l->policy;
	const struct locator where = { locations_find, &l->where };

	l->where.templates = &l->templates;
	int r = policy_check(p, l->origins, &where, &l->source->facts, l->findings);

	if (r < 0)
		return err_set(e, r, "check the policy");
	findings_sort(l->findings);
	if (l->findings->n_errors > 0)
		return err_say(e, -EINVAL, "policy in %s has %u error%s", l->source->etc,
			       l->findings->n_errors, l->findings->n_errors == 1 ? "" : "s");
	floors_share(p, l->origins);
	if (p->n_models > 0)
		qsort(p->models, p->n_models, sizeof(p->models[0]), model_compare);
	r = policy_digest(p);
	return r < 0 ? err_set(e, r, "digest of the policy") : 0;
}

static int everything_load(struct load *l, struct err *e)
{
	int r = roots_open(l, e);

	if (r == 0)
		r = host_load(l, e);
	if (r == 0)
		r = templates_load(l, e);
	if (r == 0)
		r = models_load(l, e);
	return r == 0 ? policy_finish(l, e) : r;
}

int policy_load(const struct policy_source *source, struct policy **ret_policy,
		struct findings *ret_findings, struct err *e)
{
	struct load l = { .source = source, .findings = ret_findings };

	l.policy = calloc(1, sizeof(*l.policy));
	if (!l.policy)
		return err_set(e, -ENOMEM, "load %s", source->etc);
	arena_init(&l.policy->arena);
	locations_init(&l.where, source);
	arena_init(&l.scratch);
	arena_init(&l.names);
	arena_init(&l.patterns);

	int r = everything_load(&l, e);

	roots_close(&l);
	locations_fini(&l.where);
	templates_close(&l);
	arena_fini(&l.scratch);
	arena_fini(&l.names);
	arena_fini(&l.patterns);
	if (r == 0)
		*ret_policy = TAKE_PTR(l.policy);
	policy_free(l.policy);
	return r;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	arena_fini(&p->arena);
	free(p);
}

int policy_find(const struct policy *p, const char *name, uint32_t *ret_model)
{
	uint32_t low = 0, high = p->n_models;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(p->models[middle].name, name);

		if (order == 0) {
			*ret_model = middle;
			return 0;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENOENT;
}

int host_facts_read(struct host_facts *ret_facts, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
	long page_bytes = sysconf(_SC_PAGESIZE);

	if (cpus <= 0 || pages <= 0 || page_bytes <= 0)
		return err_set(e, -EIO, "count CPUs and memory of this host");
	*ret_facts = (struct host_facts){ .cpus = (uint64_t)cpus,
					  .memory_bytes = (uint64_t)pages * (uint64_t)page_bytes };
	return 0;
}
