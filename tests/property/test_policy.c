/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of the canonical form over random manifests made from the key table: it comes back to the
 * byte, and nothing but the values decides it: not the order of keys, comments, quotes, units, nor
 * whether the manifest or its template says it. A failure names its seed.
 */
#include "policy.h"
#include "policy/field.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define MANIFESTS 400

struct dice {
	uint64_t state;
};

/* splitmix64, Vigna 2015 */
static uint64_t roll(struct dice *d)
{
	uint64_t z = (d->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t below(struct dice *d, uint64_t limit)
{
	return roll(d) % limit;
}

static bool chance(struct dice *d, unsigned int percent)
{
	return below(d, 100) < percent;
}

/* ---- what is said -------------------------------------------------------------------------- */

/* A key and what it says: a value in two spellings, keys below, or items. */
struct say {
	const char *name; /* NULL: an item of a list */
	const char *value,
		*other; /* two spellings of the same; NULL: a group or a list of groups */
	bool is_list;
	struct say *first, *next;
};

struct spelling {
	struct dice dice; /* of what is said */
	struct arena arena;
};

static const char *spelled(struct spelling *w, const char *format, uint64_t value)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return arena_printf(&w->arena, format, value);
#pragma GCC diagnostic pop
}

static uint64_t value_in(struct spelling *w, const struct key *k)
{
	uint64_t width = k->max - k->min, n = roll(&w->dice);

	if (chance(&w->dice, 10))
		return chance(&w->dice, 50) ? k->min : k->max;
	/* small values as often as large ones */
	return k->min + (width == UINT64_MAX ? n : (n >> below(&w->dice, 40)) % (width + 1));
}

/* In the base unit's smallest spelling, and as people would write it where that is exact. */
static void number_say(struct spelling *w, const struct key *k, struct say *s)
{
	uint64_t value = k->max ? value_in(w, k) : below(&w->dice, 1000), back;
	char buf[32];

	if (k->allows_none && chance(&w->dice, 20)) {
		s->value = s->other = "none";
		return;
	}
	switch (k->type) {
	case TYPE_DURATION:
		s->value = spelled(w, "%" PRIu64 "ns", value);
		break;
	case TYPE_SIZE:
		s->value = spelled(w, "%" PRIu64 "B", value);
		break;
	case TYPE_CPUS:
		s->value = arena_printf(&w->arena, "%" PRIu64 ".%03" PRIu64 "cpu", value / 1000,
					value % 1000);
		break;
	case TYPE_SHARE:
		s->value = arena_printf(&w->arena, "%" PRIu64 ".%02" PRIu64 "%%", value / 100,
					value % 100);
		break;
	case TYPE_INTEGER:
		s->value = arena_printf(&w->arena, "%" PRId64, (int64_t)below(&w->dice, 21) - 10);
		s->other = s->value;
		return;
	default:
		s->value = spelled(w, "%" PRIu64, value);
		break;
	}
	type_table[k->type].format(value, buf, sizeof(buf));
	s->other = type_table[k->type].parse(buf, &back) == 0 && back == value
			   ? arena_strdup(&w->arena, buf)
			   : s->value;
}

static void text_say(struct spelling *w, const struct key *k, struct say *s)
{
	static const char *const texts[][2] = {
		{ "plain", "'plain'" },
		{ "'it''s'", "\"it's\"" },
		{ "\"Stra\\u00dfe\"", "Stra\xc3\x9f"
				      "e" },
		{ "'no'", "no" },
		{ "\"a \\\"b\\\" \\\\ c\"", "'a \"b\" \\ c'" },
		{ "1.10", "\"1.10\"" },
	};
	size_t i = below(&w->dice, ARRAY_SIZE(texts));

	s->value = k->form ? k->example : texts[i][0];
	s->other = k->form ? arena_printf(&w->arena, "'%s'", k->example) : texts[i][1];
}

static void words_say(struct spelling *w, const struct key *k, struct say *s)
{
	const char *forward = "", *backward = "";

	for (const struct word *at = k->words; at->text; at++) {
		if (chance(&w->dice, 50))
			continue;
		forward =
			arena_printf(&w->arena, "%s%s%s", forward, *forward ? ", " : "", at->text);
		backward = arena_printf(&w->arena, "%s%s%s", at->text, *backward ? ", " : "",
					backward);
	}
	s->value = arena_printf(&w->arena, "[%s]", forward);
	s->other = arena_printf(&w->arena, "[%s]", backward);
}

static void value_say(struct spelling *w, const struct key *k, struct say *s)
{
	unsigned int n = 0;

	switch (k->type) {
	case TYPE_TEXT:
		text_say(w, k, s);
		return;
	case TYPE_WORDS:
		words_say(w, k, s);
		return;
	case TYPE_WORD:
	case TYPE_BOOL:
		while (k->words[n].text)
			n++;
		s->value = k->words[below(&w->dice, n)].text;
		s->other = arena_printf(&w->arena, "\"%s\"", s->value);
		return;
	case TYPE_LABELS:
		s->value = "{ b: x, a.b: 'y z', a: '' }";
		s->other = "{ a: \"\", a.b: y z, b: x }";
		return;
	case TYPE_CPUSET:
		s->value = "'0-3,8'";
		s->other = "8,3,2,0-1,1";
		return;
	case TYPE_TEXTS:
	case TYPE_SHAPE:
		s->value = s->other = k->example;
		return;
	default:
		number_say(w, k, s);
		return;
	}
}

/* ---- which keys ---------------------------------------------------------------------------- */

static struct say *group_say(struct spelling *w, const struct key *rows, bool is_item);

static struct say *objective_say(struct spelling *w, unsigned int index)
{
	static const char *const quantiles[] = { "p50", "p90", "p99", "p99.9" };
	struct say *all = arena_new(&w->arena, struct say, 4);

	if (index == 0)
		all[0] = (struct say){ "indicator", "memory_stall", "'memory_stall'" };
	else
		all[0] = (struct say){ "indicator", "runqueue_wait", "runqueue_wait" };
	all[0].next = &all[1];
	all[1].name = "budget";
	number_say(w, &budget_table[index ? INDICATOR_RUNQUEUE_WAIT : INDICATOR_MEMORY_STALL],
		   &all[1]);
	if (index > 0) {
		all[1].next = &all[2];
		all[2] = (struct say){ "quantile", quantiles[index - 1], quantiles[index - 1] };
	}
	return all;
}

static struct say *items_say(struct spelling *w, const struct key *k)
{
	struct say *first = NULL, **end = &first;
	uint64_t n = below(&w->dice, 4);

	for (unsigned int i = 0; i < n; i++) {
		*end = arena_new(&w->arena, struct say, 1);
		(*end)->first = strcmp(k->name, "objectives") == 0 ? objective_say(w, i)
								   : group_say(w, k->keys, true);
		end = &(*end)->next;
	}
	return first;
}

/* Other manifests must be there for dependencies; memory must rise; a name is the file's. */
static bool is_left_out(const struct key *k)
{
	static const char *const names[] = { "apiVersion", "kind", "metadata", "match",
					     "dependsOn",  "min",  "low",      "max" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(k->name, names[i]) == 0)
			return true;
	return false;
}

static struct say *group_say(struct spelling *w, const struct key *rows, bool is_item)
{
	struct say *first = NULL, **end = &first;

	for (const struct key *k = NULL; (k = key_next(rows, MANIFEST_TEMPLATE, k));) {
		if (is_left_out(k) || (!k->is_required && chance(&w->dice, 50)))
			continue;
		struct say *s = arena_new(&w->arena, struct say, 1);

		s->name = k->name;
		s->is_list = k->type == TYPE_GROUPS;
		if (k->keys)
			s->first = s->is_list ? items_say(w, k) : group_say(w, k->keys, is_item);
		else
			value_say(w, k, s);
		if (k->keys && !s->first)
			continue;
		*end = s;
		end = &s->next;
	}
	return first;
}

/* ---- how it is written --------------------------------------------------------------------- */

static void group_write(FILE *out, struct dice *d, const struct say *first, unsigned int indent);

/* Comments and blank lines, where somebody may put them. */
static void noise_write(FILE *out, struct dice *d, unsigned int indent)
{
	if (chance(d, 15))
		fprintf(out, "%*s# %" PRIx64 ": { not, a: key\n", (int)indent, "", roll(d));
	if (chance(d, 10))
		fputc('\n', out);
}

static void say_write(FILE *out, struct dice *d, const struct say *s, unsigned int indent)
{
	noise_write(out, d, indent);
	fprintf(out, "%*s%s:", (int)indent, "", s->name);
	if (s->value) {
		fprintf(out, " %s%s\n", chance(d, 50) ? s->value : s->other,
			chance(d, 10) ? "  # so" : "");
		return;
	}
	fputc('\n', out);
	if (!s->is_list) {
		group_write(out, d, s->first, indent + 2);
		return;
	}
	for (const struct say *item = s->first; item; item = item->next) {
		fprintf(out, "%*s-\n", (int)indent + 2, "");
		group_write(out, d, item->first, indent + 4);
	}
}

/* In any order; lists keep theirs. */
static void group_write(FILE *out, struct dice *d, const struct say *first, unsigned int indent)
{
	const struct say *all[64];
	size_t n = 0;

	for (const struct say *s = first; s; s = s->next)
		all[n++] = s;
	for (; n > 0; n--) {
		size_t at = below(d, n);

		say_write(out, d, all[at], indent);
		all[at] = all[n - 1];
	}
}

/* Splits what is said: a part for the template, the rest for the manifest. */
static void part_write(FILE *out, struct dice *d, const struct say *first, uint64_t mask,
		       bool is_in_mask)
{
	unsigned int bit = 0;

	for (const struct say *s = first; s; s = s->next, bit++)
		if (((mask >> bit) & 1) == is_in_mask)
			say_write(out, d, s, 0);
}

/* ---- a directory --------------------------------------------------------------------------- */

struct place_of_trial {
	char path[64], file[128];
	struct policy_source source;
};

static void file_write(struct place_of_trial *t, const char *name, const char *text)
{
	snprintf(t->file, sizeof(t->file), "%s/%s", t->path, name);
	FILE *f = fopen(t->file, "w");

	cr_assert_not_null(f, "%s", t->file);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(t->file, 0644), 0);
}

