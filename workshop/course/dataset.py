"""The raw data: is a folder fit for the labs, and how to get Fashion-MNIST.

The format is IDX as MNIST uses it, gzipped: see data/README.md.
"""

import errno
import gzip
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from workshop.emulator.errors import WorkshopError

PARTS = ("train", "t10k")
IMAGES, LABELS = "{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"
MAGIC = {IMAGES: 2051, LABELS: 2049}
SIDE = 28  # pixels
CLASSES = 10
CHUNK = 1 << 20  # bytes

FASHION_MNIST_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
FASHION_MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


class Summary(NamedTuple):
    train_images: int
    test_images: int


# ---------------------------------------------------------------------------------- checking


def check(folder: Path | str) -> Summary:
    """Read all four files of `folder` once, in pieces; raise WorkshopError at the first fault."""
    folder = Path(folder)
    if not folder.is_dir():
        raise WorkshopError(
            f"{folder} is not a folder. Name a folder that holds {IMAGES.format('train')} and the "
            "other three files that data/README.md lists."
        )
    for part in PARTS:
        for kind in (IMAGES, LABELS):
            _check_present(folder / kind.format(part))
    return Summary(*(_check_pair(folder, part) for part in PARTS))


def _check_present(path: Path) -> None:
    if path.is_file():
        return
    names = ", ".join(kind.format(part) for part in PARTS for kind in (IMAGES, LABELS))
    message = f"{path} is missing. The labs need these four files (see data/README.md): {names}"
    if path.with_suffix("").is_file():
        message = f"{path} is missing, but {path.stem} is there. Compress it: gzip {path.stem}"
    raise WorkshopError(message)


def _check_pair(folder: Path, part: str) -> int:
    """Check the images and the labels of one part; return how many there are."""
    images, labels = folder / IMAGES.format(part), folder / LABELS.format(part)
    image_count, label_count = _read_header(images, IMAGES), _read_header(labels, LABELS)
    if image_count != label_count:
        raise WorkshopError(
            f"{images.name} says that it holds {image_count:,} images, but {labels.name} says "
            f"{label_count:,} labels (in {folder}). Each image needs one label: do both files come "
            "from the same data set?"
        )
    if image_count == 0:
        raise WorkshopError(f"{images} holds no images (its header says 0). Expected at least 1.")
    _check_body(images, 16, image_count * SIDE * SIDE, f"{image_count:,} images of 28 x 28 bytes")
    _check_body(labels, 8, label_count, f"{label_count:,} labels of one byte", CLASSES - 1)
    return image_count


def _read_header(path: Path, kind: str) -> int:
    """Check magic number and image size; return the count."""
    with open(path, "rb") as file:
        start = file.read(2)
    if start != b"\x1f\x8b":
        raise WorkshopError(
            f"{path} is not a gzip file: it starts with the bytes {start.hex(' ') or '(none)'}, "
            "expected 1f 8b. If it is a plain IDX file without .gz in its name, compress it with "
            "gzip; if it was downloaded, look whether it is an error page and download it again."
        )
    length = 16 if kind == IMAGES else 8
    header = next(_pieces(path, length), b"")
    if len(header) < length:
        raise WorkshopError(
            f"{path} ends inside its header: found {len(header)} bytes, expected at least {length}."
            " Get the file again."
        )
    magic, count, *size = (int.from_bytes(header[i : i + 4], "big") for i in range(0, length, 4))
    if magic != MAGIC[kind]:
        what = "images" if kind == IMAGES else "labels"
        swapped = magic in MAGIC.values()
        raise WorkshopError(
            f"{path} starts with the magic number {magic}, expected {MAGIC[kind]} (IDX {what}). "
            + (
                "It holds the other kind: are images and labels swapped?"
                if swapped
                else "It is not in the IDX format that data/README.md describes."
            )
        )
    if kind == IMAGES and size != [SIDE, SIDE]:
        raise WorkshopError(
            f"{path} holds images of {size[0]} x {size[1]} pixels, expected {SIDE} x {SIDE}. "
            "Resize them: the network of the labs is built for that size."
        )
    return count


