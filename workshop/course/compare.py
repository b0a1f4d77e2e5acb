"""`./lab compare`: the learner's code of a task beside ours, and why ours is like that."""

from __future__ import annotations

import ast
import difflib
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

from workshop import terminal
from workshop.course import build, checks, gaps, ladder, manifest, progress_file, task_numbers
from workshop.course.checks import live
from workshop.place import command


@dataclass(frozen=True)
class Pair:
    """Two pieces of code for the same place. `about` says what they are, if not the gap alone."""

    yours: str  # "" where there is none
    ours: str
    about: str = ""


def show(number: str | float, folder: Path | None = None) -> None:
    """Print a task's two codes as a diff, and the words of its last hint.

    Before the task is passed, the first call only says that this is the solution. The second one
    shows it, and it counts as the last hint.
    """
    number = task_numbers.task(number)
    lab = manifest.lab_of(number)
    so_far = progress_file.of(number)
    rungs = ladder.load(lab)[number]
    if not so_far.passed and not so_far.compare:
        progress_file.record_compare(number)
        print(
            f"Task {number} is not passed yet, and this shows our solution of it. To see it, ask "
            f"again: {command('compare', number)}\nThe next hint tells less: "
            f"{command('hint', number)}"
        )
        return
    text = as_markdown(number, pair(number, folder or checks.folder_of(lab)), rungs[-1])
    terminal.page(text)
    if not so_far.passed:
        progress_file.record_hint(number, len(rungs))


def as_markdown(number: str, codes: Pair, last: ladder.Rung) -> str:
    """Return what `show` shows."""
    parts = [f"### Task {number} · {manifest.task(number).title}: your code and ours"]
    if codes.about:
        parts.append(codes.about)
    if codes.yours == codes.ours:
        parts.append("Yours is the same as ours:")
    if codes.yours in ("", codes.ours):
        parts.append(f"````python\n{codes.ours}````")
    else:
        parts.append(
            "`-` is yours, `+` is ours. What counts is what it does: yours may be as good."
        )
        parts.append(f"````diff\n{_diff(codes)}\n````")
    parts += ["**Why ours is like that**", last.words]
    return "\n\n".join(parts) + "\n"


def pair(number: str, folder: Path) -> Pair:
    """Return what stands in a task's gap in a lab's folder, and our code for it.

    Where the code around the gap is not as it was, both are the function, the cell or the file.
    """
    lab = manifest.lab_of(number)
    regions = gaps.regions(lab)
    region = regions[number]
    name = str(region.path.with_suffix(".ipynb") if region.notebook else region.path)
    marked = build.render(lab, fill=_mark, passes=build.STARTER_PASSES)[name]
    solved = build.render(lab, passes=build.STARTER_PASSES)[name]
    if region.notebook:
        mark = _mark(region).strip()
        place = next(at for at, cell in enumerate(marked.cells) if mark in cell.source)
        marked, ours = marked.cells[place].source, solved.cells[place].source
        yours = _cell(folder / name, solved.cells[place].id)
    else:
        marked, ours = marked.decode(), solved.decode()
        yours = _text(folder / name)
    if yours is None:
        what = "The cell of this task" if region.notebook else "The file"
        return Pair("", region.code, f"{what} is not in {folder / name}: this is our code alone.")
    neighbors = _neighbors(marked, region, regions)
    code = _in_the_gap(marked, yours, neighbors)
    if code is not None:
        return _of_one(number, code, neighbors)
    what = "cell" if region.notebook else f"file {name}"
    function = "" if region.notebook else _function_around(region, ours)
    if function and (own := _functions(yours).get(function)):
        what, yours, ours = f"function {function}", own, _functions(ours)[function]
    changed = f"The code around the gap is not as it was, so this is the whole {what}."
    return Pair(_ended(yours), _ended(ours), changed)


# --- the learner's code -------------------------------------------------------------------------


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _cell(path: Path, identity: str) -> str | None:
    """Return the source of a cell: as it ran last in this kernel, else as it is saved."""
    ran = live.ran(path.name)
    if identity in ran:
        return ran[identity].source
    try:
        cells = json.loads(_text(path) or "")["cells"]
        return next("".join(cell["source"]) for cell in cells if cell.get("id") == identity)
    except (ValueError, KeyError, TypeError, StopIteration):
        return None


