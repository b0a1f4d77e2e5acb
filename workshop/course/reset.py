"""Brings the starter of a section back. The learner's own files are kept aside first."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workshop import terminal
from workshop.course import build, manifest, progress_file
from workshop.emulator import files, state
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT


@dataclass(frozen=True)
class Reset:
    """What was done: `changed` are the files that differed, `kept` is where they are now.

    `taken_back` are the tasks that were passed.
    """

    lab: manifest.Lab
    section: manifest.Section
    changed: tuple[str, ...] = ()  # paths inside the lab's folder
    kept: Path | None = None  # None when no file of the learner's had to be kept
    taken_back: tuple[str, ...] = ()


def reset(number: int | str, root: Path = ROOT) -> Reset:
    """Make notebook and scripts of a section what they were at the beginning.

    All that the learner has there is copied to `.lab/kept/TIME/LAB/` before anything is changed.
    Files that the starter does not have are removed (there is a copy). The section's passes are
    taken back, also where no file differs. Raises WorkshopError for an unknown section, and when a
    file cannot be kept.
    """
    lab, section = _section(number, manifest.labs(root / "source"))
    starter = _starter(lab, section, root)
    folder = root / lab.folder
    present = {str(path.relative_to(folder)): path for path in _present(folder, section)}
    changed = tuple(
        name
        for name in sorted(starter.keys() | present.keys())
        if name not in starter or name not in present or _content(present[name]) != starter[name]
    )
    try:
        kept = _keep(lab, folder, [present[name] for name in changed if name in present])
        for name in changed:
            if name in starter:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                files.write(folder / name, starter[name], mode=0o644)
            else:
                (folder / name).unlink()
        for one in section.folders:
            _remove_empty_folders(folder / one)
    except OSError as error:
        raise WorkshopError(
            f"Section {section.number} could not be reset: {error}. Nothing of yours is lost: what "
            f"was kept is in {state.folder() / 'kept'}."
        ) from error
    return Reset(lab, section, changed, kept, _take_back(section))


def show(number: int | str, root: Path = ROOT) -> None:
    """Reset a section and print what was done."""
    done = reset(number, root)
    name = f"section {done.section.number} ({done.section.title})"
    console = terminal.console()
    if done.taken_back:
        console.print(f"Passed no more: {', '.join(done.taken_back)}.")
    if not done.changed:
        nothing = "No file differs" if done.taken_back else "Nothing to do"
        console.print(f"{nothing}: {name} is as it was at the beginning.")
        return
    folder = terminal.shown(root / done.lab.folder)
    console.print(f"{name[0].upper()}{name[1:]} is as it was at the beginning:")
    for file in done.changed:
        console.print(f"  {folder}/{file}")
    if done.kept:
        kept = terminal.shown(done.kept)
        console.print(f"Your work is kept in {kept}")
        console.print(f"To have it again: cp -R {shlex.quote(kept)}/. {shlex.quote(folder)}/")
    console.print(
        f"Is {done.section.notebook}.ipynb open in JupyterLab? Choose File, Reload Notebook from "
        "Disk, before you save it."
    )


def _section(number: int | str, labs: list[manifest.Lab]) -> tuple[manifest.Lab, manifest.Section]:
    known = [(lab, section) for lab in labs for section in lab.sections]
    for lab, section in known:
        if str(section.number) == str(number).strip():
            return lab, section
    names = ", ".join(f"{section.number} ({section.title})" for _, section in known)
    hint = " A single task cannot be reset." if "." in str(number) else ""
    raise WorkshopError(f"There is no section {number!r}.{hint} The sections are: {names}.")


def _take_back(section: manifest.Section) -> tuple[str, ...]:
    """Make the tasks of a section not attempted; return those that were passed."""
    known = progress_file.summary()
    begun = [task.number for task in section.tasks if task.number in known]
    for number in begun:
        progress_file.record_reset(number)
    return tuple(number for number in begun if known[number].passed)


def _starter(lab: manifest.Lab, section: manifest.Section, root: Path) -> dict[str, bytes]:
    """Return the files of a section's starter by their path inside the lab's folder."""
    wanted = {}
    folders = tuple(f"{one}/" for one in section.folders)
    for name, content in build.starter(lab, root).items():
        if name == f"{section.notebook}.ipynb" or name.startswith(folders):
            wanted[name] = build.as_bytes(content)
    return wanted


def _present(folder: Path, section: manifest.Section) -> Iterable[Path]:
    """Yield what the learner has of this section; caches and Jupyter's own copies do not count."""
    notebook = folder / f"{section.notebook}.ipynb"
    if notebook.is_file() or notebook.is_symlink():
        yield notebook
    for path in sorted(path for one in section.folders for path in (folder / one).rglob("*")):
        inside = path.relative_to(folder).parts
        if (path.is_file() or path.is_symlink()) and not set(inside) & set(build.UNWANTED):
            yield path


def _content(path: Path) -> bytes | None:
    """Return what is in a file; None for a link, which is never what the starter has."""
    return None if path.is_symlink() else path.read_bytes()


def _keep(lab: manifest.Lab, folder: Path, paths: list[Path]) -> Path | None:
    """Copy files to a new folder in `.lab/kept/`, and return the copy of the lab's folder."""
    if not paths:
        return None
    now = f"{datetime.now():%Y-%m-%d-%H%M%S}"
    for attempt in range(1, 100):
        top = state.folder("kept") / (now if attempt == 1 else f"{now}-{attempt}")
        with contextlib.suppress(FileExistsError):
            top.mkdir()
            break
    kept = top / lab.folder
    for path in paths:
        copy = kept / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy, follow_symlinks=False)
    return kept


def _remove_empty_folders(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()
