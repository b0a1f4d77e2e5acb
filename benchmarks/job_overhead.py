"""What a job costs beyond its script: the SDK's call, minus the script alone in the same sandbox.

    ./lab exec -- python benchmarks/job_overhead.py

Two jobs as Lab 1 has them: a numpy script in a TensorFlowProcessor, and a TensorFlow script in a
TensorFlow estimator. The SDK is imported and has run a job before the first measurement, as in a
notebook that is in use. Aims: no more than 1.5 s for the processing job, 3 s for training.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import tempfile
import time
from pathlib import Path

import sagemaker
from rich.console import Console
from rich.table import Table
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlow, TensorFlowProcessor

from workshop.emulator import engine

REPEATS = 5
AIMS = {"processing (numpy)": 1.5, "training (TensorFlow)": 3.0}

PROCESSING = """
import numpy as np
images = np.load("/opt/ml/processing/source_data/images.npy").astype(np.float32) / 255
np.save("/opt/ml/processing/train/images.npy", images)
"""

TRAINING = """
import os
import numpy as np
import tensorflow as tf
images = np.load("/opt/ml/input/data/train/images.npy")[..., None] / 255
labels = np.arange(len(images)) % 10
model = tf.keras.Sequential([
    tf.keras.Input((28, 28, 1)), tf.keras.layers.Conv2D(8, 3, activation="relu"),
    tf.keras.layers.Flatten(), tf.keras.layers.Dense(10)])
model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(images, labels, epochs=2, verbose=2)
os.makedirs("/opt/ml/model", exist_ok=True)
model.save("/opt/ml/model/model.keras")
"""

# Times the script from inside the host, so that making the sandbox counts as overhead.
STOPWATCH = """
import subprocess, sys, time
start = time.monotonic()
subprocess.run([sys.executable, "/opt/ml/code/script.py"], check=True)
print("SECONDS", time.monotonic() - start)
"""


def bare(folder: Path, mounts: dict[str, str]) -> float:
    """Run the script of ``folder`` alone in a host; return its seconds."""
    output = io.BytesIO()
    host = engine.Host(
        "algo-1",
        image="tensorflow-training",
        entrypoint=["python", "-c", STOPWATCH],
        mounts=[(str(folder), "/opt/ml/code"), *((a, b) for b, a in mounts.items())],
    )
    result = engine.Job([host]).run(output.write)
    if result.exit_code:
        raise SystemExit(output.getvalue().decode())
    return float(output.getvalue().split(b"SECONDS")[1])


def timed(call) -> float:
    """Return the wall seconds of ``call()``; its output goes nowhere."""
    start = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        call()
    return time.monotonic() - start


def main() -> None:
    import numpy as np

    logging.getLogger("sagemaker").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for folder, text in (("processing", PROCESSING), ("training", TRAINING)):
            (top / folder).mkdir()
            (top / folder / "script.py").write_text(text)
        data = top / "data"
        data.mkdir()
        np.save(data / "images.npy", np.random.default_rng(0).integers(0, 255, (2000, 28, 28)))

        session = LocalSession()
        session.config = {"local": {"local_code": True}}
        role = sagemaker.get_execution_role(session)
        uri = session.upload_data(str(data), session.default_bucket(), "benchmark/data")
        versions = {"framework_version": "2.19", "py_version": "py312"}
        machine = {"role": role, "instance_count": 1, "instance_type": "local"}
        processor = TensorFlowProcessor(**versions, **machine)
        estimator = TensorFlow(
            entry_point="script.py", source_dir=str(top / "training"), sagemaker_session=session,
            output_path=f"s3://{session.default_bucket()}/benchmark/models",
            **versions, **machine,
        )  # fmt: skip

        def run() -> None:
            processor.run(
                code="script.py",
                source_dir=str(top / "processing"),
                inputs=[ProcessingInput(uri, "/opt/ml/processing/source_data")],
                outputs=[ProcessingOutput(source="/opt/ml/processing/train")],
            )

        run()  # the notebook is warm from here on
        here = str(data)
        out = str(top / "out")
        jobs = {
            "processing (numpy)": (
                run,
                lambda: bare(
                    top / "processing",
                    {"/opt/ml/processing/source_data": here, "/opt/ml/processing/train": out},
                ),
            ),
            "training (TensorFlow)": (
                lambda: estimator.fit({"train": uri}),
                lambda: bare(top / "training", {"/opt/ml/input/data/train": here}),
            ),
        }
        rows = {}
        for job, (through_sdk, alone) in jobs.items():
            whole, script = zip(
                *((timed(through_sdk), alone()) for _ in range(REPEATS)), strict=True
            )
            rows[job] = statistics.median(whole), statistics.median(script)

    table = Table(title=f"Overhead of a job in local mode, median of {REPEATS}")
    for column in ("job", "SDK call, s", "script alone, s", "overhead, s", "ratio", "aim, s"):
        table.add_column(column, justify="left" if column == "job" else "right")
    for job, (whole, script) in rows.items():
        table.add_row(
            job,
            f"{whole:.2f}",
            f"{script:.2f}",
            f"{whole - script:.2f}",
            f"{whole / script:.2f}",
            f"≤ {AIMS[job]}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
