#!/usr/bin/env python
"""How fast is Lab 1's preprocessing, and how much memory does it take?

    python benchmarks/preprocessing.py [--images 70000] [--repeat 5]

Three ways from the same four raw files to the same arrays, each in processes of its own:

    limit      gunzip, then write as many bytes as the result has: nothing can be faster
    original   Lab 0: everything as float32 in memory, train_test_split, np.save
    lab 1      script_processing/preprocessing.py

Time is that of the work, without the start of Python and its imports (best of the repeats). Memory
is the process's highest resident size, with everything (ru_maxrss; largest of the repeats).
"""

import argparse
import gzip
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LAB0 = ROOT / "Lab0-Container-Pipeline"
LAB1 = ROOT / "source" / "Lab1-Unit-Testing" / "script_processing"
MAX_TIME, MAX_MEMORY = 1.5, 0.5  # the aims: of the limit's time, of the original's memory
SIDE = 28


# ------------------------------------------------------------------------------- the three ways


def limit(raw: Path, output: Path):
    """Return work that unpacks the files and writes as many bytes as the arrays have."""

    def work():
        zeros = bytes(1 << 20)
        with open(output / "result", "wb") as result:
            for path in sorted(raw.iterdir()):
                width = 4 if "images" in path.name else 1  # an image byte becomes a float32
                with gzip.open(path) as file:
                    while piece := file.read(len(zeros)):
                        for _ in range(width):
                            result.write(memoryview(zeros)[: len(piece)])

    return work


def original(raw: Path, output: Path):
    sys.path.insert(0, str(LAB0))
    from preprocessing import preprocess_data

    def work():
        names = ("X_train", "X_val", "y_train", "y_val", "X_test", "y_test")
        for name, array in zip(names, preprocess_data(str(raw)), strict=True):
            np.save(output / name, array)

    return work


def lab1(raw: Path, output: Path):
    sys.path.insert(0, str(LAB1))
    from preprocessing import preprocess_data

    return lambda: preprocess_data(str(raw), str(output))


WAYS = {"limit": limit, "original": original, "lab 1": lab1}


# ---------------------------------------------------------------------------------- measuring


def generate(folder: Path, count: int) -> None:
    """Write `count` images in the four files: the digits, moved and shaded at random."""
    rng = np.random.default_rng(0)
    with gzip.open(ROOT / "data/raw/train-images-idx3-ubyte.gz") as file:
        digits = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, SIDE, SIDE)
    test = count // 7
    for part, n in (("train", count - test), ("t10k", test)):
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb", 6) as file:
            file.write(struct.pack(">4I", 2051, n, SIDE, SIDE))
            for start in range(0, n, 1000):
                k = min(1000, n - start)
                images = digits[rng.integers(len(digits), size=k)]
                shade = rng.integers(128, 256, size=(k, 1, 1))
                moved = np.roll(images, rng.integers(-2, 3), axis=1 + start // 1000 % 2)
                file.write((moved * shade // 255).astype(np.uint8).tobytes())
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb", 6) as file:
            labels = rng.integers(10, size=n, dtype=np.uint8)
            file.write(struct.pack(">2I", 2049, n) + labels.tobytes())


def measure(way: str, raw: str) -> tuple[float, float]:
    """Run one way in a process of its own: (seconds, peak MB)."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as output:
        command = [sys.executable, __file__, "--child", way, raw, output]
        last_line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, megabytes = last_line.splitlines()[-1].split()
    return float(seconds), float(megabytes)


def child(way: str, raw: str, output: str) -> None:
    work = WAYS[way](Path(raw), Path(output))
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=70_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*args.child)

    with tempfile.TemporaryDirectory(prefix="benchmark-") as raw:
        generate(Path(raw), args.images)
        runs = [{way: measure(way, raw) for way in WAYS} for _ in range(args.repeat)]
    seconds = {way: min(run[way][0] for run in runs) for way in WAYS}
    memory = {way: max(run[way][1] for run in runs) for way in WAYS}

    print(f"{args.images:,} images of 28 x 28, best of {args.repeat}\n")
    print(f"{'':10}{'seconds':>9}{'images/s':>11}{'x limit':>9}{'peak MB':>10}{'x original':>12}")
    for way in WAYS:
        print(
            f"{way:10}{seconds[way]:9.2f}{args.images / seconds[way]:11,.0f}"
            f"{seconds[way] / seconds['limit']:9.2f}{memory[way]:10.0f}"
            f"{memory[way] / memory['original']:12.2f}"
        )
    time_ratio, memory_ratio = (
        seconds["lab 1"] / seconds["limit"],
        memory["lab 1"] / memory["original"],
    )
    print()
    for what, ratio, aim in (
        ("time, of the limit's", time_ratio, MAX_TIME),
        ("peak memory, of the original's", memory_ratio, MAX_MEMORY),
    ):
        print(f"{what}: {ratio:.2f}, aim <= {aim}: {'met' if ratio <= aim else 'MISSED'}")
    sys.exit(time_ratio > MAX_TIME or memory_ratio > MAX_MEMORY)


if __name__ == "__main__":
    main()
