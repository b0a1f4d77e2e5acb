"""Experiments, trials and trial components, and the component that each job of a trial leaves.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrialComponent.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ExperimentConfig.html
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import times
from workshop.emulator.service.sagemaker.data import Data, create, make, update
from workshop.emulator.service.sagemaker.operation import (
    Caller,
    Operation,
    Topic,
    describe,
    known,
    listing,
)
from workshop.emulator.service.sagemaker.resource import Account

#: sagemaker/experiments, Experiment._load_or_create, looks for the first words.
_TAKEN = "Resource name must be unique. {} with name ({{name}}) already exists."


class Experiment(Data):
    title, resource_type = "experiment", "experiment"
    name_member, arn_member = "ExperimentName", "ExperimentArn"
    search_name = search_shape = "Experiment"
    members = ("DisplayName", "Description")
    taken = _TAKEN.format("Experiment")


class Trial(Data):
    """``components`` are the names of its trial components."""

    title, resource_type = "trial", "experiment-trial"
    name_member, arn_member = "TrialName", "TrialArn"
    search_name, search_shape = "ExperimentTrial", "Trial"
    members = ("DisplayName", "ExperimentName", "MetadataProperties")
    taken = _TAKEN.format("Trial")

    def __init__(self, account: Account, description: dict, tags: Sequence[dict] = ()) -> None:
        super().__init__(account, description, tags)
        self.components: list[str] = []

    def beside(self) -> dict:
        return {"components": self.components}

    @classmethod
    def read(cls, account: Account, kept: dict) -> Trial:
        trial = super().read(account, kept)
        trial.components = kept["components"]
        return trial


class TrialComponent(Data):
    """Its metrics have a file of their own, one line for each value: a training may write
    thousands."""

    title, resource_type = "trial component", "experiment-trial-component"
    name_member, arn_member = "TrialComponentName", "TrialComponentArn"
    search_name, search_shape = "ExperimentTrialComponent", "TrialComponent"
    members = (
        *("DisplayName", "Status", "StartTime", "EndTime", "Parameters", "InputArtifacts"),
        *("OutputArtifacts", "MetadataProperties"),
    )
    time_members = ("StartTime", "EndTime")
    taken = _TAKEN.format("Trial component")

    def __init__(self, account: Account, description: dict, tags: Sequence[dict] = ()) -> None:
        super().__init__(account, description, tags)
        #: name → [(step, value, seconds since the epoch), …]
        self.metrics: dict[str, list[tuple[int, float, float]]] = {}

    @property
    def _metrics_file(self) -> Path:
        return self.folder / "metrics"

    def load(self) -> None:
        for name, *value in _lines(self._metrics_file):
            self.metrics.setdefault(name, []).append(tuple(value))

    def describe(self) -> dict:
        with self.changing:
            return self.facts() | {"Metrics": [*map(self._summary, self.metrics)]}

    def record(self) -> dict:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrialComponent.html"""
        with self.changing:
            parents = [
                {"TrialName": one.name, "ExperimentName": one.description["ExperimentName"]}
                for one in _trials_of(self)
            ]
            return super().record() | {"Parents": parents}

    def _summary(self, name: str) -> dict:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrialComponentMetricSummary.html"""
        values = [value for _, value, _ in self.metrics[name]]
        return {
            "MetricName": name,
            "SourceArn": self.description.get("Source", {}).get("SourceArn") or self.arn,
            "TimeStamp": self.metrics[name][-1][2],
            "Max": max(values),
            "Min": min(values),
            "Last": values[-1],
            "Count": len(values),
            "Avg": statistics.fmean(values),
            "StdDev": statistics.pstdev(values),
        }

    def add_metrics(self, new: list[tuple[str, int, float, float]]) -> None:
        """Add values: name, step, value, seconds since the epoch."""
        with open(self._metrics_file, "a") as file:
            file.writelines(json.dumps(one) + "\n" for one in new)
        for name, *value in new:
            self.metrics.setdefault(name, []).append(tuple(value))


def _lines(file: Path) -> Iterator[tuple[str, int, float, float]]:
    """Yield what a file of metrics holds; a line that was cut short is passed over."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            name, step, value, when = json.loads(line)
        except (ValueError, TypeError):
            continue
        yield str(name), int(step), float(value), float(when)


# --- operations -----------------------------------------------------------------------------------


