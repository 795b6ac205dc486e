# Finding PostgreSQL and the tools of the tests, and installing what is missing.
#
# What belongs here: everything that must be true of the machine before a build or a test starts.
# Source it; it has no side effects until bootstrap is called.
#
#   bootstrap [TOOL...]   find a usable server (sets and exports PG_CONFIG) and the tools of the tests;
#                         TOOL: further ones, of clang, pg_bsd_indent, ctags
#   die MESSAGE...        print to stderr and exit with failure
#
# Environment: PG_CONFIG chooses the server.

ZDM_MIN_PG=15

die() {
	printf 'zdm: %s\n' "$@" >&2
	exit 1
}

# The major version of the server that a pg_config belongs to.
pg_major() {
	"$1" --version 2>/dev/null | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

# What a pg_config lacks to be used for building and testing; nothing when it is fine.
pg_lacks() {
	local major pgxs
	major=$(pg_major "$1")
	[ -n "$major" ] || { echo "it cannot be run"; return; }
	[ "$major" -ge "$ZDM_MIN_PG" ] || { echo "it belongs to PostgreSQL $major, $ZDM_MIN_PG is the oldest supported"; return; }
	pgxs=$("$1" --pgxs)
	if [ ! -f "$pgxs" ] || [ ! -f "$("$1" --includedir-server)/postgres.h" ]; then
		echo "the server headers are missing"
	elif [ ! -x "$("$1" --bindir)/initdb" ] || [ ! -x "$("$1" --bindir)/postgres" ]; then
		echo "the server is missing"
	elif [ ! -x "$(pgxs_test_dir "$1")/regress/pg_regress" ]; then
		echo "pg_regress is missing"
	fi
}

# The folder of pg_regress, the isolation tester and the Perl test modules.
pgxs_test_dir() {
	echo "$(dirname "$("$1" --pgxs)")/../../src/test"
}

# Every pg_config there is, the preferred first.
pg_config_candidates() {
	command -v pg_config || true
	ls -d /usr/lib/postgresql/*/bin/pg_config /usr/pgsql-*/bin/pg_config /usr/local/pgsql/bin/pg_config 2>/dev/null |
		sort -rV || true
}

# The first usable pg_config; fails when there is none.
find_pg_config() {
	local candidate
	while IFS= read -r candidate; do
		if [ -z "$(pg_lacks "$candidate")" ]; then
			echo "$candidate"
			return 0
		fi
	done < <(pg_config_candidates)
	return 1
}

have_tool() {
	case $1 in
		server) find_pg_config >/dev/null ;;
		cc) command -v cc >/dev/null || command -v gcc >/dev/null ;;
		ipc-run) perl -MIPC::Run -MTest::More -e 1 2>/dev/null ;;
		ctags) ctags --version 2>/dev/null | grep -q Universal ;;
		*) command -v "$1" >/dev/null ;;
	esac
}

missing_tools() {
	local tool
	for tool in "$@"; do
		have_tool "$tool" || echo "$tool"
	done
}

# The major version to install: that of a server which is here already, else the distribution's own,
# else the newest on offer.
debian_pg_major() {
	local major
	for major in \
		$(ls /usr/lib/postgresql 2>/dev/null | sort -rn) \
		$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p') \
		$(apt-cache search --names-only '^postgresql-server-dev-[0-9]+$' 2>/dev/null |
			sed 's/^postgresql-server-dev-\([0-9]*\).*/\1/' | sort -rn); do
		if [ "$major" -ge "$ZDM_MIN_PG" ] 2>/dev/null; then
			echo "$major"
			return
		fi
	done
}

# The Debian packages that bring the named tools.
debian_packages() {
	local tool major
	for tool in "$@"; do
		case $tool in
			server)
				major=$(debian_pg_major)
				echo "postgresql${major:+-$major} postgresql-server-dev-${major:-all}"
				;;
			cc) echo gcc libc6-dev ;;
			ipc-run) echo libipc-run-perl ;;
			prove) echo perl ;;
			nm) echo binutils ;;
			pg_bsd_indent) echo pg-bsd-indent ;;
			ctags) echo universal-ctags ;;
			*) echo "$tool" ;;
		esac
	done | tr '\n' ' ' | sed 's/ $//'
}

# Runs a command as root; fails when that is not possible without asking for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_be_root() {
	[ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# Debian creates and starts a server when the package arrives; nobody asked us for one. The subshell's
# traps take the line away again, also from an installation that is interrupted.
debian_without_new_cluster() {
	local conf=/etc/postgresql-common/createcluster.conf
	if [ ! -f "$conf" ] || grep -q '^ *create_main_cluster' "$conf"; then
		"$@"
		return
	fi
	(
		trap 'exit 130' INT
		trap 'exit 143' TERM
		trap 'exit 129' HUP
		trap 'as_root sed -i "/^create_main_cluster = false$/d" "$conf"' EXIT
		as_root sed -i '$a create_main_cluster = false' "$conf"
		"$@"
	)
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive ${apt_session:-} apt-get -o DPkg::Lock::Timeout=300 "$@" >&2
}

# The download may be interrupted. What comes after it would leave packages half installed: it has a
# session of its own, and an interrupt waits for its end.
apt_install() {
	local apt_session=
	apt_get install -y --no-install-recommends --download-only "$@"
	apt_session='setsid --wait'
	apt_get install -y --no-install-recommends "$@"
}

# Installs what brings the named tools, or says how to and exits.
install_tools() {
	local packages
	if ! command -v apt-get >/dev/null; then
		die "missing: $*" \
			"install PostgreSQL $ZDM_MIN_PG or newer with its server headers, gcc, make and the Perl module IPC::Run, then try again"
	fi
	if ! can_be_root; then
		packages=$(debian_packages "$@")
		die "missing: $*" "run this as root, then try again:" \
			"  apt-get update && apt-get install -y $packages"
	fi
	echo "zdm: installing what is missing: $*" >&2
	trap 'exit 130' INT
	apt_get update || echo "zdm: apt-get update failed, trying with what is known" >&2
	packages=$(debian_packages "$@")
	case $packages in
		*postgresql*) apt_install postgresql-common ;;
	esac
	# shellcheck disable=SC2086 # a list of words
	debian_without_new_cluster apt_install $packages
}

# See the top of this file. Nothing to do inside a stage: its parent did it.
bootstrap() {
	local missing lacks
	[ -z "${ZDM_STAGE:-}" ] || return 0
	if [ -n "${PG_CONFIG:-}" ]; then
		lacks=$(pg_lacks "$PG_CONFIG")
		[ -z "$lacks" ] || die "PG_CONFIG is \"$PG_CONFIG\", which cannot be used: $lacks"
		set -- cc make prove ipc-run nm "$@"
	else
		set -- server cc make prove ipc-run nm "$@"
	fi
	missing=$(missing_tools "$@" | tr '\n' ' ')
	if [ -n "$missing" ]; then
		# shellcheck disable=SC2086 # a list of words
		install_tools $missing
		missing=$(missing_tools "$@" | tr '\n' ' ')
		[ -z "$missing" ] || die "still missing after the installation: $missing"
	fi
	PG_CONFIG=$(command -v "${PG_CONFIG:-$(find_pg_config)}")
	export PG_CONFIG
}
