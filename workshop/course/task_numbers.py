"""The numbers of tasks and sections, as people type them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workshop.course import manifest
from workshop.emulator.errors import WorkshopError


def task(given: str | float) -> str:
    """Return the number of a task, for "1.3", " 1.3 " and 1.3; raise WorkshopError for no task."""
    number = _clean(given)
    if number in _sections_of_tasks():
        return number
    raise WorkshopError(f"There is no task {number!r}. {_advice(number)}")


def tasks(given: str | float) -> list[str]:
    """Return a task's number, or those of all tasks of a section, for "1".

    Raises WorkshopError when there is no such task or section.
    """
    number = _clean(given)
    known = _sections_of_tasks()
    found = [one for one, section in known.items() if number in (one, section)]
    if found:
        return found
    what = "task" if "." in number else "section"
    raise WorkshopError(f"There is no {what} {number!r}. {_advice(number)}")


def _clean(given: str | float) -> str:
    return str(given).strip().strip("\"'").removeprefix("task ").rstrip(".")


def _sections_of_tasks() -> dict[str, str]:
    return {one.number: one.number.partition(".")[0] for one in manifest.tasks()}


def _advice(number: str) -> str:
    """Say what could be meant instead."""
    known = _sections_of_tasks()
    sentences = []
    meant = [one for one in _with_a_point(number) if one in known]
    if meant:
        sentences.append(f"Did you mean {' or '.join(meant)}?")
    section = number.partition(".")[0]
    of_section = [one for one, its_section in known.items() if its_section == section]
    if of_section:
        sentences.append(f"Section {section} has the tasks {', '.join(of_section)}.")
    if not sentences:
        sentences.append(f"The sections are {_labs()}. A task is a number like 1.3.")
    return " ".join(sentences)


def _with_a_point(number: str) -> Iterator[str]:
    """Yield 1.3 for 13, for 1,3 and their like."""
    parts = re.fullmatch(r"(\d+)[\s,;:/_-]+(\d+)", number)
    if parts:
        yield f"{parts[1]}.{parts[2]}"
    elif number.isdigit():
        yield from (f"{number[:at]}.{number[at:]}" for at in range(1, len(number)))


def _labs() -> str:
    named = []
    for lab in manifest.labs():
        numbers = [section.number for section in lab.sections if section.tasks]
        if numbers:
            named.append(f"{numbers[0]} to {numbers[-1]} ({lab.folder})")
    return ", ".join(named)
