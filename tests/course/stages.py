"""Labs between starter and solution: some gaps open, some filled by a rung of their ladder."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from workshop.course import build, gaps, ladder, manifest
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT


def with_region(source_text: str, number: str, code: str) -> str:
    """Put other code into one region of a source text; its markers stay."""

    def content(region: gaps.Region) -> str:
        inside = code if region.number == number else region.code
        return f"# task {region.number} begin\n{inside}# task {region.number} end\n"

    return gaps.fill(source_text, "source", content)


def materialise(
    folder: Path,
    *,
    open: Set[str] = frozenset(),
    rungs: Mapping[str, int] | None = None,
    codes: Mapping[str, str] | None = None,
    lab: manifest.Lab,
    root: Path = ROOT,
) -> None:
    """Write a whole lab into `folder`: notebooks that are not executed, and scripts.

    open: the tasks whose regions are gaps, as in a starter
    rungs: {number: a rung from 1}, the tasks whose regions hold the code of that rung
    codes: {number: code}, the tasks whose regions hold that

    All other regions hold their solution. Raises WorkshopError for an unknown task, and for a rung
    that is not there or has no code.
    """
    tasks = {task.number: task for task in lab.tasks}
    chosen = _codes(lab, root, rungs or {}) | (codes or {})
    for number in {*open, *chosen}:
        if number not in tasks:
            raise WorkshopError(f"There is no task {number!r} in {lab.folder}.")

    def content(region: gaps.Region) -> str:
        if region.number in open:
            return gaps.gap(tasks[region.number], region)
        return chosen.get(region.number, region.code)

    for name, data in build.render(lab, root, fill=content).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build.as_bytes(data))


def _codes(lab: manifest.Lab, root: Path, rungs: Mapping[str, int]) -> dict[str, str]:
    codes = {}
    ladders = ladder.load(lab, root) if rungs else {}
    for number, place in rungs.items():
        of_task = ladders.get(number, ())
        code = of_task[place - 1].code if 1 <= place <= len(of_task) else None
        if code is None:
            raise WorkshopError(f"Task {number} has no rung {place} with code.")
        codes[number] = code
    return codes
