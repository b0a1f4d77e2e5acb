"""Data capture: what an endpoint is asked and answers, as objects in S3.

AWS collects the records of minutes in one object; here each request has one, at once.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import datetime
import json
import random
import tempfile
import uuid

from workshop.emulator.service.sagemaker.resource import Resource
from workshop.emulator.service.sagemaker.serving import Answer
from workshop.emulator.service.sagemaker.variants import Variant
from workshop.emulator.service.storage import transfer


def summary(config: dict | None) -> dict:
    """Return what DescribeEndpoint answers of it (API_DataCaptureConfigSummary)."""
    if config is None:
        return {}
    on = config["EnableCapture"]
    return {
        "DataCaptureConfig": {
            "EnableCapture": on,
            "CaptureStatus": "Started" if on else "Stopped",
            "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
            "DestinationS3Uri": config["DestinationS3Uri"],
            "KmsKeyId": config.get("KmsKeyId", ""),
        }
    }


def keep(
    endpoint: Resource, config: dict | None, variant: Variant, request: dict, answer: Answer
) -> None:
    """Put a request and its answer into S3, where the configuration asks for it.

    What cannot be kept is said in the endpoint's log: the answer itself is not late for that.
    """
    if not config or not config["EnableCapture"]:
        return
    if random.random() * 100 >= config["InitialSamplingPercentage"]:
        return
    now = datetime.datetime.now(datetime.timezone.utc)
    line = json.dumps(_record(config, request, answer, now)) + "\n"
    try:
        bucket, prefix = transfer.split(config["DestinationS3Uri"])
        name = f"{now:%M-%S}-{now.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
        parts = (prefix.rstrip("/"), endpoint.name, variant.name, f"{now:%Y/%m/%d/%H}", name)
        if not endpoint.account.store.has_bucket(bucket):
            raise transfer.DataError(f"there is no bucket {bucket!r}")
        key = "/".join(filter(None, parts))
        with tempfile.TemporaryFile() as file:
            file.write(line.encode())
            file.flush()
            endpoint.account.store.put(bucket, [(key, file)])
    except (transfer.DataError, OSError) as error:
        variant.say(f"Data capture failed: {config['DestinationS3Uri']}: {error}.")


def _record(config: dict, request: dict, answer: Answer, now: datetime.datetime) -> dict:
    captured = {}
    modes = {one["CaptureMode"] for one in config["CaptureOptions"]}
    if modes & {"Input", "InputAndOutput"}:
        content_type = request.get("ContentType", "")
        captured["endpointInput"] = _side(config, "INPUT", content_type, request["Body"])
    if modes & {"Output", "InputAndOutput"}:
        captured["endpointOutput"] = _side(config, "OUTPUT", answer.content_type, answer.body)
    about = {
        "eventId": str(uuid.uuid4()),
        "inferenceTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
    }
    if "CustomAttributes" in request:
        about["customAttributes"] = [request["CustomAttributes"]]
    if "InferenceId" in request:
        about["inferenceId"] = request["InferenceId"]
    return {"captureData": captured, "eventMetadata": about, "eventVersion": "0"}


def _side(config: dict, mode: str, content_type: str, body: bytes) -> dict:
    """Return one side of a record: as text for the content types that the configuration names.

    All others are in base64 (API_CaptureContentTypeHeader).
    """
    kinds = config.get("CaptureContentTypeHeader", {})
    plain = content_type.partition(";")[0].strip()
    encoding = "BASE64"
    for name, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if {plain, content_type} & {*kinds.get(member, ())}:
            encoding = name
    try:
        data = body.decode() if encoding != "BASE64" else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    return {
        "observedContentType": content_type,
        "mode": mode,
        "data": data,
        "encoding": encoding,
    }
