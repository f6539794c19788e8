/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads, attaches and pins the run-queue sampler, or takes over the one that an earlier process left
 * pinned. Only knows the object's shape; probes.c fills it with models and reads it.
 */
#include "sampler.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "runqueue.skel.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
#define ASSIGNMENTS_SPARE 1024 /* chosen: cgroups besides 8 a model; an entry costs 72 bytes */
#define CULPRITS_MAX 16384u    /* chosen: pairs that met; all of 126 models, 1.5 MiB */
#define LOG_SIZE (256UL * 1024) /* the verifier's words, needed only when it refuses */

static const char *const map_names[N_SAMPLER_MAPS] = {
#define X(name, is_mapped) [SAMPLER_##name] = #name,
	SAMPLER_MAPS(X)
#undef X
};

static const bool map_is_mapped[N_SAMPLER_MAPS] = {
#define X(name, is_mapped) [SAMPLER_##name] = is_mapped,
	SAMPLER_MAPS(X)
#undef X
};

/* libbpf prints to stderr by itself; here errors are returned. */
static void cleanup_print(libbpf_print_fn_t *before)
{
	(void)libbpf_set_print(*before);
}

#define _quiet_libbpf_                                                                            \
	_cleanup_(cleanup_print) __attribute__((unused)) libbpf_print_fn_t print_before =         \
		libbpf_set_print(NULL)

/* ---- shape ------------------------------------------------------------------------------------- */

/* Which program text this is (FNV-1a): a pinned one of another build is not ours to take over. */
static uint64_t object_fingerprint(void)
{
	size_t size;
	const unsigned char *bytes = runqueue_bpf__elf_bytes(&size);
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

static const char *pin_join(const struct sampler *s, const char *name, const char *suffix,
			    char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s%s", s->pin_path, name, suffix);
	return buf;
}

static int map_memory(struct sampler *s, enum sampler_map i, void **ret_memory, struct err *e)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(s->fds[i], &info, &length) < 0)
		return err_set(e, -errno, "ask about BPF map %s", map_names[i]);

	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)info.value_size * info.max_entries;

	size = (size + page - 1) / page * page;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fds[i], 0);

	if (memory == MAP_FAILED)
		return err_set(e, -errno, "map BPF map %s into memory", map_names[i]);
	s->sizes[i] = size;
	*ret_memory = memory; /* NOLINT(gcc-null-dereference): each map of map_is_mapped has a place */
	return 0;
}

static void **memory_place(struct sampler *s, enum sampler_map i)
{
	switch (i) {
	case SAMPLER_models:
		return (void **)&s->models;
	case SAMPLER_wait_totals:
		return (void **)&s->totals;
	case SAMPLER_wait_histograms:
		return (void **)&s->histograms;
	case SAMPLER_drops:
		return (void **)&s->drops;
	case SAMPLER_cpus:
		return (void **)&s->cpus;
	case SAMPLER_layout:
		return (void **)&s->layout;
	default:
		return NULL;
	}
}

static int sampler_map_all(struct sampler *s, struct err *e)
{
	for (int i = 0; i < N_SAMPLER_MAPS; i++) {
		int r = map_is_mapped[i] ? map_memory(s, i, memory_place(s, i), e) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static void sampler_release(struct sampler *s)
{
	for (int i = 0; i < N_SAMPLER_MAPS; i++) {
		void **place = memory_place(s, i);

		if (place && *place)
			munmap(*place, s->sizes[i]);
		if (place)
			*place = NULL;
		if (s->fds[i] >= 0)
			close(s->fds[i]);
		s->fds[i] = -1;
	}
	runqueue_bpf__destroy(s->object);
	s->object = NULL;
}

/* ---- loading ----------------------------------------------------------------------------------- */

/* Does this kernel note when a task was queued (CONFIG_SCHED_INFO)? */
static int kernel_stamps_queued(bool *ret_stamps, struct err *e)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return err_set(e, -errno, "read the kernel's types from " KERNEL_BTF);
	*ret_stamps = false;

	__s32 id = btf__find_by_name_kind(btf, "sched_info", BTF_KIND_STRUCT);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		if (name && strcmp(name, "last_queued") == 0)
			*ret_stamps = true;
	}
	btf__free(btf);
	return 0;
}

static int object_size(struct runqueue_bpf *o, __u32 slots, __u32 cpus)
{
	const struct {
		struct bpf_map *map;
		__u32 n;
	} sizes[] = {
		{ o->maps.models, slots },
		{ o->maps.assignments, slots * 8 + ASSIGNMENTS_SPARE },
		{ o->maps.wait_totals, slots * cpus },
		{ o->maps.wait_histograms, slots * cpus },
		{ o->maps.culprits, slots < 128 ? slots * slots : CULPRITS_MAX },
		{ o->maps.drops, cpus },
		{ o->maps.cpus, cpus },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && r == 0; i++)
		r = bpf_map__set_max_entries(sizes[i].map, sizes[i].n);
	return r;
}

