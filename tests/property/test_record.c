/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record: whatever byte of the truth is changed, the audit finds it and names the place; whatever
 * was observed comes back from its JSON as it was.
 */
#include "record_world.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

TestSuite(record_property, .timeout = 300);

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- a small record with everything in it ------------------------------------------------------
 */

static void record_make(struct world *w)
{
	const struct trimming old = {
		.run = 1, .wall_ns = 2000, .before_ns = 500, .limit_bytes = 1ULL << 40
	};
	struct answered a;
	struct store *s;
	struct err e = { 0 };

	world_open(w);
	journal_event(w->journal, 100, "check", json_pack("{s:s}", "model", "ocr"));
	journal_event(w->journal, 101, "noise", json_pack("{s:i}", "n", 1));
	journal_policy(w->journal, 102, &world_policy);
	for (uint64_t i = 1; i <= 3; i++)
		journal_event(w->journal, 102 + i, "noise", json_pack("{s:i}", "n", 2));
	cr_assert_eq(change_keep(w, change_of("{\"refused\":1}", "refused"), "proposed", &a), 1);
	for (uint64_t i = 1; i <= 8; i++)
		world_tick(w, i, 1000 + i);
	cr_assert_eq(generation_keep(w, generation_of("{\"a\":1}"), change_of("{\"a\":1}", "kept"),
				     &a),
		     1);
	cr_assert_eq(generation_keep(w, generation_of("{\"b\":2}"),
				     change_of("{\"b\":2}", "probation"), &a),
		     2);
	world_tick(w, 9, 2000);
	w->plan.n_actions = 0;
	w->now.tick = w->plan.tick = 10;
	journal_tick(w->journal, &world_policy, &w->now, &w->plan);
	world_settle(w);
	world_stop(w);
	cr_assert_eq(store_open(w->directory, false, &s, &e), 0, "%s", e.text);
	cr_assert_eq(store_trim(s, &old, &e), 0, "%s", e.text);
	store_close(s);
}

