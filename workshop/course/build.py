"""`./lab build`: renders `source/` into starters, hints and executed solutions, and compares them.

    source/LAB/1-name.py     ─▶ LAB/1-name.ipynb            the starter: gaps, no outputs
    source/LAB/script/x.py                                  (scripts alike)
                             ─▶ final/LAB/1-name.ipynb      the solution, executed
    source/LAB/hints/1.3.md  ─▶ hints/LAB/1-name/1.3-…/     the ladder of a task, rung by rung
    source/LAB/README.md     ─▶ LAB/README.md

A text first gets its regions filled (`gaps.fill`). As a notebook it goes through the passes below;
each one takes a notebook and changes one thing of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from workshop import terminal
from workshop.course import gaps, hint_pages, manifest, notebooks, operations_page
from workshop.course.passes.check_key_figure import check_key_figure
from workshop.course.passes.choose_cells import for_solution, for_starter
from workshop.course.passes.drop_stderr import drop_stderr
from workshop.course.passes.drop_traces_of_execution import drop_traces_of_execution
from workshop.course.passes.join_streams import join_streams
from workshop.course.passes.keep_tags_only import keep_tags_only
from workshop.course.passes.mask_texts import mask_texts
from workshop.course.passes.number_cells import number_cells
from workshop.course.passes.set_metadata import set_metadata
from workshop.course.passes.settle_text import settle_text
from workshop.emulator import state
from workshop.emulator.client import daemon
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

#: A notebook's content, in this order.
STARTER_PASSES = (for_starter, set_metadata, keep_tags_only, number_cells)
SOLUTION_PASSES = (for_solution, set_metadata, keep_tags_only, check_key_figure, number_cells)

#: The outputs of an executed solution, in this order.
OUTPUT_PASSES = (drop_traces_of_execution, drop_stderr, join_streams, settle_text, mask_texts)

#: What the tools leave; it is nobody's work.
UNWANTED = ("__pycache__", ".ipynb_checkpoints", ".DS_Store")
#: Notebooks copy it into their script folders, and git ignores it there.
COPIED = "requirements.txt"

Files = dict[str, NotebookNode | bytes]


# --- rendering ---------------------------------------------------------------------------------


def render(
    lab: manifest.Lab,
    root: Path = ROOT,
    *,
    fill: gaps.Fill = gaps.solution,
    passes: tuple = SOLUTION_PASSES,
) -> Files:
    """Return the notebooks of a lab, not executed, and its scripts, by their names.

    fill: what goes into the place of each region
    passes: what each notebook goes through
    """
    import jupytext

    source = root / "source" / lab.folder
    files: Files = {}
    for section in lab.sections:
        path = source / f"{section.notebook}.py"
        if not path.is_file():
            raise WorkshopError(f"course.toml names a notebook that is missing: {path}.")
        text = path.read_text(encoding="utf-8")
        tags = _task_tags(text, path)
        text = gaps.fill(text, path, fill)
        notebook = jupytext.reads(text, fmt="py:percent")
        for place, tag in tags:
            cell = notebook.cells[place]
            cell.metadata.tags = [*cell.metadata.get("tags", ()), tag]
        for change in passes:
            change(notebook)
        files[f"{section.notebook}.ipynb"] = notebook
    for section in lab.sections:
        scripts = _files(source / section.scripts) if section.scripts else []
        for path in [*scripts, *(source / name for name in section.files)]:
            if not path.is_file():
                raise WorkshopError(f"course.toml names a file that is missing: {path}.")
            name = path.relative_to(source).as_posix()
            data = path.read_bytes()
            if path.suffix == ".py":
                data = gaps.fill(data.decode(), path, fill).encode()
            files[name] = data
        for path in (one for name in section.finished for one in _files(source.parent / name)):
            data = path.read_bytes()
            if path.suffix == ".py":
                data = gaps.fill(data.decode(), path, gaps.solution).encode()
            files["/".join(path.relative_to(source.parent).parts[1:])] = data
    return files


def _task_tags(text: str, path: Path) -> list[tuple[int, str]]:
    """Return the place of the cell that holds each region, from 0, and the tag that says so."""
    begins = [at for at, line in enumerate(text.split("\n"), 1) if gaps.CELL.match(line)]
    return [
        (sum(at < region.first for at in begins) - 1, f"{gaps.TASK_TAG}{region.number}")
        for region in gaps.parse(text, path)
    ]


def starter(lab: manifest.Lab, root: Path = ROOT) -> Files:
    """Return the starter of a lab: what `LAB/` holds."""
    tasks = {task.number: task for task in lab.tasks}
    files = render(lab, root, fill=gaps.starter(tasks), passes=STARTER_PASSES)
    readme = root / "source" / lab.folder / "README.md"
    return files | ({readme.name: readme.read_bytes()} if readme.is_file() else {})


def as_bytes(content: NotebookNode | bytes) -> bytes:
    if isinstance(content, NotebookNode):
        return (nbformat.writes(content).rstrip("\n") + "\n").encode()
    return content


# --- executed notebooks, and how to tell that they are what the source gives -------------------
#
# The metadata of a solution hold two digests: of the code that was executed (the notebook's, and
# all that came before it in the lab), and of its outputs.


def _sealed(notebook: NotebookNode, code: str) -> NotebookNode:
    """Note in an executed notebook what was executed, and what came out."""
    notebook.metadata["workshop"] = NotebookNode(code=code, outputs=_digest(_outputs(notebook)))
    return notebook


def _code_digests(lab: manifest.Lab, solution: Files) -> dict[str, str]:
    """Return {name of a notebook: digest of the code that its outputs depend on}."""
    digests = {}
    so_far = []
    for section in lab.sections:
        name = f"{section.notebook}.ipynb"
        so_far += [cell.source for cell in notebooks.code_cells(solution[name])]
        folders = tuple(f"{one}/" for one in section.folders)
        for path, data in solution.items():
            if path.startswith(folders) or path in section.files:
                so_far += [path, hashlib.sha256(data).hexdigest()]
        digests[name] = _digest(so_far)
    return digests


def _outputs(notebook: NotebookNode) -> list:
    return [cell.outputs for cell in notebooks.code_cells(notebook)]


def _digest(content: list) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with_outputs(wanted: NotebookNode, path: Path, code: str) -> NotebookNode | str:
    """Return the notebook with the outputs that the file at `path` has, or why they do not fit."""
    try:
        found = nbformat.read(path, as_version=4)
        seal = found.metadata.get("workshop", {})
        cells = notebooks.code_cells(found)
        outputs = _outputs(found)
    except Exception:  # nbformat has many ways to say so
        return "cannot be read as a notebook"
    notebook = nbformat.from_dict(wanted)
    places = notebooks.code_cells(notebook)
    if len(cells) != len(places):
        return f"has {len(cells)} code cells, source/ gives {len(places)}"
    for number, (place, cell) in enumerate(zip(places, cells, strict=True), 1):
        if cell.execution_count != number:
            return f"code cell {number} is not executed in its order"
        place.outputs, place.execution_count = cell.outputs, number
    if seal.get("code") != code:
        return "was not executed with the code that source/ gives"
    if seal.get("outputs") != _digest(outputs):
        return "an output is not what was printed when it was executed"
    return _sealed(notebook, code)


# --- ./lab build -------------------------------------------------------------------------------


def build(root: Path = ROOT) -> None:
    """Write starters, hints and solutions of all labs in `course.toml`.

    Nothing is written before everything is rendered and executed. A solution that is up to date
    keeps its outputs, and is not executed. What a build replaces in a starter is kept aside.
    """
    console = terminal.console()
    labs = [lab for lab in manifest.labs(root / "source") if lab.sections]
    rendered = [(lab, *_rendered(lab, root)) for lab in labs]
    executed = [_executed(lab, solution, root, console) for lab, _, _, solution in rendered]
    for (lab, start, hints, _), solution in zip(rendered, executed, strict=True):
        aside = state.folder() / "kept" / time.strftime("%Y-%m-%d-%H%M%S") / lab.folder
        kept = _make_equal(root / lab.folder, start, aside)
        if kept:
            files = f"{kept} file{'s' * (kept != 1)}"
            console.print(f"{lab.folder}/: replaced {files}; kept in {terminal.shown(aside)}")
        for folder, files in (("hints", hints), ("final", solution)):
            _make_equal(root / folder / lab.folder, files)
        console.print(f"{lab.folder}: starter, hints and solution are what source/ gives")
    for name, content in _pages(root).items():
        _write(root / name, content)


def _pages(root: Path) -> Files:
    """Return what is made from the code, by its path."""
    return {"docs/operations.md": operations_page.text().encode()} if root == ROOT else {}


def _rendered(lab: manifest.Lab, root: Path) -> tuple[Files, Files, Files]:
    """Return starter, hints and solution, after all that can be refused was looked at."""
    gaps.regions(lab, root)
    return starter(lab, root), hint_pages.pages(lab, root), render(lab, root)


def _executed(lab: manifest.Lab, solution: Files, root: Path, console) -> Files:
    """Return the solution with outputs: those it has, or new ones where the code is another.

    A notebook needs what the ones before it leave in S3, so these run as well; they keep their
    outputs when they are up to date.
    """
    codes = _code_digests(lab, solution)
    final = root / "final" / lab.folder
    done = {name: _with_outputs(solution[name], final / name, code) for name, code in codes.items()}
    stale = [name for name, found in done.items() if isinstance(found, str)]
    if not stale:
        return solution | done
    daemon.ensure()  # it outlives the notebooks
    with tempfile.TemporaryDirectory(prefix="build-") as temporary:
        folder = Path(temporary) / lab.folder
        _make_equal(folder, solution)
        for name, code in codes.items():
            why = "" if name in stale else f" ({stale[-1]} needs what it leaves in S3)"
            console.print(f"{lab.folder}/{name}: executing{why}")
            notebook = _execute(folder / name, console)
            if name in stale:
                for change in OUTPUT_PASSES:
                    change(notebook)
                done[name] = _sealed(notebook, code)
            if name == stale[-1]:
                break
    return solution | done


def _execute(path: Path, console) -> NotebookNode:
    try:
        return notebooks.execute(path, parameters=None)
    except notebooks.Failure as failure:
        console.print(failure.printed)
        what = failure.job_error or f"{failure.where}\n{failure.error}"
        raise WorkshopError(f"{path.name} failed in code cell {failure.cell}:\n{what}") from None


def _make_equal(folder: Path, files: Files, aside: Path | None = None) -> int:
    """Make a folder hold these files and no others; leave alone those that do already.

    With `aside`, files that are changed or removed are copied there first. Returns how many.
    """
    wanted = {name: as_bytes(content) for name, content in files.items()}
    kept = 0
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if path.read_bytes() == wanted.get(name):
            continue
        if aside:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, aside / name)
            kept += 1
        if name not in wanted:
            path.unlink()
            _remove_empty(path.parent, folder)
    for name, data in wanted.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            _write(path, data)
    return kept


def _write(path: Path, content: NotebookNode | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_bytes(content))


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top.parent and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _files(folder: Path) -> list[Path]:
    """Return all files below a folder that are somebody's work."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        copied = path.name == COPIED and path.parent.name.startswith("script")
        if path.is_file() and not copied and not set(UNWANTED) & set(parts):
            found.append(path)
    return found


