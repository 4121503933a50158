#!/usr/bin/env bash
# Runs PostgreSQL's own regression suites in a private cluster, without and with the library preloaded,
# and compares what they print byte for byte: check_core.sh PG_SRC.
#
#   PG_SRC             a source tree of the server's major version; it is only read
#   HELIOS_EXTENSION=1 then runs once more with the extension created in the suite's databases, for
#                      information: the catalog tests list its objects
#
# A run is the parallel schedule, one test at a time so that all runs have the same order, and PL/pgSQL's
# tests, in a cluster made for it. What the suites expect does not matter here, only that the runs
# agree. There are two runs without the library, and after a difference a second one with it: a file
# that differs between two runs of the same kind is unstable by itself, and listed as that. Outputs
# stay in build/check_core/.
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

src=${1:-}
if [ ! -f "$src/src/test/regress/parallel_schedule" ]; then
  echo "check_core: pass a source tree of PostgreSQL: make check-core PG_SRC=<folder>" >&2
  exit 2
fi
src_version=$(sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" "$src/configure")
server_version=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*[.a-z0-9]*\).*/\1/')
if [ "${src_version%%.*}" != "${server_version%%.*}" ]; then
  echo "check_core: the source is $src_version, the server $server_version: not the same major version" >&2
  exit 2
fi

out=$TOP/build/check_core
redirect_is_on="extended syntax is on"
suites=(regress plpgsql)

# Copies the suites to where the server's user can read them, and builds the C functions they call.
prepare() {
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

# Runs the suites in a new cluster: run NAME PRELOADED [PG_REGRESS-OPTION…].
run() {
  local name=$1 preload=$2 test start=$SECONDS tests=()
  cluster_stop
  rm -rf "$cluster/data" "$cluster/core/out" "$cluster/server.log"
  as_server mkdir -p core/out
  cluster_start "shared_preload_libraries = '$preload'"
  if [ -n "$preload" ] && ! grep -q "$redirect_is_on" "$cluster/server.log"; then
    echo "check_core: the redirect is not installed:" >&2
    grep -i heliosdb "$cluster/server.log" >&2
    return 1
  fi
  for test in "$cluster"/core/plpgsql/sql/*.sql; do
    test=${test##*/}
    tests+=("${test%.sql}")
  done
  pg_regress_suite regress --schedule="$cluster/core/regress/parallel_schedule" --max-connections=1 "${@:3}"
  pg_regress_suite plpgsql "${@:3}" "${tests[@]}"
  if grep -E 'PANIC|TRAP|terminated by signal' "$cluster/server.log"; then
    echo "check_core: the server crashed in the run $name" >&2
    return 1
  fi
  cp -R "$cluster/core/out" "$out/$name"
  cp "$cluster/server.log" "$out/$name.server.log"
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

"$TOP/tools/deps.sh"
make -s -C "$TOP" all
rm -rf "$out"
mkdir -p "$out"
cluster_open temporary
pgxs=$(cd "$(dirname "$("$PG_CONFIG" --pgxs)")/.." && pwd)
prepare
echo "server $server_version, suites of $src_version"

run stock ''
run preloaded heliosdb
run stock-again ''

unstable=$(unequal stock stock-again)
differing=$(unequal stock preloaded)
if [ -n "$differing" ]; then
  run preloaded-again heliosdb
  unstable=$(sort -u <(echo "$unstable") <(unequal preloaded preloaded-again) | sed '/^$/d')
  differing=$(comm -23 <(echo "$differing") <(echo "$unstable") | sed '/^$/d')
fi
if [ -n "${HELIOS_EXTENSION:-}" ]; then
  run extension heliosdb --load-extension=heliosdb
  echo "differing with the extension created: $(unequal stock extension | paste -sd ' ')"
fi

count() { sed '/^$/d' <<<"$1" | wc -l; }
for file in $unstable; do echo "unstable by itself: $file"; done
for file in $differing; do
  echo "differs: $file"
  diff -U3 "$out/stock/$file" "$out/preloaded/$file" | head -n 40 || true
done
compared=$(outputs stock | wc -l)
echo "$compared files compared, $(count "$differing") differ, $(count "$unstable") unstable by themselves"
[ "$compared" != 0 ] && [ -z "$differing" ]
