/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of the law, one row each: X(TAG, name, unit, value, minimum, maximum, effect,
 * source). Each is the constant LAW_TAG in this room and a line of parameter_table outside of it.
 */
#ifndef MODELGOV_LAW_H
#define MODELGOV_LAW_H

#define LAWS(X)                                                                                    \
	X(LEVEL_CRITICAL, "level.critical", "level", 32, 30, 38,                                   \
	  "weight 1455: 14.6 times a standard model, 208 times a batch model",                     \
	  "measured: ten times the weight cut the wake-up p99 beside two busy loops from 1.9 ms "  \
	  "to 0.2 ms; priority -10 still leaves 9.3 times")                                        \
	X(LEVEL_STANDARD, "level.standard", "level", 20, 18, 22,                                   \
	  "weight 100: as much as a cgroup that nobody governs",                                   \
	  "cgroup-v2.rst: the default of cpu.weight is 100")                                       \
	X(LEVEL_BATCH, "level.batch", "level", 8, 6, 12,                                           \
	  "weight 7: a standard model beside it has 93 % of the CPU",                              \
	  "chosen: as far below standard as critical is above; lower, and rounding eats levels")   \
	X(LEVEL_EXPERIMENT, "level.experiment", "level", 2, 2, 3,                                  \
	  "weight 2: a batch model beside it has 78 % of the CPU",                                 \
	  "chosen: with priority 10 still below a batch model with priority -10")                  \
	X(PRIORITY_PER_LEVEL, "priority.per_level", "", 5, 5, 10,                                  \
	  "priority -10..10 moves by at most two levels, a factor of 1.56",                        \
	  "chosen: orders models inside a class and never reaches the next class")                 \
	X(GUARANTEE_LIMIT, "guarantee.limit", "permyriad", 9500, 9000, 9900,                       \
	  "floors and reserved shares together; what exceeds it is cut, reserved shares first",    \
	  "chosen: policy refuses reserved shares over 90 %; the rest keeps the sums finite")      \
	X(RISK_SLACK, "risk.slack", "permyriad", 500, 0, 2000,                                     \
	  "slack under this, for risk.ticks: risk.levels more",                                    \
	  "chosen; the sampler's buckets are up to 6.25 % wide, less is within its error")         \
	X(RISK_TICKS, "risk.ticks", "ticks", 2, 1, 10,                                             \
	  "samples in a row that must agree before a budget counts as at risk",                    \
	  "chosen: one sample is not a trend")                                                     \
	X(RISK_LEVELS, "risk.levels", "level", 1, 1, 8,                                            \
	  "a factor of 1.25 between payer and claimant", "chosen: the smallest step")              \
	X(BROKEN_SLACK, "broken.slack", "permyriad", 0, -5000, 500,                                \
	  "slack under this: broken.levels more, at once",                                         \
	  "definition: the observed value is over the budget")                                     \
	X(BROKEN_LEVELS, "broken.levels", "level", 2, 1, 8, "a factor of 1.56", "chosen")          \
	X(FAR_BROKEN_SLACK, "far_broken.slack", "permyriad", -10000, -100000, 0,                   \
	  "slack under this (more than twice the budget): far_broken.levels more, at once",        \
	  "chosen")                                                                                \
	X(FAR_BROKEN_LEVELS, "far_broken.levels", "level", 4, 1, 8, "a factor of 2.44",            \
	  "chosen: a batch model is at its end after two steps")                                   \
	X(SETTLE_TICKS, "settle.ticks", "ticks", 3, 1, 60,                                         \
	  "after a change nobody of that class or below moves for so long",                        \
	  "chosen: shorter judges the change by samples from before it, longer is slow")           \
	X(GIVE_SLACK, "give.slack", "permyriad", 2000, 600, 9000,                                  \
	  "slack over this gives back; between risk.slack and this nothing moves",                 \
	  "chosen: leaves a band more than two of the sampler's buckets wide, so noise moves "     \
	  "nothing")                                                                               \
	X(GIVE_HOLD_S, "give.hold", "s", 30, 5, 600,                                               \
	  "so long slack must have stayed over give.slack before the first level goes back",       \
	  "chosen: longer than a burst of requests")                                               \
	X(GIVE_PAUSE_S, "give.pause", "s", 5, 1, 60, "between two levels that go back",            \
	  "chosen: longer than settle.ticks at the default tick")                                  \
	X(GAP_TICKS, "gap.ticks", "ticks", 3, 1, 60,                                               \
	  "so many samples missing: what was counted before the gap is forgotten",                 \
	  "chosen: one lost sample is no news")                                                    \
	X(LOST_TICKS, "lost.ticks", "ticks", 15, 3, 600,                                           \
	  "so many samples missing: the model goes back to its policy level",                      \
	  "chosen: after that the last measurement says nothing of the load now")                  \
	X(SAMPLES_WAITS, "samples.waits", "waits", 20, 1, 10000,                                   \
	  "fewer waits in the window: no demand, nothing is judged",                               \
	  "chosen: below this p99 is just the longest wait")                                       \
	X(SAMPLES_TICKS, "samples.ticks", "ticks", 2, 1, 60,                                       \
	  "fewer ticks in the window: a share of time is not judged", "chosen")                    \
	X(DEMAND, "demand", "permyriad of one CPU", 100, 1, 10000,                                 \
	  "a model that ran less since the last tick has nothing to give",                         \
	  "chosen: taking from a server that only keeps its timers frees nothing")                 \
	X(CULPRIT, "culprit", "permyriad", 5000, 1000, 10000,                                      \
	  "a model that ran during at least this part of the waits pays before all others",        \
	  "definition: most of the waiting")                                                       \
	X(CAP_TICKS, "cap.ticks", "ticks", 3, 1, 60,                                               \
	  "weights are at their end and the budget is broken for so long: caps",                   \
	  "chosen: as long as a step of weights needs to be seen")                                 \
	X(CAP_STEP, "cap.step", "permyriad of the host", 1000, 100, 5000,                          \
	  "a donor may use so much less after a step, and more when it goes back",                 \
	  "chosen: ten steps from all to nothing; harsher makes holders of locks wait")            \
	X(CAP_TIME_S, "cap.time", "s", 300, 10, 3600,                                              \
	  "a cap that is so old goes back, however broken the budget is",                          \
	  "chosen: longer than a burst; who needs it for longer needs another host or manifest")   \
	X(CAP_REST_S, "cap.rest", "s", 60, 1, 3600,                                                \
	  "after such a cap is gone its donor is not capped for so long",                          \
	  "chosen: a fifth of cap.time, so that a donor runs freely part of any time")             \
	X(CAP_LOOSE, "cap.loose", "times the host", 2, 1, 10,                                      \
	  "the quota that a model which may be capped keeps when it is not",                       \
	  "measured: a quota on or off 92 us, another value 3 us; twice is never reached")         \
	X(REGRET_S, "regret.time", "s", 30, 1, 300,                                                \
	  "a budget that breaks so soon after something was given back: that was too early",       \
	  "chosen: six levels of give.pause; later breaches have other reasons")                   \
	X(REGRET_HOLD_S, "regret.hold", "s", 600, 30, 3600,                                        \
	  "give.hold is doubled by each regret up to this",                                        \
	  "chosen: a load that comes back every ten minutes is met by a hold of ten minutes")      \
	X(REGRET_CALM_S, "regret.calm", "s", 600, 60, 86400,                                       \
	  "so long nobody of the class wanted anything: its hold is halved", "chosen")             \
	X(FLAP_TIMES, "flap.times", "turns", 4, 2, 8,                                              \
	  "a knob may change its direction so often within flap.window",                           \
	  "chosen: take, give, take again is two")                                                 \
	X(FLAP_WINDOW_S, "flap.window", "s", 300, 60, 3600, "a turn that is older does not count", \
	  "chosen")                                                                                \
	X(FLAP_FREEZE_S, "flap.freeze", "s", 300, 60, 3600,                                        \
	  "a knob whose turns are used up stays where it was taken for so long", "chosen")         \
	X(STARVE_GRANT_TICKS, "starve.grant", "ticks", 5, 1, 60,                                   \
	  "less than its floor with demand for so long: it gets back what it paid, and twice its " \
	  "floor",                                                                                 \
	  "chosen: the promise is five seconds at the default tick")                               \
	X(STARVE_LOST_TICKS, "starve.lost", "ticks", 30, 5, 600,                                   \
	  "for so long: everything is back at policy alone, with an alert", "chosen")              \
	X(STARVE_KEEP_S, "starve.keep", "s", 30, 5, 600,                                           \
	  "a grant lasts so long after the last tick below the floor", "chosen: as give.hold")     \
	X(STARVE_DEMAND, "starve.demand", "permyriad of one CPU", 9000, 1000, 10000,               \
	  "running and waiting together must be so much, and as much as the floor, to be demand",  \
	  "chosen: one thread that always wants to run, with room for what is not seen")           \
	X(UNREST_SWING, "unrest.swing", "permyriad", 3000, 500, 10000,                             \
	  "the host's load changes by so much from tick to tick: unrest", "chosen")                \
	X(UNREST_STEAL, "unrest.steal", "permyriad", 500, 10, 10000,                               \
	  "a hypervisor takes so much of all CPU time: unrest",                                    \
	  "chosen: readings of waits are off by about as much")                                    \
	X(UNREST_S, "unrest.time", "s", 10, 1, 300,                                                \
	  "nothing is given back for so long after unrest", "chosen: twice give.pause")            \
	X(RETRY_TICKS, "retry.ticks", "ticks", 5, 1, 60,                                           \
	  "a value that is still not in force is planned again after so long, then twice, ...",    \
	  "chosen: longer than one slow D-Bus call, shorter than an operator's patience")          \
	X(RETRY_MAX_TICKS, "retry.max", "ticks", 320, 60, 3600, "the longest such pause",          \
	  "chosen: retry.ticks doubled six times; one line in the journal every five minutes")     \
	X(DRIFT_TIMES, "drift.times", "times", 3, 1, 8,                                            \
	  "a value that others changed is put back so often within drift.window, then left alone", \
	  "chosen: once may be an accident, twice a habit; who comes a fourth time means it")      \
	X(DRIFT_WINDOW_S, "drift.window", "s", 600, 60, 3600,                                      \
	  "a put-back that is older does not count any more",                                      \
	  "chosen: longer than a round of kubelet (one minute) or of configuration management")    \
	X(DRIFT_LEFT_S, "drift.left", "s", 3600, 600, 86400,                                       \
	  "so long a key is left alone, unless what the manifest says of it changes",              \
	  "chosen: a fight costs three writes an hour at most, and nobody has to clear anything")

enum law {
#define X(tag, name, unit, value, minimum, maximum, effect, source) LAW_##tag = (value),
	LAWS(X)
#undef X
};

#endif
