"""A run of tests that is killed leaves nothing behind: no server, and no job of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from workshop.paths import ROOT

#: Starts a server and a job, tells their numbers, and waits to be killed.
TESTS = """
import json, os, time
import psutil, pytest
from pathlib import Path
from workshop.emulator.client import daemon
from workshop.emulator import settings

@pytest.mark.parametrize("number", range(2))
def test_that_is_killed(number):
    seconds = f"600.{os.getpid()}"
    daemon.client("sagemaker").create_processing_job(
        ProcessingJobName="killed",
        ProcessingResources={"ClusterConfig": {
            "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        AppSpecification={
            "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1",
            "ContainerEntrypoint": ["sleep", seconds]},
        RoleArn=f"arn:aws:iam::{settings.ACCOUNT}:role/service-role/{settings.ROLE}",
    )
    job = None
    while job is None:
        time.sleep(0.1)
        for one in psutil.process_iter(["cmdline"]):
            if one.info["cmdline"] == ["sleep", seconds]:
                job = one.pid
    told = {"test": os.getpid(), "server": daemon.status()["pid"], "job": job}
    incoming = Path(__file__).with_name(f"incoming-{number}")
    incoming.write_text(json.dumps(told))
    incoming.rename(incoming.with_name(f"told-{number}"))
    time.sleep(600)
"""


def until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(condition())


def lives(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "whole"),
    [(0, True), (2, False), (2, True)],
    ids=["one process", "workers lose pytest", "workers too"],
)
def test_kill_9_leaves_no_server_and_no_job(tmp_path, workers, whole):
    file = tmp_path / "test_killed.py"
    file.write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), f"-n{workers}"]
    run = subprocess.Popen(
        [*command, "--basetemp", str(tmp_path / "temporary"), str(file)],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    known: list[dict[str, int]] = []
    try:

        def told() -> list[Path]:
            assert run.poll() is None, run.stdout.read().decode()
            return list(tmp_path.glob("told-*"))

        assert until(lambda: len(told()) == max(workers, 1), 90)
        known = [json.loads(path.read_text()) for path in told()]
        assert all(lives(number) for one in known for number in one.values())
        run.kill()  # nobody has asked how it ended: it is a zombie for now
        for one in known if workers and whole else ():
            os.kill(one["test"], signal.SIGKILL)
        for name in ("server", "job", "test"):  # a few seconds, where the machine is quiet
            assert until(lambda: not any(lives(one[name]) for one in known), 30), name  # noqa: B023
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
        for one in known:
            for number in one.values():
                if lives(number):
                    psutil.Process(number).kill()
