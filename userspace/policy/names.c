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

const char *name_flaw(struct arena *arena, const char *name, unsigned int index)
{
	return name_is_model(name) ? NULL
				   : "is not a name; write lower-case letters, digits, '-', '_', "
				     "'.', at most 63, starting with a letter or digit";
}

static const char *said(const char *text)
{
	return text ? text : "is not right (memory is short)";
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	return length > strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

const char *unit_flaw(struct arena *arena, const char *name, unsigned int index)
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

const char *cgroup_flaw(struct arena *arena, const char *pattern, unsigned int index)
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

const char *container_flaw(struct arena *arena, const char *name, unsigned int index)
{
	const char *sign = strchr(name, '=');
	size_t length = sign ? (size_t)(sign - name) : strlen(name);

	if (strpbrk(name, "*?[]"))
		return "is a pattern, but containers are exact names; match a label with "
		       "label=value, or use a pattern in match.cgroups";
	if (length == 0 || length > MAX_UNIT || strlen(name) > MAX_CGROUP)
		return "is neither a name nor label=value";
	if (strspn(name, sign ? LETTERS "-_./" : LETTERS "-_.") != length)
		return "is not a container's name (letters, digits, - _ .); write the name, or "
		       "label=value";
	return sign && !sign[1] ? "has no value; write label=value" : NULL;
}

const char *user_flaw(struct arena *arena, const char *name, unsigned int index)
{
	const char *plain = name + (*name == '@');

	if (is_spelled(plain, LETTERS "_", LETTERS "_-.@+", MAX_NAME + 1))
		return NULL;
	return "is not a user or @group; write for example vera, or '@vision' in quotes";
}

const char *media_flaw(struct arena *arena, const char *type, unsigned int index)
{
	static const char letters[] = LETTERS "!#$&^_.+-"; /* RFC 6838, 4.2 */
	size_t first = strspn(type, letters);
	size_t second = type[first] == '/' ? strspn(type + first + 1, letters) : 0;

	if (first > 0 && second > 0 && type[first + 1 + second] == '\0' && first + second < 127)
		return NULL;
	return "is not a type; write for example image/png, text/plain, tensor/float32";
}

const char *file_flaw(struct arena *arena, const char *pattern, unsigned int index)
{
	size_t length = strlen(pattern);

	if (*pattern != '/' || length == 1)
		return "is not a whole path; start at /";
	if (strstr(pattern, "/../") || ends_with(pattern, length, "/.."))
		return "is not a plain path; leave out /../";
	return NULL;
}

const char *argument_flaw(struct arena *arena, const char *argument, unsigned int index)
{
	if (index > 0)
		return NULL;
	return *argument == '/' && argument[1]
		       ? NULL
		       : "is not a whole path; no shell looks the program up, write for example "
			 "/usr/bin/curl";
}
