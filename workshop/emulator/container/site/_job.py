"""Runs at the start of every Python of a job (a line in the job's ``_base.pth``).

1. AWS requests of the job go to the emulator, as the learner's do.
2. ``pip install -r requirements.txt`` is quick the second time, also without a network: what it
   installed for the same file is kept, and shown to the next job before pip looks for it.
"""

import hashlib
import os
import sys
from pathlib import Path


def _send_aws_to_emulator() -> None:
    if "WORKSHOP_ENDPOINT" not in os.environ:
        return
    import importlib.util

    hook = Path(__file__).resolve().parents[2] / "hook.py"
    spec = importlib.util.spec_from_file_location("_emulator_hook", hook)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _requirements_file() -> str | None:
    """Return the file of a plain ``python -m pip install -r FILE``, else None."""
    arguments = sys.orig_argv
    if arguments[1:5] == ["-m", "pip", "install", "-r"] and len(arguments) == 6:
        return arguments[5]
    return None


def _reuse_packages(requirements: str) -> None:
    text = Path(requirements).read_text()
    if any(line.startswith(("-", ".", "/")) or ":" in line for line in text.split("\n")):
        return  # names another file or place: its content may change while the text does not
    packages = next(Path(path) for path in sys.path if path.startswith(sys.prefix))
    base = sorted(
        name
        for path in sys.path
        if path.endswith("-packages") and not path.startswith(sys.prefix)
        for name in os.listdir(path)
        if name.endswith(".dist-info")
    )
    key = hashlib.sha256("\n".join([sys.version, text, *base]).encode()).hexdigest()[:32]
    kept = Path(os.environ["JOB_PACKAGES"]) / key
    if kept.is_dir():
        # Before the base packages, whose versions it may replace.
        (packages / "_above_base.pth").write_text(f"{kept}\n")
        sys.path.insert(sys.path.index(str(packages)) + 1, str(kept))
        return

    import atexit

    atexit.register(_keep_packages, packages, kept)


def _keep_packages(packages: Path, kept: Path) -> None:
    import shutil

    installed = list(packages.glob("*.dist-info"))
    if not installed or not all((path / "RECORD").exists() for path in installed):
        return
    incoming = kept.with_name(f"{kept.name}.{os.getpid()}-{os.environ.get('HOSTNAME')}")
    try:
        shutil.copytree(packages, incoming, ignore=shutil.ignore_patterns("_*.pth"))
        os.rename(incoming, kept)
    except OSError:  # another job was first, or the disk is full: the next job installs again
        shutil.rmtree(incoming, ignore_errors=True)


_send_aws_to_emulator()
if _requirements_file() and "JOB_PACKAGES" in os.environ:
    try:
        _reuse_packages(_requirements_file())
    except OSError:
        pass  # no such file: pip says so
