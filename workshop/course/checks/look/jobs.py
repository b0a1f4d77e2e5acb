"""The jobs that reached SageMaker: which one is meant, how it ended, what it wrote to its log."""

from __future__ import annotations

import functools
import posixpath
import re
import textwrap
from collections.abc import Callable

from workshop.course import manifest
from workshop.course.checks.look import notebook, s3
from workshop.course.checks.look.job_request import (
    instances_of,
    judge_directions,
    script_sources,
)
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import clock, last_line
from workshop.course.checks.outcome import NotYet
from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import records
from workshop.emulator.service.sagemaker.records import Record

_RUN_CELL = {
    "processing": "processor.run",
    "training": "estimator.fit",
    "transform": "transformer.transform",
}

Which = Callable[[Record], bool]


# --- which job ------------------------------------------------------------------------------


def newest(look: Look, script: str, which: Which = lambda record: True) -> Record:
    """Return the newest job that this folder started with a script.

    which: tells whether it may be this one, where sections have scripts of the same name
    """
    kind = "training" if script == "main.py" else "processing"
    notebook.came_to_job(look)
    record = started(look, script, which, kind)[-1]
    if kind == "processing":
        judge_directions(record)
    return record


def started(
    look: Look, script: str, which: Which = lambda record: True, kind: str = "processing"
) -> list[Record]:
    """Return all jobs that this folder started with a script, oldest first: one at least."""
    every = [record for record in records.jobs() if record.kind == kind]
    every = [record for record in every if _ran(look, record, script) and which(record)]
    return _of_folder(look, every, kind, f" with {script}")


def newest_transform(look: Look) -> Record:
    """Return the newest transform job that this folder started."""
    notebook.came_to_job(look)
    every = [record for record in records.jobs() if record.kind == "transform"]
    return _of_folder(look, every, "transform")[-1]


def _of_folder(look: Look, every: list[Record], kind: str, what: str = "") -> list[Record]:
    """Return those of the jobs of a kind that this folder started, oldest first: one at least."""
    ours = [record for record in every if record.directory == look.folder]
    if ours:
        look.at(f"the {kind} job {ours[-1].name} of {clock(ours[-1].started)}")
        look.saw_job(ours[-1].name)
        return ours
    found = f"no {kind} job{what} among them"
    if every:
        found += f"; the last one was started from {every[-1].directory}"
    raise NotYet(
        found,
        "a job to look at",
        looked_at=f"the jobs started from {look.folder}",
        step=f"run the cell with {_RUN_CELL[kind]}, then check again",
    )


def _ran(look: Look, record: Record, script: str) -> bool:
    """Tell whether a job ran a script; every training job ran main.py."""
    if record.kind == "training":
        return True
    for uri in script_sources(record):
        if uri.endswith(".py"):
            return posixpath.basename(uri) == script
        if uri.endswith("runproc.sh"):  # FrameworkProcessor: it names the script
            content = (s3.read(look, uri) or b"").decode()
            named = re.findall(r"^python (\S+\.py)", content, re.M)
            if named:
                return named[-1] == script
    # What the SDK had put there is gone from S3.
    return record.name.startswith(_job_names().get(script, ()))


@functools.cache
def _job_names() -> dict[str, tuple[str, ...]]:
    return manifest.job_names()


def completed_training(look: Look, name: str) -> Record:
    """Return the newest training job on an instance that completed, from any folder.

    name: what the job's name contains; other labs train too
    """
    look.at(f"the training jobs {name}... that completed")
    every = [one for one in records.jobs() if one.kind == "training" and name in one.name]
    for record in reversed(every):
        on_instance = not instances_of(record)[0].startswith("local")
        if on_instance and describe(record).get("TrainingJobStatus") == "Completed":
            look.at(f"the training job {record.name} of {clock(record.started)}")
            look.saw_job(record.name)
            return record
    raise NotYet(
        "no training job on an instance has completed",
        "a training job: run the notebook of the training with LOCAL = False",
    )


# --- what became of it ----------------------------------------------------------------------


def not_local(record: Record) -> None:
    """Make sure that a job was not asked of local mode."""
    kind, _ = instances_of(record)
    if kind.startswith("local"):
        raise NotYet(
            f'it ran in local mode: its instance type is "{kind}"',
            "a job of SageMaker's: set LOCAL = False and run the notebook again from the top",
        )


def on_instances(record: Record, count: int = 1) -> None:
    """Make sure that a job was not asked of local mode, and how many instances it was."""
    not_local(record)
    _, instances = instances_of(record)
    if instances != count:
        words = (f"{n} instance{'s' if n > 1 else ''}" for n in (instances, count))
        raise NotYet(f"it ran on {next(words)}", next(words))


def ended_well(record: Record) -> None:
    """Make sure that a job has ended, and did not fail."""
    if record.ended is None:
        raise NotYet(
            "it has not ended", "a job that has ended well", step="check again when it has ended"
        )
    if record.error:
        raise NotYet(
            f"it failed: {textwrap.shorten(last_line(record.error), 300, placeholder=' …')}",
            "a job that ends well",
            step=f"mend that, run the cell with {_RUN_CELL[record.kind]}, then check again",
        )


def stands(look: Look, record: Record) -> None:
    """Make sure that a job shows what the cell asks for: AWS would take it, and it ended well.

    Where the kernel tells it, the cell is as it was when the job started; a cell that starts the
    job itself has not run since, where that is known.
    """
    if record.refused:
        raise NotYet(record.refused, "a job that AWS would take: what local mode does not look at")
    ended_well(record)
    cells = notebook.of_task(look)
    if cells and notebook.starts_job(look):
        since, what = max(cell.began or 0 for cell in cells), "ran since, and started no other"
    else:
        since, what = max((cell.since or 0 for cell in cells), default=0), "was changed since"
    if since > record.started:
        raise NotYet(
            f"this job is of {clock(record.started)}, and the cell {what}",
            "a job with the cell as it is now",
            step=f"run the cell with {_RUN_CELL[record.kind]} again, then check again",
        )


def describe(record: Record) -> dict:
    """Return what SageMaker says of a job; nothing when it does not know it."""
    client = daemon.client("sagemaker")
    try:
        if record.kind == "training":
            return client.describe_training_job(TrainingJobName=record.name)
        return client.describe_processing_job(ProcessingJobName=record.name)
    except client.exceptions.ClientError:
        return {}


def log_lines(record: Record) -> list[str]:
    """Return the lines that a job's hosts wrote, from CloudWatch Logs."""
    client = daemon.client("logs")
    group = f"/aws/sagemaker/{record.kind.capitalize()}Jobs"
    asked = {"logGroupName": group, "logStreamNamePrefix": f"{record.name}/"}
    try:
        streams = client.describe_log_streams(**asked)["logStreams"]
    except client.exceptions.ResourceNotFoundException:
        return []
    names = [stream["logStreamName"] for stream in streams]
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=group, logStreamNames=names
    )
    return [event["message"] for page in pages for event in page["events"]] if names else []
