/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caps on donors: when weights are at their end and a budget stays broken, whoever ran during the
 * waits may use 10 % of the host less, step by step, for at most 300 s at a time. When a
 * claim comes to that is feedback.c's, and when what was taken may go back, too.
 *
 *   not capped --step--> capped --step--> ... --> at its floor
 *       ^                  | quiet: +10 % every 5 s
 *       +------------------+ 300 s old: the same, however loud, then no step for a minute
 *
 * A cap is a part of the host, and each cgroup of the donor has it as its cpu.max: which of them
 * runs is not known, and no step may take more than it says. The manifest's value stays an upper
 * bound. Where the manifest is silent, a donor that may be capped keeps a quota of twice the host
 * installed: the kernel switches a quota on in 92 us and changes its value in 3 us.
 */
#include "desk.h"

#define QUOTA_STEP_USEC 1000ULL    /* also the least a period takes: tg_set_cfs_bandwidth() */
#define HOST_MAX_CPUS   1000000ULL /* more are not told apart: keeps products inside 64 bits */

/* ---- who may be capped, by whom ---------------------------------------------------------------
 */

/* An experiment never takes from production, nor a class from one above, whatever manifests allow.
 */
static bool classes_agree(const struct turn *t, uint32_t claimant, uint32_t donor)
{
	const struct preemption *from = &t->policy->models[donor].preemption;
	const struct preemption *to = &t->policy->models[claimant].preemption;
	enum model_class claiming = class_of(t, claimant), giving = class_of(t, donor);

	return claimant != donor && giving >= claiming && from->how & 1u << WAY_CAP &&
	       to->may & 1u << giving && from->by & 1u << claiming;
}

/* Classes that models of each class may take from. */
struct permissions {
	uint32_t may[N_CLASSES];
};

static struct permissions permissions_sum(const struct turn *t)
{
	struct permissions p = { 0 };

	for (uint32_t i = 0; i < t->n; i++)
		p.may[class_of(t, i)] |= t->policy->models[i].preemption.may;
	return p;
}

static bool may_be_capped(const struct turn *t, uint32_t model, const struct permissions *p)
{
	const struct preemption *from = &t->policy->models[model].preemption;
	enum model_class giving = class_of(t, model);

	if (!(from->how & 1u << WAY_CAP))
		return false;
	for (unsigned int c = 0; c <= giving; c++)
		if (from->by & 1u << c && p->may[c] & 1u << giving)
			return true;
	return false;
}

/* A quota that neither the manifest nor modelgov set is somebody else's: such a model is not
 * capped. */
static bool is_foreign(const struct turn *t, const struct target *target)
{
	const struct model_state *s = &t->state->models[target->model];
	uint64_t value = target->values[KNOB_CPU_MAX], before = s->wanted[KNOB_CPU_MAX];

	return t->policy->models[target->model].values[KNOB_CPU_MAX] == MISSING &&
	       value < MISSING && target->written[KNOB_CPU_MAX] == MISSING &&
	       (s->weight == 0 || before == MISSING);
}

/* Compares names without a library: the room calls none. Models are ordered by name. */
static uint32_t model_named(const struct turn *t, const char *name)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const unsigned char *a = (const unsigned char *)name;
		const unsigned char *b = (const unsigned char *)t->policy->models[middle].name;

		while (*a && *a == *b) {
			a++;
			b++;
		}
		if (*a == *b)
			return middle;
		if (*a < *b)
			high = middle;
		else
			low = middle + 1;
	}
	return MODEL_NONE;
}

/* Marks what this model calls; true when something was new. */
static bool dependencies_mark(struct turn *t, uint32_t model)
{
	const struct contract *contract = &t->policy->models[model].contract;
	bool has_marked = false;

	for (unsigned int k = 0; k < contract->n_depends_on; k++) {
		uint32_t needed = model_named(t, contract->depends_on[k].model);

		if (needed == MODEL_NONE || t->desks[needed].is_needed)
			continue;
		t->desks[needed].is_needed = true;
		has_marked = true;
	}
	return has_marked;
}

