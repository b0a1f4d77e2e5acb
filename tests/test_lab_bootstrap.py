"""The bash part of `./lab`, in a checkout of its own with one tiny package to install."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from workshop.paths import ROOT

PYTHON = getattr(sys, "_base_executable", sys.executable)
NAMES = ("python3", "python3.12", "python3.11", "python3.10", "python")


def make_wheel(folder: Path, version: str) -> None:
    """Write the smallest wheel that installs: a module `tiny` that knows its version."""
    folder.mkdir(exist_ok=True)
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)


def make_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def make_pythons(folder: Path, before: str = "pass", names=NAMES) -> None:
    """Make programs called like Python; each answers `-c` after it has run `before`."""
    asked = f'exec "{PYTHON}" -c "import sys; {before}; exec(sys.argv[2])" "$@"'
    for name in names:
        script = f'#!/bin/sh\ncase "$1" in -c) {asked} ;; esac\nexec "{PYTHON}" "$@"\n'
        make_program(folder / name, script)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a folder with `lab`, a tiny package to install and a tiny `workshop` to start."""
    folder = tmp_path / "a folder"
    (folder / "workshop").mkdir(parents=True)
    shutil.copy(ROOT / "lab", folder)
    make_wheel(tmp_path / "wheels", "1.0")
    make_wheel(tmp_path / "wheels", "2.0")
    wheels = (tmp_path / "wheels").as_uri()
    (folder / "requirements.txt").write_text(f"--no-index\n--find-links {wheels}\ntiny==1.0\n")
    (folder / "workshop" / "__init__.py").touch()
    (folder / "workshop" / "__main__.py").write_text(
        "import os, sys, tiny\nprint(tiny.VERSION, os.getcwd(), *sys.argv[1:], sep='|')\n"
    )
    make_pythons(tmp_path / "bin", names=["python3"])
    return folder


def environment(checkout: Path, **more: str) -> dict[str, str]:
    # No uv of this machine: pip is what most have, and it must do.
    path = f"{checkout.parent / 'bin'}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(checkout.parent), "PIP_NO_INPUT": "1", **more}


