#!/usr/bin/env bash
# Rule: no C function is longer than 120 lines.

set -euo pipefail
max=120
ctags -R --languages=C --c-kinds=f --langmap=C:.c.h -x --_xformat='%n %e %N %F' src |
	awk -v max=$max '
		$2 - $1 + 1 > max { printf "%s:%d: %s has %d lines, more than %d\n", $4, $1, $3, $2 - $1 + 1, max; bad = 1 }
		END { if (NR == 0) print "no function found"; exit bad || NR == 0 }'
