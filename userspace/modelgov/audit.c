/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov audit`: is the record whole, what does it say of a time, how did a change come about.
 * Only reads and prints; the judging of the chain is record's.
 */
#include "command.h"
#include "print.h"

#include <time.h>

/* ---- verify -----------------------------------------------------------------------------------
 */

/* The id is in record.pub too: the copy of it that the auditor has is the one that counts. */
static void sealed_print(const json_t *sealed)
{
	int64_t checkpoints = 0, last = 0, keys = 0;

	(void)number_of(sealed, "checkpoints", &checkpoints);
	(void)number_of(sealed, "last", &last);
	(void)number_of(sealed, "keys", &keys);
	printf("signed: %" PRIi64 " checkpoints, the last is entry %" PRIi64 ", by key %s",
	       checkpoints, last, text_of(sealed, "key"));
	if (keys > 1)
		printf(" (the key changed %" PRIi64 " times)", keys - 1);
	putchar('\n');
}

static int report_print(const json_t *report)
{
	const json_t *broken = json_object_get(report, "broken");
	int64_t entries = 0, generations = 0, seq = 0;

	(void)number_of(report, "entries", &entries);
	(void)number_of(report, "generations", &generations);
	if (json_is_object(broken)) {
		(void)number_of(broken, "seq", &seq);
		line_print(0, "BROKEN: %s %" PRIi64 ": %s", text_of(broken, "table"), seq,
			   text_of(broken, "what"));
		printf("%" PRIi64 " entries before it are whole\n", entries);
		return EXIT_FAILED;
	}
	const json_t *sealed = json_object_get(report, "sealed");

	printf("whole: %" PRIi64 " entries, %" PRIi64 " generations\nhead: %s\n", entries,
	       generations, text_of(report, "head"));
	if (json_is_object(sealed))
		sealed_print(sealed);
	return EXIT_OK;
}

static int audit_verify(const struct cli *cli, const char *unused)
{
	json_t *report = NULL;
	int status = record_ask(cli, QUESTION_CHAIN, json_object(), &report);

	if (status)
		return status;
	if (!cli->is_json) {
		status = report_print(report);
		json_decref(report);
		return status;
	}
	status = json_is_object(json_object_get(report, "broken")) ? EXIT_FAILED : EXIT_OK;
	return json_print(report) ? EXIT_FAILED : status;
}

/* ---- export -----------------------------------------------------------------------------------
 */

/* "2026-01-31T12:00:03Z", parts from the right may be missing: UTC. */
static bool instant_parse(const char *text, uint64_t *ret_ns)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S",
					     "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm parts = { 0 };
		const char *end = strptime(text, forms[i], &parts);
		time_t seconds;

		if (!end || *end || (seconds = timegm(&parts)) < 0)
			continue;
		*ret_ns = (uint64_t)seconds * NSEC_PER_SEC;
		return true;
	}
	return false;
}

/* An instant, or so long ago. NULL: otherwise. */
static int time_argument(const char *text, const char *option, uint64_t otherwise, uint64_t *ret_ns)
{
	uint64_t now_ns = clock_realtime_ns(), ago_ns;

	*ret_ns = otherwise;
	if (!text || instant_parse(text, ret_ns))
		return EXIT_OK;
	if (duration_parse(text, &ago_ns) == 0 && ago_ns <= now_ns) {
		*ret_ns = now_ns - ago_ns;
		return EXIT_OK;
	}
	complain("%s %s is neither a time in UTC like 2026-01-31T12:00:00Z nor one so long ago "
		 "like 2h",
		 option, text);
	return EXIT_USAGE;
}

static int object_print(const char *type, json_t *take_object)
{
	_cleanup_free_ char *text = NULL;

	json_object_set_new(take_object, "type", json_string(type));
	text = json_dumps(take_object, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(take_object);
	if (!text) {
		complain("an entry could not be put into JSON");
		return EXIT_FAILED;
	}
	puts(text);
	return EXIT_OK;
}

/* One page; the digests that its entries name are added to digests. *after: the last seq. */
static int page_export(json_t *page, json_t *digests, int64_t *after)
{
	json_t *entry;
	size_t i;

	json_array_foreach(page, i, entry) {
		const char *digest = text_of(json_object_get(entry, "body"), "digest");

		(void)number_of(entry, "seq", after);
		if (*digest)
			json_object_set_new(digests, digest, json_true());
		if (object_print("entry", json_incref(entry)))
			return EXIT_FAILED;
	}
	return EXIT_OK;
}

static int entries_export(const struct cli *cli, uint64_t from_ns, uint64_t to_ns, json_t *digests)
{
	int64_t after = 0;

	for (;;) {
		json_t *page = NULL;
		int status = record_ask(cli, QUESTION_ENTRIES,
					json_pack("{s:I, s:I, s:I}", "from_ns", (json_int_t)from_ns,
						  "to_ns", (json_int_t)to_ns, "after",
						  (json_int_t)after),
					&page);
		size_t n = json_array_size(page);

		if (!status)
			status = page_export(page, digests, &after);
		json_decref(page);
		if (status || n == 0)
			return status;
	}
}

static int generation_export(const struct cli *cli, int64_t number)
{
	json_t *whole = NULL;
	int status = record_ask(cli, QUESTION_GENERATION,
				json_pack("{s:I}", "number", (json_int_t)number), &whole);

	return status ? status : object_print("generation", whole);
}

/* Those whose policy an entry names, oldest first. */
static int generations_export(const struct cli *cli, const json_t *digests)
{
	json_t *history = NULL;
	int status =
		record_ask(cli, QUESTION_HISTORY, json_pack("{s:i}", "limit", INT32_MAX), &history);

	for (size_t i = json_array_size(history); i-- > 0 && !status;) {
		const json_t *one = json_array_get(history, i);
		int64_t number = 0;

		if (number_of(one, "number", &number) &&
		    json_object_get(digests, text_of(one, "digest")))
			status = generation_export(cli, number);
	}
	json_decref(history);
	return status;
}

static int audit_export(const struct cli *cli, const char *unused)
{
	json_t *digests;
	uint64_t from_ns, to_ns;
	int status = time_argument(cli->from, "--from", 0, &from_ns);

	if (!status)
		status = time_argument(cli->to, "--to", INT64_MAX, &to_ns);
	if (status)
		return status;
	if (from_ns > to_ns) {
		complain("--from %s is after --to %s", cli->from ? cli->from : "-", cli->to);
		return EXIT_USAGE;
	}
	digests = json_object();
	status = entries_export(cli, from_ns, to_ns, digests);
	if (!status)
		status = generations_export(cli, digests);
	json_decref(digests);
	return status;
}

/* ---- show -------------------------------------------------------------------------------------
 */

/* What somebody did, as the end of "ada ...". A request that was refused tells what was asked for.
 */
static void verb_print(const char *step, const char *asked, char *buf, size_t size)
{
	static const char *const verbs[][2] = {
		{ "proposed", "proposed it" },         { "gated", "ran its gates" },
		{ "approved", "approved it" },         { "applied", "applied it" },
		{ "generation", "put it into force" }, { "kept", "kept it" },
		{ "rolled_back", "took it back" },     { "withdrawn", "withdrew it" },
		{ "superseded", "set it aside" },
	};

	if (strcmp(step, "refused") == 0)
		snprintf(buf, size, "asked to %s it and was refused", asked);
	else
		snprintf(buf, size, "noted \"%s\"", step);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i][0], step) == 0)
			snprintf(buf, size, "%s", verbs[i][1]);
}

/* Everything that was noted of the step beside who and the reason that was told, a line each. */
static void details_print(const json_t *details, const char *reason)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)details, key, value) {
		_cleanup_free_ char *text = NULL;

		/* modelgovd itself has no user: -1 */
		if (strcmp(key, "who") == 0 || strcmp(key, reason) == 0 || json_is_null(value) ||
		    (strcmp(key, "uid") == 0 && json_integer_value(value) < 0))
			continue;
		text = json_is_string(value)
			       ? strdup(json_string_value(value))
			       : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
		if (text && *text)
			line_print(6, "%s: %s", key, text);
	}
}

static void step_print(const json_t *entry)
{
	const json_t *body = json_object_get(entry, "body");
	const json_t *details = json_object_get(body, "details");
	const char *reason = *text_of(details, "problem") ? "problem" : "why";
	const char *who = text_of(details, "who"), *why = text_of(details, reason);
	int64_t wall_ns = 0, seq = 0, number;
	char when[32], as[48] = "", verb[96];

	(void)number_of(entry, "wall_ns", &wall_ns);
	(void)number_of(entry, "seq", &seq);
	if (number_of(json_object_get(body, "generation"), "number", &number))
		snprintf(as, sizeof(as), " as generation %" PRIi64, number);
	verb_print(text_of(body, "step"), text_of(details, "asked"), verb, sizeof(verb));
	line_print(2, "%s  %s %s%s%s%s. It is %s. (entry %" PRIi64 ")",
		   time_print(wall_ns, when, sizeof(when)), *who ? who : "modelgovd", verb, as,
		   *why ? ": " : "", why, text_of(body, "state"), seq);
	details_print(details, reason);
}

static void change_print(const json_t *change)
{
	const json_t *document = json_object_get(change, "document"), *entry;
	int64_t id = 0;
	size_t i;

	(void)number_of(document, "id", &id);
	line_print(0, "Change %" PRIi64 " by %s: %s%s%s%s", id, text_of(document, "author"),
		   text_of(document, "reason"), *text_of(document, "ticket") ? " (" : "",
		   text_of(document, "ticket"), *text_of(document, "ticket") ? ")" : "");
	line_print(0, "Its policy is %s; it is %s.", text_of(document, "digest"),
		   text_of(document, "state"));
	json_array_foreach(json_object_get(change, "entries"), i, entry)
		step_print(entry);
}

static int audit_show(const struct cli *cli, const char *text)
{
	json_t *change = NULL;
	uint64_t id;
	int status = number_argument(text, "change", &id);

	if (!status)
		status = record_ask(cli, QUESTION_CHANGE, json_pack("{s:I}", "id", (json_int_t)id),
				    &change);
	if (status)
		return status;
	if (cli->is_json)
		return json_print(change);
	change_print(change);
	json_decref(change);
	return EXIT_OK;
}

/* ---- which ------------------------------------------------------------------------------------
 */

int audit_run(const struct cli *cli, int argc, char **argv)
{
	static const struct {
		const char *name;
		int n_arguments;
		int (*run)(const struct cli *cli, const char *argument);
	} parts[] = { { "verify", 0, audit_verify },
		      { "export", 0, audit_export },
		      { "show", 1, audit_show } };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strcmp(parts[i].name, argv[0]) != 0)
			continue;
		if (argc - 1 != parts[i].n_arguments) {
			complain("audit %s takes %s", argv[0],
				 parts[i].n_arguments ? "the number of a change" : "no argument");
			return EXIT_USAGE;
		}
		return parts[i].run(cli, argc > 1 ? argv[1] : NULL);
	}
	complain("audit %s: it can verify, export or show; see modelgov help audit", argv[0]);
	return EXIT_USAGE;
}
