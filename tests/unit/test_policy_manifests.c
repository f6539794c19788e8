/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile and mistaken manifests as data: each file of manifests/ is read as models.d/ocr.yaml
 * (host-* as modelgov.yaml, a folder as a whole /etc/modelgov), and what is said about it is
 * NAME.expect, to the letter. A case without errors in its .expect must load.
 */
#include "policy_home.h"

#include <criterion/parameterized.h>
#include <dirent.h>

#define CASES     "tests/unit/manifests"
#define MAX_CASES 512

struct manifest_case {
	char file[256];
	char name[256]; /* without ".yaml" */
};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && strcmp(text + n - m, end) == 0;
}

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && !ends_with(entry->d_name, ".expect");
}

static size_t cases_list(struct manifest_case *cases)
{
	struct dirent **entries;
	int n = scandir(CASES, &entries, is_case, alphasort);

	cr_assert(n >= 0, "run the tests from the top folder: there is no " CASES);
	cr_assert(n <= MAX_CASES);
	for (int i = 0; i < n; i++) {
		snprintf(cases[i].file, sizeof(cases[i].file), "%s", entries[i]->d_name);
		snprintf(cases[i].name, sizeof(cases[i].name), "%s", entries[i]->d_name);
		if (ends_with(cases[i].name, ".yaml"))
			cases[i].name[strlen(cases[i].name) - strlen(".yaml")] = '\0';
		free(entries[i]);
	}
	free(entries);
	return (size_t)n;
}

static void file_copy(struct home *h, const char *from, const char *to)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	cr_assert_eq(file_read_all(AT_FDCWD, from, 16 << 20, &text, &length, &h->e), 0, "%s",
		     h->e.text);
	home_write_bytes(h, to, text, length);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* One level of folders below: models.d. */
static void folder_copy(struct home *h, const char *from, const char *to)
{
	struct dirent **entries;
	int n = scandir(from, &entries, is_visible, alphasort);

	cr_assert(n > 0, "%s is an empty case", from);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *source = NULL, *target = NULL;
		struct stat st;

		cr_assert(asprintf(&source, "%s/%s", from, entries[i]->d_name) > 0);
		cr_assert(asprintf(&target, "%s%s%s", to, *to ? "/" : "", entries[i]->d_name) > 0);
		cr_assert_eq(stat(source, &st), 0);
		if (S_ISDIR(st.st_mode))
			folder_copy(h, source, target);
		else
			file_copy(h, source, target);
		free(entries[i]);
	}
	free(entries);
}

ParameterizedTestParameters(policy_manifests, each_case_is_said_to_be_what_it_is)
{
	struct manifest_case *cases = cr_malloc(sizeof(*cases) * MAX_CASES);

	return cr_make_param_array(struct manifest_case, cases, cases_list(cases));
}

ParameterizedTest(struct manifest_case *c, policy_manifests, each_case_is_said_to_be_what_it_is)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *path = NULL, *expect_path = NULL, *expect = NULL;
	struct stat st;

	home_open(&h);
	cr_assert(asprintf(&path, CASES "/%s", c->file) > 0);
	cr_assert(asprintf(&expect_path, CASES "/%s.expect", c->name) > 0);
	cr_assert_eq(stat(path, &st), 0);
	if (S_ISDIR(st.st_mode))
		folder_copy(&h, path, "");
	else
		file_copy(&h, path,
			  strncmp(c->file, "host-", 5) == 0 ? "modelgov.yaml"
							    : "models.d/ocr.yaml");
	cr_assert_eq(file_read_all(AT_FDCWD, expect_path, 1 << 20, &expect, NULL, &h.e), 0,
		     "each case has its .expect: %s", h.e.text);

	int r = home_load(&h);

	cr_assert_str_eq(h.said, expect, "%s: said\n%s\nexpected\n%s", c->name, h.said, expect);
	cr_assert_eq(r, strstr(expect, ": error: ") ? -EINVAL : 0, "%s", c->name);
}

Test(policy_manifests, there_are_at_least_two_hundred_cases)
{
	_cleanup_free_ struct manifest_case *cases = calloc(MAX_CASES, sizeof(*cases));

	/* Criterion would pass happily over a folder that nobody found */
	cr_assert_geq(cases_list(cases), 200);
}
