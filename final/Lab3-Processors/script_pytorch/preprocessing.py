"""Preprocessing job in pure PyTorch: raw digits in, features for training and validation out."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch.nn import functional

INPUT = "/opt/ml/processing/input"
TRAIN = "/opt/ml/processing/output/train"
VALIDATION = "/opt/ml/processing/output/validation"

VALIDATION_SHARE = 0.2
SEED = 42


def read_idx(path, header):
    """Return the bytes of an IDX file after its header, as a tensor."""
    with gzip.open(path) as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


def ink_of_blocks(images):
    """Make 7 x 7 blocks of 28 x 28 pixels: (n, 28, 28) bytes become (n, 49) from 0 to 1."""
    pixels = images.unsqueeze(1).float() / 255
    return functional.avg_pool2d(pixels, kernel_size=4).flatten(start_dim=1)


def save(folder, features, labels):
    """Save features.npy and labels.npy: the image of XGBoost has numpy, and no PyTorch."""
    os.makedirs(folder, exist_ok=True)
    np.save(os.path.join(folder, "features.npy"), features.numpy())
    np.save(os.path.join(folder, "labels.npy"), labels.numpy())
    print(f"{folder}: {tuple(features.shape)} features, {tuple(labels.shape)} labels")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", default=INPUT)
    parser.add_argument("--train", default=TRAIN)
    parser.add_argument("--validation", default=VALIDATION)
    args = parser.parse_args()

    images = read_idx(os.path.join(args.input, "train-images-idx3-ubyte.gz"), header=16)
    labels = read_idx(os.path.join(args.input, "train-labels-idx1-ubyte.gz"), header=8)
    features = ink_of_blocks(images.reshape(-1, 28, 28))

    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED))
    validation, training = shuffled.split(
        [int(VALIDATION_SHARE * len(labels)), len(labels) - int(VALIDATION_SHARE * len(labels))]
    )
    save(args.train, features[training], labels[training])
    save(args.validation, features[validation], labels[validation])


if __name__ == "__main__":
    main()
