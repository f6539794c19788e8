#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest.sh BIN INPUTS POLICIES OUT: the demo itself, on the machine where it is measured (systemd, cgroup v2, root): the
# lab's virtual machine or, natively, this one. Starts the models as plain services and puts them under the same
# load in each arm; leaves OUT/results.tsv (arm, name, key, value) and what modelgov says of its own arm.
# Draws and judges nothing.
set -euo pipefail

bin=$1 inputs=$2 policies=$3 out=$4
arms=${DEMO_ARMS:-alone ungoverned static modelgov} # fewer: for work on the demo itself
work=/run/modelgov-demo
units=(ocr.service speech.service batch.service)
quiet=

# In the lab a word takes 36 to 76 ms of CPU and an utterance 26 to 35 ms. Periods are such that at equal shares the
# models still keep up (36 % + 21 % of the CPU): a queue that grows for ever would show nothing but the length of the
# run. Budgets: the longest word and a third more; the longest utterance after the longest word.
seed=1 measure_ms=17000 warmup_ms=1000 settle_ms=20000 batch_ms=4000
ocr=name=ocr,port=8701,inputs=$work/inputs/words.tsv,period=160,jitter=20,phase=0,budget=100
speech=name=speech,port=8702,inputs=$work/inputs/speech.tsv,period=150,jitter=20,phase=60,budget=120
if [ -n "${MODELGOV_NATIVE:-}" ]; then # a real CPU is several times as fast as the lab's
	ocr=${ocr/period=160,jitter=20/period=25,jitter=3} ocr=${ocr/budget=100/budget=15}
	speech=${speech/period=150,jitter=20/period=30,jitter=5} speech=${speech/budget=120/budget=30}
fi

say() { echo "demo: $*"; }

die() {
	echo "demo: $*" >&2
	exit 1
}

# The load generator goes before everything else, as if its requests came from other hosts.
load() { $quiet chrt --fifo 1 "$bin/models/load" --seed $seed "$@"; }

start() { # UNIT COMMAND...
	local unit=$1
	shift
	systemd-run --quiet --unit="$unit" --property=Type=notify --property=TimeoutStartSec=600 \
		--setenv=OMP_THREAD_LIMIT=1 "$@"
}

stop_all() {
	systemctl stop modelgovd.service "${units[@]}" 2>/dev/null || true
	systemctl reset-failed modelgovd.service "${units[@]}" 2>/dev/null || true
}

cgroup_of() { echo "/sys/fs/cgroup$(systemctl show --property=ControlGroup --value "$1")"; }

weight_of() { # UNIT: what the kernel has; 100 where no controller was asked for
	cat "$(cgroup_of "$1")/cpu.weight" 2>/dev/null || echo 100
}

# Pages that were done in the measured part. The rate counts from page to page: whole pages in a fixed time would
# be too coarse.
pages() { # FROM_NS TO_NS
	awk -v from="$1" -v to="$2" '
		$1 >= from && $1 < to { if (!n++) first = $1; last = $1 }
		END { printf "batch\tpages\t%d\n", n
		      if (n > 1) printf "batch\tpages_per_s\t%.4f\n", (n - 1) * 1e9 / (last - first) }' "$work/pages"
}

# Runs the load, then adds what each unit had to do with it to the results.
measure() { # ARM LOAD-OPTION...
	local arm=$1 unit from_ns to_ns calls
	shift
	for unit in "${units[@]}"; do
		[ ! -d "$(cgroup_of "$unit")" ] || ! systemctl --quiet is-active "$unit" ||
			set -- "$@" --watch "${unit%.service}=$(cgroup_of "$unit")/cpu.stat"
	done
	rm -rf "$work/calls"
	mkdir -p "$work/calls"
	load --out "$work/calls" "$@" >"$work/measured"
	if systemctl --quiet is-active batch.service; then
		from_ns=$(awk '$2 == "from_ns" { print $3 }' "$work/measured")
		to_ns=$(awk '$2 == "to_ns" { print $3 }' "$work/measured")
		pages "$from_ns" "$to_ns" >>"$work/measured"
	fi
	for unit in "${units[@]}"; do
		! systemctl --quiet is-active "$unit" ||
			printf '%s\tcpu_weight\t%s\n' "${unit%.service}" "$(weight_of "$unit")" >>"$work/measured"
	done
	sed "s/^/$arm\t/" "$work/measured" >>"$out/results.tsv"
	for calls in "$work/calls"/*; do
		[ ! -e "$calls" ] || cp "$calls" "$out/calls-$arm-${calls##*/}"
	done
}

