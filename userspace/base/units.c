/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text with a unit to an integer in the base unit, and back for people. Integers only: a decimal is
 * scaled, never made a floating-point number.
 */
#include "base.h"

#include <inttypes.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Largest first, so that formatting finds the largest unit that fits. */
static const struct unit duration_units[] = {
	{ "d", 86400 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC }, { "min", 60 * NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },	       { "ms", NSEC_PER_MSEC },	     { "us", NSEC_PER_USEC },
	{ "ns", 1 },		       { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "TiB", 1ULL << 40 }, { "GiB", 1ULL << 30 }, { "MiB", 1ULL << 20 },
	{ "KiB", 1ULL << 10 }, { "B", 1 },	      { NULL, 0 },
};
static const struct unit cpu_units[] = { { "cpu", 1000 }, { NULL, 0 } };
static const struct unit share_units[] = { { "%", 100 }, { NULL, 0 } };

#define MAX_DECIMALS 6

/* "12.5" at *text as mantissa 125 and one decimal; *text moves past it. */
static int decimal_read(const char **text, uint64_t *ret_mantissa, unsigned int *ret_decimals)
{
	const char *s = *text;
	uint64_t mantissa = 0;
	unsigned int decimals = 0;
	bool is_fraction = false;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; (*s >= '0' && *s <= '9') || (*s == '.' && !is_fraction); s++) {
		if (*s == '.') {
			is_fraction = true;
			continue;
		}
		if (is_fraction && ++decimals > MAX_DECIMALS)
			return -EINVAL;
		if (__builtin_mul_overflow(mantissa, 10, &mantissa) ||
		    __builtin_add_overflow(mantissa, (uint64_t)(*s - '0'), &mantissa))
			return -ERANGE;
	}
	if (is_fraction && decimals == 0)
		return -EINVAL;
	*text = s;
	*ret_mantissa = mantissa;
	*ret_decimals = decimals;
	return 0;
}

static int unit_parse(const char *text, const struct unit *units, uint64_t *ret_value)
{
	uint64_t mantissa;
	unsigned int decimals;
	unsigned __int128 value;
	int r = decimal_read(&text, &mantissa, &decimals);

	if (r < 0)
		return r;
	for (; units->suffix; units++)
		if (strcmp(text, units->suffix) == 0)
			break;
	if (!units->suffix)
		return -EINVAL;

	value = (unsigned __int128)mantissa * units->factor;
	for (; decimals > 0; decimals--) {
		if (value % 10) /* finer than the base unit: refuse rather than round */
			return -EINVAL;
		value /= 10;
	}
	if (value >= VALUE_MAX - 1) /* VALUE_MAX and MISSING are not numbers */
		return -ERANGE;
	*ret_value = (uint64_t)value;
	return 0;
}

int duration_parse(const char *text, uint64_t *ret_ns)
{
	return unit_parse(text, duration_units, ret_ns);
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	return unit_parse(text, size_units, ret_bytes);
}

int cpus_parse(const char *text, uint64_t *ret_millicpu)
{
	return unit_parse(text, cpu_units, ret_millicpu);
}

int share_parse(const char *text, uint64_t *ret_permyriad)
{
	return unit_parse(text, share_units, ret_permyriad);
}

int number_parse(const char *text, uint64_t *ret_value)
{
	uint64_t value;
	unsigned int decimals;
	int r = decimal_read(&text, &value, &decimals);

	if (r < 0)
		return r;
	if (*text || decimals)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* At most two decimals, cut, without trailing zeros. */
static char *unit_format(uint64_t value, const struct unit *units, char *buf, size_t size)
{
	while (units[1].suffix && value < units->factor)
		units++;

	uint64_t whole = value / units->factor;
	uint64_t hundredths = (uint64_t)((unsigned __int128)(value % units->factor) * 100 /
					 units->factor);

	if (hundredths == 0 || whole >= 100)
		snprintf(buf, size, "%" PRIu64 "%s", whole, units->suffix);
	else if (hundredths % 10 == 0)
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%s", whole, hundredths / 10,
			 units->suffix);
	else
		snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 "%s", whole, hundredths,
			 units->suffix);
	return buf;
}

char *duration_format(uint64_t ns, char *buf, size_t size)
{
	return unit_format(ns, duration_units, buf, size);
}

char *size_format(uint64_t bytes, char *buf, size_t size)
{
	return unit_format(bytes, size_units, buf, size);
}

char *cpus_format(uint64_t millicpu, char *buf, size_t size)
{
	return unit_format(millicpu, cpu_units, buf, size);
}

char *share_format(uint64_t permyriad, char *buf, size_t size)
{
	return unit_format(permyriad, share_units, buf, size);
}
