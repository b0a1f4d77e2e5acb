"""Data capture, through boto3: what lies in S3 after an endpoint was asked."""

from __future__ import annotations

import base64
import json
import re

import pytest

from ...serving_by_boto3 import (
    BUCKET,
    bucket,  # noqa: F401
    config,
    described,
    endpoint,
    invoke,
    log,
    no_endpoint_stays,  # noqa: F401
    objects,
    sagemaker,
    settled,
    variant,
)

pytestmark = pytest.mark.slow

CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": f"s3://{BUCKET}/captured/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json"],
    },
}


def records(name: str) -> list[dict]:
    found = objects(f"captured/{name}/")
    return [json.loads(line) for content in found.values() for line in content.splitlines()]


def test_a_request_and_its_answer_are_kept_as_aws_documents_them():
    name = endpoint(variant(), DataCaptureConfig=CAPTURE)
    assert described(name)["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured/",
        "KmsKeyId": "",
    }
    invoke(name, "1,2", "text/csv", CustomAttributes="who=me", InferenceId="id-1")
    [key] = objects(f"captured/{name}/")
    when = r"\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}"
    place = rf"captured/{name}/AllTraffic/{when}-[0-9a-f-]{{36}}\.jsonl"
    assert re.fullmatch(place, key)
    [record] = records(name)
    assert record["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": "1,2",
        "encoding": "CSV",
    }
    output = record["captureData"]["endpointOutput"]
    assert (output["mode"], output["data"], output["encoding"]) == ("OUTPUT", "1,2", "CSV")
    about = record["eventMetadata"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["inferenceTime"])
    assert (about["customAttributes"], about["inferenceId"]) == (["who=me"], "id-1")
    assert record["eventVersion"] == "0"


def test_other_content_types_are_in_base64_and_one_side_may_be_enough():
    only_input = CAPTURE | {"CaptureOptions": [{"CaptureMode": "Input"}]}
    name = endpoint(variant(), DataCaptureConfig=only_input)
    invoke(name, b"\xff\x00", "image/png")
    [record] = records(name)
    assert record["captureData"].keys() == {"endpointInput"}
    given = record["captureData"]["endpointInput"]
    assert (given["encoding"], base64.b64decode(given["data"])) == ("BASE64", b"\xff\x00")


def test_an_update_ends_it():
    name = endpoint(variant(), DataCaptureConfig=CAPTURE)
    off = config(variant(), DataCaptureConfig=CAPTURE | {"EnableCapture": False})
    sagemaker().update_endpoint(EndpointName=name, EndpointConfigName=off)
    assert settled(name)["DataCaptureConfig"]["CaptureStatus"] == "Stopped"
    invoke(name)
    assert records(name) == []
    none = endpoint(variant(), DataCaptureConfig=CAPTURE | {"InitialSamplingPercentage": 0})
    invoke(none)
    assert records(none) == []


def test_what_cannot_be_kept_is_said_in_the_log_and_is_answered_all_the_same():
    gone = CAPTURE | {"DestinationS3Uri": "s3://sagemaker-nowhere/captured"}
    name = endpoint(variant(), DataCaptureConfig=gone)
    assert invoke(name, b"x")["Body"] == b"x"
    assert "Data capture failed: s3://sagemaker-nowhere/captured" in str(log(name))
