"""The table of contents: what `source/course.toml` says, and labs found by a short name.

pydantic holds the file to the types of the records. Each fault is told with its line.
"""

from __future__ import annotations

import difflib
import functools
import re
import reprlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The folder that holds `course.toml` and the one hand-written form of each lab.
SOURCE = ROOT / "source"

#: The form of `course.toml` that this reads: its key `format`.
FORMAT = 1

#: Where something is in the file, like ("lab", 1, "section", 0, "title").
_Place = tuple[str | int, ...]

_Number = Annotated[int, Field(strict=True, ge=1)]
_OneLine = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]

# The file says [[lab.section]] where a record says `sections`: hence the aliases.
_record = dataclass(
    frozen=True,
    config={"extra": "forbid", "validate_by_alias": True, "validate_by_name": True},
)


@_record
class Task:
    """A gap that a learner fills. Its number alone joins it to its region, hints and check."""

    number: str  # SECTION.TASK
    title: str
    what: _OneLine  # what to do
    minutes: _Number  # how long to try before a hint is the better idea
    read: tuple[str, ...] = ()  # addresses of pages
    needs: tuple[str, ...] = ()  # tasks without which its check has nothing to look at

    @property
    def slug(self) -> str:
        """The name of its folder in `hints/`."""
        words = re.findall(r"[a-z0-9]+", self.title.casefold())
        return "-".join((self.number, *words))


@_record
class Instances:
    """What a section's jobs run on, where they do not run in local mode."""

    type: Annotated[str, Field(pattern=r"^ml\.")]
    #: In the words of AWS's quotas.
    use: Literal["processing job", "training job", "spot training job", "transform job", "endpoint"]
    at_once: _Number = 1
    optional: Annotated[bool, Field(strict=True)] = False  # only a bonus needs them


@_record
class Image:
    """An image of a section's jobs; the fields are those of `sagemaker.image_uris.retrieve`."""

    framework: str
    version: str
    py_version: str | None = None
    image_scope: str | None = None


@_record
class Job:
    """A job of a section. Its name begins with `name` and ends in the time of its start."""

    name: str  # the base_job_name
    kind: Literal["processing", "training"]
    script: str = ""  # what it runs, where its request does not say it: see `job_names`


