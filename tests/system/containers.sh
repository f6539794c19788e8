#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container of Podman's, matched by name and by annotation: governed in its scope, followed through a restart,
# released when it goes. The container's root is a busybox, so no image is fetched.
#
#   machine.slice
#     libpod-ID.scope     container chat, annotation team=assist
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

scope_of() { # CONTAINER: its cgroup below the mount
	local path
	path=$(sed -n 's/^0:://p' "/proc/$(podman inspect -f '{{.State.Pid}}' "$1")/cgroup")
	echo "${path%/container}"
}

manifest() { # NAME CLASS MATCH
	cat >"/etc/modelgov/models.d/$1.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: $1, version: 1.0.0, owner: test@example.org }
	match: { containers: [$3] }
	resources: { class: $2, tasks: { max: 200 } }
	END
}

target_of() { modelgov status --json | python3 -c '
import json, sys
for m in json.load(sys.stdin)["models"]:
    if m["name"] == sys.argv[1]:
        print(m["targets"][0]["path"] if m["targets"] else "no target")' "$1"; }

stage_install
mount -t tmpfs containers /var/lib/containers # its overlays do not go on top of the machine's
mkdir -p /run/busybox/bin /etc/modelgov/models.d
cp /bin/busybox /run/busybox/bin/sh
printf 'apiVersion: modelgov/v1\nkind: Host\nmode: enforce\n' >/etc/modelgov/modelgov.yaml
manifest chat critical chat
manifest assist batch team=helpers
systemctl start modelgovd
has "a container that does not run is said" 'no container chat runs' "$(modelgov status)"

podman run -d --name chat --network none --rootfs /run/busybox /bin/sh -c 'sleep 1000' >/dev/null
podman run -d --name other --network none --annotation team=helpers --rootfs /run/busybox \
	/bin/sh -c 'sleep 1000' >/dev/null
chat=$(scope_of chat) other=$(scope_of other)
gets "a container is found by its name" "$chat" target_of chat
gets "a container is found by its annotation" "$other" target_of assist
gets "its limits are set on the scope" 200 knob "$chat/pids.max"
heavier() { [ "$(knob "$chat/cpu.weight")" -gt "$(knob "$other/cpu.weight")" ] && echo yes; }
gets "their weights differ by class" yes heavier

# ---- the runtime changes what modelgov set
drift_of() { # CONTAINER'S CGROUP: by whom, as status has it
	modelgov status --json | python3 -c '
import json, sys
for d in json.load(sys.stdin)["drifts"]:
    if d["cgroup"] == sys.argv[1] and d["knob"] == "cpu.weight":
        print(d["writer"])' "$1"
}
weight=$(knob "$other/cpu.weight")
podman update --cpu-shares 512 other >/dev/null
gets "podman update is told as a runtime's change" runtime drift_of "$other"
gets "and put back" "$weight" knob "$other/cpu.weight"

# ---- restart and end
podman restart -t 0 chat >/dev/null
gets "a restarted container is governed again" 200 knob "$(scope_of chat)/pids.max"
podman rm -f -t 0 chat other >/dev/null
gets "a container that went is no target" 'no target' target_of chat
systemctl stop modelgovd
is "the daemon ended well" success "$(property modelgovd.service Result)"
verdict
