#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The installed daemon under systemd, as an operator has it: governs units, survives daemon-reload, refuses a typo,
# explains itself, and leaves no trace.
#
#   system.slice
#     ocr.service     no weight of its own          critical, priority 5
#     own.service     CPUWeight=300 in its file     standard
#     batch.service   no weight of its own          batch, tasks.max 100
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

loop='[Service]
ExecStart=/bin/sh -c "while :; do sleep 0.01; done"'

manifest() { # NAME CLASS EXTRA
	cat >"/etc/modelgov/models.d/$1.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: $1, version: 1.0.0, owner: test@example.org }
	match: { units: [$1.service] }
	objectives:
	  - { indicator: runqueue_wait, quantile: p99, budget: 10s, window: 2s }
	resources:
	  class: $2
	$3
	END
}

weight_of() { modelgov status --json | python3 -c '
import json, sys
for m in json.load(sys.stdin)["models"]:
    if m["name"] == sys.argv[1]:
        print(m["targets"][0]["cpu_weight"] if m["targets"] else "no target")' "$1"; }

# wire MESSAGE...: the bytes of docs/control.md, without our own client and without varlinkctl (systemd 257). All
# messages go out as one, cut in the middle of the last; prints one line an answer.
wire() { python3 -c '
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect("/run/modelgov/control")
out = b"".join(m.encode() + b"\0" for m in sys.argv[1:])
s.sendall(out[:-8]); time.sleep(0.1); s.sendall(out[-8:])
got = b""
while got.count(b"\0") < len(sys.argv) - 1:
    part = s.recv(65536)
    if not part:
        break
    got += part
for message in got.split(b"\0")[:-1]:
    m = json.loads(message)
    print(m.get("error", "ok"), json.dumps(m.get("parameters")))' "$@" 2>&1; }

settled() { # prints yes when the three weights are set and differ by class
	local o n b
	o=$(knob system.slice/ocr.service/cpu.weight) n=$(knob system.slice/own.service/cpu.weight)
	b=$(knob system.slice/batch.service/cpu.weight)
	[ "$o" != none ] && [ "$b" != none ] && [ "$o" -gt "$n" ] && [ "$n" -gt "$b" ] && [ "$n" != 300 ] &&
		echo yes || echo "no: ocr $o, own $n, batch $b"
}

values() { # what must be the same before and after, one line a unit
	systemctl show -p Id,CPUWeight,TasksMax,DropInPaths ocr.service own.service batch.service | paste -sd' ' |
		sed 's/  */ /g; s/ Id=/\nId=/g'
}

stage_install
unit ocr.service "$loop"
unit batch.service "$loop"
unit own.service "$loop
CPUWeight=300"
mkdir -p /etc/modelgov/models.d
manifest ocr critical '  priority: 5'
manifest own standard ''
manifest batch batch '  tasks: { max: 100 }'
before=$(values)
tasks_before=$(property batch.service TasksMax)

# ---- observe is the default: seen, not touched
systemctl start modelgovd
is "modelgovd is active after systemctl start" active "$(systemctl is-active modelgovd)"
gets "status lists the three models" "batch ocr own" sh -c \
	'modelgov status --json | python3 -c "import json,sys; print(*[m[\"name\"] for m in json.load(sys.stdin)[\"models\"]])"'
sleep 2
is "observe mode changes nothing" "$before" "$(values)"

# ---- enforce: picked up while running
cat >/etc/modelgov/modelgov.yaml <<-END
	apiVersion: modelgov/v1
	kind: Host
	mode: enforce
END
gets "weights follow the classes" yes settled
is "systemd knows the weight too" "$(knob system.slice/ocr.service/cpu.weight)" "$(property ocr.service CPUWeight)"
is "tasks.max of a manifest is set" 100 "$(knob system.slice/batch.service/pids.max)"
set_weight=$(property ocr.service CPUWeight)
systemctl daemon-reload
is "the weight is still there after systemctl daemon-reload" "$set_weight" "$(property ocr.service CPUWeight)"
is "and in the kernel" "$set_weight" "$(knob system.slice/ocr.service/cpu.weight)"
gets "status shows the weight in force" "$set_weight" weight_of ocr

# ---- why
sleep 1
has "explain says why in a sentence" 'cpu.weight of ocr .* class critical' "$(modelgov explain ocr)"
has "explain --json has outcomes" '"outcome": ?"applied"' "$(modelgov explain ocr --json)"
dump=$(bpftool map dump pinned /sys/fs/bpf/modelgov/models 2>&1)
has "bpftool shows the models by name" 'ocr' "$dump"
has "modelgov doctor finds what it needs" 'ok +.*BTF' "$(modelgov doctor)"

# ---- the wire, as a client of another maker speaks it
answers=$(wire '{"method":"org.varlink.service.GetInfo"}' \
	'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.modelgov.Governor"}}' \
	'{"method":"org.modelgov.Governor.Status","parameters":{}}' \
	'{"method":"org.modelgov.Governor.Nonsense"}' \
	'{"method":"org.modelgov.Governor.Explain","parameters":{"limit":"many"}}')
answer() { sed -n "${1}p" <<<"$answers"; }
is "calls in one go are answered one by one" 5 "$(wc -l <<<"$answers")"
has "GetInfo names the interface" '^ok .*"org\.modelgov\.Governor"' "$(answer 1)"
has "the interface describes itself" '^ok .*interface org\.modelgov\.Governor.*method Status\(\)' "$(answer 2)"
has "Status answers with the models" '^ok .*"name": "ocr"' "$(answer 3)"
has "an unknown method has Varlink's own error" '^org\.varlink\.service\.MethodNotFound' "$(answer 4)"
has "a wrong type has Varlink's own error" '^org\.varlink\.service\.InvalidParameter.*"limit"' "$(answer 5)"

# ---- a typo is refused, the old policy stays
cp /etc/modelgov/models.d/ocr.yaml /run/ocr.good
sed -i 's/class:/clas:/' /etc/modelgov/models.d/ocr.yaml
sleep 2
has "a typo is visible in status with its line" 'ocr\.yaml:8:' "$(modelgov status)"
is "the old policy stays in force" "$set_weight" "$(property ocr.service CPUWeight)"
modelgov check >/run/check.out 2>&1
is "check exits 3 for it" 3 $?
cp /run/ocr.good /etc/modelgov/models.d/ocr.yaml
gets "the repaired policy is taken" 0 sh -c 'modelgov status | grep -c "ocr.yaml:8:"'

# ---- a key that left its manifest is put back
manifest batch batch ''
gets "a knob that left the manifest has its first value again" "$tasks_before" \
	property batch.service TasksMax

# ---- starting and adopting models
cat >/etc/modelgov/models.d/adhoc.yaml <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: adhoc, version: 1.0.0, owner: test@example.org }
	resources: { class: batch, tasks: { max: 64 } }
END
gets "a model without a match is in status" 'no target' weight_of adhoc
modelgov run adhoc -- sleep 300 &
gets "run starts a command in the model's own scope" active systemctl is-active modelgov-adhoc.scope
gets "its scope gets the class's weight" "$(knob system.slice/batch.service/cpu.weight)" \
	knob modelgov.slice/modelgov-adhoc.scope/cpu.weight
gets "its limits are written inside" 64 knob modelgov.slice/modelgov-adhoc.scope/main/pids.max
sleep 300 &
adopted=$!
modelgov attach adhoc $adopted
has "attach moves a process into the scope" 'modelgov-adhoc.scope/main' "$(cat /proc/$adopted/cgroup)"
modelgov run nosuch -- true >/run/out 2>&1
has "run of a model without manifest says the cure" 'nosuch' "$(cat /run/out)"
systemctl stop modelgov-adhoc.scope
rm /etc/modelgov/models.d/adhoc.yaml

# ---- kill -9: put back by ExecStopPost, then governed again
restart() { # VALUE EXTRA: how systemd reacts to its death
	mkdir -p /run/systemd/system/modelgovd.service.d
	printf '[Service]\nRestart=%s\n%s\n' "$1" "${2:-}" >/run/systemd/system/modelgovd.service.d/test.conf
	systemctl daemon-reload
}
killed() {
	systemctl kill -s KILL --kill-who=main modelgovd
	gets "$1" failed systemctl is-active modelgovd
	systemctl reset-failed modelgovd
}
restart no
killed "kill -9 ends it"
is "kill -9 leaves every unit as it was before" "$before" "$(values)"
restart on-failure
systemctl start modelgovd
gets "governs again" yes settled
main_pid=$(property modelgovd.service MainPID)
systemctl kill -s KILL --kill-who=main modelgovd
gets "systemd starts it again" new sh -c \
	"pid=\$(systemctl show -P MainPID modelgovd.service); [ \$pid != 0 ] && [ \$pid != $main_pid ] && echo new || echo \$pid"
gets "and it governs" yes settled

# ---- kill -9 with nobody to clean up: restore by hand
restart no ExecStopPost=
killed "kill -9 ends it, and nothing cleans up"
is "until restore the weights are ours" yes "$(settled)"
modelgov restore >/run/out 2>&1
is "modelgov restore succeeds without a daemon" 0 $?
is "modelgov restore puts every value back" "$before" "$(values)"
rm -r /run/systemd/system/modelgovd.service.d
systemctl daemon-reload

# ---- stop
systemctl start modelgovd
gets "governs again" yes settled
systemctl stop modelgovd
is "systemctl stop leaves every unit as it was before" "$before" "$(values)"
is "the daemon ended well" success "$(property modelgovd.service Result)"
is "no program is left in the kernel" "" "$(ls /sys/fs/bpf/modelgov 2>/dev/null)"
has "modelgov status without a daemon says the cure" 'systemctl start modelgovd' "$(modelgov status 2>&1)"

# ---- a host without a BPF file system: counted all the same, and said
umount /sys/fs/bpf
systemctl start modelgovd
gets "governs without a BPF file system" yes settled
has "status says that nothing is pinned, and the cure" 'BPF pins.*mount -t bpf bpf /sys/fs/bpf' "$(modelgov status)"
is "and counts" True "$(modelgov status --json | python3 -c '
import json, sys
print(next(p["is_ok"] for p in json.load(sys.stdin)["health"] if p["part"] == "run queue (BPF)"))')"
systemctl stop modelgovd
mount -t bpf bpf /sys/fs/bpf

echo "-- what the journal says of it"
journalctl -u modelgovd -o cat --no-pager | tail -n 60
systemd-analyze security --no-pager modelgovd.service 2>/dev/null | tail -n 1
verdict
