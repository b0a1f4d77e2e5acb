"""`./lab doctor`: what this machine has, and what to do where that is not enough."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from workshop import pins, terminal
from workshop.course import manifest, packages
from workshop.emulator import state
from workshop.emulator.client import daemon
from workshop.emulator.containers import sandbox
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT
from workshop.terminal import Check

DISK_GB = 1.0  # what jobs and their results need, once set-up is done
MEMORY_GB = 2.0  # a notebook and a training job, each with TensorFlow or the SDK

#: The packages whose version decides what a learner sees.
MAIN_PACKAGES = ("sagemaker", "tensorflow", "tensorflow-cpu", "numpy", "moto", "jupyterlab")

#: https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-run-and-manage-metadata.html
STUDIO_METADATA = Path("/opt/ml/metadata/resource-metadata.json")


def doctor() -> int:
    """Print the report; return 1 when something blocks the labs."""
    checks = [
        _python(),
        _disk(),
        _memory(),
        _sandbox(),
        _state_folder(),
        _server(),
        _packages(),
        *_packages_of_labs(),
        _docker(),
        _place(),
    ]
    return terminal.report(checks, again="./lab doctor", all_well="Everything is there: ./lab run")


def docker_engine() -> tuple[bool, str]:
    """Tell whether a real Docker engine answers, and what was found."""
    program = shutil.which("docker")
    if not program:
        return False, "there is no docker program here"
    command = [program, "version", "--format", "{{.Server.Version}}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False, "docker is installed, and no engine answers"
    if found.returncode or not re.match(r"\d", found.stdout):
        return False, "docker is installed, and no engine answers"
    return True, f"engine {found.stdout.strip()}"


def _python() -> Check:
    version = platform.python_version()
    if (3, 10) <= sys.version_info[:2] <= (3, 12):
        return Check("Python", "ok", version)
    return Check("Python", "FIX", f"{version}; 3.10 to 3.12 is needed. Remove .venv, call ./lab.")


def _disk() -> Check:
    free = shutil.disk_usage(ROOT).free / 1e9
    if free >= DISK_GB:
        return Check("disk", "ok", f"{free:.1f} GB free (needed: {DISK_GB:.0f} GB)")
    finding = f"{free:.1f} GB free, {DISK_GB:.0f} GB is needed. ./lab clean --runs makes room."
    return Check("disk", "FIX", finding)


def _memory() -> Check:
    import psutil

    available = psutil.virtual_memory().available
    limit = _control_group_limit()
    have = min(available, limit or available) / 1e9
    if have >= MEMORY_GB:
        return Check("memory", "ok", f"{have:.1f} GB available (needed: {MEMORY_GB:.0f} GB)")
    finding = (
        f"{have:.1f} GB available; with less than {MEMORY_GB:.0f} GB a job may be ended by the "
        "system. Close other programs and notebooks."
    )
    return Check("memory", "note", finding)


def _control_group_limit() -> int | None:
    """Return the memory a container may use, in bytes (docs.kernel.org: cgroup-v2, memory.max)."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(file).read_text())
        except (OSError, ValueError):  # no control group, or "max"
            continue
    return None


def _sandbox() -> Check:
    kind, sentence = sandbox.probe()
    return Check("jobs", {"namespaces": "ok", "links": "note"}.get(kind, "FIX"), sentence)


def _state_folder() -> Check:
    try:
        folder = state.folder()
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        return Check("state", "FIX", f"{error.filename}: {error.strerror}. Make the folder yours.")
    if not writable:
        return Check("state", "FIX", f"{folder} cannot be written to. Make it yours, or remove it.")
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return Check("state", "ok", f"{terminal.shown(folder)} holds {used:.0f} MB")


def _server() -> Check:
    try:
        return Check("emulated AWS", "ok", f"answers at {daemon.ensure()}")
    except (WorkshopError, OSError) as error:
        return Check("emulated AWS", "FIX", str(error))


def _packages() -> Check:
    wrong, shown = [], []
    for requirement, found in pins.pinned(ROOT / "requirements.txt"):
        if found is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, not {requirement.specifier}")
        if found and requirement.name in MAIN_PACKAGES:
            shown.append(f"{requirement.name} {found}")
    if not wrong:
        return Check("packages", "ok", ", ".join(shown))
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    finding = f"{'; '.join(wrong[:3])}{more}. Remove .venv, then call ./lab: it installs all again."
    return Check("packages", "FIX", finding)


def _packages_of_labs() -> Iterator[Check]:
    """Tell of each lab with packages of its own whether they are here; only that lab needs them."""
    for lab in (lab for lab in manifest.labs() if lab.packages):
        wanted, name = lab.packages, lab.folder.split("-")[0]
        missing = packages.missing(ROOT / wanted.requirements)
        if not missing:
            yield Check(name, "ok", f"its packages are installed ({wanted.requirements})")
            continue
        names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        finding = (
            f"needs {names}. ./lab setup {name} installs all it needs: {wanted.download_mb} MB to "
            f"download, {wanted.disk_mb} MB on disk"
        )
        yield Check(name, "note", finding)


def _docker() -> Check:
    found, finding = docker_engine()
    use = "./lab start --docker uses it" if found else "the labs need none"
    return Check("Docker", "note", f"{finding}; {use}")


def _place() -> Check:
    """Name the AWS service this machine belongs to, where its files tell."""
    try:
        kind = json.loads(STUDIO_METADATA.read_text())["AppType"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = ""
    if kind:
        return Check("machine", "note", f"SageMaker Studio ({kind})")
    if os.environ.get("C9_PID") or os.environ.get("C9_PROJECT") or Path("/opt/c9").is_dir():
        advice = "README.md says how to open JupyterLab there"
        return Check("machine", "note", f"AWS Cloud9; {advice}")
    return Check("machine", "note", f"{platform.system()} {platform.machine()}")
