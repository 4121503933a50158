#!/usr/bin/env bash
# Runs PostgreSQL's own regression suites in a private cluster, without and with the library preloaded,
# and compares what they print byte for byte: check_core.sh PG_SRC.
#
#   PG_SRC             a source tree of the server's major version; it is only read
#   HELIOS_EXTENSION=1 then runs once more with the extension created in the suite's databases, for
#                      information: the catalog tests list its objects
#
# There are two runs without the library, and after a difference a second one with it: a file
# that differs between two runs of the same kind is unstable by itself, and listed as that. Outputs
# stay in build/check_core/.
set -euo pipefail
# shellcheck source=tools/core_suites.sh
. "$(dirname "$0")/core_suites.sh"

redirect_is_on="extended syntax is on"

# Runs the suites in a new cluster: run NAME PRELOADED [PG_REGRESS-OPTION…].
run() {
  local preload=$2
  suites_start "shared_preload_libraries = '$preload'"
  if [ -n "$preload" ] && ! grep -q "$redirect_is_on" "$cluster/server.log"; then
    echo "check_core: the redirect is not installed:" >&2
    grep -i heliosdb "$cluster/server.log" >&2
    return 1
  fi
  suites_run "$1" "${@:3}"
}

suites_open "${1:-}"
rm -rf "${out:?}"/*
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

for file in $unstable; do echo "unstable by itself: $file"; done
for file in $differing; do
  echo "differs: $file"
  diff -U3 "$out/stock/$file" "$out/preloaded/$file" | head -n 40 || true
done
compared=$(outputs stock | wc -l)
echo "$compared files compared, $(count "$differing") differ, $(count "$unstable") unstable by themselves"
[ "$compared" != 0 ] && [ -z "$differing" ]
