"""What is pinned stays: `pip install` and `uv pip install` under `./lab` change none of it.

Many notebooks begin with `!pip install -U sagemaker`. That would put the SDK's next generation in
the place of the one that the labs and every later program are written for.

pip gets the pins in its own process, as one more `--constraint FILE`. The variable PIP_CONSTRAINT
would do more than that: it also reaches the pips of other environments and, before pip 25.3, the
ones that build a package from its source with the old tools it asks for; and a `constraint` of the
learner's pip.conf no longer counts where it is set (pip, User Guide, "Configuration"). uv cannot
be reached in its process: it gets UV_CONSTRAINT (uv, "Environment variables").
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.emulator import files
from workshop.paths import ROOT

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: Their pins hold where this Python has what they ask for.
FILES = ("requirements.txt", "requirements-lab3.txt")

#: Packages that write the same files: beside one of a line, no other may be installed.
TWINS = (
    ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "intel-tensorflow", "tf-nightly"),
    ("xgboost", "xgboost-cpu"),
    ("pyspark", "pyspark-client"),
)

#: The version that a twin is held at: there is none, and the error of pip and uv shows why.
_NEVER = "0+is.here.as."

#: A line that `_constraints` writes.
_LINE = re.compile(r"(?m)^(?P<name>\S+?)==(?P<version>\S+)  # (?P<why>.+)$")


def pinned(requirements: Path) -> Iterator[tuple[Requirement, str | None]]:
    """Yield the lines of a requirements file that are meant for this machine.

    With each comes the version that this Python has, or None.
    """
    from packaging.requirements import Requirement

    for line in requirements.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if not line or line.startswith("-"):
            continue
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate():
            try:
                yield wanted, metadata.version(wanted.name)
            except metadata.PackageNotFoundError:
                yield wanted, None


def settings() -> dict[str, str]:
    """Return the variables that make uv keep to the pins; the learner's own constraints count too.

    uv splits them at spaces, which the path of a checkout may have: a file: URL has none.
    """
    file = _file()
    if file is None:
        return {}
    own = [one for one in os.environ.get("UV_CONSTRAINT", "").split() if one != file.as_uri()]
    return {"UV_CONSTRAINT": " ".join([*own, file.as_uri()])}


def watch(install) -> None:
    """Make pip keep to the pins, and say so last; `install` is `pip._internal.commands.install`.

    Called when a process imports that module: it is pip then, however it was started.
    """
    import wrapt

    def remember(wrapped, command, arguments, options):
        command.asked = wrapped(*arguments, **options)
        return command.asked

    wrapt.wrap_function_wrapper(install, "InstallCommand.get_requirements", remember)
    wrapt.wrap_function_wrapper(install, "InstallCommand.run", _install)


def _install(wrapped, command, arguments, keywords):
    """Run `pip install` with the pins as constraints.

    Not where it installs into another folder: a package for AWS Lambda, and what pip itself
    installs to build a package from its source (``pip/_internal/commands/install.py``,
    ``target_dir``, ``prefix_path`` and ``root_path``).
    """
    options = arguments[0]
    elsewhere = options.target_dir or options.prefix_path or options.root_path
    file = None if elsewhere else _file()
    if file is None:
        return wrapped(*arguments, **keywords)
    text = file.read_text(encoding="utf-8")
    options.constraints.append(str(file))
    newest = options.upgrade or options.force_reinstall or options.ignore_installed
    kept: list[str] = []
    # After all that pip says; it imports nothing, which newer pips forbid by then.
    atexit.register(_say, kept, text)
    try:
        status = wrapped(*arguments, **keywords)
    except Exception as error:
        # pip's resolver gives its error the requirements that no version meets
        # (``pip/_internal/resolution/resolvelib/resolver.py``, ``Resolver.resolve``).
        kept += [cause.requirement.project_name for cause in getattr(error.__cause__, "causes", ())]
        raise
    if newest:
        kept += [one.name for one in command.asked if one.name and not one.constraint]
    return status


def _say(kept: Iterable[str], constraints: str) -> None:
    text = sentence(kept, constraints)
    if text:
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)


def sentence(names: Iterable[str], constraints: str) -> str:
    """Say which of some packages stay as they are, and why; "" where none does."""
    lines = {line["name"]: line for line in _LINE.finditer(constraints)}
    names = dict.fromkeys(re.sub(r"[-_.]+", "-", name).lower() for name in names)
    found = [lines[name] for name in names if name in lines]
    stays = [line for line in found if not line["version"].startswith(_NEVER)]
    said = [
        f"{line['name']} would overwrite {line['why']}: leave it out, or install what needs it "
        "with --no-deps."
        for line in found
        if line not in stays
    ]
    if stays:
        first, *others = stays
        which = [f"{first['name']} stays at {first['version']}"]
        which += [f"{line['name']} at {line['version']}" for line in others]
        files = ", ".join(dict.fromkeys(line["why"] for line in stays))
        it = "them" if others else "it"
        said.insert(0, f"{', '.join(which)}: the labs are written for {it} ({files}).")
    return " ".join(said)


def _file() -> Path | None:
    """Return a constraints file with all that stays, brought up to date; None without one.

    It lies in the environment that it speaks of. Where that cannot be written to, nothing can be
    installed into it either.
    """
    file = Path(sys.prefix) / "workshop-constraints.txt"
    made_of = [ROOT / name for name in FILES] + [Path(sysconfig.get_path("purelib")), __file__]
    try:
        if not file.exists() or file.stat().st_mtime <= max(map(os.path.getmtime, made_of)):
            files.write(file, _constraints(), 0o666)  # for all who use the environment
    except OSError:
        return None
    return file


def _constraints() -> str:
    """Return the pins that this Python has as they are pinned, in the form of pip's constraints."""
    lines: dict[str, str] = {}
    for name in FILES:
        for wanted, version in pinned(ROOT / name):
            if version is None or not wanted.specifier.contains(version, prereleases=True):
                continue
            lines.setdefault(wanted.name, f"{wanted.name}=={version}  # {name}")
            for twin in (twin for line in TWINS if wanted.name in line for twin in line):
                why = f"{wanted.name} {version}, which is the same software ({name})"
                never = _NEVER + wanted.name.replace("-", ".")
                lines.setdefault(twin, f"{twin}=={never}  # {why}")
    return "\n".join([*lines.values(), ""])
