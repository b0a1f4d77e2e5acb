"""What the execution itself leaves in a notebook."""

from nbformat import NotebookNode

from workshop.course import notebooks
from workshop.course.passes.keep_tags_only import keep_tags_only
from workshop.course.passes.set_metadata import set_metadata


def drop_traces_of_execution(notebook: NotebookNode) -> None:
    """Drop the clocks of papermill, and count the cells from 1 however often they ran."""
    set_metadata(notebook)
    keep_tags_only(notebook)
    for number, cell in enumerate(notebooks.code_cells(notebook), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