# The pinned maps that people read; the others are the sampler's own memory.
maps() {
	local map
	for map in models wait_totals culprits drops; do
		echo "$ bpftool map dump pinned /sys/fs/bpf/modelgov/$map"
		bpftool map dump pinned "/sys/fs/bpf/modelgov/$map"
	done
}

say "loading the models"
[ "$(id -u)" = 0 ] || die "only root can start units and set their weights"
trap stop_all EXIT
stop_all
rm -rf "$work"
mkdir -p "$out" "$work"
cp -r "$inputs" "$work/inputs" # in memory: no disk is read while something is measured
{
	printf 'arm\tname\tkey\tvalue\n'
	printf 'all\tmachine\tkernel\t%s\nall\tmachine\tcpus\t%s\n' "$(uname -r)" "$(nproc)"
} >"$out/results.tsv"
start ocr.service "$bin/models/ocr" 8701
start speech.service "$bin/models/speech" 8702 "$work/inputs/speech.gram"
# A rehearsal: whatever is read or set up on first use is there when it is measured.
load --warmup 0 --measure 1000 --stream "$ocr" --stream "$speech" >/dev/null
[ ! -x /run/vm/measure ] || quiet=/run/vm/measure # the lab's way to run what is measured

case " $arms " in *' alone '*)
	say "alone: ocr"
	measure alone --warmup $warmup_ms --measure "$measure_ms" --stream "$ocr"
	say "alone: speech"
	measure alone --warmup $warmup_ms --measure "$measure_ms" --stream "$speech"
	;;
esac

start batch.service "$bin/models/batch" "$work/inputs/words.tsv" "$work/pages"
for arm in $arms; do
	case $arm in
	alone)
		say "alone: batch"
		measure alone --warmup $warmup_ms --measure $batch_ms
		;;
	ungoverned)
		say "ungoverned: all three, as systemd starts them"
		measure ungoverned --warmup $warmup_ms --measure "$measure_ms" --stream "$ocr" --stream "$speech"
		;;
	static)
		# The best that weights can do without looking: the two ends of the scale and its middle. 1000, 100, 10
		# is not enough: near the end of a request the batch job is owed a tick, and p99 is 1.3 x alone.
		say "static: all three, CPUWeight 10000, 100 and 1 by hand"
		systemctl set-property --runtime ocr.service CPUWeight=10000
		systemctl set-property --runtime speech.service CPUWeight=100
		systemctl set-property --runtime batch.service CPUWeight=1
		measure static --warmup $warmup_ms --measure "$measure_ms" --stream "$ocr" --stream "$speech"
		for unit in "${units[@]}"; do systemctl set-property --runtime "$unit" CPUWeight=; done
		;;
	modelgov)
		say "modelgov: all three, weights by modelgovd"
		mkdir -p "$work/etc/models.d"
		install -m644 "$policies"/*.yaml "$work/etc"
		install -m644 "$policies"/models.d/*.yaml "$work/etc/models.d"
		# As in its unit file, but with state in memory, where no other run's journal is.
		start modelgovd.service --property=RuntimeDirectory=modelgov --property=CPUWeight=1000 \
			--property="ExecStopPost=$bin/modelgov restore" \
			"$bin/modelgovd" --etc "$work/etc" --state-dir "$work/state"
		measure modelgov --warmup $settle_ms --measure "$measure_ms" --stream "$ocr" --stream "$speech"
		"$bin/modelgov" status >"$out/status.txt"
		"$bin/modelgov" explain ocr >"$out/explain.txt"
		maps >"$out/maps.txt"
		;;
	*) die "no such arm: $arm" ;;
	esac
done
say "measured"
