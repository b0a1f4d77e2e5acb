"""What the section's scripts, or cells of its notebook, do with a tiny input: a sandbox runs them.

In the sandbox, the package `inside` tries them and reports what they did.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import json
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from workshop.course import manifest
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import last_line
from workshop.course.checks.outcome import NotYet
from workshop.emulator import state
from workshop.emulator.containers import engine
from workshop.emulator.settings import REGION

_SECONDS = 120
#: Where a host finds the package `inside`.
_PROGRAM = "/opt/ml/check/inside.zip"

#: The trials that went well, by the fingerprint of all that they depend on; the newest of them.
_tried: dict[bytes, Trial] = {}
_MOST = 20


@dataclass(frozen=True)
class Trial:
    """What a script did: what `inside` reported, and all files below /opt/ml by their path."""

    report: dict
    files: dict[str, bytes] = field(repr=False)

    @property
    def error(self) -> str:
        return self.report.get("error", "")


def needs(look: Look, module: str, title: str) -> None:
    """Make sure that this Python has a package that only this lab needs."""
    if importlib.util.find_spec(module) is None:
        labs = (lab.folder for lab in manifest.labs() if look.section in lab.sections)
        short = "".join(labs).partition("-")[0]
        raise NotYet(
            f"{title} is not installed here, and the script cannot be tried without it",
            f"{title}: ./lab setup {short} installs it",
        )


def run(
    look: Look,
    name: str,
    *,
    code: str,
    files: dict[str, bytes],
    folders: Iterable[str] = (),
    arguments: Iterable[str] = (),
    environment: dict[str, str] | None = None,
    without: Iterable[str] = (),
) -> Trial:
    """Let `inside` try the scripts of this section, in the sandbox that jobs run in.

    name: of a function in `inside`, as MODULE.FUNCTION
    code: the folder in the host where the scripts are, and which the host starts in
    files, folders: what else the host finds, by its path below /opt/ml
    arguments: the script's command line
    without: scripts that it does not find, since they are not tried

    What went well is remembered by this process: the same scripts do the same again.
    """
    hidden = ["__pycache__", ".*", "requirements.txt", *without]
    command = [name, *arguments]
    key = _fingerprint(look.scripts, hidden, command, files, environment or {})
    if key in _tried:
        return _tried[key]
    with tempfile.TemporaryDirectory(dir=state.folder("tmp")) as place:
        top = Path(place).resolve()
        ignored = shutil.ignore_patterns(*hidden)
        shutil.copytree(look.scripts, _here(top, code), ignore=ignored)
        for path in folders:
            _here(top, path).mkdir(parents=True, exist_ok=True)
        for path, content in {**files, _PROGRAM: _program()}.items():
            _here(top, path).parent.mkdir(parents=True, exist_ok=True)
            _here(top, path).write_bytes(content)
        before = _times(top)
        error = _run_host(top, command, code, environment or {})
        try:
            report = json.loads(_here(top, "/opt/ml/check/report.json").read_text())
        except (OSError, ValueError):
            report = {"error": error or "the script ended before it was done"}
        written = {
            f"/opt/ml/{path.relative_to(top)}": path.read_bytes()
            for path, when in _times(top).items()
            if before.get(path) != when and path.parent != top / "check"
        }
    trial = Trial(report, written)
    if not trial.error:
        _tried[key] = trial
        if len(_tried) > _MOST:
            del _tried[next(iter(_tried))]
    return trial


@functools.cache
def _program() -> bytes:
    """Return the package `inside` as one file that Python can run."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((Path(__file__).parents[1] / "inside").glob("*.py")):
            archive.writestr(f"inside/{path.name}", path.read_bytes())
        archive.writestr("__main__.py", "from inside.program import main\n\nmain()\n")
    return packed.getvalue()


def _fingerprint(scripts: Path, hidden: list[str], *others: object) -> bytes:
    content = hashlib.sha256(repr(others).encode())
    for path in sorted(scripts.rglob("*")):
        parts = path.relative_to(scripts).parts
        if path.is_file() and not any(fnmatch(part, one) for part in parts for one in hidden):
            content.update(f"\0{'/'.join(parts)}\0".encode() + path.read_bytes())
    return content.digest()


def _run_host(top: Path, command: list[str], code: str, environment: dict[str, str]) -> str:
    """Run `inside` in a host; return what went wrong, if it did."""
    nowhere = "http://127.0.0.1:9"  # a script that still asks S3 hears at once that it cannot
    host = engine.Host(
        name="check",
        image="check",
        entrypoint=["python", _PROGRAM, *command],
        environment={
            "AWS_ENDPOINT_URL": nowhere,
            "WORKSHOP_ENDPOINT": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "check",
            "AWS_SECRET_ACCESS_KEY": "check",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
        },
        mounts=[(str(path), f"/opt/ml/{path.name}") for path in sorted(top.iterdir())],
        directory=code,
    )
    job = engine.Job([host], name=f"check-{command[0]}", kind="check")
    late = threading.Timer(_SECONDS, job.stop)
    late.start()
    started = time.monotonic()
    try:
        result = job.run(lambda host, lines: None)
    finally:
        late.cancel()
    if time.monotonic() - started >= _SECONDS:
        return f"the script had not ended after {_SECONDS} seconds"
    return last_line(result.error).replace("check ", "the script ", 1)


def _here(top: Path, path: str) -> Path:
    """Return where a path of the host is on this machine."""
    return top / path.removeprefix("/opt/ml/")


def _times(top: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in top.rglob("*") if path.is_file()}
