"""Models, through boto3: what is kept, and what is refused."""

from __future__ import annotations

import pytest

from workshop.emulator.client import daemon

from ...conftest import ROLE
from ...serving_by_boto3 import (
    BUCKET,
    IMAGE,
    bucket,  # noqa: F401
    container,
    model,
    new_name,
    refusal,
    sagemaker,
)

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model"


def create(**more) -> str:
    request = {"ModelName": new_name("model"), "ExecutionRoleArn": ROLE} | more
    return refusal(sagemaker().create_model, **request)


def test_a_model_is_described_listed_and_deleted_and_kept_over_a_restart():
    one, pipeline = model(container()), model(container(), container())
    found = sagemaker().describe_model(ModelName=one)
    assert found["ModelArn"] == f"{ARN}/{one}"
    assert found["PrimaryContainer"]["Image"] == IMAGE
    assert found["PrimaryContainer"]["Mode"] == "SingleModel"
    assert found["EnableNetworkIsolation"] is False
    daemon.stop()
    assert (
        sagemaker().describe_model(ModelName=one)["PrimaryContainer"] == found["PrimaryContainer"]
    )
    assert len(sagemaker().describe_model(ModelName=pipeline)["Containers"]) == 2
    listed = sagemaker().list_models(NameContains="model-")["Models"]
    assert [entry["ModelName"] for entry in listed][:2] == [pipeline, one]  # the newest first
    sagemaker().add_tags(ResourceArn=found["ModelArn"], Tags=[{"Key": "a", "Value": "b"}])
    assert sagemaker().list_tags(ResourceArn=found["ModelArn"])["Tags"][0]["Key"] == "a"

    sagemaker().delete_model(ModelName=one)
    told = f'ValidationException: Could not find model "{ARN}/{one}".'
    assert refusal(sagemaker().describe_model, ModelName=one) == told
    assert refusal(sagemaker().delete_model, ModelName=one) == told


def test_a_name_is_used_once():
    """The SDK looks for these words (sagemaker/session.py, create_model)."""
    one = model(container())
    told = create(ModelName=one, PrimaryContainer=container())
    assert told == f'ValidationException: Cannot create already existing model "{ARN}/{one}".'


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "You must specify either PrimaryContainer or Containers, and not both."),
        ({"PrimaryContainer": {}}, "Container must specify either Image or ModelPackageName."),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/no.tar.gz"}},
            f"Could not find model data at s3://{BUCKET}/no.tar.gz.\nPrimaryContainer."
            "ModelDataUrl: the bucket exists, but there is no key 'no.tar.gz' in it.",
        ),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://typo/model.tar.gz"}},
            "there is no bucket 'typo'",
        ),
        (
            {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE + "x"},
            f"Could not assume role {ROLE}x.",
        ),
        ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "Multi-model endpoints"),
        (
            {"PrimaryContainer": {"ModelPackageName": "missing"}},
            "ModelPackage missing does not exist.",
        ),
        (
            {"PrimaryContainer": {"Image": IMAGE}, "EnableNetworkIsolation": True},
            "EnableNetworkIsolation is not played",
        ),
        (
            {
                "Containers": [{"Image": IMAGE}] * 2,
                "InferenceExecutionConfig": {"Mode": "Direct"},
            },
            "Direct invocation of containers is not played",
        ),
        (
            {"Containers": [{"Image": IMAGE, "ContainerHostname": "a"}] * 2},
            "Container host names must be unique: [a]",
        ),
        (
            {"Containers": [{"Image": IMAGE, "ContainerHostname": "a"}, {"Image": IMAGE}]},
            "all must have one",
        ),
    ],
)
def test_what_is_refused(request_, words):
    told = create(**request_)
    assert told.startswith("ValidationException: ") and words in told
