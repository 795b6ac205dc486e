# What the application feels of a change of the schema while a long reader has the table.
#
# What belongs here: the part "stall". Source it after methods.sh and foreground.sh, whose load it uses. A
# transaction reads the table and stays open for STALL_SECONDS (30); half a second later the change begins,
# in one of three ways: as one ALTER TABLE, the same with lock_timeout and retries, or by zdm's call for it.
# Latency counts from the moment a transaction was due, from the beginning of the change to a second after it was
# made. CHANGES="set_not_null" selects.

STALL_SECONDS=${STALL_SECONDS:-30}
STALL_RATE=${STALL_RATE:-1000}
ALL_CHANGES='add_column set_not_null add_check add_foreign_key add_unique add_primary_key'

# stall_define CHANGE: sets prepare, plain, zdm (returns the job) and undo, each one statement.
stall_define() {
	prepare='' undo='ALTER TABLE bench DROP CONSTRAINT added'
	case $1 in
		add_column)
			plain='ALTER TABLE bench ADD COLUMN added int'
			zdm='SELECT zdm.execute_ddl($$ALTER TABLE bench ADD COLUMN added int$$)'
			undo='ALTER TABLE bench DROP COLUMN added'
			;;
		set_not_null)
			plain='ALTER TABLE bench ALTER COLUMN note SET NOT NULL'
			zdm="SELECT zdm.job_id(zdm.set_not_null('bench', 'note'))"
			undo='ALTER TABLE bench ALTER COLUMN note DROP NOT NULL'
			;;
		add_check)
			plain='ALTER TABLE bench ADD CONSTRAINT added CHECK (customer >= 0)'
			zdm="SELECT zdm.job_id(zdm.add_check('bench', 'customer >= 0', 'added'))"
			;;
		add_foreign_key)
			plain='ALTER TABLE bench ADD CONSTRAINT added FOREIGN KEY (customer) REFERENCES bench_customer'
			zdm="SELECT zdm.job_id(zdm.add_foreign_key('bench', ARRAY['customer'], 'bench_customer', constraint_name => 'added'))"
			;;
		add_unique)
			plain='ALTER TABLE bench ADD CONSTRAINT added UNIQUE (id)'
			zdm="SELECT zdm.job_id(zdm.add_unique('bench', ARRAY['id'], 'added'))"
			;;
		add_primary_key)
			prepare='ALTER TABLE bench DROP CONSTRAINT IF EXISTS bench_pkey, ALTER COLUMN id DROP NOT NULL'
			plain='ALTER TABLE bench ADD CONSTRAINT added PRIMARY KEY (id)'
			zdm="SELECT zdm.job_id(zdm.add_primary_key('bench', ARRAY['id'], 'added'))"
			;;
		*) die "there is no change \"$1\": $ALL_CHANGES" ;;
	esac
}

stall_name() {
	case $1 in
		none) echo "no change" ;;
		plain) echo "(a) one ALTER TABLE" ;;
		timeout2) echo "(b) lock_timeout = 2s, again after 1 s" ;;
		zdm) echo "(c) zdm" ;;
	esac
}

# The table of the foreground load, and a parent for its customers. The load finds its rows by an index of its own,
# so that it goes on without a primary key.
stall_load() {
	load_table "$foreground_rows" 2
	server_psql main -o /dev/null -c "CREATE INDEX ON bench (id)" \
		-c "SET client_min_messages = warning" -c "DROP TABLE IF EXISTS bench_customer" \
		-c "CREATE TABLE bench_customer AS SELECT i AS id FROM generate_series(0, 100003) AS i" \
		-c "ALTER TABLE bench_customer ADD PRIMARY KEY (id)" -c "VACUUM (ANALYZE)" -c "CHECKPOINT"
}

# Tries until it succeeds, as a script would.
alter_with_timeout() {
	until PGOPTIONS="-c lock_timeout=2s" psql -X -q -c "$1" >/dev/null 2>&1; do
		sleep 1
	done
}

stall_change() {
	local job
	case $1 in
		none) sleep 10 ;;
		plain) server_psql main -c "$plain" ;;
		timeout2) alter_with_timeout "$plain" ;;
		zdm)
			job=$(sql_value "$zdm")
			server_psql main -c "CALL zdm.wait_for_job($job)"
			;;
	esac
}

# stall_run CHANGE METHOD: sets p50 p99 max (ms), seconds until the change is made.
stall_run() {
	local method=$2 load reader='' start made end count p95 log=$ZDM_STAGE/tmp/stall
	rm -f "$log".*
	load_run -R "$STALL_RATE" -T 3600 --log --log-prefix="$log" >"$log-out" 2>&1 &
	load=$!
	sleep $WARM_UP_SECONDS
	if [ "$method" != none ]; then
		server_psql main -o /dev/null -c "BEGIN; SELECT 1 FROM bench LIMIT 1; SELECT pg_sleep($STALL_SECONDS); COMMIT" &
		reader=$!
		sleep 0.5
	fi
	start=$(date +%s.%N)
	stall_change "$method"
	made=$(date +%s.%N)
	[ -z "$reader" ] || wait $reader
	sleep 1
	end=$(date +%s.%N)
	kill $load 2>/dev/null || die "pgbench:" "$(cat "$log-out")"
	wait $load 2>/dev/null || true
	seconds=$(perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$start" "$made")
	read -r count p50 p95 p99 max < <(perl test/bench/latency.pl "$start" "$end" "$log".[0-9]*)
	record stall change="$1" method="$method" reader_seconds="$STALL_SECONDS" rate="$STALL_RATE" seconds="$seconds" \
		transactions="$count" p50_ms="$p50" p95_ms="$p95" p99_ms="$p99" max_ms="$max"
}

# Runs it and prints its line.
stall_row() {
	stall_run "$1" "$2"
	printf '%-16s %-40s %6s ms %6s ms %6s ms %9s s\n' "$1" "$(stall_name "$2")" "$p50" "$p99" "$max" "$seconds"
}

bench_stall() {
	local change method prepare plain zdm undo
	foreground_rows=$ROWS
	heading "Stall: $foreground_rows rows, a reader of $STALL_SECONDS s, $STALL_RATE transactions/s"
	stall_load
	printf '%-16s %-40s %9s %9s %9s %11s\n' change "made by" p50 p99 longest "made after"
	stall_row '' none
	for change in ${CHANGES:-$ALL_CHANGES}; do
		stall_define "$change"
		[ -z "$prepare" ] || server_psql main -c "$prepare"
		for method in plain timeout2 zdm; do
			stall_row "$change" $method
			server_psql main -c "$undo"
		done
	done
}
