"""Plain scripts written for `sagemaker.Session`, unmodified, with the emulated AWS around them.

Importing the SDK takes seconds: several calls share a script. `tests/seeds` runs the code blocks of
public texts; here are failures, stops, regions, and what several programs or instances share.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from workshop.emulator.client import connection, daemon

from ...conftest import ROLE, until

pytestmark = pytest.mark.slow

#: What the tutorials take for granted: buckets with something in them, a role.
PREPARED = f"""
import boto3
s3 = boto3.client('s3')
def put(bucket, *keys):
    s3.create_bucket(Bucket=bucket)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
def keys(bucket, prefix=''):
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [one['Key'] for one in listed.get('Contents', [])]
role = '{ROLE}'
"""


def after(mark: str, output: str) -> str:
    """Return the rest of the one line of a script's output that begins with ``mark``."""
    (line,) = all_after(mark, output)
    return line


def all_after(mark: str, output: str) -> list[str]:
    """Return the rest of each of these lines. While it waits, the SDK prints dots before them."""
    return re.findall(rf"(?m)^[.!*]*{mark}(.*)", output)


def test_another_region_and_a_profile_of_somebody_else(script):
    done = script(
        """
import boto3
import sagemaker
from sagemaker.sklearn.processing import SKLearnProcessor

session = sagemaker.Session(boto3.Session(region_name='eu-central-1', profile_name='nobody'))
print('BUCKET', session.default_bucket())
role = sagemaker.get_execution_role(session)
print('ROLE', role)
there = SKLearnProcessor(
    '1.2-1', role, instance_count=1, instance_type='ml.m5.large', sagemaker_session=session)
there.run('here.py')
""",
        {"here.py": "import os; print('HERE', os.environ['AWS_REGION'])"},
    ).stdout
    assert after("BUCKET ", done) == "sagemaker-eu-central-1-123456789012"
    assert after("ROLE ", done) == ROLE
    assert after("HERE ", done) == "eu-central-1"


TRAIN = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model_dir")
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
args = parser.parse_args()
for epoch in range(args.epochs):
    print(f"epoch: {epoch} loss: {1 / (epoch + 1)}", flush=True)
    open(f"/opt/ml/checkpoints/{epoch}.keras", "w").write("c")
open(os.path.join(os.environ["SM_MODEL_DIR"], "best.keras"), "w").write(str(os.listdir(args.train)))
open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "history.json"), "w").write("{}")
"""


def test_a_pipeline_of_tensorflow_processors_and_an_estimator(script):
    """Preprocessing, training with checkpoints, evaluation of its model."""
    done = script(
        PREPARED
        + """
import sagemaker
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlow, TensorFlowProcessor

sagemaker_session = sagemaker.Session()
bucket = sagemaker_session.default_bucket()
role = sagemaker.get_execution_role()
sagemaker_session.upload_data('raw', bucket, 'Pipeline/Raw')

processor = TensorFlowProcessor(
    framework_version='2.19', py_version='py312', role=role, instance_type='ml.m5.xlarge',
    instance_count=1, base_job_name='tf-preprocessing')
processor.run(
    code='preprocessing.py', source_dir='script_processing',
    inputs=[ProcessingInput(input_name='source_data', source=f's3://{bucket}/Pipeline/Raw',
                            destination='/opt/ml/processing/source_data')],
    outputs=[ProcessingOutput(output_name='train', source='/opt/ml/processing/train',
                              destination=f's3://{bucket}/DataProcessed/train')])

estimator = TensorFlow(
    entry_point='main.py', source_dir='script_train', role=role, instance_count=1,
    instance_type='ml.c5.xlarge', framework_version='2.19', py_version='py312',
    hyperparameters={'epochs': 3}, output_path=f's3://{bucket}/Training',
    checkpoint_s3_uri=f's3://{bucket}/Checkpoints', checkpoint_local_path='/opt/ml/checkpoints',
    metric_definitions=[{'Name': 'loss', 'Regex': 'loss: ([0-9.]+)'}])
estimator.fit({'train': f's3://{bucket}/DataProcessed/train'})
job = estimator.latest_training_job
described = job.describe()
print('TRAINED', described['SecondaryStatus'], described['FinalMetricDataList'][0]['Value'] < 0.34)
print('METRICS', len(estimator.training_job_analytics.dataframe()) > 0)
print('ARTIFACTS', keys(bucket, f'Training/{job.name}/output'), keys(bucket, 'Checkpoints'))

evaluation = TensorFlowProcessor(
    framework_version='2.19', py_version='py312', role=role, instance_type='ml.m5.xlarge',
    instance_count=1)
