#!/usr/bin/env bash
# Opens psql in a private cluster that has the extension and goes away with the session.
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

cluster_open temporary
cluster_start "shared_preload_libraries = 'heliosdb'"
cluster_psql -q -d postgres -c 'CREATE EXTENSION heliosdb'
cluster_psql -d postgres "$@"
