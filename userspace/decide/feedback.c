/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves levels: who pays for whom, what a class is lifted by, what is given back and when. Knows
 * nothing of readings (judge.c) nor of weights in the kernel (share.c, propose.c).
 *
 * Only ratios count, so a model gets more when others get less. That is how it is done here: others
 * pay by going down (offset, never above 0), and nobody is raised alone. What payers free goes to
 * all the others in proportion, so no class above can lose by it, and the weights move away from
 * the lower end of the ladder last, where whole numbers are coarse. In order, the first that can:
 *
 *   1. the culprit, when one model ran during most of the waits
 *   2. the lowest class with demand; in it first the models without objectives, all of them
 * together, because alone each would free little; then one at a time, the one with the largest
 * slack
 *   3. the claimant's own class: only models with slack over GIVE_SLACK, by the same order
 *   4. levels that the claimant itself paid to a class above which is quiet now
 *   5. lift: the claimant's class and all above go up together, against cgroups that nobody governs
 *   6. after three ticks of that: a cap on the culprit (cap.c)
 *
 * One claim is served at a time, the most urgent first, then all wait until its effect can be seen:
 * there is one CPU time on a host, and everybody's readings change with every step.
 */
#include "desk.h"

/* ---- levels ------------------------------------------------------------------------------ */

static int32_t policy_level(const struct turn *t, uint32_t model)
{
	static const int32_t base[N_CLASSES] = {
		[CLASS_CRITICAL] = LAW_LEVEL_CRITICAL,
		[CLASS_STANDARD] = LAW_LEVEL_STANDARD,
		[CLASS_BATCH] = LAW_LEVEL_BATCH,
		[CLASS_EXPERIMENT] = LAW_LEVEL_EXPERIMENT,
	};

	return base[class_of(t, model)] +
	       clamp(t->policy->models[model].priority, -10, 10) / LAW_PRIORITY_PER_LEVEL;
}

/* A class's own lift and those of the classes below it: the lead over them stays what it was. */
static int32_t lift_of(const struct turn *t, enum model_class class)
{
	int32_t lift = 0;

	for (unsigned int c = class; c < N_CLASSES; c++)
		lift += t->state->lift[c];
	return lift;
}

/* Levels left above the highest of this class and all above. */
static int32_t headroom(const struct turn *t, enum model_class class)
{
	int32_t highest = 0;

	for (uint32_t i = 0; i < t->n; i++)
		if (class_of(t, i) <= class)
			highest = MAX(highest, t->desks[i].base + lift_of(t, class_of(t, i)));
	return LADDER_LEVELS - 1 - highest;
}

/* After a policy change the highest model may stand higher than when its class was lifted. */
static void lift_trim(struct turn *t)
{
	for (unsigned int c = 0; c < N_CLASSES; c++)
		while (t->state->lift[c] > 0 && headroom(t, c) < 0)
			t->state->lift[c]--;
}

/* Experiments never stand above production, not even while it pays and they do not. */
static void experiments_hold_down(struct turn *t)
{
	uint32_t lowest = MODEL_NONE;

	for (uint32_t i = 0; i < t->n; i++) {
		if (class_of(t, i) == CLASS_EXPERIMENT)
			continue;
		if (lowest == MODEL_NONE || t->desks[i].level < t->desks[lowest].level)
			lowest = i;
	}
	for (uint32_t i = 0; lowest != MODEL_NONE && i < t->n; i++) {
		struct desk *d = &t->desks[i];

		if (class_of(t, i) != CLASS_EXPERIMENT || d->level <= t->desks[lowest].level)
			continue;
		d->level = t->desks[lowest].level;
		t->state->models[i].moved_by = t->state->models[lowest].moved_by;
		t->state->models[i].moved_why = t->state->models[lowest].moved_why;
	}
}

