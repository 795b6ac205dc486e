# How far a streaming standby falls behind, under a fixed load without a backfill and with each kind.
#
# What belongs here: the part "standby". Source it after methods.sh and foreground.sh, whose load and table it uses. The
# standby is a second server on the same machine, and competes for its processors. How far WAL is inserted is read in
# the primary every 100 ms, how far it is replayed in the standby every 20 ms. The lag is counted in bytes, and in time: from
# the moment WAL was inserted up to some place to the one when the standby has replayed up to there. What was inserted from the
# beginning of a backfill to its end counts, whenever it is replayed. STANDBY_ROUNDS=1 rounds.

STANDBY_ROUNDS=${STANDBY_ROUNDS:-1}

standby_start() {
	server_conf main "wal_keep_size = 8GB"
	server_reload main
	server_psql main -c "SET client_min_messages = warning" -c "DROP TABLE IF EXISTS bench"
	server_standby standby main
	server_start standby
}

# Until the standby has replayed what is inserted now.
standby_catch_up() {
	local lsn n=0
	lsn=$(sql_value "SELECT pg_current_wal_insert_lsn()")
	until [ "$(server_psql standby -A -t -c "SELECT pg_last_wal_replay_lsn() >= '$lsn'")" = t ]; do
		[ $n -lt 3000 ] || die "the standby does not catch up"
		n=$((n + 1))
		sleep 0.1
	done
}

# standby_sample SERVER LSN_FUNCTION SECONDS FILE: what lag.pl reads, in a process of its own, which it becomes.
standby_sample() {
	exec psql -X -q -A -t -F ' ' -h "$(server_socket "$1")" >"$4" \
		< <(echo "SELECT extract(epoch FROM clock_timestamp()), ($2() - '0/0')::bigint \\watch $3")
}

# standby_run METHOD: sets lag_bytes, lag_seconds and what load_stop and foreground_method set.
standby_run() {
	local primary standby samples=$ZDM_STAGE/tmp/samples
	load_table "$foreground_rows" 2
	standby_catch_up
	standby_sample main pg_current_wal_insert_lsn 0.1 "$samples.main" &
	primary=$!
	standby_sample standby pg_last_wal_replay_lsn 0.02 "$samples.standby" &
	standby=$!
	load_start "$ZDM_STAGE/tmp/standby"
	foreground_method "$1"
	load_stop "$start" "$end"
	standby_catch_up
	sleep 0.5
	kill $primary $standby
	wait $primary $standby 2>/dev/null || true
	read -r lag_bytes lag_seconds < <(perl test/bench/lag.pl "$samples.main" "$samples.standby" "$start" "$end")
	case $1 in none) ;; *) check_filled "$1" ;; esac
	record standby round="$round" rows="$foreground_rows" rate="$rate" method="$1" seconds="$seconds" transactions="$count" \
		lost="$lost" p50_ms="$p50" p99_ms="$p99" max_ms="$max" lag_bytes="$lag_bytes" lag_seconds="$lag_seconds"
}

bench_standby() {
	local round method
	heading "Standby: how far it falls behind, a load on $FOREGROUND_ROWS rows with 2 indexes, while they are backfilled"
	foreground_prepare
	standby_start
	printf '%-30s %5s %13s %13s %9s %6s %11s\n' method round "lag, most" "lag, longest" p99 lost "backfill"
	for ((round = 1; round <= STANDBY_ROUNDS; round++)); do
		for method in ${METHODS:-none zdm full keyset10000 keyset1000 update}; do
			standby_run "$method"
			printf '%-30s %5d %10.1f MB %11s s %6s ms %6s %9s s\n' "$(method_name "$method")" "$round" \
				"$(perl -e 'print $ARGV[0] / 1048576' "$lag_bytes")" "$lag_seconds" "$p99" "$lost" "$seconds"
		done
	done
	report standby
	server_stop standby
	server_conf main "wal_keep_size = 0"
	server_reload main
}
