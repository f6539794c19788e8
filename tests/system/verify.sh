#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On an installed host: what a policy would change before it does, whether a model still does what it did, a candidate
# beside the policy in force, and experiments within their budget.
#
#   system.slice
#     ocr.service     critical, with a check; owned by olga
#     pages.service   batch
#     lab.service     stage: experiment, matched by its unit: its part of the budget is its cpu.max
#   modelgov.slice/modelgov-experiments.slice
#     try             stage: experiment, started by modelgov run
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

loop='[Service]
ExecStart=/bin/sh -c "while :; do sleep 0.01; done"'

# manifests DIR CLASS-OF-OCR EXPERIMENTS: the whole policy
manifests() {
	mkdir -p "$1/models.d"
	cat >"$1/modelgov.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Host
	mode: enforce
	access: { viewers: [vera] }
	limits: { experiments: { cpu: $3, memory: 256MiB } }
	END
	cat >"$1/models.d/ocr.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: ocr, owner: test@example.org, owners: [olga] }
	match: { units: [ocr.service] }
	objectives: [ { indicator: runqueue_wait, quantile: p99, budget: 10s, window: 2s } ]
	resources: { class: $2 }
	checks:
	  - { name: smoke, command: [/run/check], samples: 3, limits: { p99: 1s } }
	END
	cat >"$1/models.d/pages.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: pages, owner: test@example.org }
	match: { units: [pages.service] }
	resources: { class: batch, tasks: { max: 100 } }
	END
	cat >"$1/models.d/lab.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: lab, owner: test@example.org }
	match: { units: [lab.service] }
	resources: { class: experiment }
	stage: experiment
	END
	cat >"$1/models.d/try.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: try, owner: test@example.org }
	resources: { class: experiment }
	stage: experiment
	END
}

json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; } # EXPRESSION
generation() { modelgov status --json | json 'd["changes"]["generation"]'; }
shadow_ticks() { [ "$(modelgov shadow --json | json 'd["shadow"]["ticks"] > 2')" = True ] && echo yes || echo no; }
weight() { knob "system.slice/$1.service/cpu.weight"; }

# samples US: the check prints 500 latencies from that many us on
samples() {
	cat >/run/check <<-END
	#!/usr/bin/python3
	for i in range(500): print('{"latency_ns": %d}' % ($1 * 1000 + i))
	END
	chmod 755 /run/check
}

stage_install
for user in olga vera eve; do useradd -M "$user"; done
for u in ocr pages lab; do unit $u.service "$loop"; done
manifests /etc/modelgov critical 20%
samples 1000
systemctl start modelgovd
gets "the first generation is in force" 1 generation
gets "ocr has its weight" 1455 weight ocr
cpus=$(nproc)

# ---- experiments within their budget
gets "an experiment that is matched has its part of the budget as cpu.max" "$((cpus * 10000)) 100000" \
	knob system.slice/lab.service/cpu.max
is "and of the memory" $((128 << 20)) "$(knob system.slice/lab.service/memory.max)"
modelgov run try -- sleep 600 &
gets "run puts an experiment below the slice of experiments" active systemctl is-active modelgov-try.scope
has "and its process in it" '/modelgov.slice/modelgov-experiments.slice/modelgov-try.scope/main$' \
	"$(cat "/proc/$!/cgroup")"
is "the slice has the other part of the CPU" "$((cpus * 1000 * 20 / 100 / 2))ms" \
	"$(property modelgov-experiments.slice CPUQuotaPerSecUSec)"
is "which the kernel knows" "$((cpus * 10000)) 100000" \
	"$(knob modelgov.slice/modelgov-experiments.slice/cpu.max)"
is "and of the memory" $((128 << 20)) "$(property modelgov-experiments.slice MemoryMax)"
has "and a weight with which no experiment starves" '^[1-9][0-9]*$' \
	"$(property modelgov-experiments.slice CPUWeight)"
gets "status finds it there" True sh -c \
	'modelgov status --json | python3 -c "import json,sys; print(any(\"experiments.slice\" in t[\"path\"] for m in json.load(sys.stdin)[\"models\"] if m[\"name\"]==\"try\" for t in m[\"targets\"]))"'

