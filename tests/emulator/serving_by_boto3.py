"""How the tests make models and endpoints, and ask them: with boto3, without the SDK."""

from __future__ import annotations

import io
import itertools
import os
import tarfile

import pytest

from workshop.emulator.client import daemon

from .conftest import ROLE, processes_with, until

BUCKET = "sagemaker-served"
ACCOUNT = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{ACCOUNT}/sagemaker-scikit-learn:1.4-2-cpu-py3"
#: Serves without a model: it starts in half a second.
ECHO = """
def model_fn(folder):
    print("a line of the script")
    return folder
def transform_fn(model, data, content_type, accept):
    return data, content_type
"""
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def bucket():
    daemon.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture(autouse=True)
def no_endpoint_stays():
    yield
    client = sagemaker()
    for one in client.list_endpoints(MaxResults=100)["Endpoints"]:
        settled(one["EndpointName"])
        client.delete_endpoint(EndpointName=one["EndpointName"])


def sagemaker():
    return daemon.client("sagemaker")


def new_name(kind: str) -> str:
    return f"{kind}-{next(_numbers)}-{os.getpid()}"


def archive(files: dict[str, str | bytes]) -> str:
    """Put a model.tar.gz into S3; return its URI."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    key = f"models/{new_name('model')}/model.tar.gz"
    daemon.client("s3").put_object(Bucket=BUCKET, Key=key, Body=packed.getvalue())
    return f"s3://{BUCKET}/{key}"


def container(script: str = ECHO, **environment: str) -> dict:
    return {
        "Image": IMAGE,
        "ModelDataUrl": archive({"code/inference.py": script}),
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"} | environment,
    }


def model(*containers: dict) -> str:
    """Create a model of one container or of a pipeline; return its name."""
    name = new_name("model")
    what = {"Containers": [*containers]} if containers[1:] else {"PrimaryContainer": containers[0]}
    sagemaker().create_model(ModelName=name, ExecutionRoleArn=ROLE, **what)
    return name


def variant(script: str = ECHO, name: str = "AllTraffic", **more) -> dict:
    """Create a model; return the production variant that serves it."""
    instances = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    instances = {} if "ServerlessConfig" in more else instances
    more.setdefault("ModelName", None)
    of_model = {"ModelName": more["ModelName"] or model(container(script))}
    return {"VariantName": name} | instances | more | of_model


def config(*variants: dict, **more) -> str:
    name = new_name("config")
    sagemaker().create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[*variants], **more
    )
    return name


def endpoint(*variants: dict, wait=True, **more) -> str:
    """Create an endpoint, and wait until it is in service; return its name."""
    name = new_name("endpoint")
    sagemaker().create_endpoint(
        EndpointName=name, EndpointConfigName=config(*(variants or [variant()]), **more)
    )
    if wait:
        found = settled(name)
        assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return name


def described(name: str) -> dict:
    return sagemaker().describe_endpoint(EndpointName=name)


def settled(name: str) -> dict:
    """Wait until an endpoint is neither created nor updated; return its description."""
    busy = ("Creating", "Updating")
    assert until(lambda: described(name)["EndpointStatus"] not in busy, 60), described(name)
    return described(name)


def invoke(name: str, body: str | bytes = b"x", content_type="text/plain", **more) -> dict:
    """Ask an endpoint; ``Body`` of the answer is bytes."""
    answer = daemon.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=body, ContentType=content_type, **more
    )
    return answer | {"Body": answer["Body"].read()}


def log(name: str) -> dict[str, list[str]]:
    """Return the lines in CloudWatch, by stream."""
    group = f"/aws/sagemaker/Endpoints/{name}"
    client = daemon.client("logs")
    streams = client.describe_log_streams(logGroupName=group)["logStreams"]
    return {
        one["logStreamName"]: [
            event["message"]
            for event in client.get_log_events(
                logGroupName=group, logStreamName=one["logStreamName"], startFromHead=True
            )["events"]
        ]
        for one in streams
    }


def objects(prefix: str) -> dict[str, bytes]:
    """Return what lies in the bucket below a prefix."""
    s3 = daemon.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
    return {
        one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in found
    }


def refusal(call, **arguments) -> str:
    """Return code and message with which a call is refused."""
    with pytest.raises(Exception) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def hosts() -> set[str]:
    """Return the hosts that run for these tests now: their files, which are on command lines."""
    jobs = f"{os.environ['WORKSHOP_STATE']}/jobs"
    return {line.split()[-1] for line in processes_with(jobs)}
