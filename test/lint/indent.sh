#!/usr/bin/env bash
# "make indent": PostgreSQL's own layout for every C file, by pg_bsd_indent with pgindent's options.
# "make indent-check" (check) and the lint rule: print the difference instead, and fail if there is one.

set -euo pipefail
[ "${1:-}" = check ] || [ $# = 0 ] || { echo "usage: indent.sh [check]" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lib/bootstrap.sh

OPTIONS='-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The server's types are in typedefs.list, ours are read from the sources.
all_typedefs() {
	cat test/lint/typedefs.list
	ctags -R --languages=C --c-kinds=t --langmap=C:.c.h -x --_xformat='%N' src
}

# As pgindent around pg_bsd_indent: blocks of dashes stay as they are, and one blank goes before the * of
# a function's result type.
indent_text() {
	# shellcheck disable=SC2086 # a list of options
	sed 's,/\* \{1\,\}---,/*---X_X,' | pg_bsd_indent $OPTIONS -U"$folder/typedefs" |
		perl -pe 's,/\*---X_X,/* ---,; s/^([A-Za-z_].*\S)[ \t]+\*$/$1 */'
}

indent_file() {
	local file=$1
	if ! indent_text <"$file" >"$folder/out" 2>"$folder/err" || [ -s "$folder/err" ]; then
		echo "$file: pg_bsd_indent: $(cat "$folder/err")"
		return 1
	fi
	if cmp -s "$file" "$folder/out"; then
		return 0
	elif [ "${mode:-}" = check ]; then
		diff -u --label "$file" --label "$file (indented)" "$file" "$folder/out"
	else
		cat "$folder/out" >"$file"
		echo "indented $file"
	fi
}

mode=${1:-}
status=0
bootstrap pg_bsd_indent ctags
all_typedefs | LC_ALL=C sort -u >"$folder/typedefs"
for file in src/*.[ch] src/*/*.[ch]; do
	[ ! -f "$file" ] || indent_file "$file" || status=1
done
exit $status