def _trials_of(component: TrialComponent) -> list[Trial]:
    trials = component.account.all(Trial)
    return [one for one in trials if component.name in one.components]


def _create_trial(account: Account, request: dict, caller: Caller) -> dict:
    known(account, Experiment, request["ExperimentName"])
    return {"TrialArn": make(account, Trial, request, caller.region).arn}


def _update_component(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        component = known(account, TrialComponent, request["TrialComponentName"])
        new = {one: request[one] for one in ("DisplayName", "Status") if one in request}
        for one in TrialComponent.time_members:
            if one in request:
                new[one] = times.seconds(request[one])
        for one in ("Parameters", "InputArtifacts", "OutputArtifacts"):
            merged = component.description.get(one, {}) | request.get(one, {})
            gone = request.get(f"{one}ToRemove", ())
            new[one] = {name: value for name, value in merged.items() if name not in gone}
        component.change(**new)
        return {"TrialComponentArn": component.arn}


def _delete_experiment(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        experiment = known(account, Experiment, request["ExperimentName"])
        held = [
            one.name
            for one in account.all(Trial)
            if one.description["ExperimentName"] == experiment.name
        ]
        return _delete(experiment, held, "delete its trials first")


def _delete_trial(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        trial = known(account, Trial, request["TrialName"])
        return _delete(trial, trial.components, "take its components out of it first")


def _delete_component(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        component = known(account, TrialComponent, request["TrialComponentName"])
        held = [one.name for one in _trials_of(component)]
        return _delete(component, held, "take it out of its trials first")


def _delete(one: Data, held: list[str], first: str) -> dict:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteExperiment.html

    The pages say what must go before; the words of the error they do not tell.
    """
    if held:
        words = f"{one.title.capitalize()} {one.name!r} belongs together with {', '.join(held)}: "
        raise ApiError("ValidationException", f"{words}{first}.")
    one.account.remove(one)
    return {one.arn_member: one.arn}


def _wanted_trial(_account: Account, trial: Trial, request: dict) -> bool:
    experiment, component = request.get("ExperimentName"), request.get("TrialComponentName")
    if experiment and trial.description["ExperimentName"] != experiment:
        return False
    return not component or component in trial.components


def _wanted_component(_account: Account, component: TrialComponent, request: dict) -> bool:
    trial, experiment = request.get("TrialName"), request.get("ExperimentName")
    source = request.get("SourceArn")
    trials = _trials_of(component)
    if trial and all(one.name != trial for one in trials):
        return False
    if experiment and all(one.description["ExperimentName"] != experiment for one in trials):
        return False
    return not source or component.description.get("Source", {}).get("SourceArn") == source


def _associate(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        component, trial = _pair(account, request)
        _put_into(trial, component)
        return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}


def _pair(account: Account, request: dict) -> tuple[TrialComponent, Trial]:
    component = known(account, TrialComponent, request["TrialComponentName"])
    return component, known(account, Trial, request["TrialName"])


def _put_into(trial: Trial, component: TrialComponent) -> None:
    if component.name not in trial.components:
        trial.components.append(component.name)
        trial.keep()


def _disassociate(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        component, trial = _pair(account, request)
        if component.name in trial.components:
            trial.components.remove(component.name)
            trial.keep()
        return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}


def _batch_put_metrics(account: Account, request: dict, _: Caller) -> dict:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_metrics_BatchPutMetrics.html"""
    with account.lock:
        component = known(account, TrialComponent, request["TrialComponentName"])
        component.add_metrics(
            [
                (
                    one["MetricName"],
                    one.get("Step", len(component.metrics.get(one["MetricName"], ()))),
                    one["Value"],
                    times.seconds(one["Timestamp"]),
                )
                for one in request["MetricData"]
            ]
        )
    return {}


# --- jobs -----------------------------------------------------------------------------------------


class Job(Protocol):
    """What a job says of itself (``compute.Compute``)."""

    account: Account
    name: str
    arn: str
    status: str
    resource_type: str
    source_type: str
    request: dict
    description: dict

    def cluster(self, request: dict) -> dict: ...
    def parameters(self) -> dict[str, str]: ...
    def inputs(self) -> dict[str, str | None]: ...
    def outputs(self) -> dict[str, str | None]: ...


def start(job: Job) -> None:
    """Make the component ``JOB-aws-KIND-job``, and put it into the trial that the job names.

    Raises ApiError when there is no such trial or experiment.
    """
    config, account = job.request["ExperimentConfig"], job.account
    trial, experiment = config.get("TrialName"), config.get("ExperimentName")
    name = _name(job)
    with account.lock:
        if trial and not account.find(Trial, trial):
            words = f"There is no trial {trial!r}. Make it first, with create_trial."
            raise ApiError("ResourceNotFound", words)
        if experiment and not account.find(Experiment, experiment):
            words = f"There is no experiment {experiment!r}. Make it first, with "
            raise ApiError("ResourceNotFound", f"{words}create_experiment.")
        request = {
            "TrialComponentName": name,
            "DisplayName": config.get("TrialComponentDisplayName", name),
            "Status": {"PrimaryStatus": "InProgress"},
            "StartTime": time.time(),
            "Parameters": _parameters(job),
            "InputArtifacts": _artifacts(job.inputs()),
        }
        component = make(account, TrialComponent, request, job.arn.split(":")[3])
        component.change(Source={"SourceArn": job.arn, "SourceType": job.source_type})
        if trial:
            _put_into(account.find(Trial, trial), component)


def end(job: Job, metrics: dict[str, list]) -> None:
    """Write down how the job ended; ``metrics`` is name → [(seconds, value)]."""
    with job.account.lock:
        component = job.account.find(TrialComponent, _name(job))
        if component is None:  # the learner has removed it
            return
        status = {"PrimaryStatus": job.status}
        if "FailureReason" in job.description:
            status["Message"] = job.description["FailureReason"]
        component.add_metrics(
            [
                (name, step, value, when)
                for name, values in metrics.items()
                for step, (when, value) in enumerate(values)
            ]
        )
        outputs = _artifacts(job.outputs())
        component.change(Status=status, EndTime=time.time(), OutputArtifacts=outputs)


def _name(job: Job) -> str:
    return f"{job.name}-aws-{job.resource_type}"


def _parameters(job: Job) -> dict:
    resources = job.cluster(job.request)
    texts = {**job.parameters(), "SageMaker.InstanceType": resources.get("InstanceType", "")}
    return {name: {"StringValue": str(text)} for name, text in texts.items()} | {
        "SageMaker.InstanceCount": {"NumberValue": float(resources.get("InstanceCount", 1))}
    }


def _artifacts(uris: dict[str, str | None]) -> dict:
    return {name: {"Value": uri} for name, uri in uris.items() if uri}


_TIMES = ("DisplayName", "CreationTime", "LastModifiedTime")
TOPIC = Topic(
    "Experiments",
    {
        "CreateExperiment": create(Experiment),
        "DescribeExperiment": describe(Experiment),
        "ListExperiments": listing(
            Experiment,
            "ExperimentSummaries",
            ("ExperimentName", "ExperimentArn", *_TIMES, "ExperimentSource"),
            newest_first=True,
            renamed={"ExperimentSource": "Source"},
        ),
        "UpdateExperiment": update(Experiment),
        "DeleteExperiment": Operation(_delete_experiment),
        "CreateTrial": Operation(_create_trial),
        "DescribeTrial": describe(Trial),
        "ListTrials": listing(
            Trial,
            "TrialSummaries",
            ("TrialName", "TrialArn", *_TIMES, "TrialSource"),
            newest_first=True,
            renamed={"TrialSource": "Source"},
            wanted=_wanted_trial,
        ),
        "UpdateTrial": update(Trial),
        "DeleteTrial": Operation(_delete_trial),
        "CreateTrialComponent": create(TrialComponent),
        "DescribeTrialComponent": describe(TrialComponent),
        "ListTrialComponents": listing(
            TrialComponent,
            "TrialComponentSummaries",
            (
                *("TrialComponentName", "TrialComponentArn", *_TIMES, "Status", "StartTime"),
                *("EndTime", "TrialComponentSource"),
            ),
            newest_first=True,
            renamed={"TrialComponentSource": "Source"},
            wanted=_wanted_component,
        ),
        "UpdateTrialComponent": Operation(_update_component),
        "DeleteTrialComponent": Operation(_delete_component),
        "AssociateTrialComponent": Operation(_associate),
        "DisassociateTrialComponent": Operation(_disassociate),
        "BatchPutMetrics": Operation(_batch_put_metrics),
    },
    kinds=(Experiment, Trial, TrialComponent),
)
