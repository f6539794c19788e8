/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value: is it of its key's type and in its range, and if not, what would be? Knows types, not
 * keys. Groups and lists are read.c's.
 */
#include "value.h"

#include "field.h"
#include "names.h"
#include "text.h"

#define MAX_TEXT_BYTES 200 /* chosen: names, versions, addresses; not prose */

/* ---- telling ------------------------------------------------------------------------------- */

void key_error(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	       const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	tree_error(&r->tree, n, "%s%s%s: %s", in->shown, *in->shown ? "." : "", k->name,
		   text ? text : "memory is short");
}

const char *value_quote(struct reader *r, const struct node *n)
{
	return text_quote(r->room->scratch, n->text);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static bool is_in_range(const struct key *k, uint64_t value)
{
	if (k->max == 0)
		return true;
	if (k->type == TYPE_INTEGER)
		return (int64_t)value >= (int64_t)k->min && (int64_t)value <= (int64_t)k->max;
	return value >= k->min && value <= k->max;
}

static bool means_no_limit(const char *text)
{
	static const char *const words[] = { "max", "infinity", "inf", "unlimited",
					     "-1",  "~",        "null" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

/* Whether it would be right with fewer decimals. */
static bool is_too_fine(const struct key *k, const char *text)
{
	const char *point = strchr(text, '.');
	size_t decimals = point ? strspn(point + 1, "0123456789") : 0;
	char cut[64];
	uint64_t value;

	if (decimals == 0 || strlen(text) >= sizeof(cut))
		return false;
	snprintf(cut, sizeof(cut), "%.*s%s", (int)(point - text), text, point + 1 + decimals);
	return type_table[k->type].parse(cut, &value) == 0;
}

/* The smallest step of each type. */
static const char *const least[N_TYPES] = {
	[TYPE_DURATION] = "1ns",
	[TYPE_SIZE] = "1B",
	[TYPE_CPUS] = "0.001cpu",
	[TYPE_SHARE] = "0.01%",
};

/* "'2GB' is not a size (B, KiB, MiB, GiB, TiB); write for example 2GiB", as helpful as can be. */
static void form_report(struct reader *r, const struct scope *in, const struct key *k,
			const struct node *n)
{
	const struct type_info *type = &type_table[k->type];
	const char *text = n->text + (*n->text == '-');
	bool is_number = *text && strspn(text, "0123456789.") == strlen(text);
	char zero[32];

	if (r->room->is_canonical)
		key_error(r, in, k, n, "%s is not a whole number in the base unit",
			  value_quote(r, n));
	else if (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
		key_error(r, in, k, n, "%s starts with a zero; numbers are decimal, leave it out",
			  value_quote(r, n));
	else if (k->allows_none && means_no_limit(n->text))
		key_error(r, in, k, n, "%s is not %s; write none for no limit", value_quote(r, n),
			  type->noun);
	else if (strcmp(n->text, "none") == 0 && k->min == 0 && k->type != TYPE_INTEGER)
		key_error(r, in, k, n, "%s is not %s; write %s for nothing, or leave the key out",
			  value_quote(r, n), type->noun, type->format(0, zero, sizeof(zero)));
	else if (*n->text == '-' && k->type != TYPE_INTEGER)
		key_error(r, in, k, n, "%s is negative; write for example %s", value_quote(r, n),
			  k->example);
	else if (k->type < TYPE_COUNT && is_too_fine(k, text))
		key_error(r, in, k, n,
			  "%s has too many decimals; at most six, and nothing finer than %s",
			  value_quote(r, n), least[k->type]);
	else if (is_number && k->type != TYPE_COUNT && k->type != TYPE_INTEGER)
		key_error(r, in, k, n, "%s has no unit; write for example %s", value_quote(r, n),
			  k->example);
	else
		key_error(r, in, k, n, "%s is not %s%s%s%s; write for example %s%s",
			  value_quote(r, n), type->noun, type->units ? " (" : "",
			  type->units ? type->units : "", type->units ? ")" : "", k->example,
			  k->allows_none ? ", or none" : "");
}

static void range_report(struct reader *r, const struct scope *in, const struct key *k,
			 const struct node *n)
{
	const struct type_info *type = &type_table[k->type];
	char low[32], high[32];

	key_error(r, in, k, n, "%s is out of range; it goes from %s to %s%s", value_quote(r, n),
		  type->format(k->min, low, sizeof(low)), type->format(k->max, high, sizeof(high)),
		  k->allows_none ? ", or none" : "");
}

/* In the canonical form there are no units. */
static int number_parse_as(const struct reader *r, const struct key *k, const char *text,
			   uint64_t *ret_value)
{
	const struct type_info *type = &type_table[k->type];

	return r->room->is_canonical && k->type != TYPE_INTEGER ? number_parse(text, ret_value)
								: type->parse(text, ret_value);
}

int number_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n)
{
	const char *digits = n->text + (*n->text == '-');
	bool is_none = k->allows_none && strcmp(n->text, "none") == 0;
	uint64_t value = VALUE_MAX;
	int result = is_none ? 0 : number_parse_as(r, k, n->text, &value);

	if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
		result = -EINVAL; /* 010 is eight to some readers of YAML */
	if (result == -ERANGE || (result == 0 && !is_none && !is_in_range(k, value)))
		range_report(r, in, k, n);
	else if (result < 0)
		form_report(r, in, k, n);
	else
		field_set_number(k, value, in->into);
	return 0;
}

/* ---- words --------------------------------------------------------------------------------- */

static void word_report(struct reader *r, const struct scope *in, const struct key *k,
			const struct node *n)
{
	const char *list = "";

	for (const struct word *w = k->words; w->text && list; w++)
		list = arena_printf(r->room->scratch, "%s%s%s", list, *list ? ", " : "", w->text);
	key_error(r, in, k, n, "%s is not known; write %s%s", value_quote(r, n),
		  k->words[1].text ? "one of " : "", list ? list : k->example);
}

int word_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n)
{
	uint64_t value;

	if (word_value(k, n->text, &value) < 0)
		word_report(r, in, k, n);
	else if (k->size > 0) /* the heading's words are judged and not kept */
		field_set_number(k, value, in->into);
	return 0;
}

int words_read(struct reader *r, const struct scope *in, const struct key *k,
	       const struct node *list)
{
	uint64_t mask = 0, value;

	for (const struct node *n = list->first; n; n = n->next) {
		if (n->is_refused)
			continue;
		if (n->kind != NODE_VALUE || n->is_empty)
			key_error(r, in, k, n, "this is not a word; write for example %s",
				  k->example);
		else if (word_value(k, n->text, &value) < 0)
			word_report(r, in, k, n);
		else if (mask & 1ULL << value)
			key_error(r, in, k, n, "%s is given twice; keep one", value_quote(r, n));
		else
			mask |= 1ULL << value;
	}
	field_set_number(k, mask, in->into);
	return 0;
}

/* ---- text ---------------------------------------------------------------------------------- */

int text_keep(struct reader *r, const struct scope *in, const struct key *k, const struct node *n,
	      const char **ret_text)
{
	size_t most = k->max ? (size_t)k->max : MAX_TEXT_BYTES;

	if (strlen(n->text) > most) {
		key_error(r, in, k, n, "%s is longer than %zu bytes; shorten it", value_quote(r, n),
			  most);
		return 0;
	}
	const char *kept = arena_strdup(r->room->keep, n->text);

	if (!kept)
		return -ENOMEM;
	*ret_text = kept;
	return 0;
}

int text_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n)
{
	const char *flaw =
		k->form && k->form->flaw ? k->form->flaw(r->room->scratch, n->text, 0) : NULL;
	const char *text = NULL;
	int result = 0;

	if (flaw)
		key_error(r, in, k, n, "%s %s", value_quote(r, n), flaw);
	else
		result = text_keep(r, in, k, n, &text);
	if (text)
		field_set_text(k, text, in->into);
	return result;
}

/* ---- CPUs ---------------------------------------------------------------------------------- */

/* CONFIG_NR_CPUS of the largest kernels */
#define MAX_CPUS 8192

/* "3" or "0-3" at *at, which moves past it. */
static bool range_parse(const char **at, unsigned int *ret_first, unsigned int *ret_last)
{
	unsigned long numbers[2];
	char *end = (char *)*at;

	for (int i = 0; i < 2; i++) {
		if (*end < '0' || *end > '9' || (end[0] == '0' && end[1] >= '0' && end[1] <= '9'))
			return false;
		numbers[i] = strtoul(end, &end, 10);
		if (numbers[i] >= MAX_CPUS)
			return false;
		if (i == 0 && *end != '-')
			numbers[++i] = numbers[0];
		else if (i == 0)
			end++;
	}
	*at = end;
	*ret_first = (unsigned int)numbers[0];
	*ret_last = (unsigned int)numbers[1];
	return *ret_first <= *ret_last;
}

/* Marks the CPUs of "0-3,8". */
static bool cpus_mark(const char *text, bool *is_in)
{
	unsigned int first, last;

	for (const char *at = text;; at++) {
		if (!range_parse(&at, &first, &last))
			return false;
		memset(is_in + first, true, last - first + 1);
		if (*at == '\0')
			return true;
		if (*at != ',')
			return false;
	}
}

/* The shortest spelling, so that equal sets have equal text. */
static const char *cpus_spell(const bool *is_in, struct arena *scratch)
{
	const char *text = "";
	const bool *next;

	for (unsigned int first = 0; text && (next = memchr(is_in + first, true, MAX_CPUS - first));
	     first++) {
		unsigned int last = first = (unsigned int)(next - is_in);

		while (last + 1 < MAX_CPUS && is_in[last + 1])
			last++;
		text = last == first
			       ? arena_printf(scratch, "%s%s%u", text, *text ? "," : "", first)
			       : arena_printf(scratch, "%s%s%u-%u", text, *text ? "," : "", first,
					      last);
		first = last;
	}
	return text;
}

int cpuset_read(struct reader *r, const struct scope *in, const struct key *k, const struct node *n)
{
	bool *is_in = arena_new(r->room->scratch, bool, MAX_CPUS);

	if (!is_in)
		return -ENOMEM;
	if (strlen(n->text) > MAX_TEXT_BYTES || !cpus_mark(n->text, is_in)) {
		key_error(r, in, k, n,
			  "%s is not a set of CPUs; write numbers to %d, and ranges from the lower "
			  "to the higher, for example %s",
			  value_quote(r, n), MAX_CPUS - 1, k->example);
		return 0;
	}
	const char *text = cpus_spell(is_in, r->room->scratch);

	text = text ? arena_strdup(r->room->keep, text) : NULL;
	if (!text)
		return -ENOMEM;
	field_set_text(k, text, in->into);
	return 0;
}

/* ---- lists --------------------------------------------------------------------------------- */

unsigned int nodes_in(const struct node *list)
{
	unsigned int n_nodes = 0;

	for (const struct node *n = list->first; n; n = n->next)
		n_nodes++;
	return n_nodes;
}

/* What is wrong with the next text of a list, or NULL. */
static const char *item_flaw(struct reader *r, const struct scope *in, const struct key *k,
			     const struct node *n)
{
	unsigned int n_kept;
	const char *const *kept = field_items(k, in->into, &n_kept);

	if (n->kind != NODE_VALUE)
		return "is not text; write one value, without brackets";
	if (!*n->text)
		return "is empty; write a value, or leave it out";
	const char *flaw = k->form->flaw ? k->form->flaw(r->room->scratch, n->text, n_kept) : NULL;

	for (unsigned int i = 0; !flaw && !k->form->may_repeat && i < n_kept; i++)
		if (strcmp(kept[i], n->text) == 0)
			flaw = "is given twice; keep one";
	return flaw;
}

int texts_read(struct reader *r, const struct scope *in, const struct key *k,
	       const struct node *list)
{
	unsigned int n_kept = 0;

	if (field_list_start(k, nodes_in(list), r->room->keep, in->into) < 0)
		return -ENOMEM;
	for (const struct node *n = list->first; n; n = n->next) {
		const char *text = NULL;

		if (n->is_refused)
			continue;
		const char *flaw = item_flaw(r, in, k, n);

		if (flaw) {
			key_error(r, in, k, n, "%s %s", n->text ? value_quote(r, n) : "this", flaw);
			continue;
		}
		if (n_kept == k->list.max) {
			key_error(r, in, k, n, "more than %u; %s", k->list.max,
				  k->form->cure ? k->form->cure : "leave some out");
			break;
		}
		if (text_keep(r, in, k, n, &text) < 0)
			return -ENOMEM;
		if (!text)
			continue;
		*(const char **)field_append(k, in->into) = text;
		n_kept++;
	}
	if (k->is_required && !list->first)
		key_error(r, in, k, list, "is an empty list; write for example %s", k->example);
	return 0;
}

#define MAX_DIMENSIONS 16
#define MAX_DIMENSION  1000000000 /* chosen: more elements than memory has bytes, by a factor */

int shape_read(struct reader *r, const struct scope *in, const struct key *k,
	       const struct node *list)
{
	const char *text = "";
	unsigned int n_sizes = 0;

	for (const struct node *n = list->first; n && text; n = n->next, n_sizes++) {
		uint64_t size = 0;

		if (n->is_refused)
			return 0;
		bool is_size = n->kind == NODE_VALUE && *n->text != '0' &&
			       number_parse(n->text, &size) == 0 && size <= MAX_DIMENSION;

		if (n_sizes == MAX_DIMENSIONS) {
			key_error(r, in, k, n, "more than %d sizes; leave some out",
				  MAX_DIMENSIONS);
			return 0;
		}
		if (!is_size && (n->kind != NODE_VALUE || strcmp(n->text, "any") != 0)) {
			key_error(r, in, k, n,
				  "%s is not a size; write whole numbers from 1, or any, for "
				  "example %s",
				  n->text ? value_quote(r, n) : "this", k->example);
			return 0;
		}
		text = arena_printf(r->room->scratch, "%s%s%s", text, *text ? ", " : "", n->text);
	}
	if (text && *text)
		text = arena_printf(r->room->keep, "[%s]", text);
	if (!text)
		return -ENOMEM;
	field_set_text(k, text, in->into);
	return 0;
}
