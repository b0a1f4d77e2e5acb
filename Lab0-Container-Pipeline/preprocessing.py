import gzip
import os

import numpy as np
from sklearn.model_selection import train_test_split


def load_images(path):
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    return pixels.reshape(-1, 28, 28, 1).astype("float32") / 255


def load_labels(path):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=8)


def preprocess_data(local_folder):
    """Read the four raw files; return the arrays for training, validation and test."""
    X = load_images(os.path.join(local_folder, "train-images-idx3-ubyte.gz"))
    y = load_labels(os.path.join(local_folder, "train-labels-idx1-ubyte.gz"))
    X_test = load_images(os.path.join(local_folder, "t10k-images-idx3-ubyte.gz"))
    y_test = load_labels(os.path.join(local_folder, "t10k-labels-idx1-ubyte.gz"))

    X_train, X_val, y_train, y_val = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=42
    )
    return X_train, X_val, y_train, y_val, X_test, y_test