def call(checkout: Path, *arguments: str, program: str | None = None, cwd=None, **more: str):
    return subprocess.run(
        [program or str(checkout / "lab"), *arguments],
        env=environment(checkout, **more),
        cwd=cwd or checkout.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def one_sentence(found) -> str:
    """Return the last line on stderr of a set-up that was refused."""
    assert found.returncode == 1, found
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    return found.stderr.splitlines()[-1]


def nothing_is_left(checkout: Path) -> bool:
    """Tell whether a set-up that was stopped left no packages, and nothing that looks complete."""
    left = list((checkout / ".venv").glob("*"))
    return all(path.name == "workshop-stamp" and path.stat().st_size == 0 for path in left)


def test_wrong_python(checkout):
    make_pythons(checkout.parent / "bin", "sys.version_info = (3, 9, 18)")
    sentence = one_sentence(call(checkout))
    assert "Python 3.10, 3.11 or 3.12 is needed, and only Python 3.9 was found" in sentence
    assert nothing_is_left(checkout)


def test_no_python(checkout):
    for name in NAMES:  # as pyenv's shims answer for a version that is not switched on
        make_program(checkout.parent / "bin" / name, "#!/bin/sh\nexit 127\n")
    assert "and no Python was found" in one_sentence(call(checkout))


def test_no_venv_module(checkout):
    make_pythons(checkout.parent / "bin", "sys.modules['ensurepip'] = None")
    sentence = one_sentence(call(checkout))
    assert "without its venv module" in sentence
    if shutil.which("apt-get", path="/usr/bin"):
        assert "sudo apt-get install python3." in sentence


def test_full_disk_before_it_starts(checkout):
    make_program(checkout.parent / "bin" / "df", "#!/bin/sh\necho\necho x 1 1 512000 1 /\n")
    sentence = one_sentence(call(checkout))
    assert "needs 2500 MB of disk" in sentence and "500 MB left" in sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(checkout):
    checkout.chmod(0o555)
    sentence = one_sentence(call(checkout))
    checkout.chmod(0o755)
    assert "cannot write to" in sentence


def test_a_venv_of_somebody_else_is_left_alone(checkout):
    theirs = checkout / ".venv" / "bin" / "python"
    make_program(checkout / ".venv" / "pyvenv.cfg", "")
    make_program(theirs, "#!/bin/sh\n")
    sentence = one_sentence(call(checkout))
    assert "was not made by ./lab" in sentence
    assert theirs.exists()


def test_a_venv_of_another_checkout_is_left_alone(checkout):
    """Somebody saves 2 GB with a link to it."""
    other = checkout.parent / "first" / ".venv"
    other.mkdir(parents=True)
    make_program(other / "bin" / "python", "#!/bin/sh\n")
    (other / "workshop-stamp").write_text("of another folder\n")
    (checkout / ".venv").symlink_to(other)
    sentence = one_sentence(call(checkout))
    assert f"leads to {other}" in sentence and "remove that link" in sentence
    assert (other / "bin" / "python").exists() and (other / "workshop-stamp").read_text()


@pytest.mark.slow
def test_no_network(checkout):
    (checkout / "requirements.txt").write_text("tiny==1.0\n")
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    sentence = one_sentence(call(checkout, **closed, PIP_CONFIG_FILE=os.devnull))
    assert "the package index could not be reached" in sentence
    log = Path(sentence.rpartition("Log: ")[2])
    assert "127.0.0.1" in log.read_text()
    assert nothing_is_left(checkout)


@pytest.mark.slow
def test_other_failure_names_the_log(checkout):
    (checkout / "requirements.txt").write_text("--no-index\ntiny==9.9\n")
    sentence = one_sentence(call(checkout))
    assert "installing the packages failed" in sentence and "tiny==9.9" in sentence
    assert Path(sentence.rpartition("Log: ")[2]).is_file()


@pytest.mark.slow
def test_set_up_once(checkout):
    """Set up; then nothing to do; then the requirements change; then the folder moves."""
    link = checkout.parent / "link"
    link.symlink_to("a folder/lab")
    first = call(checkout, "run", "a b", program=str(link), cwd="/")
    assert first.returncode == 0, first
    assert first.stdout == "1.0|/|run|a b\n"
    assert "setting up" in first.stderr and "done" in first.stderr

    (paths,) = (checkout / ".venv").glob("lib/python3*/site-packages/workshop.pth")
    folder, _ = paths.read_text().splitlines()
    assert folder == str(checkout)
    hooks = 'import sys; print([name for name in sys.modules if name.startswith("workshop.")])'
    (checkout / "workshop" / "startup.py").touch()
    for settings, names in (
        ({}, "[]"),
        ({"WORKSHOP_ENDPOINT": "x"}, "['workshop.startup']"),
        ({"WORKSHOP_AWS": "1"}, "['workshop.startup']"),
    ):
        python = checkout / ".venv" / "bin" / "python"
        found = call(checkout, "-I", "-c", hooks, program=str(python), **settings)
        assert (found.stdout, found.stderr) == (f"{names}\n", "")

    began = time.perf_counter()
    second = call(checkout)
    assert second.stdout.startswith("1.0|") and second.stderr == ""
    assert time.perf_counter() - began < 1

    requirements = checkout / "requirements.txt"
    requirements.write_text(requirements.read_text().replace("1.0", "2.0"))
    changed = call(checkout)
    assert changed.stdout.startswith("2.0|") and "has changed" in changed.stderr

    # In a shell of `./lab exec`, what was pinned before does not hold, nor what the learner pins.
    old = checkout.parent / "old.txt"
    old.write_text("tiny==2.0\n")
    pins = "import sys\nif 'pip' in sys.orig_argv: sys.exit('pip has the hook')\n"
    (checkout / "workshop" / "startup.py").write_text(pins)
    requirements.write_text(requirements.read_text().replace("2.0", "1.0"))
    shell = {"PIP_CONSTRAINT": str(old), "UV_CONSTRAINT": str(old), "WORKSHOP_ENDPOINT": "x"}
    back = call(checkout, **shell)
    assert back.stdout.startswith("1.0|"), back
    requirements.write_text(requirements.read_text().replace("1.0", "2.0"))
    assert call(checkout).stdout.startswith("2.0|")

    # Neither the current folder nor PYTHONPATH may play `workshop`.
    other = checkout.parent / "other"
    (other / "workshop").mkdir(parents=True)
    (other / "workshop" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    shadowed = call(checkout, cwd=other, PYTHONPATH=str(other))
    assert shadowed.stdout.startswith("2.0|"), shadowed

    moved = checkout.rename(checkout.with_name("moved"))
    again = call(moved)
    assert again.stdout.startswith("2.0|") and "setting up" in again.stderr, again


@pytest.mark.slow
def test_interrupted_set_up_starts_again(checkout):
    """Ctrl-C while pip works: one line, nothing left, and the next call does it all."""
    python3 = checkout.parent / "bin" / "python3"
    honest = python3.read_text()
    make_pythons(python3.parent, f"sys.executable = {str(python3)!r}", ["python3"])
    hangs = f'#!/bin/sh\ncase "$*" in *"-m venv"*) "{PYTHON}" "$@"; echo made; sleep 60 ;; esac\n'
    make_program(python3, hangs + python3.read_text().partition("\n")[2])
    process = subprocess.Popen(
        [str(checkout / "lab")],
        env=environment(checkout),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = checkout / ".lab" / "setup.log"
    deadline = time.monotonic() + 60
    while not (log.exists() and "made" in log.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.splitlines()[-1].startswith("lab: set-up was interrupted")
    assert nothing_is_left(checkout)

    python3.write_text(honest)
    assert call(checkout).stdout.startswith("1.0|")


@pytest.mark.slow
def test_two_at_once(checkout):
    command = [str(checkout / "lab")]
    both = [
        subprocess.Popen(
            command,
            env=environment(checkout),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert all(out.startswith("1.0|") for out, _ in told)
    assert sorted("waiting" in err for _, err in told) == [False, True]
