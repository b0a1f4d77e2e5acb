"""A learner's folder with everything done, and jobs, S3 and scripts to change one thing of.

`Work` is Lab 1's; what the others do differently is in `lab2.py`, `lab3.py` and `lab4.py`.
"""

from __future__ import annotations

import io
import itertools
import json
import posixpath
import re
import shutil
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

import workshop
from workshop.course import manifest
from workshop.course.checks import arrays, live, run
from workshop.course.checks.look import trials
from workshop.emulator import state
from workshop.emulator.client import daemon

from ..stages import materialise

ECR = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{ECR}/tensorflow-training:2.19.0-cpu-py312"
SCRIPTS = {
    "preprocessing.py": "script_processing",
    "main.py": "script_train",
    "training.py": "script_train",
    "evaluation.py": "script_evaluation",
    "preprocess_shard.py": "script_sharding",
    "inference.py": "script_package",
}
METRICS = {
    "train:loss": r" loss=([0-9.]+)",
    "train:accuracy": r" accuracy=([0-9.]+)",
    "validation:loss": r" val_loss=([0-9.]+)",
    "validation:accuracy": r" val_accuracy=([0-9.]+)",
}
RAW = arrays.made_up(100, 30)
_buckets = itertools.count(1)


def split(share: float = 0.2) -> dict[str, np.ndarray]:
    """The six arrays as the solution makes them."""
    raw = arrays.read_raw(RAW)
    # The classes come one after the other, ten images of each.
    validation = np.arange(100) % 10 < 10 * share
    images, test = (
        (part / 255).astype("float32")[..., None] for part in (raw.images, raw.test_images)
    )
    return {
        "X_train": images[~validation],
        "y_train": raw.labels[~validation],
        "X_val": images[validation],
        "y_val": raw.labels[validation],
        "X_test": test,
        "y_test": raw.test_labels,
    }


