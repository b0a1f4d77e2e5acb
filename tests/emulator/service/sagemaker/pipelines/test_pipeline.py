"""Pipelines as the SDK makes and runs them, on instances and in local mode; and their lists."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ....by_boto3 import bucket  # noqa: F401
from ....conftest import ROLE, script  # noqa: F401
from .by_definition import create, ended, fail, process_step, start

SPLIT = """
import pathlib
for part in ("train", "test"):
    pathlib.Path(f"/opt/ml/processing/{part}/rows.csv").write_text("1,2" * 10)
"""
TRAIN = """
import json, pathlib
rows = pathlib.Path("/opt/ml/input/data/train/rows.csv").read_text()
given = json.loads(pathlib.Path("/opt/ml/input/config/hyperparameters.json").read_text())
pathlib.Path("/opt/ml/model/model.txt").write_text(f"{len(rows)} {given['depth']}")
"""
EVALUATE = """
import json, pathlib, tarfile
with tarfile.open("/opt/ml/processing/model/model.tar.gz") as archive:
    size, depth = archive.extractfile("model.txt").read().decode().split()
report = {"metrics": {"mse": {"value": 1 / int(depth)}}}
pathlib.Path("/opt/ml/processing/evaluation/evaluation.json").write_text(json.dumps(report))
"""
#: The calls of AWS's examples, in our words: process, train, evaluate, and a condition.
PROGRAM = """
import json, sys
import boto3, sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession, PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

local = sys.argv[1:] == ["local"]
session = LocalPipelineSession() if local else PipelineSession()
role, bucket = sagemaker.get_execution_role(session), session.default_bucket()
kind = "local" if local else "ml.m5.large"
image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1"
count = ParameterInteger("Count", default_value=1)
approval = ParameterString("Kind", default_value=kind)
limit = ParameterFloat("Limit", default_value=0.5)


def processor(name):
    return ScriptProcessor(
        image_uri=image, command=["python3"], role=role, instance_count=count,
        instance_type=approval, base_job_name=name, sagemaker_session=session,
    )


split = ProcessingStep("Split", step_args=processor("split").run(
    code="split.py",
    outputs=[
        ProcessingOutput(output_name=part, source=f"/opt/ml/processing/{part}")
        for part in ("train", "test")
    ],
), cache_config=CacheConfig(enable_caching=True, expire_after="1d"))
session.upload_data("train.py", bucket, "code")
estimator = Estimator(
    image_uri=image, role=role, instance_count=1, instance_type=kind, sagemaker_session=session,
    hyperparameters={"depth": 4}, output_path=f"s3://{bucket}/models",
    container_entry_point=["python3", "/opt/ml/input/data/code/train.py"],
)
output = split.properties.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri
train = TrainingStep("Train", step_args=estimator.fit({
    "train": TrainingInput(output), "code": TrainingInput(f"s3://{bucket}/code"),
}))
report = PropertyFile("Report", output_name="evaluation", path="evaluation.json")
evaluate = ProcessingStep("Evaluate", step_args=processor("evaluate").run(
    code="evaluate.py",
    inputs=[ProcessingInput(
        source=train.properties.ModelArtifacts.S3ModelArtifacts,
        destination="/opt/ml/processing/model",
    )],
    outputs=[ProcessingOutput(
        output_name="evaluation", source="/opt/ml/processing/evaluation",
        destination=Join(on="/", values=["s3:/", bucket, ExecutionVariables.PIPELINE_EXECUTION_ID]),
    )],
), property_files=[report])
mse = JsonGet(step_name="Evaluate", property_file=report, json_path="metrics.mse.value")
registered = []
if not local:  # local pipelines know no registry
    model = Model(
        image_uri=image, model_data=train.properties.ModelArtifacts.S3ModelArtifacts, role=role,
        sagemaker_session=session,
    )
    source = MetricsSource("application/json", Join(on="/", values=[
        evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri,
        "evaluation.json",
    ]))
    registered = [ModelStep("Register", step_args=model.register(
        content_types=["text/csv"], response_types=["text/csv"],
        inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"],
        model_package_group_name="rows", approval_status="PendingManualApproval",
        model_metrics=ModelMetrics(model_statistics=source),
    ))]
good = ConditionStep(
    "Good", conditions=[ConditionLessThanOrEqualTo(left=mse, right=limit)], if_steps=registered,
    else_steps=[FailStep("TooBad", error_message=Join(on=" ", values=["more than", limit]))],
)
pipeline = Pipeline(
    "Rows", parameters=[count, approval, limit], steps=[split, train, evaluate, good],
    sagemaker_session=session,
)
pipeline.upsert(role_arn=role)
pipeline.upsert(role_arn=role)
for values in ({}, {"Limit": 0.1}):
    execution = pipeline.start(parameters=values)
    try:
        if not local:
            execution.wait(delay=1)
    except Exception as error:
        print(type(error).__name__)
    steps = execution.list_steps()
    steps = steps["PipelineExecutionSteps"] if local else steps
    print(json.dumps({
        "status": execution.describe()["PipelineExecutionStatus"],
        "steps": {step["StepName"]: step["StepStatus"] for step in steps},
        "cached": [step["StepName"] for step in steps if "CacheHitResult" in step],
        "reason": [step["FailureReason"] for step in steps if step.get("FailureReason")],
    }))
