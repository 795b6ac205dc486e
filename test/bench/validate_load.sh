# What the application feels of a validation.
#
# What belongs here: the part "validate_load". Source it after methods.sh, foreground.sh and stall.sh. The
# foreground load at its fixed rate on a table that has several NOT VALID constraints of one kind; they are validated
# one after the other, unthrottled, because one alone would be over too soon to tell. "No validation" has the same
# constraints in place: checking them is not what is compared.

VALIDATE_COPIES=12

# validate_load_add KIND: makes the copies, NOT VALID.
validate_load_add() {
	local definition
	case $1 in
		check) definition="CHECK (customer >= 0)" ;;
		fk_*) definition="FOREIGN KEY (customer) REFERENCES bench_customer" ;;
	esac
	server_psql main -c "DO \$\$ BEGIN FOR i IN 1..$VALIDATE_COPIES LOOP
		EXECUTE format('ALTER TABLE bench ADD CONSTRAINT copy_%s $definition NOT VALID', i); END LOOP; END \$\$"
}

validate_load_drop() {
	server_psql main -c "DO \$\$ BEGIN FOR i IN 1..$VALIDATE_COPIES LOOP
		EXECUTE format('ALTER TABLE bench DROP CONSTRAINT copy_%s', i); END LOOP; END \$\$"
}

# validate_load_work METHOD
validate_load_work() {
	local i job
	[ "$1" != none ] || { sleep 10; return; }
	for ((i = 1; i <= VALIDATE_COPIES; i++)); do
		if [ "$1" = native ]; then
			server_psql main -c "ALTER TABLE bench VALIDATE CONSTRAINT copy_$i"
		else
			job=$(sql_value "SELECT zdm.validate_constraint('bench', 'copy_$i')")
			server_psql main -c "CALL zdm.wait_for_job($job)"
		fi
	done
}

# validate_load_run KIND METHOD: sets p50 p99 max (ms), seconds.
validate_load_run() {
	local load start end count p95 log=$ZDM_STAGE/tmp/validate
	rm -f "$log".*
	validate_load_add "$1"
	load_run -R "$rate" -T 3600 --log --log-prefix="$log" >"$log-out" 2>&1 &
	load=$!
	sleep $WARM_UP_SECONDS
	start=$(date +%s.%N)
	validate_load_work "$2"
	end=$(date +%s.%N)
	sleep 0.5
	kill $load 2>/dev/null || die "pgbench:" "$(cat "$log-out")"
	wait $load 2>/dev/null || true
	validate_load_drop
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$start" "$end")
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$start" "$end" "$log".[0-9]*)
	record validate_load kind="$1" method="$2" round="$round" rate="$rate" rows="$foreground_rows" copies="$VALIDATE_COPIES" \
		seconds="$seconds" transactions="$count" p50_ms="$p50" p95_ms="$p95" p99_ms="$p99" max_ms="$max"
}

validate_load_group() {
	local method
	for ((round = 1; round <= ROUNDS; round++)); do
		for method in none zdm native; do
			validate_load_run "$1" $method
			printf '%-10s %-14s %5d %6s ms %6s ms %6s ms %9s s\n' "$1" $method "$round" "$p50" "$p99" "$max" "$seconds"
		done
	done
	report validate_load "$1"
}

bench_validate_load() {
	local round
	foreground_rows=$((ROWS * 5 / 2))
	heading "A load on $foreground_rows rows while $VALIDATE_COPIES constraints are validated, one after the other"
	stall_load
	choose_rate
	printf '%-10s %-14s %5s %9s %9s %9s %11s\n' constraint by round p50 p99 longest "took"
	validate_load_group check
	validate_load_group fk_merge
	server_psql main -o /dev/null -c "DROP INDEX bench_customer_idx" -c "ALTER DATABASE postgres SET zdm.guarded_scan_from = 0"
	validate_load_group fk_pages
}
