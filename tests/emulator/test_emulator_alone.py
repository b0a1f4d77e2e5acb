"""The emulator is a package of its own: it needs nothing of the workshop around it."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workshop.paths import ROOT

EMULATOR = ROOT / "workshop" / "emulator"
#: What runs inside of a job's container, with what is installed there.
IN_A_JOB = EMULATOR / "containers" / "container"

SETTINGS = """\
state = "kept"
name = "alone"

[advice]
keys = "script.py gives a program its keys."
"""

SCRIPT = """
import json, sys, time
from workshop.emulator.client import connection, daemon

connection.connect()
import boto3

s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
s3.create_bucket(Bucket="sagemaker-alone")
s3.put_object(Bucket="sagemaker-alone", Key="in/a.txt", Body=b"came here")
sagemaker.create_processing_job(
    ProcessingJobName="alone",
    RoleArn=boto3.client("iam").list_roles()["Roles"][0]["Arn"],
    AppSpecification={
        "ImageUri": "any:1",
        "ContainerEntrypoint": ["python3", "-c"],
        "ContainerArguments": [
            "text = open('/opt/ml/processing/in/a.txt').read();"
            "open('/opt/ml/processing/out/b.txt', 'w').write(text + ', and went on')"
        ],
    },
    ProcessingResources={
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    },
    ProcessingInputs=[
        {
            "InputName": "in",
            "S3Input": {
                "S3Uri": "s3://sagemaker-alone/in/",
                "LocalPath": "/opt/ml/processing/in",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }
    ],
    ProcessingOutputConfig={
        "Outputs": [
            {
                "OutputName": "out",
                "S3Output": {
                    "S3Uri": "s3://sagemaker-alone/out/",
                    "LocalPath": "/opt/ml/processing/out",
                    "S3UploadMode": "EndOfJob",
                },
            }
        ]
    },
)
job = sagemaker.describe_processing_job(ProcessingJobName="alone")
while job["ProcessingJobStatus"] == "InProgress":
    time.sleep(0.1)
    job = sagemaker.describe_processing_job(ProcessingJobName="alone")
print(job["ProcessingJobStatus"], job.get("FailureReason", ""))
print(s3.get_object(Bucket="sagemaker-alone", Key="out/b.txt")["Body"].read().decode())
server = daemon.status()
daemon.stop()
modules = [one for name, one in sys.modules.items() if name.startswith("workshop")]
try:
    import workshop.course
except ImportError:
    course = "not there"
print(json.dumps({
    "modules": [one.__file__ for one in modules if getattr(one, "__file__", None)],
    "state": server["state"],
    "course": course,
}))
"""


def imports(file: Path) -> set[str]:
    """Return the modules that a file imports, and those that it imports names from."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are absolute"
            found |= {f"{node.module}.{one.name}" for one in node.names}
    return found


FILES = sorted(EMULATOR.rglob("*.py"))


def test_no_file_names_the_workshops_command():
    texts = [path for path in EMULATOR.rglob("*") if path.suffix in ("", ".py", ".txt")]
    assert [path for path in texts if path.is_file() and "./lab" in path.read_text()] == []


def lines(file: Path) -> list[str]:
    found = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return [line for line in found if line]


def test_its_requirements_are_those_of_the_workshop():
    assert set(lines(EMULATOR / "requirements.txt")) <= set(lines(ROOT / "requirements.in"))


def test_its_requirements_bring_all_that_it_imports():
    brought: set[str] = set()
    todo = [Requirement(line) for line in lines(EMULATOR / "requirements.txt")]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if name in brought or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        brought.add(name)
        for needed in map(Requirement, metadata.requires(name) or ()):
            chosen = [{"extra": extra} for extra in wanted.extras]
            if needed.marker and any(map(needed.marker.evaluate, chosen)):
                needed.marker = None  # an extra that is asked for
            todo.append(needed)
    where = metadata.packages_distributions()
    files = [file for file in FILES if IN_A_JOB not in file.parents]
    modules = {name.partition(".")[0] for file in files for name in imports(file)}
    for module in modules - sys.stdlib_module_names - {"workshop", "tomli"}:
        assert {*map(canonicalize_name, where[module])} & brought, module


@pytest.fixture
def python(tmp_path) -> str:
    """Make an environment that has what this one has installed, and not the workshop.

    A job sees of an environment what lies in it. So what the hook needs in a job lies there.
    """
    folder = tmp_path / "environment"
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / name / "site-packages"
    packages.mkdir(parents=True)
    base = Path(os.path.realpath(sys.executable))
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    (folder / "bin").mkdir()
    for program in ("python", "python3"):
        (folder / "bin" / program).symlink_to(base)
    # The path files of these folders are not read: workshop.pth is one.
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "base.pth").write_text("\n".join(sorted(ours)))
    shutil.copytree(Path(importlib.util.find_spec("wrapt").origin).parent, packages / "wrapt")
    return str(folder / "bin" / "python")


@pytest.mark.slow
def test_it_runs_alone(tmp_path, python):
    empty = tmp_path / "empty"
    copy = empty / "workshop" / "emulator"
    shutil.copytree(EMULATOR, copy, ignore=shutil.ignore_patterns("__pycache__"))
    copy.with_suffix(".toml").write_text(SETTINGS)
    (empty / "script.py").write_text(SCRIPT)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [python, "script.py"],
        env=environment | {"WORKSHOP_OWNER": str(os.getpid())},
        cwd=empty,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, status, landed, found = done.stdout.splitlines()
    assert (status.strip(), landed) == ("Completed", "came here, and went on")
    found = json.loads(found)
    assert found["course"] == "not there"
    assert found["state"] == str(empty / "workshop" / "kept")
    assert found["modules"] and all(one.startswith(f"{copy}/") for one in found["modules"])
    assert (empty / "workshop/kept/server.json").exists()
