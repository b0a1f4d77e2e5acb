"""Checks what the learner's work did, and says what was looked at, found and expected.

A check looks at four things (`look/`): the requests that reached SageMaker, what S3 holds, what
a script does with a tiny input, and the cells of the notebook. It never asks what the learner
called a variable, but for those that a task names. The checks are in `section1.py` and so on.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from workshop.course import hints, manifest, progress_file
from workshop.course.checks import (  # noqa: F401 (they register)
    section1,
    section2,
    section3,
    section4,
    section5,
    section6,
    section7,
    section8,
    section9,
    section10,
    section11,
    section12,
)
from workshop.course.checks.look import Look, gaps, notebook
from workshop.course.checks.outcome import (
    NOT_ATTEMPTED,
    NOT_YET,
    PASSED,
    NotYet,
    Outcome,
)
from workshop.course.checks.registry import CHECKS
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

__all__ = [
    "NOT_ATTEMPTED",
    "NOT_YET",
    "PASSED",
    "Outcome",
    "feedback",
    "run",
    "run_section",
    "show",
]

_WIDTH = 100
_INDENT = " " * 13


def run(number: str, folder: Path | None = None) -> Outcome:
    """Check one task in a lab's folder (see `show` for the default)."""
    task, lab = manifest.task(number), manifest.lab_of(number)
    section = next(section for section in lab.sections if task in section.tasks)
    return _run(number, Look(folder or _folder(lab), section))


def run_section(number: str | int, folder: Path | None = None) -> list[Outcome]:
    """Check all tasks of a section, in order."""
    for lab in manifest.labs():
        for section in lab.sections:
            if str(section.number) == str(number) and section.tasks:
                look = Look(folder or _folder(lab), section)
                return [_run(task.number, look) for task in section.tasks]
    known = ", ".join(str(s.number) for lab in manifest.labs() for s in lab.sections if s.tasks)
    raise WorkshopError(f"There is no section {str(number)!r}. The sections are: {known}.")


def show(number: str | float | None = None, folder: Path | None = None) -> list[Outcome]:
    """Check and print: a task for "1.2", a section for "1", all for nothing.

    The lab is looked for in the working directory, then in the checkout. What the checks say is
    kept for `./lab progress`.
    """
    wanted = "" if number is None else str(number).strip()
    if "." in wanted:
        outcomes = [run(wanted, folder)]
    elif wanted:
        outcomes = run_section(wanted, folder)
    else:
        sections = [s for lab in manifest.labs() for s in lab.sections if s.tasks]
        outcomes = [one for section in sections for one in run_section(section.number, folder)]
    for outcome in outcomes:
        progress_file.record_check(outcome.number, outcome.state)
        print(feedback(outcome, whole="." in wanted))
    if len(outcomes) > 1:
        passed = sum(outcome.state == PASSED for outcome in outcomes)
        print(f"\n{passed} of {len(outcomes)} tasks passed")
    return outcomes


def feedback(outcome: Outcome, *, whole: bool = True) -> str:
    """Return an outcome as text. Unless `whole`, one line is enough where nothing was tried."""
    task = manifest.task(outcome.number)
    head = f"task {task.number} · {task.title}: {outcome.state}"
    if not whole and outcome.state != NOT_YET:
        return head
    lines = [("looked at", outcome.looked_at)]
    if outcome.state != PASSED:
        lines += [
            ("found", outcome.found),
            ("expected", outcome.expected),
            ("next", _next(outcome)),
        ]
    return "\n".join([head, *(_line(name, text) for name, text in lines)])


def _line(name: str, text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=f"  {name:9}  ",
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _next(outcome: Outcome) -> str:
    number = outcome.number
    current, total = hints.next_rung(number)
    in_notebook = f'(in a notebook: workshop.hint("{number}"))'
    return f"hint {current} of {total}: ./lab hint {number}   {in_notebook}"


def _run(number: str, look: Look) -> Outcome:
    look.at("")
    look.task = number
    try:
        gap = gaps.find(look, number)
        if gap:
            what = manifest.task(number).what
            return Outcome(number, NOT_ATTEMPTED, *gap, expected=what)
        notebook.ran_well(look, but_for_jobs=True)
        CHECKS[number](look)
        seen = look.looked_at
        notebook.ran_well(look)
        look.at(seen)
    except NotYet as not_yet:
        looked_at = not_yet.looked_at or look.looked_at
        return Outcome(number, NOT_YET, looked_at, not_yet.found, not_yet.expected)
    except WorkshopError:
        raise
    except Exception as error:
        raise WorkshopError(
            f"The check of task {number} broke while it looked at {look.looked_at}: "
            f"{type(error).__name__}: {error}. That is a fault of the check, not of your work."
        ) from error
    return Outcome(number, PASSED, look.looked_at)


def _folder(lab: manifest.Lab) -> Path:
    here = Path.cwd()
    if any((here / f"{section.notebook}.ipynb").exists() for section in lab.sections):
        return here
    return ROOT / lab.folder
