#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A change's life on an installed host: proposed by one person, refused by a gate, mended, approved by another,
# applied, worse on probation, taken back by itself; then what a gate that cannot tell does, and who may what.
#
#   system.slice
#     ocr.service     wakes up all the time      critical, owned by ada
#     hog.service     eats every CPU             batch
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

for user in ada ben eve nil; do useradd -M -s /bin/sh "$user"; done
groupadd -f viewers
usermod -a -G viewers eve
as() { # USER COMMAND...: its output, and its exit status in $status
	local user=$1
	shift
	out=$(runuser -u "$user" -- "$@" 2>&1)
	status=$?
}

model() { # DIR NAME CLASS PRIORITY OBJECTIVE EXTRA
	mkdir -p "$1/models.d"
	cat >"$1/models.d/$2.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: $2, version: 1.0.0, owner: test@example.org${6:-} }
	match: { units: [$2.service] }
	objectives:
	  - { indicator: runqueue_wait, quantile: p99, budget: $5, window: 2s }
	resources: { class: $3, priority: $4 }
	END
}
eventually() { # NAME EXPECTED COMMAND...: as gets, within 150 s
	local until=$((SECONDS + 150))
	while [ $SECONDS -lt $until ] && [ "$("${@:3}" 2>&1)" != "$2" ]; do sleep 1; done
	is "$1" "$2" "$("${@:3}" 2>&1)"
}
host() { # DIR CHANGES
	mkdir -p "$1"
	cat >"$1/modelgov.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Host
	mode: enforce
	changes: { $2 }
	access: { operators: [ada], approvers: [ben], viewers: ['@viewers'] }
	END
}
in_force() { modelgov status | sed -n 's/^in force *generation //p'; }
state() { modelgov gates "$1" | sed -n 's/^change [0-9]*: //p'; }
newest() { modelgov changes -n 1 | awk 'NR == 2 { print $1 }'; }
newest_state() { modelgov changes -n 1 | awk 'NR == 2 { print $2, $6 }'; } # and its source
canonical() { modelgov export "$1" | grep '"canonical"'; }
weights() { systemctl show -P CPUWeight ocr.service hog.service | paste -sd' '; }

stage_install
unit ocr.service '[Service]
ExecStart=/bin/sh -c "while :; do sleep 0.01; done"'
unit hog.service '[Service]
ExecStart=/bin/sh -c "for i in 1 2 3 4; do while :; do :; done & done; wait"'
rules='apply: manual, approvals: 1, probation: 60s, gateTimeout: 60s'
host /etc/modelgov "$rules"
model /etc/modelgov ocr critical 0 150ms ', owners: [ada]'
model /etc/modelgov hog batch 0 10s

# ---- the first generation
systemctl start modelgovd
eventually "the first policy becomes generation 1, whatever the rules say" 1 in_force
settled() { [ "$(weights | awk '$1 == 1455 && $2 < 100')" ] && echo yes || weights; }
eventually "its weights are in force" yes settled
before=$(weights)
first=$(canonical 1)
sleep 25 # what is before, for the judge of the probation

# ---- a gate refuses, the author mends it
mkdir -p /etc/modelgov/gates.d
cat >/etc/modelgov/gates.d/10-ticket <<'END'
#!/bin/sh
asked=$(cat)
case $asked in *'"in_force":{'*'"interface":"modelgov/gate/v1"'*) ;; *) exit 75 ;; esac
case $asked in
*'"ticket":""'*)
	case $asked in *'"key":"resources.class","model":"ocr"'*)
		echo "the class of ocr"
		echo "needs a change request"
		exit 1
		;;
	esac
	;;
