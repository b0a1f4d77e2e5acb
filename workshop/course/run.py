"""`./lab run`: executes the solutions of labs, and shows how it goes and what came out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workshop import terminal
from workshop.course import dataset, manifest, notebooks, packages
from workshop.course.progress import Progress
from workshop.course.step import Step
from workshop.emulator.client import connection, daemon
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

DEFAULT_DATA = ROOT / "data" / "raw"

#: What of a failing cell's own output is shown; the notebook has all of it.
LINES_SHOWN = 30


def run(names: list[str], data: Path | None = None, *, aws: bool = False, root: Path = ROOT) -> int:
    """Run labs, each in a copy below `runs/`; return the exit status.

    A notebook runs with its own `LOCAL`. With `aws`, this process is connected to a real account
    (`workshop.account`), and every notebook runs with `LOCAL = False`.

    Raises WorkshopError, before anything starts, for an unknown lab or unfit raw data.
    """
    known = manifest.labs(root / "source")
    labs = list(dict.fromkeys(manifest.find(name, known) for name in names))
    for lab in labs:
        if aws and not lab.sections:
            raise WorkshopError(f"{lab.folder} starts no job on SageMaker: run it without --aws.")
    raw_data = (data or DEFAULT_DATA).resolve()
    dataset.check(raw_data)
    for lab in labs:
        if lab.packages:
            packages.ensure(lab.packages, root)
    # Started here, the emulator belongs to no notebook, and Ctrl-C in one leaves it alone.
    environment = dict(os.environ) if aws else connection.environment()
    values = {"RAW_DATA": str(raw_data)} | ({"LOCAL": False} if aws else {})

    folder = _new_folder(root / "runs")
    steps = [step for lab in labs for step in _prepare(lab, root, folder)]
    console = terminal.console()
    began = time.time()
    failure: Failed | None = None
    with Progress(steps, console) as progress:
        for step in steps:
            step.state, step.began = "running", time.time()
            progress.changed(step)
            try:
                if step.cells:
                    _execute_notebook(step, values)
                else:
                    _execute_scripts(step, raw_data, environment)
                step.state = "done"
            except Failed as failed:
                step.state, failure = "FAILED", failed
            except KeyboardInterrupt:
                step.state = "interrupted"
                raise
            finally:
                step.seconds = time.time() - step.began
                progress.changed(step)
            if failure:
                break
    for step in steps:
        step.state = "not run" if step.state == "waiting" else step.state
    _show_summary(console, steps, folder, None if aws else began)
    if failure:
        console.print(f"\n{failure.text}")
        return 1
    return 0


# --- preparing ---------------------------------------------------------------------------------


def _new_folder(runs: Path) -> Path:
    """Make `runs/<time>`; two runs in one second get different ones."""
    name = time.strftime("%Y-%m-%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        folder = runs / f"{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise WorkshopError(f"{runs} cannot be written to: {error.strerror}.") from error
        return folder
    raise WorkshopError(f"{runs} has 99 runs of this very second.")


def _prepare(lab: manifest.Lab, root: Path, folder: Path) -> Iterator[Step]:
    """Copy a lab below `folder`, and name its steps."""
    source = root / "final" / lab.folder if lab.sections else root / lab.folder
    files = [f"{section.notebook}.ipynb" for section in lab.sections]
    files = files or [lab.commands[-1].split()[0]]
    for file in files:
        if not (source / file).is_file():
            raise WorkshopError(f"{source / file} is missing: ./lab build makes final/.")
    unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    copy = shutil.copytree(source, folder / lab.folder, ignore=unwanted)
    for file in files:
        step = Step(lab, Path(copy) / file)
        if lab.sections:
            step.cells = len(notebooks.code_cells(notebooks.read(step.path)))
        yield step


# --- executing ---------------------------------------------------------------------------------


@dataclass
class Failed(Exception):
    """A step did not come to its end; `text` ends with the innermost error."""

    text: str


def _execute_notebook(step: Step, values: dict[str, object]) -> None:
    """Execute a notebook with those of `values` that it has as parameters."""
    notebook = notebooks.read(step.path)
    names = notebooks.parameter_names(notebook)
    parameters = {name: value for name, value in values.items() if name in names}

    def on_cell(number: int) -> None:
        step.cell = number

    try:
        executed = notebooks.execute(step.path, parameters=parameters, on_cell=on_cell)
    except notebooks.Failure as failure:
        raise Failed(_failure_text(step, failure)) from None
    step.figure = notebooks.key_figure(executed)


def _execute_scripts(step: Step, raw_data: Path, environment: dict[str, str]) -> None:
    """Run scripts as they are; their output goes to a file beside them, `output.log`."""
    log = step.path.with_name("output.log")
    environment = environment | dict(step.lab.environment) | {"PYTHONUNBUFFERED": "1"}
    lines: list[str] = []
    for command in step.lab.commands:
        words = [word.format(raw_data=raw_data) for word in command.split()]
        status = _run_script(words, step, environment, log, lines)
        if status:
            raise Failed(
                f"{step.title} failed: {words[0]} ended with exit status {status}.\n"
                f"All it printed: {terminal.shown(log)}\n\n--- the end of it\n"
                + "\n".join(lines[-2 * LINES_SHOWN :])
            )
    step.figure = lines[-1] if lines else ""


def _run_script(
    words: list[str], step: Step, environment: dict[str, str], log: Path, lines: list[str]
) -> int:
    """Run one script; add its output to `log` and to `lines`; return its exit status."""
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=step.path.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        with open(log, "a", encoding="utf-8") as file:
            for line in process.stdout:
                file.write(line)
                if line.strip():
                    lines.append(line.rstrip())
                    step.last_line = line.strip()
        return process.wait()
    except BaseException:
        notebooks.end_below(process.pid)
        raise


def _failure_text(step: Step, failure: notebooks.Failure) -> str:
    """Say how a notebook failed: what the cell printed first, the innermost error last."""
    job_error = failure.job_error or _last_traceback(failure.printed)
    printed = failure.printed.rstrip()
    if job_error:  # once is enough
        first_line = "Traceback (most recent call last):"
        printed = printed[: printed.rfind(first_line)] if first_line in printed else printed
    parts = [
        f"{step.title} failed in code cell {failure.cell} of {step.cells}.",
        f"The notebook with all it printed: {terminal.shown(step.path)}",
    ]
    lines = printed.rstrip().splitlines()
    if lines:
        left_out = max(0, len(lines) - LINES_SHOWN)
        parts += ["", "--- what the cell printed", *([f"({left_out} lines)"] if left_out else [])]
        parts += lines[-LINES_SHOWN:]
    if failure.where and not job_error:
        parts += ["", "--- where it failed", failure.where]
    if job_error:
        raised = (failure.error.splitlines() or [""])[0]
        parts += ["", "--- what the cell raised", raised, "", "--- the job's own error", job_error]
    else:
        parts += ["", "--- the error", failure.error]
    return "\n".join(parts)


def _last_traceback(printed: str) -> str:
    """Return the last traceback in a text, without the prefix that its lines may have."""
    before, mark, after = printed.rpartition("Traceback (most recent call last):")
    if not mark:
        return ""
    prefix = before.rpartition("\n")[2]
    lines = [line.removeprefix(prefix) for line in after.splitlines()]
    # A traceback's frames are indented; its last line, the exception, is not.
    for number, line in enumerate(lines[1:], 1):
        if line and not line[0].isspace():
            lines = lines[: number + 1]
            break
    return "\n".join([mark, *lines[1:]])


# --- the summary -------------------------------------------------------------------------------


def _show_summary(console, steps: list[Step], folder: Path, began: float | None) -> None:
    """Show the steps, and what came into the emulated AWS since `began` (not where it is None)."""
    rows = [
        [
            step.title,
            step.state,
            f"{step.seconds:.0f}" if step.seconds else "-",
            step.figure or "-",
        ]
        for step in steps
    ]
    console.print()
    terminal.print_table(console, ["Step", "State", "Seconds", "Key figure"], rows)
    console.print(f"\nNotebooks and scripts, with all they printed: {terminal.shown(folder)}")
    written = _written(began) if began else {}
    if written:
        console.print("Written to the emulated S3:")
    for place, count in written.items():
        console.print(f"  {place}  {count} object{'s' * (count != 1)}")
    left = _endpoints() if began else []
    if left:
        words = "On AWS each costs money by the hour, until it is deleted"
        console.print(f"Endpoints that are still in service: {', '.join(left)}. {words}.")


def _endpoints() -> list[str]:
    """Return the emulated endpoints that nobody has deleted."""
    pages = daemon.client("sagemaker").get_paginator("list_endpoints")
    found = [one for page in pages.paginate(StatusEquals="InService") for one in page["Endpoints"]]
    return sorted(one["EndpointName"] for one in found)


#: The SDK puts the code of each job into a folder with the job's name, which ends in the time.
_JOB_FOLDER = re.compile(r"-20\d\d(-\d\d){5}-\d{3}$")


def _written(began: float) -> dict[str, int]:
    """Count what was written to the emulated S3 since `began`, by bucket and first folder."""
    s3 = daemon.client("s3")
    counts: dict[str, int] = {}
    for bucket in s3.list_buckets()["Buckets"]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
        for item in (item for page in pages for item in page.get("Contents", ())):
            if item["LastModified"].timestamp() >= int(began):
                first, slash, _ = item["Key"].partition("/")
                if not _JOB_FOLDER.search(first):
                    place = f"s3://{bucket['Name']}/{first}{slash}"
                    counts[place] = counts.get(place, 0) + 1
    return counts
