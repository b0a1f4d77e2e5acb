"""Plain scripts written for the SDK's local mode, unmodified, with the emulated AWS around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from workshop.emulator import state
from workshop.emulator.client import connection, daemon

from ..conftest import ROLE, processes_with, until
from ..job_requests import BUCKET

pytestmark = pytest.mark.slow

SESSION = """
import sagemaker
from sagemaker.local import LocalSession
sagemaker_session = LocalSession()
sagemaker_session.config = {'local': {'local_code': True}}
bucket = sagemaker_session.default_bucket()
role = sagemaker.get_execution_role(sagemaker_session)
"""

ESTIMATOR = (
    SESSION
    + """
from sagemaker.tensorflow import TensorFlow

def estimator(**options):
    return TensorFlow(
        entry_point='train.py', source_dir='code', role=role, instance_count=1,
        instance_type='local', framework_version='2.19', py_version='py312',
        hyperparameters={'epochs': 3}, sagemaker_session=sagemaker_session, **options)
"""
)

TRAIN = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model_dir")
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
args = parser.parse_args()
text = open(os.path.join(args.train, "a.txt")).read()
open(os.path.join(os.environ["SM_MODEL_DIR"], "weights.txt"), "w").write(text * args.epochs)
open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "history.json"), "w").write("{}")
print("loss: 0.5")
"""


def test_a_tensorflow_estimator_with_the_three_line_session(script, tmp_path):
    done = script(
        ESTIMATOR
        + """
print('ROLE', role)
data = sagemaker_session.upload_data('in', bucket, 'estimator')
first = estimator(output_path=f's3://{bucket}/models')
first.fit({'train': data})
print('AT', first.model_data)
print(first.latest_training_job.describe()['TrainingJobStatus'])
estimator(output_path='file://out').fit({'train': 'file://in'})
""",
        {"in/a.txt": "x", "code/train.py": TRAIN},
    )
    lines = done.stdout.splitlines()
    assert f"ROLE {ROLE}" in lines
    assert lines.count("loss: 0.5") == 2
    (model,) = [line for line in lines if line.startswith("AT ")]
    assert model.startswith("AT s3://sagemaker-us-east-1-123456789012/models/tensorflow-training-")
    assert model.endswith("/output/model.tar.gz")
    assert "Completed" in lines
    (archive,) = (tmp_path / "out").rglob("model.tar.gz")
    weights = subprocess.run(["tar", "xzOf", archive, "weights.txt"], capture_output=True)
    assert weights.stdout == b"xxx"


def test_a_job_changes_neither_the_learners_scripts_nor_the_data(script, tmp_path):
    """On AWS it has copies. It may write to them, and does not find it the next time."""
    done = script(
        ESTIMATOR + "for _ in range(2): estimator().fit({'train': 'file://in'})",
        {
            "in/a.txt": "x",
            "code/train.py": """
import os
for folder in ('/opt/ml/input/data/train', '/opt/ml/code'):
    os.makedirs(folder + '/cache')
    open(folder + '/cache/x', 'w').write('written')
    os.path.exists(folder + '/a.txt') and os.remove(folder + '/a.txt')
print('all written')
""",
        },
    )
    assert done.stdout.count("all written") == 2
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.txt"]
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["train.py"]


LEAVE = """
import os, socket
for top in ('/opt/ml/model', '/opt/ml/output/data'):
    os.chdir(top)
    os.makedirs('blobs')
    open('blobs/abc', 'w').write('WEIGHTS')
    os.chmod('blobs/abc', 0)
    os.symlink('blobs/abc', 'relative')
    os.symlink(top + '/blobs/abc', 'absolute')
    os.symlink('/opt/ml/model/blobs', 'folder')
    os.mkfifo('pipe')
    socket.socket(socket.AF_UNIX).bind('socket')
    os.symlink('nothing', 'broken')
{more}
"""
LEFT = {"blobs/abc", "relative", "absolute", "folder/abc"}


