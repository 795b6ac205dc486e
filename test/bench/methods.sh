# The methods that are compared, and one measured run of each.
#
# What belongs here: loading the table, filling its new column in one of several ways, measuring that. Source
# it after server.sh; a server "main" must run. The table may be partitioned.
#
#   load_table ROWS INDEXES       a freshly loaded copy, with 2 or 5 indexes
#   method_name METHOD            METHOD in words
#   run_method METHOD             fills the column: update, keyset10000, keyset1000, zdm, or full, which is zdm as if
#                                 nobody else wanted the processor, or lanes, which is zdm as two jobs, a half each
#   unthrottled COMMAND...        with zdm.contended_duty = 1
#   measure METHOD                run_method, and sets seconds, per_second (rows), wal_mb, size_before, size_after (MB), hot (%)
#   check_filled                  dies unless every row is right

sql_value() { server_psql main -A -t -F ' ' -c "$1"; }

load_table() { server_psql main -o /dev/null -v rows="$1" -v indexes="$2" -f test/bench/table.sql; }

method_name() {
	case $1 in
		none) echo "no backfill" ;;
		busy) echo "no backfill, one core busy" ;;
		wal) echo "no backfill, core and WAL" ;;
		update) echo "(a) one UPDATE" ;;
		keyset10000) echo "(b) keyset loop, 10,000 rows" ;;
		keyset1000) echo "(c) keyset loop, 1,000 rows" ;;
		zdm) echo "(d) zdm" ;;
		full) echo "(e) zdm, unthrottled" ;;
		lanes) echo "(f) zdm, two jobs at once" ;;
	esac
}

unthrottled() {
	server_psql main -c "ALTER SYSTEM SET zdm.contended_duty = 1" -c "SELECT pg_reload_conf()" -o /dev/null
	"$@"
	server_psql main -c "ALTER SYSTEM RESET zdm.contended_duty" -c "SELECT pg_reload_conf()" -o /dev/null
}

# A name that no other job has: the job of the table before, which had the same name, is still known.
start_zdm() {
	sql_value "SELECT zdm.start_backfill('bench', 'channel = upper(source)',
		name => 'bench ' || (SELECT count(*) FROM zdm.jobs))"
}

# Two jobs, each with half of the rows, which the table has in the order of the key. One ANALYZE is enough.
run_lanes() {
	local jobs job
	jobs=$(sql_value "SELECT zdm.start_backfill('bench', 'channel = upper(source)', filter => side || m.middle, analyze_after => side = 'id > ',
		name => 'bench ' || (SELECT count(*) FROM zdm.jobs) || ' ' || side)
		FROM (SELECT (min(id) + max(id)) / 2 AS middle FROM bench) m, unnest(ARRAY['id <= ', 'id > ']) side")
	for job in $jobs; do
		server_psql main -c "CALL zdm.wait_for_job($job)"
	done
}

run_method() {
	local job
	case $1 in
		update) server_psql main -c "UPDATE bench SET channel = upper(source)" ;;
		keyset10000) server_psql main -c "CALL keyset_loop(10000)" ;;
		keyset1000) server_psql main -c "CALL keyset_loop(1000)" ;;
		zdm)
			job=$(start_zdm)
			server_psql main -c "CALL zdm.wait_for_job($job)"
			;;
		full) unthrottled run_method zdm ;;
		lanes) run_lanes ;;
	esac
}

check_filled() {
	local wrong
	wrong=$(sql_value "SELECT count(*) FROM bench WHERE channel IS DISTINCT FROM upper(source)")
	[ "$wrong" = 0 ] || die "$wrong rows are wrong after $1"
}

# Statistics arrive when the process that did the work ends or is idle.
hot_percent() {
	local n=0 updated hot
	while :; do
		read -r updated hot < <(sql_value "SELECT sum(n_tup_upd), sum(n_tup_hot_upd)
			FROM pg_stat_user_tables WHERE relid IN (SELECT bench_tables())")
		[ "$updated" -lt "$1" ] && [ $n -lt 100 ] || break
		n=$((n + 1))
		sleep 0.1
	done
	echo $((hot * 100 / (updated > 0 ? updated : 1)))
}

measure() {
	local method=$1 lsn start rows wal
	read -r size_before lsn rows < <(sql_value "SELECT bench_size(), pg_current_wal_insert_lsn(), (SELECT count(*) FROM bench)")
	start=$(date +%s%N)
	run_method "$method"
	seconds=$(perl -e 'printf "%.2f", ($ARGV[1] - $ARGV[0]) / 1e9' "$start" "$(date +%s%N)")
	per_second=$(perl -e 'printf "%d", $ARGV[0] / ($ARGV[1] || 0.01)' "$rows" "$seconds")
	read -r size_after wal < <(sql_value "SELECT bench_size(), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')")
	size_before=$((size_before / 1048576))
	size_after=$((size_after / 1048576))
	wal_mb=$((wal / 1048576))
	hot=$(hot_percent "$rows")
	check_filled "$method"
}
