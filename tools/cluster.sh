# shellcheck shell=bash
# A private PostgreSQL for tests, demo and benchmarks; source it, it defines functions.
#
#   cluster_open DIR      copies the server of PG_CONFIG to DIR (`temporary`: a new folder that is
#                         removed at exit) and installs the extension there
#   cluster_start [LINE…] starts it (a Unix socket, no port) with further postgresql.conf lines
#   cluster_psql ARG…     psql as its superuser
#   cluster_stop          stops it; cluster_close also removes a temporary folder
#   as_server CMD…        runs a command as the user that owns the server, with its programs in PATH
#
# PostgreSQL finds its files relative to its programs, so a copy that keeps their layout is a whole
# installation: nothing is written to the system's, and several run side by side. PostgreSQL refuses to
# run as root; then all of it runs as an unprivileged user, who need not be able to enter this tree.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}
export PG_CONFIG LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL
unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGDATA PGPASSWORD PGPASSFILE PGSERVICE PGOPTIONS
umask 022

server_user=$(id -un)
if [ "$(id -u)" = 0 ]; then
  server_user=nobody
  if id postgres >/dev/null 2>&1; then server_user=postgres; fi
fi

# Further options of pg_ctl start.
server_options=()

as_server() {
  local switch=()
  if [ "$(id -un)" != "$server_user" ]; then switch=(runuser -u "$server_user" --); fi
  (cd "$cluster" && "${switch[@]}" env HOME="$cluster" PATH="$cluster_bin:$PATH" "$@")
}

cluster_open() {
  local dir bin
  cluster=$1
  cluster_is_temporary=
  if [ "$cluster" = temporary ]; then
    cluster=$(mktemp -d /tmp/heliosdb.XXXXXX)
    cluster_is_temporary=1
    trap cluster_close EXIT
    trap 'exit 130' INT TERM HUP
  fi
  bin=$("$PG_CONFIG" --bindir)
  cluster_bin=$cluster$bin
  if [ ! -x "$cluster_bin/postgres" ]; then
    for dir in "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)"; do
      mkdir -p "$cluster$dir"
      cp -R "$dir/." "$cluster$dir"
    done
    mkdir -p "$cluster_bin"
    cp "$bin"/{postgres,initdb,psql,pg_*,pgbench,createdb,dropdb,createuser,vacuumdb,reindexdb} "$cluster_bin"
  fi
  cluster_install
}

# Installs the built extension (DEV=1: the one with test functions) into the copy.
cluster_install() {
  make -s -C "$TOP" install DESTDIR="$cluster"
  chown -R "$server_user" "$cluster"
}

cluster_start() {
  if [ ! -e "$cluster/data/PG_VERSION" ]; then
    as_server initdb -D data -U postgres -A trust -E UTF8 --no-locale --no-sync >"$cluster/initdb.log"
    as_server tee -a data/postgresql.conf >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$cluster'
fsync = off
max_prepared_transactions = 10
CONF
  fi
  printf '%s\n' "$@" | as_server tee data/start.conf >/dev/null
  grep -q "^include 'start.conf'" "$cluster/data/postgresql.conf" ||
    echo "include 'start.conf'" >>"$cluster/data/postgresql.conf"
  as_server pg_ctl -D data -l server.log -w -t 120 "${server_options[@]}" start >/dev/null || {
    tail -n 20 "$cluster/server.log" >&2
    return 1
  }
}

cluster_psql() {
  "$cluster_bin/psql" -X -h "$cluster" -U postgres "$@"
}

cluster_stop() {
  if [ -e "$cluster/data/postmaster.pid" ]; then
    as_server pg_ctl -D data -w -m "${1:-fast}" stop >/dev/null || true
  fi
}

cluster_close() {
  cluster_stop immediate
  if [ -n "$cluster_is_temporary" ]; then rm -rf "$cluster"; fi
}
