"""Ladders: the hints of a task, from a question to the code.

`source/LAB/hints/1.3.md` holds a ladder. A line `## Rung 1: TITLE` begins a rung. The last rung,
and no other, has a line `{{solution}}`: the code of the task's region comes there.
"""

from __future__ import annotations

import ast
import re
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

    @property
    def words(self) -> str:
        """The text without its code."""
        return _BLOCK.sub("", self.text).strip()


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


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True
