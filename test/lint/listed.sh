#!/usr/bin/env bash
# Rule: every source, SQL part, regression test and isolation spec is in the Makefile's lists, every test
# has its expected output, and every expected output has its test.

set -euo pipefail
lists=$(make --no-print-directory -s lists)
status=0

found() {
	echo "$*"
	status=1
}

# is_listed LIST WORD
is_listed() {
	sed -n "s/^$1: *//p" <<<"$lists" | tr ' ' '\n' | grep -xF -- "$2" >/dev/null
}

check_files() {
	local list=$1 file
	shift
	for file in "$@"; do
		[ ! -f "$file" ] || is_listed "$list" "$file" || found "$file is not in the Makefile's list of $list"
	done
}

# check_tests LIST INPUT_FOLDER SUFFIX EXPECTED_FOLDER
check_tests() {
	local list=$1 input=$2 suffix=$3 expected=$4 file name
	for file in "$input"/*."$suffix"; do
		[ -f "$file" ] || continue
		name=$(basename "$file" ".$suffix")
		is_listed "$list" "$name" || found "$file is not in the Makefile's list of $list tests"
		[ -f "$expected/$name.out" ] || found "$file has no $expected/$name.out"
	done
	for name in $(sed -n "s/^$list: *//p" <<<"$lists"); do
		[ -f "$input/$name.$suffix" ] || found "the $list test $name is listed but $input/$name.$suffix is missing"
	done
	for file in "$expected"/*.out; do
		[ -f "$file" ] || continue
		name=$(basename "$file" .out)
		[ -f "$input/$name.$suffix" ] || [ -f "$input/${name%_[0-9]}.$suffix" ] || found "$file belongs to no test"
	done
}

check_files sources src/*.c src/*/*.c
check_files sql_parts $(ls src/*.sql src/*/*.sql 2>/dev/null | grep -v '^src/upgrade/' || true)
check_tests regress sql sql expected
check_tests isolation test/isolation/specs spec test/isolation/expected
exit $status
