"""`./lab build`: renders `source/` into `final/`, executes the notebooks, and compares the two.

A notebook goes through `PASSES` (its content) and, once it is executed, through `OUTPUT_PASSES`
(its outputs). Each pass takes a notebook and changes one thing of it.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from workshop import ROOT, terminal
from workshop.course import manifest, notebooks
from workshop.emulator import server
from workshop.emulator.errors import WorkshopError

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

UNWANTED = ("__pycache__", ".ipynb_checkpoints", ".DS_Store")


# --- content: source/LAB/N-name.py -> notebook -------------------------------------------------


def set_metadata(notebook: NotebookNode) -> None:
    """Name the kernel that every Jupyter has; drop what jupytext notes about the source file."""
    notebook.metadata = nbformat.from_dict(METADATA)


def keep_tags_only(notebook: NotebookNode) -> None:
    """Keep the tags, and the switches of JupyterLab (a folded cell), of a cell's metadata."""
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "jupyter") if cell.metadata.get(key)}
        cell.metadata = NotebookNode(kept)


def check_key_figure(notebook: NotebookNode) -> None:
    """Have nbval compare the key figure; other cells say so by the tag `nbval-check-output`."""
    for cell in notebooks.tagged(notebook, "key-figure"):
        if "nbval-check-output" not in cell.metadata.tags:
            cell.metadata.tags = [*cell.metadata.tags, "nbval-check-output"]


def number_cells(notebook: NotebookNode) -> None:
    """Give cells ids by their place: random ones would make every build look different."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"


PASSES = (set_metadata, keep_tags_only, check_key_figure, number_cells)


# --- outputs: what would change from machine to machine, and from build to build ---------------


def drop_traces_of_execution(notebook: NotebookNode) -> None:
    set_metadata(notebook)
    keep_tags_only(notebook)
    for number, cell in enumerate(notebooks.code_cells(notebook), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number


def drop_stderr(notebook: NotebookNode) -> None:
    """Drop warnings and log lines; an error would have stopped the build."""
    for cell in notebooks.code_cells(notebook):
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]


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


def settle_text(notebook: NotebookNode) -> None:
    """Print texts as a terminal shows them at the end: no colors, no overwritten lines."""
    for cell in notebooks.code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                only = NotebookNode(outputs=[output])
                output.text = notebooks.printed_by(only)


#: Where `build` executes a lab: .../build-xxxxxxxx/executed/LAB
_EXECUTED = rf"(/private)?{re.escape(tempfile.gettempdir())}/build-\w{{8}}/executed/[^/\s]+/?"

#: Texts that are different each time, and what stands for them.
MASKS = (
    (_EXECUTED, ""),
    (r"\b20\d\d-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}\b", "2026-01-01-00-00-00-000"),  # job names
    (r"\b20\d\d-\d\d-\d\d([ T])\d\d:\d\d:\d\d([.,]\d+)?", r"2026-01-01\g<1>00:00:00"),
    (r"\balgo-(\d+)-[a-z0-9]{5}\b", r"algo-\1-xxxxx"),  # host names
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"/tmp/tmp\w{8}\b", "/tmp/tmpxxxxxxxx"),
    (r"\b\d+(s|ms|us) \d+(s|ms|us)/step\b", "1s 1ms/step"),  # Keras' clock
    (r" at 0x[0-9a-f]{6,}>", ">"),
)


def mask_texts(notebook: NotebookNode) -> None:
    """Replace paths of this machine, times and random names in all texts."""
    places = {
        f"{ROOT}/": "",
        str(ROOT): ".",
        f"{Path.home()}/": "~/",
    }

    def mask(text: str) -> str:
        for place, instead in sorted(places.items(), key=lambda item: -len(item[0])):
            text = text.replace(place, instead)
        for pattern, instead in MASKS:
            text = re.sub(pattern, instead, text)
        return text

    for output in _outputs(notebook):
        if output.output_type == "stream":
            output.text = mask(output.text)
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/"):
                output.data[kind] = mask(content)


OUTPUT_PASSES = (drop_traces_of_execution, drop_stderr, join_streams, settle_text, mask_texts)


def _outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    return itertools.chain.from_iterable(c.outputs for c in notebooks.code_cells(notebook))


# --- the two commands --------------------------------------------------------------------------


def build(root: Path = ROOT) -> None:
    """Render and execute all labs of `course.toml`; replace `final/` when everything went well."""
    server.ensure()  # it outlives the notebooks
    console = terminal.console()
    labs = _labs_with_notebooks(root)
    with tempfile.TemporaryDirectory(prefix="build-") as temporary:
        for lab in labs:
            folder = Path(temporary) / "executed" / lab.folder
            for name, content in render(lab, root).items():
                _write(folder / name, content)
            for section in lab.sections:
                path = folder / f"{section.notebook}.ipynb"
                console.print(f"{lab.folder}/{path.name}: executing")
                executed = _execute(path, console)
                for change in OUTPUT_PASSES:
                    change(executed)
                _write(Path(temporary) / "final" / lab.folder / path.name, executed)
        for lab in labs:
            goal = root / "final" / lab.folder
            shutil.rmtree(goal, ignore_errors=True)
            for name, content in render(lab, root).items():
                if isinstance(content, NotebookNode):
                    content = (Path(temporary) / "final" / lab.folder / name).read_bytes()
                _write(goal / name, content)
            console.print(f"{terminal.shown(goal)}: written")


def _execute(path: Path, console) -> NotebookNode:
    try:
        return notebooks.execute(path, parameters=None)
    except notebooks.Failure as failure:
        console.print(failure.printed)
        what = failure.job_error or f"{failure.where}\n{failure.error}"
        raise WorkshopError(f"{path.name} failed in code cell {failure.cell}:\n{what}") from None


def check(root: Path = ROOT) -> list[str]:
    """Compare `final/` with what `source/` gives, without executing; return the differences."""
    differences = []
    wanted: dict[str, NotebookNode | bytes] = {}
    for lab in _labs_with_notebooks(root):
        for name, content in render(lab, root).items():
            wanted[f"{lab.folder}/{name}"] = content
    final = root / "final"
    present = {str(path.relative_to(final)): path for path in _files(final)}
    for name in sorted(wanted.keys() | present.keys()):
        shown = f"final/{name}"
        if name not in present:
            differences.append(f"{shown}: missing")
        elif name not in wanted:
            differences.append(f"{shown}: nothing in source/ gives this file")
        elif isinstance(wanted[name], bytes):
            if present[name].read_bytes() != wanted[name]:
                differences.append(f"{shown}: not the same as in source/")
        elif difference := _notebook_difference(wanted[name], present[name]):
            differences.append(f"{shown}: {difference}")
    return differences


def render(lab: manifest.Lab, root: Path = ROOT) -> dict[str, NotebookNode | bytes]:
    """Return all files of a lab's solution by name: notebooks not executed, others as they are."""
    import jupytext

    source = root / "source" / lab.folder
    names = {section.notebook for section in lab.sections}
    files: dict[str, NotebookNode | bytes] = {}
    for path in _files(source):
        name = path.relative_to(source)
        if len(name.parts) == 1 and path.suffix == ".py" and path.stem in names:
            notebook = jupytext.read(path, fmt="py:percent")
            for change in PASSES:
                change(notebook)
            files[f"{path.stem}.ipynb"] = notebook
            names.remove(path.stem)
        else:
            files[str(name)] = path.read_bytes()
    if names:
        missing = ", ".join(f"{name}.py" for name in sorted(names))
        raise WorkshopError(f"course.toml names notebooks that are not in {source}: {missing}.")
    return files


