"""Shows the hints of a task, one rung of its ladder at a time."""

from __future__ import annotations

from datetime import datetime, timezone

from workshop import terminal
from workshop.course import ladder, manifest, progress_file, task_numbers
from workshop.emulator.errors import WorkshopError
from workshop.place import command


def show(number: str | float, rung: int | None = None) -> None:
    """Show the next rung of a task and remember it; with `rung`, show that one.

    After the last rung it shows the last one again, and says so. It never refuses: when to look is
    the learner's own choice. Raises WorkshopError when there is no such task or rung.
    """
    number = task_numbers.task(number)
    text = as_markdown(number, rung)
    terminal.page(text)
    progress_file.record_hint(number, _which(number, rung))


def not_attempted(number: str) -> str:
    """Return what a gap says when a notebook comes to it; note that the learner was there."""
    task = manifest.task(task_numbers.task(number))
    progress_file.record_seen(task.number)
    return (
        f"task {task.number} not attempted: {task.what}\n"
        f"Stuck for {task.minutes} minutes? {command('hint', task.number)}"
    )


def next_rung(number: str | float) -> tuple[int, int]:
    """Return which rung `show` would show, from 1, and how many there are."""
    number = task_numbers.task(number)
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
        f"*{_time(task, progress_file.of(number), last=current == total)}*",
    ]
    if not seen:
        parts.append(f"**The task:** {task.what.replace('*', terminal.STAR)}")
    parts += [
        f"**{shown.title}**",
        shown.text.strip(),
        "---",
        _footer(number, current, total, seen),
    ]
    return "\n\n".join(parts) + "\n"


def _rungs(number: str) -> list[ladder.Rung]:
    return ladder.load(manifest.lab_of(number))[number]


def _which(number: str, rung: int | None) -> int:
    current, total = next_rung(number)
    if rung is None:
        return current
    if not 1 <= rung <= total:
        raise WorkshopError(f"Task {number} has {total} hints: give a number from 1 to {total}.")
    return rung


def _time(task: manifest.Task, so_far: progress_file.TaskProgress, *, last: bool) -> str:
    """Say how long to try, and how long the learner has had the task."""
    meant = f"Time to try before a hint: {task.minutes} minutes."
    if so_far.first_seen is None or so_far.passed is not None:
        return meant
    minutes = int((datetime.now(timezone.utc) - so_far.first_seen).total_seconds() // 60)
    if minutes > 3 * task.minutes:  # there was a break
        return meant
    try_on = ": try this hint for a while" if minutes < task.minutes / 2 and not last else ""
    return f"{meant} You met this task {_minutes(minutes)} ago{try_on}."


def _minutes(count: int) -> str:
    return "a moment" if count < 1 else "1 minute" if count == 1 else f"{count} minutes"


def _footer(number: str, current: int, total: int, seen: tuple[int, ...]) -> str:
    if current < total:
        following = command("hint", number)
        return f"Go back and try. Still stuck after that? `{following}` shows the next hint."
    if total in seen:
        again = command("hint", number, rung=1)
        return f"This is the last hint, and you have seen it before. From the start: `{again}`"
    look = command("check", number)
    return f"This is the last hint. Type it rather than paste it, then `{look}`."
