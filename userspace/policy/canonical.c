/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as one JSON text that does not depend on how it was written, and its digest. Integers
 * in base units; a knob that is not governed is left out; no limit is "max", because JSON has no
 * such number.
 */
#include "canonical.h"

#include "keys.h"
#include "knob.h"

#include <jansson.h>
#include <sodium.h>

static json_t *host_to_json(const struct host_policy *h)
{
	return json_pack("{s:s, s:I, s:{s:I, s:I}}", "mode",
			 h->mode == MODE_ENFORCE ? "enforce" : "observe", "tick_ns",
			 (json_int_t)h->tick_ns, "journal", "retention_ns",
			 (json_int_t)h->retention_ns, "limit_bytes",
			 (json_int_t)h->journal_limit_bytes);
}

static json_t *names_to_json(const char *const *names, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(names[i])) < 0)
			return json_decref(list), NULL;
	return list;
}

static json_t *labels_to_json(const struct model *m)
{
	json_t *labels = json_object();

	for (unsigned int i = 0; i < m->n_labels; i++)
		if (json_object_set_new(labels, m->labels[i].key, json_string(m->labels[i].value)) <
		    0)
			return json_decref(labels), NULL;
	return labels;
}

static json_t *objectives_to_json(const struct model *m)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < m->n_objectives; i++) {
		const struct objective *o = &m->objectives[i];
		json_t *item =
			json_pack("{s:s, s:I, s:I, s:I}", "indicator", indicator_name(o->indicator),
				  "quantile_permyriad", (json_int_t)o->quantile_permyriad, "budget",
				  (json_int_t)o->budget, "window_ns", (json_int_t)o->window_ns);

		if (json_array_append_new(list, item) < 0)
			return json_decref(list), NULL;
	}
	return list;
}

static json_t *values_to_json(const struct model *m)
{
	json_t *values = json_object();

	for (int i = 0; i < N_KNOBS; i++) {
		uint64_t value = m->values[i];

		if (value == MISSING)
			continue;
		if (json_object_set_new(values, knob_table[i].file,
					value == VALUE_MAX ? json_string("max")
							   : json_integer((json_int_t)value)) < 0)
			return json_decref(values), NULL;
	}
	return values;
}

static json_t *model_to_json(const struct model *m)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:i, s:I, s:I, s:o}", "name",
			 m->name, "version", m->version, "owner", m->owner, "labels",
			 labels_to_json(m), "units", names_to_json(m->units, m->n_units), "cgroups",
			 names_to_json(m->cgroups, m->n_cgroups), "objectives",
			 objectives_to_json(m), "class", class_name(m->class), "priority",
			 (int)m->priority, "cpu_reserved_millicpu",
			 (json_int_t)m->cpu_reserved_millicpu, "cpu_floor_permyriad",
			 (json_int_t)m->cpu_floor_permyriad, "values", values_to_json(m));
}

char *policy_canonical(const struct policy *p)
{
	json_t *models = json_array();
	json_t *whole = json_pack("{s:s, s:o, s:o}", "apiVersion", API_VERSION, "host",
				  host_to_json(&p->host), "models", models);
	char *text = NULL;
	bool is_whole = whole != NULL;

	for (unsigned int i = 0; i < p->n_models && is_whole; i++)
		is_whole = json_array_append_new(models, model_to_json(&p->models[i])) == 0;
	if (is_whole)
		text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(whole); /* NULL is fine; a failed json_pack() has dropped what it was given */
	return text;
}

int policy_digest(struct policy *p)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	_cleanup_free_ char *text = policy_canonical(p);

	_Static_assert(sizeof(p->digest) == crypto_hash_sha256_BYTES * 2 + 1, "room for the hex");
	if (!text)
		return -ENOMEM;
	if (sodium_init() < 0)
		return -EIO;
	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(p->digest, sizeof(p->digest), hash, sizeof(hash));
	return 0;
}
