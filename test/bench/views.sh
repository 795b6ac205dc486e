# What it takes to look: every view and function that people and dashboards read, with many migrations.
#
# What belongs here: the part "views". Source it after methods.sh. VIEW_MIGRATIONS=1000 migrations are made by zdm's own
# functions: a quarter is done, a quarter waits to be contracted, the rest is planned or a plan of its own, some at
# their end; with VIEW_EVENTS=100000 events. A figure is the median of five readings of all rows with all columns.

VIEW_MIGRATIONS=${VIEW_MIGRATIONS:-1000}
VIEW_EVENTS=${VIEW_EVENTS:-100000}
VIEW_TARGET_MS=50

# A query, as it is named.
views_row() {
	local ms rows
	ms=$(sql_value "SELECT round(views.time_of(\$\$$1\$\$)::numeric, 1)")
	rows=$(sql_value "SELECT count(*) FROM ($1) q")
	printf '%-96s %7s %8s ms%s\n' "$1" "$rows" "$ms" "$(perl -e 'print "  missed" if $ARGV[0] >= $ARGV[1]' "$ms" $VIEW_TARGET_MS)"
	record views query="$1" migrations="$VIEW_MIGRATIONS" events="$VIEW_EVENTS" rows="$rows" ms="$ms" target_ms=$VIEW_TARGET_MS
}

bench_views() {
	heading "Views: $VIEW_MIGRATIONS migrations, $VIEW_EVENTS events (target: under $VIEW_TARGET_MS ms each)"
	server_psql main -o /dev/null -v migrations="$VIEW_MIGRATIONS" -v events="$VIEW_EVENTS" -f test/bench/views.sql
	printf '%-96s %7s %11s\n' query rows median
	views_row "SELECT * FROM zdm.migrations"
	views_row "SELECT * FROM zdm.migrations WHERE name = 'rename 1'"
	views_row "SELECT * FROM zdm.steps"
	views_row "SELECT * FROM zdm.steps WHERE migration = 'rename 1'"
	views_row "SELECT * FROM zdm.events ORDER BY event_id DESC LIMIT 100"
	views_row "SELECT * FROM zdm.events LIMIT 100"
	views_row "SELECT * FROM zdm.events WHERE migration = 'rename 1' ORDER BY event_id DESC LIMIT 100"
	views_row "SELECT * FROM zdm.debt"
	views_row "SELECT * FROM zdm.jobs"
	views_row "SELECT * FROM zdm.jobs WHERE name = 'rename 1'"
	views_row "SELECT * FROM zdm.backfills"
	views_row "SELECT * FROM zdm.invariants"
	views_row "SELECT * FROM zdm.mappings"
	views_row "SELECT * FROM zdm.plan('rename 1')"
	views_row "SELECT * FROM zdm.gates('rename 1')"
}
