#!/usr/bin/env bash
# Rule: zdm.control, META.json and CHANGELOG.md name the same version, and the version before it in
# CHANGELOG.md has an upgrade script.

set -euo pipefail
status=0
version=$(sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" zdm.control)
meta=$(perl -MJSON::PP -0777 -ne '$m = decode_json($_); print join " ", keys %{{map { $_ => 1 } $m->{version}, map { $_->{version} } values %{$m->{provides}}}}' META.json)
# shellcheck disable=SC2046 # a list of words
set -- $(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md)

# PGXN wants three numbers where PostgreSQL is content with two.
case $meta in
	"$version" | "$version.0") ;;
	*) echo "META.json: version is \"$meta\", not \"$version\""; status=1 ;;
esac
if [ "${1:-}" != "$version" ]; then
	echo "CHANGELOG.md: the first heading is for \"${1:-}\", not \"$version\""
	status=1
fi
if [ $# -gt 1 ] && [ ! -f "src/upgrade/zdm--$2--$1.sql" ]; then
	echo "src/upgrade/zdm--$2--$1.sql is missing"
	status=1
fi
exit $status
