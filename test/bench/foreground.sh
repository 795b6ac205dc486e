# What the application feels: latency of a fixed load without a backfill and with each kind.
#
# What belongs here: the part "foreground". Source it after methods.sh. The load reads by id (6 of 10),
# updates by id (3) and inserts filled rows (1). Its rate is fixed and latency counts from the moment
# a transaction was due: a load that waits for answers would hide every stall. What was due during a backfill counts,
# however late it ends: the load goes on until it has caught up, for CATCH_UP_SECONDS at most. "Lost" is what failed, and
# what was not done even then. The methods take turns, FOREGROUND_ROUNDS (5) times; p99 is compared with that without a
# backfill of the same round. FOREGROUND_ROWS is half of ROWS. "one core busy" is no
# backfill but a program that only computes: what the load feels of that is the processor's share. "core and
# WAL" also writes what zdm wrote in its run, to no table: the least that a backfill of that speed can cost.
# What counts for zdm is from the moment its worker begins to the end of the job, without the start of psql and of
# processes, which cost what any connection costs. max_wal_size is raised from the default, which at the rate of
# any of these methods means a checkpoint every few seconds. METHODS="none zdm" selects.
# "zdm, unthrottled" does not make way for those who want its processor; "core and WAL" is as fast as that.

FOREGROUND_CLIENTS=4
IDLE_SECONDS=10
WARM_UP_SECONDS=2    # of load before it counts
CATCH_UP_SECONDS=60
FOREGROUND_ROWS=${FOREGROUND_ROWS:-$((ROWS / 2))}

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

# load_start LOG: the load at its rate, warmed up; its logs are LOG.*.
load_start() {
	load_log=$1
	rm -f "$load_log".*
	load_run -R "$rate" -T 3600 --log --log-prefix="$load_log" >"$load_log-out" 2>&1 &
	load_pid=$!
	sleep $WARM_UP_SECONDS
}

# load_lost FROM TO: sets failed, and missing: how many that were due then are not done, as far as the logs tell.
load_lost() {
	read -r failed missing < <(perl test/bench/lost.pl "$rate" "$1" "$2" "$load_log-out" "$load_log".[0-9]*)
}

# load_stop FROM TO: ends it when all is done that was due then; sets p50 p95 p99 max (ms), count and lost. The alarm
# is what pgbench takes for the end of its time, so that it ends what it has begun.
load_stop() {
	local n=0 failed missing
	sleep 0.5
	load_lost "$1" "$2"
	while [ "$missing" != 0 ] && [ $n -lt $CATCH_UP_SECONDS ]; do
		sleep 1
		n=$((n + 1))
		load_lost "$1" "$2"
	done
	kill -ALRM "$load_pid" 2>/dev/null || die "pgbench:" "$(cat "$load_log-out")"
	wait "$load_pid" 2>/dev/null || true
	load_lost "$1" "$2"
	lost=$((failed + missing))
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl --due "$1" "$2" "$load_log".[0-9]*)
}

# foreground_method METHOD: sets start and end (seconds since 1970) and seconds; of zdm, also zdm_seconds, zdm_wal.
foreground_method() {
	start=$(date +%s.%N)
	case $1 in
		none) sleep $IDLE_SECONDS ;;
		busy) perl -e '$end = time + $ARGV[0]; 1 while time < $end' $IDLE_SECONDS ;;
		wal) server_psql main -c "CALL write_wal($zdm_wal, $zdm_seconds)" ;;
		*) run_method "$1" ;;
	esac
	end=$(date +%s.%N)
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$start" "$end")
	if [ "$1" = zdm ] || [ "$1" = full ]; then
		zdm_seconds=$seconds
		read -r start end < <(sql_value "SELECT extract(epoch FROM started_at), extract(epoch FROM finished_at)
			FROM zdm.jobs ORDER BY job_id DESC LIMIT 1")
		zdm_wal=$(sql_value "SELECT wal_bytes FROM zdm.backfills ORDER BY job_id DESC LIMIT 1")
	fi
}

# foreground_run METHOD: sets what load_stop and foreground_method set.
foreground_run() {
	load_table "$foreground_rows" 2
	load_start "$ZDM_STAGE/tmp/foreground"
	foreground_method "$1"
	load_stop "$start" "$end"
	case $1 in none | busy | wal) ;; *) check_filled "$1" ;; esac
	record foreground round="$round" rows="$foreground_rows" rate="$rate" method="$1" seconds="$seconds" \
		transactions="$count" lost="$lost" p50_ms="$p50" p95_ms="$p95" p99_ms="$p99" max_ms="$max"
}

# What both parts with a load set up: a server that makes no checkpoint every few seconds, and the rate.
foreground_prepare() {
	foreground_rows=$FOREGROUND_ROWS
	server_conf main "max_wal_size = 8GB"
	server_reload main
	load_table "$foreground_rows" 2
	choose_rate
}

bench_foreground() {
	local round method
	heading "Foreground: a load on $FOREGROUND_ROWS rows with 2 indexes, while they are backfilled"
	foreground_prepare
	printf '%-30s %5s %9s %9s %9s %9s %6s %11s\n' method round p50 p95 p99 max lost "backfill"
	for ((round = 1; round <= FOREGROUND_ROUNDS; round++)); do
		for method in ${METHODS:-none zdm full keyset10000 keyset1000 update busy wal}; do
			foreground_run "$method"
			printf '%-30s %5d %6s ms %6s ms %6s ms %6s ms %6s %9s s\n' "$(method_name "$method")" "$round" \
				"$p50" "$p95" "$p99" "$max" "$lost" "${seconds}"
		done
	done
	report foreground
}
