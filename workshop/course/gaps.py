"""Gaps: the regions of a source file that a learner fills.

    # task 1.3 begin
    inputs = [ProcessingInput(...)]
    # task 1.3 end

The two markers stand alone on their lines, in a notebook's source and in a script alike. What lies
between them is the solution; each rendering puts something in its place (`fill`).
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workshop.course import manifest
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

MARKER = re.compile(r"([ \t]*)# task (\d+\.\d+) (begin|end)")
#: In code, no other comment may begin like a marker: it would be one with a slip of the pen.
NEARLY = re.compile(r"#\s*(tasks?\b\W*\d|(begin|end)\s+tasks?\b)", re.IGNORECASE)
NEARLY_IN_TEXT = re.compile(r"\s*#\s*task\s+[\d.]+\s+(begin|end)\w*\W*", re.IGNORECASE)

CELL = re.compile(r"# %%(.*)")
TEXT_CELL = re.compile(r"[^\[]*\[(markdown|md|raw)\]")

#: The tag of the cell in a notebook that holds a task's region: this, and the task's number.
TASK_TAG = "task-"

#: How wide the words in a gap are.
WIDTH = 88


@dataclass(frozen=True)
class Region:
    """One region. Lines are counted from 1; `code` is without the marker's indentation."""

    number: str
    path: PurePosixPath  # below the lab's source folder
    first: int  # the line of its begin
    last: int  # the line of its end
    indent: str
    code: str
    notebook: bool  # in a notebook, and not in a script
    tight: tuple[bool, bool]  # is there code in the line above its begin, below its end?


#: What goes into the place of a region: its lines without indentation.
Fill = Callable[[Region], str]


def parse(text: str, path: Path | str, known: Collection[str] | None = None) -> list[Region]:
    """Return the regions of a source file in their order.

    known: the numbers that there may be; None allows any.
    Raises WorkshopError, with file and line, for a marker that is not where it may be.
    """
    notebook = is_notebook(text)
    in_text = notebook  # the header comes before the first cell
    regions: list[Region] = []
    opened: tuple[str, str, int] | None = None  # number, indentation, line
    lines = text.split("\n")

    def refuse(line: int, why: str) -> None:
        raise WorkshopError(f"{path}:{line}: {why}")

    for at, line in enumerate(lines, 1):
        cell = CELL.match(line) if notebook else None
        if cell:
            if opened:
                refuse(opened[2], f"task {opened[0]} does not end in the cell where it begins.")
            in_text = bool(TEXT_CELL.match(cell[1]))
        marker = MARKER.fullmatch(line)
        if not marker:
            nearly = NEARLY_IN_TEXT.fullmatch(line) if in_text else NEARLY.search(line)
            if nearly:
                refuse(
                    at,
                    f"{line.strip()!r} looks like a marker and is none. A marker is alone on its "
                    "line: '# task 1.3 begin' or '# task 1.3 end'.",
                )
            continue
        indent, number, word = marker.groups()
        if in_text:
            refuse(at, f"a marker of task {number} outside a code cell.")
        if word == "begin":
            if opened:
                refuse(
                    at,
                    f"task {number} begins inside task {opened[0]}, which began in line "
                    f"{opened[2]} and has not ended.",
                )
            if known is not None and number not in known:
                refuse(at, f"there is no task {number} in course.toml.")
            for region in regions:
                if region.number == number:
                    refuse(at, f"a second region of task {number}; line {region.first} has one.")
            opened = (number, indent, at)
            continue
        if not opened:
            refuse(at, f"task {number} ends here, and has not begun.")
        if number != opened[0]:
            refuse(at, f"task {number} ends here, but task {opened[0]} began in line {opened[2]}.")
        if indent != opened[1]:
            refuse(at, f"the end of task {number} is not indented like its begin.")
        body = lines[opened[2] : at - 1]
        for below, inside in enumerate(body, opened[2] + 1):
            if inside.strip() and not inside.startswith(indent):
                refuse(below, f"less indented than the markers of task {number}.")
        code = dedent(body, indent)
        if not _statements(code):
            refuse(opened[2], f"task {number} has no code in its region.")
        where = PurePosixPath(str(path))
        tight = _is_code(lines[opened[2] - 2 : opened[2] - 1]), _is_code(lines[at : at + 1])
        region = Region(number, where, opened[2], at, indent, code, notebook, tight)
        regions.append(region)
        opened = None
    if opened:
        refuse(opened[2], f"task {opened[0]} begins here and never ends.")
    return regions


