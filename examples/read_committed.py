"""Reads the committed lines of one rollup, by its manifest, and no others: not those of outputs that no run has committed.

    python3 examples/read_committed.py s3://application-logs/aggregated/checkout/20261121/08/ | head

Needs boto3, and zstandard where outputs are `.zst`. Region, credentials and endpoint come as boto3 finds them.
"""

import bz2
import gzip
import io
import json
import lzma
import sys

import boto3


def committed_lines(bucket, prefix, client=None):
    """Yields each line as text, without its newline. One output is in memory at a time, some 32 MiB as it is stored."""
    client = client or boto3.client("s3")

    def get(key, **pinned):
        return client.get_object(Bucket=bucket, Key=key, **pinned)["Body"].read()

    manifest = json.loads(get(prefix + "_manifest.json"))
    for output in manifest["outputs"]:
        # An output that is gone, or another: a later commit replaced it. Read from the manifest again.
        body = io.BytesIO(get(output["key"], IfMatch=output["etag"]))
        with io.TextIOWrapper(decoded(output["key"], body), "utf-8", newline="\n") as lines:
            for line in lines:
                yield line.removesuffix("\n")


def decoded(key, body):
    if key.endswith(".gz"):
        return gzip.open(body)
    if key.endswith(".bz2"):
        return bz2.open(body)
    if key.endswith(".xz"):
        return lzma.open(body)
    if key.endswith(".zst"):
        import zstandard

        # Sources that are joined as they are have one frame each, of which the default reads the first.
        return zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True)
    return body


if __name__ == "__main__":
    bucket, _, prefix = sys.argv[1].removeprefix("s3://").partition("/")
    for line in committed_lines(bucket, prefix):
        print(line)
