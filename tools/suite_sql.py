#!/usr/bin/env python3
"""Puts a call of heliosdb.move_all() behind every statement of psql scripts that may have written rows,
and takes its echo out of what psql printed: suite_sql.py add|remove FILE..."""
import re
import sys

CALL = "CALL heliosdb.move_all();"
WRITES = re.compile(
    r"(INSERT|COPY|UPDATE|DELETE|MERGE|WITH|COMMIT|END|EXECUTE|DO|CALL|REFRESH|ALTER TABLE)\b"
    r"|CREATE\b[^;]*\bTABLE\b.*\bAS\b|CREATE MATERIALIZED|SELECT\b.*\bINTO\b",
    re.IGNORECASE | re.DOTALL)
FROM_STDIN = re.compile(r"COPY\b.*\bFROM\s+STD(IN|OUT)\b", re.IGNORECASE | re.DOTALL)
# What hides a semicolon, and what counts.
TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1|[eE]'(?:[^'\\]|\\.|'')*'|'[^']*'|\"[^\"]*\"|\\[a-z]+[^\n]*|\bBEGIN\s+ATOMIC\b"
    r"|\w+|.", re.DOTALL)


def add_calls(text):
    """Returns the script with calls on lines of their own, behind the lines where statements end."""
    result = []
    statement = ""
    depth = 0
    atomic = 0
    due = False
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        token = match.group()
        position = match.end()
        result.append(token)
        word = token.upper()
        if word.startswith("BEGIN") and word.endswith("ATOMIC"):
            atomic = 1
        elif atomic and word == "CASE":
            atomic += 1
        elif atomic and word == "END":
            atomic -= 1
        ends = token == ";" and depth == 0 and not atomic or re.match(r"\\(g|crosstabview|watch)", token)
        if token in "()":
            depth += 1 if token == "(" else -1
        if ends:
            statement = statement.strip()
            due = due or bool(WRITES.match(statement))
            if FROM_STDIN.match(statement):
                # A COPY that is refused has no data.
                end = text.find("\n\\.", position)
                if end >= 0:
                    result.append(text[position:end + 3])
                    position = end + 3
            statement = ""
            depth = 0
        elif token == "\n" and due and not statement.strip():
            result.append(CALL + "\n")
            due = False
        if not ends and not token.startswith(("--", "/*", "\\")):
            statement += token
    return "".join(result)


def remove_calls(text):
    """Returns what psql printed without the calls, and without what they say."""
    return re.sub(re.escape(CALL) + r"\n(CALL\n|ERROR:  current transaction is aborted, .*\n)?", "", text)


def main():
    change = {"add": add_calls, "remove": remove_calls}[sys.argv[1]]
    for name in sys.argv[2:]:
        with open(name, encoding="latin-1", newline="") as file:
            text = file.read()
        with open(name, "w", encoding="latin-1", newline="") as file:
            file.write(change(text))


main()