def test_the_sdk_finds_plain_files_where_a_job_left_links_and_pipes(script, tmp_path):
    done = script(
        ESTIMATOR + "estimator(output_path='file://out').fit({'train': 'file://in'})",
        {"in/a.txt": "x", "code/train.py": LEAVE.format(more="")},
    )
    for name, top in (("model", ""), ("output", "data/")):
        (archive,) = (tmp_path / "out").rglob(f"{name}.tar.gz")
        with tarfile.open(archive) as opened:
            found = {one.name: one for one in opened if not one.isdir()}
            assert {top + path for path in LEFT} == set(found) - {"success"}
            assert all(opened.extractfile(found[top + path]).read() == b"WEIGHTS" for path in LEFT)
    assert "Not copied: /opt/ml/model/pipe is a named pipe." in done.stdout
    assert "Not copied: /opt/ml/output/data/socket is a socket." in done.stdout
    assert "/opt/ml/model/broken is a link to nothing, which is not there" in done.stdout


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("os.symlink('{secret}', 'stolen')", "is a link to {secret}, which is outside of /opt/ml"),
        ("open(b'caf\\xe9', 'w').close()", "caf\\xe9 has a name that is not UTF-8"),
    ],
)
@pytest.mark.parametrize("kind", ["training", "processing"])
def test_what_the_sdk_must_not_copy_fails_the_job_by_name(script, tmp_path, kind, more, words):
    """A link leads to the machine's file for the SDK: in the container there may be none."""
    secret = tmp_path / "secret"
    secret.write_text("SECRET-OF-THE-LEARNER")
    more, words = more.format(secret=secret), words.format(secret=secret)
    if kind == "training":
        call = ESTIMATOR + "estimator(output_path='file://out').fit({'train': 'file://in'})"
    else:
        call = (
            SESSION
            + """
from sagemaker.processing import ProcessingOutput, ScriptProcessor
output = ProcessingOutput(source='/opt/ml/processing/out', destination=f's3://{bucket}/leave')
ScriptProcessor(command=['python3'], image_uri='mine:1', role=role, instance_count=1,
                instance_type='local', sagemaker_session=sagemaker_session,
                ).run('code/train.py', outputs=[output])
"""
        )
    place = "/opt/ml/model" if kind == "training" else "/opt/ml/processing/out"
    program = f"import os\nos.chdir('{place}')\nopen('good', 'w').write('x')\n{more}\n"
    done = script(call, {"in/a.txt": "x", "code/train.py": program}, check=False)
    assert done.returncode == 1
    assert f"{place}/" in done.stdout and words in done.stdout, done.stdout
    assert words in " ".join(done.stderr.split()), done.stderr
    if kind == "processing":
        s3 = daemon.client("s3")
        objects = s3.list_objects_v2(Bucket=BUCKET, Prefix="leave/")["Contents"]
        assert [one["Key"] for one in objects] == ["leave/good"]


def test_a_script_may_sign_with_keys_of_its_own(script):
    done = script(
        ESTIMATOR + "estimator().fit({'train': 'file://in'})",
        {
            "in/a.txt": "x",
            "code/train.py": "import boto3\n"
            "own = boto3.Session(aws_access_key_id='AKIAOWN', aws_secret_access_key='own')\n"
            "print('buckets', len(own.client('s3').list_buckets()['Buckets']) >= 0)\n",
        },
    )
    assert "buckets True" in done.stdout


def test_a_failing_training_script_raises_and_its_error_is_last(script, tmp_path):
    done = script(
        ESTIMATOR + "estimator().fit({'train': 'file://in'})\nopen('reached', 'w')",
        {
            "in/a.txt": "x",
            "code/train.py": "def train():\n    raise ValueError('no such label: 11')\ntrain()\n",
        },
        check=False,
    )
    assert done.returncode == 1
    assert not (tmp_path / "reached").exists()
    assert "Reporting training FAILURE" in done.stdout
    # Last on a terminal, with the name of the file that has the SDK's own traceback too.
    error, _, file = done.stderr.rstrip().splitlines()[-3:]
    assert error == "ValueError: no such label: 11"
    whole = (tmp_path / file.removeprefix("The whole error: ")).read_text()
    assert "_stream_output" in whole and "in train\n    raise ValueError" in whole


def test_sklearn_processor_with_disable_local_code(script):
    done = script(
        """
import sagemaker
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn.processing import SKLearnProcessor

session = LocalSession(disable_local_code=True)
processor = SKLearnProcessor(
    framework_version='1.2-1', role=sagemaker.get_execution_role(session),
    instance_type='local', instance_count=1, sagemaker_session=session)
processor.run(
    code='preprocessing.py',
    inputs=[ProcessingInput(source='in', destination='/opt/ml/processing/input')],
    outputs=[
        ProcessingOutput(output_name='train_data', source='/opt/ml/processing/train'),
        ProcessingOutput(output_name='test_data', source='/opt/ml/processing/test')],
    arguments=['--train-test-split-ratio', '0.2'])
description = processor.jobs[-1].describe()
print(description['ProcessingJobStatus'])
for output in description['ProcessingOutputConfig']['Outputs']:
    uri = output['S3Output']['S3Uri']
    print(output['OutputName'], S3Downloader.list(uri, sagemaker_session=session)[0])
""",
        {
            "in/a.txt": "x",
            "preprocessing.py": "import sys, sklearn\n"
            "open('/opt/ml/processing/train/train.csv', 'w').write(str(sys.argv))\n"
            "open('/opt/ml/processing/test/test.csv', 'w').write('1')\n",
        },
    )
    assert "Completed" in done.stdout
    assert "train_data s3://sagemaker-us-east-1-123456789012/sagemaker-scikit-learn-" in done.stdout
    assert "/output/test_data/test.csv" in done.stdout


