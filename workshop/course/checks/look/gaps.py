"""Whether a gap is still as it was: in a cell of the notebook, or in a script."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from workshop.course.checks.look import notebook
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import at_time
from workshop.course.checks.look.source import calls, first_text


def find(look: Look, number: str) -> tuple[str, str] | None:
    """Return (where, what) of a task's gap that is still as it was, or None."""
    for cell in notebook.cells(look):
        if has_gap(cell.source, number):
            where = f"{look.notebook.name}, as it was saved {at_time(_modified(look.notebook))}"
            return where, f'workshop.not_attempted("{number}") still stands in a cell'
    for path in sorted(look.scripts.glob("*.py")):
        if has_gap(path.read_text(errors="replace"), number):
            place = f"{look.section.scripts}/{path.name}"
            where = f"{place}, as it was saved {at_time(_modified(path))}"
            return where, f'raise NotImplementedError("task {number} …") still stands there'
    return None


def has_gap(source: str, number: str) -> bool:
    """Tell whether a task's sentinel still stands in a cell or a script."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # magics of IPython, or half a line
        pattern = rf"^\s*(?:workshop\.)?not_attempted\(\s*[\"']{re.escape(number)}[\"']"
        return re.search(pattern, source, re.M) is not None
    return any(
        (calls(node, "not_attempted") and first_text(node) == number)
        or (
            calls(node, "NotImplementedError")
            and first_text(node).startswith(f"task {number} not attempted")
        )
        for node in ast.walk(tree)
    )


def _modified(path: Path) -> float:
    return path.stat().st_mtime
