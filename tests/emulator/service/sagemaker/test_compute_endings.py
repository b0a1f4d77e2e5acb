"""Ends that nobody asked for: kill -9 at any moment, and a disk that is full.

``WORKSHOP_MOMENTS=17`` kills each of the three at so many moments; the default is few.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from workshop.emulator import state
from workshop.emulator.client import connection, daemon
from workshop.emulator.containers import engine

from ...by_boto3 import BUCKET, channel, content, described, ended, keys, log, process, put, train
from ...conftest import ROLE, until

pytestmark = pytest.mark.slow

MOMENTS = int(os.environ.get("WORKSHOP_MOMENTS", 2))

#: Goes on from the newest checkpoint: each one is written slowly, and says what is in it.
TRAINING = """
import os, time
folder = '/opt/ml/checkpoints'
last = max((int(name) for name in os.listdir(folder) if name.isdigit()), default=0)
print('first', last + 1, flush=True)
for n in range(last + 1, last + 26):
    with open(f'{folder}/incoming', 'w') as file:
        for _ in range(50):
            file.write(f'{n:03}' * 400)
            file.flush()
    os.rename(f'{folder}/incoming', f'{folder}/{n:03}')
    time.sleep(0.1)
open('/opt/ml/model/weights', 'w').write('trained')
"""


@pytest.fixture(autouse=True)
def own_server(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    daemon.client("s3").create_bucket(Bucket=BUCKET)
    yield
    daemon.stop()


def notebook(tmp_path, name: str) -> subprocess.Popen:
    """A program that starts the training and waits for it, as a notebook does."""
    code = f"""
        import boto3
        client = boto3.client("sagemaker")
        client.create_training_job(
            TrainingJobName="{name}", RoleArn="{ROLE}",
            AlgorithmSpecification={{
                "TrainingImage": "any:1", "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/training.py"]}},
            InputDataConfig=[{channel("code", f"s3://{BUCKET}/code/training.py")!r}],
            CheckpointConfig={{"S3Uri": "s3://{BUCKET}/checkpoints"}},
            OutputDataConfig={{"S3OutputPath": "s3://{BUCKET}/trained"}},
            ResourceConfig={{
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
            StoppingCondition={{"MaxRuntimeInSeconds": 60}})
        client.get_waiter("training_job_completed_or_stopped").wait(
            TrainingJobName="{name}", WaiterConfig={{"Delay": 1}})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=connection.environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def host() -> int | None:
    """The process of a job's host, as the machine sees it; None when there is none now."""
    for one in psutil.Process(daemon.status()["pid"]).children(recursive=True):
        try:
            if one.cmdline()[-1:] == ["/opt/ml/input/data/code/training.py"]:
                return one.pid
        except psutil.Error:
            continue
    return None


def kill(victim: str, program: subprocess.Popen) -> bool:
    """Kill -9 it; tell whether it was there."""
    number = {
        "server": lambda: daemon.status()["pid"],
        "host": host,
        "notebook": lambda: program.pid,
    }[victim]()
    try:
        os.kill(number, signal.SIGKILL)
    except (TypeError, ProcessLookupError):
        return False
    if victim == "server":
        assert until(lambda: not daemon._alive())
    return True


@pytest.mark.parametrize("victim", ["server", "host", "notebook"])
def test_nothing_that_was_finished_is_lost_whoever_is_killed(tmp_path, victim):
    daemon.client("s3").put_object(Bucket=BUCKET, Key="code/training.py", Body=TRAINING)
    put("finished/object")
    done = process("print('well done')")
    ended(done)
    moments = random.Random(victim)
    newest = 0
    for number in range(MOMENTS):
        name = f"training-{victim}-{number}"
        program = notebook(tmp_path, name)
        assert until(lambda name=name: exists(name), 30), program.stdout.read()
        time.sleep(moments.uniform(0, 3.5))
        was_there = kill(victim, program)
        if victim != "notebook":
            program.kill()
        program.communicate()
        job = ended(name)

        assert job["TrainingJobStatus"] in ("Completed", "Failed"), job
        if victim == "notebook" or not was_there:
            assert job["TrainingJobStatus"] == "Completed", job
        if job["TrainingJobStatus"] == "Failed":
            why = {
                "server": "the emulated AWS ended while the job ran. Start the job again",
                "host": r"algo-1 was ended by signal 9 \(SIGKILL\)",
            }[victim]
            assert re.search(why, job["FailureReason"]), job
        checkpoints = {key: content(key).decode() for key in keys("checkpoints/")}
        for key, text in checkpoints.items():
            if key.endswith("incoming"):
                continue  # it was being written when its host was killed
            assert text == key.rpartition("/")[2] * 20_000, "a checkpoint is whole"
        lines = log(name).get("algo-1", [])
        if lines:
            assert lines[0] == f"first {newest + 1}", "it went on from the newest one"
        newest = max((int(k[-3:]) for k in checkpoints if k[-3:].isdigit()), default=newest)
        assert content("finished/object") == b"finished/object"
        assert log(done) == {"algo-1": ["well done"]}
        assert described(done)["ProcessingJobStatus"] == "Completed"
        assert until(lambda: not engine.running())
    last = train("print('goes on')")
    assert ended(last)["TrainingJobStatus"] == "Completed"
    assert until(lambda: list(state.folder("instances").iterdir()) == [])


def exists(name: str) -> bool:
    client = daemon.client("sagemaker")
    listed = client.list_training_jobs(NameContains=name, MaxResults=100)
    return name in {one["TrainingJobName"] for one in listed["TrainingJobSummaries"]}


FULL = """
import boto3, botocore.config, os, sys, time
from workshop.emulator.client import connection, daemon
from workshop.emulator import state

once = botocore.config.Config(retries={"total_max_attempts": 1})
def client(service):
    return daemon.client(service)
def job(name, code):
    client("sagemaker").create_processing_job(
        ProcessingJobName=name, RoleArn=sys.argv[1],
        ProcessingResources={"ClusterConfig": {
            "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        AppSpecification={"ImageUri": "any:1", "ContainerEntrypoint": ["python3", "-c", code]},
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": {
            "S3Uri": "s3://sagemaker-full/out", "LocalPath": "/opt/ml/processing/out",
            "S3UploadMode": "EndOfJob"}}]})
    while True:
        found = client("sagemaker").describe_processing_job(ProcessingJobName=name)
        if found["ProcessingJobStatus"] != "InProgress":
            return found["ProcessingJobStatus"], found.get("FailureReason", "")
        time.sleep(0.1)
def fill():
    with open(state.folder() / "filler", "wb") as file:
        try:
            while True: file.write(b"f" * 65536); file.flush()
        except OSError: pass

s3 = client("s3")
s3.create_bucket(Bucket="sagemaker-full")
s3.put_object(Bucket="sagemaker-full", Key="before", Body=b"before")
print("JOB", *job("first", "print(1)"))
large = os.urandom(30 << 20)
for upload in (
    lambda: s3.put_object(Bucket="sagemaker-full", Key="before", Body=large),
    lambda: s3.put_object(Bucket="sagemaker-full", Key="large", Body=large),
):
    try: upload(); print("UPLOADED")
    except Exception as error: print("REFUSED", error)
print("LEFT", os.listdir(state.folder("s3", "objects")).__len__())
print("OUTPUT", *job("large", "open('/opt/ml/processing/out/x', 'wb').write(b'x' * (14 << 20))"))
fill()
for call in (
    lambda: s3.put_object(Bucket="sagemaker-full", Key="none", Body=b"x" * 9000),
    lambda: job("none", "print(2)"),
    lambda: client("iam").create_user(UserName="u"),
    lambda: client("sagemaker").create_experiment(ExperimentName="e"),
):
    try: print("FULL", call())
    except Exception as error: print("FULL", error)
print("READ", s3.get_object(Bucket="sagemaker-full", Key="before")["Body"].read())
os.remove(state.folder() / "filler")
daemon.stop()
s3 = client("s3")
print("KEYS", [one["Key"] for one in s3.list_objects_v2(Bucket="sagemaker-full")["Contents"]])
print("READ", s3.get_object(Bucket="sagemaker-full", Key="before")["Body"].read())
print("JOB", *job("last", "print(3)"))
print("FIRST", client("sagemaker").describe_processing_job(
    ProcessingJobName="first")["ProcessingJobStatus"])
daemon.stop()
"""


def test_a_full_disk_in_the_middle_of_an_upload(tmp_path):
    """In a state folder of 24 MB: all that was answered is there, and the rest says why not."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine refuses user namespaces")
    (tmp_path / "full.py").write_text(FULL)
    (tmp_path / "small").mkdir()
    script = (
        'mount -t tmpfs -o size=24m,mode=700 none "$1" && WORKSHOP_STATE="$1" exec "$2" "$3" "$4"'
    )
    done = subprocess.run(
        [
            *("unshare", "-rm", "sh", "-c", script, "-", str(tmp_path / "small")),
            *(sys.executable, str(tmp_path / "full.py"), ROLE),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in said if line.startswith("REFUSED")] == [
        "REFUSED An error occurred (InternalError) when calling the PutObject operation (reached "
        "max retries: 2): The emulated AWS failed to answer this. The disk is full."
    ] * 2
    assert "LEFT 1" in said, "no half of an object is left"
    (output,) = [line for line in said if line.startswith("OUTPUT")]
    assert output.startswith("OUTPUT Failed ")
    assert "disk is full" in output or "No space left on device" in output
    full = [line for line in said if line.startswith("FULL")]
    assert len(full) == 4
    for line in full:
        assert "disk is full" in line, line
    assert said.count("READ b'before'") == 2
    assert "KEYS ['before']" in said
    assert said.count("JOB Completed ") == 2
    assert "FIRST Completed" in said
