"""`python -m workshop.course.scrub STARTER.ipynb…`: undoes what running a starter leaves in it.

For the hook in `.pre-commit-config.yaml`. A solution needs none of this: `./lab build` makes its
outputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbformat import NotebookNode

from workshop.course import build, notebooks
from workshop.course.passes.keep_tags_only import keep_tags_only
from workshop.course.passes.set_metadata import set_metadata


def drop_outputs(notebook: NotebookNode) -> None:
    """Drop what the cells have put out, and in which order they ran."""
    for cell in notebooks.code_cells(notebook):
        cell.outputs, cell.execution_count = [], None


def scrub(path: Path) -> None:
    """Drop outputs and Jupyter's metadata from a notebook; leave a clean one alone."""
    notebook = notebooks.read(path)
    for change in (set_metadata, keep_tags_only, drop_outputs):
        change(notebook)
    content = build.as_bytes(notebook)
    if content != path.read_bytes():
        path.write_bytes(content)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        scrub(Path(name))
