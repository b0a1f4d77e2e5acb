"""What an endpoint adds to the model's own time, and how fast a batch transform is.

    ./lab exec -- python benchmarks/serving.py [REQUESTS] [RECORDS]

A small network for digits, saved by Keras. The endpoint is asked for one image at a time; the peer
is the same model, called as a function in a process of its own in the same sandbox. The transform
gets a file with one image on each line; the peer is a plain loop over the same lines, which loads
the same model, asks it for as many lines at a time, and writes a file. Aims: an endpoint adds no
more than 5 ms (p50); a transform has at least 0.8 of the loop's throughput.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from rich.console import Console
from rich.table import Table
from sagemaker.tensorflow import TensorFlowModel

from workshop.emulator.containers import engine

REQUESTS, RECORDS, WARM = 500, 20_000, 50
ADDED, THROUGHPUT = 0.005, 0.8  # seconds; of the loop's
VERSION = "2.19"

TRAIN = """
import tensorflow as tf
tf.keras.utils.set_random_seed(0)
tf.keras.Sequential([
    tf.keras.Input((28, 28, 1)), tf.keras.layers.Conv2D(8, 3, activation="relu"),
    tf.keras.layers.Flatten(), tf.keras.layers.Dense(10, activation="softmax"),
]).export("/opt/ml/model/1")
"""

FUNCTION = """
import sys, time
import numpy as np, tensorflow as tf
model = tf.saved_model.load("/opt/ml/model/1").signatures["serving_default"]
images = np.load("/opt/ml/data/images.npy")
seconds = []
for image in images[:int(sys.argv[1])]:
    start = time.perf_counter()
    next(iter(model(tf.constant(image[None])).values())).numpy()
    seconds.append(time.perf_counter() - start)
print("SECONDS", *seconds)
"""

LOOP = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load("/opt/ml/model/1").signatures["serving_default"]
with open("/opt/ml/data/images.jsonl") as lines, open("/opt/ml/out/images.jsonl", "w") as out:
    while some := [json.loads(line) for line, _ in zip(lines, range(int(sys.argv[1])))]:
        values = next(iter(model(tf.constant(some)).values())).numpy()
        out.write(json.dumps({"predictions": values.tolist()}) + "\\n")
"""


def alone(top: Path, code: str, *arguments: object) -> str:
    """Run a program in a host that has the folders of ``top``; return what it writes."""
    output = io.BytesIO()
    host = engine.Host(
        "algo-1",
        image="tensorflow-training",
        entrypoint=["python", "-c", code, *map(str, arguments)],
        mounts=[(str(top / one), f"/opt/ml/{one}") for one in ("model", "data", "out")],
    )
    result = engine.Job([host]).run(lambda _, lines: output.write(lines))
    if result.exit_code:
        raise SystemExit(output.getvalue().decode())
    return output.getvalue().decode()


class Serving:
    """The model in S3, its endpoint and its transform jobs."""

    def __init__(self, top: Path, images: np.ndarray) -> None:
        self._session, self._runtime = sagemaker.Session(), boto3.client("sagemaker-runtime")
        self._bucket = self._session.default_bucket()
        with tarfile.open(top / "model.tar.gz", "w:gz") as archive:
            archive.add(top / "model" / "1", "1")
        self._model = TensorFlowModel(
            self._session.upload_data(str(top / "model.tar.gz"), self._bucket, "benchmark"),
            role=sagemaker.get_execution_role(self._session),
            framework_version=VERSION,
            sagemaker_session=self._session,
        )
        self._data = self._session.upload_data(
            str(top / "data" / "images.jsonl"), self._bucket, "benchmark/images"
        )
        self._bodies = [json.dumps({"instances": [one.tolist()]}).encode() for one in images]

    def requests(self, count: int) -> list[float]:
        """Return the seconds of each request to an endpoint, which is deleted then."""
        predictor = self._model.deploy(1, "ml.m5.xlarge")
        seconds = []
        try:
            for body in self._bodies[:count]:
                start = time.perf_counter()
                self._runtime.invoke_endpoint(
                    EndpointName=predictor.endpoint_name, Body=body, ContentType="application/json"
                )["Body"].read()
                seconds.append(time.perf_counter() - start)
        finally:
            predictor.delete_endpoint()
        return seconds

    def transform(self) -> float:
        """Return the seconds of a transform job, from its creation to its end."""
        transformer = self._model.transformer(
            1, "ml.m5.xlarge", strategy="MultiRecord", assemble_with="Line", max_payload=1
        )
        transformer.transform(
            self._data, content_type="application/jsonlines", split_type="Line", logs=False
        )
        told = self._session.describe_transform_job(transformer.latest_transform_job.name)
        return (told["TransformEndTime"] - told["CreationTime"]).total_seconds()


def main(requests: int = REQUESTS, records: int = RECORDS) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for one in ("model", "data", "out"):
            (top / one).mkdir()
        images = np.random.default_rng(0).random((max(requests + WARM, 1000), 28, 28, 1)).round(3)
        np.save(top / "data" / "images.npy", images.astype(np.float32))
        lines = [json.dumps(one.tolist()) for one in images]
        with open(top / "data" / "images.jsonl", "w") as file:
            file.writelines(f"{lines[number % len(lines)]}\n" for number in range(records))
        alone(top, TRAIN)
        serving = Serving(top, images)

        function = alone(top, FUNCTION, requests + WARM).split("SECONDS")[1].split()
        peer = [float(one) for one in function][WARM:]
        asked = serving.requests(requests + WARM)[WARM:]
        each = (1 << 20) // (len(lines[0]) + 1)  # as many lines as a request of 1 MB has
        start = time.perf_counter()
        alone(top, LOOP, each)
        loop = time.perf_counter() - start
        job = serving.transform()

    latency = Table(title=f"{requests} requests of one image")
    for column in ("", "function, ms", "endpoint, ms", "added, ms", "added, of the aim"):
        latency.add_column(column, justify="right")
    for percent in (50, 99):
        fast, slow = (statistics.quantiles(one, n=100)[percent - 1] for one in (peer, asked))
        added, ratio = slow - fast, f"{(slow - fast) / ADDED:.2f}" if percent == 50 else ""
        numbers = [f"{1000 * one:.2f}" for one in (fast, slow, added)]
        latency.add_row(f"p{percent}", *numbers, ratio)
    throughput = Table(title=f"{records:,} images in one file")
    for column in ("loop, s", "transform job, s", "throughput, of the loop's", "aim"):
        throughput.add_column(column, justify="right")
    throughput.add_row(f"{loop:.2f}", f"{job:.2f}", f"{loop / job:.2f}", f"≥ {THROUGHPUT}")
    Console().print(latency, throughput)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
