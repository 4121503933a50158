#!/usr/bin/env bash
# Installs the Debian packages that building and testing need; does nothing when all are there.
set -euo pipefail

packages=(g++ make python3 pkg-config libhwy-dev libeigen3-dev libzstd-dev liblz4-dev libgtest-dev meson ninja-build libipc-run-perl faketime)
# A PG_CONFIG that lies outside Debian's folders brings its own server.
case "$(command -v "${PG_CONFIG:-pg_config}" || true)" in
  "" | /usr/bin/* | /usr/lib/postgresql/15/*) packages+=(postgresql-15 postgresql-server-dev-15) ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "deps: not a Debian system; these packages' equivalents must be there: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n env)
elif command -v sudo >/dev/null && [ -t 0 ]; then
  as_root=(sudo env)
else
  echo "deps: missing Debian packages; as root, run: apt-get install ${missing[*]}" >&2
  exit 1
fi

# Keeps the package from starting a server of its own: the tests use private ones only.
# shellcheck disable=SC2016
"${as_root[@]}" sh -c 'f=/etc/postgresql-common/createcluster.conf
  test -e $f || { mkdir -p ${f%/*} && echo "create_main_cluster = false" > $f; }'
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  -o Dpkg::Options::=--force-confold "${missing[@]}"
