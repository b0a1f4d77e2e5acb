"""Training job: features and labels in, a support vector machine out."""

import argparse
import os

import joblib
import pandas as pd
from sklearn.svm import SVC


def main():
    """Hyperparameters come as arguments, directories as SM_* environment variables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--penalty", type=float, default=1.0)  # of a digit read wrong
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    args = parser.parse_args()

    features = pd.read_csv(os.path.join(args.train, "train_features.csv"), header=None)
    labels = pd.read_csv(os.path.join(args.train, "train_labels.csv"), header=None)[0]
    model = SVC(C=args.penalty, gamma="scale").fit(features.to_numpy(), labels)
    print(f"{len(features)} digits, {model.n_support_.sum()} support vectors")
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))


if __name__ == "__main__":
    main()
