#!/usr/bin/env bash
# Rule: the module compiles without a warning. Usage: warnings.sh gcc|clang; "--flags" prints gcc's flags only.

set -euo pipefail
compiler=${1:-gcc}
flags='-Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare'
# The server's own flags and headers may use options and attributes that only its compiler knows.
case $compiler in
	clang*) flags="$flags -Wno-unknown-warning-option -Wno-ignored-attributes -Wno-ignored-optimization-argument" ;;
	--flags) echo "$flags"; exit ;;
esac

build() {
	make --no-print-directory -s PG_CONFIG="${PG_CONFIG:-pg_config}" with_llvm=no CC="$compiler" COPT="$flags" "$@"
}

build clean
build all
