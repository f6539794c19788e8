/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps: how a step goes on and ends, for the two files that do steps.
 */
#ifndef MODELGOV_CHANGE_STEPS_H
#define MODELGOV_CHANGE_STEPS_H

#include "room.h"

int step_copy(struct step *s, struct err *e);
json_t *step_details(const struct step *s);
json_t *change_to_answer(const struct change *c); /* without canonical */
void step_tell(const struct step *s, const char *name, const json_t *document);
void step_refuse(struct step *s, const struct err *e);
void step_end(struct step *s, json_t *take_document, const char *problem);

int propose_run(struct step *s, struct err *e);

/* into_force.c */
int apply_run(struct step *s, struct err *e);
int undo_run(struct step *s, struct err *e);
int return_run(struct step *s, struct err *e);

#endif
