/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest to begin with: what must be said is said, what the template says stands there as
 * comments, each with its meaning. Writes text; the caller decides where to.
 */
#include "field.h"
#include "files.h"
#include "names.h"
#include "read.h"

#include <fcntl.h>
#include <sys/stat.h>

#define COLUMNS                                                                                    \
	96 /* of comments; chosen: two such files fit beside each other on a wide screen           \
	    */

/* Everything of one new manifest. */
struct draft {
	const struct policy_source *source;
	struct arena arena;
	struct findings findings;
	struct template template;
	struct model values; /* of the template */
	FILE *out;
};

/* ---- comments ------------------------------------------------------------------------------ */

/* A comment behind a comment, in lines of COLUMNS, without the page's backticks. */
static void comment_print(struct draft *d, unsigned int indent, const char *text)
{
	unsigned int column = 0;

	for (const char *at = text; *(at += strspn(at, " ")); at += strcspn(at, " ")) {
		int length = (int)strcspn(at, " ");

		if (column == 0 || column + (unsigned int)length + 1 > COLUMNS) {
			column = indent + 2;
			fprintf(d->out, "%s#%*s#", at == text ? "" : "\n", (int)indent, "");
		}
		fputc(' ', d->out);
		for (int i = 0; i < length; i++)
			if (at[i] != '`')
				fputc(at[i], d->out);
		column += (unsigned int)length + 1;
	}
	fputc('\n', d->out);
}

/* ---- what the template says ---------------------------------------------------------------- */

static bool is_given(const struct draft *d, const struct key *k)
{
	for (const struct given *g = d->values.given; g; g = g->next)
		if (g->row == k || g->list == k)
			return true;
	if (k->type != TYPE_GROUP)
		return false;
	for (const struct key *below = NULL; (below = key_next(k->keys, MANIFEST_TEMPLATE, below));)
		if (is_given(d, below))
			return true;
	return false;
}

static int item_print(struct draft *d, const struct key *rows, const void *item, bool is_first)
{
	for (const struct key *k = NULL; (k = key_next(rows, MANIFEST_TEMPLATE, k));) {
		if (field_is_absent(k, item))
			continue;
		if (k->type == TYPE_GROUP) {
			fprintf(d->out, "%s%s: {", is_first ? " " : ", ", k->name);
			if (item_print(d, k->keys, item, true) < 0)
				return -ENOMEM;
			fputs(" }", d->out);
		} else {
			const char *value = field_print(k, item, &d->arena);

			if (!value)
				return -ENOMEM;
			fprintf(d->out, "%s%s: %s", is_first ? " " : ", ", k->name, value);
		}
		is_first = false;
	}
	return 0;
}

static int items_print(struct draft *d, const struct key *k, unsigned int indent)
{
	unsigned int n;
	const char *items = field_items(k, &d->values, &n);

	fprintf(d->out, "#%*s%s:%s\n", (int)indent, "", k->name, n == 0 ? " []" : "");
	for (unsigned int i = 0; i < n; i++) {
		fprintf(d->out, "#%*s  - {", (int)indent, "");
		if (item_print(d, k->keys, items + i * k->list.item_bytes, true) < 0)
			return -ENOMEM;
		fputs(" }\n", d->out);
	}
	return 0;
}

static int labels_print(struct draft *d, const struct key *k, unsigned int indent)
{
	unsigned int n;
	const struct label *all = field_items(k, &d->values, &n);

	fprintf(d->out, "#%*s%s:\n", (int)indent, "", k->name);
	for (unsigned int i = 0; i < n; i++) {
		const char *value = text_spell(all[i].value, &d->arena);

		if (!value)
			return -ENOMEM;
		fprintf(d->out, "#%*s  %s: %s\n", (int)indent, "", all[i].key, value);
	}
	return 0;
}

static int given_print(struct draft *d, const struct key *rows, unsigned int indent);

static int key_print(struct draft *d, const struct key *k, unsigned int indent)
{
	const char *value;

	comment_print(d, indent, k->meaning);
	switch (k->type) {
	case TYPE_GROUP:
		fprintf(d->out, "#%*s%s:\n", (int)indent, "", k->name);
		return given_print(d, k->keys, indent + 2);
	case TYPE_GROUPS:
		return items_print(d, k, indent);
	case TYPE_LABELS:
		return labels_print(d, k, indent);
	default:
		value = field_is_absent(k, &d->values) ? "[]"
						       : field_print(k, &d->values, &d->arena);
		if (!value)
			return -ENOMEM;
		fprintf(d->out, "#%*s%s: %s\n", (int)indent, "", k->name, value);
		return 0;
	}
}

static int given_print(struct draft *d, const struct key *rows, unsigned int indent)
{
	int r = 0;

	for (const struct key *k = NULL; r == 0 && (k = key_next(rows, MANIFEST_TEMPLATE, k));)
		if (!k->is_heading && is_given(d, k))
			r = key_print(d, k, indent);
	return r;
}

/* ---- the manifest -------------------------------------------------------------------------- */

