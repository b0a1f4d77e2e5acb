"""Local endpoints and batch transforms: refused at once where nothing on this machine can serve."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import datetime

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ..conftest import ROLE, processes_with

pytestmark = pytest.mark.slow

#: Seconds that a refusal may take, once the SDK is imported.
AT_ONCE = 5

MODELS = f"""
import io, tarfile, time
from workshop.emulator.errors import WorkshopError
from sagemaker.local import LocalSession
from sagemaker.model import Model
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pytorch import PyTorchModel
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.tensorflow import TensorFlowModel
from sagemaker.xgboost import XGBoostModel

session = LocalSession()
bucket = session.default_bucket()
with tarfile.open("model.tar.gz", "w:gz") as archive:
    archive.addfile(tarfile.TarInfo("1/weights"), io.BytesIO())
data = session.upload_data("model.tar.gz", bucket, "models")
session.upload_data("rows.csv", bucket, "rows")
common = dict(model_data=data, role="{ROLE}", sagemaker_session=session)
plain = Model(image_uri="my-own-image:1", **common)
estimator = SKLearn(
    entry_point="train.py", framework_version="1.2-1", role="{ROLE}", instance_type="local",
    instance_count=1, sagemaker_session=session)

def transform(model):
    made = model.transformer(1, "local", output_path=f"s3://{{bucket}}/predictions")
    made.transform(f"s3://{{bucket}}/rows", content_type="text/csv", split_type="Line")
"""

ALL = (
    MODELS
    + """
script = dict(entry_point="inference.py")
models = {
    "tensorflow": TensorFlowModel(framework_version="2.19", **common),
    "pytorch": PyTorchModel(framework_version="2.6", py_version="py312", **script, **common),
    "sklearn": SKLearnModel(framework_version="1.2-1", **script, **common),
    "xgboost": XGBoostModel(framework_version="3.0-5", **script, **common),
    "plain": plain,
    "several": MultiDataModel("several", f"s3://{bucket}/models/", model=plain,
        sagemaker_session=session),
}
estimator.fit()
models["estimator"] = estimator
for name, model in models.items():
    doors = {"deploy": lambda: model.deploy(1, "local")}
    if name != "several":
        doors["transform"] = lambda: transform(model)
    for door, call in doors.items():
        began = time.time()
        try:
            call()
        except WorkshopError as error:
            image = str(error).partition(" the image ")[2].partition(": ")[0]
            print("REFUSED", name, door, time.time() - began, image, sep="|")
print(session.sagemaker_client._endpoints, session.sagemaker_client._transform_jobs)
"""
)

FILES = {"train.py": "print('trained')\n", "inference.py": "", "rows.csv": "1,2\n"}

REASON = (
    "Nothing on this machine can serve the image my-own-image:1: it runs processing and training "
    "jobs, and neither endpoints nor batch transforms. Load model.tar.gz in a processing job or in "
    "the notebook, as section 6 does; or use a real Docker engine (./lab start --docker) or your "
    "own account (./lab start --aws)."
)


def test_models_of_any_framework_are_refused_at_once(script):
    done = script(ALL, FILES)
    refused = [line.split("|") for line in done.stdout.splitlines() if line.startswith("REFUSED")]
    images = {(name, door): image for _, name, door, _, image in refused}
    doors = ("deploy", "transform")
    names = ("tensorflow", "pytorch", "sklearn", "xgboost", "plain", "estimator")
    expected = {(name, door) for name in names for door in doors} | {("several", "deploy")}
    assert images.keys() == expected, done.stdout + done.stderr
    assert images["plain", "deploy"] == "my-own-image:1"
    assert "tensorflow-inference:2.19" in images["tensorflow", "transform"]
    assert max(float(seconds) for *_, seconds, _ in refused) < AT_ONCE, refused
    assert done.stdout.endswith("{} {}\n"), "nothing is there that could be asked or removed"


@pytest.mark.parametrize("call", ["plain.deploy(1, 'local')", "transform(plain)"])
def test_the_reason_is_last_and_nothing_is_left_running(script, tmp_path, call):
    done = script(f"{MODELS}\n{call}\nopen('reached', 'w')", FILES, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"WorkshopError: {REASON}\n")
    assert "Exception in thread" not in done.stderr and "images.toml" not in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert not (tmp_path / "reached").exists()
    assert not processes_with(str(tmp_path))


def test_in_a_notebook_the_reason_is_all_that_is_shown(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    cells = ["import workshop; workshop.connect()", MODELS, "plain.deploy(1, 'local')"]
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    place = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(content, kernel_name="python3", resources=place, timeout=60)
    with pytest.raises(CellExecutionError):
        client.execute()
    error = client.nb.cells[2].outputs[-1]
    assert error.traceback == [REASON]
    times = client.nb.cells[2].metadata.execution
    began, ended = (
        datetime.fromisoformat(times[name].replace("Z", "+00:00"))
        for name in ("iopub.execute_input", "shell.execute_reply")
    )
    assert (ended - began).total_seconds() < AT_ONCE


def test_a_pipeline_says_why_its_step_failed(script):
    done = script(
        MODELS
        + """
from sagemaker.inputs import TransformInput
from sagemaker.transformer import Transformer
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.steps import TransformStep

session = LocalPipelineSession()
plain.name = "mine"
plain.create()
made = Transformer("mine", 1, "local", sagemaker_session=session)
arguments = made.transform(f"s3://{bucket}/rows", content_type="text/csv")
pipeline = Pipeline("p", steps=[TransformStep("predict", step_args=arguments)],
    sagemaker_session=session)
pipeline.create(role_arn="none")
print(pipeline.start().list_steps())
""",
        FILES,
    )
    assert f"WorkshopError: {REASON}" in done.stdout, done.stdout + done.stderr


def test_a_real_docker_is_not_kept_from_serving(tmp_path):
    """Where WORKSHOP_DOCKER=1 leaves the machine's own `docker` in its place, it is called."""
    docker = tmp_path / "docker"
    called = tmp_path / "called"
    docker.write_text(f'#!/bin/sh\necho "$@" >>{called}\necho v2\n')
    docker.chmod(0o755)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    wait = "import sagemaker.local.entities as e; e.HEALTH_CHECK_TIMEOUT_LIMIT = 1\n"
    (tmp_path / "script.py").write_text(f"{MODELS}\n{wait}plain.deploy(1, 'local')")
    outside = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WORKSHOP_DOCKER": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "workshop", "exec", "python", "script.py"],
        env=os.environ | outside,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "WorkshopError" not in done.stderr, done.stderr
    assert re.search(r"(?m)^compose -f \S+ up", called.read_text())


def test_docker_compose_names_the_same_reason(compose):
    done = compose({"algo-1": {"image": "my-own-image:1", "command": "serve"}})
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == REASON
    pytorch = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6-cpu-py312"
    done = compose({"algo-1": {"image": pytorch, "command": "serve"}})
    assert done.stdout.splitlines()[-1] == REASON.replace("my-own-image:1", pytorch)
