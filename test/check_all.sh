#!/usr/bin/env bash
# "make check-all": every test on every supported version of PostgreSQL.
#
# What belongs here: running check.sh once for each version, compiled with warnings as errors, and adding
# up. A version that is not installed runs in a Debian tree that is made for it (see lib/tree.sh), which
# needs root and the network the first time.
#
# The last lines are a table and "N passed, N failed"; the exit status is nonzero when something failed.
#
# Environment:
#   VERSIONS="15 17 18"              which versions
#   ZDM_TREES=/var/cache/zdm         where the trees are kept, to be used again
#   SUITES, TESTS, SUITE_TIMEOUT, TAP_JOBS, LOG_TAIL   as in check.sh
#   RESULTS=dir                      save results, diffs and logs in dir/VERSION

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. test/lib/bootstrap.sh
. test/lib/stage.sh
. test/lib/tree.sh

VERSIONS=${VERSIONS:-15 17 18}
passed=0
failed=0
table=()
run_folder=

# Variables that choose what check.sh does, as words for env.
choices() {
	local name
	for name in SUITES TESTS SUITE_TIMEOUT TAP_JOBS LOG_TAIL; do
		[ -z "${!name:-}" ] || printf '%s\0' "$name=${!name}"
	done
	printf 'COPT=%s' "$(test/lint/warnings.sh --flags)"
}

# The pg_config of a version that is installed here, fit for the tests.
installed() {
	local candidate
	while IFS= read -r candidate; do
		if [ "$(pg_major "$candidate")" = "$1" ] && [ -z "$(pg_lacks "$candidate")" ]; then
			echo "$candidate"
			return 0
		fi
	done < <(pg_config_candidates)
	return 1
}

# What needs root is told before anything runs.
require_root() {
	local version
	[ "$(id -u)" != 0 ] || return 0
	for version in $VERSIONS; do
		installed "$version" >/dev/null ||
			die "PostgreSQL $version is not installed; to run the tests in a Debian tree that has it, run this as root:" \
				"  sudo make check-all VERSIONS=\"$VERSIONS\"${SUITES:+ SUITES=\"$SUITES\"}${TESTS:+ TESTS=\"$TESTS\"}"
	done
}

run_installed() {
	env PG_CONFIG="$1" ${RESULTS:+RESULTS="$RESULTS/$2"} "${@:3}" test/check.sh
}

run_in_tree() {
	local tree status=0
	tree=$(tree_make "$1")
	tree_run "$tree" "$run_folder/tmp" env RESULTS=/tmp/results "${@:2}" test/check.sh || status=$?
	if [ -n "${RESULTS:-}" ] && [ -d "$run_folder/tmp/results" ]; then
		mkdir -p "$RESULTS/$1"
		cp -R "$run_folder/tmp/results/." "$RESULTS/$1/"
	fi
	return $status
}

run_version() {
	local config words
	mapfile -d '' words < <(choices)
	if config=$(installed "$1"); then
		run_installed "$config" "$1" "${words[@]}"
	else
		run_in_tree "$1" "${words[@]}"
	fi
}

# Runs a version in a process group of its own, so that an interrupt can end all of it; shows and keeps
# what it says.
logged() {
	local log=$1 reader status=0
	shift
	mkfifo "$log.pipe"
	tee "$log" <"$log.pipe" &
	reader=$!
	set -m
	"$@" </dev/null >"$log.pipe" 2>&1 &
	stage_child=$!
	set +m
	wait "$stage_child" || status=$?
	wait "$reader"
	stage_child=
	return $status
}

# Adds the counts that a version's run ended with; none, or a status that they do not explain, is a failure.
count_version() {
	local version=$1 log=$2 status=$3 server
	# shellcheck disable=SC2046 # two words
	set -- $(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 | tr -dc '0-9 ')
	[ $# = 2 ] || set -- 0 0
	[ "$2" != 0 ] || { [ "$status" = 0 ] && [ "$1" != 0 ]; } || set -- "$1" 1
	server=$(sed -n 's/^PostgreSQL \([0-9][^ ]*\).*/\1/p' "$log" | head -n 1)
	passed=$((passed + $1))
	failed=$((failed + $2))
	table+=("$(printf '%-11s %-10s %6s %6s' "$version" "${server:--}" "$1" "$2")")
}

cleanup() {
	trap '' INT TERM HUP
	stage_stop_child
	[ -z "$run_folder" ] || rm -rf "$run_folder"
}

main() {
	local version status
	require_root
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	trap cleanup EXIT
	for version in $VERSIONS; do
		status=0
		run_folder=$(mktemp -d "${TMPDIR:-/tmp}/zdm.XXXXXX")
		printf '\n#### PostgreSQL %s\n' "$version"
		logged "$run_folder/log" run_version "$version" || status=$?
		count_version "$version" "$run_folder/log" "$status"
		rm -rf "$run_folder"
	done
	printf '\n%-11s %-10s %6s %6s\n' PostgreSQL server passed failed
	printf '%s\n' "${table[@]}"
	printf '\n%s passed, %s failed\n' "$passed" "$failed"
	[ "$failed" = 0 ]
}

main "$@"
