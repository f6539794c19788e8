/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cgroup, one model: the same unit, pattern or container twice, and patterns that meet another
 * model's. What it can know is in the text: where a slice is follows from its name, where a service
 * is only when it is left in system.slice. A cgroup below another model's is fine, the nearest one
 * above counts (sense); two models at the very same cgroup are not.
 */
#include "checker.h"

#include "text.h"

#define MAX_UNIT_PATH 1024

/*
 * chosen: so many pairs of patterns are compared, as many as 1000 models have that all start with a
 * wildcard; what meets beyond that is said by sense when it happens
 */
#define MAX_PAIRS 500000

enum claim_kind { CLAIM_UNIT, CLAIM_PATTERN, CLAIM_CONTAINER, N_CLAIM_KINDS };

static const char *const lists[N_CLAIM_KINDS] = {
	[CLAIM_UNIT] = "match.units",
	[CLAIM_PATTERN] = "match.cgroups",
	[CLAIM_CONTAINER] = "match.containers",
};

struct claim {
	enum claim_kind kind;
	uint32_t model;
	unsigned int at;  /* in its list */
	const char *name; /* as written */
	const char *path; /* of the cgroup, a pattern; NULL: not known */
	size_t fixed;     /* bytes of path before its first wildcard */
	bool is_certain;  /* path follows from the name */
};

struct claims {
	const struct checker *checker;
	struct claim *all;
	size_t n;
};

static const char *claim_path(const struct claims *claims, const struct claim *c)
{
	const char *path = arena_printf(claims->checker->scratch, "%s[%u]", lists[c->kind], c->at);

	return path ? path : lists[c->kind];
}

/* " (ocr.yaml, line 4)" or nothing */
static const char *claim_place(const struct claims *claims, const struct claim *c)
{
	const char *place = check_place(claims->checker, c->model, claim_path(claims, c));
	const char *text = *place ? arena_printf(claims->checker->scratch, " (%s)", place) : "";

	return text ? text : "";
}

static const char *model_name(const struct claims *claims, const struct claim *c)
{
	return checker_name(claims->checker, c->model);
}

/* ---- the same name ------------------------------------------------------------------------- */

static int name_compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = (int)x->kind - (int)y->kind;
	return r ? r : (x->model > y->model) - (x->model < y->model);
}

static void names_judge(const struct claims *claims)
{
	for (size_t i = 1; i < claims->n; i++) {
		const struct claim *first = &claims->all[i - 1], *second = &claims->all[i];

		if (first->kind != second->kind || first->model == second->model ||
		    strcmp(first->name, second->name) != 0)
			continue;
		check_error(claims->checker, second->model, claim_path(claims, second),
			    "%s belongs to model %s already%s; a process can have one model only",
			    text_quote(claims->checker->scratch, second->name),
			    model_name(claims, first), claim_place(claims, first));
	}
}

/* ---- where units are ----------------------------------------------------------------------- */

/* "a-b.slice" is /a.slice/a-b.slice (systemd.slice(5)). */
static const char *slice_path(struct arena *arena, const char *unit)
{
	size_t length = strlen(unit) - strlen(".slice");
	const char *path = "";

	for (size_t i = 1; i <= length && path && strlen(path) < MAX_UNIT_PATH; i++)
		if (i == length || unit[i] == '-')
			path = arena_printf(arena, "%s/%.*s.slice", path, (int)i, unit);
	return path;
}

/* "ocr@1.service" is in system-ocr.slice unless its unit file says otherwise. */
static const char *service_path(struct arena *arena, const char *unit)
{
	const char *at = strchr(unit, '@');

	if (!at)
		return arena_printf(arena, "/system.slice/%s", unit);
	for (const char *c = unit; c < at; c++)
		if (*c == '-') /* escaped in the slice's name; not worth guessing */
			return NULL;
	return arena_printf(arena, "/system.slice/system-%.*s.slice/%s", (int)(at - unit), unit,
			    unit);
}

static bool is_unit_of(const char *unit, const char *suffix)
{
	size_t n = strlen(unit), m = strlen(suffix);

	return n > m && strcmp(unit + n - m, suffix) == 0;
}

static void unit_locate(struct arena *arena, struct claim *c)
{
	c->is_certain = is_unit_of(c->name, ".slice");
	if (c->is_certain)
		c->path = slice_path(arena, c->name);
	else if (is_unit_of(c->name, ".service"))
		c->path = service_path(arena, c->name);
}

/* ---- patterns that meet -------------------------------------------------------------------- */

/* One thing that a pattern's component says about a character, and where the next one starts. */
struct step {
	enum { STEP_END, STEP_ANY_MANY, STEP_ANY, STEP_CHARACTER } kind;
	char character;
	unsigned int next;
};

/* A bracket stands for any character: what meets by that may meet. */
static struct step pattern_step(const char *p, unsigned int at)
{
	const char *end;

