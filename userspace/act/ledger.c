/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's file: reads it, tolerates a torn end, appends, rewrites. Does not know how a value
 * is put back.
 *
 *   STATE/ledger {"boot":"..","driver":"systemd","knob":"cpu.weight","id":"412","path":"/x",..}
 *   STATE/ledger.lock  held with flock(2) by whoever may write; the pid in it is for people
 *
 * The lock has a file of its own because the ledger is replaced by rename(2) when entries leave it.
 */
#include "ledger.h"
#include "knob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/file.h>
#include <sys/stat.h>

/* chosen: 100 models with ten knobs each take 300 KB; beyond this the file is not ours */
#define LEDGER_LIMIT_BYTES (64UL * 1024 * 1024)

static const char *const driver_names[N_DRIVERS] = {
	[DRIVER_SYSTEMD] = "systemd",
	[DRIVER_DELEGATED] = "delegated",
};

void entry_fini(struct entry *e)
{
	free(e->path);
	free(e->unit);
	free(e->first);
	free(e->dropin);
	free(e->dropin_before);
	*e = (struct entry){ 0 };
}

/* ---- entries in memory --------------------------------------------------------------------- */

static void entries_fini(struct ledger *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		entry_fini(&l->entries[i]);
	free(l->entries);
	l->entries = NULL;
	l->n = l->max = 0;
}

struct entry *ledger_find(struct ledger *l, enum driver driver, const char *unit,
			  uint64_t cgroup_id, enum knob knob)
{
	for (unsigned int i = 0; i < l->n; i++) {
		struct entry *e = &l->entries[i];

		if (e->driver != driver || e->knob != knob)
			continue;
		if (driver == DRIVER_SYSTEMD ? strcmp(e->unit, unit) == 0
					     : e->cgroup_id == cgroup_id)
			return e;
	}
	return NULL;
}

/* Takes the entry in any case. */
static int entries_put(struct ledger *l, struct entry *take_entry)
{
	struct entry *old = ledger_find(l, take_entry->driver, take_entry->unit,
					take_entry->cgroup_id, take_entry->knob);

	if (old) {
		struct entry replaced = *old;

		*old = *take_entry;
		entry_fini(&replaced);
		return 0;
	}
	if (l->n == l->max) {
		unsigned int max = l->max ? l->max * 2 : 64;
		struct entry *larger = realloc(l->entries, max * sizeof(*larger));

		if (!larger) {
			entry_fini(take_entry);
			return -ENOMEM;
		}
		l->entries = larger;
		l->max = max;
	}
	l->entries[l->n++] = *take_entry;
	return 0;
}

/* ---- one line ------------------------------------------------------------------------------ */

/* What is only observed is never touched, so it cannot be in a ledger. */
static int driver_find(const char *name, enum driver *ret_driver)
{
	for (unsigned int d = DRIVER_OBSERVE + 1; d < N_DRIVERS; d++) {
		if (strcmp(driver_names[d], name) == 0) {
			*ret_driver = (enum driver)d;
			return 0;
		}
	}
	return -EINVAL;
}

/* The line with its newline; NULL without memory or when a path is not UTF-8, which JSON cannot
 * hold. */
static char *entry_print(const struct entry *e, const char *boot)
{
	char id[24], *line = NULL;

	snprintf(id, sizeof(id), "%" PRIu64,
		 e->cgroup_id); /* JavaScript's and jansson's integers end before */
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*}", "boot", boot, "driver",
			  driver_names[e->driver], "knob", knob_table[e->knob].file, "id", id,
			  "path", e->path, "unit", e->unit, "first", e->first, "dropin", e->dropin,
			  "dropin_before", e->dropin_before);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

static char *text_copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* What a line says; strings are borrowed from its JSON. */
struct line {
	const char *boot, *driver, *knob, *id, *path, *unit, *first, *dropin, *dropin_before;
};

static int line_unpack(json_t *object, struct line *ret_line)
{
	struct line l = { 0 };

	if (json_unpack(object, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s?s, s?s}", "boot", &l.boot,
			"driver", &l.driver, "knob", &l.knob, "id", &l.id, "path", &l.path, "unit",
			&l.unit, "first", &l.first, "dropin", &l.dropin, "dropin_before",
			&l.dropin_before) < 0)
		return -EINVAL;
	*ret_line = l;
	return 0;
}

