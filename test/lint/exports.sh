#!/usr/bin/env bash
# Rule: every symbol that zdm.so exports begins with zdm_, apart from what PostgreSQL itself looks for.

set -euo pipefail
[ -f zdm.so ] || make --no-print-directory -s PG_CONFIG="${PG_CONFIG:-pg_config}" with_llvm=no all
symbols=$(nm -D --defined-only zdm.so | awk '{ print $NF }')
[ -n "$symbols" ] || { echo "zdm.so exports nothing"; exit 1; }
if grep -Ev '^(zdm_[a-z0-9_]+|pg_finfo_zdm_[a-z0-9_]+|Pg_magic_func|_PG_init|_init|_fini)$' <<<"$symbols"; then
	echo "exported without the zdm_ prefix"
	exit 1
fi
