#!/usr/bin/env bash
# "make deps": finds or installs what building and testing need, and says what was found.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lib/bootstrap.sh

bootstrap "$@"
echo "PG_CONFIG=$PG_CONFIG ($("$PG_CONFIG" --version))"
