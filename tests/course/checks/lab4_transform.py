"""What a learner did in section 15: a version of the registry, lines, and a transform job.

SageMaker's answers about versions are made up; the job's request is as the SDK sends it.
"""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from workshop.course.checks import arrays, live
from workshop.course.checks.look import pipelines

from .conftest import RAW, Work

NOTEBOOK = "15-batch-transform"
GROUP = "arn:aws:sagemaker:us-east-1:123456789012:model-package/lab4-digits"
IMAGES = np.divide(arrays.read_raw(RAW).test_images, 255, dtype=np.float32)
RUN = "Transform/run-1"
#: What each of the images is read as.
ANSWER = {"digit": 3, "probabilities": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}


def texts(write=lambda number, image: json.dumps({"id": number, "image": image.tolist()})):
    """Return the lines; write: makes a line of an image and its number."""
    return [write(number, image) for number, image in enumerate(IMAGES)]


class Lab4TransformWork(Work):
    """By default the notebook is closed, and all its cells have run."""

    top, prefix = "Lab4/", "lab4-digits-"
    without_jobs = ("15.1",)

    def make(self) -> None:
        self.model_uri = "s3://any/Lab4/Executions/{}/Package/model.tar.gz"
        #: {number: what differs from an approved version}; times in seconds before the cell ran.
        self.versions: dict[int, dict] = {1: {}, 2: {}, 3: {"status": "PendingManualApproval"}}
        self.jobs = {
            "transform": {
                "kind": "transform",
                "error": "",
                "request": {
                    "count": 1,
                    "type": "ml.m5.large",
                    "model": self.model_uri.format(2),
                    "strategy": "SingleRecord",
                    "output": {
                        "S3OutputPath": self.uri(f"{RUN}/output"),
                        "AssembleWith": "Line",
                        "Accept": "application/json",
                    },
                    "filters": {
                        "InputFilter": "$.image",
                        "JoinSource": "Input",
                        "OutputFilter": "$['id','SageMakerOutput']",
                    },
                },
            }
        }
        self.objects = {"": {}, "transform": {}}
        self.lines(texts())
        self.answers([{"id": number, "SageMakerOutput": ANSWER} for number in range(len(IMAGES))])
        self.variables: dict | None = None

    def print(self) -> None:
        folder = self.folder.parent / "raw"
        folder.mkdir()
        for name, content in RAW.items():
            Path(folder, name).write_bytes(content)
        self.replace_in_notebook(NOTEBOOK, ('RAW_DATA = "data/raw"', f'RAW_DATA = "{folder}"'))
        self.arn(f"{GROUP}/2")

    # --- change it ------------------------------------------------------------------------

    def arn(self, text: str) -> None:
        """Let the cell of task 15.1 print another ARN; it began just now."""
        self.printed(NOTEBOOK, "print(approved_arn)", f"{text}\n")
        self.began = time.time()
        self.ran_at("15.1", self.began)

    def ran_at(self, number: str, when: float) -> None:
        """Make it seem that the cell of a task ran at a time, in seconds since the epoch."""
        path = self.folder / f"{NOTEBOOK}.ipynb"
        content = json.loads(path.read_text())
        told = datetime.datetime.fromtimestamp(when, datetime.timezone.utc).isoformat()
        for cell in content["cells"]:
            if f"task-{number}" in cell["metadata"].get("tags", ()):
                cell["metadata"]["execution"] = {"iopub.execute_input": told}
        path.write_text(json.dumps(content))

    def lines(self, lines: list[str]) -> None:
        """Change what the job was given."""
        self.objects[""][f"{RUN}/input/images.jsonl"] = "\n".join(lines).encode()

    def answers(self, answers: list) -> None:
        """Change what the job has written: a text, or what is JSON, for each line."""
        made = [one if isinstance(one, str) else json.dumps(one) for one in answers]
        content = "".join(f"{one}\n" for one in made).encode()
        self.objects["transform"] = {f"{RUN}/output/images.jsonl.out": content}

    def open(self, **variables: object) -> None:
        """The notebook is open: its kernel knows these, and where the raw files are."""
        self.variables = {
            "LOCAL": False,
            "RAW_DATA": str(self.folder.parent / "raw"),
            **variables,
        }

    def local(self) -> None:
        """The notebook ran in local mode, and is closed."""
        self.replace_in_notebook(NOTEBOOK, ("LOCAL = False", "LOCAL = True"))
        about = self.jobs["transform"]["request"]
        about |= {"type": "local", "filters": {}, "model": None}
        self.lines([json.dumps(image.tolist()) for image in IMAGES])
        content = "".join(f"{json.dumps(ANSWER)}\n" for _ in IMAGES).encode()
        folder = f"{RUN}/output/{self.prefix}transform-1"
        self.objects["transform"] = {f"{folder}/images.jsonl.out": content}

    # --- make it so -----------------------------------------------------------------------

    def connect(self, monkeypatch) -> None:
        monkeypatch.setattr(live, "variables", lambda notebook: self.variables or {})
        monkeypatch.setattr(
            pipelines, "ask", lambda operation, **request: getattr(self, operation)(**request)
        )

    def _jobs_for(self, number: str) -> list[tuple[str, dict]]:
        return list(self.jobs.items())

    def transform_request(self, name: str, about: dict) -> dict:
        request = {
            "TransformJobName": name,
            "ModelName": f"{name}-model",
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": self.uri(f"{RUN}/input/images.jsonl"),
                    }
                },
                "ContentType": "application/json",
                "SplitType": "Line",
            },
            "TransformOutput": about["output"],
            "TransformResources": {"InstanceCount": about["count"], "InstanceType": about["type"]},
            "DataProcessing": about["filters"],
        }
        if about["strategy"]:
            request["BatchStrategy"] = about["strategy"]
        if about["model"]:
            request["Model"] = {"PrimaryContainer": {"ModelDataUrl": about["model"]}}
        return request | about.get("more", {})

    def list_model_packages(self, **_) -> dict:
        arns = [f"{GROUP}/{number}" for number in sorted(self.versions, reverse=True)]
        return {"ModelPackageSummaryList": [{"ModelPackageArn": arn} for arn in arns]}

    def describe_model_package(self, ModelPackageName: str) -> dict:
        number = int(ModelPackageName.rpartition("/")[2])
        about = SimpleNamespace(
            **{
                "status": "Approved",
                "reason": "It is well above the bar.",
                "created": 1000 - number,
                "changed": 500 - number,
                **self.versions[number],
            }
        )
        created, changed = (
            datetime.datetime.fromtimestamp(self.began - before, datetime.timezone.utc)
            for before in (about.created, about.changed)
        )
        answer = {
            "ModelPackageVersion": number,
            "ModelApprovalStatus": about.status,
            "CreationTime": created,
            "LastModifiedTime": changed,
            "InferenceSpecification": {
                "Containers": [{"ModelDataUrl": self.model_uri.format(number)}]
            },
        }
        return answer | ({"ApprovalDescription": about.reason} if about.reason else {})
