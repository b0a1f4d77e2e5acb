"""What jobs and endpoints cost on SageMaker: a small dated table, and what is said from it.

The table is `prices.toml`, beside this file, and the page decides:
https://aws.amazon.com/sagemaker/pricing/
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
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
    """Return what one instance costs on demand: US dollars per hour, in any job or endpoint.

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

    `request` is what boto3's create_processing_job, create_training_job or create_transform_job
    takes; `times` is how many such jobs there will be at most. `records` is the folder of
    `workshop.emulator.service.sagemaker.records`: a job with the same base name there tells how
    long this one may take. Never raises for what the table does not know; it says so.
    """
    kind, resources = _resources(request)
    instances = [
        (group["InstanceType"], group["InstanceCount"])
        for group in resources.get("InstanceGroups") or [resources]
    ]
    where, note = _priced_in(region)
    unknown = _unknown(name for name, _ in instances)
    if unknown:
        return unknown
    hourly = sum(n * per_hour(name, where) for name, n in instances)
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
    estimated = (
        f"{about}{spot}: {words} at ${hourly:.3f} an hour{note}, "
        f"{_time(seconds)}{each} ({basis}), plus about {_time(START)} to start, which are free. "
    )
    if kind == "Transform":  # its request has no member for a limit (API_CreateTransformJob)
        return f"{estimated}It has no limit of time: what it costs grows until it ends."
    limit = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or DEFAULT_LIMIT
    return (
        f"{estimated}"
        f"At most ${hourly * limit / 3600 * times:,.2f}, if {'all run' if each else 'it runs'} to "
        f"{'their' if each else 'its'} limit of {_time(limit)}."
    )


def of_endpoint(variants: Sequence[dict], region: str = "us-east-1") -> str:
    """Say what an endpoint costs as long as it is there, in words that fit after "costs".

    `variants` are the ProductionVariants of its configuration (API_ProductionVariant). Never
    raises for what the table does not know; it says so. Of a serverless variant that is the price:
    https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html says how it is billed.
    """
    where, note = _priced_in(region)
    on_instances = [one for one in variants if "InstanceType" in one]
    unknown = _unknown(one["InstanceType"] for one in on_instances)
    said = []
    if unknown:
        said.append(f"by the hour, until it is deleted, {unknown}")
    elif on_instances:
        hourly, parts = 0.0, []
        for one in on_instances:
            each, count = per_hour(one["InstanceType"], where), one.get("InitialInstanceCount", 1)
            hourly += each * count
            parts.append(f"{one['VariantName']} {count} × {one['InstanceType']} at ${each:.3f}")
        day = f"${hourly * 24:,.2f} a day"
        said.append(f"${hourly:.3f} an hour, {day}, until it is deleted: {', '.join(parts)}{note}")
    for one in variants:
        if "ServerlessConfig" in one:
            kept = one["ServerlessConfig"].get("ProvisionedConcurrency")
            ready = f", and the {kept} that are kept ready by their time" if kept else ""
            said.append(
                f"{one['VariantName']} serverless: each request by its milliseconds and its "
                f"bytes{ready}; the table has no such prices, see {PAGE}"
            )
    return "; ".join(said)


def _priced_in(region: str) -> tuple[str, str]:
    """Return the region whose prices count, and a note where that is another one."""
    if region in regions():
        return region, ""
    return "us-east-1", f" (the price in us-east-1: the table has no {region})"


def _unknown(types: Iterable[str]) -> str:
    """Say that the price is not known, and why; "" where the table has all of these types."""
    names = [name for name in dict.fromkeys(types) if name not in _TABLE["per_hour"]["us-east-1"]]
    if not names:
        return ""
    return f"an amount that is not known here: the table has no {', '.join(names)}. See {PAGE}"


def base_name(job: str) -> str:
    """Return a job's name without the time that the SDK puts at its end."""
    return _TIME.sub("", job)


def _resources(request: dict) -> tuple[str, dict]:
    if "ProcessingJobName" in request:
        return "Processing", request["ProcessingResources"]["ClusterConfig"]
    if "TransformJobName" in request:
        return "Transform", request["TransformResources"]
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
        if record.get("kind") == "endpoint":  # it ran until somebody deleted it
            continue
        if base_name(record["name"]) == base and record.get("ended") and not record.get("error"):
            found.append((record["started"], record["ended"] - record["started"]))
    return max(found)[1] if found else None


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
