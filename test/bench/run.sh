#!/usr/bin/env bash
# "make bench": zdm against what people do by hand, in throwaway servers.
#
# What belongs here: which parts run and in which order, the machine's description, keeping the results.
# Nothing is asserted: it prints ratios of one run. Every measurement starts from a freshly loaded copy
# after VACUUM and CHECKPOINT. The server has its default settings, but for shared_buffers = 1GB, and
# autovacuum = off, so that no vacuum falls into one measurement and not into another.
#
# Environment:
#   ROWS=2000000          rows of the table (two and a half times as many in those that validate; "shapes", "foreground" and
#                         "standby" take less, "growth" up to four times as many)
#   ROUNDS=3              rounds of "pairs", "lanes" and those that validate, interleaved; medians are printed
#   ONLY="throughput pairs shapes ..."   which parts, see PARTS below
#   FOREGROUND_ROUNDS=5, STANDBY_ROUNDS=1, GROWTH_ROUNDS=1, IDLE_ROUNDS=16   rounds of these; the first is ROUNDS if that is set
#   FOREGROUND_ROWS, SHAPE_ROWS, GROWTH_ROWS, SHAPES, METHODS   see these parts
#   RATE=                 transactions/s of the load; default: 40 % of what the machine can do, at most 1500
#   DUAL_ROWS=1000000     rows that "dual_write" writes
#   STALL_SECONDS=30      how long the reader of "stall" and "stall_columns" has the table
#   VIEW_MIGRATIONS=1000, VIEW_EVENTS=100000   what there is to look at in "views"
#   CONTENDED_DUTY=0.25   zdm.contended_duty of the server, for "zdm" beside "zdm, unthrottled"
#   RESULTS=results       folder for bench.json
# and what test/lib/stage.sh offers.

set -euo pipefail
RESULTS=${RESULTS:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)/results}
case $RESULTS in /*) ;; *) RESULTS=$PWD/$RESULTS ;; esac
export RESULTS
PARTS='throughput pairs shapes growth lanes logical foreground standby idle memory validate validate_fk validate_load stall stall_columns dual_write views'
FOREGROUND_ROUNDS=${FOREGROUND_ROUNDS:-${ROUNDS:-5}}
ROWS=${ROWS:-2000000}
ROUNDS=${ROUNDS:-3}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lib/bootstrap.sh
. test/lib/stage.sh
. test/lib/server.sh
. test/bench/methods.sh
. test/bench/throughput.sh
. test/bench/shapes.sh
. test/bench/lanes.sh
. test/bench/foreground.sh
. test/bench/standby.sh
. test/bench/idle.sh
. test/bench/memory.sh
. test/bench/growth.sh
. test/bench/validate.sh
. test/bench/validate_fk.sh
. test/bench/stall.sh
. test/bench/stall_columns.sh
. test/bench/validate_load.sh
. test/bench/dual_write.sh
. test/bench/views.sh

heading() { printf '\n== %s ==\n' "$*"; }

ratio() { perl -e 'printf "%.2f", $ARGV[0] / ($ARGV[1] || 1)' "$1" "$2"; }

# record PART NAME=VALUE...: one measurement.
record() {
	perl -MJSON::PP -e '
		my %m = (part => shift @ARGV);
		for (@ARGV) {
			my ($name, $value) = split /=/, $_, 2;
			$m{$name} = $value =~ /^-?[0-9]+(\.[0-9]+)?$/ ? $value + 0 : $value;
		}
		print JSON::PP->new->canonical->encode(\%m), "\n";' "$@" >>"$ZDM_STAGE/tmp/measurements"
}

report() { perl test/bench/report.pl "$ZDM_STAGE/tmp/measurements" "$@"; }

describe_machine() {
	local name
	printf 'command\tmake bench ONLY="%s" ROWS=%s ROUNDS=%s\n' "${ONLY:-$PARTS}" "$ROWS" "$ROUNDS"
	printf 'server\tPostgreSQL %s\n' "$(sql_value 'SHOW server_version')"
	printf 'system\t%s\n' "$(uname -srm)"
	printf 'processor\t%s x %s\n' "$(getconf _NPROCESSORS_ONLN)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)"
	printf 'memory\t%s MB\n' "$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null)"
	printf 'load before\t%s\n' "$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null)"
	for name in shared_buffers autovacuum wal_level max_wal_size checkpoint_timeout wal_compression fsync \
		synchronous_commit full_page_writes zdm.duty zdm.batch_time zdm.batch_wal; do
		printf '%s\t%s\n' $name "$(sql_value "SHOW $name")"
	done
}

make_server() {
	server_create main default "shared_buffers = 1GB" "autovacuum = off" "${CONTENDED_DUTY:+zdm.contended_duty = $CONTENDED_DUTY}"
	server_start main
	server_use main
	server_psql main -c "CREATE EXTENSION zdm" -f test/bench/tables.sql -f test/bench/keyset.sql -f test/bench/wal.sql
	describe_machine >"$ZDM_STAGE/tmp/machine"
	heading "Machine and settings"
	awk -F '\t' '{ printf "%-20s %s\n", $1, $2 }' "$ZDM_STAGE/tmp/machine"
}

main() {
	local part
	for part in ${ONLY:=$PARTS}; do
		case " $PARTS " in *" $part "*) ;; *) die "there is no part \"$part\": $PARTS" ;; esac
	done
	bootstrap
	stage_enter "$@"
	stage_build
	make_server
	for part in $ONLY; do
		"bench_$part"
	done
	report json "$ZDM_STAGE/tmp/machine" >"$ZDM_RESULTS/bench.json"
	heading "Done in $SECONDS s; results in $RESULTS/bench.json"
}

main "$@"