def targz(**files: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


class Work:
    """What a learner did: by default everything, as in the solution.

    A test changes the folder, a request or the objects, then asks for a check.
    """

    top = ""  # the lab's folder in the bucket
    prefix = ""  # of the jobs' names
    #: Their checks look at files alone.
    without_jobs = ("1.2", "1.5", "1.6", "2.2", "2.3", "2.4", "3.3", "3.4")

    def __init__(self, folder: Path, s3) -> None:
        self.folder, self._s3 = folder, s3
        self.pause = 0.0  # seconds before the first job: S3 tells times in whole seconds
        self.bucket = f"sagemaker-us-east-1-{next(_buckets):012}"
        self.make()
        self.print()

    def print(self) -> None:
        """Let cells print what they print in the solution."""
        self.listed(*(f"DataProcessed/{place}" for place in arrays.PLACES.values()))
        trained = f"s3://{self.bucket}/Training/training-1/output"
        self.printed(
            "2-training",
            "output_uri =",
            f"{trained}/model.tar.gz\n{trained}/output.tar.gz\n",
        )

    def make(self) -> None:
        """Set `jobs`, and `objects`: content of S3 by which job wrote it; "" was there before."""
        self.jobs = {
            "preprocessing": self._processing("preprocessing"),
            "training": self._training(),
            "evaluation": self._processing("evaluation"),
        }
        trained = f"Training/{self.prefix}training-1/output"
        self.jobs["preprocessing"]["request"] |= {
            "inputs": {"/opt/ml/processing/source_data": self.uri("RawData/")},
            "outputs": {
                f"/opt/ml/processing/{place}": self.uri(f"DataProcessed/{place}")
                for place in map(_folder, arrays.PLACES.values())
            },
        }
        self.jobs["evaluation"]["request"] |= {
            "inputs": {
                "/opt/ml/processing/model": self.uri(f"{trained}/model.tar.gz"),
                "/opt/ml/processing/test/X_test": self.uri("DataProcessed/test/X_test/"),
                "/opt/ml/processing/test/y_test": self.uri("DataProcessed/test/y_test/"),
            },
            "outputs": {"/opt/ml/processing/evaluation": self.uri("Evaluation")},
        }
        accuracy = {"multiclass_classification_metrics": {"accuracy": {"value": 0.9}}}
        self.objects: dict[str, dict[str, bytes]] = {
            "": {f"RawData/{name}": content for name, content in RAW.items()},
            "preprocessing": {},
            "training": {
                f"{trained}/model.tar.gz": targz(**{"best_checkpoint.keras": b"m"}),
                f"{trained}/output.tar.gz": targz(**{"history.json": b"{}"}),
            },
            "evaluation": {"Evaluation/metrics.json": json.dumps(accuracy).encode()},
        }
        self.arrays(**split())

    def uri(self, key: str) -> str:
        """Return the address of what is below the lab's folder in the bucket."""
        return f"s3://{self.bucket}/{self.top}{key}"

    def _processing(self, name: str) -> dict:
        return {
            "kind": "processing",
            "error": "",
            "request": {"script": f"{name}.py", "image": IMAGE},
        }

    def _training(self) -> dict:
        places = (arrays.PLACES[name] for name in ("X_train", "y_train", "X_val", "y_val"))
        request = {
            "image": IMAGE,
            "channels": {
                place.split("/")[1]: self.uri(f"DataProcessed/{_folder(place)}/")
                for place in places
            },
            "metrics": dict(METRICS),
            "output": self.uri("Training/"),
            "hyperparameters": {
                "epochs": "30",
                "batch-size": "32",
                "sagemaker_submit_directory": '"file://script_train"',
                "sagemaker_program": '"main.py"',
                "sagemaker_container_log_level": "30",
            },
            "environment": {"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},
        }
        return {"kind": "training", "error": "", "request": request}

    def connect(self, monkeypatch) -> None:
        """Let the checks see what is in no folder, no record and not in S3."""

    # --- change it ------------------------------------------------------------------------

    def arrays(self, **changed: np.ndarray) -> None:
        """Change arrays that the preprocessing job left in S3."""
        for name, array in changed.items():
            key = f"DataProcessed/{arrays.PLACES[name]}"
            self.objects["preprocessing"][key] = arrays.npy(array)

    def path(self, script: str) -> Path:
        return self.folder / SCRIPTS[script] / script

    def replace(self, script: str, *pairs: tuple[str, str]) -> None:
        """Replace text in a script; each must be there."""
        text = self.path(script).read_text()
        for old, new in pairs:
            assert old in text, f"{old!r} is not in {script}"
            text = text.replace(old, new)
        self.path(script).write_text(text)

    def replace_in_notebook(self, name: str, *pairs: tuple[str, str]) -> None:
        path = self.folder / f"{name}.ipynb"
        content = json.loads(path.read_text())
        for old, new in pairs:
            found = 0
            for cell in content["cells"]:
                text = "".join(cell["source"])
                if cell["cell_type"] == "code" and old in text:
                    cell["source"], found = text.replace(old, new), found + 1
            assert found, f"{old!r} is in no cell of {name}"
        path.write_text(json.dumps(content))

    def printed(self, name: str, in_cell: str, text: str) -> None:
        """Make it seem that the cell which holds some text was run and printed something."""
        path = self.folder / f"{name}.ipynb"
        content = json.loads(path.read_text())
        (cell,) = (c for c in content["cells"] if in_cell in "".join(c["source"])
                   and c["cell_type"] == "code")  # fmt: skip
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
        path.write_text(json.dumps(content))

    # --- make it so -----------------------------------------------------------------------

    def stopped(self, name: str, which: str, error: str, value: str) -> None:
        """Make it seem that the cell of a task, or with a text, was run, and stopped so."""
        path = self.folder / f"{name}.ipynb"
        content = json.loads(path.read_text())
        (cell,) = (
            c
            for c in content["cells"]
            if f"task-{which}" in c["metadata"].get("tags", ())
            or (c["cell_type"] == "code" and which in "".join(c["source"]))
        )
        cell["outputs"] = [
            {"output_type": "error", "ename": error, "evalue": value, "traceback": []}
        ]
        path.write_text(json.dumps(content))

    def forget(self, name: str) -> None:
        """Make it seem that no cell of a notebook has run."""
        path = self.folder / f"{name}.ipynb"
        content = json.loads(path.read_text())
        for cell in (c for c in content["cells"] if c["cell_type"] == "code"):
            cell |= {"execution_count": None, "outputs": []}
        path.write_text(json.dumps(content))

    def listed(self, *keys: str) -> None:
        """Let the cell of task 1.7 print addresses of the bucket."""
        text = "".join(f"s3://{self.bucket}/{key}\n" for key in keys)
        self.printed("1-preprocessing", '{bucket}/DataProcessed/"', text)

    def check(self, number: str):
        """Put the jobs and the objects where they belong, one after the other, and check."""
        if number not in self.without_jobs:
            self._s3.create_bucket(Bucket=self.bucket)
            self._put("")
            time.sleep(self.pause)
            for name, job in self._jobs_for(number):
                started = time.time()
                self._put(name)
                self._record(f"{self.prefix}{name}-1", job, job.get("started", started))
        return run(number, self.folder)

    def _jobs_for(self, number: str) -> list[tuple[str, dict]]:
        """Return the jobs that a learner has run in this section, and in those before it."""
        return list(self.jobs.items())[: int(number[0])]

    def _put(self, job: str) -> None:
        for key, content in self.objects[job].items():
            place = posixpath.normpath(f"{self.top}{key}")  # "../" is beside the lab's folder
            self._s3.put_object(Bucket=self.bucket, Key=place, Body=content)

    def _record(self, name: str, job: dict, started: float) -> None:
        made = getattr(self, f"{job['kind']}_request")
        record = {
            "kind": job["kind"],
            "name": name,
            "request": made(name, job["request"]),
            "directory": str(job.get("directory", self.folder)),
            "started": started,
            "error": job["error"],
            "refused": job.get("refused", ""),
        }
        if not job.get("runs"):
            record["ended"] = started + 2
        place = state.folder("records") / f"{name}-{time.time_ns()}.json"
        place.write_text(json.dumps(record))

    def processing_request(self, name: str, about: dict) -> dict:
        """As the SDK sends it for a FrameworkProcessor."""
        key = f"{name}/source/runproc.sh"
        script = f'#!/bin/bash\n\npython {about["script"]} "$@"\n'.encode()
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=script)
        own = f"s3://{self.bucket}/{name}/source"
        inputs = about["inputs"] | {
            "/opt/ml/processing/input/code/": f"{own}/sourcedir.tar.gz",
            "/opt/ml/processing/input/entrypoint": f"{own}/runproc.sh",
        }
        return {
            "ProcessingJobName": name,
            "AppSpecification": {"ImageUri": about["image"]},
            "ProcessingInputs": [
                {"InputName": f"input-{n}", "S3Input": {"S3Uri": uri, "LocalPath": path}}
                for n, (path, uri) in enumerate(inputs.items())
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": f"output-{n}", "S3Output": {"S3Uri": uri, "LocalPath": path}}
                    for n, (path, uri) in enumerate(about["outputs"].items())
                ]
            },
        }

    def training_request(self, name: str, about: dict) -> dict:
        algorithm: dict = {"TrainingImage": about["image"]}
        if isinstance(about["metrics"], str):
            algorithm["MetricDefinitions"] = about["metrics"]
        elif about["metrics"]:
            algorithm["MetricDefinitions"] = [
                {"Name": metric, "Regex": regex} for metric, regex in about["metrics"].items()
            ]
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": algorithm,
            "OutputDataConfig": {"S3OutputPath": about["output"]},
            "HyperParameters": about["hyperparameters"],
            "Environment": about["environment"],
            "InputDataConfig": [
                {"ChannelName": channel, "DataSource": {"S3DataSource": {"S3Uri": uri}}}
                for channel, uri in about["channels"].items()
            ],
        }