evaluation.run(
    code='evaluation.py', source_dir='script_evaluation',
    inputs=[ProcessingInput(source=estimator.model_data, destination='/opt/ml/processing/model')],
    outputs=[ProcessingOutput(source='/opt/ml/processing/evaluation',
                              destination=f's3://{bucket}/Evaluation')])
print('EVALUATED', keys(bucket, 'Evaluation'))
""",
        {
            "raw/a.idx": "1",
            "script_processing/preprocessing.py": "import os, pathlib\n"
            "folder = pathlib.Path('/opt/ml/processing/train/X_train')\n"
            "folder.mkdir(parents=True)\n"
            "(folder / 'X_train.npy').write_text('x')\n"
            "print('RAW', os.listdir('/opt/ml/processing/source_data'))",
            "script_train/main.py": TRAIN,
            "script_evaluation/evaluation.py": "import tarfile\n"
            "with tarfile.open('/opt/ml/processing/model/model.tar.gz') as archive:\n"
            "    names = archive.getnames()\n"
            "open('/opt/ml/processing/evaluation/evaluation.json', 'w').write(str(names))\n"
            "print('MODEL', names)",
        },
    ).stdout
    assert after("RAW ", done) == "['a.idx']"
    assert len(re.findall(r"(?m)^\.*epoch: \d loss", done)) == 3
    assert after("TRAINED ", done) == "Completed True"
    assert after("METRICS ", done) == "True"
    artifacts = after("ARTIFACTS ", done)
    assert "/output/model.tar.gz" in artifacts and "/output/output.tar.gz" in artifacts
    assert "['Checkpoints/0.keras', 'Checkpoints/1.keras', 'Checkpoints/2.keras']" in artifacts
    assert after("EVALUATED ", done) == "['Evaluation/evaluation.json']"
    assert after("MODEL ", done) == "['best.keras']"


def test_a_failure_a_stop_and_what_is_waited_for(script, tmp_path):
    done = script(
        PREPARED
        + """
import time
import sagemaker
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.processing import ScriptProcessor
from sagemaker.tensorflow import TensorFlow

def processor():
    return ScriptProcessor(
        command=['python3'], image_uri='mine:1', role=role, instance_count=1,
        instance_type='ml.m5.large')
def estimator(script, **hyperparameters):
    return TensorFlow(
        entry_point=script, source_dir='code', role=role, instance_count=1,
        instance_type='ml.m5.large', framework_version='2.19', py_version='py312',
        hyperparameters=hyperparameters)

# All that a job writes is shown, and the call returns when the job has ended.
one = processor()
began = time.time()
one.run('code/loud.py', wait=True, logs=True)
seconds = time.time() - began
described = one.latest_job.describe()
job = described['ProcessingEndTime'] - described['CreationTime']
print('WAITED', seconds, 'FOR', job.total_seconds())

# A failure: its reason is in what is raised, however long the command is.
many = {f'number-{n}': 'x' * 100 for n in range(20)}
for call in (
    lambda: processor().run('code/fail.py'),
    lambda: estimator('fail.py').fit(),
    lambda: estimator('fail.py', **many).fit(),
):
    try:
        call()
    except UnexpectedStatusException as error:
        print('RAISED', error.actual_status, str(error).replace(chr(10), ' | '))

# Stopped in mid-run.
def until(status, describe, key):
    while describe()[key] != status:
        time.sleep(0.1)
stopped = processor()
stopped.run('code/long.py', wait=False)
stopped.jobs[-1].stop()
until('Stopped', stopped.jobs[-1].describe, 'ProcessingJobStatus')
trained = estimator('long.py')
trained.fit(wait=False)
job = trained.latest_training_job
until('Training', job.describe, 'SecondaryStatus')
job.stop()
try:
    job.wait()
except Exception as error:
    print('WAIT SAYS', type(error).__name__, error)
print('STOPPED', job.describe()['TrainingJobStatus'], job.describe()['SecondaryStatus'])

processor().run('code/fail.py')
""",
        {
            "code/loud.py": "import time\n"
            "for n in range(2000): print('line', n)\n"
            "time.sleep(1)\n"
            "print('the end', end='')",
            "code/fail.py": "def fail():\n    raise ValueError('no such label: 11')\nfail()\n",
            "code/long.py": "import time\nprint('LONG', flush=True)\ntime.sleep(99)\n",
        },
        check=False,
    )
    assert re.findall(r"(?m)^\.*line (\d+)$", done.stdout) == [str(n) for n in range(2000)]
    assert "\nthe end\n" in done.stdout
    waited, job = map(float, after("WAITED ", done.stdout).split(" FOR "))
    assert waited < job + 5, "the SDK alone would look again after 30 s"
    raised = all_after("RAISED ", done.stdout)
    assert len(raised) == 3
    assert all(
        re.match(r"Failed .*AlgorithmError: .*ValueError: no such label: 11", one) for one in raised
    ), raised
    assert after("STOPPED ", done.stdout) == "Stopped Stopped"
    # The last one is not caught.
    assert done.returncode == 1
    assert "failed (" in done.stderr and "ValueError: no such label: 11" in done.stderr
    whole = (tmp_path / after("The whole error: ", done.stderr)).read_text()
    assert "UnexpectedStatusException" in whole
    assert "ValueError: no such label: 11" in whole.rstrip().splitlines()[-1]


SHARDS = 13


def test_three_instances_share_out_the_objects(script):
    done = script(
        PREPARED + f"""
