"""What a job costs on SageMaker: a small dated table, and the estimate made from it.

The table is `prices.toml`, beside this file, and the page decides:
https://aws.amazon.com/sagemaker/pricing/
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from workshop.emulator import files
from workshop.emulator.containers import contract
from workshop.emulator.errors import WorkshopError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = "https://aws.amazon.com/sagemaker/pricing/"

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

#: From when the prices are, like "2025-01".
DATE: str = _TABLE["date"]
#: What managed spot training typically saves, as a fraction of the price on demand: what the
#: emulator bills less, so that an estimate and the bill agree.
SPOT_SAVING = 1 - contract.SPOT_PRICE

#: Seconds that a job is taken to be billed for when nothing is known of its like.
ASSUMED = 300
#: Seconds until an instance is there, typically. Nobody pays for them (DescribeTrainingJob:
#: "You are billed for the time interval between" TrainingStartTime and TrainingEndTime).
START = 180
#: Seconds that AWS takes, and bills, beyond what the job took on this machine: to fetch the image
#: and the data, and to upload.
FETCH = 90
#: Seconds that a job may run where it sets no limit (SDK, `sagemaker/processing.py`, Processor).
DEFAULT_LIMIT = 86400

#: What the SDK adds to a base name: the time.
_TIME = re.compile(r"-20\d\d(-\d\d){5}-\d{3}$")


def per_hour(instance_type: str, region: str = "us-east-1") -> float:
    """Return what one instance costs on demand: US dollars per hour, for either kind of job.

    Raises WorkshopError for a type or a region that is not in the table.
    """
    prices = _TABLE["per_hour"].get(_TABLE["same_as"].get(region, region))
    if prices is None:
        raise WorkshopError(
            f"The table of prices has no region {region!r}. It has {', '.join(regions())}; "
            f"for others see {PAGE}"
        )
    try:
        return prices[instance_type]
    except KeyError:
        raise WorkshopError(
            f"The table of prices has no instance type {instance_type!r}. It has "
            f"{', '.join(prices)}; for others see {PAGE}"
        ) from None


def regions() -> list[str]:
    """Return the regions that the table has."""
    return sorted([*_TABLE["per_hour"], *_TABLE["same_as"]])


def estimate(
    request: dict, region: str = "us-east-1", records: Path | None = None, times: int = 1
) -> str:
    """Say what a job would cost on AWS, in words that fit after "costs", "will cost".

    `request` is what boto3's create_processing_job or create_training_job takes; `times` is how
    many such jobs there will be at most. `records` is the folder of
    `workshop.emulator.service.sagemaker.records`: a job with the same base name there tells how
    long this one may take. Never raises for what the table does not know; it says so.
    """
    kind, resources = _resources(request)
    instances = [
        (group["InstanceType"], group["InstanceCount"])
        for group in resources.get("InstanceGroups") or [resources]
    ]
    try:
        hourly, note = sum(n * per_hour(name, region) for name, n in instances), ""
    except WorkshopError:
        try:
            hourly = sum(n * per_hour(name) for name, n in instances)
        except WorkshopError:
            names = ", ".join(name for name, _ in instances)
            return f"an amount that is not known here: the table has no {names}. See {PAGE}"
        note = f" (the price in us-east-1: the table has no {region})"
    seconds, basis = _seconds(request[f"{kind}JobName"], records)
    cost = hourly * seconds / 3600 * times
    words = " and ".join(f"{n} × {name}" for name, n in instances)
    each = ""
    if times > 1:
        words, each = f"{times} jobs, each {words}", " each"
    spot = ""
    if request.get("EnableManagedSpotTraining"):
        spot = f" with spot's usual saving of {SPOT_SAVING:.0%}"
        cost *= 1 - SPOT_SAVING
    about = f"about ${cost:,.2f}" if cost >= 0.005 else "less than $0.01"
    limit = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or DEFAULT_LIMIT
    return (
        f"{about}{spot}: {words} at ${hourly:.3f} an hour{note}, "
        f"{_time(seconds)}{each} ({basis}), plus about {_time(START)} to start, which are free. "
        f"At most ${hourly * limit / 3600 * times:,.2f}, if {'all run' if each else 'it runs'} to "
        f"{'their' if each else 'its'} limit of {_time(limit)}."
    )


def base_name(job: str) -> str:
    """Return a job's name without the time that the SDK puts at its end."""
    return _TIME.sub("", job)


def _resources(request: dict) -> tuple[str, dict]:
    if "ProcessingJobName" in request:
        return "Processing", request["ProcessingResources"]["ClusterConfig"]
    return "Training", request["ResourceConfig"]


def _seconds(job: str, records: Path | None) -> tuple[float, str]:
    """Return how long a job may be billed for, and how that is known."""
    base = base_name(job)
    measured = _measured(base, records) if records else None
    if measured is not None:
        return measured, f"as {base} took there last time"
    took = _took_here(base, records) if records else None
    if took is not None:
        return took + FETCH, f"what {base} took here, and {FETCH} s to fetch image and data"
    return ASSUMED, "an assumption"


def remember(job: str, seconds: float, records: Path) -> None:
    """Keep how long a job was billed for on AWS, for the estimate of the next one of its name."""
    (records / "aws").mkdir(parents=True, exist_ok=True)
    files.write(records / "aws" / f"{base_name(job)}.json", json.dumps({"seconds": seconds}))


def _measured(base: str, records: Path) -> float | None:
    try:
        return json.loads((records / "aws" / f"{base}.json").read_text())["seconds"]
    except (OSError, ValueError):
        return None


def _took_here(base: str, records: Path) -> float | None:
    """Return the seconds that the last job of this name took on this machine, if it ended well."""
    found = []
    for file in records.glob(f"{base}*.json"):
        try:
            record = json.loads(file.read_text())
        except (OSError, ValueError):
            continue  # being written, or removed just now
        if base_name(record["name"]) == base and record.get("ended") and not record.get("error"):
            found.append((record["started"], record["ended"] - record["started"]))
    return max(found)[1] if found else None


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
