"""What a pipeline costs beyond its jobs: until the first script runs, and for each step.

    ./lab exec -- python benchmarks/pipelines.py [REPEATS]

The first step's script notes when it began; so does the same job when it is created without a
pipeline, which is the peer. The 200 steps are conditions, each after the one before: nothing but
the pipeline itself takes time. Aims: the first script no more than 0.3 s after `start()`, a step
no more than 20 ms.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid

import boto3
import sagemaker
from rich.console import Console
from rich.table import Table

REPEATS = 5
FIRST, EACH = 0.3, 0.020  # seconds
STEPS = 200
CLOCK = "import time; open('/opt/ml/processing/out/began', 'w').write(repr(time.time()))"


def arguments(role: str, uri: str) -> dict:
    """A processing job that writes down when its script began."""
    output = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1"
    return {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": image, "ContainerEntrypoint": ["python3", "-c", CLOCK]},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
        "RoleArn": role,
    }


class Measuring:
    def __init__(self) -> None:
        session = sagemaker.Session()
        self._role, self._bucket = sagemaker.get_execution_role(session), session.default_bucket()
        self._sagemaker, self._s3 = boto3.client("sagemaker"), boto3.client("s3")

    def began(self, prefix: str) -> float:
        found = self._s3.get_object(Bucket=self._bucket, Key=f"{prefix}/began")
        return float(found["Body"].read())

    def job(self) -> float:
        """Return the seconds from the creation of a job to its script."""
        name = f"alone-{uuid.uuid4().hex}"
        start = time.time()
        self._sagemaker.create_processing_job(
            ProcessingJobName=name, **arguments(self._role, f"s3://{self._bucket}/{name}")
        )
        waiter = self._sagemaker.get_waiter("processing_job_completed_or_stopped")
        waiter.wait(ProcessingJobName=name, WaiterConfig={"Delay": 1})
        return self.began(name) - start

    def first_step(self) -> float:
        """Return the seconds from the start of a pipeline to the script of its first step."""
        name = f"first-{uuid.uuid4().hex}"
        of_job = arguments(self._role, f"s3://{self._bucket}/{name}")
        start = self.run([step("First", "Processing", of_job)])
        return self.began(name) - start

    def each_step(self) -> float:
        """Return the seconds for each of many steps that take none themselves."""
        always = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
        condition = {"Conditions": [always], "IfSteps": [], "ElseSteps": []}
        chain = [step("S0", "Condition", condition)]
        for number in range(1, STEPS):
            before = {"DependsOn": [f"S{number - 1}"]}
            chain.append(step(f"S{number}", "Condition", condition) | before)
        start = self.run(chain)
        return (time.time() - start) / STEPS

    def run(self, steps: list[dict]) -> float:
        """Run a pipeline to its end; return when it was started."""
        name = f"pipeline-{uuid.uuid4().hex}"
        definition = json.dumps({"Version": "2020-12-01", "Steps": steps})
        self._sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=definition, RoleArn=self._role
        )
        start = time.time()
        arn = self._sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
        while True:
            found = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            if found["PipelineExecutionStatus"] == "Succeeded":
                return start
            if found["PipelineExecutionStatus"] != "Executing":
                raise SystemExit(f"{name}: {found.get('FailureReason')}")
            time.sleep(0.01)


def step(name: str, kind: str, given: dict) -> dict:
    return {"Name": name, "Type": kind, "Arguments": given}


def main(repeats: int = REPEATS) -> None:
    measuring = Measuring()
    measuring.job()  # the server is warm from here on
    names = ("job", "first_step", "each_step")
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            found[name].append(getattr(measuring, name)())
    job, first, each = (statistics.median(found[name]) for name in names)
    table = Table(title=f"A pipeline, median of {repeats}")
    for column in ("what", "seconds", "peer or aim, s", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, seconds, limit in (
        ("start() to the first script, to the same job alone", first, job),
        ("start() to the first script, to the aim", first, FIRST),
        (f"each of {STEPS} steps, to the aim", each, EACH),
    ):
        table.add_row(what, f"{seconds:.3f}", f"{limit:.3f}", f"{seconds / limit:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
