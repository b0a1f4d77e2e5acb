"""Warm pools: what a training job says of the instances that are kept for the next one.

Nothing is kept here, and nothing starts sooner; the statuses, the rules and the billed seconds are
AWS's: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
"""

from __future__ import annotations

import math

from workshop.emulator.errors import ApiError

#: What must be the same in the next job, by its path in a request.
_SAME = (
    ("RoleArn",),
    ("ResourceConfig", "InstanceCount"),
    ("ResourceConfig", "InstanceType"),
    ("ResourceConfig", "VolumeKmsKeyId"),
    ("ResourceConfig", "VolumeSizeInGB"),
    ("VpcConfig",),
    ("EnableInterContainerTrafficEncryption",),
    ("EnableNetworkIsolation",),
)


def begin(description: dict) -> None:
    """Say that the pool of a job is in use, where the job asks for one."""
    if description["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        description["WarmPoolStatus"] = {"Status": "InUse"}


def end(description: dict) -> None:
    """The job has ended: its instances are there for the next one."""
    if "WarmPoolStatus" in description:
        description["WarmPoolStatus"] = {"Status": "Available"}


def update(description: dict, now: float) -> None:
    """Bring the status to what it is at ``now``, seconds since the epoch."""
    pool = description.get("WarmPoolStatus", {})
    if pool.get("Status") != "Available":
        return
    ended = description["TrainingEndTime"]
    until = ended + description["ResourceConfig"]["KeepAlivePeriodInSeconds"]
    pool["ResourceRetainedBillableTimeInSeconds"] = math.ceil(max(0.0, min(now, until) - ended))
    if now >= until:
        pool["Status"] = "Terminated"


def reuse(description: dict, request: dict, now: float) -> bool:
    """Give the pool of an ended job to the next one, if it is there and fits."""
    update(description, now)
    pool = description.get("WarmPoolStatus", {})
    if pool.get("Status") != "Available" or not all(
        (_at(description, path) or None) == (_at(request, path) or None) for path in _SAME
    ):
        return False
    pool |= {"Status": "Reused", "ReusedByJob": request["TrainingJobName"]}
    return True


def keep_alive(description: dict, period: int, now: float) -> None:
    """Set how long a pool is kept from the job's end on; 0 ends it.

    Raises ApiError where there is no pool now. The page does not tell the words of the error.
    """
    update(description, now)
    pool = description.get("WarmPoolStatus", {})
    if pool.get("Status") != "Available":
        name, status = description["TrainingJobName"], pool.get("Status")
        words = f"The warm pool of {name} is {status}: only one that is Available can be updated."
        if status is None:
            words = f"{name} has no warm pool: it was made without KeepAlivePeriodInSeconds."
        raise ApiError("ValidationException", words)
    description["ResourceConfig"] = {
        **description["ResourceConfig"],
        "KeepAlivePeriodInSeconds": period,
    }
    update(description, now)
    if period == 0:
        pool["Status"] = "Terminated"


def _at(request: dict, path: tuple[str, ...]) -> object:
    value: object = request
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
