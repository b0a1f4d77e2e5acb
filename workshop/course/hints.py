"""Shows the hints of a task, one rung of its ladder at a time."""

from __future__ import annotations

import difflib
import sys
from datetime import datetime, timezone

from workshop import terminal
from workshop.course import ladder, manifest, progress_file
from workshop.emulator.errors import WorkshopError

_STAR = r"\*"  # a star that is no format


def show(number: str | float, rung: int | None = None) -> None:
    """Show the next rung of a task and remember it; with `rung`, show that one.

    After the last rung it shows the last one again, and says so. It never refuses: when to look is
    the learner's own choice. Raises WorkshopError when there is no such task or rung.
    """
    number = task_number(number)
    text = as_markdown(number, rung)
    _print(text)
    progress_file.record_hint(number, _which(number, rung))


def not_attempted(number: str) -> str:
    """Return what a gap says when a notebook comes to it; note that the learner was there."""
    task = manifest.task(task_number(number))
    progress_file.record_seen(task.number)
    return (
        f"task {task.number} not attempted: {task.what}\n"
        f'Stuck for {task.minutes} minutes? workshop.hint("{task.number}")'
    )


def next_rung(number: str | float) -> tuple[int, int]:
    """Return which rung `show` would show, from 1, and how many there are."""
    number = task_number(number)
    total = len(_rungs(number))
    seen = progress_file.opened(number)
    return min(max(seen, default=0) + 1, total), total


def as_markdown(number: str, rung: int | None = None) -> str:
    """Return what `show` shows."""
    task = manifest.task(number)
    rungs = _rungs(number)
    total = len(rungs)
    seen = progress_file.opened(number)
    current = _which(number, rung)
    shown = rungs[current - 1]
    parts = [
        f"### Hint {current} of {total} · task {number} · {task.title}",
        f"*{_time(task, progress_file.of(number))}*",
    ]
    if not seen:
        parts.append(f"**The task:** {task.what.replace('*', _STAR)}")
    parts += [
        f"**{shown.title}**",
        shown.text.strip(),
        "---",
        _footer(number, current, total, seen),
    ]
    return "\n\n".join(parts) + "\n"


def task_number(given: str | float) -> str:
    """Return the number of a task, for "1.3", " 1.3 " and 1.3; raise WorkshopError for no task."""
    number = str(given).strip().strip("\"'").removeprefix("task ").rstrip(".")
    known = [task.number for task in manifest.tasks()]
    if number in known:
        return number
    raise WorkshopError(f"There is no task {number!r}. {_nearest(number, known)}")


def _nearest(number: str, known: list[str]) -> str:
    section = number.partition(".")[0]
    of_section = [one for one in known if one.partition(".")[0] == section]
    if of_section:
        return f"Section {section} has the tasks {', '.join(of_section)}."
    close = difflib.get_close_matches(number, known, n=3, cutoff=0.3)
    first = f"Near it are {', '.join(sorted(close))}. " if close else ""
    return f"{first}The tasks go from {known[0]} to {known[-1]}; ./lab progress lists them."


def _rungs(number: str) -> list[ladder.Rung]:
    return ladder.load(manifest.lab_of(number))[number]


def _which(number: str, rung: int | None) -> int:
    current, total = next_rung(number)
    if rung is None:
        return current
    if not 1 <= rung <= total:
        raise WorkshopError(f"Task {number} has {total} hints: give a number from 1 to {total}.")
    return rung


def _time(task: manifest.Task, so_far: progress_file.TaskProgress) -> str:
    """Say how long the task should take, and how long the learner has had it."""
    meant = f"Meant to take about {task.minutes} minutes."
    if so_far.first_seen is None or so_far.passed is not None:
        return meant
    minutes = int((datetime.now(timezone.utc) - so_far.first_seen).total_seconds() // 60)
    if minutes > 3 * task.minutes:  # there was a break
        return meant
    if minutes < task.minutes / 2:
        return f"{meant} You met it {_minutes(minutes)} ago: try this hint for a while."
    return f"{meant} You met it {_minutes(minutes)} ago."


def _minutes(count: int) -> str:
    return "a moment" if count < 1 else "1 minute" if count == 1 else f"{count} minutes"


def _footer(number: str, current: int, total: int, seen: tuple[int, ...]) -> str:
    again = f"`./lab hint {number} --rung 1`"
    if current < total:
        return (
            "Go back and try. Still stuck after that? "
            f'`./lab hint {number}` or `workshop.hint("{number}")` shows the next hint.'
        )
    if total in seen:
        return f"This is the last hint, and you have seen it before. From the start: {again}"
    return f"This is the last hint. Type it rather than paste it, then `./lab check {number}`."


def _print(text: str) -> None:
    """Show markdown: as a page in a notebook, rendered on a terminal, else as it is."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import Markdown, display

        display(Markdown(text))
        return
    console = terminal.console()
    if not console.is_terminal:
        console.print(text.replace(_STAR, "*"), end="")
        return
    from rich.markdown import Markdown

    console.print(Markdown(text, code_theme="ansi_dark"), soft_wrap=False)