/* 0, -ENOMEM, or -EINVAL for a line that is none of ours. */
static int entry_make(const struct line *l, struct entry *ret_entry)
{
	if (driver_find(l->driver, &ret_entry->driver) < 0 ||
	    knob_find(l->knob, &ret_entry->knob) < 0 ||
	    number_parse(l->id, &ret_entry->cgroup_id) < 0 ||
	    (ret_entry->driver == DRIVER_SYSTEMD && !l->dropin))
		return -EINVAL;
	ret_entry->path = strdup(l->path);
	ret_entry->unit = strdup(l->unit);
	ret_entry->first = strdup(l->first);
	ret_entry->dropin = text_copy(l->dropin);
	ret_entry->dropin_before = text_copy(l->dropin_before);
	if (ret_entry->path && ret_entry->unit && ret_entry->first &&
	    !ret_entry->dropin == !l->dropin && !ret_entry->dropin_before == !l->dropin_before)
		return 0;
	entry_fini(ret_entry);
	return -ENOMEM;
}

/* As entry_make(), or -ESTALE for an entry of another boot. */
static int entry_parse(const char *text, const char *boot, struct entry *ret_entry)
{
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct line line;
	int r = object ? line_unpack(object, &line) : -EINVAL;

	*ret_entry = (struct entry){ 0 };
	if (r == 0)
		r = strcmp(line.boot, boot) == 0 ? entry_make(&line, ret_entry) : -ESTALE;
	json_decref(object);
	return r;
}

/* ---- the file ------------------------------------------------------------------------------ */

static char *ledger_path(const struct ledger *l, const char *suffix)
{
	char *path = NULL;

	return asprintf(&path, "%s/ledger%s", l->directory, suffix) < 0 ? NULL : path;
}

/*
 * Nulls inside and lines that do not parse are skipped like a torn end: what they meant to say
 * cannot be known, and refusing to start would leave the readable entries in force.
 */
static int ledger_parse(struct ledger *l, char *text, size_t length, bool *ret_is_clean)
{
	*ret_is_clean = true;
	for (char *line = text, *end = text + length; line < end;) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		struct entry entry;
		int r = -EINVAL;

		if (newline) {
			*newline = '\0';
			r = entry_parse(line, l->boot, &entry);
		}
		if (r == 0)
			r = entries_put(l, &entry);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			*ret_is_clean = false;
		line = newline ? newline + 1 : end;
	}
	return 0;
}

static int ledger_read(struct ledger *l, bool *ret_is_clean, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *path = ledger_path(l, "");
	size_t length;

	entries_fini(l);
	*ret_is_clean = true;
	if (!path)
		return err_set(e, -ENOMEM, "read the ledger");
	int r = file_read_all(AT_FDCWD, path, LEDGER_LIMIT_BYTES, &text, &length, e);

	if (r == -ENOENT)
		r = 0;
	else if (r == 0 && (r = ledger_parse(l, text, length, ret_is_clean)) < 0)
		err_set(e, r, "read %s", path);
	atomic_store(&l->size, l->n);
	return r;
}

/* The whole ledger as text; NULL without memory. */
static char *ledger_print(const struct ledger *l, size_t *ret_length)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_length);
	bool is_whole = f != NULL;

	for (unsigned int i = 0; i < l->n && is_whole; i++) {
		_cleanup_free_ char *line = entry_print(&l->entries[i], l->boot);

		is_whole = line && fputs(line, f) >= 0;
	}
	if (f && fclose(f) != 0)
		is_whole = false;
	if (!is_whole) {
		free(text);
		return NULL;
	}
	return text;
}

static int ledger_append_open(struct ledger *l, struct err *e)
{
	_cleanup_free_ char *path = ledger_path(l, "");

	if (!path)
		return err_set(e, -ENOMEM, "open the ledger");
	if (l->fd >= 0)
		close(l->fd);
	l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return l->fd < 0 ? err_set(e, -errno, "open %s", path) : 0;
}

static int ledger_rewrite(struct ledger *l, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *path = ledger_path(l, "");
	size_t length;

	text = path ? ledger_print(l, &length) : NULL;
	if (!text)
		return err_set(e, -ENOMEM, "rewrite the ledger");
	int r = file_replace(path, text, length, 0600, e);

	return r < 0 ? r : ledger_append_open(l, e);
}

