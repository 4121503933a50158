# shellcheck shell=bash
# PostgreSQL's own regression suites in private clusters; source it, it defines functions.
#
#   suites_open SRC           checks the source tree, opens a cluster and prepares the suites in it
#   suites_start [LINE…]      begins a new cluster with these postgresql.conf lines
#   suites_run NAME [OPT…]    runs the suites in it, with these pg_regress options
#   outputs NAME              the output files of a run; same, unequal: which of them are equal
#
# A run is the parallel schedule, one test at a time so that all runs have the same order, and PL/pgSQL's
# tests. What the suites expect does not matter here, only whether the runs agree. Outputs stay in
# the folder $out.

# shellcheck source=tools/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

suites=(regress plpgsql)
me=$(basename "$0" .sh)
out=$TOP/build/$me

suites_open() {
  src=$1
  if [ ! -f "$src/src/test/regress/parallel_schedule" ]; then
    echo "$me: pass a source tree of PostgreSQL: make ${me//_/-} PG_SRC=<folder>" >&2
    exit 2
  fi
  local src_version server_version
  src_version=$(sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" "$src/configure")
  server_version=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*[.a-z0-9]*\).*/\1/')
  if [ "${src_version%%.*}" != "${server_version%%.*}" ]; then
    echo "$me: the source is $src_version, the server $server_version: not the same major version" >&2
    exit 2
  fi
  "$TOP/tools/deps.sh"
  make -s -C "$TOP" all
  mkdir -p "$out"
  cluster_open temporary
  pgxs=$(cd "$(dirname "$("$PG_CONFIG" --pgxs)")/.." && pwd)
  suites_prepare
  echo "server $server_version, suites of $src_version"
}

# Copies the suites to where the server's user can read them, and builds the C functions they call.
suites_prepare() {
  local name source
  mkdir -p "$cluster"/core/{lib,regress,plpgsql}
  cp -R "$src"/src/test/regress/{sql,expected,data,parallel_schedule,resultmap} "$cluster/core/regress"
  cp -R "$src"/src/pl/plpgsql/src/{sql,expected,data} "$cluster/core/plpgsql"
  for source in src/test/regress/regress contrib/spi/refint contrib/spi/autoinc; do
    name=${source##*/}
    # shellcheck disable=SC2046
    ${CC:-cc} -O2 -w -fPIC -shared -fno-strict-aliasing -fwrapv $("$PG_CONFIG" --cppflags) \
      -I"$("$PG_CONFIG" --includedir-server)" -o "$cluster/core/lib/$name.so" "$src/$source.c"
  done
  chown -R "$server_user" "$cluster/core"
}

suites_start() {
  cluster_stop
  rm -rf "$cluster/data" "$cluster/core/out" "$cluster/server.log"
  as_server mkdir -p core/out
  cluster_start "$@"
}

# Runs one suite: pg_regress_suite SUITE OPTION… ; failed tests are no error here.
pg_regress_suite() {
  local dir=$cluster/core/out/$1 status=0
  as_server mkdir -p "$dir"
  as_server "$pgxs/test/regress/pg_regress" --inputdir="$cluster/core/$1" --outputdir="$dir" \
    --bindir="$cluster_bin" --dlpath="$cluster/core/lib" --host="$cluster" --user=postgres \
    --dbname="$1" "${@:2}" >"$cluster/core/out/$1.log" 2>&1 || status=$?
  if [ $status -gt 1 ] || ! grep -q ' tests ' "$cluster/core/out/$1.log"; then
    cat "$cluster/core/out/$1.log" >&2
    return 1
  fi
}

suites_run() {
  local name=$1 test start=$SECONDS tests=()
  for test in "$cluster"/core/plpgsql/sql/*.sql; do
    test=${test##*/}
    tests+=("${test%.sql}")
  done
  pg_regress_suite regress --schedule="$cluster/core/regress/parallel_schedule" --max-connections=1 "${@:2}"
  pg_regress_suite plpgsql "${@:2}" "${tests[@]}"
  cp -R "$cluster/core/out" "$out/$name"
  cp "$cluster/server.log" "$out/$name.server.log"
  if grep -E 'PANIC|TRAP|terminated by signal' "$cluster/server.log"; then
    echo "$me: the server crashed in the run $name" >&2
    return 1
  fi
  echo "$name: $((SECONDS - start)) s; $(summary "$out/$name")"
}

# Prints how the suites ended in their own words.
summary() {
  local suite
  for suite in "${suites[@]}"; do
    echo "$suite: $(grep -hE '^ .*tests (passed|failed)|tests passed' "$1/$suite.log" | tr -s ' ' | sed 's/^ //;s/ $//')"
  done | paste -sd ';' | sed 's/;/; /g'
}

# Lists the output files of the run $1, as SUITE/results/FILE.
outputs() { (cd "$out/$1" && find regress/results plpgsql/results -name '*.out' | sort); }

# True when the file $3 is the same in the runs $1 and $2; one that is missing is not.
same() { cmp -s "$out/$1/$3" "$out/$2/$3"; }

# Lists the files that differ between any two of the named runs.
unequal() { # RUN RUN
  local file
  { outputs "$1"; outputs "$2"; } | sort -u | while read -r file; do
    same "$1" "$2" "$file" || echo "$file"
  done
}

count() { sed '/^$/d' <<<"$1" | wc -l; }
