"""The training that is interrupted, and goes on from its checkpoints."""

import json
import os
import shutil
import signal

import numpy as np

from .files import CHECKPOINTS, MODEL, OUTPUT, PLACE, by_time, empty
from .networks import fit_with, small_model, train_small
from .report import REPORT, describe, simple
from .scripts import execute

LAST = 12
#: The machine is taken away after these epochs; then the script starts anew.
KILLS = (3, 10)
_MOST = 40  # no right script trains so many epochs


def bias_after(epochs):
    """Return the network's bias after some epochs: it alone tells how often it was trained.

    The validation loss is smallest after epoch 2, before the first interruption.
    """
    one, two = (0.45, 0.3) if epochs == 2 else (0.1 + 0.002 * epochs, 0.1 + 0.002 * epochs)
    three = 0.05 + 0.01 * epochs
    rest = (1 - one - two - three) / 7
    return np.log(np.array([rest, one, two, three, *[rest] * 6], "float32"))


def epochs_of(model):
    """Return how many epochs a network was trained; None when it is no network of ours."""
    bias = np.asarray(getattr(model.layers[-1], "bias", 0))
    distances = [np.abs(bias_after(n) - bias).max() for n in range(_MOST + 1)]
    return int(np.argmin(distances)) if min(distances) < 1e-3 else None


def resume():
    """Train in several lives: two are ended by force, one is whole, one comes when all is done.

    The last one finds the checkpoints of the first, and the newest of them is half written.
    """
    training = execute("training.py", "training")  # imports TensorFlow, once for all lives
    # Of the validation images 6 are of class 1 and 4 of class 2.
    losses = [-float(np.dot(bias_after(n)[1:3], (0.6, 0.4))) for n in range(1, LAST + 1)]
    REPORT.update(epochs=LAST, kills=KILLS, losses=losses, lives=[])
    for done, kill in zip((0, *KILLS, LAST), (*KILLS, None, None), strict=True):
        new_machine()
        REPORT["lives"].append(life := live(training, kill))
        if "error" in life or life["began"][:1] not in ([done + 1], []):
            return
        if kill == KILLS[0]:
            shutil.copytree(CHECKPOINTS, f"{PLACE}/first")
    empty(CHECKPOINTS)
    shutil.copytree(f"{PLACE}/first", CHECKPOINTS, dirs_exist_ok=True)
    models = [path for path in by_time(CHECKPOINTS) if path.endswith((".keras", ".h5", ".hdf5"))]
    if models:
        REPORT["half"] = os.path.basename(models[-1])
        os.truncate(models[-1], os.path.getsize(models[-1]) // 2)
        new_machine()
        REPORT["lives"].append(live(training, None))


def new_machine():
    """Leave the checkpoints alone. They were just copied, so their times say nothing."""
    empty(MODEL)
    empty(OUTPUT)
    for time, path in enumerate(reversed(by_time(CHECKPOINTS)), 1_700_000_000):
        os.utime(path, (time, time))


def live(training, kill):
    """Call train_model in a process of its own, which is killed after some epoch, or is not."""
    place = f"{PLACE}/life.json"
    child = os.fork()
    if child == 0:
        told = {"began": []}

        def tell():
            with open(place, "w") as file:
                json.dump(told, file)

        try:
            train_on(training, kill, told, tell)
        except BaseException as error:
            told["error"] = describe(error)
        tell()
        os._exit(0)
    os.waitpid(child, 0)
    with open(place) as file:
        told = json.load(file)
    os.remove(place)
    told["names"] = [os.path.basename(path) for path in by_time(CHECKPOINTS)]
    try:
        with open(f"{OUTPUT}/history.json") as file:
            told["history"] = json.load(file)
    except (OSError, ValueError):
        told["history"] = None
    return told


def train_on(training, kill, told, tell):
    """Call train_model with a network whose bias counts its epochs, and note them."""
    from tensorflow import keras

    class Count(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            done = epochs_of(self.model)
            if done is None:
                raise ValueError("fit was called on another network than the one given")
            if done == kill:
                tell()
                os.kill(os.getpid(), signal.SIGKILL)
            if done == _MOST:
                raise RuntimeError(f"it trains more than {_MOST} epochs")
            told["began"].append(done + 1)
            self.model.layers[-1].bias.assign(bias_after(done + 1))

    fit_with(keras, Count())
    model = small_model(keras, bias_after(0))
    returned, told["fitted"] = train_small(keras, training, model, LAST)
    told["returned"] = simple(returned)
    best = f"{MODEL}/best_checkpoint.keras"
    told["best"] = epochs_of(keras.models.load_model(best)) if os.path.exists(best) else None
