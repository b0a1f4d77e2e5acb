"""Endpoints, through boto3: their life from Creating on, and what they answer."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config

from workshop.emulator import keys
from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import records

from ...conftest import until
from ...serving_by_boto3 import (
    ACCOUNT,
    BUCKET,
    bucket,  # noqa: F401
    config,
    container,
    described,
    endpoint,
    hosts,
    invoke,
    log,
    model,
    new_name,
    no_endpoint_stays,  # noqa: F401
    refusal,
    sagemaker,
    settled,
    variant,
)

pytestmark = pytest.mark.slow

ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"
#: Tells which of several models has answered.
TELLING = """
def model_fn(folder): return {0!r}
def transform_fn(model, data, content_type, accept): return model, "text/plain"
"""
FAILING = """
def model_fn(folder): return None
def transform_fn(model, data, content_type, accept): raise ValueError("no such digit")
"""


def telling(word: str, name: str = "AllTraffic", **more) -> dict:
    return variant(TELLING.format(word), name, **more)


def invocation(name: str, **more) -> str:
    client = daemon.client("sagemaker-runtime")
    request = {"EndpointName": name, "Body": b"x"} | more
    return refusal(client.invoke_endpoint, **request)


# --- its life ---------------------------------------------------------------------------------


def test_it_is_created_serves_and_is_deleted():
    name = endpoint(wait=False)
    assert described(name)["EndpointStatus"] == "Creating"
    assert f"Endpoint {name} of account 123456789012 not found." in invocation(name)
    # AWS deletes no endpoint that is being created.
    told = refusal(sagemaker().delete_endpoint, EndpointName=name)
    assert told.startswith(
        f'ValidationException: Cannot update in-progress endpoint "{ARN}/{name}".'
    )
    sagemaker().get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    found = described(name)
    part = found["ProductionVariants"][0]
    assert part["DeployedImages"][0]["SpecifiedImage"].startswith(f"{ACCOUNT}/sagemaker-scikit")
    assert (part["CurrentWeight"], part["CurrentInstanceCount"]) == (1.0, 1)
    assert sagemaker().list_endpoints(StatusEquals="InService", NameContains=name)["Endpoints"]
    searched = sagemaker().search(
        Resource="Endpoint",
        SearchExpression={"Filters": [{"Name": "EndpointName", "Value": name}]},
    )["Results"]
    assert [one["Endpoint"]["EndpointStatus"] for one in searched] == ["InService"]

    answer = invoke(name, b"\xff\x00\x80", "application/x-mine", Accept="text/csv")
    assert (answer["Body"], answer["ContentType"]) == (b"\xff\x00\x80", "application/x-mine")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    [(stream, lines)] = log(name).items()
    assert stream.startswith("AllTraffic/i-") and "a line of the script" in lines
    assert any('"POST /invocations HTTP/1.1" 200' in line for line in lines)
    assert not any("/ping" in line for line in lines)

    assert hosts()
    sagemaker().delete_endpoint(EndpointName=name)
    assert not hosts()
    told = refusal(sagemaker().describe_endpoint, EndpointName=name)
    assert told == f'ValidationException: Could not find endpoint "{ARN}/{name}".'
    assert invocation(name) == (
        f"ValidationError: Endpoint {name} of account 123456789012 not found."
    )


def test_a_name_is_used_once_and_a_configuration_must_be_there():
    name = endpoint()
    create = sagemaker().create_endpoint
    told = refusal(create, EndpointName=name, EndpointConfigName=config(variant()))
    assert told == f'ValidationException: Cannot create already existing endpoint "{ARN}/{name}".'
    told = refusal(create, EndpointName="new", EndpointConfigName="missing")
    assert "Could not find endpoint configuration" in told
    gone = config(variant())
    served = sagemaker().describe_endpoint_config(EndpointConfigName=gone)["ProductionVariants"]
    sagemaker().delete_model(ModelName=served[0]["ModelName"])
    told = refusal(create, EndpointName="new", EndpointConfigName=gone)
    assert told.startswith('ValidationException: Could not find model "arn:aws:sagemaker:')


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"Image": "mine:1"}, "Nothing on this machine can serve the image mine:1."),
        (
            {"Image": f"{ACCOUNT}/tensorflow-training:2.19.0-cpu-py312"},
            "It is TensorFlow's image for training",
        ),
        ("import missing_module", "No module named 'missing_module'"),
        ("", "Please provide a model_fn implementation."),
        ("import os; os._exit(3)", "did not pass the ping health check"),
    ],
    ids=["unknown image", "image for training", "import", "no model_fn", "exit"],
)
def test_it_fails_with_the_reason_and_the_log_says_it_too(what, words):
    made = model(container(what) if isinstance(what, str) else container() | what)
    name = endpoint(variant(ModelName=made), wait=False)
    found = settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert words in found["FailureReason"]
    assert "container for production variant AllTraffic did not pass" in found["FailureReason"]
    assert any(words in line for lines in log(name).values() for line in lines)
    told = refusal(
        sagemaker().update_endpoint, EndpointName=name, EndpointConfigName=config(variant())
    )
    assert "its status is Failed" in told
    assert not hosts()


def test_an_archive_that_is_none_or_is_gone_fails_the_endpoint():
    s3 = daemon.client("s3")
    s3.put_object(Bucket=BUCKET, Key="text.tar.gz", Body=b"no archive")
    uri = f"s3://{BUCKET}/text.tar.gz"
    made = model(container() | {"ModelDataUrl": uri})
    reason = settled(endpoint(variant(ModelName=made), wait=False))["FailureReason"]
    assert reason.startswith(
        f'Failed to extract model data archive for container "container_1" from URL "{uri}". '
        "Please ensure that the object located at the URL is a valid tar.gz archive."
    )
    s3.delete_object(Bucket=BUCKET, Key="text.tar.gz")
    reason = settled(endpoint(variant(ModelName=made), wait=False))["FailureReason"]
    assert reason.startswith('Failed to download model data for container "container_1" from URL')


def test_a_model_may_lie_unpacked_in_s3():
    s3 = daemon.client("s3")
    s3.put_object(Bucket=BUCKET, Key="plain/code/inference.py", Body=TELLING.format("plain"))
    source = {"S3Uri": f"s3://{BUCKET}/plain/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    what = container() | {"ModelDataSource": {"S3DataSource": source}}
    del what["ModelDataUrl"]
    assert invoke(endpoint(variant(ModelName=model(what))))["Body"] == b"plain"


def test_a_model_package_of_the_registry_is_deployed():
    registered = container(TELLING.format("registered"), WHO="package")
    group = sagemaker().create_model_package_group(ModelPackageGroupName=new_name("group"))
    package = sagemaker().create_model_package(
        ModelPackageGroupName=group["ModelPackageGroupArn"].rpartition("/")[2],
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [registered],
            "SupportedContentTypes": ["text/plain"],
            "SupportedResponseMIMETypes": ["text/plain"],
        },
    )["ModelPackageArn"]
    made = model({"ModelPackageName": package, "Environment": {"MORE": "1"}})
    kept = sagemaker().describe_model(ModelName=made)["PrimaryContainer"]
    assert kept["ModelPackageName"] == package
    assert invoke(endpoint(variant(ModelName=made)))["Body"] == b"registered"


# --- what it answers --------------------------------------------------------------------------


def test_an_error_of_the_script_is_a_model_error():
    name = endpoint(variant(FAILING))
    client = daemon.client("sagemaker-runtime")
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName=name, Body=b"x")
    answer = caught.value.response
    group = f"/aws/sagemaker/Endpoints/{name}"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 500
    assert "<title>500 Internal Server Error</title>" in answer["OriginalMessage"]
    assert answer["LogStreamArn"] == f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    message = answer["Error"]["Message"]
    assert message.startswith('Received server error (500) from primary with message "<!doctype')
    assert message.endswith(f"group={group} in account 123456789012 for more information.")
    assert "ValueError: no such digit" in str(log(name))


def test_attributes_and_content_types_go_both_ways():
    """Flask's own answer is one that a script of scikit-learn's image may give."""
    script = """
