# Time, WAL and size on tables of other shapes: one UPDATE, a loop by key, zdm.
#
# What belongs here: the part "shapes". Source it after methods.sh and throughput.sh. Each method alone on a freshly
# loaded table with 2 indexes, in one minute one after the other: ratios within a shape count. SHAPE_ROWS (a quarter
# of ROWS) is the size of the plain table; wide rows are fewer. SHAPES="toast partitioned" selects.
#
#   narrow        id, a number, a short text: about 50 bytes
#   plain         about 130 bytes, fillfactor 100
#   fillfactor90  the same with fillfactor 90
#   wide          1500 bytes, all in the page
#   toast         6000 bytes, out of the page
#   large         twice the plain one, and shared_buffers a quarter of it
#   partitioned   the plain one in 8 partitions by key

SHAPE_ROWS=${SHAPE_ROWS:-$((ROWS / 4))}

# shape_define SHAPE: sets rows, width, fillfactor, partitions, and buffers (shared_buffers).
shape_define() {
	rows=$SHAPE_ROWS width=80 fillfactor=100 partitions=0 buffers=1GB
	case $1 in
		narrow) width=0 ;;
		plain) ;;
		fillfactor90) fillfactor=90 ;;
		wide) width=1500 rows=$((SHAPE_ROWS / 4)) ;;
		toast) width=6000 rows=$((SHAPE_ROWS / 10)) ;;
		large) rows=$((SHAPE_ROWS * 2)) buffers=$((SHAPE_ROWS * 2 * 180 / 4 / 1024))kB ;;
		partitioned) partitions=8 ;;
		*) die "there is no shape \"$1\": narrow plain fillfactor90 wide toast large partitioned" ;;
	esac
}

shape_load() {
	server_psql main -o /dev/null -v rows="$rows" -v width="$width" -v fillfactor="$fillfactor" \
		-v partitions="$partitions" -f test/bench/shapes.sql
}

# shape_buffers SIZE
shape_buffers() {
	[ "$(sql_value "SELECT pg_size_bytes(current_setting('shared_buffers')) = pg_size_bytes('$1')")" = f ] || return 0
	server_conf main "shared_buffers = $1"
	server_restart main
}

# shape_group SHAPE
shape_group() {
	local rows width fillfactor partitions buffers method
	shape_define "$1"
	shape_buffers "$buffers"
	throughput_heading "Shape $1: $rows rows, shared_buffers = $buffers, nothing else running"
	for method in ${METHODS:-update keyset10000 zdm}; do
		shape_load
		measure "$method"
		throughput_row "$method"
		throughput_record shapes shape="$1" rows="$rows" method="$method"
	done
	report shapes "$1"
	shape_buffers 1GB
}

bench_shapes() {
	local shape
	for shape in ${SHAPES:-narrow plain fillfactor90 wide toast large partitioned}; do
		shape_group "$shape"
	done
}
