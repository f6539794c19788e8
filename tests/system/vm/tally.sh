# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by system tests: the words in which they report. What to check is up to them.
passed=0 failed=0 skipped=0

ok() { # NAME
	echo "ok $1"
	passed=$((passed + 1))
}

not_ok() { # NAME WHY
	echo "not ok $1: $2"
	failed=$((failed + 1))
}

skip() { # NAME REASON
	echo "skip $1: $2"
	skipped=$((skipped + 1))
}

expect() { # NAME GOT WANTED_PATTERN
	# shellcheck disable=SC2053 # a pattern on purpose
	if [[ $2 == $3 ]]; then ok "$1"; else not_ok "$1" "got \"$2\", wanted \"$3\""; fi
}

# Adds up a test that ran elsewhere and printed its lines here; a run that broke off counts as a failure.
tally_add() { # FILE NAME
	local verdict='^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$'
	if [[ $(tail -n 1 "$1") =~ $verdict ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
	else
		not_ok "$2" "broke off after \"$(tail -n 1 "$1")\""
	fi
}

# The last line of every test; succeeds when nothing failed.
tally_end() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed -eq 0 ]
}