static void trial_open(struct place_of_trial *t)
{
	*t = (struct place_of_trial){ .path = "/tmp/modelgov-law-XXXXXX" };
	cr_assert_not_null(mkdtemp(t->path));
	t->source = (struct policy_source){ .etc = t->path, .trusts_any_owner = true };
	snprintf(t->file, sizeof(t->file), "%s/models.d", t->path);
	cr_assert_eq(mkdir(t->file, 0755), 0);
	snprintf(t->file, sizeof(t->file), "%s/templates.d", t->path);
	cr_assert_eq(mkdir(t->file, 0755), 0);
}

static void trial_close(struct place_of_trial *t)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", t->path);
	cr_assert_eq(system(command), 0);
}

/* NULL, with what was found, when it is refused. */
static struct policy *trial_load(struct place_of_trial *t, char **ret_said)
{
	struct findings findings;
	struct policy *p = NULL;
	struct err e = { 0 };

	findings_init(&findings);
	(void)policy_load(&t->source, &p, &findings, &e);
	*ret_said = findings_print(&findings);
	findings_fini(&findings);
	return p;
}

/* The manifest as it is written with these dice; mask: what the template says instead. */
static struct policy *manifest_try(struct place_of_trial *t, struct dice dice,
				   const struct say *first, uint64_t mask, char **ret_said)
{
	_cleanup_free_ char *manifest = NULL, *template = NULL;
	size_t size;
	FILE *out = open_memstream(&manifest, &size);

	fprintf(out, "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: m%s }\n",
		mask ? ", template: t" : "");
	part_write(out, &dice, first, mask, false);
	fclose(out);
	file_write(t, "models.d/m.yaml", manifest);

	out = open_memstream(&template, &size);
	fputs("apiVersion: modelgov/v1\nkind: Template\n", out);
	part_write(out, &dice, first, mask, true);
	fclose(out);
	file_write(t, "templates.d/t.yaml", template);

	struct policy *p = trial_load(t, ret_said);

	if (!p && *ret_said)
		fprintf(stderr, "%s%s", *ret_said, getenv("VERBOSE") ? manifest : "");
	return p;
}