void turn_level(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->desks[i].base = policy_level(t, i);
	lift_trim(t);
	for (uint32_t i = 0; i < t->n; i++) {
		struct desk *d = &t->desks[i];
		int32_t unpaid = d->base + lift_of(t, class_of(t, i));
		int32_t *offset = &t->state->models[i].offset;

		/* a new policy or less lift: less to have paid with */
		*offset = clamp(*offset, -unpaid, 0);
		d->level = unpaid + *offset;
	}
	experiments_hold_down(t);
}

static void move_note(struct turn *t, uint32_t model, enum reason reason,
		      const struct evidence *why)
{
	t->has_moved = true;
	t->desks[model].has_moved = true;
	t->state->models[model].moved_by = reason;
	t->state->models[model].moved_why = *why;
}

/* ---- who can pay ------------------------------------------------------------------------- */

/* Weights that are not in force say nothing about the next step: stepping on would wind up. */
static enum standing weight_standing(const struct turn *t, uint32_t model)
{
	const struct desk *d = &t->desks[model];

	if (d->left_alone & 1u << KNOB_CPU_WEIGHT)
		return STANDING_STUCK;
	if (d->is_in_force)
		return STANDING_READY;
	return t->state->models[model].retries[KNOB_CPU_WEIGHT].failures > 0 ? STANDING_STUCK
									     : STANDING_PENDING;
}

static bool has_demand(const struct turn *t, uint32_t model)
{
	const struct model_reading *r = &t->now->models[model];
	uint64_t used_ns = r->run_ns != MISSING ? r->run_ns : r->cpu_usage_ns;

	return used_ns != MISSING && used_ns >= t->now->span_ns / PERMYRIAD * LAW_DEMAND;
}

/* May this model pay for that class, and has it anything to pay with? Demand is asked apart. */
static enum standing payer_standing(const struct turn *t, uint32_t model, enum model_class claiming)
{
	const struct desk *d = &t->desks[model];
	enum model_class class = class_of(t, model);

	if (class < claiming || (class == claiming && d->cpu_slack <= LAW_GIVE_SLACK))
		return STANDING_NONE;
	if (d->has_promise && d->insight == INSIGHT_GAP) /* nobody knows what it would cost */
		return STANDING_NONE;
	if (is_granted(t, model) || !flap_may_take(t, model, FLAP_WEIGHT, -1))
		return STANDING_NONE;
	if (d->n_cgroups == 0 || d->level <= balance_end(d, &t->balance))
		return STANDING_NONE;
	return weight_standing(t, model);
}

/* Does the first pay before the second? Ties go to the lower index. */
static bool pays_before(const struct turn *t, uint32_t first, uint32_t second)
{
	const struct model *a = &t->policy->models[first], *b = &t->policy->models[second];
	enum model_class class_a = class_of(t, first), class_b = class_of(t, second);
	const struct desk *da = &t->desks[first], *db = &t->desks[second];

	if (class_a != class_b)
		return class_a > class_b;
	if (da->cpu_slack != db->cpu_slack)
		return da->cpu_slack > db->cpu_slack;
	return a->priority < b->priority;
}

/* The first payer, and what stands in the way of others. */
struct payers {
	uint32_t first; /* or MODEL_NONE */
	bool is_pending, is_stuck;
};

static struct payers payers_find(const struct turn *t, enum model_class claiming)
{
	struct payers p = { .first = MODEL_NONE };

	for (uint32_t i = 0; i < t->n; i++) {
		enum standing standing = payer_standing(t, i, claiming);

		if (standing == STANDING_NONE || !has_demand(t, i))
			continue;
		p.is_pending |= standing == STANDING_PENDING;
		p.is_stuck |= standing == STANDING_STUCK;
		if (standing == STANDING_READY &&
		    (p.first == MODEL_NONE || pays_before(t, i, p.first)))
			p.first = i;
	}
	return p;
}

/* ---- serving a claim --------------------------------------------------------------------- */

/* A model that wants levels, and the world in which it does. */
struct claim {
	uint32_t model;
	enum model_class class;
	const struct verdict *verdict;
	int32_t step;
};

