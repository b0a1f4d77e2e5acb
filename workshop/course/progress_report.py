"""What `./lab progress` shows: all tasks of the course, and how far the learner is."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from workshop import terminal
from workshop.course import ladder, manifest, next_step, progress_file
from workshop.place import command

#: Raised when a field of the JSON form changes its name or its meaning; new ones may come.
FORMAT = 1


def as_dict() -> dict:
    """Return the progress of all tasks, ready for JSON.

    tasks: in the order of the course, each with lab, section, task, title, state ("not checked",
    "not attempted", "not yet" or "passed": what the last check said; a pass stays), attempts
    (checks up to the first that passed), hints_opened, hints_total, meant_minutes, minutes (from
    the first sight to the first passed check, breaks included; null before), first_seen and passed
    (UTC, ISO 8601, or null).
    evidence: what the check that passed looked at: jobs (names), objects (addresses in S3, at most
    100), files (SHA-256 by path in the lab's folder; of a notebook, of its code); {} before, and
    of a pass that an older workshop noted.
    latest: null, or what the last check said where it no longer passes: when, state, found.
    totals: tasks, passed, hints_opened, minutes.
    """
    known = progress_file.summary()
    tasks = []
    for lab in manifest.labs():
        ladders = ladder.load(lab) if lab.tasks else {}
        for section in lab.sections:
            for task in section.tasks:
                so_far = known.get(task.number, progress_file.TaskProgress())
                tasks.append(
                    {
                        "lab": lab.folder,
                        "section": section.number,
                        "task": task.number,
                        "title": task.title,
                        "state": so_far.state,
                        "attempts": so_far.attempts,
                        "hints_opened": len(so_far.hints),
                        "hints_total": len(ladders.get(task.number, ())),
                        "meant_minutes": task.minutes,
                        "minutes": so_far.minutes,
                        "first_seen": _iso(so_far.first_seen),
                        "passed": _iso(so_far.passed),
                        "evidence": so_far.evidence,
                        "latest": so_far.latest
                        and {**vars(so_far.latest), "when": _iso(so_far.latest.when)},
                    }
                )
    totals = {
        "tasks": len(tasks),
        "passed": sum(map(_is_passed, tasks)),
        "hints_opened": sum(task["hints_opened"] for task in tasks),
        "minutes": sum(task["minutes"] or 0 for task in tasks),
    }
    return {"format": FORMAT, "tasks": tasks, "totals": totals}


def show() -> None:
    """Print the sections that were begun, task by task; the others in a line; the next task."""
    terminal.say(Text("\n").join(_lines()))


def as_json() -> str:
    return json.dumps(as_dict(), indent=1, ensure_ascii=False)


def _iso(time) -> str | None:
    return None if time is None else time.isoformat()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _lines() -> Iterator[Text]:
    report = as_dict()
    tasks = report["tasks"]
    begun = {task["section"] for task in tasks if _is_begun(task)}
    for lab in manifest.labs():
        sections = [one for one in lab.sections if one.number in begun]
        if sections:
            yield Text(f"{lab.folder} · {lab.title}", "bold")
        for section in sections:
            of_section = [task for task in tasks if task["section"] == section.number]
            passed = sum(_is_passed(task) for task in of_section)
            yield Text(
                f"  Section {section.number} · {section.title}: "
                f"{passed} of {len(of_section)} passed"
            )
            for task in of_section:
                yield from _task(task)
        if sections:
            yield Text()
    rest = _not_begun(begun)
    if rest:
        yield Text(f"Not begun: {rest}.")
    totals = report["totals"]
    yield Text(
        f"{totals['passed']} of {totals['tasks']} tasks passed, "
        f"{_count(totals['hints_opened'], 'hint')} opened, {_count(totals['minutes'], 'minute')}."
    )
    following = next((task for task in tasks if not _is_passed(task)), None)
    if following:
        where = next_step.notebook(manifest.section(following["section"]))
        yield Text(f"Next: task {following['task']} · {following['title']}, in {where}")
        yield Text(f"The states are those of the last check. {command('check')} looks again.")


def _task(task: dict) -> Iterator[Text]:
    """Yield a task's line, and one more where it is passed and would not pass today."""
    hints = f"{task['hints_opened']} of {task['hints_total']} hints" if task["hints_opened"] else ""
    time = task["minutes"]
    minutes = "" if time is None else f"{time} of {task['meant_minutes']} min"
    state = task["state"]
    line = Text(f"    {task['task']:5} ")
    line.append(state, state if state in progress_file.STATES else "")
    line.append(" " * (len(progress_file.NOT_ATTEMPTED) - len(state)))
    yield line.append(f"  {hints:12}  {minutes:13}  {task['title']}")
    if task["latest"]:
        latest = task["latest"]
        when = datetime.fromisoformat(latest["when"]).astimezone()
        day = "today" if when.date() == datetime.now().date() else f"on {when:%Y-%m-%d}"
        why = textwrap.shorten(latest["found"], 70, placeholder=" …")
        yield Text(f"          {day} not: {why}")


def _not_begun(begun: set[int]) -> str:
    """Name the sections that were not begun, by lab: sections 2, 3 (Lab1), 4 to 7 (Lab2)."""
    named = []
    for lab in manifest.labs():
        numbers = [str(one.number) for one in lab.sections if one.tasks]
        rest = [number for number in numbers if int(number) not in begun]
        if rest:
            whole = len(rest) > 2 and rest == numbers
            named.append(
                f"{f'{rest[0]} to {rest[-1]}' if whole else ', '.join(rest)} ({lab.folder})"
            )
    return f"sections {', '.join(named)}" if named else ""


def _is_begun(task: dict) -> bool:
    """Tell whether the learner has been there; a check alone may look at what nobody has seen."""
    return bool(task["first_seen"] or task["hints_opened"] or task["attempts"] or task["passed"])


def _is_passed(task: dict) -> bool:
    return task["state"] == progress_file.PASSED