put('sagemaker-shards', *(f'in/{{n:02}}.npz' for n in range({SHARDS})))
"""
        """
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.inputs import TrainingInput
from sagemaker.tensorflow import TensorFlow

ScriptProcessor(
    command=['python3'], image_uri='mine:1', role=role, instance_count=3,
    instance_type='ml.m5.large'
).run(
    'code/process.py',
    inputs=[ProcessingInput('s3://sagemaker-shards/in/', '/opt/ml/processing/shards',
                            s3_data_distribution_type='ShardedByS3Key')],
    outputs=[ProcessingOutput(source='/opt/ml/processing/seen',
                              destination='s3://sagemaker-shards/seen')])
for key in keys('sagemaker-shards', 'seen/'):
    seen = s3.get_object(Bucket='sagemaker-shards', Key=key)['Body'].read().decode()
    print('PROCESSED', key, seen)

TensorFlow(
    entry_point='train.py', source_dir='code', role=role, instance_count=3,
    instance_type='ml.m5.large', framework_version='2.19', py_version='py312',
).fit({'train': TrainingInput('s3://sagemaker-shards/in/', distribution='ShardedByS3Key')})
""",
        {
            "code/process.py": "import json, os\n"
            "host = json.load(open('/opt/ml/config/resourceconfig.json'))['current_host']\n"
            "names = sorted(os.listdir('/opt/ml/processing/shards'))\n"
            "open(f'/opt/ml/processing/seen/{host}', 'w').write(' '.join(names))",
            "code/train.py": "import os\n"
            "names = os.listdir(os.environ['SM_CHANNEL_TRAIN'])\n"
            "print('TRAINED', os.environ['SM_CURRENT_HOST'], *names)",
        },
    ).stdout
    for mark in ("PROCESSED ", "TRAINED "):
        hosts = dict(line.split(" ", 1) for line in all_after(mark, done))
        assert [host.removeprefix("seen/") for host in sorted(hosts)] == [
            "algo-1",
            "algo-2",
            "algo-3",
        ]
        seen = [name for names in hosts.values() for name in names.split()]
        assert sorted(seen) == [f"{n:02}.npz" for n in range(SHARDS)], "each exactly once"


def test_a_killed_program_does_not_end_its_job_and_two_run_at_the_same_time(tmp_path):
    """The job of one waits for the job of the other, so neither could run alone."""
    text = (
        PREPARED
        + """
import os, signal, sys
from sagemaker.processing import ScriptProcessor
me, other, end = sys.argv[1:]
ScriptProcessor(
    command=['python3'], image_uri='mine:1', role=role, instance_count=1,
    instance_type='ml.m5.large', max_runtime_in_seconds=60,
).run('meet.py', arguments=[me, other], job_name=me, wait=end == 'waits')
if end == 'is-killed':
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    (tmp_path / "script.py").write_text(text)
    (tmp_path / "meet.py").write_text(
        """
import sys, time, boto3
me, other = sys.argv[1:]
s3 = boto3.client('s3')
s3.put_object(Bucket='sagemaker-meeting', Key=me)
while s3.list_objects_v2(Bucket='sagemaker-meeting', Prefix=other)['KeyCount'] == 0:
    time.sleep(0.1)
if me == 'meets-left':
    time.sleep(1)  # ends when its program has long been killed
print('MET', other)
"""
    )
    daemon.client("s3").create_bucket(Bucket="sagemaker-meeting")
    programs = {
        how: subprocess.Popen(
            [sys.executable, "script.py", f"meets-{me}", f"meets-{other}", how],
            cwd=tmp_path,
            env=connection.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for me, other, how in (("left", "right", "is-killed"), ("right", "left", "waits"))
    }
    output = {how: program.communicate(timeout=120)[0] for how, program in programs.items()}
    assert programs["is-killed"].returncode == -signal.SIGKILL, output["is-killed"]
    assert programs["waits"].returncode == 0, output["waits"]
    assert all_after("MET ", output["waits"]) == ["meets-left"]

    def status() -> str:
        client = daemon.client("sagemaker")
        return client.describe_processing_job(ProcessingJobName="meets-left")["ProcessingJobStatus"]

    until(lambda: status() != "InProgress")
    assert status() == "Completed"