static sqlite3 *database_open(const struct world *w)
{
	sqlite3 *db;
	char path[128];

	snprintf(path, sizeof(path), "%s/journal.db", w->directory);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "PRAGMA synchronous=OFF", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* "" when the audit finds nothing, else what it finds or why it could not read. */
static const char *audit_says(const struct world *w, char *buf, size_t size)
{
	struct err e = { 0 };
	json_t *report = NULL;

	if (journal_read(w->directory, QUESTION_CHAIN, NULL, &report, &e) < 0)
		snprintf(buf, size, "unreadable: %s", e.text);
	else
		broken_in(report, buf, size);
	json_decref(report);
	return buf;
}

/* ---- one value changed through SQL -------------------------------------------------------------
 */

/* Columns that hold the truth or what is derived from it. places: tables that may be named for it.
 */
static const struct column {
	const char *table, *column, *key, *places;
} columns[] = {
	{ "entry", "seq", "seq", "entry anchor" },
	{ "entry", "wall_ns", "seq", "entry" },
	{ "entry", "run", "seq", "entry" },
	{ "entry", "tick", "seq", "entry" },
	{ "entry", "kind", "seq", "entry anchor" },
	{ "entry", "change", "seq", "entry" },
	{ "entry", "unpacked", "seq", "entry" },
	{ "entry", "body", "seq", "entry anchor" },
	{ "entry", "hash", "seq", "entry" },
	{ "entry", "previous", "seq", "entry" },
	{ "anchor", "seq", "rowid", "anchor entry" },
	{ "anchor", "hash", "rowid", "anchor entry" },
	{ "generation", "number", "number", "generation" },
	{ "generation", "entry", "number", "generation" },
	{ "generation", "digest", "number", "generation" },
	{ "generation", "document", "number", "generation" },
	{ "generation", "canonical", "number", "generation" },
	{ "change", "id", "id", "change" },
	{ "change", "state", "id", "change" },
	{ "change", "digest", "id", "change" },
	{ "change", "document", "id", "change" },
	{ "change", "canonical", "id", "change" },
	{ "action", "entry", "seq", "action" },
	{ "action", "run", "seq", "action" },
	{ "action", "tick", "seq", "action" },
	{ "action", "n", "seq", "action" },
	{ "action", "wall_ns", "seq", "action" },
	{ "action", "model", "seq", "action" },
	{ "action", "cgroup", "seq", "action" },
	{ "action", "knob", "seq", "action" },
	{ "action", "before", "seq", "action" },
	{ "action", "value", "seq", "action" },
	{ "action", "reason", "seq", "action" },
	{ "action", "sentence", "seq", "action" },
	{ "outcome", "entry", "seq", "outcome" },
	{ "outcome", "run", "seq", "outcome" },
	{ "outcome", "tick", "seq", "outcome" },
	{ "outcome", "n", "seq", "outcome" },
	{ "outcome", "wall_ns", "seq", "outcome" },
	{ "outcome", "outcome", "seq", "outcome" },
	{ "outcome", "read_back", "seq", "outcome" },
	{ "outcome", "note", "seq", "outcome" },
};

static sqlite3_stmt *prepared(sqlite3 *db, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static sqlite3_stmt *prepared(sqlite3 *db, const char *format, ...)
{
	char sql[256];
	sqlite3_stmt *statement;
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
		     sqlite3_errmsg(db));
	return statement;
}

/*
 * Everything that the tables say, as one hash. Of a packed body its text: a zlib stream ends in up
 * to seven bits that say nothing.
 */
static void row_add(struct chain_kept *all, sqlite3_stmt *select)
{
	struct err e = { 0 };
	struct link l = { 0 };
	bool is_entry = strstr(sqlite3_sql(select), "FROM entry ");

	if (is_entry)
		cr_assert_eq(link_read(select, &l, &e), 0, "%s", e.text);
	for (int i = 0; i < sqlite3_column_count(select); i++) {
		int type = sqlite3_column_type(select, i);

		kept_add(all, &type, sizeof(type));
		if (is_entry && strcmp(sqlite3_column_name(select, i), "body") == 0)
			kept_add(all, l.body, l.bytes);
		else
			kept_add(all, sqlite3_column_blob(select, i),
				 (size_t)sqlite3_column_bytes(select, i));
	}
	link_fini(&l);
}

static void content_hash(const struct world *w, char ret_hex[HASH_HEX])
{
	static const char *const queries[] = {
		ENTRY_COLUMNS " NOT INDEXED ORDER BY seq",
		"SELECT * FROM anchor",
		"SELECT * FROM generation NOT INDEXED ORDER BY number",
		"SELECT * FROM change NOT INDEXED ORDER BY id",
		"SELECT * FROM action NOT INDEXED ORDER BY seq",
		"SELECT * FROM outcome NOT INDEXED ORDER BY seq",
	};
	sqlite3 *db = database_open(w);
	struct chain_kept all;
	uint64_t n;

	kept_begin(&all);
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		sqlite3_stmt *select = prepared(db, "%s", queries[i]);

		while (sqlite3_step(select) == SQLITE_ROW)
			row_add(&all, select);
		sqlite3_finalize(select);
	}
	kept_end(&all, &n, ret_hex);
	sqlite3_close(db);
}

struct flip {
	const struct column *column;
	int64_t key;
	uint64_t random;
};

/* Binds the column's value of that row with one bit changed; false: it has none. */
static bool flipped_bind(sqlite3_stmt *select, sqlite3_stmt *update, uint64_t random)
{
	int bytes = sqlite3_column_bytes(select, 0), type = sqlite3_column_type(select, 0);
	unsigned char copy[4096];

	if (type == SQLITE_INTEGER)
		return sqlite3_bind_int64(update, 1,
					  sqlite3_column_int64(select, 0) ^
						  (1LL << (random % 62))) == SQLITE_OK;
	if (type == SQLITE_NULL || bytes == 0)
		return false;
	cr_assert_leq((size_t)bytes, sizeof(copy));
	memcpy(copy, sqlite3_column_blob(select, 0), (size_t)bytes);
	copy[random % (uint64_t)bytes] ^= (unsigned char)(1u << (random >> 32) % 8);
	return (type == SQLITE_TEXT
			? sqlite3_bind_text(update, 1, (char *)copy, bytes, SQLITE_TRANSIENT)
			: sqlite3_bind_blob(update, 1, copy, bytes, SQLITE_TRANSIENT)) == SQLITE_OK;
}

/* False when there is nothing to flip, or the tables refuse the new value. */
static bool flip_do(sqlite3 *db, const struct flip *f)
{
	const struct column *c = f->column;
	sqlite3_stmt *select = prepared(db, "SELECT %s FROM %s WHERE %s = %lld", c->column,
					c->table, c->key, (long long)f->key);
	sqlite3_stmt *update = prepared(db, "UPDATE %s SET %s = ?1 WHERE %s = %lld", c->table,
					c->column, c->key, (long long)f->key);
	bool is_done =
		sqlite3_step(select) == SQLITE_ROW && flipped_bind(select, update, f->random);

	sqlite3_finalize(select);
	is_done = is_done && sqlite3_step(update) == SQLITE_DONE;
	sqlite3_finalize(update);
	return is_done;
}

