"""The script of a tuning job's trials, with numbers that are given: up to its model.fit."""

import argparse
import hashlib

import numpy as np

from .report import REPORT, describe, plain
from .scripts import ARGUMENTS, execute

GIVEN = {"learning-rate": 0.03125, "dropout": 0.125, "epochs": 3, "batch-size": 4, "seed": 5}
#: What a job says on the command line.
CASES = {
    "nothing": {},
    "given": GIVEN,
    "again": GIVEN,
    "another seed": {**GIVEN, "seed": 6},
}
#: What is known of the present run.
RUN = {}


def main():
    """Run main.py once for each of the cases."""
    from tensorflow import keras

    note_options()
    keras.Model.fit = note_fit
    REPORT["given"], REPORT["runs"] = GIVEN, {}
    for number, (name, given) in enumerate(CASES.items()):
        ARGUMENTS[:] = [word for one, value in given.items() for word in (f"--{one}", str(value))]
        keras.utils.set_random_seed(1000 + number)  # a script that sets no seed tells itself
        RUN.clear()
        try:
            execute("main.py", "__main__")
        except (Exception, SystemExit) as error:
            RUN["error"] = describe(error)
        REPORT["runs"][name] = dict(RUN)


def note_options():
    """Let argparse note the options of the script, and what it reads: {"--epochs": 3}."""

    def parse_known_args(self, args=None, namespace=None):
        named = {option: one.dest for one in self._actions for option in one.option_strings}
        RUN["options"] = [option for option in named if option not in ("-h", "--help")]
        parsed, rest = original(self, args, namespace)
        RUN["read"] = {option: plain(getattr(parsed, named[option])) for option in RUN["options"]}
        return parsed, rest

    original = argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_known_args = parse_known_args


def note_fit(model, *_, epochs=None, batch_size=None, **__):
    """Note the network, and the numbers that model.fit is given."""
    import tensorflow

    state = hashlib.sha256()
    for variable in model.variables:  # the weights, and the seeds of the layers
        state.update(np.asarray(variable).tobytes())
    RUN["fit"] = {
        "learning-rate": float(np.asarray(model.optimizer.learning_rate)),
        "dropout": [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"],
        "epochs": plain(epochs),
        "batch-size": plain(batch_size),
        "network": state.hexdigest(),
        "chance": float(tensorflow.random.uniform([])),  # the order of the images, for one
    }
