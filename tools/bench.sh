#!/usr/bin/env bash
# Lists the benchmark drivers in bench/, or runs one in a private cluster: bench.sh NAME [ARG…].
# A driver finds the server through PGHOST, PGUSER and PGDATABASE, and its programs in PATH.
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

cd "$TOP/bench"
if [ $# = 0 ]; then
  echo "Benchmarks (make bench B=<name>):"
  for driver in *; do
    if [ -f "$driver" ] && [ -x "$driver" ]; then echo "  $driver"; fi
  done
  exit 0
fi

cluster_open temporary
cluster_start "shared_preload_libraries = 'heliosdb'" "max_wal_size = 8GB" \
  "shared_buffers = 1GB" "maintenance_work_mem = 1GB"
cluster_psql -q -d postgres -c 'CREATE EXTENSION heliosdb'
PGHOST=$cluster PGUSER=postgres PGDATABASE=postgres PATH=$cluster_bin:$PATH "./$1" "${@:2}"
