"""Evaluation job: model.tar.gz and test.csv in, evaluation.json out."""

import argparse
import json
import os
import tarfile

import numpy as np
import xgboost

MODEL = "/opt/ml/processing/model"
TEST = "/opt/ml/processing/test"
OUTPUT = "/opt/ml/processing/output"


def quality(labels, probabilities):
    """Return the metrics of a model.

    labels: (n,) the true classes; probabilities: (n, 10) what the model gives each class
    """
    predicted = probabilities.argmax(axis=1)
    of_true_class = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float(np.mean(predicted == labels)),
        "logloss": float(-np.mean(np.log(np.clip(of_true_class, 1e-7, 1)))),
        "mistakes": int(np.sum(predicted != labels)),
        "images": len(labels),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--test", default=TEST)
    parser.add_argument("--output", default=OUTPUT)
    args = parser.parse_args()

    # test.csv: no header; in each line the label, then the 49 features
    with tarfile.open(os.path.join(args.model, "model.tar.gz")) as archive:
        (member,) = [one for one in archive if one.name.endswith("xgboost-model.json")]
        model = xgboost.Booster({"nthread": 1})
        model.load_model(bytearray(archive.extractfile(member).read()))

    table = np.loadtxt(os.path.join(args.test, "test.csv"), delimiter=",")
    labels, features = table[:, 0].astype(int), table[:, 1:]
    evaluation = quality(labels, model.predict(xgboost.DMatrix(features)))

    os.makedirs(args.output, exist_ok=True)
    with open(os.path.join(args.output, "evaluation.json"), "w") as file:
        json.dump(evaluation, file, indent=2)
    print(f"accuracy {evaluation['accuracy']:.4f} on {len(labels)} digits")


if __name__ == "__main__":
    main()
