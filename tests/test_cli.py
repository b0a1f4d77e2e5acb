"""The verbs of `./lab`, called as a learner calls them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import datetime

import psutil
import pytest
from typer.testing import CliRunner

from workshop import cli, machine, terminal
from workshop.course import checks, manifest
from workshop.emulator.client import daemon
from workshop.paths import ROOT


def lab(*arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", "-m", "workshop", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **more,
    )


def test_help_is_quick_and_plain():
    """Nothing heavy is imported, and no box is drawn where there is no terminal."""
    code = (
        "import sys\nfrom workshop.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'sagemaker', 'papermill', 'numpy', 'boto3', 'IPython'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    began = time.perf_counter()
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - began < 3
    assert found.stdout.endswith("heavy: []\n")
    verbs = "run test start exec check hint compare progress reset doctor data clean build"
    for verb in verbs.split():
        assert f"\n  {verb} " in found.stdout
    assert found.stdout.isascii()


def test_unknown_lab():
    found = lab("run", "lab7")
    assert found.returncode == 1
    assert "There is no lab 'lab7'" in found.stderr and "Lab1-Unit-Testing" in found.stderr
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""


def test_unknown_data_set():
    found = lab("data", "imagenet")
    assert found.returncode == 1
    assert found.stderr == "lab: There is no data set 'imagenet' here. Known: fashion-mnist.\n"


def test_exec():
    """The program gets the emulated AWS, its own arguments and folder; its status is ours."""
    code = "import os, sys; print(os.environ['AWS_ENDPOINT_URL'], sys.argv[1:]); sys.exit(7)"
    found = lab("exec", "--", "python", "-c", code, "--help", "-k", cwd="/")
    assert found.returncode == 7
    assert found.stdout == f"{daemon.ensure()} ['--help', '-k']\n"
    assert lab("exec", "python", "-c", "import sys; print(sys.executable)").stdout.startswith(
        sys.prefix
    )


def test_exec_leaves_options_after_the_program_to_the_program():
    """`--aws` is ours before the program's name, and the program's own after it."""
    code = "import os, sys; print(sys.argv[1:], 'WORKSHOP_AWS' in os.environ)"
    found = lab("exec", "python", "-c", code, "--aws")
    assert found.stdout == "['--aws'] False\n"


def test_exec_of_nothing():
    found = lab("exec", "--", "no-such-program")
    assert found.returncode == 127
    assert found.stderr == "lab: cannot run no-such-program: there is no such program.\n"
    assert lab("exec", "--", str(ROOT)).returncode == 126


def test_exec_passes_signals_and_broken_pipes_on():
    command = [sys.executable, "-I", "-m", "workshop", "exec", "--", "sh", "-c"]
    with subprocess.Popen([*command, "echo on; exec sleep 60"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"on\n"
        process.terminate()
        assert process.wait(timeout=10) == -signal.SIGTERM
    command.append("yes | head -n 1")
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("y\n", "")


def test_an_interrupted_verb_says_so_in_one_line():
    code = (
        "import os, signal\nfrom workshop import cli, machine\n"
        "machine.doctor = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.app(['doctor'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 130
    assert found.stderr == "\nlab: interrupted\n"


def test_test_passes_its_arguments_on():
    found = lab("test", "--collect-only", "-q", "tests/test_style.py", cwd="/")
    assert found.returncode == 0, found.stdout
    assert "test_style.py::test_ruff" in found.stdout
    assert lab("test", "--no-such-option").returncode == 4  # pytest's own


def test_clean_asks_first(tmp_path):
    state = tmp_path / "state"
    environment = os.environ | {"WORKSHOP_STATE": str(state)}
    state.mkdir()
    (state / "thing").touch()
    assert lab("clean", env=environment).returncode == 1  # no answer is no
    assert (state / "thing").exists()
    assert lab("clean", "--yes", env=environment).returncode == 0
    assert not state.exists()


@pytest.mark.slow
def test_clean_ends_the_server_before_it_says_so(tmp_path):
    """Also one that hangs, and has folders in its way that are closed to their owner."""
    environment = os.environ | {"WORKSHOP_STATE": str(tmp_path / "state")}
    code = (
        "from workshop.emulator.client import daemon; daemon.ensure(); "
        "print(daemon.status()['pid'])"
    )
    process = int(subprocess.check_output([sys.executable, "-c", code], env=environment))
    os.kill(process, signal.SIGSTOP)
    closed = tmp_path / "state" / "instances" / "job" / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    assert lab("clean", "--yes", env=environment).returncode == 0
    assert not psutil.pid_exists(process) or psutil.Process(process).status() == "zombie"
    assert not (tmp_path / "state").exists()


def test_clean_removes_nothing_while_a_server_lives(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    with open(state / "server.life", "w") as life:  # as one in another container does
        fcntl.flock(life, fcntl.LOCK_EX)
        found = lab("clean", "--yes", env=os.environ | {"WORKSHOP_STATE": str(state)})
    assert found.returncode == 1
    assert "cannot be ended from here" in found.stderr and "Nothing was removed" in found.stderr
    assert "Removed" not in found.stdout
    assert (state / "server.life").exists()


def test_start_with_docker_needs_an_engine(tmp_path):
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    found = lab("start", "--docker", env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert found.returncode == 1
    assert found.stderr == (
        "lab: --docker needs a Docker engine: docker is installed, and no engine answers.\n"
    )


@pytest.mark.slow
def test_start():
    """JupyterLab comes up with the kernel of .venv and our settings, and Ctrl-C ends it at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=secret"]
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "workshop", "start", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def get(path: str) -> dict:
        url = f"http://127.0.0.1:{port}/{path}?token=secret"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None and time.monotonic() < deadline
            with contextlib.suppress(OSError):
                kernels = get("api/kernelspecs")
                break
            time.sleep(0.2)
        assert kernels["default"] == "python3"
        command = kernels["kernelspecs"]["python3"]["spec"]["argv"]
        assert command[0] in ("python", sys.executable)
        settings = get("lab/api/settings/@jupyterlab/docmanager-extension:plugin")
        viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
        assert viewers == {"markdown": "Markdown Preview"}
        get("lab/api/build")
        get("api/contents/Lab1-Unit-Testing/1-preprocessing.ipynb")
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Ctrl-C ends it" in told and "(y/[n])" not in told
    # Nobody can act on these.
    assert "Build is up to date" not in told and "is not trusted" not in told


