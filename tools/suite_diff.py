#!/usr/bin/env python3
"""Compares what runs of a regression suite printed with a run on heap tables.

suite_diff.py FOLDER ALLOWED RUN...

FOLDER holds the runs, among them "heap" and maybe "heap-again". Plans and the order of lines are set aside.
A line of ALLOWED is "RUN FILE LINES REASON": how many lines may differ, "*" for any number. Prints what differs
otherwise, and fails if something does.
"""
import collections
import pathlib
import re
import sys

SHOWN = 40
PLAN = re.compile(r"^ +(QUERY PLAN|explain_\w+) +\n-+\n.*?^\(\d+ rows?\)\n", re.DOTALL | re.MULTILINE)


def read(path):
    """Returns what a file says."""
    return path.read_text(encoding="latin-1") if path.exists() else ""


def lines_without_plans(text):
    """Returns the lines of an output that are not of a plan."""
    return PLAN.sub("", text).splitlines()


def differing_lines(old, new):
    """Returns the lines that only one of two outputs has, with - and + as diff writes them."""
    old_count = collections.Counter(lines_without_plans(old))
    new_count = collections.Counter(lines_without_plans(new))
    only = {"-": old_count - new_count, "+": new_count - old_count}
    return [sign + line for sign, counter in only.items() for line in counter.elements()]


def read_allowed(path):
    """Returns the allowed differences: (run, file) -> number of lines."""
    allowed = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            run, file, lines, _reason = line.split(None, 3)
            allowed[run, file] = lines
    return allowed


def main():
    folder = pathlib.Path(sys.argv[1])
    allowed = read_allowed(pathlib.Path(sys.argv[2]))
    failed = False
    for run in sys.argv[3:]:
        counts = collections.Counter()
        for path in sorted((folder / "heap").glob("*/results/*.out")):
            file = path.parent.parent.name + "/" + path.stem
            old = read(path)
            new = read(folder / run / path.relative_to(folder / "heap"))
            if old == new:
                counts["equal"] += 1
                continue
            lines = differing_lines(old, new)
            if not lines:
                counts["equal but for plans and order"] += 1
                continue
            again = folder / "heap-again" / path.relative_to(folder / "heap")
            if allowed.get((run, file)) in ("*", str(len(lines))):
                counts["differ as listed"] += 1
            elif again.exists() and differing_lines(old, read(again)):
                counts["unstable by themselves"] += 1
                print(f"{run}: unstable by itself: {file}")
            else:
                counts["differ"] += 1
                failed = True
                print(f"{run}: {file} differs in {len(lines)} lines:")
                print("\n".join(lines[:SHOWN]))
        print(f"{run}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    sys.exit(failed)


main()
