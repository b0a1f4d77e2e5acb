"""Whatever a job or a request contains: the emulator answers, and starts again.

Hypothesis makes the examples. ``WORKSHOP_EXAMPLES=2000`` makes as many for each test; the default
is small, since a job takes a third of a second.
"""

from __future__ import annotations

import base64
import copy
import http.client
import itertools
import json
import os
import re
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from workshop.emulator import keys, state
from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import operations
from workshop.emulator.service.sagemaker.validation import shapes

from .. import job_requests
from ..by_boto3 import BUCKET, ended, log, process, taken, train
from ..by_boto3 import given as input_of

pytestmark = pytest.mark.slow

_numbers = itertools.count(1)


def examples(usual: int) -> settings:
    return settings(
        max_examples=int(os.environ.get("WORKSHOP_EXAMPLES", usual)),
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )


@pytest.fixture(scope="module", autouse=True)
def own_server(tmp_path_factory):
    """A server of this file's own, which must start again after all that it was given."""
    before = os.environ["WORKSHOP_STATE"]
    os.environ["WORKSHOP_STATE"] = str(tmp_path_factory.mktemp("properties"))
    for bucket in (BUCKET, job_requests.BUCKET):
        daemon.client("s3").create_bucket(Bucket=bucket)
    for key in job_requests.KEYS:
        daemon.client("s3").put_object(Bucket=job_requests.BUCKET, Key=key, Body=b"")
    process("", ProcessingJobName=job_requests.TAKEN)
    train("", TrainingJobName=job_requests.TAKEN)
    yield
    daemon.stop()
    os.environ["WORKSHOP_STATE"] = before


@pytest.fixture(autouse=True)
def starts_again():
    """After each test: another server finds all that the one before had."""
    yield
    sagemaker = daemon.client("sagemaker")

    def all_of_it() -> dict:
        found = {}
        for kind in ("Processing", "Training"):
            pages = sagemaker.get_paginator(f"list_{kind.lower()}_jobs").paginate(MaxResults=100)
            for page in pages:
                for one in page[f"{kind}JobSummaries"]:
                    found[kind, one[f"{kind}JobName"]] = one[f"{kind}JobStatus"]
        pages = daemon.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for page in pages:
            found |= {one["Key"]: one["ETag"] for one in page.get("Contents", ())}
        return found

    assert _until_ended(all_of_it)
    before = all_of_it()
    daemon.stop()
    sagemaker = daemon.client("sagemaker")
    assert all_of_it() == before
    assert not [*state.folder("set-aside").iterdir()]


def _until_ended(all_of_it) -> bool:
    from ..conftest import until

    return until(lambda: not {"InProgress", "Stopping"} & {*map(str, all_of_it().values())}, 60)


# --- keys of objects --------------------------------------------------------------------------

#: What S3 takes: UTF-8. A NUL or half a character is none of it.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
PART = st.sampled_from(["..", ".", "", "a", "b.txt", "%2e%2e", " ", "\\", "x" * 256]) | TEXT
KEYS = st.lists(PART, min_size=1, max_size=6).map("/".join).filter(lambda key: key.strip("/"))


@examples(25)
@given(st.lists(KEYS, min_size=1, max_size=8, unique=True))
def test_any_key_is_kept_as_it_is_and_fails_no_other_job(names):
    s3, prefix = daemon.client("s3"), f"keys/{next(_numbers)}/"
    names = [name for name in names if len((prefix + name).encode()) <= 1024]
    assume(names)
    for name in names:
        s3.put_object(Bucket=BUCKET, Key=prefix + name, Body=name.encode())
    for name in names:
        found = s3.get_object(Bucket=BUCKET, Key=prefix + name)["Body"].read()
        assert found == name.encode()
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    assert {one["Key"] for one in listed} == {prefix + name for name in names}
    job = ended(process("", inputs=[input_of(f"s3://{BUCKET}/{prefix}")]))
    if job["ProcessingJobStatus"] == "Failed":
        assert job["FailureReason"].startswith("ClientError: Data download failed: ")
    for name in names[::2]:
        s3.delete_object(Bucket=BUCKET, Key=prefix + name)


# --- names of files ---------------------------------------------------------------------------

NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: not {0, 47} & {*name} and name not in (b".", b"..")
)
WRITE = """
import base64, json, os
for name in json.load(open('/opt/ml/processing/in/names')):
    path = os.path.join(b'/opt/ml/processing/out', base64.b64decode(name))
    open(path, 'wb').write(base64.b64decode(name))
"""


@examples(15)
@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_any_name_of_a_file_arrives_or_is_named(names):
    number = next(_numbers)
    content = json.dumps([base64.b64encode(name).decode() for name in names])
    s3 = daemon.client("s3")
    s3.put_object(Bucket=BUCKET, Key=f"names/{number}/names", Body=content)
    job = ended(
        process(
            WRITE,
            inputs=[input_of(f"s3://{BUCKET}/names/{number}/")],
            outputs=[taken(f"named/{number}")],
        )
    )
    good = {name.decode() for name in names if _is_utf8(name)}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"named/{number}/")
    arrived = {one["Key"].removeprefix(f"named/{number}/") for page in pages
               for one in page.get("Contents", ())}  # fmt: skip
    assert arrived == good
    if len(good) < len(names):
        assert "has a name that is not UTF-8" in job["FailureReason"]
    else:
        assert job["ProcessingJobStatus"] == "Completed"


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- output -----------------------------------------------------------------------------------