def ran(path: Path) -> None:
    """Make it seem that all cells of a notebook have run, and printed nothing."""
    content = json.loads(path.read_text())
    for number, cell in enumerate(c for c in content["cells"] if c["cell_type"] == "code"):
        cell["execution_count"] = number
    path.write_text(json.dumps(content))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


@pytest.fixture(scope="session")
def solutions(tmp_path_factory, own_state) -> Path:
    """A folder with each lab as it is when every task is done."""
    top = tmp_path_factory.mktemp("solutions")
    for lab in (lab for lab in manifest.labs() if lab.tasks):
        materialise(top / lab.folder, lab=lab)
        for path in (top / lab.folder).glob("*.ipynb"):
            ran(path)
    requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
    shutil.copy(requirements, top / "Lab1-Unit-Testing" / "script_processing")
    return top


@pytest.fixture(scope="session")
def emulator(tmp_path_factory, own_state):
    """State folder of an emulator for these tests alone: no other test's jobs in it."""
    folder = str(tmp_path_factory.mktemp("state"))
    yield folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_STATE", folder)
        daemon.stop()


@pytest.fixture(autouse=True)
def fresh(emulator, monkeypatch):
    """No job was started yet, no script tried, and no task passed."""
    monkeypatch.setenv("WORKSHOP_STATE", emulator)
    monkeypatch.setattr(trials, "_tried", {})
    for record in [*state.folder("records").glob("*.json"), *state.folder().glob("progress.json")]:
        record.unlink()


