# A tree: another Debian release in a folder, to run the tests on the server version that it has.
#
# What belongs here: making trees, and running commands in them. Source it after bootstrap.sh and stage.sh.
#
#   tree_make MAJOR       makes the tree that has PostgreSQL MAJOR, unless it is there; prints its folder
#   tree_run TREE FOLDER COMMAND...
#                         runs a command as the tree's root, in a copy of this checkout; FOLDER (new) gets
#                         all that it writes, and is the tree's /tmp
#
# Both need root. Mounts and processes are in namespaces of their own, so that none outlives the command.
# A tree is never changed after it was made, and may be removed at any time.
#
# Environment: ZDM_TREES is the folder where trees are kept.

ZDM_TREES=${ZDM_TREES:-/var/cache/zdm}

# The Debian release that has a major version of PostgreSQL, and the script that an older debootstrap
# makes it with.
tree_release() {
	case $1 in
		15) echo bookworm sid ;;
		17) echo trixie sid ;;
		18) echo forky sid ;;
		*) return 1 ;;
	esac
}

# A shell of root in the tree: [/tmp of the tree] [script, with its arguments].
tree_shell() {
	local tree=$1 tmp=$2
	shift 2
	# shellcheck disable=SC2016 # expanded by the shell that it starts
	unshare --mount --pid --fork --kill-child sh -c '
		set -e
		mount -t proc proc "$1/proc"
		mkdir -p "$1/dev/shm"
		mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
		mount --bind "$2" "$1/tmp"
		tree=$1
		shift 2
		chroot "$tree" "$@"
	' sh "$tree" "$tmp" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LC_ALL=C TERM="${TERM:-dumb}" ${http_proxy:+http_proxy="$http_proxy"} "$@"
}

tree_copy_sources() {
	mkdir "$1"
	tar -C "$ZDM_CHECKOUT" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude=./build . | tar -C "$1" --no-same-owner -xf -
}

# Makes a tree in a folder: the release, then what the suite says that it needs. A mirror may be behind,
# which debootstrap does not mind either.
tree_fill() {
	local tree=$1 release=$2 script=$3 tmp status=0
	tmp=$(mktemp -d "$ZDM_TREES/tmp.XXXXXX")
	chmod 1777 "$tmp"
	{
		unshare --mount debootstrap --variant=minbase "$release" "$tree" '' "$script" &&
			cp /etc/resolv.conf "$tree/etc/resolv.conf" &&
			mkdir -p "$tree/etc/postgresql-common" &&
			echo 'create_main_cluster = false' >"$tree/etc/postgresql-common/createcluster.conf" &&
			echo 'Acquire::Check-Valid-Until "false";' >"$tree/etc/apt/apt.conf.d/zdm" &&
			tree_copy_sources "$tmp/source" &&
			tree_shell "$tree" "$tmp" sh -c 'apt-get update &&
				apt-get install -y --no-install-recommends make gcc libc6-dev && exec make -C /tmp/source deps'
	} >"$tree.log" 2>&1 || status=$?
	rm -rf "$tmp"
	return $status
}

# See the top of this file.
tree_make() {
	local major=$1 release script tree
	# shellcheck disable=SC2046 # two words
	set -- $(tree_release "$major")
	[ $# = 2 ] || die "no Debian release has PostgreSQL $major"
	release=$1 script=$2 tree=$ZDM_TREES/$release-$major
	if [ ! -d "$tree" ]; then
		command -v debootstrap >/dev/null || install_tools debootstrap
		echo "zdm: making $tree, which takes some minutes" >&2
		mkdir -p "$ZDM_TREES"
		rm -rf "$tree.new"
		tree_fill "$tree.new" "$release" "$script" || {
			tail -n 20 "$tree.new.log" >&2
			die "the tree of PostgreSQL $major could not be made, see $tree.new.log"
		}
		mv "$tree.new" "$tree"
		rm -f "$tree.new.log"
	fi
	echo "$tree"
}

# See the top of this file.
tree_run() {
	local tree=$1 folder=$2
	shift 2
	mkdir -m 1777 "$folder"
	tree_copy_sources "$folder/source"
	# shellcheck disable=SC2016 # expanded by the shell in the tree
	tree_shell "$tree" "$folder" sh -c 'cd /tmp/source && exec "$@"' sh "$@"
}