/* The verifier's last word before its statistics, or "". */
static const char *log_conclusion(char *log)
{
	char *conclusion = "", *rest = log;

	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line && strncmp(line, "processed ", 10) != 0 &&
		    strncmp(line, "verification time", 17) != 0 &&
		    strncmp(line, "stack depth", 11) != 0)
			conclusion = line;
	return conclusion;
}

static int load_error(struct err *e, int r, char *log)
{
	const char *conclusion = log_conclusion(log);

	if (r == -EPERM || r == -EACCES)
		return err_say(e, r, "the kernel refuses to load the BPF sampler; needs root (CAP_BPF, "
				     "CAP_PERFMON)%s%s", *conclusion ? ": " : "", conclusion);
	return err_set(e, r, "load the BPF sampler%s%s%s", *conclusion ? " (" : "", conclusion,
		       *conclusion ? ")" : "");
}

static int object_load(struct sampler *s, __u32 slots, __u32 cpus, struct err *e)
{
	_cleanup_free_ char *log = calloc(1, LOG_SIZE);
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log,
		    .kernel_log_size = log ? LOG_SIZE : 0);
	bool kernel_stamps = true;

	if (access(KERNEL_BTF, R_OK) < 0)
		return err_say(e, -EOPNOTSUPP, "this kernel does not describe its types in " KERNEL_BTF
					       "; use one built with CONFIG_DEBUG_INFO_BTF=y");
	int r = kernel_stamps_queued(&kernel_stamps, e);

	if (r < 0)
		return r;
	s->object = runqueue_bpf__open_opts(&options);
	if (!s->object)
		return err_set(e, -errno, "open the BPF sampler");
	s->object->rodata->stamps_itself = !kernel_stamps;
	r = object_size(s->object, slots, cpus);
	if (r == 0)
		r = bpf_map__set_autocreate(s->object->maps.stamps, !kernel_stamps);
	if (r == 0)
		r = bpf_program__set_autoload(s->object->progs.on_wakeup, !kernel_stamps);
	if (r == 0)
		r = bpf_program__set_autoload(s->object->progs.on_wakeup_new, !kernel_stamps);
	if (r == 0)
		r = runqueue_bpf__load(s->object);
	return r < 0 ? load_error(e, r, log ? log : (char[]){ "" }) : 0;
}

static int object_fds(struct sampler *s, struct err *e)
{
	struct bpf_map *const maps[N_SAMPLER_MAPS] = {
		[SAMPLER_models] = s->object->maps.models,
		[SAMPLER_assignments] = s->object->maps.assignments,
		[SAMPLER_wait_totals] = s->object->maps.wait_totals,
		[SAMPLER_wait_histograms] = s->object->maps.wait_histograms,
		[SAMPLER_culprits] = s->object->maps.culprits,
		[SAMPLER_breaches] = s->object->maps.breaches,
		[SAMPLER_drops] = s->object->maps.drops,
		[SAMPLER_cpus] = s->object->maps.cpus,
		[SAMPLER_layout] = s->object->maps.layout,
	};

	for (int i = 0; i < N_SAMPLER_MAPS; i++) {
		s->fds[i] = fcntl(bpf_map__fd(maps[i]), F_DUPFD_CLOEXEC, 3);
		if (s->fds[i] < 0)
			return err_set(e, -errno, "keep BPF map %s", map_names[i]);
	}
	return 0;
}

/* Before anything is attached: nobody reads or counts yet. */
static void sampler_fill(struct sampler *s, __u32 slots, __u32 cpus)
{
	for (__u32 cpu = 0; cpu < cpus; cpu++) {
		s->cpus[cpu].first_cell = cpu * slots;
		for (__u32 slot = 0; slot < slots; slot++) {
			s->totals[cpu * slots + slot].slot = slot;
			s->totals[cpu * slots + slot].cpu = cpu;
		}
	}
	strcpy(s->models[SLOT_OTHER].name, "(other)");
	strcpy(s->models[SLOT_IDLE].name, "(idle)");
	*s->layout = (struct layout){
		.version = ABI_VERSION,
		.slots = slots,
		.cpus = cpus,
		.build = object_fingerprint(),
	};
}

/* ---- pins -------------------------------------------------------------------------------------- */

/* Programs and links by the names of the skeleton; "on_switch" and "on_switch_link". */
static int pins_add(struct sampler *s, struct err *e)
{
	const struct bpf_object_skeleton *skeleton = s->object->skeleton;
	char path[PATH_MAX];
	int r = 0;

	for (int i = 0; i < skeleton->prog_cnt && r == 0; i++) {
		const struct bpf_prog_skeleton *p = &skeleton->progs[i];

		if (!*p->link)
			continue;
		r = bpf_link__pin(*p->link, pin_join(s, p->name, "_link", path, sizeof(path)));
		if (r == 0)
			r = bpf_program__pin(*p->prog, pin_join(s, p->name, "", path, sizeof(path)));
	}
	for (int i = 0; i < N_SAMPLER_MAPS && r == 0; i++)
		if (bpf_obj_pin(s->fds[i], pin_join(s, map_names[i], "", path, sizeof(path))) < 0)
			r = -errno;
	return r < 0 ? err_set(e, r, "pin the BPF sampler at %s", path) : 0;
}

