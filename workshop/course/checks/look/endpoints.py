"""The endpoints that this folder has made: what they have run, as their records say.

A record (`emulator/service/sagemaker/endpoint_record.py`) outlives its endpoint: what a later cell
deletes is no reason to say not yet.
"""

from __future__ import annotations

import json
import time

from workshop.course.checks import live
from workshop.course.checks.look import notebook, pipelines
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import clock
from workshop.course.checks.outcome import NotYet
from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import records
from workshop.emulator.service.sagemaker.records import Record


def newest(look: Look, prefix: str) -> Record:
    """Return the endpoint that is meant: `endpoint_name` in the kernel, or the newest one.

    prefix: how its name begins; an endpoint without it is taken where there is no other
    """
    every = records.endpoints()
    ours = [one for one in every if one.directory == look.folder]
    if not ours:
        look.at(f"the endpoints started from {look.folder}")
        where = f"; the last one was started from {every[-1].directory}" if every else ""
        raise NotYet(
            f"no endpoint{where}",
            "an endpoint to look at",
            step="run the cell with model.deploy, then check again",
        )
    wanted = live.variables(look.notebook.name).get("endpoint_name")
    named = [one for one in ours if one.name == wanted]
    alike = [one for one in ours if one.name.startswith(prefix)]
    record = (named or alike or ours)[-1]
    look.at(f"the endpoint {record.name} of {clock(record.started)}")
    look.saw_job(record.name)
    return record


def configurations(record: Record) -> list[dict]:
    """Return the configurations that an endpoint was told to run, oldest first."""
    return record.request["Configurations"]


def containers(variant: dict) -> list[dict]:
    """Return the containers of a variant's model."""
    model = variant["Model"]
    return model.get("Containers") or [model["PrimaryContainer"]]


def status(record: Record) -> str:
    """Return what SageMaker says of an endpoint, like "InService"; "" where it was deleted."""
    return pipelines.ask("describe_endpoint", EndpointName=record.name).get("EndpointStatus", "")


def answers(record: Record, body: object) -> list[object]:
    """Return what each variant of an endpoint says to JSON; nothing where none can be asked."""
    about = pipelines.ask("describe_endpoint", EndpointName=record.name)
    if about.get("EndpointStatus") != "InService":
        return []
    client = daemon.client("sagemaker-runtime")
    asked = {
        "EndpointName": record.name,
        "ContentType": "application/json",
        "Body": json.dumps(body),
    }
    found = []
    for one in about["ProductionVariants"]:
        try:
            answer = client.invoke_endpoint(**asked, TargetVariant=one["VariantName"])
        except client.exceptions.ClientError:
            continue
        found.append(json.loads(answer["Body"].read()))
    return found


def stands(look: Look, when: float, what: str) -> None:
    """Make sure that the cell of the task has not run since it did its work.

    when: in seconds since the epoch; what: was done then, like "this endpoint is"
    """
    if max((cell.began or 0 for cell in notebook.of_task(look)), default=0) > when:
        raise NotYet(
            f"{what} of {clock(when)}, and the cell ran since, and made no other",
            "what the cell does as it is now",
            step="mend the cell, and run it and those above it that it needs, then check again",
        )


def asked_it(look: Look, record: Record) -> float:
    """Make sure that the cell of the task ran after its endpoint was made.

    Returns for how long it can have asked: milliseconds since it began, where that is known.
    """
    began = [cell.began for cell in notebook.of_task(look) if cell.began is not None]
    if began and max(began) < record.started:
        raise NotYet(
            f"the cell ran at {clock(max(began))}, before this endpoint was made",
            "a cell that asks this endpoint",
            step="run the cell again, then check again",
        )
    return 1000 * ((record.ended or time.time()) - max([*began, record.started]))