def _check_body(path: Path, header: int, expected: int, what: str, largest: int = 255) -> None:
    """Check that `expected` bytes, none above `largest`, follow the header."""
    allowed = bytes(range(largest + 1))
    found = -header
    for piece in _pieces(path, CHUNK):
        values = piece[header:] if found < 0 else piece
        wrong = values.translate(None, delete=allowed)
        if wrong:
            place = max(found, 0) + values.index(wrong[0])
            raise WorkshopError(
                f"{path}: label number {place:,} (counted from 0) is {wrong[0]}, expected 0 to "
                f"{largest}. The labs know {CLASSES} classes: number yours from 0."
            )
        found += len(piece)
    if found != expected:
        less = found < expected
        raise WorkshopError(
            f"{path} has {found:,} bytes after its header, expected {expected:,} ({what}): "
            f"{abs(expected - found):,} bytes are {'missing' if less else 'too many'}. "
            + ("Get the file again." if less else "Is the count in its header right?")
        )


def _pieces(path: Path, size: int):
    """The unpacked content in pieces of `size` bytes; damage becomes a WorkshopError."""
    done = 0
    try:
        with gzip.open(path) as file:
            while piece := file.read(size):
                done += len(piece)
                yield piece
    except EOFError:
        fault = "is cut off: the gzip stream stops before its end mark"
    except (gzip.BadGzipFile, zlib.error) as error:
        fault = f"is damaged ({error})"
    else:
        return
    raise WorkshopError(
        f"{path} {fault} (after {done:,} unpacked bytes). Expected a whole gzip file: "
        "copy or download it again."
    )


# ------------------------------------------------------------------------------- downloading


def download_fashion_mnist(
    folder: Path | str,
    report: Callable[[str], None] = print,
    base_url: str = FASHION_MNIST_URL,
) -> None:
    """Download the four files into `folder` (31 MB); go on where an earlier try stopped.

    `report` gets a line of text now and then. Raises WorkshopError (no network, wrong checksum,
    full disk, another data set already in the folder).
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, md5 in FASHION_MNIST_MD5.items():
            _download(folder / name, f"{base_url}/{name}", md5, report)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise WorkshopError(
                f"The disk is full: Fashion-MNIST needs 31 MB in {folder}. Free some space and run "
                "the same command again; what has arrived is kept."
            ) from error
        raise WorkshopError(f"Cannot write to {folder}: {error}") from error


def _download(path: Path, url: str, md5: str, report: Callable[[str], None]) -> None:
    part = path.with_name(path.name + ".part")
    if path.exists():
        if _md5(path) == md5:
            report(f"{path.name}: already here, checksum is right")
            return
        raise WorkshopError(
            f"{path} is there already and is not Fashion-MNIST's file of that name (md5 "
            f"{_md5(path)}, expected {md5}). Move it away or choose another folder."
        )
    if not part.exists() or _md5(part) != md5:
        _fetch(url, part, report)
        found = _md5(part)
        if found != md5:
            part.unlink()
            raise WorkshopError(
                f"{url} gave a file with md5 {found}, expected {md5}. It was removed. Run the "
                "same command again; if it happens twice, something on the way changes files."
            )
    part.replace(path)
    report(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, checksum is right")


def _fetch(url: str, part: Path, report: Callable[[str], None]) -> None:
    """Append what is missing to `part`; start again where the server cannot go on."""
    import requests  # 0.1 s that only a download needs

    done = part.stat().st_size if part.exists() else 0
    try:
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            if answer.status_code == 416:  # `part` is no beginning of this file
                part.unlink()
                return _fetch(url, part, report)
            if answer.status_code not in (200, 206):
                raise WorkshopError(
                    f"{url} answered {answer.status_code} {answer.reason}, expected 200. "
                    "The server may be down, or the file has moved."
                )
            goes_on = answer.status_code == 206
            done = done if goes_on else 0
            total = done + int(answer.headers.get("Content-Length", 0))
            next_line = done
            with open(part, "ab" if goes_on else "wb") as file:
                for piece in answer.iter_content(1 << 16):
                    if done >= next_line:
                        report(f"{part.stem}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")
                        next_line = done + max(total // 4, 1 << 20)
                    file.write(piece)
                    done += len(piece)
    except requests.RequestException as error:
        arrived = f" {done / 1e6:.1f} MB of it are kept." if done else ""
        raise WorkshopError(
            f"Could not download {url}.{arrived} Is this machine connected to the internet? "
            "Run the same command again when it is: it goes on where it stopped. "
            "The labs themselves need no download: data/raw is enough. "
            f"({type(error).__name__})"
        ) from error


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