static void same_forms(const struct policy *a, const struct policy *b, uint64_t seed,
		       const char *what)
{
	_cleanup_free_ char *one = policy_canonical(a), *other = policy_canonical(b);
	struct difference *all;
	struct arena arena;
	unsigned int n;

	cr_assert_str_eq(one, other, "seed %" PRIu64 ": %s", seed, what);
	cr_assert_str_eq(a->digest, b->digest);
	arena_init(&arena);
	cr_assert_eq(policy_diff(a, b, &arena, &all, &n), 0);
	cr_assert_eq(n, 0, "seed %" PRIu64 ": %s", seed, what);
	arena_fini(&arena);
}

static struct policy *way_back(const struct policy *p, uint64_t seed)
{
	const struct host_facts unknown = { 0 };
	_cleanup_free_ char *text = policy_canonical(p);
	struct policy *again = NULL;
	struct err e = { 0 };

	cr_assert_eq(policy_from_canonical(text, strlen(text), &unknown, &again, &e), 0,
		     "seed %" PRIu64 ": %s\n%s", seed, e.text, text);
	return again;
}

Test(policy_laws, only_values_decide_the_canonical_form_and_it_comes_back, .timeout = 300)
{
	struct place_of_trial t;
	unsigned int n_right = 0;

	trial_open(&t);
	for (uint64_t seed = 1; seed <= MANIFESTS; seed++) {
		struct spelling w = { .dice = { seed } };
		struct dice other = { seed ^ 0x5bd1e995 };
		char *said[3] = { NULL };

		arena_init(&w.arena);
		const struct say *first = group_say(&w, key_rows(MANIFEST_TEMPLATE), false);
		struct policy *p = manifest_try(&t, w.dice, first, 0, &said[0]);

		if (p) { /* else a contradiction, which is right as well */
			struct policy *shuffled = manifest_try(&t, other, first, 0, &said[1]);
			struct policy *split =
				manifest_try(&t, other, first, roll(&other) | 1, &said[2]);
			struct policy *again = way_back(p, seed);

			cr_assert(shuffled && split, "seed %" PRIu64, seed);
			same_forms(p, shuffled, seed, "in another order and spelling");
			same_forms(p, split, seed, "a part of it in a template");
			same_forms(p, again, seed, "back from its canonical form");
			policy_free(shuffled);
			policy_free(split);
			policy_free(again);
			policy_free(p);
			n_right++;
		}
		for (size_t i = 0; i < ARRAY_SIZE(said); i++)
			free(said[i]);
		arena_fini(&w.arena);
	}
	trial_close(&t);
	cr_expect_gt(n_right, MANIFESTS / 2, "%u of %d manifests were without contradiction",
		     n_right, MANIFESTS);
}
