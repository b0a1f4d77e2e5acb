"""Endpoint configurations, through boto3: what is kept, and what is refused."""

from __future__ import annotations

import pytest

from ...serving_by_boto3 import (
    BUCKET,
    bucket,  # noqa: F401
    config,
    new_name,
    refusal,
    sagemaker,
    variant,
)

ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config"
SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}


def test_a_configuration_is_described_listed_and_deleted():
    one = config(
        variant(name="a", InitialVariantWeight=3.0),
        variant(name="b", ServerlessConfig=SERVERLESS),
        DataCaptureConfig={
            "InitialSamplingPercentage": 50,
            "DestinationS3Uri": f"s3://{BUCKET}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        },
    )
    found = sagemaker().describe_endpoint_config(EndpointConfigName=one)
    assert found["EndpointConfigArn"] == f"{ARN}/{one}"
    assert [part["InitialVariantWeight"] for part in found["ProductionVariants"]] == [3.0, 1.0]
    assert found["ProductionVariants"][1]["ServerlessConfig"] == SERVERLESS
    assert found["DataCaptureConfig"]["EnableCapture"] is True
    listed = sagemaker().list_endpoint_configs(MaxResults=1)["EndpointConfigs"]
    assert [entry["EndpointConfigName"] for entry in listed] == [one]
    told = refusal(
        sagemaker().create_endpoint_config,
        EndpointConfigName=one,
        ProductionVariants=[variant()],
    )
    assert told == (
        f'ValidationException: Cannot create already existing endpoint configuration "{ARN}/{one}".'
    )
    sagemaker().delete_endpoint_config(EndpointConfigName=one)
    told = refusal(sagemaker().describe_endpoint_config, EndpointConfigName=one)
    assert told == f'ValidationException: Could not find endpoint configuration "{ARN}/{one}".'


@pytest.mark.parametrize(
    ("variants", "more", "words"),
    [
        ([{"ModelName": "missing"}], {}, 'Could not find model "arn:aws:sagemaker:us-east-1:'),
        ([{"InitialInstanceCount": None}], {}, "must specify InstanceType and InitialInstanceC"),
        (
            [{"ServerlessConfig": SERVERLESS, "InstanceType": "ml.m5.large"}],
            {},
            "ServerlessConfig and InstanceType are mutually exclusive.",
        ),
        (
            [{"ServerlessConfig": SERVERLESS | {"MemorySizeInMB": 1500}}],
            {},
            "Invalid MemorySizeInMB 1500.",
        ),
        ([{}, {}], {}, "Production variant names must be unique: [AllTraffic]"),
        ([{"InitialVariantWeight": 0.0}], {}, "must have a weight greater than 0"),
        ([{"AcceleratorType": "ml.eia2.medium"}], {}, "AcceleratorType is not played"),
        (
            [{}],
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/p"}}},
            "AsyncInferenceConfig is not played",
        ),
    ],
)
def test_what_is_refused(variants, more, words):
    given = [{k: v for k, v in variant(**one).items() if v is not None} for one in variants]
    told = refusal(
        sagemaker().create_endpoint_config,
        EndpointConfigName=new_name("config"),
        ProductionVariants=given,
        **more,
    )
    assert told.startswith("ValidationException: ") and words in told
