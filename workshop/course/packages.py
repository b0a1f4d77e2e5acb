"""What a lab needs beyond `requirements.txt`: installed into `.venv` when the lab is asked for."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from importlib import util
from pathlib import Path

from workshop.course import manifest
from workshop.emulator import state
from workshop.emulator.containers import images
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT
from workshop.pins import pinned

#: Megabytes that unpacking and building take for a while, and what pip's copies take for good.
_UNPACKING, _COPIES = 1500, 1000

_DISK = re.compile(r"(?i)no space left|disk quota exceeded|errno 28|os error 28")
_NETWORK = re.compile(
    r"(?i)failed to establish a new connection|connection ?(broken|refused|reset|error|timed out)|"
    r"name or service not known|name ?resolution|network is unreachable|proxyerror|"
    r"read ?timed? ?out|maxretryerror|failed to fetch|error sending request|dns error|ssl ?error"
)


def missing(requirements: Path) -> list[str]:
    """Return the lines of a requirements file that this Python does not have as they are pinned."""
    return [
        f"{wanted.name}{wanted.specifier}"
        for wanted, version in pinned(requirements)
        if version is None or not wanted.specifier.contains(version, prereleases=True)
    ]


def ensure(wanted: manifest.Packages, root: Path = ROOT) -> None:
    """Install what a lab needs into the environment of this Python, if it is not there.

    The environment keeps a stamp with the file's content (`requirements-lab3.txt`: `lab3-stamp`):
    where it fits, nothing is looked at and no network is needed. What is done is told on stderr,
    with sizes, before it begins.

    Raises WorkshopError, which names the log, when it cannot be done.
    """
    requirements = root / wanted.requirements
    stamp = _stamp(requirements)
    text = requirements.read_text(encoding="utf-8")
    if _read(stamp) == text:
        return
    # Beside what is changed: who shares the environment may have another state folder.
    with open(stamp.with_name("extras.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another ./lab is installing here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _read(stamp) == text:
            return
        lacking = missing(requirements)
        if lacking:
            _install(requirements, wanted, lacking)
        stamp.write_text(text, encoding="utf-8")


def require(folder: Path) -> None:
    """Raise WorkshopError where `folder` is a lab's, and what the lab needs is not installed."""
    for lab in manifest.labs():
        if lab.packages and lab.folder in folder.parts:
            requirements = ROOT / lab.packages.requirements
            if _read(_stamp(requirements)) != _read(requirements) and missing(requirements):
                raise WorkshopError(
                    f"{lab.folder} needs packages that are not installed yet. Run this in a "
                    f"terminal, in {ROOT}: ./lab setup {lab.folder.split('-')[0]}. Then restart "
                    "the notebook's kernel."
                )


def _stamp(requirements: Path) -> Path:
    return Path(sys.prefix) / f"{requirements.stem.removeprefix('requirements-')}-stamp"


def _install(requirements: Path, wanted: manifest.Packages, lacking: list[str]) -> None:
    free = shutil.disk_usage(sys.prefix).free // 1_000_000
    needed = wanted.disk_mb + _UNPACKING
    if free < needed:
        raise WorkshopError(
            f"{requirements.name} needs {needed} MB of disk ({wanted.disk_mb} MB for good), and "
            f"{sys.prefix} has {free} MB left: free some, then try again."
        )
    names = ", ".join(re.split(r"[=<>~!]", one)[0] for one in lacking)
    _say(f"installing what {requirements.name} asks for, only this once: {names}.")
    _say(f"{wanted.download_mb} MB to download, {wanted.disk_mb} MB on disk, a few minutes.")
    log = state.folder() / "extras.log"
    started = time.monotonic()
    if _logged(_command(requirements, copies=free > needed + _COPIES), log):
        raise WorkshopError(_reason(log))
    if any(one.startswith("pyspark") for one in lacking):
        # Without it Spark works too, and starts slower: its failure stays in the log.
        _logged([sys.executable, str(images.CONTAINER_FILES / "spark" / "archive.py")], log, "a")
    _say(f"installed ({time.monotonic() - started:.0f} s).")


def _command(requirements: Path, copies: bool) -> list[str]:
    """Return the command that installs: pip's, or uv's where `.venv` was made by it, without pip.

    An index that only this system needs is in a file of its own (`requirements-lab3-linux.txt`).
    Few retries: an index that cannot be reached is asked for each package.
    """
    here = requirements.with_name(f"{requirements.stem}-{sys.platform}.txt")
    file = str(here if here.is_file() else requirements)
    if util.find_spec("pip"):
        command = [sys.executable, "-I", "-m", "pip", "install", "--no-input", "--retries", "2"]
        command += ["--disable-pip-version-check", *([] if copies else ["--no-cache-dir"])]
        return [*command, "-r", file]
    uv = shutil.which("uv")
    if not uv:
        raise WorkshopError(
            f"{sys.prefix} has no pip, and there is no uv here, which made it. Install uv again, "
            "or remove .venv and call ./lab."
        )
    # As pip does: the best version of all indexes, not the first index that knows the name.
    index = ["--index-strategy", "unsafe-best-match"]
    return [uv, "pip", "install", "--python", sys.executable, *index, "-r", file]


def _logged(command: list[str], log: Path, mode: str = "w") -> int:
    """Run a command: all its output goes to the log, its newest line to a terminal."""
    # A learner's own pip settings must not lead elsewhere, and the pins that are here are not the
    # ones that are wanted: no constraints, and no hook, which adds some (`workshop.pins`).
    ours = {"PIP_USER": "0", "PIP_TARGET": "", "PIP_PREFIX": "", "PIP_REQUIRE_VIRTUALENV": "0"}
    names = ("PIP_CONSTRAINT", "UV_CONSTRAINT", "WORKSHOP_ENDPOINT", "WORKSHOP_AWS")
    ours |= dict.fromkeys(names, "")
    process = subprocess.Popen(
        command,
        env=os.environ | ours,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    try:
        with open(log, mode, encoding="utf-8") as file:
            file.write(f"$ {' '.join(command)}\n")
            for line in process.stdout:
                file.write(line)
                if terminal:
                    shown = " ".join(line.split())[:60]
                    sys.stderr.write(f"\r\033[K  {time.monotonic() - started:3.0f} s  {shown}")
        return process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        if terminal:
            sys.stderr.write("\r\033[K")


def _reason(log: Path) -> str:
    """Read from the log why installing failed."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if _DISK.search(text):
        return f"The disk is full: free some room, then try again. Log: {log}"
    if _NETWORK.search(text):
        return (
            "A package index could not be reached: these packages need the network once (behind a "
            "proxy, set HTTPS_PROXY; an own index, PIP_INDEX_URL), PyPI's and, on Linux, "
            f"download.pytorch.org. Then try again. Log: {log}"
        )
    errors = re.findall(r"(?im)^ *((?:error|×).*)$", text)
    last = f" ({errors[-1].strip()})" if errors else ""
    return f"Installing failed{last}: read the end of the log, then try again. Log: {log}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)
