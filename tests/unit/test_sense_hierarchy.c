/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which directories a pattern means, and whether a change is noticed. Whose cgroups they are is
 * tested in test_sense_take.c.
 */
#include "fake_cgroup.h"
#include "sense/hierarchy.h"

#include <criterion/criterion.h>

#include <errno.h>

struct found {
	char paths[32][128];
	unsigned int n;
};

static int found_add(const char *path, uint64_t id, void *userdata)
{
	struct found *f = userdata;

	cr_assert_lt(f->n, ARRAY_SIZE(f->paths));
	snprintf(f->paths[f->n++], sizeof(f->paths[0]), "%s", path);
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All matches in alphabetical order, joined by blanks. */
static const char *matches(struct hierarchy *h, const char *pattern)
{
	static char joined[4096];
	struct found f = { .n = 0 };

	cr_assert_eq(hierarchy_match(h, pattern, found_add, &f), 0);
	qsort(f.paths, f.n, sizeof(f.paths[0]), compare_paths);
	joined[0] = '\0';
	for (unsigned int i = 0; i < f.n; i++) {
		strcat(joined, i ? " " : "");
		strcat(joined, f.paths[i]);
	}
	return joined;
}

static struct fake_cgroup fake;
static struct hierarchy hierarchy;

static void setup(void)
{
	struct err e = { 0 };

	fake_cgroup_init(&fake);
	fake_cgroup_make(&fake, "/machine.slice/libpod-1.scope/container");
	fake_cgroup_make(&fake, "/machine.slice/libpod-2.scope");
	fake_cgroup_make(&fake, "/machine.slice/other.scope");
	fake_cgroup_make(&fake, "/system.slice/system-foo\\x2dbar.slice");
	hierarchy_init(&hierarchy);
	cr_assert_eq(hierarchy_open(&hierarchy, fake.root, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	hierarchy_close(&hierarchy);
	fake_cgroup_fini(&fake);
}

TestSuite(sense_hierarchy, .init = setup, .fini = teardown);

Test(sense_hierarchy, a_star_matches_within_one_level)
{
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/libpod-*"),
			 "/machine.slice/libpod-1.scope /machine.slice/libpod-2.scope");
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/*/container"),
			 "/machine.slice/libpod-1.scope/container");
	cr_assert_str_eq(matches(&hierarchy, "/*container"), "");
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice*container"), "");
	cr_assert_str_eq(matches(&hierarchy, "/*/libpod-[2-9].scope"),
			 "/machine.slice/libpod-2.scope");
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/libpod-?.scope/container/"),
			 "/machine.slice/libpod-1.scope/container");
}

Test(sense_hierarchy, a_plain_path_matches_itself)
{
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/other.scope"),
			 "/machine.slice/other.scope");
	cr_assert_str_eq(matches(&hierarchy, "//machine.slice//other.scope"),
			 "/machine.slice/other.scope");
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/nothing.scope"), "");
}

Test(sense_hierarchy, a_backslash_stands_for_itself)
{
	cr_assert_str_eq(matches(&hierarchy, "/system.slice/system-foo\\x2dbar.slice"),
			 "/system.slice/system-foo\\x2dbar.slice");
	cr_assert_str_eq(matches(&hierarchy, "/system.slice/system-foo\\x2d*"),
			 "/system.slice/system-foo\\x2dbar.slice");
}

Test(sense_hierarchy, nothing_outside_the_root_can_be_meant)
{
	cr_assert_str_eq(matches(&hierarchy, "/../*"), "");
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/../system.slice"), "");
	cr_assert_str_eq(matches(&hierarchy, "/./machine.slice"), "");
	cr_assert_str_eq(matches(&hierarchy, "machine.slice"), "", "no leading slash");
	cr_assert_str_eq(matches(&hierarchy, "/"), "", "the root is nobody's");
	cr_assert_str_eq(matches(&hierarchy, ""), "");
}

Test(sense_hierarchy, control_files_and_links_are_no_cgroups)
{
	char link[PATH_MAX + 16];

	snprintf(link, sizeof(link), "%s/link", fake.root);
	cr_assert_eq(symlink("/tmp", link), 0);
	cr_assert_str_eq(matches(&hierarchy, "/link"), "");
	cr_assert_str_eq(matches(&hierarchy, "/machine.slice/cpu*"), "");
}

Test(sense_hierarchy, a_name_longer_than_any_directory_matches_nothing)
{
	char pattern[4 * NAME_MAX];

	memset(pattern, 'a', sizeof(pattern));
	pattern[0] = '/';
	pattern[sizeof(pattern) - 1] = '\0';
	cr_assert_str_eq(matches(&hierarchy, pattern), "");
}

Test(sense_hierarchy, what_comes_and_goes_along_a_pattern_is_noticed)
{
	(void)matches(&hierarchy, "/machine.slice/libpod-*");
	cr_assert_not(hierarchy_changed(&hierarchy), "nothing happened yet");
	fake_cgroup_make(&fake, "/machine.slice/libpod-3.scope");
	cr_assert(hierarchy_changed(&hierarchy), "a new directory");
	cr_assert_not(hierarchy_changed(&hierarchy), "told once");
	fake_cgroup_remove(&fake, "/machine.slice/libpod-3.scope");
	cr_assert(hierarchy_changed(&hierarchy), "a directory that went");
}

Test(sense_hierarchy, a_path_whose_parents_are_not_there_yet_is_watched_from_above)
{
	(void)matches(&hierarchy, "/modelgov.slice/modelgov-ocr.scope");
	fake_cgroup_make(&fake, "/modelgov.slice");
	cr_assert(hierarchy_changed(&hierarchy));
	(void)matches(&hierarchy, "/modelgov.slice/modelgov-ocr.scope");
	(void)hierarchy_changed(&hierarchy);
	fake_cgroup_make(&fake, "/modelgov.slice/modelgov-ocr.scope");
	cr_assert(hierarchy_changed(&hierarchy));
}

Test(sense_hierarchy, a_unit_is_found_by_name_in_nested_slices)
{
	struct found f = { .n = 0 };

	fake_cgroup_make(&fake, "/a.slice/a-b.slice/ocr.service");
	fake_cgroup_make(&fake, "/a.slice/plain/hidden.service");
	cr_assert_eq(hierarchy_match_unit(&hierarchy, "ocr.service", found_add, &f), 0);
	cr_assert_eq(f.n, 1);
	cr_assert_str_eq(f.paths[0], "/a.slice/a-b.slice/ocr.service");
	cr_assert_eq(hierarchy_match_unit(&hierarchy, "hidden.service", found_add, &f), 0);
	cr_assert_eq(f.n, 1, "below something that is no slice");
}

Test(sense_hierarchy, a_root_that_is_not_there_is_an_error_that_names_it)
{
	struct hierarchy other;
	struct err e = { 0 };

	hierarchy_init(&other);
	cr_assert_eq(hierarchy_open(&other, "/nowhere/at/all", &e), -ENOENT);
	cr_assert(strstr(e.text, "/nowhere/at/all"), "%s", e.text);
	hierarchy_close(&other);
}
