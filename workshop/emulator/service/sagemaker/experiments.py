"""Experiments, trials and trial components, and the component that each job of a trial leaves.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrialComponent.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ExperimentConfig.html

Each one is a JSON file below ``.lab/sagemaker/experiments``. The metrics of a component have a file
beside it, one line for each value, since a training may write thousands.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workshop.emulator import files, state
from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import paging, times

_FORMAT = 1


@dataclass(frozen=True)
class Kind:
    """One of the three, with AWS's names for its members."""

    title: str
    resource: str  # in its ARN
    name: str
    arn: str
    source: str  # in the summaries of a list
    summary: tuple[str, ...] = ()  # what else these have


EXPERIMENT = Kind("Experiment", "experiment", "ExperimentName", "ExperimentArn", "ExperimentSource")
TRIAL = Kind("Trial", "experiment-trial", "TrialName", "TrialArn", "TrialSource")
COMPONENT = Kind(
    "Trial component", "experiment-trial-component", "TrialComponentName", "TrialComponentArn",
    "TrialComponentSource", ("Status", "StartTime", "EndTime"),
)  # fmt: skip
KINDS = (EXPERIMENT, TRIAL, COMPONENT)


@dataclass
class Thing:
    """An experiment, a trial or a component. ``description`` is what Describe answers."""

    kind: Kind
    description: dict
    tags: list[dict] = field(default_factory=list)
    components: list[str] = field(default_factory=list)  # of a trial
    #: Of a component: name → [(step, value, seconds since the epoch), …]
    metrics: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.description[self.kind.name]

    @property
    def file(self) -> Path:
        return state.folder("sagemaker", "experiments", self.kind.resource) / f"{self.name}.json"

    @property
    def metrics_file(self) -> Path:
        return self.file.with_suffix(".metrics")

    def keep(self) -> None:
        """Write it to its file. Metrics are added to theirs as they come."""
        kept = {"format": _FORMAT, "description": self.description, "tags": self.tags}
        files.write(self.file, json.dumps(kept | {"components": self.components}))

    def change(self, **members: object) -> None:
        """Set members of the description, and keep it."""
        self.description |= members | {"LastModifiedTime": time.time()}
        self.keep()

    def describe(self) -> dict:
        """Return what Describe answers."""
        if self.kind is not COMPONENT:
            return dict(self.description)
        return self.description | {"Metrics": [*map(self._summary, self.metrics)]}

    def _summary(self, name: str) -> dict:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrialComponentMetricSummary.html"""
        values = [value for _, value, _ in self.metrics[name]]
        return {
            "MetricName": name,
            "SourceArn": self.description.get("Source", {}).get("SourceArn")
            or self.description[self.kind.arn],
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
        with open(self.metrics_file, "a") as file:
            file.writelines(json.dumps(one) + "\n" for one in new)
        for name, *value in new:
            self.metrics.setdefault(name, []).append(tuple(value))


class Experiments:
    """All of the account. Every method may be called from any thread."""

    def __init__(self, account: str, region: str) -> None:
        """Load what earlier servers kept; what cannot be read is set aside."""
        self._account, self._region = account, region
        self._lock = threading.RLock()
        self._things: dict[Kind, dict[str, Thing]] = {kind: {} for kind in KINDS}
        old = state.folder("sagemaker") / "experiments.pickle"
        if old.exists():
            state.set_aside(old, "an earlier version kept experiments in a form that can hold code")
        for kind in KINDS:
            for file in state.folder("sagemaker", "experiments", kind.resource).glob("*.json"):
                try:
                    thing = _read(kind, file)
                    self._things[kind][thing.name] = thing
                except (OSError, ValueError, KeyError, TypeError) as error:
                    state.set_aside(file, repr(error))

    def operations(self) -> dict[str, Callable[[dict, str], dict]]:
        """Return the functions that answer: of the request and the client's region."""
        return {
            "CreateExperiment": self._create_experiment,
            "DescribeExperiment": lambda request, _: self._describe(EXPERIMENT, request),
            "ListExperiments": self._list_experiments,
            "UpdateExperiment": lambda request, _: self._update(EXPERIMENT, request),
            "DeleteExperiment": self._delete_experiment,
            "CreateTrial": self._create_trial,
            "DescribeTrial": lambda request, _: self._describe(TRIAL, request),
            "ListTrials": self._list_trials,
            "UpdateTrial": lambda request, _: self._update(TRIAL, request),
            "DeleteTrial": self._delete_trial,
            "CreateTrialComponent": self._create_component,
            "DescribeTrialComponent": lambda request, _: self._describe(COMPONENT, request),
            "ListTrialComponents": self._list_components,
            "UpdateTrialComponent": self._update_component,
            "DeleteTrialComponent": self._delete_component,
            "AssociateTrialComponent": self._associate,
            "DisassociateTrialComponent": self._disassociate,
            "BatchPutMetrics": self._batch_put_metrics,
        }

    def by_arn(self, arn: str) -> Thing | None:
        """Return what has an ARN, else None."""
        with self._lock:
            for kind in KINDS:
                for thing in self._things[kind].values():
                    if thing.description[kind.arn] == arn:
                        return thing
        return None

    def records(self, kind: Kind) -> list[dict]:
        """Return what Search looks through: descriptions with their tags, and the parents.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrialComponent.html
        """
        with self._lock:
            found = []
            for thing in self._things[kind].values():
                record = thing.describe() | {"Tags": thing.tags}
                if kind is COMPONENT:
                    record["Parents"] = [
                        {"TrialName": one.name, "ExperimentName": one.description["ExperimentName"]}
                        for one in self._trials_of(thing.name)
                    ]
                found.append(record)
            return found

    # --- operations ---------------------------------------------------------------------------

    def _create_experiment(self, request: dict, region: str) -> dict:
        return self._create(EXPERIMENT, request, region, ("DisplayName", "Description"))

    def _create_trial(self, request: dict, region: str) -> dict:
        self._named(EXPERIMENT, request["ExperimentName"])
        members = ("DisplayName", "ExperimentName", "MetadataProperties")
        return self._create(TRIAL, request, region, members)

    def _create_component(self, request: dict, region: str) -> dict:
        members = (
            *("DisplayName", "Status", "StartTime", "EndTime", "Parameters", "InputArtifacts"),
            *("OutputArtifacts", "MetadataProperties"),
        )
        return self._create(COMPONENT, request, region, members)

    def _create(self, kind: Kind, request: dict, region: str, members: tuple[str, ...]) -> dict:
        name, now = request[kind.name], time.time()
        arn = f"arn:aws:sagemaker:{region}:{self._account}:{kind.resource}/{name}"
        description = {kind.name: name, kind.arn: arn, "DisplayName": name}
        description |= {member: request[member] for member in members if member in request}
        description |= {"CreationTime": now, "LastModifiedTime": now}
        for member in ("StartTime", "EndTime"):
            if member in description:
                description[member] = times.seconds(description[member])
        with self._lock:
            if name in self._things[kind]:
                # sagemaker/experiments, Experiment._load_or_create, looks for these words.
                words = "Resource name must be unique."
                words += f" {kind.title} with name ({name}) already exists."
                raise ApiError("ValidationException", words)
            thing = Thing(kind, description, request.get("Tags", []))
            thing.keep()
            thing.metrics_file.unlink(missing_ok=True)
            self._things[kind][name] = thing
        return {kind.arn: arn}

    def _describe(self, kind: Kind, request: dict) -> dict:
        with self._lock:
            return self._named(kind, request[kind.name]).describe()

    def _update(self, kind: Kind, request: dict) -> dict:
        with self._lock:
            thing = self._named(kind, request[kind.name])
            thing.change(**{one: request[one] for one in request if one != kind.name})
            return {kind.arn: thing.description[kind.arn]}

    def _update_component(self, request: dict, _: str) -> dict:
        with self._lock:
            thing = self._named(COMPONENT, request["TrialComponentName"])
            new = {one: request[one] for one in ("DisplayName", "Status") if one in request}
            for one in ("StartTime", "EndTime"):
                if one in request:
                    new[one] = times.seconds(request[one])
            for one in ("Parameters", "InputArtifacts", "OutputArtifacts"):
                merged = thing.description.get(one, {}) | request.get(one, {})
                gone = request.get(f"{one}ToRemove", ())
                new[one] = {name: value for name, value in merged.items() if name not in gone}
            thing.change(**new)
            return {"TrialComponentArn": thing.description["TrialComponentArn"]}

    def _delete_experiment(self, request: dict, _: str) -> dict:
        with self._lock:
            thing = self._named(EXPERIMENT, request["ExperimentName"])
            trials = self._things[TRIAL].values()
            held = [t.name for t in trials if t.description["ExperimentName"] == thing.name]
            return self._delete(thing, held, "delete its trials first")

    def _delete_trial(self, request: dict, _: str) -> dict:
        with self._lock:
            thing = self._named(TRIAL, request["TrialName"])
            return self._delete(thing, thing.components, "take its components out of it first")

    def _delete_component(self, request: dict, _: str) -> dict:
        with self._lock:
            thing = self._named(COMPONENT, request["TrialComponentName"])
            held = [one.name for one in self._trials_of(thing.name)]
            return self._delete(thing, held, "take it out of its trials first")

    def _delete(self, thing: Thing, held: list[str], first: str) -> dict:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteExperiment.html

        The pages say what must go before; the words of the error they do not tell.
        """
        if held:
            words = f"{thing.kind.title} {thing.name!r} belongs together with {', '.join(held)}: "
            raise ApiError("ValidationException", f"{words}{first}.")
        del self._things[thing.kind][thing.name]
        thing.file.unlink(missing_ok=True)
        thing.metrics_file.unlink(missing_ok=True)
        return {thing.kind.arn: thing.description[thing.kind.arn]}

    def _list_experiments(self, request: dict, _: str) -> dict:
        return self._list(EXPERIMENT, request, lambda _: True, "ExperimentSummaries")

    def _list_trials(self, request: dict, _: str) -> dict:
        experiment, component = request.get("ExperimentName"), request.get("TrialComponentName")

        def wanted(thing: Thing) -> bool:
            if experiment and thing.description["ExperimentName"] != experiment:
                return False
            return not component or component in thing.components

        return self._list(TRIAL, request, wanted, "TrialSummaries")

    def _list_components(self, request: dict, _: str) -> dict:
        trial, experiment = request.get("TrialName"), request.get("ExperimentName")
        source = request.get("SourceArn")

        def wanted(thing: Thing) -> bool:
            trials = self._trials_of(thing.name)
            if trial and all(one.name != trial for one in trials):
                return False
            if experiment and all(
                one.description["ExperimentName"] != experiment for one in trials
            ):
                return False
            return not source or thing.description.get("Source", {}).get("SourceArn") == source

        return self._list(COMPONENT, request, wanted, "TrialComponentSummaries")

    def _list(
        self, kind: Kind, request: dict, wanted: Callable[[Thing], bool], member: str
    ) -> dict:
        with self._lock:
            things = [
                one
                for one in self._things[kind].values()
                if wanted(one)
                and paging.in_time(one.description, request, "Created", "CreationTime")
            ]
        key = kind.name if request.get("SortBy") == "Name" else "CreationTime"
        # The newest first (API_ListTrials, SortOrder).
        newest = request.get("SortOrder", "Descending") == "Descending"
        things.sort(key=lambda one: one.description[key], reverse=newest)
        found, more = paging.page(things, request)
        names = (kind.name, kind.arn, "DisplayName", "CreationTime", "LastModifiedTime")
        summaries = []
        for thing in found:
            described = thing.description
            summary = {one: described[one] for one in (*names, *kind.summary) if one in described}
            if "Source" in described:
                summary[kind.source] = described["Source"]
            summaries.append(summary)
        return {member: summaries, **more}

    def _associate(self, request: dict, _: str) -> dict:
        with self._lock:
            component = self._named(COMPONENT, request["TrialComponentName"])
            trial = self._named(TRIAL, request["TrialName"])
            if component.name not in trial.components:
                trial.components.append(component.name)
                trial.keep()
            return _arns(component, trial)

    def _disassociate(self, request: dict, _: str) -> dict:
        with self._lock:
            component = self._named(COMPONENT, request["TrialComponentName"])
            trial = self._named(TRIAL, request["TrialName"])
            if component.name in trial.components:
                trial.components.remove(component.name)
                trial.keep()
            return _arns(component, trial)

    def _batch_put_metrics(self, request: dict, _: str) -> dict:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_metrics_BatchPutMetrics.html"""
        with self._lock:
            component = self._named(COMPONENT, request["TrialComponentName"])
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

    def _named(self, kind: Kind, name: str) -> Thing:
        """Return a thing by its name or ARN; raise ApiError when there is none."""
        found = self._things[kind].get(name.rpartition("/")[2])
        if found is None:
            raise ApiError("ResourceNotFound", f"{kind.title} {name!r} does not exist.")
        return found

    def _trials_of(self, component: str) -> list[Thing]:
        return [one for one in self._things[TRIAL].values() if component in one.components]

    # --- jobs ---------------------------------------------------------------------------------

    def start(self, kind: str, description: dict, region: str) -> None:
        """Make the component ``JOB-aws-KIND-job``, and put it into the trial that the job names.

        Raises ApiError when there is no such trial or experiment.
        """
        config = description["ExperimentConfig"]
        trial, experiment = config.get("TrialName"), config.get("ExperimentName")
        name = _name(kind, description)
        with self._lock:
            if trial and trial not in self._things[TRIAL]:
                words = f"There is no trial {trial!r}. Make it first, with create_trial."
                raise ApiError("ResourceNotFound", words)
            if experiment and experiment not in self._things[EXPERIMENT]:
                words = f"There is no experiment {experiment!r}. Make it first, with "
                raise ApiError("ResourceNotFound", f"{words}create_experiment.")
            request = {
                "TrialComponentName": name,
                "DisplayName": config.get("TrialComponentDisplayName", name),
                "Status": {"PrimaryStatus": "InProgress"},
                "StartTime": time.time(),
                "Parameters": _parameters(kind, description),
                "InputArtifacts": _inputs(kind, description),
            }
            self._create_component(request, region)
            self._things[COMPONENT][name].change(
                Source={
                    "SourceArn": description[f"{kind.title()}JobArn"],
                    "SourceType": f"SageMaker{kind.title()}Job",
                }
            )
            if trial:
                self._associate({"TrialComponentName": name, "TrialName": trial}, region)

    def end(self, kind: str, description: dict, metrics: dict[str, list]) -> None:
        """Write down how the job ended; ``metrics`` is name → [(seconds, value)]."""
        with self._lock:
            component = self._things[COMPONENT].get(_name(kind, description))
            if component is None:  # the learner has removed it
                return
            status = {"PrimaryStatus": description[f"{kind.title()}JobStatus"]}
            if "FailureReason" in description:
                status["Message"] = description["FailureReason"]
            component.add_metrics(
                [
                    (name, step, value, when)
                    for name, values in metrics.items()
                    for step, (when, value) in enumerate(values)
                ]
            )
            component.change(
                Status=status, EndTime=time.time(), OutputArtifacts=_outputs(kind, description)
            )