esac
END
cat >/etc/modelgov/gates.d/20-confined <<'END'
#!/bin/sh
[ "$(id -u)" != 0 ] || { echo "root"; exit 1; }
touch /etc/modelgov/x /var/tmp/x 2>/dev/null && { [ -e /etc/modelgov/x ] && echo "can write" && exit 1; }
[ "$(ls /sys/class/net)" = lo ] || { echo "has a network: $(ls /sys/class/net)"; exit 1; }
echo "nobody, no network, nothing to write"
END
chmod 755 /etc/modelgov/gates.d/*
cp -r /etc/modelgov /run/proposal
rm -r /run/proposal/gates.d
model /run/proposal ocr batch -10 150ms ', owners: [ada]'
model /run/proposal hog critical 10 10s
chmod -R a+rX /run/proposal
as ada modelgov propose /run/proposal -m "hog first"
is "propose exits 6 when a gate refuses" 6 $status
has "and prints what the gate said" '10-ticket +fail +the class of ocr needs a change request' "$out"
as ada modelgov gates 2
has "gates shows that executables run as nobody, without network, read only" \
	'20-confined +pass +nobody, no network, nothing to write' "$out"
is "nothing has changed" "1 $before" "$(in_force) $(weights)"

as ada modelgov propose /run/proposal -m "hog first" --change CHG-7
is "the mended proposal passes" 0 $status
has "and waits for another person" 'waits for 1 more approval' "$out"

# ---- who may what
as nil modelgov status
is "a stranger is told so and not served" 5 $status
as eve modelgov changes
is "a viewer by group may look" 0 $status
as eve modelgov approve 3 -m "fine"
has "a viewer cannot approve" 'neither an approver of this host' "$out"
as eve modelgov propose /run/proposal -m x
is "nor propose" 5 $status
as ada modelgov apply 3 -m "now"
has "it cannot be applied without the approval" 'change 3 waits for 1 more approval' "$out"
is "and the exit status says refused" 6 $status
as ada modelgov approve 3 -m "mine"
has "the author cannot approve" 'ada proposed change 3 and cannot approve it' "$out"
as ben modelgov approve 3 -m "measured it elsewhere"
is "another approver can" "0 ready" "$status $(state 3)"

# ---- applied, worse, taken back
as ada modelgov apply 3 -m "as agreed" --json
has "apply says what it did" '"state": "probation"' "$out"
starved() { [ "$(systemctl show -P CPUWeight ocr.service)" -lt "$(systemctl show -P CPUWeight hog.service)" ] && echo yes; }
gets "the new weights are in force" yes starved
has "what is in /etc and not in force is drift in status" "/etc/modelgov holds .*not in force" "$(modelgov status)"
eventually "the probation fails and takes the change back" rolled_back state 3
is "the generation before is in force again, as one of its own" 3 "$(in_force)"
has "with the reason" 'ocr, a critical model, was over twice its budget|ocr broke its budget' \
	"$(modelgov history)"
is "its canonical bytes are those of generation 1" "$first" "$(canonical 3)"
has "its author is modelgovd" 'Made .* by modelgovd' "$(modelgov history 3)"
# what feedback took meanwhile is given back level by level
eventually "the weights are those of before" "$before" weights

# ---- a gate that cannot tell
printf '#!/bin/sh\necho no data; exit 75\n' >/etc/modelgov/gates.d/30-data
chmod 755 /etc/modelgov/gates.d/30-data
model /run/proposal ocr critical 1 150ms ', owners: [ada]'
model /run/proposal hog batch 0 10s
as ada modelgov propose /run/proposal -m "a little more"
change=$(newest)
has "a gate that cannot tell is inconclusive" '30-data +inconclusive +could not tell: no data' "$out"
is "and the change waits" waiting "$(state "$change")"
as ada modelgov withdraw "$change" -m "not today"
is "its author withdraws it" "0 withdrawn" "$status $(state "$change")"
rm /etc/modelgov/gates.d/30-data

# ---- files in /etc
model /etc/modelgov ocr critical 2 150ms ', owners: [ada]'
gets "with apply: manual a changed file waits as a change" "waiting etc" newest_state
change=$(newest)
as root modelgov approve "$change" -m "mine"
has "root wrote it and cannot approve it" 'root proposed change' "$out"
model /etc/modelgov ocr critical 0 150ms ', owners: [ada]'
gets "taken out of /etc again it is superseded" superseded state "$change"
chmod 775 /etc/modelgov/gates.d
model /etc/modelgov ocr critical 2 150ms ', owners: [ada]'
gets "who could write a gate could let anything pass: refused" "refused etc" newest_state
chmod 755 /etc/modelgov/gates.d

# ---- rollback by hand
as ada modelgov rollback 2 -m "once more" --change CHG-8
has "rollback to a generation waits for the approvals that the rules ask for" 'waits for 1 more approval' "$out"
is "and says so by its status" 7 $status
change=$(newest)
as ben modelgov approve "$change" -m "ok"
gets "approved, it applies itself" 4 in_force
as ada modelgov withdraw "$change" -m "no, really not"
is "withdrawn on probation the one before is back at once" "0 5" "$status $(in_force)"
is "to the byte" "$first" "$(canonical 5)"

# ---- the record of all that
out=$(modelgov audit verify 2>&1)
is "audit verify finds the record whole" 0 $?
has "audit show tells who did what, refusals included" 'ben' "$(modelgov audit show 3)"
has "also who was refused" 'cannot approve it' "$(modelgov audit show 3 --json)"
systemctl stop modelgovd
has "without a daemon changes are read from the record" 'rolled_back' "$(modelgov changes)"

echo "-- what the journal says of it"
journalctl -u modelgovd -o cat --no-pager | tail -n 50
verdict