static void model_pay(struct turn *t, uint32_t payer, const struct claim *c)
{
	struct desk *d = &t->desks[payer];
	int32_t end = balance_end(d, &t->balance), level = MAX(d->level - c->step, end);

	/* where rounding made two levels one weight, a step of nothing would be no step */
	while (level > end && ladder_weight(level) == ladder_weight(d->level))
		level--;
	t->state->models[payer].offset -= d->level - level;
	move_note(t, payer, REASON_DONOR, &c->verdict->why);
	t->plan->verdicts[payer].reason = REASON_DONOR;
	t->plan->verdicts[payer].why = c->verdict->why;
}

static void tier_pay(struct turn *t, uint32_t first, const struct claim *c)
{
	enum model_class class = class_of(t, first);

	if (t->desks[first].cpu_slack != SLACK_ALL) {
		model_pay(t, first, c);
		return;
	}
	for (uint32_t i = 0; i < t->n; i++)
		if (class_of(t, i) == class && t->desks[i].cpu_slack == SLACK_ALL &&
		    has_demand(t, i) && payer_standing(t, i, c->class) == STANDING_READY)
			model_pay(t, i, c);
}

/* Every model of these classes is quiet: what was taken for them may go back. */
static bool classes_are_quiet(const struct turn *t, enum model_class last)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (class_of(t, i) <= last && !model_is_quiet(t, i))
			return false;
	return true;
}

/* The claimant takes back what it paid to those above, when they can spare it. */
static bool claim_reclaim(struct turn *t, const struct claim *c)
{
	struct model_state *s = &t->state->models[c->model];

	if (s->offset == 0 || !flap_may_take(t, c->model, FLAP_WEIGHT, 1) ||
	    (c->class > CLASS_CRITICAL && !classes_are_quiet(t, c->class - 1)))
		return false;
	s->offset = MIN(s->offset + c->step, 0);
	move_note(t, c->model, c->verdict->reason, &c->verdict->why);
	return true;
}

static bool lift_may_take(const struct turn *t, enum model_class class)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (class_of(t, i) <= class && !flap_may_take(t, i, FLAP_WEIGHT, 1))
			return false;
	return true;
}

/*
 * Not for batch and experiments: what nobody governs includes the host's own services. Not when a
 * governed model ran during most of the waits, the claimant itself included: that one is at its
 * end, or it keeps its distance in a lift as well.
 */
static bool claim_lift(struct turn *t, const struct claim *c)
{
	int32_t step = MIN(c->step, headroom(t, c->class));

	if (c->class > CLASS_STANDARD || culprit_find(&c->verdict->why) != MODEL_NONE ||
	    step <= 0 || t->desks[c->model].n_cgroups == 0 || !t->desks[c->model].is_in_force)
		return false;
	if (!lift_may_take(t, c->class))
		return false;
	t->state->lift[c->class] += step;
	for (uint32_t i = 0; i < t->n; i++)
		if (class_of(t, i) <= c->class)
			move_note(t, i, c->verdict->reason, &c->verdict->why);
	return true;
}

enum service {
	SERVICE_DONE,
	SERVICE_LATER, /* somebody's weight is not in force yet */
	SERVICE_NONE,
};

static enum service claim_serve(struct turn *t, const struct claim *c)
{
	uint32_t culprit = culprit_find(&c->verdict->why);
	enum standing standing = culprit == MODEL_NONE || culprit == c->model
					 ? STANDING_NONE
					 : payer_standing(t, culprit, c->class);
	struct payers p;

	if (standing == STANDING_READY) {
		model_pay(t, culprit, c);
		return SERVICE_DONE;
	}
	p = payers_find(t, c->class);
	if (standing == STANDING_PENDING || p.is_pending)
		return SERVICE_LATER;
	if (p.first != MODEL_NONE) {
		tier_pay(t, p.first, c);
		return SERVICE_DONE;
	}
	if (claim_reclaim(t, c) || claim_lift(t, c))
		return SERVICE_DONE;
	return p.is_stuck || !t->desks[c->model].is_in_force ? SERVICE_LATER : SERVICE_NONE;
}