PRINT = "import sys, base64; sys.stdout.buffer.write(base64.b64decode({!r}))"
OUTPUT = st.lists(
    st.binary(max_size=50)
    | TEXT.map(str.encode)
    | st.sampled_from([b"\r", b"\n", b"\r\n", b"\x0c", b"\x85", "\u2028".encode(), b"| ", b"\xff"]),
    max_size=20,
).map(b"".join)


@examples(15)
@given(OUTPUT, st.integers(1, 2))
def test_any_output_is_on_the_log(output, hosts):
    name = process(PRINT.format(base64.b64encode(output).decode()), hosts=hosts)
    assert ended(name)["ProcessingJobStatus"] == "Completed"
    text = re.sub(r"[\r\n]+", "\n", output.decode(errors="replace"))
    for lines in log(name).values():
        assert "\n".join(lines) == text.strip("\n")


# --- metrics ----------------------------------------------------------------------------------

NUMBERS = st.floats().map(str) | st.sampled_from(["nan", "-inf", "1e400", "1e-400", "", "0x1", "٣"])
EXPRESSIONS = st.sampled_from(
    [r"m=(\S*)", r"m=(.*)|(x)", r"(m)=(\S+)", r"m=", r"(?:m=(a))?", r"(m=)*(\d+)", r"(a|aa)+$"]
) | st.text("()[]{}|*+?.\\^$m=a1,-<>:P!", min_size=1, max_size=20)


@examples(15)
@given(
    st.lists(EXPRESSIONS, min_size=1, max_size=5),
    st.lists(NUMBERS | TEXT, min_size=1, max_size=10),
)
def test_any_metric_is_found_or_not_and_breaks_nothing(expressions, values):
    output = "\n".join(f"m={value}" for value in values).encode() + b"\n" + b"a" * 50 + b"b"
    metrics = [{"Name": f"m{n}", "Regex": one} for n, one in enumerate(expressions)]
    try:
        name = train(PRINT.format(base64.b64encode(output).decode()), metrics=metrics)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException"
        return
    job = ended(name)
    assert job["TrainingJobStatus"] == "Completed", job
    for one in job.get("FinalMetricDataList", ()):
        assert abs(one["Value"]) <= 2.0**360


# --- requests ---------------------------------------------------------------------------------

