"""The notebook's own metadata."""

import nbformat
from nbformat import NotebookNode

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def set_metadata(notebook: NotebookNode) -> None:
    """Name the kernel that every Jupyter has; drop what jupytext notes about the source file."""
    notebook.metadata = nbformat.from_dict(METADATA)
