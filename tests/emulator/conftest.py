"""How the tests of the emulator come through its doors: a compose file, or a plain script."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from workshop.emulator.client import connection

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-Workshop"


@pytest.fixture
def compose(tmp_path):
    """Run services through ``docker compose up``; a service is a command line or a dict."""

    def start(services: dict | list, popen=False, **environment):
        if isinstance(services, list):
            services = {"algo-1-test": services}
        content = {
            name: {"image": "any", "entrypoint": one} if isinstance(one, list) else one
            for name, one in services.items()
        }
        file = tmp_path / "docker-compose.yaml"
        file.write_text(yaml.safe_dump({"services": content}))
        command = ["docker", "compose", "-f", str(file), "up", "--build"]
        command.append("--abort-on-container-exit")
        options = {
            "env": connection.environment() | environment,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "cwd": tmp_path,
        }
        if popen:
            return subprocess.Popen(command, **options)
        return subprocess.run(command, text=True, timeout=120, check=False, **options)

    return start


@pytest.fixture
def python(compose):
    """Run a Python program as the only host of a job."""

    def run(program: str, *arguments: str, **service):
        popen = service.pop("popen", False)
        environment = service.pop("outer", {})
        one = {"image": "any", "entrypoint": ["python3", "-c", program, *arguments], **service}
        return compose({"algo-1-test": one}, popen=popen, **environment)

    return run


@pytest.fixture
def script(tmp_path):
    """Run a plain script that was written for the SDK, with the emulated AWS around it."""

    def run(text: str, files: dict[str, str], check=True) -> subprocess.CompletedProcess:
        for name, content in {**files, "script.py": text}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        done = subprocess.run(
            [sys.executable, "script.py"],
            env=connection.environment() | {"TMPDIR": str(_folder(tmp_path / "sdk"))},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{done.stdout}\n{done.stderr}")
        return done

    return run


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def until(condition, seconds=15):
    """Wait until ``condition()`` is true; return its last value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def processes_with(text: str) -> list[str]:
    """Return the command lines on this machine that hold ``text``, this test's own excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
