#!/usr/bin/env bash
# "make typedefs": writes typedefs.list, the type names of the server's headers, for indent.sh. The list
# is committed so that the layout does not depend on the version at hand; make it anew with the newest.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lib/bootstrap.sh
bootstrap ctags

# Names that are types somewhere but words elsewhere, as in pgindent.
EXCLUDED='ANY|FD_SET|U|allocfunc|boolean|date|digit|ilist|interval|iterator|other|pointer|printfunc|reference|string|timestamp|type|wrap'
# Names that come from the system's headers.
ADDED='FILE bool int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intptr_t uintptr_t off_t
	pid_t pthread_t regex_t regmatch_t regoff_t sigjmp_buf sigset_t size_t ssize_t time_t uid_t gid_t va_list'

{
	ctags -R --languages=C --c-kinds=t --langmap=C:.c.h -x --_xformat='%N' "$("$PG_CONFIG" --includedir-server)"
	printf '%s\n' $ADDED
} | grep -Evx "$EXCLUDED" | LC_ALL=C sort -u >test/lint/typedefs.list.new
mv test/lint/typedefs.list.new test/lint/typedefs.list
wc -l test/lint/typedefs.list