/* May it pay again what it got back? By the rules by which it paid. */
static bool model_regret(struct turn *t, uint32_t model, const struct claim *c)
{
	struct model_state *s = &t->state->models[model];
	enum model_class class = class_of(t, model);

	if (model == c->model || class < c->class || s->offset <= s->kept_offset ||
	    (class == c->class && t->desks[model].cpu_slack <= LAW_GIVE_SLACK) ||
	    is_granted(t, model) || !flap_may_take(t, model, FLAP_WEIGHT, -1) ||
	    weight_standing(t, model) != STANDING_READY)
		return false;
	s->offset = s->kept_offset;
	move_note(t, model, REASON_REGRET, &c->verdict->why);
	t->plan->verdicts[model].reason = REASON_REGRET;
	t->plan->verdicts[model].why = c->verdict->why;
	return true;
}

/* Lifts that served this class; those of classes above it only cost it something. */
static bool lifts_regret(struct turn *t, const struct claim *c)
{
	bool has_taken = false;

	for (unsigned int k = c->class; k < N_CLASSES; k++) {
		int32_t step = MIN(t->state->kept_lift[k] - t->state->lift[k], headroom(t, k));

		if (step <= 0 || !lift_may_take(t, k))
			continue;
		t->state->lift[k] += step;
		has_taken = true;
		for (uint32_t i = 0; i < t->n; i++)
			if (class_of(t, i) <= k)
				move_note(t, i, REASON_REGRET, &c->verdict->why);
	}
	return has_taken;
}

/* The budget broke soon after something was given back: as it was before, and longer. */
static bool claim_regret(struct turn *t, const struct claim *c)
{
	bool has_taken;

	if (!is_regretted(t, c->verdict))
		return false;
	has_taken = lifts_regret(t, c);
	for (uint32_t i = 0; i < t->n; i++) {
		has_taken |= model_regret(t, i, c);
		has_taken |= cap_restore(t, c->model, i);
	}
	if (has_taken)
		hold_double(t, c->class);
	return has_taken;
}

/* The claimant of a class with the least slack; ties go to the lower index. */
static uint32_t claimant_find(const struct turn *t, enum model_class class)
{
	const struct verdict *v = t->plan->verdicts;
	uint32_t worst = MODEL_NONE;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->desks[i].step > 0 && class_of(t, i) == class &&
		    (worst == MODEL_NONE ||
		     v[i].why.slack_permyriad < v[worst].why.slack_permyriad))
			worst = i;
	return worst;
}

/* What moved a model, or starves it, is told before why its own claim gets nothing. */
static bool is_told_first(enum reason r)
{
	return r == REASON_DONOR || r == REASON_CAP || r == REASON_REGRET || r == REASON_STARVED;
}

/* All claimants of these classes hear why they get nothing now, except one. */
static void claims_answer(struct turn *t, enum model_class first, enum model_class last,
			  enum reason reason, uint32_t except)
{
	for (uint32_t i = 0; i < t->n; i++) {
		enum model_class class = class_of(t, i);

		if (t->desks[i].step > 0 && i != except && class >= first && class <= last &&
		    !is_told_first(t->plan->verdicts[i].reason))
			t->plan->verdicts[i].reason = reason;
	}
}

/* Weights are at their end: after some ticks of that, caps. */
static enum service class_relieve(struct turn *t, struct claim *c)
{
	uint64_t *exhausted_ns = &t->state->exhausted_ns[c->class];
	bool is_pending;
	uint32_t served;

	*exhausted_ns = c->verdict->why.slack_permyriad < LAW_BROKEN_SLACK
				? saturating_add(*exhausted_ns, watched_ns(t))
				: 0;
	if (*exhausted_ns == 0 ||
	    !has_passed(t, *exhausted_ns, LAW_CAP_TICKS * t->policy->host.tick_ns))
		return SERVICE_NONE;
	served = class_cap(t, c->class, &is_pending);
	if (served == MODEL_NONE)
		return is_pending ? SERVICE_LATER : SERVICE_NONE;
	c->model = served;
	return SERVICE_DONE;
}