from werkzeug.wrappers import Response
def model_fn(folder): return None
def transform_fn(model, data, content_type, accept):
    return Response(f"{content_type} {accept}", content_type="text/mine",
                    headers={"X-Amzn-SageMaker-Custom-Attributes": "told=1"})
"""
    answer = invoke(
        endpoint(variant(script)), "ä", "text/in", Accept="text/out", CustomAttributes="a"
    )
    assert answer["Body"] == b"text/in text/out"
    assert (answer["ContentType"], answer["CustomAttributes"]) == ("text/mine", "told=1")


def test_a_body_may_have_6_mb_and_no_more():
    name = endpoint()
    assert len(invoke(name, bytes(6 << 20))["Body"]) == 6 << 20
    assert invocation(name, Body=bytes((6 << 20) + 1)) == (
        "413: HTTP content length exceeded 6291456 bytes."
    )


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"TargetVariant": "other"}, "Variant other was not found for endpoint"),
        ({"TargetModel": "a.tar.gz"}, "TargetModel is not played"),
        ({"InferenceComponentName": "a"}, "InferenceComponentName is not played"),
        ({"ContentType": "x" * 1025}, "failed to satisfy constraint"),
    ],
)
def test_what_is_refused(request_, words):
    assert words in invocation(endpoint(), **request_)


def test_several_requests_are_answered_at_once():
    """While one is asked and waits, another endpoint answers, and the same one takes more."""
    slow = "import time\n" + TELLING.format("slow").replace(
        "return model", "time.sleep(.3); return model"
    )
    first, second = endpoint(variant(slow)), endpoint(telling("quick"))
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(invoke, first) for _ in range(4)]
        assert invoke(second)["Body"] == b"quick"
        assert not all(one.done() for one in waiting)
        assert [one.result()["Body"] for one in waiting] == [b"slow"] * 4


def test_variants_share_the_requests_by_their_weights():
    name = endpoint(telling("a", "first", InitialVariantWeight=0.0), telling("b", "second"))
    assert {invoke(name)["InvokedProductionVariant"] for _ in range(20)} == {"second"}
    assert invoke(name, TargetVariant="first")["Body"] == b"a"
    sagemaker().update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "first", "DesiredWeight": 1, "DesiredInstanceCount": 2},
            {"VariantName": "second", "DesiredWeight": 0},
        ],
    )
    found = settled(name)["ProductionVariants"]
    assert [one["CurrentWeight"] for one in found] == [1.0, 0.0]
    assert found[0]["CurrentInstanceCount"] == 2
    assert {invoke(name)["Body"] for _ in range(20)} == {b"a"}
    assert len(log(name)) == 2


def test_a_pipeline_hands_each_answer_on():
    half = """