# --- check, hint, progress, reset


@pytest.fixture
def own(tmp_path):
    """An environment with a state of its own."""
    return os.environ | {"WORKSHOP_STATE": str(tmp_path / "state")}


def test_hints_climb_and_progress_counts_them(own):
    for place in (1, 2):
        found = lab("hint", "1.3", env=own, cwd="/")
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout.startswith(f"### Hint {place} of ")
    again = lab("hint", "1.3", "--rung", "1", env=own)
    assert again.stdout.startswith("### Hint 1 of ")
    table = lab("progress", env=own).stdout.splitlines()
    assert table[4].startswith("    1.3   not checked    2 of 4 hints ")
    assert f"0 of {len(manifest.tasks())} tasks passed, 2 hints opened, 0 minutes." in table


def test_progress_for_instructors(own):
    lab("hint", "2.1", env=own)
    found = lab("progress", "--json", env=own)
    report = json.loads(found.stdout)
    assert list(report) == ["format", "tasks", "totals"]
    assert report["format"] == 1
    totals = {"tasks": len(manifest.tasks()), "passed": 0, "hints_opened": 1, "minutes": 0}
    assert report["totals"] == totals
    (task,) = (task for task in report["tasks"] if task["task"] == "2.1")
    assert task.pop("first_seen") is not None
    assert task == {
        "lab": "Lab1-Unit-Testing",
        "section": 2,
        "task": "2.1",
        "title": "Open four input channels",
        "state": "not checked",
        "attempts": 0,
        "hints_opened": 1,
        "hints_total": 3,
        "meant_minutes": 5,
        "minutes": None,
        "passed": None,
        "evidence": {},
        "latest": None,
    }


@pytest.mark.parametrize(
    ("verb", "wrong"), [("hint", "99.1"), ("check", "99"), ("check", "1.9"), ("reset", "1.1")]
)
def test_unknown_tasks_and_sections(own, verb, wrong):
    found = lab(verb, wrong, env=own)
    assert found.returncode == 1
    assert found.stderr.startswith("lab: There is no ") and repr(wrong) in found.stderr
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("states", "before", "status"),
    [
        (["passed"], None, 0),
        (["passed", "passed"], None, 0),
        (["passed", "not yet"], None, 1),
        (["not attempted"], None, 1),
        (["passed", "not yet"], datetime.now(), 0),  # a pass stays
    ],
)
def test_the_status_of_check(monkeypatch, states, before, status):
    outcomes = [checks.Outcome("1.1", state, "", passed_before=before) for state in states]
    monkeypatch.setattr(checks, "show", lambda *tasks: outcomes)
    assert CliRunner().invoke(cli.app, ["check", "1.1", "1.2"]).exit_code == status


def test_a_pass_stays_after_clean_and_with_a_broken_file(own, tmp_path):
    here = tmp_path / "lab"
    shutil.copytree(ROOT / "final" / "Lab1-Unit-Testing", here)
    found = lab("check", "1.5", env=own, cwd=here)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.endswith("  compare    your code with ours: ./lab compare 1.5\n")
    assert lab("clean", "--yes", env=own).returncode == 0
    with open(here / "script_processing" / "preprocessing.py", "a") as script:
        script.write("print(\n")
    found = lab("check", "1.5", env=own, cwd=here)
    assert found.returncode == 0
    head, _, broken, *_ = found.stdout.splitlines()
    assert "start by itself: passed on 2" in head and head.endswith("; today: not yet")
    assert broken.startswith("  found      your file does not run: line ")
    shown = lab("progress", env=own).stdout
    assert "    1.5   passed " in shown and "today not: your file does not run: line " in shown
    (task,) = (
        task
        for task in json.loads(lab("progress", "--json", env=own).stdout)["tasks"]
        if task["task"] == "1.5"
    )
    assert "script_processing/preprocessing.py" in task["evidence"]["files"]
    assert task["latest"]["state"] == "not yet"
    assert lab("compare", "1.5", env=own, cwd=here).stdout.startswith("### Task 1.5 · ")


