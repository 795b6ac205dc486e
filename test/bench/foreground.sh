# What the application feels: latency of a fixed load without a backfill and with each kind.
#
# What belongs here: the part "foreground". Source it after methods.sh. The load reads by id (6 of 10),
# updates by id (3) and inserts filled rows (1). Its rate is fixed and latency counts from the moment
# a transaction was due: a load that waits for answers would hide every stall. "one core busy" is no
# backfill but a program that only computes: what the load feels of that is the processor's share. "core and
# WAL" also writes what zdm wrote in its run, to no table: the least that a backfill of that speed can cost.
# What counts for zdm is from the moment its worker begins to the end of the job, without the start of psql and of
# processes, which cost what any connection costs. max_wal_size is raised from the default, which at the rate of
# any of these methods means a checkpoint every few seconds. METHODS="none zdm" selects.
# "zdm, unthrottled" does not make way for those who want its processor; "core and WAL" is as fast as that.

FOREGROUND_CLIENTS=4
IDLE_SECONDS=10
WARM_UP_SECONDS=2    # of load before it counts

# In a process of its own, which it becomes: so $! is pgbench.
load_run() {
	exec pgbench -n -c $FOREGROUND_CLIENTS -j 2 -D rows="$foreground_rows" \
		-f test/bench/read.pgbench@6 -f test/bench/update.pgbench@3 -f test/bench/insert.pgbench@1 "$@"
}

# Half of what the machine can do would leave no room for anything else: take less.
choose_rate() {
	local most
	[ -z "${RATE:-}" ] || { rate=$RATE; return; }
	(load_run -T 5) >"$ZDM_STAGE/tmp/calibrate" 2>&1 || die "pgbench:" "$(cat "$ZDM_STAGE/tmp/calibrate")"
	most=$(sed -n 's/^tps = \([0-9]*\).*/\1/p' "$ZDM_STAGE/tmp/calibrate")
	rate=$((most * 4 / 10))
	[ $rate -lt 1500 ] || rate=1500
	echo "this machine can do $most transactions/s: the load is $rate/s"
}

# foreground_run METHOD: sets p50 p95 p99 max (ms), seconds of the backfill.
foreground_run() {
	local method=$1 pid start end count log=$ZDM_STAGE/tmp/foreground
	load_table "$foreground_rows" 2
	rm -f "$log".*
	load_run -R "$rate" -T 3600 --log --log-prefix="$log" >"$log-out" 2>&1 &
	pid=$!
	sleep $WARM_UP_SECONDS
	start=$(date +%s.%N)
	case $method in
		none) sleep $IDLE_SECONDS ;;
		busy) perl -e '$end = time + $ARGV[0]; 1 while time < $end' $IDLE_SECONDS ;;
		wal) server_psql main -c "CALL write_wal($zdm_wal, $zdm_seconds)" ;;
		*) run_method "$method" ;;
	esac
	end=$(date +%s.%N)
	sleep 0.5
	kill $pid 2>/dev/null || die "pgbench:" "$(cat "$log-out")"
	wait $pid 2>/dev/null || true
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$start" "$end")
	if [ "$method" = zdm ] || [ "$method" = full ]; then
		zdm_seconds=$seconds
		read -r start end < <(sql_value "SELECT extract(epoch FROM started_at), extract(epoch FROM finished_at)
			FROM zdm.jobs ORDER BY job_id DESC LIMIT 1")
		zdm_wal=$(sql_value "SELECT wal_bytes FROM zdm.backfills ORDER BY job_id DESC LIMIT 1")
	fi
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$start" "$end" "$log".[0-9]*)
	case $method in none | busy | wal) ;; *) check_filled "$method" ;; esac
	record foreground round="$round" rows="$foreground_rows" rate="$rate" method="$method" seconds="$seconds" \
		transactions="$count" p50_ms="$p50" p95_ms="$p95" p99_ms="$p99" max_ms="$max"
}

bench_foreground() {
	local round method
	foreground_rows=$ROWS
	heading "Foreground: a load on $foreground_rows rows with 2 indexes, while they are backfilled"
	server_conf main "max_wal_size = 8GB"
	server_reload main
	load_table "$foreground_rows" 2
	choose_rate
	printf '%-30s %5s %9s %9s %9s %9s %11s\n' method round p50 p95 p99 max "backfill"
	for ((round = 1; round <= ROUNDS; round++)); do
		for method in ${METHODS:-none zdm full keyset10000 keyset1000 busy wal}; do
			foreground_run $method
			printf '%-30s %5d %6s ms %6s ms %6s ms %6s ms %9s s\n' "$(method_name $method)" "$round" \
				"$p50" "$p95" "$p99" "$max" "${seconds}"
		done
	done
	report foreground
}
