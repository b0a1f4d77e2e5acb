#!/usr/bin/env python
"""Write data/raw/: the UCI handwritten digits as the four IDX files that MNIST uses.

    python data/make_digits.py [FOLDER]

The images come out of scikit-learn (no download). Everything is integer arithmetic and the gzip
headers hold neither a time nor a name, so the result is the same each time this runs.
"""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SIZE = 28  # pixels a side, as MNIST
ENLARGE = 3  # 8 x 8 becomes 24 x 24, with a margin of 2 pixels around it
MARGIN = (SIZE - 8 * ENLARGE) // 2
DARK, LIGHT = 3, 13  # of the 0..16 of the original: below is paper, above is ink
TEST_EVERY = 5  # one image in five of each digit is a test image


def cubic_weights() -> np.ndarray:
    """(28, 8) int: what each of the 8 old pixels gives to each of the 28 new ones, in 1/54.

    Catmull-Rom interpolation. New pixels lie at thirds of old ones, so 54 times its weights are
    whole numbers; outside the old image there is paper.
    """
    thirds = np.abs(np.arange(SIZE)[:, None] - MARGIN - 1 - ENLARGE * np.arange(8))
    near = 3 * thirds**3 - 5 * 3 * thirds**2 + 54
    far = -(thirds**3) + 5 * 3 * thirds**2 - 8 * 9 * thirds + 4 * 27
    return np.select([thirds < 3, thirds < 6], [near, far], 0)


def enlarge(images: np.ndarray) -> np.ndarray:
    """(n, 8, 8) of 0..16 -> (n, 28, 28) uint8, black 0 to white 255 as in MNIST."""
    weights, unit = cubic_weights(), 54 * 54
    smooth = weights @ images.astype(np.int64) @ weights.T
    contrast = (smooth - DARK * unit) * 255 // ((LIGHT - DARK) * unit)
    return np.clip(contrast, 0, 255).astype(np.uint8)


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of (train, test): every fifth image of each digit is a test image."""
    by_digit = np.argsort(labels, kind="stable")
    test = np.sort(by_digit[::TEST_EVERY])
    return np.setdiff1d(np.arange(len(labels)), test), test


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as gzipped IDX; the magic is 0x0800 + the number of dimensions."""
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(content)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = enlarge(digits.images)
    for name, chosen in zip(("train", "t10k"), split(digits.target), strict=True):
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", images[chosen])
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", digits.target[chosen])
        print(f"{name}: {len(chosen):,} images")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "raw")
