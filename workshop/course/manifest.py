"""The table of contents: what `source/course.toml` says, and labs found by a short name."""

from __future__ import annotations

import difflib
import re
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
class Task:
    """A gap that a learner fills. Its number alone joins it to its region, hints and check."""

    number: str  # SECTION.TASK
    title: str
    what: str  # what to do, in one line
    minutes: int  # how long to try before a hint is the better idea
    read: tuple[str, ...] = ()  # addresses of pages
    needs: tuple[str, ...] = ()  # tasks without which its check has nothing to look at

    @property
    def slug(self) -> str:
        """The name of its folder in `hints/`."""
        words = re.findall(r"[a-z0-9]+", self.title.casefold())
        return "-".join((self.number, *words))


@dataclass(frozen=True)
class Section:
    """One section of a lab: a notebook and the folder of scripts that its job runs."""

    number: int
    title: str
    notebook: str  # file name without suffix
    scripts: str
    minutes: int
    files: tuple[str, ...] = ()  # other files of the lab that it needs; no task is in them
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True)
class Lab:
    """A lab: sections with notebooks, or (Lab0) scripts that are run as they are."""

    folder: str
    title: str
    sections: tuple[Section, ...] = ()
    commands: tuple[str, ...] = ()  # what Python runs, in this order
    environment: tuple[tuple[str, str], ...] = ()
    requirements: str = ""  # file in the checkout's root: what it needs beyond requirements.txt

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(task for section in self.sections for task in section.tasks)


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
    sections = tuple(_section(section) for section in entry.get("section", ()))
    requirements = entry.get("requirements", "")
    lab = Lab(entry["folder"], entry["title"], sections, requirements=requirements)
    known = [task.number for task in lab.tasks]
    for task in lab.tasks:
        if known.count(task.number) > 1:
            raise WorkshopError(f"course.toml, {lab.folder}: two tasks have number {task.number}.")
        for needed in task.needs:
            if needed not in known or needed == task.number:
                raise WorkshopError(
                    f"course.toml, {lab.folder}: task {task.number} needs {needed!r}, which is "
                    "no other task of this lab."
                )
    return lab


def _section(entry: dict) -> Section:
    tasks = tuple(_task(task) for task in entry.get("task", ()))
    facts = {key: entry[key] for key in entry if key != "task"}
    section = Section(**facts | {"files": tuple(entry.get("files", ())), "tasks": tasks})
    for place, task in enumerate(section.tasks, 1):
        if task.number != f"{section.number}.{place}":
            raise WorkshopError(
                f"course.toml: task {place} of section {section.number} has number "
                f"{task.number!r}, expected '{section.number}.{place}'."
            )
    return section


def _task(entry: dict) -> Task:
    lists = {key: tuple(entry.get(key, ())) for key in ("read", "needs")}
    return Task(**{**entry, "what": " ".join(entry["what"].split()), **lists})


def tasks(source: Path | None = None) -> list[Task]:
    """Return the tasks of all labs in their order."""
    return [task for lab in labs(source) for task in lab.tasks]


def task(number: str, source: Path | None = None) -> Task:
    """Return a task by its number; raise WorkshopError when there is none."""
    lab = lab_of(number, source)
    return next(task for task in lab.tasks if task.number == number)


def lab_of(number: str, source: Path | None = None) -> Lab:
    """Return the lab that a task belongs to, by the task's number."""
    known = labs(source)
    for lab in known:
        if any(task.number == number for task in lab.tasks):
            return lab
    numbers = ", ".join(task.number for lab in known for task in lab.tasks)
    raise WorkshopError(f"There is no task {number!r}. The tasks are: {numbers}.")


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
