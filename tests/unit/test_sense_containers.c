/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroup a container's name means, on a tree of files as Podman 4.3 and containerd 1.6 leave
 * them.
 */
#include "base.h"
#include "sense/containers.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#define POD         "1b0d274ecddfeab6657a93d1f500c0ac48cfdb82ce5869b482dcc2d2eacff9a9"
#define CRI         "77aa274ecddfeab6657a93d1f500c0ac48cfdb82ce5869b482dcc2d2eacf0000"
#define PODMAN_LIST "/var/lib/containers/storage/overlay-containers/"
#define PODMAN_RUN  "/run/containers/storage/overlay-containers/"
#define CONTAINERD  "/run/containerd/io.containerd.runtime.v2.task/"

static char root[] = "/tmp/modelgov-containers-XXXXXX";
static struct containers containers;

static void put(const char *path, const char *text)
{
	char whole[PATH_MAX], directory[PATH_MAX];
	struct err e = { 0 };

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(whole, '/') - whole), whole);
	cr_assert_eq(directory_make(directory, 0755, &e), 0, "%s", e.text);
	cr_assert_eq(file_replace(whole, text, strlen(text), 0644, &e), 0, "%s", e.text);
}

static void setup(void)
{
	cr_assert(mkdtemp(root));
	put(PODMAN_LIST "containers.json",
	    "[{\"id\":\"" POD "\",\"names\":[\"chat\",\"chat-2\"]}]");
	put(PODMAN_LIST POD "/userdata/config.json", "{\"annotations\":{\"team\":\"assist\"}}");
	put(PODMAN_RUN POD "/userdata/pidfile", "4711");
	put("/proc/4711/cgroup",
	    "1:name=systemd:/x\n0::/machine.slice/libpod-" POD ".scope/container\n");
	put(CONTAINERD "k8s.io/" CRI "/config.json",
	    "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"ocr\",\"app\":\"llm\"}}");
	put(CONTAINERD "k8s.io/" CRI "/init.pid", "12\n");
	put("/proc/12/cgroup",
	    "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" CRI ".scope\n");
	put(CONTAINERD "default/plain/init.pid", "13");
	put("/proc/13/cgroup", "0::/default/plain\n");
	containers_init(&containers, root);
	cr_assert_eq(containers_update(&containers, false), true);
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void teardown(void)
{
	containers_fini(&containers);
	nftw(root, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(sense_containers, .init = setup, .fini = teardown);

static int path_append(const char *path, void *userdata)
{
	char *joined = userdata;

	strcat(joined, *joined ? " " : "");
	strcat(joined, path);
	return 0;
}

static const char *cgroups_of(const char *wanted)
{
	static char joined[4096];

	*joined = '\0';
	cr_assert_eq(containers_find(&containers, wanted, path_append, joined), 0);
	return joined;
}

Test(sense_containers, a_podman_container_is_found_by_each_name_and_by_its_id)
{
	const char *scope = "/machine.slice/libpod-" POD ".scope";

	cr_assert_str_eq(cgroups_of("chat"), scope, "the scope, not what crun made below it");
	cr_assert_str_eq(cgroups_of("chat-2"), scope);
	cr_assert_str_eq(cgroups_of(POD), scope);
	cr_assert_str_eq(cgroups_of("cha"), "", "a part of a name is another name");
}

Test(sense_containers, a_containerd_container_is_found_by_the_name_that_people_gave)
{
	cr_assert_str_eq(cgroups_of("ocr"),
			 "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" CRI ".scope");
	cr_assert_str_eq(cgroups_of("plain"), "/default/plain");
}

Test(sense_containers, key_and_value_are_an_annotation)
{
	cr_assert_str_eq(cgroups_of("team=assist"), "/machine.slice/libpod-" POD ".scope");
	cr_assert_str_neq(cgroups_of("app=llm"), "");
	cr_assert_str_eq(cgroups_of("app=ll"), "");
	cr_assert_str_eq(cgroups_of("ap=llm"), "");
}

Test(sense_containers, nothing_is_read_again_while_nothing_happens)
{
	cr_assert_eq(containers_update(&containers, false), false);
	cr_assert_eq(containers_update(&containers, true), true);
	cr_assert_str_neq(cgroups_of("chat"), "");
}

Test(sense_containers, a_restart_is_seen_and_leads_to_the_new_process)
{
	put(PODMAN_RUN POD "/userdata/pidfile", "4712");
	put("/proc/4712/cgroup", "0::/other.slice/libpod-" POD ".scope\n");
	cr_assert_eq(containers_update(&containers, false), true);
	cr_assert_str_eq(cgroups_of("chat"), "/other.slice/libpod-" POD ".scope");
}

Test(sense_containers, a_number_that_another_process_has_by_now_is_no_container)
{
	put("/proc/4711/cgroup", "0::/user.slice/somebody\n");
	cr_assert_eq(containers_update(&containers, true), true);
	cr_assert_str_eq(cgroups_of("chat"), "");
}

Test(sense_containers, half_written_files_are_as_if_they_were_not_there_yet)
{
	put(PODMAN_LIST "containers.json", "[{\"id\":\"" POD "\",\"nam");
	put(PODMAN_LIST POD "/userdata/config.json", "[]");
	put(CONTAINERD "k8s.io/" CRI "/init.pid", "");
	cr_assert_eq(containers_update(&containers, true), true);
	cr_assert_str_eq(cgroups_of("chat"), "");
	cr_assert_str_eq(cgroups_of("ocr"), "");
	cr_assert_str_neq(cgroups_of(POD), "", "the id needs no list");
}