int ledger_open(struct ledger *l, const char *directory, struct err *e)
{
	_cleanup_free_ char *boot = NULL;
	bool is_clean = true;

	*l = (struct ledger){ .lock_fd = -1, .fd = -1 };
	int r = file_read_all(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &boot, NULL, e);

	if (r < 0)
		return r;
	snprintf(l->boot, sizeof(l->boot), "%.*s", (int)strcspn(boot, "\n"), boot);
	l->directory = strdup(directory);
	if (!l->directory)
		return err_set(e, -ENOMEM, "open the ledger in %s", directory);
	r = directory_make(directory, 0750, e);
	return r < 0 ? r : ledger_read(l, &is_clean, e);
}

void ledger_close(struct ledger *l)
{
	if (!l->directory)
		return;
	entries_fini(l);
	if (l->fd >= 0)
		close(l->fd);
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l->directory);
	*l = (struct ledger){ .lock_fd = -1, .fd = -1 };
}

static int ledger_is_held(int lock_fd, struct err *e)
{
	char pid[16] = "";

	(void)file_reread(lock_fd, pid, sizeof(pid)); /* for the text only */
	pid[strcspn(pid, "\n")] = '\0';
	return err_say(e, -EBUSY,
		       "the ledger is held by process %s, most likely modelgovd; ask the daemon "
		       "(modelgov restore does) or stop it: systemctl stop modelgovd",
		       *pid ? pid : "(unknown)");
}

/* A process that dies gives the lock back, however it dies. */
static int ledger_lock(struct ledger *l, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = ledger_path(l, ".lock");

	if (!path)
		return err_set(e, -ENOMEM, "lock the ledger");
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(e, -errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? ledger_is_held(fd, e)
					    : err_set(e, -errno, "lock %s", path);
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
		/* the pid is for people only, continuing */
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int ledger_own(struct ledger *l, struct err *e)
{
	_cleanup_fd_ int lock_fd = -1;
	bool is_clean = true;

	if (l->lock_fd >= 0)
		return 0;
	int r = ledger_lock(l, &lock_fd, e);

	if (r == 0)
		r = ledger_read(l, &is_clean, e);
	if (r < 0)
		return r;
	/* appending after a torn line would spoil the next one as well */
	r = is_clean ? ledger_append_open(l, e) : ledger_rewrite(l, e);
	if (r < 0)
		return r;
	l->lock_fd = TAKE_FD(lock_fd);
	return 0;
}

/* All lines with one write: what a crash leaves is a prefix. */
static int ledger_append(struct ledger *l, const char *text, size_t length, struct err *e)
{
	off_t before = lseek(l->fd, 0, SEEK_END);
	ssize_t n;

	do
		n = write(l->fd, text, length);
	while (n < 0 && errno == EINTR);
	int r = n < 0 ? -errno : (size_t)n < length ? -ENOSPC : fdatasync(l->fd) < 0 ? -errno : 0;

	if (r == 0)
		return 0;
	/* a half line in front of the next one would spoil it; where even this fails, give the
	 * ledger up */
	if (before < 0 || ftruncate(l->fd, before) < 0) {
		close(l->fd);
		l->fd = -1;
	}
	return err_set(e, r, "append to the ledger in %s", l->directory);
}

int ledger_add(struct ledger *l, struct entry *take_entries, unsigned int n, struct err *e)
{
	struct ledger added = { .entries = take_entries, .n = n };
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r;

	memcpy(added.boot, l->boot, sizeof(added.boot));
	text = ledger_print(&added, &length);
	if (!text)
		r = err_say(e, -EILSEQ,
			    "no memory for the ledger, or a cgroup's path is not UTF-8");
	else if (l->fd >= 0 || (r = ledger_rewrite(l, e)) == 0)
		r = ledger_append(l, text, length, e);
	for (unsigned int i = 0; i < n; i++) {
		if (r < 0)
			entry_fini(&take_entries[i]);
		else if ((r = entries_put(l, &take_entries[i])) < 0)
			err_set(e, r, "keep the ledger");
	}
	atomic_store(&l->size, l->n);
	return r;
}

int ledger_keep(struct ledger *l, const bool *keeps, struct err *e)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < l->n; i++) {
		if (keeps[i])
			l->entries[kept++] = l->entries[i];
		else
			entry_fini(&l->entries[i]);
	}
	if (kept == l->n)
		return 0;
	l->n = kept;
	atomic_store(&l->size, l->n);
	return ledger_rewrite(l, e);
}
