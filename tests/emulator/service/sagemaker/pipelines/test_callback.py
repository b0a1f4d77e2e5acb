"""Callback steps: what the queue gets, who answers, and what an answer does."""

from __future__ import annotations

import itertools
import json
import os

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ....by_boto3 import bucket, own_server  # noqa: F401
from ....conftest import ROLE, script  # noqa: F401
from .by_definition import (
    at_least,
    condition,
    create,
    ended,
    execution,
    fail,
    start,
    statuses,
    steps_of,
)

_numbers = itertools.count(1)
OUTPUTS = {"words": "String", "count": "Integer", "share": "Float", "good": "Boolean"}


@pytest.fixture
def queue() -> str:
    name = f"callbacks-{next(_numbers)}-{os.getpid()}"
    return daemon.client("sqs").create_queue(QueueName=name)["QueueUrl"]


def callback_step(queue: str, name: str = "Ask", outputs: dict = OUTPUTS, **inputs) -> dict:
    declared = [{"OutputName": one, "OutputType": kind} for one, kind in outputs.items()]
    return {
        "Name": name,
        "Type": "Callback",
        "Arguments": inputs,
        "SqsQueueUrl": queue,
        "OutputParameters": declared,
    }


def output(name: str) -> dict:
    return {"Get": f"Steps.Ask.OutputParameters['{name}']"}


def received(queue: str) -> dict:
    """Take the next message out of a queue, as a worker does; return its body."""
    sqs = daemon.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])


def succeed(token: str, **outputs: str) -> str:
    given = [{"Name": name, "Value": value} for name, value in outputs.items()]
    answer = daemon.client("sagemaker").send_pipeline_execution_step_success(
        CallbackToken=token, OutputParameters=given
    )
    return answer["PipelineExecutionArn"]


def give_up(token: str, **more) -> None:
    daemon.client("sagemaker").send_pipeline_execution_step_failure(CallbackToken=token, **more)


def stop(arn: str) -> None:
    daemon.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=arn)


def retry(arn: str) -> None:
    daemon.client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)


def test_the_queue_gets_the_token_and_the_arguments(queue):
    one = {"Name": "N", "Type": "Integer", "DefaultValue": 5}
    step = callback_step(queue, number={"Get": "Parameters.N"}, text="some", share=0.5)
    arn = start(create(step, parameters=[one]))
    message = received(queue)
    token = message.pop("token")
    assert len(token) == 10 and token.isalnum()
    assert message == {
        "pipelineExecutionArn": arn,
        "arguments": {"number": 5, "text": "some", "share": 0.5},
        "status": "Executing",
    }
    assert statuses(arn) == {"Ask": "Executing"}
    metadata = steps_of(arn)["Ask"]["Metadata"]["Callback"]
    assert metadata == {"CallbackToken": token, "SqsQueueUrl": queue, "OutputParameters": []}
    assert succeed(token, words="yes") == arn
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    metadata = steps_of(arn)["Ask"]["Metadata"]["Callback"]
    assert metadata["OutputParameters"] == [{"Name": "words", "Value": "yes"}]


def test_outputs_are_of_their_types_in_the_steps_that_come_after(queue):
    conditions = [
        at_least(output("count"), 3),
        at_least(0.5, output("share")),
        {"Type": "Equals", "LeftValue": output("good"), "RightValue": True},
    ]
    message = {"Std:Join": {"On": " ", "Values": [output(name) for name in OUTPUTS]}}
    checked = condition("If", conditions, [fail("Yes", message)], [fail("No")])
    arn = start(create(callback_step(queue), checked))
    succeed(received(queue)["token"], words="they are", count="3", share="0.25", good="True")
    ended(arn)
    assert steps_of(arn)["Yes"]["FailureReason"] == "they are 3 0.25 true"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"count": "three"}, "the output 'count' is of type Integer, and the answer gave 'three'"),
        ({"cuont": "3"}, "the answer gave no output 'count'; it gave: cuont"),
    ],
    ids=["another type", "another name"],
)
def test_an_output_that_is_not_what_was_declared_fails_the_step_that_needs_it(queue, given, reason):
    arn = start(create(callback_step(queue), condition("If", [at_least(output("count"), 3)], [])))
    succeed(received(queue)["token"], **given)
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert statuses(arn) == {"Ask": "Succeeded", "If": "Failed"}
    assert reason in steps_of(arn)["If"]["FailureReason"]


def test_a_failure_is_the_reason_of_the_step_and_a_retry_asks_once_more(queue):
    arn = start(create(callback_step(queue)))
    first = received(queue)["token"]
    give_up(first, FailureReason="nobody labelled them")
    assert ended(arn)["FailureReason"].startswith("Step failure: One or multiple steps failed.")
    assert steps_of(arn)["Ask"]["FailureReason"] == "nobody labelled them"
    retry(arn)
    second = received(queue)["token"]
    assert second != first
    with pytest.raises(ClientError, match=r"ResourceNotFound.*No callback step has the token"):
        succeed(first)
    succeed(second)
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_a_token_is_answered_once(queue):
    arn = start(create(callback_step(queue)))
    token = received(queue)["token"]
    succeed(token)
    for again in (succeed, give_up):
        with pytest.raises(ClientError, match=r"ConflictException.*'Ask' is Succeeded"):
            again(token)
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    with pytest.raises(ClientError, match="ResourceNotFound"):
        succeed("0123456789")
    with pytest.raises(ClientError, match="CallbackToken"):
        succeed("0123456789a")