/* Removes our names and no others, layout first: from then on the folder is incomplete. */
static void pins_remove(const struct sampler *s)
{
	static const char *const programs[] = { "on_switch", "on_cgroup_rmdir", "on_wakeup",
						"on_wakeup_new" };
	char path[PATH_MAX];

	for (int i = N_SAMPLER_MAPS - 1; i >= 0; i--)
		(void)unlink(pin_join(s, map_names[i], "", path, sizeof(path)));
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		(void)unlink(pin_join(s, programs[i], "_link", path, sizeof(path)));
		(void)unlink(pin_join(s, programs[i], "", path, sizeof(path)));
	}
	(void)rmdir(s->pin_path);
}

static int pin_folder_make(const struct sampler *s, struct err *e)
{
	struct statfs fs = { 0 };
	int r = directory_make(s->pin_path, 0700, e);

	if (r == 0 && statfs(s->pin_path, &fs) < 0)
		r = err_set(e, -errno, "statfs %s", s->pin_path);
	if (r < 0) /* sysfs takes no folders: so it ends where /sys/fs/bpf is not mounted */
		return err_context(e, "no place for pins (is it in a BPF file system? if not: mount -t bpf bpf "
				      "/sys/fs/bpf)");
	if (fs.f_type != BPF_FS_MAGIC) {
		(void)rmdir(s->pin_path);
		return err_say(e, -EINVAL, "%s is not in a BPF file system; mount -t bpf bpf /sys/fs/bpf",
			       s->pin_path);
	}
	return 0;
}

/* Counting matters more than being found by others: without a place for pins it goes on without. */
static void pins_give_up(struct sampler *s)
{
	free(s->pin_path);
	s->pin_path = NULL;
}

/* ---- taking over ------------------------------------------------------------------------------- */

static bool layout_is_ours(const struct layout *l, __u32 slots, __u32 cpus)
{
	return l->version == ABI_VERSION && l->build == object_fingerprint() && l->slots >= slots &&
	       l->cpus == cpus;
}

/* True when a complete, running, fitting sampler was pinned. Otherwise nothing is kept of it. */
static bool sampler_adopt(struct sampler *s, __u32 slots, __u32 cpus)
{
	struct err why_not = { 0 };
	char path[PATH_MAX];
	_cleanup_fd_ int link_fd =
		bpf_obj_get(pin_join(s, "on_switch", "_link", path, sizeof(path)));
	bool is_ours = link_fd >= 0;

	for (int i = 0; i < N_SAMPLER_MAPS && is_ours; i++) {
		s->fds[i] = bpf_obj_get(pin_join(s, map_names[i], "", path, sizeof(path)));
		is_ours = s->fds[i] >= 0;
	}
	if (is_ours && sampler_map_all(s, &why_not) == 0 && layout_is_ours(s->layout, slots, cpus))
		return true;
	sampler_release(s);
	return false;
}

/* ---- door -------------------------------------------------------------------------------------- */

static int sampler_new(struct sampler *s, __u32 slots, __u32 cpus, struct err *e)
{
	int r = object_load(s, slots, cpus, e);

	if (r == 0)
		r = object_fds(s, e);
	if (r == 0)
		r = sampler_map_all(s, e);
	if (r < 0)
		return r;
	sampler_fill(s, slots, cpus);
	r = runqueue_bpf__attach(s->object);
	if (r < 0)
		return err_set(e, r, "attach the BPF sampler");
	if (s->pin_path && pins_add(s, &s->unpinned) < 0) {
		pins_remove(s);
		pins_give_up(s);
	}
	return 0;
}

int sampler_open(const char *pin_path, unsigned int slots, struct sampler **ret_sampler,
		 struct err *e)
{
	_quiet_libbpf_;
	int cpus = libbpf_num_possible_cpus();
	struct sampler *s = calloc(1, sizeof(*s));
	int r = 0;

	if (s)
		for (int i = 0; i < N_SAMPLER_MAPS; i++)
			s->fds[i] = -1;
	if (!s || (pin_path && !(s->pin_path = strdup(pin_path)))) {
		free(s);
		return err_set(e, -ENOMEM, "open the BPF sampler");
	}
	if (cpus < 0)
		r = err_set(e, cpus, "count the CPUs");
	if (s->pin_path && pin_folder_make(s, &s->unpinned) < 0)
		pins_give_up(s);
	if (r == 0 && !(s->pin_path && sampler_adopt(s, slots, (__u32)cpus))) {
		if (s->pin_path) {
			pins_remove(s);
			if (pin_folder_make(s, &s->unpinned) < 0)
				pins_give_up(s);
		}
		r = sampler_new(s, slots, (__u32)cpus, e);
	}
	if (r < 0) {
		sampler_close(s, s->pin_path != NULL);
		return r;
	}
	s->layout->epoch++;
	*ret_sampler = s;
	return 0;
}

void sampler_close(struct sampler *s, bool removes_pins)
{
	if (!s)
		return;
	if (removes_pins && s->pin_path)
		pins_remove(s);
	sampler_release(s);
	free(s->pin_path);
	free(s);
}