"""
FILES = {"split.py": SPLIT, "train.py": TRAIN, "evaluate.py": EVALUATE}


@pytest.mark.slow
def test_a_pipeline_of_the_sdk_runs_to_its_end_on_instances(script):  # noqa: F811
    *_, first, waited, second = script(PROGRAM, FILES).stdout.splitlines()
    first, second = json.loads(first), json.loads(second)
    steps = dict.fromkeys(("Split", "Train", "Evaluate", "Good"), "Succeeded")
    registered = {"Register-RegisterModel": "Succeeded"}
    assert first["status"] == "Succeeded" and first["steps"] == steps | registered, first
    assert first["cached"] == []
    sagemaker = daemon.client("sagemaker")
    (version,) = sagemaker.list_model_packages(ModelPackageGroupName="rows")[
        "ModelPackageSummaryList"
    ]
    package = sagemaker.describe_model_package(ModelPackageName=version["ModelPackageArn"])
    report = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    content = daemon.client("s3").get_object(Bucket=report.split("/")[2],
                                             Key=report.split("/", 3)[3])["Body"]  # fmt: skip
    assert json.load(content) == {"metrics": {"mse": {"value": 0.25}}}
    assert waited == "WaiterError"
    assert second["status"] == "Failed" and second["steps"] == steps | {"TooBad": "Failed"}
    assert (second["cached"], second["reason"]) == (["Split"], ["more than 0.1"])


@pytest.mark.slow
def test_the_same_pipeline_runs_in_local_mode(script):  # noqa: F811
    program = PROGRAM.replace('sys.argv[1:] == ["local"]', "True")
    *_, first, second = script(program, FILES).stdout.splitlines()
    first, second = json.loads(first), json.loads(second)
    assert first["status"] == "Succeeded", first
    assert second["status"] == "Failed" and second["steps"]["TooBad"] == "Failed"


def test_pipelines_are_described_changed_listed_and_deleted():
    sagemaker, name = daemon.client("sagemaker"), "described-and-deleted"
    create(fail("One"), PipelineName=name, PipelineDescription="first")
    with pytest.raises(ClientError, match=r"Pipeline with name \(described-and-deleted\) already"):
        create(fail("One"), PipelineName=name)
    found = sagemaker.describe_pipeline(PipelineName=name)
    assert (found["PipelineStatus"], found["RoleArn"]) == ("Active", ROLE)
    assert found["PipelineDescription"] == "first" and "LastRunTime" not in found
    sagemaker.update_pipeline(PipelineName=found["PipelineArn"].rpartition("/")[2],
                              PipelineDescription="second")  # fmt: skip
    arn = start(name, PipelineExecutionDisplayName="one", PipelineExecutionDescription="mine")
    ended(arn)
    sagemaker.update_pipeline_execution(
        PipelineExecutionArn=arn, PipelineExecutionDisplayName="two"
    )
    summaries = sagemaker.list_pipelines(PipelineNamePrefix="described")["PipelineSummaries"]
    assert [(one["PipelineName"], one["PipelineDescription"]) for one in summaries] == [
        (name, "second")
    ]
    assert "LastExecutionTime" in summaries[0]
    (one,) = sagemaker.list_pipeline_executions(PipelineName=found["PipelineArn"])[
        "PipelineExecutionSummaries"
    ]
    assert one["PipelineExecutionArn"] == arn and one["PipelineExecutionStatus"] == "Failed"
    assert one["PipelineExecutionDisplayName"] == "two"
    assert one["PipelineExecutionFailureReason"].endswith("(One)")
    definition = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert definition["PipelineDefinition"] == found["PipelineDefinition"]
    sagemaker.delete_pipeline(PipelineName=name)
    for ask, member in (
        (sagemaker.describe_pipeline, {"PipelineName": name}),
        (sagemaker.describe_pipeline_execution, {"PipelineExecutionArn": arn}),
        (sagemaker.list_pipeline_execution_steps, {"PipelineExecutionArn": arn}),
        (sagemaker.start_pipeline_execution, {"PipelineName": name}),
    ):
        with pytest.raises(ClientError) as missing:
            ask(**member)
        assert missing.value.response["Error"]["Code"] == "ResourceNotFound"


@pytest.mark.slow
def test_a_pipeline_that_runs_is_not_deleted():
    sagemaker = daemon.client("sagemaker")
    name = create(process_step("One", program="import time; time.sleep(30)"))
    arn = start(name)
    with pytest.raises(ClientError, match=f"The execution {arn} runs") as refused:
        sagemaker.delete_pipeline(PipelineName=name)
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    ended(arn)
    sagemaker.delete_pipeline(PipelineName=name)


def test_a_pipeline_has_tags_and_is_found():
    sagemaker = daemon.client("sagemaker")
    name = create(fail("One"), Tags=[{"Key": "team", "Value": "digits"}])
    arn = sagemaker.describe_pipeline(PipelineName=name)["PipelineArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "lab", "Value": "4"}])
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "digits", "lab": "4"}
    found = sagemaker.search(
        Resource="Pipeline",
        SearchExpression={"Filters": [{"Name": "Tags.lab", "Operator": "Equals", "Value": "4"}]},
    )["Results"]
    assert [one["Pipeline"]["PipelineName"] for one in found] == [name]
    execution = start(name)
    ended(execution)
    found = sagemaker.search(
        Resource="PipelineExecution",
        SearchExpression={"Filters": [{"Name": "PipelineArn", "Operator": "Equals", "Value": arn}]},
    )["Results"]
    assert [one["PipelineExecution"]["PipelineExecutionStatus"] for one in found] == ["Failed"]
