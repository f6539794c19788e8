# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# bash completion of modelgov: the program itself knows its commands, options and models.

_modelgov() {
	local word=${COMP_WORDS[COMP_CWORD]}
	mapfile -t COMPREPLY < <(
		compgen -W "$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$word"
	)
}

# Where modelgov has nothing to say, files complete.
complete -o default -F _modelgov modelgov
