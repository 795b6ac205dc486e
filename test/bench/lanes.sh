# Whether two jobs at once, each with half of a table, end before one that does it all.
#
# What belongs here: the part "lanes". Source it after methods.sh and throughput.sh. Freshly loaded tables with 2 and 5
# indexes, nothing else running; one job and two take turns. "one" is a job as it comes, the halves are filters on
# the key. Each of the two reads the whole table.

bench_lanes() {
	local round indexes
	for indexes in 2 5; do
		throughput_heading "Lanes: $ROWS rows, $indexes indexes, nothing else running"
		for ((round = 1; round <= ROUNDS; round++)); do
			throughput_group lanes $indexes zdm lanes
		done
		report lanes $indexes
	done
}