/* Slowing what the claimant waits for would slow the claimant: all that it calls, however far. */
static void needs_mark(struct turn *t, uint32_t claimant)
{
	bool has_marked;

	for (uint32_t i = 0; i < t->n; i++)
		t->desks[i].is_needed = false;
	has_marked = dependencies_mark(t, claimant);
	while (has_marked) {
		has_marked = false;
		for (uint32_t i = 0; i < t->n; i++)
			if (t->desks[i].is_needed)
				has_marked |= dependencies_mark(t, i);
	}
}

/* ---- parts of the host and quotas ------------------------------------------------------------ */

static uint64_t host_usec(const struct turn *t)
{
	return MIN(t->state->cpus, HOST_MAX_CPUS) * CPU_PERIOD_USEC;
}

static uint64_t round_up(uint64_t usec)
{
	return (usec + QUOTA_STEP_USEC - 1) / QUOTA_STEP_USEC * QUOTA_STEP_USEC;
}

/* What the model was promised, floor or reserved share: no cap goes below. */
static uint64_t promise_permyriad(const struct desk *d)
{
	return (d->share_ppm + 99) / 100;
}

static uint64_t cap_quota(const struct turn *t, uint32_t model, uint64_t permyriad)
{
	uint64_t part = MAX(permyriad, promise_permyriad(&t->desks[model]));

	return MAX(round_up(host_usec(t) * part / PERMYRIAD), QUOTA_STEP_USEC);
}

/* Of the host, in the last tick; MISSING when nobody saw. */
static uint64_t used_permyriad(const struct turn *t, uint32_t model)
{
	const struct model_reading *r = &t->now->models[model];
	uint64_t used_ns = r->run_ns != MISSING ? r->run_ns : r->cpu_usage_ns;
	uint64_t host_ns = t->now->span_ns / PERMYRIAD * MIN(t->state->cpus, HOST_MAX_CPUS);

	return used_ns == MISSING || host_ns == 0 ? MISSING : MIN(used_ns / host_ns, PERMYRIAD);
}

/* ---- what is wanted ----------------------------------------------------------------------------
 */

static bool is_silent(uint64_t manifest)
{
	return manifest == MISSING || manifest == VALUE_MAX;
}

/* Lower than what is there, or it is none. */
static void cap_apply(struct turn *t, uint32_t model)
{
	const struct cap *cap = &t->state->models[model].cap;
	struct desk *d = &t->desks[model];
	uint64_t quota;

	d->quota_reason = REASON_EXPERIMENT_BUDGET;
	d->caps[KNOB_CPU_MAX] = d->quota_part;
	if (!d->may_be_capped)
		return;
	if (is_silent(t->policy->models[model].values[KNOB_CPU_MAX]) &&
	    d->quota_part == VALUE_MAX) {
		d->caps[KNOB_CPU_MAX] = LAW_CAP_LOOSE * host_usec(t);
		d->quota_reason = REASON_CAP_READY;
	}
	quota = cap->permyriad ? cap_quota(t, model, cap->permyriad) : VALUE_MAX;
	if (quota >= d->caps[KNOB_CPU_MAX])
		return;
	d->caps[KNOB_CPU_MAX] = quota;
	d->quota_reason = REASON_CAP;
}

void turn_cap(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		cap_apply(t, i);
}

static void cap_clear(struct cap *cap)
{
	memset(cap, 0, sizeof(*cap));
	evidence_clear(&cap->why);
}

/* Facts of this tick: who may be capped at all, whose last quota is in force, and what that means.
 */
void turn_cap_begin(struct turn *t)
{
	struct permissions p = permissions_sum(t);

	for (uint32_t i = 0; i < t->n; i++) {
		struct desk *d = &t->desks[i];

		d->quota_part = d->caps[KNOB_CPU_MAX];
		d->may_be_capped = t->state->cpus > 0 && may_be_capped(t, i, &p);
		d->is_quota_in_force = true;
	}
	for (uint32_t i = 0; i < t->now->n_targets; i++) {
		const struct target *target = &t->now->targets[i];

		if (!(knobs_of(t, target) & 1u << KNOB_CPU_MAX))
			continue;
		if (is_foreign(t, target))
			t->desks[target->model].may_be_capped = false;
		if (target->values[KNOB_CPU_MAX] !=
		    t->state->models[target->model].wanted[KNOB_CPU_MAX])
			t->desks[target->model].is_quota_in_force = false;
	}
	for (uint32_t i = 0; i < t->n; i++)
		if (!t->desks[i].may_be_capped && t->state->models[i].cap.permyriad)
			cap_clear(&t->state->models[i].cap);
	turn_cap(t);
}