static void head_print(struct draft *d, const char *name, const char *template)
{
	fprintf(d->out,
		"# %s: say here what it is for and who waits for it.\n"
		"#\n"
		"# Put this file into models.d as %s.yaml. \"modelgov check\" judges it, "
		"\"modelgov show "
		"%s\"\n"
		"# prints everything that holds for it, docs/policy.md explains every key.\n"
		"apiVersion: " API_VERSION "\n"
		"kind: Model\n"
		"metadata:\n"
		"  name: %s\n",
		name, name, name, name);
	if (template)
		fprintf(d->out, "  template: %s\n", template);
	fputs("  owner: somebody@example.org  # whom to ask about it: change this line\n"
	      "  # owners: [user, '@group']    # who may approve what changes it\n"
	      "  # version: 1.0.0\n",
	      d->out);
}

static void match_print(struct draft *d, const char *name)
{
	fprintf(d->out,
		"\n# Where its processes are. Units by name; or containers: [name], or cgroups: "
		"['/pattern/*'].\n"
		"match:\n"
		"  units: [%s.service]\n",
		name);
}

static int rest_print(struct draft *d, const char *template)
{
	const struct key *rows = key_rows(MANIFEST_TEMPLATE);
	bool has_class = template &&
			 is_given(d, key_find(key_find(rows, MANIFEST_TEMPLATE, "resources")->keys,
					      MANIFEST_TEMPLATE, "class"));
	int r = 0;

	if (!has_class)
		fputs("\n# critical, standard, batch or experiment\n"
		      "resources:\n"
		      "  class: standard\n",
		      d->out);
	if (!template)
		return 0;
	fprintf(d->out,
		"\n# Below is what template %s says. To overrule a line, take its # away and those "
		"of\n"
		"# the groups that it stands in; lists are replaced as a whole.\n",
		template);
	for (const struct key *k = NULL; r == 0 && (k = key_next(rows, MANIFEST_TEMPLATE, k));)
		if (!k->is_heading && strcmp(k->name, "metadata") != 0 && is_given(d, k)) {
			fputc('\n', d->out);
			r = key_print(d, k, 0);
		}
	return r;
}

/* ---- finding the template ------------------------------------------------------------------ */

/* -ENOENT: not in this directory. */
static int template_open(struct draft *d, const char *root, const char *name, struct err *e)
{
	const char *folder = arena_printf(&d->arena, "%s/templates.d", root);
	struct manifest_file file = { .name = arena_printf(&d->arena, "%s.yaml", name) };
	_cleanup_fd_ int fd = -1;
	struct stat st;
	size_t length;

	file.path = folder ? arena_printf(&d->arena, "%s/%s.yaml", folder, name) : NULL;
	if (!file.path || !file.name)
		return err_set(e, -ENOMEM, "read template %s", name);
	int r = directory_open(d->source, folder, &d->findings, &fd, e);

	if (r < 0)
		return r;
	if (fstatat(fd, file.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	file.directory_fd = fd;
	r = manifest_slurp(d->source, &file, &d->findings, &d->template.text, &length);
	if (r == 0)
		d->template.source = (struct source){ .file = file.path,
						      .text = d->template.text,
						      .length = length,
						      .findings = &d->findings };
	return r;
}

static int template_search(struct draft *d, const char *name, struct err *e)
{
	int r = -ENOENT;

	if (name_is_model(name))
		r = template_open(d, d->source->etc, name, e);
	if (r == -ENOENT && d->source->shipped && name_is_model(name))
		r = template_open(d, d->source->shipped, name, e);
	if (r == -ENOENT)
		return err_say(e, r,
			       "there is no template %s; templates are files in %s/templates.d%s%s",
			       name, d->source->etc, d->source->shipped ? " and " : "",
			       d->source->shipped ? d->source->shipped : "");
	return r;
}

static int template_take(struct draft *d, const char *name, struct err *e)
{
	struct reading_room room = { .keep = &d->arena,
				     .scratch = &d->arena,
				     .facts = &d->source->facts };
	int r = template_search(d, name, e);

	if (r == 0)
		r = template_read(&room, &d->template, &d->values);
	if (d->findings.n_errors == 0)
		return r;
	_cleanup_free_ char *text = findings_print(&d->findings);

	return err_say(e, -EINVAL, "template %s has errors:\n%s", name, text ? text : "");
}

static int draft_write(struct draft *d, const char *name, const char *template, struct err *e)
{
	int r = template ? template_take(d, template, e) : 0;

	if (r < 0)
		return r;
	head_print(d, name, template);
	match_print(d, name);
	return rest_print(d, template) < 0 ? err_set(e, -ENOMEM, "write a manifest") : 0;
}

int policy_new_manifest(const struct policy_source *source, const char *name, const char *template,
			char **ret_text, struct err *e)
{
	struct draft d = { .source = source };
	char *text = NULL;
	size_t size;

	if (!name_is_model(name))
		return err_say(e, -EINVAL,
			       "'%s' cannot be a model's name; write lower-case letters, digits, "
			       "'-', '_', '.', at most 63, starting with a letter or digit",
			       name);
	d.out = open_memstream(&text, &size);
	if (!d.out)
		return err_set(e, -ENOMEM, "write a manifest");
	arena_init(&d.arena);
	findings_init(&d.findings);

	int r = draft_write(&d, name, template, e);

	if (fclose(d.out) != 0 && r == 0)
		r = err_set(e, -ENOMEM, "write a manifest");
	template_close(&d.template);
	arena_fini(&d.arena);
	findings_fini(&d.findings);
	if (r == 0)
		*ret_text = TAKE_PTR(text);
	free(text);
	return r;
}
