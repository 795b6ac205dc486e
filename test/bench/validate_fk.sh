# Chunked validation of a FOREIGN KEY against VALIDATE CONSTRAINT.
#
# What belongs here: the part "validate_fk". Source it after methods.sh. A child table with keys in no
# order and a parent of a tenth of its rows; alternating rounds, before each the constraint is made NOT VALID
# anew. First without an index on the referencing column (guarded pages), then with one (merge). "native" is
# timed from statement to answer, "chunked" from the call to the job's end, the start of the worker included.

validate_fk_load() {
	server_psql main -o /dev/null -c "DROP TABLE IF EXISTS bench_fk, bench_parent" \
		-c "ALTER DATABASE postgres SET zdm.guarded_scan_from = 0" \
		-c "CREATE TABLE bench_parent (id bigint PRIMARY KEY, uid uuid UNIQUE, code text UNIQUE)" \
		-c "INSERT INTO bench_parent SELECT i, md5(i::text)::uuid, 'code ' || i FROM generate_series(0, $fk_rows / 10 - 1) i" \
		-c "CREATE TABLE bench_fk (id bigint PRIMARY KEY, parent_id bigint, code text, filler text)" \
		-c "INSERT INTO bench_fk SELECT i, k, 'code ' || k, repeat('x', 100)
			FROM (SELECT i, i::bigint * 7919 % ($fk_rows / 10) AS k FROM generate_series(1, $fk_rows) i) AS rows" \
		-c "VACUUM (ANALYZE, FREEZE) bench_fk" -c "VACUUM (ANALYZE, FREEZE) bench_parent" -c "CHECKPOINT"
}

# validate_fk_run METHOD COLUMN PARENT_COLUMN: sets ms, longest, chunks, used.
validate_fk_run() {
	local start end job
	longest=0 chunks=1 used=native
	server_psql main -o /dev/null -c "ALTER TABLE bench_fk DROP CONSTRAINT IF EXISTS bench_fk_parent" \
		-c "ALTER TABLE bench_fk ADD CONSTRAINT bench_fk_parent FOREIGN KEY ($2) REFERENCES bench_parent ($3) NOT VALID"
	start=$(date +%s%N)
	if [ "$1" = native ]; then
		server_psql main -o /dev/null -c "ALTER TABLE bench_fk VALIDATE CONSTRAINT bench_fk_parent"
		end=$(date +%s%N)
	else
		job=$(sql_value "SELECT zdm.validate_constraint('bench_fk', 'bench_fk_parent')")
		server_psql main -c "CALL zdm.wait_for_job($job)"
		end=$(date +%s%N)
		read -r longest chunks used < <(sql_value "SELECT (extract(epoch FROM longest_chunk) * 1000)::int, chunks, method
			FROM zdm.validations WHERE job_id = $job")
	fi
	ms=$(((end - start) / 1000000))
	[ "$(sql_value "SELECT convalidated FROM pg_constraint WHERE conname = 'bench_fk_parent'")" = t ] || die "not validated by $1"
}

median_of() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# validate_fk_group LABEL TARGET COLUMN PARENT_COLUMN
validate_fk_group() {
	local round method natives=() chunkeds=()
	for round in $(seq "$ROUNDS"); do
		for method in native chunked; do
			validate_fk_run $method "$3" "$4"
			printf '%-26s round %s %-8s %6d ms, longest chunk %4d ms, %4d chunks\n' "$1" "$round" "$used" "$ms" "$longest" "$chunks"
			record validate_fk key="$1" round="$round" rows="$fk_rows" method="$used" \
				ms="$ms" longest_ms="$longest" chunks="$chunks"
			if [ $method = native ]; then natives+=("$ms"); else chunkeds+=("$ms"); fi
		done
	done
	printf '%s: chunked against native: %sx as fast (target: %s)\n' "$1" \
		"$(ratio "$(median_of "${natives[@]}")" "$(median_of "${chunkeds[@]}")")" "$2"
}

bench_validate_fk() {
	fk_rows=$((ROWS * 5 / 2))
	heading "Validation of a FOREIGN KEY: $fk_rows rows, parent a tenth of it, nothing else running"
	validate_fk_load
	validate_fk_group "bigint, no index" 0.9x parent_id id
	validate_fk_group "text, no index" "none" code code
	server_psql main -o /dev/null -c "CREATE INDEX ON bench_fk (parent_id)" -c "CREATE INDEX ON bench_fk (code)" \
		-c "VACUUM bench_fk" -c "CHECKPOINT"
	validate_fk_group "bigint, with an index" 2x parent_id id
	validate_fk_group "text, with an index" "none" code code
}
