"""The ids of cells."""

from nbformat import NotebookNode


def number_cells(notebook: NotebookNode) -> None:
    """Give cells ids by their place: random ones would make every build look different."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"