import json
def model_fn(folder): return None
def transform_fn(model, data, content_type, accept):
    if float(data) < 0: raise ValueError("below zero")
    return str(float(data) / 2), content_type + "+half"
"""
    first = container(half) | {"ContainerHostname": "one"}
    second = container(half) | {"ContainerHostname": "two"}
    name = endpoint(variant(ModelName=model(first, second)))
    answer = invoke(name, "10", "text/x")
    assert (answer["Body"], answer["ContentType"]) == (b"2.5", "text/x+half+half")
    assert "from one with message" in invocation(name, Body="-1", ContentType="text/x")
    assert {stream.rpartition("/")[2] for stream in log(name)} == {"one", "two"}


def test_a_serverless_variant_takes_as_many_requests_as_it_says():
    slow = "import time\n" + TELLING.format("s").replace(
        "return model", "time.sleep(1); return model"
    )
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    name = endpoint(variant(slow, ServerlessConfig=serverless))
    assert settled(name)["ProductionVariants"][0]["CurrentServerlessConfig"] == serverless
    first_time = boto3.client(  # boto3 would ask again, and again
        "sagemaker-runtime",
        endpoint_url=daemon.ensure(),
        region_name="us-east-1",
        aws_access_key_id=keys.find().access_key,
        aws_secret_access_key=keys.find().secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(invoke, name)
        time.sleep(0.5)
        told = refusal(first_time.invoke_endpoint, EndpointName=name, Body=b"x")
        assert told.startswith("ThrottlingException: Rate exceeded")
        assert first.result()["Body"] == b"s"


# --- updates ----------------------------------------------------------------------------------


def test_an_update_takes_over_without_an_error_in_between():
    name = endpoint(telling("old"))
    new = config(telling("new"))
    sagemaker().update_endpoint(EndpointName=name, EndpointConfigName=new)
    assert described(name)["EndpointStatus"] == "Updating"
    answers = []
    while described(name)["EndpointStatus"] == "Updating":
        answers.append(invoke(name)["Body"])
    assert set(answers) <= {b"old", b"new"} and answers[0] == b"old"
    assert invoke(name)["Body"] == b"new"
    assert described(name)["EndpointConfigName"] == new
    assert until(lambda: len(hosts()) == 1)


def test_an_account_has_as_many_instances_as_its_quota_says():
    """Each type by itself; what an endpoint has is not asked for again, and is free without it."""

    def refused(delta: int, used: int, call, **request) -> None:
        told = refusal(call, **request)
        assert told.startswith(
            "ResourceLimitExceeded: The account-level service limit 'ml.c5.xlarge for endpoint "
            f"usage' is 20 Instances, with current utilization of {used} Instances and a request "
            f"delta of {delta} Instances. Ask for fewer instances, or delete another endpoint."
        )

    client, served = sagemaker(), model(container())

    def of(count: int) -> str:
        return config(
            variant(ModelName=served, InstanceType="ml.c5.xlarge", InitialInstanceCount=count)
        )

    create = {"EndpointName": "too-many", "EndpointConfigName": of(21)}
    refused(21, 0, client.create_endpoint, **create)
    first = new_name("endpoint")
    client.create_endpoint(EndpointName=first, EndpointConfigName=of(12))
    refused(9, 12, client.create_endpoint, EndpointName="x", EndpointConfigName=of(9))
    settled(first)
    second = new_name("endpoint")
    client.create_endpoint(EndpointName=second, EndpointConfigName=of(5))
    other = new_name("endpoint")
    client.create_endpoint(EndpointName=other, EndpointConfigName=config(variant()))
    settled(second)
    refused(4, 17, client.update_endpoint, EndpointName=second, EndpointConfigName=of(9))
    desired = {"VariantName": "AllTraffic", "DesiredInstanceCount": 16}
    change = client.update_endpoint_weights_and_capacities
    refused(4, 17, change, EndpointName=first, DesiredWeightsAndCapacities=[desired])
    desired["DesiredInstanceCount"] = 15
    change(EndpointName=first, DesiredWeightsAndCapacities=[desired])
    refused(1, 20, client.create_endpoint, EndpointName="x", EndpointConfigName=of(1))
    client.delete_endpoint(EndpointName=first)
    client.update_endpoint(EndpointName=second, EndpointConfigName=of(20))
    assert settled(second)["ProductionVariants"][0]["CurrentInstanceCount"] == 20


def test_an_update_that_fails_leaves_what_was():
    name = endpoint(telling("old"))
    before = described(name)["EndpointConfigName"]
    sagemaker().update_endpoint(EndpointName=name, EndpointConfigName=config(variant("1 / 0")))
    found = settled(name)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", before)
    assert "ZeroDivisionError" in found["FailureReason"]
    assert invoke(name)["Body"] == b"old"


# --- its record -------------------------------------------------------------------------------

CREATE = """
import boto3
boto3.client("sagemaker").create_endpoint(EndpointName={0!r}, EndpointConfigName={1!r})
"""


def test_the_record_of_a_deleted_endpoint_says_what_it_has_run(script, tmp_path):
    first, second = config(telling("old")), config(telling("new", "a"), telling("new", "b"))
    name = new_name("endpoint")
    script(CREATE.format(name, first), {})
    assert settled(name)["EndpointStatus"] == "InService"
    daemon.stop()  # the next server goes on with the record
    client = sagemaker()
    client.update_endpoint(EndpointName=name, EndpointConfigName=second)
    assert settled(name)["EndpointConfigName"] == second
    third = config(variant("1 / 0"))
    client.update_endpoint(EndpointName=name, EndpointConfigName=third)
    assert "ZeroDivisionError" in settled(name)["FailureReason"]
    (record,) = records.endpoints(tmp_path)
    assert (record.name, record.ended) == (name, None)
    assert "ZeroDivisionError" in record.error
    client.delete_endpoint(EndpointName=name)
    (record,) = records.endpoints(tmp_path)
    had = record.request["Configurations"]
    assert [one["EndpointConfigName"] for one in had] == [first, second, third]
    assert [bool(one["FailureReason"]) for one in had] == [False, False, True]
    variants = [[part["VariantName"] for part in one["ProductionVariants"]] for one in had]
    assert variants == [["AllTraffic"], ["a", "b"], ["AllTraffic"]]
    url = had[0]["ProductionVariants"][0]["Model"]["PrimaryContainer"]["ModelDataUrl"]
    assert url.startswith(f"s3://{BUCKET}/models/")
    assert record.started < had[1]["Time"] < record.ended
    assert records.jobs(tmp_path) == []


def test_the_record_of_a_failed_endpoint_says_why(script, tmp_path):
    name = new_name("endpoint")
    script(CREATE.format(name, config(variant("1 / 0"))), {})
    assert settled(name)["EndpointStatus"] == "Failed"
    (record,) = records.endpoints(tmp_path)
    assert "ZeroDivisionError" in record.error


# --- the server ends --------------------------------------------------------------------------


def test_it_answers_again_after_the_server_has_ended_and_its_model_is_deleted():
    name = endpoint(telling("still here"))
    lines = log(name)
    one = sagemaker().describe_endpoint_config(
        EndpointConfigName=described(name)["EndpointConfigName"]
    )
    sagemaker().delete_endpoint_config(EndpointConfigName=one["EndpointConfigName"])
    sagemaker().delete_model(ModelName=one["ProductionVariants"][0]["ModelName"])
    daemon.stop()
    assert not hosts()
    assert described(name)["EndpointStatus"] == "InService"
    assert not hosts()  # nobody has asked yet
    assert log(name) == lines
    assert invoke(name)["Body"] == b"still here"


def test_kill_9_leaves_no_process_and_a_creation_goes_on():
    name = endpoint(telling("x"))
    other = endpoint(variant("import time; time.sleep(2)\n" + TELLING.format("y")), wait=False)
    assert until(lambda: len(hosts()) == 2)
    os.kill(daemon.status()["pid"], signal.SIGKILL)
    assert until(lambda: not hosts(), 10)
    assert settled(other)["EndpointStatus"] == "InService"
    assert invoke(name)["Body"] + invoke(other)["Body"] == b"xy"


def test_a_container_that_has_ended_is_started_again():
    dying = TELLING.format("up").replace(
        "return model", "import os; data == b'die' and os._exit(1); return model"
    )
    name = endpoint(variant(dying))
    assert invoke(name)["Body"] == b"up"
    assert "The container gave no answer" in invocation(name, Body=b"die", ContentType="a/b")
    assert until(lambda: not hosts())
    assert invoke(name)["Body"] == b"up"