def _mark(region: gaps.Region) -> str:
    """Return what stands in the place of a gap while it is looked for."""
    return f'"the gap of task {region.number}"\n'


def _neighbors(
    marked: str, region: gaps.Region, regions: dict[str, gaps.Region]
) -> list[gaps.Region]:
    """Return the gaps that nothing but empty lines parts from this one, and itself, in order."""
    marks = {_mark(one).strip(): one for one in regions.values()}
    groups: list[list[gaps.Region]] = [[]]
    for line in map(str.strip, marked.split("\n")):
        if line in marks:
            groups[-1].append(marks[line])
        elif line:
            groups.append([])
    return next(group for group in groups if region in group)


def _in_the_gap(marked: str, text: str, group: list[gaps.Region]) -> list[str] | None:
    """Return the lines in the place of these gaps; None when the code around is another.

    Empty lines do not count: they are everywhere alike.
    """
    before = [line.rstrip() for line in marked.split("\n") if line.strip()]
    lines = [line.rstrip() for line in text.split("\n")]
    places = [at for at, line in enumerate(lines) if line]
    marks = (f"{one.indent}{_mark(one)}".rstrip() for one in (group[0], group[-1]))
    first, last = map(before.index, marks)
    before[first : last + 1] = [before[first]]
    matcher = difflib.SequenceMatcher(None, before, [lines[at] for at in places], autojunk=False)
    for kind, begin, end, start, stop in matcher.get_opcodes():
        if kind == "replace" and (begin, end) == (first, first + 1):
            return lines[places[start] : places[stop - 1] + 1]
    return None


def _of_one(number: str, lines: list[str], group: list[gaps.Region]) -> Pair:
    """Return the code of one gap; that of all in the group where nothing tells where one ends."""
    texts = [gaps.gap(manifest.task(one.number), one).strip("\n").split("\n") for one in group]
    words = {line for text in texts for line in text if line.startswith("#")}
    inside = [line.strip() for line in lines]
    # The first words of each gap, where the learner has left them.
    begins = [0, *(inside.index(text[0]) if text[0] in inside else -1 for text in texts[1:])]
    ends = [*begins[1:], len(lines)]
    place = [one.number for one in group].index(number)
    about, ours = "", group[place].code
    if -1 in (begins[place], ends[place]):
        numbers = " and ".join(one.number for one in group)
        about = f"Tasks {numbers} stand one after the other, so this is the code of both."
        ours = "\n".join(one.code for one in group)
    else:
        lines = lines[begins[place] : ends[place]]
    yours = _without(lines, words)
    if yours == _without(texts[place], words):
        return Pair("", ours, "The gap is still open, so this is our code alone.")
    return Pair(yours, ours, about)


def _without(lines: list[str], words: set[str]) -> str:
    """Return code without these lines, and without the indentation of all."""
    kept = "\n".join(line for line in lines if line.strip() not in words)
    return _ended(textwrap.dedent(kept).strip("\n"))


def _functions(text: str) -> dict[str, str]:
    """Return the functions of a script by name; nothing when it is not Python."""
    try:
        nodes = ast.walk(ast.parse(text))
    except (SyntaxError, ValueError):
        return {}
    made = (node for node in nodes if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in made}


def _function_around(region: gaps.Region, solved: str) -> str:
    """Return the name of the function that a gap is in; "" when it is in none."""
    inside = "\n".join(gaps.indented(region.code, region.indent))
    around = [name for name, text in _functions(solved).items() if inside in text]
    return around[-1] if region.indent and around else ""


# --- beside each other ------------------------------------------------------------------------


def _diff(codes: Pair) -> str:
    """Return a unified diff; of a gap, with all its lines."""
    yours, ours = codes.yours.splitlines(), codes.ours.splitlines()
    around = 3 if codes.about else len(ours)
    lines = list(difflib.unified_diff(yours, ours, n=around, lineterm=""))
    return "\n".join(lines[2 if codes.about else 3 :])


def _ended(text: str) -> str:
    return text.rstrip("\n") + "\n"
