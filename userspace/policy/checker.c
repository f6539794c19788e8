/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checks share: models by name, findings at a path, sums that do not overflow. Judges
 * nothing.
 */
#include "checker.h"

#include "names.h"
#include "text.h"

/* chosen: two for each of 1000 models; a place costs up to a few ms, and nobody reads so many */
#define MAX_SAID 2000

/* ---- names --------------------------------------------------------------------------------- */

uint32_t checker_find(const struct checker *c, const char *name)
{
	uint32_t low = 0, high = c->policy->n_models;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(c->policy->models[c->by_name[middle]].name, name);

		if (order == 0)
			return c->by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return MODEL_NONE;
}

const char *checker_name(const struct checker *c, uint32_t model)
{
	if (model == HOST_MODEL)
		return "host settings";
	const char *name = c->policy->models[model].name;

	return name_is_model(name) ? name : text_quote(c->scratch, name);
}

uint32_t checker_nearest(const struct checker *c, const char *name)
{
	size_t length = strnlen(name, 64);
	unsigned int nearest = MAX((unsigned int)length / 3, 1u) + 1; /* as key_nearest() */
	uint32_t found = MODEL_NONE;

	for (uint32_t i = 0; i < c->policy->n_models; i++) {
		const char *other = c->policy->models[i].name;
		size_t n = strnlen(other, 64);

		/* the difference in length is part of the distance, and cheaper */
		if (!name_is_model(other) || (n > length ? n - length : length - n) >= nearest ||
		    *other != *name)
			continue;
		unsigned int distance = text_distance(name, other);

		if (distance < nearest) {
			nearest = distance;
			found = i;
		}
	}
	return found;
}

/* ---- findings ------------------------------------------------------------------------------ */

/* "match.units[2]" is shown as "match.units": the value is named in the text. */
static int shown_length(const char *path)
{
	size_t length = strlen(path);

	if (strncmp(path, "match.", strlen("match.")) == 0)
		length = strcspn(path, "[");
	return (int)length;
}

__attribute__((format(printf, 5, 0))) static void check_say(const struct checker *c,
							    enum finding_level level,
							    uint32_t model, const char *path,
							    const char *format, va_list args)
{
	static const struct place nowhere = { .file = "policy" };
	_cleanup_free_ char *text = NULL;
	struct place place = { 0 };

	/* the first error is always said: it is why the policy is refused */
	if (*c->n_said >= MAX_SAID && (level == FINDING_WARNING || c->findings->n_errors > 0)) {
		if ((*c->n_said)++ == MAX_SAID)
			finding_add(c->findings, level, &nowhere, "further findings are not shown");
		return;
	}
	(*c->n_said)++;
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	(void)c->where->find(c->where->context, model, path, &place);
	if (place.file && *place.file) {
		finding_add(c->findings, level, &place, "%.*s: %s", shown_length(path), path,
			    text ? text : "memory is short");
		return;
	}
	place.file = "";
	finding_add(c->findings, level, &place, "%s: %.*s: %s", checker_name(c, model),
		    shown_length(path), path, text ? text : "memory is short");
}

void check_error(const struct checker *c, uint32_t model, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	check_say(c, FINDING_ERROR, model, path, format, args);
	va_end(args);
}

void check_warning(const struct checker *c, uint32_t model, const char *path, const char *format,
		   ...)
{
	va_list args;

	va_start(args, format);
	check_say(c, FINDING_WARNING, model, path, format, args);
	va_end(args);
}

const char *check_place(const struct checker *c, uint32_t model, const char *path)
{
	struct place place = { 0 };
	const char *text = "";

	(void)c->where->find(c->where->context, model, path, &place);
	if (place.file && place.line > 0)
		text = arena_printf(c->scratch, "%s, line %d", place.file, place.line);
	return text ? text : "";
}

bool check_is_set(const struct checker *c, uint32_t model, const char *path)
{
	struct place place = { 0 };

	return c->where->find(c->where->context, model, path, &place);
}

bool check_is_own(const struct checker *c, uint32_t model, const char *path)
{
	struct place place = { 0 };

	return c->where->find(c->where->context, model, path, &place) && !place.via;
}

/* ---- sums ---------------------------------------------------------------------------------- */

uint64_t sum_of(uint64_t a, uint64_t b)
{
	return a > VALUE_MAX - b ? VALUE_MAX : a + b;
}

uint64_t product_of(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? VALUE_MAX : product;
}
