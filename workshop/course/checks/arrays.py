"""Are six arrays what preprocessing should make of the raw files? Any order and split will do."""

from __future__ import annotations

import functools
import gzip
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np

from workshop.course.checks.outcome import NotYet

#: The arrays that the steps pass on: {part: (images, labels)}.
ARRAYS = {
    "train": ("X_train", "y_train"),
    "validation": ("X_val", "y_val"),
    "test": ("X_test", "y_test"),
}
#: Where each array belongs, below /opt/ml/processing and below DataProcessed/ in S3.
PLACES = {name: f"{part}/{name}/{name}.npy" for part, names in ARRAYS.items() for name in names}
RAW_FILES = tuple(
    f"{part}-{kind}.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)
VALIDATION_SHARE = (0.05, 0.5)  # what a sane split is
_DEVIATIONS = 4  # of the number of a class in the validation, from what is fair
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Raw:
    """The raw files: images (n, 28, 28) and labels (n,), unsigned bytes."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def read_raw(files: dict[str, bytes]) -> Raw:
    """Read the four gzipped IDX files, given by their names."""

    def read(name: str) -> np.ndarray:
        content = gzip.decompress(files[name])
        dimensions = content[3]
        shape = np.frombuffer(content, ">u4", dimensions, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)

    return Raw(*map(read, RAW_FILES))


@functools.cache
def made_up(train: int = 1200, test: int = 300) -> dict[str, bytes]:
    """Return four small raw files: noise for images, one class after the other for labels."""
    rng = np.random.default_rng(0)
    files = {}
    for part, n in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        labels = np.sort(np.arange(n) % 10).astype(np.uint8)
        for kind, magic, data in (
            ("images-idx3-ubyte", 2051, images),
            ("labels-idx1-ubyte", 2049, labels),
        ):
            header = np.array([magic, *data.shape], ">u4").tobytes()
            content = gzip.compress(header + data.tobytes(), 1, mtime=0)
            files[f"{part}-{kind}.gz"] = content
    return files


def load(name: str, content: bytes) -> np.ndarray:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise NotYet(
            f"{name}.npy cannot be read: {str(error).splitlines()[0]}",
            "an array that np.save wrote",
        ) from None


def npy(array: np.ndarray) -> bytes:
    """Return what np.save writes."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def judge(arrays: dict[str, np.ndarray], raw: Raw) -> None:
    """Raise NotYet unless the arrays are the raw data: scaled, split, each image with its label."""
    missing = [name for name in PLACES if name not in arrays]
    if missing:
        raise NotYet(f"no {', no '.join(missing)}", f"six arrays: {', '.join(PLACES)}")
    for images, labels in ARRAYS.values():
        _judge_form(images, arrays[images], labels, arrays[labels])
    train, test = _pairs(raw.images, raw.labels), _pairs(raw.test_images, raw.test_labels)
    found = {}
    for part, (images, labels) in ARRAYS.items():
        keys = _keys(images, arrays[images])
        own, other = (test, train) if part == "test" else (train, test)
        _judge_origin(images, keys, own, other, "t10k" if part != "test" else "train")
        found[part] = Counter(zip(keys, arrays[labels].tolist(), strict=True))
        wrong = sum(n for pair, n in found[part].items() if pair not in own)
        if wrong:
            raise NotYet(
                f"{wrong} of the {len(keys)} labels in {labels} are not those of their images in "
                f"{images}",
                f"{labels} in the same order as {images}: each label as it is in the raw data",
            )
    _judge_split(found, train, test)


def _judge_form(images: str, x: np.ndarray, labels: str, y: np.ndarray) -> None:
    if x.ndim != 4 or x.shape[1:] != (28, 28, 1):
        raise NotYet(f"{images} has the shape {x.shape}", f"{images} of shape (n, 28, 28, 1)")
    if len(x) == 0:
        raise NotYet(f"{images} is empty", f"some images in {images}")
    if not np.issubdtype(x.dtype, np.floating):
        raise NotYet(
            f"{images} is {x.dtype}, from {x.min()} to {x.max()}", f"{images} as float32, 0 to 1"
        )
    if x.max() > 1 or x.min() < 0:
        raise NotYet(
            f"the values in {images} go from {x.min():g} to {x.max():g}",
            "values from 0 to 1: the raw pixels divided by 255",
        )
    if y.shape != (len(x),):
        raise NotYet(
            f"{labels} has the shape {y.shape} for the {len(x)} images in {images}",
            f"{labels} of shape ({len(x)},): one label for each image",
        )
    if not np.issubdtype(y.dtype, np.integer):
        raise NotYet(f"{labels} is {y.dtype}", f"{labels} as whole numbers, like uint8")


def _pairs(images: np.ndarray, labels: np.ndarray) -> Counter:
    keys = (image.tobytes() for image in images)
    return Counter(zip(keys, labels.tolist(), strict=True))


def _keys(name: str, images: np.ndarray) -> list[bytes]:
    """Return the raw bytes of each image, which scaling to 0..1 must not have changed."""
    keys = []
    for start in range(0, len(images), _AT_ONCE):
        pixels = images[start : start + _AT_ONCE].astype(np.float32) * 255
        whole = np.rint(pixels)
        if np.abs(pixels - whole).max() > 0.1:
            raise NotYet(
                f"the values in {name} are not raw pixels divided by 255",
                "each pixel of the raw image divided by 255",
            )
        keys += [image.tobytes() for image in whole.astype(np.uint8)]
    return keys


def _judge_origin(name: str, keys: list[bytes], own: Counter, other: Counter, file: str) -> None:
    known, others = ({key for key, _ in pairs} for pairs in (own, other))
    strange = [key for key in keys if key not in known]
    if not strange:
        return
    own_file = "train" if file == "t10k" else "t10k"
    from_other = sum(key in others for key in strange)
    if from_other:
        found = f"{from_other} of the {len(keys)} images in {name} are from the {file} file"
    else:
        found = f"{len(strange)} of the {len(keys)} images in {name} are in no raw file"
    raise NotYet(found, f"images of the {own_file} file alone")


def _judge_split(found: dict[str, Counter], train: Counter, test: Counter) -> None:
    """Every raw image is used once."""
    for parts, raw, name in (
        (("train", "validation"), train, "X_train or X_val"),
        (("test",), test, "X_test"),
    ):
        together = sum((found[part] for part in parts), Counter())
        twice = together - raw
        shared = twice.total() if len(parts) > 1 else 0
        if shared and all(any(found[part][pair] for pair in twice) for part in parts):
            raise NotYet(
                f"{shared} images are in both X_train and X_val",
                "no image in two arrays: validation is for images that training has not seen",
            )
        if twice:
            raise NotYet(f"{twice.total()} images are twice in {name}", "each image once")
        lost = (raw - together).total()
        if lost:
            raise NotYet(
                f"{lost} of the {raw.total()} raw images are not in {name}",
                "every image of the raw file, once",
            )
    count = found["validation"].total()
    share = count / (count + found["train"].total())
    if not VALIDATION_SHARE[0] <= share <= VALIDATION_SHARE[1]:
        raise NotYet(
            f"X_val has {count} images, which is {share:.0%} of the train file",
            "about a fifth of the train file: less says little, more is missing in the training",
        )
    _judge_classes(found["validation"], train, share)


def _judge_classes(validation: Counter, raw: Counter, share: float) -> None:
    """Each class has its share in the validation: about as many as chance would choose."""
    found, every = Counter(), Counter()
    for counts, pairs in ((found, validation), (every, raw)):
        for (_, label), n in pairs.items():
            counts[label] += n
    for label in sorted(every):
        wanted = share * every[label]
        if abs(found[label] - wanted) > _DEVIATIONS * wanted**0.5:
            raise NotYet(
                f"of the {every[label]} images of class {label}, {found[label]} are in X_val",
                f"about {wanted:.0f}: the same share of each class. The raw file may be sorted",
            )
