"""The network, and how it is trained. An interrupted training goes on where it stopped.

S3 is not mentioned here. SageMaker copies checkpoint_dir to S3 while the job runs, and brings it
back before the next job starts.
"""

import json
import os
import shutil

from tensorflow import keras
from tensorflow.keras import layers

BEST_CHECKPOINT = "best_checkpoint.keras"
HISTORY = "history.json"


class MetricsLog(keras.callbacks.Callback):
    """Print one line an epoch, for people and for the metric_definitions of the job."""

    def on_epoch_end(self, epoch, logs=None):
        values = " ".join(f"{name}={value:.4f}" for name, value in logs.items())
        print(f"epoch {epoch + 1}/{self.params['epochs']} {values}", flush=True)


def create_cnn_model():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            # While it learns, the network sees each digit a little moved.
            layers.RandomTranslation(0.06, 0.06, fill_mode="constant"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# --- checkpoints: the model and the history after each epoch ------------------------------------
#
# An interruption may come at any moment, also while a file is being written. So a file is written
# under another name, and renamed when it is whole: renaming is a single step.


def checkpoint_path(checkpoint_dir, epoch):
    """Return the path of the checkpoint after an epoch; epochs are counted from 1."""
    return os.path.join(checkpoint_dir, f"checkpoint-{epoch:03d}.keras")


class SaveCheckpoint(keras.callbacks.Callback):
    """After each epoch: add its metrics to the history, then save the history and the model.

    history: {metric: [a value for each epoch]}, of the epochs before; empty at the beginning
    """

    def __init__(self, checkpoint_dir, history):
        super().__init__()
        self.checkpoint_dir, self.history = checkpoint_dir, history

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        save_history(self.history, self.checkpoint_dir)
        incoming = os.path.join(self.checkpoint_dir, "incoming.keras")
        self.model.save(incoming)
        os.replace(incoming, checkpoint_path(self.checkpoint_dir, epoch + 1))


def load_checkpoint(checkpoint_dir, epoch):
    """Return (model, history of the epochs 1 to epoch), or None if there is no such checkpoint.

    A file that cannot be read is no checkpoint: the one before it will do.
    """
    path = checkpoint_path(checkpoint_dir, epoch)
    if not os.path.exists(path):
        return None
    try:
        model = keras.models.load_model(path)
        with open(os.path.join(checkpoint_dir, HISTORY)) as file:
            history = json.load(file)
        if len(history["loss"]) < epoch:
            raise ValueError(f"{HISTORY} ends before epoch {epoch}")
    except Exception as error:  # Keras has many ways to say that a file is broken
        print(f"{path} is of no use: {error}")
        return None
    return model, {name: values[:epoch] for name, values in history.items()}


def save_history(history, directory):
    incoming = os.path.join(directory, "incoming.json")
    with open(incoming, "w") as file:
        json.dump(history, file, indent=1)
    os.replace(incoming, os.path.join(directory, HISTORY))


def save_best(history, checkpoint_dir, model_dir):
    """Copy the checkpoint with the smallest validation loss to model_dir.

    It may be of an epoch before the interruption. model_dir is empty after a restart, but
    checkpoint_dir is not.
    """
    epochs = range(1, len(history["val_loss"]) + 1)
    saved = [epoch for epoch in epochs if os.path.exists(checkpoint_path(checkpoint_dir, epoch))]
    best = min(saved, key=lambda epoch: history["val_loss"][epoch - 1])
    shutil.copyfile(checkpoint_path(checkpoint_dir, best), os.path.join(model_dir, BEST_CHECKPOINT))


# --- training -----------------------------------------------------------------------------------


def train_model(
    model, X_train, y_train, X_val, y_val, model_dir, checkpoint_dir, output_dir, epochs, batch_size
):
    """Train, or go on training; returns the history {metric: [a value for each epoch]}.

    checkpoint_dir/checkpoint-001.keras, ...   after each epoch; what is here is not done again
    model_dir/best_checkpoint.keras            the epoch with the smallest validation loss
    output_dir/history.json                    the metrics of all epochs, each epoch once
    """
    for directory in (model_dir, checkpoint_dir, output_dir):
        os.makedirs(directory, exist_ok=True)

    done, history = 0, {}
    for epoch in range(epochs, 0, -1):  # the newest checkpoint first
        checkpoint = load_checkpoint(checkpoint_dir, epoch)
        if checkpoint:
            done = epoch
            model, history = checkpoint
            print(f"the checkpoint of epoch {done} is loaded: epoch {done + 1} comes next")
            break

    model.fit(
        X_train,
        y_train,
        validation_data=(X_val, y_val),
        initial_epoch=done,
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,  # no progress bars in a log file
        callbacks=[SaveCheckpoint(checkpoint_dir, history), MetricsLog()],
    )
    save_history(history, output_dir)
    save_best(history, checkpoint_dir, model_dir)
    return history
