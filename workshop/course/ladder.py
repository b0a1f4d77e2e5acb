"""Ladders: the hints of a task, from a question to the code, and labs with some of them applied.

`source/LAB/hints/1.3.md` holds a ladder. A line `## Rung 1: TITLE` begins a rung. The last rung,
and no other, has a line `{{solution}}`: the code of the task's region comes there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from workshop.course import gaps, manifest
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

FEWEST = 3
SOLUTION = "{{solution}}"

_RUNG = re.compile(r"## Rung (\d+): (\S.*)")
_BLOCK = re.compile(r"(?ms)^```python\n(.*?)^```[ \t]*$")


@dataclass(frozen=True)
class Rung:
    """One hint. `code` is what applying it puts into the task's region; None when it has none."""

    title: str
    text: str  # markdown, without the title
    code: str | None


def load(lab: manifest.Lab, root: Path = ROOT) -> dict[str, list[Rung]]:
    """Return the ladder of each task of a lab, in the order of `course.toml`.

    Raises WorkshopError, with the file and mostly the line, for a task without a ladder, for one
    with fewer than three rungs, and for a file that is not one.
    """
    regions = gaps.regions(lab, root)
    folder = root / "source" / lab.folder / "hints"
    ladders = {}
    for number, region in regions.items():
        path = folder / f"{number}.md"
        shown = path.relative_to(root).as_posix()
        if not path.is_file():
            raise WorkshopError(f"{shown} is missing: task {number} has no hints.")
        ladders[number] = parse(path.read_text(encoding="utf-8"), shown, region.code)
    for path in sorted(folder.glob("*")):
        if path.stem not in regions or path.suffix != ".md":
            shown = path.relative_to(root).as_posix()
            raise WorkshopError(f"{shown}: course.toml has no task {path.stem}.")
    return ladders


def parse(text: str, path: Path | str, solution: str) -> list[Rung]:
    """Return the rungs in a file of hints; `solution` is the code of the region."""
    lines = text.split("\n")
    begins = [at for at, line in enumerate(lines) if line.startswith("## ")]
    before = [at for at, line in enumerate(lines[: begins[0] if begins else None]) if line.strip()]
    if before:
        raise WorkshopError(f"{path}:{before[0] + 1}: a ladder begins with '## Rung 1: TITLE'.")
    if len(begins) < FEWEST:
        raise WorkshopError(f"{path}: {len(begins)} rungs; a ladder has at least {FEWEST}.")
    rungs = []
    for place, (begin, end) in enumerate(zip(begins, [*begins[1:], len(lines)], strict=True), 1):

        def refuse(why: str, begin=begin, place=place) -> None:
            raise WorkshopError(f"{path}:{begin + 1}: rung {place}: {why}")

        head = _RUNG.fullmatch(lines[begin])
        if not head or int(head[1]) != place:
            refuse(f"{lines[begin]!r}, expected '## Rung {place}: TITLE'.")
        body = "\n".join(lines[begin + 1 : end]).strip()
        last = place == len(begins)
        places = body.split("\n").count(SOLUTION)
        if body.count(SOLUTION) != places or places != last:
            refuse(f"a line {SOLUTION} belongs into the last rung, once, and into no other.")
        body = body.replace(SOLUTION, f"```python\n{solution}```")
        blocks = _BLOCK.findall(body)
        if len(blocks) > 1 or body.count("```python") != len(blocks):
            refuse("a rung has at most one block ```python, and that one ends in a line ```.")
        if not body:
            refuse("says nothing.")
        if place == 1 and blocks:
            refuse("the first rung is a question or a pointer, without code.")
        if place == 2 and not blocks:
            refuse("the second rung shows the shape: a block ```python with holes.")
        if blocks and not _parses(blocks[0]):
            refuse("its code does not parse. A hole is '...'.")
        rungs.append(Rung(head[2].strip(), body, blocks[0] if blocks else None))
    return rungs


def with_region(source_text: str, number: str, code: str) -> str:
    """Put other code into one region of a source text; its markers stay."""

    def content(region: gaps.Region) -> str:
        return code if region.number == number else region.code

    return gaps.fill(source_text, "source", content, markers=True)


def materialise(
    folder: Path,
    *,
    open: Set[str] = frozenset(),
    rungs: Mapping[str, int] | None = None,
    lab: manifest.Lab | None = None,
    root: Path = ROOT,
) -> None:
    """Write a whole lab into `folder`: notebooks that are not executed, and scripts.

    open: the tasks whose regions are gaps, as in a starter
    rungs: {number: a rung from 1}, the tasks whose regions hold the code of that rung
    lab: the first lab that has tasks, when none is given

    All other regions hold their solution. Raises WorkshopError for an unknown task, and for a rung
    that is not there or has no code.
    """
    from workshop.course import build  # takes most of a second, which a hint need not wait for

    lab = lab or next(lab for lab in manifest.labs(root / "source") if lab.tasks)
    tasks = {task.number: task for task in lab.tasks}
    chosen = _codes(lab, root, rungs or {})
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
    ladders = load(lab, root) if rungs else {}
    for number, place in rungs.items():
        ladder = ladders.get(number, ())
        code = ladder[place - 1].code if 1 <= place <= len(ladder) else None
        if code is None:
            raise WorkshopError(f"Task {number} has no rung {place} with code.")
        codes[number] = code
    return codes


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True
