# Whether a row costs the same in a large table as in a small one, and whether the worker stays small.
#
# What belongs here: the part "growth". Source it after methods.sh and memory.sh. zdm alone on freshly loaded tables with
# 2 indexes, each twice as large as the one before, from half of ROWS to four times ROWS. The time is the job's, from the
# moment its worker begins to its end. max_wal_size is raised, so that no checkpoint falls into the large ones only.
# GROWTH_ROUNDS=1 rounds; GROWTH_ROWS="1000000 8000000" selects.

GROWTH_ROUNDS=${GROWTH_ROUNDS:-1}

# growth_run ROWS
growth_run() {
	local rows=$1 job us
	load_table "$rows" 2
	rm -f "$ZDM_STAGE/tmp/samples"
	job=$(start_zdm)
	follow_worker "$job"
	server_psql main -c "CALL zdm.wait_for_job($job)"
	us=$(sql_value "SELECT round((extract(epoch FROM finished_at - started_at) * 1e6 / $rows)::numeric, 2) FROM zdm.jobs WHERE job_id = $job")
	check_filled zdm
	printf '%12d %5d %16s us %16d kB\n' "$rows" "$round" "$us" "$peak_kb"
	record growth round="$round" rows="$rows" row_us="$us" peak_rss_anon_kb="$peak_kb"
}

bench_growth() {
	local round rows
	heading "Growth: time per row and private memory of the worker, nothing else running"
	server_conf main "max_wal_size = 8GB"
	server_reload main
	printf '%12s %5s %19s %19s\n' rows round "time per row" "memory, peak"
	for ((round = 1; round <= GROWTH_ROUNDS; round++)); do
		for rows in ${GROWTH_ROWS:-$((ROWS / 2)) $ROWS $((ROWS * 2)) $((ROWS * 4))}; do
			growth_run "$rows"
		done
	done
	report growth
}
