"""Reads files by pandas, polars and Python's own modules. Reads {name: [path, ...]} from stdin, and writes one JSON object to
stdout: {reader: {name: {"ids"} or {"error"}}}."""

import bz2
import gzip
import json
import lzma
import sys

import pandas
import polars

OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def by_python(path):
    extension = path[path.rindex(".") :]
    if extension == ".zst":
        # https://python-zstandard.readthedocs.io/en/latest/decompressor.html: it reads the first frame alone, by default
        import zstandard

        text = zstandard.ZstdDecompressor().decompressobj().decompress(open(path, "rb").read()).decode()
        return [json.loads(line)["id"] for line in text.splitlines()]
    with OPEN.get(extension, open)(path, "rt") as lines:
        return [json.loads(line)["id"] for line in lines]


READERS = {
    "pandas": lambda path: pandas.read_json(path, lines=True)["id"].tolist(),
    "polars": lambda path: polars.read_ndjson(path)["id"].to_list(),
    "Python's gzip, bz2, lzma; zstandard": by_python,
}
found = {reader: {} for reader in READERS}
for name, paths in json.load(sys.stdin).items():
    for reader, read in READERS.items():
        try:
            found[reader][name] = {"ids": [identity for path in paths for identity in read(path)]}
        except BaseException as error:  # polars panics with one that is no Exception
            found[reader][name] = {"error": str(error).strip()[:300]}
print(json.dumps(found))
