"""The scripts of the training: main.py, and train_model with a small network."""

import argparse
import os
import sys
import types

import numpy as np

from .files import CHECKPOINTS, MODEL
from .networks import EPOCHS, biases, fit_with, small_model, train_small, which_epoch
from .report import REPORT, plain
from .scripts import execute, like
from .stand_ins import TENSORFLOW, Anything, Pretend


def main():
    """Run main.py with another train_model, which notes what it was given."""
    REPORT["arguments"] = None
    record_arguments()
    sys.meta_path.insert(0, Pretend(*TENSORFLOW))
    sys.modules["training"] = training = types.ModuleType("training")
    training.create_cnn_model = Anything("create_cnn_model()")
    training.train_model = like("training.py", "train_model", note_training)
    execute("main.py", "__main__")


def record_arguments():
    """Let argparse note what the script reads, with nothing on the command line."""

    def parse_known_args(self, args=None, namespace=None):
        REPORT["options"] = {
            option: action.dest for action in self._actions for option in action.option_strings
        }
        REPORT["arguments"] = "could not be read"
        parsed, rest = original(self, [], namespace)
        REPORT["arguments"] = {name: plain(value) for name, value in vars(parsed).items()}
        return parsed, rest

    original = argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_known_args = parse_known_args


def note_training(given):
    """Note what train_model was given; return a history for it."""
    arrays = {}
    for folder, _, names in os.walk("/opt/ml/desk"):
        for name in names:
            if name.endswith(".npy"):
                arrays[name.removesuffix(".npy")] = np.load(os.path.join(folder, name))

    def describe(value):
        if not isinstance(value, np.ndarray):
            return plain(value)
        same = [name for name, array in arrays.items() if np.array_equal(array, value)]
        return {"array": same[0] if same else "", "shape": list(value.shape)}

    REPORT["training"] = {name: describe(value) for name, value in given.items()}
    epochs = given.get("epochs")
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return dict.fromkeys(names, [0.5] * (epochs if isinstance(epochs, int) else 30))


def train():
    """Call train_model with a small network whose quality in each epoch is known."""
    training = execute("training.py", "training")
    from tensorflow import keras

    class KnownEpochs(keras.callbacks.Callback):
        done = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[-1].bias.assign(biases()[KnownEpochs.done % len(EPOCHS)])
            KnownEpochs.done += 1

    fit_with(keras, KnownEpochs())
    model = small_model(keras, biases()[0])
    returned, REPORT["fitted"] = train_small(keras, training, model, len(EPOCHS))
    REPORT["returned"] = sorted(returned) if isinstance(returned, dict) else plain(returned)
    REPORT["epochs"] = KnownEpochs.done
    REPORT["saved"] = {
        os.path.join(folder, name): which_epoch(keras, os.path.join(folder, name))
        for top in (MODEL, CHECKPOINTS, "/opt/ml/output")
        for folder, _, names in os.walk(top)
        for name in names
        if name.endswith((".keras", ".h5", ".hdf5"))
    }
