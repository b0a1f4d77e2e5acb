"""The metadata of cells."""

from nbformat import NotebookNode


def keep_tags_only(notebook: NotebookNode) -> None:
    """Keep the tags, and the switches of JupyterLab (a folded cell), of a cell's metadata."""
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "jupyter") if cell.metadata.get(key)}
        cell.metadata = NotebookNode(kept)