NAMES_PLAYED = [*operations.PLAYED]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.sampled_from(["", "..", "s3://", "s3://b/", "\0", "\ud800", "1e400", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def of_shape(shape, depth: int = 0) -> st.SearchStrategy:
    """Values that the service model allows, more or less."""
    kind = shape.type_name
    if kind == "structure":
        required = {
            name: of_shape(member, depth + 1)
            for name, member in shape.members.items()
            if name in shape.required_members
        }
        others = {
            name: of_shape(member, depth + 1)
            for name, member in shape.members.items()
            if name not in shape.required_members and depth < 4
        }
        return st.fixed_dictionaries(required, optional=others)
    if kind == "list":
        return st.lists(of_shape(shape.member, depth + 1), max_size=2)
    if kind == "map":
        return st.dictionaries(st.text(max_size=9), of_shape(shape.value, depth + 1), max_size=2)
    if kind == "boolean":
        return st.booleans()
    if kind == "blob":
        return st.binary(max_size=9).map(lambda some: base64.b64encode(some).decode())
    if kind in ("integer", "long"):
        return st.integers(0, 9) | st.integers()
    if kind in ("float", "double"):
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind == "timestamp":
        return st.integers(0, 4_000_000_000) | st.sampled_from(["2026-01-01T00:00:00Z", "x", ""])
    return st.sampled_from(shape.enum) if shape.enum else st.sampled_from(["a", "taken-already"])


def send(headers: dict, body: bytes, method: str = "POST", path: str = "/") -> tuple[int, bytes]:
    address = urlsplit(daemon.ensure())
    connected = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    headers = {"X-Workshop-Token": keys.find().token} | headers
    connected.request(method, path, body, headers)
    answer = connected.getresponse()
    return answer.status, answer.read()


#: The operations that are asked by a path, and not by X-Amz-Target.
BY_PATH = {
    "BatchPutMetrics": ("sagemaker-metrics", "PUT", "/BatchPutMetrics"),
    "InvokeEndpoint": ("sagemaker-runtime", "POST", "/endpoints/none/invocations"),
}


def post(operation: str, request: object) -> tuple[int, dict]:
    body = json.dumps(request).encode()
    if operation in BY_PATH:
        scope = f"{keys.find().access_key}/20260101/us-east-1/sagemaker/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
        status, answer = send(signed, body, *BY_PATH[operation][1:])
    else:
        status, answer = send({"X-Amz-Target": f"SageMaker.{operation}"}, body)
    return status, json.loads(answer)


@examples(200)
@given(st.sampled_from(NAMES_PLAYED), st.data())
def test_any_request_is_answered(operation, data):
    model = shapes.service_model(BY_PATH.get(operation, ("sagemaker",))[0])
    request = data.draw(JUNK | of_shape(model.operation_model(operation).input_shape))
    status, answer = post(operation, request)
    assert status in (200, 400), answer
    assert (status == 200) == (not {"__type", "Message"} & {*answer})


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Return the paths of all members of a request."""
    found = [path] if path else []
    members = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())  # fmt: skip
    for name, member in members:
        found += places(member, (*path, name))
    return found


@examples(60)
@given(st.sampled_from(["CreateProcessingJob", "CreateTrainingJob"]), st.data())
def test_any_change_of_a_valid_request_is_answered_and_its_job_ends(operation, data):
    """Most of these are refused; what is accepted runs, and says how it ended."""
    request = copy.deepcopy(job_requests.BASES[operation])
    kind = operation.removeprefix("Create").removesuffix("Job")
    name = f"{kind.lower()}-any-{next(_numbers)}"
    member = "AppSpecification" if kind == "Processing" else "AlgorithmSpecification"
    request[member]["ContainerEntrypoint"] = ["true"]
    shape = shapes.service_model().operation_model(operation).input_shape
    request |= data.draw(st.just({}) | of_shape(shape).map(
        lambda more: {key: more[key] for key in more if key not in request}
    ))  # fmt: skip
    for path in data.draw(st.lists(st.sampled_from(places(request)), max_size=2, unique=True)):
        place = request
        try:
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = data.draw(JUNK)
        except (KeyError, IndexError, TypeError):
            continue  # it is gone with the change before
    request[f"{kind}JobName"] = name
    status, answer = post(operation, request)
    assert status in (200, 400), answer
    if status == 200:
        job = ended(name)
        assert job.get("FailureReason", "").partition(":")[0] in (
            "",
            "ClientError",
            "AlgorithmError",
        )


@pytest.mark.parametrize("operation", ["CreateProcessingJob", "CreateTrainingJob"])
def test_a_member_that_is_null_is_one_that_is_not_there(operation):
    """As some programs send what they leave out."""
    request = copy.deepcopy(job_requests.BASES[operation])
    kind = operation.removeprefix("Create").removesuffix("Job")
    request[f"{kind}JobName"] = name = f"{kind.lower()}-nulls"
    member = "AppSpecification" if kind == "Processing" else "AlgorithmSpecification"
    request[member] |= {"ContainerEntrypoint": ["true"], "ContainerArguments": None}
    shape = shapes.service_model().operation_model(operation).input_shape
    request |= dict.fromkeys(set(shape.members) - set(request))
    for given_here in ("ProcessingInputs", "InputDataConfig", "StoppingCondition"):
        if given_here in request:
            request[given_here] = None
    status, answer = post(operation, request)
    assert status == 200, answer
    assert ended(name)[f"{kind}JobStatus"] == "Completed"


QUERY = [
    *("tagging", "acl", "versioning", "uploads", "uploadId", "partNumber", "delete", "policy"),
    *("list-type", "max-keys", "prefix", "delimiter", "versionId", "restore", "select", "cors"),
    *("lifecycle", "X-Amz-Credential", "AWSAccessKeyId", "continuation-token", "location"),
]
HEADERS = [
    *("X-Amz-Target", "Authorization", "Range", "Content-Type", "x-amz-copy-source", "If-Match"),
    *("x-amz-tagging", "Smithy-Protocol", "x-amz-acl", "Origin", "Content-Encoding", "Expect"),
    *("x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-storage-class"),
]
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30) | st.sampled_from(
    [
        *("SageMaker.Search", "Logs_20140328.PutLogEvents", "aws-chunked", "bytes=0-", "Basic x"),
        "application/x-www-form-urlencoded",
    ]
)


@examples(150)
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]),
    st.lists(st.sampled_from([BUCKET, "moto-api", "_workshop", "latest", "b"]) | TEXT, max_size=3),
    st.dictionaries(
        st.sampled_from(QUERY),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=3),
    st.binary(max_size=60) | st.sampled_from([b"<a", b"{", b"Action=CreateRole", b"<Delete/>"]),
)
def test_any_bytes_are_answered_in_the_form_of_aws(method, path, query, headers, body):
    """Also what moto stumbles over: an error of AWS's form, never a page, never silence."""
    address = "/" + "/".join(quote(part, safe="") for part in path)
    address += "?" + "&".join(f"{name}={quote(text, safe='')}" for name, text in query.items())
    status, answer = send(headers, body, method, address)
    assert b"<html" not in answer[:500].lower() and b"Traceback" not in answer
    if status >= 400 and method != "HEAD" and answer:
        assert b"<Code>" in answer or b"__type" in answer or status in (404, 405), answer
    assert post("ListTrainingJobs", {})[0] == 200
