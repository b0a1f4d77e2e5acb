"""What a job's requirements file asks for: for the job alone, kept for the next, from no job."""

from __future__ import annotations

import functools
import http.server
import io
import subprocess
import sys
import tarfile
import threading
import time
import uuid

import pytest

from workshop.emulator import state

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder with one wheel: `tinypackage` 1.0, with a program."""
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "tinypackage"
    source.mkdir()
    (source / "tinypackage.py").write_text("answer = 42\ndef main(): print('program', answer)\n")
    (source / "pyproject.toml").write_text(
        '[project]\nname = "tinypackage"\nversion = "1.0"\n'
        '[project.scripts]\ntinyprogram = "tinypackage:main"\n'
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps",
         "-w", folder, source],
        check=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def index(wheels):
    """The settings with which pip finds the wheels, and them alone, on a server."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=wheels)
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"http://127.0.0.1:{served.server_port}/"}
        served.shutdown()


NOWHERE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}

INSTALL = """
import subprocess, sys
install = [sys.executable, '-m', 'pip', 'install', '-r', '/opt/ml/code/requirements.txt']
status = subprocess.run(install).returncode
if status == 0:
    subprocess.run([sys.executable, '-c', 'import tinypackage; print(tinypackage.answer)'])
    subprocess.run(['tinyprogram'], check=True)
sys.exit(status)
"""


@pytest.fixture
def install(python, tmp_path):
    """Run a job with a requirements file; ``before`` is what its script does first."""

    def run(text: str, settings: dict, before: str = "", **service):
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        (code / "requirements.txt").write_text(text)
        return python(before + INSTALL, volumes=[f"{code}:/opt/ml/code"], outer=settings, **service)

    return run


def unique() -> str:
    """A requirements file that no other test has."""
    return f"tinypackage  # {uuid.uuid4()}\nnumpy\n"


def freeze() -> str:
    return subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True
    ).stdout


def test_requirements_are_for_the_job_alone_and_kept_for_the_next(install, python, index):
    before, text = freeze(), unique()
    first = install(text, index)
    assert "Successfully installed tinypackage-1.0" in first.stdout
    assert first.stdout.endswith("42\nprogram 42\n")
    assert freeze() == before

    second = install(text, NOWHERE)
    assert "Requirement already satisfied: tinypackage" in second.stdout
    assert second.stdout.endswith("42\nprogram 42\n")

    assert "ModuleNotFoundError" in python("import tinypackage").stdout