/* ---- taking ------------------------------------------------------------------------------------
 */

/* From what it uses now, or may use: a cap above its use would be no step. */
static uint64_t step_find(const struct turn *t, uint32_t donor)
{
	const struct cap *cap = &t->state->models[donor].cap;
	uint64_t from = used_permyriad(t, donor), end = promise_permyriad(&t->desks[donor]);

	if (from == MISSING)
		return MISSING;
	if (cap->permyriad)
		from = MIN(from, cap->permyriad);
	if (from <= end)
		return MISSING;
	from -= MIN(from, (uint64_t)LAW_CAP_STEP);
	end = MAX(end, 1ULL);
	return MAX(from, end);
}

/* May this claimant cap that donor now, and is there anything to take? */
static enum standing donor_standing(struct turn *t, uint32_t claimant, uint32_t donor)
{
	const struct desk *d = &t->desks[donor];
	const struct model_state *s = &t->state->models[donor];
	uint64_t step;

	if (donor == MODEL_NONE || !d->may_be_capped || !classes_agree(t, claimant, donor) ||
	    d->n_quotas == 0 || s->cap.is_expired || is_granted(t, donor) ||
	    !flap_may_take(t, donor, FLAP_QUOTA, -1) || d->left_alone & 1u << KNOB_CPU_MAX)
		return STANDING_NONE;
	if (class_of(t, donor) == class_of(t, claimant) && d->cpu_slack <= LAW_GIVE_SLACK)
		return STANDING_NONE;
	if (d->has_promise && d->insight == INSIGHT_GAP)
		return STANDING_NONE;
	step = step_find(t, donor);
	if (step == MISSING || (s->wanted[KNOB_CPU_MAX] < MISSING &&
				cap_quota(t, donor, step) >= s->wanted[KNOB_CPU_MAX]))
		return STANDING_NONE;
	needs_mark(t, claimant);
	if (d->is_needed)
		return STANDING_NONE;
	if (d->is_quota_in_force)
		return STANDING_READY;
	return s->retries[KNOB_CPU_MAX].failures > 0 ? STANDING_STUCK : STANDING_PENDING;
}

static void cap_note(struct turn *t, uint32_t model, enum reason reason, const struct evidence *why)
{
	struct cap *cap = &t->state->models[model].cap;

	cap->moved_by = reason;
	cap->why = *why;
	t->desks[model].has_cap_moved = true;
	t->has_cap_moved = true;
}

static void cap_step(struct turn *t, uint32_t donor, const struct evidence *why)
{
	struct cap *cap = &t->state->models[donor].cap;
	uint64_t step = step_find(t, donor);

	if (cap->permyriad == 0)
		cap->since_ns = t->now->taken_ns;
	cap->permyriad = step;
	cap_note(t, donor, REASON_CAP, why);
	t->plan->verdicts[donor].reason = REASON_CAP;
	t->plan->verdicts[donor].why = *why;
}

/* The cap that was given back too early, if the claimant waits for that donor. */
bool cap_restore(struct turn *t, uint32_t claimant, uint32_t donor)
{
	const struct evidence *why = &t->plan->verdicts[claimant].why;
	struct model_state *s = &t->state->models[donor];

	if (s->kept_cap == 0 || (s->cap.permyriad && s->cap.permyriad <= s->kept_cap) ||
	    culprit_find(why) != donor || donor_standing(t, claimant, donor) != STANDING_READY)
		return false;
	if (s->cap.permyriad == 0)
		s->cap.since_ns = t->now->taken_ns;
	s->cap.permyriad = s->kept_cap;
	cap_note(t, donor, REASON_REGRET, why);
	t->plan->verdicts[donor].reason = REASON_REGRET;
	t->plan->verdicts[donor].why = *why;
	return true;
}

/* A claim whose culprit may be capped. */
struct cap_claim {
	uint32_t claimant, donor;
};

