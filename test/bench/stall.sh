# What the application feels of ALTER TABLE ... ADD COLUMN while a long reader has the table.
#
# What belongs here: the part "stall". Source it after methods.sh and foreground.sh, whose load it uses. A
# transaction reads the table and stays open for STALL_SECONDS (10); half a second later the change begins,
# in one of three ways. Latency counts from the moment a transaction was due, from the beginning of the
# change to a second after it was made. Nobody can make the change before the reader ends.

STALL_SECONDS=${STALL_SECONDS:-10}
STALL_RATE=${STALL_RATE:-1000}

stall_name() {
	case $1 in
		none) echo "no change" ;;
		plain) echo "(a) ALTER TABLE" ;;
		timeout2) echo "(b) lock_timeout = 2s, again after 1 s" ;;
		zdm) echo "(c) zdm.execute_ddl" ;;
	esac
}

# Tries until it succeeds, as a script would.
alter_with_timeout() {
	until PGOPTIONS="-c lock_timeout=2s" psql -X -q -c "$1" >/dev/null 2>&1; do
		sleep 1
	done
}

stall_change() {
	local statement="ALTER TABLE bench ADD COLUMN added_$1 int" job
	case $1 in
		none) sleep "$STALL_SECONDS" ;;
		plain) server_psql main -c "$statement" ;;
		timeout2) alter_with_timeout "$statement" ;;
		zdm)
			job=$(sql_value "SELECT zdm.execute_ddl('$statement')")
			server_psql main -c "CALL zdm.wait_for_job($job)"
			;;
	esac
}

# stall_run METHOD: sets p50 p99 max (ms), seconds until the change is made.
stall_run() {
	local method=$1 load reader start made end count p95 log=$ZDM_STAGE/tmp/stall
	rm -f "$log".*
	load_run -R "$STALL_RATE" -T 3600 --log --log-prefix="$log" >"$log-out" 2>&1 &
	load=$!
	sleep $WARM_UP_SECONDS
	server_psql main -o /dev/null -c "BEGIN; SELECT 1 FROM bench LIMIT 1; SELECT pg_sleep($STALL_SECONDS); COMMIT" &
	reader=$!
	sleep 0.5
	start=$(date +%s.%N)
	stall_change "$method"
	made=$(date +%s.%N)
	wait $reader
	sleep 1
	end=$(date +%s.%N)
	kill $load 2>/dev/null || die "pgbench:" "$(cat "$log-out")"
	wait $load 2>/dev/null || true
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$start" "$made")
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$start" "$end" "$log".[0-9]*)
	record stall method="$method" reader_seconds="$STALL_SECONDS" rate="$STALL_RATE" seconds="$seconds" \
		transactions="$count" p50_ms="$p50" p95_ms="$p95" p99_ms="$p99" max_ms="$max"
}

bench_stall() {
	local method plain_max timeout_max
	foreground_rows=100000
	heading "Stall: ADD COLUMN behind a reader of $STALL_SECONDS s, under $STALL_RATE transactions/s"
	load_table "$foreground_rows" 2
	printf '%-40s %9s %9s %9s %11s\n' change p50 p99 longest "made after"
	for method in none plain timeout2 zdm; do
		stall_run $method
		printf '%-40s %6s ms %6s ms %6s ms %9s s\n' "$(stall_name $method)" "$p50" "$p99" "$max" "$seconds"
		case $method in plain) plain_max=$max ;; timeout2) timeout_max=$max ;; esac
	done
	printf 'longest stall, zdm: 1/%s of (a), 1/%s of (b)\n' "$(ratio "$plain_max" "$max")" "$(ratio "$timeout_max" "$max")"
}
