"""Checks what the learner's work did, and says what was looked at, found and expected.

A check looks at four things (`look/`): the requests that reached SageMaker, what S3 holds, what
a script does with a tiny input, and the cells of the notebook. It never asks what the learner
called a variable, but for those that a task names. The checks are in `section1.py` and so on.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from rich.text import Text

from workshop import terminal
from workshop.course import hints, manifest, next_step, progress_file, task_numbers
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
    section13,
    section14,
    section15,
    section16,
    section17,
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
from workshop.place import command, in_notebook

__all__ = [
    "NOT_ATTEMPTED",
    "NOT_YET",
    "PASSED",
    "Outcome",
    "feedback",
    "folder_of",
    "run",
    "run_section",
    "show",
]

_WIDTH = 100
_NOTEBOOK_WIDTH = 96  # what JupyterLab shows on a screen of 1280 pixels, beside its file browser
_INDENT = " " * 13


def run(number: str, folder: Path | None = None) -> Outcome:
    """Check one task in a lab's folder (see `show` for the default)."""
    (outcome,) = _run_all([number], folder)
    return outcome


def run_section(number: str | int, folder: Path | None = None) -> list[Outcome]:
    """Check all tasks of a section, in order."""
    return list(_run_all(task_numbers.tasks(number), folder))


def show(*wanted: str | float, folder: Path | None = None) -> list[Outcome]:
    """Check and print: a task for "1.2", a section for "1", several of them, all for nothing.

    The lab is looked for in the working directory, then in the checkout. What the checks say is
    kept for `./lab progress`: a pass with its time and evidence, which a later check never takes
    back.
    """
    chosen = [task_numbers.tasks(one) for one in wanted]
    numbers = list(dict.fromkeys(one for some in chosen for one in some))
    numbers = numbers or [task.number for task in manifest.tasks()]
    single = {some[0] for some in chosen if len(some) == 1}
    sections = {one.number: one for one in map(next_step.section_of, numbers)}.values()
    done_before = {one.number for one in sections if next_step.is_done(one)}
    outcomes = []
    for outcome in map(_remembered, _run_all(numbers, folder)):
        terminal.say(_in_color(outcome, feedback(outcome, whole=outcome.number in single)))
        outcomes.append(outcome)
    if len(outcomes) > 1:
        passed = sum(outcome.passed for outcome in outcomes)
        terminal.say(Text(f"\n{passed} of {len(outcomes)} tasks passed"))
    for section in sections:
        if section.number not in done_before and next_step.is_done(section):
            terminal.say(Text(f"\n{next_step.after(section)}"))
    return outcomes


def feedback(outcome: Outcome, *, whole: bool = True) -> str:
    """Return an outcome as text. Unless `whole`, one line is enough where nothing was tried."""
    task = manifest.task(outcome.number)
    stays = outcome.passed_before and outcome.state != PASSED
    before = f"passed on {_clock(outcome.passed_before)}; today: " if stays else ""
    head = f"task {task.number} · {task.title}: {before}{outcome.state}"
    if not whole and outcome.state != NOT_YET:
        return head
    lines = [("looked at", outcome.looked_at)]
    if outcome.state == PASSED:
        lines.append(("compare", f"your code with ours: {command('compare', task.number)}"))
    else:
        lines += [("found", outcome.found), ("expected", outcome.expected)]
        step = outcome.step or _next(task.number)
        lines.append(("next", _stays(task.number) if stays else step))
    return "\n".join([head, *(_line(name, text) for name, text in lines)])


def folder_of(lab: manifest.Lab) -> Path:
    """Return where the learner works on a lab: in the working directory, or in the checkout."""
    here = Path.cwd()
    if any((here / f"{section.notebook}.ipynb").exists() for section in lab.sections):
        return here
    return ROOT / lab.folder


def _line(name: str, text: str) -> str:
    return textwrap.fill(
        text,
        _NOTEBOOK_WIDTH if in_notebook() else _WIDTH,
        initial_indent=f"  {name:9}  ",
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _next(number: str) -> str:
    current, total = hints.next_rung(number)
    return f"hint {current} of {total}: {command('hint', number)}"


def _stays(number: str) -> str:
    section = number.partition(".")[0]
    return f"nothing, if you like: the pass stays. Only {command('reset', section)} takes it back"


def _clock(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M}"


def _in_color(outcome: Outcome, text: str) -> Text:
    """Return a feedback with the states of its first line marked."""
    shown = Text(text)
    head = text.partition("\n")[0]
    shown.stylize(outcome.state, len(head) - len(outcome.state), len(head))
    if "; today: " in head:
        at = head.rindex(": passed on ") + 2
        shown.stylize(PASSED, at, at + len(PASSED))
    return shown


def _remembered(outcome: Outcome) -> Outcome:
    """Note what a check said; return it with what is known from before."""
    number = outcome.number
    before = progress_file.of(number).passed
    progress_file.record_check(
        number, outcome.state, found=outcome.found, evidence=outcome.evidence
    )
    return dataclasses.replace(outcome, passed_before=before)


def _run_all(numbers: Iterable[str], folder: Path | None) -> Iterator[Outcome]:
    """Check tasks, one after the other; those of a section have one `Look`."""
    looks: dict[int, Look] = {}
    for number in numbers:
        lab = manifest.lab_of(number)
        section = next_step.section_of(number)
        if section.number not in looks:
            looks[section.number] = Look(folder or folder_of(lab), section)
        yield _run(number, looks[section.number])


def _run(number: str, look: Look) -> Outcome:
    look.begin(number)
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
        found, expected, step = not_yet.found, not_yet.expected, not_yet.step
        return Outcome(number, NOT_YET, looked_at, found, expected, step)
    except WorkshopError:
        raise
    except Exception as error:
        raise WorkshopError(
            f"The check of task {number} broke while it looked at {look.looked_at}: "
            f"{type(error).__name__}: {error}. That is a fault of the check, not of your work."
        ) from error
    return Outcome(number, PASSED, look.looked_at, evidence=look.evidence)
