"""Printed text that came in pieces."""

from nbformat import NotebookNode

from workshop.course import notebooks


def join_streams(notebook: NotebookNode) -> None:
    """Make one output of what a cell printed in one go: where it was cut is a matter of timing."""
    for cell in notebooks.code_cells(notebook):
        joined: list[NotebookNode] = []
        for output in cell.outputs:
            if joined and output.output_type == joined[-1].output_type == "stream":
                joined[-1].text += output.text
            else:
                joined.append(output)
        cell.outputs = joined
