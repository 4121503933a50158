#!/usr/bin/env bash
# Runs demo/demo.sql in a private cluster that has the extension.
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

"$TOP/tools/deps.sh"
cluster_open temporary
cluster_start "shared_preload_libraries = 'heliosdb'" "shared_buffers = 256MB"
cluster_psql -q -d postgres -c 'CREATE EXTENSION heliosdb'
cd "$TOP" # demo.sql names its helpers by their paths in the tree
PGHOST=$cluster PGUSER=postgres PATH=$cluster_bin:$PATH psql -X -d postgres -v ON_ERROR_STOP=1 <demo/demo.sql
