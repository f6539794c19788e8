/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `modelgov doctor`: what modelgov needs of this host, one line each, with the cure. Looks, and for
 * BPF tries: a file that exists says less than a program that loads. Leaves nothing behind.
 */
#include "cgroup.h"
#include "command.h"
#include "policy.h"
#include "print.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <sys/fanotify.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <systemd/sd-bus.h>

#define BUS_USEC 5000000 /* chosen: systemd answers in milliseconds */

/* ok; missing: modelgov cannot govern without it; warning: it can, with less. */
enum answer { ANSWER_OK, ANSWER_MISSING, ANSWER_WARNING };

static const char *const answer_names[] = { "ok", "missing", "warning" };

struct check {
	enum answer answer;
	const char *what;
	char detail[400];
	const char *cure; /* "" when it is ok */
};

struct diagnosis {
	const struct cli *cli;
	bool is_root;
	struct check checks[24]; /* more than there are lines below */
	unsigned int n;
};

__attribute__((format(printf, 5, 6))) static void diagnose(struct diagnosis *d, enum answer answer,
							   const char *what, const char *cure,
							   const char *format, ...)
{
	struct check *c = &d->checks[d->n];
	va_list args;

	if (d->n == ARRAY_SIZE(d->checks))
		return;
	d->n++;
	*c = (struct check){ .answer = answer,
			     .what = what,
			     .cure = answer == ANSWER_OK ? "" : cure };
	va_start(args, format);
	vsnprintf(c->detail, sizeof(c->detail), format, args);
	va_end(args);
}

/* ---- kernel and BPF -------------------------------------------------------------------------- */

static void kernel_check(struct diagnosis *d)
{
	struct utsname u = { .release = "?" };
	unsigned int major = 0, minor = 0;
	enum answer answer = ANSWER_OK;

	(void)uname(&u);
	(void)sscanf(u.release, "%u.%u", &major, &minor); /* what is not read counts as too old */
	/* 5.8: ring buffer, BPF links; 6.1 is Debian 12's, the oldest that is tested */
	if (major < 5 || (major == 5 && minor < 8))
		answer = ANSWER_MISSING;
	else if (major == 5 || (major == 6 && minor < 1))
		answer = ANSWER_WARNING;
	diagnose(d, answer, "kernel", "boot Linux 6.1 or newer", "Linux %s%s", u.release,
		 answer == ANSWER_OK ? "" : ", 6.1 is the oldest that is tested");
}

static void privilege_check(struct diagnosis *d)
{
	if (d->is_root)
		diagnose(d, ANSWER_OK, "privileges", "", "root");
	else
		diagnose(d, ANSWER_WARNING, "privileges", "sudo modelgov doctor",
			 "uid %u: BPF and the state directory are not tried", geteuid());
}

static void btf_check(struct diagnosis *d)
{
	bool is_there = access("/sys/kernel/btf/vmlinux", R_OK) == 0;

	diagnose(d, is_there ? ANSWER_OK : ANSWER_MISSING, "kernel BTF",
		 "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions' are",
		 is_there ? "/sys/kernel/btf/vmlinux"
			  : "no /sys/kernel/btf/vmlinux: the sampler cannot load");
}

/*
 * Loads and attaches the smallest program of the sampler's kind at the sampler's hook, and takes it
 * away again: 0 or a negative errno, and which step failed.
 */
static int sampler_try(const char **ret_step)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP);
	int id, link;

	libbpf_set_print(NULL); /* the errno is enough, the line is ours */
	*ret_step = "find sched_switch in BTF";
	id = libbpf_find_vmlinux_btf_id("sched_switch", BPF_TRACE_RAW_TP);
	if (id < 0)
		return id;
	options.attach_btf_id = (__u32)id;
	*ret_step = "load a program for tp_btf/sched_switch";
	_cleanup_fd_ int program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "doctor", "GPL", nothing,
						 ARRAY_SIZE(nothing), &options);
	if (program < 0)
		return -errno;
	*ret_step = "attach to tp_btf/sched_switch";
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		return -errno;
	close(link);
	return 0;
}

static void bpf_check(struct diagnosis *d)
{
	const char *step;
	int r;

	if (!d->is_root)
		return;
	r = sampler_try(&step);
	if (r == 0)
		diagnose(d, ANSWER_OK, "BPF", "",
			 "a program loads and attaches at tp_btf/sched_switch");
	else
		diagnose(d, ANSWER_MISSING, "BPF",
			 "run with CAP_BPF and CAP_PERFMON, outside of containers, with kernel "
			 "lockdown off",
			 "%s: %s", step, strerror(-r));
}

static void bpffs_check(struct diagnosis *d)
{
	struct statfs fs;
	bool is_there = statfs("/sys/fs/bpf", &fs) == 0 && fs.f_type == BPF_FS_MAGIC;

	diagnose(d, is_there ? ANSWER_OK : ANSWER_WARNING, "BPF file system",
		 "mount -t bpf bpf /sys/fs/bpf",
		 is_there ? "/sys/fs/bpf"
			  : "not mounted at /sys/fs/bpf: maps cannot be pinned, a restart "
			    "loses what was counted");
}

