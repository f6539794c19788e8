#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Proves what vmrun promises, from outside; selftest-guest.sh proves what the machine under systemd offers, from inside.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tally.sh
. "$here/tally.sh"
vmrun=$here/vmrun

# All work folders of our machines go here, so that their processes can be told from others'.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/vmtest.XXXXXX") || exit 1
export TMPDIR
results=$(mktemp -d /tmp/vmresults.XXXXXX) || exit 1
trap 'rm -rf "$TMPDIR" "$results"' EXIT

# Prints how many processes name our work folder, once none does or after 30 seconds. The folder's name comes from a
# file, or the search would find itself.
processes_left() {
	local left i
	printf '%s\n' "$TMPDIR/vmrun." >"$results/ours"
	for ((i = 0; i < 300; i++)); do
		left=$(grep -alF -f "$results/ours" /proc/[0-9]*/cmdline 2>/dev/null | wc -l)
		[ "$left" -gt 0 ] || break
		sleep 0.1
	done
	echo "$left"
}

# Starts a machine whose command says a word and then never ends; returns when the word has arrived. Sets pid.
machine_start() {
	mkfifo "$results/pipe"
	"$vmrun" -- bash -c 'echo word; sleep 1000' >"$results/pipe" 2>/dev/null &
	pid=$!
	read -r -t 180 word <"$results/pipe"
	rm "$results/pipe"
}

two_at_once() {
	export MODELGOV_VM_CACHE=$results/cache
	"$vmrun" -o "$results/out" -- bash -c 'echo fruit >/run/vm/out/file; : >/vm-was-here; echo to stderr >&2; exit 7' \
		>"$results/a" 2>&1 &
	"$vmrun" -- uname -r >"$results/b"
	expect "exit status 0 comes back" $? 0
	wait $!
	expect "exit status 7 comes back, from a machine started at the same moment" $? 7
	unset MODELGOV_VM_CACHE
	expect "the two share one initramfs" "$(cd "$results/cache" && echo *)" 'initramfs-*-cloud-amd64-????????????????'
	expect "output comes back" "$(cat "$results/b")" '*-cloud-amd64'
	expect "what a command says on stderr comes back too" "$(cat "$results/a")" "to stderr"
	expect "-o brings files out" "$(cat "$results/out/file")" fruit
	[ ! -e /vm-was-here ]
	expect "what the machine writes stays in it" $? 0
}

a_time_out() {
	"$vmrun" -t 4 -- sleep 1000 2>"$results/b"
	expect "a time-out gives 124" $? 124
	expect "a time-out is explained" "$(tail -n 1 "$results/b")" '*no end after 4 s'
	expect "a time-out leaves no process" "$(processes_left)" 0
}

an_interrupted_run() {
	machine_start
	expect "output streams while the command runs" "$word" word
	kill -TERM $pid
	wait $pid
	expect "an ended vmrun says so" $? 143
	expect "an ended vmrun leaves no process" "$(processes_left)" 0
	expect "an ended vmrun leaves no file" "$(ls "$TMPDIR")" ''
	machine_start
	kill -KILL $pid
	wait $pid 2>/dev/null
	expect "a killed vmrun leaves no process" "$(processes_left)" 0
}

a_dead_machine() {
	"$vmrun" -- bash -c 'echo c >/proc/sysrq-trigger; sleep 1000' >/dev/null 2>"$results/b"
	expect "a machine that died gives 125" $? 125
	expect "the console of a dead machine is shown" "$(cat "$results/b")" '*sysrq_handle_crash*the machine died*'
	"$vmrun" -k 99.9 -- true 2>"$results/b"
	expect "a missing kernel gives 125" $? 125
	expect "a missing kernel is explained with its cure" "$(cat "$results/b")" '*no kernel image*make deps*'
}

two_at_once
a_time_out
an_interrupted_run
a_dead_machine
"$vmrun" -s -t 300 -- bash "$here/selftest-guest.sh" | tee "$results/a" | grep -E '^(ok|not ok|skip) '
tally_add "$results/a" "the machine under systemd"
tally_end
