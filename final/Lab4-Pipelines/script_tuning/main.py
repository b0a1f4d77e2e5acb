"""One trial of a tuning job: the network, trained with the numbers that it is given."""

import argparse
import os

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


class MetricsLog(keras.callbacks.Callback):
    """Print one line an epoch, for people and for the metric_definitions of the job."""

    def on_epoch_end(self, epoch, logs=None):
        values = " ".join(f"{name}={value:.4f}" for name, value in logs.items())
        print(f"epoch {epoch + 1}/{self.params['epochs']} {values}", flush=True)


def create_cnn_model(learning_rate, dropout):
    """The network of Lab 2, with the two numbers that are looked for."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.RandomTranslation(0.06, 0.06, fill_mode="constant"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(128, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def load(name):
    """Return an array of the channel with its name."""
    return np.load(os.path.join(os.environ[f"SM_CHANNEL_{name.upper()}"], f"{name}.npy"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--model_dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--dropout", type=float, default=0.4)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    model = create_cnn_model(args.learning_rate, args.dropout)
    best = keras.callbacks.ModelCheckpoint(
        os.path.join(args.model_dir, "best_checkpoint.keras"), "val_loss", save_best_only=True
    )
    model.fit(
        load("X_train"),
        load("y_train"),
        validation_data=(load("X_val"), load("y_val")),
        epochs=args.epochs,
        batch_size=args.batch_size,
        verbose=0,  # no progress bars in a log file
        callbacks=[best, MetricsLog()],
    )


if __name__ == "__main__":
    main()