def test_two_hosts_with_one_file_install_it_once(compose, index, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/requirements.txt").write_text(unique())
    service = {
        "image": "any",
        "entrypoint": ["python3", "-c", INSTALL],
        "volumes": [f"{tmp_path}/code:/opt/ml/code"],
    }
    done = compose({"algo-1": service, "algo-2": service}, **index)
    assert done.stdout.count("Successfully installed tinypackage-1.0") == 1, done.stdout
    assert done.stdout.count("program 42") == 2


def test_what_cannot_be_installed_fails_the_job_with_the_words_of_pip(install, index):
    done = install("no-such-package\n", index)
    assert done.returncode == 1
    assert "ERROR: No matching distribution found for no-such-package" in done.stdout


@pytest.mark.parametrize("text", ["-r more.txt\n", "./wheels/x.whl\n", "tinypackage ; ${X}\n"])
def test_a_file_that_names_others_is_for_pip_in_the_job(install, index, text):
    kept = set(state.folder("cache", "installed").iterdir())
    assert install(text, index).returncode == 1
    assert set(state.folder("cache", "installed").iterdir()) == kept


def test_a_job_with_settings_of_its_own_for_pip_installs_by_itself(install, index):
    text = unique()
    own = [f"{name}={value}" for name, value in index.items()]
    done = install(text, NOWHERE, environment=own)
    assert "Successfully installed tinypackage-1.0" in done.stdout
    assert "No matching distribution" in install(text, NOWHERE).stdout  # nothing was kept


POISON = """
import glob, os, sys
packages = next(path for path in sys.path if path.startswith(sys.prefix))
os.mkdir(packages + '/tinypackage-1.0.dist-info')
for name, text in {'METADATA': 'Name: tinypackage\\nVersion: 1.0\\n', 'RECORD': '',
                   'INSTALLER': 'pip'}.items():
    open(packages + '/tinypackage-1.0.dist-info/' + name, 'w').write(text)
open(packages + '/tinypackage.py', 'w').write("answer = 'POISON'\\n")
for folder in (os.environ.get('JOB_PACKAGES'), os.environ.get('PIP_CACHE_DIR'), '/opt/installed'):
    for path in [folder, *glob.glob(folder + '/**/', recursive=True)] if folder else ():
        try:
            open(path + '/tinypackage.py', 'w').write("answer = 'POISON'\\n")
            print('WROTE', path)
        except OSError:
            pass
"""


def test_no_job_can_poison_the_packages_of_another(install, index):
    text = unique()
    hostile = install(text, index, before=POISON)
    assert "WROTE" not in hostile.stdout
    done = install(text, index)
    assert done.stdout.endswith("42\nprogram 42\n"), done.stdout
    assert "WROTE" not in install(text, index, before=POISON).stdout  # what is kept now


HOSTILE_BUILD = """
import os, zipfile

head = "Metadata-Version: 2.1\\nName: hostile\\nVersion: 1.0\\n"
facts, file = "hostile-1.0.dist-info", "hostile-1.0-py3-none-any.whl"

def prepare_metadata_for_build_wheel(folder, settings=None):
    os.mkdir(f"{folder}/{facts}")
    open(f"{folder}/{facts}/METADATA", "w").write(head)
    return facts

def build_wheel(folder, settings=None, metadata=None):
    tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(f"{folder}/{file}", "w") as wheel:
        for name, text in {"METADATA": head, "WHEEL": tag, "RECORD": ""}.items():
            wheel.writestr(f"{facts}/{name}", text)
    os.rename("/opt/python/bin", "/opt/python/mine")
    os.symlink("VICTIM", "/opt/python/bin")
    return file
"""


def test_a_package_that_makes_links_while_it_is_built_reaches_no_file_of_the_learners(
    install, index, wheels, tmp_path
):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "python-notes.txt").write_text("the learner's")
    with tarfile.open(wheels / "hostile-1.0.tar.gz", "w:gz") as archive:
        files = {
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
            'backend-path = ["."]\n',
            "backend.py": HOSTILE_BUILD.replace("VICTIM", str(victim)),
        }
        for name, text in files.items():
            member = tarfile.TarInfo(f"hostile-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    text = f"hostile  # {uuid.uuid4()}\n"
    done = install(text, index)
    assert "Successfully installed hostile-1.0" in done.stdout
    assert [path.name for path in victim.iterdir()] == ["python-notes.txt"]


def test_jobs_that_are_stopped_while_they_install_or_wait_leave_nothing(install):
    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.set()
            over.wait(60)

    asked, over = threading.Event(), threading.Event()
    text = unique()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        settings = NOWHERE | {"PIP_FIND_LINKS": f"http://127.0.0.1:{served.server_port}/"}
        installs = install(text, settings, popen=True)
        assert asked.wait(60)
        waits = install(text, settings, before="print('on', flush=True)", popen=True)
        assert waits.stdout.readline() == b"on\n"
        time.sleep(1)
        for job in (waits, installs):
            job.terminate()
            job.communicate(timeout=30)
        over.set()
        served.shutdown()
    assert list(state.folder("jobs").iterdir()) == []


def test_pip_cannot_remove_a_package_of_the_learner(python):
    before = freeze()
    done = python(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'pip', 'uninstall', '--yes', 'papermill'])\n"
        "import papermill"
    )
    assert done.returncode == 0, done.stdout
    assert freeze() == before


def test_what_a_learner_may_install_says_nothing_of_what_a_job_may(python):
    names = ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "UV_CONSTRAINT", "PIP_INDEX_URL")
    done = python(
        "import os; print([name for name in os.environ if name.startswith(('PIP_', 'UV_'))])",
        outer=dict.fromkeys(names, "http://127.0.0.1:9/"),
    )
    assert "PIP_INDEX_URL" in done.stdout
    assert "CONSTRAINT" not in done.stdout, done.stdout


def test_a_checkout_may_have_a_space_and_a_long_name_in_its_path(python, index, tmp_path):
    """The training toolkit cuts the path of its Python at spaces, and pip's scripts would too."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/requirements.txt").write_text("tinypackage\n")
    command = "from sagemaker_training import modules; modules.install_requirements('/opt/ml/code')"
    done = python(
        f"import subprocess; {command}; subprocess.run(['pip', '--version'], check=True)",
        volumes=[f"{tmp_path}/code:/opt/ml/code"],
        outer=index | {"WORKSHOP_STATE": str(tmp_path / f"my, workshop:{'long' * 20}/.lab")},
    )
    assert done.returncode == 0, done.stdout
    assert "Successfully installed tinypackage-1.0" in done.stdout
