# Whether a row costs the same in a large table as in a small one, and whether the worker stays small.
#
# What belongs here: the part "growth". Source it after methods.sh. zdm alone on freshly loaded tables with
# 2 indexes, each twice as large as the one before, from half of ROWS to four times ROWS. The time is the job's, from the
# moment its worker begins to its end; the memory is read beside the server, which a client that asks for it would
# disturb. max_wal_size is raised, so that no checkpoint falls into the large ones only.
# GROWTH_ROUNDS=1 rounds; GROWTH_ROWS="1000000 8000000" selects.

GROWTH_ROUNDS=${GROWTH_ROUNDS:-1}

# The worker of a job, as soon as it has one.
growth_worker() {
	local pid='' n=0
	until [ "${pid:-0}" -gt 0 ]; do
		[ $n -lt 100 ] || die "no worker"
		n=$((n + 1))
		sleep 0.02
		pid=$(sql_value "SELECT pid FROM zdm.jobs WHERE job_id = $1")
	done
	echo "$pid"
}

# growth_sample PID: its private memory in kB, ten times a second until it is gone.
growth_sample() {
	while sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null; do
		sleep 0.1
	done
}

# growth_run ROWS
growth_run() {
	local rows=$1 job us peak_kb sampler samples=$ZDM_STAGE/tmp/samples
	load_table "$rows" 2
	job=$(start_zdm)
	growth_sample "$(growth_worker "$job")" >"$samples" &
	sampler=$!
	server_psql main -c "CALL zdm.wait_for_job($job)"
	kill $sampler 2>/dev/null || true
	wait $sampler 2>/dev/null || true
	peak_kb=$(sort -n "$samples" | tail -n 1)
	us=$(sql_value "SELECT round((extract(epoch FROM finished_at - started_at) * 1e6 / $rows)::numeric, 2) FROM zdm.jobs WHERE job_id = $job")
	check_filled zdm
	printf '%12d %5d %16s us %16d kB\n' "$rows" "$round" "$us" "$peak_kb"
	record growth round="$round" rows="$rows" row_us="$us" peak_rss_anon_kb="$peak_kb"
}

bench_growth() {
	local round rows
	heading "Growth: time per row and private memory of the worker, nothing else running"
	[ -r /proc/self/status ] || { echo "needs /proc"; return; }
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
