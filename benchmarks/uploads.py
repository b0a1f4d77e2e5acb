"""What an upload costs when there are many objects: it must not depend on how many there are.

    .venv/bin/python benchmarks/uploads.py [FILES] [OBJECTS]

FILES small files (10,000) are put into a bucket one after the other, and a tenth of them once more
when it has OBJECTS (100,000). Each of these is put into a second emulator too, always on the same
key: that one holds one object, it is the peer, and both have the same noise of the machine. Linear
means that the ratio to the peer stays 1, and the aim is at most 1.1. The emulators are the
benchmark's own, in a temporary folder.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

AIM = 1.1
BUCKET = "sagemaker-benchmark"


def emulator(folder: str):
    """Start an emulator with its state in ``folder`` and a bucket; return an S3 client of it."""
    from workshop.emulator.client import daemon

    os.environ["WORKSHOP_STATE"] = folder
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    return s3


def seconds(s3, key: str) -> float:
    """Put one object of one byte; return how long it took."""
    began = time.perf_counter()
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    return time.perf_counter() - began


def compare(s3, peer, prefix: str, files: int) -> tuple[float, float]:
    """Put ``files`` objects, each next to one of the peer; return the medians in milliseconds."""
    pairs = [(seconds(s3, f"{prefix}/{n}"), seconds(peer, "one")) for n in range(files)]
    return tuple(1000 * statistics.median(column) for column in zip(*pairs, strict=True))


def main(files: int = 10_000, objects: int = 100_000) -> int:
    from workshop.emulator.client import daemon

    with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as one:
        s3, peer = emulator(many), emulator(one)
        compare(s3, peer, "warm", 500)
        found = {
            "first half": compare(s3, peer, "first", files // 2),
            "second half": compare(s3, peer, "second", files // 2),
        }
        if objects > files:
            for number in range(objects - files):
                seconds(s3, f"more/{number}")
            found[f"at {objects:,} objects"] = compare(s3, peer, "last", files // 10)
        for folder in (many, one):
            os.environ["WORKSHOP_STATE"] = folder
            daemon.stop()
    for name, (ours, other) in found.items():
        print(f"{name:>20}: {ours:.2f} ms a file, {other:.2f} ms of the peer, {ours / other:.2f} ×")
    worst = max(ours / other for ours, other in found.values())
    print(f"{'worst':>20}: {worst:.2f} × (aim: at most {AIM})")
    return int(worst > AIM)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
