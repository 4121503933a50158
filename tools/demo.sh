#!/usr/bin/env bash
# Runs demo/demo.sql in a private cluster that has the extension.
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

"$TOP/tools/deps.sh"
cluster_open temporary
cluster_start "shared_preload_libraries = 'heliosdb'"
cluster_psql -q -d postgres -c 'CREATE EXTENSION heliosdb'
cluster_psql -d postgres -v ON_ERROR_STOP=1 -f "$TOP/demo/demo.sql"
