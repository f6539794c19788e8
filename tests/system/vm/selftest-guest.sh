#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs inside "vmrun -s": a stock systemd with pure cgroup v2 is there and its levers move something. Restarts nothing.
set -u
# shellcheck source-path=SCRIPTDIR source=tally.sh
. "$(dirname "$0")/tally.sh"
cgroup=/sys/fs/cgroup

# Prints the CPU time of a unit in microseconds.
usage_us() { # UNIT
	awk '$1 == "usage_usec" { print $2 }' "$cgroup/system.slice/$1/cpu.stat"
}

# Two busy loops on one CPU, measured from when both are there until the lesser has had a third of a second.
weights_share_a_cpu() {
	local unit lesser greater
	for unit in "lesser 100" "greater 900"; do
		systemd-run -q --unit="${unit% *}" -p CPUWeight="${unit#* }" -p CPUAffinity=0 \
			bash -c 'while :; do :; done' || return
	done
	lesser=$(usage_us lesser.service) greater=$(usage_us greater.service)
	until [ $(($(usage_us lesser.service) - lesser)) -gt 333000 ]; do :; done
	lesser=$(($(usage_us lesser.service) - lesser)) greater=$(($(usage_us greater.service) - greater))
	systemctl stop lesser greater
	[ $((greater * 10 / lesser)) -ge 70 ] && [ $((greater * 10 / lesser)) -le 110 ]
	expect "weights 100:900 share a CPU about 1:9" "$? (1:$((greater / lesser)))" "0 *"
}

expect "systemd is up and no unit has failed" "$(systemctl is-system-running --wait)" running
expect "it is process 1" "$(cat /proc/1/comm)" systemd
expect "cgroup v2 is all there is" "$(awk '$3 ~ /^cgroup/ { print $2, $3 }' /proc/mounts)" "$cgroup cgroup2"
for controller in cpu memory io pids; do
	expect "the $controller controller is there" " $(cat $cgroup/cgroup.controllers) " "* $controller *"
done
expect "no unit has a cpu controller before one asks" "$(cat $cgroup/system.slice/cgroup.subtree_control)" "memory pids"
expect "pressure is measured" "$(cat /proc/pressure/memory)" "some avg10=*full avg10=*"
expect "the kernel's types are there" "$(ls /sys/kernel/btf/vmlinux)" /sys/kernel/btf/vmlinux
expect "the file systems of BPF and tracing are mounted" "$(stat -f -c %T /sys/fs/bpf /sys/kernel/tracing | xargs)" \
	"bpf_fs tracefs"
expect "the system bus answers" "$(busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 \
	org.freedesktop.systemd1.Manager Version)" 's "2*"'
expect "busctl names the bus" "$(busctl status)" "BusAddress=*"
expect "a transient service runs" "$(systemd-run --wait --pipe -q echo hello 2>&1)" hello
systemctl daemon-reload
expect "daemon-reload works" $? 0
logger -t vmtest "a line"
journalctl --sync
expect "the journal keeps what it is told" "$(journalctl -q -t vmtest -o cat)" "a line"
weights_share_a_cpu
expect "systemd still runs" "$(systemctl is-system-running)" running
tally_end
