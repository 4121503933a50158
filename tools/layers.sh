#!/usr/bin/env bash
# Verifies which directory includes which, then that planted violations in a copy are caught.
#
#   src/heliosdb.cpp   pg/, each room's door <room>/<room>.hpp
#   src/<room>/        own files, own core/, pg/, base/, doors of other rooms, PostgreSQL; pg.hpp first
#   src/<room>/core/   base/, core headers of any room, std, POSIX and pure libraries; never PostgreSQL
#   src/pg/            pg/, base/, PostgreSQL
#   src/base/          base/, std, hwy, xxHash
#
# Two methods: the text of every #include is judged by the rules, and the compiler lists what each pure
# file reaches in the end.
set -euo pipefail
shopt -s inherit_errexit
TOP=$(cd "$(dirname "$0")/.." && pwd)
CXX=${CXX:-g++}

# Prints one line per violation found in the text of the tree $1.
judge_text() {
  (cd "$1/src" && find . -name '*.[ch]pp' -printf '%P\n' | sort | while read -r file; do
    echo "file $file"
    sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]*)[>"].*/include \1 \2/p' "$file"
  done) | awk -v tree="$1" '
    function exists(path,   line, found) {
      if (sign == "<" || path !~ /\.[a-z]+$/) return 0
      found = (getline line < (tree "/src/" path)) >= 0
      close(tree "/src/" path)
      return found
    }
    function room_of(path) { return substr(path, 1, index(path, "/") - 1) }
    function is_core(path) { return path ~ /^[a-z0-9_]+\/core\// }
    function is_door(path) { return path == room_of(path) "/" room_of(path) ".hpp" }
    function complain(reason) { print "src/" file ": includes " name ": " reason; bad = 1 }
    function judge(   room, mine, theirs) {
      mine = room_of(file); theirs = room_of(name)
      if (name ~ /_(test|fuzz)\.cpp$/) return complain("nothing includes a test")
      if (!exists(name)) {
        if (mine == "base") {
          if (name !~ /^[a-z0-9_]+$/ && name !~ /^hwy\// && name != "xxhash.h" && !tested(name))
            complain("base/ takes std, hwy and xxHash only")
        } else if (is_core(file)) {
          if (name !~ /^[a-z0-9_]+$/ && name !~ /^(hwy|Eigen|roaring|lz4|zstd|simdjson|xxhash)[\/.]/ &&
              name !~ /^(sys\/[a-z]+|sched|signal|unistd)\.h$/ && !tested(name))
            complain("core/ takes std, POSIX and pure libraries only")
        } else if (sign == "\"" && name !~ /\// && exists(mine "/" name)) {
          complain("paths are relative to src/")
        }
        return
      }
      if (theirs == "base" || name == file) return
      if (mine == "base") return complain("base/ includes base/ only")
      if (is_core(file)) { if (!is_core(name)) complain("core/ includes base/ and core headers only"); return }
      if (theirs == "pg") return
      if (mine == "pg") return complain("pg/ includes pg/ and base/ only")
      if (theirs == mine && mine != "") return
      if (!is_door(name)) complain("only the door " theirs "/" theirs ".hpp of another room may be included")
    }
    function tested(name) { return file ~ /_(test|fuzz)\.[ch]pp$/ && name ~ /^gtest\// }
    # The file that opens a PostgreSQL-side source must lead to pg/pg.hpp before anything else.
    function judge_first() {
      if (is_core(file) || room_of(file) == "base" || file !~ /\.cpp$/) return
      if (name != "pg/pg.hpp" && (is_core(name) || !exists(name) || (room_of(name) != room_of(file))))
        complain("\"pg/pg.hpp\" or a header of the own room comes first")
    }
    $1 == "file" { file = $2; first = 1 }
    $1 == "include" { sign = $2; name = $3; judge(); if (first) judge_first(); first = 0 }'
}

# Prints one line per pure file of the tree $1 that reaches something impure, or cannot be preprocessed.
judge_reach() {
  local source line
  (cd "$1" && find src -name '*.cpp' \( -path 'src/base/*' -o -path '*/core/*' \) | sort) |
    while read -r source; do
      if ! line=$(cd "$1" && "$CXX" -std=c++20 -Isrc -isystem /usr/include/eigen3 -M "$source" 2>&1); then
        echo "$source: $(grep -m1 error <<<"$line" | sed 's/.*error: //')"
        continue
      fi
      tr -s ' \n' '\n' <<<"${line//\\/}" |
        grep -E '/postgresql/|postgres\.h$|^src/' | grep -vE '^src/(base|[a-z0-9_]+/core)/' |
        sed "s|^|$source: reaches |" || true
    done
}

judge() {
  judge_text "$1"
  judge_reach "$1"
}

found=$(judge "$TOP")
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 1
fi

# Self-test: each planted line must be reported.
planted=$(mktemp -d /tmp/heliosdb.XXXXXX)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted"/src/{pg,base,one/core,two/core}
touch "$planted"/src/{pg/pg.hpp,base/span.hpp,two/two.hpp,two/inner.hpp,one/own.hpp,two/core/kernel.hpp}
plants=0
plant() { # FILE INCLUDE
  plants=$((plants + 1))
  printf '#include %s\n' "$2" >"$planted/src/$1"
  if [ -z "$(judge "$planted")" ]; then
    echo "self-test: $2 in $1 went unnoticed"
    exit 1
  fi
  rm "$planted/src/$1"
}
plant base/a.cpp '"pg/pg.hpp"'
plant base/a.cpp '<gtest/gtest.h>'
plant one/core/a.cpp '"postgres.h"'
plant one/core/a.cpp '<postgresql/15/server/postgres.h>'
plant one/core/a.cpp '<libpq/signal.h>'
plant one/core/a.cpp '"pg/pg.hpp"'
plant one/core/a.cpp '"one/own.hpp"'
plant one/core/a.cpp '"two/two.hpp"'
plant one/a.cpp '"two/inner.hpp"'
plant one/a.cpp '"two/core/kernel.hpp"'
plant one/a.cpp '"own.hpp"'
plant one/a.cpp '<vector>'
plant pg/a.cpp '"two/two.hpp"'
# What the text of the file itself does not show: a macro names the header.
printf '#define HEADER "two/inner.hpp"\n' >"$planted/src/base/span.hpp"
printf '#include "base/span.hpp"\n#include HEADER\n' >"$planted/src/one/core/a.cpp"
if [ -z "$(judge "$planted")" ]; then
  echo "self-test: a header behind a macro went unnoticed"
  exit 1
fi
rm "$planted/src/one/core/a.cpp"
if [ -n "$(judge "$planted")" ]; then
  echo "self-test: the clean copy is not accepted"
  exit 1
fi
echo "layers: $(find "$TOP/src" -name '*.[ch]pp' | wc -l) files follow the rules, $((plants + 1)) planted violations caught"
