"""Preprocessing job: raw images and labels in, six arrays for the later steps out.

S3 is not mentioned here. SageMaker copies the raw data to SOURCE_DATA before this script starts,
and copies what it wrote below OUTPUT to S3 after it has ended.
"""

import argparse
import gzip
import os

import numpy as np
from numpy.lib import format as npy

SOURCE_DATA = "/opt/ml/processing/source_data"
OUTPUT = "/opt/ml/processing"

IMAGE = (28, 28, 1)  # rows, columns, channels
VALIDATION_SHARE = 0.2
SEED = 42
IMAGES_AT_ONCE = 1000


def read_labels(path):
    """Return the labels of an IDX file: (n,) uint8."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=8)


def read_images(path):
    """Yield the images of an IDX file, IMAGES_AT_ONCE at a time: (k, 28, 28, 1) uint8."""
    with gzip.open(path) as file:
        file.read(16)  # the header
        while pixels := file.read(IMAGES_AT_ONCE * 28 * 28):
            yield np.frombuffer(pixels, np.uint8).reshape(-1, *IMAGE)


def choose_validation(labels):
    """Return a mask (n,) bool: which images are for validation, the same share of each class.

    It depends on the labels and on SEED alone: the same images are chosen each time.
    """
    rng = np.random.default_rng(SEED)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_this_class = rng.permutation(np.flatnonzero(labels == label))
        chosen[of_this_class[: round(VALIDATION_SHARE * len(of_this_class))]] = True
    return chosen


def output_path(output, folder, name):
    """Return the path of an array; each one has a directory, and so an S3 prefix, of its own."""
    directory = os.path.join(output, folder, name)
    os.makedirs(directory, exist_ok=True)
    return os.path.join(directory, f"{name}.npy")


def save_labels(path, labels):
    np.save(path, labels)
    print(f"{path}  {labels.shape} {labels.dtype}")


def start_npy(path, count):
    """Begin a .npy file for `count` images: the header that np.save would write."""
    shape = (int(count), *IMAGE)
    with open(path, "wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    print(f"{path}  {shape} float32")


def save_images(images_path, parts):
    """Scale the images to 0..1 and save each one to the part that wants it.

    parts: {path of a .npy file: mask (n,) bool, the images that belong into it}

    np.save needs the whole array in memory, four times as large as the raw images. The masks
    tell how long each array will be, so we write its header first, then piece after piece.
    """
    for path, mask in parts.items():
        start_npy(path, mask.sum())
    done = 0
    for images in read_images(images_path):
        for path, mask in parts.items():
            wanted = images[mask[done : done + len(images)]]
            with open(path, "ab") as file:
                file.write(np.divide(wanted, 255, dtype="<f4"))
        done += len(images)
    if done != len(mask):
        raise ValueError(f"{images_path} has {done} images for {len(mask)} labels")


# --- What this job is for: the four raw files in, six arrays out, each in a folder of its own:
#     train/X_train/X_train.npy, train/y_train/y_train.npy, validation/X_val/X_val.npy, ...
#     Images are (n, 28, 28, 1) float32 from 0 to 1, labels are (n,) uint8.


def preprocess_data(local_folder, output):
    """Read the four raw files of local_folder; write the six arrays below output."""
    labels = read_labels(os.path.join(local_folder, "train-labels-idx1-ubyte.gz"))
    validation = choose_validation(labels)
    save_labels(output_path(output, "train", "y_train"), labels[~validation])
    save_labels(output_path(output, "validation", "y_val"), labels[validation])
    save_images(
        os.path.join(local_folder, "train-images-idx3-ubyte.gz"),
        {
            output_path(output, "train", "X_train"): ~validation,
            output_path(output, "validation", "X_val"): validation,
        },
    )

    test_labels = read_labels(os.path.join(local_folder, "t10k-labels-idx1-ubyte.gz"))
    save_labels(output_path(output, "test", "y_test"), test_labels)
    save_images(
        os.path.join(local_folder, "t10k-images-idx3-ubyte.gz"),
        {output_path(output, "test", "X_test"): np.ones(len(test_labels), bool)},
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source-data", default=SOURCE_DATA)
    parser.add_argument("--output", default=OUTPUT)
    args = parser.parse_args()

    print("Data preprocessing started")
    preprocess_data(args.source_data, args.output)
    print("Data preprocessing complete")


if __name__ == "__main__":
    main()
