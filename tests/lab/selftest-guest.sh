#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# selftest-guest.sh BEAT: runs inside "vmrun -L" with the tiny init. A beat alone, beside six busy loops with the same
# weight, and with the greatest against the least: one line each, to be compared with those of another machine.
set -u
beat=$1
cgroup=/sys/fs/cgroup

start_in() { # GROUP COMMAND...
	echo $BASHPID >"$cgroup/$1/cgroup.procs"
	shift
	exec "$@"
}

arm() { # NAME WEIGHT
	echo "$2" >$cgroup/server/cpu.weight
	# 9 ms of work in every 23.7 ms: no multiple of the kernel's tick of 4 ms, so that they meet in all phases.
	echo "$1 $(start_in server "$beat" 9000 23700 200)"
}

arms() {
	arm alone 100
	for _ in 1 2 3 4 5 6; do
		(start_in loops bash -c 'while :; do :; done') &
	done
	arm equal 100
	echo 1 >$cgroup/loops/cpu.weight
	arm weighted 10000
}

if [ "${2:-}" = arms ]; then
	arms
	exit
fi
echo +cpu >$cgroup/cgroup.subtree_control
mkdir $cgroup/server $cgroup/loops
"$beat" 9000 23700 10 >/dev/null # reads what is to be read
exec /run/vm/measure bash "$0" "$beat" arms
