"""What an upload costs when there are many objects: it must not depend on how many there are.

    .venv/bin/python benchmarks/uploads.py [FILES] [OBJECTS]

FILES small files (10,000) are put into a bucket one after the other, and a tenth of them once more
when it has OBJECTS (100,000). Compared are the second half and the first, in one run, and the last
ones with the first half: linear means a ratio of 1, and the aim is at most 1.1. It uses an emulator
of its own, in a temporary folder.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

AIM = 1.1


def put(s3, prefix: str, files: int) -> list[float]:
    """Put ``files`` objects; return the seconds of each one."""
    seconds = []
    for number in range(files):
        began = time.perf_counter()
        s3.put_object(Bucket="sagemaker-benchmark", Key=f"{prefix}/{number}", Body=b"x")
        seconds.append(time.perf_counter() - began)
    return seconds


def per_file(seconds: list[float]) -> float:
    """Return the milliseconds of a usual file: the median, since others use the machine too."""
    return 1000 * statistics.median(seconds)


def main(files: int = 10_000, objects: int = 100_000) -> int:
    from workshop.emulator import server

    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKSHOP_STATE"] = folder
        s3 = server.client("s3")
        s3.create_bucket(Bucket="sagemaker-benchmark")
        put(s3, "warm", 500)
        seconds = put(s3, "first", files)
        found = {"first half": seconds[: files // 2], "second half": seconds[files // 2 :]}
        if objects > files:
            put(s3, "more", objects - files)
            found[f"at {objects:,} objects"] = put(s3, "last", files // 10)
        server.stop()
    base = per_file(found["first half"])
    for name, part in found.items():
        print(f"{name:>20}: {per_file(part):.2f} ms a file, {per_file(part) / base:.2f} ×")
    worst = max(per_file(part) for part in found.values()) / base
    print(f"{'worst':>20}: {worst:.2f} × (aim: at most {AIM})")
    return int(worst > AIM)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
