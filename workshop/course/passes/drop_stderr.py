"""Warnings."""

from nbformat import NotebookNode

from workshop.course import notebooks


def drop_stderr(notebook: NotebookNode) -> None:
    """Drop warnings and log lines; an error would have stopped the build."""
    for cell in notebooks.code_cells(notebook):
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