/* sched_info fills the times that the sampler reads; without it the kernel prints three zeros. */
static void sched_info_check(struct diagnosis *d)
{
	_cleanup_free_ char *text = NULL;
	bool is_on =
		file_read_all(AT_FDCWD, "/proc/self/schedstat", 4096, &text, NULL, NULL) == 0 &&
		strcmp(text, "0 0 0\n") != 0;

	diagnose(d, is_on ? ANSWER_OK : ANSWER_MISSING, "sched_info",
		 "boot a kernel with CONFIG_SCHED_INFO (CONFIG_SCHEDSTATS), as distributions' are",
		 is_on ? "the kernel notes when a task was queued"
		       : "the kernel does not note when a task was queued: waits cannot be "
			 "measured");
}

/* ---- cgroups and pressure -------------------------------------------------------------------- */

static bool word_is_in(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (list += strspn(list, " \n"); *list; list += strspn(list, " \n")) {
		size_t n = strcspn(list, " \n");

		if (n == length && strncmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

static void controllers_check(struct diagnosis *d, const char *root)
{
	static const struct {
		const char *name, *what, *lost;
		enum answer when_absent;
	} needs[] = {
		{ "cpu", "cpu controller", "weights cannot be set", ANSWER_MISSING },
		{ "memory", "memory controller", "memory.* of manifests cannot be set",
		  ANSWER_WARNING },
		{ "io", "io controller", "io.weight of manifests cannot be set", ANSWER_WARNING },
		{ "pids", "pids controller", "tasks.max of manifests cannot be set",
		  ANSWER_WARNING },
	};
	_cleanup_free_ char *list = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
	if (file_read_all(AT_FDCWD, path, 4096, &list, NULL, NULL) < 0)
		list = strdup("");
	for (size_t i = 0; list && i < ARRAY_SIZE(needs); i++) {
		if (word_is_in(list, needs[i].name))
			diagnose(d, ANSWER_OK, needs[i].what, "", "in %s", path);
		else
			diagnose(d, needs[i].when_absent, needs[i].what,
				 "boot with systemd.unified_cgroup_hierarchy=1 and without "
				 "cgroup_disable=",
				 "not in %s: %s", path, needs[i].lost);
	}
}

static void cgroup_check(struct diagnosis *d)
{
	struct err e = { 0 };
	char root[256];
	bool is_pure;

	if (cgroup_root_find(root, sizeof(root), &is_pure, &e) < 0) {
		diagnose(d, ANSWER_MISSING, "cgroup v2",
			 "boot with systemd.unified_cgroup_hierarchy=1", "%s", e.text);
		return;
	}
	diagnose(d, is_pure ? ANSWER_OK : ANSWER_WARNING, "cgroup v2",
		 "boot with systemd.unified_cgroup_hierarchy=1",
		 is_pure ? "%s, pure"
			 : "%s, but v1 controllers are mounted too (hybrid): what they hold "
			   "cannot be governed",
		 root);
	controllers_check(d, root);
}

static void pressure_check(struct diagnosis *d)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	int r = file_read_all(AT_FDCWD, "/proc/pressure/memory", 4096, &text, NULL, &e);

	diagnose(d, r == 0 ? ANSWER_OK : ANSWER_WARNING, "PSI",
		 "boot with psi=1 (kernel built with CONFIG_PSI=y)",
		 r == 0 ? "/proc/pressure%s" : "memory_stall objectives cannot be measured: %s",
		 r == 0 ? "" : e.text);
}

/* A mark on a directory, as the daemon sets it: the kernel may have one without the other. */
static void writers_check(struct diagnosis *d)
{
	if (!d->is_root)
		return;
	_cleanup_fd_ int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	bool is_ok = fd >= 0 &&
		     fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
				   FAN_MODIFY | FAN_EVENT_ON_CHILD, AT_FDCWD, "/sys/fs/cgroup") == 0;

	diagnose(d, is_ok ? ANSWER_OK : ANSWER_WARNING, "writers (fanotify)",
		 "a kernel built with CONFIG_FANOTIFY=y, and CAP_SYS_ADMIN",
		 is_ok ? "who else changes values is named%s"
		       : "who else changes values cannot be named: %s",
		 is_ok ? "" : strerror(errno));
}

/* ---- systemd, the daemon, its files ---------------------------------------------------------- */

static void systemd_check(struct diagnosis *d)
{
	sd_bus *bus = NULL;
	char *version = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	if (!systemd_is_running()) {
		diagnose(d, ANSWER_WARNING, "systemd",
			 "boot with systemd, or use modelgov run and attach",
			 "not the init of this host: units cannot be governed, only cgroups of our "
			 "own");
		return;
	}
	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, BUS_USEC);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, "org.freedesktop.systemd1",
					       "/org/freedesktop/systemd1",
					       "org.freedesktop.systemd1.Manager", "Version",
					       &error, &version);
	if (r >= 0)
		diagnose(d, ANSWER_OK, "systemd", "", "%s, answers on the system bus", version);
	else
		diagnose(d, ANSWER_MISSING, "systemd", "apt-get install dbus; systemctl start dbus",
			 "does not answer on the system bus: %s", strerror(-r));
	free(version);
	sd_bus_error_free(&error);
	sd_bus_unref(bus);
}

