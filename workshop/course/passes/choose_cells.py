"""Cells that only one rendering has are marked by a tag, which vanishes."""

from nbformat import NotebookNode


def for_starter(notebook: NotebookNode) -> None:
    """Drop the cells that are for the solution alone."""
    _choose(notebook, keep="starter-only", drop="solution-only")


def for_solution(notebook: NotebookNode) -> None:
    """Drop the cells that are for the starter alone."""
    _choose(notebook, keep="solution-only", drop="starter-only")


def _choose(notebook: NotebookNode, keep: str, drop: str) -> None:
    cells = [cell for cell in notebook.cells if drop not in cell.metadata.get("tags", ())]
    for cell in cells:
        if keep in cell.metadata.get("tags", ()):
            cell.metadata.tags = [tag for tag in cell.metadata.tags if tag != keep]
    notebook.cells = cells
