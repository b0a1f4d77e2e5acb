"""The runtime of SageMaker: requests with a path and bytes, as InvokeEndpoint has them.

The protocol is restJson1: members are in the path, in headers or in the body.
https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

from __future__ import annotations

import json

from werkzeug.datastructures import EnvironHeaders
from werkzeug.wrappers import Response

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker.validation.shapes import service_model

#: The largest body of a request, in bytes (the service model's BodyBlob).
LARGEST = 6 << 20


def request_of(operation: str, environment: dict, path: str, body: bytes) -> dict:
    """Return the members of a request, ``Body`` as bytes. Raises ApiError for a body too large.

    https://github.com/aws/sagemaker-python-sdk/issues/171 (the words, of a time when it was 5 MB)
    """
    if len(body) > LARGEST:
        raise ApiError("413", f"HTTP content length exceeded {LARGEST} bytes.", 413)
    headers = EnvironHeaders(environment)
    request = {"EndpointName": path.split("/")[2], "Body": body}
    shape = service_model("sagemaker-runtime").operation_model(operation).input_shape
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header":
            text = headers.get(member.serialization["name"])
            if text is not None:
                request[name] = text
    return request


def response_of(operation: str, answer: dict) -> Response:
    """Return an answer as HTTP; its ``Body`` is bytes."""
    response = Response(answer["Body"], 200, content_type=None)
    shape = service_model("sagemaker-runtime").operation_model(operation).output_shape
    for name, member in shape.members.items():
        if name in answer and member.serialization.get("location") == "header":
            response.headers[member.serialization["name"]] = answer[name]
    return response


def failure_of(error: ApiError) -> Response:
    """Return an error as HTTP, with the members that it has beside code and message."""
    content = {"Message": error.message, **getattr(error, "members", {})}
    headers = {"x-amzn-errortype": error.code} if not error.code.isdigit() else {}
    return Response(json.dumps(content), error.status, headers, content_type="application/json")
