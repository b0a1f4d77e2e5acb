"""The errors that boto3 and the SDK really raise have a next step."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from workshop.emulator.client import advice, connection

#: Each line of Python raises; what is to be done begins or goes on with these words.
RAISES = [
    (
        "image_uris.retrieve('tensorflow', 'us-east-1', '2.19.0', py_version='py311', "
        "instance_type='ml.m5.large', image_scope='training')",
        "Give py_version='py312': the images of this version have py312, and none has py311.",
    ),
    (
        "image_uris.retrieve('tensorflow', 'us-east-1', '9.9', py_version='py312', "
        "instance_type='ml.m5.large', image_scope='training')",
        "Give a version of tensorflow that the SDK knows: the newest are ",
    ),
    ("s3.get_object(Bucket='sagemaker-eu-west-1-123456789012', Key='a')", "Run the cell with"),
    ("s3.list_objects_v2(Bucket='no-such-bucket')", "Look for a misspelled name: default_bucket()"),
    ("s3.head_object(Bucket='mine', Key='a')", "Nothing in the bucket has this very name."),
    ("s3.get_object(Bucket='mine', Key='a')", "Nothing in the bucket has this very name."),
    ("s3.get_object(Bucket='mine', Kee='a')", "There is no argument Kee"),
    ("s3.get_object(Bucket='mine', Key=1)", "Look at Key in your call"),
    ("s3.get_object(Bucket='mine')", "Look at Key in your call"),
    ("s3.list_objects_v2(Bucket='s3://mine/')", "Give the bucket's name alone, without s3://"),
    ("s3.list_objects_v2(Bucket='{bucket}')", "The f before the quotes is missing"),
    ("S3Downloader.list('here/there')", 'as in f"s3://{bucket}/here/there".'),
    ("TrainingInput_of('here/')", 'as in f"s3://{bucket}/here/".'),
    ("jobs(instance_count=99)", "Give a smaller instance_count"),
    ("jobs(job_name='used')", "Give another name; with base_job_name alone"),
    ("jobs(job_name='a_b')", "TrainingJobName: use letters, digits and hyphens"),
    ("jobs(instance_type='m5.large')", "ResourceConfig.InstanceType: instance types of"),
    ("sagemaker_client.describe_training_job(TrainingJobName='no')", "Look for a misspelled name."),
    ("processor.run('fine.py', inputs=['s3://mine/'])", "Put each address into an object: Proc"),
    ("processor.run('fine.py', outputs=['s3://mine/'])", "Put each address into an object: Proc"),
    ("processor.run('fine.py', inputs='s3://mine/')", "An argument has the wrong type: inputs"),
    ("processor.run('nofile.py')", "There is no nofile.py in this folder."),
    ("pipeline.start().wait(delay=1)", "Each of these steps says why: look at FailureReason"),
    (
        "processor.run('fine.py', inputs=[ProcessingInput('/opt/ml/processing/a', 's3://mine/')])",
        "source and destination are swapped",
    ),
    (
        "processor.run('fine.py', inputs=[ProcessingInput('a/', '/opt/ml/processing/a')])",
        "There is no a/ in this folder.",
    ),
]

PROGRAM = """
import boto3, json, sys
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ScriptProcessor
from sagemaker.s3 import S3Downloader
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.pipeline import Pipeline
from workshop.emulator.client import failures

s3, sagemaker_client = boto3.client("s3"), boto3.client("sagemaker")
s3.create_bucket(Bucket="mine")
role = sagemaker.get_execution_role()
session = LocalSession()
session.config = {"local": {"local_code": True}}
processor = ScriptProcessor(role, "any", ["python3"], 1, "local", sagemaker_session=session)
open("fine.py", "w")
pipeline = Pipeline("fails", steps=[FailStep("Refuse", "no")])
pipeline.upsert(role)

def jobs(job_name=None, instance_count=1, instance_type="ml.m5.large"):
    estimator = Estimator("any", role, instance_count, instance_type)
    estimator.fit(job_name=job_name, wait=False)

def TrainingInput_of(uri):
    Estimator("any", role, 1, "ml.m5.large").fit({"a": uri})

jobs("used")
steps = []
for line in json.loads(sys.argv[1]):
    try:
        eval(line)
    except Exception as error:
        explained = failures.explain(error)
        steps.append(explained.step if explained else f"not explained: {error!r}")
    else:
        steps.append("no error")
print(json.dumps(steps))
"""


@pytest.mark.slow  # imports the SDK, which takes seconds: so one test
def test_a_common_error_has_a_next_step(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([line for line, _ in RAISES])],
        cwd=tmp_path,
        env=connection.environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    steps = json.loads(done.stdout.splitlines()[-1])
    told = zip(RAISES, steps, strict=True)
    assert {line: found for (line, step), found in told if step not in found} == {}


@pytest.mark.parametrize(
    ("error", "step"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/a'", "The job has in"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a'", "In a job a relative path"),
        ("ModuleNotFoundError: No module named 'tqdm'", "If tqdm is a package, name it in a"),
        ("main.py: error: unrecognized arguments: --rate 1", "The script knows no --rate"),
        ("NotImplementedError: task 1.6 not attempted: x", "Fill that gap"),
        ("KeyError: 'x'", "Mend that line"),
        ("algo-1 exited with code 3.", ""),
    ],
)
def test_an_error_of_a_script_has_a_next_step(error, step):
    found = advice.next_step(advice.JOBS, set(), error)
    assert found.startswith(step) and bool(found) == bool(step)


def test_what_is_forbidden_has_a_next_step():
    """The emulator forbids its owner nothing, so AWS's words stand here."""
    words = "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"
    found = advice.next_step(advice.REQUESTS, {"ClientError", "AccessDenied"}, words)
    assert found.startswith("Look at the bucket's name")
