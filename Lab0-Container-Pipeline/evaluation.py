"""The whole pipeline: download, preprocess, train, evaluate, upload.

This is what the container starts. It needs the name of a bucket: BUCKET_NAME.
"""

import json
import os

from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from tensorflow import keras
from tensorflow.keras import layers

from preprocessing import preprocess_data
from training import BEST_CHECKPOINT, train_model
from utils import RAW_DATA_PREFIX, download_data_from_s3, get_bucket_name, upload_file_to_s3

local_folder = "data"
output_dir = "output"
metrics_file_path = os.path.join(output_dir, "metrics.json")


def create_cnn_model():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
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


def evaluate_model(model, X_test, y_test):
    predicted = model.predict(X_test, verbose=0).argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y_test, predicted, average="weighted", zero_division=0
    )
    return {
        "accuracy": accuracy_score(y_test, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "confusion_matrix": confusion_matrix(y_test, predicted, labels=range(10)).tolist(),
    }


def main():
    bucket_name = get_bucket_name()
    keras.utils.set_random_seed(42)

    print("Data download started")
    download_data_from_s3(bucket_name, RAW_DATA_PREFIX, local_folder)
    print("Data download complete")

    print("Data preprocessing started")
    X_train, X_val, y_train, y_val, X_test, y_test = preprocess_data(local_folder)
    print(f"Data preprocessing complete: {len(X_train)} / {len(X_val)} / {len(X_test)} images")

    print("Model training started")
    model = create_cnn_model()
    train_model(model, X_train, y_train, X_val, y_val, output_dir, bucket_name)
    print("Model training complete")

    print("Model evaluation started")
    best_model = keras.models.load_model(os.path.join(output_dir, BEST_CHECKPOINT))
    metrics = evaluate_model(best_model, X_test, y_test)
    with open(metrics_file_path, "w") as file:
        json.dump(metrics, file, indent=2)
    upload_file_to_s3(metrics_file_path, bucket_name, "metrics/metrics.json")
    print(f"Model evaluation complete: s3://{bucket_name}/metrics/metrics.json")
    print(f"test accuracy {metrics['accuracy']:.3f}")


if __name__ == "__main__":
    main()
