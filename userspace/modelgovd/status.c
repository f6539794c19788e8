/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `status` shows, as JSON: the shape is docs/control.md. Reads what the daemon holds, changes
 * nothing.
 */
#include "daemon.h"
#include "knob.h"

#include <sys/resource.h>

/* null where nothing was measured, "max" where there is no limit. */
static json_t *number(uint64_t value)
{
	if (value == MISSING)
		return json_null();
	if (value == VALUE_MAX)
		return json_string("max");
	return json_integer((json_int_t)value);
}

static json_t *host_to_json(const struct observation *now)
{
	if (!now)
		return json_object();
	const struct host_reading *h = &now->host;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "cpus", number(h->cpus), "memory_bytes",
			 number(h->memory_bytes), "memory_available_bytes",
			 number(h->memory_available_bytes), "load_permille",
			 number(h->load_permille), "busy_permyriad", number(h->busy_permyriad),
			 "steal_permyriad", number(h->steal_permyriad));
}

static json_t *policy_to_json(const struct daemon *d)
{
	const struct policy_slot *s = &d->slot;
	json_t *pending = json_null();

	if (s->refused)
		pending = json_pack("{s:I, s:i, s:s}", "seen_at_ns", (json_int_t)s->refused_wall_ns,
				    "errors", (int)s->refused_errors, "findings", s->refused);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "etc", d->options.etc, "etc_digest",
			 s->etc_digest, "digest", s->policy->digest, "loaded_at_ns",
			 (json_int_t)s->loaded_wall_ns, "warnings",
			 s->warnings && strcmp(s->etc_digest, s->policy->digest) == 0 ? s->warnings
										      : "",
			 "pending", pending);
}

static const char *driver_name(enum driver driver)
{
	static const char *const names[N_DRIVERS] = { [DRIVER_OBSERVE] = "observe",
						      [DRIVER_SYSTEMD] = "systemd",
						      [DRIVER_DELEGATED] = "delegated" };

	return names[driver];
}

static json_t *targets_to_json(const struct observation *now, uint32_t model)
{
	json_t *list = json_array();

	for (uint32_t i = 0; now && i < now->n_targets; i++) {
		const struct target *t = &now->targets[i];
		json_t *one;

		if (t->model != model)
			continue;
		one = json_pack("{s:o, s:o, s:s, s:o}", "path", foreign_to_json(t->path), "unit",
				foreign_to_json(t->unit), "driver", driver_name(t->driver),
				"cpu_weight", number(t->values[KNOB_CPU_WEIGHT]));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *objectives_to_json(const struct model *m, const struct model_reading *reading)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];
		uint64_t samples = reading ? reading->objectives[i].samples : 0;
		/* without samples there is nothing to judge, whatever number stands there */
		uint64_t observed = samples ? reading->objectives[i].observed : MISSING;

		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:o, s:o, s:o, s:I}", "indicator",
						indicator_name(o->indicator), "quantile_permyriad",
						(json_int_t)o->quantile_permyriad, "budget",
						number(o->budget), "observed", number(observed),
						"samples", number(samples), "window_ns",
						(json_int_t)o->window_ns));
	}
	return list;
}

static uint64_t run_permyriad(const struct observation *now, const struct model_reading *r)
{
	if (!r || now->span_ns == 0 || r->cpu_usage_ns >= MISSING)
		return MISSING;
	return (uint64_t)((unsigned __int128)r->cpu_usage_ns * PERMYRIAD / now->span_ns);
}

/* The worst of the model's own objectives. The verdict's numbers may be another model's: a donor
 * pays for one. */
static json_t *slack_to_json(const struct model *m, const struct model_reading *reading)
{
	__int128 worst = INT64_MAX;

	for (unsigned int i = 0; reading && i < m->n_objectives; i++) {
		const struct reading *r = &reading->objectives[i];
		uint64_t budget = MAX(m->objectives[i].budget, (uint64_t)1);

		if (r->samples == 0 || r->samples >= MISSING || r->observed >= MISSING)
			continue;
		worst = MIN(worst, ((__int128)budget - r->observed) * PERMYRIAD / budget);
	}
	return worst < INT64_MAX ? json_integer((json_int_t)MAX(worst, (__int128)INT64_MIN))
				 : json_null();
}

