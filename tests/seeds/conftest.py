"""Programs made of code blocks of public texts, run with `./lab exec` as a reader would run them.

`docs/seeds.md` lists the texts; each has a number, and a file of tests here. The calls are those of
the text: its classes, arguments, paths and instance types. Filled in are buckets, roles and images.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from workshop.emulator import settings

ROLE = f"arn:aws:iam::{settings.ACCOUNT}:role/service-role/{settings.ROLE}"

#: What the texts take for granted: buckets with something in them, a role.
PREPARED = f"""
import boto3
s3 = boto3.client('s3')
def put(bucket, *keys):
    s3.create_bucket(Bucket=bucket)
    boto3.resource('s3').Bucket(bucket).objects.delete()  # another program may have filled it
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
def keys(bucket, prefix=''):
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [one['Key'] for one in listed.get('Contents', [])]
role = '{ROLE}'
"""

#: Each Python block runs as it stands, and with `local` in place of its instance type.
LOCAL, INSTANCES = "local", "ml"
positions = pytest.mark.parametrize("position", [LOCAL, INSTANCES])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the first test of each program run it; those that read on come at the end of all.

    Then no worker waits for another one's program.
    """
    first, others, programs = [], [], set()
    for item in items:
        ours = item.path.parent == Path(__file__).parent
        position = getattr(item, "callspec", None) and item.callspec.params.get("position")
        known = ours and (item.path, position) in programs
        (others if known else first).append(item)
        if ours:
            programs.add((item.path, position))
    items[:] = first + others


@dataclass(frozen=True)
class Printed:
    """What a program printed, its jobs' logs included."""

    text: str

    def lines(self, mark: str) -> list[str]:
        """Return the rest of each line that begins with ``mark``, dots of the SDK aside."""
        return re.findall(rf"(?m)^[.!*]*{mark} (.*)", self.text)

    def line(self, mark: str) -> str:
        """Return the rest of the one line that begins with ``mark``."""
        found = self.lines(mark)
        assert len(found) == 1, f"{mark}: {found}\n{self.text}"
        return found[0]


@pytest.fixture
def once(tmp_path_factory, worker_id):
    """Run a command that succeeds, once for all tests and all workers; return what it prints."""
    base = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        base = base.parent

    def run(name: str, command: list[str], files: dict[str, str]) -> Printed:
        folder = base / f"seed-{name}"
        folder.mkdir(exist_ok=True)
        result = folder / "result.json"
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                result.write_text(json.dumps(_run(folder, command, files)))
        code, text = json.loads(result.read_text())
        assert code == 0, text
        return Printed(text)

    return run


@pytest.fixture
def printed(once):
    """Return what a Python program prints, with its instance types or with ``local``."""

    def run(seed: str, program: str, files: dict[str, str], position: str) -> Printed:
        if position == LOCAL:
            program = re.sub(r"""(['"])ml\.\w+\.\w+\1""", "'local'", program)
        files = files | {"program/program.py": program}
        return once(f"{seed}-{position}", ["python", "program.py"], files)

    return run


def _run(folder: Path, command: list[str], files: dict[str, str]) -> tuple[int, str]:
    """Run a command in ``folder/program``, with ``files`` below ``folder``."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-m", "workshop", "exec", "--", *command],
        cwd=folder / "program",
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout
