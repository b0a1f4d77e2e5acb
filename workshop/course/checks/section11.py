"""The checks of 11-spark."""

from __future__ import annotations

import functools
import json
import re

import numpy as np

from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.job_request import PROCESSING, instances_of, output_uri
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.containers import images
from workshop.emulator.service.sagemaker.records import Record

SCRIPT = "preprocess.py"
EVENTS = f"{PROCESSING}/spark-events"
_SUBMIT, _SMSPARK = "/opt/program/submit", "smspark-submit"
_INSTANCES, _SECONDS = 2, 1200
#: A cell that waits prints dots; then comes the log, where it is not left out
#: (sagemaker/session.py, `_wait_for_job` and `_flush_log_streams`).
_LOG = re.compile(r"^\.+(?:\x1b\[\d+m)?[^.!\s].*", re.M)


def _program(record: Record) -> str:
    entrypoint = record.request["AppSpecification"].get("ContainerEntrypoint") or [""]
    return str(entrypoint[0])


@check("11.1")
def processor(look: Look) -> None:
    record = jobs.newest(look, SCRIPT, lambda record: _program(record) != _SMSPARK)
    if _program(record) != _SUBMIT:
        command = record.request["AppSpecification"].get("ContainerEntrypoint") or ()
        raise NotYet(f"its command line begins with {' '.join(command)}", f'command=["{_SUBMIT}"]')
    _, count = instances_of(record)
    if count != _INSTANCES:
        raise NotYet(
            f"it ran on {count} instance{'s' if count > 1 else ''}",
            f"{_INSTANCES} instances, which make one cluster: instance_count={_INSTANCES}",
        )
    limit = record.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    if limit != _SECONDS:
        has = f"a limit of {limit} seconds" if limit else "no limit, so it may run for a day"
        raise NotYet(has, f"max_runtime_in_seconds={_SECONDS}")
    mode = (record.request.get("Environment") or {}).get("mode")
    if mode != "python":
        has = f'the variable mode is "{mode}"' if mode else "no variable mode"
        raise NotYet(has, 'env={"mode": "python"}: the program starts JAR files too')
    _judge_arguments(look, record)
    log = _LOG.search("\n".join(cell.printed or "" for cell in notebook.of_task(look)))
    if log and not instances_of(record)[0].startswith("local"):  # local mode shows all logs
        raise NotYet(f"the cell printed the log of the job: {log[0][:60]}", "run(..., logs=False)")
    jobs.stands(look, record)


def _judge_arguments(look: Look, record: Record) -> None:
    words = record.request["AppSpecification"].get("ContainerArguments") or ()
    given = dict(zip(words[::2], words[1::2], strict=False))
    bucket = given.get("s3_input_bucket", "")
    wanted = {
        "s3_input_bucket": bucket or "the bucket",
        "s3_input_key_prefix": f"{look.top}Spark/Digits",
        "s3_output_bucket": bucket or "the bucket",
        "s3_output_key_prefix": f"{look.top}Spark/Features",
    }
    for name, value in wanted.items():
        if str(given.get(name, "")).strip("/") != value:
            has = f"{name} is {given[name]!r}" if name in given else f"no argument {name}"
            raise NotYet(has, f"the list arguments: {name} is followed by {value}")


# --- the script ---------------------------------------------------------------------------

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LINES, _SIDE = 20, 28


@check("11.2")
def transformation(look: Look) -> None:
    look.script(SCRIPT)
    trials.needs(look, "pyspark", "Spark")
    look.at(
        f"transform in {look.section.scripts}/{SCRIPT}, on a table of {_LINES} made-up digits, in "
        "a Spark of one process"
    )
    content, ink = _digits()
    trial = trials.run(
        look,
        "spark.transform",
        code=f"{PROCESSING}/input/code",
        files={"/opt/ml/check/digits.csv": content},
        environment={"SPARK_FILES": str(images.CONTAINER_FILES / "spark")},
    )
    columns = ["image", "label", *(f"ink{row}" for row in range(_SIDE))]
    expected = "a table with the columns image, label and ink0 to ink27"
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", expected)
    report = trial.report
    if report["returned"] != "DataFrame":
        returned = report["returned"]
        found = "nothing" if returned == "NoneType" else f"a {returned}"
        raise NotYet(f"transform returned {found}", expected)
    names = [name for name, _ in report["columns"]]
    if names != columns:
        strange = [name for name in names if name not in columns]
        missing = [name for name in columns if name not in names]
        found = f"a table with the columns {listing((name[:40] for name in names), 4)}"
        found += f"; there is no {missing[0]}" if missing else ""
        found += f"; {strange[0][:40]} is too many" if strange and not missing else ""
        raise NotYet(found, expected)
    _judge_rows(report["rows"], dict(report["columns"]), ink)


