# What the application feels of each recipe about a column, from its start to its purge.
#
# What belongs here: the part "stall_columns". Source it after methods.sh, foreground.sh and stall.sh, whose table and
# load it uses. A transaction reads the table and stays open for STALL_SECONDS (30); half a second later the recipe is
# called. It goes through expand, migrate and contract, is reverted where something was retired, and contracted
# for good. What counts is from the call to a second after its end, by phase and in all: the longest that a
# transaction took from the moment it was due. The load inserts, updates and reads rows and does not name the
# columns that change. "none" is the load alone, with the reader, for a while. RECIPES="add_column" selects.

STALL_TARGET_MS=250
ALL_RECIPES='rename_column change_column_type add_column drop_column'

# stall_columns_define RECIPE: sets call, and reverts (whether there is something to bring back).
stall_columns_define() {
	local more="owner => 'bench', contract_by => CURRENT_DATE, name => '$1'"
	reverts=yes
	case $1 in
		rename_column) call="zdm.rename_column('bench', 'source', 'origin', $more)" ;;
		change_column_type) call="zdm.change_column_type('bench', 'customer', 'bigint', $more)" ;;
		add_column)
			call="zdm.add_column('bench', 'region', 'text', fill => 'left(source, 3)', not_null => true, column_default => '''web''', $more)"
			reverts=no
			;;
		drop_column) call="zdm.drop_column('bench', 'channel', $more)" ;;
		*) die "there is no recipe \"$1\": $ALL_RECIPES" ;;
	esac
}

# What the load writes, without the columns that are about to change.
stall_columns_script() {
	cat >"$ZDM_STAGE/tmp/insert.pgbench" <<-'END'
		INSERT INTO bench (amount, created_at, note) VALUES (1, now(), repeat('n', 80));
	END
	server_psql main -o /dev/null -c "ALTER TABLE bench ALTER source SET DEFAULT 'web', ALTER customer SET DEFAULT 1"
}

stall_columns_load() {
	exec pgbench -n -c $FOREGROUND_CLIENTS -j 2 -D rows="$foreground_rows" \
		-f test/bench/read.pgbench@6 -f test/bench/update.pgbench@3 -f "$ZDM_STAGE/tmp/insert.pgbench@1" "$@"
}

# A moment that a phase begins at.
stall_columns_mark() {
	phases+=${phases:+ }$1
	moments+=${moments:+ }$(date +%s.%N)
}

# Gates that ask for time or a person are opened: what is measured is the work.
stall_columns_contract() {
	local gates=60
	server_psql main -o /dev/null -c "SET client_min_messages = warning" -c "SELECT zdm.approve('$1')" \
		-c "SELECT zdm.set_migration('$1', soak => '0')"
	until server_psql main -o /dev/null -c "SELECT zdm.contract('$1', '$2')" 2>"$ZDM_STAGE/tmp/contract"; do
		gates=$((gates - 1))
		[ $gates -gt 0 ] || die "$1 is not contracted:" "$(cat "$ZDM_STAGE/tmp/contract")"
		sleep 1
	done
}

stall_columns_until() {
	until [ "$(sql_value "SELECT $2 FROM zdm.migrations WHERE name = '$1'")" = t ]; do
		[ "$(sql_value "SELECT status FROM zdm.migrations WHERE name = '$1'")" != failed ] ||
			die "$1 failed: $(sql_value "SELECT last_error FROM zdm.migrations WHERE name = '$1'")"
		sleep 0.1
	done
}

# The whole life of a migration.
stall_columns_live() {
	stall_columns_mark expand+migrate
	sql_value "SELECT $call" >/dev/null
	server_psql main -c "CALL zdm.wait_for_migration('$1', 'contract')"
	if [ $reverts = yes ]; then
		stall_columns_mark retire
		stall_columns_contract "$1" "7 days"
		stall_columns_until "$1" "stage = 'retired'"
		stall_columns_mark revert
		server_psql main -o /dev/null -c "SELECT zdm.revert('$1')"
		stall_columns_until "$1" "stage = 'ready'"
	fi
	stall_columns_mark contract
	stall_columns_contract "$1" 0
	server_psql main -c "CALL zdm.wait_for_migration('$1', 'done')"
}

# stall_columns_row RECIPE PHASE FROM TO: measures and prints what fell into that time.
stall_columns_row() {
	local count p50 p95 p99 max seconds
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$3" "$4")
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$3" "$4" "$log".[0-9]*)
	printf '%-20s %-20s %6s ms %6s ms %6s ms %9s s\n' "$1" "$2" "$p50" "$p99" "$max" "$seconds"
	record stall_columns recipe="$1" phase="$2" reader_seconds="$STALL_SECONDS" rate="$STALL_RATE" rows="$foreground_rows" \
		seconds="$seconds" transactions="$count" p50_ms="$p50" p99_ms="$p99" max_ms="$max" target_ms=$STALL_TARGET_MS
}

# stall_columns_run RECIPE, or none
stall_columns_run() {
	local load reader phases='' moments='' n log=$ZDM_STAGE/tmp/stall_columns
	local -a names from
	stall_load
	stall_columns_script
	rm -f "$log".*
	stall_columns_load -R "$STALL_RATE" -T 3600 --log --log-prefix="$log" >"$log-out" 2>&1 &
	load=$!
	sleep $WARM_UP_SECONDS
	server_psql main -o /dev/null -c "BEGIN; SELECT 1 FROM bench LIMIT 1; SELECT pg_sleep($STALL_SECONDS); COMMIT" &
	reader=$!
	sleep 0.5
	if [ "$1" = none ]; then
		stall_columns_mark alone
	else
		stall_columns_live "$1"
	fi
	wait $reader
	sleep 1
	moments+=" $(date +%s.%N)"
	kill $load 2>/dev/null || die "pgbench:" "$(cat "$log-out")"
	wait $load 2>/dev/null || true
	read -r -a names <<<"$phases"
	read -r -a from <<<"$moments"
	for ((n = 0; n < ${#names[@]}; n++)); do
		stall_columns_row "$1" "${names[n]}" "${from[n]}" "${from[n + 1]}"
	done
	[ ${#names[@]} = 1 ] || stall_columns_row "$1" all "${from[0]}" "${from[n]}"
}

bench_stall_columns() {
	local recipe call reverts
	foreground_rows=$ROWS
	heading "Stall by recipes about columns: $foreground_rows rows, a reader of $STALL_SECONDS s, $STALL_RATE transactions/s"
	printf '%-20s %-20s %9s %9s %9s %11s\n' recipe phase p50 p99 longest "took"
	stall_columns_run none
	for recipe in ${RECIPES:-$ALL_RECIPES}; do
		stall_columns_define "$recipe"
		stall_columns_run "$recipe"
	done
	report stall_columns
}
