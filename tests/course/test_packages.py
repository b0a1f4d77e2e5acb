"""What a lab needs beyond requirements.txt: pins that agree, and what a learner is told."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from workshop.course import manifest, packages
from workshop.emulator import state
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

LAB3 = ROOT / "requirements-lab3.txt"


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Path:
    """Take a folder for the environment of this Python: its stamps go there."""
    monkeypatch.setattr(packages.sys, "prefix", str(tmp_path / "env"))
    (tmp_path / "env").mkdir()
    return tmp_path / "env"


@pytest.fixture
def requirements(tmp_path) -> Path:
    """A file that asks for a package that is nowhere."""
    file = tmp_path / "requirements-lab9.txt"
    file.write_text("workshop-nowhere==1.0\n")
    return file


def needed(requirements: Path) -> manifest.Packages:
    """What course.toml would say of a lab that needs these requirements."""
    return manifest.Packages(str(requirements), download_mb=1, disk_mb=2, modules=())


def calls(monkeypatch, program: str) -> list:
    """Let a Python program stand for pip; return the commands that would have been run."""
    made = []

    def command(*arguments, **_) -> list[str]:
        made.append(arguments)
        return [sys.executable, "-c", program]

    monkeypatch.setattr(packages, "_command", command)
    return made


def lines(file: Path) -> list[Requirement]:
    found = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return [Requirement(line) for line in found if line and not line.startswith("-")]


def test_the_pins_agree_with_those_that_all_labs_have():
    """pip would change a package of the other labs otherwise."""
    both = {str(line).replace(" ", "") for line in lines(ROOT / "requirements.txt")}
    names = {line.name for line in lines(ROOT / "requirements.txt")}
    for line in lines(LAB3):
        if line.name in names:
            assert str(line).replace(" ", "") in both, line


def test_all_is_pinned_and_nothing_of_cuda_comes_along():
    for line in lines(LAB3):
        assert re.fullmatch(r"==\S+", str(line.specifier)), line
        assert not re.match(r"nvidia|cuda|triton", line.name), line
    torch = {str(line.marker): str(line.specifier) for line in lines(LAB3) if line.name == "torch"}
    assert torch['sys_platform == "linux"'].endswith("+cpu")


def test_what_is_missing_is_found_by_version_and_marker(tmp_path):
    file = tmp_path / "requirements-x.txt"
    file.write_text(
        "--extra-index-url https://example.org\n\n# a comment\n"
        "numpy>=1\nnumpy==0.1 # another\nworkshop-nowhere==1.0\n"
        "workshop-elsewhere==1.0 ; sys_platform == 'none'\n"
    )
    assert packages.missing(file) == ["numpy==0.1", "workshop-nowhere==1.0"]


def test_what_is_there_needs_no_installing(environment, tmp_path, monkeypatch, capsys):
    made = calls(monkeypatch, "")
    file = tmp_path / "requirements-lab9.txt"
    file.write_text("numpy>=1\n")
    packages.ensure(needed(file))
    assert made == [] and capsys.readouterr().err == ""
    assert (environment / "lab9-stamp").read_text() == "numpy>=1\n"


def test_sizes_are_said_before_and_a_stamp_saves_the_next_look(
    environment, requirements, monkeypatch, capsys
):
    made = calls(monkeypatch, "print('Collecting workshop-nowhere')")
    packages.ensure(needed(requirements))
    packages.ensure(needed(requirements))
    assert len(made) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == (
        "lab: installing what requirements-lab9.txt asks for, only this once: workshop-nowhere."
    )
    assert told[1] == "lab: 1 MB to download, 2 MB on disk, a few minutes."
    assert re.fullmatch(r"lab: installed \(\d+ s\)\.", told[2])
    assert "Collecting workshop-nowhere" in (state.folder() / "extras.log").read_text()
    requirements.write_text(requirements.read_text() + "workshop-elsewhere==1.0\n")
    packages.ensure(needed(requirements))
    assert len(made) == 2


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full: free some room"),
        ("NameResolutionError: Failed to resolve 'pypi.org'", "A package index could not be"),
        ("ERROR: No matching distribution found for x", "Installing failed (ERROR: No matching"),
        ("", "Installing failed: read the end of the log"),
    ],
)
def test_a_failure_names_its_reason_and_the_log(
    environment, requirements, monkeypatch, output, expected
):
    calls(monkeypatch, f"import sys; print({output!r}); sys.exit(1)")
    with pytest.raises(WorkshopError) as caught:
        packages.ensure(needed(requirements))
    assert str(caught.value).startswith(expected)
    assert str(caught.value).endswith(f"Log: {state.folder() / 'extras.log'}")
    assert not list(environment.glob("*-stamp"))


def test_too_small_a_disk_is_told_before_anything_begins(environment, requirements, monkeypatch):
    made = calls(monkeypatch, "")
    usage = namedtuple("usage", "total used free")(10, 9, 700_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WorkshopError, match=r"needs 1502 MB of disk \(2 MB for good\), and .* 700"):
        packages.ensure(needed(requirements))
    assert made == []


def test_pip_installs_and_uv_where_there_is_no_pip(requirements, monkeypatch):
    assert packages._command(requirements, copies=True)[1:5] == ["-I", "-m", "pip", "install"]
    monkeypatch.setattr(packages.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/uv")
    assert packages._command(requirements, copies=True)[:3] == ["/usr/bin/uv", "pip", "install"]
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(WorkshopError, match="has no pip, and there is no uv"):
        packages._command(requirements, copies=True)


@pytest.fixture
def wheel(tmp_path) -> Path:
    """A package of this test's own, and what a requirements file says of it."""
    content = io.BytesIO()
    facts = "workshop_nowhere-1.0.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("workshop_nowhere.py", "")
        archive.writestr(
            f"{facts}/METADATA", "Metadata-Version: 2.1\nName: workshop-nowhere\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{facts}/RECORD", "")
    file = tmp_path / "wheels" / "workshop_nowhere-1.0-py3-none-any.whl"
    file.parent.mkdir()
    file.write_bytes(content.getvalue())
    return file


