#!/usr/bin/env bash
# Rebuilds with DEV=1, installs into a lasting private cluster in HELIOS_DEV_DIR, restarts it and prints
# the psql command. The database "dev" is made anew when the SQL script changed.
#
#   tools/dev.sh                      rebuild and restart
#   tools/dev.sh stop                 stop the server
#   HELIOS_PRELOAD=1 tools/dev.sh     with shared_preload_libraries = 'heliosdb'
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

export DEV=1
dir=${HELIOS_DEV_DIR:-/tmp/heliosdb-dev-$(id -un)}
mkdir -p "$dir"
make -s -C "$TOP" all
cluster_open "$dir"
cluster_stop
if [ "${1:-}" = stop ]; then exit 0; fi

preload=("")
if [ -n "${HELIOS_PRELOAD:-}" ]; then preload=("shared_preload_libraries = 'heliosdb'"); fi
cluster_start "${preload[@]}"

script=$TOP/build/dev/sql/heliosdb--1.0.sql
if ! cmp -s "$script" "$dir/installed.sql"; then
  cluster_psql -q -d postgres -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS dev' -c 'CREATE DATABASE dev'
  cluster_psql -q -d dev -c 'CREATE EXTENSION heliosdb'
  cp "$script" "$dir/installed.sql"
fi
echo "$cluster_bin/psql -X -h $cluster -U postgres -d dev"
echo "server log: $cluster/server.log"