def test_an_execution_stops_when_its_callback_was_answered(queue):
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopPipelineExecution.html"""
    pipeline = create(callback_step(queue, rows=3), fail("After", DependsOn=["Ask"]))
    for answer, status in ((give_up, "Stopped"), (succeed, "Succeeded")):
        arn = start(pipeline)
        told = received(queue)
        stop(arn)
        assert received(queue) == told | {"status": "Stopping"}
        assert execution(arn)["PipelineExecutionStatus"] == "Stopping"
        assert statuses(arn) == {"Ask": "Stopping"}
        answer(told["token"])
        assert ended(arn)["PipelineExecutionStatus"] == "Stopped"
        assert statuses(arn) == {"Ask": status}


@pytest.mark.parametrize("url", ["https://sqs.us-east-2.amazonaws.com/123456789012/none", "none"])
def test_a_queue_that_is_not_there_is_named(url):
    arn = start(create(callback_step(url)))
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert steps_of(arn)["Ask"]["FailureReason"] == (
        "ClientError: Failed to invoke sqs:SendMessage. Error Details: The specified queue does "
        f"not exist: {url}"
    )


def test_the_address_of_a_queue_may_be_that_of_aws(queue):
    name = queue.rpartition("/")[2]
    account = ROLE.split(":")[4]
    step = callback_step(f"https://sqs.us-east-2.amazonaws.com/{account}/{name}")
    arn = start(create(step))
    succeed(received(queue)["token"])
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_an_execution_that_stops_does_not_wait_for_a_queue_that_is_gone(queue):
    arn = start(create(callback_step(queue)))
    received(queue)
    daemon.client("sqs").delete_queue(QueueUrl=queue)
    stop(arn)
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert queue in steps_of(arn)["Ask"]["FailureReason"]


@pytest.mark.slow
def test_a_callback_that_waits_when_the_server_ends_is_asked_for_once_more(own_server):  # noqa: F811
    queue = daemon.client("sqs").create_queue(QueueName="callbacks")["QueueUrl"]
    arn = start(create(callback_step(queue)))
    token = received(queue)["token"]
    daemon.stop()
    assert execution(arn)["PipelineExecutionStatus"] == "Failed"
    with pytest.raises(ClientError, match=r"ConflictException.*'Ask' is Failed"):
        succeed(token)
    retry(arn)
    succeed(received(queue)["token"], words="late")
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    daemon.stop()
    (given,) = steps_of(arn)["Ask"]["Metadata"]["Callback"]["OutputParameters"]
    assert given == {"Name": "words", "Value": "late"}


#: The calls of AWS's example sagemaker-pipelines-callback-step.ipynb, in our words.
PROGRAM = """
import json
import boto3, sagemaker
from sagemaker.processing import ScriptProcessor
from sagemaker.workflow.callback_step import (
    CallbackOutput, CallbackOutputTypeEnum, CallbackStep,
)
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import ProcessingStep

session = PipelineSession()
role = sagemaker.get_execution_role(session)
sqs, client = boto3.client("sqs"), boto3.client("sagemaker")
queue = sqs.create_queue(QueueName="labelling")["QueueUrl"]
ask = CallbackStep(
    "Ask", sqs_queue_url=queue, inputs={"rows": 3},
    outputs=[
        CallbackOutput(output_name="where", output_type=CallbackOutputTypeEnum.String),
        CallbackOutput(output_name="count", output_type=CallbackOutputTypeEnum.Integer),
    ],
)
processor = ScriptProcessor(
    image_uri="763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1", command=["python3"],
    role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session,
)
use = ProcessingStep("Use", step_args=processor.run(
    code="use.py",
    arguments=[ask.properties.Outputs["where"], ask.properties.Outputs["count"].to_string()],
))
pipeline = Pipeline("Labelling", steps=[ask, use], sagemaker_session=session)
pipeline.upsert(role_arn=role)
execution = pipeline.start()
(message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
payload = json.loads(message["Body"])
client.send_pipeline_execution_step_success(
    CallbackToken=payload["token"],
    OutputParameters=[
        {"Name": "where", "Value": "s3://labels"},
        {"Name": "count", "Value": str(payload["arguments"]["rows"])},
    ],
)
execution.wait(delay=1)
print(client.describe_processing_job(ProcessingJobName=next(
    step["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    for step in execution.list_steps() if step["StepName"] == "Use"
))["AppSpecification"]["ContainerArguments"])
"""


@pytest.mark.slow
def test_a_callback_step_of_the_sdk(script):  # noqa: F811
    done = script(PROGRAM, {"use.py": "print(1)"})
    assert done.stdout.splitlines()[-1] == "['s3://labels', '3']"
