# What keeping two columns in step costs a writer: zdm's trigger against the equal one in PL/pgSQL.
#
# What belongs here: the part "dual_write". Source it after methods.sh. Every run begins with a freshly loaded
# table; the methods take turns. What is compared is the time above the same statement without a trigger, of each
# the best of the rounds, as the server measures it. "frame" is a trigger that has nothing to do: both columns
# are given, and it only fills; "cast" keeps an int and a bigint in step both ways; "neither" is that one in an
# UPDATE of another column. DUAL_ROWS=1000000 are written in each.

DUAL_ROWS=${DUAL_ROWS:-1000000}
dual_groups='frame:insert frame:copy cast:insert cast:copy cast:update neither:update'

# The tables, the triggers in PL/pgSQL, and a procedure that measures one statement.
dual_load() {
	server_psql main -o /dev/null -v rows="$DUAL_ROWS" -f test/bench/dual_write.sql
	server_psql main -c "COPY (SELECT * FROM dual_source) TO '$ZDM_STAGE/tmp/dual.both'" \
		-c "COPY (SELECT id, a, x, note FROM dual_source) TO '$ZDM_STAGE/tmp/dual.old'"
}

# dual_statement GROUP: the statement, and in "loaded" whether the table has its rows before.
dual_statement() {
	loaded=false
	case $1 in
		frame:insert) statement="INSERT INTO dual SELECT * FROM dual_source" ;;
		frame:copy) statement="COPY dual FROM '$ZDM_STAGE/tmp/dual.both'" ;;
		cast:insert) statement="INSERT INTO dual (id, a, x, note) SELECT id, a, x, note FROM dual_source" ;;
		cast:copy) statement="COPY dual (id, a, x, note) FROM '$ZDM_STAGE/tmp/dual.old'" ;;
		cast:update) loaded=true statement="UPDATE dual SET a = a + 1" ;;
		neither:update) loaded=true statement="UPDATE dual SET x = x + 1" ;;
	esac
}

# dual_round ROUND
dual_round() {
	local group method ms
	for group in $dual_groups; do
		dual_statement "$group"
		for method in none plpgsql zdm; do
			ms=$(sql_value "CALL dual_run('${group%:*}', '$method', \$\$$statement\$\$, $loaded)")
			printf '%-16s round %s %-8s %7.0f ms\n' "$group" "$1" $method "$ms"
			record dual_write group="$group" round="$1" rows="$DUAL_ROWS" method=$method ms="$ms"
		done
	done
}

bench_dual_write() {
	local round
	heading "Dual write: $DUAL_ROWS rows"
	dual_load
	for round in $(seq "$ROUNDS"); do
		dual_round "$round"
	done
	report dual_write
}
