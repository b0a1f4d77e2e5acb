"""Executions, through the door of boto3: what runs, in which order, and what stops it."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ....by_boto3 import BUCKET, bucket, content, own_server  # noqa: F401
from ....conftest import ROLE, until
from .by_definition import (
    accuracy,
    at_least,
    condition,
    create,
    ended,
    execution,
    fail,
    job,
    job_of,
    process_step,
    start,
    statuses,
    steps_of,
)

pytestmark = pytest.mark.slow

FAILS = "raise SystemExit('no labels')"
WAITS = "import time; print('begun', flush=True); time.sleep({})"
OUTPUT = "Steps.One.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"


def arguments_of(arn: str, step: str) -> list[str]:
    return job(steps_of(arn)[step])["AppSpecification"]["ContainerArguments"]


def test_a_step_gets_what_expressions_come_to():
    parameters = [
        {"Name": "N", "Type": "Integer", "DefaultValue": 3},
        {"Name": "Yes", "Type": "Boolean", "DefaultValue": True},
    ]
    joined = {"On": "-", "Values": [{"Get": "Parameters.N"}, 0.5, {"Get": "Parameters.Yes"}]}
    words = [
        {"Std:Join": joined},
        {"Get": OUTPUT},
        {"Std:Join": {"On": "", "Values": [accuracy("One")]}},
        {"Get": "Execution.PipelineName"},
        {"Get": "Execution.PipelineExecutionArn"},
        {"Get": "Execution.ProcessingJobName"},
    ]
    two = process_step("Two", *words, program="print(1)")
    pipeline = create(process_step("One", "0.75"), two, parameters=parameters)
    arn = start(pipeline, values={"N": "4"})
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded", steps_of(arn)
    identity, steps = arn.rpartition("/")[2], steps_of(arn)
    expected = ["4-0.5-true", f"s3://{BUCKET}/One/{identity}", "0.75", pipeline, arn]
    assert arguments_of(arn, "Two") == [*expected, job_of(steps["Two"])]
    assert job_of(steps["One"]).startswith(f"pipelines-{identity}-One-")
    assert json.loads(content(f"One/{identity}/e.json")) == {"accuracy": 0.75}


@pytest.mark.parametrize(
    ("measured", "run"), [("0.9", ["One", "If", "Yes"]), ("0.7", ["One", "If", "No"])]
)
def test_a_condition_chooses_a_branch_and_what_comes_after_it(measured, run):
    pipeline = create(
        process_step("One", measured),
        condition(
            "If",
            [at_least(accuracy("One"), 0.8)],
            [process_step("Yes", "1")],
            [process_step("No", "1")],
        ),
        process_step("After", {"Get": "Steps.Neither.ProcessingJobName"}),
        condition("Never", [at_least(1, 2)], [process_step("Neither", "1")]),
    )
    arn = start(pipeline)
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded", steps_of(arn)
    assert set(statuses(arn)) == {*run, "Never"}
    outcome = steps_of(arn)["If"]["Metadata"]["Condition"]["Outcome"]
    assert outcome == str(measured == "0.9")


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        ({"Type": "Equals", "LeftValue": "a", "RightValue": "a"}, True),
        ({"Type": "GreaterThan", "LeftValue": 1, "RightValue": 1}, False),
        ({"Type": "LessThan", "LeftValue": 1, "RightValue": 1.5}, True),
        ({"Type": "LessThanOrEqualTo", "LeftValue": "b", "RightValue": "a"}, False),
        ({"Type": "In", "QueryValue": "a", "Values": ["b", "a"]}, True),
        ({"Type": "Not", "Condition": at_least(2, 1)}, False),
        ({"Type": "Not", "Expression": at_least(1, 2)}, True),
        ({"Type": "Or", "Conditions": [at_least(1, 2), at_least(2, 1)]}, True),
        ({"Type": "And", "Conditions": [at_least(1, 2), at_least(2, 1)]}, False),
    ],
)
def test_all_conditions(one, holds):
    arn = start(create(condition("If", [one], [fail("Yes")], [fail("No")])))
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert list(statuses(arn)) == ["If", "Yes" if holds else "No"]


def test_values_that_cannot_be_compared_fail_the_step():
    arn = start(create(condition("If", [at_least("0.9", 0.8)], [])))
    found = ended(arn)
    assert found["PipelineExecutionStatus"] == "Failed"
    assert found["FailureReason"] == "Step failure: One or multiple steps failed. (If)"
    reason = steps_of(arn)["If"]["FailureReason"]
    assert "'0.9' (a text) and 0.8 (a number) cannot be compared" in reason


def test_a_fail_step_ends_the_execution_with_its_message():
    joined = {"Std:Join": {"On": " ", "Values": ["too bad:", {"Get": "Parameters.N"}]}}
    parameters = [{"Name": "N", "Type": "Float", "DefaultValue": 0.5}]
    arn = start(create(fail("Stop", joined), parameters=parameters))
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    step = steps_of(arn)["Stop"]
    assert step["Metadata"]["Fail"]["ErrorMessage"] == step["FailureReason"] == "too bad: 0.5"


def test_a_failed_step_lets_the_others_end_and_nothing_new_begin():
    arn = start(
        create(
            process_step("Bad", "1", program=FAILS),
            process_step("Long", "1", program=WAITS.format(1)),
            process_step("After", "1", DependsOn=["Long"]),
        )
    )
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert statuses(arn) == {"Bad": "Failed", "Long": "Succeeded"}
    assert "no labels" in steps_of(arn)["Bad"]["FailureReason"]


def test_what_aws_would_refuse_of_a_job_fails_the_step():
    step = process_step("One", "1")
    step["Arguments"]["RoleArn"] += "-of-nobody"
    arn = start(create(step))
    ended(arn)
    reason = steps_of(arn)["One"]["FailureReason"]
    assert reason.startswith("ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error")
    assert "Could not assume role" in reason


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("accuracy", "nothing stands at 'accuracy'"),
        ("a..b", "'a..b' is no path"),
    ],
)
def test_a_value_that_is_not_in_the_file_is_told(path, words):
    program = "open('/opt/ml/processing/out/e.json', 'w').write('{}')"
    value = accuracy("One") | {}
    value["Std:JsonGet"]["Path"] = path
    pipeline = create(
        process_step("One", "1", program=program), condition("If", [at_least(value, 1)], [])
    )
    arn = start(pipeline)
    ended(arn)
    assert words in steps_of(arn)["If"]["FailureReason"]


def test_not_more_steps_run_at_the_same_time_than_may():
    steps = [process_step(f"S{n}", "1", program=WAITS.format(0.5)) for n in range(4)]
    pipeline = create(*steps, ParallelismConfiguration={"MaxParallelExecutionSteps": 2})
    arn = start(pipeline)
    most = 0
    while execution(arn)["PipelineExecutionStatus"] == "Executing":
        most = max(most, list(statuses(arn).values()).count("Executing"))
    assert most == 2
    assert list(statuses(arn).values()) == ["Succeeded"] * 4


def test_a_cached_result_is_taken_where_what_counts_is_the_same():
    cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "1d"}}
    words = {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.A"}]}}
    parameters = [{"Name": "A", "Type": "String", "DefaultValue": "1"}]
    two = process_step("Two", {"Get": OUTPUT}, program="print(1)", **cached)
    pipeline = create(process_step("One", words, **cached), two, parameters=parameters)
    first, again, other = (start_and_wait(pipeline, values=v) for v in ({}, {}, {"A": "0.5"}))
    hit = {"SourcePipelineExecutionArn": first}
    assert [step.get("CacheHitResult") for step in steps_of(first).values()] == [None, None]
    assert [step.get("CacheHitResult") for step in steps_of(again).values()] == [hit, hit]
    assert [step.get("CacheHitResult") for step in steps_of(other).values()] == [None, None]
    assert job_of(steps_of(again)["One"]) == job_of(steps_of(first)["One"])
    # A failed step is no result; nor is one that is older than it may be.
    sagemaker = daemon.client("sagemaker")
    sagemaker.delete_processing_job(ProcessingJobName=job_of(steps_of(first)["Two"]))
    assert "CacheHitResult" not in steps_of(start_and_wait(pipeline))["Two"]


def test_a_step_that_starts_no_job_is_never_taken_from_the_cache():
    """https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html lists the others."""
    container = {"Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1"}
    step = {
        "Name": "Model",
        "Type": "Model",
        "Arguments": {"PrimaryContainer": container, "ExecutionRoleArn": ROLE},
        "CacheConfig": {"Enabled": True, "ExpireAfter": "1d"},
    }
    pipeline = create(step)
    first, again = (steps_of(start_and_wait(pipeline))["Model"] for _ in range(2))
    assert again["StepStatus"] == "Succeeded" and "CacheHitResult" not in again
    assert again["Metadata"]["Model"]["Arn"] != first["Metadata"]["Model"]["Arn"]


def start_and_wait(pipeline: str, **more) -> str:
    arn = start(pipeline, **more)
    ended(arn)
    return arn


def test_a_stopped_execution_stops_its_jobs_and_goes_on_when_it_is_retried():
    pipeline = create(
        process_step("One", "1"),
        process_step("Two", "1", program=WAITS.format(30), DependsOn=["One"]),
        process_step("Three", "1", DependsOn=["Two"]),
    )
    arn, sagemaker = start(pipeline), daemon.client("sagemaker")
    assert until(lambda: statuses(arn).get("Two") == "Executing")
    first = steps_of(arn)
    assert until(lambda: job(first["Two"])["ProcessingJobStatus"] == "InProgress")
    with pytest.raises(ClientError, match="only one that is Failed or Stopped"):
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(arn) == {"One": "Succeeded", "Two": "Stopped"}
    assert job(first["Two"])["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="only one that is Executing"):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    assert until(lambda: statuses(arn).get("Two") == "Executing")
    assert job_of(steps_of(arn)["One"]) == job_of(first["One"])
    assert job_of(steps_of(arn)["Two"]) != job_of(first["Two"])
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"


def test_selected_steps_take_the_results_of_another_execution():
    two = process_step("Two", {"Get": OUTPUT}, program="print(1)")
    pipeline = create(process_step("One", "1"), two, process_step("Three", "1"))
    selected = {"SelectedSteps": [{"StepName": "Two"}]}
    with pytest.raises(ClientError, match="need the result of the step 'One'"):
        start(pipeline, SelectiveExecutionConfig=selected)
    source = start_and_wait(pipeline)
    config = selected | {"SourcePipelineExecutionArn": source}
    arn = start_and_wait(pipeline, SelectiveExecutionConfig=config)
    assert statuses(arn) == {"One": "Succeeded", "Two": "Succeeded"}
    one = steps_of(arn)["One"]
    assert one["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert arguments_of(arn, "Two") == arguments_of(source, "Two")
    unknown = {"SelectedSteps": [{"StepName": "Four"}]}
    with pytest.raises(ClientError, match=r"no step 'Four' to select\. The steps: One, Two"):
        start(pipeline, SelectiveExecutionConfig=unknown)


def test_a_job_belongs_to_the_trial_of_the_execution_and_has_the_pipelines_tags():
    experiment = {
        "PipelineExperimentConfig": {
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        }
    }
    tags = [{"Key": "team", "Value": "digits"}]
    pipeline = create(process_step("One", "1"), definition=experiment, Tags=tags)
    arn, sagemaker = start_and_wait(pipeline), daemon.client("sagemaker")
    trial = arn.rpartition("/")[2]
    config = {"ExperimentName": pipeline, "TrialName": trial}
    assert execution(arn)["PipelineExperimentConfig"] == config
    (found,) = sagemaker.list_trial_components(TrialName=trial)["TrialComponentSummaries"]
    assert found["DisplayName"] == "One"
    job = steps_of(arn)["One"]["Metadata"]["ProcessingJob"]["Arn"]
    assert sagemaker.list_tags(ResourceArn=job)["Tags"] == tags


# --- retries --------------------------------------------------------------------------------------


def policy(kind: str, **more) -> dict:
    return {"RetryPolicies": [{"ExceptionType": [kind], **more}]}


def test_a_step_that_has_no_instance_is_tried_again_where_its_policy_says_so():
    step = process_step("One", "1", program=WAITS.format(0))
    step["Arguments"]["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 21
    arn = start_and_wait(create(step))
    reason = steps_of(arn)["One"]["FailureReason"]
    assert "No retry policy is left for the exception type SageMaker.RESOURCE_LIMIT" in reason
    assert steps_of(arn)["One"]["AttemptCount"] == 1
    few = policy("SageMaker.RESOURCE_LIMIT", IntervalSeconds=1, BackoffRate=1.0, MaxAttempts=2)
    arn = start_and_wait(create(step | few))
    assert steps_of(arn)["One"]["AttemptCount"] == 3


def test_many_executions_share_the_instances_there_are():
    """50 with three steps side by side and one after them, for 20 instances."""
    wait = policy("SageMaker.RESOURCE_LIMIT", IntervalSeconds=1, ExpireAfterMin=10)
    steps = [process_step(f"S{n}", program="print(1)", **wait) for n in range(3)]
    last = process_step("Last", program="print(1)", DependsOn=["S0", "S1", "S2"], **wait)
    pipeline = create(*steps, last)
    every = [start(pipeline) for _ in range(50)]
    for arn in every:
        assert ended(arn, 300)["PipelineExecutionStatus"] == "Succeeded", steps_of(arn)
        found = steps_of(arn)
        assert max(found[f"S{n}"]["EndTime"] for n in range(3)) <= found["Last"]["StartTime"]


# --- the server ends ------------------------------------------------------------------------------


def test_no_finished_step_is_lost_when_the_server_is_killed(own_server):  # noqa: F811
    """At random moments; and a retry goes on from there."""
    chance = random.Random(12)
    names = [f"S{n}" for n in range(6)]
    steps = [
        process_step(name, program="print(1)", **({"DependsOn": [before]} if before else {}))
        for before, name in zip([None, *names], names, strict=False)
    ]
    arn, done = start(create(*steps)), {}
    for _ in range(20):
        time.sleep(chance.uniform(0.0, 0.6))
        before = {name for name, status in statuses(arn).items() if status == "Succeeded"}
        os.kill(daemon.status()["pid"], signal.SIGKILL)
        assert until(lambda: daemon.status() is None)
        found = steps_of(arn)
        assert before <= {n for n, step in found.items() if step["StepStatus"] == "Succeeded"}
        done = {n: job_of(s) for n, s in found.items() if s["StepStatus"] == "Succeeded"}
        state = execution(arn)["PipelineExecutionStatus"]
        if state == "Succeeded":
            arn, done = start(create(*steps)), {}
        else:
            assert state == "Failed" and "The emulated AWS ended" in execution(arn)["FailureReason"]
            daemon.client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)
            found = steps_of(arn)
            assert {n: job_of(found[n]) for n in done} == done
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded", steps_of(arn)
