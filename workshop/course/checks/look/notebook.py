"""The cells of the section's notebook, what they printed, and what they set."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from workshop.course import gaps, manifest
from workshop.course.checks import live
from workshop.course.checks.look import source
from workshop.course.checks.look.lab import Look
from workshop.course.checks.outcome import NotYet

_STARTS_JOB = re.compile(r"\.(run|fit|transform)\(")
#: What the SDK raises when a job has failed (sagemaker/local/image.py, sagemaker/session.py).
_JOB_FAILED = re.compile(r"RuntimeError: Failed to run: |UnexpectedStatusException: ")


@dataclass(frozen=True)
class Cell:
    """A code cell, and how it ended when it ran last: in this kernel, or before it was saved.

    `printed` is None where nobody knows what this source printed; `error` is empty when it ended
    well. `began` is when that run began, where the kernel or the file tells, and `since` when it
    ran first with this source, where the kernel does.
    """

    source: str
    printed: str | None = None
    error: str = ""
    tags: tuple[str, ...] = ()
    began: float | None = None
    since: float | None = None

    def sets(self, name: str) -> bool:
        """Tell whether it assigns a variable, or makes a function."""
        return source.sets(self.source, name)


def cells(look: Look) -> list[Cell]:
    """Return the code cells; those that ran in this kernel as they were then."""
    try:
        content = json.loads(look.notebook.read_text())
        saved_cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        raise NotYet(
            f"no notebook {look.notebook.name} in {look.folder} that can be read",
            "the notebook of this section; a check looks for it in the folder where it is asked "
            "for, then in the workshop's own",
            looked_at=str(look.folder),
        ) from None
    ran = live.ran(look.notebook.name)
    by_source = {one.source: one for one in ran.values()}  # VS Code has ids of its own
    found = []
    for cell in saved_cells:
        known = ran.get(cell.get("id")) or by_source.get("".join(cell["source"]))
        found.append(_cell(cell, known))
    look.saw_file(look.notebook.name, "\n\n".join(cell.source for cell in found).encode())
    return found


def _cell(saved: dict, ran: live.Ran | None) -> Cell:
    """Return a cell as it ran in this kernel; one that did not is as it was saved."""
    tags = tuple(saved.get("metadata", {}).get("tags", ()))
    if ran is not None:
        return Cell(ran.source, ran.printed, ran.error, tags, ran.began, ran.since)
    outputs = saved.get("outputs", ())
    errors = [f"{one['ename']}: {one['evalue']}" for one in outputs if "ename" in one]
    known = outputs or saved.get("execution_count")
    printed = "\n".join(map(_output_text, outputs)) if known else None
    return Cell("".join(saved["source"]), printed, "".join(errors[:1]), tags, _began(saved))


def _began(saved: dict) -> float | None:
    """Return when a cell ran last, where its file says so.

    JupyterLab writes it with `recordTiming` (workshop/jupyter/), from the header of the kernel's
    message (jupyterlab/packages/cells/src/widget.ts, `iopub.execute_input`).
    """
    told = saved.get("metadata", {}).get("execution", {}).get("iopub.execute_input")
    try:
        return datetime.fromisoformat(str(told).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def of_task(look: Look) -> list[Cell]:
    """Return the cells with the region of the task that is looked at; none when a script has it."""
    return [one for one in cells(look) if f"{gaps.TASK_TAG}{look.task}" in one.tags]


def starts_job(look: Look) -> bool:
    """Tell whether the cell of the task starts the job itself: our own code for it does."""
    lab = next(lab for lab in manifest.labs() if look.section in lab.sections)
    nodes: list[ast.AST] = list(ast.parse(gaps.regions(lab)[look.task].code).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Call) and source.calls(node, "run", "fit"):
            return True
        if not isinstance(node, ast.FunctionDef):
            nodes += ast.iter_child_nodes(node)
    return False


def came_to_job(look: Look) -> None:
    """Make sure that no cell stopped, from the task's on, up to the first that starts a job.

    An older job tells nothing of the cells as they are now. A job that failed tells of itself.
    """
    below = _from_task_on(look)
    starts = (at for at, one in enumerate(below) if _STARTS_JOB.search(one.source))
    _none_stopped(look, below[: next(starts, 0) + 1], "job")


def came_to_pipeline(look: Look) -> None:
    """Make sure that no cell stopped, from the task's on, up to the last that sends a pipeline."""
    below = _from_task_on(look)
    sends = [at for at, one in enumerate(below) if ".upsert(" in one.source]
    _none_stopped(look, below[: max(sends, default=0) + 1], "pipeline")