	if (p[at] == '\0' || p[at] == '/')
		return (struct step){ STEP_END, 0, at };
	if (p[at] == '*')
		return (struct step){ STEP_ANY_MANY, 0, at + 1 };
	if (p[at] == '?')
		return (struct step){ STEP_ANY, 0, at + 1 };
	if (p[at] == '[' && p[at + 1]) {
		end = strchr(p + at + 2, ']');
		if (end && !memchr(p + at, '/', (size_t)(end - p - at)))
			return (struct step){ STEP_ANY, 0, (unsigned int)(end - p) + 1 };
	}
	return (struct step){ STEP_CHARACTER, p[at], at + 1 };
}

#define MAX_COMPONENT 256 /* NAME_MAX and the end; longer ones match nothing */

/*
 * Whether some text matches both components. can[j]: what is read of a so far can also be read by
 * the first j bytes of b.
 */
static bool components_meet(const char *a, const char *b)
{
	bool can[MAX_COMPONENT] = { true }, next[MAX_COMPONENT];
	size_t n = strcspn(a, "/"), m = strcspn(b, "/");
	struct step s, t;

	if (n >= MAX_COMPONENT || m >= MAX_COMPONENT)
		return false;
	for (unsigned int i = 0;; i = s.next) {
		/* a star of b may stand for nothing, or for what came before */
		for (unsigned int j = 0; j < m; j = t.next) {
			t = pattern_step(b, j);
			if (can[j] && t.kind == STEP_ANY_MANY)
				can[t.next] = true;
		}
		s = pattern_step(a, i);
		if (s.kind == STEP_END)
			return can[m];
		memset(next, 0, sizeof(next));
		if (s.kind == STEP_ANY_MANY) {
			bool is_open = false;

			for (unsigned int j = 0; j < m; j = t.next) {
				t = pattern_step(b, j);
				next[j] = is_open = is_open || can[j];
			}
			next[m] = is_open || can[m];
			memcpy(can, next, sizeof(can));
			continue;
		}
		for (unsigned int j = 0; j < m; j = t.next) {
			t = pattern_step(b, j);
			if (!can[j])
				continue;
			if (t.kind == STEP_ANY_MANY)
				next[j] = true; /* takes it and stays */
			else if (t.kind == STEP_ANY || s.kind == STEP_ANY ||
				 t.character == s.character)
				next[t.next] = true;
		}
		memcpy(can, next, sizeof(can));
	}
}

/*
 * False when letters at the beginnings or ends of two components rule out that they meet. Most
 * pairs of a thousand models end here, at a hundredth of the price of components_meet().
 */
static bool ends_agree(const char *a, size_t n, const char *b, size_t m)
{
	size_t shorter = MIN(n, m);

	for (size_t i = 0; i < shorter && !strchr("*?[", a[i]) && !strchr("*?[", b[i]); i++)
		if (a[i] != b[i])
			return false;
	for (size_t i = 1; i <= shorter && !strchr("*?]", a[n - i]) && !strchr("*?]", b[m - i]);
	     i++)
		if (a[n - i] != b[m - i])
			return false;
	return true;
}

/* The same of all components; false also when there are more of them in one. */
static bool patterns_may_meet(const char *a, const char *b)
{
	for (;;) {
		size_t n = strcspn(a, "/"), m = strcspn(b, "/");

		if (!ends_agree(a, n, b, m))
			return false;
		if (!a[n] || !b[m])
			return a[n] == b[m];
		a += n + 1;
		b += m + 1;
	}
}

static bool patterns_meet(const char *a, const char *b)
{
	if (!patterns_may_meet(a, b))
		return false;
	for (;;) {
		if (!components_meet(a, b))
			return false;
		a += strcspn(a, "/");
		b += strcspn(b, "/");
		if (!*a || !*b)
			return *a == *b;
		a++;
		b++;
	}
}

static bool is_wild(const struct claim *c)
{
	return c->path[c->fixed] != '\0';
}

/* What the wider one meets: "the cgroup of unit 'ocr.service'". */
static const char *claim_text(const struct claims *claims, const struct claim *c)
{
	struct arena *scratch = claims->checker->scratch;
	const char *text = arena_printf(scratch, "%s %s",
					c->kind == CLAIM_UNIT ? "the cgroup of unit"
					: is_wild(c)          ? "the same cgroup as"
							      : "the cgroup",
					text_quote(scratch, c->name));

	return text ? text : "a cgroup";
}

