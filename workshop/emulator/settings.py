"""What the emulator is told from outside, and the account that it plays.

What depends on the place where the emulator is used stands in a TOML file: ``emulator.toml``,
beside the folder of this package, or the file that ``WORKSHOP_SETTINGS`` names. Its paths are
relative to it. Only ``state`` must be there::

    state = "state"               # the folder where everything is kept
    images = "images.toml"        # which framework plays which of the learner's own images
    name = "emulator"             # what a message on a terminal begins with

    [advice]                      # what a person can do there: the names are those of ADVICE
    keys = "make shell gives a program its keys."

    [[instead]]                   # what to do instead of operations that are refused
    title = "Pipelines"
    pattern = "Pipeline"          # found in the names of the operations
    advice = "start one job after the other from one program"
"""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from workshop.emulator.errors import WorkshopError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ACCOUNT = "123456789012"
REGION = "us-east-1"
#: Name of the role that `sagemaker.get_execution_role()` finds.
ROLE = "AmazonSageMaker-ExecutionRole-Workshop"

#: Paths of the server that are no service's: for `client`, which has the token (`keys`).
STATUS, NEWS, INTERRUPT = "/_workshop/status", "/_workshop/news", "/_workshop/interrupt/"
#: With the name of an operation behind it; what is sent is a request of local mode, as JSON. The
#: answer is ``{"warnings": [sentence, …]}``: what AWS would refuse, and what has no effect.
LOCAL = "/_workshop/local/"
#: How a sentence begins that says why AWS would refuse what local mode takes.
REFUSES = "AWS would refuse this job: "

#: The environment variables that the emulator knows, and what each one says.
VARIABLES = {
    # from a person
    "WORKSHOP_SETTINGS": "The settings file, where it is not the one beside the package.",
    "WORKSHOP_STATE": "The folder where everything is kept, instead of the settings' `state`.",
    "WORKSHOP_IMAGES": "The file of the learner's images, instead of the settings' `images`.",
    "WORKSHOP_DOCKER": "1 leaves the machine's own `docker` first on PATH: local jobs run in it.",
    "WORKSHOP_SANDBOX": "How a job is kept apart: namespaces, links, none; else the machine says.",
    "WORKSHOP_OWNER": "The number of a process: the server, and its jobs, end with that process.",
    # for a program that is connected, and what it starts
    "WORKSHOP_ENDPOINT": "The URL of the server; with it, a Python's AWS requests go there.",
    "WORKSHOP_PYTHON": "The Python that the `docker` of the emulator runs in.",
    "WORKSHOP_FAILURES": "The folder with the error of the last local job of each process.",
    "WORKSHOP_RECORDS": "The folder with what local jobs were asked for; not set in a job.",
    "WORKSHOP_KEYS": "The file with the secrets of the account; not set in a job.",
    # for a job
    "WORKSHOP_TOKEN": "What the server asks for of requests that are signed with other keys.",
}

#: What a person can do where something does not work: what is said when the settings say nothing.
ADVICE = {
    "keys": "workshop.emulator.client.connection gives a program its keys.",
    "server": "The whole log says more.",  # where it does not start
    "start": "start this program connected to the emulator",  # containers/bin/docker reads it
    "docker": "WORKSHOP_DOCKER=1",  # what makes local jobs run in a real Docker engine
    "account": "without the emulator",  # what makes a program use an account of AWS
    "java": "",  # what brings Java along, beside the system's packages
    # Where a framework is not installed:
    "tensorflow": "Install tensorflow-cpu or tensorflow.",
    "scikit-learn": "Install scikit-learn.",
    "pytorch": "Install torch.",
    "xgboost": "Install xgboost-cpu or xgboost.",
    "spark": "Install pyspark.",
}


class Instead(NamedTuple):
    """What to do instead of the operations whose names hold a match of ``pattern``."""

    title: str
    pattern: str
    advice: str


def state() -> Path:
    """Return the folder where everything is kept; it may be missing."""
    return Path(os.environ.get("WORKSHOP_STATE") or _beside("state"))


def images() -> Path | None:
    """Return the file that says which framework plays which of the learner's images, if any."""
    named = os.environ.get("WORKSHOP_IMAGES")
    if named or "images" in _content():
        return Path(named or _beside("images"))
    return None


def name() -> str:
    """Return what a message on a terminal begins with."""
    return _content().get("name", "emulator")


def advice(about: str) -> str:
    """Return what a person can do here; ``about`` is a name of ADVICE, which has the usual text."""
    return _content().get("advice", {}).get(about, ADVICE[about])


def instead() -> list[Instead]:
    """Return what to do instead of operations that are refused; the first that fits counts."""
    return [Instead(**one) for one in _content().get("instead", ())]


def file() -> Path:
    """Return the settings file.

    All functions here that read it raise WorkshopError, which names it, where it cannot be used.
    """
    named = os.environ.get("WORKSHOP_SETTINGS")
    return Path(named) if named else Path(__file__).resolve().parents[1] / "emulator.toml"


def _beside(setting: str) -> str:
    return os.path.normpath(file().resolve().parent / _content()[setting])


def _content() -> dict:
    return _read(file())


@functools.cache
def _read(path: Path) -> dict:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkshopError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise WorkshopError(f"{path} is not TOML: {error}.") from error
    problem = _problem(content)
    if problem:
        raise WorkshopError(f"{path}: {problem}")
    return content


def _problem(content: dict) -> str:
    """Say what is wrong with the content of a settings file, "" when it is right."""
    kinds = {"state": str, "images": str, "name": str, "advice": dict, "instead": list}
    wrong = _wrong_types(content, kinds)
    if wrong:
        return wrong
    if "state" not in content:
        return "state is missing, expected the path of the folder where everything is kept."
    wrong = _wrong_types(content.get("advice", {}), dict.fromkeys(ADVICE, str), "advice.")
    if wrong:
        return wrong
    for number, one in enumerate(content.get("instead", ()), 1):
        place = f"entry {number} of instead"
        if not isinstance(one, dict):
            return f"{place} is {one!r}, expected a table."
        wrong = _wrong_types(one, dict.fromkeys(Instead._fields, str), f"{place}: ")
        missing = [member for member in Instead._fields if member not in one]
        if wrong or missing:
            return wrong or f"{place}: {missing[0]} is missing, expected a text."
        try:
            re.compile(one["pattern"])
        except re.error as error:
            return (
                f"{place}: pattern is {one['pattern']!r}, which is no regular expression: {error}."
            )
    return ""


def _wrong_types(table: dict, kinds: dict[str, type], place: str = "") -> str:
    expected = {str: "a text", dict: "a table", list: "a list of tables"}
    for member, value in table.items():
        if member not in kinds:
            return f"{place}{member} is no setting. Known: {', '.join(kinds)}."
        if not isinstance(value, kinds[member]):
            return f"{place}{member} is {value!r}, expected {expected[kinds[member]]}."
    return ""
