"""What a learner did in section 16: an endpoint, what it says, its times, two variants, its end.

SageMaker's answers are made up; the record is as the emulator keeps it.
"""

from __future__ import annotations

import datetime
import json
import time
from types import SimpleNamespace

import numpy as np
from botocore.exceptions import ClientError

from workshop.course.checks import live
from workshop.course.checks.look import endpoints, pipelines
from workshop.emulator import state

from .conftest import Work

NOTEBOOK = "16-endpoint"
NAME = "lab4-digits-2024-05-04-10-00-00-000"
SECOND = "lab4-two-variants-2024-05-04-10-05-00-000"
MODEL, CHALLENGER = "2-2024-05-04-10-00-00-000", "lab4-challenger-2024-05-04-10-05-00-000"
GROUP = "arn:aws:sagemaker:us-east-1:123456789012:model-package/lab4-digits"
DATA = "s3://any/Lab4/Executions/{}/Package/model.tar.gz"
IMAGE = np.tri(28, dtype=np.float32)
OF_CHALLENGER, OF_ANOTHER_IMAGE = (
    {"digit": digit, "probabilities": [0.6 if one == digit else 0.4 / 9 for one in range(10)]}
    for digit in (1, 3)
)
ANSWER = {"digit": 7, "probabilities": [0.955 if one == 7 else 0.005 for one in range(10)]}
#: Milliseconds of 200 requests: a few are slow.
TIMES = [3 + n % 37 / 20 + (n % 29 == 0) * (4 + n / 40) for n in range(200)]
P50, P99 = np.percentile(TIMES, [50, 99])
SINCE = 60  # seconds before the check, when the endpoint was made
UPDATED, ENDED = 20, 40  # seconds after it was made


def variant(model: str, version: int, name: str = "AllTraffic", weight: float = 1.0) -> dict:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": weight,
        "Model": {"PrimaryContainer": {"ModelDataUrl": DATA.format(version)}},
    }


def said(image: object) -> dict:
    return ANSWER if image == IMAGE.tolist() else OF_ANOTHER_IMAGE


