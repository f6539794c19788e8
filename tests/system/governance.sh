#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the worked example of docs/governance.md as it stands there: each line with a prompt is a command of that person,
# what follows must be lines of its output, in that order. In them * stands for anything, and blanks for blanks.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

model() { # NAME CLASS EXTRA
	cat >"/etc/modelgov/models.d/$1.yaml" <<-END
	apiVersion: modelgov/v1
	kind: Model
	metadata: { name: $1, version: 1.0.0, owner: test@example.org$3 }
	match: { units: [$1.service] }
	objectives: [ { indicator: runqueue_wait, quantile: p99, budget: 1s } ]
	resources: { class: $2, priority: 0 }
	END
}

stage_install
for user in ada ben; do useradd -M -d "/run/$user" -s /bin/sh "$user" && install -d -o "$user" "/run/$user"; done
mkdir -p /etc/modelgov/models.d /etc/modelgov/gates.d
sed -n '/^    root# cat .etc.modelgov.modelgov.yaml/,/^$/p' "$here/../../docs/governance.md" |
	sed -e 1d -e 's/^    //' >/etc/modelgov/modelgov.yaml
model ocr critical ', owners: [ada]'
model speech standard ''
cat >/etc/modelgov/gates.d/10-ticket <<'END'
#!/bin/sh
asked=$(cat)
case $asked in
*'"in_force":null'*) exit 0 ;; # the first generation
*'"ticket":""'*) ;;
*) exit 0 ;;
esac
case $asked in
*'"key":"resources.class"'* | *'"key":"resources.priority"'*)
	echo "the class and priority of critical models need a change request"
	exit 1
	;;
esac
END
chmod 755 /etc/modelgov/gates.d/10-ticket
systemctl start modelgovd
for _ in $(seq 100); do modelgov status | grep -q '^in force *generation 1' && break; sleep 1; done
has "the first generation is in force" 'in force +generation 1' "$(modelgov status)"

# lines_match EXPECTED OUTPUT: every expected line is found, each after the one before
lines_match() {
	python3 - "$1" "$2" <<'END'
import fnmatch, re, sys
flat = lambda text: [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]
output = iter(flat(sys.argv[2]))
for wanted in flat(sys.argv[1]):
    pattern = re.sub(r"\[", "[[]", wanted)
    if not any(fnmatch.fnmatchcase(line, pattern) for line in output):
        print(wanted)
        sys.exit(1)
END
}

command='' expected=''
check() {
	local who=${command%%[#$] *} text=${command#*[#$] } output missing
	[ -n "$command" ] || return
	if [ "$who" = root ]; then
		output=$(cd /run && sh -c "$text" 2>&1)
	else
		output=$(cd "/run/$who" && runuser -u "$who" -- sh -c "$text" 2>&1)
	fi
	if missing=$(lines_match "$expected" "$output"); then
		ok "$command"
	else
		not_ok "$command" "no line '$missing' (in order) in: $(head -c 1500 <<<"$output")"
	fi
}
while IFS= read -r line; do
	case $line in
	root\#\ * | ada\$\ * | ben\$\ *)
		check
		command=$line expected=''
		;;
	*) expected+=$line$'\n' ;;
	esac
done < <(sed -n '/<!-- begin example/,/<!-- end example/p' "$here/../../docs/governance.md" | sed -e '1d;$d' -e 's/^    //')
check
[ $passed -gt 10 ] || not_ok "the example is there" "only $passed commands were found"
verdict
