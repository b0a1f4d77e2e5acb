"""The runtime's requests over plain HTTP, as clients of any language send them."""

from __future__ import annotations

import json

import pytest
import requests

from workshop.emulator import keys
from workshop.emulator.client import daemon

from ...serving_by_boto3 import (
    bucket,  # noqa: F401
    endpoint,
    no_endpoint_stays,  # noqa: F401
    variant,
)


def post(path: str, body: bytes = b"", **headers: str) -> requests.Response:
    scope = f"{keys.find().access_key}/20261120/us-east-1/sagemaker/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}
    return requests.post(daemon.ensure() + path, body, headers=signed | headers, timeout=30)


@pytest.mark.slow
def test_members_are_in_headers_and_the_body_is_all_bytes():
    name = endpoint(variant())
    every = bytes(range(256))
    headers = {"Content-Type": "image/png", "X-Amzn-SageMaker-Target-Variant": "AllTraffic"}
    answer = post(f"/endpoints/{name}/invocations", every, **headers)
    assert (answer.status_code, answer.content) == (200, every)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"


def test_an_error_has_its_code_in_a_header():
    answer = post("/endpoints/missing/invocations", b"x")
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert json.loads(answer.content)["Message"].endswith("of account 123456789012 not found.")
    assert post("/endpoints/%20/invocations").status_code == 400
    assert post("/endpoints/").status_code == 400


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("async-invocations", "InvokeEndpointAsync"),
        ("invocations-response-stream", "InvokeEndpointWithResponseStream"),
    ],
)
def test_the_other_ways_to_ask_are_refused_by_name(path, operation):
    answer = post(f"/endpoints/e/{path}", b"\xff")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{operation} is not played")
