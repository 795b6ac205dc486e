#!/usr/bin/env bash
# "make demo": a backfill of a large table under load, through a crash of the server; then a column is renamed
# while an old and a new version of the application write (rename.sh).
#
# What belongs here: the story, from a throwaway server to the table of results. Nothing is installed
# into the system's PostgreSQL and nothing is left behind, however it ends. The exit status is nonzero
# when a row is wrong or the backfill did not finish.
#
# Environment: SCALE=20 (of pgbench: 100,000 accounts each), RATE=500 (transactions a second), and what
# test/lib/stage.sh offers.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lib/bootstrap.sh
. test/lib/stage.sh
. test/lib/server.sh
. test/demo/screen.sh
. test/demo/rename.sh

SCALE=${SCALE:-20}
RATE=${RATE:-500}
CLIENTS=4
BASELINE_SECONDS=12
WARM_UP_SECONDS=3    # of load that count for nothing
CRASH_AT=40          # percent
SECONDS_LIMIT=900    # for the backfill

after_latency=       # of the load with the backfill, when there was a crash

# ---- asking the server ----

# One session that stays: a new one for each look would disturb what is being measured.
session_start() {
	coproc SESSION { exec psql -X -q -A -t -v ON_ERROR_STOP=1 2>>"$ZDM_STAGE/tmp/session.log"; }
	session_pid=$SESSION_PID
	exec {session_out}<&"${SESSION[0]}" {session_in}>&"${SESSION[1]}"
}

session_end() {
	exec {session_in}>&- {session_out}<&-
	kill "$session_pid" 2>/dev/null || true
	wait "$session_pid" 2>/dev/null || true
}

# ask QUERY: prints the one row it returns; fails when the server does not answer.
ask() {
	local answer
	printf '%s;\n' "$1" >&"$session_in"
	IFS= read -r -t 60 answer <&"$session_out" || die "no answer to: $1" "$(tail -n 5 "$ZDM_STAGE/tmp/session.log")"
	printf '%s' "$answer"
}

# Shows a statement, runs it, shows its result.
run_sql() {
	local answer
	sql "$1"
	answer=$(server_psql main -A -t -c "$1")
	[ -z "$answer" ] || say "$answer"
}

# ---- the application: pgbench at a fixed rate, with a log of every transaction ----

load_start() {
	pgbench -n -c $CLIENTS -R "$RATE" -T "${2:-3600}" --log --log-prefix="$ZDM_STAGE/tmp/load-$1" \
		>"$ZDM_STAGE/tmp/load-$1.out" 2>&1 &
	load_pid=$!
}

load_end() {
	kill "$load_pid" 2>/dev/null || true
	wait "$load_pid" 2>/dev/null || true
}

# load_latency FROM TO PART...: sets p50 and p99 from the logs of the parts.
load_latency() {
	local from=$1 to=$2 part files=() count p95 max
	shift 2
	for part in "$@"; do
		files+=("$ZDM_STAGE/tmp/load-$part".[0-9]*)
	done
	# shellcheck disable=SC2034 # not all are shown
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$from" "$to" "${files[@]}")
	[ "$count" != 0 ] || die "pgbench did nothing" "$(cat "$ZDM_STAGE"/tmp/load-*.out)"
}

# ---- the story ----

make_server() {
	heading "A throwaway server, with zdm in shared_preload_libraries"
	server_create main default "shared_buffers = 512MB"
	server_start main
	server_use main
	session_start
	say "PostgreSQL $(ask 'SHOW server_version'), $(getconf _NPROCESSORS_ONLN) cores, settings as they come but shared_buffers = 512MB"
}

make_table() {
	heading "A table, and a new column for it"
	shell "pgbench -i -s $SCALE"
	pgbench -i -q -s "$SCALE" >"$ZDM_STAGE/tmp/init.out" 2>&1 || die "pgbench -i:" "$(cat "$ZDM_STAGE/tmp/init.out")"
	size_before=$(ask "SELECT pg_total_relation_size('pgbench_accounts')")
	say "$(ask "SELECT to_char(count(*), 'FM999,999,999') || ' accounts, '
		|| pg_size_pretty($size_before::bigint) || ' with the primary key, pages filled to the brim'
		FROM pgbench_accounts")"
	run_sql "ALTER TABLE pgbench_accounts ADD COLUMN branch_label text;"
	run_sql "CREATE EXTENSION zdm;"
	server_psql main -c CHECKPOINT
}

