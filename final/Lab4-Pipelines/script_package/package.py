"""Processing job: makes of a trained network the archive that a server loads.

The training leaves best_checkpoint.keras, a file for Keras. TensorFlow Serving, the program in
AWS's image for inference, loads a SavedModel: the network as a graph, without Keras and without
Python. It looks for a folder whose name is a number, the version:

    1/saved_model.pb, 1/variables/...
    code/inference.py      what is done before and after each prediction

The network moves each image a little while it learns. A graph is drawn once and for all, so it must
be said that nobody learns any more: training=False. network.export() does not say it.
"""

import argparse
import os
import shutil
import tarfile
import tempfile

import tensorflow as tf
from tensorflow import keras

MODEL = "/opt/ml/processing/model"
OUTPUT = "/opt/ml/processing/package"
BEST_CHECKPOINT = "best_checkpoint.keras"
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--output", default=OUTPUT)
    args = parser.parse_args()

    os.makedirs(args.output, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, BEST_CHECKPOINT)
        with tarfile.open(os.path.join(args.model, "model.tar.gz")) as archive:
            names = {os.path.basename(name): name for name in archive.getnames()}
            with archive.extractfile(names[BEST_CHECKPOINT]) as packed, open(path, "wb") as file:
                shutil.copyfileobj(packed, file)
        network = keras.models.load_model(path)
        graph = keras.export.ExportArchive()
        graph.track(network)
        graph.add_endpoint(
            "serve",
            lambda images: network(images, training=False),
            input_signature=[tf.TensorSpec((None, 28, 28, 1), tf.float32)],
        )
        graph.write_out(os.path.join(folder, "1"), verbose=False)

        path = os.path.join(args.output, "model.tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            archive.add(os.path.join(folder, "1"), "1")
            archive.add(os.path.join(HERE, "inference.py"), "code/inference.py")
    print(f"{path}: {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    main()
