"""Evaluation job: model.tar.gz and the test data in, evaluation.json out."""

import argparse
import json
import os
import tarfile

import joblib
import pandas as pd
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

MODEL = "/opt/ml/processing/model"
TEST = "/opt/ml/processing/test"
OUTPUT = "/opt/ml/processing/evaluation"


def load_model(folder):
    """Return the model.joblib in model.tar.gz: a processing job does not unpack its inputs."""
    with tarfile.open(os.path.join(folder, "model.tar.gz")) as archive:
        (member,) = [member for member in archive if member.name.endswith("model.joblib")]
        return joblib.load(archive.extractfile(member))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--test", default=TEST)
    parser.add_argument("--output", default=OUTPUT)
    args = parser.parse_args()

    features = pd.read_csv(os.path.join(args.test, "test_features.csv"), header=None)
    labels = pd.read_csv(os.path.join(args.test, "test_labels.csv"), header=None)[0]
    predicted = load_model(args.model).predict(features.to_numpy())

    evaluation = {
        "accuracy": accuracy_score(labels, predicted),
        "images": len(labels),
        "confusion_matrix": confusion_matrix(labels, predicted).tolist(),
        "report": classification_report(labels, predicted, output_dict=True),
    }
    os.makedirs(args.output, exist_ok=True)
    with open(os.path.join(args.output, "evaluation.json"), "w") as file:
        json.dump(evaluation, file, indent=2)
    print(f"accuracy {evaluation['accuracy']:.4f} on {len(labels)} digits")


if __name__ == "__main__":
    main()
