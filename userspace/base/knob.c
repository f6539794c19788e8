/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The corridor's words as tables, and control-file text to values and back. No I/O.
 */
#include "base.h"
#include "knob.h"

#include <inttypes.h>

const struct knob_info knob_table[N_KNOBS] = {
#define X(tag, file, controller, property) [KNOB_##tag] = { file, controller, property },
	KNOBS(X)
#undef X
};

static const char *const class_names[] = {
#define X(tag, name, meaning) [CLASS_##tag] = name,
	MODEL_CLASSES(X)
#undef X
};
static const char *const indicator_names[] = {
#define X(tag, name, unit, meaning) [INDICATOR_##tag] = name,
	INDICATORS(X)
#undef X
};
static const char *const reason_names[] = {
#define X(tag, name, meaning) [REASON_##tag] = name,
	REASONS(X)
#undef X
};
static const char *const reason_meanings[] = {
#define X(tag, name, meaning) [REASON_##tag] = meaning,
	REASONS(X)
#undef X
};
static const char *const outcome_names[] = {
#define X(tag, name, meaning) [OUTCOME_##tag] = name,
	OUTCOMES(X)
#undef X
};
static const char *const writer_names[] = {
#define X(tag, name, meaning) [WRITER_##tag] = name,
	WRITERS(X)
#undef X
};

const char *class_name(enum model_class c)
{
	return c < N_CLASSES ? class_names[c] : "?";
}

const char *indicator_name(enum indicator i)
{
	return i < N_INDICATORS ? indicator_names[i] : "?";
}

const char *reason_name(enum reason r)
{
	return r < N_REASONS ? reason_names[r] : "?";
}

const char *reason_meaning(enum reason r)
{
	return r < N_REASONS ? reason_meanings[r] : "?";
}

const char *outcome_name(enum outcome_kind o)
{
	return o < N_OUTCOMES ? outcome_names[o] : "?";
}

const char *writer_name(enum writer_kind w)
{
	return w < N_WRITERS ? writer_names[w] : "?";
}

int knob_find(const char *file, enum knob *ret_knob)
{
	for (unsigned int k = 0; k < N_KNOBS; k++) {
		if (strcmp(file, knob_table[k].file) == 0) {
			*ret_knob = (enum knob)k;
			return 0;
		}
	}
	return -ENOENT;
}

/* A number or "max" at *text; *text moves past it. */
static int value_read(const char **text, uint64_t *ret_value)
{
	char *end;

	if (strncmp(*text, "max", 3) == 0) {
		*text += 3;
		*ret_value = VALUE_MAX;
		return 0;
	}
	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	*ret_value = strtoull(*text, &end, 10);
	*text = end;
	return errno ? -EINVAL : 0;
}

int knob_parse(enum knob knob, const char *text, uint64_t *ret_value)
{
	uint64_t value, period = CPU_PERIOD_USEC;

	if (knob == KNOB_IO_WEIGHT && strncmp(text, "default ", 8) == 0)
		text += 8;
	if (value_read(&text, &value) < 0)
		return -EINVAL;
	if (knob == KNOB_CPU_MAX && *text == ' ') {
		text++;
		if (value_read(&text, &period) < 0 || period == 0 || period == VALUE_MAX)
			return -EINVAL;
	}
	/* io.weight may go on with lines of single devices: those are not ours */
	if (*text && *text != '\n')
		return -EINVAL;
	if (value != VALUE_MAX && period != CPU_PERIOD_USEC)
		value = (uint64_t)((unsigned __int128)value * CPU_PERIOD_USEC / period);
	*ret_value = value;
	return 0;
}

char *knob_print(enum knob knob, uint64_t value, char *buf, size_t size)
{
	char number[24] = "max";

	if (value != VALUE_MAX)
		snprintf(number, sizeof(number), "%" PRIu64, value);
	if (knob == KNOB_CPU_MAX)
		snprintf(buf, size, "%s %llu", number, CPU_PERIOD_USEC);
	else if (knob == KNOB_IO_WEIGHT)
		snprintf(buf, size, "default %s", number);
	else
		snprintf(buf, size, "%s", number);
	return buf;
}

char *knob_describe(enum knob knob, uint64_t value, char *buf, size_t size)
{
	if (value == MISSING)
		snprintf(buf, size, "not set");
	else if (value == VALUE_MAX)
		snprintf(buf, size, "max");
	else if (knob == KNOB_CPU_MAX)
		cpus_format(value * 1000 / CPU_PERIOD_USEC, buf, size);
	else if (knob >= KNOB_MEMORY_MIN && knob <= KNOB_MEMORY_MAX)
		size_format(value, buf, size);
	else
		snprintf(buf, size, "%" PRIu64, value);
	return buf;
}
