#!/usr/bin/env bash
# "make check": every test, in throwaway servers.
#
# What belongs here: running the three suites (regress, isolation, tap), showing what failed, counting.
# The last line is always "N passed, N failed"; the exit status is nonzero when something failed or
# nothing ran.
#
# Environment:
#   SUITES="regress isolation tap"   which suites
#   TESTS="name ..."                 which tests: names without folder and suffix, * allowed
#   RESULTS=dir                      save results, diffs and logs there (to make new expected files)
#   SUITE_TIMEOUT=1800               seconds after which a suite counts as hung
#   TAP_JOBS=2, KEEP=1 and what else test/lib/stage.sh offers

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. test/lib/bootstrap.sh
. test/lib/stage.sh
. test/lib/server.sh

LOG_TAIL=${LOG_TAIL:-60}
passed=0
failed=0
failures=()
reported=

heading() {
	printf '\n== %s ==\n' "$*"
}

count_failed() {
	failed=$((failed + 1))
	failures+=("$1")
}

# The names of a list of the Makefile.
listed() {
	stage_make -s lists | sed -n "s/^$1: *//p"
}

# Those of the names given that TESTS selects.
selected() {
	local name pattern
	set -f
	for name in "$@"; do
		for pattern in ${TESTS:-'*'}; do
			# shellcheck disable=SC2254 # patterns are wanted
			case $name in $pattern) echo "$name"; break ;; esac
		done
	done
	set +f
}

# Runs a command with a time limit.
limited() {
	timeout --foreground -k 15 "${SUITE_TIMEOUT:-1800}" "$@"
}

show_file() {
	[ -s "$1" ] || return 0
	heading "$1" | sed "s|$ZDM_STAGE/||"
	"${@:2}" "$1"
}

# Counts "test NAME ... ok" (15) and "ok N - NAME" (16 and newer) of pg_regress; each NAME asked for
# must be there.
count_regress() {
	local suite=$1 output=$2 name
	shift 2
	for name in "$@"; do
		if grep -Eq "^(test )?${name} +\.\.\. +ok |^ok [0-9]+ +[-+] +${name} " "$output"; then
			passed=$((passed + 1))
		else
			count_failed "$suite $name"
		fi
	done
}

# The log of a server, if it has something to say.
show_server_log() {
	show_file "$(server_log "$1")" tail -n "$LOG_TAIL"
}

# run_regress SUITE PROGRAM INPUT_FOLDER NAME...: a suite of pg_regress or of the isolation tester, in a
# server of its own.
run_regress() {
	local suite=$1 program=$2 input=$3 status=0 before=$failed
	shift 3
	local out=$ZDM_RESULTS/$suite
	heading "$suite: $# tests"
	[ $# -gt 0 ] || return 0
	mkdir -p "$out"
	server_create "$suite" fast
	server_start "$suite"
	(
		server_use "$suite"
		limited "$(pgxs_test_dir "$PG_CONFIG")/$program" --bindir="$(dirname "$(command -v psql)")" \
			--inputdir="$input" --outputdir="$out" --dbname="zdm_$suite" "$@" 2>&1
	) | tee "$out/output" || status=$?
	server_stop "$suite" immediate || true
	cp "$(server_log "$suite")" "$out/server.log"
	count_regress "$suite" "$out/output" "$@"
	if [ $status != 0 ] && [ "$failed" = "$before" ]; then
		count_failed "$suite (exit status $status)"
	fi
	if [ "$failed" != "$before" ]; then
		show_file "$out/regression.diffs" cat
		show_server_log "$suite"
	fi
}

run_regress_suite() {
	# shellcheck disable=SC2046 # lists of words
	run_regress regress regress/pg_regress "$ZDM_SOURCE" $(selected $(listed regress))
}

run_isolation_suite() {
	# shellcheck disable=SC2046 # lists of words
	run_regress isolation isolation/pg_isolation_regress "$ZDM_SOURCE/test/isolation" \
		$(selected $(listed isolation))
}

# The TAP files that TESTS selects.
tap_files() {
	local file
	for file in test/t/*.pl; do
		if [ -f "$file" ] && [ -n "$(selected "$(basename "$file" .pl)")" ]; then
			echo "$file"
		fi
	done
}

# A file passed when prove says "ok" for it; a skipped one counts as neither.
count_tap() {
	local output=$1 file
	shift
	for file in "$@"; do
		if grep -Eq "^(\[[0-9:]+\] )?${file} \.+ ok( |$)" "$output"; then
			passed=$((passed + 1))
		elif ! grep -Eq "^(\[[0-9:]+\] )?${file} \.+ skipped" "$output"; then
			count_failed "tap $file"
			show_tap_logs "$(basename "$file" .pl)"
		fi
	done
}

show_tap_logs() {
	local log
	for log in "$ZDM_RESULTS"/tap/tmp_check/log/*"$1"*; do
		show_file "$log" tail -n "$LOG_TAIL"
	done
}

run_tap_suite() {
	local out=$ZDM_RESULTS/tap files status=0 before=$failed pgxs_test
	# shellcheck disable=SC2207 # names without blanks
	files=($(tap_files))
	heading "tap: ${#files[@]} files"
	[ ${#files[@]} -gt 0 ] || return 0
	pgxs_test=$(pgxs_test_dir "$PG_CONFIG")
	mkdir -p "$out/tmp_check"
	limited env TESTDIR="$out" TESTDATADIR="$out/tmp_check" TESTLOGDIR="$out/tmp_check/log" \
		PG_REGRESS="$pgxs_test/regress/pg_regress" share_contrib_dir="$("$PG_CONFIG" --sharedir)/extension" \
		prove -I "$pgxs_test/perl" -I "$ZDM_SOURCE" --timer -j "${TAP_JOBS:-2}" "${files[@]}" 2>&1 |
		tee "$out/output" || status=$?
	count_tap "$out/output" "${files[@]}"
	if [ $status != 0 ] && [ "$failed" = "$before" ]; then
		count_failed "tap (exit status $status)"
	fi
}

# The counts, and the failures by name; the status of the whole.
report() {
	local name
	if [ $((passed + failed)) = 0 ]; then
		count_failed "nothing ran: SUITES=\"${SUITES:-}\" TESTS=\"${TESTS:-}\" select no test"
	fi
	echo
	for name in ${failures[@]+"${failures[@]}"}; do
		echo "failed: $name"
	done
	reported=yes
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

# However the script ends, it ends with the counts.
finish() {
	local status=$?
	[ -z "$reported" ] || exit $status
	count_failed "the run itself (exit status $status)"
	report
}

main() {
	local suite
	bootstrap
	stage_enter "$@"
	trap finish EXIT
	heading "build"
	stage_build
	"$PG_CONFIG" --version
	for suite in ${SUITES:-regress isolation tap}; do
		case $suite in
			regress | isolation | tap) "run_${suite}_suite" ;;
			*) count_failed "there is no suite \"$suite\"" ;;
		esac
	done
	report
}

main "$@"
