#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# act/ against a real systemd and a real kernel: what it sets holds, what it reports is true, and what it puts back is
# as if it had never been there.
#
#   system.slice
#     plain.service   nothing of its own           own.service     CPUWeight=200, MemoryHigh=800M in its file
#     admin.service   run-time changes of the administrator
#     gone.service    transient, made anew under its name while it is governed
#     scope.scope     transient
#   modelgov.slice/modelgov-MODEL.scope/main      adopted processes
#   /modelgov/bare                                the same as on a host without systemd
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

state=/var/lib/modelgov
act() { "${O:-build}/tests/system/act_tool" "$state" "$@" 2>&1; }
bare() { "${O:-build}/tests/system/act_tool" -n /var/lib/modelgov-bare "$@" 2>&1; }
on() { act apply "$1" "/system.slice/$1" "${@:2}"; } # UNIT KNOB=VALUE...
words() { awk '{print $1, $2, $3}'; }                 # knob, outcome, value read back
outcomes() { awk '{print $1, $2}'; }

joined() { paste -sd' '; }
files() { (cd "$cgroot$1" && shift && cat "$@") | joined; } # CGROUP FILE...

# Everything of a unit that act may change, and where systemd keeps it.
shown() {
	local u
	for u in "$@"; do
		systemctl show -p Id,CPUWeight,CPUQuotaPerSecUSec,MemoryMin,MemoryLow,MemoryHigh,MemoryMax,IOWeight,TasksMax,DropInPaths,NeedDaemonReload "$u"
	done
}
dropins() { find /run/systemd/system.control /run/systemd/transient -path '*.d/*' -exec sha256sum {} + 2>/dev/null | sort; }
id() { stat -c %i "$cgroot$1"; }

for u in plain own admin; do printf '[Service]\nExecStart=/bin/sleep infinity\n' >/run/systemd/system/$u.service; done
printf 'CPUWeight=200\nMemoryHigh=800M\n' >>/run/systemd/system/own.service
systemctl daemon-reload
systemctl start plain own admin
systemctl set-property --runtime admin.service CPUWeight=150 MemoryHigh=600M TasksMax=300
systemd-run -q -u gone -p CPUWeight=300 sleep infinity
systemd-run -q --scope -u scope sleep infinity &
gets "the scope of the test runs" active systemctl is-active scope.scope
governed='plain.service own.service admin.service gone.service scope.scope'
before=$(shown $governed) before_dropins=$(dropins)

# ---- units ---------------------------------------------------------------------------------------

all='cpu.weight=55 cpu.max=30000 memory.min=4194304 memory.low=8388608 memory.high=734003200 memory.max=838860800 io.weight=44 pids.max=77'
expected='cpu.weight applied 55
cpu.max applied 30000
memory.min applied 4194304
memory.low applied 8388608
memory.high applied 734003200
memory.max applied 838860800
io.weight applied 44
pids.max applied 77'
for u in $governed; do
	is "all knobs of $u are set and read back" "$expected" "$(on $u $all | words)"
done
# (systemd 252 does tell it for admin.service: it lists its older drop-ins before ours, whatever their names)
is "stopping a governed unit asks nobody for a daemon-reload" "no no no no" \
	"$(for u in plain.service own.service gone.service scope.scope; do property $u NeedDaemonReload; done | joined)"
is "the ledger has one entry for each unit and knob" 40 "$(act size)"
systemctl daemon-reload
is "a daemon-reload keeps what was set" "55 30000 100000 734003200 77" \
	"$(files /system.slice/plain.service cpu.weight cpu.max memory.high pids.max)"
is "a value that is there already is not written again" "cpu.weight applied 55 it was so already" "$(on own.service cpu.weight=55)"
is "a change grows no ledger" 40 "$(on own.service cpu.weight=60 >/dev/null; act size)"
is "memory that is no multiple of a page is reported as rounded" "memory.high rounded 799997952" \
	"$(on plain.service memory.high=800000000 | words)"

systemctl set-property --runtime plain.service CPUWeight=123
is "a value that somebody else changed is left alone" "cpu.weight superseded 123" "$(on plain.service cpu.weight=70:55 | words)"
is "and stays" 123 "$(knob system.slice/plain.service/cpu.weight)"

old=$(id /system.slice/own.service)
systemctl restart own.service
is "a unit that was started anew is another cgroup" "cpu.weight gone missing" \
	"$(act apply own.service "/system.slice/own.service@$old" cpu.weight=70 | words)"
is "its values came back with it" 60 "$(knob system.slice/own.service/cpu.weight)"