@pytest.fixture
def s3(fresh):
    return daemon.client("s3")


@pytest.fixture
def work(request, solutions, s3, tmp_path, monkeypatch) -> Work:
    """The work on the lab of the task that the test is about; on Lab 1 where it is about none."""
    from .lab2 import Lab2Work
    from .lab3 import Lab3Work
    from .lab4 import Lab4Work
    from .lab4_endpoint import Lab4EndpointWork
    from .lab4_transform import Lab4TransformWork
    from .lab4_tuning import Lab4TuningWork

    call = getattr(request.node, "callspec", None)
    lab = manifest.lab_of(call.params.get("number", "1.1") if call else "1.1")
    folder = tmp_path / lab.folder
    shutil.copytree(solutions / lab.folder, folder)
    kinds = {
        "Lab1-Unit-Testing": Work,
        "Lab2": Lab2Work,
        "Lab3-Processors": Lab3Work,
        "Lab4-Pipelines": Lab4Work,
    }
    of_section: dict[str, type[Work]] = {
        "15": Lab4TransformWork,
        "16": Lab4EndpointWork,
        "17": Lab4TuningWork,
    }
    section = call.params.get("number", "1.1").partition(".")[0] if call else "1"
    work = of_section.get(section, kinds[lab.folder])(folder, s3)
    work.connect(monkeypatch)
    return work


@pytest.fixture
def plain(work, tmp_path):
    """Return a function that masks what differs from run to run and joins wrapped lines."""

    def mask(text: str) -> str:
        text = re.sub(r"\n {13}", " ", text)
        for what, word in (
            (re.escape(str(tmp_path)), "FOLDER"),
            (re.escape(work.bucket), "BUCKET"),
            (r"(on )?\d{4}-\d\d-\d\d \d\d:\d\d|\d\d:\d\d", "HH:MM"),
            (r"hint \d+ of \d+", "hint N of M"),
            (r"\.py, line \d+", ".py, line N"),
        ):
            text = re.sub(what, word, text)
        return text + "\n"

    return mask


@pytest.fixture
def starter_of(tmp_path):
    """Return a function: a lab as a learner gets it; no job was started from it."""

    def make(lab):
        folder = tmp_path / "starters" / lab.folder
        materialise(folder, lab=lab, open={task.number for task in lab.tasks})
        return folder

    return make


@pytest.fixture
def starter(starter_of):
    """Lab 1 as a learner gets it."""
    return starter_of(manifest.lab_of("1.1"))


class Info:
    """What IPython tells of a cell that runs."""

    def __init__(self, cell_id, raw_cell):
        self.cell_id, self.raw_cell = cell_id, raw_cell


class Result:
    """What IPython tells of a cell that ran."""

    error_before_exec = error_in_exec = result = None


@pytest.fixture
def kernel(monkeypatch, starter):
    """Run a cell's code as JupyterLab does, in the kernel of 1-preprocessing.ipynb."""
    monkeypatch.setattr(live, "_cells", {})
    monkeypatch.setenv("JPY_SESSION_NAME", f"{starter.name}/1-preprocessing.ipynb")
    cells = json.loads((starter / "1-preprocessing.ipynb").read_text())["cells"]

    def run(gap, code):
        (cell,) = (cell for cell in cells if gap in "".join(cell["source"]))
        live._begins(Info(cell["id"], code))
        live._ended(Result())

    return run
