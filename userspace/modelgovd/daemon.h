/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon: what modelgovd holds while it runs, and the steps its files offer each other. Only this
 * program knows all the rooms.
 */
#ifndef MODELGOV_DAEMON_H
#define MODELGOV_DAEMON_H

#include "act.h"
#include "base.h"
#include "change.h"
#include "control.h"
#include "knob.h"
#include "decide.h"
#include "policy.h"
#include "record.h"
#include "sense.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

struct options {
	const char *etc, *shipped, *state_dir, *socket, *pin_path, *viewer_group;
	bool forces_observe; /* --observe: whatever the policy says */
};

/* The policy in force, and what was found in /etc. */
struct policy_slot {
	struct policy *policy;     /* never NULL while the loop runs */
	uint64_t loaded_wall_ns;
	char etc_digest[65];       /* of the last policy in /etc that was right, "" for none */
	bool is_etc_drifted;       /* it is not in force, and that was told */
	char *warnings;            /* its findings, NULL when there are none */
	char *refused;             /* findings of a broken /etc, NULL when it is right */
	unsigned int refused_errors;
	uint64_t refused_wall_ns;
};

struct shadow;

struct daemon {
	struct options options;
	sd_event *event;
	sd_bus *bus; /* NULL without systemd */
	sd_event_source *tick_timer, *reload_timer;
	sd_event_source *watches[3]; /* of the policy's directories */

	struct policy_slot slot;
	struct sense *sense;
	struct act *act;
	struct worker *actor;    /* the thread act runs on */
	struct journal *journal;
	struct control *control;
	struct changes *changes;
	struct people *people;

	struct shadow *shadow;   /* a candidate beside the policy in force; NULL: none */

	struct state state;
	struct plan plan;
	struct arena arena;      /* of the last observation; emptied when the next is taken */
	struct observation *now; /* the last one, NULL before the first tick */
	uint64_t tick, early_ticks, next_tick_ns;
	uint64_t started_wall_ns;
	char starved[200];       /* names of models below their floors at the last tick, despite all */
	uint64_t tick_cost_ns;   /* how long the last tick took */
	bool is_restored;        /* an operator asked for everything back: observe from then on */
	bool is_auditing;        /* somebody waits for the record's verification */
	uint64_t n_planned, n_outcomes[N_OUTCOMES];
	uint32_t n_unsettled;    /* apply, release and restore jobs under way */
	bool wants_release;      /* the policy changed: put back what it no longer governs */

	/* Policies that jobs under way may still name; freed when the last is back. */
	struct policy **retired;
	unsigned int n_retired, max_retired;
};

/* daemon.c: builds and takes down in order */
int daemon_open(struct daemon *d, const struct options *options, struct err *e);
void daemon_close(struct daemon *d);

/* loop.c: timers, signals, sockets become ticks and requests */
int loop_open(struct daemon *d, struct err *e);
int loop_run(struct daemon *d, struct err *e);
/* A broken promise was seen in the kernel or the policy changed: do not wait for the timer. */
void loop_tick_soon(struct daemon *d);

/* tick.c: observe, decide, record, act */
void tick_run(struct daemon *d);

/* carry.c: act's jobs on its own thread */
int carry_plan(struct daemon *d, struct err *e);
void carry_release(struct daemon *d);
void carry_confine(struct daemon *d);
typedef void carry_restored(json_t *take_list, const char *problem, void *userdata);
int carry_restore(struct daemon *d, carry_restored *reply, void *userdata);

/* force.c: the one place where a policy comes into force */
int policy_start_empty(struct daemon *d, struct err *e);
/* For changes_options.enter: a daemon that cannot enter ends, and its next start does. */
void policy_come(struct policy *take_policy, uint64_t generation, void *userdata);
void policies_retire(struct daemon *d);
bool daemon_enforces(const struct daemon *d);

/* shadow.c: a candidate policy beside the one in force, without acting */
void shadow_tick(struct daemon *d);
void shadow_end(struct daemon *d, const char *why); /* nothing runs: nothing happens */
json_t *shadow_to_json(const struct daemon *d);
void on_shadow(struct request *request, json_t *parameters, void *userdata);
void on_shadow_report(struct request *request, json_t *parameters, void *userdata);
void on_shadow_stop(struct request *request, json_t *parameters, void *userdata);

