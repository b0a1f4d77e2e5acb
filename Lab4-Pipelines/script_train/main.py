"""Training job: SageMaker starts this file. It finds out where things are, then trains."""

import argparse
import os

import numpy as np
from tensorflow import keras

from training import create_cnn_model, train_model


def main():
    """Hyperparameters come as arguments, directories as SM_* environment variables."""
    env = os.environ.get
    parser = argparse.ArgumentParser()

    # the hyperparameters of the estimator
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=42)

    # input channels: the channel X_train is in /opt/ml/input/data/X_train
    parser.add_argument("--x-train", default=env("SM_CHANNEL_X_TRAIN"))
    parser.add_argument("--y-train", default=env("SM_CHANNEL_Y_TRAIN"))
    parser.add_argument("--x-val", default=env("SM_CHANNEL_X_VAL"))
    parser.add_argument("--y-val", default=env("SM_CHANNEL_Y_VAL"))

    # where to leave things: SageMaker takes them to S3
    parser.add_argument("--model-dir", default=env("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--output-dir", default=env("SM_OUTPUT_DATA_DIR", "/opt/ml/output/data"))
    parser.add_argument("--checkpoint-dir", default="/opt/ml/checkpoints")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    X_train = np.load(os.path.join(args.x_train, "X_train.npy"))
    y_train = np.load(os.path.join(args.y_train, "y_train.npy"))
    X_val = np.load(os.path.join(args.x_val, "X_val.npy"))
    y_val = np.load(os.path.join(args.y_val, "y_val.npy"))
    print(f"{len(X_train)} images to train on, {len(X_val)} to validate with")

    history = train_model(
        create_cnn_model(),
        X_train,
        y_train,
        X_val,
        y_val,
        model_dir=args.model_dir,
        checkpoint_dir=args.checkpoint_dir,
        output_dir=args.output_dir,
        epochs=args.epochs,
        batch_size=args.batch_size,
    )
    best = min(range(args.epochs), key=lambda epoch: history["val_loss"][epoch])
    print(f"best epoch {best + 1}: validation accuracy {history['val_accuracy'][best]:.4f}")


if __name__ == "__main__":
    main()