def _from_task_on(look: Look) -> list[Cell]:
    """Return the cells from the last of the task on; none where a script has the task."""
    every, own = cells(look), of_task(look)
    return every[every.index(own[-1]) :] if own else []


def _none_stopped(look: Look, some: list[Cell], what: str) -> None:
    for one in some:
        if one.error and not _JOB_FAILED.match(one.error):
            look.at(f"{look.notebook.name}, from the cell of task {look.task} on")
            raise NotYet(
                f"it stopped before it started a {what}: {one.error.strip().splitlines()[0]}",
                f"a {what} that it starts as it is now",
                step="mend the cell that stopped, and run it and those below it",
            )


def ran_well(look: Look, *, but_for_jobs: bool = False) -> None:
    """Make sure that the cells of the task ran, and ended well.

    but_for_jobs: an error is none of the cell's where a job failed that it had started
    """
    look.at(f"{look.notebook.name}, the cell of task {look.task}")
    for one in of_task(look):
        if one.error and not (but_for_jobs and _JOB_FAILED.match(one.error)):
            first = one.error.strip().splitlines()[0]
            raise NotYet(f"the cell stopped: {first}", "a cell that runs to its end")
        if one.printed is None:
            raise NotYet(
                "the cell has not run, or the notebook was not saved since",
                "a cell that ran",
                step="run the cell, and save the notebook; or check in the notebook",
            )


def local(look: Look) -> bool | None:
    """Return LOCAL as the notebook has it; None when it does not say."""
    variables = live.variables(look.notebook.name)
    if "LOCAL" in variables:
        return bool(variables["LOCAL"])
    pattern = r"(?m)^LOCAL\s*=\s*(True|False)\b"
    said = [one for cell in cells(look) for one in re.findall(pattern, cell.source)]
    return said[-1] == "True" if said else None


def on_sagemaker(look: Look, lacks: str) -> None:
    """Make sure that the notebook ran on SageMaker: it has what local mode lacks."""
    if local(look):
        look.at(look.notebook.name)
        raise NotYet(
            f"it ran in local mode, which has no {lacks}",
            "a run with LOCAL = False: set it and run the notebook again from the top",
        )


def cell(look: Look, name: str) -> Cell:
    """Return the last cell that sets a variable, which is named by the task."""
    look.at(f"{look.notebook.name}, the cell that sets {name}")
    setting = [one for one in cells(look) if one.sets(name)]
    if not setting:
        raise NotYet(f"no cell sets {name}", f"a cell that sets {name}")
    return setting[-1]


def code(look: Look, wanted: Iterable[str], others: Iterable[str] = ()) -> bytes:
    """Return the code of all cells that set one of these names; the wanted ones must be set."""
    every = cells(look)
    for name in wanted:
        if not any(one.sets(name) for one in every):
            raise NotYet(f"no cell makes {name}", f"a cell that makes {name}")
    names = [*wanted, *others]
    parts = [source.without_magics(one.source) for one in every if any(map(one.sets, names))]
    return "\n\n".join(parts).encode()


def value(look: Look, name: str, read: Callable[[str], object]) -> object:
    """Return what a variable is: in the notebook's kernel, or as its cell printed it.

    read: makes a value of what the cell printed
    """
    setting = cell(look, name)
    variables = live.variables(look.notebook.name)
    if name in variables:
        return variables[name]
    if not setting.printed:
        raise NotYet(
            f"what {name} is does not stand in the saved notebook",
            "the cell run, and the notebook saved after it; or the check in the notebook",
        )
    return read(setting.printed)


def _output_text(output: dict) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain") or ""
    return "".join(text)
