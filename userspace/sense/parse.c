/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the kernel's text formats by hand: sscanf costs more than the system call that fetched the
 * text. Knows forms, not meanings; readings.c and host.c choose the keys.
 */
#include "parse.h"

/* Digits at *text; *text moves past them. Not a number, or past all reason: MISSING. */
static uint64_t number_read(const char **text)
{
	const char *s = *text;
	uint64_t value = 0;

	if (*s < '0' || *s > '9')
		return MISSING;
	for (; *s >= '0' && *s <= '9'; s++)
		value = value >= NUMBER_LIMIT / 10 ? NUMBER_LIMIT
						   : value * 10 + (uint64_t)(*s - '0');
	*text = s;
	return value < NUMBER_LIMIT ? value : MISSING;
}

static bool is_blank_or_end(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\0';
}

static const char *line_next(const char *text)
{
	const char *end = strchr(text, '\n');

	return end ? end + 1 : text + strlen(text);
}

uint64_t number_scale(uint64_t value, uint64_t factor)
{
	uint64_t product;

	if (value == MISSING || __builtin_mul_overflow(value, factor, &product))
		return MISSING;
	return product < NUMBER_LIMIT ? product : MISSING;
}

uint64_t level_parse(const char *text)
{
	uint64_t value = number_read(&text);

	return *text == '\n' || *text == '\0' ? value : MISSING;
}

/* The number after the blanks behind a key. */
static uint64_t value_read(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	uint64_t value = number_read(&text);

	return is_blank_or_end(*text) ? value : MISSING;
}

void flat_parse(const char *text, const char *const *keys, unsigned int n, uint64_t *ret_values)
{
	unsigned int n_found = 0;

	for (unsigned int i = 0; i < n; i++)
		ret_values[i] = MISSING;
	for (; *text && n_found < n; text = line_next(text)) {
		size_t length = strcspn(text, " \t\n");

		for (unsigned int i = 0; i < n; i++) {
			if (ret_values[i] != MISSING || strncmp(keys[i], text, length) != 0 ||
			    keys[i][length])
				continue;
			ret_values[i] = value_read(text + length);
			n_found += ret_values[i] != MISSING;
			break;
		}
	}
}

/* "total=123" at the end of a line of PSI. */
static uint64_t psi_total(const char *line)
{
	static const char key[] = " total=";
	const char *end = line + strcspn(line, "\n");
	const char *total = memmem(line, (size_t)(end - line), key, sizeof(key) - 1);

	if (!total)
		return MISSING;
	total += sizeof(key) - 1;
	uint64_t value = number_read(&total);

	return is_blank_or_end(*total) ? number_scale(value, NSEC_PER_USEC) : MISSING;
}

void psi_parse(const char *text, struct psi *ret_psi)
{
	*ret_psi = (struct psi){ .some_ns = MISSING, .full_ns = MISSING };
	for (; *text; text = line_next(text)) {
		if (strncmp(text, "some ", 5) == 0)
			ret_psi->some_ns = psi_total(text);
		else if (strncmp(text, "full ", 5) == 0)
			ret_psi->full_ns = psi_total(text);
	}
}

void cpu_times_parse(const char *text, struct cpu_times *ret_times)
{
	/* proc(5): guest time is in user and nice already, so it is left out of the sum */
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N_FIELDS };
	uint64_t field[N_FIELDS], total = 0;

	*ret_times = (struct cpu_times){ .total = MISSING, .idle = MISSING, .steal = MISSING };
	if (strncmp(text, "cpu ", 4) != 0)
		return;
	text += 4;
	for (int i = 0; i < N_FIELDS; i++) {
		while (*text == ' ')
			text++;
		field[i] = number_read(&text);
		if (field[i] == MISSING || __builtin_add_overflow(total, field[i], &total))
			return;
	}
	*ret_times = (struct cpu_times){ .total = total,
					 .idle = field[IDLE] + field[IOWAIT],
					 .steal = field[STEAL] };
}

uint64_t load_parse(const char *text)
{
	uint64_t load = number_scale(number_read(&text), 1000);

	if (load == MISSING || *text != '.')
		return MISSING;
	text++;
	for (uint64_t unit = 100; *text >= '0' && *text <= '9'; text++, unit /= 10)
		load += unit * (uint64_t)(*text - '0');
	return is_blank_or_end(*text) ? load : MISSING;
}

uint64_t cpu_list_parse(const char *text)
{
	uint64_t n = 0;

	for (;;) {
		uint64_t first = number_read(&text), last = first;

		if (first == MISSING)
			return MISSING;
		if (*text == '-') {
			text++;
			last = number_read(&text);
		}
		if (last == MISSING || last < first)
			return MISSING;
		n += last - first + 1;
		if (n >= NUMBER_LIMIT)
			return MISSING;
		if (*text == '\n' || *text == '\0')
			return n;
		if (*text++ != ',')
			return MISSING;
	}
}