# --- ./lab build --check -----------------------------------------------------------------------


def check(root: Path = ROOT) -> list[str]:
    """Compare what is in the folders with what `source/` gives; return the differences.

    Nothing is executed: of outputs, their digest is compared. Each difference names its file.
    """
    differences = []
    labs = [lab for lab in manifest.labs(root / "source") if lab.sections]
    wanted: dict[str, Files] = {lab.folder: {} for lab in labs} | {"hints": {}, "final": {}}
    codes: dict[str, str] = {}
    for lab in labs:
        start, hints, solution = _rendered(lab, root)
        wanted[lab.folder] = start
        for folder, files in (("hints", hints), ("final", solution)):
            wanted[folder] |= {f"{lab.folder}/{name}": files[name] for name in files}
        for name, code in _code_digests(lab, solution).items():
            codes[f"final/{lab.folder}/{name}"] = code
    for folder, files in wanted.items():
        present = {path.relative_to(root / folder).as_posix() for path in _files(root / folder)}
        for name in sorted(files.keys() | present):
            shown = f"{folder}/{name}"
            if name not in present:
                differences.append(f"{shown}: missing")
            elif name not in files:
                differences.append(f"{shown}: nothing in source/ gives this file")
            elif why := _difference(files[name], root / shown, codes.get(shown)):
                differences.append(f"{shown}: {why}")
    for name, content in _pages(root).items():
        if not (root / name).is_file() or (root / name).read_bytes() != content:
            differences.append(f"{name}: not what {operations_page.__name__} gives")
    return differences


def _difference(wanted: NotebookNode | bytes, path: Path, code: str | None) -> str:
    """Say how a file differs from what it should be; `code`: the digest, of an executed one."""
    if isinstance(wanted, NotebookNode):
        if why := _other_cells(wanted, path):
            return why
        if code:
            wanted = _with_outputs(wanted, path, code)
            if isinstance(wanted, str):
                return wanted
    return "" if path.read_bytes() == as_bytes(wanted) else "not the same as in source/"


def _other_cells(wanted: NotebookNode, path: Path) -> str:
    """Say in which cell a notebook differs; outputs do not count."""
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
    metadata = {key: value for key, value in found.metadata.items() if key != "workshop"}
    return "" if metadata == wanted.metadata else "the notebook's metadata differ"
