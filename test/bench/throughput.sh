# Time, WAL and size of the four methods, each alone on a freshly loaded copy.
#
# What belongs here: the parts "throughput", "pairs" and "logical". Source it after methods.sh.

throughput_heading() {
	heading "$1"
	printf '%-30s %9s %9s %9s %22s %6s %5s\n' method time rows/s WAL "table and indexes" grown HOT
}

throughput_row() {
	printf '%-30s %7s s %9s %6d MB %9d -> %6d MB %5sx %3d %%\n' "$(method_name "$1")" "$seconds" "$per_second" "$wal_mb" \
		"$size_before" "$size_after" "$(ratio "$size_after" "$size_before")" "$hot"
}

# throughput_record PART NAME=VALUE...: what measure has set, and these.
throughput_record() {
	record "$@" seconds="$seconds" rows_per_second="$per_second" wal_mb="$wal_mb" \
		size_before_mb="$size_before" size_after_mb="$size_after" hot_percent="$hot"
}

# throughput_group PART INDEXES METHOD...
throughput_group() {
	local part=$1 indexes=$2 method
	shift 2
	for method in "$@"; do
		load_table "$ROWS" "$indexes"
		measure "$method"
		throughput_row "$method"
		throughput_record "$part" indexes="$indexes" rows="$ROWS" method="$method"
	done
}

bench_throughput() {
	local indexes
	for indexes in 2 5; do
		throughput_heading "Throughput: $ROWS rows, $indexes indexes, nothing else running"
		throughput_group throughput $indexes update keyset10000 keyset1000 zdm
		report throughput $indexes
	done
}

# A machine that is shared is not the same from one minute to the next: one after the other, several times.
bench_pairs() {
	local round ratios=
	throughput_heading "Pairs: $ROWS rows, 5 indexes, nothing else running"
	for ((round = 1; round <= ROUNDS; round++)); do
		throughput_group pairs 5 update
		update_seconds=$seconds
		throughput_group pairs 5 zdm
		ratios+="$(ratio "$update_seconds" "$seconds")"$'\n'
	done
	echo "zdm against one UPDATE: $(sort -n <<<"${ratios%$'\n'}" | paste -s -d ' ')x as fast (target: 3.00x)"
}

bench_logical() {
	server_conf main "wal_level = logical"
	server_restart main
	throughput_heading "wal_level = logical: $ROWS rows, 2 indexes"
	throughput_group logical 2 update zdm
	report logical 2
	server_conf main "wal_level = replica"
	server_restart main
}
