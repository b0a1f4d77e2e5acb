"""What a learner installs under `./lab`: what is pinned stays, all else comes as it is asked for.

The `.venv` of these tests is a throw-away one, which sees all that the real one has. It is not the
real one that could break: what is installed here stands before the real packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from importlib import metadata, util
from pathlib import Path

import pytest

from workshop import pins
from workshop.course import manifest
from workshop.emulator.client import daemon
from workshop.paths import ROOT

pytestmark = pytest.mark.slow
LAB3 = pytest.mark.lab3

#: Which name of the same software is pinned depends on the machine.
INSTALLED = {one.name for one in metadata.distributions()}
TENSORFLOW, OTHER_TENSORFLOW = sorted(
    ("tensorflow-cpu", "tensorflow"), key=lambda name: name not in INSTALLED
)
XGBOOST, OTHER_XGBOOST = sorted(("xgboost-cpu", "xgboost"), key=lambda name: name not in INSTALLED)

BACKEND = """
import zipfile

def build_wheel(folder, settings=None, metadata=None):
    facts, file = "workshop_source-1.0.dist-info", "workshop_source-1.0-py3-none-any.whl"
    head = "Metadata-Version: 2.1\\nName: workshop-source\\nVersion: 1.0\\n"
    tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(f"{folder}/{file}", "w") as wheel:
        for name, text in {"METADATA": head, "WHEEL": tag, "RECORD": ""}.items():
            wheel.writestr(f"{facts}/{name}", text)
    return file
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory, make_wheel) -> Path:
    """A folder of packages, as an index will have them in some years."""
    folder = tmp_path_factory.mktemp("an index")
    for name in ("sagemaker", "sagemaker-core", "boto3", "torch"):
        make_wheel(folder, name, "99.0")
    for name in ("tensorflow", "tensorflow-cpu", "xgboost", "xgboost-cpu"):
        make_wheel(folder, name, "99.0")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "workshop-other", version)
    make_wheel(folder, "torch", "1.0")
    make_wheel(folder, "sagemaker-core", metadata.version("sagemaker-core"))
    make_wheel(folder, "workshop-needs-sdk", "1.0", "sagemaker>=99")
    make_wheel(folder, "workshop-needs-twin", "1.0", OTHER_TENSORFLOW)
    # A source package, built with an older tool than the one that is pinned.
    make_wheel(folder, "setuptools", "1.0", files={"old_backend.py": BACKEND})
    project = folder / "workshop_source-1.0"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools==1.0"]\nbuild-backend = "old_backend"\n'
    )
    with tarfile.open(folder / f"{project.name}.tar.gz", "w:gz") as archive:
        archive.add(project, project.name)
    shutil.rmtree(project)
    return folder


@pytest.fixture(scope="module", params=["pip of Python", "pip of .venv"])
def environment(request, tmp_path_factory) -> Path:
    """A throw-away `.venv`, with an older pip or the one that is here; its path has a space."""
    folder = tmp_path_factory.mktemp("a checkout") / ".venv"
    own = request.param == "pip of Python"
    if not own and not util.find_spec("pip"):
        pytest.skip("uv made .venv, without pip")
    venv.create(folder, with_pip=own)
    if own:  # Python 3.10 and 3.11 bring an old setuptools too, which would stand before the pinned
        uninstall = [folder / "bin" / "pip", "uninstall", "-q", "-y", "setuptools"]
        subprocess.run(uninstall, check=True, capture_output=True)
    else:
        for name in ("pip", "pip3"):
            script = folder / "bin" / name
            script.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m pip "$@"\n')
            script.chmod(0o755)
    base = [path for path in sys.path if path.endswith("-packages")]
    (packages(folder) / "base.pth").write_text("\n".join([*base, ""]))
    shutil.copy(Path(sysconfig.get_path("purelib")) / "workshop.pth", packages(folder))
    return folder


def packages(environment: Path) -> Path:
    return next(environment.glob("lib/python*/site-packages"))


