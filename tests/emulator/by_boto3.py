"""How the tests start jobs and look at them: with boto3, as a program without the SDK does."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import time

import pytest

from workshop.emulator.client import daemon

from .conftest import ROLE, until

BUCKET = "sagemaker-jobs"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1"
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def bucket():
    daemon.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture
def own_server(tmp_path, monkeypatch):
    """A server that a test may end."""
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    daemon.client("s3").create_bucket(Bucket=BUCKET)
    yield
    daemon.stop()


def put(*keys: str) -> None:
    for key in keys:
        daemon.client("s3").put_object(Bucket=BUCKET, Key=key, Body=key.encode())


def keys(prefix: str) -> list[str]:
    found = daemon.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [one["Key"] for one in found]


def content(key: str) -> bytes:
    return daemon.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def unpacked(key: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content(key))) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}


def datapoints(job: str, metric: str) -> list[dict]:
    """What CloudWatch has of a training job's metric."""
    return daemon.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName=metric,
        Dimensions=[{"Name": "TrainingJobName", "Value": job}],
        StartTime=time.time() - 600,
        EndTime=time.time() + 60,
        Period=60,
        Statistics=["Maximum", "SampleCount"],
    )["Datapoints"]


def given(uri: str, path: str = "/opt/ml/processing/in", **more) -> dict:
    s3 = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": path.rpartition("/")[2], "S3Input": s3 | more}


def taken(prefix: str, path: str = "/opt/ml/processing/out", mode: str = "EndOfJob") -> dict:
    s3 = {"S3Uri": f"s3://{BUCKET}/{prefix}", "LocalPath": path, "S3UploadMode": mode}
    return {"OutputName": path.rpartition("/")[2], "S3Output": s3}


def uploaded(name: str, program: str) -> str:
    """Put a program into S3: AWS's limit for a word of a command is 256 characters."""
    daemon.client("s3").put_object(Bucket=BUCKET, Key=f"code/{name}/program.py", Body=program)
    return f"s3://{BUCKET}/code/{name}/"


def process(program: str, *, inputs=(), outputs=(), hosts: int = 1, **more) -> str:
    """Create a processing job that runs a Python program; return its name."""
    name = more.get("ProcessingJobName", f"processing-{next(_numbers)}-{os.getpid()}")
    code = given(uploaded(name, program), "/opt/ml/processing/input/code")
    resources = {"InstanceCount": hosts, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    daemon.client("sagemaker").create_processing_job(
        **{
            "ProcessingJobName": name,
            "ProcessingResources": {"ClusterConfig": resources},
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/program.py"],
            },
            "RoleArn": ROLE,
            "ProcessingInputs": [code, *inputs],
            **({"ProcessingOutputConfig": {"Outputs": list(outputs)}} if outputs else {}),
        }
        | more
    )
    return name


def channel(name: str, uri: str, **more) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | more


def train(program: str, *, hosts: int = 1, limits=None, metrics=(), channels=(), **more) -> str:
    """Create a training job that runs a Python program; return its name."""
    name = more.get("TrainingJobName", f"training-{next(_numbers)}-{os.getpid()}")
    daemon.client("sagemaker").create_training_job(
        **{
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
                **({"MetricDefinitions": list(metrics)} if metrics else {}),
            },
            "RoleArn": ROLE,
            "InputDataConfig": [channel("code", uploaded(name, program)), *channels],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/trained/"},
            "ResourceConfig": {
                "InstanceCount": hosts,
                "InstanceType": "ml.m5.xlarge",
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600} | (limits or {}),
        }
        | more
    )
    return name


def described(name: str) -> dict:
    """Return what Describe answers; a job's name begins with its kind."""
    kind = name.partition("-")[0]
    client = daemon.client("sagemaker")
    if kind == "processing":
        return client.describe_processing_job(ProcessingJobName=name)
    return client.describe_training_job(TrainingJobName=name)


def status(name: str) -> str:
    return described(name)[f"{name.partition('-')[0].title()}JobStatus"]


def ended(name: str) -> dict:
    """Wait until a job has ended; return its description."""
    assert until(lambda: status(name) in ("Completed", "Failed", "Stopped"), 60), described(name)
    return described(name)


def log(name: str) -> dict[str, list[str]]:
    """Return the lines in CloudWatch, by host."""
    group = f"/aws/sagemaker/{name.partition('-')[0].title()}Jobs"
    client, found = daemon.client("logs"), {}
    try:
        streams = client.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
    except client.exceptions.ResourceNotFoundException:
        return {}
    for stream in streams["logStreams"]:
        events = client.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
        host = stream["logStreamName"].rpartition("/")[2].rsplit("-", 1)[0]
        found[host] = [event["message"] for event in events]
    return found