@functools.cache
def _digits() -> tuple[bytes, np.ndarray]:
    """Return a part of the table as the notebook makes it, and the ink in each row (n, 28)."""
    pixels = np.random.default_rng(0).integers(0, 256, (_LINES, _SIDE, _SIDE))
    lines = [
        f"{n},{_WORDS[n % 10]},{' '.join(map(str, one.ravel()))}\n" for n, one in enumerate(pixels)
    ]
    return "".join(lines).encode(), pixels.mean(axis=2) / 255


def _judge_rows(rows: list[list], types: dict[str, str], ink: np.ndarray) -> None:
    if len(rows) != _LINES:
        raise NotYet(f"a table of {len(rows)} rows", f"{_LINES} rows: one for each digit")
    for image, label, *features in rows:
        digit = image % 10
        if label is None:
            raise NotYet(f"the label of the {_WORDS[digit]} is empty", f"the number {digit}")
        if str(label) != str(digit):
            raise NotYet(f"the label of the {_WORDS[digit]} is {label!r}", f"the number {digit}")
        if not isinstance(label, int):
            raise NotYet(
                f"the labels are {types['label']}: {label!r}", f"whole numbers (int): {digit}"
            )
        if None in features:
            raise NotYet(f"ink{features.index(None)} is empty", "the mean ink in that row")
        numbers = [one if isinstance(one, float) else -1.0 for one in features]
        row = int(np.abs(np.array(numbers) - ink[image]).argmax())
        if abs(numbers[row] - ink[image][row]) > 1e-6:
            across = ", which is that of another row" if any(
                abs(numbers[row] - other) < 1e-6 for other in ink[image]) else ""  # fmt: skip
            raise NotYet(
                f"ink{row} of the image {image} is {features[row]!r}{across}",
                f"{ink[image][row]:.4f}: ink(pixels, {row}), with pixels as an array of numbers",
            )


# --- who worked ---------------------------------------------------------------------------


@check("11.3")
def rows_of_hosts(look: Look) -> None:
    record = jobs.newest(look, SCRIPT, lambda record: _program(record) == _SMSPARK)
    jobs.ended_well(record)
    job = look.looked_at
    uri = (output_uri(record, f"{EVENTS}/x") or "").removesuffix("x")
    logs = s3.below(look, uri) if uri else {}
    if not logs:
        raise NotYet(f"no event log at {uri or 'any place in S3'}", "the event log of this job")
    tasks = []
    for item in logs.values():
        s3.made_by(look, record, item.uri)
        tasks += _tasks(s3.read(look, item.uri) or b"")
    found = notebook.value(look, "rows", _read_rows)
    look.at(f"{look.looked_at}, and the event log of {job}")
    wanted = _sums(tasks, "Host")
    _judge_counts(found, wanted, {
        "which are the numbers of the tasks": _counts(tasks),
        "which are the rows that were read": _sums(tasks, "Host", "Input Metrics", "Records Read"),
        "which are bytes": _sums(tasks, "Host", "Output Metrics", "Bytes Written"),
        "which is what the last task of each host wrote": {
            task["Task Info"]["Host"]: _metric(task) for task in tasks},
    })  # fmt: skip


def _tasks(content: bytes) -> list[dict]:
    events = (json.loads(line) for line in content.splitlines() if line.strip())
    return [event for event in events if event.get("Event") == "SparkListenerTaskEnd"]


def _metric(task: dict, kind: str = "Output Metrics", name: str = "Records Written") -> int:
    return task.get("Task Metrics", {}).get(kind, {}).get(name, 0)


def _sums(tasks: list[dict], by: str, *metric: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for task in tasks:
        key = task["Task Info"][by]
        found[key] = found.get(key, 0) + _metric(task, *metric)
    return found


def _counts(tasks: list[dict]) -> dict[str, int]:
    hosts = [task["Task Info"]["Host"] for task in tasks]
    return {host: hosts.count(host) for host in hosts}


def _judge_counts(found: object, wanted: dict[str, int], mistakes: dict[str, dict]) -> None:
    expected = f"the rows that each host wrote: {_shown(wanted)}"
    if not isinstance(found, dict):
        raise NotYet(f"rows is {found!r}", f"a dict: {expected}")
    counts = {str(host): count for host, count in found.items()}
    if counts == wanted:
        return
    close = [f", {why}" for why, other in mistakes.items() if counts == other]
    raise NotYet(f"rows has {_shown(counts)}{close[0] if close else ''}", expected)


def _shown(counts: dict[str, int]) -> str:
    return listing(f"{host}: {count}" for host, count in sorted(counts.items()))


def _read_rows(printed: str) -> dict[str, int]:
    """Find the number behind the name of each host."""
    return {host: int(n) for host, n in re.findall(r"(algo-\d[\w-]*)[^\w-]+(-?\d+)\b", printed)}