# ---- plan
manifests /run/next batch 10%
sed -i 's/max: 100/max: 200/' /run/next/models.d/pages.yaml
out=$(modelgov plan /run/next)
status=$?
is "plan exits 0" 0 $status
has "plan shows keys" 'ocr +resources.class +critical +-> batch' "$out"
has "plan shows kernel values" 'pages +/system.slice/pages.service +pids.max +100 +-> 200' "$out"
has "plan names the promise at risk, and that few ticks say little" \
	'inconclusive +ocr: its guaranteed part of the CPUs falls .* recorded ticks only' "$out"
has "plan says what it does not know" 'Effects are not simulated' "$out"
is "plan changed nothing" "1455 1" "$(weight ocr) $(generation)"
has "plan --json has the same" '"verdict": "inconclusive"' "$(modelgov plan /run/next --json)"

# ---- shadow
out=$(modelgov apply --shadow /run/next)
has "apply --shadow begins without a reason" 'without acting' "$out"
gets "the shadow sees ticks" yes shadow_ticks
out=$(modelgov shadow)
has "shadow tells where it differs" 'ocr +cpu.weight +[1-9][0-9]* +1455 +[0-9]+' "$out"
has "also in values that manifests set" 'pages +pids.max +[1-9][0-9]* +100 +200' "$out"
has "status says that it runs" 'shadow +policy .* ticks differ: .*ocr' "$(modelgov status)"
is "it never acts" "1455 100" "$(weight ocr) $(knob system.slice/pages.service/pids.max)"
has "a viewer may look" 'without acting' "$(runuser -u vera -- modelgov shadow)"
runuser -u vera -- modelgov apply --shadow /run/next >/run/out 2>&1
is "and not begin one" 5 $?
has "stop ends it" 'differ' "$(modelgov shadow --stop)"
has "and then there is none" 'no shadow runs' "$(modelgov shadow)"

# ---- verify
out=$(modelgov verify ocr)
status=$?
is "verify exits 0" 0 $status
has "verify runs the check and counts its samples" 'smoke: 3 runs, 1500 samples' "$out"
has "the first result is the first" 'verdict: none' "$out"
has "CPU and memory of the model are measured" 'the model used [0-9.]+cpu, [0-9.]+[KM]iB' "$out"
runuser -u olga -- modelgov verify ocr >/run/out 2>&1
is "an owner may verify" 0 $?
is "and it is recorded" 0 "$(grep -c 'not recorded' /run/out)"
runuser -u vera -- modelgov verify ocr >/run/out 2>&1
has "a viewer's result is not recorded" 'smoke is not recorded: .*operators and its metadata.owners' "$(cat /run/out)"
runuser -u eve -- modelgov verify ocr >/run/out 2>&1
is "a stranger is denied" 5 $?
has "results are in the record, with generation and digest" '"check":"smoke".*"digest":"[0-9a-f]{64}".*"generation":1,' \
	"$(modelgov audit export 2>/dev/null | grep '"kind":"check"' | head -n 1)"

modelgov apply --shadow /run/next >/dev/null
manifests /etc/modelgov critical 10%
sed -i 's/class: critical/class: critical, priority: 5/' /etc/modelgov/models.d/ocr.yaml
gets "a dropped file is the next generation" 2 generation
has "the shadow ended with it" 'no shadow runs' "$(modelgov shadow)"
gets "the smaller budget reaches the slice" "$((cpus * 5000)) 100000" \
	knob modelgov.slice/modelgov-experiments.slice/cpu.max
gets "and the experiment outside of it" "$((cpus * 5000)) 100000" knob system.slice/lab.service/cpu.max
samples 1500
out=$(modelgov verify ocr)
is "what is slower than under the generation before ends with 1" 1 $?
has "and is called worse" 'verdict: worse, against generation 1' "$out"
samples 1000
has "what is as fast is equal" 'latency p50 .*equal' "$(modelgov verify ocr)"

# ---- the end
systemctl stop modelgov-try.scope
systemctl stop modelgovd
is "the experiment outside is free again" infinity "$(property lab.service CPUQuotaPerSecUSec)"
is "the daemon ended well" success "$(property modelgovd.service Result)"

echo "-- what the journal says of it"
journalctl -u modelgovd -o cat --no-pager | tail -n 40
verdict