/* before: hash of the content. */
static void flip_check(const struct world *w, const struct flip *f, const char *before)
{
	const struct column *c = f->column;
	char says[1100], table[32] = "", now[HASH_HEX];

	audit_says(w, says, sizeof(says));
	if (!says[0] && strcmp(c->column, "body") == 0) {
		content_hash(w, now);
		if (strcmp(now, before) == 0)
			return; /* a bit that says nothing */
	}
	cr_assert_neq(says[0], '\0', "%s.%s of %s %lld, bits %llx: nothing was found", c->table,
		      c->column, c->key, (long long)f->key, (unsigned long long)f->random);
	sscanf(says, "%31s", table);
	cr_assert_not_null(strstr(c->places, table), "%s.%s of %s %lld: %s", c->table, c->column,
			   c->key, (long long)f->key, says);
}

/* The file as it was made, to begin each try with. */
struct whole {
	char *bytes;
	size_t size;
};

static void path_in(const struct world *w, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", w->directory, name);
}

static void whole_keep(const struct world *w, struct whole *ret_whole)
{
	struct err e = { 0 };
	char path[128];

	path_in(w, "journal.db", path, sizeof(path));
	cr_assert_eq(file_read_all(AT_FDCWD, path, 1 << 24, &ret_whole->bytes, &ret_whole->size,
				   &e),
		     0, "%s", e.text);
}

static void whole_put_back(const struct world *w, const struct whole *whole)
{
	static const char *const beside[] = { "journal.db-wal", "journal.db-shm" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		path_in(w, beside[i], path, sizeof(path));
		(void)unlink(path); /* mostly not there */
	}
	path_in(w, "journal.db", path, sizeof(path));
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	cr_assert_eq(write(fd, whole->bytes, whole->size), (ssize_t)whole->size);
}

Test(record_property, each_column_of_the_truth_is_vouched_for)
{
	uint64_t random = 20260101;
	unsigned int n_flips = 0;
	struct world w;
	struct whole whole;
	char says[1100], before[HASH_HEX];

	record_make(&w);
	cr_assert_str_eq(audit_says(&w, says, sizeof(says)), "", "%s", says);
	content_hash(&w, before);
	whole_keep(&w, &whole);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		unsigned int n = 0;

		for (unsigned int try = 0; try < 200 && n < 8; try++) {
			sqlite3 *db = database_open(&w);
			struct flip f = { &columns[i], 1 + (int64_t)(random_next(&random) % 32),
					  random_next(&random) };
			bool is_done = flip_do(db, &f);

			sqlite3_close(db);
			if (!is_done)
				continue;
			flip_check(&w, &f, before);
			whole_put_back(&w, &whole);
			n++;
		}
		cr_assert_gt(n, 0, "%s.%s was never flipped", columns[i].table, columns[i].column);
		n_flips += n;
	}
	cr_assert_gt(n_flips, 200);
	free(whole.bytes);
	world_close(&w);
}

Test(record_property, a_row_that_is_gone_is_missed)
{
	static const char *const rows[][2] = { { "entry", "seq" },   { "generation", "number" },
					       { "change", "id" },   { "action", "seq" },
					       { "outcome", "seq" }, { "anchor", "rowid" } };
	struct world w;
	struct whole whole;
	char says[1100];

	record_make(&w);
	whole_keep(&w, &whole);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int64_t key = 1; key < 40; key++) {
			sqlite3 *db = database_open(&w);
			sqlite3_stmt *remove = prepared(db,
							"DELETE FROM %s WHERE %s = %lld AND (%d OR "
							"%s < (SELECT max(%s) FROM %s))",
							rows[i][0], rows[i][1], (long long)key,
							i > 0, rows[i][1], rows[i][1], rows[i][0]);
			int r = sqlite3_step(remove), n = sqlite3_changes(db);

			cr_assert_eq(r, SQLITE_DONE);
			sqlite3_finalize(remove);
			sqlite3_close(db);
			if (n == 0)
				continue;
			cr_assert_neq(audit_says(&w, says, sizeof(says))[0], '\0',
				      "%s %lld is gone and nobody misses it", rows[i][0],
				      (long long)key);
			whole_put_back(&w, &whole);
		}
	free(whole.bytes);
	world_close(&w);
}

