#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Proves that the lab is one: two machines measure the same latencies, however busy this one is, and the effect of
# weights is there to be seen. Prints what both measured.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../system/vm/tally.sh
. "$here/../system/vm/tally.sh"
dir=$(mktemp -d /tmp/labtest.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT

number() { # RUN ARM QUANTILE
	awk -v arm="$2" -v quantile="$3" '$1 == arm { for (i = 2; i < NF; i++) if ($i == quantile) print $(i + 1) }' \
		"$dir/$1" | grep . || echo 0
}

same() { # ARM QUANTILE
	local one two off
	one=$(number 1 "$1" "$2") two=$(number 2 "$1" "$2")
	off=$((one > two ? one - two : two - one))
	[ "$one" -gt 0 ] && [ $((off * 100)) -le $((one * 2)) ]
	expect "two machines agree on $2 of \"$1\" within 2 %" "$? ($one and $two us)" "0 *"
}

times_alone() { # ARM QUANTILE: in hundredths
	echo $((100 * $(number 1 "$1" "$2") / ($(number 1 alone "$2") + 1)))
}

"${CC:-cc}" -O2 -o "$dir/beat" "$here/beat.c" || exit 1
for run in 1 2; do
	"$here/../system/vm/vmrun" -L -t 600 -- bash "$here/selftest-guest.sh" "$dir/beat" >"$dir/$run" 2>&1 &
done
wait
for run in 1 2; do sed "s/^/# machine $run: /" "$dir/$run"; done
same alone p99
same weighted p99
[ "$(times_alone equal p99)" -ge 150 ]
expect "equal weights cost p99 at least half as much again" "$? ($(times_alone equal p99) %)" "0 *"
[ "$(times_alone weighted p99)" -le 110 ]
expect "weights 10000:1 bring p99 within a tenth of alone" "$? ($(times_alone weighted p99) %)" "0 *"
tally_end