def fill(text: str, path: Path | str, content: Fill) -> str:
    """Put `content(region)` into the place of each region of a source text.

    The lines get the indentation of the markers, which vanish.
    """
    lines = text.split("\n")
    for region in reversed(parse(text, path)):
        lines[region.first - 1 : region.last] = indented(content(region), region.indent)
    return "\n".join(lines)


def dedent(lines: list[str], indent: str) -> str:
    return "".join(f"{line[len(indent) :]}\n" for line in lines)


def indented(code: str, indent: str) -> list[str]:
    """Return the lines of code, indented; empty lines stay empty."""
    lines = code.removesuffix("\n").split("\n")
    return [f"{indent}{line}" if line.strip() else "" for line in lines]


def is_notebook(text: str) -> bool:
    """Tell whether a source is a jupytext percent script: it has cells."""
    return any(CELL.match(line) for line in text.split("\n"))


# --- what a region is replaced by --------------------------------------------------------------


def solution(region: Region) -> str:
    return region.code


def starter(tasks: Mapping[str, manifest.Task]) -> Fill:
    """Return what fills the regions of a starter: what to do, and a line that says so if run."""
    return lambda region: gap(tasks[region.number], region)


def gap(task: manifest.Task, region: Region) -> str:
    width = WIDTH - len(region.indent)
    words = [f"Task {task.number} · {task.title}", *textwrap.wrap(task.what, width - 2)]
    above, below = ("\n" if tight else "" for tight in region.tight)
    comment = above + "".join(f"# {line}\n" for line in words)
    if region.notebook:
        return f'{comment}workshop.not_attempted("{task.number}")\n{below}'
    told = json.dumps(f"task {task.number} not attempted: {task.what}", ensure_ascii=False)[1:-1]
    pieces = textwrap.wrap(told, width - 7, break_long_words=False, break_on_hyphens=False)
    pieces = [*(f"{piece} " for piece in pieces[:-1]), pieces[-1]]
    strings = "".join(f'    "{piece}"\n' for piece in pieces)
    return f"{comment}raise NotImplementedError(\n{strings})\n{below}"


# --- a whole lab -------------------------------------------------------------------------------


def regions(lab: manifest.Lab, root: Path = ROOT) -> dict[str, Region]:
    """Return the regions of a lab by number, in the order of `course.toml`.

    Raises WorkshopError, with file and line, for a marker that is not where it may be, a number
    that two files have, a task without a region, and a starter or a region that does not parse.
    """
    source = root / "source" / lab.folder
    tasks = {task.number: task for task in lab.tasks}
    found: dict[str, Region] = {}
    for path in sorted(source.rglob("*.py")):
        shown = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        if line := _error_line(text):
            raise WorkshopError(f"{shown}:{line}: this is not Python.")
        for region in parse(text, shown, tasks):
            begin = f"{shown}:{region.first}"
            if region.number in found:
                other = found[region.number]
                raise WorkshopError(
                    f"{begin}: a second region of task {region.number}; "
                    f"{other.path}:{other.first} has one."
                )
            if _error_line(region.code) or _error_line(_with_gap(text, shown, region, tasks)):
                raise WorkshopError(
                    f"{begin}: the region of task {region.number} is not whole statements."
                )
            found[region.number] = region
    for number in tasks:
        if number not in found:
            line = _line_in_contents(root / "source" / "course.toml", number)
            raise WorkshopError(
                f"source/course.toml:{line}: no file of source/{lab.folder}/ has a region of "
                f"task {number}."
            )
    below = f"source/{lab.folder}"
    return {
        number: Region(**{**vars(found[number]), "path": found[number].path.relative_to(below)})
        for number in tasks
    }


def _is_code(lines: list[str]) -> bool:
    return any(line.strip() and not CELL.match(line) for line in lines)


def _statements(code: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in code.split("\n"))


def _with_gap(text: str, path: str, region: Region, tasks: Mapping[str, manifest.Task]) -> str:
    """Return the text with one region as it is in a starter."""
    cut = starter(tasks)
    return fill(text, path, lambda other: (cut if other == region else solution)(other))


def _error_line(code: str) -> int | None:
    """Return the line where code is no Python; None when it is."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return error.lineno or 1
    return None


def _line_in_contents(path: Path, number: str) -> int:
    lines = path.read_text(encoding="utf-8").split("\n")
    wanted = re.compile(rf"\s*number\s*=\s*[\"']{re.escape(number)}[\"']")
    return next((at for at, line in enumerate(lines, 1) if wanted.match(line)), 0)
