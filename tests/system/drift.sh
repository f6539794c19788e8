#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What others change in the kernel after modelgov set it: found within a tick, named, put back, and left alone after
# the third time.
#
#   system.slice
#     ocr.service            critical   systemctl set-property, again and again
#     speech.service         standard   an administrator's drop-in and daemon-reload
#     batch.service          batch      a process writes the file
#   machine.slice
#     libpod-feed.scope      batch      a container: its runtime sets a property, or writes the file
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

manifest() { # NAME CLASS MATCH
	cat >"/etc/modelgov/models.d/$1.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: $1, version: 1.0.0, owner: test@example.org }
	match: { $3 }
	resources: { class: $2 }
	END
}

# drift MODEL FIELD...: of its drift of cpu.weight in status; "none" without one
drift() {
	modelgov status --json >/run/status.json
	python3 -c '
import json, sys
for d in json.load(open("/run/status.json"))["drifts"]:
    if d["model"] == sys.argv[1] and d["knob"] == "cpu.weight":
        print(*[d[f] for f in sys.argv[2:]])
        break
else:
    print("none")' "$@"
}

# "KIND MODEL WRITER NAME FOUND TIMES" of each drift in the record, oldest first. The database is the daemon's: only
# while it is stopped.
recorded() {
	python3 -c '
import json, sqlite3
db = sqlite3.connect("file:/var/lib/modelgov/journal.db?mode=ro", uri=True)
for kind, body in db.execute("SELECT kind, body FROM entry WHERE kind LIKE \"drift%\" ORDER BY seq"):
    d = json.loads(body)
    print(kind, *[d[f] for f in ("model", "writer", "comm", "found", "times")])'
}

# change NAME MODEL FILE WEIGHT TOLD COMMAND...: the command changes FILE; WEIGHT is there again, the status tells
# TOLD (writer, name, value found, times), and the change was found in the first observation after it
change() {
	local name=$1 model=$2 file=$3 weight=$4 told=$5 ended at fields
	shift 5
	"$@"
	ended=$(date +%s%N)
	gets "$name is put back" "$weight" knob "$file/cpu.weight"
	read -r at fields <<<"$(drift "$model" found_at_ns writer comm found times)"
	is "$name is told" "$told" "$fields"
	# a tick is a second; this machine is emulated and may be late by half of one
	[ "$at" != none ] && [ $((at - ended)) -le 1500000000 ]
	is "$name is found within a tick" 0 $?
}

stage_install
for u in ocr speech batch; do printf '[Service]\nExecStart=/bin/sleep infinity\n' >/run/systemd/system/$u.service; done
systemctl daemon-reload
systemctl start ocr speech batch
systemd-run -q --scope --slice=machine.slice -u libpod-feed sleep infinity &
mkdir -p /etc/modelgov/models.d
manifest ocr critical 'units: [ocr.service]'
manifest speech standard 'units: [speech.service]'
manifest batch batch 'units: [batch.service]'
manifest feed batch 'units: [libpod-feed.scope]'
printf 'apiVersion: modelgov/v1\nkind: Host\nmode: enforce\n' >/etc/modelgov/modelgov.yaml
systemctl start modelgovd

ocr=system.slice/ocr.service speech=system.slice/speech.service batch=system.slice/batch.service
feed=machine.slice/libpod-feed.scope
gets "ocr is governed" 1455 knob $ocr/cpu.weight
settled() { [ "$(knob $batch/cpu.weight)" -lt 100 ] && [ "$(knob $feed/cpu.weight)" -lt 100 ] && echo yes; }
gets "and the others" yes settled
low=$(knob $batch/cpu.weight) feed_low=$(knob $feed/cpu.weight)
sleep 3 # the reload of the last unit is not to be blamed
is "nothing drifted by governing itself" none "$(drift ocr times)"
is "and writers can be named" 0 "$(modelgov status | grep -c fanotify)"

# ---- each kind of writer
write() { echo "$2" >"$cgroot/$1/cpu.weight"; } # CGROUP WEIGHT
set_weight() { systemctl set-property --runtime "$1" "CPUWeight=$2"; } # UNIT WEIGHT
cp /bin/bash /run/crun
mkdir -p /etc/systemd/system/speech.service.d
printf '[Service]\nCPUWeight=150\n' >/etc/systemd/system/speech.service.d/60-admin.conf

change "a property set by hand" ocr $ocr 1455 "property systemd 200 1" set_weight ocr.service 200
change "a direct write" batch $batch "$low" "direct bash 300 1" write $batch 300
change "a container's property" feed $feed "$feed_low" "runtime systemd 250 1" set_weight libpod-feed.scope 250
change "a write by crun" feed $feed "$feed_low" "runtime crun 260 2" /run/crun -c "echo 260 >$cgroot/$feed/cpu.weight"
change "a daemon-reload" speech $speech 100 "reload systemd 150 1" systemctl daemon-reload
rm -r /etc/systemd/system/speech.service.d

# ---- the fourth time
sleep 3 # what systemd writes now is no reload any more
change "a second time" ocr $ocr 1455 "property systemd 200 2" set_weight ocr.service 200
has "status says so" 'drift +cpu.weight of ocr was changed from 1455 to 200 by systemd, .*; put back \(2nd time' "$(modelgov status)"
change "a third time" ocr $ocr 1455 "property systemd 200 3" set_weight ocr.service 200
set_weight ocr.service 201
gets "the fourth time is left alone" "True 3" drift ocr left_alone times
sleep 2
is "and stays" 201 "$(knob $ocr/cpu.weight)"
has "status says so, and the cure" 'drift +cpu.weight of ocr .* to 201 by .*; left alone after 3 times.*cure: ' "$(modelgov status)"
explained=$(modelgov explain ocr)
has "explain too" 'ocr +cpu.weight of ocr .*left alone after 3 times.*cure: ' "$explained"
has "explain tells each put-back" 'was changed from 1455 to 200 by systemd, .*put back \(3rd time in ten minutes\)' "$explained"
has "the system journal has it" 'left alone after 3 times' "$(journalctl -u modelgovd -o cat -p err --no-pager)"

# ---- another manifest takes it up again
sed -i 's/class: critical/class: critical, priority: 5/' /etc/modelgov/models.d/ocr.yaml
gets "another manifest takes it up again" 1819 knob $ocr/cpu.weight

systemctl stop modelgovd
is "the record has every one of them" "drift ocr property systemd 200 1
drift batch direct bash 300 1
drift feed runtime systemd 250 1
drift feed runtime crun 260 2
drift speech reload systemd 150 1
drift ocr property systemd 200 2
drift ocr property systemd 200 3
drift_left_alone ocr property systemd 201 3
drift ocr property systemd 201 1" "$(recorded)"
verdict
