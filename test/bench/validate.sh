# Chunked validation of a CHECK constraint against VALIDATE CONSTRAINT.
#
# What belongs here: the part "validate". Source it after methods.sh. The same table, alternating rounds;
# before each the constraint is made NOT VALID anew. "native" is timed in a session of its own from statement
# to answer, "chunked" from the call of zdm.validate_constraint() to the job's end, the start of the worker
# included; both by the server's clock or psql's, not by how often somebody looks.

validate_load() {
	server_psql main -o /dev/null -c "DROP TABLE IF EXISTS bench_check" \
		-c "CREATE TABLE bench_check (id bigint PRIMARY KEY, v int, a int, filler text)" \
		-c "INSERT INTO bench_check SELECT i, i % 1000, i % 7, repeat('x', 120) FROM generate_series(1, $validate_rows) i" \
		-c "VACUUM (ANALYZE, FREEZE) bench_check" -c "CHECKPOINT"
}

validate_not_valid() {
	server_psql main -o /dev/null -c "ALTER TABLE bench_check DROP CONSTRAINT IF EXISTS bench_check_v" \
		-c "ALTER TABLE bench_check ADD CONSTRAINT bench_check_v CHECK ($1) NOT VALID"
}

# validate_run METHOD: sets ms, longest (ms of the longest chunk), chunks.
validate_run() {
	local job
	longest=0 chunks=1
	if [ "$1" = native ]; then
		ms=$(server_psql main -A -t -c '\timing on' -c "ALTER TABLE bench_check VALIDATE CONSTRAINT bench_check_v" |
			sed -n 's/^Time: \([0-9]*\).*/\1/p')
	else
		job=$(sql_value "SELECT zdm.validate_constraint('bench_check', 'bench_check_v')")
		server_psql main -c "CALL zdm.wait_for_job($job)"
		read -r ms longest chunks < <(sql_value "SELECT (extract(epoch FROM v.finished_at - created_at) * 1000)::int,
			(extract(epoch FROM longest_chunk) * 1000)::int, chunks
			FROM zdm.validations v JOIN zdm.jobs USING (job_id) WHERE job_id = $job")
	fi
	[ "$(sql_value "SELECT convalidated FROM pg_constraint WHERE conname = 'bench_check_v'")" = t ] || die "not validated by $1"
}

# validate_group LABEL EXPRESSION
validate_group() {
	local round method
	for round in $(seq "$ROUNDS"); do
		for method in native chunked; do
			validate_not_valid "$2"
			validate_run $method
			printf '%-34s round %s %-8s %6d ms, longest chunk %4d ms, %4d chunks\n' "$2" "$round" $method "$ms" "$longest" "$chunks"
			record validate expression="$1" round="$round" rows="$validate_rows" method="$method" \
				ms="$ms" longest_ms="$longest" chunks="$chunks"
		done
	done
	report validate "$1"
}

bench_validate() {
	validate_rows=$((ROWS * 5 / 2))
	heading "Validation of a CHECK: $validate_rows rows, nothing else running"
	validate_load
	validate_group simple "v >= 0"
	validate_group several "v >= 0 AND a BETWEEN 0 AND 6 AND filler <> ''"
}