def test_several_tasks_in_one_check(own, tmp_path):
    shutil.copytree(ROOT / "Lab1-Unit-Testing", tmp_path / "lab")
    found = lab("check", "1.1", "1.2", env=own, cwd=tmp_path / "lab")
    assert found.returncode == 1
    assert found.stdout.startswith("task 1.1 · ") and "\ntask 1.2 · " in found.stdout
    assert found.stdout.endswith("\n0 of 2 tasks passed\n")


def test_check_finds_the_lab_from_where_it_is_called(own, tmp_path):
    shutil.copytree(ROOT / "final" / "Lab1-Unit-Testing", tmp_path / "lab")
    found = lab("check", "1.3", env=own, cwd=tmp_path / "lab")
    assert found.returncode == 1
    assert found.stdout.startswith("task 1.3 · Tell the job where its input is: not yet\n")
    assert str(tmp_path / "lab") in found.stdout
    step = "run the cell with processor.run, then check again"
    assert found.stdout.endswith(f"next       {step}\n")


def test_clean_leaves_progress_and_kept_work(own, tmp_path):
    state = tmp_path / "state"
    lab("hint", "1.3", env=own)
    (state / "kept" / "2026").mkdir(parents=True)
    (state / "jobs").mkdir()
    found = lab("clean", "--yes", env=own)
    assert found.returncode == 0
    assert sorted(path.name for path in state.iterdir()) == ["kept", "progress.json"]
    assert f"not {state}/progress.json, {state}/kept" in found.stdout
    assert lab("clean", "--yes", "--progress", env=own).returncode == 0
    assert not state.exists()


# --- doctor


def test_doctor():
    found = lab("doctor")
    lines = found.stdout.splitlines()
    states = {line[6:].split("  ")[0]: line[:6].strip() for line in lines[1:] if "  " in line}
    assert states["Python"] == "ok"
    assert states["emulated AWS"] == "ok"
    assert states["packages"] == "ok", found.stdout
    assert found.returncode == ("FIX" in states.values())
    assert "\x1b" not in found.stdout


@pytest.mark.parametrize(("free", "state"), [(500e6, "FIX"), (5e9, "ok")])
def test_doctor_measures_the_disk(monkeypatch, free, state):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    assert machine._disk().state == state


def test_doctor_sees_another_version(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "pytest==1.0  # old\nno-such-package==2.0\nother==1 ; python_version < '3'\n"
    )
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    check = machine._packages()
    assert check.state == "FIX"
    assert "pytest is " in check.finding and "not ==1.0" in check.finding
    assert "no-such-package is missing" in check.finding
    assert "other" not in check.finding


def test_doctor_knows_what_a_lab_lacks(monkeypatch):
    monkeypatch.setattr(machine.packages, "missing", lambda _: [])
    (check,) = machine._packages_of_labs()
    assert (check.name, check.state) == ("Lab3", "ok")
    monkeypatch.setattr(machine.packages, "missing", lambda _: ["a==1", "b==2", "c==3", "d==4"])
    (check,) = machine._packages_of_labs()
    assert check.state == "note"
    assert check.finding.startswith("needs a==1, b==2, c==3 and 1 more. ./lab setup Lab3 installs")
    assert check.finding.endswith(" MB on disk")


def test_doctor_knows_studio(monkeypatch, tmp_path):
    metadata = tmp_path / "resource-metadata.json"
    metadata.write_text('{"AppType": "JupyterLab"}')
    monkeypatch.setattr(machine, "STUDIO_METADATA", metadata)
    assert machine._place().finding == "SageMaker Studio (JupyterLab)"


def test_doctor_tells_what_blocks(monkeypatch, capsys):
    monkeypatch.setattr(machine.sandbox, "probe", lambda: ("none", "do this once"))
    monkeypatch.setattr(machine, "_packages", lambda: machine.Check("packages", "ok", ""))
    assert machine.doctor() == 1
    out = capsys.readouterr().out
    assert "FIX   jobs          do this once" in out
    assert out.endswith("To do first: jobs. Then call ./lab doctor again.\n")


# --- plain text


def test_tables_are_plain_where_there_is_no_terminal(capsys):
    long = "x" * 300
    terminal.print_table(terminal.console(), ["A", "B"], [["ok", long], ["[bold]", "2"]])
    assert capsys.readouterr().out == f"A       B\nok      {long}\n[bold]  2\n"
