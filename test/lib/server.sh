# Throwaway servers in a stage: Unix socket only, zdm preloaded.
#
# What belongs here: making, starting and stopping servers. Source it after stage.sh; stage_build must
# have run. NAME is any word; each server has its own folder and socket.
#
#   server_create NAME [fast|default] [LINE...]   initdb; "fast" (default) gives up durability for speed,
#                                         "default" leaves the server's own defaults; LINEs are appended
#                                         to postgresql.conf
#   server_conf NAME LINE...              append to postgresql.conf (not reloaded)
#   server_start NAME                     start and wait; prints the log and fails when it does not start
#   server_stop NAME [fast|smart|immediate]
#   server_restart NAME [MODE]            stop with MODE, start
#   server_reload NAME, server_promote NAME
#   server_standby NAME PRIMARY [LINE...] a streaming standby made from a running PRIMARY (not started)
#   server_psql NAME ARGS...              psql, stopping at the first error, without psqlrc
#   server_use NAME                       exports PGHOST, PGPORT, PGUSER, PGDATABASE for other programs
#   server_data NAME, server_log NAME     its data folder, its log file
#
# The superuser is "postgres". Everything is stopped and removed with the stage.

SERVER_PORT=5432

server_data() { echo "$ZDM_STAGE/server/$1/data"; }
server_log() { echo "$ZDM_STAGE/server/$1/log"; }
server_socket() { echo "$ZDM_STAGE/s/$1"; }

server_conf() {
	local name=$1
	shift
	[ $# = 0 ] || printf '%s\n' "$@" >>"$(server_data "$name")/postgresql.conf"
}

# What every server here has: reachable by its socket only, zdm preloaded.
server_conf_base() {
	server_conf "$1" \
		"listen_addresses = ''" \
		"unix_socket_directories = '$(server_socket "$1")'" \
		"port = $SERVER_PORT" \
		"shared_preload_libraries = 'zdm'" \
		"wal_level = replica" \
		"max_worker_processes = 16" \
		"log_line_prefix = '%m [%p] %q%a '"
}

# For tests of behaviour, where a lost server is no loss.
server_conf_fast() {
	server_conf "$1" \
		"fsync = off" \
		"full_page_writes = off" \
		"synchronous_commit = on" \
		"autovacuum_naptime = 10s" \
		"zdm.contended_duty = 1" \
		"max_wal_size = 2GB" \
		"shared_buffers = 64MB" \
		"log_min_messages = warning" \
		"log_lock_waits = on" \
		"restart_after_crash = on"
}

server_create() {
	local name=$1 kind=${2:-fast}
	shift
	[ $# = 0 ] || shift
	mkdir -p "$ZDM_STAGE/server/$name" "$(server_socket "$name")"
	initdb -D "$(server_data "$name")" -U postgres -A trust -E UTF8 --no-locale --no-sync \
		>"$ZDM_STAGE/server/$name/initdb.log" 2>&1 ||
		{ cat "$ZDM_STAGE/server/$name/initdb.log" >&2; die "initdb failed"; }
	server_conf_base "$name"
	[ "$kind" != fast ] || server_conf_fast "$name"
	server_conf "$name" "$@"
}

server_start() {
	local log
	log=$(server_log "$1")
	if ! pg_ctl -D "$(server_data "$1")" -l "$log" -w -s start; then
		tail -n 40 "$log" >&2
		die "server $1 did not start"
	fi
}

server_stop() {
	pg_ctl -D "$(server_data "$1")" -w -s -m "${2:-fast}" stop
}

server_restart() {
	server_stop "$1" "${2:-fast}"
	server_start "$1"
}

server_reload() { pg_ctl -D "$(server_data "$1")" -s reload; }
server_promote() { pg_ctl -D "$(server_data "$1")" -w -s promote; }

server_standby() {
	local name=$1 primary=$2
	shift 2
	mkdir -p "$ZDM_STAGE/server/$name" "$(server_socket "$name")"
	pg_basebackup -h "$(server_socket "$primary")" -p $SERVER_PORT -U postgres \
		-D "$(server_data "$name")" -R -c fast --no-sync
	server_conf "$name" "unix_socket_directories = '$(server_socket "$name")'" "$@"
}

server_psql() {
	local name=$1
	shift
	psql -X -q -v ON_ERROR_STOP=1 -h "$(server_socket "$name")" -p $SERVER_PORT -U postgres -d "${PGDATABASE:-postgres}" "$@"
}

server_use() {
	PGHOST=$(server_socket "$1")
	PGPORT=$SERVER_PORT
	PGUSER=postgres
	PGDATABASE=${PGDATABASE:-postgres}
	export PGHOST PGPORT PGUSER PGDATABASE
}
