"""Local endpoints and batch transforms: what serves, and what is refused at once."""

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

from workshop.emulator.settings import REFUSES

from ..conftest import ROLE, processes_with, until

pytestmark = pytest.mark.slow

#: Seconds that a refusal may take, once the SDK is imported.
AT_ONCE = 5

MODELS = f"""
import io, os, tarfile, tempfile, time
import numpy as np
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

FILES = {
    "rows.csv": "1,2\n3,4\n",
    "code/inference.py": """
import os
print("a line of the script")
def model_fn(folder): return os.listdir(folder)
def transform_fn(model, data, content_type, accept):
    if data == "fail": raise ValueError("told so")
    return data.upper(), "text/csv"
""",
    "code/broken.py": "def model_fn(folder): return open('/opt/ml/model/missing')",
}
SKLEARN = """
sk = SKLearnModel(data, common["role"], "inference.py", source_dir="code",
    framework_version="1.4-2", sagemaker_session=session)
"""

REASON = (
    "Nothing on this machine can serve the image my-own-image:1. Here the images of TensorFlow and "
    "scikit-learn and PyTorch and XGBoost serve. Choose one of these, or make my-own-image known "
    "in images.toml, or use a real Docker engine (./lab start --docker) or your own account "
    "(./lab start --aws)."
)


def test_an_endpoint_serves_and_ends_quietly(script, tmp_path):
    """With and without local code; the model's own folder is not written to, and nothing stays."""
    done = script(
        MODELS
        + SKLEARN
        + """
for local_code in (True, False):
    session.config = {"local": {"local_code": local_code, "serving_port": 8123}}
    predictor = sk.deploy(1, "local", endpoint_name=f"e-{local_code}")
    asked = session.sagemaker_runtime_client.invoke_endpoint(
        Body=b"a,b", EndpointName="any", ContentType="text/csv", Accept="text/csv")
    assert asked["Body"].read() == b"A,B"
    try:
        sk.deploy(1, "local", endpoint_name=f"second-{local_code}")
    except WorkshopError as error:
        assert str(error).startswith("Port 8123 of this machine is used: "), error
    predictor.delete_endpoint()
left = time.time() + 10
while os.listdir(tempfile.gettempdir()) and time.time() < left:
    time.sleep(0.1)
print("LEFT", os.listdir(tempfile.gettempdir()))
""",
        FILES,
    )
    assert "a line of the script" in done.stdout
    assert done.stdout.endswith("LEFT []\n")
    assert "Traceback" not in done.stderr and "143" not in done.stderr + done.stdout
    assert until(lambda: not processes_with(str(tmp_path)))


def test_a_model_on_this_machine_stays_as_it_is(script, tmp_path):
    """The SDK unpacks it beside its archive."""
    script(
        MODELS
        + """
place = f"file://{os.getcwd()}/mine/model.tar.gz"
os.mkdir("mine")
os.link("model.tar.gz", "mine/model.tar.gz")
writing = "def model_fn(folder): open(folder + '/new', 'w').close()\\n"
writing += "def transform_fn(model, data, kind, accept): return data, kind"
open("code/writing.py", "w").write(writing)
session.config = {"local": {"local_code": True, "serving_port": 8124}}
predictor = SKLearnModel(place, common["role"], "writing.py", source_dir="code",
    framework_version="1.4-2", sagemaker_session=session).deploy(1, "local")
predictor.delete_endpoint()
""",
        FILES,
    )
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["1", "model.tar.gz"]


def test_a_script_that_fails_is_told_at_once(script, tmp_path):
    done = script(
        MODELS
        + SKLEARN.replace("inference.py", "broken.py")
        + """
session.config = {"local": {"local_code": True, "serving_port": 8125}}
began = time.time()
try:
    sk.deploy(1, "local")
except WorkshopError as error:
    print("TOLD", time.time() - began, error)
""",
        FILES,
    )
    told = done.stdout[done.stdout.index("TOLD") :]
    assert "The endpoint's container has ended." in told
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/model/missing'" in told
    assert "Exception in thread" not in done.stderr
    assert until(lambda: not processes_with(str(tmp_path)))


def test_a_batch_transform_runs(script, tmp_path):
    done = script(
        MODELS
        + SKLEARN
        + """
session.config = {"local": {"local_code": True, "serving_port": 8126}}
made = sk.transformer(1, "local", output_path=f"s3://{bucket}/predictions")
made.transform(
    f"s3://{bucket}/rows", content_type="text/csv", split_type="Line", join_source="Input"
)
out = session.boto_session.client("s3").list_objects_v2(Bucket=bucket, Prefix="predictions")
for one in out["Contents"]:
    print("OUT", one["Key"], session.read_s3_file(bucket, one["Key"]))
""",
        FILES,
    )
    assert "rows.csv.out 1,2\n3,4\n" in done.stdout
    assert "Note: DataProcessing.JoinSource has no effect here: local mode" in done.stderr
    assert "Traceback" not in done.stderr and REFUSES not in done.stderr
    assert until(lambda: not processes_with(str(tmp_path)))


@pytest.mark.parametrize("call", ["plain.deploy(1, 'local')", "transform(plain)"])
def test_the_reason_is_last_and_nothing_is_left_running(script, tmp_path, call):
    done = script(f"{MODELS}\n{call}\nopen('reached', 'w')", FILES, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"WorkshopError: {REASON}\n")
    assert "Exception in thread" not in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert not (tmp_path / "reached").exists()
    assert until(lambda: not processes_with(str(tmp_path)))


def test_in_a_notebook_the_reason_is_all_that_is_shown(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
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
        (tmp_path / name).parent.mkdir(exist_ok=True)
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
