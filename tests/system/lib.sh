# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Vocabulary of the system tests, which run inside the machine under systemd: checks with names, waiting for a
# state, units of our own. Source it; end with `verdict`.

set -u
passed=0 failed=0 skipped=0
cgroot=/sys/fs/cgroup

ok() { echo "ok $1 ($SECONDS s)"; passed=$((passed + 1)); }
not_ok() { echo "not ok $1: $2 ($SECONDS s)"; failed=$((failed + 1)); }
skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }

# is NAME EXPECTED ACTUAL
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected '$2', got '$3'"; fi
}

# has NAME PATTERN TEXT (an extended regular expression)
has() {
	if grep -q -E -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "no '$2' in: $(head -c 600 <<<"$3")"; fi
}

# gets NAME EXPECTED COMMAND...: the command prints EXPECTED within 30 s; else what it printed last
gets() {
	local name=$1 expected=$2 actual='' until=$((SECONDS + 30))
	shift 2
	while [ $SECONDS -lt $until ]; do
		actual=$("$@" 2>&1)
		[ "$actual" = "$expected" ] && { ok "$name"; return; }
		sleep 0.2
	done
	not_ok "$name" "expected '$expected', still '$actual' after 30 s"
}

property() { systemctl show -P "$2" "$1"; }        # UNIT PROPERTY
knob() { cat "$cgroot/$1" 2>/dev/null || echo none; } # PATH/FILE

# unit NAME TEXT: writes a service of that name and starts it
unit() {
	printf '%s\n' "$2" >"/run/systemd/system/$1"
	systemctl daemon-reload
	systemctl start "$1"
}

# Installs the staged build ($MODELGOV_STAGE, made by tests/system/run) over the machine's root.
stage_install() {
	cp -a "${MODELGOV_STAGE:?run this through tests/system/run}/." /
	systemctl daemon-reload
}

verdict() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}
