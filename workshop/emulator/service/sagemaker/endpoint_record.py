"""The record of an endpoint: what it has run, for the time when it is deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from workshop.emulator.service.sagemaker import records


def configuration(deployed: dict, failed: str = "") -> dict:
    """Return what an endpoint runs, or failed to run, as its record has it.

    That is EndpointConfigName; Time, which is now, in seconds since the epoch; FailureReason, ""
    where it did not fail; and ProductionVariants as the configuration has them, with Model in each:
    what DescribeModel answers, but with the containers of a model package in place of its name.
    """
    variants = [one["config"] | {"Model": one["model"]} for one in deployed["variants"]]
    return {
        "EndpointConfigName": deployed["name"],
        "Time": time.time(),
        "FailureReason": failed,
        "ProductionVariants": variants,
    }


def write(description: dict, configurations: Sequence[dict], directory: str) -> None:
    """Keep the record of an endpoint as it is now.

    ``configurations``: the one that it was created with, and that of each update that has ended,
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
            configurations[-1]["FailureReason"],
        )
    )