/* The lowest class is capped first; then the worst slack is served. Ties go to the lower index. */
static bool comes_first(const struct turn *t, const struct cap_claim *a, const struct cap_claim *b)
{
	const struct verdict *v = t->plan->verdicts;

	if (b->claimant == MODEL_NONE)
		return true;
	if (class_of(t, a->donor) != class_of(t, b->donor))
		return class_of(t, a->donor) > class_of(t, b->donor);
	return v[a->claimant].why.slack_permyriad < v[b->claimant].why.slack_permyriad;
}

/*
 * Nobody of that class can be helped by weights. Caps whoever ran during most of the waits of one
 * of its broken budgets. Returns the claimant that was served, or MODEL_NONE.
 */
uint32_t class_cap(struct turn *t, enum model_class class, bool *ret_is_pending)
{
	struct cap_claim best = { MODEL_NONE, MODEL_NONE };

	*ret_is_pending = false;
	for (uint32_t i = 0; i < t->n; i++) {
		const struct evidence *why = &t->plan->verdicts[i].why;
		struct cap_claim claim = { i, culprit_find(why) };
		enum standing standing;

		if (t->desks[i].step == 0 || class_of(t, i) != class ||
		    why->slack_permyriad >= LAW_BROKEN_SLACK)
			continue;
		standing = donor_standing(t, i, claim.donor);
		*ret_is_pending |= standing == STANDING_PENDING;
		if (standing == STANDING_READY && comes_first(t, &claim, &best))
			best = claim;
	}
	if (best.claimant != MODEL_NONE && !*ret_is_pending)
		cap_step(t, best.donor, &t->plan->verdicts[best.claimant].why);
	return *ret_is_pending ? MODEL_NONE : best.claimant;
}

/* ---- giving back
 * --------------------------------------------------------------------------------- */

/* A cap is gone when it no longer lowers anything. */
static bool cap_is_over(const struct turn *t, uint32_t model)
{
	const struct desk *d = &t->desks[model];
	uint64_t quota = cap_quota(t, model, t->state->models[model].cap.permyriad);

	return t->state->models[model].cap.permyriad >= PERMYRIAD ||
	       quota >= MIN(t->policy->models[model].values[KNOB_CPU_MAX], d->quota_part);
}

void model_uncap(struct turn *t, uint32_t model, enum reason reason, const struct evidence *why)
{
	struct cap *cap = &t->state->models[model].cap;

	cap->permyriad = MIN(cap->permyriad + LAW_CAP_STEP, PERMYRIAD);
	cap_note(t, model, reason, why);
	if (!cap_is_over(t, model))
		return;
	cap->permyriad = 0;
	cap->since_ns = 0;
}

void model_uncap_all(struct turn *t, uint32_t model, enum reason reason, const struct evidence *why)
{
	t->state->models[model].cap.permyriad = PERMYRIAD;
	model_uncap(t, model, reason, why);
}

/* The next part of a cap that is old enough; when it is gone, a rest. */
static void cap_expire(struct turn *t, uint32_t model)
{
	struct cap *cap = &t->state->models[model].cap;
	struct evidence why = cap->why; /* the numbers that led to it */

	if (!has_passed(t, 0, cap->pause_ns))
		return;
	if (cap->permyriad == 0) {
		cap->is_expired = false;
		cap->pause_ns = 0;
		return;
	}
	model_uncap(t, model, REASON_CAP_EXPIRED, &why);
	cap->pause_ns = (cap->permyriad ? LAW_GIVE_PAUSE_S : LAW_CAP_REST_S) * NSEC_PER_SEC;
	if (t->plan->verdicts[model].reason != REASON_NONE)
		return;
	t->plan->verdicts[model].reason = REASON_CAP_EXPIRED;
	t->plan->verdicts[model].why = why;
}

/* Caps that are old enough go back, and nobody is asked. */
void turn_cap_expire(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct cap *cap = &t->state->models[i].cap;

		cap->pause_ns -= MIN(cap->pause_ns, t->now->span_ns);
		if (cap->permyriad &&
		    has_passed(t, elapsed_ns(t, cap->since_ns), LAW_CAP_TIME_S * NSEC_PER_SEC))
			cap->is_expired = true;
		if (cap->is_expired)
			cap_expire(t, i);
	}
}

/* In observe mode nobody carries a cap out. */
void caps_forget(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		cap_clear(&t->state->models[i].cap);
	t->has_cap_moved = true;
}