def _read(kind: Kind, file: Path) -> Thing:
    kept = json.loads(file.read_text())
    if kept["format"] != _FORMAT:
        raise ValueError(f"it has format {kept['format']}, of another version of the workshop")
    description = kept["description"]
    if file.stem != description[kind.name]:
        raise ValueError(f"it describes {description[kind.name]!r}")
    thing = Thing(kind, description, kept["tags"], kept["components"])
    missing = {kind.arn, "CreationTime", "LastModifiedTime"} - description.keys()
    if missing:
        raise ValueError(f"it has no {missing.pop()}")
    for name, *value in _lines(thing.metrics_file):
        thing.metrics.setdefault(name, []).append(tuple(value))
    return thing


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


def _arns(component: Thing, trial: Thing) -> dict:
    return {one.kind.arn: one.description[one.kind.arn] for one in (component, trial)}


def _name(kind: str, description: dict) -> str:
    return f"{description[f'{kind.title()}JobName']}-aws-{kind}-job"


def _parameters(kind: str, description: dict) -> dict:
    if kind == "training":
        resources, own = description["ResourceConfig"], description.get("HyperParameters", {})
    else:
        resources, own = description["ProcessingResources"]["ClusterConfig"], {}
    texts = {**own, "SageMaker.InstanceType": resources.get("InstanceType", "")}
    return {name: {"StringValue": str(text)} for name, text in texts.items()} | {
        "SageMaker.InstanceCount": {"NumberValue": float(resources.get("InstanceCount", 1))}
    }


def _inputs(kind: str, description: dict) -> dict:
    if kind == "training":
        found = {
            channel["ChannelName"]: channel["DataSource"].get("S3DataSource", {}).get("S3Uri")
            for channel in description.get("InputDataConfig", ())
        }
    else:
        found = {
            one["InputName"]: one.get("S3Input", {}).get("S3Uri")
            for one in description.get("ProcessingInputs", ())
        }
    return _artifacts(found)


def _outputs(kind: str, description: dict) -> dict:
    if kind == "training":
        model = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
        return _artifacts({"SageMaker.ModelArtifact": model})
    outputs = description.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return _artifacts({one["OutputName"]: one.get("S3Output", {}).get("S3Uri") for one in outputs})


def _artifacts(uris: dict[str, str | None]) -> dict:
    return {name: {"Value": uri} for name, uri in uris.items() if uri}
