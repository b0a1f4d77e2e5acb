"""The checks of 6-evaluation."""

from __future__ import annotations

import functools
import io
import json
import re
import tarfile

from workshop import prices
from workshop.course import manifest
from workshop.course.checks import section3
from workshop.course.checks.look import Look, jobs, notebook, trials
from workshop.course.checks.look.job_request import instances_of
from workshop.course.checks.look.source import without_magics
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.course.checks.section2 import BEST
from workshop.course.checks.section3 import SCRIPT


@check("6.1")
def inputs_and_outputs(look: Look) -> None:
    section3.newest_model(look)
    section3.inputs(look)
    record = jobs.newest(look, SCRIPT)
    section3.metrics_uri(look, record)
    jobs.stands(look, record)


@check("6.2")
def evaluation(look: Look) -> None:
    section3.judge_evaluation(look, "evaluation.of_archive", _archive(), _judge_model)


@functools.cache
def _archive() -> bytes:
    """Return a model.tar.gz whose best checkpoint is neither the first nor the last."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("checkpoint-001.keras", BEST, "checkpoint-003.keras"):
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    return packed.getvalue()


def _judge_model(trial: trials.Trial) -> None:
    loaded = trial.report.get("loaded")
    if loaded is None:
        raise NotYet("it loaded no model with Keras", f"load_model of {BEST}")
    if loaded != BEST:
        raise NotYet(f"it loaded {loaded} of model.tar.gz", BEST)


@check("6.3")
def log(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    jobs.on_instances(record)
    jobs.ended_well(record)
    job, wanted = look.looked_at, jobs.log_lines(record)
    value = notebook.value(look, "log_lines", lambda printed: printed.splitlines())
    look.at(f"{look.looked_at}, and the log of {job}")
    expected = f"all {len(wanted)} lines of the job's log, as text"
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        inside = f" of {type(value[0]).__name__}" if isinstance(value, list) else ""
        raise NotYet(f"log_lines is a {type(value).__name__}{inside}", expected)
    lines, wanted = _filled(value), _filled(wanted)
    missing = [line for line in wanted if line not in lines]
    if missing:
        found = f"{len(lines)} lines, and {len(missing)} are missing: {missing[0]!r}"
        raise NotYet(found, expected)
    others = [line for line in lines if line not in wanted]
    if others or len(lines) != len(wanted):
        why = f", with {others[0]!r}" if others else ""
        raise NotYet(f"{len(lines)} lines{why}", f"{expected}, and of no other job")
    if lines != wanted:
        raise NotYet("the lines in another order", "the lines as the job wrote them")


def _filled(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


@check("6.4")
def cost(look: Look) -> None:
    (training,) = manifest.section(5).jobs
    record = jobs.completed_training(look, f"{training.name}-")
    job, about = look.looked_at, jobs.describe(record)
    kind, count = instances_of(record)
    worked, billed = about["TrainingTimeInSeconds"], about["BillableTimeInSeconds"]
    per_hour = prices.per_hour(kind)
    wanted = billed / 3600 * count * per_hour
    found = notebook.value(look, "cost", _last_number)
    look.at(f"{look.looked_at}, and {job}")
    expected = (
        f"{wanted:.6f} US dollars: {billed} billed seconds on {count} {kind}, at {per_hour} an hour"
    )
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise NotYet(f"cost is {found!r}", expected)
    if abs(found - wanted) <= 0.001 * wanted + 1e-9:
        _judge_another_job(look)
        return
    why = {
        worked / 3600 * count * per_hour: ", which is the price of the seconds that it worked",
        wanted * 3600: ", which is as if the price were for a second",
        wanted * 60: ", which is as if the price were for a minute",
        wanted * 100: ", which is in cents",
    }
    close = [text for other, text in why.items() if abs(found - other) <= 0.001 * other]
    raise NotYet(f"cost is {found:.6g}{close[0] if close else ''}", expected)


_BILLED, _COUNT, _PRICE = 5400, 3, 2.0
_ANOTHER_JOB = {
    "prices": {"ml.g4dn.xlarge": _PRICE},
    "training": {
        "BillableTimeInSeconds": _BILLED,
        "TrainingTimeInSeconds": 2 * _BILLED,
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": _COUNT},
    },
}


def _judge_another_job(look: Look) -> None:
    """The cell is right of any job: what is right of one instance may be so by chance."""
    source = without_magics(notebook.cell(look, "cost").source)
    files = {
        "/opt/ml/check/cell.py": source.encode(),
        "/opt/ml/check/job.json": json.dumps(_ANOTHER_JOB).encode(),
    }
    trial = trials.run(look, "cells.cost_of_job", code="/opt/ml/code", files=files)
    if "cost" not in trial.report:
        return  # it needs more than the description of the job: the figure itself is right
    look.at(
        f"{look.looked_at}, with a job of {_BILLED} billed seconds on {_COUNT} instances, at "
        f"{_PRICE:g} an hour"
    )
    wanted = _BILLED / 3600 * _COUNT * _PRICE
    found = trial.report["cost"]
    if not isinstance(found, float) or abs(found - wanted) > 1e-4 * wanted:
        raise NotYet(
            f"cost is {found}", f"{wanted:g}: hours, times instances, times the price of an hour"
        )


def _last_number(printed: str) -> float | None:
    numbers = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", printed)
    return float(numbers[-1]) if numbers else None
