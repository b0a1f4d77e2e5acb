"""Evaluation job: the trained model and the test data in, metrics and predictions out."""

import argparse
import json
import os
import shutil
import tarfile
import tempfile

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    fbeta_score,
    precision_score,
    recall_score,
)
from tensorflow import keras

MODEL = "/opt/ml/processing/model"
TEST_DATA = "/opt/ml/processing/test"
OUTPUT = "/opt/ml/processing/evaluation"

BEST_CHECKPOINT = "best_checkpoint.keras"


def scores(y_true, y_predicted):
    """Return the metrics that are one number; "weighted": each class counts by its size."""
    how = {"average": "weighted", "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(y_true, y_predicted)),
        "weighted_precision": float(precision_score(y_true, y_predicted, **how)),
        "weighted_recall": float(recall_score(y_true, y_predicted, **how)),
        "weighted_f0_5": float(fbeta_score(y_true, y_predicted, beta=0.5, **how)),
        "weighted_f1": float(fbeta_score(y_true, y_predicted, beta=1, **how)),
        "weighted_f2": float(fbeta_score(y_true, y_predicted, beta=2, **how)),
    }


def model_quality(y_true, y_predicted, classes=10):
    """Return the metrics in the layout of SageMaker's model quality reports.

    As SageMaker Model Monitor does, the standard deviation comes from five random samples of 80%
    of the data, and is "NaN" below 200 images.
    docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
    """
    n = len(y_true)
    rng = np.random.default_rng(0)
    samples = [rng.choice(n, size=n * 8 // 10, replace=False) for _ in range(5 if n >= 200 else 0)]
    of_samples = [scores(y_true[sample], y_predicted[sample]) for sample in samples]

    metrics = {}
    for name, value in scores(y_true, y_predicted).items():
        spread = float(np.std([sample[name] for sample in of_samples])) if of_samples else "NaN"
        metrics[name] = {"value": value, "standard_deviation": spread}

    # {"true class": {"predicted class": how many}}
    counts = confusion_matrix(y_true, y_predicted, labels=range(classes)).tolist()
    metrics["confusion_matrix"] = {
        str(true): {str(predicted): count for predicted, count in enumerate(row)}
        for true, row in enumerate(counts)
    }
    return {"multiclass_classification_metrics": metrics}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--test-data", default=TEST_DATA)
    parser.add_argument("--output", default=OUTPUT)
    args = parser.parse_args()

    print("Model evaluation started")
    X_test = np.load(os.path.join(args.test_data, "X_test", "X_test.npy"))
    y_test = np.load(os.path.join(args.test_data, "y_test", "y_test.npy"))
    with tempfile.TemporaryDirectory() as unpacked:
        path = os.path.join(unpacked, BEST_CHECKPOINT)
        with tarfile.open(os.path.join(args.model, "model.tar.gz")) as archive:
            names = {os.path.basename(name): name for name in archive.getnames()}
            with archive.extractfile(names[BEST_CHECKPOINT]) as packed, open(path, "wb") as file:
                shutil.copyfileobj(packed, file)
        model = keras.models.load_model(path)

    probabilities = model.predict(X_test, batch_size=256, verbose=0)
    metrics = model_quality(y_test, probabilities.argmax(axis=1))

    os.makedirs(args.output, exist_ok=True)
    metrics_file_path = os.path.join(args.output, "metrics.json")
    with open(metrics_file_path, "w") as file:
        json.dump(metrics, file, indent=2)
    np.save(os.path.join(args.output, "probabilities.npy"), probabilities)
    accuracy = metrics["multiclass_classification_metrics"]["accuracy"]["value"]
    print(f"Model evaluation complete: test accuracy {accuracy:.4f} on {len(y_test)} images")


if __name__ == "__main__":
    main()
