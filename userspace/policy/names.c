/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges names by their letters alone.
 */
#include "names.h"

#include "text.h"

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define LETTERS LOWER UPPER DIGITS

#define MAX_NAME   63  /* chosen: fits into a DNS label, a metric's label, a unit name */
#define MAX_UNIT   255 /* systemd.unit(5) */
#define MAX_CGROUP 512 /* chosen: deeper trees than systemd makes have about half */

static bool is_spelled(const char *name, const char *first, const char *further, size_t longest)
{
	return *name && strchr(first, *name) && strspn(name, further) == strlen(name) &&
	       strlen(name) <= longest;
}

bool name_is_model(const char *name)
{
	return is_spelled(name, LOWER DIGITS, LOWER DIGITS "-_.", MAX_NAME);
}

bool name_is_label(const char *name)
{
	return is_spelled(name, LETTERS, LETTERS "-_./", MAX_NAME);
}

static const char *said(const char *text)
{
	return text ? text : "is not right (memory is short)";
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	return length > strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

const char *unit_flaw(struct arena *arena, const char *name)
{
	static const char *const governed[] = { ".service", ".scope", ".slice" };
	static const char *const others[] = { ".socket", ".timer",  ".target",    ".mount",
					      ".path",   ".device", ".automount", ".swap" };
	size_t length = strlen(name);

	if (strpbrk(name, "*?[]"))
		return "is a pattern, but units are exact names; list them, or use a pattern in "
		       "match.cgroups";
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (ends_with(name, length, others[i]))
			return "has no processes of its own; name the service that it belongs to";
	if (strchr(name, '/'))
		return "is a path; units are names such as ocr.service, paths go to match.cgroups";
	if (strspn(name, LETTERS ":-_.\\@") != length || length > MAX_UNIT || *name == '.')
		return "is not a unit name (letters, digits, : - _ . \\ @)";
	for (size_t i = 0; i < ARRAY_SIZE(governed); i++) {
		if (!ends_with(name, length, governed[i]))
			continue;
		if (length > strlen(governed[i]) + 1 &&
		    name[length - strlen(governed[i]) - 1] == '@')
			return "is a template without instance; write for example ocr@1.service";
		return NULL;
	}
	return said(arena_printf(arena,
				 "has no suffix that can be governed (.service, .scope, "
				 ".slice); write %s",
				 text_quote(arena, said(arena_printf(arena, "%s.service", name)))));
}

const char *cgroup_flaw(struct arena *arena, const char *pattern)
{
	static const char mount[] = "/sys/fs/cgroup/";
	size_t length = strlen(pattern);

	if (strncmp(pattern, mount, strlen(mount)) == 0)
		return said(arena_printf(arena, "is below the cgroup mount already; write %s",
					 text_quote(arena, pattern + strlen(mount) - 1)));
	if (*pattern != '/')
		return said(
			arena_printf(arena, "does not start at the cgroup mount; write %s",
				     text_quote(arena, said(arena_printf(arena, "/%s", pattern)))));
	if (length == 1)
		return "is the root of all cgroups, which belongs to nobody";
	if (strstr(pattern, "//") || strstr(pattern, "/../") || ends_with(pattern, length, "/..") ||
	    strstr(pattern, "/./") || pattern[length - 1] == '/')
		return "is not a plain path; leave out //, /./, /../ and a slash at the end";
	if (length > MAX_CGROUP)
		return "is too long";
	return NULL;
}