/* True when a step was made and the rest has to wait for its effect. */
static bool class_serve(struct turn *t, enum model_class class)
{
	struct claim c = { .model = claimant_find(t, class), .class = class };
	enum service service;

	if (c.model == MODEL_NONE) {
		t->state->exhausted_ns[class] = 0;
		return false;
	}
	/* a class above the one that was served does not wait for it */
	if (t->state->settle_ns > 0 && class >= t->state->settle_class) {
		claims_answer(t, class, class, REASON_SETTLING, MODEL_NONE);
		return false;
	}
	c.verdict = &t->plan->verdicts[c.model];
	c.step = t->desks[c.model].step;
	service = claim_regret(t, &c) ? SERVICE_DONE : claim_serve(t, &c);
	if (service == SERVICE_NONE)
		service = class_relieve(t, &c);
	if (service != SERVICE_DONE) {
		claims_answer(t, class, class,
			      service == SERVICE_LATER ? REASON_SETTLING : REASON_EXHAUSTED,
			      MODEL_NONE);
		return false;
	}
	/* half a tick more: the tick after the last one that waits may come early */
	t->state->settle_ns =
		LAW_SETTLE_TICKS * t->policy->host.tick_ns + t->policy->host.tick_ns / 2;
	t->state->settle_class = class;
	claims_answer(t, class, N_CLASSES - 1, REASON_SETTLING, c.model);
	return true;
}

/* ---- giving back ------------------------------------------------------------------------- */

/* The claimant's numbers of today; those of the day when it was served, if it is gone. */
static struct evidence numbers_of_today(const struct turn *t, const struct evidence *then)
{
	return then->model < t->n ? t->plan->verdicts[then->model].why : *then;
}

static void give_tell(struct turn *t, uint32_t model, const struct evidence *why)
{
	struct verdict *v = &t->plan->verdicts[model];

	if (v->reason != REASON_NONE)
		return;
	v->reason = REASON_GIVE_BACK;
	v->why = *why;
}

static void give_note(struct turn *t, uint32_t model)
{
	struct evidence why = numbers_of_today(t, &t->state->models[model].moved_why);

	move_note(t, model, REASON_GIVE_BACK, &why);
	give_tell(t, model, &why);
}

/* Asks all, so that each that has used up its turns says so. */
static bool lift_may_give(struct turn *t, enum model_class class)
{
	bool may = true;

	for (uint32_t i = 0; i < t->n; i++)
		if (class_of(t, i) <= class)
			may &= flap_may_give(t, i, FLAP_WEIGHT, -1);
	return may;
}

static bool lift_give(struct turn *t)
{
	for (unsigned int c = 0; c < N_CLASSES; c++) {
		if (t->state->lift[c] == 0 || !classes_are_quiet(t, c) || !lift_may_give(t, c))
			continue;
		t->state->lift[c]--;
		for (uint32_t i = 0; i < t->n; i++)
			if (class_of(t, i) <= c)
				give_note(t, i);
		return true;
	}
	return false;
}

/* The models of a class for which the others of that class may have paid. */
static bool peers_are_quiet(const struct turn *t, enum model_class class)
{
	for (uint32_t i = 0; i < t->n; i++) {
		const struct model_state *s = &t->state->models[i];
		bool has_paid = s->offset != 0 || s->cap.permyriad != 0;

		if (class_of(t, i) != class || model_is_quiet(t, i))
			continue;
		/* who paid as well does not count, unless nobody knows how it fares */
		if (!has_paid || t->desks[i].insight == INSIGHT_GAP)
			return false;
	}
	return true;
}

static void model_receive(struct turn *t, uint32_t model)
{
	struct model_state *s = &t->state->models[model];
	int32_t level = t->desks[model].level;

	do {
		s->offset++;
		level++;
	} while (s->offset < 0 && ladder_weight(level) == ladder_weight(t->desks[model].level));
	give_note(t, model);
}

/* Classes above and the peers that were served can spare what this class paid. */
static bool class_may_receive(const struct turn *t, enum model_class class)
{
	return (class == CLASS_CRITICAL || classes_are_quiet(t, class - 1)) &&
	       peers_are_quiet(t, class);
}

