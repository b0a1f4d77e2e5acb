"""What a job costs beyond its script: the SDK's call, minus the script alone in the same sandbox.

    ./lab exec -- python benchmarks/job_overhead.py [REPEATS]

Two jobs as the labs have them: a numpy script in a TensorFlowProcessor, and a TensorFlow script in
a TensorFlow estimator; each in local mode and with a `sagemaker.Session` to the emulator. The SDK
is imported and has run a job before the first measurement, as in a notebook that is in use. Aims:
in local mode no more than 1.5 s for the processing job and 3 s for training; with a session no more
than 1 s above that.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sagemaker
from rich.console import Console
from rich.table import Table
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlow, TensorFlowProcessor

from workshop.emulator.containers import engine

REPEATS = 5
AIMS = {"processing": 1.5, "training": 3.0}  # seconds, in local mode
ABOVE_LOCAL = 1.0  # seconds, with a session

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
    result = engine.Job([host]).run(lambda _, lines: output.write(lines))
    if result.exit_code:
        raise SystemExit(output.getvalue().decode())
    return float(output.getvalue().split(b"SECONDS")[1])


def timed(call) -> float:
    """Return the wall seconds of ``call()``; its output goes nowhere."""
    start = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        call()
    return time.monotonic() - start


@dataclass
class Seconds:
    """What was measured of one job: each list has one number for each repeat."""

    alone: list[float] = field(default_factory=list)
    local: list[float] = field(default_factory=list)
    session: list[float] = field(default_factory=list)
    life: list[float] = field(default_factory=list)  # of that, from CreationTime to the end

    def overhead(self, mode: str) -> float:
        return statistics.median(getattr(self, mode)) - statistics.median(self.alone)


def sdk_alone(kind: str, life: float) -> float:
    """Return how long the SDK itself would wait for a job that lives for ``life`` seconds.

    It first looks after 10 s, or 5 s for training. If the job has not ended by then, it asks for
    the status each 30 s, and when it has ended sleeps 10 s more for the last lines
    (``sagemaker/session.py``: ``_wait_until``, ``logs_for_processing_job``, ``_logs_for_job``).
    """
    first = 10 if kind == "processing" else 5
    return first if life <= first else first + 30 * math.ceil((life - first) / 30) + 10


class Notebook:
    """The calls that are measured, in local mode or with a session."""

    def __init__(self, session: sagemaker.Session, top: Path) -> None:
        local = isinstance(session, LocalSession)
        bucket = session.default_bucket()
        uri = session.upload_data(str(top / "data"), bucket, "benchmark/data")
        versions = {"framework_version": "2.19", "py_version": "py312"}
        machine = {
            "role": sagemaker.get_execution_role(session),
            "instance_count": 1,
            "instance_type": "local" if local else "ml.m5.xlarge",
        }
        # FrameworkProcessor refuses a session with local_code, and makes its own.
        own = {} if local else {"sagemaker_session": session}
        self._processor = TensorFlowProcessor(**versions, **machine, **own)
        self._estimator = TensorFlow(
            entry_point="script.py", source_dir=str(top / "training"), sagemaker_session=session,
            output_path=f"s3://{bucket}/benchmark/models", **versions, **machine,
        )  # fmt: skip
        self._uri, self._top = uri, top

    def processing(self) -> None:
        self._processor.run(
            code="script.py",
            source_dir=str(self._top / "processing"),
            inputs=[ProcessingInput(self._uri, "/opt/ml/processing/source_data")],
            outputs=[ProcessingOutput(source="/opt/ml/processing/train")],
        )

    def training(self) -> None:
        self._estimator.fit({"train": self._uri})

    def life(self, kind: str) -> float:
        """Return the seconds from the last job's creation to its end."""
        job = (
            self._processor.latest_job
            if kind == "processing"
            else self._estimator.latest_training_job
        )
        told = job.describe()
        return (told[f"{kind.title()}EndTime"] - told["CreationTime"]).total_seconds()


def measure(repeats: int, top: Path) -> dict[str, Seconds]:
    for folder, text in (("processing", PROCESSING), ("training", TRAINING)):
        (top / folder).mkdir()
        (top / folder / "script.py").write_text(text)
    (top / "data").mkdir()
    images = np.random.default_rng(0).integers(0, 255, (2000, 28, 28))
    np.save(top / "data" / "images.npy", images)
    places = {
        "processing": {
            "/opt/ml/processing/source_data": str(top / "data"),
            "/opt/ml/processing/train": str(top / "out"),
        },
        "training": {"/opt/ml/input/data/train": str(top / "data")},
    }
    local_session = LocalSession()
    local_session.config = {"local": {"local_code": True}}
    local, session = (Notebook(one, top) for one in (local_session, sagemaker.Session()))
    timed(local.processing)
    timed(session.processing)  # the notebook is warm from here on
    found = {kind: Seconds() for kind in places}
    for _ in range(repeats):
        for kind, seconds in found.items():
            seconds.local.append(timed(getattr(local, kind)))
            seconds.session.append(timed(getattr(session, kind)))
            seconds.life.append(session.life(kind))
            seconds.alone.append(bare(top / kind, places[kind]))
    return found


def main(repeats: int = REPEATS) -> None:
    logging.getLogger("sagemaker").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        found = measure(repeats, Path(name))

    overhead = Table(title=f"Overhead of a job, median of {repeats}")
    for column in ("job", "mode", "SDK call, s", "script alone, s", "overhead, s", "aim, s"):
        overhead.add_column(column, justify="left" if column in ("job", "mode") else "right")
    for kind, seconds in found.items():
        aims = {"local": AIMS[kind], "session": seconds.overhead("local") + ABOVE_LOCAL}
        for mode, aim in aims.items():
            overhead.add_row(
                kind,
                mode,
                f"{statistics.median(getattr(seconds, mode)):.2f}",
                f"{statistics.median(seconds.alone):.2f}",
                f"{seconds.overhead(mode):.2f}",
                f"≤ {aim:.2f}",
            )
    waiting = Table(title="With a session: where the time goes, median")
    columns = ("job", "script, s", "rest of the job, s", "SDK's requests and looks, s")
    for column in (*columns, "SDK's own polling would add, s"):
        waiting.add_column(column, justify="left" if column == "job" else "right")
    for kind, seconds in found.items():
        alone, life = statistics.median(seconds.alone), statistics.median(seconds.life)
        whole = statistics.median(seconds.session)
        waiting.add_row(
            kind,
            f"{alone:.2f}",
            f"{life - alone:.2f}",
            f"{whole - life:.2f}",
            f"{sdk_alone(kind, life) - life:.0f}",
        )
    console = Console(width=110)
    console.print(overhead)
    console.print(waiting)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
