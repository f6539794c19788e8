#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the daemon itself costs at 1, 10 and 100 models: CPU per tick and resident memory, from its own
# status, over cgroups of our own on this host. Observes only. Root.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
seconds=${BENCH_SECONDS:-10}

root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
if [ "$(id -u)" != 0 ] || [ -z "$root" ]; then
	echo "skip daemon: needs root and a cgroup2 mount"
	exit 0
fi
# The sampler is pinned: where no BPF file system is mounted, mount one that only this run sees.
if ! grep -q ' /sys/fs/bpf bpf ' /proc/mounts; then
	exec unshare -m --propagation private sh -c 'mount -t bpf bpf /sys/fs/bpf && exec bash "$0"' "$0"
fi
work=$(mktemp -d)
tree=modelgov-bench-$$ # no dot: BPF file systems keep those names
daemon=''
cleanup() {
	[ -z "$daemon" ] || { kill "$daemon"; wait "$daemon"; } 2>/dev/null
	find "$root/$tree" -depth -type d -exec rmdir {} + 2>/dev/null
	rm -rf "$work" "/sys/fs/bpf/$tree"
}
trap cleanup EXIT

manifest() { # NAME
	cat <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: $1, version: 1.0.0, owner: bench@example.org }
	match: { cgroups: [/$tree/$1] }
	objectives: [ { indicator: runqueue_wait, quantile: p99, budget: 5ms } ]
	resources: { class: standard }
	END
}

field() { # KEY of the daemon's status: tick, cpu_ns or rss_bytes
	"$O/modelgov" --socket "$work/socket" status --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(s["tick"] if sys.argv[1] == "tick" else s["cost"][sys.argv[1]])' "$1"
}

run() { # MODELS
	local n=$1 i began_cpu began_tick cpu tick
	mkdir -p "$work/etc/models.d" "$root/$tree"
	for i in $(seq "$n"); do
		mkdir -p "$root/$tree/m$i"
		manifest "m$i" >"$work/etc/models.d/m$i.yaml"
	done
	"$O/modelgovd" --observe --etc "$work/etc" --state-dir "$work/state" --socket "$work/socket" \
		--pin-path "/sys/fs/bpf/$tree" 2>"$work/log" &
	daemon=$!
	for i in $(seq 50); do [ -S "$work/socket" ] && break; sleep 0.1; done
	sleep 2 # the first ticks open descriptors
	"$O/modelgov" --socket "$work/socket" status | grep 'run queue (BPF)' && echo "   (without the sampler)"
	began_cpu=$(field cpu_ns) began_tick=$(field tick)
	sleep "$seconds"
	cpu=$(field cpu_ns) tick=$(field tick)
	awk -v n="$n" -v cpu=$((cpu - began_cpu)) -v ticks=$((tick - began_tick)) -v s="$seconds" \
		-v rss="$(field rss_bytes)" 'BEGIN {
		printf "%8d %12.0f %12.3f %10.1f\n", n, cpu / ticks / 1000, cpu / s / 1e7, rss / 1048576 }'
	kill "$daemon"; wait "$daemon" || cat "$work/log"
	daemon=''
}

echo "modelgovd: CPU of all its threads (journal and two status calls included), one tick a second, $seconds s each"
printf '%8s %12s %12s %10s\n' models "us per tick" "% of a CPU" "RSS MiB"
for n in 1 10 100; do run $n; done
