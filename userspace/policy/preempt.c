/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who takes from whom: experiments never from production, whatever their manifests say. Rules of
 * preemption that merely do nothing are futile.c's.
 */
#include "checker.h"

#include "knob.h"

static bool is_experiment(const struct model *m)
{
	return m->stage == STAGE_EXPERIMENT || m->class == CLASS_EXPERIMENT;
}

const char *classes_text(const struct checker *c, uint32_t classes)
{
	const char *text = "";

	for (unsigned int i = 0; i < N_CLASSES && text; i++)
		if (classes & 1u << i)
			text = arena_printf(c->scratch, "%s%s%s", text, *text ? ", " : "",
					    class_name(i));
	return text ? text : "?";
}

static void experiment_check(const struct checker *c, uint32_t model)
{
	const struct model *m = &c->policy->models[model];
	uint32_t production = m->preemption.may & ~(1u << CLASS_EXPERIMENT);

	if (production)
		check_error(c, model, "preemption.may",
			    "an experiment must not take from production (%s); write [experiment], "
			    "or leave the key out",
			    classes_text(c, production));
	if (m->stage == STAGE_EXPERIMENT && m->class < CLASS_BATCH)
		check_error(c, model, "resources.class",
			    "%s puts an experiment before production; with stage: experiment write "
			    "experiment or batch",
			    class_name(m->class));
}

void preemption_check(const struct checker *c)
{
	for (uint32_t i = 0; i < c->policy->n_models; i++)
		if (is_experiment(&c->policy->models[i]))
			experiment_check(c, i);
}