Test(record_property, a_row_that_no_entry_tells_of_is_found)
{
	struct world w;
	char says[1100];

	record_make(&w);
	sqlite3 *db = database_open(&w);

	cr_assert_eq(sqlite3_exec(db,
				  "INSERT INTO action(entry, run, tick, n, wall_ns, model, cgroup,"
				  " knob, reason, sentence) SELECT max(seq), 1, 1, 0, 1, 'm', '/',"
				  " 'k', 'r', 's' FROM entry WHERE kind = 'tick'",
				  NULL, NULL, NULL),
		     SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	cr_assert_not_null(strstr(audit_says(&w, says, sizeof(says)), "which tells of none"), "%s",
			   says);
	world_close(&w);
}

/* ---- one byte of the file changed --------------------------------------------------------------
 */

static void byte_flip(const struct world *w, uint64_t random, size_t *ret_offset)
{
	char path[128];
	struct stat st;
	unsigned char byte;

	snprintf(path, sizeof(path), "%s/journal.db", w->directory);
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	*ret_offset = random % (uint64_t)st.st_size;
	cr_assert_eq(pread(fd, &byte, 1, (off_t)*ret_offset), 1);
	byte ^= (unsigned char)(1u << (random >> 40) % 8);
	cr_assert_eq(pwrite(fd, &byte, 1, (off_t)*ret_offset), 1);
}

Test(record_property, a_flipped_byte_of_the_file_is_found_or_said_nothing)
{
	char before[HASH_HEX], now[HASH_HEX], says[1100];
	uint64_t random = 987654321;
	unsigned int n_found = 0, n_idle = 0;
	struct world w;
	struct whole whole;

	record_make(&w);
	whole_keep(&w, &whole);
	content_hash(&w, before);
	for (int i = 0; i < 1500; i++) {
		size_t offset;

		whole_put_back(&w, &whole);
		byte_flip(&w, random_next(&random), &offset);
		if (audit_says(&w, says, sizeof(says))[0]) {
			n_found++;
			continue;
		}
		n_idle++;
		content_hash(&w, now);
		cr_assert_str_eq(now, before, "byte %zu changed what the record says, unnoticed",
				 offset);
	}
	fprintf(stderr, "of 1500 flipped bytes %u were found, %u lay in unused space\n", n_found,
		n_idle);
	cr_assert_gt(n_found, 50);
	free(whole.bytes);
	world_close(&w);
}

/* ---- forms ------------------------------------------------------------------------------------
 */

/* Small, large, missing or unlimited. */
static uint64_t value_random(uint64_t *random)
{
	switch (random_next(random) % 8) {
	case 0:
		return MISSING;
	case 1:
		return VALUE_MAX;
	case 2:
		return 0;
	case 3:
		return random_next(random) >> 1;
	default:
		return random_next(random) % 1000000000;
	}
}

static void reading_random(struct model_reading *r, const struct model *m, uint64_t *random)
{
	uint64_t *all = &r->waits;

	/* every uint64_t between objectives and the end, culprit set apart below */
	for (size_t i = 0; i < (sizeof(*r) - offsetof(struct model_reading, waits)) / 8; i++)
		all[i] = value_random(random);
	for (unsigned int i = 0; i < MAX_OBJECTIVES; i++)
		r->objectives[i] = i < m->n_objectives ? (struct reading){ value_random(random),
									   value_random(random) }
						       : (struct reading){ MISSING, MISSING };
	r->culprit = random_next(random) % 3 ? (uint32_t)(random_next(random) % 2) : MODEL_NONE;
}

static void observation_random(struct observation *now, struct target *targets, uint64_t *random)
{
	static const char *const paths[] = { "/a", "/system.slice/ocr.service", "/ä \"b\\" };
	uint64_t *host = (uint64_t *)&now->host;

	now->tick = random_next(random) >> 1;
	now->taken_ns = random_next(random) >> 1;
	now->wall_ns = random_next(random) >> 1;
	now->span_ns = random_next(random) >> 1;
	now->is_busy = random_next(random) % 2;
	for (size_t i = 0; i < sizeof(now->host) / 8; i++)
		host[i] = value_random(random);
	for (uint32_t i = 0; i < now->n_models; i++)
		reading_random(&now->models[i], &world_models[i], random);
	now->n_targets = (uint32_t)(random_next(random) % 6);
	for (uint32_t i = 0; i < now->n_targets; i++) {
		struct target *t = &targets[i];

		*t = (struct target){ .cgroup_id = 10 + i,
				      .model = i * 2 / MAX(now->n_targets, 1u),
				      .knobs = (uint32_t)(random_next(random) % 256),
				      .driver = (enum driver)(random_next(random) % N_DRIVERS),
				      .path = paths[random_next(random) % 3],
				      .unit = i % 2 ? "ocr.service" : "" };
		for (unsigned int k = 0; k < N_KNOBS; k++) {
			t->values[k] = value_random(random);
			t->written[k] = value_random(random);
		}
	}
	now->n_intrusions = (uint32_t)(random_next(random) % 4);
	for (uint32_t i = 0; i < now->n_intrusions; i++)
		now->intrusions[i] = (struct intrusion){
			.cgroup_id = random_next(random) >> 1,
			.knob = (enum knob)(random_next(random) % N_KNOBS),
			.writer = { .kind = (enum writer_kind)(random_next(random) % N_WRITERS),
				    .pid = (uint32_t)random_next(random),
				    .comm = "podman \"1\"" }
		};
}

static void intrusion_compare(const struct intrusion *a, const struct intrusion *b)
{
	cr_assert_eq(a->cgroup_id, b->cgroup_id);
	cr_assert_eq(a->knob, b->knob);
	cr_assert_eq(a->writer.kind, b->writer.kind);
	cr_assert_eq(a->writer.pid, b->writer.pid);
	cr_assert_str_eq(a->writer.comm, b->writer.comm);
}

static void target_compare(const struct target *a, const struct target *b)
{
	cr_assert_eq(a->cgroup_id, b->cgroup_id);
	cr_assert_eq(a->model, b->model);
	cr_assert_eq(a->knobs, b->knobs);
	cr_assert_eq(a->driver, b->driver);
	cr_assert_str_eq(a->path, b->path);
	cr_assert_str_eq(a->unit, b->unit);
	cr_assert_eq(memcmp(a->values, b->values, sizeof(a->values)), 0);
	cr_assert_eq(memcmp(a->written, b->written, sizeof(a->written)), 0);
}

/* Fields one by one where there is padding, whole where there is none. */
static void observation_compare(const struct observation *a, const struct observation *b)
{
	cr_assert_eq(a->tick, b->tick);
	cr_assert_eq(a->taken_ns, b->taken_ns);
	cr_assert_eq(a->wall_ns, b->wall_ns);
	cr_assert_eq(a->span_ns, b->span_ns);
	cr_assert_eq(a->is_busy, b->is_busy);
	cr_assert_eq(memcmp(&a->host, &b->host, sizeof(a->host)), 0);
	cr_assert_eq(a->n_models, b->n_models);
	cr_assert_eq(a->n_targets, b->n_targets);
	for (uint32_t i = 0; i < a->n_models; i++) {
		struct model_reading x, y;

		memcpy(&x, &a->models[i], sizeof(x));
		memcpy(&y, &b->models[i], sizeof(y));
		cr_assert_eq(x.culprit, y.culprit);
		/* the padding behind culprit, which no field holds */
		memset((char *)&x.culprit, 0,
		       offsetof(struct model_reading, culprit_permyriad) -
			       offsetof(struct model_reading, culprit));
		memset((char *)&y.culprit, 0,
		       offsetof(struct model_reading, culprit_permyriad) -
			       offsetof(struct model_reading, culprit));
		cr_assert_eq(memcmp(&x, &y, sizeof(x)), 0, "model %u", i);
	}
	for (uint32_t i = 0; i < a->n_targets; i++)
		target_compare(&a->targets[i], &b->targets[i]);
	cr_assert_eq(a->n_intrusions, b->n_intrusions);
	for (uint32_t i = 0; i < a->n_intrusions; i++)
		intrusion_compare(&a->intrusions[i], &b->intrusions[i]);
}

Test(record_property, an_observation_comes_back_from_its_json_as_it_was)
{
	struct model_reading readings[2];
	struct target targets[6];
	struct intrusion intrusions[4];
	uint64_t random = 42;
	struct arena arena;
	struct err e = { 0 };

	arena_init(&arena);
	for (int i = 0; i < 500; i++) {
		struct observation now = { .n_models = 2,
					   .models = readings,
					   .targets = targets,
					   .intrusions = intrusions };
		struct observation *back = NULL;

		memset(readings, 0, sizeof(readings));
		observation_random(&now, targets, &random);
		json_t *form = observation_to_json(&world_policy, &now);
		_cleanup_free_ char *text = json_dumps(form, JSON_COMPACT | JSON_SORT_KEYS);
		json_t *parsed = json_loads(text, 0, NULL);

		cr_assert_eq(observation_from_json(parsed, &world_policy, &arena, &back, &e), 0,
			     "%s", e.text);
		observation_compare(&now, back);
		json_decref(form);
		json_decref(parsed);
		arena_reset(&arena);
	}
	arena_fini(&arena);
}
