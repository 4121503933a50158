"""Turns a packed vector set into COPY text: vectors_prep.py PACK OUTDIR SPARE

PACK.json describes PACK.gz: {"rows", "dim", "dtype": "uint8"|"int16", "planar", "scale", "queries"}. The
gzip holds rows x dim little-endian integers (planar: all high bytes, then all low ones), each the
vector's component times scale; the last `queries` rows are no part of the set but its queries.

Writes base.copy (the set without its last SPARE rows), spare.copy and query.copy into OUTDIR, lines of
"id <tab> [x,y,...]", and prints "rows dim".
"""
import array
import gzip
import json
import os
import sys

pack, out, spare = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(pack + ".json") as file:
    meta = json.load(file)
with gzip.open(pack + ".gz") as file:
    raw = file.read()
rows, dim, scale = meta["rows"], meta["dim"], meta["scale"]
if meta.get("planar"):
    mixed = bytearray(len(raw))
    mixed[1::2], mixed[0::2] = raw[: len(raw) // 2], raw[len(raw) // 2 :]
    raw = bytes(mixed)
values = array.array({"uint8": "B", "int16": "h"}[meta["dtype"]], raw)
if sys.byteorder == "big":
    values.byteswap()
assert len(values) == rows * dim

text = {value: "%.6g" % (value / scale) for value in set(values)}
base = rows - meta["queries"] - spare


def write(name, first, last):
    with open(os.path.join(out, name + ".copy"), "w") as file:
        for row in range(first, last):
            components = map(text.__getitem__, values[row * dim : (row + 1) * dim])
            file.write("%d\t[%s]\n" % (row, ",".join(components)))


write("base", 0, base)
write("spare", base, base + spare)
write("query", base + spare, rows)
print(base, dim)