measure_baseline() {
	local began
	heading "The application by itself"
	shell "pgbench -c $CLIENTS -R $RATE"
	load_start baseline $((WARM_UP_SECONDS + BASELINE_SECONDS))
	began=$(date +%s)
	for ((left = WARM_UP_SECONDS + BASELINE_SECONDS; left > 0; left--)); do
		live "$left s"
		sleep 1
	done
	wait "$load_pid" || die "pgbench:" "$(cat "$ZDM_STAGE/tmp/load-baseline.out")"
	load_latency $((began + WARM_UP_SECONDS)) - baseline
	idle_p50=$p50 idle_p99=$p99
	live_end "half of the transactions took less than $p50 ms, 99 of 100 less than $p99 ms"
}

start_backfill() {
	heading "The same load, and the backfill of the new column"
	shell "pgbench -c $CLIENTS -R $RATE &"
	load_start before
	sleep $WARM_UP_SECONDS
	run_sql "SELECT zdm.start_backfill('pgbench_accounts', \$\$branch_label = 'branch ' || bid\$\$);"
	run_sql "SELECT zdm.set_throttle(1, duty => 1);"
	say "(by itself it would work a quarter of the time while the load wants its processor; the demo is in a hurry)"
}

# Shows the progress until the job is done, or at PERCENT; sets state and rows_done.
watch() {
	local until=$1 percent line query answer
	query=$(cat test/demo/progress.sql)
	while :; do
		answer=$(ask "$query")
		IFS=$'\t' read -r state percent rows_done line <<<"$answer"
		live "$line"
		case $state in
			done) return ;;
			queued | running) ;;
			*) live_end; die "the job is $state: $(ask 'SELECT last_error FROM zdm.jobs')" ;;
		esac
		[ "$percent" -lt "$until" ] || return 0
		[ $SECONDS -lt $SECONDS_LIMIT ] || { live_end; die "the backfill takes longer than $SECONDS_LIMIT s"; }
		sleep 0.1
	done
}

crash() {
	local downtime
	live_end
	heading "The server is killed"
	shell "pg_ctl stop -m immediate"
	server_stop main immediate
	load_end
	session_end
	shell "pg_ctl start"
	downtime=$(date +%s%N)
	server_start main
	downtime=$((($(date +%s%N) - downtime) / 100000000))
	session_start
	shell "pgbench -c $CLIENTS -R $RATE &"
	load_start after
	say "recovered in $((downtime / 10)).$((downtime % 10)) s; $(ask "SELECT to_char(rows_done, 'FM999,999,999') FROM zdm.jobs") rows are filled"
	say "nothing else is typed: the launcher lets the job go on"
}

finish_backfill() {
	local times
	live_end
	sleep 1
	load_end
	times=$(ask "SELECT concat_ws('|', extract(epoch FROM started_at), extract(epoch FROM finished_at)) FROM zdm.jobs")
	load_latency "${times%|*}" "${times#*|}" before
	busy_latency="p50 $p50 ms, p99 $p99 ms"
	[ -e "$ZDM_STAGE/tmp/load-after.out" ] || return 0
	load_latency "${times%|*}" "${times#*|}" after
	after_latency="p50 $p50 ms, p99 $p99 ms"
}

prove() {
	local query
	heading "Is every row right?"
	query="SELECT count(*) FROM pgbench_accounts WHERE branch_label IS DISTINCT FROM 'branch ' || bid;"
	wrong=$(ask "${query%;}")
	sql "$query"
	say "$wrong"
	query="SELECT sum(abalance) - (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts;"
	lost=$(ask "${query%;}")
	sql "$query"
	say "$lost"
}

show_result() {
	heading "Result"
	server_psql main -A -t -F '|' -v size_before="$size_before" -f test/demo/result.sql |
		while IFS='|' read -r label value; do
			row "$label" "$value"
		done
	row "load without backfill" "p50 $idle_p50 ms, p99 $idle_p99 ms"
	row "load with backfill" "$busy_latency"
	[ -z "$after_latency" ] || row "after the crash" "$after_latency (caches cold at first)"
	row "rows wrong" "$wrong"
}

main() {
	bootstrap
	[ -n "${ZDM_STAGE:-}" ] || echo "zdm demo: builds in a temporary folder, takes about three minutes, leaves nothing behind"
	stage_enter "$@"
	stage_build
	SECONDS=0
	make_server
	make_table
	measure_baseline
	start_backfill
	watch $CRASH_AT
	if [ "$state" = done ]; then
		say "the backfill was over before the server could be killed"
	else
		crash
		watch 101
	fi
	finish_backfill
	prove
	show_result
	rename_story
	session_end
	echo
	say "$SECONDS s in all; the server and its files are removed now"
	[ "$wrong" = 0 ] && [ "$lost" = 0 ] && [ "$disagreements" = 0 ] || die "rows are wrong: this is a bug of zdm"
}

main "$@"
