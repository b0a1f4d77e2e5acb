"""The table of contents: what `source/course.toml` says, and labs found by a short name."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path

from workshop.emulator.errors import WorkshopError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ROOT = Path(__file__).resolve().parents[2]

#: The folder that holds `course.toml` and the one hand-written form of each lab.
SOURCE = _ROOT / "source"


@dataclass(frozen=True)
class Section:
    """One section of a lab: a notebook and the folder of scripts that its job runs."""

    number: int
    title: str
    notebook: str  # file name without suffix
    scripts: str
    minutes: int


@dataclass(frozen=True)
class Lab:
    """A lab: sections with notebooks, or (Lab0) scripts that are run as they are."""

    folder: str
    title: str
    sections: tuple[Section, ...] = ()
    commands: tuple[str, ...] = ()  # what Python runs, in this order
    environment: tuple[tuple[str, str], ...] = ()


#: The pipeline as it was. It is no rendering of anything: its folder lies beside the labs.
LAB0 = Lab(
    "Lab0-Container-Pipeline",
    "The pipeline as it is today",
    commands=("utils.py upload {raw_data}", "evaluation.py"),
    # As the task definition and the Dockerfile have it.
    environment=(("BUCKET_NAME", "ml-pipeline-digits"), ("TF_CPP_MIN_LOG_LEVEL", "2")),
)


def labs(source: Path | None = None) -> list[Lab]:
    """Read the labs in their order; raise WorkshopError when `course.toml` cannot be used."""
    path = (source or SOURCE) / "course.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return [LAB0, *(_lab(entry) for entry in content["lab"])]
    except OSError as error:
        raise WorkshopError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise WorkshopError(f"{path} is not a table of contents: {error!r}.") from error


def _lab(entry: dict) -> Lab:
    sections = tuple(Section(**section) for section in entry.get("section", ()))
    return Lab(entry["folder"], entry["title"], sections)


def find(name: str, known: list[Lab]) -> Lab:
    """Return the one lab whose folder starts with `name`, in upper or lower case."""
    wanted = name.rstrip("/").casefold()
    exact = [lab for lab in known if lab.folder.casefold() == wanted]
    found = exact or [lab for lab in known if lab.folder.casefold().startswith(wanted) and wanted]
    if len(found) == 1:
        return found[0]
    folders = [lab.folder for lab in known]
    if found:
        several = ", ".join(lab.folder for lab in found)
        raise WorkshopError(f"{name!r} could be any of {several}: give more of the name.")
    short = {form.casefold(): f for f in folders for form in (f, f.split("-")[0])}
    close = difflib.get_close_matches(wanted, short, n=1, cutoff=0.5)
    hint = f" Did you mean {short[close[0]]}?" if close else ""
    raise WorkshopError(f"There is no lab {name!r}.{hint} The labs are: {', '.join(folders)}.")