class Lab4EndpointWork(Work):
    """By default all cells have run, and the notebook is closed: the endpoint was deleted."""

    top = "Lab4/"
    without_jobs = ()

    def make(self) -> None:
        self.jobs = {"endpoint": self.endpoint(NAME)}
        self.objects: dict[str, dict[str, bytes]] = {"": {}}
        #: {number: what differs from an approved version}; seconds before the endpoint was made.
        self.versions: dict[int, dict] = {
            1: {},
            2: {},
            3: {"status": "PendingManualApproval", "created": -10, "changed": -10},
        }
        #: The names of what SageMaker still knows.
        self.there: set[str] = set()
        self.variables: dict | None = None

    def endpoint(self, name: str) -> dict:
        second = [
            variant(MODEL, 2, "approved", 9),
            variant(CHALLENGER, 3, "challenger", 1),
        ]
        return {
            "name": name,
            "configurations": [
                {"EndpointConfigName": name, "ProductionVariants": [variant(MODEL, 2)]},
                {"EndpointConfigName": SECOND, "ProductionVariants": second},
            ],
        }

    def print(self) -> None:
        self.printed(NOTEBOOK, "it is a {answer", "it is a 7, with probability 0.955\n")
        self.print_times(200, P50, P99)

    # --- change it ------------------------------------------------------------------------

    def print_times(self, count: int, p50: float, p99: float) -> None:
        text = f"{count} requests: p50 {p50:.2f} ms, p99 {p99:.2f} ms\n"
        self.printed(NOTEBOOK, "{len(milliseconds)} requests", text)

    def configuration(self, place: int) -> dict:
        return self.jobs["endpoint"]["configurations"][place]

    def variant(self, name: str) -> dict:
        """Return the variant of a name, to change it: AllTraffic, approved or challenger."""
        every = [
            one
            for config in self.jobs["endpoint"]["configurations"]
            for one in config["ProductionVariants"]
        ]
        return next(one for one in every if one["VariantName"] == name)

    def open(self, **variables: object) -> None:
        """The notebook is open, and its endpoint is there."""
        self.there |= {NAME, SECOND, MODEL, CHALLENGER}
        self.variables = {
            "LOCAL": False,
            "endpoint_name": NAME,
            "image": IMAGE,
            "predictor": self.predictor(),
            "answer": ANSWER,
            "milliseconds": TIMES,
            "p50": P50,
            "p99": P99,
            "challenger_model": CHALLENGER,
            **variables,
        }

    def predictor(self, predict=said, **about: object) -> SimpleNamespace:
        return SimpleNamespace(**{"endpoint_name": NAME, "predict": predict, **about})

    def local(self, *machines: dict, **variables: object) -> None:
        """The notebook is open, and ran in local mode: these machines make its endpoint."""
        self.replace_in_notebook(NOTEBOOK, ("LOCAL = False", "LOCAL = True"))
        self.jobs = {}

        def describe_endpoint(EndpointName: str) -> dict:
            if EndpointName != NAME:
                raise ClientError({"Error": {"Code": "ValidationException"}}, "describe_endpoint")
            one = variant(MODEL, 2) | {"InstanceType": "local"}
            return {"ProductionVariants": list(machines) or [one]}

        client = SimpleNamespace(describe_endpoint=describe_endpoint)
        self.open(**{"sagemaker_session": SimpleNamespace(sagemaker_client=client), **variables})
        self.variables["LOCAL"] = True

    def began(self, number: str, seconds: float) -> None:
        """Let the cell of a task have begun so many seconds after the endpoint was made."""
        self.began_at(number, _time(time.time() - SINCE + seconds).isoformat())

    def began_at(self, number: str, when: str) -> None:
        path = self.folder / f"{NOTEBOOK}.ipynb"
        content = json.loads(path.read_text())
        for cell in content["cells"]:
            if f"task-{number}" in cell["metadata"].get("tags", ()):
                cell["metadata"]["execution"] = {"iopub.execute_input": when}
        path.write_text(json.dumps(content))

    # --- make it so -----------------------------------------------------------------------

    def connect(self, monkeypatch) -> None:
        monkeypatch.setattr(live, "variables", lambda notebook: self.variables or {})
        monkeypatch.setattr(endpoints, "invoke", self.invoke)
        monkeypatch.setattr(
            pipelines, "ask", lambda operation, **request: getattr(self, operation)(**request)
        )

    def check(self, number: str):
        self._made = time.time() - SINCE
        return super().check(number)

    def _jobs_for(self, number: str) -> list[tuple[str, dict]]:
        return list(self.jobs.items())

    def _put(self, job: str) -> None:
        if job in self.objects:
            super()._put(job)

    def _record(self, name: str, job: dict, started: float) -> None:
        made = self._made - job.get("before", 0)
        configurations = [
            {"FailureReason": "", "Time": made + UPDATED * place, **one}
            for place, one in enumerate(job["configurations"])
        ]
        record = {
            "kind": "endpoint",
            "name": job["name"],
            "request": {"EndpointName": job["name"], "Configurations": configurations},
            "directory": str(job.get("directory", self.folder)),
            "started": made,
            "ended": None if job["name"] in self.there else made + ENDED,
            "error": configurations[-1]["FailureReason"],
        }
        place = state.folder("records") / f"{job['name']}-{made}.json"
        place.write_text(json.dumps(record))

    def describe_endpoint(self, EndpointName: str) -> dict:
        if self.jobs and self.jobs["endpoint"].get("runs"):
            first = len(self.jobs["endpoint"]["configurations"]) > 1
            return {"EndpointStatus": "Creating" if first else "Updating"}
        variants = [{"VariantName": "approved"}, {"VariantName": "challenger"}]
        about = {"EndpointStatus": "InService", "ProductionVariants": variants}
        return about if EndpointName in self.there else {}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict:
        return {"EndpointConfigName": EndpointConfigName} if self._has(EndpointConfigName) else {}

    def describe_model(self, ModelName: str) -> dict:
        return {"ModelName": ModelName} if self._has(ModelName) else {}

    def _has(self, name: str) -> bool:
        return name in self.there

    def invoke(self, record, variant: str, body: str) -> bytes:
        answer = OF_CHALLENGER if variant == "challenger" else said(json.loads(body))
        return json.dumps(answer).encode()

    def list_model_packages(self, **_) -> dict:
        arns = [f"{GROUP}/{number}" for number in sorted(self.versions, reverse=True)]
        return {"ModelPackageSummaryList": [{"ModelPackageArn": arn} for arn in arns]}

    def describe_model_package(self, ModelPackageName: str) -> dict:
        number = int(ModelPackageName.rpartition("/")[2])
        about = {
            "status": "Approved",
            "reason": "It is well above the bar.",
            "created": 1000 - number,
            "changed": 500 - number,
            **self.versions[number],
        }
        return {
            "ModelPackageVersion": number,
            "ModelApprovalStatus": about["status"],
            "ApprovalDescription": about["reason"],
            "CreationTime": _time(self._made - about["created"]),
            "LastModifiedTime": _time(self._made - about["changed"]),
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": DATA.format(number)}]},
        }


def _time(when: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