def test_script_processor_with_several_inputs_and_arguments(script):
    """Local and s3:// sources; an output to s3://, and one to file://.

    The SDK makes an S3 URI below the job's own prefix of every destination that is none, and
    takes a file:// source for a path (``sagemaker/processing.py``, ``_normalize_outputs`` and
    ``_normalize_inputs``): in processing jobs, file:// is not for sources.
    """
    done = script(
        f"""
from sagemaker.local import LocalSession
from sagemaker.processing import ScriptProcessor, ProcessingInput, ProcessingOutput

session = LocalSession()
bucket = session.default_bucket()
session.upload_data('images', bucket, 'inputs/images')
session.upload_data('dependencies', bucket, 'code')
script_processor = ScriptProcessor(
    command=['python3', '-v'], image_uri='my-image:1', role='{ROLE}', instance_type='local',
    instance_count=1, sagemaker_session=session)
"""
        """
base = '/opt/ml/processing/'
inputs = [
    ProcessingInput(
        input_name='images_dir', source=f's3://{bucket}/inputs/images',
        destination=base + 'input/images_dir', s3_data_type='S3Prefix', s3_input_mode='File'),
    ProcessingInput(
        input_name='annotations_dir', source='annotations',
        destination=base + 'input/annotations_dir'),
    ProcessingInput(
        input_name='code_dependencies', source=f's3://{bucket}/code',
        destination=base + 'code_dependencies')]
outputs = [
    ProcessingOutput(
        output_name='annotation.json', source=base + 'output',
        destination=f's3://{bucket}/preprocessing/output'),
    ProcessingOutput(output_name='copy', source=base + 'copy', destination='file://copy')]
script_processor.run(
    code='./cli/parse.py', inputs=inputs, outputs=outputs, arguments=[
        '--images_dir', base + 'input/images_dir',
        '--annotations_dir', base + 'input/annotations_dir',
        '--annotation_out', base + 'output/annotation.json'])
print(session.list_s3_files(bucket, 'preprocessing/'))
copy = script_processor.jobs[-1].describe()['ProcessingOutputConfig']['Outputs'][1]['S3Output']
print(session.read_s3_file(bucket, copy['S3Uri'].split('/', 3)[3] + '/found'))
""",
        {
            "images/one.txt": "1",
            "annotations/two.txt": "a",
            "dependencies/helper.py": "answer = 42\n",
            "cli/parse.py": """
import os, sys
sys.path.insert(0, '/opt/ml/processing/code_dependencies')
import helper
_, _, images, _, annotations, _, out = sys.argv
found = f'{os.listdir(images)} {os.listdir(annotations)} {helper.answer}'
open(out, 'w').write(found)
open('/opt/ml/processing/copy/found', 'w').write(found)
print('RUNS', sys.argv[0], flush=True)
""",
        },
    )
    assert "RUNS /opt/ml/processing/input/code/parse.py" in done.stdout
    assert "import 'site'" in done.stdout, "python3 -v reports its imports"
    assert "['preprocessing/output/annotation.json']" in done.stdout
    assert done.stdout.rstrip().endswith("['one.txt'] ['two.txt'] 42")


FRAMEWORK_PROCESSOR = f"""
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlowProcessor
processor = TensorFlowProcessor(
    framework_version='2.19', py_version='py312', role='{ROLE}', instance_type='local',
    instance_count=1)
processor.run(
    code='preprocessing.py', source_dir='scripts',
    inputs=[ProcessingInput(source='in', destination='/opt/ml/processing/source_data')],
    outputs=[ProcessingOutput(source='/opt/ml/processing/train')])
"""


def test_a_framework_processor_installs_the_requirements_of_its_source_dir(script):
    done = script(
        FRAMEWORK_PROCESSOR,
        {
            "in/a.txt": "x",
            "scripts/requirements.txt": "numpy\n",
            "scripts/preprocessing.py": "import os\n"
            "print('RAN', os.listdir('/opt/ml/processing/source_data'))",
        },
    )
    assert "Requirement already satisfied: numpy" in done.stdout
    assert "RAN ['a.txt']" in done.stdout


# --- what is left -------------------------------------------------------------------------


def leftovers(tmp_path: Path) -> list[str]:
    """What the SDK's temporary folder still holds, given the time it takes to be cleaned."""
    sdk = tmp_path / "sdk"
    until(lambda: not any(sdk.iterdir()), seconds=5)
    return [path.name for path in sdk.rglob("*")]