static bool class_uncap(struct turn *t, enum model_class class)
{
	bool has_given = false;

	if (!class_may_receive(t, class))
		return false;
	for (uint32_t i = 0; i < t->n; i++) {
		const struct cap *cap = &t->state->models[i].cap;

		if (class_of(t, i) != class || cap->permyriad == 0 || cap->is_expired ||
		    !flap_may_give(t, i, FLAP_QUOTA, 1))
			continue;
		struct evidence why = numbers_of_today(t, &cap->why);

		model_uncap(t, i, REASON_GIVE_BACK, &why);
		give_tell(t, i, &why);
		has_given = true;
	}
	return has_given;
}

/* Who waits for its own cap gets some of it back as soon as those above can spare it. */
static bool caps_reclaim(struct turn *t)
{
	bool has_given = false;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct verdict *v = &t->plan->verdicts[i];
		enum model_class class = class_of(t, i);

		if (v->reason != REASON_OWN_QUOTA || t->state->models[i].cap.permyriad == 0 ||
		    t->state->models[i].cap.is_expired ||
		    (class > CLASS_CRITICAL && !classes_are_quiet(t, class - 1)) ||
		    !flap_may_give(t, i, FLAP_QUOTA, 1))
			continue;
		model_uncap(t, i, REASON_OWN_QUOTA, &v->why);
		has_given = true;
	}
	return has_given;
}

static bool class_receive(struct turn *t, enum model_class class)
{
	bool has_received = false;

	if (!class_may_receive(t, class))
		return false;
	for (uint32_t i = 0; i < t->n; i++) {
		if (class_of(t, i) != class || t->state->models[i].offset == 0 ||
		    !flap_may_give(t, i, FLAP_WEIGHT, 1))
			continue;
		model_receive(t, i);
		has_received = true;
	}
	return has_received;
}

/* What was taken last goes back first: caps, lifts, then the most urgent class that paid. */
static void turn_give_back(struct turn *t)
{
	bool has_given;

	vector_note(t);
	has_given = caps_reclaim(t);

	for (unsigned int c = 0; !has_given && c < N_CLASSES; c++)
		has_given = class_uncap(t, c);
	has_given = has_given || lift_give(t);
	for (unsigned int c = 0; !has_given && c < N_CLASSES; c++)
		has_given = class_receive(t, c);
	if (!has_given)
		return;
	vector_keep(t);
	t->state->give_pause_ns = LAW_GIVE_PAUSE_S * NSEC_PER_SEC;
}

/* ---- all of it --------------------------------------------------------------------------- */

/* Nobody carries steps out, so there are none to build on. */
static void feedback_forget(struct turn *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->state->models[i].offset = 0;
	memset(t->state->lift, 0, sizeof(t->state->lift));
	memset(t->state->exhausted_ns, 0, sizeof(t->state->exhausted_ns));
	memset(t->state->holds, 0, sizeof(t->state->holds));
	t->state->given_ns = 0;
	caps_forget(t);
	t->has_moved = true;
	t->state->settle_ns = 0;
	t->state->give_pause_ns = 0;
}

void turn_feed_back(struct turn *t)
{
	struct state *s = t->state;

	if (t->policy->host.mode == MODE_OBSERVE) {
		feedback_forget(t);
		return;
	}
	s->settle_ns -= MIN(s->settle_ns, t->now->span_ns);
	s->give_pause_ns -= MIN(s->give_pause_ns, t->now->span_ns);
	turn_rest(t);
	turn_cap_expire(t);
	turn_starve(t);
	if (t->has_moved)
		turn_level(t); /* claims see where everybody stands now */
	turn_hold(t);
	for (unsigned int c = 0; c < N_CLASSES; c++)
		if (class_serve(t, c))
			return;
	if (s->settle_ns == 0 && s->unrest_ns == 0 && has_passed(t, 0, s->give_pause_ns))
		turn_give_back(t);
}
