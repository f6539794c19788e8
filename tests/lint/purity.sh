#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves of the compiled room decide/ that decide() sees only its arguments: its objects ask for nothing but memory
# primitives, assertions and each other, hold no writable data, and compute with integers only. state.c alone allocates
# and compares names, and nothing that decide() calls is in it. Silent when all holds; needs a build in $O.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
room=$O/userspace/decide
allowed='^(memcpy|memmove|memset|__(memcpy|memmove|memset)_chk|__stack_chk_fail|__assert_fail)$'
allowed_state='^(calloc|free|strcmp)$'
broken=0

say() {
	printf '%s\n' "$*"
	broken=1
}

symbols() { nm "$@" | sed -E 's/^[0-9a-f]* +//'; }

# The objects of what is in the tree now; a stale object of a deleted file is nobody's.
objects=()
for source in userspace/decide/*.c; do
	object=$room/$(basename "${source%.c}").o
	if [ ! -f "$object" ]; then
		say "$object is not there; cure: make"
	elif [ "$source" -nt "$object" ]; then
		say "$object is older than $source; cure: make"
	else
		objects+=("$object")
	fi
done
[ $broken = 0 ] || exit 1
for tool in nm objdump awk; do
	command -v $tool >/dev/null || { say "$tool is not there; cure: make deps"; exit 1; }
done
[ ${#objects[@]} -gt 0 ] || { say "no object in $room"; exit 1; }

# Defined by the room, state.c apart: what decide() may call.
own=$(for o in "${objects[@]}"; do
	[ "$(basename "$o")" = state.o ] || symbols "$o" | sed -n -E 's/^[TR] //p'
done)

for o in "${objects[@]}"; do
	name=$(basename "$o")
	while read -r symbol; do
		grep -q -x -F -- "$symbol" <<<"$own" && continue
		grep -q -E "$allowed" <<<"$symbol" && continue
		[ "$name" = state.o ] && grep -q -E "$allowed_state" <<<"$symbol" && continue
		say "$name asks for $symbol"
	done < <(nm -u "$o" | sed -E 's/^ *[Uw] +//; s/@.*//' | grep -v '^_GLOBAL_OFFSET_TABLE_$')
	# b, d, c: variables; .data.rel.ro (tables with addresses) shows as d as well, so look at the section
	while read -r section symbol; do
		say "$name keeps $symbol in $section"
	done < <(objdump -t "$o" | awk 'NF < 5 { next }
		$(NF-2) ~ /^\.(data(\.rel(\.local)?)?|bss|tdata|tbss)$/ && $NF != $(NF-2) { print $(NF-2), $NF }
		$(NF-2) == "*COM*" { print $(NF-2), $NF }')
	# The room's own types must not be computed in floating point: SSE/AVX scalar and packed arithmetic and
	# conversions, x87, and their AArch64 names. Plain moves are how compilers copy structs.
	while read -r instruction; do
		say "$name computes in floating point: $instruction"
	done < <(objdump -d --no-show-raw-insn "$o" | awk -F '\t' 'NF > 1 { print $2 }' |
		grep -E '^v?(add|sub|mul|div|sqrt|min|max|cmp[a-z]*|u?comi|round|fn?m(add|sub)[0-9]*)(s|p)(s|d) |^v?cvt[a-z0-9]+|^f(ild|ist|add|sub|mul|div|ld|st|com|ucom)|^[su]cvtf |^f(cvt|madd|msub|neg|abs|sqrt|rint)' |
		sort -u | head -n 5)
done
exit $broken
