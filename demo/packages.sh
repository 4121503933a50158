#!/bin/sh
# Prints the Debian packages that this machine knows, one a line for COPY: name, section, summary, text. With an apt
# index these are tens of thousands, without one the few hundred that are installed.
set -eu
if command -v apt-cache >/dev/null; then
  apt-cache dumpavail
elif [ -r /var/lib/dpkg/status ]; then
  cat /var/lib/dpkg/status
else
  echo "demo: this machine has no list of Debian packages" >&2
  exit 1
fi | LC_ALL=C awk -v RS= -v FS='\n' '
  # Fields of a paragraph go on in lines that begin with a blank.
  {
    split("", field)
    for (i = 1; i <= NF; i++) {
      if ($i ~ /^[A-Za-z0-9-]+:/) {
        key = substr($i, 1, index($i, ":") - 1)
        field[key] = substr($i, index($i, ":") + 2)
      } else {
        field[key] = field[key] " " $i
      }
    }
    summary = field["Description"]
    if (field["Package"] == "" || summary == "" || seen[field["Package"]]++) next
    for (i = 1; i <= NF; i++) if ($i ~ /^Description:/) summary = substr($i, 14)
    text = field["Description"] " " field["Tag"]
    gsub(/[^ -~]/, " ", summary); gsub(/[^ -~]/, " ", text)
    gsub(/\\/, "/", summary); gsub(/\\/, "/", text)
    section = field["Section"]; sub(/.*\//, "", section)
    printf "%s\t%s\t%s\t%s\n", field["Package"], section, summary, text
  }'
