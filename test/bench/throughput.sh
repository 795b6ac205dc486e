# Time, WAL and size of the four methods, each alone on a freshly loaded copy.
#
# What belongs here: the parts "throughput" and "logical". Source it after methods.sh.

throughput_heading() {
	heading "$1"
	printf '%-30s %9s %9s %22s %6s %5s\n' method time WAL "table and indexes" grown HOT
}

throughput_row() {
	printf '%-30s %7s s %6d MB %9d -> %6d MB %5sx %3d %%\n' "$(method_name "$1")" "$seconds" "$wal_mb" \
		"$size_before" "$size_after" "$(ratio "$size_after" "$size_before")" "$hot"
}

# throughput_group PART INDEXES METHOD...
throughput_group() {
	local part=$1 indexes=$2 method
	shift 2
	for method in "$@"; do
		load_table "$ROWS" "$indexes"
		measure "$method"
		throughput_row "$method"
		record "$part" indexes="$indexes" rows="$ROWS" method="$method" seconds="$seconds" wal_mb="$wal_mb" \
			size_before_mb="$size_before" size_after_mb="$size_after" hot_percent="$hot"
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

bench_logical() {
	server_conf main "wal_level = logical"
	server_restart main
	throughput_heading "wal_level = logical: $ROWS rows, 2 indexes"
	throughput_group logical 2 update zdm
	report logical 2
	server_conf main "wal_level = replica"
	server_restart main
}
