#!/usr/bin/env bash
# Runs the tests: all of them, or those named, by kind or by name: check.sh [NAME…].
# Kinds: build layers unit fuzz meson regress isolation tap. Outputs of failures stay in build/check/.
#
# Two lanes run side by side: one compiles the sanitized programs, the other one needs the server.
# Everything of the server happens in a temporary folder, as an unprivileged user when started by root.
# shellcheck disable=SC2119
set -euo pipefail
# shellcheck source=tools/cluster.sh
. "$(dirname "$0")/cluster.sh"

"$TOP/tools/deps.sh"
if [ -z "${HELIOS_REAPED:-}" ]; then HELIOS_REAPED=1 exec "$TOP/tools/reap.py" "$0" "$@"; fi

export DEV=1 CXX=${CXX:-g++}
fuzz_runs=${FUZZ_RUNS:-20000}
jobs=$((($(nproc) + 1) / 2))
wanted=("$@")
out=$TOP/build/check${1:+-${1//\//-}}

# True when the unit KIND NAME was asked for.
is_wanted() {
  local word
  [ ${#wanted[@]} -gt 0 ] || return 0
  for word in "${wanted[@]}"; do
    case "$word" in "$1" | "$2" | "$1/$2") return 0 ;; esac
  done
  return 1
}

# Counts the outcome of a unit and prints it in one piece: report ok|FAIL|skip UNIT [TEXT].
report() {
  {
    flock 9
    echo "$1" >>"$out/outcomes"
    if [ "$1" = skip ]; then
      echo "skip  $2: $3" >>"$out/skipped"
    else
      printf '%-5s %s\n' "$1" "$2"
      if [ -n "${3:-}" ]; then printf '      | %s\n' "${3//$'\n'/$'\n      | '}"; fi
    fi
  } 9>"$out/lock"
}

# Runs one unit if it is wanted: unit KIND NAME COMMAND… ; sets unit_status.
unit() {
  local kind=$1 name=$2 log=$out/$1.$2.log
  unit_status=0
  is_wanted "$kind" "$name" || return 0
  set +e # a command tested by `if` would run without -e
  (set -e; "${@:3}") >"$log" 2>&1 </dev/null
  unit_status=$?
  set -e
  if [ $unit_status = 0 ]; then
    report ok "$kind/$name"
  else
    report FAIL "$kind/$name" "$(explain "$log")"
  fi
}

# Prints what matters of a failure: a diff if pg_regress left one, else errors and the last lines.
explain() {
  local dir=${1%.log}
  if [ -s "$dir/regression.diffs" ]; then
    head -n 80 "$dir/regression.diffs"
    echo "all of it: ${dir#"$TOP"/}/regression.diffs; actual output: ${dir#"$TOP"/}/results/"
    grep -hE 'PANIC|TRAP|terminated by signal|runtime error' "$dir/server.log" || true
  else
    grep -E 'error:|ERROR:|undefined reference|Failure|FAILED|not ok' "$1" | head -n 20 || true
    echo "..."
    tail -n 40 "$1"
    if [ -d "$dir/results" ]; then echo "actual output: ${dir#"$TOP"/}/results/"; fi
  fi
}

quiet_make() { make --no-print-directory -j"$jobs" "$@"; }

# ---- The lane without a server ----

run_unit_test() { # PROGRAM
  quiet_make -f tools/unit.mk "$1"
  "$1" --gtest_brief=1
}

run_fuzzer() { # PROGRAM NAME
  quiet_make -f tools/unit.mk "$1"
  cd "$out"
  "$TOP/$1" "$fuzz_runs" "$TOP/regress/fuzz/$2"
}

# Builds the .so with meson from the same list of rooms; it must export what the version script allows.
build_with_meson() {
  local dir=$TOP/build/meson
  if [ ! -e "$dir/build.ninja" ]; then meson setup "$dir" "$TOP" -Dpg_config="$PG_CONFIG" -Dwerror=true; fi
  ninja -C "$dir" -j "$jobs" heliosdb.so
  nm -D --defined-only "$dir/heliosdb.so" | awk '{ print $NF }' >"$dir/exports"
  grep -qx _PG_init "$dir/exports"
  if grep -vE '^(Pg_magic_func|_PG_init|helios_.*|pg_finfo_helios_.*)$' "$dir/exports"; then
    echo "error: exported too"
    return 1
  fi
}

kernel_lane() {
  local program name
  cd "$TOP"
  unit layers layers tools/layers.sh
  for program in $(make -s -f tools/unit.mk list); do
    name=${program##*/}
    case $program in
      */test/*) unit unit "$name" run_unit_test "$program" ;;
      */fuzz/*) unit fuzz "$name" run_fuzzer "$program" "$name" ;;
    esac
  done
  if command -v meson >/dev/null && command -v ninja >/dev/null; then
    unit meson meson build_with_meson
  elif is_wanted meson meson; then
    report skip meson/meson "meson or ninja is not installed"
  fi
}

# ---- The lane with a server ----

# Lists the wanted units of a kind whose files match a pattern in regress/.
wanted_files() { # KIND PATTERN
  local file name
  for file in "$TOP"/regress/$2; do
    name=${file##*/}
    name=${name%.*}
    if [ -e "$file" ] && is_wanted "$1" "$name"; then echo "$name"; fi
  done
}

# Runs one file through pg_regress or pg_isolation_regress in a database of its own.
run_regress() { # KIND PROGRAM NAME
  local dir=$cluster/out/$1.$3 status=0 log_size
  await_server
  log_size=$(stat -c %s "$cluster/server.log")
  as_server mkdir -p "$dir"
  as_server "$2" --inputdir="$cluster/input/$1" --outputdir="$dir" --bindir="$cluster_bin" \
    --host="$cluster" --user=postgres --dbname="$1_$3" --load-extension=heliosdb "$3" || status=1
  cp -R "$dir" "$out/$1.$3"
  tail -c "+$((log_size + 1))" "$cluster/server.log" >"$out/$1.$3/server.log"
  return $status
}

# Autovacuum, at work on the catalogs, would have a snapshot for which rows stay where they are.
start_server() { cluster_start "autovacuum = off"; }

# A test may have brought the server down: lets it recover, or starts it again.
await_server() {
  local tries
  for ((tries = 0; tries < 60; tries++)); do
    if as_server pg_isready -q -h "$cluster"; then return; fi
    if ! as_server pg_ctl -D data status >/dev/null; then start_server; fi
    sleep 0.5
  done
  return 1
}

# Runs one TAP file, which makes servers of its own from the private copy.
run_tap() { # NAME
  local dir=$cluster/out/tap.$1 status=0
  as_server mkdir -p "$dir"
  as_server env -C "$dir" PERL5LIB="$pgxs/test/perl:$cluster/input/regress/t" PG_REGRESS="$pgxs/test/regress/pg_regress" \
    TESTDIR="$dir" TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" top_builddir="$cluster" \
    prove --verbose "$cluster/input/regress/t/$1.pl" || status=1
  mkdir -p "$out/tap.$1"
  cp -R "$dir"/tmp_check/log/. "$out/tap.$1" || true
  if [ $status != 0 ]; then tail -n 30 "$out/tap.$1"/* || true; fi
  return $status
}

# Runs those of the TAP files that nobody has begun yet.
take_taps() { # NAME…
  local name
  for name in "$@"; do
    if mkdir "$out/taken.$name" 2>/dev/null; then
      unit tap "$name" run_tap "$name"
    elif [ ! -d "$out/taken.$name" ]; then
      report FAIL "tap/$name" "nobody could begin with it"
    fi
  done
}

# Runs TAP files, two at a time once the other lane has left its processor; those that measure processes of the whole
# machine come last, by themselves.
run_taps() { # NAMES
  local name alone=() others=() helper
  for name in $1; do
    if grep -q '^use Budget;' "$TOP/regress/t/$name.pl"; then alone+=("$name"); else others+=("$name"); fi
  done
  (
    trap - EXIT
    while kill -0 "$kernel_pid" 2>/dev/null; do sleep 1; done
    take_taps "${others[@]}"
  ) &
  helper=$!
  take_taps "${others[@]}"
  wait "$helper"
  take_taps "${alone[@]}"
}

# Makes the server start under valgrind. Debian's PostgreSQL is built without hooks for it, so only reports
# that name heliosdb count; but what PostgreSQL's own valgrind.supp leaves out, padding in the log, does not.
use_valgrind() {
  cat >"$cluster/postgres-valgrind" <<WRAPPER
#!/bin/sh
exec valgrind --quiet --leak-check=no --num-callers=20 --fullpath-after= \\
  --log-file=$cluster/out/valgrind.%p "$cluster_bin/postgres" "\$@"
WRAPPER
  chmod +x "$cluster/postgres-valgrind"
  server_options=(-p "$cluster/postgres-valgrind")
}

judge_valgrind() {
  cluster_stop
  sed 's/^==[0-9]*== \{0,1\}//' "$cluster"/out/valgrind.* >"$out/valgrind"
  if awk 'BEGIN { RS = "" } /^Syscall param pwrite64\(buf\).*XLogFlush/ { next }
    /heliosdb\.so|\(.*src\/[a-z_\/]*\.[ch]pp:/ { print; print ""; found = 1 } END { exit !found }' "$out/valgrind"; then
    echo "error: valgrind reports these"
    return 1
  fi
}

# Nothing may keep running, and nothing may have changed in the system's PostgreSQL.
leave_no_trace() {
  local status=0 seconds
  cluster_stop
  for seconds in 1 1 3 0; do
    pgrep -f "$cluster" >/dev/null || break
    sleep $seconds
  done
  if pgrep -af "$cluster"; then
    echo "error: processes are left"
    status=1
  fi
  if find "$("$PG_CONFIG" --bindir)" "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)" \
    -newer "$out/started" -type f | grep .; then
    echo "error: these files of the system's PostgreSQL changed"
    status=1
  fi
  return $status
}

server_lane() {
  local regress isolation tap name pgxs input
  regress=$(wanted_files regress '*.sql')
  isolation=$(wanted_files isolation 'isolation/*.spec')
  tap=$(wanted_files tap 't/*.pl')
  if [ ${#wanted[@]} -gt 0 ] && [ -n "$regress$isolation$tap" ]; then wanted+=(build trace); fi

  unit build build quiet_make -C "$TOP" all
  if [ $unit_status != 0 ]; then
    for name in $regress; do report skip "regress/$name" "the build failed"; done
    for name in $isolation; do report skip "isolation/$name" "the build failed"; done
    for name in $tap; do report skip "tap/$name" "the build failed"; done
    return
  fi
  is_wanted trace trace || return 0

  cluster_open temporary
  pgxs=$(cd "$(dirname "$("$PG_CONFIG" --pgxs)")/.." && pwd)
  input=$cluster/input
  mkdir -p "$input/isolation" "$cluster/out"
  cp -R "$TOP/regress" "$input/regress"
  cp -R "$TOP/expected" "$input/regress/expected"
  # pg_regress looks for its inputs in sql/, pg_isolation_regress in specs/.
  ln -s . "$input/regress/sql"
  ln -s ../regress/isolation "$input/isolation/specs"
  ln -s ../regress/expected/isolation "$input/isolation/expected"
  chown -R "$server_user" "$input" "$cluster/out"
  if [ -n "${HELIOS_VALGRIND:-}" ]; then use_valgrind; fi
  start_server

  for name in $regress; do
    unit regress "$name" run_regress regress "$pgxs/test/regress/pg_regress" "$name"
  done
  for name in $isolation; do
    unit isolation "$name" run_regress isolation "$pgxs/test/isolation/pg_isolation_regress" "$name"
  done
  if [ -z "$tap" ]; then
    :
  elif perl -MIPC::Run -MTest::More -e 1 2>/dev/null && [ -d "$pgxs/test/perl" ]; then
    run_taps "$tap"
  else
    for name in $tap; do report skip "tap/$name" "needs Perl's IPC::Run and PostgreSQL's test modules"; done
  fi
  if [ -n "${HELIOS_VALGRIND:-}" ]; then unit regress valgrind judge_valgrind; fi
  unit trace trace leave_no_trace
}

# ---- All of it ----

rm -rf "$out"
mkdir -p "$out"
touch "$out/started" "$out/outcomes" "$out/skipped"

kernel_lane &
kernel_pid=$!
trap 'kill $kernel_pid 2>/dev/null; exit 130' INT TERM
set +e
(set -e; server_lane)
server_status=$?
wait $kernel_pid
kernel_status=$?
set -e
if [ $server_status != 0 ]; then report FAIL lane/server "it ended early"; fi
if [ $kernel_status != 0 ]; then report FAIL lane/kernel "it ended early"; fi

passed=$(grep -cx ok "$out/outcomes" || true)
failed=$(grep -cx FAIL "$out/outcomes" || true)
cat "$out/skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
