#!/usr/bin/env bash
# "make lint": runs the rules of this folder on a private copy of the sources and counts.
#
# What belongs here: the list of rules. Each rule is a script of its own that runs in the project's top
# folder, prints what it finds and exits with failure when it found something.
#
#   run.sh [RULE...]      the rules named, or all
#
# Last line: "N passed, N failed".

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lib/bootstrap.sh
. test/lib/stage.sh

RULES='warnings-gcc warnings-clang exports versions listed release length comments gucs indent-check whitespace leaks'

# Runs one rule; shows what it found.
run_rule() {
	local rule=$1 script args
	script=test/lint/${rule%%-*}.sh
	args=${rule#"${rule%%-*}"}
	if [ ! -x "$script" ]; then
		echo "there is no such rule" >"$ZDM_STAGE/lint.out"
		return 1
	fi
	"$script" ${args:+"${args#-}"} >"$ZDM_STAGE/lint.out" 2>&1
}

main() {
	local rule passed=0 failed=0
	bootstrap gcc clang pg_bsd_indent ctags
	stage_enter "$@"
	[ $# -gt 0 ] || set -- $RULES
	for rule in "$@"; do
		if run_rule "$rule"; then
			echo "ok      $rule"
			passed=$((passed + 1))
		else
			cat "$ZDM_STAGE/lint.out"
			echo "FAILED  $rule: see test/lint/README.md"
			failed=$((failed + 1))
		fi
	done
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