def test_no_temporary_folder_is_left_after_a_job_and_after_a_failure(script, tmp_path):
    files = {"in/a.txt": "x", "scripts/preprocessing.py": "print('RAN')"}
    assert "RAN" in script(FRAMEWORK_PROCESSOR, files).stdout
    assert leftovers(tmp_path) == []
    files["scripts/preprocessing.py"] = "1 / 0"
    assert script(FRAMEWORK_PROCESSOR, files, check=False).returncode == 1
    assert leftovers(tmp_path) == []


def test_the_learners_own_folders_in_tmp_are_never_removed(script, tmp_path):
    """Neither an input that looks like one of the SDK's, nor a model without an output_path."""
    done = script(
        ESTIMATOR
        + """
import pathlib, tempfile
own = pathlib.Path(tempfile.mkdtemp())
(own / 'a.txt').write_text('x')
job = estimator()
job.fit({'train': f'file://{own}'})
import time; time.sleep(0.5)
print((own / 'a.txt').read_text(), pathlib.Path(job.model_data.removeprefix('file://')).exists())
""",
        {"code/train.py": TRAIN},
    )
    assert done.stdout.splitlines()[-1] == "x True"


@pytest.mark.parametrize("to_group", [True, False])
def test_ctrl_c_in_a_training_job_leaves_no_process_and_no_folder(tmp_path, to_group):
    """To the whole group, as a terminal and a notebook do it, or to the learner's program alone."""
    mark = f"mark-{tmp_path.name}-{os.getpid()}"
    (tmp_path / "code").mkdir()
    (tmp_path / "sdk").mkdir()
    (tmp_path / "code/train.py").write_text(
        "import subprocess, sys, time\n"
        f"child = [sys.executable, '-c', 'import time; time.sleep(99)', '{mark}']\n"
        "subprocess.Popen(child)\n"
        "print('NOW IN TRAINING', flush=True)\n"
        "time.sleep(99)\n"
    )
    (tmp_path / "script.py").write_text(
        ESTIMATOR
        + """
data = sagemaker_session.upload_data('code', bucket, 'interrupted')
estimator(output_path=f's3://{bucket}/models').fit({'train': data})
open('reached', 'w')
"""
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "script.py"],
        cwd=tmp_path,
        env=connection.environment() | {"TMPDIR": str(tmp_path / "sdk")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    printed = b""
    for line in process.stdout:
        printed += line
        if line.startswith(b"NOW IN TRAINING"):
            break
    assert until(lambda: processes_with(mark)), printed.decode()
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not (tmp_path / "reached").exists()
    assert leftovers(tmp_path) == []
    assert until(lambda: not processes_with(mark)), processes_with(mark)
    assert list(state.folder("jobs").iterdir()) == []


# --- Studio -------------------------------------------------------------------------------

IN_STUDIO = """
set -e
mount -t tmpfs tmpfs /opt
mkdir -p /opt/ml/metadata
echo "$METADATA" > /opt/ml/metadata/resource-metadata.json
exec "$@"
"""


def test_in_studio_the_other_compose_file_works_too(tmp_path):
    """A machine whose /opt/ml/metadata names a Studio app, made with a namespace of our own."""
    metadata = {
        "AppType": "JupyterLab",
        "DomainId": "d-1",
        "UserProfileName": "me",
        "ResourceName": "default",
        "ExecutionRoleArn": ROLE,
    }
    files = {
        "home/.keep": "",
        "code/train.py": TRAIN,
        "in/a.txt": "x",
        "process.py": "print('IN THE JOB')",
        "script.py": ESTIMATOR
        + """
data = sagemaker_session.upload_data('in', bucket, 'studio')
estimator(output_path=f's3://{bucket}/studio').fit({'train': data})

from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.processing import ProcessingOutput
processor = SKLearnProcessor(
    framework_version='1.2-1', role=role, instance_type='local', instance_count=1)
processor.run(code='process.py', outputs=[ProcessingOutput(source='/opt/ml/processing/out')])
print(processor.jobs[-1].describe()['ProcessingJobStatus'])
""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", IN_STUDIO, "-", sys.executable, "script.py"],
        cwd=tmp_path,
        env=connection.environment()
        | {"HOME": str(tmp_path / "home"), "METADATA": json.dumps(metadata)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"current_host": "sagemaker-local"' in done.stdout
    assert "loss: 0.5" in done.stdout
    assert "IN THE JOB" in done.stdout
    assert done.stdout.rstrip().endswith("Completed")
    assert (tmp_path / "home/tmp").is_dir(), "the SDK works below ~/tmp there"
