"""The endpoints that this folder has made, and what they have run: their records say it.

A record (`emulator/service/sagemaker/endpoint_record.py`) outlives its endpoint: what a later cell
deletes is no reason to say not yet.
"""

from __future__ import annotations

import json
import time

from workshop.course.checks import live
from workshop.course.checks.look import notebook, pipelines
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import at_time, clock
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


def status(record: Record) -> str:
    """Return what SageMaker says of an endpoint, like "InService"; "" when it was deleted."""
    return pipelines.ask("describe_endpoint", EndpointName=record.name).get("EndpointStatus", "")


def answers(record: Record, body: object) -> list[object]:
    """Return what each variant of an endpoint says to JSON; nothing when it was deleted."""
    about = pipelines.ask("describe_endpoint", EndpointName=record.name)
    variants = [one["VariantName"] for one in about.get("ProductionVariants", ())]
    said = [invoke(record, variant, json.dumps(body)) for variant in variants]
    return [json.loads(one) for one in said if one is not None]


def invoke(record: Record, variant: str, body: str) -> bytes | None:
    """Return what a variant answers; None for an error."""
    client = daemon.client("sagemaker-runtime")
    try:
        answer = client.invoke_endpoint(
            EndpointName=record.name,
            TargetVariant=variant,
            ContentType="application/json",
            Body=body,
        )
    except client.exceptions.ClientError:
        return None
    return answer["Body"].read()


def left(record: Record) -> list[str]:
    """Return what has not been deleted of an endpoint, its configurations and their models."""
    found = [f"the endpoint {record.name}"] if status(record) else []
    configs = configurations(record)
    for name in dict.fromkeys(one["EndpointConfigName"] for one in configs):
        if pipelines.ask("describe_endpoint_config", EndpointConfigName=name):
            found.append(f"the configuration {name}")
    variants = [variant for one in configs for variant in one["ProductionVariants"]]
    for name in dict.fromkeys(one["ModelName"] for one in variants):
        if pipelines.ask("describe_model", ModelName=name):
            found.append(f"the model {name}")
    return found


def others(look: Look, record: Record) -> list[str]:
    """Return the other endpoints of this folder that are still there."""
    found = [one for one in records.endpoints(look.folder) if one.name != record.name]
    return [f"the endpoint {one.name} of {clock(one.started)}" for one in found if status(one)]


def stands(look: Look, when: float, what: str) -> None:
    """Make sure that the cell of the task has not run since it did its work.

    when: in seconds since the epoch; what: was made then
    """
    if max((cell.began or 0 for cell in notebook.of_task(look)), default=0) > when:
        raise NotYet(
            f"{what} is of {clock(when)}, and the cell ran since, and made no other",
            f"{what}, made by the cell as it is now",
            step="run the cell again, with those above it that it needs, then check again",
        )


def asked_for(look: Look, record: Record | None) -> float:
    """Return for how long the cell of the task can have asked its endpoint, in milliseconds.

    record: None of local mode. Makes sure that the cell ran after its endpoint was made.
    """
    began = max((cell.began or 0 for cell in notebook.of_task(look)), default=0)
    if record is None:
        return 1000 * (time.time() - began)
    if began and began < record.started:
        raise NotYet(
            f"the cell ran {at_time(began)}, before this endpoint was made",
            "a cell that asks this endpoint",
            step="run the cell again, then check again",
        )
    return 1000 * ((record.ended or time.time()) - max(began, record.started))
