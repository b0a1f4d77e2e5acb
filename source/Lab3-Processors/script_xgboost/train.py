"""Training job: features and labels in, boosted trees out."""

import argparse
import os

import numpy as np
import xgboost


def load(folder):
    """Return what the preprocessing has saved in a folder, as XGBoost wants it."""
    features, labels = (
        np.load(os.path.join(folder, name)) for name in ("features.npy", "labels.npy")
    )
    return xgboost.DMatrix(features, label=labels)


def main():
    """Hyperparameters come as arguments, directories as SM_* environment variables."""
    env = os.environ.get
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-depth", type=int, default=3)
    parser.add_argument("--eta", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--train", default=env("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=env("SM_CHANNEL_VALIDATION"))
    parser.add_argument("--model-dir", default=env("SM_MODEL_DIR", "/opt/ml/model"))
    args = parser.parse_args()

    training, validation = load(args.train), load(args.validation)
    settings = {
        "objective": "multi:softprob",
        "num_class": 10,
        "max_depth": args.max_depth,
        "eta": args.eta,
        "eval_metric": "merror",
        "seed": 42,
        "nthread": 1,  # for so few images, threads would wait for each other most of the time
    }
    model = xgboost.train(
        settings,
        training,
        num_boost_round=args.rounds,
        evals=[(training, "train"), (validation, "validation")],
        verbose_eval=args.rounds,
    )
    model.save_model(os.path.join(args.model_dir, "xgboost-model.json"))


if __name__ == "__main__":
    main()
