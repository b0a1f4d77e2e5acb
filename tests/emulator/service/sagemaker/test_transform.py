"""Batch transforms, through boto3: what is asked of a model, what comes out, and how it ends."""

from __future__ import annotations

import json

import pytest

from workshop.emulator.client import daemon

from ...conftest import until
from ...serving_by_boto3 import (
    BUCKET,
    bucket,  # noqa: F401
    container,
    hosts,
    model,
    new_name,
    objects,
    sagemaker,
)

pytestmark = pytest.mark.slow

#: Tells what it was asked: each request is a line of the output.
TELLS = """
import json
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept):
    data = data if isinstance(data, str) else data.decode("latin-1")
    return json.dumps([data, content_type, accept]) + "\\n", "application/jsonlines"
"""
#: Adds up the numbers in each row of a CSV.
SUMS = """
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept):
    data = data if isinstance(data, str) else data.decode()
    rows = [map(float, line.split(",")) for line in data.split()]
    return "".join(f"{sum(row)}\\n" for row in rows), accept
"""


def put(prefix: str, **files: bytes | str) -> str:
    """Put objects below a prefix, ``_`` for ``/`` in their names; return its URI."""
    for name, content in files.items():
        key = f"{prefix}/{name.replace('_', '/')}"
        daemon.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    return f"s3://{BUCKET}/{prefix}/"


def transform(script: str | dict, uri: str, given=None, wanted=None, count: int = 1, **more) -> str:
    """Create a transform job; return its name, which is its output's prefix."""
    name = new_name("transform")
    more.setdefault("ModelName", None)
    kind = (given or {}).pop("S3DataType", "S3Prefix")
    request = {
        "TransformJobName": name,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}},
            "ContentType": "text/csv",
        }
        | (given or {}),
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/{name}", "Accept": "text/csv"}
        | (wanted or {}),
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": count},
        **more,
        "ModelName": more["ModelName"] or model(container(script)),
    }
    sagemaker().create_transform_job(**request)
    return name


def described(name: str) -> dict:
    return sagemaker().describe_transform_job(TransformJobName=name)


def ended(name: str) -> dict:
    running = ("InProgress", "Stopping")
    assert until(lambda: described(name)["TransformJobStatus"] not in running, 60), described(name)
    return described(name)


def output(name: str) -> dict[str, str]:
    """Return the output of a job that ends well: text by path."""
    found = ended(name)
    assert found["TransformJobStatus"] == "Completed", found["FailureReason"]
    start = len(name) + 1
    return {key[start:]: text.decode() for key, text in objects(f"{name}/").items()}


def asked(name: str, path: str = "a.csv.out") -> list[str]:
    """Return the bodies that TELLS was asked with for an object."""
    return [json.loads(line)[0] for line in output(name)[path].splitlines()]


def log(name: str) -> dict[str, list[str]]:
    client, group = daemon.client("logs"), "/aws/sagemaker/TransformJobs"
    found = client.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
    return {
        one["logStreamName"].removeprefix(f"{name}/"): [
            event["message"]
            for event in client.get_log_events(
                logGroupName=group, logStreamName=one["logStreamName"], startFromHead=True
            )["events"]
        ]
        for one in found["logStreams"]
    }


def data_log(name: str) -> list[str]:
    """Return the lines of the data log, without their times."""
    [lines] = [lines for stream, lines in log(name).items() if stream.endswith("/data-log")]
    return [line.partition(":[sagemaker logs]: ")[2] for line in lines]


# --- what goes in, what comes out -------------------------------------------------------------


def test_each_object_has_an_output_at_the_same_path():
    uri = put("whole", **{"a.csv": "1,2\n3,4\n", "deep_b.csv": "5\n", "empty.csv": ""})
    name = transform(SUMS, uri, {"SplitType": "Line"}, {"AssembleWith": "Line"})
    assert output(name) == {
        "a.csv.out": "3.0\n7.0\n",
        "deep/b.csv.out": "5.0\n",
        "empty.csv.out": "",
    }
    found = described(name)
    assert found["TransformJobArn"].endswith(f":123456789012:transform-job/{name}")
    assert found["CreationTime"] <= found["TransformStartTime"] <= found["TransformEndTime"]
    assert found["TransformInput"]["SplitType"] == "Line"
    assert not hosts()