@_record
class Section:
    """One section of a lab: a notebook, and the folder of scripts that its job runs, if any."""

    number: _Number
    title: str
    notebook: str  # file name without suffix
    minutes: _Number
    scripts: str = ""
    files: tuple[str, ...] = ()  # other files of the lab that it needs; no task is in them
    finished: tuple[str, ...] = ()  # folders of another lab's scripts, taken as they are solved
    jobs: tuple[Job, ...] = ()
    instances: tuple[Instances, ...] = ()
    images: tuple[Image, ...] = ()
    tasks: Annotated[tuple[Task, ...], Field(validation_alias="task")] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of its scripts in its lab: its own, and those of other labs."""
        names = (Path(one).name for one in (self.scripts, *self.finished) if one)
        return tuple(dict.fromkeys(names))


@_record
class Packages:
    """What a lab needs beyond requirements.txt (`workshop.course.packages` installs it)."""

    requirements: str  # file in the checkout's root, which pins it
    download_mb: _Number
    disk_mb: _Number  # what stays on the disk
    modules: tuple[str, ...]  # what can be imported with these packages, and not without them


@_record
class Lab:
    """A lab: sections with notebooks, or (Lab0) scripts that are run as they are."""

    folder: str
    title: str
    sections: Annotated[tuple[Section, ...], Field(validation_alias="section")] = ()
    commands: tuple[str, ...] = ()  # what Python runs, in this order
    environment: tuple[tuple[str, str], ...] = ()
    packages: Packages | None = None  # None: requirements.txt is all it needs

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(task for section in self.sections for task in section.tasks)


@_record
class _Course:
    format: Literal[1]
    labs: Annotated[tuple[Lab, ...], Field(validation_alias="lab")]


#: The pipeline as it was. It is no rendering of anything: its folder lies beside the labs.
LAB0 = Lab(
    "Lab0-Container-Pipeline",
    "The pipeline as it is today",
    commands=("utils.py upload {raw_data}", "evaluation.py"),
    # As the task definition and the Dockerfile have it.
    environment=(("BUCKET_NAME", "ml-pipeline-digits"), ("TF_CPP_MIN_LOG_LEVEL", "2")),
)


def labs(source: Path | None = None) -> list[Lab]:
    """Read the labs in their order.

    Raises WorkshopError when `course.toml` cannot be used, with a line of text for each fault.
    """
    path = (source or SOURCE) / "course.toml"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WorkshopError(f"{path} cannot be read: {error.strerror}.") from error
    return [LAB0, *_labs_in(raw, path)]


@functools.lru_cache(maxsize=4)  # a check of all tasks asks some hundred times
def _labs_in(raw: bytes, path: Path) -> tuple[Lab, ...]:
    try:
        text = raw.decode()
        content = tomllib.loads(text)
    except ValueError as error:  # it names the line
        raise WorkshopError(f"{path}: this is not TOML: {error}.") from error
    try:
        found = _reader().validate_python(content, by_alias=True, by_name=False).labs
    except ValidationError as error:
        faults = [(one["loc"], _fault(one)) for one in error.errors()]
        # Of another format all the rest is another, too.
        faults = [fault for fault in faults if fault[0] == ("format",)] or faults
    else:
        faults = list(_contradictions(found))
    if faults:
        lines = _lines(text)
        told = sorted((_line(place, lines), fault) for place, fault in faults)
        raise WorkshopError("\n".join(f"{path}:{line}: {fault}" for line, fault in told))
    return found


@functools.cache
def _reader() -> TypeAdapter[_Course]:
    return TypeAdapter(_Course)


#: What pydantic's kinds of errors mean for a TOML file.
_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list; tables of a list begin with [[ ]]",
    "dataclass_type": "a table",
}


def _fault(error: dict) -> str:
    """Say what pydantic found to be wrong."""
    place, value = error["loc"], error["input"]
    name = f"{place[-2]}[{place[-1]}]" if isinstance(place[-1], int) else place[-1]
    if place == ("format",):
        found = "missing" if error["type"] == "missing" else repr(value)
        return f"format is {found}, and this workshop reads format {FORMAT}."
    if error["type"] == "missing":
        return f"{name} is missing."
    if error["type"] == "unexpected_keyword_argument":
        return f"there is no key {name} here. The beginning of the file lists the keys."
    usual = error["msg"].removeprefix("Input should be ")
    return f"{name} is {reprlib.repr(value)}, expected {_EXPECTED.get(error['type'], usual)}."


def _contradictions(labs: Sequence[Lab]) -> Iterator[tuple[_Place, str]]:
    """Yield where entries of the right type do not go together, and why."""
    folders: set[str] = set()
    sections: dict[int, str] = {}
    for lab_place, lab in enumerate(labs):
        if lab.folder in folders:
            yield ("lab", lab_place, "folder"), f"there are two labs {lab.folder}."
        folders.add(lab.folder)
        known = {task.number for task in lab.tasks}
        for section_place, section in enumerate(lab.sections):
            here = ("lab", lab_place, "section", section_place)
            if section.number in sections:
                first = sections[section.number]
                fault = f"section {section.number} is {first!r} already: count through all labs."
                yield (*here, "number"), fault
            sections.setdefault(section.number, section.title)
            for task_place, task in enumerate(section.tasks):
                place = (*here, "task", task_place)
                expected = f"{section.number}.{task_place + 1}"
                if task.number != expected:
                    yield (*place, "number"), f"number is {task.number!r}, expected {expected!r}."
                for needed in task.needs:
                    if needed not in known or needed == task.number:
                        fault = (
                            f"{task.number} needs {needed!r}, which is no other task of the lab."
                        )
                        yield (*place, "needs"), fault


_HEAD = re.compile(r"\s*(\[{1,2})\s*([\w.-]+)\s*\]")  # [[lab.section]]
_ENTRY = re.compile(r"\s*([\w-]+)\s*=")
_MEMBER = re.compile(r"\s*[{\"'\d]")  # of a list with a line for each
_QUOTES = re.compile(r"\"{3}|'{3}")


def _lines(text: str) -> dict[_Place, int]:
    """Find the lines of the entries of a TOML text, which tomllib does not tell."""
    found: dict[_Place, int] = {(): 1}
    last: dict[_Place, int] = {}  # of each list of tables, the index of its last one so far
    table: _Place = ()
    entry: _Place = ()
    member, quoted = 0, False
    for number, line in enumerate(text.splitlines(), 1):
        was_quoted, quoted = quoted, quoted ^ (len(_QUOTES.findall(line)) % 2 == 1)
        if was_quoted:
            continue
        if head := _HEAD.match(line):
            table = entry = ()
            *outer, own = head[2].split(".")
            for name in outer:
                table += (name,)
                table += (last[table],) if table in last else ()
            table += (own,)
            if head[1] == "[[":
                found.setdefault(table, number)  # the list itself begins with its first table
                last[table] = last.get(table, -1) + 1
                table += (last[table],)
            found[table] = number
        elif key := _ENTRY.match(line):
            entry, member = (*table, key[1]), 0
            found[entry] = number
        elif entry and _MEMBER.match(line):
            found[(*entry, member)] = number
            member += 1
    return found


def _line(place: _Place, lines: dict[_Place, int]) -> int:
    """Return the line of a place; what has none of its own is on the line of what holds it."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def section(number: int, source: Path | None = None) -> Section:
    """Return a section by its number; raise WorkshopError when there is none."""
    known = [section for lab in labs(source) for section in lab.sections]
    for one in known:
        if one.number == number:
            return one
    numbers = ", ".join(str(one.number) for one in known)
    raise WorkshopError(f"There is no section {number}. The sections are: {numbers}.")


def job_names(source: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Return how the names of the jobs begin that run a script: {script: beginnings}.

    The request of a ScriptProcessor names its script. That of a FrameworkProcessor names an
    archive and a program that unpacks it, both in S3: once they are gone, only the name tells.
    """
    found: dict[str, tuple[str, ...]] = {}
    for lab in labs(source):
        for job in (job for section in lab.sections for job in section.jobs if job.script):
            found[job.script] = (*found.get(job.script, ()), job.name)
    return found


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
