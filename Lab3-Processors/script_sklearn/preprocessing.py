"""Preprocessing job: one table of digits in, features and labels for training and for the test out.

S3 is not mentioned here. SageMaker copies the table to INPUT before this script starts, and copies
what is in TRAIN and TEST to S3 after it has ended.
"""

import argparse
import os

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

INPUT = "/opt/ml/processing/input"
TRAIN = "/opt/ml/processing/train"
TEST = "/opt/ml/processing/test"

SEED = 42


def ink_of_blocks(pixels):
    """Make 7 x 7 blocks of 28 x 28 pixels: (n, 784) from 0 to 255 becomes (n, 49) from 0 to 1."""
    blocks = np.asarray(pixels).reshape(-1, 7, 4, 7, 4)
    return blocks.mean(axis=(2, 4)).reshape(-1, 49) / 255


def make_features():
    """Return what turns pixels into features; fit() learns the mean and spread of each block."""
    return make_pipeline(FunctionTransformer(ink_of_blocks, validate=False), StandardScaler())


def save(folder, part, features, labels):
    """Save PART_features.csv and PART_labels.csv, without header lines."""
    os.makedirs(folder, exist_ok=True)
    for name, table in (("features", features), ("labels", labels)):
        path = os.path.join(folder, f"{part}_{name}.csv")
        pd.DataFrame(table).to_csv(path, header=False, index=False, float_format="%.4f")
        print(f"{path}  {np.shape(table)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-test-split-ratio", type=float, default=0.3)
    parser.add_argument("--input", default=INPUT)
    parser.add_argument("--train", default=TRAIN)
    parser.add_argument("--test", default=TEST)
    args = parser.parse_args()

    digits = pd.read_csv(os.path.join(args.input, "digits.csv")).drop_duplicates()
    labels, pixels = digits["label"], digits.drop(columns="label")
    print(f"{len(digits)} digits, share of the test: {args.train_test_split_ratio}")

    # Task 10.2 · Split fairly
    # Split pixels and labels by the ratio of the command line, with the same share of
    # each digit and the same way each time. Fit the features to the training part
    # alone, and save both parts.
    raise NotImplementedError(
        "task 10.2 not attempted: Split pixels and labels by the ratio of the command "
        "line, with the same share of each digit and the same way each time. Fit the "
        "features to the training part alone, and save both parts."
    )


if __name__ == "__main__":
    main()
