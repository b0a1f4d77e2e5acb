"""The ladders as pages that one can read on GitHub: `hints/`, path for path like the labs."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from workshop.course import gaps, ladder, manifest
from workshop.paths import ROOT


def pages(lab: manifest.Lab, root: Path = ROOT) -> dict[str, bytes]:
    """Return the pages of a lab's hints by their names below `hints/LAB/`.

    1-preprocessing/1.3-inputs/1.md, 2.md, …; README.md beside them lists the hints, and the one
    at the top the tasks. A task in a script is below that script's name, with its suffix.
    """
    if not lab.tasks:
        return {}
    regions = gaps.regions(lab, root)
    found: dict[str, str] = {"README.md": _contents(lab, regions)}
    for number, rungs in ladder.load(lab, root).items():
        task = next(task for task in lab.tasks if task.number == number)
        folder = _folder(task, regions[number])
        found[f"{folder}/README.md"] = _task_page(lab, task, regions[number], rungs)
        for place, rung in enumerate(rungs, 1):
            found[f"{folder}/{place}.md"] = _rung_page(task, rungs, place, rung)
    return {name: text.encode() for name, text in found.items()}


def _folder(task: manifest.Task, region: gaps.Region) -> PurePosixPath:
    path = region.path.with_suffix("") if region.notebook else region.path
    return path / task.slug


def _file(region: gaps.Region) -> PurePosixPath:
    """The learner's file, below the lab's folder."""
    return region.path.with_suffix(".ipynb") if region.notebook else region.path


def _contents(lab: manifest.Lab, regions: dict[str, gaps.Region]) -> str:
    lines = [
        f"# Hints: {lab.title}",
        "",
        "Try a task for as long as its time says. Then open its first hint, go back and try again.",
        "Each hint tells a little more than the one before; the last one is the code.",
        "",
        "In a terminal, `./lab hint 1.3` shows the next hint of task 1.3; in a notebook,",
        '`workshop.hint("1.3")` does.',
    ]
    for section in lab.sections:
        lines += ["", f"## {section.number} · {section.title}", ""]
        lines += ["| task | | in | try for |", "|---|---|---|---|"]
        for task in section.tasks:
            region = regions[task.number]
            link = f"[{task.title}]({_folder(task, region)}/README.md)"
            where = f"`{_file(region)}`"
            lines.append(f"| {task.number} | {link} | {where} | {task.minutes} minutes |")
    return "\n".join(lines) + "\n"


def _task_page(
    lab: manifest.Lab, task: manifest.Task, region: gaps.Region, rungs: list[ladder.Rung]
) -> str:
    folder = PurePosixPath("hints") / lab.folder / _folder(task, region)
    file = PurePosixPath(lab.folder) / _file(region)
    link = PurePosixPath(os.path.relpath(file, folder))
    lines = [
        f"# Task {task.number} · {task.title}",
        "",
        task.what,
        "",
        f"It is a gap in [`{_file(region)}`]({link}). Try for {task.minutes} minutes before you",
        "open a hint.",
    ]
    if task.read:
        lines += ["", "Worth reading:", "", *(f"- <{address}>" for address in task.read)]
    # Without their titles: these may say too much already.
    hints = [f"[Hint {n}]({n}.md)" for n in range(1, len(rungs) + 1)]
    lines += ["", f"The hints, in their order: {', '.join(hints)} with the code."]
    return "\n".join(lines) + "\n"


def _rung_page(task: manifest.Task, rungs: list[ladder.Rung], place: int, rung: ladder.Rung) -> str:
    total = len(rungs)
    if place < total:
        after = f"Go back and try. Still stuck? [Hint {place + 1} of {total}]({place + 1}.md)"
    else:
        after = f"This is the last hint. `./lab check {task.number}` tells whether it works."
    return "\n".join(
        [
            f"# Hint {place} of {total} · task {task.number} · {task.title}",
            "",
            f"**{rung.title}**",
            "",
            rung.text,
            "",
            "---",
            "",
            f"{after} · [all hints of this task](README.md)",
            "",
        ]
    )
