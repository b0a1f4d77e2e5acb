"""The trial component that a job with an ``ExperimentConfig`` leaves, in moto's experiments.

moto keeps experiments in memory; a file has them for the next server.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ExperimentConfig.html
"""

from __future__ import annotations

import contextlib
import datetime
import pickle
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from moto.sagemaker.models import sagemaker_backends

from workshop.emulator import state

_KINDS = {
    "Experiment": "experiments",
    "Trial": "trials",
    "TrialComponent": "trial_components",
}
_changing = threading.Lock()


def _file() -> Path:
    return state.folder("sagemaker") / "experiments.pickle"


def load(account: str, region: str) -> None:
    """Take what an earlier server had."""
    try:
        kept = pickle.loads(_file().read_bytes())
        found = {kind: dict(kept[kind]) for kind in _KINDS.values()}
    except FileNotFoundError:
        return
    except Exception as error:  # of another version of moto: pickle raises whatever comes up
        print(f"{_file()} cannot be read, experiments are forgotten: {error}", file=sys.stderr)
        return
    for kind, things in found.items():
        getattr(sagemaker_backends[account][region], kind).update(things)


@contextlib.contextmanager
def changing(account: str, region: str) -> Iterator[None]:
    """Let no other thread change experiments, and keep what they are afterwards."""
    with _changing:
        yield
        backend = sagemaker_backends[account][region]
        content = {kind: getattr(backend, kind) for kind in _KINDS.values()}
        incoming = _file().with_suffix(".incoming")
        incoming.write_bytes(pickle.dumps(content))
        incoming.replace(_file())


def refuse(account: str, region: str, operation: str, request: dict) -> tuple[str, str] | None:
    """Return error code and message where moto does not refuse as AWS does, else None.

    moto puts what is made again in the place of the first one, with all that it holds, and has
    other errors for what is not there. Programs look for these (``sagemaker/experiments``,
    ``Experiment._load_or_create``).
    """
    for verb in ("Create", "Describe"):
        kind = operation.removeprefix(verb)
        if kind == operation or kind not in _KINDS:
            continue
        name = request.get(f"{kind}Name")
        exists = name in getattr(sagemaker_backends[account][region], _KINDS[kind])
        if verb == "Create" and exists:
            message = f"Resource name must be unique. {kind} with name ({name}) already exists."
            return "ValidationException", message
        if verb == "Describe" and not exists:
            return "ResourceNotFound", f"{kind} {name!r} does not exist."
    return None


def start(account: str, region: str, kind: str, description: dict) -> None:
    """Make the component ``JOB-aws-KIND-job``, and put it into the trial that the job names.

    Raises LookupError when there is no such trial or experiment.
    """
    backend = sagemaker_backends[account][region]
    config = description["ExperimentConfig"]
    trial, experiment = config.get("TrialName"), config.get("ExperimentName")
    if trial and trial not in backend.trials:
        raise LookupError(f"There is no trial {trial!r}. Make it first, with create_trial.")
    if experiment and experiment not in backend.experiments:
        raise LookupError(
            f"There is no experiment {experiment!r}. Make it first, with create_experiment."
        )
    job = description[f"{kind.title()}JobName"]
    name = _name(kind, job)
    with changing(account, region):
        backend.create_trial_component(
            trial_component_name=name,
            trial_name=trial,
            status={"PrimaryStatus": "InProgress"},
            start_time=_now(),
            end_time=None,
            display_name=config.get("TrialComponentDisplayName"),
            parameters=_parameters(kind, description),
            input_artifacts=_inputs(kind, description),
            output_artifacts=None,
            metadata_properties=None,
        )
        backend.trial_components[name].source = {
            "SourceArn": description[f"{kind.title()}JobArn"],
            "SourceType": f"SageMaker{kind.title()}Job",
        }
        if trial:
            backend.associate_trial_component(trial, name)


def end(account: str, region: str, kind: str, description: dict, metrics: dict) -> None:
    """Write down how the job ended; ``metrics`` is name → [(seconds since the epoch, value)]."""
    with changing(account, region):
        component = sagemaker_backends[account][region].trial_components.get(
            _name(kind, description[f"{kind.title()}JobName"])
        )
        if component is None:  # the learner has removed it
            return
        status = description[f"{kind.title()}JobStatus"]
        component.status = {"PrimaryStatus": status}
        if "FailureReason" in description:
            component.status["Message"] = description["FailureReason"]
        component.end_time = component.last_modified_time = _now()
        component.output_artifacts = _outputs(kind, description)
        for name, values in metrics.items():
            component.metrics[name] = {
                "Values": {
                    step: {"Value": value, "Timestamp": when}
                    for step, (when, value) in enumerate(values)
                },
                "Timestamp": values[-1][0],
            }


def _name(kind: str, job: str) -> str:
    return f"{job}-aws-{kind}-job"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


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
        return _artifacts(
            {
                "SageMaker.ModelArtifact": description.get("ModelArtifacts", {}).get(
                    "S3ModelArtifacts"
                )
            }
        )
    outputs = description.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return _artifacts({one["OutputName"]: one.get("S3Output", {}).get("S3Uri") for one in outputs})


def _artifacts(uris: dict[str, str | None]) -> dict:
    return {name: {"Value": uri} for name, uri in uris.items() if uri}
