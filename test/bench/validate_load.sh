# What the application feels of a validation.
#
# What belongs here: the part "validate_load". Source it after methods.sh, foreground.sh and stall.sh. The
# foreground load at its fixed rate on a table with a NOT VALID constraint, which is validated VALIDATE_TIMES times,
# as it comes and unthrottled ("full"). What counts is from the beginning of the statement, or of the job, to its end, without the start of psql and
# of processes, which cost what any connection costs. "none" has the constraint in place, too: checking new rows
# is not what is compared. "busy" is no validation but a program that only computes, as in foreground.sh.

VALIDATE_TIMES=4

validate_load_not_valid() {
	local definition
	case $1 in
		check) definition="CHECK (customer >= 0)" ;;
		fk_*) definition="FOREIGN KEY (customer) REFERENCES bench_customer" ;;
	esac
	server_psql main -o /dev/null -c "SET client_min_messages = warning" -c "ALTER TABLE bench DROP CONSTRAINT IF EXISTS added" \
		-c "ALTER TABLE bench ADD CONSTRAINT added $definition NOT VALID"
}

# validate_load_once METHOD: prints when it began and when it ended.
validate_load_once() {
	local job
	case $1 in
		busy) perl -MTime::HiRes=time -e '$start = time; 1 while time < $start + 5; printf "%f %f\n", $start, time' ;;
		none) sql_value "SELECT extract(epoch FROM clock_timestamp()), extract(epoch FROM clock_timestamp()) + 5"; sleep 5 ;;
		native)
			server_psql main -A -t -F ' ' <<-'END'
				SELECT extract(epoch FROM clock_timestamp()) AS start \gset
				ALTER TABLE bench VALIDATE CONSTRAINT added;
				SELECT :start, extract(epoch FROM clock_timestamp());
			END
			;;
		zdm)
			server_psql main -A -t -F ' ' <<-'END'
				SELECT zdm.validate_constraint('bench', 'added') AS job \gset
				CALL zdm.wait_for_job(:job);
				SELECT extract(epoch FROM started_at), extract(epoch FROM finished_at) FROM zdm.jobs WHERE job_id = :job;
			END
			;;
		full) unthrottled validate_load_once zdm ;;
	esac
}

# validate_load_run KIND METHOD: sets p50 p99 max (ms), seconds (of one).
validate_load_run() {
	local load start end starts='' ends='' count p95 n log=$ZDM_STAGE/tmp/validate
	rm -f "$log".*
	validate_load_not_valid "$1"
	load_run -R "$rate" -T 3600 --log --log-prefix="$log" >"$log-out" 2>&1 &
	load=$!
	sleep $WARM_UP_SECONDS
	for ((n = 1; n <= VALIDATE_TIMES; n++)); do
		read -r start end < <(validate_load_once "$2")
		starts+=${starts:+,}$start
		ends+=${ends:+,}$end
		validate_load_not_valid "$1"
		sleep 0.5
	done
	kill $load 2>/dev/null || die "pgbench:" "$(cat "$log-out")"
	wait $load 2>/dev/null || true
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$start" "$end")
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$starts" "$ends" "$log".[0-9]*)
	record validate_load kind="$1" method="$2" round="$round" rate="$rate" rows="$foreground_rows" times="$VALIDATE_TIMES" \
		seconds="$seconds" transactions="$count" p50_ms="$p50" p95_ms="$p95" p99_ms="$p99" max_ms="$max"
}

validate_load_group() {
	local method
	for ((round = 1; round <= ROUNDS; round++)); do
		for method in ${METHODS:-none busy zdm full native}; do
			validate_load_run "$1" $method
			printf '%-10s %-14s %5d %6s ms %6s ms %6s ms %9s s\n' "$1" $method "$round" "$p50" "$p99" "$max" "$seconds"
		done
	done
	report validate_load "$1"
}

bench_validate_load() {
	local round
	foreground_rows=$((ROWS * 8))
	heading "A load on $foreground_rows rows while a constraint is validated"
	stall_load
	choose_rate
	printf '%-10s %-14s %5s %9s %9s %9s %11s\n' constraint by round p50 p99 longest "took"
	validate_load_group check
	validate_load_group fk_merge
	server_psql main -o /dev/null -c "DROP INDEX bench_customer_idx" -c "ALTER DATABASE postgres SET zdm.guarded_scan_from = 0"
	validate_load_group fk_pages
}