def asks_for(wheel: Path) -> str:
    return f"--no-index\n--find-links {wheel.parent}\nworkshop-nowhere==1.0\n"


def make_environment(folder: Path) -> Path:
    """Make an environment with all that this one has, and pip of its own; return its Python."""
    venv.create(folder, with_pip=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    base = [path for path in sys.path if path.endswith("-packages")]
    (packages / "base.pth").write_text("\n".join(base))
    return folder / "bin" / "python"


@pytest.mark.slow
def test_pip_really_installs(wheel, tmp_path):
    """A package of this test's own, into an environment of its own."""
    file = tmp_path / "requirements-lab9.txt"
    file.write_text(asks_for(wheel))
    program = (
        "import sys; from workshop.course import manifest, packages;"
        "packages.ensure(manifest.Packages(sys.argv[1], 1, 2, ())); import workshop_nowhere"
    )
    command = [str(make_environment(tmp_path / "env")), "-c", program, str(file)]
    # In a shell of `./lab exec`: what was pinned before does not hold, nor what the learner pins.
    (tmp_path / "old.txt").write_text("workshop-nowhere<1\n")
    old = {"PIP_CONSTRAINT": str(tmp_path / "old.txt"), "UV_CONSTRAINT": str(tmp_path / "old.txt")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | old,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "env/lab9-stamp").read_text() == file.read_text()


def test_a_notebook_of_a_lab_says_what_to_run(environment, requirements, monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    lab = manifest.Lab("Lab9-Later", "Later", packages=needed(requirements))
    monkeypatch.setattr(manifest, "labs", lambda: [lab])
    packages.require(tmp_path)
    with pytest.raises(WorkshopError) as caught:
        packages.require(tmp_path / "Lab9-Later")
    assert str(caught.value) == (
        "Lab9-Later needs packages that are not installed yet. Run this in a terminal, in "
        f"{tmp_path}: ./lab setup Lab9. Then restart the notebook's kernel."
    )
    (environment / "lab9-stamp").write_text(requirements.read_text())
    packages.require(tmp_path / "Lab9-Later")


# --- ./lab test: the packages are there for the tests that need them, and installed for no other

COURSE = """
format = 1

[[lab]]
folder = "Lab1-Tiny"
title = "One"

[[lab]]
folder = "Lab9-Later"
title = "Later"

[lab.packages]
requirements = "requirements-lab9.txt"
download_mb = 1
disk_mb = 2
modules = ["workshop_nowhere"]
"""
TESTS = """
import pytest
from workshop.course import manifest

LABS = manifest.labs()

def test_that_needs_nothing():
    pass

@pytest.mark.lab3
@pytest.mark.parametrize("number", range(3))
def test_that_needs_it(number):
    import workshop_nowhere

@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
def test_of_a_lab(lab):
    if lab.packages:
        import workshop_nowhere
"""


@pytest.fixture
def lab_test(wheel, tmp_path):
    """Return a function that calls `./lab test` in a checkout with a lab that needs the wheel."""
    checkout = tmp_path / "checkout"
    for name in ("workshop", "tests/conftest.py", "pyproject.toml"):
        source, target = ROOT / name, checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (checkout / "tests" / "test_some.py").write_text(TESTS)
    (checkout / "source").mkdir()
    (checkout / "source" / "course.toml").write_text(COURSE)
    (checkout / "requirements-lab9.txt").write_text(asks_for(wheel))
    python = make_environment(tmp_path / "env")

    def call(*arguments: str) -> tuple[str, str]:
        """Return pytest's last line, and all that was printed."""
        own = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "nested")]
        command = [str(python), "-m", "workshop", "test", *own, *arguments]
        done = subprocess.run(
            command,
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        return done.stdout.splitlines()[-1], done.stdout

    return call


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n3"])
def test_tests_that_need_packages_get_them_and_no_others(lab_test, wheel, tmp_path, workers):
    stamp = tmp_path / "env" / "lab9-stamp"
    for chosen in (["-k", "needs_nothing"], ["-k", "Lab1"], ["--collect-only"]):
        last, printed = lab_test(workers, *chosen)
        assert re.search("1 passed|collected", last), printed
        assert "installing" not in printed and not stamp.exists()

    hidden = wheel.rename(wheel.with_suffix(".hidden"))
    last, printed = lab_test(workers)  # the index does not have it
    assert "3 passed, 4 errors" in last, printed
    assert (
        "Installing failed (ERROR: No matching distribution found for workshop-nowhere" in printed
    )

    hidden.rename(wheel)
    last, printed = lab_test(workers)
    assert "7 passed" in last, printed
    assert printed.count("lab: installing what requirements-lab9.txt asks for") == 1, printed
    assert stamp.exists()


def test_without_the_marker_a_test_has_no_module_of_lab3():
    """So a forgotten marker shows where the packages are installed, too."""
    for name in ("torch", "pyspark", "xgboost", "pycocotools"):
        assert importlib.util.find_spec(name) is None
    with pytest.raises(ModuleNotFoundError):
        import torch  # noqa: F401


@pytest.mark.lab3
def test_with_the_marker_a_test_has_them():
    for name in ("torch", "pyspark", "xgboost", "pycocotools", "pyspark.sql"):
        assert importlib.util.find_spec(name)
    assert packages.missing(LAB3) == []