/* verify.c: what plan and verify ask */
void on_policy(struct request *request, json_t *parameters, void *userdata);
void on_check_result(struct request *request, json_t *parameters, void *userdata);

/* reload.c: the directory in /etc becomes a change */
int reload_open(struct daemon *d, struct err *e);
/*
 * Looks at /etc now. false: it is broken, see slot.refused, and reply is not called. true: it is right; reply gets
 * the change that was made of it, or NULL when there was nothing to change, or a problem.
 */
void etc_compare(struct daemon *d); /* tells once when what is in /etc is not in force */
bool reload_now(struct daemon *d, change_reply *reply, void *userdata);

/* people.c: names and roles of those who ask */
int people_open(struct daemon *d, struct err *e);
void people_close(struct daemon *d);
void people_forget(struct daemon *d); /* names may have changed */
enum role people_role(const struct peer *peer, void *userdata);
/* One block of memory, the caller frees it; NULL without memory. */
struct person *people_person(struct daemon *d, const struct peer *peer);
/* alert.c: what the law cannot mend */
void alert_report(struct daemon *d); /* of the plan that was just made */

/* drift.c: values that others change */
void drift_note_written(struct daemon *d, const struct policy *policy, const struct plan *plan,
			const struct outcome *outcomes);
void drift_claim(struct daemon *d);
void drift_report(struct daemon *d); /* of the plan that was just made */
void drift_explain(const struct daemon *d, uint32_t model, json_t *list);
json_t *drifts_to_json(const struct daemon *d);

/* methods.c, status.c: what the control socket offers */
extern const struct method daemon_methods[];
/* change_methods.c: those that move changes on */
void on_propose(struct request *request, json_t *parameters, void *userdata);
void on_approve(struct request *request, json_t *parameters, void *userdata);
void on_apply(struct request *request, json_t *parameters, void *userdata);
void on_withdraw(struct request *request, json_t *parameters, void *userdata);
void on_rollback(struct request *request, json_t *parameters, void *userdata);
/* record_methods.c: those that tell what is recorded */
void on_history(struct request *request, json_t *parameters, void *userdata);
void on_generation(struct request *request, json_t *parameters, void *userdata);
void on_changes(struct request *request, json_t *parameters, void *userdata);
void on_change_asked(struct request *request, json_t *parameters, void *userdata);
void on_entries(struct request *request, json_t *parameters, void *userdata);
void on_ticks(struct request *request, json_t *parameters, void *userdata);
void on_checks(struct request *request, json_t *parameters, void *userdata);
void on_audit_verify(struct request *request, json_t *parameters, void *userdata);
json_t *status_to_json(struct daemon *d);

/* log.c: to the journal with fields, or to stderr where there is none */
void log_event(int priority, const char *message_id, const char *model, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define log_info(...) log_event(LOG_INFO, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_event(LOG_WARNING, NULL, NULL, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERR, NULL, NULL, __VA_ARGS__)

/* Ids of messages worth searching for: journalctl MESSAGE_ID=... ; chosen at random once. */
#define ID_POLICY_LOADED "f1a0d49d9a044a9ea4b88b3aaf9c5473"
#define ID_POLICY_REFUSED "2e501f8d26a74c6783d81f642de2d9b9"
#define ID_ACTION_FAILED "c8634a69ddf445eb91df6f79f603355c"
#define ID_RESTORED "1163ddeed2ae4112a0c3a33e85027315"
#define ID_CHANGE "54b3c10a8b1d4e44a3a0f5bd3c1c52de"
#define ID_DRIFT "666021ed54414deaa2e01c91552ddcf3"
#define ID_STARVED "f4b8290be02b4064b9bf55fb29157197"
#define ID_DRIFT_LEFT_ALONE "8a8b5445c24f4c0aa0930419a2ecafe8"
#define ID_JOURNAL_PROBLEM "9fca7a3f1c924849904cd90a312b0a8b"

#endif