static json_t *model_to_json(const struct daemon *d, uint32_t i)
{
	const struct policy *p = d->slot.policy;
	const struct model *m = &p->models[i];
	const struct model_reading *r = d->now ? &d->now->models[i] : NULL;
	const struct verdict *v = &d->plan.verdicts[i];
	bool has_culprit = r && r->culprit != MODEL_NONE && r->culprit < p->n_models;
	_cleanup_free_ char *sentence = explain_verdict(p, i, v);

	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, "
			 "s:o, s:o, s:o}",
			 "name", m->name, "class", class_name(m->class), "priority", m->priority,
			 "level", v->level, "policy_level", v->policy_level, "reason",
			 reason_name(v->reason), "sentence", sentence ? sentence : "", "targets",
			 targets_to_json(d->now, i), "processes",
			 number(r ? r->processes : MISSING), "memory_bytes",
			 number(r ? r->memory_bytes : MISSING), "run_permyriad",
			 number(run_permyriad(d->now, r)), "wait_p99_ns",
			 number(r ? r->wait_p99_ns : MISSING), "own_quota_ns",
			 number(r ? r->own_quota_ns : MISSING), "culprit",
			 has_culprit ? p->models[r->culprit].name : NULL, "culprit_permyriad",
			 number(has_culprit ? r->culprit_permyriad : MISSING), "slack_permyriad",
			 slack_to_json(m, r), "objectives", objectives_to_json(m, r));
}

static json_t *models_to_json(const struct daemon *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->slot.policy->n_models; i++)
		json_array_append_new(list, model_to_json(d, i));
	return list;
}

static json_t *health_to_json(const struct daemon *d)
{
	const struct health *all;
	unsigned int n = sense_health(d->sense, &all);
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "part", all[i].part,
						      "is_ok", all[i].is_ok, "detail",
						      all[i].detail ? all[i].detail : ""));
	return list;
}

static json_t *drops_to_json(const struct daemon *d)
{
	struct drop drops[32];
	unsigned int n = sense_drops(d->sense, drops, ARRAY_SIZE(drops));
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:I}", "cause", drops[i].cause,
						      "count", (json_int_t)drops[i].count));
	return list;
}

static json_t *journal_to_json(const struct daemon *d)
{
	struct journal_status s;

	journal_get_status(d->journal, &s);
	return json_pack("{s:I, s:I, s:i, s:s}", "rows_written", (json_int_t)s.rows_written,
			 "rows_lost", (json_int_t)s.rows_lost, "backlog", (int)s.backlog, "problem",
			 s.problem);
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_usec * NSEC_PER_USEC;
}

/* Second number of /proc/self/statm, in pages. */
static uint64_t resident_bytes(void)
{
	_cleanup_file_ FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, resident;

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		return MISSING;
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static json_t *cost_to_json(const struct daemon *d)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return json_pack("{s:o, s:o, s:I}", "cpu_ns",
			 number(timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime)),
			 "rss_bytes", number(resident_bytes()), "tick_ns",
			 (json_int_t)d->tick_cost_ns);
}

json_t *status_to_json(struct daemon *d)
{
	uint64_t wall_ns = clock_realtime_ns();

	return json_pack("{s:s, s:i, s:I, s:I, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:i, s:o, s:o, "
			 "s:o}",
			 "version", MODELGOV_VERSION, "pid", (int)getpid(), "started_at_ns",
			 (json_int_t)d->started_wall_ns, "uptime_ns",
			 (json_int_t)(wall_ns - d->started_wall_ns), "mode",
			 daemon_enforces(d) ? "enforce" : "observe", "tick", (json_int_t)d->tick,
			 "tick_interval_ns", (json_int_t)d->slot.policy->host.tick_ns, "policy",
			 policy_to_json(d), "host", host_to_json(d->now), "models",
			 models_to_json(d), "drifts", drifts_to_json(d), "health",
			 health_to_json(d), "drops", drops_to_json(d), "journal",
			 journal_to_json(d), "ledger", (int)act_ledger_size(d->act), "cost",
			 cost_to_json(d), "changes", changes_to_json(d->changes), "shadow",
			 shadow_to_json(d));
}
