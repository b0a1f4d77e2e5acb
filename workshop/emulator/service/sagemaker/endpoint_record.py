"""The record of an endpoint: what it has run, for the time when it is deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from workshop.emulator.service.sagemaker import records


def configuration(deployed: dict) -> dict:
    """Return what an endpoint runs (``endpoints``) as its record has it.

    That is EndpointConfigName; Time, which is now, in seconds since the epoch; ProductionVariants
    as the configuration has them, with Model in each: what DescribeModel answers, but with the
    containers of a model package in place of its name.
    """
    variants = [one["config"] | {"Model": one["model"]} for one in deployed["variants"]]
    return {
        "EndpointConfigName": deployed["name"],
        "Time": time.time(),
        "ProductionVariants": variants,
    }


def write(description: dict, configurations: Sequence[dict], directory: str) -> None:
    """Keep the record of an endpoint as it is now.

    ``configurations``: the one that it was created with, and each that took over from another,
    oldest first. An endpoint of a program without our hook (no ``directory``) has no record.
    """
    if not directory:
        return
    name = description["EndpointName"]
    deleted = description["EndpointStatus"] == "Deleting"
    records.write(
        records.Record(
            records.ENDPOINT,
            name,
            {"EndpointName": name, "Configurations": [*configurations]},
            Path(directory),
            description["CreationTime"],
            description["LastModifiedTime"] if deleted else None,
            description.get("FailureReason", ""),
        )
    )
