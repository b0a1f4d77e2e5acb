"""How the tests of pipelines write definitions, and run them: with boto3."""

from __future__ import annotations

import itertools
import json
import os
import time

from workshop.emulator.client import daemon

from ....by_boto3 import BUCKET, IMAGE, taken
from ....conftest import ROLE

_numbers = itertools.count(1)
#: Writes its first argument, a number, to e.json.
MEASURE = (
    "import json, sys; "
    "json.dump({'accuracy': float(sys.argv[1])}, open('/opt/ml/processing/out/e.json', 'w'))"
)


def process_step(name: str, *arguments: object, program: str = MEASURE, **more) -> dict:
    """A processing step that runs a short program; ``more`` are members beside its arguments."""
    out = taken("", mode="EndOfJob")
    out["S3Output"]["S3Uri"] = {
        "Std:Join": {
            "On": "/",
            "Values": ["s3:/", BUCKET, name, {"Get": "Execution.PipelineExecutionId"}],
        }
    }
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c", program],
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "RoleArn": ROLE,
            "ProcessingInputs": [],
            "ProcessingOutputConfig": {"Outputs": [out]},
        },
        "PropertyFiles": [{"PropertyFileName": "E", "OutputName": "out", "FilePath": "e.json"}],
        **more,
    }


def accuracy(step: str) -> dict:
    """What the step has measured."""
    file = {"Get": f"Steps.{step}.PropertyFiles.E"}
    return {"Std:JsonGet": {"PropertyFile": file, "Path": "accuracy"}}


def at_least(left: object, right: object) -> dict:
    return {"Type": "GreaterThanOrEqualTo", "LeftValue": left, "RightValue": right}


def condition(name: str, conditions: list, yes: list, no: list = (), **more) -> dict:
    arguments = {"Conditions": conditions, "IfSteps": yes, "ElseSteps": [*no]}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def fail(name: str, message: object = "as it was written", **more) -> dict:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def create(*steps: dict, parameters: list = (), **more) -> str:
    """Make a pipeline of these steps; return its name."""
    name = more.pop("PipelineName", f"pipeline-{next(_numbers)}-{os.getpid()}")
    definition = {"Version": "2020-12-01", "Parameters": [*parameters], "Steps": [*steps]}
    definition |= more.pop("definition", {})
    daemon.client("sagemaker").create_pipeline(
        PipelineName=name, PipelineDefinition=json.dumps(definition), RoleArn=ROLE, **more
    )
    return name


def start(pipeline: str, **more) -> str:
    """Start an execution; return its ARN."""
    values = more.pop("values", {})
    parameters = [{"Name": name, "Value": value} for name, value in values.items()]
    answer = daemon.client("sagemaker").start_pipeline_execution(
        PipelineName=pipeline, PipelineParameters=parameters, **more
    )
    return answer["PipelineExecutionArn"]


def execution(arn: str) -> dict:
    return daemon.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)


def ended(arn: str, seconds: float = 60) -> dict:
    """Wait until an execution has ended; return its description."""
    deadline = time.monotonic() + seconds
    while (found := execution(arn))["PipelineExecutionStatus"] in ("Executing", "Stopping"):
        assert time.monotonic() < deadline, steps_of(arn)
        time.sleep(0.05)
    return found


def steps_of(arn: str) -> dict[str, dict]:
    """Return the steps of an execution by their names, in the order in which they began."""
    pages = (
        daemon.client("sagemaker")
        .get_paginator("list_pipeline_execution_steps")
        .paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
    )
    return {one["StepName"]: one for page in pages for one in page["PipelineExecutionSteps"]}


def statuses(arn: str) -> dict[str, str]:
    return {name: step["StepStatus"] for name, step in steps_of(arn).items()}


def job_of(step: dict) -> str:
    """Return the name of what a step has made."""
    (made,) = step["Metadata"].values()
    return made["Arn"].rpartition("/")[2]


def job(step: dict) -> dict:
    """Return the description of a step's processing job."""
    return daemon.client("sagemaker").describe_processing_job(ProcessingJobName=job_of(step))
