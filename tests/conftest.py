"""Every test works with an emulated AWS of its own, away from what a learner has in `.lab`."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
import time
import zipfile
from importlib.machinery import PathFinder

import psutil
import pytest

from workshop.course import manifest, packages
from workshop.emulator.client import daemon
from workshop.emulator.containers import sandbox
from workshop.emulator.errors import WorkshopError

# A shell starts what runs in its background with Ctrl-C ignored, and programs inherit that; the
# tests of Ctrl-C need it as it usually is.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: What a worker needs at most: an emulator, a notebook, a training job with TensorFlow; bytes.
MEMORY_OF_A_WORKER = 1.5e9


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use the cores, at most 4, for all tests or folders of them; 0 is one process, no workers.

    A test or a file that is named, ``-k`` and ``--lf`` do not wait for workers to start. Workers
    would keep what a test prints (``-s``), and have no order for ``--sw``. For ``--pdb`` and
    ``-n`` pytest-xdist does what is right.
    """
    part = any(config.getoption(name, None) for name in ("keyword", "lf", "stepwise"))
    named = all(".py" in argument for argument in config.args)
    if part or named or config.option.capture == "no":
        return 0
    if sandbox.probe()[0] != sandbox.NAMESPACES:
        return 0  # jobs share the real /opt/ml: one at a time
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(cores or 1, 4, int(psutil.virtual_memory().available / MEMORY_OF_A_WORKER))
    return workers if workers > 1 else 0


#: What labs need beyond requirements.txt, and what can be imported only where it is installed.
PACKAGES = [lab.packages for lab in manifest.labs() if lab.packages]
MODULES = {module for needed in PACKAGES for module in needed.modules}


class WithoutLab3(PathFinder):
    """Finds modules as Python does, but for Lab 3's while a test runs that is not marked for it.

    So a missing marker shows on a machine that has the packages, too.
    """

    hidden = True

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if cls.hidden and name.partition(".")[0] in MODULES:
            return None
        return super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutLab3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs a lab that needs more packages, and order the tests.

    Quick tests come first: a slip shows at once, and not after the jobs. Those marked `lab3` come
    last: where its packages are not installed yet, the others run without them.
    """
    for item in items:
        lab = getattr(item, "callspec", None) and item.callspec.params.get("lab")
        needy = isinstance(lab, manifest.Lab) and lab.packages
        if needy and item.get_closest_marker("slow"):
            item.add_marker("lab3")
    names = ("lab3", "slow")
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in names])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Install what a test needs that is marked `lab3`, before the first one of them."""
    WithoutLab3.hidden = item.get_closest_marker("lab3") is None
    if not WithoutLab3.hidden:
        capture = item.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():  # it says what it does, for minutes
            problem = _install()
        if problem:
            pytest.fail(problem, pytrace=False)


@functools.cache
def _install() -> str:
    """Install what labs need, once; return why that cannot be done, or "".

    Of several workers one does it, the others wait (`packages.ensure`).
    """
    try:
        for needed in PACKAGES:
            packages.ensure(needed)
    except WorkshopError as error:
        return str(error)
    importlib.invalidate_caches()
    return ""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the servers end whose worker could not end them: after Ctrl-C it is killed in the end.

    A server ends within seconds when its file is gone. `popen-gw0` is the first worker's folder.
    """
    if session.config.option.dist != "no":
        folder = session.config._tmp_path_factory.getbasetemp()
        for file in folder.glob("popen-*/state*/server.json"):
            file.unlink()


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory):
    """Keep the state in a temporary folder, forget real accounts, end the server at the end."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("AWS_", "WORKSHOP_", "SAGEMAKER_")) and name != "AWS_CA_BUNDLE":
            del os.environ[name]
    folder = tmp_path_factory.mktemp("state")
    os.environ["WORKSHOP_STATE"] = str(folder)
    # After kill -9 nobody ends the servers of this process: they watch it, and end by themselves.
    os.environ["WORKSHOP_OWNER"] = str(os.getpid())
    yield folder
    daemon.stop()
    os.environ.clear()
    os.environ.update(before)


#: Each of these requests has the same one: it is a new request for each resource.
TOKEN = "t" * 32


def delete_pipelines() -> None:
    """Delete all pipelines with their executions; those that still run are stopped."""
    client = daemon.client("sagemaker")
    for page in list(client.get_paginator("list_pipelines").paginate()):
        for pipeline in page["PipelineSummaries"]:
            name = {"PipelineName": pipeline["PipelineName"]}
            for executions in client.get_paginator("list_pipeline_executions").paginate(**name):
                for one in executions["PipelineExecutionSummaries"]:
                    stop_execution(client, {"PipelineExecutionArn": one["PipelineExecutionArn"]})
            client.delete_pipeline(**name, ClientRequestToken=TOKEN)


def stop_execution(client, arn: dict[str, str]) -> None:
    for _ in range(300):
        status = client.describe_pipeline_execution(**arn)["PipelineExecutionStatus"]
        if status == "Executing":
            client.stop_pipeline_execution(**arn, ClientRequestToken=TOKEN)
        elif status != "Stopping":
            return
        time.sleep(0.2)


def delete_model_packages() -> None:
    client = daemon.client("sagemaker")
    for groups in list(client.get_paginator("list_model_package_groups").paginate()):
        for group in groups["ModelPackageGroupSummaryList"]:
            name = {"ModelPackageGroupName": group["ModelPackageGroupName"]}
            for versions in list(client.get_paginator("list_model_packages").paginate(**name)):
                for one in versions["ModelPackageSummaryList"]:
                    client.delete_model_package(ModelPackageName=one["ModelPackageArn"])
            client.delete_model_package_group(**name)


@pytest.fixture(scope="module", autouse=True)
def empty_buckets(own_state):
    """Leave no object in S3 to the next file of tests: which one that is, is up to the workers.

    And nothing that counts on objects: a pipeline takes the results of its earlier executions for
    results, as on AWS, and a version in the registry has its model in S3.
    """
    yield
    if daemon.status():
        delete_pipelines()
        delete_model_packages()
        s3 = daemon.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
            for page in pages:
                keys = [{"Key": one["Key"]} for one in page.get("Contents", ())]
                if keys:
                    s3.delete_objects(Bucket=bucket["Name"], Delete={"Objects": keys})


@pytest.fixture(scope="session")
def make_wheel():
    """Return a function that writes a wheel: a folder or module of that name, and its needs."""

    def make(folder, name: str, version: str, *needs: str, files: dict[str, str] | None = None):
        folder.mkdir(exist_ok=True)
        module = name.replace("-", "_")
        facts = f"{module}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Requires-Dist: {one}" for one in needs]
        content = {
            **(files or {f"{module}/__init__.py": f"__version__ = {version!r}\n"}),
            f"{facts}/METADATA": "\n".join([*metadata, ""]),
            f"{facts}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in [*content, f"{facts}/RECORD"])
        with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in {**content, f"{facts}/RECORD": record}.items():
                wheel.writestr(path, text)

    return make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-mutants", action="store_true", help="try all mutants of all tasks: an hour"
    )


@pytest.fixture
def in_notebook(monkeypatch):
    """Make this process look like the kernel of a notebook: to us, and to rich."""
    from IPython.core.interactiveshell import InteractiveShell

    class ZMQInteractiveShell(InteractiveShell):
        kernel = object()

    shell = ZMQInteractiveShell.instance()
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    yield shell
    ZMQInteractiveShell.clear_instance()
