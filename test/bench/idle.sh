# What an extension that is preloaded and has nothing to do costs: pgbench -S with it and without.
#
# What belongs here: the part "idle". Source it after methods.sh. One data folder; the server is restarted before each run,
# with zdm in shared_preload_libraries or with nothing there, warmed up, and read by pgbench for IDLE_RUN_SECONDS. A
# round is one of each, in turns first; what counts is the median of the rounds' ratios. zdm is installed in the
# database in both cases.

IDLE_ROUNDS=${IDLE_ROUNDS:-16}
IDLE_RUN_SECONDS=${IDLE_RUN_SECONDS:-4}
IDLE_SCALE=10

idle_pgbench() {
	pgbench -n -S -M prepared -c 2 -j 2 -T "$1" 2>&1 | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

# idle_run LIBRARIES: sets tps.
idle_run() {
	server_conf main "shared_preload_libraries = '$1'"
	server_restart main
	server_psql main -o /dev/null -c "SELECT count(*) FROM pgbench_accounts" -c "SELECT sum(aid) FROM (SELECT aid FROM pgbench_accounts ORDER BY aid) q"
	idle_pgbench 1 >/dev/null
	tps=$(idle_pgbench "$IDLE_RUN_SECONDS")
	record idle round="$round" preloaded="${1:-nothing}" tps="$tps"
}

# Both ways, in the order of the round.
idle_round() {
	local with without
	if ((round % 2)); then
		idle_run zdm
		with=$tps
		idle_run ''
		without=$tps
	else
		idle_run ''
		without=$tps
		idle_run zdm
		with=$tps
	fi
	printf '%5d %14.0f/s %14.0f/s %s\n' "$round" "$with" "$without" "$(perl -e 'printf "%.4f", $ARGV[0] / $ARGV[1]' "$with" "$without")"
}

bench_idle() {
	local round tps
	heading "Idle: pgbench -S, $IDLE_ROUNDS rounds of $IDLE_RUN_SECONDS s with zdm preloaded and without"
	pgbench -i -q -s $IDLE_SCALE >/dev/null 2>&1
	printf '%5s %16s %16s %s\n' round "preloaded" "without" ratio
	for ((round = 1; round <= IDLE_ROUNDS; round++)); do
		idle_round
	done
	report idle
	server_conf main "shared_preload_libraries = 'zdm'"
	server_restart main
	server_psql main -c "DROP TABLE pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers"
}
