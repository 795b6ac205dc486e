# A private stage: a copy of the sources and of the server in a temporary folder, used as an
# unprivileged user, and gone at the end.
#
# What belongs here: where tests run and as whom, and that nothing is left behind. The checkout may be
# read-only or unreadable to the server's user, and the system's PostgreSQL is never written to.
#
#   stage_enter "$@"      call early in a script: copies the sources and runs the same script again from
#                         the copy, unprivileged; the caller only waits, cleans up, and exits with that
#                         script's status. In the copy it returns, in the copy's top folder.
#   stage_build           copies the server, builds and installs the extension into that copy, and puts
#                         its programs first in PATH (CC, COPT are honoured)
#   stage_make ARGS...    make in the copy of the sources
#
# After stage_enter: ZDM_STAGE (the folder), ZDM_SOURCE (the copy), ZDM_RESULTS (what is written there is
# copied to RESULTS, if set). Environment: KEEP=1 keeps the folder; RESULTS=dir saves results;
# ZDM_TEST_USER names the unprivileged user; ZDM_TMPDIR says where the stage is made.

ZDM_CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# The user that servers run as when we are root, which initdb refuses.
stage_user() {
	local user
	for user in "${ZDM_TEST_USER:-}" postgres nobody; do
		if [ -n "$user" ] && id -u "$user" >/dev/null 2>&1; then
			echo "$user"
			return
		fi
	done
	die "no unprivileged user to run servers as: set ZDM_TEST_USER"
}

# Socket paths are limited to about 100 bytes, so the folder's name must be short.
stage_make_folder() {
	local base=${ZDM_TMPDIR:-${TMPDIR:-/tmp}}
	[ -n "${ZDM_TMPDIR:-}" ] || [ ${#base} -le 30 ] || base=/tmp
	ZDM_STAGE=$(mktemp -d "$base/zdm.XXXXXX")
	export ZDM_STAGE
}

stage_copy_sources() {
	mkdir "$ZDM_STAGE/source" "$ZDM_STAGE/tmp" "$ZDM_STAGE/home" "$ZDM_STAGE/results"
	tar -C "$ZDM_CHECKOUT" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude=./build --exclude=./results --exclude=./tmp_check --exclude=./output_iso . |
		tar -C "$ZDM_STAGE/source" --no-same-owner -xf -
	chmod -R u+rwX "$ZDM_STAGE/source"
}

# The pids of server processes of the stage: those that run on a data folder in it, and those that are
# about to, which only their environment tells.
stage_server_pids() {
	local entry folder
	if [ ! -d /proc/self ]; then
		find "$ZDM_STAGE" -name postmaster.pid -exec sed -n 1p {} ';' 2>/dev/null
		return 0
	fi
	# those who look must not be among them
	(
		mark=ZDM_STAGE=$ZDM_STAGE
		unset ZDM_STAGE
		grep -lsxzF "$mark" /proc/[0-9]*/environ | cut -d / -f 3 || true
	)
	for entry in /proc/[0-9]*; do
		folder=$(readlink "$entry/cwd" 2>/dev/null) || continue
		case $folder in
			"$ZDM_STAGE"/*) [ ! -f "$folder/PG_VERSION" ] || echo "${entry#/proc/}" ;;
		esac
	done
}

# Stops every server of the stage: at once, then by force.
stage_stop_servers() {
	local pid n=0
	for pid in $(stage_server_pids); do
		kill -QUIT "$pid" 2>/dev/null || true
	done
	while [ -n "$(stage_server_pids)" ] && [ $n -lt 50 ]; do
		sleep 0.1
		n=$((n + 1))
	done
	for pid in $(stage_server_pids); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# Ends the script in the stage with all of its process group.
stage_stop_child() {
	local n=0
	[ -n "${stage_child:-}" ] || return 0
	# it becomes the leader of its group a moment after it was started
	kill -TERM -- "-$stage_child" 2>/dev/null || kill -TERM "$stage_child" 2>/dev/null || return 0
	while kill -0 -- "-$stage_child" 2>/dev/null && [ $n -lt 50 ]; do
		sleep 0.1
		n=$((n + 1))
	done
	kill -KILL -- "-$stage_child" 2>/dev/null || true
}

stage_save_results() {
	[ -n "${RESULTS:-}" ] || return 0
	mkdir -p "$RESULTS"
	cp -R "$ZDM_STAGE/results/." "$RESULTS/"
}

stage_cleanup() {
	trap '' INT TERM HUP
	[ -n "${ZDM_STAGE:-}" ] || return 0
	stage_stop_child
	stage_stop_servers
	stage_save_results || echo "zdm: could not save the results in $RESULTS" >&2
	if [ -n "${KEEP:-}" ]; then
		echo "zdm: kept $ZDM_STAGE" >&2
	else
		rm -rf "$ZDM_STAGE"
	fi
}

# Variables of an outer make or client must not reach the tests.
stage_clean_environment() {
	local name
	for name in $(env | sed -n 's/^\(PG[A-Z_]*\)=.*/\1/p'); do
		case $name in
			PG_CONFIG | PG_TEST_* | PG_COLOR*) ;;
			*) unset "$name" ;;
		esac
	done
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LANGUAGE
	export HOME="$ZDM_STAGE/home" TMPDIR="$ZDM_STAGE/tmp" LC_ALL=C
}

# Starts a command in its own process group with default signals, as the user given ('' for the same).
stage_start_child() {
	local user=$1
	shift
	if [ -n "$user" ]; then
		chown -R "$user" "$ZDM_STAGE"
		set -- setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups "$@"
	fi
	perl -e 'setpgrp(0, 0); $SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV or die "$ARGV[0]: $!\n"' \
		-- "$@" </dev/null &
	stage_child=$!
}

# See the top of this file.
stage_enter() {
	local script user='' status=0
	if [ -n "${ZDM_STAGE:-}" ]; then
		ZDM_SOURCE=$ZDM_STAGE/source
		ZDM_RESULTS=$ZDM_STAGE/results
		cd "$ZDM_SOURCE"
		return 0
	fi
	script=$(cd "$(dirname "$0")" && pwd -P)/$(basename "$0")
	[ "$(id -u)" != 0 ] || user=$(stage_user)
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	trap stage_cleanup EXIT
	stage_make_folder
	stage_copy_sources
	stage_clean_environment
	cd "$ZDM_STAGE"
	stage_start_child "$user" "$ZDM_STAGE/source/${script#"$ZDM_CHECKOUT"/}" "$@"
	wait "$stage_child" || status=$?
	exit $status
}

stage_make() {
	make -C "$ZDM_SOURCE" --no-print-directory PG_CONFIG="$PG_CONFIG" with_llvm=no "$@"
}

stage_copy_server() {
	local folder target
	for folder in $("$PG_CONFIG" --bindir) $("$PG_CONFIG" --pkglibdir) $("$PG_CONFIG" --sharedir); do
		target=$ZDM_STAGE/root$folder
		[ ! -d "$target" ] || continue
		mkdir -p "$target"
		cp -RPp "$folder/." "$target/"
	done
}

# See the top of this file.
stage_build() {
	local jobs log=$ZDM_STAGE/build.log
	jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
	stage_copy_server
	if ! { stage_make -j"$jobs" all && stage_make install DESTDIR="$ZDM_STAGE/root"; } >"$log" 2>&1; then
		cat "$log" >&2
		die "the build failed"
	fi
	if grep -q 'warning:' "$log"; then
		cat "$log" >&2
	fi
	PATH=$ZDM_STAGE/root$("$PG_CONFIG" --bindir):$PATH
	export PATH
}