@pytest.fixture
def run(environment, index, tmp_path):
    """Run a program of the throw-away `.venv`; what it installed there is removed afterwards."""
    before = set(packages(environment).iterdir())
    os.utime(packages(environment))  # what it sees of the real one may be new: Lab 3

    def run(program: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": index.as_uri()}
        return subprocess.run(
            [str(environment / "bin" / program), *arguments],
            env=os.environ | offline | {"PIP_CONFIG_FILE": os.devnull} | settings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    yield run
    for path in set(packages(environment).iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def lab(run):
    """Call `./lab exec -- COMMAND` with the throw-away `.venv`."""
    daemon.ensure()
    return lambda *command, **settings: run(
        "python", "-I", "-m", "workshop", "exec", "--", *command, **settings
    )


def installed(done: subprocess.CompletedProcess) -> list[str]:
    """Return what pip says that it has installed, like `boto3-99.0`."""
    assert "Traceback" not in done.stderr, done.stderr
    found = re.search(r"(?m)^Successfully installed (.*)$", done.stdout)
    return found[1].split() if found else []


def stays(*names: str, file: str = "requirements.txt") -> str:
    """Return what is said of packages that stay as they are."""
    first, *others = names
    which = [f"{first} stays at {metadata.version(first)}"]
    which += [f"{name} at {metadata.version(name)}" for name in others]
    it = "them" if others else "it"
    return f"{', '.join(which)}: the labs are written for {it} ({file})."


def overwrites(twin: str, name: str, file: str) -> str:
    return (
        f"{twin} would overwrite {name} {metadata.version(name)}, which is the same software "
        f"({file}): leave it out, or install what needs it with --no-deps."
    )


# --- what is pinned


def test_the_first_cell_of_many_notebooks_leaves_the_sdk_as_it_is(lab):
    done = lab("pip", "install", "-U", "sagemaker")
    assert (done.returncode, installed(done)) == (0, []), done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == stays("sagemaker")
    program = (
        "from sagemaker.local import LocalSession; import sagemaker as s; print(s.__version__)"
    )
    assert lab("python", "-c", program).stdout == f"{metadata.version('sagemaker')}\n"


@pytest.mark.parametrize(
    "command",
    [
        "pip install sagemaker==99.0",
        "pip3 install --quiet --upgrade SageMaker>=99",
        "python -m pip install sagemaker[local]>=99 workshop-other",
        "pip install -r wanted.txt",
        "pip install --isolated --no-index --find-links INDEX sagemaker>=99",
        "pip install INDEX/sagemaker-99.0-py3-none-any.whl",
        "pip install --no-deps sagemaker==99.0",
        "pip install workshop-needs-sdk",
    ],
)
def test_another_version_is_refused(lab, index, tmp_path, command):
    (tmp_path / "wanted.txt").write_text("workshop-other\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("sagemaker >= 99 # the newest\n")
    done = lab(*(word.replace("INDEX", str(index)) for word in command.split()))
    assert (done.returncode, installed(done)) == (1, []), done.stdout
    assert done.stderr.splitlines()[-1] == stays("sagemaker"), done.stderr


@pytest.mark.parametrize("package", ["sagemaker-core", pytest.param("torch", marks=LAB3)])
def test_so_are_other_pins(lab, package):
    done = lab("pip", "install", f"{package.replace('-', '_')}==99.0")
    assert (done.returncode, installed(done)) == (1, []), done.stdout
    file = "requirements-lab3.txt" if package == "torch" else "requirements.txt"
    assert done.stderr.splitlines()[-1] == stays(package, file=file), done.stderr


@pytest.mark.parametrize(
    ("package", "twins", "file"),
    [
        (OTHER_TENSORFLOW, (OTHER_TENSORFLOW, TENSORFLOW), "requirements.txt"),
        ("workshop-needs-twin", (OTHER_TENSORFLOW, TENSORFLOW), "requirements.txt"),
        pytest.param(OTHER_XGBOOST, (OTHER_XGBOOST, XGBOOST), "requirements-lab3.txt", marks=LAB3),
    ],
)
def test_so_is_the_same_software_by_another_name(lab, package, twins, file):
    done = lab("pip", "install", package)
    assert (done.returncode, installed(done)) == (1, []), done.stdout
    assert done.stderr.splitlines()[-1] == overwrites(*twins, file), done.stderr


@LAB3
def test_an_upgrade_of_several_upgrades_the_others(lab):
    done = lab("pip", "install", "-U", "boto3", "workshop-other", "torch", "sagemaker")
    assert installed(done) == ["workshop-other-2.0"], done.stdout + done.stderr
    files = "requirements.txt, requirements-lab3.txt"
    assert done.stderr.splitlines()[-1] == stays("boto3", "torch", "sagemaker", file=files)


def test_in_notebooks(lab, run):
    """By IPython's %pip; and after `workshop.connect()` in a Jupyter that ./lab did not start."""
    done = lab("python", "-m", "IPython", "-c", "%pip install -U sagemaker")
    assert stays("sagemaker") in done.stdout + done.stderr
    assert installed(done) == []
    program = "import os, workshop; workshop.connect(); os.system('pip install -U sagemaker')"
    done = run("python", "-c", program)
    assert done.stderr.splitlines()[-1] == stays("sagemaker")
    assert installed(done) == []


@LAB3
@pytest.mark.skipif(not shutil.which("uv"), reason="there is no uv here")
def test_uv_keeps_to_the_pins_too(lab, environment, index, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("workshop-other<2\n")
    uv = [shutil.which("uv"), "pip", "install", "--python", str(environment / "bin" / "python")]
    uv += ["--no-config", "--no-index", "--find-links", str(index)]
    for wanted in ("sagemaker==99.0", "sagemaker[local]>=99", "workshop-needs-sdk"):
        done = lab(*uv, wanted)
        assert done.returncode == 1
        assert f"sagemaker=={metadata.version('sagemaker')}" in done.stderr
    done = lab(*uv, OTHER_XGBOOST)
    assert done.returncode == 1
    assert f"{OTHER_XGBOOST}==0+is.here.as.{XGBOOST.replace('-', '.')}" in done.stderr
    done = lab(*uv, "--no-deps", "-U", "sagemaker-core", "workshop-other", UV_CONSTRAINT=str(own))
    assert "workshop-other==1.0" in done.stderr and "99.0" not in done.stderr, done.stderr


# --- what is not


def test_other_packages_come_as_they_are_asked_for(lab, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("workshop-other<2\n")
    done = lab("pip", "install", "workshop-other", "sagemaker")
    assert (installed(done), done.stderr) == (["workshop-other-2.0"], "")
    done = lab("pip", "install", "--no-deps", "workshop-needs-twin")
    assert (installed(done), done.stderr) == (["workshop-needs-twin-1.0"], "")
    # The learner's own constraints hold beside ours, from the shell and from pip's settings.
    again = ("pip", "install", "--no-deps", "-I", "--dry-run", "workshop-other", "sagemaker-core")
    here = f"sagemaker-core-{metadata.version('sagemaker-core')}"
    (tmp_path / "pip.conf").write_text(f"[global]\nconstraint = {own}\n")
    for settings in {"PIP_CONSTRAINT": str(own)}, {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}:
        done = lab(*again, **settings)
        assert f"Would install {here} workshop-other-1.0\n" in done.stdout, done.stdout
        assert done.stderr.splitlines()[-1] == stays("sagemaker-core")


def test_a_source_package_is_built_with_the_tools_it_asks_for(lab):
    done = lab("pip", "install", "--no-cache-dir", "workshop-source")
    assert installed(done) == ["workshop-source-1.0"], done.stdout + done.stderr


def test_another_folder_and_another_environment_are_the_learners_own(lab, tmp_path):
    done = lab("pip", "install", "--target", "function", "sagemaker>=99")
    assert (tmp_path / "function/sagemaker-99.0.dist-info").is_dir(), done.stderr
    assert "stays" not in done.stderr
    lab("python", "-m", "venv", "mine")
    done = lab("mine/bin/python", "-m", "pip", "install", "sagemaker")
    assert (installed(done), done.stderr) == (["sagemaker-99.0"], "")


@LAB3
def test_pins_of_lab_3_hold_only_where_they_are_installed(lab, environment):
    """Here the learner has a torch of another version, which Lab 3 has nothing to do with."""
    lab("pip", "install", "--target", str(packages(environment)), "--no-deps", "torch==1.0")
    done = lab("pip", "install", "-U", "torch")
    assert (installed(done), done.stderr) == (["torch-99.0"], "")


def test_the_pins_of_all_labs_are_known():
    files = {lab.packages.requirements for lab in manifest.labs() if lab.packages}
    assert {"requirements.txt", *files} == set(pins.FILES)
    assert all((ROOT / name).is_file() for name in pins.FILES)
