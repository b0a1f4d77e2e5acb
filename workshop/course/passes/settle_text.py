"""Progress bars and colors."""

from nbformat import NotebookNode

from workshop.course import notebooks


def settle_text(notebook: NotebookNode) -> None:
    """Print texts as a terminal shows them at the end: no colors, no overwritten lines."""
    for cell in notebooks.code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                only = NotebookNode(outputs=[output])
                output.text = notebooks.printed_by(only)
