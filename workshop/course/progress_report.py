"""What `./lab progress` shows: all tasks of the course, and how far the learner is."""

from __future__ import annotations

import json

from workshop import terminal
from workshop.course import ladder, manifest, progress_file

#: Raised when a field of the JSON form changes its name or its meaning; new ones may come.
FORMAT = 1


def as_dict() -> dict:
    """Return the progress of all tasks, ready for JSON.

    tasks: in the order of the course, each with lab, section, task, title, state ("not checked",
    "not attempted", "not yet" or "passed": what the last check said), attempts (checks up to the
    first that passed), hints_opened, hints_total, meant_minutes, minutes (from the first sight to
    the first passed check, breaks included; null before), first_seen and passed (UTC, ISO 8601, or
    null). totals: tasks, passed, hints_opened, minutes.
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
                    }
                )
    totals = {
        "tasks": len(tasks),
        "passed": sum(task["state"] == progress_file.PASSED for task in tasks),
        "hints_opened": sum(task["hints_opened"] for task in tasks),
        "minutes": sum(task["minutes"] or 0 for task in tasks),
    }
    return {"format": FORMAT, "tasks": tasks, "totals": totals}


def show() -> None:
    """Print the table, the totals and the next task."""
    report = as_dict()
    console = terminal.console()
    header = ("Task", "State", "Hints", "Minutes", "Title")
    rows = [
        (
            task["task"],
            task["state"],
            f"{task['hints_opened']} of {task['hints_total']}" if task["hints_opened"] else "",
            "" if task["minutes"] is None else f"{task['minutes']} of {task['meant_minutes']}",
            task["title"],
        )
        for task in report["tasks"]
    ]
    terminal.print_table(console, header, rows)
    totals = report["totals"]
    console.print(
        f"\n{totals['passed']} of {totals['tasks']} tasks passed, "
        f"{_count(totals['hints_opened'], 'hint')} opened, {_count(totals['minutes'], 'minute')}."
    )
    open_tasks = [task for task in report["tasks"] if task["state"] != progress_file.PASSED]
    if open_tasks:
        following = open_tasks[0]
        console.print(f"Next: task {following['task']} · {following['title']}")
        console.print("The states are those of the last check. ./lab check looks again.")


def as_json() -> str:
    return json.dumps(as_dict(), indent=1, ensure_ascii=False)


def _iso(time) -> str | None:
    return None if time is None else time.isoformat()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