is "one refused property does not take the others along" "cpu.weight refused
memory.high applied" "$(on plain.service cpu.weight=20000 memory.high=104857600 | outcomes)"
has "systemd's own words say why" 'cpu.weight refused 123 systemd: .*out of range' "$(on plain.service cpu.weight=20000)"
has "a refusal of the kernel that systemd keeps to itself is seen" 'pids.max refused 77 no error, but the kernel shows 77' \
	"$(on plain.service pids.max=5000000)"
is "a unit that does not exist is gone" "cpu.weight gone missing" "$(act apply nobody.service /system.slice/nobody.service cpu.weight=9 | words)"
has "a unit that systemd does not know is gone" 'cpu.weight gone .* systemd: .*not found' \
	"$(act apply nobody.service /system.slice/own.service cpu.weight=9)"

is "what is below somebody's unit is not written" "cpu.weight withheld" \
	"$(mkdir $cgroot/system.slice/own.service/sub && act apply - /system.slice/own.service/sub cpu.weight=9:missing | outcomes)"
rmdir $cgroot/system.slice/own.service/sub

# ---- one writer ----------------------------------------------------------------------------------

act size >/dev/null
exec 9<>$state/ledger.lock
flock -n 9
echo 4711 >$state/ledger.lock
has "who does not have the ledger cannot restore, and learns who has it" 'held by process 4711' "$(act restore)"
is "nor apply" "cpu.weight withheld" "$(on own.service cpu.weight=61 | outcomes)"
exec 9>&-

# ---- putting back --------------------------------------------------------------------------------

has "release puts back what is not claimed" 'own.service cpu.weight applied' \
	"$(act release /system.slice/own.service cpu.max memory.min memory.low memory.high memory.max io.weight pids.max)"
is "and only that" "CPUWeight=200 TasksMax=77" "$(systemctl show -p CPUWeight -p TasksMax own.service | joined)"
is "a claim holds for a unit that was restarted" 7 "$(act size)"

for u in $governed; do on $u cpu.weight=55 cpu.max=30000 pids.max=77 >/dev/null; done
is "a process that dies leaves a ledger" Killed "$(act apply plain.service /system.slice/plain.service cpu.weight=99 -- die >/dev/null 2>&1; [ $? = 137 ] && echo Killed)"
is "and the change" 99 "$(knob system.slice/plain.service/cpu.weight)"
systemctl stop gone.service
gets "the transient unit is away" inactive systemctl is-active gone.service
systemd-run -q -u gone -p CPUWeight=400 sleep infinity
is "a transient unit under its old name starts anew" "cpu.weight applied 56" "$(on gone.service cpu.weight=56 | words)"

report=$(act restore)
has "restore tells what it put back" '^own.service cpu.weight applied 200' "$report"
is "nothing is left in the ledger" 0 "$(act size)"
is "restore again does nothing" "" "$(act restore)"
is "units show what they showed before" "${before/CPUWeight=300/CPUWeight=400}" "$(shown $governed)"
is "drop-ins are what they were before" "$before_dropins" "$(dropins)"
is "the kernel has the first values" "200 838860800 max 100000" \
	"$(files /system.slice/own.service cpu.weight memory.high cpu.max)"

systemctl set-property --runtime plain.service CPUWeight=idle
is "an idle unit gets a weight" "cpu.weight applied 80" "$(on plain.service cpu.weight=80 | words)"
act restore >/dev/null
is "and is idle again" "1 idle" "$(knob system.slice/plain.service/cpu.idle) $(property plain.service CPUWeight)"

on scope.scope cpu.weight=90 >/dev/null
systemctl stop scope.scope
is "a unit that is gone is no trouble" "scope.scope cpu.weight gone" "$(act restore | awk '{print $1, $2, $3}')"

is "a slice is a unit like others" "cpu.weight applied 77" "$(act apply system.slice /system.slice cpu.weight=77 | words)"
act restore >/dev/null
is "and is put back" "[not set]" "$(property system.slice CPUWeight)"

# ---- adopting ------------------------------------------------------------------------------------

scope=/modelgov.slice/modelgov-ocr.scope main=/modelgov.slice/modelgov-ocr.scope/main
sleep infinity & one=$!
sleep infinity & two=$!
bash -c 'while :; do sleep 0.01; done' & forker=$!
where() { sed 's/^0:://' "/proc/$1/cgroup"; }