static void state_check(struct diagnosis *d)
{
	const char *directory = d->cli->state_dir;
	struct statvfs fs;
	char available[32];

	if (!d->is_root)
		return;
	if (access(directory, W_OK) < 0) {
		diagnose(d, errno == ENOENT ? ANSWER_WARNING : ANSWER_MISSING, "state directory",
			 errno == ENOENT ? "systemctl start modelgovd makes it"
					 : "make it writable, or choose another one: --state-dir",
			 "%s: %s", directory, strerror(errno));
		return;
	}
	if (statvfs(directory, &fs) < 0 || fs.f_bavail == 0) {
		diagnose(d, ANSWER_WARNING, "state directory", "make room",
			 "%s: no space left: nothing would be recorded", directory);
		return;
	}
	diagnose(d, ANSWER_OK, "state directory", "", "%s, %s available", directory,
		 size_format((uint64_t)fs.f_bavail * fs.f_frsize, available, sizeof(available)));
}

static void group_check(struct diagnosis *d)
{
	bool is_there = getgrnam(VIEWER_GROUP) != NULL;

	diagnose(d, is_there ? ANSWER_OK : ANSWER_WARNING, "viewer group",
		 "groupadd --system " VIEWER_GROUP,
		 is_there ? "%s" : "no group %s: only root may look", VIEWER_GROUP);
}

static void policy_check(struct diagnosis *d)
{
	struct policy *policy = NULL;
	struct findings findings;
	struct err e = { 0 };
	int r;

	findings_init(&findings);
	r = policy_read(d->cli->etc, &policy, &findings, &e);
	if (r == 0)
		diagnose(d, ANSWER_OK, "policy", "", "%s, models: %u, warnings: %u", d->cli->etc,
			 policy->n_models, findings.n);
	else if (findings.n_errors > 0)
		diagnose(d, ANSWER_MISSING, "policy", "modelgov check", "%s has %u errors",
			 d->cli->etc, findings.n_errors);
	else
		diagnose(d, ANSWER_MISSING, "policy", "write one, see modelgov.yaml(5)", "%s",
			 e.text);
	policy_free(policy);
	findings_fini(&findings);
}

static void daemon_check(struct diagnosis *d)
{
	json_t *status = NULL;
	struct err e = { 0 };
	int r = daemon_ask(d->cli, "Status", NULL, ASK_MSEC, &status, &e);

	if (r == 0)
		diagnose(d, ANSWER_OK, "modelgovd", "", "%s, %s mode", text_of(status, "version"),
			 text_of(status, "mode"));
	else if (daemon_is_absent(r))
		diagnose(d, ANSWER_WARNING, "modelgovd", "systemctl start modelgovd", "%s", e.text);
	else
		diagnose(d, ANSWER_WARNING, "modelgovd",
			 r == -EACCES ? "ask as root or as a member of group " VIEWER_GROUP
				      : "journalctl -u modelgovd",
			 "%s", e.text);
	json_decref(status);
}

/* ---- the page -------------------------------------------------------------------------------- */

static json_t *diagnosis_to_json(const struct diagnosis *d, bool is_ok)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "answer",
						answer_names[d->checks[i].answer], "what",
						d->checks[i].what, "detail", d->checks[i].detail,
						"cure", d->checks[i].cure));
	return json_pack("{s:b, s:o}", "ok", is_ok, "checks", list);
}

static void diagnosis_print(const struct diagnosis *d)
{
	struct table t;

	table_init(&t, "lll");
	for (unsigned int i = 0; i < d->n; i++) {
		const struct check *c = &d->checks[i];

		table_add(&t, c->answer == ANSWER_MISSING, "%s", answer_names[c->answer]);
		table_add(&t, false, "%s", c->what);
		table_add(&t, false, "%s%s%s", c->detail, *c->cure ? " -> " : "", c->cure);
	}
	table_print(&t, 0, stdout);
	table_fini(&t);
}

int doctor_run(const struct cli *cli, int argc, char **argv)
{
	static void (*const checks[])(struct diagnosis *) = {
		kernel_check,     privilege_check, btf_check,      bpf_check,     bpffs_check,
		sched_info_check, cgroup_check,    pressure_check, writers_check, systemd_check,
		state_check,      group_check,     policy_check,   daemon_check,
	};
	struct diagnosis d = { .cli = cli, .is_root = geteuid() == 0 };
	bool is_ok = true;
	int status = EXIT_OK;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](&d);
	for (unsigned int i = 0; i < d.n; i++)
		is_ok = is_ok && d.checks[i].answer != ANSWER_MISSING;
	if (cli->is_json)
		status = json_print(diagnosis_to_json(&d, is_ok));
	else
		diagnosis_print(&d);
	return status ? status : is_ok ? EXIT_OK : EXIT_FAILED;
}
