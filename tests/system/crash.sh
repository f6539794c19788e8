#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon at many points while a change comes into force, forwards and back: after its restart the old or
# the new generation is in force, and the kernel's values are all of that one. As many points as fit into the time;
# their number is printed. tests/property/test_change_crash.c kills the same code 200 times without a machine around it.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

most=200 time_limit=${MODELGOV_CRASH_SECONDS:-150} # points; seconds

loop='[Service]
ExecStart=/bin/sh -c "while :; do sleep 0.5; done"'

policy() { # DIR TASKS: three models with that many tasks at most
	mkdir -p "$1/models.d"
	printf 'apiVersion: modelgov/v1\nkind: Host\nmode: enforce\n' >"$1/modelgov.yaml"
	for name in one two three; do
		cat >"$1/models.d/$name.yaml" <<-END
		apiVersion: modelgov/v1
		kind: Model
		metadata: { name: $name, version: 1.0.0, owner: test@example.org }
		match: { units: [$name.service] }
		resources: { class: standard, tasks: { max: $2 } }
		END
	done
}

# The kernel's values, without starting a process.
values() {
	local name value
	read_values=''
	for name in one two three; do
		value=none
		read -r value 2>/dev/null <"$cgroot/system.slice/$name.service/pids.max"
		read_values+="$value "
	done
}

field() { sed -n "s/.*\"$1\": *\"\\([0-9a-f]*\\)\".*/\\1/p"; } # of indented JSON on stdin

in_force() { # the digest, once the daemon answers
	local answer
	until answer=$(modelgov status --json 2>/dev/null | sed -n '/"changes": {/,$p' | field digest) && [ -n "$answer" ]; do
		sleep 0.1
	done
	echo "$answer"
}

stage_install
for name in one two three; do unit $name.service "$loop"; done
policy /etc/modelgov 101
policy /run/other 202
mkdir -p /run/systemd/system/modelgovd.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=0\n' >/run/systemd/system/modelgovd.service.d/test.conf
systemctl daemon-reload
systemctl start modelgovd
digest_old=$(in_force)
set_of() { values; echo "$read_values"; }
gets "the first generation's values are in force" "101 101 101 " set_of
modelgov apply --etc /run/other -m "the other one" >/dev/null
digest_new=$(in_force)
is "there are two policies" different "$([ "$digest_old" != "$digest_new" ] && echo different)"
gets "the second generation's values are in force" "202 202 202 " set_of

wanted() { [ "$1" = "$digest_old" ] && echo "101 101 101 " || echo "202 202 202 "; }
points=0 stayed=0 came=0 mixed='' unknown='' now=$digest_new
until_time=$((SECONDS + time_limit))
while [ $points -lt $most ] && [ $SECONDS -lt $until_time ]; do
	pid=$(systemctl show -P MainPID modelgovd)
	# forwards by apply, back by rollback: what differs is who finds the bytes
	if [ "$now" = "$digest_new" ]; then
		modelgov rollback 1 -m "point $points" >/dev/null 2>&1 &
	else
		modelgov apply --etc /run/other -m "point $points" >/dev/null 2>&1 &
	fi
	asker=$!
	sleep "0.$(printf %03d $((RANDOM % 700)))"
	kill -9 "$pid"
	wait $asker
	before=$now
	now=$(in_force)
	points=$((points + 1))
	case $now in
	"$digest_old" | "$digest_new") ;;
	*) unknown+="point $points: $now; " ;;
	esac
	[ "$now" = "$before" ] && stayed=$((stayed + 1)) || came=$((came + 1))
	# an open change goes on by itself after the restart, so what is in force may be another by now
	for _ in $(seq 20); do
		for _ in $(seq 10); do
			values
			[ "$read_values" = "$(wanted "$now")" ] && break 2
			sleep 0.1
		done
		now=$(in_force)
	done
	[ "$read_values" = "$(wanted "$now")" ] || mixed+="point $points: $now has $read_values; "
done
echo "-- $points points: $stayed times the generation before stayed, $came times the new one was in force"
is "after each kill the old or the new generation is in force" "" "$unknown"
is "and all values are that one's" "" "$mixed"
is "some kills came before and some after" yes "$([ $stayed -gt 0 ] && [ $came -gt 0 ] && echo yes || echo "$stayed, $came")"
is "there were at least three points, on a machine however busy" yes "$([ $points -ge 3 ] && echo yes || echo $points)"
modelgov audit verify
is "the record is whole" 0 $?
is "no two changes are in force at a time" 0 "$(modelgov changes --json | grep -c '"state": "probation"')"

echo "-- what the journal says of it"
journalctl -u modelgovd -o cat --no-pager | tail -n 30
verdict