is "a process is adopted" "" "$(act adopt ocr $one)"
is "into a leaf of its own scope" "$main" "$(where $one)"
is "which systemd delegated" "yes modelgov.slice" "$(property modelgov-ocr.scope Delegate) $(property modelgov-ocr.scope Slice)"
has "with all controllers" 'cpu.*io.*memory.*pids' "$(knob $scope/cgroup.subtree_control)"
is "a scope that is there takes more" "" "$(act adopt ocr $two)"
is "in the same place" "$main" "$(where $two)"
is "a process that forks all the time is adopted" "" "$(act adopt forker $forker)"
is "with its children" "/modelgov.slice/modelgov-forker.scope/main" "$(where $forker)"
is "none stays in the inner node" "" "$(knob /modelgov.slice/modelgov-forker.scope/cgroup.procs)"
has "a process that is not there is an error" 'process 4194000: No such process' "$(act adopt ocr 4194000)"
has "and so is a wrong name" "'../x' is not a model's name" "$(act adopt ../x $one)"

is "weights are set at the scope" "cpu.weight applied 300" "$(act apply modelgov-ocr.scope $scope cpu.weight=300 | words)"
is "and not at the leaf" "cpu.weight withheld" "$(act apply - $main cpu.weight=300 | outcomes)"
is "limits are set at the leaf, again and again" "cpu.max applied 50000
memory.high rounded 99999744
pids.max applied 100
cpu.max applied 40000
cpu.max applied 100000" "$(act apply - $main cpu.max=50000 memory.high=100000001 pids.max=100 -- apply - $main cpu.max=40000 -- apply - $main cpu.max=100000 | words)"
is "and not at the scope" "cpu.max withheld" "$(act apply modelgov-ocr.scope $scope cpu.max=5000 | outcomes)"
has "the kernel's refusal is told" 'cpu.max refused 100000 write 10 100000 to cpu.max: Invalid argument' "$(act apply - $main cpu.max=10)"
systemctl daemon-reload
is "systemd leaves the leaf alone" "100000 100000 99999744" "$(files $main cpu.max memory.high)"

echo -memory >$cgroot$scope/cgroup.subtree_control
is "a controller that was switched off is enabled again" "memory.low applied 1048576" \
	"$(act apply - $main memory.low=1048576:missing | words)"
echo 20000 50000 >$cgroot$main/cpu.max
act restore >/dev/null
is "the leaf's values are put back" "max 100000 max max 0" \
	"$(files $main cpu.max memory.high pids.max memory.low)"
is "and the scope's" "[not set]" "$(property modelgov-ocr.scope CPUWeight)"

echo 20000 50000 >$cgroot$main/cpu.max
act apply - $main cpu.max=70000 >/dev/null
is "a quota comes back with its period" "20000 50000" "$(act restore >/dev/null; knob $main/cpu.max)"

act apply - $main pids.max=200 >/dev/null
systemctl stop modelgov-ocr.scope
is "a leaf that is gone is no trouble" "$main pids.max gone" "$(act restore | awk '{print $1, $2, $3}')"
systemctl stop modelgov-forker.scope

# ---- without systemd -----------------------------------------------------------------------------

sleep infinity & three=$!
sleep infinity & four=$!
is "without systemd a process is adopted" "" "$(bare adopt bare $three)"
is "below /modelgov" /modelgov/bare "$(where $three)"
has "with all controllers there" 'cpu.*io.*memory.*pids' "$(knob modelgov/bare/cgroup.controllers)"
is "and a second one" "" "$(bare adopt bare $four)"
is "all its knobs are ours" "$expected" "$(bare apply - /modelgov/bare $all | words)"
echo 1 >$cgroot/modelgov/bare/cpu.idle
has "an idle cgroup has no weight, and the cure is told" 'cpu.weight refused 0 the cgroup is idle .*cure' \
	"$(bare apply - /modelgov/bare cpu.weight=90)"
echo 0 >$cgroot/modelgov/bare/cpu.idle
bare restore >/dev/null
is "and are put back" "100 max 100000 0 0 max max default 100 max" \
	"$(files /modelgov/bare cpu.weight cpu.max memory.min memory.low memory.high memory.max io.weight pids.max)"
mkdir -p $cgroot/foreign/child
has "a missing controller is told with its cure" "cpu controller is not enabled in $cgroot/foreign/child; cure: add \+cpu" \
	"$(bare apply - /foreign/child cpu.weight=90)"
id=$(id /foreign/child)
rmdir $cgroot/foreign/child && mkdir $cgroot/foreign/child
is "a cgroup made anew under its old name is another" "pids.max gone missing" "$(bare apply - /foreign/child@$id pids.max=9 | words)"
rmdir $cgroot/foreign/child $cgroot/foreign

verdict
