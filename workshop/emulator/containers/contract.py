"""What SageMaker hands to the containers of a job: files below ``/opt/ml``, and variables.

Sources of the contract:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

#: What of the on-demand price a spot instance costs: a usual figure, not a promise. AWS promises
#: to save "up to 90 %"; what a job saved is 1 - BillableTimeInSeconds / TrainingTimeInSeconds.
SPOT_PRICE = 0.3

#: The group that all hosts belong to when a job names none.
_GROUP = "homogeneousCluster"
# The emulator is on this machine, and the hook refuses AWS only where it sees the address.
_NEVER_BY_PROXY = (
    *("127.0.0.1", "localhost", "169.254.169.254", "169.254.170.2"),
    *(".amazonaws.com", ".amazonaws.com.cn", ".aws.dev", ".api.aws"),
)


@dataclass(frozen=True)
class Machine:
    """One instance of a job: its host name, as ``algo-1``, its type and its group."""

    host: str
    instance_type: str
    group: str = _GROUP


def machines(resources: dict) -> list[Machine]:
    """Return the instances that a request's ``ResourceConfig`` or ``ClusterConfig`` asks for."""
    groups = resources.get("InstanceGroups") or [
        {
            "InstanceGroupName": _GROUP,
            "InstanceType": resources["InstanceType"],
            "InstanceCount": resources.get("InstanceCount", 1),  # a processing job may leave it out
        }
    ]
    found: list[Machine] = []
    for group in groups:
        for _ in range(group["InstanceCount"]):
            host = f"algo-{len(found) + 1}"
            found.append(Machine(host, group["InstanceType"], group["InstanceGroupName"]))
    return found


def aws_settings(endpoint: str, region: str) -> dict[str, str]:
    """Return the variables with which a host finds the emulator at ``endpoint`` (a URL).

    The training toolkit reads ``S3_ENDPOINT_URL`` (``sagemaker_training/params.py``).
    """
    names = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "S3_ENDPOINT_URL", "WORKSHOP_ENDPOINT")
    return (
        dict.fromkeys(names, endpoint)
        | without_proxy()
        | {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    )


def without_proxy() -> dict[str, str]:
    """Return the variables with which no proxy comes between a program and the emulator."""
    hosts = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    both = ",".join(dict.fromkeys([*filter(None, hosts.split(",")), *_NEVER_BY_PROXY]))
    return {"NO_PROXY": both, "no_proxy": both}


def write_training_files(ml: Path, request: dict, machine: Machine, all_: list[Machine]) -> None:
    """Write ``input/config`` below ``ml``, and make the folders that a training host finds."""
    for name in ("input/data", "model", "output/data", "checkpoints"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    channels = {
        channel["ChannelName"]: {
            "TrainingInputMode": channel.get("InputMode")
            or request["AlgorithmSpecification"]["TrainingInputMode"],
            "S3DistributionType": channel["DataSource"]
            .get("S3DataSource", {})
            .get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in request.get("InputDataConfig", ())
    }
    config = ml / "input" / "config"
    _write(config / "hyperparameters.json", request.get("HyperParameters", {}))
    _write(config / "inputdataconfig.json", channels)
    _write(config / "resourceconfig.json", _resources(machine, all_))
    if "CheckpointConfig" in request:
        checkpoints = {"LocalPath": "/opt/ml/checkpoints", **request["CheckpointConfig"]}
        _write(config / "checkpointconfig.json", checkpoints)


def write_processing_files(ml: Path, description: dict, machine: Machine, all_: list) -> None:
    """Write ``config`` below ``ml``; ``description`` is what DescribeProcessingJob answers."""
    for name in ("processing", "output"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    names = (
        *("ProcessingJobArn", "ProcessingJobName", "AppSpecification", "Environment"),
        *("ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "NetworkConfig"),
        *("RoleArn", "StoppingCondition", "ExperimentConfig"),
    )
    job = {name: description[name] for name in names if name in description}
    _write(ml / "config" / "processingjobconfig.json", job)
    _write(ml / "config" / "resourceconfig.json", _resources(machine, all_))


def _resources(machine: Machine, all_: list[Machine]) -> dict:
    groups: dict[str, dict] = {}
    for one in all_:
        group = {"instance_group_name": one.group, "instance_type": one.instance_type, "hosts": []}
        groups.setdefault(one.group, group)["hosts"].append(one.host)
    return {
        "current_host": machine.host,
        "current_instance_type": machine.instance_type,
        "current_group_name": machine.group,
        "hosts": [one.host for one in all_],
        "instance_groups": list(groups.values()),
        "network_interface_name": "eth0",
    }


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
