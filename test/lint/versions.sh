#!/usr/bin/env bash
# Rule: only src/compat knows that there are several server versions.

set -euo pipefail
if grep -rnE 'PG_VERSION_NUM|PG_MAJORVERSION' src --include='*.[ch]' | grep -v '^src/compat/'; then
	echo "version gates outside of src/compat"
	exit 1
fi
