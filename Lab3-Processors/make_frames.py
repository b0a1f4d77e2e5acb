"""Makes frames as a camera would see them, with some digits in each, and a Pascal VOC file a frame.

    python make_frames.py RAW_DATA FOLDER

    FOLDER/frames/frame_000.png              128 x 128 pixels, gray, digits white on black
    FOLDER/frames_annotations/frame_000.xml  which digits are in it, and where

RAW_DATA is a folder with MNIST's files. The same digits come to the same places each time.
"""

import argparse
import gzip
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from PIL import Image

FRAMES = 12
SIZE = 128  # pixels, both ways
CELL = 32  # a digit has 28 x 28 pixels: no two of them overlap
SEED = 8


def make_frames(raw_data, folder):
    """Write the frames and their annotations below folder, both as in the text above."""
    images, labels = read_digits(Path(raw_data))
    frames, annotations = Path(folder) / "frames", Path(folder) / "frames_annotations"
    for place in (frames, annotations):
        place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    for number in range(FRAMES):
        name = f"frame_{number:03}"
        frame, objects = make_frame(images, labels, rng)
        Image.fromarray(frame).save(frames / f"{name}.png")
        write_annotation(annotations / f"{name}.xml", f"{name}.png", objects)


def read_digits(raw_data):
    """Return the images (n, 28, 28) and labels (n,) for training, both uint8."""
    with gzip.open(raw_data / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(raw_data / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels


def make_frame(images, labels, rng):
    """Return a frame (128, 128) uint8 with 3 to 6 digits, and [(name, box)] of them.

    A box is (xmin, ymin, xmax, ymax) as in Pascal VOC: pixels are counted from 1, and the last
    ones are inside.
    """
    frame = np.zeros((SIZE, SIZE), np.uint8)
    objects = []
    columns = SIZE // CELL
    for cell in rng.choice(columns**2, size=rng.integers(3, 7), replace=False):
        digit = rng.integers(len(images))
        y, x = rng.integers(CELL - 28 + 1, size=2) + CELL * np.array(divmod(cell, columns))
        frame[y : y + 28, x : x + 28] = images[digit]
        rows, pixels = np.nonzero(images[digit])
        box = x + pixels.min() + 1, y + rows.min() + 1, x + pixels.max() + 1, y + rows.max() + 1
        objects.append((str(labels[digit]), tuple(map(int, box))))
    return frame, objects


def write_annotation(path, image, objects):
    """Write a Pascal VOC file for an image, which is named as its file."""
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "folder").text = "frames"
    ElementTree.SubElement(root, "filename").text = image
    size = ElementTree.SubElement(root, "size")
    for key, value in (("width", SIZE), ("height", SIZE), ("depth", 1)):
        ElementTree.SubElement(size, key).text = str(value)
    for name, box in objects:
        one = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(one, "name").text = name
        edges = ElementTree.SubElement(one, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ElementTree.SubElement(edges, key).text = str(value)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("raw_data")
    parser.add_argument("folder")
    args = parser.parse_args()
    make_frames(args.raw_data, args.folder)
    print(f"{FRAMES} frames in {args.folder}/frames")