def _labs_with_notebooks(root: Path) -> list[manifest.Lab]:
    return [lab for lab in manifest.labs(root / "source") if lab.sections]


def _files(folder: Path) -> list[Path]:
    paths = sorted(folder.rglob("*"))
    return [
        path
        for path in paths
        if path.is_file() and not set(UNWANTED) & set(path.relative_to(folder).parts)
    ]


def _write(path: Path, content: NotebookNode | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, NotebookNode):
        content = (nbformat.writes(content).rstrip("\n") + "\n").encode()
    path.write_bytes(content)


def _notebook_difference(wanted: NotebookNode, path: Path) -> str:
    """Say in which cell a committed notebook differs from its source; outputs do not count."""
    try:
        found = nbformat.read(path, as_version=4)
    except Exception:  # nbformat has many ways to say so
        return "cannot be read as a notebook"
    if len(found.cells) != len(wanted.cells):
        return f"has {len(found.cells)} cells, source/ gives {len(wanted.cells)}"
    for number, (one, other) in enumerate(zip(found.cells, wanted.cells, strict=True), 1):
        for key in ("cell_type", "source", "metadata", "id"):
            if one.get(key) != other.get(key):
                return f"cell {number} has another {key.replace('_', ' ')} than in source/"
    if found.metadata != wanted.metadata:
        return "the notebook's metadata differ"
    if any(cell.execution_count is None for cell in notebooks.code_cells(found)):
        return "is not executed"
    return ""
