# What a worker takes: memory for tables of two sizes, and cost of a row early and late in a job.
#
# What belongs here: the part "memory". Source it after methods.sh.

# follow_worker JOB: samples until the job ends; sets peak_kb, and writes "rows_done work_ms" lines.
follow_worker() {
	local job=$1 kb state pid done_rows work_ms
	peak_kb=0
	while :; do
		read -r state pid done_rows work_ms < <(sql_value "SELECT state, coalesce(pid, 0), rows_done,
			round(extract(epoch FROM work_time) * 1000, 3) FROM zdm.jobs JOIN zdm.backfills USING (job_id, state, rows_done)
			WHERE job_id = $job" || true)
		[ "${state:-}" = running ] || [ "${state:-}" = queued ] || break
		echo "$done_rows $work_ms" >>"$ZDM_STAGE/tmp/samples"
		kb=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null || true)
		[ "${kb:-0}" -le "$peak_kb" ] || peak_kb=$kb
		sleep 0.1
	done
}

# Microseconds a row in the first and the last quarter of the rows; dashes when the job was too short.
quarter_costs() {
	perl -ane '
		push @s, [@F] if @F == 2 && $F[0] > 0 && (!@s || $F[0] > $s[-1][0]);
		END {
			if (@s < 5) { print "- -\n"; exit; }
			my $n = $s[-1][0];
			my ($q1) = grep { $_->[0] >= $n / 4 } @s;
			my ($q4) = grep { $_->[0] >= $n * 3 / 4 } @s;
			printf "%.2f %.2f\n", 1000 * $q1->[1] / $q1->[0],
				1000 * ($s[-1][1] - $q4->[1]) / ($n - $q4->[0] || 1);
		}' "$ZDM_STAGE/tmp/samples"
}

memory_run() {
	local rows=$1 job first last
	load_table "$rows" 2
	rm -f "$ZDM_STAGE/tmp/samples"
	job=$(start_zdm)
	follow_worker "$job"
	server_psql main -c "CALL zdm.wait_for_job($job)"
	read -r first last < <(quarter_costs)
	printf '%12d %20s MB %14s us %13s us\n' "$rows" "$(perl -e 'printf "%.1f", $ARGV[0] / 1024' "$peak_kb")" "$first" "$last"
	record memory rows="$rows" peak_rss_anon_kb="$peak_kb" first_quarter_us="$first" last_quarter_us="$last"
}

bench_memory() {
	heading "Memory of zdm's worker, and its cost of a row"
	[ -r /proc/self/status ] || { echo "needs /proc"; return; }
	printf '%12s %23s %17s %16s\n' rows "private memory, peak" "first quarter" "last quarter"
	memory_run $((ROWS / 4))
	memory_run "$ROWS"
}