static void meeting_report(const struct claims *claims, const struct claim *a,
			   const struct claim *b)
{
	/* said where the wider one is, which is the one to narrow */
	bool is_wider = b->kind == CLAIM_UNIT ||
			(a->kind != CLAIM_UNIT && (a->fixed < b->fixed || is_wild(a)));
	const struct claim *wide = is_wider ? a : b, *narrow = is_wider ? b : a;
	const char *quoted = text_quote(claims->checker->scratch, wide->name);
	const char *path = claim_path(claims, wide);
	const char *cure = is_wild(wide) ? "write a narrower pattern" : "leave it out of one";

	if (is_wild(narrow))
		check_warning(claims->checker, wide->model, path,
			      "%s can match %s of model %s%s; %s", quoted,
			      claim_text(claims, narrow), model_name(claims, narrow),
			      claim_place(claims, narrow), cure);
	else if (!wide->is_certain || !narrow->is_certain)
		check_warning(claims->checker, wide->model, path,
			      "%s matches %s of model %s%s, unless its unit file moves it; %s",
			      quoted, claim_text(claims, narrow), model_name(claims, narrow),
			      claim_place(claims, narrow), cure);
	else
		check_error(claims->checker, wide->model, path,
			    "%s matches %s of model %s%s; a process can have one model only; %s",
			    quoted, claim_text(claims, narrow), model_name(claims, narrow),
			    claim_place(claims, narrow), cure);
}

static void pair_judge(const struct claims *claims, const struct claim *a, const struct claim *b)
{
	if (a->model == b->model || (a->kind == CLAIM_UNIT && b->kind == CLAIM_UNIT))
		return;
	if (a->kind == b->kind && strcmp(a->path, b->path) == 0) /* said by name already */
		return;
	if (is_wild(a) || is_wild(b) ? patterns_meet(a->path, b->path)
				     : strcmp(a->path, b->path) == 0)
		meeting_report(claims, a, b);
}

static int path_compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	size_t n = MIN(x->fixed, y->fixed);
	int r = memcmp(x->path, y->path, n);

	if (r == 0)
		r = (x->fixed > y->fixed) - (x->fixed < y->fixed);
	if (r == 0)
		r = strcmp(x->path, y->path);
	return r ? r : (x->model > y->model) - (x->model < y->model);
}

/* Two patterns meet only when the fixed beginning of one is the beginning of the other's. */
static bool is_beginning(const struct claim *a, const struct claim *of)
{
	return a->fixed <= of->fixed && memcmp(a->path, of->path, a->fixed) == 0;
}

/*
 * In the order of their fixed beginnings those that one may meet follow it; open holds the ones
 * whose beginning the current one still has.
 */
static int patterns_judge(const struct claims *claims)
{
	struct claim **open = arena_new(claims->checker->scratch, struct claim *, claims->n + 1);
	size_t n_open = 0, n_pairs = 0;

	if (!open)
		return -ENOMEM;
	for (size_t i = 0; i < claims->n; i++) {
		struct claim *c = &claims->all[i];

		while (n_open > 0 && !is_beginning(open[n_open - 1], c))
			n_open--;
		for (size_t j = 0; j < n_open && n_pairs < MAX_PAIRS; j++, n_pairs++)
			if (is_wild(open[j]) || open[j]->fixed == c->fixed)
				pair_judge(claims, open[j], c);
		open[n_open++] = c;
	}
	return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

static void claim_add(struct claims *claims, enum claim_kind kind, uint32_t model, unsigned int at,
		      const char *name)
{
	claims->all[claims->n++] =
		(struct claim){ .kind = kind, .model = model, .at = at, .name = name };
}

static int claims_collect(struct claims *claims)
{
	const struct policy *p = claims->checker->policy;
	size_t n = 0;

	for (uint32_t i = 0; i < p->n_models; i++)
		n += p->models[i].n_units + p->models[i].n_cgroups + p->models[i].containers.n;
	claims->all = arena_new(claims->checker->scratch, struct claim, n + 1);
	if (!claims->all)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_models; i++) {
		const struct model *m = &p->models[i];

		for (unsigned int j = 0; j < m->n_units; j++)
			claim_add(claims, CLAIM_UNIT, i, j, m->units[j]);
		for (unsigned int j = 0; j < m->n_cgroups; j++)
			claim_add(claims, CLAIM_PATTERN, i, j, m->cgroups[j]);
		for (unsigned int j = 0; j < m->containers.n; j++)
			claim_add(claims, CLAIM_CONTAINER, i, j, m->containers.all[j]);
	}
	return 0;
}

/* Keeps those whose cgroup is known. */
static void claims_locate(struct claims *claims)
{
	size_t n = 0;

	for (size_t i = 0; i < claims->n; i++) {
		struct claim *c = &claims->all[i];

		if (c->kind == CLAIM_UNIT) {
			unit_locate(claims->checker->scratch, c);
		} else if (c->kind == CLAIM_PATTERN) {
			c->path = c->name;
			c->is_certain = true;
		}
		if (!c->path)
			continue;
		c->fixed = c->kind == CLAIM_UNIT ? strlen(c->path) : strcspn(c->path, "*?[");
		claims->all[n++] = *c;
	}
	claims->n = n;
}

int claims_check(const struct checker *c)
{
	struct claims claims = { .checker = c };
	int r = claims_collect(&claims);

	if (r < 0)
		return r;
	qsort(claims.all, claims.n, sizeof(*claims.all), name_compare);
	names_judge(&claims);
	claims_locate(&claims);
	qsort(claims.all, claims.n, sizeof(*claims.all), path_compare);
	return patterns_judge(&claims);
}
