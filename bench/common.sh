# shellcheck shell=bash
# What drivers share that compare two sides by the CPU of the backend; source it.

say() { echo "[$(date +%T)] $*" >&2; }
sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# Prints the median of the lines.
median() { sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# Prints a row: row WHAT LEFT RIGHT TARGET; RIGHT must be at most TARGET times LEFT (`-`: for information).
row() {
  awk -v what="$1" -v left="$2" -v right="$3" -v target="$4" 'BEGIN {
    ratio = right / left
    printf "| %s | %.1f | %.1f | %.2f | %s | %s |\n", what, left, right, ratio, target,
      target == "-" ? "" : ratio <= target ? "met" : "MISSED" }'
}

header() {
  echo
  echo "| $1 | $2 | $3 | ratio | target | |"
  echo "| --- | --- | --- | --- | --- | --- |"
}

clock="SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint AS"

# Prints the script of so many executions; one pipeline, if they are prepared: waking the client each time would cost
# the backend more than a short query.
batch() { # MODE COUNT SCRIPT
  local i
  if [ "$1" != simple ]; then printf '%s\n' '\startpipeline'; fi
  for ((i = 0; i < $2; i++)); do echo "$3"; done
  if [ "$1" != simple ]; then printf '%s\n' '\endpipeline'; fi
}

# Data of 100 bytes: two integers and a string of 91 with its length.
columns="(id int PRIMARY KEY, k int NOT NULL, note text NOT NULL)"
note="rpad(md5(i::text), 91, 'x')"
